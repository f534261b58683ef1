//! Which block next: finish what is begun, then open the rarest, then, at the end, ask twice.

use super::{Action, Picker, peer::Asked, waiting::Rank};
use crate::{
    id::{BLOCK_LENGTH, PieceIndex},
    outbox::Outbox,
};
use core::{cmp::Reverse, mem};

/// How many open pieces are looked at for one that a peer has, before all are searched by bitfield.
const OPEN_LOOK: usize = 32;

/// How many pieces, from the rarest on, are looked at for one that a peer has, before all are searched by
/// bitfield from a random place on. A pick never looks at every piece one by one.
const RAREST_LOOK: usize = 64;

/// How many requests a peer has at most when it is asked for what another is asked for too. A peer that
/// is busy needs no copies, and copies that cross their cancels are waste.
const ENDGAME_QUEUE: usize = 2;

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
                ranking.push(Rank {
                    snubbed: peer.pipeline.is_snubbed(),
                    queue: peer.queue.len(),
                    rate_bytes_per_s: Reverse(peer.pipeline.rate_bytes_per_s(&self.clock, false)),
                    lot: self.random.below(u32::MAX),
                    slot,
                });
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

    /// Fills a peer up for which there may be something that was not there before.
    pub(super) fn refill(&mut self, slot: usize, out: &mut Outbox<Action>) {
        self.waiting.starved.remove(slot);
        self.fill(slot, out);
    }

    /// Asks a peer for as much as it has room for.
    pub(super) fn fill(&mut self, slot: usize, out: &mut Outbox<Action>) {
        while self.peer(slot).is_some_and(|peer| peer.has_room(&self.limits)) {
            if !self.is_funded() {
                self.waiting.unfunded.insert(slot);
                break;
            }
            let Some((piece, number)) = self.pick(slot, out) else {
                self.waiting.starved.insert(slot);
                break;
            };
            self.request(slot, piece, number, out);
        }
        self.arm(slot);
    }

    /// The next block for a peer.
    fn pick(&mut self, slot: usize, out: &mut Outbox<Action>) -> Option<(PieceIndex, u32)> {
        if !self.waiting.starved.contains(slot)
            && let Some(piece) = self.begun(slot).or_else(|| self.begin_rarest(slot, out))
        {
            return self.open.first_free(piece).map(|number| (piece, number));
        }
        let peer = self.peers.get(slot)?.as_ref()?;
        if peer.queue.len() >= ENDGAME_QUEUE || !self.is_endgame() {
            return None;
        }
        self.open.duplicate(slot, self.endgame_peers, |piece| peer.pieces.has(piece))
    }

    /// An open piece with free blocks that a peer has: that which it was asked for last, or any.
    fn begun(&mut self, slot: usize) -> Option<PieceIndex> {
        let peer = self.peers.get(slot)?.as_ref()?;
        if self.open.partial_bits().get(peer.current) && peer.pieces.has(peer.current) {
            return Some(peer.current);
        }
        let partial = self.open.partial();
        let near = partial.iter().take(OPEN_LOOK).copied().find(|piece| peer.pieces.has(*piece));
        if near.is_some() || partial.len() <= OPEN_LOOK {
            return near;
        }
        let start = PieceIndex(self.random.below(self.geometry.pieces()));
        peer.pieces.first_common_from(self.open.partial_bits(), start)
    }

    /// Opens the rarest piece that a peer has: among the rarest of all, or else anywhere.
    fn begin_rarest(&mut self, slot: usize, out: &mut Outbox<Action>) -> Option<PieceIndex> {
        let peer = self.peers.get(slot)?.as_ref()?;
        let rarest = self.order.rarest_first().take(RAREST_LOOK).find(|piece| peer.pieces.has(*piece));
        let piece = rarest.or_else(|| {
            let wanted = self.order.wanted();
            if wanted.count() as usize <= RAREST_LOOK {
                return None;
            }
            let start = PieceIndex(self.random.below(self.geometry.pieces()));
            peer.pieces.first_common_from(wanted, start)
        })?;
        if self.is_crowded() {
            let idle = self.open.idle()?;
            self.give_up(idle);
        }
        self.open_piece(piece, out);
        Some(piece)
    }

    fn request(&mut self, slot: usize, piece: PieceIndex, number: u32, out: &mut Outbox<Action>) {
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
    fn is_funded(&self) -> bool {
        let block = u64::from(self.geometry.piece_length().min(BLOCK_LENGTH));
        self.budget >= block.min(self.geometry.total_length())
    }

    /// Whether a new piece can only be opened if another is given up.
    pub(super) const fn is_crowded(&self) -> bool {
        self.open.len() >= self.open_limit
    }

    /// Whether there is nothing that anyone could be asked for.
    fn is_exhausted(&self) -> bool {
        self.open.partial().is_empty() && self.order.wanted().count() == 0 && !self.is_endgame()
    }

    /// Whether blocks are asked for twice: every missing one is asked for, or few are missing at all.
    pub(super) fn is_endgame(&self) -> bool {
        let all_asked = self.open.partial().is_empty() && self.order.wanted().count() == 0;
        let missing = self.open.missing() + self.unopened_blocks();
        missing > 0 && (all_asked || missing <= self.endgame_threshold)
    }

    /// Blocks of pieces that are not open.
    fn unopened_blocks(&self) -> u64 {
        let wanted = self.order.wanted();
        let blocks = u64::from(self.geometry.blocks(PieceIndex(0)));
        let last = PieceIndex(self.geometry.pieces() - 1);
        let short = if wanted.get(last) { blocks - u64::from(self.geometry.blocks(last)) } else { 0 };
        u64::from(wanted.count()) * blocks - short
    }
}
