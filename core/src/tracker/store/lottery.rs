//! Who is named to whom.

use crate::random::Random;

/// Draws places by lot.
///
/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014): a nanosecond a
/// number, where ChaCha20 would take more time than all else. No secret hangs on it: whoever works out
/// its state from the answers knows who is named next, and can change nothing.
#[derive(Clone, Debug)]
pub(super) struct Lottery {
    state: u64,
}

impl Lottery {
    pub(super) fn new(random: &mut Random) -> Self {
        let mut state = [0; 8];
        random.fill_public(&mut state);
        Self { state: u64::from_le_bytes(state) }
    }

    /// Up to `want` different places below `places`, each with the same chance: the ring of all is cut, from a
    /// place drawn by lot on, into as many parts as are wanted, and one is drawn from each.
    pub(super) fn draw(&mut self, places: u32, want: u32) -> impl Iterator<Item = u32> {
        let parts = want.min(places);
        let (shortest, longer) =
            (places.checked_div(parts).unwrap_or(0), places.checked_rem(parts).unwrap_or(0));
        let mut begin = self.below(places);
        (0..parts).map(move |part| {
            let length = shortest + u32::from(part < longer);
            let place = begin + if length == 1 { 0 } else { self.below(length) };
            begin += length;
            if place < places { place } else { place - places }
        })
    }

    /// A number below `bound`, by a share of 2^-32 from fair at most.
    fn below(&mut self, bound: u32) -> u32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.state;
        number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = (number ^ number >> 31) >> 32;
        ((number * u64::from(bound)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    #[test]
    fn what_is_drawn_is_different_and_all_where_all_are_wanted() {
        let mut lottery = Lottery::new(&mut Random::new([1; 32]));
        for (places, want) in [(0, 5), (1, 0), (1, 1), (5, 5), (5, 9), (7, 3), (100, 30), (1 << 30, 4)] {
            let mut drawn: Vec<_> = lottery.draw(places, want).collect();
            drawn.sort_unstable();
            drawn.dedup();
            assert_eq!(drawn.len() as u32, want.min(places));
            assert!(drawn.iter().all(|place| *place < places));
        }
    }

    /// Pearson's test: with `places - 1` degrees of freedom the sum stays below their number plus five
    /// times its deviation but for once in millions. The parts make it only smaller.
    #[test]
    fn every_place_has_the_same_chance() {
        const DRAWS: u32 = 20_000;
        let mut lottery = Lottery::new(&mut Random::new([2; 32]));
        for (places, want) in [(2, 1), (3, 2), (10, 3), (31, 30), (64, 30), (1000, 30)] {
            let mut times = vec![0_u32; places as usize];
            for _ in 0..DRAWS {
                lottery.draw(places, want).for_each(|place| times[place as usize] += 1);
            }
            let expected = f64::from(DRAWS) * f64::from(want) / f64::from(places);
            let square = |times: &u32| (f64::from(*times) - expected).powi(2) / expected;
            let (sum, freedom) = (times.iter().map(square).sum::<f64>(), f64::from(places - 1));
            assert!(sum < freedom + 5.0 * (2.0 * freedom).sqrt(), "{want} of {places}: {sum}");
        }
    }
}
