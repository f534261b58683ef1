//! Tiers, times, events, and the laws.

mod partial_seeds;

use super::*;
use crate::{
    Machine, Outbox,
    testing::{Dice, check_laws},
    tracker::Retry,
};
use alloc::{borrow::ToOwned, collections::BTreeSet, format, vec};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn each_tier_is_shuffled_and_stays_before_the_next() {
    let orders: BTreeSet<Vec<String>> = (0..100)
        .map(|seed| {
            let tiers = tiers(&["udp://a udp://b udp://c", "udp://d"]);
            let announcer = Announcer::new(Config::default(), tiers, [seed; 32]);
            let mut world = World::of(announcer);
            let shown: Vec<String> =
                world.start().into_iter().filter_map(shown).map(|status| status.url).collect();
            shown.into_iter().take(4).collect()
        })
        .collect();
    assert_eq!(orders.len(), 6, "each order of three: {orders:?}");
    assert!(orders.iter().all(|order| order[3] == "udp://d"));
}

#[test]
fn the_next_tracker_is_asked_as_soon_as_one_fails() {
    let mut world = World::new(&["udp://a", "udp://b", "udp://c"]);
    assert_eq!(world.asked_at_start(), ["udp://a started"]);
    assert_eq!(world.fail("udp://a"), ["udp://b started"]);
    assert_eq!(world.fail("udp://b"), ["udp://c started"]);
    assert_eq!(world.answer("udp://c"), [""; 0]);
}

#[test]
fn every_announce_begins_with_the_first_tier() {
    let mut world = World::new(&["udp://a", "udp://b"]);
    world.start();
    world.fail("udp://a");
    world.answer("udp://b");
    assert_eq!(world.pass(30 * MINUTE - SECOND), [""; 0], "b works, so a is left in peace until then");
    assert_eq!(world.pass(SECOND), ["udp://a started"]);
    assert_eq!(world.fail("udp://a"), ["udp://b"]);
}

#[test]
fn who_answers_moves_to_the_front_of_its_tier() {
    let mut world = World::new(&["udp://a udp://b udp://c", "udp://d"]);
    let first = world.asked_at_start();
    let [first, second] = [&first[0], &world.fail(url_of(&first[0]))[0]].map(|ask| url_of(ask).to_owned());
    world.answer(&second);
    assert_eq!(world.pass(30 * MINUTE), [second.as_str()]);
    assert_eq!(world.fail(&second), [format!("{first} started")], "its failures do not move it back");
}

#[test]
fn a_silent_tracker_keeps_others_waiting_for_half_a_minute() {
    let mut world = World::new(&["udp://a", "udp://b"]);
    world.start();
    assert_eq!(world.pass(30 * SECOND - Duration::from_micros(1)), [""; 0]);
    assert_eq!(world.pass(Duration::from_micros(1)), ["udp://b started"]);
    assert_eq!(world.peers("udp://b", 1).len(), 1);
    assert_eq!(world.peers("udp://a", 2).len(), 1, "late, but good");
}

#[test]
fn a_slow_tracker_does_not_move_to_the_front() {
    let mut world = World::new(&["udp://a udp://b"]);
    let slow = url_of(&world.asked_at_start()[0]).to_owned();
    let quick = url_of(&world.pass(30 * SECOND)[0]).to_owned();
    world.answer(&quick);
    world.answer(&slow);
    assert_eq!(world.pass(30 * MINUTE), [quick]);
}

#[test]
fn failures_wait_longer_each_time_up_to_an_hour() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    let mut waits = Vec::new();
    for _ in 0..20 {
        world.fail("udp://a");
        waits.push(world.wait());
        assert_eq!(world.pass(world.wait()), ["udp://a started"]);
    }
    let expected =
        [17_500, 55_000, 117_500, 205_000, 317_500, 455_000, 617_500, 805_000].map(Duration::from_millis);
    for (wait, least) in waits.iter().zip(expected) {
        assert!(*wait >= least && *wait < least * 11 / 10, "{wait:?}, not {least:?}");
    }
    let hour = waits.last().expect("twenty");
    assert!(*hour >= 3600 * SECOND && *hour < 3960 * SECOND, "{hour:?}");
    world.answer("udp://a");
    world.pass(30 * MINUTE);
    world.fail("udp://a");
    assert!(world.wait() < 20 * SECOND, "one good answer, and all is forgiven");
}

#[test]
fn each_failed_tracker_has_its_own_back_off() {
    let mut world = World::new(&["udp://a", "udp://b"]);
    world.start();
    world.pass(10 * SECOND);
    world.fail("udp://a");
    world.pass(10 * SECOND);
    world.fail("udp://b");
    let wait = world.wait();
    assert!(wait >= Duration::from_millis(7_500) && wait < 10 * SECOND, "{wait:?}");
    assert_eq!(world.pass(wait), ["udp://a started"]);
}

#[test]
fn bad_input_35_an_absurd_interval_is_bent_to_a_minute_or_a_day() {
    for (interval, wait) in [(0, 60), (59, 60), (61, 61), (1 << 31, 86_400), (u64::MAX, 86_400)] {
        let mut world = World::new(&["udp://a"]);
        world.start();
        let interval = Some(Duration::from_secs(interval));
        world.answer_with("udp://a", AnnounceResponse { interval, ..response() });
        assert_eq!(world.wait(), Duration::from_secs(wait));
    }
}

#[test]
fn a_min_interval_beyond_the_interval_counts() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    let (interval, min_interval) = (Some(5 * MINUTE), Some(9 * MINUTE));
    world.answer_with("udp://a", AnnounceResponse { interval, min_interval, ..response() });
    assert_eq!(world.wait(), 9 * MINUTE);
}

#[test]
fn too_few_peers_hurry_the_next_announce_with_growing_gaps() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    world.input(Input::PeersLow);
    let mut waits = Vec::new();
    for _ in 0..7 {
        world.answer("udp://a");
        waits.push(world.wait().as_secs() / 60);
        assert_eq!(world.pass(world.wait()), ["udp://a"]);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30], "minutes; 30 is the interval");
    world.input(Input::PeersEnough);
    world.answer("udp://a");
    assert_eq!(world.wait(), 30 * MINUTE);
    world.input(Input::PeersLow);
    assert_eq!(world.wait(), MINUTE);
}

#[test]
fn too_few_peers_do_not_hurry_beyond_the_min_interval() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    world.answer_with("udp://a", AnnounceResponse { min_interval: Some(7 * MINUTE), ..response() });
    world.input(Input::PeersLow);
    assert_eq!(world.wait(), 7 * MINUTE);
}

#[test]
fn a_tracker_that_names_a_time_is_not_asked_before() {
    let mut world = World::new(&["http://a"]);
    world.start();
    world.fail_with("http://a", refused(Retry::After(9 * MINUTE)));
    assert_eq!(world.wait(), 9 * MINUTE);
    world.pass(9 * MINUTE);
    world.fail_with("http://a", refused(Retry::After(SECOND)));
    assert!(world.wait() >= 55 * SECOND, "nor before its back-off");
}

#[test]
fn a_tracker_that_refuses_for_ever_is_not_asked_again() {
    for failure in [refused(Retry::Never), Failure::BadUrl] {
        let mut world = World::new(&["http://a"]);
        world.start();
        world.fail_with("http://a", failure.clone());
        assert_eq!(world.announcer.poll_timeout(), None);
        assert_eq!(
            (world.status("http://a").state, world.status("http://a").next),
            (TrackerState::Failed(failure), None)
        );
        world.input(Input::Stop);
        assert_eq!(world.asked_at_start(), [""; 0]);
    }
}

#[test]
fn completed_is_told_at_once_to_all_who_know_that_we_started() {
    let mut world = World::new(&["udp://a", "udp://b", "udp://c"]);
    world.start();
    world.pass(30 * SECOND);
    world.answer("udp://a");
    world.answer("udp://b");
    assert_eq!(asks(&world.input(Input::Completed)), ["udp://a completed"]);
    assert_eq!(world.answer("udp://a"), ["udp://b completed"]);
    assert_eq!(world.answer("udp://b"), [""; 0]);
    assert_eq!(world.input(Input::Completed), []);
    assert_eq!(world.announcer.counters().repeated, 1);
    assert_eq!(world.pass(30 * MINUTE), ["udp://a"]);
}

#[test]
fn completed_is_tried_twice_and_no_more() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    world.answer("udp://a");
    assert_eq!(asks(&world.input(Input::Completed)), ["udp://a completed"]);
    world.fail("udp://a");
    assert_eq!(world.wait(), MINUTE, "the first try came before its time, the second does not");
    assert_eq!(world.pass(MINUTE), ["udp://a completed"]);
    world.fail("udp://a");
    assert_eq!(world.pass(MINUTE + SECOND), ["udp://a"]);
}

#[test]
fn completed_waits_for_the_answer_to_started() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    assert_eq!(world.input(Input::Completed), []);
    assert_eq!(world.answer("udp://a"), ["udp://a completed"]);
}

#[test]
fn a_tracker_that_hears_of_us_when_all_is_there_is_not_told_completed() {
    let mut world = World::new(&["udp://a"]);
    world.input(Input::Start { complete: true });
    world.answer("udp://a");
    assert_eq!(world.input(Input::Completed), []);

    let mut world = World::new(&["udp://a"]);
    world.start();
    world.input(Input::Completed);
    world.fail("udp://a");
    assert_eq!(world.pass(20 * SECOND), ["udp://a started"], "with nothing left");
    assert_eq!(world.answer("udp://a"), [""; 0]);
}

#[test]
fn stopped_is_told_once_to_those_who_know_that_we_started() {
    let mut world = World::new(&["udp://a", "udp://b"]);
    world.start();
    let answered = world.token("udp://a");
    world.answer("udp://a");
    world.pass(30 * MINUTE);
    world.pass(30 * SECOND);
    let cancelled = [world.token("udp://a"), world.token("udp://b")];
    let actions = world.input(Input::Stop);
    assert_eq!(asks(&actions), ["udp://a stopped"]);
    assert!(cancelled.iter().all(|token| actions.contains(&Action::Cancel { token: *token })));
    assert!(actions.iter().any(|action| matches!(action, Action::Ask { num_want: 0, .. })));
    let failed =
        Input::Answered { token: world.token("udp://a"), result: Err(Failure::TimedOut), last: true };
    assert_eq!(world.input(failed), [Action::Stopped]);
    assert_eq!(world.announcer.poll_timeout(), None);
    let late = Input::Answered { token: answered, result: Ok(response()), last: true };
    assert_eq!((world.input(late), world.announcer.counters().strays), (vec![], 1));
}

#[test]
fn stopped_comes_after_three_seconds_whoever_is_silent() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    world.answer("udp://a");
    world.input(Input::Stop);
    assert_eq!(world.wait(), 3 * SECOND);
    let token = world.token("udp://a");
    world.now = world.now + 3 * SECOND;
    assert_eq!(world.timeout(), [Action::Cancel { token }, Action::Stopped]);
}

#[test]
fn stopped_comes_at_once_where_nobody_knows_of_us() {
    let mut world = World::new(&["udp://a"]);
    assert_eq!(world.input(Input::Stop).last(), Some(&Action::Stopped));
    world.start();
    assert_eq!(world.input(Input::Stop).last(), Some(&Action::Stopped));
}

#[test]
fn a_new_start_forgives_failures_but_keeps_what_trackers_said() {
    let mut world = World::new(&["udp://a", "http://b", "udp://c"]);
    world.start();
    world.fail("udp://a");
    world.fail_with("http://b", refused(Retry::After(9 * MINUTE)));
    world.answer("udp://c");
    world.input(Input::Stop);
    assert_eq!(world.asked_at_start(), ["udp://a started"], "and the goodbye to c is cut short");
    world.fail("udp://a");
    assert_eq!(world.pass(MINUTE - SECOND), ["udp://a started"], "neither b nor, within a minute, c");
    assert_eq!(world.fail("udp://a"), [""; 0]);
    assert_eq!(world.pass(SECOND), ["udp://c started"]);
}

#[test]
fn a_private_torrent_waits_for_its_tracker_however_slow() {
    let mut world = World::private(&["udp://a", "udp://b"]);
    world.start();
    assert_eq!(world.announcer.poll_timeout(), None);
    assert_eq!(world.fail("udp://a"), ["udp://b started"]);
}

#[test]
fn a_private_torrent_stays_with_a_tracker_until_it_fails() {
    let mut world = World::private(&["udp://a", "udp://b"]);
    world.start();
    world.fail("udp://a");
    world.answer("udp://b");
    assert_eq!(world.pass(30 * MINUTE), ["udp://b"], "not a, though a is first");
    assert_eq!(world.fail("udp://b"), ["udp://a started"]);
}

#[test]
fn a_private_torrent_parts_from_the_old_tracker_and_its_peers() {
    let mut world = World::private(&["udp://a", "udp://b"]);
    world.start();
    assert!(!world.peers("udp://a", 1).contains(&Action::DropPeers));
    world.pass(30 * MINUTE);
    assert_eq!(world.fail("udp://a"), ["udp://b started"]);
    let actions = world.peers("udp://b", 2);
    assert_eq!(asks(&actions), ["udp://a stopped"]);
    let at = |wanted: fn(&Action) -> bool| actions.iter().position(wanted).expect("it is there");
    let dropped = at(|action| *action == Action::DropPeers);
    assert!(dropped < at(|action| matches!(action, Action::Peers { .. })));
    assert_eq!(asks(&world.input(Input::Stop)), ["udp://b stopped"], "a has been told");
}

#[test]
fn one_address_of_a_tracker_is_enough() {
    let mut world = World::new(&["udp://a", "udp://b"]);
    world.start();
    let answered = |token, result, last| Input::Answered { token, result, last };
    let token = world.token("udp://a");
    assert_eq!(world.input(answered(token, Err(Failure::TimedOut), false)), []);
    world.input(answered(token, Ok(response()), true));
    assert_eq!(world.wait(), 30 * MINUTE);

    world.pass(30 * MINUTE);
    let token = world.token("udp://a");
    world.input(answered(token, Ok(response()), false));
    world.pass(MINUTE);
    let interval = Some(5 * MINUTE);
    let six = world.input(answered(token, Ok(AnnounceResponse { interval, ..response() }), true));
    assert!(six.iter().any(|action| matches!(action, Action::Peers { .. })));
    assert_eq!(world.wait(), 29 * MINUTE, "the longer interval of the two");
}

#[test]
fn a_refusal_counts_for_more_than_silence() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    let token = world.token("udp://a");
    for (failure, last) in [(refused(Retry::Never), false), (Failure::TimedOut, true)] {
        world.input(Input::Answered { token, result: Err(failure), last });
    }
    assert_eq!(world.status("udp://a").state, TrackerState::Failed(refused(Retry::Never)));
}

#[test]
fn an_address_that_stays_silent_gives_way_to_the_next_announce() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    let token = world.token("udp://a");
    world.input(Input::Answered { token, result: Ok(response()), last: false });
    world.now = world.now + 30 * MINUTE;
    let actions = world.timeout();
    assert_eq!((&actions[0], asks(&actions)), (&Action::Cancel { token }, vec!["udp://a".to_owned()]));
}

#[test]
fn what_we_do_not_speak_is_shown_and_passed_over() {
    let mut world = World::new(&["wss://a", "ftp://b", "nonsense", "HTTPS://c"]);
    assert_eq!(world.asked_at_start(), ["HTTPS://c started"]);
    for url in ["wss://a", "ftp://b", "nonsense"] {
        assert_eq!(world.status(url).state, TrackerState::Unsupported);
    }
}

#[test]
fn a_tracker_hears_its_id_again() {
    let mut world = World::new(&["http://a"]);
    world.start();
    let id = |length: usize| AnnounceResponse { tracker_id: Some("i".repeat(length)), ..response() };
    let mut said = Vec::new();
    for answer in [id(256), response(), id(257)] {
        world.answer_with("http://a", answer);
        world.now = world.now + 30 * MINUTE;
        said.extend(world.timeout().into_iter().filter_map(|action| {
            if let Action::Ask { tracker_id, .. } = action { tracker_id } else { None }
        }));
    }
    assert_eq!(said, vec!["i".repeat(256); 3], "kept where none is said, and not replaced by one too long");
}

#[test]
fn a_long_list_of_trackers_is_cut_and_repeated_ones_are_left_out() {
    let many = (0..1000).map(|number| format!("udp://{}", number / 2)).collect();
    let mut world = World::of(Announcer::new(Config::default(), vec![many], [0; 32]));
    assert_eq!(world.start().into_iter().filter_map(shown).count(), MAX_TRACKERS + 1, "one is asked");
    assert_eq!(world.announcer.counters().left_out, 900);
    assert_eq!(world.input(Input::AddTracker { url: "udp://one.more".into() }), []);
}

#[test]
fn an_added_tracker_is_a_tier_of_its_own() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    world.fail("udp://a");
    let added = world.input(Input::AddTracker { url: "udp://b".into() });
    assert_eq!(asks(&added), ["udp://b started"], "nobody works, so it is asked at once");
    assert_eq!(world.status("udp://b").tier, 1);
    assert_eq!(world.input(Input::AddTracker { url: "udp://b".into() }), []);
    assert_eq!(world.input(Input::AddTracker { url: "u".repeat(2049) }), []);
}

#[test]
fn people_see_how_it_stands() {
    let mut world = World::new(&["http://a"]);
    world.start();
    assert_eq!((world.status("http://a").state, world.status("http://a").next), (TrackerState::Asking, None));
    let counts = Counts { seeders: Some(1), leechers: Some(2), ..Counts::default() };
    let ic = Some(IcAnswer { auth_accepted: true, ..IcAnswer::default() });
    let warning = Some("soon\x07gone".into());
    world.answer_with("http://a", AnnounceResponse { counts, ic, warning, ..response() });
    let status = world.status("http://a");
    assert_eq!((status.counts, status.ic, status.fails, status.tier), (counts, ic, 0, 0));
    assert_eq!(status.warning.as_deref(), Some("soon\u{fffd}gone"));
    assert_eq!((status.state, status.next), (TrackerState::Working, Some(world.now + 30 * MINUTE)));
    world.pass(30 * MINUTE);
    world.fail("http://a");
    let status = world.status("http://a");
    assert_eq!(
        (status.state, status.fails, status.counts),
        (TrackerState::Failed(Failure::TimedOut), 1, counts)
    );
    world.input(Input::Stop);
    assert_eq!((world.status("http://a").state, world.status("http://a").next), (TrackerState::Idle, None));
}

#[test]
fn the_laws_hold() {
    for seed in 0..120 {
        check_laws(subject::AnyAnnouncer::default(), Dice::seeded(seed), 300);
    }
}

/// A tier a string, its trackers between spaces.
fn tiers(tiers: &[&str]) -> Vec<Vec<String>> {
    tiers.iter().map(|tier| tier.split(' ').map(String::from).collect()).collect()
}

fn response() -> AnnounceResponse {
    AnnounceResponse { peers: vec![([9, 9, 9, 9], 6881).into()], ..AnnounceResponse::default() }
}

fn refused(retry: Retry) -> Failure {
    Failure::Refused { reason: "no".into(), retry }
}

/// Who is asked, and what is said.
fn asks(actions: &[Action]) -> Vec<String> {
    let asks = actions.iter().filter_map(|action| {
        let Action::Ask { url, event, .. } = action else { return None };
        let event = if *event == Event::None { String::new() } else { format!(" {event:?}").to_lowercase() };
        Some(format!("{url}{event}"))
    });
    asks.collect()
}

fn url_of(ask: &str) -> &str {
    ask.split(' ').next().unwrap_or_default()
}

fn shown(action: Action) -> Option<TrackerStatus> {
    if let Action::Tracker(status) = action { Some(*status) } else { None }
}

/// An announcer, those it asks, and the time.
struct World {
    announcer: Announcer,
    now: Instant,
    asked: Vec<(String, AnnounceToken)>,
    shown: Vec<TrackerStatus>,
}

impl World {
    fn new(urls: &[&str]) -> Self {
        Self::of(Announcer::new(Config::default(), tiers(urls), [7; 32]))
    }

    fn private(urls: &[&str]) -> Self {
        let config = Config { private: true, ..Config::default() };
        Self::of(Announcer::new(config, tiers(urls), [7; 32]))
    }

    fn of(announcer: Announcer) -> Self {
        Self { announcer, now: Instant::ZERO, asked: Vec::new(), shown: Vec::new() }
    }

    fn start(&mut self) -> Vec<Action> {
        self.input(Input::Start { complete: false })
    }

    fn asked_at_start(&mut self) -> Vec<String> {
        asks(&self.start())
    }

    fn answer(&mut self, url: &str) -> Vec<String> {
        self.answer_with(url, response())
    }

    fn answer_with(&mut self, url: &str, response: AnnounceResponse) -> Vec<String> {
        let token = self.token(url);
        asks(&self.input(Input::Answered { token, result: Ok(response), last: true }))
    }

    /// All that comes of so many peers.
    fn peers(&mut self, url: &str, count: u8) -> Vec<Action> {
        let peers = (0..count).map(|host| ([9, 9, 9, host], 6881).into()).collect();
        let result = Ok(AnnounceResponse { peers, ..AnnounceResponse::default() });
        let token = self.token(url);
        let mut actions = self.input(Input::Answered { token, result, last: true });
        actions.retain(|action| !matches!(action, Action::Tracker(_)));
        actions
    }

    fn fail(&mut self, url: &str) -> Vec<String> {
        self.fail_with(url, Failure::TimedOut)
    }

    fn fail_with(&mut self, url: &str, failure: Failure) -> Vec<String> {
        let token = self.token(url);
        asks(&self.input(Input::Answered { token, result: Err(failure), last: true }))
    }

    /// The last that was asked of a tracker.
    fn token(&self, url: &str) -> AnnounceToken {
        let asked = self.asked.iter().rev().find(|(asked, _)| asked == url);
        asked.map(|(_, token)| *token).expect("it was asked")
    }

    fn status(&self, url: &str) -> TrackerStatus {
        let shown = self.shown.iter().rev().find(|status| status.url == url);
        shown.cloned().expect("it was shown")
    }

    /// How long until it wants to be called.
    fn wait(&self) -> Duration {
        self.announcer.poll_timeout().expect("it waits").at - self.now
    }

    /// Lets time pass; who is asked meanwhile.
    fn pass(&mut self, time: Duration) -> Vec<String> {
        let (end, mut asked) = (self.now + time, Vec::new());
        while let Some(next) = self.announcer.poll_timeout().filter(|next| next.at <= end) {
            self.now = next.at;
            asked.extend(asks(&self.timeout()));
        }
        self.now = end;
        asked
    }

    fn input(&mut self, input: Input) -> Vec<Action> {
        let mut out = Outbox::new();
        assert_eq!(self.announcer.handle_input(self.now, input, &mut out), Ok(()));
        self.note(out.drain().collect())
    }

    fn timeout(&mut self) -> Vec<Action> {
        let mut out = Outbox::new();
        assert_eq!(self.announcer.handle_timeout(self.now, &mut out), Ok(()));
        self.note(out.drain().collect())
    }

    fn note(&mut self, actions: Vec<Action>) -> Vec<Action> {
        for action in &actions {
            if let Action::Ask { url, token, .. } = action {
                self.asked.push((url.clone(), *token));
            }
            self.shown.extend(shown(action.clone()));
        }
        actions
    }
}
