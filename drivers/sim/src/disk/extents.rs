//! The bytes of a file: ranges where they are the torrent's, and the others as they are.

use bytes::Bytes;
use core::ops::Range;
use std::collections::BTreeMap;

/// A run of bytes that lie together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// So many bytes, all as the torrent has them.
    Right(u64),
    /// Other bytes.
    Literal(Bytes),
}

impl Extent {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Right(length) => *length,
            Self::Literal(bytes) => bytes.len() as u64,
        }
    }

    /// The part in `range`, counted from the start of the extent and inside it.
    fn part(&self, range: Range<u64>) -> Self {
        match self {
            Self::Right(_) => Self::Right(range.end - range.start),
            Self::Literal(bytes) => Self::Literal(bytes.slice(range.start as usize..range.end as usize)),
        }
    }
}

/// Extents that do not overlap, with holes between them. Right ones that touch are one: a file that
/// came whole is one entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Extents {
    by_offset: BTreeMap<u64, Extent>,
    bytes: u64,
}

impl Extents {
    /// Bytes in all extents: what the file takes up on disk.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Replaces what is at `offset` by `extent`.
    pub(super) fn put(&mut self, offset: u64, extent: Extent) {
        let length = extent.length();
        if length == 0 {
            return;
        }
        self.cut(offset..offset + length);
        self.bytes += length;
        let (mut start, mut extent) = (offset, extent);
        if let Extent::Right(length) = &mut extent {
            if let Some(Extent::Right(more)) = self.by_offset.get(&(start + *length)) {
                let after = start + *length;
                *length += more;
                self.by_offset.remove(&after);
            }
            if let Some((before, Extent::Right(more))) = self.by_offset.range(..start).next_back()
                && before + more == start
            {
                start = *before;
                *length += more;
            }
        }
        self.by_offset.insert(start, extent);
    }

    /// What is in `range`, in order, each with its offset in the file and cut to the range.
    pub(super) fn overlapping(&self, range: Range<u64>) -> impl Iterator<Item = (u64, Extent)> {
        let before = self.by_offset.range(..range.start).next_back();
        let extents = before.into_iter().chain(self.by_offset.range(range.clone()));
        extents.filter_map(move |(at, extent)| {
            let (start, end) = (range.start.max(*at), range.end.min(at + extent.length()));
            (start < end).then(|| (start, extent.part(start - at..end - at)))
        })
    }

    /// Makes a hole.
    fn cut(&mut self, range: Range<u64>) {
        self.split(range.start);
        self.split(range.end);
        while let Some((&at, extent)) = self.by_offset.range(range.clone()).next() {
            self.bytes -= extent.length();
            self.by_offset.remove(&at);
        }
    }

    /// Makes two of the extent that reaches over `at`, if there is one.
    fn split(&mut self, at: u64) {
        let Some((start, extent)) = self.by_offset.range_mut(..at).next_back() else { return };
        let (middle, length) = (at - start, extent.length());
        if middle < length {
            let tail = extent.part(middle..length);
            *extent = extent.part(0..middle);
            self.by_offset.insert(at, tail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(extents: &Extents) -> Vec<(u64, Extent)> {
        extents.overlapping(0..u64::MAX).collect()
    }

    fn literal(bytes: &'static [u8]) -> Extent {
        Extent::Literal(Bytes::from_static(bytes))
    }

    #[test]
    fn right_ranges_that_touch_are_one() {
        let mut extents = Extents::default();
        for (at, length) in [(0, 10), (20, 10), (10, 10), (5, 20)] {
            extents.put(at, Extent::Right(length));
        }
        assert_eq!(all(&extents), [(0, Extent::Right(30))]);
        assert_eq!(extents.bytes(), 30);
    }

    #[test]
    fn wrong_bytes_split_a_right_range_until_they_are_put_right() {
        let mut extents = Extents::default();
        extents.put(0, Extent::Right(30));
        extents.put(10, literal(b"wrong"));
        assert_eq!(all(&extents), [(0, Extent::Right(10)), (10, literal(b"wrong")), (15, Extent::Right(15))]);
        extents.put(11, Extent::Right(2));
        let cut: Vec<_> = extents.overlapping(10..14).collect();
        assert_eq!(cut, [(10, literal(b"w")), (11, Extent::Right(2)), (13, literal(b"n"))]);
        extents.put(8, Extent::Right(8));
        assert_eq!(all(&extents), [(0, Extent::Right(30))]);
        assert_eq!(extents.bytes(), 30);
    }

    proptest! {
        #[test]
        fn each_place_has_what_was_put_there_last(puts in prop::collection::vec((0..60_u64, 0..20_u64, prop::option::of(any::<u8>())), 0..30)) {
            let mut extents = Extents::default();
            // A hole, or what is there: `None` for right.
            let mut model = vec![None; 80];
            for (at, length, byte) in puts {
                let literal = |byte| Extent::Literal(vec![byte; length as usize].into());
                extents.put(at, byte.map_or(Extent::Right(length), literal));
                model[at as usize..(at + length) as usize].fill(Some(byte));
            }
            let mut found = vec![None; 80];
            for (at, extent) in all(&extents) {
                for place in 0..extent.length() {
                    found[(at + place) as usize] = Some(match &extent {
                        Extent::Right(_) => None,
                        Extent::Literal(bytes) => Some(bytes[place as usize]),
                    });
                }
            }
            prop_assert_eq!(extents.bytes() as usize, model.iter().flatten().count());
            prop_assert_eq!(found, model);
        }
    }
}
