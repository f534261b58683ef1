//! Peers that hint, and web servers.

use super::{super::*, SECOND, has, model::World, requests};
use crate::storage::Geometry;
use alloc::{vec, vec::Vec};

fn pieces(blocks: &[Block]) -> Vec<u32> {
    let mut pieces: Vec<u32> = blocks.iter().map(|block| block.piece.0).collect();
    pieces.dedup();
    pieces
}

#[test]
fn a_suggested_piece_comes_first_among_those_of_its_tier() {
    let mut world = World::of_pieces(30);
    world.tell(Input::Package { package: PackageId(0), pieces: 0..20, tier: Tier::Background });
    let peer = world.join(true);
    for piece in [3, 21, 7].map(PieceIndex) {
        world.tell(Input::Suggested { peer, piece });
    }
    world.tell(Input::HaveAll { peer });
    world.tell(Input::Unchoked { peer });
    assert_eq!(pieces(&world.asked(peer)), [21]);
}

#[test]
fn a_suggested_piece_that_is_no_longer_rare_comes_in_its_turn() {
    let mut world = World::of_pieces(2);
    let peer = world.join(true);
    let other = world.join(true);
    world.tell(Input::Suggested { peer, piece: PieceIndex(1) });
    world.tell(Input::Have { peer: other, piece: PieceIndex(1) });
    world.tell(Input::HaveAll { peer });
    world.tell(Input::Unchoked { peer });
    assert_eq!(pieces(&world.asked(peer)), [0], "one has it that need not come from here");
}

#[test]
fn an_allowed_piece_is_asked_for_while_the_peer_chokes_us() {
    let mut world = World::of_pieces(30);
    let peer = world.join(true);
    world.tell(Input::HaveAll { peer });
    let actions = world.tell(Input::AllowedFast { peer, piece: PieceIndex(9) });
    assert_eq!(requests(&actions).len(), 4);
    assert_eq!(pieces(&world.asked(peer)), [9]);
    world.tell(Input::Unchoked { peer });
    world.answer(peer);
    world.tell(Input::Choked { peer });
    assert!(!world.asked(peer).is_empty(), "a choke drops none");
    while world.answer(peer) {}
    assert!(world.have[9]);
}

#[test]
fn an_allowed_piece_is_asked_for_once_a_choke_has_emptied_the_queue() {
    let mut world = World::of_pieces(30);
    world.tell(Input::Package { package: PackageId(0), pieces: 9..10, tier: Tier::Background });
    let peer = world.seed(true);
    world.tell(Input::AllowedFast { peer, piece: PieceIndex(9) });
    world.tell(Input::Choked { peer });
    world.wait(SECOND * 2);
    for block in world.asked(peer) {
        world.tell(Input::Rejected { peer, block });
    }
    assert_eq!(pieces(&world.asked(peer)), [9]);
}

#[test]
fn allowed_pieces_are_all_asked_for_within_a_limit_of_open_pieces() {
    let geometry = Geometry::new(16_384, 16_384 * 6).expect("valid");
    let mut world = World::new(Config { pipeline: PipelineLimits::WORKSHOP, ..Config::new(geometry) });
    let peer = world.join(true);
    world.tell(Input::HaveAll { peer });
    for piece in (0..6).map(PieceIndex) {
        world.tell(Input::AllowedFast { peer, piece });
    }
    assert_eq!(world.asked(peer).len(), 3);
    while world.answer(peer) {}
    assert!(world.picker.is_complete());
}

#[test]
fn an_allowed_piece_that_is_rejected_is_allowed_no_longer() {
    let mut world = World::of_pieces(30);
    let peer = world.join(true);
    world.tell(Input::HaveAll { peer });
    world.tell(Input::AllowedFast { peer, piece: PieceIndex(9) });
    for block in world.asked(peer) {
        world.tell(Input::Rejected { peer, block });
    }
    assert!(requests(&world.wait(SECOND * 10)).is_empty());
}

#[test]
fn bad_input_19_a_flood_of_hints_is_dropped_and_counted() {
    let mut world = World::of_pieces(200);
    let peer = world.join(true);
    let old = world.join(false);
    for piece in (0..300).map(PieceIndex) {
        world.tell(Input::Suggested { peer, piece });
        world.tell(Input::AllowedFast { peer, piece });
    }
    assert_eq!((world.picker.counters().out_of_range, world.picker.counters().hints_dropped), (200, 200));
    world.tell(Input::AllowedFast { peer: old, piece: PieceIndex(0) });
    world.tell(Input::Suggested { peer: old, piece: PieceIndex(0) });
    assert_eq!(world.picker.counters().hints_dropped, 202, "not without BEP 6");
    world.tell(Input::HaveAll { peer: old });
    assert!(world.asked(old).is_empty());
}

/// Two mebibytes in pieces of four blocks.
fn web_world() -> (World, PeerKey) {
    let mut world = World::of_pieces(32);
    let web = world.join_as(Source::Web);
    (world, web)
}

#[test]
fn a_web_server_is_asked_for_whole_pieces_one_after_another() {
    let (mut world, web) = web_world();
    let first = world.asked(web);
    assert_eq!(first.iter().map(|block| block.begin / 16_384).collect::<Vec<_>>(), [0, 1, 2, 3]);
    for _ in 0..20 {
        let actions = world.tell(Input::Block { peer: web, block: world.peers[0].asked[0] });
        world.verify();
        let count = requests(&actions).len();
        assert!(count.is_multiple_of(4), "whole pieces only, and not {count} blocks");
    }
    let mut pieces = pieces(&world.asked(web));
    pieces.dedup();
    let one_on = |pair: &[u32]| pair[1] == pair[0] + 1;
    assert!(pieces.len() > 2 && pieces.windows(2).filter(|pair| one_on(pair)).count() + 2 >= pieces.len());
}

#[test]
fn what_a_web_server_sends_unasked_is_stored_if_it_is_missing() {
    let (mut world, web) = web_world();
    let unasked = (0..32).find(|piece| !world.begun(*piece)).expect("much is free");
    let block = Block { piece: PieceIndex(unasked), begin: 16_384, length: 16_384 };
    let actions = world.tell(Input::Block { peer: web, block });
    assert_eq!(actions[0], Action::Store { peer: web, block });
    let again = world.tell(Input::Block { peer: web, block });
    assert_eq!(again[0], Action::Discard { peer: web, block, waste: Waste::Duplicate });
    world.finish();
}

#[test]
fn a_web_server_that_is_silent_for_half_a_minute_gives_back_what_it_was_asked_for() {
    let (mut world, web) = web_world();
    let asked = world.asked(web);
    let actions = world.wait(SECOND * 30 - SECOND / 1000);
    assert!(!has(&actions, |action| matches!(action, Action::Snubbed { .. } | Action::Cancel { .. })));
    let peer = world.leecher(&[asked[0].piece.0]);
    assert!(world.asked(peer).is_empty(), "all of it is asked of the server");
    world.wait(SECOND / 1000);
    assert_eq!(world.asked(peer), asked);
    assert_eq!(world.asked(web).len(), 1, "a block at a time until it sends again");
    world.finish();
}

#[test]
fn a_web_server_that_trickles_is_asked_for_no_more_than_a_slow_peer() {
    let (mut world, web) = web_world();
    (0..20).for_each(|_| assert!(world.answer(web)));
    assert!(world.asked(web).len() > 16, "it was quick");
    for _ in 0..4 {
        world.wait(SECOND * 20);
        assert!(world.answer(web));
    }
    assert_eq!(world.asked(web).len(), 2, "a minute later nothing of that stands");
    world.finish();
}

#[test]
fn a_web_server_that_rejects_is_given_a_rest() {
    let (mut world, web) = web_world();
    for block in world.asked(web) {
        world.tell(Input::Rejected { peer: web, block });
    }
    assert!(world.asked(web).is_empty());
    world.wait(SECOND);
    assert_eq!(world.asked(web).len(), 4);
    world.finish();
}

#[test]
fn the_requests_of_a_web_server_are_not_pre_empted() {
    let geometry = Geometry::new(65_536, 65_536 * 8).expect("valid");
    let mut world = World::new(Config { tier: Tier::Background, ..Config::new(geometry) });
    let web = world.join_as(Source::Web);
    let free = (0..8).find(|piece| !world.begun(*piece)).expect("much is free");
    let package = Input::Package { package: PackageId(0), pieces: free..free + 1, tier: Tier::LobbyUrgent };
    assert_eq!(world.tell(package), vec![]);
    while world.answer(web) {}
    assert!(world.picker.is_complete());
}
