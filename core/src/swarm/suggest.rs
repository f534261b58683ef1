//! Pieces that a seed would rather send (BEP 6).
//!
//! Peers that are served at once do not know what the others are being sent, and would often pick the same
//! rare piece: a slow seed then sends much of it twice before it has sent everything once. So each peer
//! hears of a few pieces that nobody has whom we know, and that no other peer was told of or asks for. It is
//! free to ask for others. It hears of the next as soon as it asks for one, not when it has got it: a
//! message waits behind the blocks that are on their way.

use super::{Action, machine::Swarm, upload::Turn};
use crate::{
    Instant, Outbox, Random,
    bitfield::Bitfield,
    id::{Block, PeerKey, PieceIndex},
    wire::Message,
};
use alloc::vec::Vec;
use core::mem;

/// How many pieces a peer was told of and has not asked for: as many as it first asks for at once.
const AHEAD: usize = 4;
/// How many pieces that it asked for, and that nobody has yet, are remembered of a peer.
const MAX_ASKED: usize = 32;

/// What may still be suggested.
#[derive(Debug)]
pub(super) struct Suggestions {
    /// The pieces that nobody had when they were last looked at, and that no peer was told of or asked for.
    left: Bitfield,
    /// Where to look next. Begins anywhere: two seeds suggest different pieces.
    next: PieceIndex,
}

/// The pieces that nobody has and that are one peer's.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Those that it was told of and has not asked for.
    ahead: Vec<PieceIndex>,
    /// Those that it asked for, whether it was told of them or not; the oldest first.
    asked: Vec<Asked>,
}

/// A piece that a peer asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    piece: PieceIndex,
    /// The bytes of it that it did not ask for.
    missing: u32,
}

impl Told {
    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.ahead.capacity() * size_of::<PieceIndex>() + self.asked.capacity() * size_of::<Asked>()
    }
}

impl Suggestions {
    fn new(pieces: u32, random: &mut Random) -> Self {
        Self { left: Bitfield::full(pieces), next: PieceIndex(random.below(pieces)) }
    }

    /// Takes out the next piece that nobody has. A piece is looked at once, unless it was put back.
    fn take(&mut self, has_nobody: impl Fn(&PieceIndex) -> bool) -> Option<PieceIndex> {
        while self.left.count() > 0
            && let Some(piece) = self.left.first_common_from(&self.left, self.next)
        {
            self.left.clear(piece);
            self.next = piece;
            if has_nobody(&piece) {
                return Some(piece);
            }
        }
        None
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.left.heap_bytes()
    }
}

impl Swarm {
    /// Tells a peer that is served, or about to be, what to ask for.
    pub(super) fn suggest(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.fast) else { return };
        if !self.have.is_full() {
            return;
        }
        let (pieces, random) = (self.geometry.pieces(), &mut self.random);
        let suggestions = self.suggestions.get_or_insert_with(|| Suggestions::new(pieces, random));
        let has_nobody = |piece: &PieceIndex| self.picker.availability(*piece) == 0;
        peer.told.ahead.retain(has_nobody);
        peer.told.asked.retain(|asked| has_nobody(&asked.piece));
        let mut told = Vec::new();
        while peer.told.ahead.len() < AHEAD
            && let Some(piece) = suggestions.take(has_nobody)
        {
            peer.told.ahead.push(piece);
            told.push(piece);
        }
        for piece in told {
            self.tell(now, key, Message::Suggest(piece), out);
        }
    }

    /// A peer that is served asks for a block: when its turn is. Each block of a piece that nobody has, and
    /// that no other peer was told of or asked for, comes soon, once.
    pub(super) fn claim(&mut self, key: PeerKey, block: Block) -> Turn {
        let (Some(peer), Some(suggestions)) = (self.peers.get_mut(key), &mut self.suggestions) else {
            return Turn::Soon;
        };
        let (told, piece) = (&mut peer.told, block.piece);
        let has_nobody = |piece: PieceIndex| self.picker.availability(piece) == 0;
        if !has_nobody(piece) {
            return Turn::Later;
        }
        if told.asked.len() >= MAX_ASKED {
            told.asked.retain(|asked| has_nobody(asked.piece));
        }
        let ahead = told.ahead.iter().position(|one| *one == piece);
        let is_its = ahead.map(|at| told.ahead.swap_remove(at)).is_some();
        if is_its || told.asked.len() < MAX_ASKED && suggestions.left.clear(piece) {
            told.asked.push(Asked { piece, missing: self.geometry.piece_size(piece) });
        }
        let asked = told.asked.iter_mut().find(|asked| asked.piece == piece);
        let missing = asked.and_then(|asked| {
            asked.missing = asked.missing.checked_sub(block.length)?;
            Some(asked.missing)
        });
        if missing.is_some() { Turn::Soon } else { Turn::Later }
    }

    /// A peer is no longer served: others may hear of what it did not ask for. If it is gone, of what it
    /// asked for too.
    pub(super) fn withdraw_suggestions(&mut self, key: PeerKey, is_gone: bool) {
        let (Some(peer), Some(suggestions)) = (self.peers.get_mut(key), &mut self.suggestions) else {
            return;
        };
        let asked = is_gone.then(|| mem::take(&mut peer.told.asked));
        let asked = asked.into_iter().flatten().map(|asked| asked.piece);
        for piece in peer.told.ahead.drain(..).chain(asked) {
            suggestions.left.set(piece);
        }
    }
}
