//! What is wanted of the torrent: how urgent each piece is.

use super::{Action, Picker, Tier, peer::Pieces};
use crate::{
    id::{PackageId, PieceIndex},
    outbox::Outbox,
};
use core::ops::Range;

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
        let changed = self.packages.set(id, pieces, tier);
        let tiers = self.packages.tiers(&changed);
        let needed = self.needed.count();
        let mut skips = false;
        for (piece, tier) in changed.map(PieceIndex).zip(tiers) {
            skips |= self.set_tier(piece, tier, out);
        }
        debug_assert!(skips || needed == self.needed.count(), "interest follows what is needed");
        if skips {
            self.recount_wanted(out);
        }
        self.waiting.supply_anything();
    }

    /// A piece has this tier from now on; whether it is skipped and was not, or the other way round.
    fn set_tier(&mut self, piece: PieceIndex, tier: Tier, out: &mut Outbox<Action>) -> bool {
        let Some(known) = self.tiers.get_mut(piece.0 as usize) else { return false };
        let before = core::mem::replace(known, tier);
        if before == tier {
            return false;
        }
        let (skipped, skips) = (before == Tier::Skip, tier == Tier::Skip);
        if skips && self.open.missing_in(piece).is_some_and(|missing| missing > 0) {
            self.drop_open(piece, out);
        }
        if !self.have.get(piece) && self.open.missing_in(piece).is_none() {
            self.order.set_wanted(piece, !skips, &mut self.random);
        }
        if skipped == skips {
            return false;
        }
        let bytes = u64::from(self.geometry.piece_size(piece));
        if skips {
            self.wanted_bytes -= bytes;
        } else {
            self.wanted_bytes += bytes;
        }
        if skips || self.have.get(piece) {
            self.needed.clear(piece);
        } else {
            self.needed.set(piece);
        }
        true
    }

    pub(super) fn is_skipped(&self, piece: PieceIndex) -> bool {
        self.tiers.get(piece.0 as usize) == Some(&Tier::Skip)
    }

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
