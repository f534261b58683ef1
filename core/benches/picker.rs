//! What the picker costs: a change of availability, a pick, a block that came in, at 10^4 to 10^6 pieces
//! with 10 to 1000 peers that each have a random half.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use convoy_core::{
    Instant, Machine, Outbox, Random,
    bitfield::Bitfield,
    id::{Block, PackageId, PeerKey, PieceIndex},
    picker::{Action, Config, Input, Picker, Source, Tier},
    slab::Slab,
    storage::Geometry,
};
use core::time::Duration;
use criterion::{
    BenchmarkId, Criterion, criterion_group, criterion_main,
    measurement::{Measurement, WallTime},
};
use std::collections::VecDeque;

const PIECES: [u32; 3] = [10_000, 100_000, 1_000_000];
const PEERS: [u32; 3] = [10, 100, 1000];

/// How many haves are thought up at a time.
const CHANGES: u64 = 4096;

/// A picker in the middle of a torrent, and the world that it knows.
struct Swarm {
    picker: Picker,
    peers: Vec<PeerKey>,
    /// What each of them has.
    bits: Vec<Bitfield>,
    random: Random,
    now: Instant,
    out: Outbox<Action>,
    asked: VecDeque<(PeerKey, Block)>,
}

impl Swarm {
    /// Pieces of 16 blocks; each peer has a random half. Everybody chokes us.
    fn new(pieces: u32, peers: u32) -> Self {
        let geometry = Geometry::new(256 * 1024, u64::from(pieces) * 256 * 1024).expect("valid");
        let mut swarm = Self {
            picker: Picker::new(Config::new(geometry), [1; 32]),
            peers: Vec::new(),
            bits: Vec::new(),
            random: Random::new([2; 32]),
            now: Instant::ZERO,
            out: Outbox::new(),
            asked: VecDeque::new(),
        };
        let mut keys = Slab::<PeerKey, ()>::new();
        let mut bytes = vec![0; pieces.div_ceil(8) as usize];
        for _ in 0..peers {
            let peer = keys.insert(());
            swarm.peers.push(peer);
            swarm.tell(Input::PeerJoined { peer, source: Source::Peer { fast: true } });
            swarm.random.fill_public(&mut bytes);
            if let Some(last) = bytes.last_mut() {
                *last &= u8::MAX << ((8 - pieces % 8) % 8);
            }
            let bits = Bitfield::from_bytes(&bytes, pieces).expect("no spare bits");
            swarm.bits.push(bits.clone());
            swarm.tell(Input::Bitfield { peer, pieces: bits });
        }
        swarm
    }

    /// The same once more, for another measurement.
    fn twin(&self) -> Self {
        Self {
            picker: self.picker.clone(),
            peers: self.peers.clone(),
            bits: self.bits.clone(),
            random: self.random.clone(),
            now: self.now,
            out: Outbox::new(),
            asked: self.asked.clone(),
        }
    }

    fn tell(&mut self, input: Input) {
        self.now = self.now + Duration::from_micros(10);
        let Ok(()) = self.picker.handle_input(self.now, input, &mut self.out);
        for action in self.out.drain() {
            if let Action::Request { peer, block } = action {
                self.asked.push_back((peer, block));
            }
        }
    }

    fn any_peer(&mut self) -> PeerKey {
        self.peers[self.random.below(self.peers.len() as u32) as usize]
    }

    /// A peer gets a piece that it lacks, or loses one that it has.
    fn any_change(&mut self) -> Input {
        let (peer, piece) = (self.any_peer(), PieceIndex(self.random.below(self.picker.have().len())));
        let bits = &mut self.bits[peer.index()];
        if bits.set(piece) {
            return Input::Have { peer, piece };
        }
        bits.clear(piece);
        Input::DontHave { peer, piece }
    }
}

fn availability(criterion: &mut Criterion, id: &str, whole: &Swarm) {
    let mut group = criterion.benchmark_group("availability");
    let mut swarm = whole.twin();
    let pieces = swarm.picker.have().len();
    let mut bits = Bitfield::new(pieces);
    (0..pieces).step_by(2).for_each(|piece| {
        bits.set(PieceIndex(piece));
    });
    group.bench_function(BenchmarkId::new("a bitfield replaced by another", id), |bencher| {
        bencher.iter(|| {
            let peer = swarm.any_peer();
            swarm.tell(Input::Bitfield { peer, pieces: bits.clone() });
        });
    });
    group.bench_function(BenchmarkId::new("have or dont-have", id), |bencher| {
        let (mut swarm, mut changes) = (whole.twin(), Vec::new());
        bencher.iter_custom(|times| {
            timed(times, CHANGES, |count| {
                changes.extend((0..count).map(|_| swarm.any_change()));
                let start = WallTime.start();
                changes.drain(..).for_each(|change| swarm.tell(change));
                WallTime.end(start)
            })
        });
        assert_eq!(swarm.picker.counters().repeats, 0, "every one of them changes something");
    });
    group.bench_function(BenchmarkId::new("another tier, and back", id), |bencher| {
        bencher.iter(|| {
            let start = swarm.random.below(pieces);
            for (package, tier) in [(PackageId(0), Tier::LobbyUrgent), (PackageId(0), Tier::UserRequested)] {
                swarm.tell(Input::Package { package, pieces: start..start + 1, tier });
            }
        });
    });
    group.finish();
}

/// How long so many events take, some at a time: what comes between is not measured.
fn timed(mut times: u64, at_a_time: u64, mut some: impl FnMut(u64) -> Duration) -> Duration {
    let mut total = Duration::ZERO;
    while times > 0 {
        let count = times.min(at_a_time);
        total += some(count);
        times -= count;
    }
    total
}

/// One pick: a peer has room for one block of a piece that is not begun, and loses it again.
fn pick(criterion: &mut Criterion, id: &str, swarm: &Swarm) {
    let mut group = criterion.benchmark_group("pick");
    let mut swarm = swarm.twin();
    for peer in swarm.peers.clone() {
        swarm.tell(Input::RequestLimit { peer, requests: 1 });
    }
    group.bench_function(BenchmarkId::new("unchoke, open a piece, request, leave it", id), |bencher| {
        bencher.iter(|| {
            let peer = swarm.any_peer();
            // Longer than the back-off after an unchoke that yielded nothing.
            swarm.now = swarm.now + Duration::from_secs(2);
            let Ok(()) = swarm.picker.handle_timeout(swarm.now, &mut swarm.out);
            swarm.tell(Input::Unchoked { peer });
            assert_eq!(swarm.asked.len(), 1);
            swarm.tell(Input::Choked { peer });
            while let Some((peer, block)) = swarm.asked.pop_front() {
                swarm.tell(Input::Rejected { peer, block });
            }
        });
    });
    group.finish();
}

/// The steady state: the oldest of the requests that stand, fifty at a peer, is answered, and another is
/// made. Complete pieces are verified while nobody measures, and lost again, so that the torrent never ends.
fn block(criterion: &mut Criterion, id: &str, swarm: &Swarm) {
    const BLOCKS: u64 = 256;
    let mut group = criterion.benchmark_group("block");
    let mut swarm = swarm.twin();
    for peer in swarm.peers.clone() {
        swarm.tell(Input::RequestLimit { peer, requests: 50 });
        swarm.tell(Input::Unchoked { peer });
    }
    let (mut complete, mut blocks, mut pieces) = (Vec::new(), 0, 0);
    group.bench_function(BenchmarkId::new("store and ask for the next", id), |bencher| {
        bencher.iter_custom(|times| {
            timed(times, BLOCKS, |count| {
                let start = WallTime.start();
                for _ in 0..count {
                    let (peer, block) = swarm.asked.pop_front().expect("never dry");
                    swarm.now = swarm.now + Duration::from_micros(10);
                    let input = Input::Block { peer, block };
                    let Ok(()) = swarm.picker.handle_input(swarm.now, input, &mut swarm.out);
                    for action in swarm.out.drain() {
                        if let Action::Request { peer, block } = action {
                            swarm.asked.push_back((peer, block));
                        } else if let Action::Complete { piece } = action {
                            complete.push(piece);
                        }
                    }
                }
                let spent = WallTime.end(start);
                blocks += count;
                for piece in complete.drain(..) {
                    pieces += 1;
                    swarm.tell(Input::Verified { piece });
                    swarm.tell(Input::Failed { piece });
                }
                spent
            })
        });
    });
    assert!(pieces > 0 || blocks == 0, "no piece was ever complete");
    group.finish();
}

/// A piece is verified: a bit test for each peer.
fn verified(criterion: &mut Criterion, id: &str, swarm: &Swarm) {
    let mut group = criterion.benchmark_group("verified");
    let mut swarm = swarm.twin();
    let pieces = swarm.picker.have().len();
    group.bench_function(BenchmarkId::new("verified and failed", id), |bencher| {
        bencher.iter(|| {
            let piece = PieceIndex(swarm.random.below(pieces));
            swarm.tell(Input::Verified { piece });
            swarm.tell(Input::Failed { piece });
        });
    });
    group.finish();
}

fn picker(criterion: &mut Criterion) {
    for pieces in PIECES {
        for peers in PEERS {
            let swarm = Swarm::new(pieces, peers);
            let id = format!("{pieces} pieces, {peers} peers");
            for bench in [availability, pick, block, verified] {
                bench(criterion, &id, &swarm);
            }
        }
    }
}

criterion_group!(benches, picker);
criterion_main!(benches);
