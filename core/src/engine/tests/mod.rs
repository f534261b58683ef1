//! Engines in a small world.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for the few actions that it is about")]

mod dials;
mod encryption;
mod flood;
mod gossip;
mod hybrid;
mod laws;
mod limits;
mod losses;
mod magnets;
mod places;
mod players;
mod poison;
mod trackers;
mod world;

use super::{Command, Config, Event, Input, PeerEnd, State, StreamError};
use crate::{
    Instant, Machine,
    id::{AcceptTicket, FileIndex},
    metainfo::Info,
    storage::StorageError,
    swarm::subject::torrent_of,
};
use alloc::{vec, vec::Vec};
use core::{net::SocketAddr, time::Duration};
use world::World;

const MINUTE: Duration = Duration::from_secs(60);
const PIECE: u32 = 32 * 1024;

#[test]
fn a_leecher_gets_what_a_seed_has() {
    let (info, content) = torrent(300_001);
    let mut world = World::new();
    let seed = seed(&mut world, &info, &content);
    let leecher = world.host(Config::default());
    world.add(leecher, &info, &[seed]);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
    assert_eq!(world.hosts[leecher].disk[&FileIndex(0)], content);
    assert!(world.now < Instant::ZERO + Duration::from_secs(2), "{:?}", world.now);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].saved.is_some()));
    assert!(world.hosts[leecher].saved.as_ref().is_some_and(|(have, clean)| have.is_full() && *clean));
}

#[test]
fn leechers_get_pieces_from_one_another() {
    let (info, content) = torrent(3_000_000);
    let mut world = World::new();
    let slow = Config { upload_rate_bytes_per_s: Some(300_000), ..Config::default() };
    let seed = host_with(&mut world, slow, &info, &content);
    let leechers: Vec<usize> = (0..3).map(|_| world.host(Config::default())).collect();
    for leecher in &leechers {
        let others: Vec<usize> =
            leechers.iter().copied().filter(|other| other < leecher).chain([seed]).collect();
        world.add(*leecher, &info, &others);
    }
    assert!(world.run(5 * MINUTE, |world| leechers.iter().all(|host| world.hosts[*host].is_complete())));
    for leecher in &leechers {
        assert_eq!(world.hosts[*leecher].disk[&FileIndex(0)], content);
    }
    // The seed alone needs 10 s for one copy, 30 s for three.
    assert!(world.now < Instant::ZERO + Duration::from_secs(20), "{:?}", world.now);
}

#[test]
fn a_download_limit_is_kept() {
    let (info, content) = torrent(1_000_000);
    let mut world = World::new();
    let seed = seed(&mut world, &info, &content);
    let limited = Config { download_rate_bytes_per_s: Some(100_000), ..Config::default() };
    let leecher = world.host(limited);
    world.add(leecher, &info, &[seed]);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
    let took = world.now - Instant::ZERO;
    assert!((Duration::from_millis(8500)..Duration::from_secs(12)).contains(&took), "{took:?}");
}

#[test]
fn what_is_on_disk_is_not_asked_for_again() {
    let (info, content) = torrent(20 * PIECE as usize);
    let mut world = World::new();
    let seed = seed(&mut world, &info, &content);
    let leecher = world.host(Config::default());
    let mut half = content.clone();
    half[..10 * PIECE as usize].fill(0);
    world.hosts[leecher].disk.insert(FileIndex(0), half);
    world.add(leecher, &info, &[seed]);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
    assert_eq!(world.hosts[leecher].disk[&FileIndex(0)], content);
    let verified = count(&world, leecher, |event| matches!(event, Event::PieceVerified { .. }));
    assert_eq!(verified, 10);
}

#[test]
fn a_piece_that_fails_its_hash_bans_the_peer_that_alone_sent_it() {
    let (info, content) = torrent(10 * PIECE as usize);
    let mut world = World::new();
    let liar = seed(&mut world, &info, &content);
    let leecher = world.host(Config::default());
    world.add(leecher, &info, &[liar]);
    let checked = |world: &World| count(world, liar, |event| matches!(event, Event::Checked { .. })) > 0;
    assert!(world.run(MINUTE, checked));
    world.hosts[liar].disk.insert(FileIndex(0), vec![7; content.len()]);
    assert!(!world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
    let banned = |event: &Event| matches!(event, Event::PeerGone { why: PeerEnd::CorruptPiece, .. });
    assert_eq!(count(&world, leecher, banned), 1);
    assert_eq!(count(&world, leecher, |event| matches!(event, Event::PieceVerified { .. })), 0);
}

#[test]
fn a_full_disk_stops_the_torrent_and_names_the_file() {
    let (info, content) = torrent(10 * PIECE as usize);
    let mut world = World::new();
    let seed = seed(&mut world, &info, &content);
    let leecher = world.host(Config::default());
    world.hosts[leecher].write_error = Some(StorageError::Full);
    world.add(leecher, &info, &[seed]);
    world.run(MINUTE, |_| false);
    let failed = |event: &Event| {
        matches!(event, Event::Failed { file: Some(FileIndex(0)), error: StorageError::Full, .. })
    };
    assert_eq!(count(&world, leecher, failed), 1);
    let state = world.hosts[leecher].events.iter().rev().find_map(|event| match event {
        Event::Progress(progress) => Some(progress.state),
        _ => None,
    });
    assert_eq!(state, Some(State::Failed));
}

#[test]
fn memory_for_blocks_stays_below_what_is_configured() {
    let (info, content) = torrent(4_000_000);
    let mut world = World::new();
    let seeds: Vec<usize> = (0..4).map(|_| seed(&mut world, &info, &content)).collect();
    let mut config = Config::default();
    config.swarm.download_memory = 256 * 1024;
    config.swarm.hash_memory = 64 * 1024;
    let leecher = world.host(config);
    world.add(leecher, &info, &seeds);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
    assert_eq!(world.hosts[leecher].disk[&FileIndex(0)], content);
    assert!(world.hosts[leecher].peak_bytes <= 320 * 1024, "{}", world.hosts[leecher].peak_bytes);
}

#[test]
fn bad_input_25_a_node_that_dials_itself_does_so_once() {
    let (info, _) = torrent(100_000);
    let mut world = World::new();
    let host = world.host(Config::default());
    world.add(host, &info, &[host]);
    world.run(5 * MINUTE, |_| false);
    assert_eq!(count(&world, host, |event| matches!(event, Event::DialFailed { .. })), 1);
    assert_eq!(count(&world, host, |event| matches!(event, Event::PeerConnected { .. })), 0);
}

#[test]
fn bad_input_25_of_two_streams_that_cross_both_sides_keep_the_same() {
    let (info, _) = torrent(100_000);
    let mut world = World::new();
    let (one, two) = (world.host(Config::default()), world.host(Config::default()));
    world.add(one, &info, &[two]);
    world.add(two, &info, &[one]);
    world.run(MINUTE, |_| false);
    for host in [one, two] {
        let up = count(&world, host, |event| matches!(event, Event::PeerConnected { .. }));
        let gone = count(&world, host, |event| matches!(event, Event::PeerGone { .. }));
        assert_eq!(up - gone, 1, "{:#?}", world.hosts[host].events);
    }
}

#[test]
fn bad_input_24_half_open_streams_are_bounded_and_time_out() {
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    let host = seed(&mut world, &info, &content);
    let accept = |world: &mut World, number: u64, address: [u8; 4]| {
        let remote = SocketAddr::from((address, 1000));
        let mut out = crate::Outbox::new();
        let input = Input::Accepted { ticket: AcceptTicket(1_000_000 + number), remote };
        let Ok(()) = world.hosts[host].engine.handle_input(world.now, input, &mut out);
        out.drain().any(|action| matches!(action, super::Action::Adopt { .. }))
    };
    let adopted = (0..40).filter(|number| accept(&mut world, *number, [192, 0, 2, 1])).count();
    assert_eq!(adopted, 10, "from one address");
    let adopted =
        (0..200).filter(|number| accept(&mut world, 100 + number, [192, 0, 2, *number as u8 + 2])).count();
    assert_eq!(adopted, 40, "in all");
    world.run(MINUTE, |_| false);
    assert!(accept(&mut world, 1000, [192, 0, 2, 1]), "thirty seconds later there is room again");
}

#[test]
fn a_refused_dial_is_tried_again_later_and_later() {
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    let leecher = world.host(Config::default());
    world.add(leecher, &info, &[]);
    let nobody = SocketAddr::from(([10, 0, 0, 2], 6881));
    world.command(leecher, Command::AddPeer { info_hash: info.info_hash, remote: nobody });
    world.run(MINUTE, |_| false);
    let refused =
        |event: &Event| matches!(event, Event::DialFailed { why: PeerEnd::Stream(StreamError::Refused), .. });
    assert_eq!(count(&world, leecher, refused), 6, "after 1, 2, 4, 8, 16 seconds");
    let seed = seed(&mut world, &info, &content);
    assert_eq!(world.hosts[seed].address, nobody);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
}

#[test]
fn stop_closes_saves_and_says_so() {
    let (info, content) = torrent(3_000_000);
    let mut world = World::new();
    let seed = seed(&mut world, &info, &content);
    let limited = Config { download_rate_bytes_per_s: Some(500_000), ..Config::default() };
    let leecher = world.host(limited);
    world.add(leecher, &info, &[seed]);
    world.run(Duration::from_secs(3), |_| false);
    world.command(leecher, Command::Stop);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].events.contains(&Event::Stopped)));
    let verified = count(&world, leecher, |event| matches!(event, Event::PieceVerified { .. }));
    let saved = world.hosts[leecher].saved.as_ref().map(|(have, clean)| (have.count() as usize, *clean));
    assert_eq!(saved, Some((verified, true)));
    assert!(verified > 0 && !world.hosts[leecher].is_complete());
}

#[test]
fn nothing_comes_behind_the_end() {
    let mut world = World::new();
    let host = world.host(Config::default());
    world.command(host, Command::Stop);
    world.run(MINUTE, |_| false);
    assert_eq!(
        world.hosts[host].events.last(),
        Some(&Event::Stopped),
        "not even where it would have listened"
    );

    let (info, content) = torrent(3_000_000);
    let (seed, leecher) = (seed(&mut world, &info, &content), world.host(Config::default()));
    world.add(leecher, &info, &[seed]);
    world.run(Duration::from_millis(60), |_| false);
    world.command(leecher, Command::Stop);
    world.run(MINUTE, |_| false);
    assert_eq!(count(&world, leecher, |event| matches!(event, Event::PeerGone { .. })), 1);
    assert_eq!(world.hosts[leecher].events.last(), Some(&Event::Stopped));
}

#[test]
fn the_same_seed_gives_the_same_events() {
    let run = || {
        let (info, content) = torrent(500_000);
        let mut world = World::new();
        let seed = seed(&mut world, &info, &content);
        let leechers: Vec<usize> = (0..3).map(|_| world.host(Config::default())).collect();
        leechers.iter().for_each(|leecher| world.add(*leecher, &info, &[seed]));
        world.run(MINUTE, |_| false);
        world.hosts.into_iter().map(|host| host.events).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_call_that_comes_before_there_is_a_torrent_leaves_no_trace() {
    let (info, _) = torrent(100_000);
    let add = |called: bool| {
        let mut world = World::new();
        let limited = Config { download_rate_bytes_per_s: Some(50_000), ..Config::default() };
        let host = world.host(limited);
        world.now = Instant::ZERO + Duration::from_millis(700);
        if called {
            let Ok(()) = world.hosts[host].engine.handle_timeout(world.now, &mut crate::Outbox::new());
        }
        world.now = Instant::ZERO + Duration::from_secs(1);
        world.add(host, &info, &[]);
        alloc::format!("{:?}", world.hosts[host].engine)
    };
    assert_eq!(add(true), add(false));
}

#[test]
fn bad_input_42_a_jump_of_a_year_does_no_harm() {
    let (info, content) = torrent(500_000);
    let mut world = World::new();
    let seed = seed(&mut world, &info, &content);
    let leecher = world.host(Config::default());
    world.add(leecher, &info, &[seed]);
    world.run(Duration::from_millis(30), |_| false);
    world.now = world.now + Duration::from_secs(31_536_000);
    assert!(world.run(10 * MINUTE, |world| world.hosts[leecher].is_complete()));
}

fn torrent(length: usize) -> (Info, Vec<u8>) {
    let content: Vec<u8> =
        (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    (torrent_of(&content, PIECE), content)
}

fn seed(world: &mut World, info: &Info, content: &[u8]) -> usize {
    host_with(world, Config::default(), info, content)
}

fn host_with(world: &mut World, config: Config, info: &Info, content: &[u8]) -> usize {
    let host = world.host(config);
    world.hosts[host].disk.insert(FileIndex(0), content.to_vec());
    world.add(host, info, &[]);
    host
}

fn count(world: &World, host: usize, fits: impl Fn(&Event) -> bool) -> usize {
    world.hosts[host].events.iter().filter(|event| fits(event)).count()
}
