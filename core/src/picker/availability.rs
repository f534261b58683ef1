//! How many peers have each piece, and the wanted pieces from the rarest to the most common.
//!
//! All pieces lie in one array, sorted by level: the number of peers with a bitfield that have them. (A
//! peer that has everything moves no piece past another, so it is only counted.) Inside a level the
//! *wanted* pieces come first, a run for each class, and the others (held, skipped, or open already) last,
//! in a run of their own:
//!
//! ```text
//! order   [ U U u u u b b - - | u u - - - | | U b b ]     U urgent, u requested, b background
//! level     0                   1          2 3            - not wanted
//! ```
//!
//! `place` says where in the array a piece stands. Every change takes a piece from one run to another, over
//! the borders between them, and of each run that it passes moves one other: O(1) whatever the number of
//! pieces, levels and peers; nothing is ever popped or stale.
//!
//! A run is in no particular order. Who looks for the rarest brings a [`Lot`], which says in what order
//! equals come: so a swarm spreads, and the many changes cost no randomness, only the few looks do.

#[cfg(test)]
mod tests;

use super::{
    claims::Claim,
    slots::Slots,
    tier::{CLASSES, Class, PerClass},
    touch::touch,
};
use crate::{bitfield::Bitfield, id::PieceIndex, random::Random};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// A bitfield that changes more than one piece in so many is counted anew as a whole: that reads memory in
/// order, where piece after piece reads it at random.
const RECOUNT_SHARE: u32 = 16;

/// How many runs a level has: one for each class, and one for what is not wanted.
const RUNS: usize = CLASSES + 1;

/// Copies of each piece and the order of the wanted ones: 11 bytes and 5 bits a piece.
#[derive(Clone, Debug)]
pub(super) struct Availability {
    /// Peers that have everything.
    seeds: u32,
    /// By piece.
    standings: Vec<Standing>,
    /// All pieces by level, and in each level by class; those that are not wanted last.
    order: Vec<u32>,
    /// Where in `order` each run starts, `RUNS` a level; the last ends where the array does.
    starts: Vec<u32>,
    /// The levels that have wanted pieces of a class.
    occupied: PerClass<Slots>,
    wanted: PerClass<Bitfield>,
    /// No wanted piece of the class lies before this one.
    lowest: PerClass<PieceIndex>,
}

/// Where a piece stands. All in one place, since what a change costs in a large torrent is the lines of memory
/// that it touches; packed into 7 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed)]
struct Standing {
    /// In `order`.
    place: u32,
    /// The peers with a bitfield that have it: its level.
    copies: u16,
    /// Its class while it is wanted.
    class: Option<Class>,
}

impl Standing {
    /// The run that it belongs to.
    fn run(self) -> usize {
        run(self.copies.into(), self.class)
    }
}

/// The run of a level and class.
fn run(level: usize, class: Option<Class>) -> usize {
    level * RUNS + class.map_or(CLASSES, |class| class as usize)
}

/// In what order equals come, drawn anew for each look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lot {
    start: u32,
    step: u32,
}

impl Lot {
    pub(super) fn draw(random: &mut Random) -> Self {
        Self { start: random.below(u32::MAX), step: random.below(u32::MAX) }
    }

    /// All of `run`, by an odd step through a power of two, which comes to every place once. It goes far: so
    /// a peer that has only neighbours is not always asked for the same one, and two steps at most in a
    /// row fall beyond the end.
    fn each(self, run: &[u32]) -> impl Iterator<Item = u32> {
        let places = run.len().next_power_of_two() as u32;
        let span = u64::from(self.step) * u64::from(places / 2);
        let step = (places / 4 + (span >> 32) as u32) | 1;
        (0..places).filter_map(move |count| {
            let place = self.start.wrapping_add(count.wrapping_mul(step)) & (places - 1);
            run.get(place as usize).copied()
        })
    }
}

impl Availability {
    /// Of a torrent of so many pieces, of these classes, that nobody has.
    pub(super) fn new(classes: Vec<Option<Class>>) -> Self {
        let pieces = classes.len() as u32;
        let mut wanted = PerClass::new(|| Bitfield::new(pieces));
        for (piece, class) in (0..).map(PieceIndex).zip(&classes) {
            class.map(|class| wanted.get_mut(class).set(piece));
        }
        let mut all = Self {
            seeds: 0,
            standings: classes.into_iter().map(|class| Standing { place: 0, copies: 0, class }).collect(),
            order: vec![0; pieces as usize],
            starts: vec![0],
            occupied: PerClass::default(),
            wanted,
            lowest: PerClass::default(),
        };
        all.recount(&Bitfield::new(pieces), |copies| copies);
        all
    }

    /// How many peers have `piece`.
    pub(super) fn of(&self, piece: PieceIndex) -> u32 {
        self.standing(piece).map_or(0, |standing| u32::from(standing.copies) + self.seeds)
    }

    /// The class of `piece`, if it is wanted.
    pub(super) fn class(&self, piece: PieceIndex) -> Option<Class> {
        self.standing(piece)?.class
    }

    /// The pieces of a class that are wanted.
    pub(super) const fn wanted(&self, class: Class) -> &Bitfield {
        self.wanted.get(class)
    }

    /// How many pieces are wanted.
    pub(super) fn count(&self) -> u32 {
        self.wanted.iter().map(Bitfield::count).sum()
    }

    /// The wanted pieces of a class that a peer can have, the rarest first, equals by lot.
    pub(super) fn rarest_first(
        &self,
        class: Class,
        has_all: bool,
        lot: Lot,
    ) -> impl Iterator<Item = PieceIndex> {
        // Level 0 is what only those have that have everything.
        let levels = self.occupied.get(class).iter().filter(move |level| has_all || *level > 0);
        levels
            .filter_map(move |level| {
                let places = self.places(run(level, Some(class)));
                self.order.get(places.start as usize..places.end as usize)
            })
            .flat_map(move |run| lot.each(run))
            .map(PieceIndex)
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
    pub(super) fn add(&mut self, pieces: &Bitfield) {
        if pieces.count() > pieces.len() / RECOUNT_SHARE {
            self.recount(pieces, |copies| copies.saturating_add(1));
        } else {
            pieces.iter().for_each(|piece| self.raise(piece));
        }
    }

    /// A peer with a bitfield is gone.
    pub(super) fn remove(&mut self, pieces: &Bitfield) {
        if pieces.count() > pieces.len() / RECOUNT_SHARE {
            self.recount(pieces, |copies| copies.saturating_sub(1));
        } else {
            pieces.iter().for_each(|piece| self.lower(piece));
        }
    }

    /// One more peer with a bitfield has `piece`.
    pub(super) fn raise(&mut self, piece: PieceIndex) {
        self.change(piece, |copies| copies.saturating_add(1));
    }

    /// One peer with a bitfield less has `piece`.
    pub(super) fn lower(&mut self, piece: PieceIndex) {
        self.change(piece, |copies| copies.saturating_sub(1));
    }

    fn change(&mut self, piece: PieceIndex, change: impl Fn(u16) -> u16) {
        if let Some(standing) = self.standing(piece) {
            self.shift(piece, Standing { copies: change(standing.copies), ..standing });
        }
    }

    /// Waits for the memory that [`raise`](Self::raise) and [`lower`](Self::lower) need for these pieces, once
    /// for all of them.
    pub(super) fn touch(&self, claims: &[Claim]) {
        let standing = |claim: &Claim| self.standings.get(claim.piece.0 as usize);
        touch(claims, standing);
        touch(claims, |claim| self.order.get(standing(claim)?.place as usize));
        touch(claims, |claim| {
            let run = standing(claim)?.run();
            let empty = if claim.has { self.places(run).end.checked_sub(1)? } else { self.places(run).start };
            self.standings.get(*self.order.get(empty as usize)? as usize)
        });
    }

    /// Takes `piece` into the order, as one of a class, or out of it; whether that changed anything.
    pub(super) fn set_class(&mut self, piece: PieceIndex, class: Option<Class>) -> bool {
        let Some(standing) = self.standing(piece).filter(|standing| standing.class != class) else {
            return false;
        };
        if let Some(before) = standing.class {
            self.wanted.get_mut(before).clear(piece);
        }
        if let Some(class) = class {
            self.wanted.get_mut(class).set(piece);
            let lowest = self.lowest.get_mut(class);
            *lowest = piece.min(*lowest);
        }
        self.shift(piece, Standing { class, ..standing });
        true
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.standings.capacity() * size_of::<Standing>()
            + (self.order.capacity() + self.starts.capacity()) * size_of::<u32>()
            + self.occupied.iter().map(Slots::heap_bytes).sum::<usize>()
            + self.wanted.iter().map(Bitfield::heap_bytes).sum::<usize>()
    }

    fn standing(&self, piece: PieceIndex) -> Option<Standing> {
        self.standings.get(piece.0 as usize).copied()
    }

    /// The part of `order` that is a run.
    fn places(&self, run: usize) -> Range<u32> {
        let start = |run: usize| self.starts.get(run).copied().unwrap_or_default();
        start(run)..start(run + 1)
    }

    /// Gives `piece`, which stands in the order, another level or class.
    fn shift(&mut self, piece: PieceIndex, mut standing: Standing) {
        let Some(before) = self.standing(piece) else { return };
        let (from, to) = (before.run(), standing.run());
        if to + 1 >= self.starts.len() {
            let end = self.order.len() as u32;
            self.starts.resize(self.starts.len() + RUNS, end);
        }
        // It leaves its place empty. Of each run that it passes, one piece jumps from the far end into the
        // empty place at the near one.
        for border in from + 1..=to {
            let Some(start) = self.starts.get_mut(border) else { return };
            *start -= 1;
            let empty = *start;
            self.jump(empty, standing.place);
            standing.place = empty;
        }
        for border in (to + 1..=from).rev() {
            let Some(start) = self.starts.get_mut(border) else { return };
            let empty = *start;
            *start += 1;
            self.jump(empty, standing.place);
            standing.place = empty;
        }
        self.put(piece, standing);
        for Standing { copies, class, .. } in [before, standing] {
            class.into_iter().for_each(|class| self.note(copies.into(), class));
        }
    }

    /// The piece at one place goes to another, that is empty.
    fn jump(&mut self, from: u32, to: u32) {
        if from != to
            && let Some(piece) = self.order.get(from as usize).copied()
            && let Some(standing) = self.standings.get_mut(piece as usize)
            && let Some(place) = self.order.get_mut(to as usize)
        {
            standing.place = to;
            *place = piece;
        }
    }

    fn put(&mut self, piece: PieceIndex, standing: Standing) {
        if let Some(known) = self.standings.get_mut(piece.0 as usize)
            && let Some(place) = self.order.get_mut(standing.place as usize)
        {
            *known = standing;
            *place = piece.0;
        }
    }

    /// Writes down whether there are wanted pieces of this level and class.
    fn note(&mut self, level: usize, class: Class) {
        let is_empty = self.places(run(level, Some(class))).is_empty();
        let occupied = self.occupied.get_mut(class);
        if is_empty { occupied.remove(level) } else { occupied.insert(level) }
    }

    /// Changes the copies of many pieces, and sorts all of them anew by counting.
    fn recount(&mut self, pieces: &Bitfield, change: impl Fn(u16) -> u16) {
        self.starts.resize(self.starts.len() + RUNS, 0);
        self.starts.fill(0);
        for (piece, standing) in (0..).map(PieceIndex).zip(&mut self.standings) {
            if pieces.get(piece) {
                standing.copies = change(standing.copies);
            }
            if let Some(count) = self.starts.get_mut(standing.run()) {
                *count += 1;
            }
        }
        let mut end = 0;
        for count in &mut self.starts {
            end += *count;
            *count = end;
        }
        // Each run fills from its end, which thus becomes its start.
        for (piece, standing) in (0..self.order.len() as u32).zip(&mut self.standings).rev() {
            let Some(end) = self.starts.get_mut(standing.run()) else { continue };
            *end -= 1;
            standing.place = *end;
            if let Some(place) = self.order.get_mut(*end as usize) {
                *place = piece;
            }
        }
        let top = self.starts.partition_point(|start| *start < end);
        self.starts.truncate(top.next_multiple_of(RUNS) + 1);
        self.occupied.iter_mut().for_each(Slots::clear);
        for level in 0..self.starts.len() / RUNS {
            for class in Class::ALL {
                self.note(level, class);
            }
        }
    }
}
