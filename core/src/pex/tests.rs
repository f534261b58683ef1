//! Peer exchange: who is told what and when, what is believed of whom, and the laws.

use super::*;
use crate::{
    Instant, Machine, Outbox,
    slab::Slab,
    testing::{Dice, check_laws},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn who_speaks_is_told_at_once_of_all_but_itself() {
    let mut world = World::new();
    let (ann, bob) = (world.join(1), world.join(2));
    assert_eq!(world.input(Input::Speaks { peer: ann }), [send(ann, &[2], &[])]);
    assert_eq!(world.input(Input::Speaks { peer: ann }), [], "once");
    assert_eq!(world.input(Input::Speaks { peer: bob }), [send(bob, &[1], &[])]);
}

#[test]
fn the_first_message_waits_for_something_to_tell() {
    let mut world = World::new();
    let ann = world.join(1);
    assert_eq!(world.input(Input::Speaks { peer: ann }), []);
    assert_eq!(world.pex.poll_timeout(), None);
    world.pass(7 * SECOND);
    let bob = world.key();
    let joined = Input::PeerJoined { peer: bob, ip: at(2).ip(), addr: Some(at(2)), flags: 0 };
    assert_eq!(world.input(joined), [send(ann, &[2], &[])]);
}

#[test]
fn changes_are_told_once_a_minute() {
    let mut world = World::new();
    let (ann, bob) = (world.join(1), world.join(2));
    world.input(Input::Speaks { peer: ann });
    world.pass(SECOND);
    world.join(3);
    world.input(Input::PeerLeft { peer: bob });
    assert_eq!(world.pass(59 * SECOND - Duration::from_micros(1)), []);
    assert_eq!(world.pass(SECOND), [send(ann, &[3], &[2])]);
    assert_eq!(world.pass(600 * SECOND), [], "nothing is new");
}

#[test]
fn who_came_and_went_in_between_is_not_mentioned() {
    let mut world = World::new();
    let ann = world.join(1);
    world.join(2);
    world.input(Input::Speaks { peer: ann });
    let passer = world.join(3);
    world.input(Input::PeerLeft { peer: passer });
    assert_eq!(world.pass(60 * SECOND), []);
}

#[test]
fn who_went_and_came_back_is_added_and_not_dropped() {
    let mut world = World::new();
    let (ann, bob) = (world.join(1), world.join(2));
    world.input(Input::Speaks { peer: ann });
    world.input(Input::PeerLeft { peer: bob });
    world.join(2);
    assert_eq!(world.pass(60 * SECOND), [send(ann, &[2], &[])]);
}

#[test]
fn an_address_that_becomes_the_receivers_own_is_dropped() {
    let mut world = World::new();
    let (ann, bob) = (world.join(1), world.join(2));
    world.input(Input::Speaks { peer: ann });
    world.input(Input::PeerLeft { peer: bob });
    world.input(Input::AddressKnown { peer: ann, addr: at(2), flags: 0 });
    assert_eq!(world.pass(60 * SECOND), [send(ann, &[], &[2])], "the one it was told of is gone");
}

#[test]
fn a_message_has_fifty_at_most_and_the_rest_follows() {
    let mut world = World::new();
    let ann = world.join(0);
    for host in 1..=120 {
        world.join(host);
    }
    let hosts = |from, to| (from..=to).collect::<Vec<u8>>();
    assert_eq!(world.input(Input::Speaks { peer: ann }), [send(ann, &hosts(1, 50), &[])]);
    assert_eq!(world.pass(60 * SECOND), [send(ann, &hosts(51, 100), &[])]);
    assert_eq!(world.pass(60 * SECOND), [send(ann, &hosts(101, 120), &[])]);
    for (_, peer) in world.joined.clone().into_iter().filter(|(_, peer)| *peer != ann) {
        world.input(Input::PeerLeft { peer });
    }
    assert_eq!(world.pass(60 * SECOND), [send(ann, &[], &hosts(1, 50))]);
    assert_eq!(world.pass(120 * SECOND).len(), 2);
    assert_eq!(world.pass(120 * SECOND), []);
}

#[test]
fn an_address_that_becomes_known_later_is_told_and_one_that_changes_is_replaced() {
    let mut world = World::new();
    let (ann, bob) = (world.join(1), world.key());
    world.input(Input::Speaks { peer: ann });
    world.input(Input::PeerJoined { peer: bob, ip: at(2).ip(), addr: None, flags: 0 });
    let known = Input::AddressKnown { peer: bob, addr: at(2), flags: 0xff };
    let added = vec![(at(2), FLAGS)];
    assert_eq!(world.input(known), [Action::Send { peer: ann, added, dropped: vec![] }]);
    world.input(Input::AddressKnown { peer: bob, addr: at(3), flags: 0 });
    assert_eq!(world.pass(60 * SECOND), [send(ann, &[3], &[2])]);
}

#[test]
fn addresses_of_our_network_are_told_within_it_alone() {
    let mut world = World::new();
    let (stranger, neighbour) = (world.join(1), world.key());
    let inside = SocketAddr::from(([192, 168, 0, 5], 6881));
    world.input(Input::PeerJoined { peer: neighbour, ip: inside.ip(), addr: Some(inside), flags: 0 });
    assert_eq!(world.input(Input::Speaks { peer: stranger }), []);
    let other = world.key();
    let ip = [192, 168, 0, 6].into();
    world.input(Input::PeerJoined { peer: other, ip, addr: None, flags: 0 });
    let [Action::Send { added, .. }] = &world.input(Input::Speaks { peer: other })[..] else {
        panic!("there is something to tell")
    };
    assert_eq!(*added, [(at(1), 0), (inside, 0)]);
}

#[test]
fn what_is_found_is_new_and_its_flags_are_known() {
    let mut world = World::new();
    let ann = world.join(1);
    let found = world.input(Input::Received { peer: ann, added: vec![(at(2), 0xff)], dropped: vec![at(9)] });
    assert_eq!(found, [Action::Found { from: ann, peers: vec![(at(2), FLAGS)] }]);
}

#[test]
fn who_is_connected_or_was_found_is_not_found_again() {
    let mut world = World::new();
    let (ann, bob) = (world.join(1), world.join(2));
    assert_eq!(world.hears(ann, &[at(1), at(2), at(3)]), [at(3)]);
    assert_eq!(world.hears(bob, &[at(3)]), []);
    assert_eq!(world.pex.counters().repeated, 3);
}

#[test]
fn within_a_network_many_peers_may_share_an_address() {
    let mut world = World::new();
    let peer = world.key();
    let home = |port| SocketAddr::from(([127, 0, 0, 1], port));
    world.input(Input::PeerJoined { peer, ip: home(0).ip(), addr: None, flags: 0 });
    let many: Vec<SocketAddr> = (6882..6892).map(home).collect();
    assert_eq!(world.hears(peer, &many), many);
}

#[test]
fn bad_input_22_ten_thousand_entries_give_no_more_than_the_quota() {
    let mut world = World::new();
    let ann = world.join(1);
    let many: Vec<SocketAddr> =
        (0..10_000_u32).map(|host| ((0x0b00_0000 + (host << 8)).to_be_bytes(), 6881).into()).collect();
    assert_eq!(world.hears(ann, &many).len(), 50);
    world.pass(60 * SECOND);
    assert_eq!(world.hears(ann, &many[1000..]), [], "the quota is for ten minutes");
    world.pass(540 * SECOND);
    assert_eq!(world.hears(ann, &many[1000..]).len(), 50);
}

#[test]
fn bad_input_22_a_message_every_second_is_ignored_but_one_a_minute() {
    let mut world = World::new();
    let ann = world.join(1);
    let mut found = 0;
    for second in 0..600_u16 {
        let [high, low] = second.to_be_bytes();
        found += world.hears(ann, &[([11, high, low, 1], 6881).into()]).len();
        world.pass(SECOND);
    }
    assert_eq!((found, world.pex.counters().too_soon), (11, 589));
}

#[test]
fn bad_input_22_a_message_may_come_two_seconds_early_and_no_more() {
    let mut world = World::new();
    let ann = world.join(1);
    assert_eq!(world.hears(ann, &[at(2)]), [at(2)]);
    world.pass(58 * SECOND - Duration::from_micros(1));
    assert_eq!(world.hears(ann, &[at(3)]), []);
    world.pass(Duration::from_micros(1));
    assert_eq!(world.hears(ann, &[at(3)]), [at(3)], "the one before was held up on its way");
}

#[test]
fn bad_input_22_addresses_that_nobody_should_dial_are_refused() {
    let mut world = World::new();
    let ann = world.join(1);
    let bad = [
        "127.0.0.1:6881",
        "10.1.2.3:6881",
        "192.168.1.1:8080",
        "172.16.0.1:6881",
        "169.254.169.254:6881",
        "100.64.0.1:6881",
        "0.0.0.0:6881",
        "224.0.0.1:6881",
        "255.255.255.255:6881",
        "[::]:6881",
        "[::1]:6881",
        "[fe80::1]:6881",
        "[fd00::1]:6881",
        "[ff02::1]:6881",
        "[::ffff:127.0.0.1]:6881",
        "[::ffff:192.168.1.1]:6881",
        "8.8.8.8:0",
        "8.8.8.8:25",
        "8.8.8.8:80",
        "8.8.8.8:443",
    ];
    let bad: Vec<SocketAddr> = bad.iter().map(|addr| addr.parse().expect("an address")).collect();
    assert_eq!(world.hears(ann, &bad), []);
    assert_eq!(world.pex.counters().refused, bad.len() as u64);
}

#[test]
fn bad_input_22_our_own_addresses_are_refused_however_they_are_written() {
    let mut world = World::new();
    let ann = world.join(1);
    world.input(Input::Ours(at(7)));
    let mapped = SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0x0909, 0x0907], 6881));
    assert_eq!(world.hears(ann, &[at(7), mapped]), []);
    assert_eq!(world.pex.counters().refused, 2);
}

#[test]
fn bad_input_22_one_subnet_gives_three_and_one_host_one() {
    let mut world = World::new();
    let ann = world.join(1);
    let subnet: Vec<SocketAddr> = (1..=200).map(|host| ([11, 0, 0, host], 6881).into()).collect();
    assert_eq!(world.hears(ann, &subnet), subnet[..3]);
    let bob = world.join(2);
    let ports: Vec<SocketAddr> = (6881..6981).map(|port| ([12, 0, 0, 1], port).into()).collect();
    assert_eq!(world.hears(bob, &ports), ports[..1]);
    let eve = world.join(3);
    let v6: Vec<SocketAddr> = (1..=200).map(|host| ([0x2a00, 1, 2, 3, host, 0, 0, 1], 6881).into()).collect();
    assert_eq!(world.hears(eve, &v6), v6[..3]);
}

#[test]
fn bad_input_22_a_private_torrent_neither_tells_nor_listens() {
    let mut world = World::new();
    let (ann, bob) = (world.join(1), world.join(2));
    world.input(Input::Switch(false));
    assert_eq!(world.input(Input::Speaks { peer: ann }), []);
    assert_eq!(world.hears(bob, &[at(9)]), []);
    assert_eq!(world.pex.counters().unwanted, 1);
    assert_eq!(world.pex.poll_timeout(), None);
    assert_eq!(world.input(Input::Switch(true)), [send(ann, &[2], &[])]);
}

#[test]
fn bad_input_22_coming_and_going_does_not_grow_memory() {
    let mut world = World::new();
    let ann = world.join(1);
    world.input(Input::Speaks { peer: ann });
    let mut most = 0;
    for round in 0..10_000_u32 {
        let peer = world.key();
        let addr = SocketAddr::from(((0x0b00_0000 + round).to_be_bytes(), 6881));
        world.input(Input::PeerJoined { peer, ip: addr.ip(), addr: Some(addr), flags: 0 });
        world.hears(peer, &[((0x0c00_0000 + (round << 8)).to_be_bytes(), 6881).into()]);
        world.input(Input::PeerLeft { peer });
        world.keys.remove(peer);
        most = most.max(world.pex.memory());
    }
    assert!(most < 256 * 1024, "{most} bytes for two peers");
}

#[test]
fn a_thousand_peers_cost_a_few_hundred_bytes_each() {
    let mut world = World::new();
    for host in 0..1000_u32 {
        let peer = world.key();
        let addr = SocketAddr::from(((0x0b00_0000 + (host << 8)).to_be_bytes(), 6881));
        world.input(Input::PeerJoined { peer, ip: addr.ip(), addr: Some(addr), flags: 0 });
        world.input(Input::Speaks { peer });
    }
    assert!(world.pex.memory() < 1000 * 400, "{} bytes", world.pex.memory());
}

#[derive(Clone, Debug)]
enum Event {
    Join(u8),
    Leave(usize),
    Move(usize, u8),
    Speak(usize),
    Pass(u32),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0_u8..40).prop_map(Event::Join),
        2 => any::<usize>().prop_map(Event::Leave),
        1 => (any::<usize>(), 0_u8..40).prop_map(|(place, host)| Event::Move(place, host)),
        2 => any::<usize>().prop_map(Event::Speak),
        2 => (0_u32..90).prop_map(Event::Pass),
    ]
}

proptest! {
    /// However peers come, go and move: messages keep their distance, and when all is quiet every receiver
    /// believes exactly what is true.
    #[test]
    fn receivers_come_to_believe_what_is_true(events in proptest::collection::vec(event(), 0..150)) {
        let mut world = World::new();
        events.into_iter().for_each(|event| world.play(event));
        world.pass(120 * SECOND);
        for (own, speaker) in world.joined.clone() {
            let others = world.joined.iter().map(|(host, _)| *host).filter(|host| *host != own);
            let told = others.filter(|_| world.speakers.contains(&speaker));
            let truth: BTreeSet<SocketAddr> = told.map(at).collect();
            let believed = world.believed_by(speaker).0.clone();
            prop_assert_eq!(believed, truth);
        }
    }
}

#[test]
fn the_laws_hold() {
    for seed in 0..200 {
        check_laws(subject::AnyPex::default(), Dice::seeded(seed), 300);
    }
}

fn at(host: u8) -> SocketAddr {
    ([9, 9, 9, host], 6881).into()
}

fn send(peer: PeerKey, added: &[u8], dropped: &[u8]) -> Action {
    let added = added.iter().map(|host| (at(*host), 0)).collect();
    Action::Send { peer, added, dropped: dropped.iter().map(|host| at(*host)).collect() }
}

/// Peer exchange, its peers, and what they believe.
struct World {
    pex: Pex,
    keys: Slab<PeerKey, ()>,
    now: Instant,
    /// By the last byte of their address.
    joined: Vec<(u8, PeerKey)>,
    speakers: BTreeSet<PeerKey>,
    /// What each was told is there, and when it was last told.
    believed: BTreeMap<PeerKey, (BTreeSet<SocketAddr>, Option<Instant>)>,
}

impl World {
    fn new() -> Self {
        Self {
            pex: Pex::new(Config::default()),
            keys: Slab::new(),
            now: Instant::ZERO,
            joined: Vec::new(),
            speakers: BTreeSet::new(),
            believed: BTreeMap::new(),
        }
    }

    fn key(&mut self) -> PeerKey {
        self.keys.insert(())
    }

    fn join(&mut self, host: u8) -> PeerKey {
        let peer = self.key();
        self.joined.push((host, peer));
        self.input(Input::PeerJoined { peer, ip: at(host).ip(), addr: Some(at(host)), flags: 0 });
        peer
    }

    fn believed_by(&mut self, peer: PeerKey) -> &mut (BTreeSet<SocketAddr>, Option<Instant>) {
        self.believed.entry(peer).or_default()
    }

    fn play(&mut self, event: Event) {
        let is_free = |host: u8| self.joined.iter().all(|(other, _)| *other != host);
        let pick = |place: usize| self.joined.get(place % self.joined.len().max(1)).map(|(_, peer)| *peer);
        match event {
            Event::Join(host) => {
                if is_free(host) {
                    self.join(host);
                }
            }
            Event::Leave(place) => {
                if let Some(peer) = pick(place) {
                    self.input(Input::PeerLeft { peer });
                    self.keys.remove(peer);
                }
            }
            Event::Move(place, host) => {
                if let Some(peer) = pick(place).filter(|_| is_free(host)) {
                    let entry = self.joined.iter_mut().find(|(_, joined)| *joined == peer);
                    entry.expect("it joined").0 = host;
                    self.input(Input::AddressKnown { peer, addr: at(host), flags: 0 });
                }
            }
            Event::Speak(place) => {
                if let Some(peer) = pick(place) {
                    self.speakers.insert(peer);
                    self.input(Input::Speaks { peer });
                }
            }
            Event::Pass(seconds) => drop(self.pass(SECOND * seconds)),
        }
    }

    fn hears(&mut self, peer: PeerKey, addrs: &[SocketAddr]) -> Vec<SocketAddr> {
        let added = addrs.iter().map(|addr| (*addr, 0)).collect();
        match self.input(Input::Received { peer, added, dropped: vec![] }).pop() {
            Some(Action::Found { peers, .. }) => peers.into_iter().map(|(addr, _)| addr).collect(),
            Some(Action::Send { .. }) | None => Vec::new(),
        }
    }

    fn input(&mut self, input: Input) -> Vec<Action> {
        if let Input::PeerLeft { peer } = &input {
            self.joined.retain(|(_, joined)| joined != peer);
            self.believed.remove(peer);
        }
        let mut out = Outbox::new();
        assert_eq!(self.pex.handle_input(self.now, input, &mut out), Ok(()));
        self.note(&mut out)
    }

    /// Lets time pass, timers and all.
    fn pass(&mut self, time: Duration) -> Vec<Action> {
        let (end, mut actions) = (self.now + time, Vec::new());
        while let Some(due) = self.pex.poll_timeout().filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(due.at);
            let mut out = Outbox::new();
            assert_eq!(self.pex.handle_timeout(self.now, &mut out), Ok(()));
            actions.extend(self.note(&mut out));
        }
        self.now = end;
        actions
    }

    fn note(&mut self, out: &mut Outbox<Action>) -> Vec<Action> {
        for action in out.as_slice() {
            let Action::Send { peer, added, dropped } = action else { continue };
            let now = self.now;
            let (believed, told) = self.believed_by(*peer);
            assert!(told.is_none_or(|told| now - told >= 60 * SECOND), "{action:?} comes too soon");
            assert!(dropped.iter().all(|addr| believed.remove(addr)), "{action:?} was never told");
            believed.extend(added.iter().map(|(addr, _)| *addr));
            *told = Some(now);
        }
        out.drain().collect()
    }
}
