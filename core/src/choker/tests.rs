//! The choker against its laws, a naive check of every round, and peers that flap.

use super::*;
use crate::{
    Instant, Machine, Outbox, Seed,
    slab::Slab,
    testing::{Dice, check_laws},
};
use alloc::vec::Vec;
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
    world.input(Input::PeerLeft { peer });
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
fn seeding_serves_those_who_take_most() {
    let mut world = World::new(Config { optimistic_slots: 0, slots: 1, ..Config::default() });
    world.input(Input::Seeding(true));
    let peers = world.join_interested(2);
    world.input(Input::Downloaded { peer: peers[0], bytes: 9 });
    world.input(Input::Uploaded { peer: peers[1], bytes: 1 });
    world.run(SECOND * 10);
    assert_eq!(world.unchoked(&peers), [false, true]);
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
fn bad_input_17_flapping_interest_costs_bounded_work_and_is_not_toggled() {
    let mut world = World::new(Config { slots: 1, optimistic_slots: 0, ..Config::default() });
    let peers = world.join_interested(3);
    let mut actions = 0;
    for _ in 0..10_000 {
        for peer in peers.iter().copied() {
            actions += world.input(Input::NotInterested { peer }).len();
            actions += world.input(Input::Interested { peer }).len();
        }
        world.run(Duration::from_millis(1));
    }
    assert!(actions <= 3 * 2, "{actions} actions in ten seconds");
}

#[test]
fn bad_input_17_coming_and_going_does_not_grow_memory() {
    let mut world = World::new(Config::default());
    world.join_interested(5);
    let mut most = 0;
    for _ in 0..10_000 {
        let peer = world.join_interested(1)[0];
        world.input(Input::PeerLeft { peer });
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
    world.input(Input::PeerLeft { peer });
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

#[derive(Clone, Debug)]
enum Event {
    Join,
    Leave(usize),
    Interested(usize),
    NotInterested(usize),
    Downloaded(usize, u32),
    Uploaded(usize, u32),
    Seeding(bool),
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => Just(Event::Join),
        1 => any::<usize>().prop_map(Event::Leave),
        6 => any::<usize>().prop_map(Event::Interested),
        3 => any::<usize>().prop_map(Event::NotInterested),
        8 => (any::<usize>(), 0_u32..100).prop_map(|(peer, bytes)| Event::Downloaded(peer, bytes)),
        4 => (any::<usize>(), 0_u32..100).prop_map(|(peer, bytes)| Event::Uploaded(peer, bytes)),
        1 => any::<bool>().prop_map(Event::Seeding),
        4 => (0_u64..12_000_000).prop_map(Event::Pass),
    ]
}

proptest! {
    #[test]
    fn every_round_and_every_toggle_is_as_a_naive_check_wants_it(
        slots in 0_u32..4,
        optimistic_slots in 0_u32..3,
        events in proptest::collection::vec(event(), 0..300),
    ) {
        let mut world = World::new(Config { slots, optimistic_slots, ..Config::default() });
        for event in events {
            world.play(event);
        }
        world.run(SECOND * 40);
    }
}

/// A choker, its clock, and a naive account of every peer, which checks each action and each round.
struct World {
    choker: Choker,
    config: Config,
    seeding: bool,
    now: Instant,
    keys: Slab<PeerKey, ()>,
    peers: Vec<Account>,
}

#[derive(Clone, Debug)]
struct Account {
    key: PeerKey,
    interested: bool,
    unchoked: bool,
    toggled: Option<Instant>,
    /// Bytes of the round before and of this one.
    downloaded: [u64; 2],
    uploaded: [u64; 2],
}

impl World {
    fn new(config: Config) -> Self {
        let choker = Choker::new(config, [9; 32]);
        Self { choker, config, seeding: false, now: Instant::ZERO, keys: Slab::new(), peers: Vec::new() }
    }

    fn join(&mut self) -> PeerKey {
        let key = self.keys.insert(());
        let account = Account {
            key,
            interested: false,
            unchoked: false,
            toggled: None,
            downloaded: [0; 2],
            uploaded: [0; 2],
        };
        self.peers.push(account);
        self.input(Input::PeerJoined { peer: key });
        key
    }

    fn join_interested(&mut self, count: usize) -> Vec<PeerKey> {
        let peers: Vec<PeerKey> = (0..count).map(|_| self.join()).collect();
        for peer in peers.iter().copied() {
            self.input(Input::Interested { peer });
        }
        peers
    }

    fn unchoked(&self, peers: &[PeerKey]) -> Vec<bool> {
        peers.iter().map(|peer| self.choker.is_unchoked(*peer)).collect()
    }

    fn play(&mut self, event: Event) {
        let keys: Vec<PeerKey> = self.peers.iter().map(|account| account.key).collect();
        let peer = |place: usize| keys.get(place % keys.len().max(1)).copied();
        let input = match event {
            Event::Join => {
                self.join();
                None
            }
            Event::Pass(micros) => {
                self.run(Duration::from_micros(micros));
                None
            }
            Event::Seeding(seeding) => Some(Input::Seeding(seeding)),
            Event::Leave(place) => peer(place).map(|peer| Input::PeerLeft { peer }),
            Event::Interested(place) => peer(place).map(|peer| Input::Interested { peer }),
            Event::NotInterested(place) => peer(place).map(|peer| Input::NotInterested { peer }),
            Event::Downloaded(place, bytes) => peer(place).map(|peer| Input::Downloaded { peer, bytes }),
            Event::Uploaded(place, bytes) => peer(place).map(|peer| Input::Uploaded { peer, bytes }),
        };
        if let Some(input) = input {
            self.input(input);
        }
    }

    fn input(&mut self, input: Input) -> Vec<Action> {
        match &input {
            Input::PeerLeft { peer } => {
                self.keys.remove(*peer);
                self.peers.retain(|account| account.key != *peer);
            }
            Input::Interested { peer } => self.account(*peer, |account| account.interested = true),
            Input::NotInterested { peer } => self.account(*peer, |account| account.interested = false),
            Input::Downloaded { peer, bytes } => {
                self.account(*peer, |account| account.downloaded[1] += u64::from(*bytes));
            }
            Input::Uploaded { peer, bytes } => {
                self.account(*peer, |account| account.uploaded[1] += u64::from(*bytes));
            }
            Input::Seeding(seeding) => self.seeding = *seeding,
            Input::PeerJoined { .. } | Input::Lobby { .. } => {}
        }
        let mut out = Outbox::new();
        assert_eq!(self.choker.handle_input(self.now, input, &mut out), Ok(()));
        self.check_actions(&mut out)
    }

    /// Lets time pass, timers and all.
    fn run(&mut self, time: Duration) -> Vec<Action> {
        let (end, mut actions) = (self.now + time, Vec::new());
        while let Some(due) = self.choker.poll_timeout().filter(|deadline| deadline.at <= end) {
            self.now = due.at;
            let mut out = Outbox::new();
            assert_eq!(self.choker.handle_timeout(self.now, &mut out), Ok(()));
            actions.extend(self.check_actions(&mut out));
            self.check_round();
        }
        self.now = end;
        actions
    }

    fn account(&mut self, key: PeerKey, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.peers.iter_mut().find(|account| account.key == key) {
            change(account);
        }
    }

    fn check_actions(&mut self, out: &mut Outbox<Action>) -> Vec<Action> {
        let (now, config) = (self.now, self.config);
        let rested = |account: &Account| account.toggled.is_none_or(|at| now - at >= config.min_toggle);
        for action in out.as_slice() {
            let (peer, unchoke) = match *action {
                Action::Unchoke { peer } => (peer, true),
                Action::Choke { peer } => (peer, false),
            };
            self.account(peer, |account| {
                assert_ne!(account.unchoked, unchoke, "{action:?} changes nothing");
                assert!(rested(account) || (!unchoke && !account.interested), "{action:?} comes too soon");
                assert!(account.interested || !unchoke, "{action:?} is not wanted");
                account.unchoked = unchoke;
                account.toggled = Some(now);
            });
            let unchoked = self.peers.iter().filter(|account| account.unchoked).count();
            assert!(unchoked <= (config.slots + config.optimistic_slots) as usize, "too many slots");
        }
        for account in &self.peers {
            assert_eq!(self.choker.is_unchoked(account.key), account.unchoked);
        }
        out.drain().collect()
    }

    /// Nobody who could have a regular slot gave more than one who has it and could lose it; and while
    /// someone who could be unchoked waits, every slot is held by a peer that wants it.
    fn check_round(&mut self) {
        let rested = |account: &Account| {
            account.toggled.is_none_or(|at| self.now - at >= self.config.min_toggle || at == self.now)
        };
        let bytes = |account: &Account| {
            let bytes = if self.seeding { account.uploaded } else { account.downloaded };
            bytes.iter().sum::<u64>()
        };
        let (held, others): (Vec<_>, Vec<_>) = self
            .peers
            .iter()
            .filter(|account| account.interested)
            .partition(|account| account.unchoked && !self.choker.is_optimistic(account.key));
        let movable = held.iter().filter(|account| rested(account));
        let least = movable.map(|account| bytes(account)).min();
        let could_hold = |account: &&&Account| account.unchoked || rested(account);
        let most = others.iter().filter(could_hold).map(|account| bytes(account)).max();
        assert!(
            least.is_none() || most <= least,
            "{most:?} > {least:?}
{:#?}",
            self.peers
        );

        let waits =
            |account: &Account| !account.unchoked && account.interested && account.toggled != Some(self.now);
        if self.peers.iter().any(|account| waits(account) && rested(account)) {
            let held = self.peers.iter().filter(|account| account.unchoked && account.interested).count();
            assert_eq!(held, (self.config.slots + self.config.optimistic_slots) as usize);
        }
        for account in &mut self.peers {
            account.downloaded = [account.downloaded[1], 0];
            account.uploaded = [account.uploaded[1], 0];
        }
    }
}
