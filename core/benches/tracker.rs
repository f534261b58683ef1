//! What a store needs for an announce with 30 peers back, for a newcomer, for a scrape.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use convoy_core::{
    Instant, Random,
    id::InfoHash,
    tracker::{
        Event,
        store::{Config, Store, Swarms, Visit},
    },
};
use core::{hint::black_box, net::Ipv4Addr};
use criterion::{Criterion, criterion_group, criterion_main};

/// Peers of every swarm: enough to name thirty, whoever asks.
const PEERS: u32 = 40;

/// What every announce is told.
const WANT: usize = 30;

/// A store, and visits to any of its swarms by any of their peers.
struct Tracker {
    store: Store,
    swarms: u32,
    random: Random,
    peers: Vec<u8>,
}

impl Tracker {
    fn new(swarms: u32) -> Self {
        let (store, random) = (Store::new(Config::default(), [1; 32]), Random::new([2; 32]));
        let mut tracker = Self { store, swarms, random, peers: Vec::with_capacity(6 * WANT) };
        // In turns, as they come to a tracker: what belongs to one swarm does not lie together by chance.
        for number in 0..swarms * PEERS {
            tracker.announce(&visit(number % swarms, number / swarms, Event::None));
        }
        tracker
    }

    fn announce(&mut self, visit: &Visit) -> usize {
        self.peers.clear();
        black_box(self.store.announce(Instant::ZERO, visit, &mut self.peers));
        self.peers.len()
    }

    fn any(&mut self) -> (u32, u32) {
        (self.random.below(self.swarms), self.random.below(PEERS))
    }
}

/// A tenth of all are seeders.
fn visit(swarm: u32, peer: u32, event: Event) -> Visit {
    let address = Ipv4Addr::from(swarm.wrapping_mul(PEERS).wrapping_add(peer));
    let seeder = peer % 10 == 9;
    Visit { info_hash: info_hash(swarm), peer: (address, 6881).into(), seeder, event, want: WANT }
}

fn info_hash(swarm: u32) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&swarm.to_be_bytes());
    InfoHash(bytes)
}

fn announces(criterion: &mut Criterion) {
    for swarms in [1000, 100_000] {
        let mut tracker = Tracker::new(swarms);
        let mut group = criterion.benchmark_group(format!("{swarms} swarms of {PEERS}"));
        group.bench_function("drawing a swarm and a peer, to be taken off", |bencher| {
            bencher.iter(|| {
                let (swarm, peer) = tracker.any();
                black_box(visit(swarm, peer, Event::None));
            });
        });
        group.bench_function("announce, 30 peers back", |bencher| {
            bencher.iter(|| {
                let (swarm, peer) = tracker.any();
                assert_eq!(tracker.announce(&visit(swarm, peer, Event::None)), 6 * WANT);
            });
        });
        group.bench_function("announce of one that comes, and of one that goes", |bencher| {
            bencher.iter(|| {
                let (swarm, peer) = tracker.any();
                tracker.announce(&visit(swarm, peer, Event::Stopped));
                tracker.announce(&visit(swarm, peer, Event::Started));
            });
        });
        group.bench_function("scrape", |bencher| {
            bencher.iter(|| {
                let (swarm, _) = tracker.any();
                black_box(tracker.store.scrape(Instant::ZERO, &info_hash(swarm)));
            });
        });
    }
}

fn large_swarm(criterion: &mut Criterion) {
    const LARGE: u32 = 1_000_000;
    let mut tracker = Tracker::new(1);
    (0..LARGE).for_each(|peer| drop(tracker.announce(&visit(0, peer, Event::None))));
    criterion.bench_function("announce in a swarm of 10^6, 30 peers back", |bencher| {
        bencher.iter(|| {
            let peer = tracker.random.below(LARGE);
            tracker.announce(&visit(0, peer, Event::None))
        });
    });
}

criterion_group!(benches, announces, large_swarm);
criterion_main!(benches);
