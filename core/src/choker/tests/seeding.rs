//! Whom a seed serves.

use super::{SECOND, event::any_strategy, reference::World};
use crate::{
    choker::{Action, Config, Input, SeedStrategy},
    id::PeerKey,
};
use alloc::{vec, vec::Vec};
use core::time::Duration;
use proptest::prelude::*;

const PIECE: u32 = 256 * 1024;
const PIECES: u32 = 100;

/// A seed with one slot and none by lot.
fn seed(seed_strategy: SeedStrategy) -> World {
    seed_with(Config { slots: 1, optimistic_slots: 0, seed_strategy, ..Config::default() })
}

fn seed_with(config: Config) -> World {
    let mut world = World::new(Config { pieces: PIECES, piece_length: PIECE, ..config });
    world.input(Input::Seeding(true));
    world
}

/// Peers that claim to have so many pieces, and the order in which they are served.
fn order(world: &mut World, claims: &[u32]) -> Vec<u32> {
    let first = world.join_interested(1)[0];
    let peers = world.join_interested(claims.len());
    for (peer, pieces) in peers.iter().zip(claims) {
        world.input(Input::Completion { peer: *peer, pieces: *pieces });
    }
    let mut served = Vec::new();
    world.run(SECOND * 60);
    world.leave(first);
    while served.len() < claims.len() {
        let place = peers.iter().position(|peer| world.choker.is_unchoked(*peer)).expect("a slot is held");
        served.push(claims[place]);
        world.input(Input::NotInterested { peer: peers[place] });
        world.run(SECOND * 10);
    }
    served
}

#[test]
fn lowest_completion_serves_newcomers_first() {
    let mut world = seed(SeedStrategy::default());
    assert_eq!(order(&mut world, &[50, 0, 99, 20]), [0, 20, 50, 99]);
}

#[test]
fn round_robin_serves_who_has_waited_longest() {
    let mut world = seed(SeedStrategy::RoundRobin);
    assert_eq!(order(&mut world, &[50, 0, 99, 20]), [50, 0, 99, 20]);
}

#[test]
fn anti_leech_serves_who_begins_or_is_nearly_done() {
    let mut world = seed(SeedStrategy::AntiLeech);
    assert_eq!(order(&mut world, &[50, 5, 99, 80]), [99, 5, 80, 50]);
}

#[test]
fn fastest_upload_serves_those_who_take_most() {
    let mut world = seed(SeedStrategy::FastestUpload);
    let peers = world.join_interested(2);
    world.input(Input::Downloaded { peer: peers[0], bytes: 9 });
    world.input(Input::Uploaded { peer: peers[1], bytes: 1 });
    world.run(SECOND * 10);
    assert_eq!(world.unchoked(&peers), [false, true]);
}

#[test]
fn a_turn_ends_after_a_minute_if_someone_waits() {
    let mut world = seed(SeedStrategy::default());
    let first = world.join_interested(1)[0];
    world.run(SECOND * 25);
    let second = world.join_interested(1)[0];
    assert_eq!(world.run(SECOND * 34), []);
    let change = [Action::Choke { peer: first }, Action::Unchoke { peer: second }];
    assert_eq!(world.run(SECOND), change);
}

#[test]
fn a_turn_ends_after_twenty_pieces() {
    let mut world = seed(SeedStrategy::default());
    let peers = world.join_interested(2);
    world.input(Input::Uploaded { peer: peers[0], bytes: 20 * PIECE - 1 });
    assert_eq!(world.run(SECOND * 10), []);
    world.input(Input::Uploaded { peer: peers[0], bytes: 1 });
    world.run(SECOND * 10);
    assert_eq!(world.unchoked(&peers), [false, true]);
}

#[test]
fn a_turn_goes_on_while_nobody_waits() {
    let mut world = seed(SeedStrategy::default());
    let peer = world.join_interested(1)[0];
    world.input(Input::Uploaded { peer, bytes: u32::MAX });
    assert_eq!(world.run(SECOND * 3600), []);
}

#[test]
fn who_had_a_turn_goes_behind_those_who_have_more() {
    let mut world = seed(SeedStrategy::default());
    let peers = world.join_interested(3);
    world.input(Input::Completion { peer: peers[1], pieces: 90 });
    world.input(Input::Completion { peer: peers[2], pieces: 99 });
    let mut served = Vec::new();
    for _ in 0..4 {
        served.push(world.unchoked(&peers));
        world.run(SECOND * 60);
    }
    let [first, second, third] = [[true, false, false], [false, true, false], [false, false, true]];
    assert_eq!(served, [first, second, third, first]);
}

#[test]
fn what_a_peer_was_given_counts_if_it_claims_less() {
    let mut world = seed(SeedStrategy::default());
    let peers = world.join_interested(3);
    world.input(Input::Completion { peer: peers[1], pieces: 20 });
    world.input(Input::Completion { peer: peers[2], pieces: 10 });
    // The first claims nothing, and had 30 pieces.
    world.input(Input::Uploaded { peer: peers[0], bytes: 30 * PIECE });
    world.run(SECOND * 10);
    assert_eq!(world.unchoked(&peers), [false, false, true]);
    world.run(SECOND * 60);
    assert_eq!(world.unchoked(&peers), [false, true, false]);
}

/// Serves everybody for `minutes`: whoever is unchoked takes `bytes` a round; `liars` claim to have
/// nothing and, if `fresh`, come anew once they were served. How long an honest peer, which has
/// `claims`, waited at most.
struct Siege {
    liars: usize,
    fresh: bool,
    honest: Vec<u32>,
    bytes: u32,
}

impl Siege {
    fn longest_wait(&self, world: &mut World, minutes: u32) -> Duration {
        let mut liars = world.join_interested(self.liars);
        let honest = world.join_interested(self.honest.len());
        for (peer, pieces) in honest.iter().zip(&self.honest) {
            world.input(Input::Completion { peer: *peer, pieces: *pieces });
        }
        let start = world.now;
        let mut served = vec![start; honest.len()];
        let mut longest = Duration::ZERO;
        for _ in 0..minutes * 6 {
            for (peer, served) in honest.iter().zip(&mut served) {
                if world.choker.is_unchoked(*peer) {
                    *served = world.now;
                    world.input(Input::Uploaded { peer: *peer, bytes: self.bytes });
                }
                longest = longest.max(world.now - *served);
            }
            for liar in &mut liars {
                self.lie(world, liar);
            }
            world.run(SECOND * 10);
        }
        longest
    }

    fn lie(&self, world: &mut World, liar: &mut PeerKey) {
        if world.choker.is_unchoked(*liar) {
            world.input(Input::Uploaded { peer: *liar, bytes: self.bytes });
            if self.fresh {
                world.leave(*liar);
                *liar = world.join_interested(1)[0];
            }
        }
    }
}

#[test]
fn bad_input_14_flooders_hold_no_slot_for_ever() {
    for strategy in [SeedStrategy::LowestCompletion, SeedStrategy::RoundRobin, SeedStrategy::AntiLeech] {
        let config = Config { slots: 3, optimistic_slots: 0, seed_strategy: strategy, ..Config::default() };
        let mut world = seed_with(config);
        let siege = Siege { liars: 3, fresh: false, honest: vec![0; 3], bytes: 100 * PIECE };
        let longest = siege.longest_wait(&mut world, 10);
        assert!(longest <= SECOND * 20, "{strategy:?}: {longest:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The longest delay, a turn of everybody who is there, and as much again for those who come anew in
    /// the meantime.
    #[test]
    fn nobody_waits_for_ever_whatever_others_claim(
        strategy in any_strategy(),
        slots in 1_u32..5,
        liars in 0_usize..12,
        fresh in any::<bool>(),
        honest in proptest::collection::vec(0..PIECES, 1..8),
        greed in 0_u32..40,
    ) {
        prop_assume!(strategy != SeedStrategy::FastestUpload);
        let config = Config { slots, optimistic_slots: 0, seed_strategy: strategy, ..Config::default() };
        let mut world = seed_with(config);
        let turns = ((liars + honest.len()) as u32).div_ceil(slots) + 1;
        let siege = Siege { liars, fresh, honest, bytes: greed * PIECE };
        let longest = siege.longest_wait(&mut world, 60);
        let bound = config.longest_delay + (config.turn + config.round) * turns * 2;
        prop_assert!(longest <= bound, "{longest:?} > {bound:?}");
    }
}
