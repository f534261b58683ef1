//! Pieces that failed, and who sends them then.

use super::{super::*, SECOND, World, has, requests};
use crate::storage::Geometry;
use alloc::vec::Vec;

const PIECE: PieceIndex = PieceIndex(0);

/// A torrent of one piece of four blocks. A peer that has it sent it, and it is wrong: the peer is asked for
/// all of it again.
fn failed(tier: Tier) -> (World, PeerKey) {
    let geometry = Geometry::new(65_536, 65_536).expect("valid");
    let mut world = World::new(Config { tier, ..Config::new(geometry) });
    let peer = world.seed(true);
    while let Some(block) = world.asked(peer).first().copied() {
        world.tell(Input::Block { peer, block });
    }
    world.tell(Input::Failed { piece: PIECE });
    assert_eq!(world.asked(peer).len(), 4);
    (world, peer)
}

/// A peer sends the first of what it owes.
fn send(world: &mut World, peer: PeerKey) -> Vec<Action> {
    let block = world.asked(peer)[0];
    world.tell(Input::Block { peer, block })
}

fn wait_for(world: &mut World, peer: PeerKey) -> u64 {
    let wait = |world: &mut World| world.wait(SECOND);
    (1..100)
        .find(|_| {
            wait(world);
            !world.asked(peer).is_empty()
        })
        .expect("in time")
}

#[test]
fn a_piece_that_failed_is_asked_of_one_peer_alone_even_in_endgame() {
    for tier in [Tier::UserRequested, Tier::Header] {
        let (mut world, first) = failed(tier);
        let second = world.seed(true);
        (0..4).for_each(|_| {
            world.wait(SECOND * 2);
            assert_eq!(world.asked(second), []);
            send(&mut world, first);
        });
        assert!(world.complete.contains(&PIECE));
    }
}

#[test]
fn a_piece_that_is_verified_and_fails_again_later_is_asked_of_anybody() {
    let (mut world, _) = failed(Tier::UserRequested);
    world.tell(Input::Verified { piece: PIECE });
    world.tell(Input::Failed { piece: PIECE });
    let second = world.seed(true);
    world.wait(SECOND * 9);
    assert!(!world.asked(second).is_empty(), "a copy of what a stalled peer owes");
}

#[test]
fn bad_input_16_who_trickles_a_failed_piece_loses_it_to_another_who_sends_it_from_the_start() {
    let (mut world, trickler) = failed(Tier::UserRequested);
    let second = world.seed(true);
    (0..3).for_each(|_| {
        world.wait(SECOND * 9);
        send(&mut world, trickler);
    });
    let late = world.asked(trickler)[0];
    let actions = world.wait(SECOND * 4);
    assert!(actions.contains(&Action::Cancel { peer: trickler, block: late }));
    assert_eq!(requests(&actions).iter().filter(|(peer, _)| *peer == second).count(), 4);
    let discard = Action::Discard { peer: trickler, block: late, waste: Waste::Duplicate };
    assert!(world.tell(Input::Block { peer: trickler, block: late }).contains(&discard));
    (0..4).for_each(|_| drop(send(&mut world, second)));
    assert!(world.complete.contains(&PIECE));
}

#[test]
fn a_failed_piece_that_nobody_else_has_is_finished_by_who_began_it_however_slowly() {
    let (mut world, only) = failed(Tier::UserRequested);
    for _ in 0..3 {
        send(&mut world, only);
        world.tell(Input::Choked { peer: only });
        world.wait(SECOND * 100);
        world.tell(Input::Unchoked { peer: only });
    }
    let actions = send(&mut world, only);
    assert!(has(&actions, |action| matches!(action, Action::Complete { .. })));
}

#[test]
fn bad_input_18_a_failed_piece_passes_on_when_its_sender_is_silent_rejects_or_leaves() {
    let (mut world, silent) = failed(Tier::UserRequested);
    let second = world.seed(true);
    send(&mut world, silent);
    assert!((10..=11).contains(&wait_for(&mut world, second)));
    assert_eq!(world.asked(second).len(), 4);

    let (mut world, peer) = failed(Tier::UserRequested);
    let second = world.seed(true);
    send(&mut world, peer);
    let block = world.asked(peer)[0];
    world.tell(Input::Rejected { peer, block });
    assert_eq!(world.asked(second).len(), 4);
    assert_eq!(world.asked(peer), []);

    let (mut world, peer) = failed(Tier::UserRequested);
    let second = world.seed(true);
    send(&mut world, peer);
    world.tell(Input::PeerLeft { peer });
    assert_eq!(world.asked(second).len(), 4);
    world.finish();
}

#[test]
fn bad_input_18_two_who_let_their_turns_lapse_do_not_pass_a_piece_to_and_fro() {
    let (mut world, first) = failed(Tier::UserRequested);
    let second = world.seed(true);
    send(&mut world, first);
    wait_for(&mut world, second);
    send(&mut world, second);
    let third = world.seed(true);
    send(&mut world, second);
    assert!(wait_for(&mut world, third) <= 11);
    assert_eq!([world.asked(first).len(), world.asked(third).len()], [0, 4]);
}

#[test]
fn slow_peers_do_not_take_a_failed_piece_from_each_other_for_ever() {
    let (mut world, first) = failed(Tier::UserRequested);
    let second = world.seed(true);
    let takes_s = (0..300).step_by(9).find(|_| {
        world.wait(SECOND * 9);
        for peer in [first, second] {
            if !world.asked(peer).is_empty() {
                send(&mut world, peer);
            }
        }
        world.complete.contains(&PIECE)
    });
    assert!(takes_s.is_some_and(|takes_s| takes_s < 150), "{takes_s:?}");
}

#[test]
fn a_peer_sends_one_failed_piece_at_a_time() {
    let mut world = World::of_pieces(3);
    let first = world.seed(true);
    while let Some(block) = world.asked(first).first().copied() {
        world.tell(Input::Block { peer: first, block });
    }
    (0..3).for_each(|piece| drop(world.tell(Input::Failed { piece: PieceIndex(piece) })));
    assert_eq!(world.asked(first).len(), 4);
    let second = world.seed(true);
    assert_eq!(world.asked(second).len(), 4);
    assert_ne!(world.asked(first)[0].piece, world.asked(second)[0].piece);
    world.finish();
}
