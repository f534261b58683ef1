//! Whatever can happen to a choker.

use crate::choker::{Adaptive, Config, SeedStrategy};
use alloc::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) enum Event {
    Join,
    Leave(usize),
    Interested(usize),
    NotInterested(usize),
    Downloaded(usize, u32),
    Uploaded(usize, u32),
    Completion(usize, u32),
    Lobby(usize, bool),
    Seeding(bool),
    Sent(usize, u32, bool),
    /// Microseconds.
    Pass(u64),
}

pub(super) fn any_event() -> impl Strategy<Value = Event> {
    let peer = any::<usize>;
    prop_oneof![
        2 => Just(Event::Join),
        1 => peer().prop_map(Event::Leave),
        6 => peer().prop_map(Event::Interested),
        3 => peer().prop_map(Event::NotInterested),
        6 => (peer(), 0_u32..100).prop_map(|(peer, bytes)| Event::Downloaded(peer, bytes)),
        6 => (peer(), 0_u32..100).prop_map(|(peer, bytes)| Event::Uploaded(peer, bytes)),
        3 => (peer(), 0_u32..50).prop_map(|(peer, pieces)| Event::Completion(peer, pieces)),
        4 => (peer(), prop::bool::weighted(0.7)).prop_map(|(peer, wants)| Event::Lobby(peer, wants)),
        1 => any::<bool>().prop_map(Event::Seeding),
        4 => (peer(), 0_u32..400_000, any::<bool>())
            .prop_map(|(peer, bytes, backlog)| Event::Sent(peer, bytes, backlog)),
        5 => (0_u64..12_000_000).prop_map(Event::Pass),
    ]
}

pub(super) fn any_strategy() -> impl Strategy<Value = SeedStrategy> {
    prop_oneof![
        Just(SeedStrategy::LowestCompletion),
        Just(SeedStrategy::RoundRobin),
        Just(SeedStrategy::FastestUpload),
        Just(SeedStrategy::AntiLeech),
    ]
}

/// Few slots, small pieces, so that everything happens often.
pub(super) fn any_config() -> impl Strategy<Value = Config> {
    let adaptive = prop::option::of((0_u32..3, 0_u32..6));
    (0_u32..4, 0_u32..3, 0_u32..3, adaptive, any_strategy(), 0_u32..40).prop_map(
        |(slots, optimistic_slots, lobby_slots, adaptive, seed_strategy, pieces)| Config {
            slots,
            optimistic_slots,
            lobby_slots,
            adaptive: adaptive.map(|(least, most)| Adaptive { least, most }),
            seed_strategy,
            pieces,
            piece_length: 16,
            turn_pieces: 4,
            ..Config::default()
        },
    )
}
