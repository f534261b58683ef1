//! Torrents whose hosts know nothing of each other but where their trackers are.

use super::{count, magnets, torrent, world::World};
use crate::{
    Instant,
    engine::{AddTorrent, Command, Config, Event, FetchTorrent, Plan, Tier},
    id::FileIndex,
    metainfo::{Builder, Info},
    tracker::{self, announcer::TrackerState},
};
use alloc::{boxed::Box, collections::BTreeMap, format, string::String, vec, vec::Vec};
use core::{net::SocketAddr, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

fn tracker(number: u8) -> (SocketAddr, String) {
    let address = SocketAddr::from(([10, 0, 9, number], 6969));
    (address, format!("udp://{address}/announce"))
}

/// Gives a host a torrent with trackers, each a tier of its own.
fn add(world: &mut World, host: usize, info: &Info, trackers: &[u8]) -> AddTorrent {
    let trackers = trackers.iter().map(|number| vec![tracker(*number).1]).collect();
    let add = AddTorrent { trackers, ..world.prepared(host, info, Plan::default(), &[]) };
    world.command(host, Command::Add(Box::new(add.clone())));
    add
}

fn seed(world: &mut World, info: &Info, content: &[u8], trackers: &[u8]) -> usize {
    let host = world.host(Config::default());
    world.hosts[host].disk.insert(FileIndex(0), content.to_vec());
    add(world, host, info, trackers);
    assert!(world.run(MINUTE, |world| !world.announces.is_empty()));
    host
}

/// What a host told a tracker: what had happened, and what was left.
fn told(world: &World, host: usize, number: u8) -> Vec<(tracker::Event, u64)> {
    let of_host = world.announces.iter().filter(|(by, at, _)| *by == host && *at == tracker(number).0);
    of_host.map(|(_, _, announce)| (announce.event, announce.left)).collect()
}

#[test]
fn a_leecher_finds_a_seed_through_a_tracker_and_each_says_what_happens() {
    let (info, content) = torrent(300_001);
    let mut world = World::new();
    let seed = seed(&mut world, &info, &content, &[1]);
    let leecher = world.host(Config::default());
    add(&mut world, leecher, &info, &[1]);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
    world.run(Duration::from_secs(1), |_| false);
    for host in [seed, leecher] {
        world.command(host, Command::Stop);
        assert!(world.run(MINUTE, |world| count(world, host, |event| *event == Event::Stopped) > 0));
    }
    let began = (tracker::Event::Started, 300_001);
    assert_eq!(
        told(&world, leecher, 1),
        [began, (tracker::Event::Completed, 0), (tracker::Event::Stopped, 0)]
    );
    assert_eq!(told(&world, seed, 1), [(tracker::Event::Started, 0), (tracker::Event::Stopped, 0)]);
    let (_, _, announce) = &world.announces[1];
    assert_eq!(announce.port, 6881);
    let works = |event: &Event| matches!(event, Event::Tracker { status, .. } if status.state == TrackerState::Working);
    assert!(count(&world, leecher, works) > 0);
}

#[test]
fn nobody_waits_long_for_a_tracker_that_does_not_hear_the_good_bye() {
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    let seed = seed(&mut world, &info, &content, &[1]);
    world.run(Duration::from_secs(1), |_| false);
    world.silent_trackers.push(tracker(1).0);
    let since = world.now;
    world.command(seed, Command::Stop);
    assert!(world.run(MINUTE, |world| count(world, seed, |event| *event == Event::Stopped) > 0));
    assert_eq!(told(&world, seed, 1).last(), Some(&(tracker::Event::Stopped, 0)));
    let within = Config::default().announce.stop_within;
    assert!(world.now - since <= within, "{:?}", world.now - since);
    assert!(world.now - since > Duration::from_secs(1), "it waited for the answer");
}

#[test]
fn what_is_paused_is_announced_nowhere() {
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    let host = world.host(Config::default());
    world.hosts[host].disk.insert(FileIndex(0), content);
    let trackers = vec![vec![tracker(1).1]];
    let paused = AddTorrent { trackers, paused: true, ..world.prepared(host, &info, Plan::default(), &[]) };
    world.command(host, Command::Add(Box::new(paused)));
    world.run(MINUTE, |_| false);
    assert_eq!(told(&world, host, 1), []);
    world.command(host, Command::Unpause { info_hash: info.info_hash });
    world.run(Duration::from_secs(1), |_| false);
    world.command(host, Command::Pause { info_hash: info.info_hash });
    world.run(MINUTE, |_| false);
    assert_eq!(told(&world, host, 1), [(tracker::Event::Started, 0), (tracker::Event::Stopped, 0)]);
}

#[test]
fn a_link_finds_its_metadata_through_its_trackers() {
    let content = vec![7; 300_001];
    let plan = Builder::single_file("film", content.len() as u64).plan().expect("a plan");
    let mut hasher = plan.hasher();
    hasher.update(&content);
    let info = plan.finish(&hasher.finish().expect("all bytes")).expect("a torrent").info;
    let mut world = World::new();
    seed(&mut world, &info, &content, &[2]);
    world.silent_trackers.push(tracker(1).0);
    let host = world.host(Config::default());
    let (info_hash, peers) = (info.info_hash, Vec::new());
    let trackers = vec![vec![tracker(1).1], vec![tracker(2).1]];
    world.command(host, Command::Fetch(Box::new(FetchTorrent { info_hash, peers, trackers })));
    let metadata = |event: &Event| matches!(event, Event::Metadata { .. });
    assert!(world.run(2 * MINUTE, |world| count(world, host, metadata) > 0));
    assert!(told(&world, host, 2)[0].1 > 0, "who knows nothing of a torrent is no seeder");
    add(&mut world, host, &info, &[2]);
    assert!(world.run(MINUTE, |world| world.hosts[host].is_complete()));
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!(told(&world, host, 2).last(), Some(&(tracker::Event::Completed, 0)));
}

#[test]
fn who_knows_nobody_asks_again_before_the_interval_is_over_and_a_seed_does_not() {
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    world.announce_interval_s = 1800;
    let seed = seed(&mut world, &info, &content, &[1]);
    let lonely = world.host(Config::default());
    add(&mut world, lonely, &info, &[2]);
    world.run(4 * MINUTE, |_| false);
    assert!(told(&world, lonely, 2).len() >= 3, "{:?}", told(&world, lonely, 2));
    assert_eq!(told(&world, seed, 1).len(), 1);
}

#[test]
fn a_partial_seed_says_that_it_is_one_until_it_wants_more() {
    let (info, content) = magnets::folder(false);
    let mut world = World::new();
    world.announce_interval_s = 1800;
    let seed = magnets::share(&mut world, Config::default(), &info, &content);
    let host = world.host(Config::default());
    let plan = Plan { files: BTreeMap::from([(FileIndex(2), Tier::Skip)]), ..Plan::default() };
    let trackers = vec![vec!["http://10.0.9.1/announce".into()]];
    let add = AddTorrent { trackers, ..world.prepared(host, &info, plan, &[seed]) };
    world.command(host, Command::Add(Box::new(add)));
    world.run(70 * MINUTE, |_| false);
    assert_eq!(events(&world), ["started", "paused", "paused"]);

    world.command(seed, Command::Stop);
    world.command(host, Command::Follow { info_hash: info.info_hash, plan: Box::default() });
    world.run(30 * MINUTE, |_| false);
    assert!(world.gets.len() > 3 && events(&world)[3..].iter().all(|event| *event == "none"));
    world.command(host, Command::Stop);
    assert_eq!(events(&world).last(), Some(&"stopped"));
}

/// What an HTTP tracker was told.
fn events(world: &World) -> Vec<&str> {
    let parameters = world.gets.iter().map(|url| url.split('&'));
    parameters.map(|mut all| all.find_map(|one| one.strip_prefix("event=")).unwrap_or("none")).collect()
}

#[test]
fn a_tracker_may_come_later() {
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    seed(&mut world, &info, &content, &[1]);
    let leecher = world.host(Config::default());
    add(&mut world, leecher, &info, &[]);
    world.run(MINUTE, |_| false);
    let url = tracker(1).1;
    world.command(leecher, Command::AddTracker { info_hash: info.info_hash, url });
    let since = world.now;
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
    assert!(world.now - since < Duration::from_secs(5));
    assert!(since > Instant::ZERO);
}

#[test]
fn a_private_torrent_parts_from_its_peers_when_another_tracker_serves_it() {
    let (mut info, content) = torrent(3_000_001);
    info.private = true;
    let mut world = World::new();
    let seed = seed(&mut world, &info, &content, &[1]);
    let leecher = world.host(Config { download_rate_bytes_per_s: Some(1000), ..Config::default() });
    add(&mut world, leecher, &info, &[1, 2]);
    let connected = |event: &Event| matches!(event, Event::PeerConnected { .. });
    assert!(world.run(MINUTE, |world| count(world, leecher, connected) > 0));
    world.silent_trackers.push(tracker(1).0);
    let gone = |event: &Event| matches!(event, Event::PeerGone { .. });
    assert!(world.run(30 * MINUTE, |world| count(world, leecher, gone) > 0));
    assert_eq!(told(&world, leecher, 2)[0].0, tracker::Event::Started);
    assert_eq!(told(&world, seed, 2), [], "the seed is nowhere but at the first");
    world.run(30 * MINUTE, |_| false);
    assert_eq!(count(&world, leecher, connected), 1, "nobody goes back to it");
}
