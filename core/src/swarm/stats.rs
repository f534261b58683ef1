//! How a torrent stands: totals, rates, memory.

use super::{
    Encryption, Memory, Progress, State,
    machine::{Phase, Swarm},
    suggest::Suggestions,
};
use crate::{id::BLOCK_LENGTH, time::Instant};
use core::time::Duration;

/// Block data counted, and how fast it came lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    total: u64,
    rate_bytes_per_s: u64,
    /// The total and the time of the last sample.
    sampled: u64,
    at: Instant,
}

impl Meter {
    pub(super) const fn add(&mut self, bytes: u64) {
        self.total += bytes;
    }

    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// The rate since the last sample, smoothed with what it was: half of each.
    pub(super) fn sample(&mut self, now: Instant) -> u64 {
        let elapsed = now - self.at;
        if elapsed < Duration::from_millis(1) {
            return self.rate_bytes_per_s;
        }
        let bytes = u128::from(self.total - self.sampled);
        let rate = (bytes * 1_000_000 / elapsed.as_micros()) as u64;
        self.rate_bytes_per_s =
            if self.rate_bytes_per_s == 0 { rate } else { (self.rate_bytes_per_s + rate) / 2 };
        (self.sampled, self.at) = (self.total, now);
        self.rate_bytes_per_s
    }
}

/// What the rate limits allow, one way. Never overdrawn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    /// Bytes; `None` is no limit.
    left: Option<u64>,
    /// Since it was granted.
    spent: u64,
}

/// What a torrent did with what the rate limits allowed it, one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appetite {
    /// Bytes that it has left; `None`: it is not limited.
    pub left: Option<u64>,
    /// Bytes that it spent since that was granted.
    pub spent: u64,
    /// Whether the limit holds it up.
    pub waits: bool,
}

impl Allowance {
    /// Replaces what is left.
    pub(super) const fn grant(&mut self, bytes: Option<u64>) {
        *self = Self { left: bytes, spent: 0 };
    }

    pub(super) fn spend(&mut self, bytes: u64) {
        self.spent = self.spent.saturating_add(bytes);
        self.left = self.left.map(|left| left.saturating_sub(bytes));
    }

    /// How many bytes may be spent now: a whole block, or nothing.
    pub(super) fn available(&self) -> u64 {
        self.left.map_or(u64::MAX, |left| if left < u64::from(BLOCK_LENGTH) { 0 } else { left })
    }

    /// `waiting`: whether more would be spent.
    pub(super) fn appetite(&self, waiting: bool) -> Appetite {
        Appetite { left: self.left, spent: self.spent, waits: waiting && self.available() == 0 }
    }
}

impl Swarm {
    /// How the torrent stands; `peers_known` is left to the engine. Call it at regular times: rates are
    /// since the last call.
    pub fn progress(&mut self, now: Instant) -> Progress {
        let now = self.clock.advance(now);
        Progress {
            info_hash: self.info.info_hash,
            state: self.state(),
            total_bytes: if self.is_magnet { 0 } else { self.geometry.total_length() },
            verified_bytes: self.verified_bytes,
            wanted_bytes: if self.is_magnet { 0 } else { self.picker.wanted_bytes() },
            missing_bytes: if self.is_magnet { 0 } else { self.picker.missing_bytes() },
            checked_bytes: self.checks.done_bytes,
            downloaded_bytes: self.downloaded.total(),
            uploaded_bytes: self.uploaded.total(),
            wasted_bytes: self.wasted_bytes,
            download_rate_bytes_per_s: self.downloaded.sample(now),
            upload_rate_bytes_per_s: self.uploaded.sample(now),
            peers_live: self.peers.len() as u32,
            peers_encrypted: self.encrypted_peers(),
            peers_known: 0,
        }
    }

    fn encrypted_peers(&self) -> u32 {
        self.peers.iter().filter(|(_, peer)| peer.info.encryption != Encryption::None).count() as u32
    }

    fn state(&self) -> State {
        match self.phase {
            Phase::Fetching => State::FetchingMetadata,
            Phase::New if self.is_magnet => State::FetchingMetadata,
            Phase::New | Phase::Checking => State::Checking,
            Phase::Failed => State::Failed,
            Phase::Stopping | Phase::Stopped => State::Paused,
            Phase::Running if self.paused => State::Paused,
            Phase::Running if self.is_finished() => State::Seeding,
            Phase::Running => State::Downloading,
        }
    }

    /// Bytes held. O(peers).
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory {
            connections: self.peers.iter().map(|(_, peer)| peer.memory()).sum::<usize>() + self.web.memory(),
            requested: self.picker.requested_bytes() as usize,
            unwritten: self.unwritten,
            hashing: self.held,
            uploading: self.uploading,
            checking: self.checks.bytes,
            tables: self.picker.memory()
                + self.exchange.memory()
                + self.pex.memory()
                + self.holepunch.memory()
                + self.choker.memory()
                + self.failed_copies.memory()
                + self.suggestions.as_ref().map_or(0, Suggestions::heap_bytes)
                + self.have.heap_bytes()
                + self.info.raw.len()
                + self.info.piece_hashes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_a_block_is_nothing_and_what_was_left_is_replaced() {
        let block = u64::from(BLOCK_LENGTH);
        let mut allowance = Allowance::default();
        assert_eq!((allowance.available(), allowance.appetite(true).waits), (u64::MAX, false));
        allowance.grant(Some(2 * block - 1));
        allowance.spend(block);
        let appetite = Appetite { left: Some(block - 1), spent: block, waits: true };
        assert_eq!((allowance.available(), allowance.appetite(true)), (0, appetite));
        assert!(!allowance.appetite(false).waits, "for nothing");
        allowance.grant(Some(block));
        let appetite = Appetite { left: Some(block), spent: 0, waits: false };
        assert_eq!((allowance.available(), allowance.appetite(true)), (block, appetite));
        allowance.grant(None);
        assert_eq!(allowance.available(), u64::MAX);
    }

    #[test]
    fn a_rate_is_bytes_over_time() {
        let mut meter = Meter::default();
        meter.add(5000);
        assert_eq!(meter.sample(Instant::from_micros(500_000)), 10_000);
        assert_eq!(meter.sample(Instant::from_micros(1_500_000)), 5000);
        assert_eq!(meter.total(), 5000);
    }
}
