//! What is asked for before what.

use super::{super::*, SECOND, has, model::World, requests};
use crate::{Instant, storage::Geometry};
use alloc::vec::Vec;

const URGENT: PackageId = PackageId(1);

/// A package's pieces have this tier.
fn set(world: &mut World, package: PackageId, pieces: Range<u32>, tier: Tier) -> Vec<Action> {
    world.tell(Input::Package { package, pieces, tier })
}

/// Which pieces a peer is asked for, in order.
fn pieces_asked(world: &mut World, peer: PeerKey) -> Vec<u32> {
    let mut pieces: Vec<u32> = world.asked(peer).iter().map(|block| block.piece.0).collect();
    pieces.dedup();
    pieces
}

/// Has everything and queues up to 32 requests.
fn deep_seed(world: &mut World) -> PeerKey {
    let peer = world.seed(true);
    for _ in 0..28 {
        world.answer(peer);
    }
    peer
}

/// A seed that queues few requests.
fn brief(world: &mut World, requests: u32) -> PeerKey {
    let peer = world.join(true);
    world.tell(Input::RequestLimit { peer, requests });
    world.tell(Input::HaveAll { peer });
    world.tell(Input::Unchoked { peer });
    peer
}

#[test]
fn skipped_pieces_are_not_asked_for_and_do_not_interest() {
    let mut world = World::of_pieces(4);
    let peer = world.leecher(&[1, 2]);
    let package = PackageId(0);
    world.tell(Input::Package { package, pieces: 1..3, tier: Tier::Skip });
    assert!(world.asked(peer).is_empty());
    assert_eq!(world.picker.wanted_from(peer), 0);
    assert_eq!(world.picker.wanted_bytes(), 2 * 65_536);
    let actions = world.tell(Input::Package { package, pieces: 1..2, tier: Tier::Skip });
    assert!(actions.contains(&Action::Interested { peer }));
    assert!(world.asked(peer).iter().all(|block| block.piece == PieceIndex(2)));
    assert_eq!(world.asked(peer).len(), 4);
}

#[test]
fn a_piece_that_is_skipped_while_open_keeps_its_blocks_and_goes_on_later() {
    let mut world = World::of_pieces(1);
    let peer = world.seed(true);
    world.answer(peer);
    let actions = set(&mut world, URGENT, 0..1, Tier::Skip);
    assert_eq!(actions.iter().filter(|action| matches!(action, Action::Cancel { .. })).count(), 3);
    assert!(actions.contains(&Action::NotInterested { peer }));
    assert!(world.picker.is_finished() && !world.picker.is_complete());
    assert_eq!((world.picker.open_pieces(), world.picker.missing_bytes()), (1, 0));
    let (late, _) = world.other(peer).late[0];
    let actions = world.tell(Input::Block { peer, block: late });
    assert_eq!(actions, [Action::Store { peer, block: late }], "it was on its way");
    let actions = set(&mut world, URGENT, 0..0, Tier::Skip);
    assert_eq!(requests(&actions).len(), 2);
    world.finish();
}

#[test]
fn requests_go_to_the_highest_tier_that_a_peer_has() {
    let mut world = World::of_pieces(9);
    set(&mut world, PackageId(0), 0..9, Tier::Background);
    set(&mut world, PackageId(2), 3..5, Tier::UserRequested);
    set(&mut world, URGENT, 7..8, Tier::LobbyUrgent);
    let all = world.seed(true);
    assert_eq!(pieces_asked(&mut world, all), [7]);
    let user = world.leecher(&[1, 4, 7]);
    assert_eq!(pieces_asked(&mut world, user), [4]);
    let some = world.leecher(&[1, 7]);
    assert_eq!(pieces_asked(&mut world, some), [1]);
}

#[test]
fn a_piece_has_the_highest_tier_of_its_packages() {
    let mut world = World::of_pieces(9);
    set(&mut world, PackageId(3), 4..5, Tier::LobbyUrgent);
    set(&mut world, PackageId(9), 0..9, Tier::Background);
    let peer = world.seed(true);
    assert_eq!(pieces_asked(&mut world, peer), [4]);
}

#[test]
fn urgent_blocks_take_the_place_of_the_oldest_of_the_background_and_no_more_than_needed() {
    let mut world = World::of_pieces(30);
    set(&mut world, PackageId(0), 0..30, Tier::Background);
    let peer = deep_seed(&mut world);
    let before = world.asked(peer);
    let fresh = (0..30).find(|piece| !world.begun(*piece)).expect("some are not begun");
    let actions = set(&mut world, URGENT, fresh..fresh + 1, Tier::LobbyUrgent);
    let taken: Vec<Block> = actions
        .iter()
        .filter_map(|action| if let Action::Cancel { block, .. } = action { Some(*block) } else { None })
        .collect();
    assert_eq!(taken, before[..4], "four blocks, the oldest");
    let asked = requests(&actions);
    assert!(asked.len() == 4 && asked.iter().all(|(_, block)| block.piece.0 == fresh), "{asked:?}");
    let actions = world.tell(Input::Block { peer, block: taken[0] });
    assert_eq!(actions[0], Action::Store { peer, block: taken[0] }, "what comes all the same is used");
    let other = world.seed(true);
    assert_eq!(world.asked(other)[..3], taken[1..], "and what is taken back is free for others");
}

#[test]
fn the_oldest_of_all_gives_way_first_whoever_owes_it() {
    let mut world = World::of_pieces(30);
    set(&mut world, PackageId(0), 0..30, Tier::Background);
    let first = world.seed(true);
    world.wait(SECOND / 100);
    let second = world.seed(true);
    world.wait(SECOND / 100);
    world.answer(first);
    let (olds, others) = (world.asked(first), world.asked(second));
    assert_eq!((olds.len(), others.len()), (5, 4), "three that are older, and two that are younger");
    let fresh = (0..30).find(|piece| !world.begun(*piece)).expect("some are not begun");
    let actions = set(&mut world, URGENT, fresh..fresh + 1, Tier::LobbyUrgent);
    let taken: Vec<(PeerKey, Block)> = actions
        .iter()
        .filter_map(
            |action| if let Action::Cancel { peer, block } = action { Some((*peer, *block)) } else { None },
        )
        .collect();
    let oldest = [(first, olds[0]), (first, olds[1]), (first, olds[2]), (second, others[0])];
    assert_eq!(taken, oldest);
}

#[test]
fn nobody_gives_way_while_another_has_room() {
    let mut world = World::of_pieces(30);
    set(&mut world, PackageId(0), 0..20, Tier::Background);
    set(&mut world, PackageId(2), 20..30, Tier::Skip);
    let peers = [0, 1].map(|own| world.leecher(&[own, 25, 26]));
    for peer in peers {
        (0..2).for_each(|_| assert!(world.answer(peer)));
    }
    let actions = set(&mut world, URGENT, 25..27, Tier::UserRequested);
    assert!(!has(&actions, |action| matches!(action, Action::Cancel { .. })), "{actions:?}");
    assert!(peers.iter().all(|peer| world.asked(*peer).len() == 6), "each has room for four");
}

#[test]
fn no_block_is_taken_back_twice() {
    let mut world = World::of_pieces(30);
    set(&mut world, PackageId(0), 0..30, Tier::Background);
    let peer = world.seed(true);
    let mut taken: Vec<Block> = Vec::new();
    for piece in (0..30).rev() {
        if world.begun(piece) {
            continue;
        }
        for action in set(&mut world, URGENT, piece..piece + 1, Tier::LobbyUrgent) {
            let Action::Cancel { block, .. } = action else { continue };
            assert!(!taken.contains(&block), "{block:?}");
            taken.push(block);
        }
        while world.asked(peer).iter().any(|block| block.piece.0 == piece) {
            world.answer(peer);
        }
    }
    assert!(taken.len() >= 4);
}

#[test]
fn what_has_room_elsewhere_pre_empts_nobody() {
    let mut world = World::of_pieces(30);
    set(&mut world, PackageId(0), 0..20, Tier::Background);
    set(&mut world, PackageId(2), 20..30, Tier::Skip);
    let full = world.leecher(&[0, 1, 2, 25]);
    let idle = world.leecher(&[25]);
    assert!(world.asked(idle).is_empty() && world.asked(full).len() == 4);
    let actions = set(&mut world, URGENT, 25..26, Tier::UserRequested);
    assert!(!has(&actions, |action| matches!(action, Action::Cancel { .. })));
    assert_eq!(pieces_asked(&mut world, idle), [25]);
}

#[test]
fn a_header_pre_empts_nobody_and_is_spread_over_three_peers() {
    let geometry = Geometry::new(16_384 * 12, 16_384 * 120).expect("valid");
    let mut world = World::new(Config::new(geometry));
    set(&mut world, PackageId(0), 0..10, Tier::Background);
    let busy = world.seed(true);
    let actions = set(&mut world, PackageId(1), 9..10, Tier::Header);
    assert!(actions.is_empty(), "{actions:?}");
    let peers: Vec<PeerKey> = (0..4).map(|_| world.seed(true)).collect();
    let of_header = |world: &mut World, peer| {
        world.asked(peer).iter().filter(|block| block.piece == PieceIndex(9)).count()
    };
    let shares: Vec<usize> = peers.iter().map(|peer| of_header(&mut world, *peer)).collect();
    assert_eq!(shares, [4, 4, 4, 0]);
    assert_eq!(of_header(&mut world, busy), 0);
    world.finish();
}

#[test]
fn the_share_of_a_header_that_a_peer_leaves_is_anothers() {
    let geometry = Geometry::new(16_384 * 12, 16_384 * 12).expect("valid");
    let mut world = World::new(Config { tier: Tier::Header, ..Config::new(geometry) });
    let peers: Vec<PeerKey> = (0..3).map(|_| brief(&mut world, 1)).collect();
    let other = world.seed(true);
    assert!(world.asked(other).is_empty(), "three peers at most");
    world.tell(Input::Choked { peer: peers[0] });
    world.answer(peers[0]);
    assert_eq!(world.asked(other).len(), 4);
}

#[test]
fn a_deadline_outranks_tiers_and_rarity_the_soonest_first() {
    let mut world = World::of_pieces(9);
    set(&mut world, URGENT, 2..3, Tier::LobbyUrgent);
    for (piece, seconds) in [(5, 20), (8, 10), (3, 30)] {
        let at = Some(Instant::ZERO + SECOND * seconds);
        world.tell(Input::Deadline { piece: PieceIndex(piece), at });
    }
    world.tell(Input::Deadline { piece: PieceIndex(3), at: None });
    let peer = world.seed(true);
    let mut order = Vec::new();
    for _ in 0..12 {
        order.push(world.asked(peer)[0].piece.0);
        world.answer(peer);
    }
    order.dedup();
    assert_eq!(order, [8, 5, 2]);
}

#[test]
fn sequential_order_is_by_index_within_a_tier() {
    let mut world = World::of_pieces(9);
    set(&mut world, URGENT, 6..8, Tier::LobbyUrgent);
    world.tell(Input::Sequential(true));
    let peer = world.seed(true);
    let mut order = Vec::new();
    while let Some(block) = world.asked(peer).first().copied() {
        order.push(block.piece.0);
        world.answer(peer);
    }
    order.dedup();
    assert_eq!(order, [6, 7, 0, 1, 2, 3, 4, 5, 8]);
}

#[test]
fn the_workshop_opens_three_pieces_a_peer_and_five_in_all() {
    let geometry = Geometry::new(65_536, 65_536 * 30).expect("valid");
    let mut world = World::new(Config { pipeline: PipelineLimits::WORKSHOP, ..Config::new(geometry) });
    let first = deep_seed(&mut world);
    assert_eq!(world.picker.open_pieces(), 3);
    assert_eq!(world.asked(first).len(), 12 - world.here.len() % 4);
    let second = world.seed(true);
    let third = world.seed(true);
    for _ in 0..40 {
        for peer in [first, second, third] {
            world.answer(peer);
            assert!(world.picker.open_pieces() <= 5);
            let mut pieces = world.asked(peer).iter().map(|block| block.piece).collect::<Vec<_>>();
            pieces.sort_unstable();
            pieces.dedup();
            assert!(pieces.len() <= 3);
        }
    }
    world.finish();
}

#[test]
fn a_piece_that_nobody_is_asked_for_any_more_gives_way_to_another() {
    let geometry = Geometry::new(65_536, 65_536 * 2).expect("valid");
    let pipeline = PipelineLimits { open_pieces: 1, ..PipelineLimits::default() };
    let mut world = World::new(Config { pipeline, ..Config::new(geometry) });
    let first = brief(&mut world, 2);
    let other = world.leecher(&[1 - world.peers[0].asked[0].piece.0]);
    assert!(world.asked(other).is_empty(), "there is no room");
    world.tell(Input::Choked { peer: first });
    while world.answer(first) {}
    assert_eq!(world.asked(other).len(), 4);
}

#[test]
fn a_fast_peer_opens_a_piece_of_its_own_and_one_without_a_rate_joins() {
    let geometry = Geometry::new(1 << 20, 10 << 20).expect("valid");
    let mut world = World::new(Config::new(geometry));
    let first = world.seed(true);
    (0..10).for_each(|_| assert!(world.answer(first)));
    let begun = pieces_asked(&mut world, first);
    assert_eq!(begun.len(), 1);
    let second = world.leecher(&[begun[0] ^ 1]);
    while world.answer(second) {}
    world.tell(Input::HaveAll { peer: second });
    let own = pieces_asked(&mut world, second);
    assert!(!own.contains(&begun[0]));
    let third = world.seed(true);
    let joined = pieces_asked(&mut world, third);
    assert!(begun.contains(&joined[0]) || own.contains(&joined[0]), "{joined:?}");
    world.finish();
}
