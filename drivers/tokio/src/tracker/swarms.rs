//! Swarms that threads share: in many stores, each behind a lock of its own, so that workers hardly ever wait
//! for each other.

use crate::lock;
use convoy_core::{
    Instant, Random, Seed,
    id::InfoHash,
    tracker::{
        Counts,
        store::{self, Store, Swarms, Visit, snapshot::Group},
    },
};
use siphasher::sip::SipHasher13;
use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

/// How many stores there are: several for each thread of a big machine.
const PARTITIONS: usize = 64;

/// How many times its share a store may hold. A swarm lies in one store, and may be much larger than others.
const SHARES: usize = 8;

/// All swarms of a tracker.
pub(super) struct Partitions {
    /// Says in which store a swarm is. Keyed, so that nobody can fill one of them and leave the others empty.
    hasher: SipHasher13,
    stores: Box<[Mutex<Store>]>,
}

impl Partitions {
    /// No swarms yet. `config` is for all of them together; where they are spread badly, there may be eight times
    /// as many.
    pub(super) fn new(config: store::Config, seed: Seed) -> Self {
        let config = store::Config {
            max_swarms: config.max_swarms / PARTITIONS * SHARES,
            max_peers: config.max_peers / PARTITIONS * SHARES,
            ..config
        };
        let mut random = Random::new(seed);
        let mut key = [0; 16];
        random.fill_secret(&mut key);
        let stores = (0..PARTITIONS).map(|_| Mutex::new(Store::new(config, random.child_seed())));
        Self { hasher: SipHasher13::new_with_key(&key), stores: stores.collect() }
    }

    /// Each store.
    pub(super) fn stores(&self) -> &[Mutex<Store>] {
        &self.stores
    }

    /// How many swarms there are, and how many peers in all of them.
    pub(super) fn count(&self) -> (usize, usize) {
        self.stores
            .iter()
            .map(lock)
            .fold((0, 0), |(swarms, peers), store| (swarms + store.swarms(), peers + store.peers()))
    }

    /// Takes in peers of an earlier run, which were written `elapsed` ago.
    pub(super) fn restore(&self, now: Instant, group: &Group<'_>, elapsed: Duration) {
        self.of(&group.info_hash).restore(now, group, elapsed);
    }

    fn of(&self, info_hash: &InfoHash) -> MutexGuard<'_, Store> {
        let at = self.hasher.hash(&info_hash.0) as usize % self.stores.len();
        lock(&self.stores[at])
    }
}

impl Swarms for &Partitions {
    fn announce(&mut self, now: Instant, visit: &Visit, peers: &mut Vec<u8>) -> Counts {
        self.of(&visit.info_hash).announce(now, visit, peers)
    }

    fn scrape(&mut self, now: Instant, info_hash: &InfoHash) -> Counts {
        self.of(info_hash).scrape(now, info_hash)
    }
}
