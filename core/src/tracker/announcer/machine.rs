//! The announcer's machine.

use super::{
    Action, AnnounceToken, Config, Input, MAX_TRACKERS,
    tracker::{Tracker, backoff},
};
use crate::{
    machine::Machine,
    metainfo::MAX_URL_BYTES,
    outbox::Outbox,
    random::{Random, Seed},
    time::{Clock, Deadline, Instant},
    tracker::{AnnounceResponse, Event, Failure, MAX_INTERVAL, MIN_INTERVAL},
};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::{convert::Infallible, time::Duration};

/// What did no harm, but should not have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Answers to what was not asked, or is over.
    pub strays: u64,
    /// Trackers that were known already, or one too many, or with a URL longer than [`MAX_URL_BYTES`].
    pub left_out: u64,
    /// `Start` of what runs, `Stop` of what ends already, `Completed` of what is complete or does not run.
    pub repeated: u64,
}

/// Decides when to ask which tracker of one torrent. See the [module](super) for how it goes.
#[derive(Debug)]
pub struct Announcer {
    config: Config,
    random: Random,
    clock: Clock,
    /// In the order in which they are asked: by tier.
    trackers: Vec<Tracker>,
    phase: Phase,
    complete: bool,
    finished: bool,
    peers_low: bool,
    /// How often trackers were asked early since we last had peers enough.
    hurries: u32,
    tokens: u64,
    wake: Option<Deadline>,
    counters: Counters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before `Start`, and behind `Stopped`.
    Idle,
    /// From `Start` to `Stop`.
    Running,
    /// Trackers are told that we stop.
    Stopping { until: Instant },
}

/// What comes next.
enum Step {
    /// Ask this tracker.
    Ask(usize),
    /// Wait, for an answer at least.
    Wait(Option<Deadline>),
}

impl Announcer {
    /// An announcer for the trackers of a torrent, or of a magnet link: each of those is a tier.
    #[must_use]
    pub fn new(config: Config, tiers: Vec<Vec<String>>, seed: Seed) -> Self {
        let mut announcer = Self {
            config,
            random: Random::new(seed),
            clock: Clock::default(),
            trackers: Vec::new(),
            phase: Phase::Idle,
            complete: false,
            finished: false,
            peers_low: false,
            hurries: 0,
            tokens: 0,
            wake: None,
            counters: Counters::default(),
        };
        for urls in tiers {
            let (start, tier) = (announcer.trackers.len(), announcer.next_tier());
            urls.into_iter().for_each(|url| announcer.add(url, tier));
            announcer.shuffle_from(start);
        }
        announcer
    }

    /// What did no harm.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes of memory held: some 400 for each tracker, its URL, and its last words.
    #[must_use]
    pub fn memory(&self) -> usize {
        let words: usize = self.trackers.iter().map(Tracker::memory).sum();
        self.trackers.capacity() * size_of::<Tracker>() + words
    }

    fn next_tier(&self) -> u32 {
        self.trackers.last().map_or(0, |last| last.status.tier + 1)
    }

    fn add(&mut self, url: String, tier: u32) {
        let is_known = self.trackers.iter().any(|tracker| tracker.status.url == url);
        if is_known || self.trackers.len() >= MAX_TRACKERS || url.len() > MAX_URL_BYTES {
            return self.counters.left_out += 1;
        }
        self.trackers.push(Tracker::new(url, tier));
    }

    /// BEP 12: the trackers of a tier are shuffled, once.
    fn shuffle_from(&mut self, start: usize) {
        for place in (start + 1..self.trackers.len()).rev() {
            let other = start + self.random.below((place - start + 1) as u32) as usize;
            self.trackers.swap(place, other);
        }
    }
}

impl Machine for Announcer {
    type Input = Input;
    type Action = Action;
    type Error = Infallible;

    fn handle_input(
        &mut self,
        now: Instant,
        input: Input,
        out: &mut Outbox<Action>,
    ) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        match input {
            Input::Start { complete } => self.start(complete, out),
            Input::AddTracker { url } => self.add_tracker(url, out),
            Input::Answered { token, result, last } => self.answered(now, token, result, last, out),
            Input::Completed => self.completed(),
            Input::Finished => self.finished = true,
            Input::Unfinished => self.finished = false,
            Input::PeersLow => self.peers_low = true,
            Input::PeersEnough => self.peers_low = false,
            Input::Stop => self.stop(now, out),
        }
        self.proceed(now, out);
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        self.proceed(now, out);
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.wake
    }
}

/// Events.
impl Announcer {
    fn start(&mut self, complete: bool, out: &mut Outbox<Action>) {
        if self.phase == Phase::Running {
            return self.counters.repeated += 1;
        }
        self.phase = Phase::Running;
        self.complete = complete;
        (self.finished, self.peers_low) = (false, false);
        self.hurries = 0;
        for place in 0..self.trackers.len() {
            self.cancel(place, out);
            if let Some(tracker) = self.trackers.get_mut(place) {
                tracker.restart();
            }
            self.tell(place, out);
        }
    }

    fn add_tracker(&mut self, url: String, out: &mut Outbox<Action>) {
        let place = self.trackers.len();
        self.add(url, self.next_tier());
        self.tell(place, out);
    }

    fn completed(&mut self) {
        if self.complete || self.phase != Phase::Running {
            return self.counters.repeated += 1;
        }
        self.complete = true;
        self.trackers.iter_mut().for_each(Tracker::completed);
    }

    fn stop(&mut self, now: Instant, out: &mut Outbox<Action>) {
        if matches!(self.phase, Phase::Stopping { .. }) {
            return self.counters.repeated += 1;
        }
        self.phase = Phase::Stopping { until: now + self.config.stop_within };
        for place in 0..self.trackers.len() {
            self.leave(now, place, out);
            if let Some(tracker) = self.trackers.get_mut(place) {
                tracker.rest();
            }
            self.tell(place, out);
        }
    }

    fn answered(
        &mut self,
        now: Instant,
        token: AnnounceToken,
        result: Result<AnnounceResponse, Failure>,
        last: bool,
        out: &mut Outbox<Action>,
    ) {
        let asked =
            |tracker: &Tracker| tracker.ask.as_ref().filter(|ask| ask.token == token).map(|ask| ask.event);
        let mut found = self.trackers.iter_mut().enumerate();
        let found = found.find_map(|(place, tracker)| Some((asked(tracker)?, place, tracker)));
        let Some((event, mut place, tracker)) = found else { return self.counters.strays += 1 };
        match result {
            Ok(response) if event != Event::Stopped => place = self.succeeded(now, place, response, out),
            Ok(_) => {}
            Err(failure) => tracker.note(failure),
        }
        if last && let Some(failure) = self.trackers.get_mut(place).and_then(Tracker::end_ask) {
            self.failed(now, place, failure, out);
        }
    }

    /// Takes what a tracker says. Returns where that stands now.
    fn succeeded(
        &mut self,
        now: Instant,
        place: usize,
        response: AnnounceResponse,
        out: &mut Outbox<Action>,
    ) -> usize {
        if !self.peers_low {
            self.hurries = 0;
        }
        let gap = MIN_INTERVAL.saturating_mul(1 << self.hurries.min(16)).min(MAX_INTERVAL);
        let Config { default_interval, patience, private, .. } = self.config;
        let Some(tracker) = self.trackers.get_mut(place) else { return place };
        // Slow ones stay where they are: to wait for them first each time would be slower still.
        let is_prompt = tracker.ask.as_ref().is_some_and(|ask| now - ask.since < patience);
        tracker.answered(now, &response, default_interval, gap);
        if private {
            self.part_from_all_but(now, place, out);
        }
        self.tell(place, out);
        let AnnounceResponse { peers, hosts, external_ip, .. } = response;
        if let Some(ip) = external_ip {
            out.push(Action::ExternalIp(ip));
        }
        if !peers.is_empty() || !hosts.is_empty() {
            out.push(Action::Peers { peers, hosts });
        }
        if is_prompt { self.move_to_front(place) } else { place }
    }

    fn failed(&mut self, now: Instant, place: usize, failure: Failure, out: &mut Outbox<Action>) {
        let Some(tracker) = self.trackers.get_mut(place) else { return };
        tracker.status.fails = tracker.status.fails.saturating_add(1);
        let backoff = backoff(tracker.status.fails);
        // Those whom a tracker's failure struck at one moment come back at different ones.
        let jitter = self.random.below(backoff.as_millis() as u32 / 10);
        tracker.failed(now, failure, backoff + Duration::from_millis(jitter.into()));
        self.tell(place, out);
    }

    /// BEP 27: when a private torrent changes its tracker, the old one and its peers are left.
    fn part_from_all_but(&mut self, now: Instant, place: usize, out: &mut Outbox<Action>) {
        let accepted = |tracker: &Tracker| tracker.accepted;
        for other in (0..self.trackers.len()).filter(|other| *other != place) {
            if self.trackers.get(other).is_some_and(accepted) {
                self.leave(now, other, out);
                out.push(Action::DropPeers);
            }
        }
    }

    /// BEP 12: a tracker that answers moves to the front of its tier. Returns where that is.
    fn move_to_front(&mut self, place: usize) -> usize {
        let tier = self.trackers.get(place).map_or(0, |tracker| tracker.status.tier);
        let front = self.trackers.partition_point(|tracker| tracker.status.tier < tier);
        if let Some(ahead) = self.trackers.get_mut(front..=place) {
            ahead.rotate_right(1);
        }
        front
    }
}

/// What is done next.
impl Announcer {
    /// Does what is due, and sets the time to look again.
    fn proceed(&mut self, now: Instant, out: &mut Outbox<Action>) {
        self.wake = match self.phase {
            Phase::Idle => None,
            // It ends: a tracker that has been asked is not asked again at once.
            Phase::Running => loop {
                match self.next_step(now) {
                    Step::Ask(place) => self.announce(now, place, out),
                    Step::Wait(deadline) => break deadline,
                }
            },
            Phase::Stopping { until } => {
                if until > now && self.trackers.iter().any(|tracker| tracker.ask.is_some()) {
                    Some(Deadline { at: until, why: "stopped within" })
                } else {
                    (0..self.trackers.len()).for_each(|place| self.cancel(place, out));
                    self.phase = Phase::Idle;
                    out.push(Action::Stopped);
                    None
                }
            }
        };
    }

    fn next_step(&self, now: Instant) -> Step {
        if let Some(wait) = self.silence(now) {
            return wait;
        }
        let trackers = self.trackers.iter().enumerate().filter(|(_, tracker)| !tracker.is_pending());
        if let Some((place, _)) = trackers.clone().find(|(_, tracker)| tracker.owes_completed()) {
            return Step::Ask(place);
        }
        // As long as one works, nobody is asked before that one is due.
        let due = |tracker: &Tracker| tracker.due(self.peers_low);
        let working = trackers.clone().find(|(_, tracker)| tracker.is_working());
        if let Some((place, Some(at))) = working.map(|(place, tracker)| (place, due(tracker))) {
            if at > now {
                return Step::Wait(Some(Deadline { at, why: "announce" }));
            }
            // BEP 27: no other before this one fails.
            if self.config.private {
                return Step::Ask(place);
            }
        }
        // BEP 12: from the first tier on, every time.
        let times = trackers.filter_map(|(place, tracker)| Some((place, due(tracker)?)));
        if let Some((place, _)) = times.clone().find(|(_, at)| *at <= now) {
            return Step::Ask(place);
        }
        Step::Wait(times.map(|(_, at)| Deadline { at, why: "announce again" }).min_by_key(|next| next.at))
    }

    /// How long the trackers that are being asked may yet be silent, if they may.
    fn silence(&self, now: Instant) -> Option<Step> {
        let pending = self.trackers.iter().filter(|tracker| tracker.is_pending());
        let since = pending.filter_map(|tracker| tracker.ask.as_ref()).map(|ask| ask.since).max()?;
        if self.config.private {
            return Some(Step::Wait(None));
        }
        let at = since + self.config.patience;
        (at > now).then_some(Step::Wait(Some(Deadline { at, why: "tracker patience" })))
    }

    /// Announces to a tracker what it does not know yet.
    fn announce(&mut self, now: Instant, place: usize, out: &mut Outbox<Action>) {
        let Some(tracker) = self.trackers.get(place) else { return };
        let event = tracker.event(self.finished && !self.complete);
        if matches!(event, Event::None | Event::Paused) && tracker.is_early(now) {
            self.hurries = self.hurries.saturating_add(1);
        }
        self.ask(now, place, event, out);
        self.tell(place, out);
    }

    /// Tells a tracker that we stop if it knows that we started. Nothing else is asked of it any more.
    fn leave(&mut self, now: Instant, place: usize, out: &mut Outbox<Action>) {
        let Some(tracker) = self.trackers.get_mut(place) else { return };
        if tracker.is_saying_goodbye() {
            return;
        }
        if tracker.take_accepted() {
            self.ask(now, place, Event::Stopped, out);
        } else {
            self.cancel(place, out);
        }
    }

    fn ask(&mut self, now: Instant, place: usize, event: Event, out: &mut Outbox<Action>) {
        self.cancel(place, out);
        let Some(tracker) = self.trackers.get_mut(place) else { return };
        self.tokens += 1;
        let token = AnnounceToken(self.tokens);
        tracker.asked(now, token, event);
        let num_want = if event == Event::Stopped { 0 } else { self.config.num_want };
        let (url, tracker_id) = (tracker.status.url.clone(), tracker.tracker_id());
        out.push(Action::Ask { token, url, event, num_want, tracker_id });
    }

    fn cancel(&mut self, place: usize, out: &mut Outbox<Action>) {
        if let Some(ask) = self.trackers.get_mut(place).and_then(|tracker| tracker.ask.take()) {
            out.push(Action::Cancel { token: ask.token });
        }
    }

    /// Shows people how it stands with a tracker.
    fn tell(&self, place: usize, out: &mut Outbox<Action>) {
        if let Some(tracker) = self.trackers.get(place) {
            out.push(Action::Tracker(Box::new(tracker.status.clone())));
        }
    }
}
