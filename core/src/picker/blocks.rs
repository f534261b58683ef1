//! Blocks come in, pieces are completed, verified or failed.

use super::{
    Action, Picker, Source, Waste,
    cell::Cell,
    open::MAX_OPEN,
    peer::{Asked, Pieces},
    tier::Class,
};
use crate::{
    id::{BLOCK_LENGTH, Block, PeerKey, PieceIndex},
    outbox::Outbox,
};

/// How many pieces of nothing but padding are open at once: a bound on the actions of one call.
const MAX_ZEROS_OPEN: u32 = 8;

impl Picker {
    pub(super) fn block(&mut self, key: PeerKey, block: Block, out: &mut Outbox<Action>) {
        let discard = |waste| Action::Discard { peer: key, block, waste };
        let Some((slot, number)) = self.take_answered(key, block) else {
            out.push(discard(Waste::Unsolicited));
            return;
        };
        let stored =
            if self.admit(slot, block.piece, out) { self.open.store(block.piece, number) } else { None };
        match stored {
            None => out.push(discard(Waste::Duplicate)),
            Some(cell) => {
                out.push(Action::Store { peer: key, block });
                if self.open.missing_in(block.piece) == Some(0) {
                    out.push(Action::Complete { piece: block.piece });
                    self.end_turn(block.piece);
                }
                self.cancel(block, number, cell, slot, out);
            }
        }
        self.leave(slot, block.piece);
        self.fill(slot, out);
    }

    /// Whether a block of `piece` is taken from a peer: not if it failed, and another sends it alone by now.
    fn admit(&mut self, slot: usize, piece: PieceIndex, out: &mut Outbox<Action>) -> bool {
        let sender = self.open.sender(piece);
        let is_its_own = sender.is_none() || sender == self.peer(slot).map(|peer| peer.key);
        if self.failed.get(piece) && !(is_its_own && self.may_send_alone(slot, piece)) {
            return false;
        }
        // A request that timed out may have been the last of its piece, which then is no longer open.
        if self.order.class(piece).is_some() && self.open.len() < MAX_OPEN {
            self.open_piece(piece, out);
        }
        self.take_alone(slot, piece, out);
        true
    }

    /// Others may do what a peer leaves that is asked for no more of a piece: take its share of a header, or
    /// open another where only one that nobody is asked for gives way.
    fn leave(&mut self, slot: usize, piece: PieceIndex) {
        if self.open.is_idle(piece) {
            self.supply_room();
        }
        let is_free = self.open.partial_bits(Class::Header).get(piece);
        if is_free && self.peer(slot).is_some_and(|peer| !peer.is_asked_for(piece)) {
            self.supply(piece);
        }
    }

    /// Takes out the request that a block answers: one that stands, or was taken back not long ago.
    fn take_answered(&mut self, key: PeerKey, block: Block) -> Option<(usize, u32)> {
        let slot = self.slot_of(key)?;
        let number = self.number_of(block)?;
        let (now, limits) = (self.clock.latest(), self.limits);
        let welcome = self.takes_unasked(slot, block.piece);
        let peer = self.peer_mut(slot)?;
        let stood = peer.take_asked(block.piece, number);
        if !stood && !peer.take_late(block.piece, number, now) && !welcome {
            return None;
        }
        peer.pipeline.received(now, block.length, &limits);
        peer.fed = true;
        peer.refuses = false;
        if stood {
            self.requested_bytes -= u64::from(block.length);
        }
        Some((slot, number))
    }

    /// Whether a block is taken that nobody asked for: a web server that does not know ranges sends the
    /// whole file.
    fn takes_unasked(&self, slot: usize, piece: PieceIndex) -> bool {
        self.peer(slot).is_some_and(|peer| peer.source == Source::Web)
            && self.needed.get(piece)
            && (self.open.is_open(piece) || !self.is_crowded())
    }

    /// The number of `block` in its piece, if it is exactly one that is asked for.
    pub(super) fn number_of(&self, block: Block) -> Option<u32> {
        let number = block.begin / BLOCK_LENGTH;
        (self.geometry.block(block.piece, number) == Some(block)).then_some(number)
    }

    /// Takes a block's other requests back, now that it is here.
    fn cancel(&mut self, block: Block, number: u32, cell: Cell, sender: usize, out: &mut Outbox<Action>) {
        for slot in cell.askers().iter().map(|slot| usize::from(*slot)).filter(|slot| *slot != sender) {
            self.cancel_one(slot, block, number, out);
            self.fill(slot, out);
        }
    }

    fn cancel_one(&mut self, slot: usize, block: Block, number: u32, out: &mut Outbox<Action>) {
        let (now, limits) = (self.clock.latest(), self.limits);
        let Some(peer) = self.peer_mut(slot) else { return };
        if peer.take_asked(block.piece, number) {
            peer.remember(Asked { piece: block.piece, number, at: now }, now, &limits);
            out.push(Action::Cancel { peer: peer.key, block });
            self.requested_bytes -= u64::from(block.length);
        }
    }

    pub(super) fn verified(&mut self, piece: PieceIndex, out: &mut Outbox<Action>) {
        if !self.have.set(piece) {
            self.count_ignored(piece);
            return;
        }
        if self.open.missing_in(piece).is_some() {
            self.drop_open(piece, out);
        } else {
            self.order.set_class(piece, None);
        }
        self.failed.clear(piece);
        self.due.set(piece, None);
        if self.needed.clear(piece) {
            self.want(piece, false, out);
        }
    }

    pub(super) fn failed(&mut self, piece: PieceIndex, out: &mut Outbox<Action>) {
        if self.open.missing_in(piece) == Some(0) {
            self.failed.set(piece);
            self.drop_open(piece, out);
        } else if self.have.clear(piece) {
            if !self.is_skipped(piece) {
                self.needed.set(piece);
                self.want(piece, true, out);
            }
        } else {
            self.count_ignored(piece);
            return;
        }
        // What is nothing but padding has no class: it would fail again and again.
        self.order.set_class(piece, self.class_of(piece));
        self.supply(piece);
    }

    fn count_ignored(&mut self, piece: PieceIndex) {
        if piece.0 < self.geometry.pieces() {
            self.counters.repeats += 1;
        } else {
            self.counters.out_of_range += 1;
        }
    }

    /// Closes a piece for good, whoever is still asked for blocks of it.
    fn drop_open(&mut self, piece: PieceIndex, out: &mut Outbox<Action>) {
        if self.open.missing_in(piece) != Some(0) {
            self.cancel_all(piece, out);
        }
        if self.padding.covers_piece(self.geometry, piece) {
            self.zeros_open -= 1;
        }
        self.supply_room();
        self.end_turn(piece);
        self.open.close(piece);
    }

    /// Takes back every request for blocks of an open piece.
    pub(super) fn cancel_all(&mut self, piece: PieceIndex, out: &mut Outbox<Action>) {
        for number in 0..self.geometry.blocks(piece) {
            let cell = self.open.cells(piece).get(number as usize).copied().unwrap_or_default();
            let Some(block) = self.geometry.block(piece, number) else { return };
            for slot in cell.askers() {
                let slot = usize::from(*slot);
                self.open.unask(piece, number, slot);
                self.cancel_one(slot, block, number, out);
                self.waiting.pending.insert(slot);
            }
        }
    }

    /// Every peer that has `piece` has one wanted piece more or less.
    fn want(&mut self, piece: PieceIndex, wanted: bool, out: &mut Outbox<Action>) {
        for slot in 0..self.peers.len() {
            let Some(peer) = self.peer_mut(slot) else { continue };
            match &peer.pieces {
                Pieces::Some(bits) if bits.get(piece) => {
                    if wanted {
                        peer.wanted += 1
                    } else {
                        peer.wanted -= 1
                    }
                    self.tell_interest(slot, out);
                }
                Pieces::All => self.tell_interest(slot, out),
                Pieces::Some(_) | Pieces::None => {}
            }
        }
    }

    /// Opens a piece; its padding is here at once (BEP 47).
    pub(super) fn open_piece(&mut self, piece: PieceIndex, out: &mut Outbox<Action>) {
        self.order.set_class(piece, None);
        let blocks = self.geometry.blocks(piece);
        self.open.open(piece, self.class_of(piece), blocks);
        if self.padding.is_empty() {
            return;
        }
        for number in 0..blocks {
            if let Some(block) = self.geometry.block(piece, number)
                && self.padding.covers(self.geometry, block)
            {
                self.open.fill(piece, number);
                out.push(Action::Pad { block });
            }
        }
    }

    /// Opens pieces of nothing but padding: they need no peer, only a check.
    pub(super) fn open_zeros(&mut self, out: &mut Outbox<Action>) {
        while self.zeros_open < MAX_ZEROS_OPEN
            && let Some(run) = self.zeros.last_mut()
        {
            let Some(piece) = run.next().map(PieceIndex) else {
                self.zeros.pop();
                continue;
            };
            if !self.have.get(piece) {
                self.zeros_open += 1;
                self.open_piece(piece, out);
                out.push(Action::Complete { piece });
            }
        }
    }

    /// A peer is no longer asked for a block: it is free again, and so is its piece if nothing of it came.
    pub(super) fn release(&mut self, slot: usize, asked: Asked) {
        let length = self.geometry.block(asked.piece, asked.number).map_or(0, |block| block.length);
        self.requested_bytes -= u64::from(length);
        let free = self.open.unask(asked.piece, asked.number, slot);
        // In endgame one asker less is room for another: else two silent peers could pass the last block
        // to and fro between them for ever.
        if free || self.endgame {
            self.supply(asked.piece);
        }
        if !free {
            return;
        }
        self.supply_room();
        if self.open.is_untouched(asked.piece) {
            self.give_up(asked.piece);
        }
    }

    /// Closes a piece that is not complete; it goes back to where it can be opened anew.
    pub(super) fn give_up(&mut self, piece: PieceIndex) {
        self.end_turn(piece);
        self.open.close(piece);
        self.order.set_class(piece, self.class_of(piece));
        self.supply(piece);
    }

    /// Blocks of `piece` may be free that were not.
    pub(super) fn supply(&mut self, piece: PieceIndex) {
        if let Some(class) = self.class_of(piece) {
            self.waiting.supply(piece, class);
        }
    }

    /// A piece is about to be closed or idle: where that was lacking, anybody may open another.
    fn supply_room(&mut self) {
        if self.is_crowded() {
            self.waiting.supply_anything();
        }
    }
}
