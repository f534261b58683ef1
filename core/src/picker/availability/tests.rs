use super::*;
use proptest::prelude::*;

impl Availability {
    /// The array is sorted, the places are right, and the runs say what is wanted.
    fn check(&self) {
        for (place, piece) in self.order.iter().enumerate() {
            assert_eq!(self.place[*piece as usize] as usize, place);
            let level = self.copies[*piece as usize] as usize;
            let Level { start, middle } = self.levels[level];
            let end = self.levels.get(level + 1).map_or(self.order.len() as u32, |next| next.start);
            assert!(start <= middle && middle <= end && (start..end).contains(&(place as u32)));
            assert_eq!(self.wanted.get(PieceIndex(*piece)), (place as u32) < middle);
            assert_eq!(self.occupied.contains(level), start < middle);
        }
    }
}

proptest! {
    #[test]
    fn the_order_stays_sorted_and_counts_equal_a_recount(
        changes in proptest::collection::vec((0_u32..25, 0_u8..8), 0..400)
    ) {
        let mut random = Random::new([3; 32]);
        let mut all = Availability::new(20, &mut random);
        let (mut copies, mut wanted) = ([0_u32; 20], [true; 20]);
        for (piece, change) in changes {
            let index = PieceIndex(piece);
            let every = (0..20).filter(|other| piece > 0 && other % piece == 0).map(PieceIndex);
            let mut bits = Bitfield::new(20);
            every.for_each(|piece| {
                bits.set(piece);
            });
            match (change, copies.get_mut(piece as usize)) {
                (6, _) => {
                    all.add(&bits, &mut random);
                    bits.iter().for_each(|piece| copies[piece.0 as usize] += 1);
                }
                (7, _) => {
                    all.remove(&bits, &mut random);
                    bits.iter().map(|piece| piece.0 as usize).for_each(|piece| {
                        copies[piece] = copies[piece].saturating_sub(1);
                    });
                }
                (0..=2, known) => {
                    all.raise(index, &mut random);
                    known.into_iter().for_each(|copies| *copies += 1);
                }
                (3, known) => {
                    all.lower(index, &mut random);
                    known.into_iter().for_each(|copies| *copies = copies.saturating_sub(1));
                }
                (_, known) => {
                    let changed = all.set_wanted(index, change == 4, &mut random);
                    prop_assert_eq!(changed, known.is_some() && wanted[piece as usize] != (change == 4));
                    wanted.get_mut(piece as usize).into_iter().for_each(|wanted| *wanted = change == 4);
                }
            }
            all.check();
        }
        let rarest: Vec<u32> = all.rarest_first().map(|piece| copies[piece.0 as usize]).collect();
        prop_assert!(rarest.is_sorted());
        prop_assert_eq!(rarest.len(), wanted.iter().filter(|wanted| **wanted).count());
        prop_assert!((0..20).all(|piece| all.of(PieceIndex(piece)) == copies[piece as usize]));
    }
}

#[test]
fn equals_come_in_another_order_for_another_seed() {
    let order = |seed| {
        let mut random = Random::new([seed; 32]);
        let mut all = Availability::new(50, &mut random);
        (0..50).for_each(|piece| all.raise(PieceIndex(piece), &mut random));
        all.rarest_first().collect::<Vec<_>>()
    };
    assert_ne!(order(1), order(2));
    assert_eq!(order(1), order(1));
}
