//! Slots that follow the uplink.

use super::{SECOND, reference::World};
use crate::choker::{Adaptive, Config, Input};

fn world(adaptive: Option<Adaptive>) -> World {
    let mut world = World::new(Config { slots: 3, optimistic_slots: 0, adaptive, ..Config::default() });
    world.join_interested(10);
    world
}

/// How many slots there are after each of six rounds in which the uplink had room, or not.
fn slots(world: &mut World, spare: bool) -> [u32; 6] {
    [(); 6].map(|()| {
        world.input(Input::Uplink { spare });
        world.run(SECOND * 10);
        world.choker.slots()
    })
}

const BOUNDS: Option<Adaptive> = Some(Adaptive { least: 2, most: 7 });

#[test]
fn slots_grow_by_one_a_round_while_the_uplink_has_room() {
    let mut world = world(BOUNDS);
    assert_eq!(slots(&mut world, true), [4, 5, 6, 7, 7, 7]);
    assert_eq!(world.choker.unchoked(), 7);
}

#[test]
fn slots_shrink_by_one_a_round_while_it_has_none() {
    let mut world = world(BOUNDS);
    slots(&mut world, true);
    assert_eq!(slots(&mut world, false), [6, 5, 4, 3, 2, 2]);
    assert_eq!(world.choker.unchoked(), 2);
}

#[test]
fn slots_stay_where_nothing_is_said_or_nobody_waits() {
    let mut world = world(BOUNDS);
    world.run(SECOND * 60);
    assert_eq!(world.choker.slots(), 3);
    let mut world = World::new(Config { slots: 3, adaptive: BOUNDS, ..Config::default() });
    world.join_interested(3);
    assert_eq!(slots(&mut world, true), [3; 6]);
}

#[test]
fn a_round_in_which_room_was_lacking_once_had_none() {
    let mut world = world(BOUNDS);
    for spare in [true, false, true] {
        world.input(Input::Uplink { spare });
    }
    world.run(SECOND * 10);
    assert_eq!(world.choker.slots(), 2);
}

#[test]
fn slots_are_fixed_unless_somebody_wants_otherwise() {
    assert_eq!(slots(&mut world(None), true), [3; 6]);
    assert_eq!(slots(&mut world(None), false), [3; 6]);
}
