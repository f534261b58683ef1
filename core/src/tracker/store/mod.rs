//! Who is in which swarm.

use super::{Counts, Event};
use crate::{id::InfoHash, time::Instant};
use alloc::vec::Vec;
use core::net::SocketAddr;

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

/// Swarms, wherever they are kept: in one store, or in several that threads share.
pub trait Swarms {
    /// Notes a peer, or forgets it if it has stopped; writes up to `visit.want` others of the same address
    /// family behind what is in `peers`, in their compact form, chosen without bias: no seeders for a seeder.
    /// Returns how many are in the swarm.
    fn announce(&mut self, now: Instant, visit: &Visit, peers: &mut Vec<u8>) -> Counts;

    /// How many are in a swarm, of both address families.
    fn scrape(&mut self, now: Instant, info_hash: &InfoHash) -> Counts;
}
