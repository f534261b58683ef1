//! The choker against its laws, a naive one, and peers that flap, flood and lie.

mod adaptive;
mod event;
mod lobby;
mod reference;
mod seeding;

use self::{
    event::{any_config, any_event},
    reference::World,
};
use super::*;
use crate::{
    Instant, Machine, Outbox, Seed,
    testing::{Dice, check_laws},
};
use alloc::vec::Vec;
use core::time::Duration;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn interested_peers_take_free_slots_at_once() {
    let mut world = World::new(Config::default());
    let peers = world.join_interested(7);
    assert_eq!(world.unchoked(&peers), [true, true, true, true, true, false, false]);
    assert!(world.choker.is_optimistic(peers[4]) && !world.choker.is_optimistic(peers[3]));
}

#[test]
fn peers_that_want_nothing_get_nothing() {
    let mut world = World::new(Config::default());
    let peer = world.join();
    world.run(SECOND * 100);
    assert!(!world.choker.is_unchoked(peer));
}

#[test]
fn rounds_come_every_ten_seconds_while_there_are_peers() {
    let mut world = World::new(Config::default());
    assert_eq!(world.choker.poll_timeout(), None);
    let peer = world.join();
    for round in 1..4 {
        let due = world.choker.poll_timeout().map(|deadline| deadline.at);
        assert_eq!(due, Some(Instant::ZERO + SECOND * 10 * round));
        world.run(SECOND * 10);
    }
    world.leave(peer);
    assert_eq!(world.choker.poll_timeout(), None);
}

#[test]
fn leeching_serves_those_who_give_most() {
    let mut world = World::new(Config { optimistic_slots: 0, ..Config::default() });
    let peers = world.join_interested(8);
    for (bytes, peer) in peers.iter().enumerate() {
        world.input(Input::Downloaded { peer: *peer, bytes: bytes as u32 * 1000 });
    }
    world.run(SECOND * 10);
    assert_eq!(world.unchoked(&peers), [false, false, false, false, true, true, true, true]);
}

#[test]
fn bad_input_14_peers_that_give_nothing_take_turns() {
    let mut world = World::new(Config { optimistic_slots: 0, slots: 1, ..Config::default() });
    let peers = world.join_interested(3);
    let mut served = Vec::new();
    for _ in 0..3 {
        served.push(world.unchoked(&peers));
        for peer in peers.iter().copied().filter(|peer| world.choker.is_unchoked(*peer)).collect::<Vec<_>>() {
            world.input(Input::Uploaded { peer, bytes: u32::MAX });
        }
        world.run(SECOND * 10);
    }
    assert_eq!(served, [[true, false, false], [false, true, false], [false, false, true]]);
}

#[test]
fn bytes_count_for_two_rounds() {
    let mut world = World::new(Config { optimistic_slots: 0, slots: 1, ..Config::default() });
    let peers = world.join_interested(2);
    world.input(Input::Downloaded { peer: peers[1], bytes: 100 });
    world.run(SECOND * 10);
    world.input(Input::Downloaded { peer: peers[0], bytes: 50 });
    world.run(SECOND * 10);
    assert_eq!(world.unchoked(&peers), [false, true], "50 against 100 of the round before");
    world.run(SECOND * 10);
    assert_eq!(world.unchoked(&peers), [true, false], "50 of the round before against nothing");
}

#[test]
fn a_free_slot_goes_to_the_next_in_line_at_once() {
    let mut world = World::new(Config { optimistic_slots: 0, slots: 1, ..Config::default() });
    let peers = world.join_interested(3);
    world.input(Input::Downloaded { peer: peers[0], bytes: 9 });
    world.input(Input::Downloaded { peer: peers[2], bytes: 5 });
    world.run(SECOND * 13);
    assert_eq!(world.input(Input::PeerLeft { peer: peers[0] }), [Action::Unchoke { peer: peers[2] }]);
}

#[test]
fn a_slot_of_an_uninterested_peer_is_taken_at_once() {
    let mut world = World::new(Config { optimistic_slots: 0, slots: 1, ..Config::default() });
    let peers = world.join_interested(2);
    let actions = world.input(Input::NotInterested { peer: peers[0] });
    assert_eq!(actions, [Action::Choke { peer: peers[0] }, Action::Unchoke { peer: peers[1] }]);
}

#[test]
fn a_slot_that_nobody_wants_stays_open_for_returning_interest() {
    let mut world = World::new(Config::default());
    let peer = world.join_interested(1)[0];
    assert_eq!(world.input(Input::NotInterested { peer }), []);
    world.run(SECOND * 60);
    assert!(world.choker.is_unchoked(peer));
    assert_eq!(world.input(Input::Interested { peer }), []);
}

#[test]
fn optimistic_slots_change_hands_every_thirty_seconds() {
    let mut world = World::new(Config { slots: 0, ..Config::default() });
    let peers = world.join_interested(5);
    let mut holders = Vec::new();
    for _ in 0..3 {
        let holder: Vec<PeerKey> =
            peers.iter().copied().filter(|peer| world.choker.is_unchoked(*peer)).collect();
        world.run(SECOND * 29);
        assert!(world.choker.is_unchoked(holder[0]), "its term is not over");
        world.run(SECOND);
        assert!(!world.choker.is_unchoked(holder[0]), "its term is over");
        holders.extend(holder);
    }
    assert_eq!(holders.len(), 3);
}

#[test]
fn an_optimistic_peer_that_ranks_high_is_promoted_without_a_word() {
    let mut world = World::new(Config { slots: 1, ..Config::default() });
    let peers = world.join_interested(3);
    assert!(world.choker.is_optimistic(peers[1]));
    world.input(Input::Downloaded { peer: peers[1], bytes: 100 });
    let actions = world.run(SECOND * 10);
    assert_eq!(actions, [Action::Choke { peer: peers[0] }, Action::Unchoke { peer: peers[2] }]);
    assert!(world.choker.is_unchoked(peers[1]) && !world.choker.is_optimistic(peers[1]));
}

#[test]
fn nobody_is_choked_while_a_slot_would_stay_empty() {
    let mut world = World::new(Config { slots: 1, ..Config::default() });
    let peers = world.join_interested(2);
    world.input(Input::Downloaded { peer: peers[1], bytes: 100 });
    assert_eq!(world.run(SECOND * 100), [], "they change places");
    assert!(world.choker.is_optimistic(peers[0]));
}

#[test]
fn newcomers_are_drawn_three_times_as_often() {
    let trials: u16 = 2000;
    let mut newcomers = 0;
    for trial in 0..trials {
        let mut seed = Seed::default();
        seed[..2].copy_from_slice(&trial.to_le_bytes());
        let mut world = World::new(Config { slots: 0, ..Config::default() });
        world.choker = Choker::new(world.config, seed);
        // At 90 s, ten of these wait, one holds the slot and is due to lose it.
        world.join_interested(11);
        world.run(SECOND * 60);
        let new = world.join_interested(10);
        world.run(SECOND * 30);
        newcomers += u32::from(new.iter().any(|peer| world.choker.is_unchoked(*peer)));
    }
    let share = newcomers * 100 / u32::from(trials);
    assert!((70..=80).contains(&share), "{share} % instead of 75 %");
}

#[test]
fn bad_input_17_flapping_interest_costs_two_actions_each_time_at_most() {
    let mut world = World::new(Config { slots: 1, optimistic_slots: 0, ..Config::default() });
    let peers = world.join_interested(3);
    for _ in 0..10_000 {
        for peer in peers.iter().copied() {
            let actions = world.input(Input::NotInterested { peer }).len()
                + world.input(Input::Interested { peer }).len();
            assert!(actions <= 2, "{actions} actions");
        }
        world.run(Duration::from_millis(1));
    }
}

#[test]
fn bad_input_17_whoever_flaps_takes_nothing_from_who_is_served() {
    let mut world = World::new(Config { slots: 1, optimistic_slots: 0, ..Config::default() });
    let peers = world.join_interested(3);
    for _ in 0..9_999 {
        for peer in peers[1..].iter().copied() {
            assert_eq!(world.input(Input::NotInterested { peer }), []);
            assert_eq!(world.input(Input::Interested { peer }), []);
        }
        assert_eq!(world.run(Duration::from_millis(1)), []);
    }
}

#[test]
fn who_was_choked_while_it_wanted_nothing_is_served_again_as_soon_as_it_wants() {
    let mut world = World::new(Config { slots: 1, optimistic_slots: 0, ..Config::default() });
    let peers = world.join_interested(2);
    world.input(Input::NotInterested { peer: peers[0] });
    assert_eq!(world.unchoked(&peers), [false, true]);
    world.input(Input::NotInterested { peer: peers[1] });
    let actions = world.input(Input::Interested { peer: peers[0] });
    assert_eq!(actions, [Action::Choke { peer: peers[1] }, Action::Unchoke { peer: peers[0] }]);
}

#[test]
fn bad_input_17_coming_and_going_does_not_grow_memory() {
    let mut world = World::new(Config::default());
    world.join_interested(5);
    let mut most = 0;
    for _ in 0..10_000 {
        let peer = world.join_interested(1)[0];
        world.leave(peer);
        most = most.max(world.choker.memory());
    }
    assert!(most < 4096, "{most} bytes for six peers");
}

#[test]
fn bad_input_42_a_year_asleep_is_one_round() {
    let mut world = World::new(Config::default());
    world.join_interested(20);
    let mut out = Outbox::new();
    let year = Instant::ZERO + SECOND * 365 * 24 * 3600;
    assert_eq!(world.choker.handle_timeout(year, &mut out), Ok(()));
    assert!(out.len() <= 10);
    assert_eq!(world.choker.handle_timeout(Instant::ZERO, &mut out), Ok(()));
    assert_eq!(world.choker.poll_timeout().map(|deadline| deadline.at), Some(year + SECOND * 10));
}

#[test]
fn stale_keys_are_ignored_and_counted() {
    let mut world = World::new(Config::default());
    let peer = world.join_interested(1)[0];
    world.leave(peer);
    let next = world.join();
    assert_eq!((next.index(), next == peer), (peer.index(), false));
    assert_eq!(world.input(Input::Interested { peer }), []);
    assert!(!world.choker.is_unchoked(next));
    assert_eq!(world.choker.strays(), 1);
}

#[test]
fn the_laws_hold() {
    for seed in 0..200 {
        check_laws(subject::AnyChoker::default(), Dice::seeded(seed), 300);
    }
}

proptest! {
    #[test]
    fn every_call_is_as_a_naive_choker_wants_it(
        config in any_config(),
        seeding in any::<bool>(),
        events in proptest::collection::vec(any_event(), 0..300),
    ) {
        let mut world = World::new(config);
        world.input(Input::Seeding(seeding));
        for event in events {
            world.play(event);
        }
        world.run(SECOND * 130);
    }
}
