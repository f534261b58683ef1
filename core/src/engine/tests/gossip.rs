//! Peers that are found through other peers (BEP 11).

use super::{count, host_with, torrent, world::World};
use crate::{
    engine::{Command, Config, Event, FetchTorrent, Input},
    id::{AcceptTicket, InfoHash},
    metainfo::Info,
    swarm,
    wire::{
        ExtendedHandshake, Message,
        extension::{Pex, PexFlags, PexPeer},
        subject::encode,
    },
};
use alloc::{boxed::Box, collections::BTreeSet, vec, vec::Vec};
use bytes::BytesMut;
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

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

/// A stranger dials, says perhaps where it sees us, and tells of others.
fn hear_of(world: &mut World, host: usize, hash: InfoHash, your_ip: Option<IpAddr>, others: &[SocketAddr]) {
    let number = world.strangers.len() as u8;
    let remote = SocketAddr::from(([10, 0, 1, number], 50_000));
    world.input(host, Input::Accepted { ticket: AcceptTicket(1_000_000 + u64::from(number)), remote });
    let stream = world.strangers[usize::from(number)];
    let name = [&b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x04"[..], &hash.0, &[number; 20]];
    let known = ExtendedHandshake { your_ip, ..ExtendedHandshake::default() };
    let added = others.iter().map(|addr| PexPeer { addr: *addr, flags: PexFlags(0) }).collect();
    let told = Pex { added, dropped: vec![] };
    let extension = |id, payload: Vec<u8>| encode([Message::Extended { id, payload: payload.into() }]);
    for words in [name.concat(), extension(0, known.encode()), extension(1, told.encode())] {
        world.input(host, Input::Received { stream, data: BytesMut::from(&words[..]) });
    }
}

#[test]
fn bad_input_22_we_do_not_dial_ourselves_because_a_peer_names_us() {
    // Where we are is known before we listen, or while torrents are there, and then to each that comes.
    for seen_early in [true, false] {
        let mut world = World::new();
        let host = world.host(Config::default());
        let (ours, other) = (world.hosts[host].address, SocketAddr::from(([10, 0, 2, 1], 6881)));
        let (info, _) = torrent(300_000);
        let hashes = [InfoHash([1; 20]), InfoHash([2; 20]), info.info_hash];
        let fetch =
            |info_hash| Command::Fetch(Box::new(FetchTorrent { info_hash, peers: vec![], trackers: vec![] }));
        world.command(host, fetch(hashes[0]));
        if seen_early {
            hear_of(&mut world, host, hashes[0], Some(ours.ip()), &[]);
        }
        world.run(MINUTE, |_| false);
        if !seen_early {
            hear_of(&mut world, host, hashes[0], Some(ours.ip()), &[]);
        }
        world.command(host, fetch(hashes[1]));
        world.add(host, &info, &[]);
        world.run(MINUTE, |_| false);
        hashes.iter().for_each(|hash| hear_of(&mut world, host, *hash, None, &[ours, other]));
        world.run(MINUTE, |_| false);
        let dialled = world.hosts[host].events.iter().filter_map(|event| match event {
            Event::DialFailed { info_hash, remote, .. } => Some((*info_hash, *remote)),
            _ => None,
        });
        assert_eq!(dialled.collect::<BTreeSet<_>>(), BTreeSet::from(hashes.map(|hash| (hash, other))));
    }
}
