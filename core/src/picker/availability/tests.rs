use super::*;
use proptest::prelude::*;

impl Availability {
    /// The array is sorted, the places are right, and the runs say what is wanted.
    fn check(&self) {
        assert_eq!(self.starts.last(), Some(&(self.order.len() as u32)));
        for (place, piece) in self.order.iter().enumerate() {
            let standing = self.standings[*piece as usize];
            assert_eq!(standing.place as usize, place);
            assert!(self.places(standing.run()).contains(&(place as u32)));
            let (piece, level) = (PieceIndex(*piece), usize::from(standing.copies));
            for class in Class::ALL {
                let is_empty = self.places(run(level, Some(class))).is_empty();
                assert_eq!(self.occupied.get(class).contains(level), !is_empty);
                assert_eq!(self.wanted(class).get(piece), standing.class == Some(class));
            }
        }
    }
}

proptest! {
    #[test]
    fn the_order_stays_sorted_and_counts_equal_a_recount(
        changes in proptest::collection::vec((0_u32..25, 0_u8..14, any::<bool>()), 0..400),
        lot in any::<(u32, u32)>(),
    ) {
        let lot = Lot { start: lot.0, step: lot.1 };
        let user = Some(Class::UserRequested);
        let mut all = Availability::new(vec![user; 20]);
        let (mut copies, mut classes) = ([0_u32; 20], [user; 20]);
        for (piece, change, looks) in changes {
            let index = PieceIndex(piece);
            let every = (0..20).filter(|other| piece > 0 && other % piece == 0).map(PieceIndex);
            let mut bits = Bitfield::new(20);
            every.for_each(|piece| {
                bits.set(piece);
            });
            match (change, copies.get_mut(piece as usize)) {
                (6, _) => {
                    all.add(&bits);
                    bits.iter().for_each(|piece| copies[piece.0 as usize] += 1);
                }
                (7, _) => {
                    all.remove(&bits);
                    bits.iter().map(|piece| piece.0 as usize).for_each(|piece| {
                        copies[piece] = copies[piece].saturating_sub(1);
                    });
                }
                (0..=2, known) => {
                    all.raise(index);
                    known.into_iter().for_each(|copies| *copies += 1);
                }
                (3, known) => {
                    all.lower(index);
                    known.into_iter().for_each(|copies| *copies = copies.saturating_sub(1));
                }
                (_, known) => {
                    let class = Class::ALL.get(change as usize % 8).copied();
                    let changed = all.set_class(index, class);
                    prop_assert_eq!(changed, known.is_some() && classes[piece as usize] != class);
                    classes.get_mut(piece as usize).into_iter().for_each(|known| *known = class);
                }
            }
            prop_assert!((0..20).all(|piece| all.of(PieceIndex(piece)) == copies[piece as usize]));
            if looks {
                all.check();
            }
        }
        all.check();
        for class in Class::ALL {
            let of_class = |piece: &usize| classes[*piece] == Some(class);
            let copies = |piece: &PieceIndex| copies[piece.0 as usize];
            let mut rarest: Vec<_> = all.rarest_first(class, true, lot).collect();
            prop_assert!(rarest.is_sorted_by_key(copies));
            let some: Vec<_> = all.rarest_first(class, false, lot).collect();
            prop_assert!(rarest.iter().filter(|piece| copies(piece) > 0).eq(&some));
            rarest.sort_unstable();
            prop_assert!(rarest.into_iter().map(|piece| piece.0 as usize).eq((0..20).filter(of_class)));
            let lowest = all.lowest(class).map(|piece| piece.0 as usize);
            prop_assert_eq!(lowest, (0..20).find(of_class));
        }
    }
}

#[test]
fn equals_come_by_lot_and_a_part_of_them_too() {
    const LOTS: u32 = 20_000;
    let mut random = Random::new([1; 32]);
    let mut all = Availability::new(vec![Some(Class::Background); 100]);
    (0..100).for_each(|piece| all.raise(PieceIndex(piece)));
    for part in [0..100, 40..50, 98..100] {
        let mut first = [0; 100];
        for _ in 0..LOTS {
            let lot = Lot::draw(&mut random);
            let mut pieces = all.rarest_first(Class::Background, false, lot).map(|piece| piece.0);
            first[pieces.find(|piece| part.contains(piece)).expect("all come") as usize] += 1;
        }
        let share = LOTS / part.len() as u32;
        assert!(first[part.start as usize..part.end as usize].iter().all(|count| *count > share / 2));
        assert!(first.iter().all(|count| *count < share * 2), "{first:?}");
    }
}
