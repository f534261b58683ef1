//! Randomness as a value: a seed comes in at construction, two ChaCha20 streams come out of it.

use core::ops::Range;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// The only entropy a machine gets.
pub type Seed = [u8; 32];

/// A machine's randomness: a *public* stream for what others may see (peer ids, transaction ids, jitter,
/// tie-breaks) and a *secret* one for keys and for the seeds of children. What leaks of the first says
/// nothing about the second.
///
/// ```
/// use convoy_core::Random;
///
/// let (mut one, mut two) = (Random::new([7; 32]), Random::new([7; 32]));
/// assert_eq!(one.below(1000), two.below(1000));
/// assert_eq!(one.child_seed(), two.child_seed());
/// ```
#[derive(Clone, Debug)]
pub struct Random {
    public: ChaCha20Rng,
    secret: ChaCha20Rng,
}

impl Random {
    /// Both streams of `seed`.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        let mut secret = ChaCha20Rng::from_seed(seed);
        secret.set_stream(1);
        Self { public: ChaCha20Rng::from_seed(seed), secret }
    }

    /// A public number below `bound`, without bias; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        // Lemire, "Fast random integer generation in an interval" (2019): rejects less than one in
        // 2^32 / bound draws.
        let mut product = u64::from(self.public.next_u32()) * u64::from(bound);
        if (product as u32) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u32) < threshold {
                product = u64::from(self.public.next_u32()) * u64::from(bound);
            }
        }
        (product >> 32) as u32
    }

    /// A public number in `range`; its start when the range is empty.
    pub fn between(&mut self, range: Range<u32>) -> u32 {
        range.start + self.below(range.end.saturating_sub(range.start))
    }

    /// Fills `out` with public bytes.
    pub fn fill_public(&mut self, out: &mut [u8]) {
        self.public.fill_bytes(out);
    }

    /// Fills `out` with secret bytes.
    pub fn fill_secret(&mut self, out: &mut [u8]) {
        self.secret.fill_bytes(out);
    }

    /// The seed of a child machine, drawn from the secret stream.
    pub fn child_seed(&mut self) -> Seed {
        let mut seed = Seed::default();
        self.fill_secret(&mut seed);
        seed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_differ() {
        let mut random = Random::new([1; 32]);
        let (mut public, mut secret) = ([0; 32], [0; 32]);
        random.fill_public(&mut public);
        random.fill_secret(&mut secret);
        assert_ne!(public, secret);
    }

    #[test]
    fn below_covers_its_range_and_nothing_else() {
        let mut random = Random::new([2; 32]);
        let mut seen = [0_u32; 5];
        for _ in 0..5000 {
            seen[random.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
        assert_eq!(random.between(3..3), 3);
    }
}
