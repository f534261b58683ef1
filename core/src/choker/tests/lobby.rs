//! Peers that are urgent.

use super::{SECOND, reference::World};
use crate::{
    Instant, Machine,
    choker::{Action, Config, Input},
    id::PeerKey,
};

/// One slot, none by lot, `lobby_slots` as usual.
fn world() -> World {
    World::new(Config { slots: 1, optimistic_slots: 0, ..Config::default() })
}

fn ask(peer: PeerKey) -> Input {
    Input::Lobby { peer, wants: true }
}

#[test]
fn an_urgent_peer_is_unchoked_at_once_and_beyond_the_slots() {
    let mut world = world();
    let peers = world.join_interested(3);
    assert_eq!(world.input(ask(peers[2])), [Action::Unchoke { peer: peers[2] }]);
    assert_eq!(world.unchoked(&peers), [true, false, true]);
    assert_eq!(world.choker.unchoked(), 2);
}

#[test]
fn an_urgent_peer_leaves_its_slot_to_the_next() {
    let mut world = world();
    let peers = world.join_interested(2);
    assert_eq!(world.input(ask(peers[0])), [Action::Unchoke { peer: peers[1] }]);
}

#[test]
fn the_fifth_is_not_exempted() {
    let mut world = world();
    let peers = world.join_interested(6);
    for peer in &peers[1..5] {
        assert_eq!(world.input(ask(*peer)).len(), 1);
    }
    assert_eq!(world.input(ask(peers[5])), []);
    assert!(!world.choker.is_lobby(peers[5]));
    world.leave(peers[1]);
    assert_eq!(world.input(ask(peers[5])), [Action::Unchoke { peer: peers[5] }]);
}

#[test]
fn urgency_lapses_after_a_minute_and_the_next_round_decides() {
    let mut world = world();
    let peers = world.join_interested(2);
    world.run(SECOND * 5);
    world.input(ask(peers[1]));
    world.run(SECOND * 59);
    assert!(world.choker.is_lobby(peers[1]));
    world.run(SECOND);
    assert!(!world.choker.is_lobby(peers[1]) && world.choker.is_unchoked(peers[1]));
    world.input(Input::Downloaded { peer: peers[0], bytes: 1 });
    assert_eq!(world.run(SECOND * 5), [Action::Choke { peer: peers[1] }]);
}

#[test]
fn urgency_that_is_renewed_lasts() {
    let mut world = world();
    let peers = world.join_interested(2);
    for _ in 0..10 {
        world.input(ask(peers[1]));
        assert_eq!(world.run(SECOND * 50), []);
    }
    assert!(world.choker.is_lobby(peers[1]));
}

#[test]
fn the_round_may_leave_a_peer_its_slot_when_it_is_no_longer_urgent() {
    let mut world = world();
    let peers = world.join_interested(2);
    world.input(ask(peers[1]));
    world.run(SECOND * 15);
    world.input(Input::Downloaded { peer: peers[1], bytes: 1 });
    assert_eq!(world.input(Input::Lobby { peer: peers[1], wants: false }), []);
    assert_eq!(world.run(SECOND * 5), [Action::Choke { peer: peers[0] }]);
}

#[test]
fn without_interest_nobody_is_urgent() {
    let mut world = world();
    let peer = world.join();
    assert_eq!(world.input(ask(peer)), []);
    assert!(!world.choker.is_lobby(peer));
    let peer = world.join_interested(2)[1];
    world.input(ask(peer));
    world.input(Input::NotInterested { peer });
    assert!(!world.choker.is_lobby(peer));
    assert_eq!(world.run(SECOND * 10), [Action::Choke { peer }]);
}

#[test]
fn an_urgent_peer_that_was_just_choked_is_unchoked_when_it_has_rested() {
    let mut world = world();
    let peers = world.join_interested(2);
    world.input(Input::Downloaded { peer: peers[1], bytes: 1 });
    world.run(SECOND * 14);
    assert_eq!(world.unchoked(&peers), [false, true]);
    assert_eq!(world.input(ask(peers[0])), []);
    let due = world.choker.poll_timeout().map(|deadline| deadline.at);
    assert_eq!(due, Some(Instant::ZERO + SECOND * 20));
    assert!(world.run(SECOND * 6).contains(&Action::Unchoke { peer: peers[0] }));
}

#[test]
fn bad_input_17_flapping_urgency_costs_bounded_work_and_is_not_toggled() {
    let mut world = world();
    let peers = world.join_interested(20);
    let mut actions = 0;
    for _ in 0..1000 {
        for peer in peers.iter().copied() {
            actions += world.input(ask(peer)).len();
            actions += world.input(Input::Lobby { peer, wants: false }).len();
        }
        actions += world.run(SECOND / 50).len();
    }
    // Twenty seconds: at each round four are dismissed and four others exempted.
    assert!(actions <= 3 * 9, "{actions} actions");
}
