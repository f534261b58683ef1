//! Who is in which swarm.
//!
//! A swarm has a table for its leechers and one for its seeders, of each address family. Rows lie side by
//! side (`table`), so that others can be drawn by lot (`lottery`) and a walk through all of them, a few
//! rows at every announce, forgets who has gone silent (`expiry`). Nothing here takes longer where there
//! is more of it, but for the copy when a table's memory moves. [`snapshot`] carries
//! all over a restart.

mod expiry;
mod lottery;
pub mod snapshot;
mod swarm;
mod table;
#[cfg(test)]
mod tests;

use self::{
    expiry::Walk,
    lottery::Lottery,
    swarm::{Change, Moment, Seconds, Swarm, compact_v4, compact_v6},
    table::{MAX_ROWS, Table},
};
use super::{Counts, Event};
use crate::{
    id::InfoHash,
    random::{Random, Seed},
    time::{Clock, Instant},
};
use alloc::vec::Vec;
use core::{net::SocketAddr, time::Duration};
use siphasher::sip::SipHasher13;

/// How many peers and swarms every announce looks at to see whether they are silent: enough to get through
/// all of them twice an interval, even where every swarm has but one peer.
const LOOKS_PER_ANNOUNCE: u32 = 4;

/// What is told of a swarm that is not there.
const NOBODY: Counts =
    Counts { seeders: Some(0), leechers: Some(0), downloaders: Some(0), completed: Some(0) };

/// One peer's announce, as a store sees it: admitted, and from an address that is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Visit {
    /// Which swarm.
    pub info_hash: InfoHash,
    /// Where it listens: the address that the request came from, with the port that it named.
    pub peer: SocketAddr,
    /// It has all.
    pub seeder: bool,
    /// What has happened.
    pub event: Event,
    /// How many others it is told of, at most.
    pub want: usize,
}

impl Visit {
    /// Whether it wants nothing more, though it has not all (BEP 21).
    #[must_use]
    pub fn is_partial_seed(&self) -> bool {
        !self.seeder && self.event == Event::Paused
    }
}

/// Swarms, wherever they are kept: in one store, or in several that threads share.
pub trait Swarms {
    /// Notes a peer, or forgets it if it has stopped; writes up to `visit.want` others of the same address
    /// family behind what is in `peers`, in their compact form, chosen without bias: no seeders for a seeder
    /// or for one that wants nothing more (BEP 21), nobody for one that has stopped.
    /// Returns how many others are in the swarm, of both address families: who is the first in one is told what
    /// they would be told of one that is hidden from them.
    fn announce(&mut self, now: Instant, visit: &Visit, peers: &mut Vec<u8>) -> Counts;

    /// How many are in a swarm, of both address families.
    fn scrape(&mut self, now: Instant, info_hash: &InfoHash) -> Counts;
}

/// What a [`Store`] may hold, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long a peer stays that announces no more. 45 minutes, as in opentracker: half as long again as
    /// the half hour after which peers are usually told to announce.
    pub expiry: Duration,
    /// The most swarms: 2^20, at 200 bytes at most. A visitor to one more is answered, and forgotten. It
    /// counts as 2^30 if it is larger, as does the next.
    pub max_swarms: usize,
    /// The most peers in all swarms: 2^23, at 32 bytes and their address at most. One more is answered, and
    /// forgotten.
    pub max_peers: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self::for_interval(Duration::from_secs(30 * 60))
    }
}

impl Config {
    /// The one for a tracker that tells its peers to announce so often.
    #[must_use]
    pub fn for_interval(interval: Duration) -> Self {
        Self { expiry: interval.saturating_mul(3) / 2, max_swarms: 1 << 20, max_peers: 1 << 23 }
    }
}

/// Swarms in memory.
///
/// An announce is O(1) and allocates nothing but a table's room for newcomers, a quarter of what is there. A
/// peer costs at most 32 bytes beyond its address.
///
/// ```
/// use convoy_core::{Instant, compact, id::InfoHash, tracker::{Event, store::{Config, Store, Swarms, Visit}}};
///
/// let mut store = Store::new(Config::default(), [7; 32]);
/// let (info_hash, peer) = (InfoHash([1; 20]), "192.0.2.1:6881".parse()?);
/// let visit = Visit { info_hash, peer, seeder: true, event: Event::Started, want: 50 };
/// let mut peers = Vec::new();
/// assert_eq!(store.announce(Instant::ZERO, &visit, &mut peers).seeders, Some(0), "it is alone");
///
/// let visit = Visit { peer: "192.0.2.2:6881".parse()?, seeder: false, ..visit };
/// assert_eq!(store.announce(Instant::ZERO, &visit, &mut peers).seeders, Some(1));
/// assert_eq!(compact::read(&peers), Some(peer));
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    config: Config,
    clock: Clock,
    hasher: SipHasher13,
    lottery: Lottery,
    swarms: Table<20, Swarm>,
    /// How many are in all swarms.
    peers: u32,
    /// Where the search for the silent is.
    walk: Walk,
}

impl Store {
    /// An empty one.
    #[must_use]
    pub fn new(config: Config, seed: Seed) -> Self {
        let mut random = Random::new(seed);
        let mut key = [0; 16];
        random.fill_secret(&mut key);
        Self {
            config: Config {
                max_swarms: config.max_swarms.min(MAX_ROWS),
                max_peers: config.max_peers.min(MAX_ROWS),
                ..config
            },
            clock: Clock::default(),
            hasher: SipHasher13::new_with_key(&key),
            lottery: Lottery::new(&mut random),
            swarms: Table::default(),
            peers: 0,
            walk: Walk::through(0),
        }
    }

    /// How many swarms there are; those where nobody is left for a while too.
    #[must_use]
    pub fn swarms(&self) -> usize {
        self.swarms.len() as usize
    }

    /// How many peers are in all of them; those who have gone silent for a while too.
    #[must_use]
    pub const fn peers(&self) -> usize {
        self.peers as usize
    }

    /// The time by the store's own clock, in seconds. It begins one expiry before the driver's, so that there
    /// is a time for everybody who was seen before a restart.
    fn seconds(&mut self, now: Instant) -> Seconds {
        let now = self.clock.advance(now);
        self.seconds_at(now)
    }

    fn seconds_at(&self, now: Instant) -> Seconds {
        let since_epoch = self.clock.latest().max(now) - Instant::ZERO;
        seconds(since_epoch).saturating_add(self.expiry())
    }

    /// Who was not seen after this time has gone.
    fn stale(&self, now: Seconds) -> Seconds {
        now - self.expiry()
    }

    fn expiry(&self) -> Seconds {
        seconds(self.config.expiry).max(1)
    }

    fn has_room_for_a_peer(&self) -> bool {
        (self.peers as usize) < self.config.max_peers
    }

    fn find(&self, info_hash: &InfoHash) -> Option<u32> {
        self.swarms.find(self.hasher.hash(&info_hash.0), &info_hash.0)
    }

    /// The place of a swarm, which is made where there is room for it, and in it for somebody.
    fn find_or_add(&mut self, info_hash: &InfoHash, room: bool) -> Option<u32> {
        let hash = self.hasher.hash(&info_hash.0);
        let known = self.swarms.find(hash, &info_hash.0);
        let room = room && self.swarms() < self.config.max_swarms;
        known.or_else(|| room.then(|| self.swarms.insert(&self.hasher, hash, info_hash.0, Swarm::default())))
    }

    fn leave(&mut self, visit: &Visit) -> Counts {
        let swarm = self.find(&visit.info_hash).and_then(|place| self.swarms.value_mut(place));
        let Some(swarm) = swarm else { return NOBODY };
        let left = match visit.peer {
            SocketAddr::V4(peer) => swarm.v4.forget(&self.hasher, &compact_v4(peer)),
            SocketAddr::V6(peer) => swarm.v6.forget(&self.hasher, &compact_v6(peer)),
        };
        if let Some(peer) = left {
            self.peers -= 1;
            swarm.partial_seeds -= u32::from(peer.is_partial_seed);
        }
        swarm.counts()
    }
}

impl Swarms for Store {
    fn announce(&mut self, now: Instant, visit: &Visit, peers: &mut Vec<u8>) -> Counts {
        let now = self.seconds(now);
        self.expire_some(now, LOOKS_PER_ANNOUNCE);
        if visit.event == Event::Stopped {
            return self.leave(visit);
        }
        let room = self.has_room_for_a_peer();
        let Some(place) = self.find_or_add(&visit.info_hash, room) else { return NOBODY };
        let stale = self.stale(now);
        let Some(swarm) = self.swarms.value_mut(place) else { return NOBODY };
        let partial_seeds = &mut swarm.partial_seeds;
        let (hasher, lottery) = (&self.hasher, &mut self.lottery);
        let moment = Moment { now, stale, room, hasher, lottery, partial_seeds };
        let change = match visit.peer {
            SocketAddr::V4(peer) => swarm.v4.announce(moment, &compact_v4(peer), visit, peers),
            SocketAddr::V6(peer) => swarm.v6.announce(moment, &compact_v6(peer), visit, peers),
        };
        match change {
            Change::Joined => self.peers += 1,
            Change::Turned if visit.seeder && visit.event == Event::Completed => {
                swarm.completed = swarm.completed.saturating_add(1);
            }
            Change::Turned | Change::Seen | Change::Refused => {}
        }
        let counts = swarm.counts();
        if matches!(change, Change::Refused) { counts } else { counts.without(visit) }
    }

    fn scrape(&mut self, _now: Instant, info_hash: &InfoHash) -> Counts {
        self.find(info_hash).and_then(|place| self.swarms.row(place)).map_or(NOBODY, |row| row.value.counts())
    }
}

/// Whole seconds; some 136 years at most.
fn seconds(time: Duration) -> Seconds {
    Seconds::try_from(time.as_secs()).unwrap_or(Seconds::MAX)
}
