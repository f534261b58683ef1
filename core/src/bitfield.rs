//! One bit for each piece.

use crate::id::PieceIndex;
use alloc::{vec, vec::Vec};

/// A set of pieces of a torrent with a fixed number of pieces.
///
/// Bits lie as on the wire (BEP 3): the highest bit of the first byte is piece 0, and the spare bits of
/// the last byte are zero.
///
/// ```
/// use convoy_core::{bitfield::Bitfield, id::PieceIndex};
///
/// let mut have = Bitfield::new(10);
/// have.set(PieceIndex(0));
/// have.set(PieceIndex(9));
/// assert_eq!(have.to_bytes(), [0x80, 0x40]);
/// assert_eq!(Bitfield::from_bytes(&[0x80, 0x40], 10), Some(have));
/// assert_eq!(Bitfield::from_bytes(&[0x80, 0x41], 10), None, "spare bit");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "crate::serial::Bits", into = "crate::serial::Bits")
)]
pub struct Bitfield {
    words: Vec<u64>,
    length: u32,
    ones: u32,
}

impl Bitfield {
    /// The empty set among `length` pieces.
    #[must_use]
    pub fn new(length: u32) -> Self {
        Self { words: vec![0; length.div_ceil(64) as usize], length, ones: 0 }
    }

    /// All of `length` pieces.
    #[must_use]
    pub fn full(length: u32) -> Self {
        let mut words = vec![u64::MAX; length.div_ceil(64) as usize];
        if let Some(last) = words.last_mut() {
            *last = u64::MAX << (words_spare(length));
        }
        Self { words, length, ones: length }
    }

    /// Reads the wire form. `None` if `bytes` is not exactly as long as `length` pieces need, or a spare
    /// bit is set.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], length: u32) -> Option<Self> {
        if bytes.len() != length.div_ceil(8) as usize {
            return None;
        }
        let words: Vec<u64> = bytes
            .chunks(8)
            .map(|chunk| {
                let mut word = [0; 8];
                word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
                u64::from_be_bytes(word)
            })
            .collect();
        let spare = words_spare(length);
        if words.last().is_some_and(|last| *last & !(u64::MAX << spare) != 0) {
            return None;
        }
        let ones = words.iter().map(|word| word.count_ones()).sum();
        Some(Self { words, length, ones })
    }

    /// The wire form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.truncate(self.length.div_ceil(8) as usize);
        bytes
    }

    /// How many pieces the torrent has.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.length
    }

    /// Whether the torrent has no pieces.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many pieces are in the set.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.ones
    }

    /// Whether every piece is in the set.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.ones == self.length
    }

    /// Whether `piece` is in the set; false if the torrent has no such piece.
    #[inline]
    #[must_use]
    pub fn get(&self, piece: PieceIndex) -> bool {
        self.words.get((piece.0 / 64) as usize).is_some_and(|word| word & bit(piece) != 0)
    }

    /// The word that `piece` lies in.
    pub(crate) fn word(&self, piece: PieceIndex) -> Option<&u64> {
        self.words.get((piece.0 / 64) as usize)
    }

    /// Puts `piece` in; whether that changed anything.
    pub fn set(&mut self, piece: PieceIndex) -> bool {
        if piece.0 >= self.length {
            return false;
        }
        let Some(word) = self.words.get_mut((piece.0 / 64) as usize) else { return false };
        let changed = *word & bit(piece) == 0;
        *word |= bit(piece);
        self.ones += u32::from(changed);
        changed
    }

    /// Takes `piece` out; whether that changed anything.
    pub fn clear(&mut self, piece: PieceIndex) -> bool {
        let Some(word) = self.words.get_mut((piece.0 / 64) as usize) else { return false };
        let changed = *word & bit(piece) != 0;
        *word &= !bit(piece);
        self.ones -= u32::from(changed);
        changed
    }

    /// How many pieces are in both sets: 64 pieces a step.
    #[must_use]
    pub fn count_common(&self, other: &Self) -> u32 {
        self.words.iter().zip(&other.words).map(|(one, other)| (one & other).count_ones()).sum()
    }

    /// The pieces in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = PieceIndex> {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            core::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let place = rest.leading_zeros();
                    rest &= !(1 << (63 - place));
                    PieceIndex(index as u32 * 64 + place)
                })
            })
        })
    }

    /// The first piece, going round from `start`, that is in both sets: a scan of 64 pieces a step.
    #[must_use]
    pub fn first_common_from(&self, other: &Self, start: PieceIndex) -> Option<PieceIndex> {
        let words = self.words.len();
        let first = (start.0 / 64) as usize;
        if first >= words {
            return None;
        }
        let common = |index: usize| Some(self.words.get(index)? & other.words.get(index)?);
        let ahead = u64::MAX >> (start.0 % 64);
        (0..=words).find_map(|step| {
            let index = (first + step) % words;
            let mask = match step {
                0 => ahead,
                last if last == words => !ahead,
                _ => u64::MAX,
            };
            let word = common(index)? & mask;
            (word != 0).then(|| PieceIndex(index as u32 * 64 + word.leading_zeros()))
        })
    }

    /// Heap bytes held.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

const fn bit(piece: PieceIndex) -> u64 {
    1 << (63 - piece.0 % 64)
}

/// How many bits of the last word are spare.
const fn words_spare(length: u32) -> u32 {
    (64 - length % 64) % 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_sets_have_no_spare_bits() {
        for length in [1, 7, 8, 9, 63, 64, 65, 128, 1000] {
            let full = Bitfield::full(length);
            assert_eq!(full.iter().count() as u32, length);
            assert_eq!(Bitfield::from_bytes(&full.to_bytes(), length), Some(full));
        }
    }

    #[test]
    fn bad_input_11_wrong_length_and_spare_bits_are_refused() {
        assert_eq!(Bitfield::from_bytes(&[0xff], 9), None);
        assert_eq!(Bitfield::from_bytes(&[0xff, 0x80, 0], 9), None);
        assert_eq!(Bitfield::from_bytes(&[0xff, 0xc0], 9), None);
        assert!(Bitfield::from_bytes(&[0xff, 0x80], 9).is_some_and(|full| full.is_full()));
    }

    #[test]
    fn setting_out_of_range_changes_nothing() {
        let mut set = Bitfield::new(70);
        assert!(!set.set(PieceIndex(70)));
        assert!(!set.set(PieceIndex(u32::MAX)));
        assert!(set.set(PieceIndex(69)) && !set.set(PieceIndex(69)));
        assert!(set.clear(PieceIndex(69)) && !set.clear(PieceIndex(69)));
        assert_eq!(set.count(), 0);
    }

    #[test]
    fn common_search_goes_round() {
        let (mut one, mut two) = (Bitfield::new(200), Bitfield::full(200));
        one.set(PieceIndex(5));
        one.set(PieceIndex(130));
        let from = |start| one.first_common_from(&two, PieceIndex(start)).map(|piece| piece.0);
        assert_eq!([from(0), from(5), from(6), from(131), from(199)], [5, 5, 130, 5, 5].map(Some));
        assert_eq!(one.count_common(&two), 2);
        two = Bitfield::new(200);
        assert_eq!(one.count_common(&two), 0);
        assert_eq!(one.first_common_from(&two, PieceIndex(3)), None);
        assert_eq!(Bitfield::new(0).first_common_from(&Bitfield::new(0), PieceIndex(0)), None);
    }
}
