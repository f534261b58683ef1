//! What the picker promises, one claim a test.

mod alone;
mod choice;
mod claims;
mod endgame;
mod hostile;
mod model;
mod promises;
mod properties;
mod sources;
mod steady;
mod tiers;

use super::*;
use crate::{Machine, Outbox, slab::Slab, storage::Geometry};
use alloc::vec::Vec;
use core::{iter, time::Duration};
use model::World;

const SECOND: Duration = Duration::from_secs(1);

fn requests(actions: &[Action]) -> Vec<(PeerKey, Block)> {
    let request = |action: &Action| {
        if let Action::Request { peer, block } = action { Some((*peer, *block)) } else { None }
    };
    actions.iter().filter_map(request).collect()
}

fn has(actions: &[Action], what: impl Fn(&Action) -> bool) -> bool {
    actions.iter().any(what)
}

#[test]
fn an_unchoked_peer_is_asked_for_blocks_of_one_piece_in_order() {
    let mut world = World::of_pieces(8);
    let peer = world.seed(true);
    let asked = world.asked(peer);
    assert_eq!(asked.iter().map(|block| block.begin / 16_384).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(asked.iter().all(|block| block.piece == asked[0].piece));
}

#[test]
fn the_rarest_piece_comes_first() {
    let mut world = World::of_pieces(20);
    for _ in 0..3 {
        let peer = world.join(true);
        let pieces: Vec<u32> = (0..20).filter(|piece| *piece != 13).collect();
        let pieces = world.bitfield(&pieces);
        world.tell(Input::Bitfield { peer, pieces });
    }
    let seed = world.seed(true);
    assert!(world.asked(seed).iter().all(|block| block.piece == PieceIndex(13)));
}

#[test]
fn begun_pieces_are_finished_before_another_is_opened() {
    let mut world = World::of_pieces(8);
    world.tell(Input::Budget { bytes: 16_384 });
    let first = world.seed(true);
    let second = world.seed(true);
    world.tell(Input::Budget { bytes: 5 * 16_384 });
    let piece = world.asked(first)[0].piece;
    let others = [world.asked(first), world.asked(second)].concat();
    assert_eq!(others.iter().filter(|block| block.piece == piece).count(), 4);
    assert_eq!(others.len(), 6);
    assert_eq!(world.picker.open_pieces(), 2);
}

#[test]
fn blocks_that_come_in_are_stored_and_the_last_completes_the_piece() {
    let mut world = World::of_pieces(1);
    let peer = world.seed(true);
    let blocks = world.asked(peer);
    for (count, block) in blocks.iter().enumerate() {
        let actions = world.tell(Input::Block { peer, block: *block });
        assert_eq!(actions[0], Action::Store { peer, block: *block });
        assert_eq!(has(&actions, |action| matches!(action, Action::Complete { .. })), count == 3);
    }
    let actions = world.tell(Input::Verified { piece: PieceIndex(0) });
    assert_eq!(actions, [Action::NotInterested { peer }]);
    assert!(world.picker.is_complete());
}

#[test]
fn a_failed_piece_is_asked_for_again_whole() {
    let mut world = World::of_pieces(1);
    let peer = world.seed(true);
    while !world.asked(peer).is_empty() {
        let block = world.asked(peer)[0];
        world.tell(Input::Block { peer, block });
    }
    let actions = world.tell(Input::Failed { piece: PieceIndex(0) });
    assert_eq!(requests(&actions).len(), 4);
    world.finish();
}

#[test]
fn a_verified_piece_that_was_open_is_cancelled() {
    let mut world = World::of_pieces(3);
    let peer = world.seed(true);
    let piece = world.asked(peer)[0].piece;
    let actions = world.tell(Input::Verified { piece });
    assert_eq!(actions.iter().filter(|action| matches!(action, Action::Cancel { .. })).count(), 4);
    assert!(world.asked(peer).iter().all(|block| block.piece != piece));
    assert_eq!(world.asked(peer).len(), 4, "and the peer is asked for others");
}

#[test]
fn a_held_piece_that_fails_is_wanted_again() {
    let mut world = World::of_pieces(2);
    world.tell(Input::Verified { piece: PieceIndex(0) });
    let peer = world.leecher(&[0]);
    assert!(world.asked(peer).is_empty());
    let actions = world.tell(Input::Failed { piece: PieceIndex(0) });
    assert!(actions.contains(&Action::Interested { peer }));
    assert_eq!(world.asked(peer).len(), 4);
}

#[test]
fn a_choke_without_fast_frees_the_blocks_for_others() {
    let mut world = World::of_pieces(1);
    let first = world.seed(false);
    let second = world.seed(false);
    let blocks = world.asked(first);
    assert_eq!(world.asked(second).len(), 0, "what was only just asked for needs no copy");
    world.tell(Input::Choked { peer: first });
    assert!(world.asked(first).is_empty());
    assert_eq!(world.asked(second).len(), 4);
    assert!(blocks.iter().all(|block| world.asked(second).contains(block)));
}

#[test]
fn a_choke_with_fast_leaves_requests_until_each_is_rejected() {
    let mut world = World::of_pieces(4);
    let peer = world.seed(true);
    let blocks = world.asked(peer);
    world.tell(Input::Choked { peer });
    assert_eq!(world.asked(peer), blocks);
    for block in blocks {
        assert!(world.tell(Input::Rejected { peer, block }).is_empty());
    }
    assert_eq!(world.picker.open_pieces(), 0, "nothing came of it, so it is not open");
    world.tell(Input::Unchoked { peer });
    world.wait(SECOND);
    assert_eq!(world.asked(peer).len(), 4);
}

#[test]
fn a_late_block_is_used_for_a_minute() {
    for (seconds, used) in [(59, true), (61, false)] {
        let mut world = World::of_pieces(1);
        let peer = world.seed(false);
        let block = world.asked(peer)[0];
        world.tell(Input::Choked { peer });
        world.wait(SECOND * seconds);
        let actions = world.tell(Input::Block { peer, block });
        assert_eq!(has(&actions, |action| matches!(action, Action::Store { .. })), used);
        assert_eq!(world.picker.open_pieces(), usize::from(used));
    }
}

#[test]
fn a_late_block_takes_the_request_at_another_back() {
    let mut world = World::of_pieces(1);
    let late = world.seed(false);
    let block = world.asked(late)[0];
    world.tell(Input::Choked { peer: late });
    let other = world.seed(false);
    assert!(world.asked(other).contains(&block));
    let actions = world.tell(Input::Block { peer: late, block });
    assert!(
        actions.starts_with(&[Action::Store { peer: late, block }, Action::Cancel { peer: other, block }])
    );
    world.finish();
}

#[test]
fn a_budget_is_never_overrun_and_goes_round() {
    let mut world = World::of_pieces(64);
    world.tell(Input::Budget { bytes: 0 });
    let peers: Vec<PeerKey> = (0..4).map(|_| world.seed(true)).collect();
    for round in 1..=4 {
        world.tell(Input::Budget { bytes: 4 * 16_384 + 1 });
        let served = peers.iter().filter(|peer| world.other(**peer).asked.len() == 4).count();
        assert_eq!(served, round, "each round another");
    }
}

#[test]
fn padding_is_never_asked_for() {
    let geometry = Geometry::new(65_536, 65_536 * 4).expect("valid");
    // Half of piece 0, all of piece 1, a bit of piece 2.
    let padding = iter::once(32_768..65_536 * 2 + 100).collect();
    let mut world = World::new(Config { padding, ..Config::new(geometry) });
    let peer = world.join(true);
    assert!(world.complete.contains(&PieceIndex(1)), "needs no peer");
    world.verify();
    assert_eq!(world.picker.have().count(), 1);
    world.tell(Input::HaveAll { peer });
    world.finish();
}

#[test]
fn padding_that_fails_is_not_tried_for_ever() {
    let geometry = Geometry::new(16_384, 16_384 * 40).expect("valid");
    let padding = iter::once(0..u64::MAX).collect();
    let mut world = World::new(Config { padding, ..Config::new(geometry) });
    world.join(true);
    assert_eq!(world.complete.len(), 8, "a few at a time");
    for _ in 0..40 {
        let piece = *world.complete.first().expect("one more");
        world.tell(Input::Failed { piece });
    }
    assert!(world.complete.is_empty());
    assert_eq!(world.picker.open_pieces(), 0);
}

#[test]
fn memory_is_at_most_16_bytes_a_piece_and_a_bit_for_each_peer() {
    const PIECES: u32 = 1_000_000;
    let geometry = Geometry::new(16_384, 16_384 * u64::from(PIECES)).expect("valid");
    let mut picker = Picker::new(Config::new(geometry), [1; 32]);
    assert!(picker.memory() <= 16 * PIECES as usize, "{}", picker.memory());
    let (mut keys, mut out) = (Slab::<PeerKey, ()>::new(), Outbox::new());
    let mut some = Bitfield::full(PIECES);
    some.clear(PieceIndex(5));
    let before = picker.memory();
    for _ in 0..8 {
        let peer = keys.insert(());
        let source = Source::Peer { fast: true };
        for input in [Input::PeerJoined { peer, source }, Input::Bitfield { peer, pieces: some.clone() }] {
            let Ok(()) = picker.handle_input(Instant::ZERO, input, &mut out);
        }
    }
    assert!(picker.memory() - before <= 8 * (PIECES as usize / 8 + 1000), "{}", picker.memory() - before);
}
