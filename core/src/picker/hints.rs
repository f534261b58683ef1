//! What peers hint at (BEP 6): pieces that they would rather send, and those that they send while they
//! choke us. What they may not send anyway, no hint changes.

use super::{Action, Picker, peer::Peer};
use crate::{id::PieceIndex, outbox::Outbox};
use alloc::vec::Vec;

/// How many hints of a kind are kept of a peer.
const MAX_HINTS: usize = 100;

impl Picker {
    pub(super) fn suggested(&mut self, slot: usize, piece: PieceIndex) {
        self.keep_hint(slot, piece, |peer| &mut peer.suggested);
    }

    pub(super) fn allowed_fast(&mut self, slot: usize, piece: PieceIndex, out: &mut Outbox<Action>) {
        if self.keep_hint(slot, piece, |peer| &mut peer.allowed) {
            self.refill(slot, out);
        }
    }

    /// Keeps a hint, unless there are too many of pieces that are still needed.
    fn keep_hint(
        &mut self,
        slot: usize,
        piece: PieceIndex,
        of: impl Fn(&mut Peer) -> &mut Vec<PieceIndex>,
    ) -> bool {
        if piece.0 >= self.geometry.pieces() {
            self.counters.out_of_range += 1;
            return false;
        }
        let Some(peer) = self.peers.get_mut(slot).and_then(Option::as_mut) else { return false };
        let fast = peer.is_fast();
        let hints = of(peer);
        if hints.contains(&piece) {
            self.counters.repeats += 1;
            return false;
        }
        if hints.len() >= MAX_HINTS {
            hints.retain(|piece| self.needed.get(*piece));
        }
        if !fast || hints.len() >= MAX_HINTS {
            self.counters.hints_dropped += 1;
            return false;
        }
        hints.push(piece);
        true
    }
}
