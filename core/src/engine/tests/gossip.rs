//! Peers that are found through other peers (BEP 11).

use super::{count, host_with, torrent, world::World};
use crate::{
    engine::{Config, Event},
    metainfo::Info,
    swarm,
};
use core::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A slow seed, and two leechers that know nobody else: the second arrives when the first is connected.
fn two_strangers(info: &Info, content: &[u8], config: &Config) -> (World, [usize; 3]) {
    let mut world = World::new();
    let seed = host_with(
        &mut world,
        Config { upload_rate_bytes_per_s: Some(10_000), ..config.clone() },
        info,
        content,
    );
    let first = world.host(config.clone());
    world.add(first, info, &[seed]);
    assert!(world.run(MINUTE, |world| connected(world, seed) == 1));
    let second = world.host(config.clone());
    world.add(second, info, &[seed]);
    (world, [seed, first, second])
}

fn connected(world: &World, host: usize) -> usize {
    count(world, host, |event| matches!(event, Event::PeerConnected { .. }))
}

fn has_dialled(world: &World, host: usize, other: usize) -> bool {
    let remote = world.hosts[other].address;
    count(world, host, |event| matches!(event, Event::PeerConnected { peer, .. } if peer.remote == remote))
        > 0
}

#[test]
fn a_third_learns_of_a_second_through_the_first() {
    let (info, content) = torrent(300_000);
    let (mut world, [_, first, second]) = two_strangers(&info, &content, &Config::default());
    let met = |world: &World| has_dialled(world, second, first) || has_dialled(world, first, second);
    assert!(world.run(3 * MINUTE, met));
}

#[test]
fn nobody_learns_of_the_peers_of_a_private_torrent() {
    let (info, content) = torrent(300_000);
    let info = Info { private: true, ..info };
    let (mut world, [_, first, second]) = two_strangers(&info, &content, &Config::default());
    let met = |world: &World| has_dialled(world, second, first) || has_dialled(world, first, second);
    assert!(!world.run(5 * MINUTE, met));
}

#[test]
fn nobody_is_told_of_who_does_not_want_it() {
    let (info, content) = torrent(300_000);
    let swarm = swarm::Config { pex: false, ..swarm::Config::default() };
    let (mut world, [_, first, second]) =
        two_strangers(&info, &content, &Config { swarm, ..Config::default() });
    let met = |world: &World| has_dialled(world, second, first) || has_dialled(world, first, second);
    assert!(!world.run(5 * MINUTE, met));
}
