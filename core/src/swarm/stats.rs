//! Totals and rates of a torrent.

use crate::time::Instant;
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

/// What is left of a share of a rate limit. May be in debt by a block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    left: Option<i64>,
}

impl Allowance {
    /// Adds a share; what is left of earlier ones counts at most as much again, so that a burst is bounded.
    pub(super) fn grant(&mut self, share: Option<u64>) {
        self.left = share.map(|share| {
            let share = i64::try_from(share).unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
            self.left.unwrap_or(0).min(share) + share
        });
    }

    pub(super) fn spend(&mut self, bytes: u32) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(i64::from(bytes));
        }
    }

    /// How many bytes may be spent now. One more block may be begun as long as it is not 0.
    pub(super) fn available(&self) -> u64 {
        self.left.map_or(u64::MAX, |left| u64::try_from(left).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debt_is_paid_before_anything_is_spent() {
        let mut allowance = Allowance::default();
        assert_eq!(allowance.available(), u64::MAX);
        allowance.grant(Some(100));
        allowance.spend(250);
        assert_eq!(allowance.available(), 0);
        allowance.grant(Some(100));
        assert_eq!(allowance.available(), 0);
        allowance.grant(Some(100));
        assert_eq!(allowance.available(), 50);
    }

    #[test]
    fn savings_are_bounded_by_one_share() {
        let mut allowance = Allowance::default();
        (0..10).for_each(|_| allowance.grant(Some(100)));
        assert_eq!(allowance.available(), 200);
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
