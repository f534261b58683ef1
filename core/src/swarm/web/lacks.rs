//! Files that a web seed does not have, or has otherwise than the torrent: it is asked for the others.
//!
//! ```text
//! Asked, Up ── 404, corrupt ──▶ no piece that the file touches is asked for ──▶ Asked, Up
//!     │                                                                          ▲
//!     └── nothing that it has is wanted ──▶ Spent ── an hour: asked for all ─────┤
//!                                             └── something is wanted again ─────┘
//! ```
//!
//! What a seed lacks is remembered while it rests for another reason. The second time that it is corrupt it is
//! banned.

use super::{
    FetchKey, Stage, WebSeed, WebSeedEnd,
    end::RETRY_REFUSED,
    run::{Run, pieces_at},
};
use crate::{
    Instant, Outbox,
    bitfield::Bitfield,
    id::PieceIndex,
    picker,
    swarm::{Action, machine::Swarm, poison::Sender},
};
use core::{mem, ops::Range};

/// How many files in a row a seed may lack before it rests as one that fails: most likely it has none, and is
/// not to be asked for thousands at once.
const MISSES: u32 = 16;

/// What a seed lacks.
#[derive(Clone, Debug)]
pub(super) struct Lacks {
    /// The pieces that it has: no file that it lacks touches them.
    pub(super) has: Bitfield,
    /// What it said last of a file that it lacks.
    why: WebSeedEnd,
}

impl WebSeed {
    /// Whether a file that it lacks touches `piece`.
    pub(super) fn lacks(&self, piece: PieceIndex) -> bool {
        self.lacks.as_ref().is_some_and(|lacks| !lacks.has.get(piece))
    }
}

impl Swarm {
    /// The server does not have the file that is to be fetched.
    pub(super) fn on_missing_file(
        &mut self,
        now: Instant,
        index: usize,
        fetch: FetchKey,
        why: WebSeedEnd,
        out: &mut Outbox<Action>,
    ) {
        let Some(file) = self.web.run_mut(fetch).map(|run| run.file()) else { return };
        self.ask_anew(index, fetch, out);
        self.note_lacking(index, file, why);
        let Some(seed) = self.web.seeds.get_mut(index) else { return };
        seed.misses = seed.misses.saturating_add(1);
        if seed.misses.is_multiple_of(MISSES) {
            self.end_web_seed(now, index, why, out);
        } else {
            self.tell_what_web_seed_has(now, index, out);
        }
    }

    /// A seed alone sent a corrupt piece. Most likely a file changed on its server: it does not have what the
    /// torrent has. One for whom that is no excuse is banned.
    pub(in crate::swarm) fn on_corrupt_web_piece(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        only: Sender,
        out: &mut Outbox<Action>,
    ) {
        let Some(index) = self.web.index_of(only.peer) else { return };
        if self.web.seeds.get(index).is_some_and(|seed| seed.lacks(piece)) {
            // It was sent before its file was known to be corrupt.
            return;
        }
        let files =
            self.layout.piece_segments(piece).filter_map(|segment| self.layout.file_range(segment.file?));
        let bytes = files.reduce(|all, file| all.start..file.end).unwrap_or_default();
        self.note_lacking(index, bytes, WebSeedEnd::CorruptPiece);
        let Some(seed) = self.web.seeds.get_mut(index) else { return };
        let has_others = seed.lacks.as_ref().is_some_and(|lacks| lacks.has.count() > 0);
        if mem::replace(&mut seed.corrupt, true) || !has_others {
            return self.ban(now, only, out);
        }
        for (piece, fill) in &mut self.fills {
            if seed.lacks(*piece) {
                fill.clear(only.peer);
            }
        }
        self.tell_what_web_seed_has(now, index, out);
    }

    /// Notes that a seed does not have these bytes of the torrent.
    fn note_lacking(&mut self, index: usize, bytes: Range<u64>, why: WebSeedEnd) {
        let pieces = self.geometry.pieces();
        let Some(seed) = self.web.seeds.get_mut(index) else { return };
        let lacks = seed.lacks.get_or_insert_with(|| Lacks { has: Bitfield::full(pieces), why });
        lacks.why = why;
        for piece in pieces_at(bytes, self.geometry) {
            lacks.has.clear(piece);
        }
    }

    /// Tells the picker what a seed has, and takes back what it was asked for beyond that.
    pub(super) fn tell_what_web_seed_has(&mut self, now: Instant, index: usize, out: &mut Outbox<Action>) {
        let Some(seed) = self.web.seeds.get(index) else { return };
        let (peer, Some(Lacks { has, .. })) = (seed.key, &seed.lacks) else { return };
        let pieces = has.clone();
        for fetch in self.web.fetches_of(index) {
            let has_all = |run: &mut Run| run.due.iter().all(|block| pieces.get(block.piece));
            if !self.web.run_mut(fetch).is_none_or(has_all) {
                self.ask_anew(index, fetch, out);
            }
        }
        if let Some(seed) = self.web.seeds.get_mut(index) {
            seed.asked.retain(|block| pieces.get(block.piece));
        }
        self.pick(now, picker::Input::Bitfield { peer, pieces }, out);
    }

    /// A seed that has nothing that is wanted makes room for another. It stays at the picker, which asks it
    /// as soon as something is.
    pub(super) fn spend_web_seed(&mut self, now: Instant, index: usize, out: &mut Outbox<Action>) {
        let Some(seed) = self.web.seeds.get_mut(index) else { return };
        let Some(Lacks { why, .. }) = seed.lacks else { return };
        seed.stage = Stage::Spent(now + RETRY_REFUSED);
        seed.misses = 0;
        let (url, downloaded_bytes) = (seed.url.clone(), mem::take(&mut seed.downloaded_bytes));
        out.push(Action::WebSeedGone { url, downloaded_bytes, why, retry_after: Some(RETRY_REFUSED) });
    }
}
