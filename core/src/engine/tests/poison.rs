//! Peers that send corrupt blocks, among honest ones.

use super::{MINUTE, World, count, host_with, torrent};
use crate::{
    engine::{Config, Event, PeerEnd},
    id::{BLOCK_LENGTH, FileIndex},
    metainfo::Info,
};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// A seed of which every other block is wrong.
fn liar(world: &mut World, info: &Info, content: &[u8]) -> usize {
    let liar = host_with(world, Config::default(), info, content);
    let checked = |world: &World| count(world, liar, |event| matches!(event, Event::Checked { .. })) > 0;
    assert!(world.run(MINUTE, checked));
    let mut bad = content.to_vec();
    bad.iter_mut().step_by(2 * BLOCK_LENGTH as usize).for_each(|byte| *byte ^= 1);
    world.hosts[liar].disk.insert(FileIndex(0), bad);
    liar
}

fn banned(world: &World, host: usize) -> Vec<IpAddr> {
    let banned = |event: &Event| match event {
        Event::PeerBanned { remote, .. } => Some(remote.ip()),
        _ => None,
    };
    world.hosts[host].events.iter().filter_map(banned).collect()
}

fn connections(world: &World, host: usize, with: SocketAddr) -> usize {
    count(
        world,
        host,
        |event| matches!(event, Event::PeerConnected { peer, .. } if peer.remote.ip() == with.ip()),
    )
}

/// A leecher and two honest seeds, with this much memory for hashing; whom it banned in the end.
fn mixed(hash_memory: usize) {
    let (info, content) = torrent(3_000_000);
    let mut world = World::new();
    let liar = liar(&mut world, &info, &content);
    let slow = Config { upload_rate_bytes_per_s: Some(200_000), ..Config::default() };
    let honest = [0, 1].map(|_| host_with(&mut world, slow.clone(), &info, &content));
    let mut config = Config::default();
    config.swarm.hash_memory = hash_memory;
    let leecher = world.host(config);
    world.add(leecher, &info, &[honest[0], liar, honest[1]]);
    assert!(world.run(2 * MINUTE, |world| world.hosts[leecher].is_complete()));
    assert_eq!(world.hosts[leecher].disk[&FileIndex(0)], content);
    let address = world.hosts[liar].address;
    assert_eq!(banned(&world, leecher), [address.ip()]);
    assert!(!world.run(MINUTE, |_| false));
    assert_eq!(connections(&world, leecher, address), 1, "it is not dialled again");
    let bans = |event: &Event| matches!(event, Event::PeerGone { why: PeerEnd::CorruptPiece, .. });
    assert_eq!(count(&world, leecher, bans), 1);
}

#[test]
fn bad_input_16_poisoned_blocks_among_good_ones_ban_who_sent_them() {
    mixed(8 << 20);
}

#[test]
fn bad_input_16_poison_is_traced_in_pieces_that_are_read_back() {
    mixed(0);
}

#[test]
fn bad_input_16_who_is_banned_is_not_let_in_again() {
    let (info, content) = torrent(3_000_000);
    let mut world = World::new();
    let leecher = world.host(Config::default());
    world.add(leecher, &info, &[]);
    let liar = liar(&mut world, &info, &content);
    let from = world.hosts[liar].address;
    world.command(
        liar,
        super::Command::AddPeer { info_hash: info.info_hash, remote: world.hosts[leecher].address },
    );
    world.run(20 * MINUTE, |_| false);
    assert_eq!(banned(&world, leecher), [from.ip()]);
    assert_eq!(connections(&world, leecher, from), 1);
    let dials = count(&world, liar, |event| matches!(event, Event::PeerConnected { .. }));
    assert!(dials > 1, "it came back {dials} times");
}
