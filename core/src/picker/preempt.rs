//! Requests of the background give way to those of higher tiers (protocol page 7.10): no more than are
//! needed, the oldest unanswered of all peers first, and the same block never twice.

use super::{Action, Picker, Source, peer::Asked, tier::Class, waiting::Rank};
use crate::outbox::Outbox;
use core::{cmp::Reverse, mem};

impl Picker {
    /// Blocks of a higher tier came free, and nobody has room for them: those who are full of requests of
    /// the background make some. Waits for the budget, if that is lacking.
    pub(super) fn preempt_all(&mut self, out: &mut Outbox<Action>) {
        if !self.waiting.urgent || !self.is_funded() {
            return;
        }
        self.waiting.urgent = false;
        if !self.has_urgent() {
            return;
        }
        let mut yielding = mem::take(&mut self.waiting.yielding);
        yielding.clear();
        for slot in 0..self.peers.len() {
            if let Some(oldest) = self.yields(slot) {
                let rank = Rank { lot: self.random.below(u32::MAX), ..self.rank(slot) };
                yielding.push(Reverse((oldest.at, rank)));
            }
        }
        while let Some(Reverse((_, rank))) = yielding.pop() {
            if !self.is_funded() {
                self.waiting.urgent = true;
                break;
            }
            if self.preempt(rank.slot, out)
                && let Some(next) = self.yields(rank.slot)
            {
                yielding.push(Reverse((next.at, rank)));
            }
            self.arm(rank.slot);
        }
        self.waiting.yielding = yielding;
    }

    /// A full peer is asked for a block of a higher tier in place of one of the background; whether it was.
    fn preempt(&mut self, slot: usize, out: &mut Outbox<Action>) -> bool {
        let Some(victim) = self.yields(slot) else { return false };
        let Some((piece, number)) = self.pick(slot, &Class::PRE_EMPTING, out) else { return false };
        self.open.spare(victim.piece, victim.number);
        self.take_back(slot, true, |_, asked| asked == victim, out);
        self.request(slot, piece, number, out);
        true
    }

    /// Whether blocks of a higher tier are free while the background is asked for.
    pub(super) fn has_urgent(&self) -> bool {
        self.open.asked(Class::Background) > 0
            && Class::PRE_EMPTING.into_iter().any(|class| self.has_free(class))
    }

    /// The oldest request of the background at a peer that serves us, is full, and may have something of a
    /// higher tier that is free. A web server's requests are joined to ranges, and so left alone.
    pub(super) fn yields(&self, slot: usize) -> Option<Asked> {
        let peer = self.peer(slot).filter(|_| self.has_urgent())?;
        let is_full = peer.unchoked
            && peer.source != Source::Web
            && peer.holds_until.is_none()
            && !peer.has_room(&self.limits, self.geometry);
        if !is_full || !Class::PRE_EMPTING.into_iter().any(|class| self.may_have_free(peer, class)) {
            return None;
        }
        peer.queue.iter().copied().find(|asked| {
            self.open.class(asked.piece) == Some(Class::Background)
                && self.open.cell(asked.piece, asked.number).is_some_and(|cell| !cell.is_spared())
        })
    }
}
