//! What the choker costs with ten thousand peers: a round by each strategy, interest that comes and goes,
//! urgency.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use convoy_core::{
    Instant, Machine, Outbox, Random,
    choker::{Action, Adaptive, Choker, Config, Input, SeedStrategy},
    id::PeerKey,
    slab::Slab,
};
use core::{hint::black_box, time::Duration};
use criterion::{
    Criterion, criterion_group, criterion_main,
    measurement::{Measurement, WallTime},
};

const PEERS: u32 = 10_000;
const PIECES: u32 = 4000;

/// A choker, and peers that all want something.
struct Crowd {
    choker: Choker,
    peers: Vec<PeerKey>,
    random: Random,
    now: Instant,
    out: Outbox<Action>,
}

impl Crowd {
    fn new(seeding: bool, seed_strategy: SeedStrategy) -> Self {
        Self::of(seeding, Config { seed_strategy, pieces: PIECES, ..Config::default() })
    }

    fn of(seeding: bool, config: Config) -> Self {
        let mut keys = Slab::<PeerKey, ()>::new();
        let mut crowd = Self {
            choker: Choker::new(config, [1; 32]),
            peers: (0..PEERS).map(|_| keys.insert(())).collect(),
            random: Random::new([2; 32]),
            now: Instant::ZERO,
            out: Outbox::new(),
        };
        crowd.tell(Input::Seeding(seeding));
        for place in 0..crowd.peers.len() {
            let (peer, pieces) = (crowd.peers[place], crowd.random.below(PIECES));
            crowd.tell(Input::PeerJoined { peer });
            crowd.tell(Input::Completion { peer, pieces });
            crowd.tell(Input::Interested { peer });
        }
        crowd
    }

    fn tell(&mut self, input: Input) {
        let Ok(()) = self.choker.handle_input(self.now, input, &mut self.out);
        black_box(self.out.drain().count());
    }

    fn any_peer(&mut self) -> PeerKey {
        self.peers[self.random.below(PEERS) as usize]
    }

    /// A thousand peers sent something, or took something.
    fn trade(&mut self) {
        for _ in 0..1000 {
            let (peer, bytes) = (self.any_peer(), self.random.below(1 << 20));
            self.tell(Input::Downloaded { peer, bytes });
            self.tell(Input::Uploaded { peer, bytes });
            self.tell(Input::Sent { peer, bytes, backlog: false });
        }
    }

    fn hold_round(&mut self) {
        if let Some(due) = self.choker.poll_timeout() {
            self.now = due.at;
            let Ok(()) = self.choker.handle_timeout(self.now, &mut self.out);
            black_box(self.out.drain().count());
        }
    }
}

fn rounds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round of 10^4 peers");
    let mut bench = |name, mut crowd: Crowd| {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    crowd.trade();
                    let start = WallTime.start();
                    crowd.hold_round();
                    spent += WallTime.end(start);
                }
                spent
            });
        });
    };
    bench("leeching", Crowd::new(false, SeedStrategy::default()));
    bench("lowest completion", Crowd::new(true, SeedStrategy::LowestCompletion));
    bench("round robin", Crowd::new(true, SeedStrategy::RoundRobin));
    bench("fastest upload", Crowd::new(true, SeedStrategy::FastestUpload));
    bench("anti-leech", Crowd::new(true, SeedStrategy::AntiLeech));
    let adaptive = Some(Adaptive::default());
    bench("adaptive", Crowd::of(true, Config { adaptive, pieces: PIECES, ..Config::default() }));
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("event among 10^4 peers");
    let mut crowd = Crowd::new(true, SeedStrategy::default());
    crowd.hold_round();
    group.bench_function("interest that goes and comes", |bencher| {
        bencher.iter(|| {
            let peer = crowd.any_peer();
            crowd.tell(Input::NotInterested { peer });
            crowd.tell(Input::Interested { peer });
        });
    });
    group.bench_function("urgency that comes and goes", |bencher| {
        bencher.iter(|| {
            let peer = crowd.any_peer();
            crowd.tell(Input::Lobby { peer, wants: true });
            crowd.tell(Input::Lobby { peer, wants: false });
        });
    });
    group.bench_function("bytes", |bencher| {
        bencher.iter(|| {
            let peer = crowd.any_peer();
            crowd.tell(Input::Uploaded { peer, bytes: 16_384 });
        });
    });
}

criterion_group!(benches, rounds, events);
criterion_main!(benches);
