//! What one source may cost a server.
//!
//! Every source has two buckets of a fixed table, by a keyed hash, and may spend what the fuller of them holds.
//! So nothing is kept for a source, nobody is forgotten by being crowded out, and who wants to empty another's
//! buckets must find two sources that he does not know.

use crate::time::Instant;
use alloc::{boxed::Box, vec};
use core::net::IpAddr;
use siphasher::sip::SipHasher13;

/// How much one source may ask, in units of work: the `/32` of an IPv4 address, the `/64` of an IPv6 one.
///
/// An announce is one unit, a scrape one for every eight swarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Budget {
    /// Units a second in the long run. 100: thousands of players behind one NAT.
    pub units_per_s: u32,
    /// Units that may be spent at once. 1000.
    pub burst_units: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { units_per_s: 100, burst_units: 1000 }
    }
}

/// How many swarms are scraped for what one announce costs.
pub(super) const SWARMS_PER_UNIT: u32 = 8;

/// Buckets: 512 KiB. With a hundred sources that spend all they may, one in a hundred thousand others shares both
/// of its buckets with them.
const BUCKETS: usize = 1 << 16;

/// The budgets of all sources.
#[derive(Debug)]
pub(super) struct Budgets {
    limits: Budget,
    hasher: SipHasher13,
    /// Until when what was spent is paid, in microseconds. (The generic cell rate algorithm: a bucket that fills
    /// by itself, in one number.)
    paid_until: Box<[u64]>,
}

impl Budgets {
    pub(super) fn new(limits: Budget, hasher: SipHasher13) -> Self {
        Self { limits, hasher, paid_until: vec![0; BUCKETS].into() }
    }

    /// Spends `units` of a source's budget; false, and nothing spent, if it has not as many.
    pub(super) fn spend(&mut self, now: Instant, source: IpAddr, units: u32) -> bool {
        let now = now.as_micros();
        let buckets = self.buckets(source);
        let held = buckets.map(|at| self.paid_until.get(at).copied().unwrap_or(u64::MAX));
        let fuller = held.into_iter().fold(u64::MAX, u64::min).max(now);
        let after = fuller.saturating_add(self.micros(units));
        if after > now.saturating_add(self.micros(self.limits.burst_units)) {
            return false;
        }
        for at in buckets {
            if let Some(paid_until) = self.paid_until.get_mut(at) {
                *paid_until = after.max(*paid_until);
            }
        }
        true
    }

    /// How long it takes to earn so many units.
    fn micros(&self, units: u32) -> u64 {
        u64::from(units) * 1_000_000 / u64::from(self.limits.units_per_s.max(1))
    }

    fn buckets(&self, source: IpAddr) -> [usize; 2] {
        let address = match source {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            // A host has a whole /64 to itself.
            IpAddr::V6(address) => (u128::from(address) & !u128::from(u64::MAX)).to_be_bytes(),
        };
        let hash = self.hasher.hash(&address);
        [hash as usize % BUCKETS, (hash >> 32) as usize % BUCKETS]
    }
}
