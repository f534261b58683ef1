//! Blocks coming in: stored, hashed, verified.

use super::{
    Action,
    check::{Aim, Compute},
    gather::{Pending, zeros},
    machine::{Phase, Swarm},
    poison::{Origin, Sender, chief_sender, only_sender},
};
use crate::{
    Instant, Outbox,
    id::{BLOCK_LENGTH, Block, ComputeToken, FileIndex, PeerKey, PieceIndex, StorageToken},
    picker,
    storage::{HashJob, Operation, StorageError},
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
    /// Where its blocks come from, by number.
    origins: Vec<Origin>,
    /// Whether its blocks are being hashed one by one.
    tracing: bool,
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

impl Fill {
    pub(super) fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// A block comes again, because the picker gave its piece up in between. If all else is written, the new
    /// one is what counts. Returns how many bytes are no longer held.
    fn renew(&mut self, number: usize) -> usize {
        if self.unwritten > 0 {
            return 0;
        }
        if let Some(origin) = self.origins.get_mut(number) {
            *origin = Origin::Nobody;
        }
        let freed = self.blocks.get_mut(number).map_or(0, |place| core::mem::take(place).len());
        self.held -= freed;
        freed
    }

    /// What a peer sent accuses nobody any more.
    pub(super) fn clear(&mut self, peer: PeerKey) {
        self.origins.iter_mut().for_each(|origin| origin.clear(peer));
    }
}

impl Swarm {
    /// The picker wants the block that just came in.
    pub(super) fn store(&mut self, peer: PeerKey, block: Block, data: Bytes, out: &mut Outbox<Action>) {
        let number = (block.begin / BLOCK_LENGTH) as usize;
        self.held -= self.fills.entry(block.piece).or_default().renew(number);
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
            self.saves.unclean = true;
        }
        self.note_origin(peer, block);
        self.hold(block, data);
    }

    fn note_origin(&mut self, peer: PeerKey, block: Block) {
        // Who is no peer is a web seed.
        let info = self.peers.get(peer).map(|peer| &peer.info);
        let (remote, outgoing) = (info.map(|info| info.remote), info.is_some_and(|info| info.outgoing));
        let sender = Sender { peer, remote, outgoing };
        let fill = self.fills.entry(block.piece).or_default();
        fill.origins.resize(self.geometry.blocks(block.piece) as usize, Origin::Nobody);
        if let Some(origin) = fill.origins.get_mut((block.begin / BLOCK_LENGTH) as usize) {
            *origin = origin.or(sender);
        }
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
        // A block that comes again while something is being written may be written in either order: then
        // what is on disk is what counts.
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
        let token = ComputeToken::of(self.computes.insert(Compute::Fill(piece)));
        // They stay: if the hash is wrong, each of them is looked at.
        out.push(Action::Compute { token, job: HashJob::whole(fill.blocks.clone()) });
    }

    /// Reads a spilled piece back for hashing, once all of it is written.
    fn read_back(&mut self, now: Instant, piece: PieceIndex, out: &mut Outbox<Action>) {
        let ready = |fill: &Fill| fill.spilled && fill.stage == Stage::Hashing && fill.unwritten == 0;
        if self.fills.get(&piece).is_some_and(ready) {
            self.checks.queue(piece, Aim::Fill);
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
        fill.stage = if good { Stage::Good } else { Stage::Bad };
        match only_sender(&fill.origins) {
            Some(only) if !good && only.remote.is_none() => self.on_corrupt_web_piece(now, piece, only, out),
            Some(only) if !good => self.ban(now, only, out),
            _ if !good || self.failed_copies.has(piece) => self.trace(now, piece, out),
            _ => {}
        }
        self.settle(now, piece, out);
    }

    /// Hashes the blocks of a piece one by one.
    fn trace(&mut self, now: Instant, piece: PieceIndex, out: &mut Outbox<Action>) {
        let Some(fill) = self.fills.get_mut(&piece) else { return };
        fill.tracing = true;
        if fill.spilled {
            self.checks.queue(piece, Aim::Blocks);
            return self.check_more(now, out);
        }
        let blocks = core::mem::take(&mut fill.blocks);
        let token = ComputeToken::of(self.computes.insert(Compute::Blocks(piece)));
        out.push(Action::Compute { token, job: HashJob::Blocks { blocks } });
    }

    /// The blocks of a piece are hashed, 20 bytes each.
    pub(super) fn on_traced(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        hashes: &[u8],
        out: &mut Outbox<Action>,
    ) {
        let Some(fill) = self.fills.get_mut(&piece) else { return };
        fill.tracing = false;
        let good = fill.stage == Stage::Good;
        self.on_blocks_hashed(now, piece, good, hashes, out);
        self.settle(now, piece, out);
    }

    /// Ends a piece whose hash is known, once nothing is done with it any more.
    fn settle(&mut self, now: Instant, piece: PieceIndex, out: &mut Outbox<Action>) {
        let Some(fill) = self.fills.get_mut(&piece) else { return };
        if fill.tracing || !matches!(fill.stage, Stage::Good | Stage::Bad) {
            return;
        }
        self.held -= core::mem::take(&mut fill.held);
        fill.blocks = Vec::new();
        if fill.unwritten > 0 {
            return;
        }
        let Some(fill) = self.fills.remove(&piece) else { return };
        if fill.stage == Stage::Bad {
            return self.piece_failed(now, piece, out);
        }
        let from = chief_sender(&fill.origins).and_then(|sender| sender.remote);
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

    fn piece_failed(&mut self, now: Instant, piece: PieceIndex, out: &mut Outbox<Action>) {
        self.wasted_bytes += u64::from(self.geometry.piece_size(piece));
        out.push(Action::PieceFailed { piece });
        self.pick(now, picker::Input::Failed { piece }, out);
    }
}
