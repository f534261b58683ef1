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

use super::slots::Slots;
use crate::{bitfield::Bitfield, id::PieceIndex, random::Random};
use alloc::{vec, vec::Vec};

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
            order: (0..pieces).collect(),
            place: (0..pieces).collect(),
            levels: vec![Level { start: 0, middle: pieces }],
            occupied: Slots::default(),
            wanted: Bitfield::full(pieces),
        };
        for place in (1..pieces).rev() {
            all.swap(place, random.below(place + 1));
        }
        all.note(0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Availability {
        /// The array is sorted, the places are right, and the runs say what is wanted.
        fn check(&self) {
            for (place, piece) in self.order.iter().enumerate() {
                assert_eq!(self.place[*piece as usize] as usize, place);
                let level = self.copies[*piece as usize] as usize;
                let Level { start, middle } = self.levels[level];
                let end = self.levels.get(level + 1).map_or(self.order.len() as u32, |next| next.start);
                assert!(start <= middle && middle <= end && (start..end).contains(&(place as u32)));
                assert_eq!(self.wanted.get(PieceIndex(*piece)), (place as u32) < middle);
                assert_eq!(self.occupied.contains(level), start < middle);
            }
        }
    }

    proptest! {
        #[test]
        fn the_order_stays_sorted_and_counts_equal_a_recount(
            changes in proptest::collection::vec((0_u32..25, 0_u8..6), 0..400)
        ) {
            let mut random = Random::new([3; 32]);
            let mut all = Availability::new(20, &mut random);
            let (mut copies, mut wanted) = ([0_u32; 20], [true; 20]);
            for (piece, change) in changes {
                let index = PieceIndex(piece);
                match (change, copies.get_mut(piece as usize)) {
                    (0..=2, known) => {
                        all.raise(index, &mut random);
                        known.into_iter().for_each(|copies| *copies += 1);
                    }
                    (3, known) => {
                        all.lower(index, &mut random);
                        known.into_iter().for_each(|copies| *copies = copies.saturating_sub(1));
                    }
                    (_, known) => {
                        let changed = all.set_wanted(index, change == 4, &mut random);
                        prop_assert_eq!(changed, known.is_some() && wanted[piece as usize] != (change == 4));
                        wanted.get_mut(piece as usize).into_iter().for_each(|wanted| *wanted = change == 4);
                    }
                }
                all.check();
            }
            let rarest: Vec<u32> = all.rarest_first().map(|piece| copies[piece.0 as usize]).collect();
            prop_assert!(rarest.is_sorted());
            prop_assert_eq!(rarest.len(), wanted.iter().filter(|wanted| **wanted).count());
            prop_assert!((0..20).all(|piece| all.of(PieceIndex(piece)) == copies[piece as usize]));
        }
    }

    #[test]
    fn equals_come_in_another_order_for_another_seed() {
        let order = |seed| {
            let mut random = Random::new([seed; 32]);
            let mut all = Availability::new(50, &mut random);
            (0..50).for_each(|piece| all.raise(PieceIndex(piece), &mut random));
            all.rarest_first().collect::<Vec<_>>()
        };
        assert_ne!(order(1), order(2));
        assert_eq!(order(1), order(1));
    }
}
