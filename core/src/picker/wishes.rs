//! What is wanted of the torrent: how urgent each piece is, and in what order.

use super::{Action, Picker, Tier, peer::Pieces, tier::Class};
use crate::{
    id::{PackageId, PieceIndex},
    outbox::Outbox,
    time::Instant,
};
use core::{mem, ops::Range};

impl Picker {
    /// Work for each piece whose tier may change, and for each package; for each peer too, 64 pieces a
    /// step, if any is skipped that was not, or the other way round.
    pub(super) fn package(
        &mut self,
        id: PackageId,
        mut pieces: Range<u32>,
        tier: Tier,
        out: &mut Outbox<Action>,
    ) {
        let end = self.geometry.pieces();
        if pieces.end > end {
            self.counters.out_of_range += 1;
            pieces.end = end;
        }
        let before = self.packages.set(id, pieces.clone(), tier);
        let mut skips = false;
        for changed in [before, pieces] {
            let tiers = self.packages.tiers(&changed);
            for (piece, tier) in changed.map(PieceIndex).zip(tiers) {
                skips |= self.set_tier(piece, tier, out);
            }
        }
        if skips {
            self.recount_wanted(out);
        }
        self.waiting.supply_anything();
    }

    pub(super) fn deadline(&mut self, piece: PieceIndex, at: Option<Instant>, out: &mut Outbox<Action>) {
        if piece.0 >= self.geometry.pieces() {
            self.counters.out_of_range += 1;
            return;
        }
        if self.have.get(piece) {
            self.counters.repeats += 1;
            return;
        }
        let forgotten = self.due.set(piece, at);
        for piece in forgotten.into_iter().chain([piece]) {
            self.reclass(piece, out);
            self.supply(piece);
        }
        // What was asked for in time may be of the background now.
        self.waiting.urgent = true;
    }

    /// The class of a piece that is not held; `None` if nobody is to be asked for it.
    pub(super) fn class_of(&self, piece: PieceIndex) -> Option<Class> {
        let tier = self.tiers.get(piece.0 as usize)?;
        let class = Class::of(*tier, self.due.contains(piece))?;
        (!self.padding.covers_piece(self.geometry, piece)).then_some(class)
    }

    pub(super) fn is_skipped(&self, piece: PieceIndex) -> bool {
        self.tiers.get(piece.0 as usize) == Some(&Tier::Skip)
    }

    /// A piece has this tier from now on; whether it is skipped and was not, or the other way round.
    fn set_tier(&mut self, piece: PieceIndex, tier: Tier, out: &mut Outbox<Action>) -> bool {
        let Some(known) = self.tiers.get_mut(piece.0 as usize) else { return false };
        let before = mem::replace(known, tier);
        if before == tier {
            return false;
        }
        let bytes = u64::from(self.geometry.piece_size(piece));
        let held = self.have.get(piece);
        if tier == Tier::Skip {
            self.wanted_bytes -= bytes;
            self.needed.clear(piece);
        } else if before == Tier::Skip {
            self.wanted_bytes += bytes;
            if !held {
                self.needed.set(piece);
            }
        }
        self.reclass(piece, out);
        before == Tier::Skip || tier == Tier::Skip
    }

    /// Puts a piece where its tier and its deadline want it. One that is skipped keeps the blocks that are
    /// here, but nobody is asked for the others any more.
    fn reclass(&mut self, piece: PieceIndex, out: &mut Outbox<Action>) {
        if self.have.get(piece) {
            return;
        }
        let class = self.class_of(piece);
        if !self.open.is_open(piece) {
            self.order.set_class(piece, class);
            return;
        }
        self.open.set_class(piece, class);
        if class.is_none() {
            self.cancel_all(piece, out);
            if self.open.is_untouched(piece) {
                self.give_up(piece);
            }
        }
    }

    /// Counts anew what each peer has that is needed.
    fn recount_wanted(&mut self, out: &mut Outbox<Action>) {
        for slot in 0..self.peers.len() {
            let Some(peer) = self.peers.get_mut(slot).and_then(Option::as_mut) else { continue };
            if let Pieces::Some(pieces) = &peer.pieces {
                peer.wanted = pieces.count_common(&self.needed);
            }
            self.tell_interest(slot, out);
        }
    }
}
