//! Slots that follow the uplink.

use super::{SECOND, reference::World};
use crate::{
    choker::{Adaptive, Config, Input},
    id::{BLOCK_LENGTH, PeerKey},
};
use alloc::vec::Vec;

const BOUNDS: Adaptive = Adaptive { least: 2, most: 12 };

/// A choker with some slots, an uplink, and 20 peers that want whatever it gives.
struct Uplink {
    world: World,
    peers: Vec<PeerKey>,
}

impl Uplink {
    fn new(slots: u32, adaptive: Option<Adaptive>) -> Self {
        let mut world = World::new(Config { slots, optimistic_slots: 0, adaptive, ..Config::default() });
        let peers = world.join_interested(20);
        Self { world, peers }
    }

    /// How many slots there are after each of six rounds in which the uplink carries so many blocks a second,
    /// and the first `delayed` of those that are served wait for theirs.
    fn carries(&mut self, blocks_per_s: u32, delayed: usize) -> [u32; 6] {
        [(); 6].map(|()| {
            self.world.input(Input::Sent {
                peer: self.peers[0],
                bytes: blocks_per_s * BLOCK_LENGTH * 10,
                backlog: false,
            });
            let served = self.peers.iter().copied().filter(|peer| self.world.choker.is_unchoked(*peer));
            for (place, peer) in served.collect::<Vec<_>>().into_iter().enumerate() {
                self.world.input(Input::Sent { peer, bytes: 0, backlog: place < delayed });
            }
            self.world.run(SECOND * 10);
            self.world.choker.slots()
        })
    }
}

#[test]
fn slots_grow_by_one_a_round_while_the_uplink_has_room() {
    let mut uplink = Uplink::new(3, Some(Adaptive { most: 7, ..BOUNDS }));
    assert_eq!(uplink.carries(1, 0), [4, 5, 6, 7, 7, 7]);
    assert_eq!(uplink.world.choker.unchoked(), 7);
}

#[test]
fn peers_that_wait_for_their_own_downlink_do_not_hide_that_there_is_room() {
    assert_eq!(Uplink::new(4, Some(BOUNDS)).carries(1, 2), [5, 6, 7, 8, 9, 10]);
    assert_eq!(Uplink::new(4, Some(BOUNDS)).carries(2, 3), [4; 6]);
}

#[test]
fn a_full_uplink_grows_slots_to_a_block_a_second_for_each() {
    assert_eq!(Uplink::new(3, Some(BOUNDS)).carries(6, 20), [4, 5, 6, 6, 6, 6]);
}

#[test]
fn a_full_uplink_closes_slots_that_get_less_than_half_a_block_a_second() {
    let mut uplink = Uplink::new(11, Some(BOUNDS));
    // None of them may be choked before it had its ten seconds.
    uplink.world.run(SECOND);
    assert_eq!(uplink.carries(5, 20), [5; 6]);
    assert_eq!(uplink.world.choker.unchoked(), 5);
    assert_eq!(Uplink::new(10, Some(BOUNDS)).carries(5, 20), [10; 6], "half a block for each");
}

#[test]
fn slots_settle_on_an_uplink_that_is_not_quite_steady() {
    let mut uplink = Uplink::new(12, Some(BOUNDS));
    uplink.carries(4, 20);
    for blocks_per_s in [3, 4, 2, 3, 4] {
        assert_eq!(uplink.carries(blocks_per_s, 20), [4; 6]);
    }
}

#[test]
fn slots_keep_to_their_bounds() {
    assert_eq!(Uplink::new(20, Some(BOUNDS)).world.choker.slots(), 12);
    assert_eq!(Uplink::new(1, Some(BOUNDS)).world.choker.slots(), 2);
    assert_eq!(Uplink::new(8, Some(BOUNDS)).carries(0, 20), [2; 6]);
    assert_eq!(Uplink::new(10, Some(BOUNDS)).carries(100, 20), [11, 12, 12, 12, 12, 12]);
}

#[test]
fn slots_do_not_grow_where_nobody_waits() {
    let mut world = World::new(Config { slots: 3, adaptive: Some(BOUNDS), ..Config::default() });
    world.join_interested(3);
    world.run(SECOND * 60);
    assert_eq!(world.choker.slots(), 3);
}

#[test]
fn slots_are_fixed_unless_somebody_wants_otherwise() {
    for delayed in [0, 20] {
        assert_eq!(Uplink::new(3, None).carries(1, delayed), [3; 6]);
    }
}
