//! Who is dialled, and who is dialled again.

use super::{
    count, seed, torrent,
    world::{NOBODY, World},
};
use crate::{
    engine::{Command, Config, Event, Limits},
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
