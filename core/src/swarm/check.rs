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
use alloc::collections::VecDeque;

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
    /// The next part of a check.
    Check(CheckKey),
}

/// Pieces to check, and those being checked.
#[derive(Clone, Debug)]
pub(super) struct Checks {
    /// Pieces on disk of which nothing is known, from the front.
    waiting: Bitfield,
    next: PieceIndex,
    /// Pieces that came in and are to be read back.
    pub(super) spilled: VecDeque<PieceIndex>,
    running: Slab<CheckKey, Check>,
    /// Bytes in flight.
    pub(super) bytes: usize,
    /// Bytes looked at.
    pub(super) done_bytes: u64,
}

#[derive(Clone, Debug)]
struct Check {
    piece: PieceIndex,
    spilled: bool,
    /// Where the next chunk begins.
    begin: u32,
    /// Bytes of the chunk in flight.
    chunk: u32,
    state: HashState,
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

    fn pop(&mut self) -> Option<(PieceIndex, bool)> {
        if let Some(piece) = self.spilled.pop_front() {
            return Some((piece, true));
        }
        let piece = self.waiting.first_common_from(&self.waiting, self.next)?;
        self.waiting.clear(piece);
        self.next = piece;
        Some((piece, false))
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
            && let Some((piece, spilled)) = self.checks.pop()
        {
            let state = HashState::default();
            let check = Check { piece, spilled, begin: 0, chunk: 0, state };
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
            if check.spilled || !matches!(error, StorageError::NotFound | StorageError::TooShort) {
                return self.fail(Some(file), error, out);
            }
            return self.check_done(now, key, None, out);
        }
        check.begin += check.chunk;
        let last = check.begin >= self.geometry.piece_size(check.piece);
        let state = core::mem::take(&mut check.state);
        let token = ComputeToken::of(self.computes.insert(Compute::Check(key)));
        out.push(Action::Compute {
            token,
            job: HashJob { state, data: gather.into_parts().collect(), last },
        });
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
            (Some(Compute::Check(key)), HashOutcome::Digest(digest)) => {
                self.check_done(now, key, Some(digest), out);
            }
            (Some(Compute::Check(key)), HashOutcome::Partial(state)) => {
                let Some(check) = self.checks.running.get_mut(key) else { return };
                self.checks.bytes -= check.chunk as usize;
                check.state = state;
                self.check_chunk(now, key, out);
            }
            (Some(Compute::Fill(_)), HashOutcome::Partial(_)) | (None, _) => {
                self.counters.stray_completions += 1;
            }
        }
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
        if check.spilled {
            self.on_fill_hashed(now, check.piece, digest.unwrap_or_default(), out);
        } else {
            self.checks.done_bytes += u64::from(self.geometry.piece_size(check.piece));
            if digest.is_some() && digest == self.info.piece_hash(check.piece) && self.have.set(check.piece) {
                self.verified_bytes += u64::from(self.geometry.piece_size(check.piece));
                self.pick(now, picker::Input::Verified { piece: check.piece }, out);
            }
        }
        self.check_more(now, out);
        self.checked_if_idle(now, out);
    }
}
