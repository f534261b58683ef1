//! Time as a value: there is no clock in this crate.

use core::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// A point in time: microseconds since an epoch of the driver's choice. Arithmetic saturates.
///
/// ```
/// use convoy_core::Instant;
/// use core::time::Duration;
///
/// let start = Instant::from_micros(5);
/// assert_eq!(start + Duration::from_micros(2) - start, Duration::from_micros(2));
/// assert_eq!(start - (start + Duration::from_secs(1)), Duration::ZERO);
/// assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Instant(u64);

impl Instant {
    /// The driver's epoch.
    pub const ZERO: Self = Self(0);
    /// The end of time, some 584,000 years after the epoch.
    pub const MAX: Self = Self(u64::MAX);

    /// `micros` microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(after.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// How long after `earlier` this is; zero if it is not.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// When a machine next wants to be called, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Call [`handle_timeout`](crate::Machine::handle_timeout) at this time or later.
    pub at: Instant,
    /// The name of the timer, for people who read a trace.
    pub why: &'static str,
}

impl Deadline {
    /// The earlier of two deadlines that may not be; the first when they are equal.
    #[must_use]
    pub fn earlier(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if other.at < one.at { other } else { one }),
            (one, other) => one.or(other),
        }
    }
}

/// Keeps law 1 for a machine: time never runs backwards.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    latest: Instant,
}

impl Clock {
    /// The time that counts: `now`, or the largest time seen before.
    pub fn advance(&mut self, now: Instant) -> Instant {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// The largest time seen.
    #[must_use]
    pub const fn latest(&self) -> Instant {
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_never_runs_backwards() {
        let mut clock = Clock::default();
        assert_eq!(clock.advance(Instant::from_micros(7)), Instant::from_micros(7));
        assert_eq!(clock.advance(Instant::from_micros(3)), Instant::from_micros(7));
    }

    #[test]
    fn earlier_deadline_wins_and_ties_go_to_the_first() {
        let at = |micros, why| Some(Deadline { at: Instant::from_micros(micros), why });
        assert_eq!(Deadline::earlier(at(1, "a"), at(1, "b")), at(1, "a"));
        assert_eq!(Deadline::earlier(at(2, "a"), at(1, "b")), at(1, "b"));
        assert_eq!(Deadline::earlier(None, at(1, "b")), at(1, "b"));
    }
}
