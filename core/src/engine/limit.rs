//! Rate limits over all torrents: a share for each, ten times a second.

use crate::time::{Deadline, Instant};
use core::time::Duration;

/// How often shares are handed out. Short enough that a limited transfer looks even, long enough that an
/// idle engine with a limit wakes up rarely.
const TICK: Duration = Duration::from_millis(100);

/// Limits in bytes a second, and what they give in each tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateLimits {
    pub(super) download: Option<u64>,
    pub(super) upload: Option<u64>,
    last: Instant,
}

/// What may be spent by all torrents together in one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) download: Option<u64>,
    pub(super) upload: Option<u64>,
}

impl RateLimits {
    pub(super) const fn new(download: Option<u64>, upload: Option<u64>) -> Self {
        Self { download, upload, last: Instant::ZERO }
    }

    /// What has come together since the last time, if it is time again. After a long sleep a torrent is
    /// not owed the whole of it: one second at the most.
    /// `anew`: at once, because who shares, or the limits, changed; without a limit too, to lift it.
    pub(super) fn grant(&mut self, now: Instant, anew: bool) -> Option<Grant> {
        let elapsed = now - self.last;
        let limited = self.download.is_some() || self.upload.is_some();
        if !anew && (!limited || elapsed < TICK) {
            return None;
        }
        self.last = now;
        let micros = elapsed.min(Duration::from_secs(1)).as_micros();
        let amount = |rate: u64| (u128::from(rate) * micros / 1_000_000) as u64;
        Some(Grant { download: self.download.map(amount), upload: self.upload.map(amount) })
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let limited = self.download.is_some() || self.upload.is_some();
        limited.then(|| Deadline { at: self.last + TICK, why: "rate limit" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_add_up_to_the_rate() {
        let mut limits = RateLimits::new(Some(1_000_000), None);
        let mut now = Instant::ZERO;
        let mut sum = 0;
        for _ in 0..50 {
            now = now + Duration::from_millis(130);
            sum += limits.grant(now, false).and_then(|grant| grant.download).unwrap_or(0);
        }
        assert_eq!(sum, 6_500_000);
    }

    #[test]
    fn bad_input_42_a_jump_of_a_year_grants_one_second() {
        let mut limits = RateLimits::new(None, Some(5000));
        let year = Instant::ZERO + Duration::from_secs(31_536_000);
        assert_eq!(limits.grant(year, false), Some(Grant { download: None, upload: Some(5000) }));
        assert_eq!(limits.grant(year, false), None);
        assert!(limits.deadline().is_some_and(|deadline| deadline.at > year));
    }

    #[test]
    fn without_a_limit_there_is_nothing_to_wake_up_for() {
        let mut limits = RateLimits::new(None, None);
        assert_eq!(limits.grant(Instant::MAX, false), None);
        assert_eq!(limits.deadline(), None);
    }
}
