//! A swarm and peers that speak raw bytes.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for the few actions that it is about")]

use super::{Action, Config, Input, Joined, PeerEnd, Setup, Swarm};
use crate::{
    Instant, Machine, Outbox,
    bitfield::Bitfield,
    id::{BLOCK_LENGTH, InfoHash, PeerId, PeerKey, StorageToken, StreamId},
    metainfo::{File, Info},
    slab::Key,
    storage::{Completion, Geometry, Operation, StorageError, Verdict},
    testing::{Bounds, Dice, Step, Subject, check_laws},
    wire::Reserved,
};
use alloc::{string::String, vec, vec::Vec};
use bytes::{Bytes, BytesMut};
use core::{net::SocketAddr, time::Duration};
use sha1::{Digest, Sha1};

const PIECE: u32 = 2 * BLOCK_LENGTH;
const PIECES: u32 = 8;

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
        rejects += table.hear(peer, &request(6, piece, begin, 1)).len();
        table.sent(peer);
        if number % 3 == 0 {
            rejects += table.hear(peer, &request(8, piece, begin, 1)).len();
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
    unsent: usize,
}

impl Table {
    fn new(complete: bool) -> Self {
        let (setup, content) = setup(complete);
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
            unsent: 0,
        };
        table.tell(Input::Start);
        table
    }

    fn join(&mut self, number: u32, fast: bool) -> PeerKey {
        self.tell(Input::Joined(joined(number, fast)));
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
        let mut said = Vec::new();
        for action in self.out.drain() {
            match action {
                Action::Send { data, .. } => {
                    self.unsent += data.len();
                    said.push(data.to_vec());
                }
                Action::Admitted { peer, stream, .. } => self.peers.push((peer, stream)),
                Action::Close { why, .. } => self.closed.push(why),
                Action::Storage(Operation::Read { token, .. }) => self.reads.push(token),
                Action::Storage(Operation::Write { token, .. }) => self.writes.push(token),
                Action::Compute { token, job } => {
                    self.jobs.push(Input::Computed { token, outcome: job.run() })
                }
                Action::Failed { error, .. } => self.failed.push(error),
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

fn setup(complete: bool) -> (Setup, Vec<u8>) {
    let content: Vec<u8> =
        (0..PIECES * PIECE).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let hashes: Vec<u8> = content.chunks(PIECE as usize).flat_map(Sha1::digest).collect();
    let file = File {
        path: vec!["content".into()],
        length: content.len() as u64,
        padding: false,
        executable: false,
    };
    let info = Info {
        info_hash: InfoHash([9; 20]),
        info_hash_v2: None,
        raw: Bytes::new(),
        non_canonical: false,
        name: "content".into(),
        multi_file: false,
        files: vec![file],
        geometry: Geometry::new(PIECE, content.len() as u64).expect("valid"),
        piece_hashes: hashes.into(),
        private: false,
        source: None,
    };
    let trusted = if complete { Bitfield::full(PIECES) } else { Bitfield::new(PIECES) };
    let setup = Setup {
        info,
        peer_id: PeerId([1; 20]),
        verdict: Verdict { trusted, check: Bitfield::new(PIECES) },
        paused: false,
        client: String::from("test"),
        listen_port: None,
        prefers_encryption: false,
        config: Config::default(),
    };
    (setup, content)
}

fn joined(number: u32, fast: bool) -> Joined {
    Joined {
        stream: StreamId::new(number, 0),
        remote: SocketAddr::from(([192, 0, 2, number as u8], 6881)),
        outgoing: false,
        encryption: super::Encryption::None,
        peer_id: PeerId([100 + number as u8; 20]),
        reserved: Reserved([0, 0, 0, 0, 0, 0, 0, if fast { 4 } else { 0 }]),
        rest: BytesMut::new(),
    }
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

/// Piece and begin of a request.
fn place(message: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().expect("4 bytes"));
    (number(5), number(9))
}

/// Peers that say anything, and a driver that answers in any order, late, twice, or wrongly.
#[derive(Default)]
struct AnySwarm {
    content: Vec<u8>,
    peers: Vec<PeerKey>,
    gone: Vec<PeerKey>,
    work: Vec<Input>,
    asked: Vec<(PeerKey, u32, u32)>,
    streams: Vec<(StreamId, PeerKey)>,
    next: u32,
}

impl Subject for AnySwarm {
    type Machine = Swarm;
    type Config = bool;

    fn config(&mut self, dice: &mut Dice) -> bool {
        let complete = dice.below(2) == 0;
        self.content = setup(complete).1;
        complete
    }

    fn build(&self, complete: &bool, seed: crate::Seed) -> Swarm {
        Swarm::new(setup(*complete).0, seed)
    }

    fn bounds(&self) -> Bounds {
        Bounds { actions_per_call: 1000, bytes_per_call: 1 << 20, memory: 4 << 20, timeouts_per_s: 20 }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        match dice.below(12) {
            0 => Input::Start,
            1 if self.next < 20 => {
                self.next += 1;
                Input::Joined(joined(self.next, dice.below(2) == 0))
            }
            2..=4 if !self.work.is_empty() => {
                let index = dice.below(self.work.len() as u32) as usize;
                self.work.swap_remove(index)
            }
            5 if !self.peers.is_empty() && dice.below(8) == 0 => {
                let index = dice.below(self.peers.len() as u32) as usize;
                let peer = self.peers.swap_remove(index);
                self.gone.push(peer);
                Input::Left { peer, why: PeerEnd::ClosedByPeer }
            }
            6 if dice.below(10) == 0 => {
                let share = |dice: &mut Dice| (dice.below(2) == 0).then(|| u64::from(dice.below(100_000)));
                Input::Allowance { download: share(dice), upload: share(dice) }
            }
            7 if dice.below(20) == 0 => {
                if dice.below(2) == 0 {
                    Input::Pause
                } else {
                    Input::Unpause
                }
            }
            _ => self.talk(dice),
        }
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        for action in &step.outcome.actions {
            match action {
                Action::Admitted { stream, peer, .. } => {
                    self.peers.push(*peer);
                    self.streams.push((*stream, *peer));
                }
                Action::Close { stream, .. } => {
                    if let Some((_, peer)) = self.streams.iter().find(|(known, _)| known == stream) {
                        self.gone.push(*peer);
                        self.peers.retain(|other| other != peer);
                    }
                }
                Action::Send { stream, data } if data.len() == 17 && data[4] == 6 => {
                    let peer = self.streams.iter().find(|(known, _)| known == stream).map(|(_, peer)| *peer);
                    let (piece, begin) = place(data);
                    self.asked.extend(peer.map(|peer| (peer, piece, begin)));
                }
                Action::Storage(Operation::Read { token, offset, length, .. }) => {
                    let (start, end) = (*offset as usize, *offset as usize + *length as usize);
                    let bytes = Bytes::copy_from_slice(&self.content[start..end]);
                    self.work.push(Input::Storage(Completion::Read { token: *token, result: Ok(bytes) }));
                }
                Action::Storage(Operation::Write { token, .. }) => {
                    self.work.push(Input::Storage(Completion::Written { token: *token, result: Ok(()) }));
                }
                Action::Storage(Operation::Flush { token }) => {
                    self.work.push(Input::Storage(Completion::Flushed { token: *token, result: Ok(()) }));
                }
                Action::Compute { token, job } => {
                    self.work.push(Input::Computed { token: *token, outcome: job.clone().run() });
                }
                _ => {}
            }
        }
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        let token = StorageToken(u64::from(dice.below(50)) + (1 << 50));
        Some(match dice.below(4) {
            0 => Input::Storage(Completion::Written { token, result: Err(StorageError::Io) }),
            1 => Input::Storage(Completion::Read { token, result: Ok(Bytes::new()) }),
            2 => Input::Sent { peer: PeerKey::new(3, 1 << 20), bytes: 7 },
            _ => {
                let peer = *dice.pick(&self.gone)?;
                Input::Received { peer, data: BytesMut::from(HAVE_ALL) }
            }
        })
    }

    fn memory(&self, machine: &Swarm) -> usize {
        let memory = machine.memory();
        memory.connections + memory.unwritten + memory.hashing + memory.uploading + memory.checking
    }

    fn bytes(&self, action: &Action) -> usize {
        match action {
            Action::Send { data, .. } => data.len(),
            _ => 0,
        }
    }
}

impl AnySwarm {
    fn talk(&mut self, dice: &mut Dice) -> Input {
        let Some(peer) = dice.pick(&self.peers).copied() else { return Input::Start };
        let random = |dice: &mut Dice| (dice.below(PIECES + 1), dice.below(3) * BLOCK_LENGTH);
        let bytes = match dice.below(14) {
            0 => HAVE_ALL.to_vec(),
            1 | 2 => UNCHOKE.to_vec(),
            3 => CHOKE.to_vec(),
            4 => INTERESTED.to_vec(),
            5 => NOT_INTERESTED.to_vec(),
            6 => [&[0, 0, 0, 5, 4, 0, 0, 0][..], &[dice.below(PIECES) as u8]].concat(),
            7 | 8 => {
                let (piece, begin) = random(dice);
                request(*dice.pick(&[6, 6, 6, 8, 16]).unwrap_or(&6), piece, begin, BLOCK_LENGTH)
            }
            9 if dice.below(10) == 0 => dice.bytes(30),
            10 => vec![0, 0, 0, 2, 5, dice.below(256) as u8],
            _ if !self.asked.is_empty() => {
                let index = dice.below(self.asked.len() as u32) as usize;
                let (peer, index, begin) = self.asked.swap_remove(index);
                let start = (index * PIECE + begin) as usize;
                let end = start + BLOCK_LENGTH as usize;
                let mut data = self.content[start..end].to_vec();
                data[0] ^= u8::from(dice.below(10) == 0);
                let data = BytesMut::from(&piece(index, begin, &data)[..]);
                return Input::Received { peer, data };
            }
            _ => vec![0, 0, 0, 0],
        };
        Input::Received { peer, data: BytesMut::from(&bytes[..]) }
    }
}
