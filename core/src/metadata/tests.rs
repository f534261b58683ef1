//! The exchange in the order of the protocol, against its laws, and against peers that lie.

use super::*;
use crate::{
    Instant, Machine, Outbox,
    id::BLOCK_LENGTH,
    slab::Slab,
    testing::{Dice, check_laws},
};
use alloc::{vec, vec::Vec};
use proptest::prelude::*;
use sha1::{Digest, Sha1};

const SECOND: Duration = Duration::from_secs(1);
/// Three blocks.
const SIZE: u32 = 2 * BLOCK_LENGTH + 100;

#[test]
fn blocks_are_asked_of_all_who_have_them_two_of_each() {
    let mut world = World::new(5 * BLOCK_LENGTH);
    let (one, other) = (world.key(), world.key());
    assert_eq!(world.joins(one, 5 * BLOCK_LENGTH), [request(one, 0), request(one, 1)]);
    assert_eq!(world.joins(other, 5 * BLOCK_LENGTH), [request(other, 2), request(other, 3)]);
    assert_eq!(world.sends(other, 3), [request(other, 4)]);
    assert_eq!(world.exchange.progress(), Some((1, 5)));
}

#[test]
fn the_whole_is_verified_and_given_once() {
    let mut world = World::new(SIZE);
    let peer = world.key();
    world.joins(peer, SIZE);
    assert_eq!(world.sends(peer, 1), [request(peer, 2)]);
    assert_eq!(world.sends(peer, 2), []);
    let info = world.info.clone();
    assert_eq!(world.sends(peer, 0), [Action::Complete(info)]);
    assert_eq!(world.sends(peer, 0), [], "late");
    assert_eq!(world.exchange.info(), Some(&world.info));
    assert_eq!(world.exchange.poll_timeout(), None);
}

#[test]
fn who_has_nothing_is_asked_for_nothing_until_it_has() {
    let mut world = World::new(SIZE);
    let peer = world.key();
    assert_eq!(world.input(Input::PeerJoined { peer, metadata_size: None }), []);
    assert_eq!(world.exchange.poll_timeout(), None);
    assert_eq!(world.joins(peer, SIZE), [request(peer, 0), request(peer, 1)]);
}

#[test]
fn a_rejected_block_is_asked_of_another_and_the_peer_rests_a_minute() {
    let mut world = World::new(SIZE);
    let (one, other) = (world.key(), world.key());
    world.joins(one, SIZE);
    assert_eq!(world.joins(other, SIZE), [request(other, 2)]);
    assert_eq!(world.input(Input::Reject { peer: one, piece: 1 }), [request(other, 1)]);
    world.sends(one, 0);
    assert_eq!(world.input(Input::PeerLeft { peer: other }), []);
    assert_eq!(world.pass(59 * SECOND), []);
    assert_eq!(world.pass(SECOND), [request(one, 1), request(one, 2)]);
}

#[test]
fn an_unanswered_request_times_out_and_its_block_is_welcome_when_it_comes_late() {
    let mut world = World::new(BLOCK_LENGTH);
    let (one, other) = (world.key(), world.key());
    world.joins(one, BLOCK_LENGTH);
    world.joins(other, BLOCK_LENGTH);
    assert_eq!(world.pass(10 * SECOND - Duration::from_micros(1)), []);
    assert_eq!(world.pass(SECOND), [request(other, 0)]);
    let info = world.info.clone();
    assert_eq!(world.sends(one, 0), [Action::Complete(info)]);
    assert_eq!(world.sends(other, 0), []);
}

#[test]
fn blocks_of_who_leaves_are_asked_of_others() {
    let mut world = World::new(SIZE);
    let (one, other) = (world.key(), world.key());
    world.joins(one, SIZE);
    world.joins(other, SIZE);
    assert_eq!(world.input(Input::PeerLeft { peer: one }), [request(other, 0)]);
    assert_eq!(world.sends(other, 2), [request(other, 1)]);
}

#[test]
fn what_became_known_otherwise_is_asked_for_no_more() {
    let mut world = World::new(SIZE);
    let peer = world.key();
    world.joins(peer, SIZE);
    let info = world.info.clone();
    assert_eq!(world.input(Input::Known(info)), []);
    assert_eq!(world.sends(peer, 0), []);
    assert_eq!(world.exchange.counters().unrequested, 1);
    assert_eq!(world.exchange.poll_timeout(), None);
}

#[test]
fn who_asks_is_given_each_block_and_rejected_behind_the_last() {
    let mut world = World::knowing(SIZE);
    let peer = world.key();
    world.input(Input::PeerJoined { peer, metadata_size: None });
    for piece in 0..3 {
        let data = world.part(piece);
        let expected = Action::Data { peer, piece, total_size: SIZE, data };
        assert_eq!(world.input(Input::Request { peer, piece }), [expected]);
    }
    let reject = Action::Reject { peer, piece: 3 };
    assert_eq!(world.input(Input::Request { peer, piece: 3 }), [reject]);
}

#[test]
fn who_asks_us_for_what_we_lack_is_rejected() {
    let mut world = World::new(SIZE);
    let peer = world.key();
    world.input(Input::PeerJoined { peer, metadata_size: None });
    assert_eq!(world.input(Input::Request { peer, piece: 0 }), [Action::Reject { peer, piece: 0 }]);
}

#[test]
fn blocks_go_out_at_a_pace() {
    let mut world = World::knowing(40 * BLOCK_LENGTH);
    let peer = world.key();
    world.input(Input::PeerJoined { peer, metadata_size: None });
    let at_once: usize = (0..40).map(|piece| world.input(Input::Request { peer, piece }).len()).sum();
    assert_eq!(at_once, 16);
    assert_eq!(world.pass(SECOND).len(), 16);
    assert_eq!(world.pass(SECOND).len(), 8);
    assert_eq!(world.exchange.poll_timeout(), None);
}

#[test]
fn the_length_that_most_claim_is_tried_first_and_another_when_nobody_is_left_for_it() {
    let mut world = World::new(SIZE);
    let (refuser, one, other) = (world.key(), world.key(), world.key());
    world.joins(refuser, 20_000);
    world.joins(one, SIZE);
    world.joins(other, SIZE);
    assert_eq!(world.input(Input::Reject { peer: refuser, piece: 0 }), []);
    assert_eq!(world.input(Input::Reject { peer: refuser, piece: 1 }), [], "another attempt waits a while");
    let requests = [request(one, 0), request(one, 1), request(other, 2)];
    assert_eq!(world.pass(3 * SECOND), requests);
}

#[test]
fn bad_input_21_absurd_sizes_are_not_believed() {
    let mut world = World::new(SIZE);
    for size in [0, METADATA_MAX + 1, u32::MAX] {
        let peer = world.key();
        assert_eq!(world.joins(peer, size), []);
    }
    assert_eq!(world.exchange.counters().absurd_sizes, 3);
    assert_eq!(world.exchange.progress(), None);
}

#[test]
fn bad_input_21_a_claimed_size_allocates_nothing() {
    let mut world = World::new(SIZE);
    let peer = world.key();
    assert_eq!(world.joins(peer, METADATA_MAX).len(), 2);
    assert!(world.exchange.memory() < 2048, "{} bytes", world.exchange.memory());
}

#[test]
fn bad_input_21_a_block_of_the_wrong_length_is_blamed_and_asked_of_another() {
    let mut world = World::new(SIZE);
    let (liar, honest) = (world.key(), world.key());
    world.joins(liar, SIZE);
    world.joins(honest, SIZE);
    world.sends(honest, 2);
    let data = Bytes::from_static(b"short");
    let actions = world.input(Input::Data { peer: liar, piece: 0, total_size: SIZE, data });
    let blame = Action::Blame { peer: liar, why: Blame::BlockLength };
    assert_eq!(actions, [blame, request(honest, 0), request(honest, 1)]);
    assert_eq!(world.sends(liar, 1), [], "nobody listens to it");
}

#[test]
fn bad_input_21_a_total_size_unlike_the_claim_is_blamed() {
    let mut world = World::new(SIZE);
    let peer = world.key();
    world.joins(peer, SIZE);
    let data = world.part(0);
    let actions = world.input(Input::Data { peer, piece: 0, total_size: SIZE + 1, data });
    assert_eq!(actions, [Action::Blame { peer, why: Blame::TotalSize }]);
}

#[test]
fn bad_input_21_blocks_nobody_asked_for_are_ignored() {
    let mut world = World::new(SIZE);
    let (asked, other) = (world.key(), world.key());
    world.joins(asked, SIZE);
    world.input(Input::PeerJoined { peer: other, metadata_size: None });
    assert_eq!(world.sends(other, 0), []);
    assert_eq!(world.sends(asked, 2), []);
    assert_eq!(world.sends(asked, u32::MAX), []);
    assert_eq!(world.exchange.counters().unrequested, 3);
    assert_eq!(world.exchange.progress(), Some((0, 3)));
}

#[test]
fn bad_input_21_a_liar_that_gave_everything_is_blamed() {
    let mut world = World::new(SIZE);
    let liar = world.key();
    world.joins(liar, SIZE);
    world.lies(liar, 0);
    world.lies(liar, 1);
    assert_eq!(world.lies(liar, 2), [Action::Blame { peer: liar, why: Blame::Corrupt }]);
    let honest = world.key();
    assert_eq!(world.joins(honest, SIZE), [], "a new attempt waits a while");
    assert_eq!(world.pass(3 * SECOND), [request(honest, 0), request(honest, 1)]);
}

#[test]
fn bad_input_21_after_a_mixed_lie_one_peer_at_a_time_gives_everything() {
    let mut world = World::new(SIZE);
    let (liar, honest) = (world.key(), world.key());
    world.joins(liar, SIZE);
    world.joins(honest, SIZE);
    world.lies(liar, 0);
    world.lies(liar, 1);
    assert_eq!(world.sends(honest, 2), [], "nobody is blamed, and everyone asked later");
    assert_eq!(world.exchange.counters().mismatches, 1);

    let mut blamed = Vec::new();
    while world.exchange.info().is_none() {
        let actions = world.pass(3 * SECOND);
        let askers: Vec<PeerKey> = requests(&actions).into_iter().map(|(peer, _)| peer).collect();
        assert!(!askers.is_empty() && askers.iter().all(|peer| *peer == askers[0]), "{actions:?}");
        for piece in 0..3 {
            let actions =
                if askers[0] == liar { world.lies(liar, piece) } else { world.sends(honest, piece) };
            blamed.extend(actions.into_iter().filter(|action| matches!(action, Action::Blame { .. })));
        }
    }
    assert!(blamed.iter().all(|blame| *blame == Action::Blame { peer: liar, why: Blame::Corrupt }));
}

#[test]
fn bad_input_21_a_crowd_of_liars_costs_an_attempt_each() {
    let mut world = World::new(SIZE);
    let honest = world.key();
    let liars: Vec<PeerKey> = (0..20).map(|_| world.key()).collect();
    for peer in liars.iter().copied().chain([honest]) {
        world.joins(peer, SIZE);
    }
    world.live(|world, peer, piece| {
        if peer == honest {
            world.sends(peer, piece)
        } else {
            world.lies(peer, piece)
        };
    });
    assert_eq!(world.exchange.info(), Some(&world.info));
    assert!(world.exchange.counters().mismatches <= 21);
    assert!(world.blamed.iter().all(|peer| liars.contains(peer)));
}

#[test]
fn bad_input_21_a_drip_of_a_false_length_loses_its_turn() {
    let mut world = World::new(SIZE);
    let (drip, honest) = (world.key(), world.key());
    world.joins(drip, METADATA_MAX);
    world.joins(honest, SIZE);
    world.live(|world, peer, piece| {
        if peer == honest {
            world.sends(peer, piece);
            return;
        }
        world.pass(9 * SECOND);
        let data = Bytes::from(vec![0; BLOCK_LENGTH as usize]);
        world.input(Input::Data { peer, piece, total_size: METADATA_MAX, data });
    });
    assert_eq!(world.exchange.info(), Some(&world.info));
    assert!(world.now < Instant::ZERO + 600 * SECOND, "{:?}", world.now);
}

#[test]
fn bad_input_21_a_crowd_that_drips_costs_a_turn_or_so_each() {
    for seed in 0..8 {
        let mut world = World::new(SIZE);
        world.exchange = Exchange::new(world.config(), [seed; 32]);
        let drips: Vec<PeerKey> = (0..12).map(|_| world.key()).collect();
        let honest = world.key();
        drips.iter().for_each(|drip| drop(world.joins(*drip, METADATA_MAX)));
        world.joins(honest, SIZE);
        let mut owed = Vec::new();
        while world.exchange.info().is_none() && world.now < Instant::ZERO + 3600 * SECOND {
            let now = world.now;
            let delay = |peer| if peer == honest { Duration::ZERO } else { 8 * SECOND };
            let due = |(peer, piece)| (now + delay(peer), peer, piece);
            owed.extend(core::mem::take(&mut world.pending).into_iter().map(due));
            for (_, peer, piece) in owed.extract_if(.., |(at, ..)| *at <= now).collect::<Vec<_>>() {
                if peer == honest {
                    world.sends(peer, piece);
                } else {
                    let data = Bytes::from(vec![0; BLOCK_LENGTH as usize]);
                    world.input(Input::Data { peer, piece, total_size: METADATA_MAX, data });
                }
            }
            world.pass(SECOND);
        }
        assert!(world.exchange.info().is_some(), "not within an hour");
    }
}

#[test]
fn bad_input_21_reject_loops_cost_two_requests_a_minute() {
    let mut world = World::new(SIZE);
    let peer = world.key();
    world.joins(peer, SIZE);
    let mut asked = 0;
    while world.now < Instant::ZERO + 600 * SECOND {
        for (peer, piece) in core::mem::take(&mut world.pending) {
            asked += 1;
            world.input(Input::Reject { peer, piece });
        }
        world.pass(SECOND);
    }
    assert_eq!(asked, 2 * 10);
}

#[test]
fn bad_input_21_request_floods_get_three_copies_then_rejects_then_the_door() {
    let mut world = World::knowing(SIZE);
    let peer = world.key();
    world.input(Input::PeerJoined { peer, metadata_size: None });
    let (mut given, mut rejected, mut blamed) = (0, 0, 0);
    for round in 0..10_000 {
        for action in world.input(Input::Request { peer, piece: round % 3 }) {
            given += u32::from(matches!(action, Action::Data { .. }));
            rejected += u32::from(matches!(action, Action::Reject { .. }));
            blamed += u32::from(action == Action::Blame { peer, why: Blame::TooManyRequests });
        }
    }
    assert_eq!((given, rejected, blamed), (9, 1024, 1));
}

proptest! {
    /// With one honest peer that stays, however the others lie, the dictionary comes in the end, and nobody
    /// honest is blamed.
    #[test]
    fn one_honest_peer_is_enough(
        size in 1..4 * BLOCK_LENGTH,
        others in proptest::collection::vec((0_u8..5, 1..4 * BLOCK_LENGTH), 0..8),
        place in 0_usize..8,
        seed: u8,
    ) {
        let mut world = World::new(size);
        world.exchange = Exchange::new(world.config(), [seed; 32]);
        let honest = world.key();
        let mut natures = Vec::new();
        for (nature, claim) in others {
            natures.push((world.key(), nature, if nature % 2 == 0 { size } else { claim }));
        }
        natures.insert(place.min(natures.len()), (honest, u8::MAX, size));
        for (peer, _, claim) in &natures {
            world.joins(*peer, *claim);
        }
        world.live(|world, peer, piece| {
            let (_, nature, claim) = *natures.iter().find(|(key, ..)| *key == peer).expect("it joined");
            let length = claim.saturating_sub(piece * BLOCK_LENGTH).min(BLOCK_LENGTH);
            let part = world.part(piece);
            world.input(match nature {
                u8::MAX => Input::Data { peer, piece, total_size: size, data: part },
                0 | 1 => {
                    let data = Bytes::from(vec![1; length as usize]);
                    Input::Data { peer, piece, total_size: claim, data }
                }
                2 => Input::Reject { peer, piece },
                3 => return,
                _ => Input::Data { peer, piece, total_size: claim, data: Bytes::new() },
            });
        });
        prop_assert_eq!(world.exchange.info(), Some(&world.info));
        prop_assert!(!world.blamed.contains(&honest));
    }
}

#[test]
fn the_laws_hold() {
    for seed in 0..200 {
        check_laws(subject::AnyExchange::default(), Dice::seeded(seed), 300);
    }
}

const fn request(peer: PeerKey, piece: u32) -> Action {
    Action::Request { peer, piece }
}

fn requests(actions: &[Action]) -> Vec<(PeerKey, u32)> {
    let request = |action: &Action| {
        if let Action::Request { peer, piece } = action { Some((*peer, *piece)) } else { None }
    };
    actions.iter().filter_map(request).collect()
}

/// An exchange, the dictionary it is about, and the time.
struct World {
    exchange: Exchange,
    info: Bytes,
    keys: Slab<PeerKey, ()>,
    now: Instant,
    blamed: Vec<PeerKey>,
    /// Requests that nobody answered yet.
    pending: Vec<(PeerKey, u32)>,
}

impl World {
    fn new(size: u32) -> Self {
        let info: Bytes = (0..size).map(|at| (at % 251) as u8).collect();
        let exchange = Exchange::new(config(&info, None), [7; 32]);
        Self {
            exchange,
            info,
            keys: Slab::new(),
            now: Instant::ZERO,
            blamed: Vec::new(),
            pending: Vec::new(),
        }
    }

    fn knowing(size: u32) -> Self {
        let mut world = Self::new(size);
        world.exchange = Exchange::new(config(&world.info, Some(world.info.clone())), [7; 32]);
        world
    }

    fn config(&self) -> Config {
        config(&self.info, None)
    }

    fn key(&mut self) -> PeerKey {
        self.keys.insert(())
    }

    fn part(&self, piece: u32) -> Bytes {
        let begin = (piece as usize).saturating_mul(BLOCK_LENGTH as usize).min(self.info.len());
        self.info.slice(begin..self.info.len().min(begin + BLOCK_LENGTH as usize))
    }

    fn joins(&mut self, peer: PeerKey, size: u32) -> Vec<Action> {
        self.input(Input::PeerJoined { peer, metadata_size: Some(size) })
    }

    fn sends(&mut self, peer: PeerKey, piece: u32) -> Vec<Action> {
        let (data, total_size) = (self.part(piece), self.info.len() as u32);
        self.input(Input::Data { peer, piece, total_size, data })
    }

    fn lies(&mut self, peer: PeerKey, piece: u32) -> Vec<Action> {
        let (data, total_size) = (vec![0xff; self.part(piece).len()], self.info.len() as u32);
        self.input(Input::Data { peer, piece, total_size, data: data.into() })
    }

    fn input(&mut self, input: Input) -> Vec<Action> {
        let mut out = Outbox::new();
        assert_eq!(self.exchange.handle_input(self.now, input, &mut out), Ok(()));
        self.note(&mut out)
    }

    /// Lets time pass, timers and all.
    fn pass(&mut self, time: Duration) -> Vec<Action> {
        let (end, mut actions) = (self.now + time, Vec::new());
        while let Some(due) = self.exchange.poll_timeout().filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(due.at);
            let mut out = Outbox::new();
            assert_eq!(self.exchange.handle_timeout(self.now, &mut out), Ok(()));
            actions.extend(self.note(&mut out));
        }
        self.now = end;
        actions
    }

    /// Lets peers answer every request until the dictionary is there, or for ten hours.
    fn live(&mut self, mut answer: impl FnMut(&mut Self, PeerKey, u32)) {
        while self.exchange.info().is_none() && self.now < Instant::ZERO + 36_000 * SECOND {
            for (peer, piece) in core::mem::take(&mut self.pending) {
                answer(self, peer, piece);
            }
            self.pass(SECOND / 10);
        }
    }

    fn note(&mut self, out: &mut Outbox<Action>) -> Vec<Action> {
        let actions: Vec<Action> = out.drain().collect();
        self.pending.extend(requests(&actions));
        let blamed =
            |action: &Action| if let Action::Blame { peer, .. } = action { Some(*peer) } else { None };
        self.blamed.extend(actions.iter().filter_map(blamed));
        actions
    }
}

fn config(info: &Bytes, known: Option<Bytes>) -> Config {
    Config { info_hash: InfoHash(Sha1::digest(info).into()), info: known, limits: Limits::default() }
}
