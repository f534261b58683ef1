//! The deadlines of a parent's children, with the earliest at hand.

use crate::time::{Deadline, Instant};
use alloc::vec::Vec;

/// One deadline for each child, numbered by its slot: O(1) to ask for the earliest, O(log n) to change
/// one, no allocation once it has grown. Equal deadlines come out in the order of slots, so that a run
/// can be repeated.
///
/// ```
/// use convoy_core::{Deadline, Instant, deadlines::Deadlines};
///
/// let mut deadlines = Deadlines::default();
/// let at = |micros, why| Some(Deadline { at: Instant::from_micros(micros), why });
/// deadlines.set(0, at(20, "idle"));
/// deadlines.set(1, at(10, "keep-alive"));
/// assert_eq!(deadlines.earliest(), at(10, "keep-alive"));
/// assert_eq!(deadlines.due(Instant::from_micros(10)), Some(1));
/// deadlines.set(1, None);
/// assert_eq!(deadlines.earliest(), at(20, "idle"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Deadlines {
    /// A binary heap of (deadline, slot), the earliest first.
    heap: Vec<(Deadline, u32)>,
    /// Where in the heap a slot stands.
    places: Vec<Option<u32>>,
}

impl Deadlines {
    /// Sets, moves or takes away the deadline of `slot`.
    pub fn set(&mut self, slot: usize, deadline: Option<Deadline>) {
        if self.places.len() <= slot {
            if deadline.is_none() {
                return;
            }
            self.places.resize(slot + 1, None);
        }
        let place = self.places.get(slot).copied().flatten().map(|place| place as usize);
        match (place, deadline) {
            (Some(place), Some(deadline)) => {
                if let Some(entry) = self.heap.get_mut(place) {
                    entry.0 = deadline;
                }
                self.settle(place);
            }
            (Some(place), None) => self.take(place),
            (None, Some(deadline)) => {
                self.heap.push((deadline, slot as u32));
                self.note(self.heap.len() - 1);
                self.settle(self.heap.len() - 1);
            }
            (None, None) => {}
        }
    }

    /// Sets the deadline of `slot` if it is sooner than the one that is known. A child whose deadline
    /// moves on with every event costs little this way: the old one stays, and is looked at when it comes.
    pub fn hasten(&mut self, slot: usize, deadline: Option<Deadline>) {
        let known = self.get(slot);
        if deadline.is_some_and(|deadline| known.is_none_or(|known| deadline.at < known.at)) {
            self.set(slot, deadline);
        }
    }

    /// The deadline of `slot`.
    #[must_use]
    pub fn get(&self, slot: usize) -> Option<Deadline> {
        let place = self.places.get(slot).copied().flatten()?;
        self.heap.get(place as usize).map(|entry| entry.0)
    }

    /// The earliest deadline of all.
    #[must_use]
    pub fn earliest(&self) -> Option<Deadline> {
        self.heap.first().map(|entry| entry.0)
    }

    /// The slot whose deadline is the earliest, if that is `now` or before. It stays until it is
    /// [set](Self::set) anew.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<usize> {
        self.heap.first().filter(|entry| entry.0.at <= now).map(|entry| entry.1 as usize)
    }

    fn take(&mut self, place: usize) {
        let last = self.heap.len() - 1;
        self.swap(place, last);
        if let Some((_, slot)) = self.heap.pop()
            && let Some(place) = self.places.get_mut(slot as usize)
        {
            *place = None;
        }
        if place < last {
            self.settle(place);
        }
    }

    /// Moves the entry at `place` up or down to where it belongs.
    fn settle(&mut self, mut place: usize) {
        while place > 0 && self.before(place, (place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        loop {
            let (left, right) = (place * 2 + 1, place * 2 + 2);
            let child = if self.before(right, left) { right } else { left };
            if !self.before(child, place) {
                return;
            }
            self.swap(place, child);
            place = child;
        }
    }

    /// Whether the entry at `one` comes before that at `other`; an entry that is not there comes last.
    fn before(&self, one: usize, other: usize) -> bool {
        let key = |place: usize| self.heap.get(place).map(|entry| (entry.0.at, entry.1));
        match (key(one), key(other)) {
            (Some(one), Some(other)) => one < other,
            (one, _) => one.is_some(),
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.note(one);
        self.note(other);
    }

    /// Writes down where the entry at `place` now stands.
    fn note(&mut self, place: usize) {
        if let Some((_, slot)) = self.heap.get(place)
            && let Some(known) = self.places.get_mut(*slot as usize)
        {
            *known = Some(place as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn earliest_equals_a_search_through_all(
            changes in proptest::collection::vec((0_usize..20, proptest::option::of(0_u64..50)), 0..300)
        ) {
            let mut deadlines = Deadlines::default();
            let mut model: [Option<u64>; 20] = [None; 20];
            for (slot, at) in changes {
                let deadline = at.map(|at| Deadline { at: Instant::from_micros(at), why: "test" });
                deadlines.set(slot, deadline);
                model[slot] = at;
                let earliest = model.iter().flatten().min().copied();
                prop_assert_eq!(deadlines.earliest().map(|deadline| deadline.at.as_micros()), earliest);
                let due = model.iter().position(|at| at.is_some() && *at == earliest);
                prop_assert_eq!(deadlines.due(Instant::MAX), due);
                prop_assert_eq!(deadlines.get(slot), deadline);
            }
        }
    }
}
