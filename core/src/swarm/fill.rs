//! Blocks coming in: stored, hashed, verified.

use super::{
    Action, PeerEnd,
    check::Compute,
    gather::{Pending, zeros},
    machine::{Phase, Swarm},
};
use crate::{
    Instant, Outbox,
    id::{BLOCK_LENGTH, Block, ComputeToken, FileIndex, PeerKey, PieceIndex, StorageToken},
    picker,
    storage::{HashJob, HashState, Operation, StorageError},
    wire::Message,
};
use alloc::vec::Vec;
use bytes::Bytes;

/// A piece that is coming in.
#[derive(Clone, Debug, Default)]
pub(super) struct Fill {
    /// Its blocks by number, for hashing; empty where a block is not there. Empty altogether once
    /// the memory for hashing was used up: then the piece is read back.
    blocks: Vec<Bytes>,
    spilled: bool,
    /// Bytes of `blocks`.
    held: usize,
    /// Writes under way.
    unwritten: u32,
    stage: Stage,
    /// Who sent how many blocks.
    sources: Vec<(PeerKey, u32)>,
}

/// How far a piece is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Blocks are missing.
    #[default]
    Filling,
    /// All blocks are here; the hash is being computed, or waits until they can be read back.
    Hashing,
    /// The hash is right; writes may be under way.
    Good,
    /// The hash is wrong; writes may be under way, and must not overtake those of the next try.
    Bad,
}

impl Swarm {
    /// The picker wants the block that just came in.
    pub(super) fn store(&mut self, peer: PeerKey, block: Block, data: Bytes, out: &mut Outbox<Action>) {
        let mut done = 0;
        for segment in self.layout.segments(self.geometry.block_offset(block), block.length) {
            let part = data.slice(done..done + segment.length as usize);
            done += segment.length as usize;
            let Some(file) = segment.file else { continue };
            let bytes = segment.length;
            let write = Pending::Write { piece: block.piece, file, bytes };
            let token = StorageToken::of(self.operations.insert(write));
            out.push(Action::Storage(Operation::Write { token, file, offset: segment.offset, data: part }));
            self.fills.entry(block.piece).or_default().unwritten += 1;
            self.unwritten += bytes as usize;
        }
        let fill = self.fills.entry(block.piece).or_default();
        match fill.sources.iter_mut().find(|source| source.0 == peer) {
            Some(source) => source.1 += 1,
            None => fill.sources.push((peer, 1)),
        }
        self.hold(block, data);
    }

    /// The block lies wholly in padding.
    pub(super) fn pad(&mut self, block: Block) {
        for zeros in zeros(block.length) {
            self.hold(block, zeros);
        }
    }

    /// Keeps a block for hashing, as long as there is room.
    fn hold(&mut self, block: Block, data: Bytes) {
        let blocks = self.geometry.blocks(block.piece) as usize;
        let fill = self.fills.entry(block.piece).or_default();
        if fill.spilled {
            return;
        }
        if fill.blocks.is_empty() {
            fill.blocks.resize(blocks, Bytes::new());
        }
        let number = (block.begin / BLOCK_LENGTH) as usize;
        let Some(place) = fill.blocks.get_mut(number) else { return };
        // A block that comes again, because the picker gave its piece up in between, may be written in
        // either order: then what is on disk is what counts.
        if !place.is_empty() || self.held + data.len() > self.config.hash_memory {
            self.held -= fill.held;
            (fill.blocks, fill.held, fill.spilled) = (Vec::new(), 0, true);
            return;
        }
        fill.held += data.len();
        self.held += data.len();
        *place = data;
    }

    /// Whether blocks of a piece that is not held are missing.
    pub(super) fn lacks_blocks(&self, piece: PieceIndex) -> bool {
        self.fills.get(&piece).is_none_or(|fill| fill.stage == Stage::Filling)
    }

    /// Every block of a piece is here.
    pub(super) fn hash(&mut self, now: Instant, piece: PieceIndex, out: &mut Outbox<Action>) {
        let fill = self.fills.entry(piece).or_default();
        fill.stage = Stage::Hashing;
        if fill.spilled {
            return self.read_back(now, piece, out);
        }
        let data = core::mem::take(&mut fill.blocks);
        let token = ComputeToken::of(self.computes.insert(Compute::Fill(piece)));
        let job = HashJob { state: HashState::default(), data, last: true };
        out.push(Action::Compute { token, job });
    }

    /// Reads a spilled piece back for hashing, once all of it is written.
    fn read_back(&mut self, now: Instant, piece: PieceIndex, out: &mut Outbox<Action>) {
        let ready = |fill: &Fill| fill.spilled && fill.stage == Stage::Hashing && fill.unwritten == 0;
        if self.fills.get(&piece).is_some_and(ready) {
            self.checks.spilled.push_back(piece);
            self.check_more(now, out);
        }
    }

    pub(super) fn on_written(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        bytes: u32,
        result: Result<(), (FileIndex, StorageError)>,
        out: &mut Outbox<Action>,
    ) {
        self.unwritten -= bytes as usize;
        if let Err((file, error)) = result {
            return self.fail(Some(file), error, out);
        }
        let Some(fill) = self.fills.get_mut(&piece) else { return };
        fill.unwritten -= 1;
        if fill.unwritten == 0 {
            self.read_back(now, piece, out);
            self.settle(now, piece, out);
        }
    }

    /// The hash of a piece that came in is known.
    pub(super) fn on_fill_hashed(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        digest: [u8; 20],
        out: &mut Outbox<Action>,
    ) {
        let good = self.info.piece_hash(piece) == Some(digest);
        let Some(fill) = self.fills.get_mut(&piece) else { return };
        self.held -= fill.held;
        fill.held = 0;
        fill.stage = if good { Stage::Good } else { Stage::Bad };
        self.settle(now, piece, out);
    }

    /// Ends a piece whose hash is known and whose writes are done.
    fn settle(&mut self, now: Instant, piece: PieceIndex, out: &mut Outbox<Action>) {
        let settled =
            |fill: &&mut Fill| fill.unwritten == 0 && matches!(fill.stage, Stage::Good | Stage::Bad);
        let Some(fill) = self.fills.get_mut(&piece).filter(settled) else { return };
        let (stage, sources) = (fill.stage, core::mem::take(&mut fill.sources));
        self.fills.remove(&piece);
        if stage == Stage::Bad {
            return self.piece_failed(now, piece, &sources, out);
        }
        let most = sources.iter().max_by_key(|source| source.1);
        let from = most.and_then(|source| self.peers.get(source.0)).map(|peer| peer.info.remote);
        self.piece_verified(now, piece, from, out);
    }

    fn piece_verified(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        from: Option<core::net::SocketAddr>,
        out: &mut Outbox<Action>,
    ) {
        // Behind the last save nothing is told that the next run would not find.
        if self.phase == Phase::Stopped || !self.have.set(piece) {
            return;
        }
        self.verified_bytes += u64::from(self.geometry.piece_size(piece));
        self.note_unsaved(now);
        out.push(Action::PieceVerified { piece, from });
        self.pick(now, picker::Input::Verified { piece }, out);
        self.tell_all(now, &Message::Have(piece), out);
        self.note_finished(now, true, out);
    }

    fn piece_failed(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        sources: &[(PeerKey, u32)],
        out: &mut Outbox<Action>,
    ) {
        self.wasted_bytes += u64::from(self.geometry.piece_size(piece));
        out.push(Action::PieceFailed { piece });
        if let [(only, _)] = sources {
            self.leave(*only, PeerEnd::CorruptPiece);
            self.ban_web_seed(now, *only, out);
        }
        self.pick(now, picker::Input::Failed { piece }, out);
    }
}
