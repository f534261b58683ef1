//! Hybrids of BEP 52, which have a swarm for each of their two info-hashes.

use super::{count, host_with, torrent, world::World};
use crate::{
    engine::{Command, Config, Event},
    id::{FileIndex, InfoHash},
    metainfo::Info,
    mse::{self, Policy},
};
use alloc::vec::Vec;
use core::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const V2: [u8; 32] = *b"sha-256 of what SHA-1 was of too";

/// A hybrid, and the same torrent as a peer of its v2 swarm knows it: by the first 20 bytes of that hash.
fn hybrid() -> (Info, Info, Vec<u8>) {
    let (info, content) = torrent(100_000);
    let v2 = Info { info_hash: InfoHash(*V2.first_chunk().expect("32 bytes")), ..info.clone() };
    (Info { info_hash_v2: Some(V2), ..info }, v2, content)
}

fn speaking(policy: Policy) -> Config {
    let encryption = mse::Config { outgoing: policy, incoming: policy, ..mse::Config::default() };
    Config { encryption, ..Config::default() }
}

fn connected(world: &World, host: usize) -> usize {
    count(world, host, |event| matches!(event, Event::PeerConnected { .. }))
}

#[test]
fn a_hybrid_is_reached_by_either_of_its_hashes_in_the_clear_and_encrypted() {
    let (info, v2, content) = hybrid();
    for policy in [Policy::Disabled, Policy::Required] {
        let mut world = World::new();
        let seed = host_with(&mut world, speaking(policy), &info, &content);
        for known_as in [&info, &v2] {
            let leecher = world.host(speaking(policy));
            world.add(leecher, known_as, &[seed]);
            assert!(world.run(PATIENCE, |world| world.hosts[leecher].is_complete()), "{policy:?}");
            assert_eq!(world.hosts[leecher].disk[&FileIndex(0)], content);
        }
    }
}

#[test]
fn a_hybrid_that_is_removed_is_gone_under_both_names() {
    let (info, v2, content) = hybrid();
    for policy in [Policy::Disabled, Policy::Required] {
        let mut world = World::new();
        let seed = host_with(&mut world, speaking(policy), &info, &content);
        world.command(seed, Command::Remove { info_hash: info.info_hash });
        let gone = |event: &Event| matches!(event, Event::Removed { .. });
        assert!(world.run(PATIENCE, |world| count(world, seed, gone) == 1));
        let leecher = world.host(speaking(policy));
        world.add(leecher, &v2, &[seed]);
        world.run(PATIENCE, |_| false);
        assert_eq!(connected(&world, leecher), 0, "{policy:?}");
    }
}

#[test]
fn a_name_that_two_torrents_share_means_the_first_until_that_is_gone() {
    let (info, v2, content) = hybrid();
    let other = Info { info_hash: InfoHash([0x77; 20]), ..info.clone() };
    for policy in [Policy::Disabled, Policy::Required] {
        let mut world = World::new();
        let seed = host_with(&mut world, speaking(policy), &info, &content);
        world.add(seed, &other, &[]);
        world.run(Duration::from_secs(1), |_| false);
        for owner in [&info, &other] {
            let leecher = world.host(speaking(policy));
            world.add(leecher, &v2, &[seed]);
            assert!(world.run(PATIENCE, |world| world.hosts[leecher].is_complete()), "{policy:?}");
            let met = world.hosts[seed].events.iter().rev().find_map(|event| match event {
                Event::PeerConnected { info_hash, .. } => Some(*info_hash),
                _ => None,
            });
            assert_eq!(met, Some(owner.info_hash));
            world.command(seed, Command::Remove { info_hash: owner.info_hash });
            world.run(Duration::from_secs(1), |_| false);
        }
    }
}
