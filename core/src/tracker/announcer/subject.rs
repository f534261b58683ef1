//! An announcer under the law harness.

#![allow(clippy::expect_used, reason = "nothing but tests and fuzz targets call it: they may fail loudly")]

use super::{
    Action, AnnounceToken, Announcer, Config, Input, MAX_TRACKER_ID_BYTES, MAX_TRACKERS, TrackerState,
    TrackerStatus,
};
use crate::{
    Seed,
    metainfo::MAX_URL_BYTES,
    testing::{Bounds, Call, Dice, Step, Subject},
    time::{Clock, Instant},
    tracker::{AnnounceResponse, Event, Failure, MAX_INTERVAL, MAX_REASON_BYTES, MIN_INTERVAL, Retry},
};
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use core::time::Duration;

/// A few trackers of a torrent, in tiers, that answer, refuse, or say nothing.
///
/// It keeps a plain account of what each tracker was told and said, and holds the announcer to it.
#[derive(Debug, Default)]
pub struct AnyAnnouncer {
    config: Config,
    clock: Clock,
    phase: Phase,
    complete: bool,
    completed: bool,
    finished: bool,
    peers_low: bool,
    /// In the order in which they are asked.
    trackers: Vec<Account>,
    asks: BTreeMap<AnnounceToken, Asked>,
    over: Vec<AnnounceToken>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Idle,
    Running,
    Stopping,
}

/// What a tracker was told and said.
#[derive(Debug)]
struct Account {
    status: TrackerStatus,
    accepted: bool,
    /// How often it was told that the download is complete, and that it knows.
    completed: (u32, bool),
    /// It did not refuse to hear that we are a partial seed.
    takes_paused: bool,
    /// When it answered last, and when it may be asked again.
    good: Option<Good>,
    /// Its own `retry in`.
    not_before: Instant,
    never: bool,
}

#[derive(Clone, Copy, Debug)]
struct Good {
    at: Instant,
    early: Instant,
    next: Instant,
}

#[derive(Clone, Debug)]
struct Asked {
    url: String,
    event: Event,
    at: Instant,
    answered: bool,
    /// What the tracker itself said, at one of its addresses.
    refusal: Option<Failure>,
}

impl Subject for AnyAnnouncer {
    type Machine = Announcer;
    type Config = (Config, Vec<Vec<String>>);

    fn config(&mut self, dice: &mut Dice) -> Self::Config {
        self.config = Config {
            private: dice.chance(1, 3),
            patience: Duration::from_secs(dice.below(40).into()),
            num_want: 50,
            default_interval: Duration::from_secs(dice.below(3600).into()),
            stop_within: Duration::from_secs(dice.below(4).into()),
        };
        let tiers = (0..dice.below(4)).map(|_| (0..dice.below(4)).map(|_| any_url(dice)).collect());
        (self.config, tiers.collect())
    }

    fn build(&self, (config, tiers): &Self::Config, seed: Seed) -> Announcer {
        Announcer::new(*config, tiers.clone(), seed)
    }

    fn bounds(&self) -> Bounds {
        let tracker = 512 + MAX_URL_BYTES + 2 * MAX_REASON_BYTES + MAX_TRACKER_ID_BYTES;
        let (actions_per_call, memory) = (4 * MAX_TRACKERS + 4, 2 * MAX_TRACKERS * tracker);
        Bounds { actions_per_call, bytes_per_call: 0, memory, timeouts_per_s: MAX_TRACKERS as u32 }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        let outstanding: Vec<AnnounceToken> = self.asks.keys().copied().collect();
        if let Some(token) = dice.pick(&outstanding).copied().filter(|_| dice.chance(3, 4)) {
            return Input::Answered { token, result: any_result(dice), last: dice.chance(7, 8) };
        }
        match dice.below(16) {
            0..=3 => Input::Start { complete: dice.chance(1, 4) },
            4 => Input::Finished,
            5 => Input::Unfinished,
            6 => Input::Stop,
            7 | 8 => Input::Completed,
            9 | 10 => Input::PeersLow,
            11 => Input::PeersEnough,
            12 | 13 => Input::AddTracker { url: any_url(dice) },
            _ => {
                Input::Answered { token: AnnounceToken(dice.any_u64()), result: any_result(dice), last: true }
            }
        }
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        let now = self.clock.advance(step.at);
        let starts = self.phase != Phase::Running && matches!(step.call, Call::Input(Input::Start { .. }));
        if let Call::Input(input) = &step.call {
            self.told(now, input);
        }
        if starts {
            self.follow_order(&step.outcome.actions);
        }
        for action in &step.outcome.actions {
            self.wanted(now, action);
        }
        self.expect_isolation();
        self.expect_progress(now, step);
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        let token = *dice.pick(&self.over)?;
        Some(Input::Answered { token, result: any_result(dice), last: dice.chance(1, 2) })
    }

    fn memory(&self, machine: &Announcer) -> usize {
        machine.memory()
    }
}

/// What comes in.
impl AnyAnnouncer {
    fn told(&mut self, now: Instant, input: &Input) {
        match input {
            Input::Start { complete } if self.phase != Phase::Running => {
                self.phase = Phase::Running;
                (self.complete, self.completed) = (*complete, false);
                (self.finished, self.peers_low) = (false, false);
            }
            Input::Stop => self.phase = Phase::Stopping,
            Input::Completed if self.phase == Phase::Running => {
                self.completed |= !self.complete;
                self.complete = true;
            }
            Input::Finished => self.finished = true,
            Input::Unfinished => self.finished = false,
            Input::PeersLow => self.peers_low = true,
            Input::PeersEnough => self.peers_low = false,
            Input::Answered { token, result, last } => self.answered(now, *token, result, *last),
            Input::Start { .. } | Input::Completed | Input::AddTracker { .. } => {}
        }
    }

    fn answered(
        &mut self,
        now: Instant,
        token: AnnounceToken,
        result: &Result<AnnounceResponse, Failure>,
        last: bool,
    ) {
        let Some(ask) = self.asks.get_mut(&token) else { return };
        let (url, event, since) = (ask.url.clone(), ask.event, ask.at);
        if event != Event::Stopped {
            match result {
                Ok(response) => {
                    ask.answered = true;
                    self.good_answer(now, &url, event, since, response);
                }
                Err(failure) => {
                    let is_refusal = matches!(failure, Failure::Refused { .. });
                    ask.refusal = ask.refusal.take().or(is_refusal.then(|| failure.clone()));
                    let failure = ask.refusal.clone().unwrap_or_else(|| failure.clone());
                    if last && !ask.answered {
                        self.bad_answer(now, &url, event, &failure);
                    }
                }
            }
        }
        if last {
            self.end(token);
        }
    }

    fn good_answer(
        &mut self,
        now: Instant,
        url: &str,
        event: Event,
        since: Instant,
        response: &AnnounceResponse,
    ) {
        let clamp = |time: Duration| time.clamp(MIN_INTERVAL, MAX_INTERVAL);
        let least = clamp(response.min_interval.unwrap_or_default());
        let interval = clamp(response.interval.unwrap_or(self.config.default_interval)).max(least);
        let account = self.account(url);
        account.accepted = true;
        account.completed.1 |= event == Event::Completed;
        account.good = Some(Good { at: now, early: now + least, next: now + interval });
        if now - since < self.config.patience {
            let place = self.trackers.iter().position(|tracker| tracker.status.url == url);
            let account = self.trackers.remove(place.expect("it was asked"));
            let same = |tracker: &Account| tracker.status.tier == account.status.tier;
            let front = self.trackers.iter().position(same).or(place);
            self.trackers.insert(front.expect("it was asked"), account);
        }
    }

    fn bad_answer(&mut self, now: Instant, url: &str, event: Event, failure: &Failure) {
        let account = self.account(url);
        let is_said = matches!(failure, Failure::Refused { .. } | Failure::Status(_));
        account.takes_paused &= !(event == Event::Paused && is_said);
        if let Some(good) = &mut account.good {
            good.next = good.early;
        }
        if let Failure::Refused { retry: Retry::After(time), .. } = failure {
            account.not_before = now + (*time).min(MAX_INTERVAL);
        }
        if matches!(failure, Failure::BadUrl | Failure::Refused { retry: Retry::Never, .. }) {
            (account.never, account.accepted) = (true, false);
        }
    }

    fn account(&mut self, url: &str) -> &mut Account {
        self.trackers.iter_mut().find(|tracker| tracker.status.url == url).expect("it was shown")
    }

    fn end(&mut self, token: AnnounceToken) -> Option<Asked> {
        let asked = self.asks.remove(&token);
        self.over.extend(asked.as_ref().map(|_| token));
        asked
    }
}

/// What comes out.
impl AnyAnnouncer {
    /// All trackers are shown at the start, in order: that of the tiers after the shuffle.
    fn follow_order(&mut self, actions: &[Action]) {
        let mut shown: Vec<&str> = Vec::new();
        for action in actions.iter().take_while(|action| !matches!(action, Action::Ask { .. })) {
            if let Action::Tracker(status) = action {
                self.show(status);
                shown.push(&status.url);
            }
        }
        self.trackers.sort_by_key(|tracker| shown.iter().position(|url| *url == tracker.status.url));
        let tiers: Vec<u32> = self.trackers.iter().map(|tracker| tracker.status.tier).collect();
        assert!(tiers.is_sorted(), "{tiers:?}");
        for tracker in &mut self.trackers {
            (tracker.accepted, tracker.completed) = (false, (0, false));
        }
    }

    fn wanted(&mut self, now: Instant, action: &Action) {
        match action {
            Action::Ask { token, url, event, num_want, .. } => {
                assert_eq!(*num_want == 0, *event == Event::Stopped);
                assert!(self.asks.values().all(|asked| asked.url != *url), "it is asked already");
                self.asked(now, url, *event);
                let asked =
                    Asked { url: url.clone(), event: *event, at: now, answered: false, refusal: None };
                self.asks.insert(*token, asked);
                assert!(!self.over.contains(token), "a token is used once");
            }
            Action::Cancel { token } => assert!(self.end(*token).is_some(), "nothing to cancel"),
            Action::Tracker(status) => self.show(status),
            Action::Stopped => {
                assert_eq!(self.phase, Phase::Stopping);
                assert!(self.asks.is_empty(), "{:?}", self.asks);
                self.phase = Phase::Idle;
            }
            Action::DropPeers => assert!(self.config.private),
            Action::Peers { .. } | Action::ExternalIp(_) => {}
        }
    }

    fn show(&mut self, status: &TrackerStatus) {
        match self.trackers.iter_mut().find(|tracker| tracker.status.url == status.url) {
            Some(tracker) => tracker.status = status.clone(),
            None => self.trackers.push(Account::new(status.clone())),
        }
    }

    fn asked(&mut self, now: Instant, url: &str, event: Event) {
        let (completed, peers_low) = (self.completed, self.peers_low);
        if event != Event::Stopped {
            assert_eq!(self.phase, Phase::Running);
            self.expect_one_at_a_time(now);
        }
        let is_regular = matches!(event, Event::None | Event::Paused);
        let is_partial_seed = self.finished && !self.complete;
        if is_regular || event == Event::Started {
            self.expect_turn(now, url);
        }
        let account = self.account(url);
        assert!(!account.never && account.status.state != TrackerState::Unsupported, "{account:?}");
        assert_eq!(event == Event::Started, !account.accepted, "{event:?}: {account:?}");
        assert!(event == Event::Stopped || account.not_before <= now, "{account:?}");
        match (event, account.good) {
            (Event::Started, Some(good)) => assert!(now >= good.at + MIN_INTERVAL, "{account:?}"),
            (Event::None | Event::Paused, Some(good)) => {
                assert!(now >= if peers_low { good.early } else { good.next }, "{account:?}");
            }
            _ => {}
        }
        match event {
            Event::Completed => {
                account.completed.0 += 1;
                assert!(completed && account.completed.0 <= 2 && !account.completed.1, "{account:?}");
            }
            Event::Stopped => account.accepted = false,
            Event::None | Event::Paused => {
                assert_eq!(event == Event::Paused, is_partial_seed && account.takes_paused, "{account:?}");
            }
            Event::Started => {}
        }
    }

    /// Nobody is asked while another has yet to answer, and has time to.
    fn expect_one_at_a_time(&self, now: Instant) {
        let Config { private, patience, .. } = self.config;
        let mut pending = self.asks.values().filter(|asked| asked.event != Event::Stopped && !asked.answered);
        assert!(pending.all(|asked| !private && asked.at + patience <= now), "{:?}", self.asks);
    }

    /// It is its turn: nobody in front of it may be asked, and nobody serves us well.
    fn expect_turn(&self, now: Instant, url: &str) {
        let may = |tracker: &Account| tracker.status.next.is_some_and(|next| next <= now);
        let is_asking = |tracker: &Account| tracker.status.state == TrackerState::Asking;
        let is_working = |tracker: &&Account| tracker.status.state == TrackerState::Working;
        let working = self.trackers.iter().find(is_working);
        assert!(working.is_none_or(|tracker| may(tracker) || self.peers_low), "{working:?}");
        let mut ahead = self.trackers.iter().take_while(|tracker| tracker.status.url != url);
        if self.config.private && working.is_some() {
            assert_eq!(working.map(|tracker| tracker.status.url.as_str()), Some(url));
        } else {
            let is_new = |tracker: &Account| {
                tracker.status.state == TrackerState::Idle && tracker.status.next.is_none()
            };
            assert!(ahead.all(|tracker| is_asking(tracker) || !may(tracker) && !is_new(tracker)));
        }
    }

    /// BEP 27: one tracker at a time.
    fn expect_isolation(&self) {
        let accepted = self.trackers.iter().filter(|tracker| tracker.accepted).count();
        assert!(!self.config.private || accepted <= 1, "{:?}", self.trackers);
    }

    /// It never falls asleep, nor tires of a tracker.
    fn expect_progress(&self, now: Instant, step: &Step<Input, Action>) {
        let next = step.outcome.next.map(|next| next.at);
        let is_pending = self.asks.values().any(|asked| !asked.answered);
        let usable = |tracker: &Account| tracker.status.next.is_some();
        match self.phase {
            Phase::Idle => assert_eq!(next, None),
            Phase::Running if is_pending || !self.trackers.iter().any(usable) => {}
            Phase::Running | Phase::Stopping => {
                let longest = MAX_INTERVAL + MAX_INTERVAL / 10;
                assert!(next.is_some_and(|next| next <= now + longest), "{next:?}");
            }
        }
    }
}

impl Account {
    fn new(status: TrackerStatus) -> Self {
        let (good, not_before) = (None, Instant::ZERO);
        let (accepted, completed, takes_paused) = (false, (0, false), true);
        Self { status, accepted, completed, takes_paused, good, not_before, never: false }
    }
}

/// Few, so that they meet.
fn any_url(dice: &mut Dice) -> String {
    let scheme = ["udp", "http", "https", "HTTP", "wss", "gopher"];
    let scheme = dice.pick(&scheme).copied().unwrap_or_default();
    format!("{scheme}://tracker{}.example/announce", dice.below(4))
}

fn any_result(dice: &mut Dice) -> Result<AnnounceResponse, Failure> {
    if dice.chance(1, 2) {
        return Err(any_failure(dice));
    }
    let mut time = |most| dice.chance(3, 4).then(|| Duration::from_secs(dice.below(most).into()));
    let (interval, min_interval) = (time(4000), time(400));
    let words = |length| "é".repeat(length as usize);
    Ok(AnnounceResponse {
        interval: if dice.chance(1, 16) { Some(Duration::MAX) } else { interval },
        min_interval: if dice.chance(1, 16) { Some(Duration::MAX) } else { min_interval },
        peers: (0..dice.below(3)).map(|host| ([9, 9, 9, host as u8], 6881).into()).collect(),
        external_ip: dice.chance(1, 4).then(|| [9, 9, 9, 9].into()),
        tracker_id: dice.chance(1, 4).then(|| words(dice.below(300))),
        warning: dice.chance(1, 4).then(|| words(dice.below(3000))),
        ..AnnounceResponse::default()
    })
}

fn any_failure(dice: &mut Dice) -> Failure {
    let retry = match dice.below(8) {
        0 => Retry::Never,
        1..=3 => Retry::After(Duration::from_secs(u64::from(dice.below(2000)) * 60)),
        _ => Retry::Unsaid,
    };
    match dice.below(16) {
        0 => Failure::BadUrl,
        1 => Failure::Unresolved,
        2 => Failure::Malformed,
        3 => Failure::Status(404),
        4..=8 => Failure::Refused { reason: "no".into(), retry },
        _ => Failure::TimedOut,
    }
}
