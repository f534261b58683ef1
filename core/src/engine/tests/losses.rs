//! Engines that encrypt, on connections that are lost at any byte, with and without a word.

use super::{
    count, host_with, torrent,
    world::{Fault, World},
};
use crate::{
    engine::{Command, Config, Event, HandshakeFailure, PeerEnd},
    id::FileIndex,
    mse::{self, Level, Policy},
    wire::{self, PeerMisbehaved},
};
use alloc::vec::Vec;
use core::time::Duration;
use proptest::{collection::vec, prelude::*};

const MINUTE: Duration = Duration::from_secs(60);
const PLAIN: &[u8] = b"\x13BitTorrent protocol";

fn policies() -> impl Strategy<Value = (Policy, Policy)> {
    use Policy::{Disabled, Enabled, Required};
    prop::sample::select(
        [(Enabled, Disabled), (Enabled, Enabled), (Enabled, Required), (Required, Required)].as_slice(),
    )
}

/// Up to and beyond the longest handshake; the last blocks of the transfer live.
fn fault() -> impl Strategy<Value = Fault> {
    (1_usize..3000, any::<bool>()).prop_map(|(after, silent)| Fault { after, silent })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_is_lost_no_wrong_byte_and_no_forbidden_one_is_said_and_the_rest_arrives(
        (outgoing, incoming) in policies(),
        level in prop::sample::select([Level::Plaintext, Level::Rc4, Level::Both].as_slice()),
        faults in vec(fault(), 0..6),
    ) {
        let (info, content) = torrent(100_000);
        let config = |outgoing, incoming| {
            let encryption = mse::Config { outgoing, incoming, level, ..mse::Config::default() };
            Config { encryption, redial_at_most: MINUTE, ..Config::default() }
        };
        let mut world = World::new();
        world.faults = faults;
        let seed = host_with(&mut world, config(Policy::Disabled, incoming), &info, &content);
        let leecher = world.host(config(outgoing, incoming));
        world.add(leecher, &info, &[seed]);

        prop_assert!(world.run(20 * MINUTE, |world| world.hosts[leecher].is_complete()), "it ends");
        prop_assert_eq!(&world.hosts[leecher].disk[&FileIndex(0)], &content);
        for connection in &world.connections {
            let plain = connection.said.iter().any(|said| said.starts_with(PLAIN));
            prop_assert!(!plain || outgoing != Policy::Required, "plain under required");
        }
        let events = &world.hosts[leecher].events;
        prop_assert!(most_fallbacks_in_a_row(events) <= 1);
        for host in [leecher, seed] {
            prop_assert!(world.hosts[host].events.iter().all(is_no_fault_of_the_bytes));
            let failures = &world.hosts[host].engine.statistics().failures;
            let lost = |failure: &HandshakeFailure| {
                use HandshakeFailure::{HungUp, PlainRefused, TooSlow};
                matches!(failure, HungUp | TooSlow | PlainRefused)
            };
            prop_assert!(failures.keys().all(lost), "{:?}", failures);
        }
        prop_assert!(is_clean(&mut world, &[leecher, seed]), "a stream is left");
    }

    #[test]
    fn a_lost_handshake_is_over_within_its_deadline(
        policy in prop::sample::select([Policy::Enabled, Policy::Required].as_slice()),
        after in 1_usize..200,
        silent: bool,
    ) {
        let (info, content) = torrent(100_000);
        let encryption = mse::Config { outgoing: policy, incoming: policy, ..mse::Config::default() };
        let config = Config { encryption, ..Config::default() };
        let deadline = config.handshake_timeout + Duration::from_secs(1);
        let mut world = World::new();
        world.faults = [Fault { after, silent }].into();
        let seed = host_with(&mut world, config.clone(), &info, &content);
        let leecher = world.host(config);
        world.add(leecher, &info, &[seed]);
        let over = |world: &World| {
            count(world, leecher, |event| matches!(event, Event::FellBack { .. } | Event::DialFailed { .. })) == 1
        };
        prop_assert!(world.run(deadline, over));
        prop_assert_eq!(world.hosts[leecher].engine.statistics().fallbacks, u64::from(policy == Policy::Enabled));
    }
}

/// Dials that fell back since the last one that was decided.
fn most_fallbacks_in_a_row(events: &[Event]) -> usize {
    let mut most = 0;
    let mut row = 0;
    for event in events {
        match event {
            Event::FellBack { .. } => row += 1,
            Event::DialFailed { .. } | Event::PeerConnected { .. } => row = 0,
            _ => {}
        }
        most = most.max(row);
    }
    most
}

/// Bytes that were decrypted wrongly would be no messages, and no pieces.
fn is_no_fault_of_the_bytes(event: &Event) -> bool {
    match event {
        Event::PieceFailed { .. } => false,
        Event::PeerGone { why: PeerEnd::Wire(why), .. } => *why == wire::Error::Peer(PeerMisbehaved::Idle),
        Event::PeerGone { why, .. } => {
            !matches!(why, PeerEnd::CorruptPiece | PeerEnd::Unsolicited | PeerEnd::UnknownTorrent)
        }
        _ => true,
    }
}

/// Whether nothing is left of any handshake a while later, and of any stream after a stop.
fn is_clean(world: &mut World, hosts: &[usize]) -> bool {
    world.run(3 * MINUTE, |_| false);
    let handshakes = |world: &World| -> Vec<usize> {
        hosts.iter().map(|host| &world.hosts[*host].engine.streams).map(|s| s.inbound + s.dials).collect()
    };
    let calm = handshakes(world).iter().sum::<usize>() == 0;
    for host in hosts {
        world.command(*host, Command::Stop);
    }
    let stopped = world.run(MINUTE, |world| {
        hosts.iter().all(|host| world.hosts[*host].events.last() == Some(&Event::Stopped))
    });
    calm && stopped
        && hosts.iter().all(|host| {
            let engine = &world.hosts[*host].engine;
            engine.streams.slab.is_empty() && engine.stream_deadlines.earliest().is_none()
        })
}
