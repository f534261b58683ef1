//! What peers may do to the picker, and what it does then.

use super::{
    super::*,
    SECOND, has,
    model::{World, stranger},
    requests,
};
use crate::{Instant, Machine, Outbox, slab::Slab, storage::Geometry};
use alloc::vec::Vec;
use core::time::Duration;

#[test]
fn a_peer_that_opens_piece_after_piece_does_not_fill_the_memory() {
    // Pieces of 1 MiB: 1024 may be open.
    let geometry = Geometry::new(1 << 20, 2000 << 20).expect("valid");
    let mut picker = Picker::new(Config::new(geometry), [1; 32]);
    let mut out = Outbox::new();
    let peer = Slab::<PeerKey, ()>::new().insert(());
    let mut now = Instant::ZERO;
    for input in [
        Input::PeerJoined { peer, source: Source::Peer { fast: true } },
        Input::HaveAll { peer },
        Input::Unchoked { peer },
    ] {
        let Ok(()) = picker.handle_input(now, input, &mut out);
    }
    // Sends the first block of each piece, and rejects the others.
    for _ in 0..200_000 {
        let asked = requests(&out.drain().collect::<Vec<_>>());
        for (_, block) in asked {
            let input =
                if block.begin == 0 { Input::Block { peer, block } } else { Input::Rejected { peer, block } };
            let Ok(()) = picker.handle_input(now, input, &mut out);
        }
        now = now + SECOND;
        let Ok(()) = picker.handle_timeout(now, &mut out);
        assert!(picker.open_pieces() <= 1024);
    }
}

#[test]
fn bad_input_9_a_piece_out_of_range_is_ignored_and_counted() {
    let mut world = World::of_pieces(3);
    let peer = world.seed(true);
    let other = world.join(true);
    for piece in [3, 4, 0x8000_0000, u32::MAX].map(PieceIndex) {
        for input in [
            Input::Have { peer: other, piece },
            Input::DontHave { peer, piece },
            Input::Verified { piece },
            Input::Failed { piece },
        ] {
            assert_eq!(world.tell(input), []);
        }
    }
    world.tell(Input::Bitfield { peer: other, pieces: Bitfield::full(4) });
    assert_eq!(world.picker.counters().out_of_range, 17);
}

#[test]
fn bad_input_10_repeats_leave_the_availability_as_a_recount_finds_it() {
    let mut world = World::of_pieces(6);
    let peer = world.join(true);
    let some = world.bitfield(&[1, 2, 3]);
    for _ in 0..2 {
        world.tell(Input::Have { peer, piece: PieceIndex(2) });
        world.tell(Input::Have { peer, piece: PieceIndex(2) });
        world.tell(Input::Bitfield { peer, pieces: some.clone() });
        world.tell(Input::HaveAll { peer });
        world.tell(Input::HaveAll { peer });
        world.tell(Input::Have { peer, piece: PieceIndex(5) });
        world.tell(Input::DontHave { peer, piece: PieceIndex(5) });
        world.tell(Input::DontHave { peer, piece: PieceIndex(5) });
        world.tell(Input::Bitfield { peer, pieces: some.clone() });
    }
    assert_eq!(world.picker.counters().repeats, 4 + 5);
    world.tell(Input::PeerLeft { peer });
    assert_eq!(world.picker.availability(PieceIndex(2)), 0);
}

#[test]
fn bad_input_13_and_15_a_block_nobody_asked_for_is_waste() {
    let mut world = World::of_pieces(2);
    let peer = world.seed(true);
    let other = world.join(true);
    let good = world.asked(peer)[0];
    let unsolicited = [
        Block { length: good.length - 1, ..good },
        Block { length: good.length + 1, ..good },
        Block { begin: good.begin + 1, ..good },
        Block { begin: u32::MAX, ..good },
        Block { piece: PieceIndex(2), ..good },
        Block { length: 0, ..good },
    ];
    let waste = |peer, block| [Action::Discard { peer, block, waste: Waste::Unsolicited }];
    for block in unsolicited {
        assert_eq!(world.tell(Input::Block { peer, block }), waste(peer, block));
    }
    assert_eq!(world.tell(Input::Block { peer: other, block: good }), waste(other, good));
    let nobody = stranger(9);
    assert_eq!(world.tell(Input::Block { peer: nobody, block: good }), waste(nobody, good));
    world.tell(Input::Block { peer, block: good });
    let again = world.tell(Input::Block { peer, block: good });
    assert_eq!(again, waste(peer, good), "it was asked for once, and has come once");
}

#[test]
fn bad_input_15_one_block_from_two_peers_is_stored_once() {
    let mut world = World::of_pieces(1);
    let first = world.seed(true);
    let second = world.seed(true);
    world.wait(SECOND * 2);
    let block = world.asked(second)[0];
    assert!(world.asked(first).contains(&block), "endgame");
    world.tell(Input::Block { peer: first, block });
    let actions = world.tell(Input::Block { peer: second, block });
    assert_eq!(actions[0], Action::Discard { peer: second, block, waste: Waste::Duplicate });
    world.finish();
}

#[test]
fn bad_input_17_flapping_of_choke_is_not_answered_with_a_storm_of_requests() {
    for fast in [false, true] {
        let mut world = World::of_pieces(100);
        let peer = world.seed(fast);
        let mut asked = 0;
        for _ in 0..1000 {
            world.tell(Input::Choked { peer });
            asked += requests(&world.tell(Input::Unchoked { peer })).len();
            asked += requests(&world.wait(Duration::from_millis(1))).len();
        }
        assert!(asked <= 8, "{asked} requests within a second");
    }
}

#[test]
fn bad_input_17_a_loop_of_rejects_does_not_spin() {
    let mut world = World::of_pieces(100);
    let peer = world.seed(true);
    let mut asked = 0;
    for _ in 0..10_000 {
        while let Some(block) = world.asked(peer).first().copied() {
            asked += requests(&world.tell(Input::Rejected { peer, block })).len();
        }
        asked += requests(&world.wait(Duration::from_millis(1))).len();
    }
    assert!((2..=22).contains(&asked), "{asked} requests within ten seconds");
}

#[test]
fn bad_input_17_a_peer_that_rejects_the_rest_of_a_piece_is_asked_for_others() {
    let geometry = Geometry::new(16_384 * 32, 16_384 * 96).expect("valid");
    let mut world = World::new(Config::new(geometry));
    let peer = world.seed(true);
    let spoilt = world.asked(peer)[0].piece;
    world.answer(peer);
    for _ in 0..60 {
        while let Some(block) = world.asked(peer).first().copied() {
            if block.piece == spoilt {
                world.tell(Input::Rejected { peer, block });
            } else {
                world.answer(peer);
            }
        }
        world.wait(SECOND);
    }
    assert_eq!(world.picker.have().count(), 2);
}

#[test]
fn bad_input_18_a_silent_peer_is_snubbed_and_its_blocks_are_free() {
    let mut world = World::of_pieces(2);
    let silent = world.leecher(&[0]);
    let honest = world.leecher(&[0]);
    assert!(world.asked(honest).is_empty() && !world.picker.is_endgame());
    let blocks = world.asked(silent);
    let actions = world.wait(SECOND * 11);
    assert!(actions.contains(&Action::Snubbed { peer: silent }));
    assert_eq!(world.asked(honest), blocks, "the others come first");
    assert!(world.asked(silent).len() <= 1);
    let stats = world.picker.peer_stats(silent).expect("there");
    assert!(stats.snubbed && stats.depth == 1);
}

#[test]
fn bad_input_18_a_snubbed_peer_that_sends_is_snubbed_no_longer() {
    let mut world = World::of_pieces(9);
    let peer = world.seed(true);
    let late = world.asked(peer)[0];
    world.wait(SECOND * 31);
    assert_eq!(world.asked(peer).len(), 1);
    world.tell(Input::Block { peer, block: late });
    assert!(world.asked(peer).len() >= 2);
    assert!(!world.picker.peer_stats(peer).expect("there").snubbed);
    world.finish();
}

#[test]
fn bad_input_18_one_request_that_is_never_answered_is_taken_back() {
    let mut world = World::of_pieces(100);
    let peer = world.seed(true);
    let withheld = world.asked(peer)[0];
    for _ in 0..70 {
        let block = world.asked(peer).into_iter().find(|block| *block != withheld).expect("pipelined");
        world.tell(Input::Block { peer, block });
        let actions = world.wait(SECOND);
        assert!(!has(&actions, |action| matches!(action, Action::Snubbed { .. })));
        if actions.contains(&Action::Cancel { peer, block: withheld }) {
            return;
        }
    }
    panic!("still standing after 70 s");
}

#[test]
fn bad_input_42_leaps_of_time_do_no_harm() {
    let mut world = World::of_pieces(4);
    world.seed(true);
    world.seed(false);
    world.now = world.now + Duration::from_secs(365 * 86_400);
    world.wait(SECOND);
    world.now = Instant::from_micros(5);
    let block = world.peers[0].asked[0];
    let peer = world.peers[0].key;
    world.tell(Input::Block { peer, block });
    world.now = Instant::MAX;
    let mut out = Outbox::new();
    let Ok(()) = world.picker.handle_timeout(world.now, &mut out);
    assert!(world.picker.poll_timeout().is_none_or(|deadline| deadline.at > world.now));
}
