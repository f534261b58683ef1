//! A set of small numbers: slots of peers, levels of availability.

use alloc::vec::Vec;

/// One bit a number, growing as needed. O(1) to change; 64 numbers a step to search.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    words: Vec<u64>,
}

impl Slots {
    pub(super) fn insert(&mut self, slot: usize) {
        if self.words.len() <= slot / 64 {
            self.words.resize(slot / 64 + 1, 0);
        }
        if let Some(word) = self.words.get_mut(slot / 64) {
            *word |= 1 << (slot % 64);
        }
    }

    pub(super) fn remove(&mut self, slot: usize) {
        if let Some(word) = self.words.get_mut(slot / 64) {
            *word &= !(1 << (slot % 64));
        }
    }

    /// Puts all of `others` in.
    pub(super) fn extend(&mut self, others: &Self) {
        if self.words.len() < others.words.len() {
            self.words.resize(others.words.len(), 0);
        }
        self.words.iter_mut().zip(&others.words).for_each(|(word, more)| *word |= more);
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    pub(super) fn contains(&self, slot: usize) -> bool {
        self.words.get(slot / 64).is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }

    /// The first number in the set that is not below `from`.
    pub(super) fn next_from(&self, from: usize) -> Option<usize> {
        let mut mask = u64::MAX << (from % 64);
        for (index, word) in self.words.iter().enumerate().skip(from / 64) {
            if word & mask != 0 {
                return Some(index * 64 + (word & mask).trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let mut from = 0;
        core::iter::from_fn(move || {
            let slot = self.next_from(from)?;
            from = slot + 1;
            Some(slot)
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_out_in_order() {
        let mut slots = Slots::default();
        [130, 0, 64, 63, 7].iter().for_each(|slot| slots.insert(*slot));
        slots.remove(7);
        slots.remove(100_000);
        assert!(slots.iter().eq([0, 63, 64, 130]));
        assert_eq!(slots.next_from(131), None);
        assert_eq!(slots.next_from(65), Some(130));
        assert!(slots.contains(130) && !slots.contains(7) && !slots.contains(100_000));
    }
}
