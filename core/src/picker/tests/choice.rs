//! Who is asked for a block that comes free: fewest requests, then the best rate, then by lot.

use super::{
    super::*,
    SECOND,
    model::{Other, World},
};
use crate::storage::Geometry;

const FREED: PieceIndex = PieceIndex(0);

/// A torrent of six pieces of a block, of which `FREED` is asked of a peer that is about to leave.
fn world(seed: u8) -> (World, PeerKey) {
    let mut world = World::new(Config::new(Geometry::new(16_384, 16_384 * 6).expect("valid")));
    world.picker = Picker::new(world.config.clone(), [seed; 32]);
    let leaving = world.leecher(&[FREED.0]);
    assert_eq!(world.asked(leaving).len(), 1);
    (world, leaving)
}

/// Who is asked for `FREED` once its peer has left.
fn chosen(mut world: World, leaving: PeerKey) -> PeerKey {
    world.tell(Input::PeerLeft { peer: leaving });
    let is_asked = |other: &&Other| other.asked.iter().any(|block| block.piece == FREED);
    let mut asked = world.peers.iter().filter(is_asked).map(|other| other.key);
    let chosen = asked.next().expect("somebody has room");
    assert_eq!(asked.next(), None);
    chosen
}

/// Two peers in either order: one has the first pieces beside `FREED`, the other the others.
fn pair(world: &mut World, swapped: bool, pieces: [&[u32]; 2]) -> [PeerKey; 2] {
    if swapped {
        let [first, second] = pieces;
        let [second, first] = pair(world, false, [second, first]);
        return [first, second];
    }
    pieces.map(|pieces| world.leecher(pieces))
}

#[test]
fn a_block_goes_to_the_peer_that_owes_fewest_however_fast_the_other_is() {
    for swapped in [false, true] {
        let (mut world, leaving) = world(1);
        let [busy, idler] = pair(&mut world, swapped, [&[0, 1, 2, 3], &[0, 4]]);
        world.wait(SECOND / 100);
        world.answer(busy);
        assert_eq!((world.asked(busy).len(), world.asked(idler).len()), (2, 1));
        assert_eq!(chosen(world, leaving), idler);
    }
}

#[test]
fn of_two_that_owe_as_much_the_faster_is_asked() {
    for (seed, swapped) in (0..8).flat_map(|seed| [(seed, false), (seed, true)]) {
        let (mut world, leaving) = world(seed);
        let [fast, slow] = pair(&mut world, swapped, [&[0, 1, 2], &[0, 3, 4]]);
        for (wait, peer) in [(SECOND / 100, fast), (SECOND / 10, slow)] {
            world.wait(wait);
            world.answer(peer);
        }
        assert_eq!((world.asked(fast).len(), world.asked(slow).len()), (1, 1));
        assert_eq!(chosen(world, leaving), fast);
    }
}

#[test]
fn among_equals_it_is_by_lot() {
    let firsts = (0..32).filter(|seed| {
        let (mut world, leaving) = world(*seed);
        let [first, _] = pair(&mut world, false, [&[0, 1], &[0, 2]]);
        chosen(world, leaving) == first
    });
    assert!((8..=24).contains(&firsts.count()), "some this one, some that one");
}
