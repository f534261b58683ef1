//! The relay: who meets whom, what is refused, and the laws.

use super::*;
use crate::{
    Instant, Machine, Outbox,
    slab::Slab,
    testing::{Dice, check_laws},
};
use alloc::vec::Vec;
use core::time::Duration;

#[test]
fn two_who_speak_are_brought_together() {
    let mut world = World::new();
    let (ann, bob) = (world.speaker(1), world.speaker(2));
    let expected = [Action::Connect { peer: bob, addr: at(1) }, Action::Connect { peer: ann, addr: at(2) }];
    assert_eq!(world.input(Input::Rendezvous { peer: ann, target: at(2) }), expected);
}

#[test]
fn a_rendezvous_goes_by_the_address_that_became_known() {
    let mut world = World::new();
    let (ann, bob) = (world.speaker(1), world.speaker(2));
    world.input(Input::AddressKnown { peer: bob, addr: at(7) });
    assert_eq!(world.meets(ann, at(2)), Some(Refusal::NotConnected));
    assert_eq!(world.meets(ann, at(7)), None);
}

#[test]
fn what_cannot_be_is_answered_with_the_reason() {
    let mut world = World::new();
    let ann = world.speaker(1);
    let mute = world.key();
    world.input(Input::PeerJoined { peer: mute, addr: at(2) });
    world.input(Input::Ours(at(9)));
    assert_eq!(world.meets(ann, at(2)), Some(Refusal::NoSupport));
    assert_eq!(world.meets(ann, at(3)), Some(Refusal::NotConnected));
    assert_eq!(world.meets(ann, at(9)), Some(Refusal::NoSelf));
    assert_eq!(world.meets(ann, at(1)), Some(Refusal::NoSelf));
    assert_eq!(world.meets(ann, ([0, 0, 0, 0], 1).into()), Some(Refusal::NoSuchPeer));
    assert_eq!(Refusal::NoSelf as u32, 4, "the number in the message");
}

#[test]
fn who_left_is_met_no_more() {
    let mut world = World::new();
    let (ann, bob) = (world.speaker(1), world.speaker(2));
    world.input(Input::PeerLeft { peer: bob });
    assert_eq!(world.meets(ann, at(2)), Some(Refusal::NotConnected));
}

#[test]
fn who_does_not_advertise_it_is_ignored() {
    let mut world = World::new();
    let (_, mute) = (world.speaker(1), world.key());
    world.input(Input::PeerJoined { peer: mute, addr: at(2) });
    assert_eq!(world.input(Input::Rendezvous { peer: mute, target: at(1) }), []);
    assert_eq!(world.input(Input::Connect { peer: mute, addr: at(3) }), []);
    assert_eq!(world.holepunch.counters().mute, 2);
}

#[test]
fn a_connect_is_dialled_once_a_minute_and_not_if_connected() {
    let mut world = World::new();
    let relay = world.speaker(1);
    let connect = |host| Input::Connect { peer: relay, addr: at(host) };
    assert_eq!(world.input(connect(2)), [Action::Dial { addr: at(2) }]);
    assert_eq!(world.input(connect(2)), []);
    assert_eq!(world.input(connect(1)), [], "it is connected");
    world.now = world.now + Duration::from_secs(60);
    assert_eq!(world.input(connect(2)), [Action::Dial { addr: at(2) }]);
}

#[test]
fn bad_input_23_a_connect_into_our_own_network_is_refused() {
    let mut world = World::new();
    let relay = world.speaker(1);
    let bad = [
        "127.0.0.1:6881",
        "127.8.8.8:6881",
        "10.0.0.1:6881",
        "172.16.0.1:6881",
        "192.168.1.1:8080",
        "169.254.169.254:8080",
        "0.0.0.0:6881",
        "224.0.0.1:6881",
        "8.8.8.8:0",
    ];
    let more = ["8.8.8.8:25", "[::1]:6881", "[fc00::1]:6881", "[fe80::1]:6881", "[::ffff:10.0.0.1]:6881"];
    for (minute, addr) in bad.iter().chain(&more).enumerate() {
        world.now = Instant::ZERO + Duration::from_secs(60 * minute as u64);
        let addr = addr.parse().expect("an address");
        assert_eq!(world.input(Input::Connect { peer: relay, addr }), [], "{addr}");
    }
    world.input(Input::Ours(at(9)));
    assert_eq!(world.input(Input::Connect { peer: relay, addr: at(9) }), []);
    assert_eq!(world.holepunch.counters().refused, 15);
}

#[test]
fn bad_input_23_a_relay_within_a_network_is_believed_of_it() {
    let mut world = World::new();
    let relay = world.key();
    let home = |host| SocketAddr::from(([192, 168, 0, host], 6881));
    world.input(Input::PeerJoined { peer: relay, addr: home(1) });
    world.input(Input::Speaks { peer: relay });
    let dial = world.input(Input::Connect { peer: relay, addr: home(2) });
    assert_eq!(dial, [Action::Dial { addr: home(2) }]);
}

#[test]
fn bad_input_23_nobody_is_pointed_at_the_network_of_another() {
    let mut world = World::new();
    let (stranger, inside) = (world.speaker(1), world.key());
    let addr = ([192, 168, 0, 5], 6881).into();
    world.input(Input::PeerJoined { peer: inside, addr });
    world.input(Input::Speaks { peer: inside });
    assert_eq!(world.meets(stranger, addr), Some(Refusal::NoSuchPeer));
    assert_eq!(world.meets(inside, at(1)), Some(Refusal::NoSuchPeer));
}

#[test]
fn bad_input_23_a_flood_of_connects_dials_ten_for_a_peer_and_thirty_for_all() {
    let mut world = World::new();
    let relays: Vec<PeerKey> = (1..=5).map(|host| world.speaker(host)).collect();
    let mut dials = Vec::new();
    for (place, relay) in relays.iter().enumerate() {
        let flood = (0..=255_u8).map(|host| ([11, 0, place as u8, host], 6881).into());
        let connects = flood.map(|addr| Input::Connect { peer: *relay, addr });
        dials.push(connects.map(|input| world.input(input).len()).sum::<usize>());
    }
    assert_eq!(dials, [10, 10, 10, 0, 0]);
}

#[test]
fn a_flood_of_rendezvous_brings_ten_for_a_peer_and_twenty_to_a_peer() {
    let mut world = World::new();
    world.speaker(1);
    let met: Vec<usize> = (2..=5)
        .map(|host| {
            let peer = world.speaker(host);
            (0..1000).map(|_| world.input(Input::Rendezvous { peer, target: at(1) }).len()).sum()
        })
        .collect();
    assert_eq!(met, [20, 20, 0, 0], "two messages each");
}

#[test]
fn the_laws_hold() {
    for seed in 0..200 {
        check_laws(subject::AnyHolepunch::default(), Dice::seeded(seed), 300);
    }
}

fn at(host: u8) -> SocketAddr {
    ([9, 9, 9, host], 6881).into()
}

/// A relay, its peers, and the time.
struct World {
    holepunch: Holepunch,
    keys: Slab<PeerKey, ()>,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let holepunch = Holepunch::new(Config::default());
        Self { holepunch, keys: Slab::new(), now: Instant::ZERO }
    }

    fn key(&mut self) -> PeerKey {
        self.keys.insert(())
    }

    fn speaker(&mut self, host: u8) -> PeerKey {
        let peer = self.key();
        self.input(Input::PeerJoined { peer, addr: at(host) });
        self.input(Input::Speaks { peer });
        peer
    }

    /// Why a rendezvous cannot be, if it cannot.
    fn meets(&mut self, peer: PeerKey, target: SocketAddr) -> Option<Refusal> {
        let actions = self.input(Input::Rendezvous { peer, target });
        if let [Action::Error { why, .. }] = actions[..] {
            return Some(why);
        }
        assert_eq!(actions.len(), 2, "{actions:?}");
        None
    }

    fn input(&mut self, input: Input) -> Vec<Action> {
        let mut out = Outbox::new();
        assert_eq!(self.holepunch.handle_input(self.now, input, &mut out), Ok(()));
        assert_eq!(self.holepunch.poll_timeout(), None);
        out.drain().collect()
    }
}
