//! Rows side by side, so that one can be drawn by lot, and found by their keys.
//!
//! Linear hashing (Litwin 1980; Larson, "Dynamic hash tables", 1988): there are as many buckets as rows, and
//! the row that comes last brings the last bucket with it. It takes its share from one other bucket, and
//! gives it back when it goes. So nothing is ever rehashed as a whole: a swarm of a million grows without
//! a pause.
//!
//! ```text
//!   place   0      1      2      3      4      5
//!   row     key    key    key    key    key    key        the peers, in no order
//!   head    3      -      5      0      -      1          the bucket of this number begins at that place
//!   next    4      -      -      -      -      2          ... and goes on there
//! ```

use alloc::vec::Vec;
use core::mem;
use siphasher::sip::SipHasher13;

/// No place: a chain ends.
const NONE: u32 = u32::MAX;

/// The most rows that a table can number.
pub(super) const MAX_ROWS: usize = 1 << 30;

/// Values by keys of `N` bytes. Whoever brings it the keys cannot know who shares a bucket: they are hashed
/// under a key of our own.
#[derive(Clone, Debug)]
pub(super) struct Table<const N: usize, V> {
    rows: Vec<Row<N, V>>,
}

/// One of a table.
#[derive(Clone, Debug)]
pub(super) struct Row<const N: usize, V> {
    pub(super) key: [u8; N],
    pub(super) value: V,
    /// Where the bucket begins that has this row's place for its number.
    head: u32,
    /// Where the bucket that this row is in goes on.
    next: u32,
}

impl<const N: usize, V> Default for Table<N, V> {
    fn default() -> Self {
        Self { rows: Vec::new() }
    }
}

impl<const N: usize, V> Table<N, V> {
    /// How many rows there are: their places are the numbers below.
    pub(super) fn len(&self) -> u32 {
        self.rows.len() as u32
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn row(&self, place: u32) -> Option<&Row<N, V>> {
        self.rows.get(place as usize)
    }

    pub(super) fn value_mut(&mut self, place: u32) -> Option<&mut V> {
        self.rows.get_mut(place as usize).map(|row| &mut row.value)
    }

    /// The place of a key, of which `hash` is the hash.
    pub(super) fn find(&self, hash: u64, key: &[u8; N]) -> Option<u32> {
        let mut place = self.row(bucket(hash, self.len()))?.head;
        while let Some(row) = self.row(place) {
            if row.key == *key {
                return Some(place);
            }
            place = row.next;
        }
        None
    }

    /// Adds a key that is not there; returns its place, which is the last.
    pub(super) fn insert(&mut self, hasher: &SipHasher13, hash: u64, key: [u8; N], value: V) -> u32 {
        let place = self.len();
        if self.rows.len() == self.rows.capacity() {
            self.rows.reserve_exact(1 + self.rows.len() / 4);
        }
        self.rows.push(Row { key, value, head: NONE, next: NONE });
        self.split(hasher, place);
        let bucket = bucket(hash, self.len());
        let Some(first) = self.rows.get_mut(bucket as usize) else { return place };
        let next = mem::replace(&mut first.head, place);
        if let Some(row) = self.rows.get_mut(place as usize) {
            row.next = next;
        }
        place
    }

    /// Takes out the row at `place`; the last one moves there.
    pub(super) fn remove(&mut self, hasher: &SipHasher13, place: u32) -> Option<V> {
        let row = self.row(place)?;
        let (hash, next) = (hasher.hash(&row.key), row.next);
        self.relink(bucket(hash, self.len()), place, next);
        self.join_last_bucket();
        let last = self.rows.pop()?;
        let taken = match self.rows.get_mut(place as usize) {
            None => last.value,
            Some(gap) => {
                gap.key = last.key;
                gap.next = last.next;
                let taken = mem::replace(&mut gap.value, last.value);
                self.relink(bucket(hasher.hash(&last.key), self.len()), self.len(), place);
                taken
            }
        };
        // Half of what is there may lie idle besides; a quarter is left for those who come.
        if self.rows.capacity() > self.rows.len() + self.rows.len() / 2 {
            self.rows.shrink_to(self.rows.len() + self.rows.len() / 4);
        }
        Some(taken)
    }

    /// Gives a new, last bucket its share of the rows of its parent.
    fn split(&mut self, hasher: &SipHasher13, new: u32) {
        let Some(parent) = parent(new) else { return };
        let Some(row) = self.rows.get_mut(parent as usize) else { return };
        let mut place = mem::replace(&mut row.head, NONE);
        let buckets = self.len();
        let (mut staying, mut going) = (NONE, NONE);
        while let Some(row) = self.rows.get_mut(place as usize) {
            let goes = bucket(hasher.hash(&row.key), buckets) == new;
            let chain = if goes { &mut going } else { &mut staying };
            let next = mem::replace(&mut row.next, *chain);
            *chain = mem::replace(&mut place, next);
        }
        for (bucket, chain) in [(parent, staying), (new, going)] {
            if let Some(row) = self.rows.get_mut(bucket as usize) {
                row.head = chain;
            }
        }
    }

    /// Gives the rows of the last bucket back to its parent.
    fn join_last_bucket(&mut self) {
        let Some(last) = self.rows.last_mut() else { return };
        let chain = mem::replace(&mut last.head, NONE);
        if let Some(parent) = parent(self.len() - 1) {
            self.relink(parent, NONE, chain);
        }
    }

    /// Makes what leads to `old` in a bucket lead to `new`.
    fn relink(&mut self, bucket: u32, old: u32, new: u32) {
        let Some(row) = self.rows.get_mut(bucket as usize) else { return };
        let mut place = row.head;
        if place == old {
            row.head = new;
            return;
        }
        while let Some(row) = self.rows.get_mut(place as usize) {
            place = row.next;
            if place == old {
                row.next = new;
                return;
            }
        }
    }
}

/// Which of so many buckets a hash belongs to.
fn bucket(hash: u64, buckets: u32) -> u32 {
    let mask = buckets.next_power_of_two() - 1;
    let bucket = hash as u32 & mask;
    if bucket < buckets { bucket } else { bucket & mask >> 1 }
}

/// From which bucket a new one takes its share: its own number without the highest bit.
fn parent(bucket: u32) -> Option<u32> {
    bucket.checked_ilog2().map(|bit| bucket ^ 1 << bit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    proptest! {
        /// Keys are few, so that they come and go often, at every size around the powers of two.
        #[test]
        fn a_table_is_a_map(steps in proptest::collection::vec((any::<bool>(), 0..80_u8), 0..600)) {
            let hasher = SipHasher13::new_with_keys(1, 2);
            let (mut table, mut map) = (Table::default(), BTreeMap::new());
            for (value, (inserts, key)) in steps.into_iter().enumerate() {
                let (key, hash) = ([key], hasher.hash(&[key]));
                match (table.find(hash, &key), inserts) {
                    (Some(place), true) => *table.value_mut(place).expect("it is there") = value,
                    (Some(place), false) => prop_assert_eq!(table.remove(&hasher, place), map.get(&key).copied()),
                    (None, true) => prop_assert_eq!(table.insert(&hasher, hash, key, value), table.len() - 1),
                    (None, false) => prop_assert!(!map.contains_key(&key)),
                }
                if inserts { map.insert(key, value) } else { map.remove(&key) };
                let mut rows: Vec<_> = table.rows.iter().map(|row| (row.key, row.value)).collect();
                rows.sort_unstable();
                prop_assert!(rows.into_iter().eq(map.clone()));
                for key in map.keys() {
                    let place = table.find(hasher.hash(key), key).expect("it is there");
                    prop_assert_eq!(table.row(place).map(|row| row.key), Some(*key));
                }
            }
        }
    }

    #[test]
    fn chains_stay_short_while_a_table_grows_and_shrinks() {
        let hasher = SipHasher13::new_with_keys(3, 4);
        let mut table = Table::default();
        let longest = |table: &Table<4, ()>| (0..table.len()).map(|bucket| chain(table, bucket)).max();
        for key in 0..20_000_u32 {
            let key = key.to_be_bytes();
            table.insert(&hasher, hasher.hash(&key), key, ());
        }
        assert!(longest(&table) < Some(16), "{:?}", longest(&table));
        while table.len() > 5000 {
            table.remove(&hasher, 0);
        }
        assert!(longest(&table) < Some(16), "{:?}", longest(&table));
        assert!(table.rows.capacity() <= 7500, "{}", table.rows.capacity());
    }

    fn chain(table: &Table<4, ()>, bucket: u32) -> usize {
        let mut place = table.rows[bucket as usize].head;
        core::iter::from_fn(|| table.row(place).map(|row| place = row.next)).count()
    }
}
