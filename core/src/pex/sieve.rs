//! What is left of the addresses that we are told.

use super::Config;
use crate::{reach::Reach, time::Instant};
use alloc::{
    collections::{BTreeSet, VecDeque},
    vec::Vec,
};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How many of our own addresses are remembered.
const OURS_MAX: usize = 16;

/// Our own addresses, and those that were found a while ago.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    ours: VecDeque<SocketAddr>,
    found: BTreeSet<SocketAddr>,
    /// The same, the oldest first.
    order: VecDeque<SocketAddr>,
}

impl Sieve {
    pub(super) fn is_ours(&self, addr: SocketAddr) -> bool {
        self.ours.contains(&addr)
    }

    pub(super) fn add_ours(&mut self, addr: SocketAddr) {
        if !self.is_ours(addr) {
            if self.ours.len() >= OURS_MAX {
                self.ours.pop_front();
            }
            self.ours.push_back(addr);
        }
    }

    /// Writes an address down as found; false if it was. At most `most` are remembered.
    pub(super) fn find(&mut self, addr: SocketAddr, most: usize) -> bool {
        if !self.found.insert(addr) {
            return false;
        }
        self.order.push_back(addr);
        if self.order.len() > most
            && let Some(oldest) = self.order.pop_front()
        {
            self.found.remove(&oldest);
        }
        true
    }

    /// Heap bytes held.
    pub(super) fn memory(&self) -> usize {
        let addrs = self.ours.capacity() + self.found.len() + self.order.capacity();
        addrs * size_of::<SocketAddr>()
    }
}

/// What one sender was believed in its present term.
#[derive(Debug, Default)]
pub(super) struct Heard {
    since: Option<Instant>,
    addrs: Vec<SocketAddr>,
}

/// What becomes of an address that a sender names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    /// It named this one, or another port of the same host.
    Repeated,
    /// It has named as many as it may.
    OverQuota,
}

impl Heard {
    /// Begins a new term if the last one is over.
    pub(super) fn renew(&mut self, now: Instant, config: &Config) {
        if self.since.is_none_or(|since| now - since >= config.term) {
            self.since = Some(now);
            self.addrs.clear();
        }
    }

    pub(super) fn hear(&mut self, addr: SocketAddr, config: &Config) -> Verdict {
        // Where addresses are few, many peers share one.
        let is_global = Reach::of(addr.ip()) == Some(Reach::Global);
        let same = |other: &SocketAddr| *other == addr || (is_global && other.ip() == addr.ip());
        if self.addrs.iter().any(same) {
            return Verdict::Repeated;
        }
        let neighbours = self.addrs.iter().filter(|other| subnet(other.ip()) == subnet(addr.ip())).count();
        let is_crowded = is_global && neighbours >= config.per_subnet as usize;
        if is_crowded || self.addrs.len() >= config.quota as usize {
            return Verdict::OverQuota;
        }
        self.addrs.push(addr);
        Verdict::New
    }

    /// Heap bytes held.
    pub(super) fn memory(&self) -> usize {
        self.addrs.capacity() * size_of::<SocketAddr>()
    }
}

/// What one owner is likely to have: a /24 of IPv4, a /64 of IPv6.
fn subnet(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & !0xff).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}
