//! Checking pieces that are on disk: after a restart, on demand, and when a piece that came in did not
//! fit into the memory for hashing.

use super::{
    Action,
    gather::{Gather, Purpose},
    machine::Swarm,
};
use crate::{
    Instant, Outbox,
    bitfield::Bitfield,
    id::{Block, ComputeToken, PieceIndex, slab_key},
    picker,
    slab::Slab,
    storage::{HashJob, HashOutcome, HashState, StorageError},
};
use alloc::{collections::VecDeque, vec::Vec};

slab_key! {
    /// A job under way.
    pub(super) ComputeKey;
    /// A piece that is being read and hashed.
    pub(super) CheckKey;
}

/// How much of a piece is read at once, in bytes. Larger pieces are hashed in several jobs, so that a
/// piece of any length is checked in bounded memory.
const CHUNK: u32 = 1 << 20;

/// The most pieces read and hashed side by side, for torrents of tiny pieces.
const SIDE_BY_SIDE: usize = 64;

/// What a job is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Compute {
    /// All of a piece that came in.
    Fill(PieceIndex),
    /// The blocks of a piece that came in.
    Blocks(PieceIndex),
    /// The next part of a check.
    Check(CheckKey),
}

/// What a piece is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// It lies on disk, and nothing is known of it.
    Disk,
    /// It came in: its hash is wanted.
    Fill,
    /// It came in: the hash of each of its blocks is wanted.
    Blocks,
}

/// Pieces to check, and those being checked.
#[derive(Clone, Debug)]
pub(super) struct Checks {
    /// Pieces on disk of which nothing is known, from the front.
    waiting: Bitfield,
    next: PieceIndex,
    /// Pieces that came in and are to be read back, and what for.
    spilled: VecDeque<(PieceIndex, Aim)>,
    running: Slab<CheckKey, Check>,
    /// Bytes in flight.
    pub(super) bytes: usize,
    /// Bytes looked at.
    pub(super) done_bytes: u64,
}

#[derive(Clone, Debug)]
struct Check {
    piece: PieceIndex,
    aim: Aim,
    /// Where the next chunk begins.
    begin: u32,
    /// Bytes of the chunk in flight.
    chunk: u32,
    state: HashState,
    /// Of the blocks so far, 20 bytes each, if they are the aim.
    hashes: Vec<u8>,
}

impl Checks {
    pub(super) fn new(waiting: Bitfield) -> Self {
        Self {
            waiting,
            next: PieceIndex(0),
            spilled: VecDeque::new(),
            running: Slab::new(),
            bytes: 0,
            done_bytes: 0,
        }
    }

    /// Forgets what is under way and what waits; completions that come late find nothing.
    pub(super) fn clear(&mut self) {
        let pieces = self.waiting.len();
        *self = Self { running: core::mem::take(&mut self.running), ..Self::new(Bitfield::new(pieces)) };
        while let Some(key) = self.running.key_from(0) {
            self.running.remove(key);
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.spilled.is_empty() && self.waiting.count() == 0
    }

    /// A piece that came in is to be read back.
    pub(super) fn queue(&mut self, piece: PieceIndex, aim: Aim) {
        self.spilled.push_back((piece, aim));
    }

    fn pop(&mut self) -> Option<(PieceIndex, Aim)> {
        if let Some(spilled) = self.spilled.pop_front() {
            return Some(spilled);
        }
        let piece = self.waiting.first_common_from(&self.waiting, self.next)?;
        self.waiting.clear(piece);
        self.next = piece;
        Some((piece, Aim::Disk))
    }
}

impl Swarm {
    /// Starts as many checks as there is room for.
    pub(super) fn check_more(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let room = |checks: &Checks, config: &super::Config| {
            checks.running.is_empty()
                || checks.running.len() < SIDE_BY_SIDE && checks.bytes + CHUNK as usize <= config.check_memory
        };
        while room(&self.checks, &self.config)
            && let Some((piece, aim)) = self.checks.pop()
        {
            let check =
                Check { piece, aim, begin: 0, chunk: 0, state: HashState::default(), hashes: Vec::new() };
            let key = self.checks.running.insert(check);
            self.check_chunk(now, key, out);
        }
    }

    /// Reads the next chunk of a piece.
    fn check_chunk(&mut self, now: Instant, key: CheckKey, out: &mut Outbox<Action>) {
        let Some(check) = self.checks.running.get_mut(key) else { return };
        check.chunk = (self.geometry.piece_size(check.piece) - check.begin).min(CHUNK);
        self.checks.bytes += check.chunk as usize;
        let run = Block { piece: check.piece, begin: check.begin, length: check.chunk };
        self.gather(now, run, Purpose::Check(key), out);
    }

    /// A chunk was read, or could not be.
    pub(super) fn check_read(
        &mut self,
        now: Instant,
        key: CheckKey,
        gather: Gather,
        out: &mut Outbox<Action>,
    ) {
        let Some(check) = self.checks.running.get_mut(key) else { return };
        if let Some((file, error)) = gather.failed() {
            // A file that is missing or short is what a check is there to find.
            if check.aim != Aim::Disk || !matches!(error, StorageError::NotFound | StorageError::TooShort) {
                return self.fail(Some(file), error, out);
            }
            return self.check_done(now, key, None, out);
        }
        check.begin += check.chunk;
        let data = gather.into_parts().collect();
        let job = if check.aim == Aim::Blocks {
            HashJob::Blocks { blocks: data }
        } else {
            let last = check.begin >= self.geometry.piece_size(check.piece);
            HashJob::Piece { state: core::mem::take(&mut check.state), data, last }
        };
        let token = ComputeToken::of(self.computes.insert(Compute::Check(key)));
        out.push(Action::Compute { token, job });
    }

    /// A job is done, or so the driver says.
    pub(super) fn on_computed(
        &mut self,
        now: Instant,
        token: ComputeToken,
        outcome: HashOutcome,
        out: &mut Outbox<Action>,
    ) {
        match (self.computes.remove(token.key()), outcome) {
            (Some(Compute::Fill(piece)), HashOutcome::Digest(digest)) => {
                self.on_fill_hashed(now, piece, digest, out);
            }
            (Some(Compute::Blocks(piece)), HashOutcome::Blocks(hashes)) => {
                self.on_traced(now, piece, &hashes, out);
            }
            (Some(Compute::Check(key)), outcome) => self.on_chunk_hashed(now, key, outcome, out),
            (Some(Compute::Fill(_) | Compute::Blocks(_)) | None, _) => {
                self.counters.stray_completions += 1;
            }
        }
    }

    fn on_chunk_hashed(
        &mut self,
        now: Instant,
        key: CheckKey,
        outcome: HashOutcome,
        out: &mut Outbox<Action>,
    ) {
        let Some(check) = self.checks.running.get_mut(key) else { return };
        match outcome {
            HashOutcome::Digest(digest) => return self.check_done(now, key, Some(digest), out),
            HashOutcome::Partial(state) => check.state = state,
            HashOutcome::Blocks(hashes) => check.hashes.extend_from_slice(&hashes),
        }
        if check.begin >= self.geometry.piece_size(check.piece) {
            return self.check_done(now, key, None, out);
        }
        self.checks.bytes -= check.chunk as usize;
        self.check_chunk(now, key, out);
    }

    fn check_done(
        &mut self,
        now: Instant,
        key: CheckKey,
        digest: Option<[u8; 20]>,
        out: &mut Outbox<Action>,
    ) {
        let Some(check) = self.checks.running.remove(key) else { return };
        self.checks.bytes -= check.chunk as usize;
        match check.aim {
            Aim::Fill => self.on_fill_hashed(now, check.piece, digest.unwrap_or_default(), out),
            Aim::Blocks => self.on_traced(now, check.piece, &check.hashes, out),
            Aim::Disk => self.on_checked(now, check.piece, digest, out),
        }
        self.check_more(now, out);
        self.checked_if_idle(now, out);
    }

    /// It is known what a piece on disk is worth.
    fn on_checked(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        digest: Option<[u8; 20]>,
        out: &mut Outbox<Action>,
    ) {
        let bytes = u64::from(self.geometry.piece_size(piece));
        self.checks.done_bytes += bytes;
        if digest.is_some() && digest == self.info.piece_hash(piece) && self.have.set(piece) {
            self.verified_bytes += bytes;
            self.pick(now, picker::Input::Verified { piece }, out);
        }
    }
}
