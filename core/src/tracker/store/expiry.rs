//! Forgets who has not been seen for long, a few at a time.

use super::{
    Store,
    swarm::{Peer, Seconds, Swarm},
    table::Table,
};
use crate::time::Instant;
use siphasher::sip::SipHasher13;

/// How far a walk through all peers has come.
///
/// It goes from the last place to the first. What moves into the gap where something was taken out comes
/// from behind, so that nothing that stays is missed, and nothing is met twice but what moves so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub(super) swarm: u32,
    pub(super) list: List,
    /// So many rows of the list are ahead, if it has them.
    pub(super) rows: u32,
}

/// Of whom a swarm's lists are. The numbers are those in a [`snapshot`](super::snapshot).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    LeechersV4 = 0,
    SeedersV4 = 1,
    LeechersV6 = 2,
    SeedersV6 = 3,
}

impl List {
    pub(super) const fn next(self) -> Option<Self> {
        match self {
            Self::LeechersV4 => Some(Self::SeedersV4),
            Self::SeedersV4 => Some(Self::LeechersV6),
            Self::LeechersV6 => Some(Self::SeedersV6),
            Self::SeedersV6 => None,
        }
    }
}

impl Walk {
    /// One that begins with the last of so many swarms.
    pub(super) const fn through(swarms: u32) -> Self {
        Self::into(swarms.wrapping_sub(1))
    }

    /// On to the next list of the swarm; `false` if that was the last.
    pub(super) const fn next_list(&mut self) -> bool {
        let Some(list) = self.list.next() else { return false };
        (self.list, self.rows) = (list, u32::MAX);
        true
    }

    /// On to the swarm before; there is none at that place if that was the first.
    pub(super) const fn next_swarm(&mut self) {
        *self = Self::into(self.swarm.wrapping_sub(1));
    }

    const fn into(swarm: u32) -> Self {
        Self { swarm, list: List::LeechersV4, rows: u32::MAX }
    }
}

impl Store {
    /// Looks at the next `budget` peers and swarms, some five nanoseconds each, and forgets those that have not
    /// been seen for [`expiry`](super::Config::expiry), and swarms where nobody is left; returns how many peers
    /// it forgot. Never looks twice at the same: `u32::MAX` stands for all.
    ///
    /// Every announce does this for a few, which gets through all of them in half an interval. Call it now
    /// and then where announces are rare.
    pub fn expire(&mut self, now: Instant, budget: u32) -> u32 {
        let now = self.seconds(now);
        self.expire_some(now, budget)
    }

    pub(super) fn expire_some(&mut self, now: Seconds, mut budget: u32) -> u32 {
        let (stale, before) = (self.stale(now), self.peers);
        let round = self.peers + self.swarms.len() + 1;
        if budget >= round {
            (self.walk, budget) = (Walk::through(self.swarms.len()), round);
        }
        while budget > 0 && !self.swarms.is_empty() {
            let Some(swarm) = self.swarms.value_mut(self.walk.swarm) else {
                self.walk = Walk::through(self.swarms.len());
                budget -= 1;
                continue;
            };
            self.peers -= swarm.expire_some(&self.hasher, stale, &mut self.walk, &mut budget);
            if self.walk.rows > 0 {
                break;
            }
            if self.walk.next_list() {
                continue;
            }
            if swarm.is_empty() {
                self.swarms.remove(&self.hasher, self.walk.swarm);
            }
            self.walk.next_swarm();
            budget = budget.saturating_sub(1);
        }
        before - self.peers
    }
}

impl Swarm {
    /// Takes those out of the list where `walk` is that were not seen after `stale`; how many.
    fn expire_some(
        &mut self,
        hasher: &SipHasher13,
        stale: Seconds,
        walk: &mut Walk,
        budget: &mut u32,
    ) -> u32 {
        let (rows, partial_seeds) = (&mut walk.rows, &mut self.partial_seeds);
        match walk.list {
            List::LeechersV4 => self.v4.leechers.expire_some(hasher, stale, rows, budget, partial_seeds),
            List::SeedersV4 => self.v4.seeders.expire_some(hasher, stale, rows, budget, partial_seeds),
            List::LeechersV6 => self.v6.leechers.expire_some(hasher, stale, rows, budget, partial_seeds),
            List::SeedersV6 => self.v6.seeders.expire_some(hasher, stale, rows, budget, partial_seeds),
        }
    }
}

impl<const N: usize> Table<N, Peer> {
    fn expire_some(
        &mut self,
        hasher: &SipHasher13,
        stale: Seconds,
        ahead: &mut u32,
        budget: &mut u32,
        partial_seeds: &mut u32,
    ) -> u32 {
        *ahead = self.len().min(*ahead);
        let before = self.len();
        while *ahead > 0 && *budget > 0 {
            *ahead -= 1;
            *budget -= 1;
            if self.row(*ahead).is_some_and(|row| row.value.seen <= stale)
                && let Some(gone) = self.remove(hasher, *ahead)
            {
                *partial_seeds -= u32::from(gone.is_partial_seed);
            }
        }
        before - self.len()
    }
}
