//! Full torrents: who gives up its place to whom, and who does not.

use super::{MINUTE, count, host_with, players, seed, torrent, world::World};
use crate::{
    engine::{Command, Config, Event, FetchTorrent, Input, Limits, PeerEnd},
    id::{AcceptTicket, InfoHash, StreamId},
    metainfo::Info,
    mse::{self, Policy},
    wire::{ExtendedHandshake, Message, Reserved, canonical_priority, subject::encode},
};
use alloc::{boxed::Box, format, vec::Vec};
use bytes::{Bytes, BytesMut};
use core::{net::SocketAddr, time::Duration};

/// The host that all of them dial, and where it is.
const HOST: usize = 0;
const HERE: ([u8; 4], u16) = ([10, 0, 0, 1], 6881);

const SECOND: Duration = Duration::from_secs(1);

/// A host whose torrents have so many places.
fn places(connections_per_torrent: usize) -> Config {
    let limits = Limits { connections_per_torrent, ..Limits::default() };
    Config { limits, ..Config::default() }
}

/// A leecher with three places.
fn leecher() -> (World, Info) {
    let (info, _) = torrent(100_000);
    let mut world = World::new();
    world.host(places(3));
    world.add(HOST, &info, &[]);
    world.run(SECOND, |_| false);
    (world, info)
}

fn seeding(config: Config) -> (World, Info) {
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    host_with(&mut world, config, &info, &content);
    world.run(SECOND, |_| false);
    (world, info)
}

fn priority(of: SocketAddr) -> u32 {
    canonical_priority(SocketAddr::from(HERE), of)
}

/// Addresses, the one of lowest priority first.
fn addresses(count: u32) -> Vec<SocketAddr> {
    let nth = |n: u32| SocketAddr::from(([100 + (n >> 8) as u8, n as u8, 7, 7], 1000));
    let mut all: Vec<SocketAddr> = (0..count).map(nth).collect();
    all.sort_by_key(|address| priority(*address));
    all
}

/// Those that have a higher priority than a host.
fn addresses_above(world: &World, host: usize) -> Vec<SocketAddr> {
    let least = priority(world.hosts[host].address);
    addresses(100).into_iter().filter(|address| priority(*address) > least).collect()
}

fn accept(world: &mut World, from: SocketAddr) -> StreamId {
    let ticket = AcceptTicket(1_000_000 + world.strangers.len() as u64);
    world.input(HOST, Input::Accepted { ticket, remote: from });
    *world.strangers.last().expect("there is room for a handshake")
}

fn say(world: &mut World, stream: StreamId, bytes: &[u8]) {
    world.input(HOST, Input::Received { stream, data: BytesMut::from(bytes) });
}

/// The first bytes of a stranger, whose name is its number.
fn greeting(info_hash: InfoHash, number: usize) -> Vec<u8> {
    let name = format!("-XX0000-{number:012}");
    [&b"\x13BitTorrent protocol"[..], &Reserved::ours(true, false).0, &info_hash.0, name.as_bytes()].concat()
}

/// A stranger dials and says what it has to say, first of all where it sees us.
fn dial_in(world: &mut World, info: &Info, from: SocketAddr, words: &[Message]) -> StreamId {
    let your_ip = Some(SocketAddr::from(HERE).ip());
    let introduction = ExtendedHandshake { your_ip, ..ExtendedHandshake::default() };
    let payload = Bytes::from(introduction.encode());
    let stream = dial_in_blind(world, info, from);
    say(world, stream, &encode([Message::Extended { id: 0, payload }]));
    say(world, stream, &encode(words.iter().cloned()));
    stream
}

/// A stranger dials that does not say where it sees us.
fn dial_in_blind(world: &mut World, info: &Info, from: SocketAddr) -> StreamId {
    let stream = accept(world, from);
    let number = world.strangers.len();
    say(world, stream, &greeting(info.info_hash, number));
    stream
}

/// Idle strangers, who have been there for a minute.
fn fill(world: &mut World, info: &Info, from: &[SocketAddr]) -> Vec<StreamId> {
    let streams = from.iter().map(|from| dial_in(world, info, *from, &[])).collect();
    world.run(MINUTE, |_| false);
    streams
}

/// Who is connected, by when they came.
fn present(world: &World) -> Vec<SocketAddr> {
    let mut present = Vec::new();
    for event in &world.hosts[HOST].events {
        match event {
            Event::PeerConnected { peer, .. } => present.push(peer.remote),
            Event::PeerGone { peer, .. } => present.retain(|remote| *remote != peer.remote),
            _ => {}
        }
    }
    present
}

/// Who had to give up its place, in order.
fn displaced(world: &World) -> Vec<SocketAddr> {
    let displaced = |event: &Event| match event {
        Event::PeerGone { peer, why: PeerEnd::Displaced, .. } => Some(peer.remote),
        _ => None,
    };
    world.hosts[HOST].events.iter().filter_map(displaced).collect()
}

#[test]
fn the_idle_peer_of_lowest_priority_gives_way_to_one_of_higher() {
    let (mut world, info) = leecher();
    let from = addresses(5);
    fill(&mut world, &info, &[from[2], from[1], from[3]]);
    dial_in(&mut world, &info, from[0], &[]);
    assert_eq!(present(&world), [from[2], from[1], from[3]], "its own is lower than all");
    dial_in(&mut world, &info, from[4], &[]);
    assert_eq!(present(&world), [from[2], from[3], from[4]]);
    assert_eq!(displaced(&world), [from[1]]);
}

#[test]
fn equal_priority_displaces_nobody() {
    let (mut world, info) = leecher();
    let from = addresses(3);
    fill(&mut world, &info, &from);
    let neighbour = SocketAddr::new(from[0].ip(), 1001);
    assert_eq!(priority(neighbour), priority(from[0]));
    dial_in(&mut world, &info, neighbour, &[]);
    assert_eq!(present(&world), from);
}

#[test]
fn who_does_not_know_its_own_address_prefers_nobody() {
    let (mut world, info) = leecher();
    let from = addresses(4);
    for from in &from[..3] {
        dial_in_blind(&mut world, &info, *from);
    }
    world.run(MINUTE, |_| false);
    dial_in_blind(&mut world, &info, from[3]);
    assert_eq!(present(&world), from[..3]);
}

#[test]
fn at_our_own_address_no_port_is_lucky() {
    let (mut world, info) = leecher();
    let from = addresses(3);
    fill(&mut world, &info, &from);
    for port in 1..100 {
        dial_in(&mut world, &info, SocketAddr::from((HERE.0, port)), &[]);
    }
    assert_eq!(present(&world), from);
}

#[test]
fn who_has_just_come_stays() {
    let (mut world, info) = leecher();
    let from = addresses(4);
    for from in &from[..3] {
        dial_in(&mut world, &info, *from, &[]);
    }
    world.run(59 * SECOND, |_| false);
    dial_in(&mut world, &info, from[3], &[]);
    assert_eq!(present(&world), from[..3]);
    world.run(SECOND, |_| false);
    dial_in(&mut world, &info, from[3], &[]);
    assert_eq!(present(&world), from[1..]);
}

#[test]
fn bad_input_24_one_host_under_many_names_takes_few_places() {
    let (mut world, info) = seeding(places(100));
    let at = |ip: &str, port: u16| SocketAddr::new(ip.parse().expect("an address"), port);
    // A host of IPv6 has all addresses of a /64.
    for (one, another) in [("203.0.113.1", "203.0.113.1"), ("2001:db8::1", "2001:db8::abcd:1")] {
        let before = present(&world).len();
        for port in 1..20 {
            dial_in(&mut world, &info, at(if port % 2 == 0 { one } else { another }, port), &[]);
        }
        assert_eq!(present(&world).len(), before + 8);
    }
    let others = ["203.0.113.2", "2001:db8:0:1::1"];
    for other in others {
        dial_in(&mut world, &info, at(other, 1), &[]);
    }
    assert_eq!(present(&world).len(), 18);
    // The places of those who left can be had again, and on one machine anybody may try things out.
    let first = world.strangers[0];
    world.input(HOST, Input::Closed { stream: first, error: None });
    dial_in(&mut world, &info, at("203.0.113.1", 99), &[]);
    dial_in(&mut world, &info, at("203.0.113.1", 100), &[]);
    assert_eq!(present(&world).len(), 18);
    for port in 1..20 {
        dial_in(&mut world, &info, at("127.0.0.1", port), &[]);
    }
    assert_eq!(present(&world).len(), 37);
}

#[test]
fn a_torrent_gives_away_one_place_in_ten_seconds() {
    let (mut world, info) = leecher();
    let from = addresses(5);
    fill(&mut world, &info, &from[..3]);
    dial_in(&mut world, &info, from[3], &[]);
    world.run(9 * SECOND, |_| false);
    dial_in(&mut world, &info, from[4], &[]);
    assert_eq!(displaced(&world), from[..1]);
    world.run(SECOND, |_| false);
    dial_in(&mut world, &info, from[4], &[]);
    assert_eq!(displaced(&world), from[..2]);
}

#[test]
fn a_handshake_that_is_broken_off_displaces_nobody() {
    let (mut world, info) = leecher();
    let from = addresses(5);
    let streams = fill(&mut world, &info, &from[..3]);
    let (all, late) = (greeting(info.info_hash, 7), accept(&mut world, from[3]));
    say(&mut world, late, &all[..48]);
    let other = accept(&mut world, from[4]);
    say(&mut world, other, &greeting(info.info_hash, 8)[..48]);
    assert_eq!(present(&world), from[..3], "both are welcome, but have not said who they are");
    say(&mut world, late, &all[48..]);
    assert_eq!(present(&world), from[1..4]);
    say(&mut world, other, &greeting(info.info_hash, 8)[48..]);
    assert_eq!(present(&world), from[1..4], "the place is taken");

    world.run(10 * SECOND, |_| false);
    let double = accept(&mut world, from[4]);
    say(&mut world, double, &all);
    assert_eq!(present(&world), from[1..4], "who is here already under this name");
    assert_eq!(world.hosts[HOST].engine.streams.slab.len(), streams.len());
}

#[test]
fn who_is_served_stays() {
    let (mut world, info) = seeding(places(3));
    let from = addresses(4);
    dial_in(&mut world, &info, from[0], &[Message::HaveNone, Message::Interested]);
    fill(&mut world, &info, &from[1..3]);
    dial_in(&mut world, &info, from[3], &[]);
    assert_eq!(displaced(&world), [from[1]]);
}

#[test]
fn who_is_asked_for_blocks_stays_until_it_has_let_its_time_pass() {
    let (mut world, info) = leecher();
    let from = addresses(5);
    let streams = fill(&mut world, &info, &from[..3]);
    say(&mut world, streams[0], &encode([Message::HaveAll, Message::Unchoke]));
    dial_in(&mut world, &info, from[3], &[]);
    assert_eq!(displaced(&world), [from[1]]);
    world.run(20 * SECOND, |_| false);
    dial_in(&mut world, &info, from[4], &[]);
    assert_eq!(displaced(&world), [from[1], from[0]]);
}

#[test]
fn who_served_us_lately_stays() {
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    world.host(places(3));
    let server = seed(&mut world, &info, &content);
    world.add(HOST, &info, &[server]);
    let got_some =
        |world: &World| count(world, HOST, |event| matches!(event, Event::PieceVerified { .. })) > 0;
    world.command(server, Command::Limit { info_hash: None, download: None, upload: Some(30_000) });
    assert!(world.run(MINUTE, got_some));
    world.command(server, Command::Limit { info_hash: None, download: None, upload: Some(1) });
    let from = addresses_above(&world, server);
    let streams = fill(&mut world, &info, &from[..2]);
    let wait = |world: &mut World, minutes: u32| {
        for _ in 0..minutes {
            streams.iter().for_each(|stream| say(world, *stream, &encode([Message::KeepAlive])));
            world.run(MINUTE, |_| false);
        }
    };
    wait(&mut world, 8);
    assert!(!world.hosts[HOST].is_complete());
    dial_in(&mut world, &info, from[2], &[]);
    assert_eq!(displaced(&world), [from[0]]);
    wait(&mut world, 2);
    dial_in(&mut world, &info, from[3], &[]);
    assert_eq!(displaced(&world), [from[0], world.hosts[server].address]);
}

#[test]
fn a_member_of_our_community_stays() {
    let (info, _) = torrent(100_000);
    let mut world = World::new();
    let restricted = players::config(7, 1, &[1, 2], players::NOW);
    world.host(Config { limits: places(3).limits, ..restricted });
    world.add(HOST, &info, &[]);
    let member = world.host(players::config(7, 2, &[1, 2], players::NOW));
    world.add(member, &info, &[HOST]);
    world.run(SECOND, |_| false);
    assert_eq!(present(&world).len(), 1);
    let from = addresses_above(&world, member);
    fill(&mut world, &info, &from[..2]);
    dial_in(&mut world, &info, from[2], &[]);
    assert_eq!(displaced(&world), [from[0]]);
}

#[test]
fn nobody_gives_way_before_the_metadata_tells_who_is_of_use() {
    let (info, _) = torrent(100_000);
    let mut world = World::new();
    world.host(places(3));
    let fetch = FetchTorrent { info_hash: info.info_hash, peers: Vec::new(), trackers: Vec::new() };
    world.command(HOST, Command::Fetch(Box::new(fetch)));
    let from = addresses(4);
    fill(&mut world, &info, &from[..3]);
    dial_in(&mut world, &info, from[3], &[]);
    assert_eq!(present(&world), from[..3]);
}

#[test]
fn whom_we_dialled_is_dialled_again_when_there_is_room_and_no_dial_takes_its_place() {
    let (mut world, info) = leecher();
    let friend = world.host(Config::default());
    world.add(friend, &info, &[]);
    let remote = world.hosts[friend].address;
    world.command(HOST, Command::AddPeer { info_hash: info.info_hash, remote });
    world.run(SECOND, |_| false);
    let from = addresses_above(&world, friend);
    let streams = fill(&mut world, &info, &from[..2]);
    let nobody = SocketAddr::from(([10, 0, 0, 99], 6881));
    world.command(HOST, Command::AddPeer { info_hash: info.info_hash, remote: nobody });
    dial_in(&mut world, &info, from[2], &[]);
    assert_eq!(displaced(&world), [remote]);
    world.run(30 * SECOND, |_| false);
    assert_eq!(present(&world), from[..3]);
    assert_eq!(count(&world, HOST, |event| matches!(event, Event::DialFailed { .. })), 0);
    world.input(HOST, Input::Closed { stream: streams[0], error: None });
    world.run(2 * SECOND, |_| false);
    assert_eq!(present(&world), [from[1], from[2], remote]);
}

#[test]
fn who_comes_encrypted_gets_its_place_the_same_way() {
    let (info, _) = torrent(100_000);
    let mut world = World::new();
    let encryption = mse::Config { incoming: Policy::Required, ..mse::Config::default() };
    world.host(Config { encryption, ..places(3) });
    world.add(HOST, &info, &[]);
    let mut others: Vec<usize> = (0..4).map(|_| world.host(Config::default())).collect();
    others.sort_by_key(|host| priority(world.hosts[*host].address));
    let ips: Vec<_> = others.iter().map(|host| world.hosts[*host].address.ip()).collect();
    for other in &others[..3] {
        world.add(*other, &info, &[HOST]);
    }
    world.run(MINUTE + SECOND, |_| false);
    assert_eq!(present(&world).len(), 3);
    world.add(others[3], &info, &[HOST]);
    world.run(SECOND, |_| false);
    assert_eq!(displaced(&world).iter().map(SocketAddr::ip).collect::<Vec<_>>(), ips[..1]);
    assert_eq!(present(&world).last().map(SocketAddr::ip), Some(ips[3]));
}

#[test]
fn the_search_ends_with_the_sixteen_of_lowest_priority() {
    let mut config = places(17);
    config.swarm.choker.slots = 16;
    let (mut world, info) = seeding(config);
    let from = addresses(18);
    for from in &from[..16] {
        dial_in(&mut world, &info, *from, &[Message::HaveNone, Message::Interested]);
    }
    fill(&mut world, &info, &from[16..17]);
    dial_in(&mut world, &info, from[17], &[]);
    assert_eq!(present(&world), from[..17]);
}

#[test]
fn a_storm_of_addresses_takes_no_useful_place_and_of_others_one_in_ten_seconds() {
    let (mut world, info) = seeding(places(20));
    let all = addresses(2020);
    // Those whom the storm displaces first, if it can.
    let (served, rest) = all.split_at(4);
    let (idle, storm) = rest.split_at(16);
    let words = [Message::HaveNone, Message::Interested];
    let served_streams: Vec<StreamId> =
        served.iter().map(|from| dial_in(&mut world, &info, *from, &words)).collect();
    let mut streams = fill(&mut world, &info, idle);
    streams.extend(served_streams);
    for twenty in storm.chunks(20) {
        streams.iter().for_each(|stream| say(&mut world, *stream, &encode([Message::KeepAlive])));
        for from in twenty {
            dial_in(&mut world, &info, *from, &[]);
        }
        assert_eq!(present(&world).len(), 20);
        world.run(SECOND, |_| false);
    }
    assert_eq!(displaced(&world), idle[..10], "in a hundred seconds");
    assert!(served.iter().all(|from| present(&world).contains(from)));
}
