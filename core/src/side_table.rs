//! A table of values beside those of a slab, under the slab's keys.

use crate::slab::Key;
use alloc::vec::Vec;

/// What a machine knows of things that its parent keeps in a [`Slab`](crate::slab::Slab): O(1) to insert,
/// find and remove, iteration in the order of slots. A slot holds one value: a key of another generation
/// finds nothing.
///
/// ```
/// use convoy_core::{id::PeerKey, side_table::SideTable, slab::Slab};
///
/// let (mut peers, mut names) = (Slab::<PeerKey, ()>::new(), SideTable::new());
/// let ann = peers.insert(());
/// names.insert(ann, "Ann");
/// assert_eq!(names.get(ann), Some(&"Ann"));
/// peers.remove(ann);
/// assert_eq!(names.get(peers.insert(())), None);
/// ```
#[derive(Clone, Debug)]
pub struct SideTable<K, T> {
    slots: Vec<Option<(K, T)>>,
}

impl<K: Key + PartialEq, T> SideTable<K, T> {
    /// An empty table. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// Keeps `value` under `key`. Returns what the slot held.
    pub fn insert(&mut self, key: K, value: T) -> Option<(K, T)> {
        let slot = slot_of(key);
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        self.slots.get_mut(slot)?.replace((key, value))
    }

    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: K) -> Option<&T> {
        self.at(slot_of(key)).filter(|(kept, _)| *kept == key).map(|(_, value)| value)
    }

    /// The value under `key`, to change it.
    pub fn get_mut(&mut self, key: K) -> Option<&mut T> {
        let (kept, value) = self.slots.get_mut(slot_of(key))?.as_mut()?;
        if *kept == key { Some(value) } else { None }
    }

    /// Takes the value under `key` out.
    pub fn remove(&mut self, key: K) -> Option<T> {
        let (_, value) = self.slots.get_mut(slot_of(key))?.take_if(|(kept, _)| *kept == key)?;
        Some(value)
    }

    /// What a slot holds.
    #[must_use]
    pub fn at(&self, slot: usize) -> Option<(K, &T)> {
        self.slots.get(slot)?.as_ref().map(|(key, value)| (*key, value))
    }

    /// One more than the highest slot that ever held anything.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots.len()
    }

    /// All that is there, in the order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.slots.iter().flatten().map(|(key, value)| (*key, value))
    }

    /// All that is there, to change it.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut T)> {
        self.slots.iter_mut().flatten().map(|(key, value)| (*key, value))
    }

    /// Heap bytes of the table itself.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<Option<(K, T)>>()
    }
}

impl<K: Key + PartialEq, T> Default for SideTable<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

fn slot_of(key: impl Key) -> usize {
    key.parts().0 as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::PeerKey, slab::Slab};

    #[test]
    fn a_slot_holds_one_value_and_gives_it_to_its_own_key_alone() {
        let (mut slab, mut table) = (Slab::<PeerKey, ()>::new(), SideTable::new());
        let one = slab.insert(());
        assert_eq!(table.insert(one, 1), None);
        slab.remove(one);
        let two = slab.insert(());
        assert_eq!(table.remove(two), None);
        assert_eq!(table.insert(two, 2), Some((one, 1)));
        assert_eq!(table.get_mut(one), None);
        assert_eq!((table.get(one), table.get(two)), (None, Some(&2)));
        assert_eq!(table.at(0), Some((two, &2)));
        assert!(table.iter().eq([(two, &2)]));
        assert_eq!(table.remove(two), Some(2));
        assert_eq!((table.slots(), table.at(0), table.iter().count()), (1, None, 0));
    }
}
