//! Engines that encrypt, or do not.

use super::{
    count, host_with, torrent,
    world::{Fault, World},
};
use crate::{
    engine::{Command, Config, Encryption, Event, HandshakeFailure, PeerEnd, Statistics},
    id::FileIndex,
    mse::{self, Level, Policy},
};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// What a leecher of one policy gets from a seed of another: how the stream was, and how many dials fell
/// back.
fn outcome(leecher: mse::Config, seed: mse::Config) -> (Option<Encryption>, usize) {
    let (info, content) = torrent(100_000);
    let config = |encryption| Config { encryption, ..Config::default() };
    let mut world = World::new();
    let seed = host_with(&mut world, config(seed), &info, &content);
    let leecher = world.host(config(leecher));
    world.add(leecher, &info, &[seed]);
    let complete = world.run(PATIENCE, |world| world.hosts[leecher].is_complete());
    assert!(!complete || world.hosts[leecher].disk[&FileIndex(0)] == content);
    let fallbacks = count(&world, leecher, |event| matches!(event, Event::FellBack { .. }));
    let encryption = world.hosts[leecher].events.iter().find_map(|event| match event {
        Event::PeerConnected { peer, .. } => Some(peer.encryption),
        _ => None,
    });
    assert_eq!(complete, encryption.is_some());
    (encryption, fallbacks)
}

fn policy(both: Policy) -> mse::Config {
    mse::Config { outgoing: both, incoming: both, ..mse::Config::default() }
}

fn level(level: Level) -> mse::Config {
    mse::Config { level, ..policy(Policy::Required) }
}

#[test]
fn policies_meet_as_the_matrix_says() {
    use Policy::{Disabled, Enabled, Required};
    let (none, rc4) = (Some(Encryption::None), Some(Encryption::Rc4));
    let matrix = [
        (Disabled, Disabled, (none, 0)),
        (Disabled, Enabled, (none, 0)),
        (Enabled, Disabled, (none, 1)),
        (Enabled, Enabled, (rc4, 0)),
        (Enabled, Required, (rc4, 0)),
        (Required, Enabled, (rc4, 0)),
        (Required, Required, (rc4, 0)),
    ];
    for (leecher, seed, expected) in matrix {
        assert_eq!(outcome(policy(leecher), policy(seed)), expected, "{leecher:?} dials {seed:?}");
    }
}

#[test]
fn bad_input_32_a_peer_that_will_not_encrypt_is_not_reached_in_the_clear_under_required() {
    assert_eq!(outcome(policy(Policy::Required), policy(Policy::Disabled)), (None, 0));
    assert_eq!(outcome(policy(Policy::Disabled), policy(Policy::Required)).0, None);
}

#[test]
fn levels_meet_as_the_table_says() {
    use Level::{Both, Plaintext, Rc4};
    let (header, rc4) = (Some(Encryption::Header), Some(Encryption::Rc4));
    let table = [
        (Plaintext, Plaintext, header),
        (Plaintext, Rc4, None),
        (Plaintext, Both, header),
        (Rc4, Plaintext, None),
        (Rc4, Rc4, rc4),
        (Rc4, Both, rc4),
        (Both, Plaintext, header),
        (Both, Rc4, rc4),
        (Both, Both, rc4),
    ];
    for (leecher, seed, expected) in table {
        assert_eq!(outcome(level(leecher), level(seed)).0, expected, "{leecher:?} dials {seed:?}");
    }
}

/// How two streams in a row from a leecher to a seed of that policy are encrypted, and how many dials fell
/// back. The first connection may be lost.
fn outcome_of_two(seed: Policy, faults: &[Fault]) -> (Vec<Encryption>, usize) {
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    world.faults = faults.to_vec();
    let config = Config { encryption: policy(seed), ..Config::default() };
    let seed = host_with(&mut world, config, &info, &content);
    let leecher = world.host(Config { download_rate_bytes_per_s: Some(1000), ..Config::default() });
    world.add(leecher, &info, &[seed]);
    let connected = |world: &World, times: usize| {
        count(world, leecher, |event| matches!(event, Event::PeerConnected { .. })) == times
    };
    assert!(world.run(PATIENCE, |world| connected(world, 1)));
    world.run(Duration::from_millis(100), |_| false);
    let info_hash = info.info_hash;
    world.command(seed, Command::Pause { info_hash });
    world.run(Duration::from_millis(100), |_| false);
    world.command(seed, Command::Unpause { info_hash });
    assert!(world.run(PATIENCE, |world| connected(world, 2)));
    let fallbacks = count(&world, leecher, |event| matches!(event, Event::FellBack { .. }));
    let streams = world.hosts[leecher].events.iter().filter_map(|event| match event {
        Event::PeerConnected { peer, .. } => Some(peer.encryption),
        _ => None,
    });
    (streams.collect(), fallbacks)
}

#[test]
fn what_worked_is_tried_first_the_next_time() {
    let plain = [Encryption::None, Encryption::None].to_vec();
    assert_eq!(outcome_of_two(Policy::Disabled, &[]), (plain, 1));
}

#[test]
fn a_peer_that_says_it_prefers_encryption_is_dialled_encrypted_though_plain_is_what_worked() {
    let lost = [Fault { after: 50, silent: false }];
    let streams = [Encryption::None, Encryption::Rc4].to_vec();
    assert_eq!(outcome_of_two(Policy::Enabled, &lost), (streams, 1));
}

#[test]
fn a_torrent_that_is_not_shared_is_an_unknown_skey() {
    let (info, content) = torrent(100_000);
    let (other, _) = torrent(70_000);
    let mut world = World::new();
    let required = || Config { encryption: policy(Policy::Required), ..Config::default() };
    let seed = host_with(&mut world, required(), &info, &content);
    let leecher = world.host(required());
    world.add(leecher, &other, &[seed]);
    world.run(PATIENCE, |_| false);
    assert_eq!(count(&world, leecher, |event| matches!(event, Event::PeerConnected { .. })), 0);
    let hung_up = |event: &Event| matches!(event, Event::DialFailed { why: PeerEnd::ClosedByPeer, .. });
    assert!(count(&world, leecher, hung_up) > 0);
}

#[test]
fn what_came_of_encryption_is_counted_on_both_sides() {
    use HandshakeFailure::{HungUp, NoCommonCrypto, PlainRefused};
    use Policy::{Disabled, Enabled, Required};
    let plain = Statistics { plain_peers: 1, ..Statistics::default() };
    let header = Statistics { header_peers: 1, ..Statistics::default() };
    let rc4 = Statistics { rc4_peers: 1, ..Statistics::default() };
    let failed = |failure| Statistics { failures: BTreeMap::from([(failure, 1)]), ..Statistics::default() };
    let fell_back = Statistics { plain_peers: 1, fallbacks: 1, ..failed(HungUp) };
    let table = [
        (policy(Disabled), policy(Enabled), plain.clone(), plain.clone()),
        (policy(Enabled), policy(Enabled), rc4.clone(), rc4),
        (level(Level::Plaintext), level(Level::Both), header.clone(), header),
        (policy(Enabled), policy(Disabled), fell_back, plain),
        (level(Level::Plaintext), level(Level::Rc4), failed(HungUp), failed(NoCommonCrypto)),
        (policy(Disabled), policy(Required), Statistics::default(), failed(PlainRefused)),
    ];
    for (leecher, seed, by_leecher, by_seed) in table {
        let (info, content) = torrent(100_000);
        let config = |encryption| Config { encryption, ..Config::default() };
        let mut world = World::new();
        let hosts = [host_with(&mut world, config(seed), &info, &content), world.host(config(leecher))];
        world.add(hosts[1], &info, &[hosts[0]]);
        // Shorter than it takes to dial again.
        world.run(Duration::from_secs(1), |_| false);
        for (host, expected) in hosts.into_iter().zip([by_seed, by_leecher]) {
            world.command(host, Command::Stop);
            assert!(world.run(PATIENCE, |world| world.hosts[host].events.last() == Some(&Event::Stopped)));
            let told = world.hosts[host].events.iter().rev().nth(1);
            assert_eq!(told, Some(&Event::Statistics(Box::new(expected))), "{leecher:?} dials {seed:?}");
        }
    }
}
