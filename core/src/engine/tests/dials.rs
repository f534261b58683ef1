//! Who is dialled, and who is dialled again.

use super::{
    count, host_with, seed, torrent,
    world::{NOBODY, World},
};
use crate::{
    engine::{Command, Config, Event, Limits, PeerEnd},
    id::InfoHash,
    metainfo::Info,
};
use core::{net::SocketAddr, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

/// Addresses at which nobody answers.
fn silence(count: u16) -> impl Iterator<Item = SocketAddr> {
    (1..=count).map(|port| SocketAddr::new(NOBODY, port))
}

fn add_peer(world: &mut World, host: usize, info: &Info, remote: SocketAddr) {
    world.command(host, Command::AddPeer { info_hash: info.info_hash, remote });
}

#[test]
fn dead_addresses_of_one_torrent_do_not_keep_another_from_its_seed() {
    let (info, content) = torrent(100_000);
    let other = Info { info_hash: InfoHash([1; 20]), ..info.clone() };
    let mut world = World::new();
    let seed = seed(&mut world, &info, &content);
    let leecher = world.host(Config::default());
    world.add(leecher, &other, &[]);
    silence(1000).for_each(|remote| add_peer(&mut world, leecher, &other, remote));
    world.add(leecher, &info, &[seed]);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
}

#[test]
fn who_is_new_takes_the_place_of_an_address_that_failed() {
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    let seed = seed(&mut world, &info, &content);
    let limits = Limits { candidates: 20, ..Limits::default() };
    let leecher = world.host(Config { limits, ..Config::default() });
    world.add(leecher, &info, &[]);
    silence(20).for_each(|remote| add_peer(&mut world, leecher, &info, remote));
    let failed = |event: &Event| matches!(event, Event::DialFailed { .. });
    assert!(world.run(MINUTE, |world| count(world, leecher, failed) >= 20));
    let remote = world.hosts[seed].address;
    add_peer(&mut world, leecher, &info, remote);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
}

/// Whether two who dialled one another meet again after one of them forgot the other.
fn meet_again(seed_forgets: bool) -> bool {
    let (info, content) = torrent(3_000_000);
    let mut world = World::new();
    let slow = Config { upload_rate_bytes_per_s: Some(20_000), ..Config::default() };
    let seed = host_with(&mut world, slow, &info, &content);
    let leecher = world.host(Config::default());
    world.add(leecher, &info, &[seed]);
    let ours = world.hosts[leecher].address;
    add_peer(&mut world, seed, &info, ours);
    world.run(MINUTE, |_| false);
    let twice = |event: &Event| {
        let (Event::PeerGone { why, .. } | Event::DialFailed { why, .. }) = event else { return false };
        *why == PeerEnd::Duplicate
    };
    assert_eq!([seed, leecher].map(|host| count(&world, host, twice)), [1, 1]);
    let host = if seed_forgets { seed } else { leecher };
    let connected = |event: &Event| matches!(event, Event::PeerConnected { .. });
    let before = count(&world, host, connected);
    world.command(host, Command::Remove { info_hash: info.info_hash });
    world.run(MINUTE / 60, |_| false);
    world.add(host, &info, &[]);
    world.run(MINUTE, |world| count(world, host, connected) > before)
}

#[test]
fn whose_second_stream_was_closed_is_dialled_again_once_the_first_is_lost() {
    assert_eq!([true, false].map(meet_again), [true, true]);
}

#[test]
fn pauses_of_nothing_at_all_do_not_make_it_spin() {
    let (info, _) = torrent(100_000);
    let mut world = World::new();
    let hasty = Config {
        redial_after: Duration::ZERO,
        redial_at_most: Duration::ZERO,
        connect_timeout: Duration::from_millis(1),
        progress_interval: Some(Duration::ZERO),
        ..Config::default()
    };
    let host = world.host(hasty);
    world.add(host, &info, &[]);
    silence(1).for_each(|remote| add_peer(&mut world, host, &info, remote));
    world.run(Duration::from_secs(10), |_| false);
    let is_progress = |event: &Event| matches!(event, Event::Progress(_));
    let is_failure = |event: &Event| matches!(event, Event::DialFailed { .. });
    let (progress, failures) = (count(&world, host, is_progress), count(&world, host, is_failure));
    assert!((90..=101).contains(&progress), "{progress}");
    assert!((20..=101).contains(&failures), "{failures}");
}
