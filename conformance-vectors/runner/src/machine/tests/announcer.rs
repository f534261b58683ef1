//! The announcer: who is asked when, and what is told.

use super::{Recorder, SECOND};
use crate::machine::build::{self, never};
use convoy_core::tracker::{
    AnnounceResponse, Counts, Event, Failure, Retry,
    announcer::{Action, AnnounceToken, Announcer, Config, Input},
};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn announcer(config: Config, tiers: &[&[&str]]) -> Recorder<Announcer> {
    let tiers: Vec<Vec<String>> =
        tiers.iter().map(|urls| urls.iter().map(ToString::to_string).collect()).collect();
    let built_from = build::Announcer { config, tiers: tiers.clone() };
    Recorder::new("announcer", &built_from, [3; 32], never, Announcer::new(config, tiers, [3; 32]))
}

/// The last that is asked.
fn asked(actions: &[Action]) -> (AnnounceToken, &str, Event) {
    let asked = actions.iter().rev().find_map(|action| match action {
        Action::Ask { token, url, event, .. } => Some((*token, url.as_str(), *event)),
        _ => None,
    });
    asked.expect("somebody is asked")
}

fn response(host: u8) -> AnnounceResponse {
    AnnounceResponse {
        counts: Counts { seeders: Some(1), leechers: Some(2), ..Counts::default() },
        peers: vec![([9, 9, 9, host], 6881).into()],
        ..AnnounceResponse::default()
    }
}

fn answer(actions: &[Action], result: Result<AnnounceResponse, Failure>) -> Input {
    Input::Answered { token: asked(actions).0, result, last: true }
}

#[test]
fn tiers_are_tried_and_a_torrent_lives_to_its_end() {
    let mut life = announcer(Config::default(), &[&["udp://a", "udp://b", "wss://c"], &["http://d"]]);
    let first = life.input(Input::Start { complete: false });
    let second = life.pass(30 * SECOND);
    assert_ne!(asked(&first).1, asked(&second).1, "the first is silent");
    let third = life.input(answer(&second, Err(Failure::Unresolved)));
    assert_eq!(asked(&third).1, "http://d");
    let refused = Failure::Refused { reason: "slowly".into(), retry: Retry::After(5 * MINUTE) };
    life.input(answer(&third, Err(refused)));
    let tracker_id = Some("mine".into());
    life.input(answer(
        &first,
        Ok(AnnounceResponse { interval: Some(2 * MINUTE), tracker_id, ..response(1) }),
    ));
    let again = life.pass(2 * MINUTE);
    let more =
        life.input(answer(&again, Ok(AnnounceResponse { warning: Some("soon gone".into()), ..response(2) })));
    assert!(more.iter().any(|action| matches!(action, Action::Peers { .. })));
    life.input(answer(&again, Ok(response(3))));
    life.input(Input::PeersLow);
    let early = life.pass(MINUTE);
    life.input(answer(&early, Ok(response(4))));
    life.input(Input::PeersEnough);
    let completed = life.input(Input::Completed);
    assert_eq!(asked(&completed).2, Event::Completed);
    life.input(answer(&completed, Ok(response(5))));
    assert_eq!(asked(&life.input(Input::Stop)).2, Event::Stopped);
    assert_eq!(life.pass(3 * SECOND).last(), Some(&Action::Stopped));
    life.is_kept_in(
        "announcer-tiers.json",
        "a tracker is silent, others fail; then intervals, few peers, the end of the download, and a goodbye",
    );
}

#[test]
fn a_private_torrent_changes_its_tracker() {
    let mut life = announcer(Config { private: true, ..Config::default() }, &[&["http://a"], &["http://b"]]);
    let first = life.input(Input::Start { complete: true });
    life.pass(MINUTE);
    let external_ip = Some([9, 9, 9, 1].into());
    life.input(answer(&first, Ok(AnnounceResponse { external_ip, ..response(1) })));
    let again = life.pass(30 * MINUTE);
    let other = life.input(answer(&again, Err(Failure::Status(503))));
    assert_eq!(asked(&other).1, "http://b");
    let changed = life.input(answer(&other, Ok(response(2))));
    assert!(changed.contains(&Action::DropPeers));
    assert_eq!((asked(&changed).1, asked(&changed).2), ("http://a", Event::Stopped));
    life.input(answer(&changed, Ok(response(3))));
    life.input(Input::AddTracker { url: "http://c".into() });
    let stopped = life.input(Input::Stop);
    assert_eq!(life.input(answer(&stopped, Ok(response(4)))).last(), Some(&Action::Stopped));
    life.is_kept_in(
        "announcer-private.json",
        "a private torrent waits for its tracker, and leaves it and its peers only when it fails",
    );
}
