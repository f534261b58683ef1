//! How fast a peer sends, and from that how many requests stand at it and how long it may stay silent.

use super::PipelineLimits;
use crate::{
    id::BLOCK_LENGTH,
    time::{Clock, Instant},
};
use core::time::Duration;

/// The most requests that stand at a peer: 8 MiB on their way.
pub(super) const MAX_DEPTH: u32 = 500;

/// Over how much time of asking the rate is averaged, in microseconds.
const RATE_SPAN_US: u64 = 1_000_000;
/// The shortest time that a rate is taken from, in microseconds: a first block that comes at once says
/// little.
const MIN_SPAN_US: u64 = 1_000;

/// No peer is given less time than this, however fast it was (unless the configured cap is lower).
const MIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How many times longer than expected a queue may take.
const PATIENCE: u64 = 4;

/// How long a peer is given for its first block.
const FIRST_ANSWER: Duration = Duration::from_millis(500);
/// A peer does not count as stalled for less than this beyond what is expected.
const MIN_STALL: Duration = Duration::from_millis(50);

/// The pipeline of one peer.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    rate_bytes_per_s: u64,
    /// How much time the rate stands for, in microseconds; at most `RATE_SPAN_US`.
    span_us: u64,
    /// Since when the peer has owed us the next block.
    owes_since: Instant,
    /// Whether that is since a request to it while it was idle.
    was_idle: bool,
    /// How long it took to answer such a request the last time: the way there and back, and one block.
    answers_in: Duration,
    window: u32,
    slow_start: bool,
    reqq: u32,
    snubbed: bool,
}

impl Pipeline {
    pub(super) const fn new(start: u32) -> Self {
        Self {
            rate_bytes_per_s: 0,
            span_us: 0,
            owes_since: Instant::ZERO,
            was_idle: false,
            answers_in: FIRST_ANSWER,
            window: start,
            slow_start: true,
            reqq: u32::MAX,
            snubbed: false,
        }
    }

    /// How many requests may stand at the peer.
    pub(super) fn depth(&self, limits: &PipelineLimits) -> u32 {
        if self.snubbed {
            return 1;
        }
        // The peer's own limit comes after the floor: a `reqq` of 1 is kept.
        self.window.max(limits.min).min(limits.max).min(self.reqq)
    }

    pub(super) const fn is_snubbed(&self) -> bool {
        self.snubbed
    }

    /// The rate, with the silence up to `now` counted in if the peer `owes` us a block.
    pub(super) fn rate_bytes_per_s(&self, clock: &Clock, owes: bool) -> u64 {
        let silence = if owes { micros(clock.latest() - self.owes_since) } else { 0 };
        let span = self.span_us.max(MIN_SPAN_US);
        self.rate_bytes_per_s.saturating_mul(span) / span.saturating_add(silence)
    }

    /// The peer's limit (BEP 10, `reqq`).
    pub(super) fn limit(&mut self, requests: u32) {
        self.reqq = requests.max(1);
    }

    /// The first request after a time without any: that time does not count.
    pub(super) const fn begin(&mut self, now: Instant) {
        self.owes_since = now;
        self.was_idle = true;
    }

    /// A block came in.
    pub(super) fn received(&mut self, now: Instant, bytes: u32, limits: &PipelineLimits) {
        let elapsed = micros(now - self.owes_since);
        if core::mem::take(&mut self.was_idle) {
            self.answers_in = now - self.owes_since;
        }
        self.owes_since = now;
        // An average that weighs the past by the time it stands for, so that it needs no ticks:
        // (rate * span + bytes) / (span + elapsed).
        let span = self.span_us.saturating_add(elapsed).max(MIN_SPAN_US);
        let bytes_us = u64::from(bytes) * 1_000_000;
        self.rate_bytes_per_s =
            (self.rate_bytes_per_s.saturating_mul(self.span_us)).saturating_add(bytes_us) / span;
        self.span_us = span.min(RATE_SPAN_US);
        if core::mem::take(&mut self.snubbed) {
            self.restart(limits.min);
        }
        self.widen(limits);
    }

    /// Slow start: one more for each block, until the rate has been seen for a while and says less. From
    /// then on what the rate says, never more than one up a block.
    fn widen(&mut self, limits: &PipelineLimits) {
        let target = u32::try_from(self.ahead(limits.horizon) / u64::from(BLOCK_LENGTH)).unwrap_or(u32::MAX);
        if self.window < target || (self.slow_start && self.span_us < RATE_SPAN_US) {
            self.window = self.window.saturating_add(1).min(limits.max);
        } else {
            self.slow_start = false;
            self.window = target;
        }
    }

    /// Starts over, from `window` requests.
    pub(super) const fn restart(&mut self, window: u32) {
        self.window = window;
        self.slow_start = true;
        self.span_us = 0;
        self.rate_bytes_per_s = 0;
    }

    /// The peer did not take a request: it queues less than we thought.
    pub(super) const fn narrow(&mut self) {
        self.window /= 2;
        self.slow_start = false;
    }

    pub(super) const fn snub(&mut self) {
        self.snubbed = true;
    }

    /// How many bytes it sends in a time, at its rate.
    pub(super) fn ahead(&self, time: Duration) -> u64 {
        self.rate_bytes_per_s.saturating_mul(micros(time)) / 1_000_000
    }

    /// How long a block takes at its rate, if there is one.
    fn interval(&self) -> Option<Duration> {
        let block_us = u64::from(BLOCK_LENGTH) * 1_000_000;
        block_us.checked_div(self.rate_bytes_per_s).map(Duration::from_micros)
    }

    /// Since when it has owed us the next block.
    pub(super) const fn owes_since(&self) -> Instant {
        self.owes_since
    }

    /// How long it is likely to take to answer a request while it is idle.
    pub(super) const fn answers_in(&self) -> Duration {
        self.answers_in
    }

    /// When a block is due that has so many others before it.
    pub(super) fn due_at(&self, ahead: usize) -> Instant {
        let blocks = u32::try_from(ahead + 1).unwrap_or(u32::MAX);
        self.owes_since + self.interval().map_or(FIRST_ANSWER, |interval| interval.saturating_mul(blocks))
    }

    /// When it counts as stalled, if it sends nothing until then.
    pub(super) fn stalls_at(&self) -> Instant {
        let expected = self.interval().map_or(FIRST_ANSWER, |interval| interval * 2);
        self.owes_since + expected + self.answers_in.max(MIN_STALL)
    }

    /// When the silence has lasted too long, with `queue` requests standing:
    /// max(10 s, 4 x block interval x queue), capped. A peer that has sent nothing yet gets the 10 s: that it
    /// takes requests and never answers must not hold up what others would send.
    pub(super) fn silent_at(&self, queue: usize, cap: Duration) -> Instant {
        let expected_us = (queue as u64 * u64::from(BLOCK_LENGTH))
            .saturating_mul(PATIENCE * 1_000_000)
            .checked_div(self.rate_bytes_per_s)
            .unwrap_or(0);
        self.owes_since + Duration::from_micros(expected_us).max(MIN_TIMEOUT).min(cap)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PipelineLimits = PipelineLimits::DEFAULT;

    /// A peer that sends a block every `interval_us`, for `blocks` blocks.
    fn steady(pipeline: &mut Pipeline, from: Instant, interval_us: u64, blocks: u64) -> Instant {
        pipeline.begin(from);
        (1..=blocks).fold(from, |_, count| {
            let now = from + Duration::from_micros(count * interval_us);
            pipeline.received(now, BLOCK_LENGTH, &LIMITS);
            now
        })
    }

    #[test]
    fn a_steady_peer_is_asked_for_three_seconds_ahead() {
        let mut pipeline = Pipeline::new(LIMITS.start);
        steady(&mut pipeline, Instant::ZERO, 50_000, 100);
        assert!((58..=60).contains(&pipeline.depth(&LIMITS)), "{pipeline:?}");
    }

    #[test]
    fn a_loopback_peer_reaches_the_full_depth_in_milliseconds() {
        let mut pipeline = Pipeline::new(LIMITS.start);
        let end = steady(&mut pipeline, Instant::ZERO, 20, 500);
        assert_eq!(pipeline.depth(&LIMITS), 500);
        assert!(end <= Instant::from_micros(10_000));
    }

    #[test]
    fn a_burst_at_the_start_is_not_taken_for_the_rate() {
        let mut pipeline = Pipeline::new(LIMITS.start);
        let end = steady(&mut pipeline, Instant::ZERO, 1, 8);
        assert_eq!(pipeline.depth(&LIMITS), 12, "one more a block");
        steady(&mut pipeline, end, 1_000_000, 20);
        assert!(pipeline.depth(&LIMITS) <= 4, "{pipeline:?}");
    }

    #[test]
    fn a_peers_own_limit_comes_after_the_floor() {
        let mut pipeline = Pipeline::new(LIMITS.start);
        pipeline.limit(0);
        assert_eq!(pipeline.depth(&LIMITS), 1);
        pipeline.limit(3);
        assert_eq!(pipeline.depth(&LIMITS), 3);
    }

    #[test]
    fn silence_is_measured_by_the_peers_own_pace() {
        let mut pipeline = Pipeline::new(LIMITS.start);
        let cap = Duration::from_secs(30);
        assert_eq!(pipeline.silent_at(4, cap) - Instant::ZERO, MIN_TIMEOUT, "no rate yet");
        let now = steady(&mut pipeline, Instant::ZERO, 500_000, 20);
        assert_eq!((pipeline.silent_at(1, cap) - now).as_secs(), 10, "never less");
        assert!((19..=21).contains(&(pipeline.silent_at(10, cap) - now).as_secs()));
        assert_eq!(pipeline.silent_at(500, cap) - now, cap);
    }

    #[test]
    fn bad_input_42_a_year_of_silence_or_none_at_all_does_no_harm() {
        let mut pipeline = Pipeline::new(LIMITS.start);
        for now in [Instant::ZERO, Instant::ZERO, Instant::MAX, Instant::MAX] {
            pipeline.received(now, BLOCK_LENGTH, &LIMITS);
            assert!((1..=500).contains(&pipeline.depth(&LIMITS)));
        }
    }
}
