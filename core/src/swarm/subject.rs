//! The swarm under the law harness: peers that say anything in raw bytes, and a driver that answers in any
//! order, late, twice, with errors, or never.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "nothing but tests and fuzz targets call it: they may fail loudly"
)]

use super::{Action, Config, Content, Encryption, Input, Joined, PeerEnd, Plan, Setup, Swarm, Torrent};
use crate::{
    Seed,
    bitfield::Bitfield,
    fetch::{ContentRange, FetchError, Fetched, Head, Request},
    id::{BLOCK_LENGTH, Block, FetchToken, InfoHash, PeerId, PeerKey, PieceIndex, StorageToken, StreamId},
    metainfo::{File, Info},
    slab::Key,
    storage::{
        Completion, Geometry, Operation, StorageError, Verdict,
        subject::{Disk, any_error},
    },
    testing::{Bounds, Dice, Step, Subject},
    wire::{Message, Reserved, subject::encode},
};
use alloc::{boxed::Box, string::String, vec, vec::Vec};
use bytes::{Bytes, BytesMut};
use core::{net::SocketAddr, time::Duration};
use sha1::{Digest, Sha1};

/// Bytes of a piece.
pub const PIECE: u32 = 2 * BLOCK_LENGTH;
/// Pieces of the torrent.
pub const PIECES: u32 = 8;
/// The most peers of one life.
const PEERS: u32 = 20;

/// A torrent of one file.
#[must_use]
pub fn torrent_of(content: &[u8], piece_length: u32) -> Info {
    let hashes: Vec<u8> = content.chunks(piece_length as usize).flat_map(Sha1::digest).collect();
    let file = File {
        path: vec!["content".into()],
        length: content.len() as u64,
        padding: false,
        executable: false,
    };
    Info {
        info_hash: InfoHash(Sha1::digest(&hashes).into()),
        info_hash_v2: None,
        raw: Bytes::new(),
        non_canonical: false,
        name: "content".into(),
        multi_file: false,
        files: vec![file],
        geometry: Geometry::new(piece_length, content.len() as u64).expect("valid"),
        piece_hashes: hashes.into(),
        private: false,
        source: None,
    }
}

/// What a swarm of `content` begins with: pieces that are trusted, and pieces that are to be checked.
#[must_use]
pub fn setup(content: &[u8], trusted: Bitfield, check: Bitfield) -> Setup {
    let info = torrent_of(content, PIECE);
    let content = Content { info, verdict: Verdict { trusted, check }, plan: Plan::default(), paused: false };
    Setup {
        torrent: Torrent::Content(Box::new(content)),
        peer_id: PeerId([1; 20]),
        client: String::from("test"),
        listen_port: None,
        prefers_encryption: false,
        config: Config::default(),
    }
}

/// Bytes that differ from block to block, enough for all pieces.
#[must_use]
pub fn content() -> Vec<u8> {
    (0..PIECES * PIECE).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

/// An incoming peer.
#[must_use]
pub fn joined(number: u32, reserved: Reserved) -> Joined {
    Joined {
        stream: StreamId::new(number, 0),
        remote: SocketAddr::from(([192, 0, 2, number as u8], 6881)),
        outgoing: false,
        encryption: Encryption::None,
        peer_id: PeerId([100 + number as u8; 20]),
        reserved,
        rest: BytesMut::new(),
    }
}

/// A message of `dice` that fits a torrent of so many pieces of two blocks, nearly.
pub fn any_message(dice: &mut Dice, pieces: u32) -> Message {
    let piece = PieceIndex(dice.below(pieces + 1));
    let length = if dice.chance(7, 8) { BLOCK_LENGTH } else { dice.below(2 * BLOCK_LENGTH) };
    let block = Block { piece, begin: dice.below(3) * BLOCK_LENGTH, length };
    match dice.below(32) {
        0..=2 => Message::HaveAll,
        3 => Message::HaveNone,
        4 | 5 => Message::Bitfield(dice.bytes(pieces.div_ceil(8) as usize).into()),
        6..=8 => Message::Have(piece),
        9..=14 => Message::Unchoke,
        15 => Message::Choke,
        16..=18 => Message::Interested,
        19 => Message::NotInterested,
        20..=23 => Message::Request(block),
        24 => Message::Cancel(block),
        25 => Message::Reject(block),
        26 => Message::AllowedFast(piece),
        27 => Message::Suggest(piece),
        28 => Message::KeepAlive,
        29 => Message::Extended { id: 0, payload: Bytes::from_static(b"d1:ei1e4:reqqi3e1:v3:abce") },
        30 => Message::Extended { id: dice.below(3) as u8, payload: dice.bytes(9).into() },
        _ => {
            let data = dice.filler(BLOCK_LENGTH as usize).into();
            Message::Piece { piece, begin: block.begin, data }
        }
    }
}

/// A swarm and the world around it.
#[derive(Debug, Default)]
pub struct AnySwarm {
    content: Vec<u8>,
    window: usize,
    started: bool,
    joined: u32,
    peers: Vec<Peer>,
    gone: Vec<PeerKey>,
    disk: Disk,
    /// Operations and outcomes of jobs that are due, and completions that were given.
    operations: Vec<Operation>,
    outcomes: Vec<Input>,
    done: Vec<Input>,
    fetches: Vec<Fetch>,
    fetched: Vec<FetchToken>,
}

/// A fetch under way.
#[derive(Debug)]
struct Fetch {
    token: FetchToken,
    request: Request,
    /// Where the body is, and ends, once there is one.
    body: Option<(usize, usize)>,
    credit: u64,
}

#[derive(Debug)]
struct Peer {
    key: PeerKey,
    stream: StreamId,
    /// What it said and did not get across yet.
    said: Vec<u8>,
    /// What it was asked for.
    asked: Vec<Block>,
    /// Bytes given to its stream and not reported sent.
    unsent: usize,
}

impl Subject for AnySwarm {
    type Machine = Swarm;
    type Config = Setup;

    fn config(&mut self, dice: &mut Dice) -> Setup {
        self.content = content();
        self.content.truncate((PIECES * PIECE) as usize - 20_000);
        let holds = dice.chance(1, 2);
        self.disk = Disk::new(self.content.clone(), PIECE, holds);
        let (trusted, check) = match dice.below(4) {
            0 | 1 if holds => (Bitfield::full(PIECES), Bitfield::new(PIECES)),
            2 => (Bitfield::new(PIECES), Bitfield::full(PIECES)),
            _ => (Bitfield::new(PIECES), Bitfield::new(PIECES)),
        };
        let mut setup = setup(&self.content, trusted, check);
        if let Torrent::Content(content) = &mut setup.torrent {
            content.paused = dice.chance(1, 16);
        }
        if dice.chance(1, 4) {
            setup.config.download_memory = 4 * BLOCK_LENGTH as usize;
            setup.config.hash_memory = BLOCK_LENGTH as usize;
            setup.config.upload_memory = 2 * BLOCK_LENGTH as usize;
            setup.config.check_memory = 3 * BLOCK_LENGTH as usize;
            setup.config.request_queue = 4;
            setup.config.send_window = BLOCK_LENGTH as usize;
        }
        self.window = setup.config.send_window;
        setup
    }

    fn build(&self, setup: &Setup, seed: Seed) -> Swarm {
        Swarm::new(setup.clone(), seed)
    }

    fn bounds(&self) -> Bounds {
        Bounds { actions_per_call: 1000, bytes_per_call: 1 << 20, memory: 4 << 20, timeouts_per_s: 20 }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        if !self.started && dice.chance(15, 16) {
            self.started = true;
            return Input::Start;
        }
        match dice.below(64) {
            0 => Input::Start,
            1..=5 if self.joined < PEERS => {
                self.joined += 1;
                Input::Joined(joined(self.joined, Reserved::ours(dice.chance(3, 4), false)))
            }
            6..=20 if !self.operations.is_empty() => self.operate(dice),
            21..=25 if !self.outcomes.is_empty() => {
                let index = dice.below(self.outcomes.len() as u32) as usize;
                self.outcomes.swap_remove(index)
            }
            26..=29 => self.sent(dice),
            30 => self.leave(dice),
            31 => {
                let share = |dice: &mut Dice| dice.chance(1, 2).then(|| u64::from(dice.below(100_000)));
                Input::Allowance { download: share(dice), upload: share(dice) }
            }
            32 if dice.chance(1, 4) => Input::Pause,
            32 | 33 => Input::Unpause,
            34 if dice.chance(1, 16) => Input::Stop,
            34 => Input::ListenPort(dice.chance(1, 2).then_some(6881)),
            35 => Input::AddWebSeed(String::from(
                ["http://h/x", "http://h/", "ftp://h"][dice.below(3) as usize],
            )),
            36..=43 if !self.fetches.is_empty() => self.answer(dice),
            _ => self.talk(dice),
        }
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        // A disk that fails is not flushed any more.
        let fails = |action: &Action| matches!(action, Action::Failed { .. });
        let failed = step.outcome.actions.iter().any(fails);
        for action in &step.outcome.actions {
            match action {
                Action::SaveResume { have, .. } if !failed => self.disk.assert_outlast(have),
                Action::Admitted { stream, peer, .. } => self.peers.push(Peer {
                    key: *peer,
                    stream: *stream,
                    said: Vec::new(),
                    asked: Vec::new(),
                    unsent: 0,
                }),
                Action::Close { stream, .. } => {
                    let left = self.peers.extract_if(.., |peer| peer.stream == *stream);
                    self.gone.extend(left.map(|peer| peer.key));
                }
                Action::Send { stream, data } => self.hear(*stream, data),
                Action::Storage(operation) => self.operations.push(operation.clone()),
                Action::Fetch { token, request, credit } => {
                    let (token, request, credit) = (*token, request.clone(), *credit);
                    self.fetches.push(Fetch { token, request, body: None, credit });
                }
                Action::FetchMore { token, bytes } => {
                    let fetch = self.fetches.iter_mut().find(|fetch| fetch.token == *token);
                    fetch.expect("a fetch under way").credit += bytes;
                }
                Action::CancelFetch(token) => {
                    let before = self.fetches.len();
                    self.fetches.retain(|fetch| fetch.token != *token);
                    assert_eq!(self.fetches.len() + 1, before, "what is cancelled is under way");
                    self.fetched.push(*token);
                }
                Action::PieceVerified { piece, .. } => self.disk.assert_holds(*piece),
                Action::Compute { token, job } => {
                    self.outcomes.push(Input::Computed { token: *token, outcome: job.clone().run() });
                }
                _ => {}
            }
        }
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        let token = StorageToken(u64::from(dice.below(50)) + (1 << 50));
        Some(match dice.below(6) {
            5 => Input::Fetched { token: *dice.pick(&self.fetched)?, what: any_fetched(dice) },
            0 => Input::Storage(Completion::Written { token, result: Err(StorageError::Io) }),
            1 => Input::Storage(Completion::Read { token, result: Ok(Bytes::new()) }),
            2 => Input::Sent { peer: PeerKey::new(3, 1 << 20), bytes: 7 },
            3 => dice.pick(&self.done)?.clone(),
            _ => {
                let peer = *dice.pick(&self.gone)?;
                Input::Received { peer, data: BytesMut::from(&encode([Message::HaveAll])[..]) }
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

/// The block that a request asks for, out of `content`; spoilt at times.
pub fn block_of(block: Block, content: &[u8], dice: &mut Dice) -> Message {
    let start = (block.piece.0 * PIECE + block.begin) as usize;
    let mut data = content[start..start + block.length as usize].to_vec();
    data[0] ^= u8::from(dice.chance(1, 16));
    Message::Piece { piece: block.piece, begin: block.begin, data: data.into() }
}

/// The request that `message` is, if it is one.
#[must_use]
pub fn request_in(message: &[u8]) -> Option<Block> {
    let [0, 0, 0, 13, 6, rest @ ..] = message else { return None };
    let (numbers, _) = rest.as_chunks::<4>();
    let [piece, begin, length] = [0, 1, 2].map(|at| numbers.get(at).copied().map_or(0, u32::from_be_bytes));
    Some(Block { piece: PieceIndex(piece), begin, length })
}

impl AnySwarm {
    fn hear(&mut self, stream: StreamId, data: &[u8]) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.stream == stream) {
            peer.unsent += data.len();
            assert!(peer.unsent <= self.window, "law 10: {} bytes in flight", peer.unsent);
            peer.asked.extend(request_in(data));
        }
    }

    /// One of the operations that are due happens, or fails.
    fn operate(&mut self, dice: &mut Dice) -> Input {
        let index = dice.below(self.operations.len() as u32) as usize;
        let operation = self.operations.swap_remove(index);
        let done = Input::Storage(self.disk.carry_out(&operation, any_error(dice)));
        self.done.push(done.clone());
        done
    }

    /// A web server goes on with one of its answers, most of the time as it should.
    fn answer(&mut self, dice: &mut Dice) -> Input {
        let index = dice.below(self.fetches.len() as u32) as usize;
        let (token, what) = {
            let fetch = &mut self.fetches[index];
            let what = if dice.chance(1, 16) { any_fetched(dice) } else { fetch.go_on(&self.content, dice) };
            (fetch.token, what)
        };
        if matches!(what, Fetched::End | Fetched::Failed(_)) {
            self.fetches.swap_remove(index);
            self.fetched.push(token);
        }
        Input::Fetched { token, what }
    }

    fn sent(&mut self, dice: &mut Dice) -> Input {
        let Some(peer) = any_of(&mut self.peers, dice) else { return Input::Unpause };
        let bytes = if dice.chance(7, 8) { peer.unsent } else { dice.below(100_000) as usize };
        peer.unsent = peer.unsent.saturating_sub(bytes);
        Input::Sent { peer: peer.key, bytes }
    }

    fn leave(&mut self, dice: &mut Dice) -> Input {
        if self.peers.is_empty() {
            return Input::Unpause;
        }
        let index = dice.below(self.peers.len() as u32) as usize;
        let peer = self.peers.swap_remove(index).key;
        self.gone.push(peer);
        Input::Left { peer, why: PeerEnd::ClosedByPeer }
    }

    /// A peer says something more; all of what it said comes through, or a part.
    fn talk(&mut self, dice: &mut Dice) -> Input {
        let Some(peer) = any_of(&mut self.peers, dice) else { return Input::Unpause };
        if !peer.asked.is_empty() && dice.chance(1, 2) {
            let index = dice.below(peer.asked.len() as u32) as usize;
            let block = peer.asked.swap_remove(index);
            peer.said.extend(encode([block_of(block, &self.content, dice)]));
        } else if dice.chance(1, 64) {
            peer.said.extend(dice.bytes(30));
        } else {
            peer.said.extend(encode([any_message(dice, PIECES)]));
        }
        let whole = peer.said.len();
        let part = if dice.chance(7, 8) { whole } else { dice.below(whole as u32) as usize };
        let data: Vec<u8> = peer.said.drain(..part).collect();
        Input::Received { peer: peer.key, data: BytesMut::from(&data[..]) }
    }
}

impl Fetch {
    /// What an honest server sends next; a byte of it is wrong at times.
    fn go_on(&mut self, content: &[u8], dice: &mut Dice) -> Fetched {
        let Some((at, end)) = &mut self.body else {
            let (first, last) = (self.request.first, self.request.last);
            let ranges = dice.chance(1, 2);
            let content_range = ranges.then_some(ContentRange { first, last, total: None });
            self.body = Some(if ranges { (first as usize, last as usize + 1) } else { (0, content.len()) });
            return Fetched::Head(Head {
                status: if ranges { 206 } else { 200 },
                content_range,
                retry_after: None,
            });
        };
        if at == end {
            return Fetched::End;
        }
        let bytes = ((*end - *at) as u64).min(self.credit).min(u64::from(dice.below(40_000)));
        let mut data = content[*at..*at + bytes as usize].to_vec();
        if let Some(first) = data.first_mut().filter(|_| dice.chance(1, 32)) {
            *first ^= 1;
        }
        *at += bytes as usize;
        self.credit -= bytes;
        Fetched::Body(data.into())
    }
}

/// What nobody expects.
fn any_fetched(dice: &mut Dice) -> Fetched {
    match dice.below(5) {
        0 => {
            let status = [200, 206, 404, 416, 503][dice.below(5) as usize];
            let retry_after = (status == 503).then_some(Duration::from_micros(u64::MAX));
            Fetched::Head(Head { status, content_range: None, retry_after })
        }
        1 => Fetched::Body(dice.filler(40_000).into()),
        2 => Fetched::End,
        _ => Fetched::Failed(FetchError::Broken),
    }
}

fn any_of<'a>(peers: &'a mut [Peer], dice: &mut Dice) -> Option<&'a mut Peer> {
    let index = dice.below(peers.len() as u32) as usize;
    peers.get_mut(index)
}
