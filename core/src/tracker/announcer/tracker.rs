//! What is kept of one tracker: when it may be asked, and what it must be told.

use super::{AnnounceToken, MAX_TRACKER_ID_BYTES, TrackerState, TrackerStatus};
use crate::{
    time::Instant,
    tracker::{AnnounceResponse, Counts, Event, Failure, MAX_INTERVAL, MIN_INTERVAL, Retry, words},
};
use alloc::string::String;
use core::time::Duration;

/// How often `completed` is tried.
const COMPLETED_TRIES: u8 = 2;

/// One tracker of a torrent.
#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) status: TrackerStatus,
    pub(super) ask: Option<Ask>,
    standing: Standing,
    /// Not asked before, not even when all begins anew.
    floor: Instant,
    /// It knows that we started.
    pub(super) accepted: bool,
    /// How often it may yet be told that the download is complete.
    completed_tries: u8,
    /// It has not refused to hear that we are a partial seed.
    takes_paused: bool,
    tracker_id: Option<String>,
}

/// What is being asked.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) token: AnnounceToken,
    pub(super) event: Event,
    pub(super) since: Instant,
    /// A first answer has come.
    pub(super) answered: bool,
    /// Why the other address of the tracker gave none.
    failure: Option<Failure>,
}

/// When a tracker is asked next.
#[derive(Clone, Copy, Debug)]
enum Standing {
    /// It gave no answer yet, or failed last.
    Waiting { until: Instant },
    /// Its last answer was good: ask again `next`, or `early` where peers are few.
    Working { early: Instant, next: Instant },
    /// It must not be asked.
    Out,
}

impl Tracker {
    pub(super) fn new(url: String, tier: u32) -> Self {
        let supported = is_supported(&url);
        let state = if supported { TrackerState::Idle } else { TrackerState::Unsupported };
        let (counts, next, fails, warning, ic) = (Counts::default(), None, 0, None, None);
        Self {
            status: TrackerStatus { url, tier, state, counts, next, fails, warning, ic },
            ask: None,
            standing: if supported { Standing::Waiting { until: Instant::ZERO } } else { Standing::Out },
            floor: Instant::ZERO,
            accepted: false,
            completed_tries: 0,
            takes_paused: true,
            tracker_id: None,
        }
    }

    pub(super) const fn is_working(&self) -> bool {
        matches!(self.standing, Standing::Working { .. })
    }

    /// An answer is waited for. That to `stopped` matters to nobody, and one is enough.
    pub(super) fn is_pending(&self) -> bool {
        self.ask.as_ref().is_some_and(|ask| ask.event != Event::Stopped && !ask.answered)
    }

    pub(super) fn is_saying_goodbye(&self) -> bool {
        self.ask.as_ref().is_some_and(|ask| ask.event == Event::Stopped)
    }

    /// When it may be asked; `None`: never.
    pub(super) fn due(&self, peers_low: bool) -> Option<Instant> {
        match self.standing {
            Standing::Waiting { until } => Some(until),
            Standing::Working { early, next } => Some(if peers_low { early.min(next) } else { next }),
            Standing::Out => None,
        }
    }

    /// It is asked before the time that it named.
    pub(super) fn is_early(&self, now: Instant) -> bool {
        matches!(self.standing, Standing::Working { next, .. } if now < next)
    }

    /// It is to be told at once that the download is complete.
    pub(super) const fn owes_completed(&self) -> bool {
        self.is_working() && self.completed_tries == COMPLETED_TRIES
    }

    /// What the next announce says.
    pub(super) const fn event(&self, partial_seed: bool) -> Event {
        match (self.accepted, self.completed_tries) {
            (false, _) => Event::Started,
            (true, 0) if partial_seed && self.takes_paused => Event::Paused,
            (true, 0) => Event::None,
            (true, _) => Event::Completed,
        }
    }

    pub(super) fn tracker_id(&self) -> Option<String> {
        self.tracker_id.clone()
    }

    /// All begins anew.
    pub(super) fn restart(&mut self) {
        self.status.fails = 0;
        if !matches!(self.standing, Standing::Out) {
            self.standing = Standing::Waiting { until: self.floor };
            self.status.next = Some(self.floor);
        }
    }

    /// Whether it must be told that we stop.
    pub(super) fn take_accepted(&mut self) -> bool {
        self.completed_tries = 0;
        core::mem::take(&mut self.accepted)
    }

    /// The torrent is stopped.
    pub(super) fn rest(&mut self) {
        if !matches!(self.standing, Standing::Out) {
            self.status.state = TrackerState::Idle;
            self.status.next = None;
        }
    }

    /// The download is complete. Whoever will only learn later that we started sees then that nothing is left.
    pub(super) fn completed(&mut self) {
        let is_starting = self.is_pending() && !self.accepted;
        if self.accepted || is_starting {
            self.completed_tries = COMPLETED_TRIES;
        }
    }

    pub(super) fn asked(&mut self, now: Instant, token: AnnounceToken, event: Event) {
        self.ask = Some(Ask { token, event, since: now, answered: false, failure: None });
        if event == Event::Completed {
            self.completed_tries = self.completed_tries.saturating_sub(1);
        }
        if event != Event::Stopped {
            self.status.state = TrackerState::Asking;
            self.status.next = None;
        }
    }

    /// It answered: ask again after its interval, or at the earliest after `gap` if peers are few.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        response: &AnnounceResponse,
        default: Duration,
        gap: Duration,
    ) {
        let clamp = |time: Duration| time.clamp(MIN_INTERVAL, MAX_INTERVAL);
        let least = clamp(response.min_interval.unwrap_or_default());
        let mut early = now + least.max(gap);
        let mut next = now + clamp(response.interval.unwrap_or(default)).max(least);
        if let Some(ask) = &mut self.ask {
            // The second address must not be asked too early, either.
            if let (true, Standing::Working { early: before, next: at }) = (ask.answered, self.standing) {
                (early, next) = (early.max(before), next.max(at));
            }
            if ask.event == Event::Completed {
                self.completed_tries = 0;
            }
            ask.answered = true;
        }
        self.standing = Standing::Working { early, next };
        self.floor = now + MIN_INTERVAL;
        self.accepted = true;
        // A tracker that says none means the one it said before.
        if let Some(id) = response.tracker_id.as_ref().filter(|id| id.len() <= MAX_TRACKER_ID_BYTES) {
            self.tracker_id = Some(id.clone());
        }
        self.status.state = TrackerState::Working;
        self.status.counts = response.counts;
        self.status.next = Some(next);
        self.status.fails = 0;
        self.status.warning = response.warning.as_ref().map(|warning| words(warning.as_bytes()));
        self.status.ic = response.ic;
    }

    /// One of its addresses gave no answer. What a tracker says itself counts for more than silence.
    pub(super) fn note(&mut self, failure: Failure) {
        if let Some(ask) = &mut self.ask
            && !matches!(ask.failure, Some(Failure::Refused { .. }))
        {
            ask.failure = Some(failure);
        }
    }

    /// The ask is over. If nothing came of it: why.
    pub(super) fn end_ask(&mut self) -> Option<Failure> {
        let ask = self.ask.take()?;
        let failure = ask.failure.filter(|_| !ask.answered && ask.event != Event::Stopped)?;
        // BEP 21 is younger than many a tracker.
        if ask.event == Event::Paused && matches!(failure, Failure::Refused { .. } | Failure::Status(_)) {
            self.takes_paused = false;
        }
        Some(failure)
    }

    /// It failed: wait for `backoff`, or as long as it says.
    pub(super) fn failed(&mut self, now: Instant, failure: Failure, backoff: Duration) {
        let retry = match &failure {
            Failure::BadUrl => Retry::Never,
            Failure::Refused { retry, .. } => *retry,
            Failure::Unresolved
            | Failure::Unreachable(_)
            | Failure::TimedOut
            | Failure::Malformed
            | Failure::Status(_)
            | Failure::NoScrape => Retry::Unsaid,
        };
        // What failed may have been `completed`, which comes before its time.
        let early = if let Standing::Working { early, .. } = self.standing { early } else { now };
        let wait = |time: Duration| Standing::Waiting { until: early.max(now + time) };
        self.standing = match retry {
            Retry::Unsaid => wait(backoff),
            Retry::After(time) => {
                let time = time.min(MAX_INTERVAL);
                self.floor = self.floor.max(now + time);
                wait(backoff.max(time))
            }
            // Nor does it want to hear that we stop.
            Retry::Never => {
                self.accepted = false;
                Standing::Out
            }
        };
        if !self.accepted {
            self.completed_tries = 0;
        }
        self.status.next = self.due(false);
        self.status.state = TrackerState::Failed(failure);
    }

    /// Heap bytes held.
    pub(super) fn memory(&self) -> usize {
        let words = [Some(&self.status.url), self.status.warning.as_ref(), self.tracker_id.as_ref()];
        let reason = if let TrackerState::Failed(Failure::Refused { reason, .. }) = &self.status.state {
            reason.capacity()
        } else {
            0
        };
        words.into_iter().flatten().map(String::capacity).sum::<usize>() + reason
    }
}

/// The time to wait after `fails` failures in a row: 17.5 s, 55 s, 117.5 s, … an hour, as libtorrent does.
pub(super) fn backoff(fails: u32) -> Duration {
    let millis = 5_000_u64.saturating_add(12_500_u64.saturating_mul(u64::from(fails).pow(2)));
    Duration::from_millis(millis.min(3_600_000))
}

fn is_supported(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme).unwrap_or_default();
    ["udp", "http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}
