//! A table of values under keys that are never used twice.

use alloc::vec::Vec;
use core::marker::PhantomData;

/// A key of a [`Slab`]: a slot and the generation of its content.
pub trait Key: Copy {
    /// Puts a key together.
    fn new(index: u32, generation: u32) -> Self;
    /// Takes a key apart into slot and generation.
    fn parts(self) -> (u32, u32);
}

/// Values under typed keys: O(1) to insert, find and remove, no allocation once it has grown, iteration
/// in the order of slots. A key of a removed value finds nothing, even after its slot is used again.
///
/// ```
/// use convoy_core::{id::PeerKey, slab::Slab};
///
/// let mut peers: Slab<PeerKey, &str> = Slab::new();
/// let ann = peers.insert("Ann");
/// assert_eq!(peers.remove(ann), Some("Ann"));
/// let bob = peers.insert("Bob");
/// assert_eq!((ann.index(), peers.get(ann)), (bob.index(), None));
/// ```
#[derive(Clone, Debug)]
pub struct Slab<K, T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// Slots that never hold a value.
    reserved: usize,
    key: PhantomData<K>,
}

#[derive(Clone, Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<K: Key, T> Slab<K, T> {
    /// An empty slab. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), reserved: 0, key: PhantomData }
    }

    /// Keeps `value` and returns its key.
    pub fn insert(&mut self, value: T) -> K {
        self.insert_with(|_| value)
    }

    /// Keeps what `value` makes of its own key.
    pub fn insert_with(&mut self, value: impl FnOnce(K) -> T) -> K {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, value: None });
            (self.slots.len() - 1) as u32
        });
        let generation = self.slots.get(index as usize).map_or(0, |slot| slot.generation);
        let key = K::new(index, generation);
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.value = Some(value(key));
        }
        key
    }

    /// A key that finds nothing, ever: it names what is kept elsewhere, apart from all values here.
    pub fn reserve(&mut self) -> K {
        self.slots.push(Slot { generation: 0, value: None });
        self.reserved += 1;
        K::new((self.slots.len() - 1) as u32, 0)
    }

    /// The value under `key`.
    #[inline]
    #[must_use]
    pub fn get(&self, key: K) -> Option<&T> {
        let (index, generation) = key.parts();
        let slot = self.slots.get(index as usize)?;
        if slot.generation == generation { slot.value.as_ref() } else { None }
    }

    /// The value under `key`, to change it.
    #[inline]
    pub fn get_mut(&mut self, key: K) -> Option<&mut T> {
        let (index, generation) = key.parts();
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation == generation { slot.value.as_mut() } else { None }
    }

    /// Takes the value under `key` out.
    pub fn remove(&mut self, key: K) -> Option<T> {
        let (index, generation) = key.parts();
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation != generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        Some(value)
    }

    /// Whether there is a value under `key`.
    #[must_use]
    pub fn contains(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len() - self.reserved
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values with their keys, in the order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            slot.value.as_ref().map(|value| (K::new(index as u32, slot.generation), value))
        })
    }

    /// All values with their keys, to change them, in the order of slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut T)> {
        self.slots.iter_mut().enumerate().filter_map(|(index, slot)| {
            let generation = slot.generation;
            slot.value.as_mut().map(|value| (K::new(index as u32, generation), value))
        })
    }

    /// The first key at or behind slot `from`, for going round in turns; `None` behind the last.
    #[must_use]
    pub fn key_from(&self, from: usize) -> Option<K> {
        let rest = self.slots.get(from..)?;
        let (offset, slot) = rest.iter().enumerate().find(|(_, slot)| slot.value.is_some())?;
        Some(K::new((from + offset) as u32, slot.generation))
    }
}

impl<K: Key, T> Default for Slab<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PeerKey;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slab: Slab<PeerKey, u8> = Slab::new();
        let one = slab.insert(1);
        assert_eq!(slab.remove(one), Some(1));
        assert_eq!(slab.remove(one), None);
        let two = slab.insert(2);
        assert_eq!(slab.get(one), None);
        assert_eq!(slab.get(two), Some(&2));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn a_reserved_key_is_nobody_elses_and_finds_nothing() {
        let mut slab: Slab<PeerKey, u8> = Slab::new();
        let one = slab.insert(1);
        let reserved = slab.reserve();
        slab.remove(one);
        let keys = [slab.insert(2), slab.insert(3)];
        assert!(!keys.contains(&reserved));
        assert_eq!((slab.remove(reserved), slab.len()), (None, 2));
        assert_eq!(slab.get(reserved), None);
        assert!(slab.iter().map(|(key, _)| key).eq([keys[0], keys[1]]));
    }

    #[test]
    fn iteration_follows_slots() {
        let mut slab: Slab<PeerKey, u8> = Slab::new();
        let keys: Vec<PeerKey> = (0..4).map(|value| slab.insert(value)).collect();
        slab.remove(keys[1]);
        assert!(slab.iter().map(|(_, value)| *value).eq([0, 2, 3]));
        assert_eq!(slab.key_from(1), Some(keys[2]));
        assert_eq!(slab.key_from(4), None);
    }
}
