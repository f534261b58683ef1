//! Who comes first.

use super::{
    Config, SeedStrategy,
    peers::{Peer, Slot},
};
use crate::{id::PeerKey, time::Instant};
use core::{cmp::Reverse, time::Duration};

/// A candidate for a regular slot; the least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Not held by a regular slot that it got less than `min_toggle` ago.
    movable: bool,
    /// What it gave in the last two rounds, or took, where slots go by that.
    bytes: Reverse<u64>,
    turn: Turn,
    /// Equals keep what they have.
    pub(super) choked: bool,
    optimistic: bool,
    /// Who has wanted longest comes first.
    interested: Instant,
    pub(super) key: PeerKey,
}

/// Whose turn it is; the least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// It has a regular slot, and its turn is not over.
    Now,
    /// When it comes: since when it is not served, and the delay for what it has.
    Comes(Instant),
    /// Its turn is over: since when it is served.
    Over(Reverse<Instant>),
}

impl Rank {
    /// Ends the round for a peer; `None` if it wants no slot, may not get one yet, or is above ranking.
    pub(super) fn of(peer: &mut Peer, now: Instant, seeding: bool, config: &Config) -> Option<Self> {
        let (downloaded, uploaded) = (peer.downloaded.end_round(), peer.uploaded.end_round());
        let movable = peer.may_toggle(now, config.min_toggle);
        let interested = peer.interested.filter(|_| movable || peer.slot.is_some())?;
        if peer.urgent_until.is_some() {
            return None;
        }
        let bytes = match config.seed_strategy {
            _ if !seeding => downloaded,
            SeedStrategy::FastestUpload => uploaded,
            SeedStrategy::LowestCompletion | SeedStrategy::RoundRobin | SeedStrategy::AntiLeech => 0,
        };
        let delay = if seeding { delay(peer, config) } else { Duration::ZERO };
        Some(Self {
            movable: movable || peer.slot != Some(Slot::Regular),
            bytes: Reverse(bytes),
            turn: Turn::of(peer, now, delay, config),
            choked: peer.slot.is_none(),
            optimistic: peer.slot == Some(Slot::Optimistic),
            interested,
            key: peer.key,
        })
    }
}

impl Turn {
    fn of(peer: &Peer, now: Instant, delay: Duration, config: &Config) -> Self {
        let served = peer.toggled.filter(|_| peer.slot.is_some());
        match served {
            Some(since) if is_turn_over(peer, now - since, config) => Self::Over(Reverse(since)),
            Some(_) if peer.slot == Some(Slot::Regular) => Self::Now,
            _ => Self::Comes(peer.unserved_since + delay),
        }
    }
}

fn is_turn_over(peer: &Peer, served: Duration, config: &Config) -> bool {
    let turn_bytes = u64::from(config.turn_pieces) * u64::from(config.piece_length);
    served >= config.turn || peer.taken >= turn_bytes
}

/// How much later than others a peer has its turn, for what it has.
fn delay(peer: &Peer, config: &Config) -> Duration {
    if config.pieces == 0 {
        return Duration::ZERO;
    }
    // Whoever claims less than it had of us alone is not believed.
    let given = peer.given.checked_div(u64::from(config.piece_length)).unwrap_or_default();
    let pieces = u64::from(config.pieces);
    let has = given.max(u64::from(peer.claimed_pieces)).min(pieces);
    let unwanted = match config.seed_strategy {
        // Whoever was served goes to the back of the queue, whatever it claims.
        SeedStrategy::LowestCompletion if peer.was_served => pieces,
        SeedStrategy::LowestCompletion => has,
        SeedStrategy::AntiLeech => has.min(pieces - has) * 2,
        SeedStrategy::RoundRobin | SeedStrategy::FastestUpload => 0,
    };
    let longest = u64::try_from(config.longest_delay.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(longest.saturating_mul(unwanted) / pieces)
}
