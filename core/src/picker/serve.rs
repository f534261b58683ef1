//! Who is asked, and for how much.

use super::{Action, Picker, peer::Asked, tier::Class, waiting::Rank};
use crate::{
    id::{BLOCK_LENGTH, PieceIndex},
    outbox::Outbox,
};
use core::{cmp::Reverse, mem};

impl Picker {
    /// The budget is set anew: those whom it did not reach are filled up, each as far as it goes, in the
    /// order of slots, from where the last round ended.
    pub(super) fn fund(&mut self, bytes: u64, out: &mut Outbox<Action>) {
        self.budget = bytes;
        let start = self.turn;
        for round in [start..usize::MAX, 0..start] {
            let mut from = round.start;
            while self.is_funded()
                && let Some(slot) = self.waiting.unfunded.next_from(from).filter(|slot| *slot < round.end)
            {
                self.waiting.unfunded.remove(slot);
                self.fill(slot, out);
                from = slot + 1;
                self.turn = from;
            }
        }
    }

    /// Peers for which nothing was free are asked for what is free now.
    pub(super) fn serve(&mut self, out: &mut Outbox<Action>) {
        let mut ranking = mem::take(&mut self.waiting.ranking);
        ranking.clear();
        // The pending count as starved from here on: if everything is gone before their turn, they are.
        self.waiting.starve_pending();
        for slot in self.waiting.starved.iter() {
            if let Some(peer) = self.peers.get(slot).and_then(Option::as_ref)
                && self.waiting.may_serve(slot, |piece| peer.pieces.has(piece))
            {
                ranking.push(Rank { lot: self.random.below(u32::MAX), ..self.rank(slot) });
            }
        }
        ranking.sort_unstable();
        self.waiting.clear_supply();
        for rank in &ranking {
            if self.is_exhausted() {
                break;
            }
            self.refill(rank.slot, out);
        }
        self.waiting.ranking = ranking;
    }

    /// Where a peer stands among those who could be asked, before lots are drawn.
    pub(super) fn rank(&self, slot: usize) -> Rank {
        let peer = self.peer(slot);
        let rate = peer.map_or(0, |peer| peer.pipeline.rate_bytes_per_s(&self.clock, false));
        Rank {
            snubbed: peer.is_some_and(|peer| peer.pipeline.is_snubbed()),
            lapses: peer.map_or(0, |peer| peer.lapses),
            queue: peer.map_or(0, |peer| peer.queue.len()),
            rate_bytes_per_s: Reverse(rate),
            lot: 0,
            slot,
        }
    }

    /// Fills a peer up for which there may be something that was not there before.
    pub(super) fn refill(&mut self, slot: usize, out: &mut Outbox<Action>) {
        self.waiting.starved.remove(slot);
        self.fill(slot, out);
    }

    /// Asks a peer for as much as it has room for.
    pub(super) fn fill(&mut self, slot: usize, out: &mut Outbox<Action>) {
        if self.peer_mut(slot).is_some_and(|peer| mem::take(&mut peer.held_back)) {
            self.waiting.starved.remove(slot);
        }
        while self.peer(slot).is_some_and(|peer| peer.has_room(&self.limits, self.geometry)) {
            if !self.is_funded() {
                self.waiting.unfunded.insert(slot);
                break;
            }
            let starved = self.waiting.starved.contains(slot);
            let free = if starved { None } else { self.pick(slot, &Class::ALL, out) };
            let Some((piece, number)) = free.or_else(|| self.copy(slot)) else {
                self.waiting.starved.insert(slot);
                break;
            };
            self.request(slot, piece, number, out);
            self.request_rest(slot, piece, out);
        }
        // Somebody else may have room for it, or owe us something older.
        self.waiting.urgent |= self.yields(slot).is_some();
        self.arm(slot);
    }

    /// Who takes whole pieces is asked for all of one.
    fn request_rest(&mut self, slot: usize, piece: PieceIndex, out: &mut Outbox<Action>) {
        if !self.peer(slot).is_some_and(|peer| peer.takes_whole(self.geometry)) {
            return;
        }
        let Some(class) = self.open.class(piece) else { return };
        while self.is_funded()
            && self.may_ask(slot, class, piece)
            && let Some(number) = self.open.first_free(piece)
        {
            self.request(slot, piece, number, out);
        }
    }

    pub(super) fn request(&mut self, slot: usize, piece: PieceIndex, number: u32, out: &mut Outbox<Action>) {
        let at = self.clock.latest();
        let Some(block) = self.geometry.block(piece, number) else { return };
        let Some(peer) = self.peers.get_mut(slot).and_then(Option::as_mut) else { return };
        peer.ask(Asked { piece, number, at });
        out.push(Action::Request { peer: peer.key, block });
        self.open.ask(piece, number, slot);
        self.requested_bytes += u64::from(block.length);
        if self.budget != u64::MAX {
            self.budget = self.budget.saturating_sub(u64::from(block.length));
        }
    }

    /// Whether the budget has room for a block.
    pub(super) fn is_funded(&self) -> bool {
        let block = u64::from(self.geometry.piece_length().min(BLOCK_LENGTH));
        self.budget >= block.min(self.geometry.total_length())
    }

    /// Whether there is nothing that anyone could be asked for.
    fn is_exhausted(&self) -> bool {
        self.open.is_all_asked() && self.order.count() == 0 && !self.is_endgame()
    }
}
