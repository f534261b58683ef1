//! Peers that could be asked for more, but for which there was nothing to ask, or no budget.

use super::{
    slots::Slots,
    tier::{Class, PerClass},
};
use crate::{id::PieceIndex, time::Instant};
use alloc::{collections::BinaryHeap, vec::Vec};
use core::cmp::Reverse;

/// With more pieces than these supplied at once, every starved peer is looked at.
const MAX_FRESH: usize = 64;

/// Who waits, and what came free for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// Peers for which no block was free. That stays so, whatever else happens, until a piece of theirs
    /// is supplied: so nobody searches twice in vain.
    pub(super) starved: Slots,
    /// Peers that the budget did not reach.
    pub(super) unfunded: Slots,
    /// Peers that may have room since this call, and were not filled up yet.
    pub(super) pending: Slots,
    /// Pieces that have free blocks again.
    fresh: Vec<PieceIndex>,
    /// Anything may have free blocks again.
    anything: bool,
    /// Something of a class that pre-empts may have free blocks again.
    pub(super) urgent: bool,
    /// How often something of a class came free.
    supplies: PerClass<u32>,
    /// Room to rank those who are served.
    pub(super) ranking: Vec<Rank>,
    /// Room to rank those who make room, by their oldest request of the background.
    pub(super) yielding: BinaryHeap<Reverse<(Instant, Rank)>>,
}

/// Who is asked first (protocol page 7.10): fewest outstanding requests, then the best rate, then by lot.
/// A snubbed peer comes last, and before it who let a [turn](super::alone) lapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) snubbed: bool,
    pub(super) lapses: u8,
    pub(super) queue: usize,
    pub(super) rate_bytes_per_s: Reverse<u64>,
    pub(super) lot: u32,
    pub(super) slot: usize,
}

impl Waiting {
    /// Nobody waits in this slot any more.
    pub(super) fn remove(&mut self, slot: usize) {
        self.starved.remove(slot);
        self.unfunded.remove(slot);
        self.pending.remove(slot);
    }

    /// A block of `piece`, which is of this class, is free again.
    pub(super) fn supply(&mut self, piece: PieceIndex, class: Class) {
        let supplies = self.supplies.get_mut(class);
        *supplies = supplies.wrapping_add(1);
        self.urgent |= Class::PRE_EMPTING.contains(&class);
        if self.fresh.last() == Some(&piece) || self.anything {
            return;
        }
        if self.fresh.len() == MAX_FRESH {
            self.supply_anything();
        } else {
            self.fresh.push(piece);
        }
    }

    /// There may be something for everybody.
    pub(super) fn supply_anything(&mut self) {
        self.supplies.iter_mut().for_each(|supplies| *supplies = supplies.wrapping_add(1));
        self.urgent = true;
        self.anything = true;
        self.fresh.clear();
    }

    /// Names the last supply of a class, for [`is_barren`](Self::is_barren).
    pub(super) const fn supplied(&self, class: Class) -> u32 {
        // Not zero: with that nobody is barren.
        *self.supplies.get(class) | 1 << 31
    }

    /// Whether nothing of a class came free since a peer found nothing in it.
    pub(super) const fn is_barren(&self, barren: &PerClass<u32>, class: Class) -> bool {
        *barren.get(class) == self.supplied(class)
    }

    /// Whether there is anybody to serve.
    pub(super) fn is_supplied(&self) -> bool {
        self.anything || self.pending.next_from(0).is_some() || !self.fresh.is_empty()
    }

    /// Whether there may be something for the peer in `slot`, which `has` certain pieces.
    pub(super) fn may_serve(&self, slot: usize, has: impl Fn(PieceIndex) -> bool) -> bool {
        self.anything || self.pending.contains(slot) || self.fresh.iter().any(|piece| has(*piece))
    }

    /// Counts the pending among the starved.
    pub(super) fn starve_pending(&mut self) {
        self.starved.extend(&self.pending);
    }

    /// Everybody who was supplied is being served.
    pub(super) fn clear_supply(&mut self) {
        self.pending.clear();
        self.anything = false;
        self.fresh.clear();
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.starved.heap_bytes()
            + self.unfunded.heap_bytes()
            + self.pending.heap_bytes()
            + self.fresh.capacity() * size_of::<PieceIndex>()
            + self.ranking.capacity() * size_of::<Rank>()
            + self.yielding.capacity() * size_of::<(Instant, Rank)>()
    }
}
