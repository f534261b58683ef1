//! Where a test's choices come from.

use crate::random::{Random, Seed};
use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

/// A source of choices: a stream drawn from a seed, or the bytes that a fuzzer gave.
///
/// The same source makes the same choices. Bytes are spent sparingly, so that a fuzzer changes one choice
/// with one byte: a choice costs as many as its bound needs. Bytes that are used up choose 0 for ever;
/// whoever draws stops when they are [empty](Self::is_empty).
///
/// ```
/// use convoy_core::testing::Dice;
///
/// let mut dice = Dice::seeded(7);
/// assert!(dice.below(6) < 6);
/// assert!([2, 3, 5].contains(dice.pick(&[2, 3, 5]).unwrap()));
/// assert_eq!(dice.bytes(4).len(), 4);
/// ```
#[derive(Clone, Debug)]
pub struct Dice(Source);

#[derive(Clone, Debug)]
enum Source {
    Seeded(Box<Random>),
    Bytes { bytes: Vec<u8>, read: usize },
}

impl Dice {
    /// The endless stream of a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let mut whole = Seed::default();
        for (to, from) in whole.iter_mut().zip(seed.to_le_bytes()) {
            *to = from;
        }
        Self(Source::Seeded(Box::new(Random::new(whole))))
    }

    /// The choices that `bytes` spell out, for a fuzzer.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Source::Bytes { bytes: bytes.to_vec(), read: 0 })
    }

    /// Whether the bytes are used up. Never so for a seed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Source::Seeded(_) => false,
            Source::Bytes { bytes, read } => *read >= bytes.len(),
        }
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        match &mut self.0 {
            Source::Seeded(random) => random.below(bound),
            Source::Bytes { .. } => {
                let needed = 4 - bound.saturating_sub(1).leading_zeros() / 8;
                let drawn = (0..needed).fold(0, |drawn, _| drawn << 8 | u32::from(self.byte()));
                drawn.checked_rem(bound).unwrap_or(0)
            }
        }
    }

    /// A number in `range`; its start when the range is empty.
    pub fn between(&mut self, range: Range<u32>) -> u32 {
        range.start + self.below(range.end.saturating_sub(range.start))
    }

    /// Any number at all.
    pub fn any_u64(&mut self) -> u64 {
        u64::from_le_bytes(self.any())
    }

    /// True `times` out of `of`.
    pub fn chance(&mut self, times: u32, of: u32) -> bool {
        self.below(of) < times
    }

    /// One of `choices`; `None` when there are none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len() as u32) as usize)
    }

    /// `length` bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = alloc::vec![0; length];
        self.fill(&mut bytes);
        bytes
    }

    /// `length` bytes that nobody looks into, such as a block's. One byte of a fuzzer's is enough for all.
    pub fn filler(&mut self, length: usize) -> Vec<u8> {
        let first = self.byte();
        (0..length).map(|at| first.wrapping_add(at as u8)).collect()
    }

    /// A seed for a machine. One byte of a fuzzer's is enough.
    pub fn seed(&mut self) -> Seed {
        let mut seed = Seed::default();
        match self.0 {
            Source::Seeded(_) => self.fill(&mut seed),
            Source::Bytes { .. } => seed.fill(self.byte()),
        }
        seed
    }

    fn byte(&mut self) -> u8 {
        let [byte] = self.any();
        byte
    }

    fn any<const N: usize>(&mut self) -> [u8; N] {
        let mut raw = [0; N];
        self.fill(&mut raw);
        raw
    }

    fn fill(&mut self, out: &mut [u8]) {
        match &mut self.0 {
            Source::Seeded(random) => random.fill_public(out),
            Source::Bytes { bytes, read } => {
                let rest = bytes.get(*read..).unwrap_or_default();
                for (to, from) in out.iter_mut().zip(rest.iter().chain(core::iter::repeat(&0))) {
                    *to = *from;
                }
                *read = read.saturating_add(out.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_spell_out_the_choices_and_then_zeros() {
        let mut dice = Dice::from_bytes(&[5, 1, 2, 7, 9]);
        assert_eq!(dice.below(4), 1);
        assert_eq!(dice.below(257), 258 % 257);
        assert_eq!(dice.filler(3), [7, 8, 9]);
        assert_eq!(dice.below(1), 0, "no choice costs nothing");
        assert!(!dice.is_empty());
        assert_eq!(dice.bytes(2), [9, 0]);
        assert!(dice.is_empty());
        assert_eq!(dice.below(4), 0);
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.pick::<u8>(&[]), None);
    }

    #[test]
    fn a_seed_makes_the_same_choices_again() {
        let (mut one, mut two) = (Dice::seeded(3), Dice::seeded(3));
        assert_eq!(one.any_u64(), two.any_u64());
        assert_eq!(one.seed(), two.seed());
        assert_ne!(one.seed(), Dice::seeded(4).seed());
    }
}
