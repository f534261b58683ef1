//! Which block next for a peer: of the most urgent class first, and there what is begun, then what is
//! rarest.

use super::{
    Action, Picker, Source,
    availability::Lot,
    cell::MAX_ASKERS,
    peer::{Peer, Pieces},
    tier::Class,
};
use crate::{id::PieceIndex, outbox::Outbox};
use core::time::Duration;

/// How many open pieces are looked at for one that a peer has, before all are searched by bitfield.
const OPEN_LOOK: usize = 32;

/// How many pieces, from the rarest on, are looked at for one that a peer has, before all are searched by
/// bitfield from a random place on. A pick never looks at every piece one by one.
const RAREST_LOOK: usize = 64;

/// A peer that sends a piece in this time gets one of its own: it is verified sooner, and if it is bad we
/// know by whom. A slower one helps with what is begun, so that few pieces lie about unfinished.
const OWN_PIECE: Duration = Duration::from_secs(4);

/// With so many begun pieces that have free blocks, fast peers help too.
const MANY_BEGUN: usize = 32;

impl Picker {
    /// The next free block for a peer, of the first of these classes that has one. Its piece is open.
    pub(super) fn pick(
        &mut self,
        slot: usize,
        classes: &[Class],
        out: &mut Outbox<Action>,
    ) -> Option<(PieceIndex, u32)> {
        classes.iter().find_map(|class| {
            let found = self.piece_for(slot, *class)?;
            let piece = if self.open.is_open(found) || self.begin(found, out) {
                found
            } else {
                // No room for one more piece, not even by giving up another.
                if let Some(peer) = self.peer_mut(slot) {
                    peer.held_back = true;
                }
                self.begun(slot, *class)?
            };
            self.take_alone(slot, piece, out);
            self.open.first_free(piece).map(|number| (piece, number))
        })
    }

    /// Whether a class has free blocks at all.
    pub(super) fn has_free(&self, class: Class) -> bool {
        !self.open.partial(class).is_empty() || self.order.wanted(class).count() > 0
    }

    /// Whether a class may have free blocks for a peer.
    pub(super) fn may_have_free(&self, peer: &Peer, class: Class) -> bool {
        self.has_free(class) && !self.waiting.is_barren(&peer.barren, class)
    }

    /// A piece of a class that has free blocks for a peer.
    fn piece_for(&mut self, slot: usize, class: Class) -> Option<PieceIndex> {
        let peer = self.peers.get(slot)?.as_ref()?;
        if !self.may_have_free(peer, class) {
            return None;
        }
        let found = if !peer.unchoked {
            self.hinted(slot, class, &peer.allowed)
        } else if class == Class::Deadline {
            self.soonest(slot)
        } else if self.sequential {
            self.lowest(slot, class)
        } else if let Some(piece) = self.current(slot, class).or_else(|| self.suggested_to(slot, class)) {
            Some(piece)
        } else if self.gets_its_own(slot, class) {
            self.rarest(slot, class).or_else(|| self.begun(slot, class))
        } else {
            self.begun(slot, class).or_else(|| self.rarest(slot, class))
        };
        if found.is_none() {
            let restricted = class == Class::Header
                || self.limits.open_pieces_per_peer != u32::MAX
                || self.failed.count() > 0;
            let supplied = self.waiting.supplied(class);
            let peer = self.peer_mut(slot)?;
            // What holds a peer back may end with its next block; that it has nothing only with a supply.
            if restricted {
                peer.held_back = true;
            } else if peer.unchoked {
                *peer.barren.get_mut(class) = supplied;
            }
        }
        found
    }

    /// Whether a peer has a piece and may be asked for it, within the limits of open pieces. A header is
    /// asked of three peers at most, each for its share; what failed of one.
    pub(super) fn may_ask(&self, slot: usize, class: Class, piece: PieceIndex) -> bool {
        let Some(peer) = self.peer(slot).filter(|peer| peer.pieces.has(piece)) else { return false };
        if !peer.unchoked && !peer.allowed.contains(&piece) {
            return false;
        }
        let limit = self.limits.open_pieces_per_peer;
        let within =
            limit == u32::MAX || peer.is_asked_for(piece) || peer.pieces_asked() < limit.max(1) as usize;
        within
            && if self.failed.get(piece) {
                self.may_send_alone(slot, piece)
            } else {
                class != Class::Header || self.may_share(slot, piece)
            }
    }

    fn may_share(&self, slot: usize, piece: PieceIndex) -> bool {
        let cells = self.open.cells(piece);
        let mut askers: [Option<u16>; MAX_ASKERS] = [None; MAX_ASKERS];
        let mut own = 0;
        for asker in cells.iter().flat_map(|cell| cell.askers()).copied() {
            own += usize::from(usize::from(asker) == slot);
            if let Some(place) = askers.iter_mut().find(|known| known.is_none_or(|known| known == asker)) {
                *place = Some(asker);
            }
        }
        let share = cells.len().div_ceil(MAX_ASKERS);
        if own > 0 { own < share } else { askers.contains(&None) }
    }

    /// Whether a piece of a class has free blocks.
    fn is_free(&self, class: Class, piece: PieceIndex) -> bool {
        self.open.partial_bits(class).get(piece) || self.order.wanted(class).get(piece)
    }

    /// The piece that a peer was asked for last; of a web server the next one, so that requests join.
    fn current(&self, slot: usize, class: Class) -> Option<PieceIndex> {
        let peer = self.peer(slot)?;
        let current = peer.current?;
        let piece = match peer.source {
            Source::Web if !self.open.partial_bits(class).get(current) => PieceIndex(current.0 + 1),
            Source::Web | Source::Peer { .. } => current,
        };
        let goes_on = match peer.source {
            Source::Web => self.is_free(class, piece),
            Source::Peer { .. } => self.open.partial_bits(class).get(piece),
        };
        (goes_on && self.may_ask(slot, class, piece)).then_some(piece)
    }

    /// What a peer suggests, while it is as rare as any: a hint that has come true, or was wrong, is none.
    fn suggested_to(&self, slot: usize, class: Class) -> Option<PieceIndex> {
        let peer = self.peer(slot)?;
        let has_all = matches!(peer.pieces, Pieces::All);
        let rarest = self.order.rarest_first(class, has_all, Lot::default()).next();
        let rarest = rarest.map_or(u32::MAX, |rarest| self.order.of(rarest));
        let mut hints = peer.suggested.iter().copied();
        hints.find(|piece| {
            self.order.of(*piece) <= rarest
                && self.is_free(class, *piece)
                && self.may_ask(slot, class, *piece)
        })
    }

    /// The first of a peer's hints that is of a class.
    fn hinted(&self, slot: usize, class: Class, hints: &[PieceIndex]) -> Option<PieceIndex> {
        let mut hints = hints.iter().copied();
        hints.find(|piece| self.is_free(class, *piece) && self.may_ask(slot, class, *piece))
    }

    /// The piece that is wanted soonest.
    fn soonest(&self, slot: usize) -> Option<PieceIndex> {
        let class = Class::Deadline;
        self.due.iter().find(|piece| self.is_free(class, *piece) && self.may_ask(slot, class, *piece))
    }

    /// The lowest piece of a class.
    fn lowest(&mut self, slot: usize, class: Class) -> Option<PieceIndex> {
        let start = self.order.lowest(class).unwrap_or_default();
        let peer = self.peer(slot)?;
        let fresh = self.lowest_fresh(slot, class, start);
        let partial = self.open.partial(class);
        let begun = if partial.len() <= OPEN_LOOK {
            partial.iter().copied().filter(|piece| self.may_ask(slot, class, *piece)).min()
        } else {
            peer.pieces.first_common_from(self.open.partial_bits(class), PieceIndex(0))
        };
        let begun = begun.filter(|piece| self.may_ask(slot, class, *piece));
        fresh.into_iter().chain(begun).min()
    }

    /// The lowest piece of a class that is not open, from `start` on. What failed may be left to others.
    fn lowest_fresh(&self, slot: usize, class: Class, start: PieceIndex) -> Option<PieceIndex> {
        let (pieces, wanted) = (&self.peer(slot)?.pieces, self.order.wanted(class));
        let mut from = start;
        for _ in 0..OPEN_LOOK {
            let lowest = pieces.first_common_from(wanted, from).filter(|piece| *piece >= from)?;
            if self.may_ask(slot, class, lowest) {
                return Some(lowest);
            }
            from = PieceIndex(lowest.0 + 1);
            if !self.failed.get(lowest) {
                break;
            }
        }
        None
    }

    fn gets_its_own(&self, slot: usize, class: Class) -> bool {
        let Some(peer) = self.peer(slot) else { return false };
        let fast = peer.pipeline.ahead(OWN_PIECE) >= u64::from(self.geometry.piece_length());
        class != Class::Header
            && (peer.takes_whole(self.geometry)
                || peer.refuses
                || fast && self.open.partial(class).len() < MANY_BEGUN)
    }

    /// An open piece with free blocks that a peer has.
    fn begun(&mut self, slot: usize, class: Class) -> Option<PieceIndex> {
        let partial = self.open.partial(class);
        let mut near = partial.iter().take(OPEN_LOOK).copied();
        let near = near.find(|piece| self.may_ask(slot, class, *piece));
        if near.is_some() || partial.len() <= OPEN_LOOK {
            return near;
        }
        let start = PieceIndex(self.random.below(self.geometry.pieces()));
        let pieces = &self.peer(slot)?.pieces;
        let far = pieces.first_common_from(self.open.partial_bits(class), start);
        far.filter(|piece| self.may_ask(slot, class, *piece))
    }

    /// The rarest piece that a peer has and that is not open: among the rarest of all, or else anywhere.
    fn rarest(&mut self, slot: usize, class: Class) -> Option<PieceIndex> {
        let lot = Lot::draw(&mut self.random);
        let has_all = matches!(self.peer(slot)?.pieces, Pieces::All);
        let mut near = self.order.rarest_first(class, has_all, lot).take(RAREST_LOOK);
        let near = near.find(|piece| self.may_ask(slot, class, *piece));
        if near.is_some() || self.order.wanted(class).count() as usize <= RAREST_LOOK {
            return near;
        }
        let start = PieceIndex(self.random.below(self.geometry.pieces()));
        let pieces = &self.peer(slot)?.pieces;
        let far = pieces.first_common_from(self.order.wanted(class), start);
        far.filter(|piece| self.may_ask(slot, class, *piece))
    }

    /// Opens a piece, if there is room or another can be given up for it.
    fn begin(&mut self, piece: PieceIndex, out: &mut Outbox<Action>) -> bool {
        if self.is_crowded() {
            let Some(idle) = self.open.idle() else { return false };
            self.give_up(idle);
        }
        self.open_piece(piece, out);
        true
    }

    /// Whether a new piece can only be opened if another is given up.
    pub(super) const fn is_crowded(&self) -> bool {
        self.open.len() >= self.open_limit
    }
}
