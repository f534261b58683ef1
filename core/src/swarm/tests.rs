//! A swarm and peers that speak raw bytes.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for the few actions that it is about")]

mod extensions;
mod fast;
mod plan;
mod players;
mod poison;
mod save;
mod serve;
mod spread;
mod suggest;
mod wire_rules;

use super::{
    Action, Input, PeerEnd, Setup, Swarm,
    subject::{self, AnySwarm, PIECE, PIECES, joined},
};
use crate::{
    Instant, Machine, Outbox,
    bitfield::Bitfield,
    id::{BLOCK_LENGTH, PeerKey, PieceIndex, StorageToken, StreamId},
    picker::PipelineLimits,
    storage::{Completion, Operation, StorageError},
    testing::{Dice, check_laws},
    wire::Reserved,
};
use alloc::{collections::BTreeSet, vec, vec::Vec};
use bytes::BytesMut;
use core::{net::SocketAddr, time::Duration};

const UNCHOKE: &[u8] = &[0, 0, 0, 1, 1];
const INTERESTED: &[u8] = &[0, 0, 0, 1, 2];
const NOT_INTERESTED: &[u8] = &[0, 0, 0, 1, 3];
const HAVE_ALL: &[u8] = &[0, 0, 0, 1, 14];
const CHOKE: &[u8] = &[0, 0, 0, 1, 0];

#[test]
fn bad_input_13_requests_that_cannot_be_served_are_rejected_and_nothing_is_read() {
    let mut table = Table::new(true);
    let peer = table.join(1, true);
    table.hear(peer, INTERESTED);
    let bad = [
        (PIECES, 0, BLOCK_LENGTH),
        (0, PIECE - 1, 2),
        (0, u32::MAX, 2),
        (0, 0, 0),
        (0, 0, BLOCK_LENGTH + 1),
        (u32::MAX, u32::MAX, BLOCK_LENGTH),
    ];
    for (piece, begin, length) in bad {
        let said = table.hear(peer, &request(6, piece, begin, length));
        assert_eq!(said, [request(16, piece, begin, length)], "BEP 6: one reject");
    }
    assert!(table.reads.is_empty());
    assert!(table.closed.is_empty());
}

#[test]
fn bad_input_13_a_request_while_choked_or_for_a_piece_that_is_not_here_is_rejected() {
    let mut seed = Table::new(true);
    let peer = seed.join(1, true);
    assert_eq!(seed.hear(peer, &request(6, 0, 0, BLOCK_LENGTH)), [request(16, 0, 0, BLOCK_LENGTH)]);
    let mut leecher = Table::new(false);
    let peer = leecher.join(1, true);
    leecher.hear(peer, INTERESTED);
    assert_eq!(leecher.hear(peer, &request(6, 0, 0, BLOCK_LENGTH)), [request(16, 0, 0, BLOCK_LENGTH)]);
    assert!(seed.reads.is_empty() && leecher.reads.is_empty());
}

#[test]
fn bad_input_13_without_bep_6_a_bad_request_is_met_with_silence() {
    let mut table = Table::new(true);
    let peer = table.join(1, false);
    table.hear(peer, INTERESTED);
    assert!(table.hear(peer, &request(6, 0, 0, BLOCK_LENGTH + 1)).is_empty());
    assert!(table.reads.is_empty() && table.closed.is_empty());
}

#[test]
fn bad_input_14_a_flood_of_requests_is_bounded_by_our_reqq() {
    let mut table = Table::new(true);
    table.swarm.config.upload_memory = 0; // nothing is read: requests stay in the queue
    let peer = table.join(1, true);
    table.hear(peer, INTERESTED);
    let mut rejects = 0;
    for number in 0..20_000_u32 {
        let (piece, begin) = (number % PIECES, number / PIECES % PIECE);
        rejects += rejected(&table.hear(peer, &request(6, piece, begin, 1)));
        table.sent(peer);
        if number % 3 == 0 {
            rejects += rejected(&table.hear(peer, &request(8, piece, begin, 1)));
            table.sent(peer);
        }
    }
    let queue = table.swarm.peers.get(peer).and_then(|peer| peer.queue.as_ref()).expect("a queue");
    assert!(queue.heap_bytes() < 64 * 1024, "{}", queue.heap_bytes());
    assert_eq!(rejects, 20_000 - 512, "each is answered once, or waits");
}

#[test]
fn bad_input_15_a_block_that_nobody_asked_for_closes_a_peer_with_bep_6() {
    let mut table = Table::new(false);
    let peer = table.join(1, true);
    table.hear(peer, HAVE_ALL);
    table.hear(peer, &piece(3, 0, &[0; BLOCK_LENGTH as usize]));
    assert_eq!(table.closed, [PeerEnd::Unsolicited]);
    assert!(table.writes.is_empty());
}

#[test]
fn bad_input_15_the_same_block_twice_is_waste_and_completes_nothing_twice() {
    let mut table = Table::new(false);
    let peer = table.join(1, true);
    table.hear(peer, HAVE_ALL);
    let asked = table.hear(peer, UNCHOKE);
    let first = place(&asked[0]);
    let block = table.block(first);
    table.hear(peer, &block);
    table.hear(peer, &block);
    assert_eq!(table.writes.len(), 1);
    assert_eq!(table.swarm.wasted_bytes, u64::from(BLOCK_LENGTH));
}

#[test]
fn bad_input_17_flapping_costs_a_bounded_number_of_messages() {
    let mut table = Table::new(false);
    let peer = table.join(1, true);
    table.hear(peer, HAVE_ALL);
    let mut said = 0;
    for _ in 0..2000 {
        said += table.hear(peer, UNCHOKE).len() + table.hear(peer, CHOKE).len();
        said += table.hear(peer, INTERESTED).len() + table.hear(peer, NOT_INTERESTED).len();
        table.sent(peer);
    }
    assert!(said <= 2000 * 8, "{said} messages in answer to 8000");
}

#[test]
fn a_torrent_comes_in_block_by_block_and_every_piece_is_announced() {
    let mut table = Table::new(false);
    let peer = table.join(1, true);
    table.hear(peer, HAVE_ALL);
    let mut asked: Vec<Vec<u8>> = table.hear(peer, UNCHOKE);
    let mut haves = 0;
    while let Some(next) = asked.pop() {
        let said = match next[4] {
            6 => {
                let block = table.block(place(&next));
                table.hear(peer, &block)
            }
            _ => continue,
        };
        haves += said.iter().filter(|message| message[4] == 4).count();
        asked.extend(said);
        haves += table.work().iter().filter(|message| message[4] == 4).count();
    }
    assert_eq!(haves as u32, PIECES);
    assert!(table.swarm.is_complete());
    assert_eq!(table.closed, [PeerEnd::BothSeeds]);
}

#[test]
fn a_workshop_has_three_pieces_open_at_a_peer_and_five_in_all() {
    let (mut setup, content) = setup_of(false);
    // As many requests as would ask for everything at once.
    setup.config.pipeline = PipelineLimits { start: 100, ..PipelineLimits::WORKSHOP };
    let mut table = Table::of(setup, content);
    let begun = [1, 2, 3].map(|number| {
        let peer = table.join(number, true);
        table.hear(peer, HAVE_ALL);
        table.hear(peer, UNCHOKE);
        table.asked.len()
    });
    assert_eq!(begun, [3, 5, 5]);
    for turn in 0.. {
        let open = table.asked.iter().filter(|piece| !table.swarm.have.get(PieceIndex(**piece))).count();
        assert!(open <= 5, "{open} in all");
        for (peer, stream) in &table.peers {
            let asked = table.requests.iter().filter(|(to, _)| to == stream).map(|(_, place)| place.0);
            let open = asked.collect::<BTreeSet<_>>().len();
            assert!(open <= 3, "{open} at {peer:?}");
        }
        if table.requests.is_empty() {
            break;
        }
        // Out of order, so that pieces stay open for long.
        let (stream, place) = table.requests.remove(turn * 7 % table.requests.len());
        let (peer, _) = table.peers.iter().find(|(_, of)| *of == stream).copied().expect("a peer");
        let block = table.block(place);
        table.hear(peer, &block);
        table.work();
    }
    assert!(table.swarm.is_complete());
}

#[test]
fn a_piece_verified_while_the_swarm_stops_is_saved() {
    let mut table = Table::new(false);
    let peer = table.join(1, true);
    table.hear(peer, HAVE_ALL);
    table.hear(peer, UNCHOKE);
    for piece in 0..2 {
        // The first makes the stop save; the second is verified while that is under way.
        for begin in [0, BLOCK_LENGTH] {
            let block = table.block((table.asked[piece], begin));
            table.hear(peer, &block);
        }
        if piece == 0 {
            table.work();
        }
    }
    table.tell(Input::Stop);
    assert_eq!((table.flushes.len(), table.saved.len()), (1, 0));
    table.work();
    while let Some(token) = table.flushes.pop() {
        table.tell(Input::Storage(Completion::Flushed { token, result: Ok(()) }));
    }
    assert_eq!(table.saved.last(), Some(&(2, true)));
    assert!(table.stopped);
}

#[test]
fn a_stop_waits_for_the_writes_under_way_and_is_the_last_word() {
    let mut table = Table::new(false);
    let peer = table.join(1, true);
    table.hear(peer, HAVE_ALL);
    table.hear(peer, UNCHOKE);
    let block = table.block((table.asked[0], 0));
    table.hear(peer, &block);
    table.tell(Input::Stop);
    assert_eq!(
        (&table.closed[..], table.stopped),
        (&[PeerEnd::Stopped][..], false),
        "a block is not written"
    );
    table.work();
    assert!(!table.stopped, "what the files are like now is not saved");
    let token = table.flushes.pop().expect("a flush");
    table.tell(Input::Storage(Completion::Flushed { token, result: Ok(()) }));
    assert_eq!((&table.saved[..], table.stopped), (&[(0, true)][..], true));

    let mut table = Table::new(true);
    table.join(1, true);
    table.tell(Input::Stop);
    assert_eq!((table.closed.len(), table.stopped), (1, true));
}

#[test]
fn a_vanished_file_fails_the_torrent_and_names_it() {
    let mut table = Table::new(true);
    let peer = table.join(1, true);
    table.hear(peer, INTERESTED);
    table.hear(peer, &request(6, 0, 0, BLOCK_LENGTH));
    let token = table.reads.pop().expect("a read");
    table.tell(Input::Storage(Completion::Read { token, result: Err(StorageError::NotFound) }));
    assert_eq!(table.failed, [StorageError::NotFound]);
    assert_eq!(table.closed, [PeerEnd::Stopped]);
}

#[test]
fn completions_that_nobody_waits_for_are_counted_and_ignored() {
    let mut table = Table::new(true);
    let stray = Completion::Written { token: StorageToken(77), result: Ok(()) };
    table.tell(Input::Storage(stray));
    assert_eq!(table.swarm.counters.stray_completions, 1);
}

#[test]
fn the_laws_hold_whatever_peers_and_drivers_do() {
    for seed in 0..100 {
        check_laws(AnySwarm::default(), Dice::seeded(seed), 120);
    }
}

/// A swarm of eight pieces on a table: everything it wants lies open.
struct Table {
    swarm: Swarm,
    out: Outbox<Action>,
    now: Instant,
    content: Vec<u8>,
    peers: Vec<(PeerKey, StreamId)>,
    reads: Vec<StorageToken>,
    writes: Vec<StorageToken>,
    jobs: Vec<Input>,
    closed: Vec<PeerEnd>,
    failed: Vec<StorageError>,
    flushes: Vec<StorageToken>,
    /// How many pieces were saved, and whether for good.
    saved: Vec<(u32, bool)>,
    stopped: bool,
    /// Addresses that peers made known.
    found: Vec<SocketAddr>,
    banned: Vec<SocketAddr>,
    /// Pieces that were asked for, in order.
    asked: Vec<u32>,
    /// Requests that were made, in order.
    requests: Vec<(StreamId, (u32, u32))>,
    unsent: usize,
}

impl Table {
    fn new(complete: bool) -> Self {
        let (setup, content) = setup_of(complete);
        Self::of(setup, content)
    }

    fn of(setup: Setup, content: Vec<u8>) -> Self {
        let mut table = Self {
            swarm: Swarm::new(setup, [1; 32]),
            out: Outbox::new(),
            now: Instant::ZERO,
            content,
            peers: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            jobs: Vec::new(),
            closed: Vec::new(),
            failed: Vec::new(),
            flushes: Vec::new(),
            saved: Vec::new(),
            stopped: false,
            found: Vec::new(),
            banned: Vec::new(),
            asked: Vec::new(),
            requests: Vec::new(),
            unsent: 0,
        };
        table.tell(Input::Start);
        table
    }

    fn join(&mut self, number: u32, fast: bool) -> PeerKey {
        self.tell(Input::Joined(joined(number, Reserved([0, 0, 0, 0, 0, 0, 0, if fast { 4 } else { 0 }]))));
        self.sent(self.peers[self.peers.len() - 1].0);
        self.peers[self.peers.len() - 1].0
    }

    /// A peer says something; what it is told in answer, message by message.
    fn hear(&mut self, peer: PeerKey, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.tell(Input::Received { peer, data: BytesMut::from(bytes) })
    }

    fn sent(&mut self, peer: PeerKey) {
        let bytes = core::mem::take(&mut self.unsent);
        self.tell(Input::Sent { peer, bytes });
    }

    /// Does all the writes and jobs that are asked for.
    fn work(&mut self) -> Vec<Vec<u8>> {
        let mut said = Vec::new();
        while !self.writes.is_empty() || !self.jobs.is_empty() {
            for token in core::mem::take(&mut self.writes) {
                said.extend(self.tell(Input::Storage(Completion::Written { token, result: Ok(()) })));
            }
            for job in core::mem::take(&mut self.jobs) {
                said.extend(self.tell(job));
            }
        }
        said
    }

    fn tell(&mut self, input: Input) -> Vec<Vec<u8>> {
        self.now = self.now + Duration::from_millis(1);
        let Ok(()) = self.swarm.handle_input(self.now, input, &mut self.out);
        self.carry()
    }

    /// Time goes by.
    fn pass(&mut self, seconds: u64) -> Vec<Vec<u8>> {
        self.now = self.now + Duration::from_secs(seconds);
        let Ok(()) = self.swarm.handle_timeout(self.now, &mut self.out);
        self.carry()
    }

    /// Does what the swarm wants; what was said.
    fn carry(&mut self) -> Vec<Vec<u8>> {
        let mut said = Vec::new();
        for action in self.out.drain() {
            match action {
                Action::Send { stream, data } => {
                    self.unsent += data.len();
                    if data.len() == 17 && data[4] == 6 {
                        self.requests.push((stream, place(&data)));
                        if !self.asked.contains(&place(&data).0) {
                            self.asked.push(place(&data).0);
                        }
                    }
                    said.push(data.to_vec());
                }
                Action::Admitted { peer, stream, .. } => self.peers.push((peer, stream)),
                Action::Close { why, .. } => {
                    assert!(!self.stopped, "nothing comes behind the end");
                    self.closed.push(why);
                }
                Action::Storage(Operation::Read { token, .. }) => self.reads.push(token),
                Action::Storage(Operation::Write { token, .. }) => self.writes.push(token),
                Action::Compute { token, job } => {
                    self.jobs.push(Input::Computed { token, outcome: job.run() })
                }
                Action::Failed { error, .. } => self.failed.push(error),
                Action::Storage(Operation::Flush { token }) => self.flushes.push(token),
                Action::SaveResume { have, clean } => self.saved.push((have.count(), clean)),
                Action::PeersFound(peers) => self.found.extend(peers.iter().map(|peer| peer.0)),
                Action::Banned { remote, .. } => self.banned.push(remote),
                Action::Stopped => self.stopped = true,
                _ => {}
            }
        }
        said
    }

    /// The message that answers a request.
    fn block(&self, (index, begin): (u32, u32)) -> Vec<u8> {
        let start = (index * PIECE + begin) as usize;
        piece(index, begin, &self.content[start..start + BLOCK_LENGTH as usize])
    }
}

fn setup_of(complete: bool) -> (Setup, Vec<u8>) {
    let content = subject::content();
    let trusted = if complete { Bitfield::full(PIECES) } else { Bitfield::new(PIECES) };
    (subject::setup(&content, trusted, Bitfield::new(PIECES)), content)
}

fn request(id: u8, piece: u32, begin: u32, length: u32) -> Vec<u8> {
    let mut message = vec![0, 0, 0, 13, id];
    [piece, begin, length].iter().for_each(|number| message.extend(number.to_be_bytes()));
    message
}

fn piece(index: u32, begin: u32, data: &[u8]) -> Vec<u8> {
    let mut message = (9 + data.len() as u32).to_be_bytes().to_vec();
    message.push(7);
    message.extend(index.to_be_bytes());
    message.extend(begin.to_be_bytes());
    message.extend(data);
    message
}

/// How many requests were rejected (BEP 6).
fn rejected(said: &[Vec<u8>]) -> usize {
    said.iter().filter(|message| message.get(4) == Some(&16)).count()
}

/// Piece and begin of a request.
fn place(message: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().expect("4 bytes"));
    (number(5), number(9))
}
