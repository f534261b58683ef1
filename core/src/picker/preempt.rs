//! Requests of the background give way to those of higher tiers (protocol page 7.10): no more than are
//! needed, the oldest first, and the same block never twice.

use super::{Action, Picker, Source, peer::Asked, tier::Class, waiting::Rank};
use crate::outbox::Outbox;
use core::mem;

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
        let mut ranking = mem::take(&mut self.waiting.ranking);
        ranking.clear();
        for slot in 0..self.peers.len() {
            if self.may_preempt(slot) {
                ranking.push(Rank { lot: self.random.below(u32::MAX), ..self.rank(slot) });
            }
        }
        ranking.sort_unstable();
        for rank in &ranking {
            self.preempt(rank.slot, out);
            self.arm(rank.slot);
        }
        self.waiting.ranking = ranking;
    }

    /// A full peer makes room for what it has of a higher tier.
    pub(super) fn preempt(&mut self, slot: usize, out: &mut Outbox<Action>) {
        while self.has_urgent() && self.may_preempt(slot) {
            if !self.is_funded() {
                self.waiting.urgent = true;
                return;
            }
            let Some(victim) = self.oldest_background(slot) else { return };
            let Some((piece, number)) = self.pick(slot, &Class::PRE_EMPTING, out) else { return };
            self.give_way(slot, victim, out);
            self.request(slot, piece, number, out);
        }
    }

    /// Whether blocks of a higher tier are free while the background is asked for.
    fn has_urgent(&self) -> bool {
        self.open.asked(Class::Background) > 0
            && Class::PRE_EMPTING.into_iter().any(|class| self.has_free(class))
    }

    /// Whether a peer serves us, is full, and may have something of a higher tier. A web server's requests
    /// are joined to ranges, and so left alone.
    fn may_preempt(&self, slot: usize) -> bool {
        self.peer(slot).is_some_and(|peer| {
            peer.unchoked
                && peer.source != Source::Web
                && peer.holds_until.is_none()
                && !peer.queue.is_empty()
                && !peer.has_room(&self.limits, 1)
                && Class::PRE_EMPTING.into_iter().any(|class| self.may_have_free(peer, class))
        })
    }

    fn oldest_background(&self, slot: usize) -> Option<Asked> {
        self.peer(slot)?.queue.iter().copied().find(|asked| {
            self.open.class(asked.piece) == Some(Class::Background)
                && self.open.cell(asked.piece, asked.number).is_some_and(|cell| !cell.is_spared())
        })
    }

    fn give_way(&mut self, slot: usize, victim: Asked, out: &mut Outbox<Action>) {
        self.open.spare(victim.piece, victim.number);
        self.take_back(slot, true, |_, asked| asked == victim, out);
    }
}
