//! How many peers have each piece, and the wanted pieces from the rarest to the most common.
//!
//! All pieces lie in one array, sorted by level: the number of peers with a bitfield that have them. (A
//! peer that has everything moves no piece past another, so it is only counted.) Inside a level the
//! *wanted* pieces come first, a run for each class, and the others (held, skipped, or open already) after
//! them:
//!
//! ```text
//! order   [ U U u u u b b - - | u u - - - | | U b b ]     U urgent, u requested, b background
//! level     0                   1          2 3            - not wanted
//! ```
//!
//! `place` says where in the array a piece stands. Every change is then a few swaps over the borders of
//! neighbouring runs: O(1) whatever the number of pieces, levels and peers; nothing is ever popped or
//! stale. A piece that enters a run of wanted pieces changes places with a random one, so equals come in
//! random order and a swarm spreads.

#[cfg(test)]
mod tests;

use super::{
    slots::Slots,
    tier::{Class, PerClass},
};
use crate::{bitfield::Bitfield, id::PieceIndex, random::Random};
use alloc::{vec, vec::Vec};
use core::{mem, ops::Range};

/// A bitfield that changes more than one piece in so many is counted anew as a whole: that reads memory in
/// order, where piece after piece reads it at random.
const RECOUNT_SHARE: u32 = 16;

/// Copies of each piece and the order of the wanted ones: 11 bytes and 5 bits a piece.
#[derive(Clone, Debug)]
pub(super) struct Availability {
    /// Peers that have everything.
    seeds: u32,
    /// For each piece, the peers with a bitfield that have it: its level.
    copies: Vec<u16>,
    /// For each piece, its class while it is wanted.
    classes: Vec<Option<Class>>,
    /// All pieces by level, and in each level by class; those that are not wanted last.
    order: Vec<u32>,
    /// For each piece, where in `order` it stands.
    place: Vec<u32>,
    levels: Vec<Level>,
    /// The levels that have wanted pieces of a class.
    occupied: PerClass<Slots>,
    wanted: PerClass<Bitfield>,
    /// No wanted piece of the class lies before this one.
    lowest: PerClass<PieceIndex>,
}

/// A run of `order`: it ends where the next level starts.
#[derive(Clone, Debug)]
struct Level {
    start: u32,
    /// Where its wanted pieces of each class end.
    ends: PerClass<u32>,
}

impl Level {
    fn empty_at(place: u32) -> Self {
        Self { start: place, ends: PerClass::new(|| place) }
    }

    /// Where its wanted pieces of a class stand.
    fn run(&self, class: Class) -> Range<u32> {
        let start = match class {
            Class::Header => self.start,
            Class::Deadline => *self.ends.get(Class::Header),
            Class::LobbyUrgent => *self.ends.get(Class::Deadline),
            Class::UserRequested => *self.ends.get(Class::LobbyUrgent),
            Class::Background => *self.ends.get(Class::UserRequested),
        };
        start..*self.ends.get(class)
    }
}

impl Availability {
    /// Of a torrent of so many pieces, of these classes, that nobody has.
    pub(super) fn new(classes: Vec<Option<Class>>, random: &mut Random) -> Self {
        let pieces = classes.len() as u32;
        let mut wanted = PerClass::new(|| Bitfield::new(pieces));
        for (piece, class) in (0..).map(PieceIndex).zip(&classes) {
            class.map(|class| wanted.get_mut(class).set(piece));
        }
        let mut all = Self {
            seeds: 0,
            copies: vec![0; pieces as usize],
            classes,
            order: vec![0; pieces as usize],
            place: vec![0; pieces as usize],
            levels: vec![Level::empty_at(0)],
            occupied: PerClass::default(),
            wanted,
            lowest: PerClass::default(),
        };
        all.recount(&Bitfield::new(pieces), |copies| copies, random);
        all
    }

    /// How many peers have `piece`.
    pub(super) fn of(&self, piece: PieceIndex) -> u32 {
        self.copies.get(piece.0 as usize).map_or(0, |copies| u32::from(*copies) + self.seeds)
    }

    /// The class of `piece`, if it is wanted.
    pub(super) fn class(&self, piece: PieceIndex) -> Option<Class> {
        *self.classes.get(piece.0 as usize)?
    }

    /// The pieces of a class that are wanted.
    pub(super) const fn wanted(&self, class: Class) -> &Bitfield {
        self.wanted.get(class)
    }

    /// How many pieces are wanted.
    pub(super) fn count(&self) -> u32 {
        self.wanted.iter().map(Bitfield::count).sum()
    }

    /// The wanted pieces of a class, the rarest first.
    pub(super) fn rarest_first(&self, class: Class) -> impl Iterator<Item = PieceIndex> {
        self.occupied
            .get(class)
            .iter()
            .filter_map(move |level| {
                let run = self.levels.get(level)?.run(class);
                self.order.get(run.start as usize..run.end as usize)
            })
            .flatten()
            .map(|piece| PieceIndex(*piece))
    }

    /// The lowest wanted piece of a class. The search goes on from where the last ended.
    pub(super) fn lowest(&mut self, class: Class) -> Option<PieceIndex> {
        let (wanted, lowest) = (self.wanted.get(class), self.lowest.get_mut(class));
        *lowest = wanted.first_common_from(wanted, *lowest)?;
        Some(*lowest)
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
            self.levels.push(Level::empty_at(end));
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

    /// Takes `piece` into the order, as one of a class, or out of it; whether that changed anything.
    pub(super) fn set_class(&mut self, piece: PieceIndex, class: Option<Class>, random: &mut Random) -> bool {
        let Some(level) = self.level(piece) else { return false };
        let Some(known) = self.classes.get_mut(piece.0 as usize) else { return false };
        let before = mem::replace(known, class);
        if before == class {
            return false;
        }
        if let Some(before) = before {
            self.wanted.get_mut(before).clear(piece);
            self.leave(piece, level, before);
        }
        if let Some(class) = class {
            self.wanted.get_mut(class).set(piece);
            let lowest = self.lowest.get_mut(class);
            *lowest = piece.min(*lowest);
            self.enter(piece, level, class, random);
        }
        true
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.copies.capacity() * size_of::<u16>()
            + self.classes.capacity() * size_of::<Option<Class>>()
            + (self.order.capacity() + self.place.capacity()) * size_of::<u32>()
            + self.levels.capacity() * size_of::<Level>()
            + self.occupied.iter().map(Slots::heap_bytes).sum::<usize>()
            + self.wanted.iter().map(Bitfield::heap_bytes).sum::<usize>()
    }

    fn level(&self, piece: PieceIndex) -> Option<usize> {
        self.copies.get(piece.0 as usize).map(|copies| *copies as usize)
    }

    /// Moves `piece` from its level to the next one up or down.
    fn shift(&mut self, piece: PieceIndex, from: usize, to: usize, random: &mut Random) {
        let class = self.class(piece);
        if let Some(class) = class {
            self.leave(piece, from, class);
        }
        if to > from {
            self.climb(piece, to)
        } else {
            self.sink(piece, from)
        }
        if let Some(copies) = self.copies.get_mut(piece.0 as usize) {
            *copies = to as u16;
        }
        if let Some(class) = class {
            self.enter(piece, to, class, random);
        }
    }

    /// Changes the copies of many pieces, and sorts all of them anew by counting.
    fn recount(&mut self, pieces: &Bitfield, change: impl Fn(u16) -> u16, random: &mut Random) {
        self.levels.push(Level::empty_at(0));
        self.levels.fill(Level::empty_at(0));
        for ((piece, copies), class) in (0..).map(PieceIndex).zip(&mut self.copies).zip(&self.classes) {
            if pieces.get(piece) {
                *copies = change(*copies);
            }
            // For now how many others, and how many wanted of each class, the level has.
            if let Some(level) = self.levels.get_mut(usize::from(*copies)) {
                match class {
                    Some(class) => *level.ends.get_mut(*class) += 1,
                    None => level.start += 1,
                }
            }
        }
        self.lay_out();
        self.occupied.iter_mut().for_each(Slots::clear);
        for level in 0..self.levels.len() {
            for class in Class::ALL {
                self.shuffle(level, class, random);
                self.note(level, class);
            }
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
        for level in &mut self.levels {
            let others = mem::replace(&mut level.start, end);
            for count in level.ends.iter_mut() {
                end += *count;
                *count = end;
            }
            end += others;
        }
        // Where the next piece of each run goes, and where the next of the others.
        let mut next: Vec<_> = self
            .levels
            .iter()
            .map(|level| {
                let mut starts = PerClass::default();
                Class::ALL.iter().for_each(|class| *starts.get_mut(*class) = level.run(*class).start);
                (starts, *level.ends.get(Class::Background))
            })
            .collect();
        for ((piece, copies), class) in (0..).zip(&self.copies).zip(&self.classes) {
            let Some((starts, others)) = next.get_mut(usize::from(*copies)) else { continue };
            let place = match class {
                Some(class) => starts.get_mut(*class),
                None => others,
            };
            if let Some(at) = self.order.get_mut(*place as usize) {
                *at = piece;
            }
            *place += 1;
        }
        while self.levels.len() > 1 && self.levels.last().is_some_and(|level| level.start == end) {
            self.levels.pop();
        }
    }

    /// Puts the wanted pieces of a level and class into random order. Their places are not written down.
    fn shuffle(&mut self, level: usize, class: Class, random: &mut Random) {
        let Some(run) = self.levels.get(level).map(|level| level.run(class)) else { return };
        let Some(run) = self.order.get_mut(run.start as usize..run.end as usize) else { return };
        for last in (1..run.len()).rev() {
            run.swap(last, random.below(last as u32 + 1) as usize);
        }
    }

    /// From the wanted pieces of its level to the others: over the end of its run and of those behind it.
    fn leave(&mut self, piece: PieceIndex, level: usize, class: Class) {
        for behind in Class::ALL.into_iter().filter(|behind| *behind >= class) {
            let Some(level) = self.levels.get_mut(level) else { return };
            let end = level.ends.get_mut(behind);
            *end -= 1;
            let last = *end;
            self.swap_to(piece, last);
        }
        self.note(level, class);
    }

    /// From the others to the wanted pieces of its level, to a random place in its run.
    fn enter(&mut self, piece: PieceIndex, level: usize, class: Class, random: &mut Random) {
        for behind in Class::ALL.into_iter().rev().filter(|behind| *behind >= class) {
            let Some(level) = self.levels.get_mut(level) else { return };
            let end = level.ends.get_mut(behind);
            let first = *end;
            *end += 1;
            self.swap_to(piece, first);
        }
        if let Some(run) = self.levels.get(level).map(|level| level.run(class)) {
            self.swap(run.end - 1, run.start + random.below(run.end - run.start));
        }
        self.note(level, class);
    }

    /// A piece that is not wanted: from the level below `to` over the border into `to`, behind its runs.
    fn climb(&mut self, piece: PieceIndex, to: usize) {
        let Some(level) = self.levels.get_mut(to) else { return };
        level.start -= 1;
        let start = level.start;
        self.swap_to(piece, start);
        for class in Class::ALL {
            let Some(level) = self.levels.get_mut(to) else { return };
            let end = level.ends.get_mut(class);
            *end -= 1;
            let last = *end;
            self.swap_to(piece, last);
        }
    }

    /// A piece that is not wanted: from level `from`, past its runs, over the border into the level below.
    fn sink(&mut self, piece: PieceIndex, from: usize) {
        for class in Class::ALL.into_iter().rev() {
            let Some(level) = self.levels.get_mut(from) else { return };
            let end = level.ends.get_mut(class);
            let first = *end;
            *end += 1;
            self.swap_to(piece, first);
        }
        let Some(level) = self.levels.get_mut(from) else { return };
        let first = level.start;
        level.start += 1;
        self.swap_to(piece, first);
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

    /// Writes down whether `level` has wanted pieces of `class`.
    fn note(&mut self, level: usize, class: Class) {
        let occupied = self.occupied.get_mut(class);
        if self.levels.get(level).is_some_and(|level| !level.run(class).is_empty()) {
            occupied.insert(level)
        } else {
            occupied.remove(level)
        }
    }
}
