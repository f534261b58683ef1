//! Pieces that failed: each is asked of one peer alone, until a copy of it is right (bad input 16).
//!
//! A poisoner that mixes one bad block into every try would hold a piece up for ever: who sent what shows
//! only against a copy that is right, and none ever is. What one peer alone sends convicts it if it is
//! bad, and if it is good, whoever spoiled it before. One failure is enough for that: honest swarms hardly
//! know any, and every try more is the poisoner's.
//!
//! Nor may a peer hold a piece up by holding it. It has a *turn*, and one piece at a time. Once that
//! lasted too long, or it let its time pass, rejects or leaves, it goes on only until somebody else takes
//! the piece, from the start: what others sent of it is no part of a copy by one alone. A choke shortens the
//! turn. Who let one lapse comes last when blocks come free, so that those who wait have theirs first. Its
//! next turn is twice as long, so that slow peers, or such as serve us now and then, do not take a large
//! piece from each other for ever.

use super::{Action, Picker, peer::Peer};
use crate::{id::PieceIndex, outbox::Outbox, time::Instant};
use core::time::Duration;

/// How long the first turn of a peer lasts: as long as an optimistic unchoke.
const TURN: Duration = Duration::from_secs(30);

/// How much of it is left at most when the peer chokes us: others could send all of a piece of usual size
/// meanwhile.
const CHOKED: Duration = Duration::from_secs(3);

/// How many lapses make the next turn longer: up to 16 minutes, a large piece at a slow peer, and a minute
/// and a half of choke.
const MAX_DOUBLINGS: u8 = 5;

impl Peer {
    /// A time, twice as long for each turn that lapsed.
    fn doubled(&self, time: Duration) -> Duration {
        time * (1_u32 << self.lapses.min(MAX_DOUBLINGS))
    }
}

impl Picker {
    /// Whether a peer may be the one that is asked for a piece that failed.
    pub(super) fn may_send_alone(&self, slot: usize, piece: PieceIndex) -> bool {
        let Some(peer) = self.peer(slot) else { return false };
        let sender = self.open.sender(piece);
        let other = sender.and_then(|key| self.peer_of(key));
        let is_taken = other.is_some_and(|other| other.turn == Some(piece));
        sender == Some(peer.key) || (peer.turn.is_none() && !is_taken)
    }

    /// When the turn of a peer ends, if it has one.
    pub(super) fn turn_ends(&self, slot: usize) -> Option<Instant> {
        self.open.turn_ends(self.peer(slot)?.turn?)
    }

    /// A block of an open piece is about to be asked of a peer, or has come from it: if the piece failed, it
    /// is this peer's from now on. What another sent of it is dropped.
    pub(super) fn take_alone(&mut self, slot: usize, piece: PieceIndex, out: &mut Outbox<Action>) {
        let Some(key) = self.peer(slot).map(|peer| peer.key) else { return };
        let sender = self.open.sender(piece);
        let is_missing = self.open.missing_in(piece).is_some_and(|missing| missing > 0);
        if !self.failed.get(piece) || !is_missing || sender == Some(key) {
            return;
        }
        if sender.is_some() {
            self.cancel_all(piece, out);
            self.open.close(piece);
            self.open_piece(piece, out);
        }
        let now = self.clock.latest();
        let Some(peer) = self.peer_mut(slot) else { return };
        peer.turn = Some(piece);
        let ends = now + peer.doubled(TURN);
        self.open.set_sender(piece, key, ends);
    }

    /// A peer chokes us: others need not wait for long until they may have the piece that it sends alone.
    pub(super) fn shorten_turn(&mut self, slot: usize) {
        let now = self.clock.latest();
        if let Some(ends) = self.turn_ends(slot)
            && let Some(peer) = self.peer(slot)
            && let Some(piece) = peer.turn
        {
            self.open.set_sender(piece, peer.key, ends.min(now + peer.doubled(CHOKED)));
        }
    }

    /// A peer did not make use of its turn: others may take the piece.
    pub(super) fn lapse(&mut self, slot: usize) {
        let Some(peer) = self.peer_mut(slot) else { return };
        if let Some(piece) = peer.turn.take() {
            peer.lapses = peer.lapses.saturating_add(1);
            self.waiting.pending.insert(slot);
            self.supply(piece);
        }
    }

    /// A piece is complete or closed: its sender may take another.
    pub(super) fn end_turn(&mut self, piece: PieceIndex) {
        let sender = self.open.sender(piece).map(|key| key.index());
        if let Some(slot) = sender
            && let Some(peer) = self.peer_mut(slot).filter(|peer| peer.turn == Some(piece))
        {
            peer.turn = None;
            self.waiting.pending.insert(slot);
        }
    }
}
