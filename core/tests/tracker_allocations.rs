//! What a peer costs a tracker in memory, and an announce in allocations, counted by the allocator.

use convoy_core::{
    Instant,
    id::InfoHash,
    tracker::{
        Event,
        store::{Config, Store, Swarms, Visit},
    },
};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The most that a peer may cost beyond its address, in bytes.
const PEER: usize = 32;

/// The most that a swarm may cost without its peers, in bytes.
const SWARM: usize = 200;

#[test]
fn two_million_peers_in_a_hundred_thousand_swarms() {
    measure(100_000, 20, v4);
}

#[test]
fn a_million_in_one_swarm() {
    measure(1, 1_000_000, v4);
}

#[test]
fn a_million_in_one_swarm_over_ipv6() {
    measure(1, 1_000_000, v6);
}

#[test]
fn swarms_of_every_small_size() {
    for size in 1..40 {
        measure(500, size, v4);
        measure(500, size, v6);
    }
}

#[test]
fn whoever_is_left_of_a_million_costs_no_more_than_before() {
    let mut store = Store::new(Config::default(), [1; 32]);
    let info = allocation_counter::measure(|| {
        (0..1_000_000).for_each(|number| announce(&mut store, 0, v4(number), Event::None));
        (10_000..1_000_000).for_each(|number| announce(&mut store, 0, v4(number), Event::Stopped));
    });
    assert_eq!(store.peers(), 10_000);
    hold(info.bytes_current, &store, 6);
}

#[test]
fn an_announce_of_somebody_known_allocates_nothing() {
    let (mut store, mut peers) = (Store::new(Config::default(), [1; 32]), Vec::with_capacity(600));
    (0..10_000).for_each(|number| announce(&mut store, number % 100, v4(number), Event::None));
    let info = allocation_counter::measure(|| {
        for number in 0..10_000 {
            peers.clear();
            store.announce(Instant::ZERO, &visit(number % 100, v4(number), Event::None), &mut peers);
            assert!(peers.len() >= 6 * 29, "{}", peers.len());
            store.scrape(Instant::ZERO, &info_hash(number % 100));
        }
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn peers_that_come_and_go_hardly_allocate() {
    let mut store = Store::new(Config::default(), [1; 32]);
    (0..100_000).for_each(|number| announce(&mut store, number % 100, v4(number), Event::None));
    let info = allocation_counter::measure(|| {
        for number in 0..100_000 {
            announce(&mut store, number % 100, v4(number), Event::Stopped);
            announce(&mut store, number % 100, v4(100_000 + number), Event::Started);
        }
    });
    assert!(info.count_total <= 200, "{} allocations", info.count_total);
}

/// Fills swarms in turns, so that none has its memory from the start, and holds every peer to its price.
fn measure(swarms: u32, size: u32, address: fn(u32) -> SocketAddr) {
    let mut store = Store::new(Config::default(), [1; 32]);
    let info = allocation_counter::measure(|| {
        (0..swarms * size)
            .for_each(|number| announce(&mut store, number % swarms, address(number), Event::None));
    });
    assert_eq!((store.swarms(), store.peers()), (swarms as usize, (swarms * size) as usize));
    hold(info.bytes_current, &store, if address(0).is_ipv4() { 6 } else { 18 });
}

fn hold(bytes: i64, store: &Store, address: usize) {
    let allowed = store.peers() * (address + PEER) + store.swarms() * SWARM;
    let (swarms, peers) = (store.swarms(), store.peers());
    println!("{peers} peers in {swarms} swarms: {bytes} bytes, {} a peer", bytes / peers as i64);
    assert!(bytes <= allowed as i64, "{bytes} bytes for {peers} peers in {swarms} swarms");
}

/// A third of all are seeders.
fn announce(store: &mut Store, swarm: u32, peer: SocketAddr, event: Event) {
    store.announce(Instant::ZERO, &Visit { want: 0, ..visit(swarm, peer, event) }, &mut Vec::new());
}

fn visit(swarm: u32, peer: SocketAddr, event: Event) -> Visit {
    Visit { info_hash: info_hash(swarm), peer, seeder: peer.port() % 3 == 0, event, want: 30 }
}

fn info_hash(swarm: u32) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&swarm.to_be_bytes());
    InfoHash(bytes)
}

fn v4(number: u32) -> SocketAddr {
    (Ipv4Addr::from(number), (number % 1000) as u16).into()
}

fn v6(number: u32) -> SocketAddr {
    (Ipv6Addr::from(u128::from(number)), (number % 1000) as u16).into()
}
