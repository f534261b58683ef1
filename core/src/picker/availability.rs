//! How many peers have each piece, and the wanted pieces from the rarest to the most common.
//!
//! All pieces lie in one array, sorted by level: the number of peers with a bitfield that have them. (A
//! peer that has everything moves no piece past another, so it is only counted.) Inside a level the
//! *wanted* pieces come first, the others (held, or open already) after them:
//!
//! ```text
//! order   [ w w w - - | w - - - - | | w w w ]
//! level     0           1          2 3
//!           ^start      ^middle: where the wanted pieces of the level end
//! ```
//!
//! `place` says where in the array a piece stands. Every change is then a few swaps over the borders of
//! neighbouring runs: O(1) whatever the number of pieces, levels and peers; nothing is ever popped or
//! stale. A piece that enters a run of wanted pieces changes places with a random one, so equals come in
//! random order and a swarm spreads.

#[cfg(test)]
mod tests;

use super::slots::Slots;
use crate::{bitfield::Bitfield, id::PieceIndex, random::Random};
use alloc::{vec, vec::Vec};

/// A bitfield that changes more than one piece in so many is counted anew as a whole: that reads memory in
/// order, where piece after piece reads it at random.
const RECOUNT_SHARE: u32 = 16;

/// Copies of each piece and the order of the wanted ones: 10 bytes and 1 bit a piece.
#[derive(Clone, Debug)]
pub(super) struct Availability {
    /// Peers that have everything.
    seeds: u32,
    /// For each piece, the peers with a bitfield that have it: its level.
    copies: Vec<u16>,
    /// All pieces by level; in each level the wanted ones first.
    order: Vec<u32>,
    /// For each piece, where in `order` it stands.
    place: Vec<u32>,
    levels: Vec<Level>,
    /// The levels that have wanted pieces.
    occupied: Slots,
    wanted: Bitfield,
}

/// A run of `order`: it ends where the next level starts.
#[derive(Clone, Copy, Debug)]
struct Level {
    start: u32,
    /// Where its wanted pieces end.
    middle: u32,
}

impl Availability {
    /// Of a torrent of `pieces` pieces, all of them wanted, that nobody has.
    pub(super) fn new(pieces: u32, random: &mut Random) -> Self {
        let mut all = Self {
            seeds: 0,
            copies: vec![0; pieces as usize],
            order: vec![0; pieces as usize],
            place: vec![0; pieces as usize],
            levels: vec![Level { start: 0, middle: pieces }],
            occupied: Slots::default(),
            wanted: Bitfield::full(pieces),
        };
        all.recount(&Bitfield::new(pieces), |copies| copies, random);
        all
    }

    /// How many peers have `piece`.
    pub(super) fn of(&self, piece: PieceIndex) -> u32 {
        self.copies.get(piece.0 as usize).map_or(0, |copies| u32::from(*copies) + self.seeds)
    }

    /// The pieces that are wanted.
    pub(super) const fn wanted(&self) -> &Bitfield {
        &self.wanted
    }

    /// The wanted pieces, the rarest first.
    pub(super) fn rarest_first(&self) -> impl Iterator<Item = PieceIndex> {
        self.occupied
            .iter()
            .filter_map(|level| {
                let Level { start, middle } = *self.levels.get(level)?;
                self.order.get(start as usize..middle as usize)
            })
            .flatten()
            .map(|piece| PieceIndex(*piece))
    }

    /// A peer that has everything came.
    pub(super) const fn add_seed(&mut self) {
        self.seeds += 1;
    }

    /// A peer that has everything is gone, or has everything no longer.
    pub(super) const fn remove_seed(&mut self) {
        self.seeds = self.seeds.saturating_sub(1);
    }

    /// A peer with a bitfield came.
    pub(super) fn add(&mut self, pieces: &Bitfield, random: &mut Random) {
        if pieces.count() > pieces.len() / RECOUNT_SHARE {
            self.recount(pieces, |copies| copies.saturating_add(1), random);
        } else {
            pieces.iter().for_each(|piece| self.raise(piece, random));
        }
    }

    /// A peer with a bitfield is gone.
    pub(super) fn remove(&mut self, pieces: &Bitfield, random: &mut Random) {
        if pieces.count() > pieces.len() / RECOUNT_SHARE {
            self.recount(pieces, |copies| copies.saturating_sub(1), random);
        } else {
            pieces.iter().for_each(|piece| self.lower(piece, random));
        }
    }

    /// One more peer with a bitfield has `piece`.
    pub(super) fn raise(&mut self, piece: PieceIndex, random: &mut Random) {
        let Some(level) = self.level(piece) else { return };
        if self.levels.len() == level + 1 {
            let end = self.order.len() as u32;
            self.levels.push(Level { start: end, middle: end });
        }
        self.shift(piece, level, level + 1, random);
    }

    /// One peer with a bitfield less has `piece`.
    pub(super) fn lower(&mut self, piece: PieceIndex, random: &mut Random) {
        if let Some(level) = self.level(piece)
            && level > 0
        {
            self.shift(piece, level, level - 1, random);
        }
    }

    /// Takes `piece` into the order, or out of it; whether that changed anything.
    pub(super) fn set_wanted(&mut self, piece: PieceIndex, wanted: bool, random: &mut Random) -> bool {
        let Some(level) = self.level(piece) else { return false };
        let changed = if wanted { self.wanted.set(piece) } else { self.wanted.clear(piece) };
        if changed {
            if wanted {
                self.enter(piece, level, random)
            } else {
                self.leave(piece, level)
            }
            self.note(level);
        }
        changed
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.copies.capacity() * size_of::<u16>()
            + (self.order.capacity() + self.place.capacity()) * size_of::<u32>()
            + self.levels.capacity() * size_of::<Level>()
            + self.occupied.heap_bytes()
            + self.wanted.heap_bytes()
    }

    fn level(&self, piece: PieceIndex) -> Option<usize> {
        self.copies.get(piece.0 as usize).map(|copies| *copies as usize)
    }

    /// Moves `piece` from its level to the next one up or down.
    fn shift(&mut self, piece: PieceIndex, from: usize, to: usize, random: &mut Random) {
        let wanted = self.wanted.get(piece);
        if wanted {
            self.leave(piece, from);
        }
        if to > from {
            self.climb(piece, to)
        } else {
            self.sink(piece, from)
        }
        if let Some(copies) = self.copies.get_mut(piece.0 as usize) {
            *copies = to as u16;
        }
        if wanted {
            self.enter(piece, to, random);
            self.note(from);
            self.note(to);
        }
    }

    /// Changes the copies of many pieces, and sorts all of them anew by counting.
    fn recount(&mut self, pieces: &Bitfield, change: impl Fn(u16) -> u16, random: &mut Random) {
        self.levels.push(Level { start: 0, middle: 0 });
        self.levels.fill(Level { start: 0, middle: 0 });
        for (piece, copies) in (0..).map(PieceIndex).zip(&mut self.copies) {
            if pieces.get(piece) {
                *copies = change(*copies);
            }
            // For now how many others, and how many wanted, the level has.
            if let Some(run) = self.levels.get_mut(usize::from(*copies)) {
                let count = if self.wanted.get(piece) { &mut run.middle } else { &mut run.start };
                *count += 1;
            }
        }
        self.lay_out();
        self.occupied.clear();
        for level in 0..self.levels.len() {
            self.shuffle(level, random);
            self.note(level);
        }
        for (place, piece) in (0..).zip(&self.order) {
            if let Some(known) = self.place.get_mut(*piece as usize) {
                *known = place;
            }
        }
    }

    /// Turns counts of pieces into places, and puts every piece into its run.
    fn lay_out(&mut self) {
        let mut end = 0;
        for run in &mut self.levels {
            let Level { start: others, middle: wanted } = *run;
            *run = Level { start: end, middle: end + wanted };
            end = run.middle + others;
        }
        let mut next = self.levels.clone();
        for ((piece, copies), wanted) in
            (0..).zip(&self.copies).zip((0..).map(|at| self.wanted.get(PieceIndex(at))))
        {
            let Some(run) = next.get_mut(usize::from(*copies)) else { continue };
            let place = if wanted { &mut run.start } else { &mut run.middle };
            if let Some(at) = self.order.get_mut(*place as usize) {
                *at = piece;
            }
            *place += 1;
        }
        while self.levels.len() > 1 && self.levels.last().is_some_and(|run| run.start == end) {
            self.levels.pop();
        }
    }

    /// Puts the wanted pieces of a level into random order. Their places are not written down.
    fn shuffle(&mut self, level: usize, random: &mut Random) {
        let Some(Level { start, middle }) = self.levels.get(level).copied() else { return };
        let Some(run) = self.order.get_mut(start as usize..middle as usize) else { return };
        for last in (1..run.len()).rev() {
            run.swap(last, random.below(last as u32 + 1) as usize);
        }
    }

    /// From the wanted pieces of its level to the others: over the level's middle.
    fn leave(&mut self, piece: PieceIndex, level: usize) {
        let Some(run) = self.levels.get_mut(level) else { return };
        run.middle -= 1;
        let last = run.middle;
        self.swap_to(piece, last);
    }

    /// From the others to the wanted pieces of its level, to a random place among them.
    fn enter(&mut self, piece: PieceIndex, level: usize, random: &mut Random) {
        let Some(run) = self.levels.get_mut(level) else { return };
        let Level { start, middle } = *run;
        run.middle += 1;
        self.swap_to(piece, middle);
        self.swap(middle, start + random.below(middle + 1 - start));
    }

    /// A piece that is not wanted: from the level below `to` over the border into `to`.
    fn climb(&mut self, piece: PieceIndex, to: usize) {
        let Some(run) = self.levels.get_mut(to) else { return };
        run.start -= 1;
        run.middle -= 1;
        let Level { start, middle } = *run;
        // The border takes in what stood at its edge, then the wanted pieces make room at their start.
        self.swap_to(piece, start);
        self.swap_to(piece, middle);
    }

    /// A piece that is not wanted: from level `from` over the border into the level below.
    fn sink(&mut self, piece: PieceIndex, from: usize) {
        let Some(run) = self.levels.get_mut(from) else { return };
        let Level { start, middle } = *run;
        run.start += 1;
        run.middle += 1;
        self.swap_to(piece, middle);
        self.swap_to(piece, start);
    }

    fn swap_to(&mut self, piece: PieceIndex, to: u32) {
        if let Some(from) = self.place.get(piece.0 as usize) {
            self.swap(*from, to);
        }
    }

    fn swap(&mut self, one: u32, other: u32) {
        if one == other {
            return;
        }
        self.order.swap(one as usize, other as usize);
        for place in [one, other] {
            if let Some(piece) = self.order.get(place as usize)
                && let Some(known) = self.place.get_mut(*piece as usize)
            {
                *known = place;
            }
        }
    }

    /// Writes down whether `level` has wanted pieces.
    fn note(&mut self, level: usize) {
        match self.levels.get(level) {
            Some(run) if run.middle > run.start => self.occupied.insert(level),
            _ => self.occupied.remove(level),
        }
    }
}
