//! Rate limits, over all torrents and of each: a share for each torrent, ten times a second.

use crate::time::{Deadline, Instant};
use core::time::Duration;

/// How often shares are handed out. Short enough that a limited transfer looks even, long enough that an
/// idle engine with a limit wakes up rarely.
const TICK: Duration = Duration::from_millis(100);

/// Limits in bytes a second; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) download: Option<u64>,
    pub(super) upload: Option<u64>,
}

impl Rates {
    pub(super) const fn is_limited(&self) -> bool {
        self.download.is_some() || self.upload.is_some()
    }

    /// What may be spent in one tick, in bytes.
    pub(super) fn over(&self, tick: Duration) -> Self {
        let amount = |rate: u64| (u128::from(rate) * tick.as_micros() / 1_000_000) as u64;
        Self { download: self.download.map(amount), upload: self.upload.map(amount) }
    }

    /// An equal share for each of so many.
    pub(super) fn shared(&self, downloaders: u64, uploaders: u64) -> Self {
        Self {
            download: self.download.map(|amount| amount / downloaders.max(1)),
            upload: self.upload.map(|amount| amount / uploaders.max(1)),
        }
    }

    /// What both allow.
    pub(super) fn and(&self, other: &Self) -> Self {
        let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Self { download: least(self.download, other.download), upload: least(self.upload, other.upload) }
    }
}

/// The limits over all torrents, and the clock that all limits share.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateLimits {
    /// Over all torrents.
    pub(super) rates: Rates,
    /// How many torrents have limits of their own.
    pub(super) limited_torrents: usize,
    last: Instant,
}

impl RateLimits {
    pub(super) const fn new(download: Option<u64>, upload: Option<u64>) -> Self {
        Self { rates: Rates { download, upload }, limited_torrents: 0, last: Instant::ZERO }
    }

    /// How much time is to be granted for, if it is time again. After a long sleep a torrent is not owed
    /// the whole of it: one second at the most.
    /// `anew`: at once, because who shares, or the limits, changed; without a limit too, to lift it.
    pub(super) fn tick(&mut self, now: Instant, anew: bool) -> Option<Duration> {
        let elapsed = now - self.last;
        if !anew && (!self.is_limited() || elapsed < TICK) {
            return None;
        }
        self.last = now;
        Some(elapsed.min(Duration::from_secs(1)))
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.is_limited().then(|| Deadline { at: self.last + TICK, why: "rate limit" })
    }

    const fn is_limited(&self) -> bool {
        self.rates.is_limited() || self.limited_torrents > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_add_up_to_the_rate() {
        let mut limits = RateLimits::new(Some(1_000_000), None);
        let mut now = Instant::ZERO;
        let mut sum = 0;
        for _ in 0..50 {
            now = now + Duration::from_millis(130);
            let tick = limits.tick(now, false).unwrap_or_default();
            sum += limits.rates.over(tick).download.unwrap_or(0);
        }
        assert_eq!(sum, 6_500_000);
    }

    #[test]
    fn bad_input_42_a_jump_of_a_year_grants_one_second() {
        let mut limits = RateLimits::new(None, Some(5000));
        let year = Instant::ZERO + Duration::from_secs(31_536_000);
        assert_eq!(limits.tick(year, false), Some(Duration::from_secs(1)));
        assert_eq!(limits.tick(year, false), None);
        assert!(limits.deadline().is_some_and(|deadline| deadline.at > year));
    }

    #[test]
    fn without_a_limit_there_is_nothing_to_wake_up_for() {
        let mut limits = RateLimits::new(None, None);
        assert_eq!(limits.tick(Instant::MAX, false), None);
        assert_eq!(limits.deadline(), None);
        limits.limited_torrents = 1;
        assert!(limits.deadline().is_some(), "a torrent's own limit counts");
    }

    #[test]
    fn a_torrent_gets_no_more_than_its_own_limit_and_its_share_allow() {
        let all = Rates { download: Some(900), upload: None };
        let own = Rates { download: Some(400), upload: Some(7) };
        assert_eq!(all.shared(2, 5).and(&own), Rates { download: Some(400), upload: Some(7) });
        assert_eq!(all.shared(3, 5).and(&own), Rates { download: Some(300), upload: Some(7) });
        assert_eq!(all.shared(0, 0).and(&Rates::default()), all);
    }
}
