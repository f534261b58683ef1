use super::*;
use proptest::prelude::*;

impl Availability {
    /// The array is sorted, the places are right, and the runs say what is wanted.
    fn check(&self) {
        for (place, piece) in self.order.iter().enumerate() {
            assert_eq!(self.place[*piece as usize] as usize, place);
            let level = self.copies[*piece as usize] as usize;
            let class = self.class(PieceIndex(*piece));
            for other in Class::ALL {
                let run = self.levels[level].run(other);
                assert_eq!(class == Some(other), run.contains(&(place as u32)));
                assert_eq!(class == Some(other), self.wanted(other).get(PieceIndex(*piece)));
                assert_eq!(self.occupied.get(other).contains(level), !run.is_empty());
            }
            let end = self.levels.get(level + 1).map_or(self.order.len() as u32, |next| next.start);
            assert!((self.levels[level].start..end).contains(&(place as u32)));
        }
    }
}

proptest! {
    #[test]
    fn the_order_stays_sorted_and_counts_equal_a_recount(
        changes in proptest::collection::vec((0_u32..25, 0_u8..14), 0..400)
    ) {
        let mut random = Random::new([3; 32]);
        let user = Some(Class::UserRequested);
        let mut all = Availability::new(vec![user; 20], &mut random);
        let (mut copies, mut classes) = ([0_u32; 20], [user; 20]);
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
                    let class = Class::ALL.get(change as usize % 8).copied();
                    let changed = all.set_class(index, class, &mut random);
                    prop_assert_eq!(changed, known.is_some() && classes[piece as usize] != class);
                    classes.get_mut(piece as usize).into_iter().for_each(|known| *known = class);
                }
            }
            all.check();
        }
        for class in Class::ALL {
            let of_class = |piece: &usize| classes[*piece] == Some(class);
            let rarest: Vec<u32> = all.rarest_first(class).map(|piece| copies[piece.0 as usize]).collect();
            prop_assert!(rarest.is_sorted());
            prop_assert_eq!(rarest.len(), (0..20).filter(of_class).count());
            let lowest = all.lowest(class).map(|piece| piece.0 as usize);
            prop_assert_eq!(lowest, (0..20).find(of_class));
        }
        prop_assert!((0..20).all(|piece| all.of(PieceIndex(piece)) == copies[piece as usize]));
    }
}

#[test]
fn equals_come_in_another_order_for_another_seed() {
    let order = |seed| {
        let mut random = Random::new([seed; 32]);
        let mut all = Availability::new(vec![Some(Class::Background); 50], &mut random);
        (0..50).for_each(|piece| all.raise(PieceIndex(piece), &mut random));
        all.rarest_first(Class::Background).collect::<Vec<_>>()
    };
    assert_ne!(order(1), order(2));
    assert_eq!(order(1), order(1));
}
