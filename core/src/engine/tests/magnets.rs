//! Torrents that begin with their name alone (BEP 9), and what is wanted of torrents.

use super::{PIECE, count, world::World};
use crate::{
    Instant,
    engine::{Command, Config, Event, FetchTorrent, Plan, Progress, Reader, SeedGoal, State, Tier},
    id::{FileIndex, PieceIndex},
    metainfo::{Builder, Info, SourceFile},
};
use alloc::{boxed::Box, collections::BTreeMap, vec, vec::Vec};
use core::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A torrent with a real info dictionary: three files, of which the pieces of the second are shared with its
/// neighbours.
pub(super) fn folder(private: bool) -> (Info, Vec<u8>) {
    let lengths = [100_000, 70_000, 200_000];
    let content: Vec<u8> = (0..370_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let files = lengths.iter().zip(["a", "b", "c"]).map(|(length, name)| SourceFile {
        path: vec![name.into()],
        length: *length,
        executable: false,
    });
    let builder = Builder::folder("folder", files).piece_length(PIECE);
    let plan = if private { builder.private() } else { builder }.plan().expect("plan");
    let mut hasher = plan.hasher();
    hasher.update(&content);
    let hashes = hasher.finish().expect("all bytes");
    (plan.finish(&hashes).expect("a torrent").info, content)
}

pub(super) fn share(world: &mut World, config: Config, info: &Info, content: &[u8]) -> usize {
    let host = world.host(config);
    let mut start = 0;
    for (index, file) in (0..).zip(&info.files) {
        let end = start + file.length as usize;
        world.hosts[host].disk.insert(FileIndex(index), content[start..end].to_vec());
        start = end;
    }
    world.add(host, info, &[]);
    assert!(
        world.run(MINUTE, |world| count(world, host, |event| matches!(event, Event::Checked { .. })) > 0)
    );
    host
}

fn fetch(world: &mut World, info: &Info, peers: &[usize]) -> usize {
    let host = world.host(Config::default());
    let peers = peers.iter().map(|peer| world.hosts[*peer].address).collect();
    let fetch = FetchTorrent { info_hash: info.info_hash, peers, trackers: vec![] };
    world.command(host, Command::Fetch(Box::new(fetch)));
    host
}

fn metadata(world: &World, host: usize) -> Option<Info> {
    world.hosts[host].events.iter().find_map(|event| match event {
        Event::Metadata { info } => Some((**info).clone()),
        _ => None,
    })
}

fn progress(world: &World, host: usize) -> Progress {
    let last = world.hosts[host].events.iter().rev().find_map(|event| match event {
        Event::Progress(progress) => Some((**progress).clone()),
        _ => None,
    });
    last.expect("a progress")
}

#[test]
fn a_magnet_becomes_a_torrent_and_keeps_its_peers() {
    let (info, content) = folder(false);
    let mut world = World::new();
    let seed = share(&mut world, Config::default(), &info, &content);
    let leecher = fetch(&mut world, &info, &[seed]);
    assert!(world.run(MINUTE, |world| metadata(world, leecher).is_some()));
    let found = metadata(&world, leecher).expect("just seen");
    assert_eq!(found, info);
    world.add(leecher, &found, &[]);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
    assert_eq!(world.hosts[leecher].disk[&FileIndex(2)], content[170_000..]);
    let connected = count(&world, leecher, |event| matches!(event, Event::PeerConnected { .. }));
    assert_eq!(connected, 1, "the connection that brought the metadata brings the pieces");
    assert!(world.now < Instant::ZERO + Duration::from_secs(3), "{:?}", world.now);
}

#[test]
fn who_has_the_metadata_from_peers_gives_it_on() {
    let (info, content) = folder(false);
    let mut world = World::new();
    let seed = share(&mut world, Config::default(), &info, &content);
    let first = fetch(&mut world, &info, &[seed]);
    let second = fetch(&mut world, &info, &[first]);
    assert!(world.run(MINUTE, |world| metadata(world, first).is_some()));
    assert_eq!(metadata(&world, second), None, "the first does not give what it has not added");
    world.add(first, &info, &[]);
    assert!(world.run(MINUTE, |world| metadata(world, second).is_some()));
    world.add(second, &info, &[]);
    assert!(world.run(MINUTE, |world| world.hosts[second].is_complete()));
}

#[test]
fn the_metadata_of_a_private_torrent_is_not_given_away() {
    let (info, content) = folder(true);
    let mut world = World::new();
    let seed = share(&mut world, Config::default(), &info, &content);
    let curious = fetch(&mut world, &info, &[seed]);
    assert!(!world.run(5 * MINUTE, |world| metadata(world, curious).is_some()));
    assert!(count(&world, curious, |event| matches!(event, Event::PeerConnected { .. })) > 0);
    assert_eq!(progress(&world, curious).state, State::FetchingMetadata);
}

#[test]
fn bad_input_21_who_dials_us_and_lies_about_the_metadata_is_not_let_in_again() {
    let (info, content) = folder(false);
    let mut lie = info.clone();
    lie.raw = info.raw.iter().map(|byte| byte ^ 1).collect();
    let mut world = World::new();
    let liar = share(&mut world, Config::default(), &lie, &content);
    let curious = fetch(&mut world, &info, &[]);
    let remote = world.hosts[curious].address;
    world.command(liar, Command::AddPeer { info_hash: info.info_hash, remote });
    world.run(20 * MINUTE, |_| false);
    let banned = |event: &Event| matches!(event, Event::PeerBanned { remote, .. } if remote.ip() == world.hosts[liar].address.ip());
    assert_eq!(count(&world, curious, banned), 1);
    let connected = |event: &Event| matches!(event, Event::PeerConnected { .. });
    assert_eq!(count(&world, curious, connected), 1);
    let dials = count(&world, liar, connected);
    assert!(dials > 1, "it came back {dials} times");
}

#[test]
fn what_is_only_fetched_stops_and_goes_like_any_torrent() {
    let (info, content) = folder(false);
    let mut world = World::new();
    let host = fetch(&mut world, &info, &[]);
    world.command(
        host,
        Command::Fetch(Box::new(FetchTorrent { info_hash: info.info_hash, peers: vec![], trackers: vec![] })),
    );
    assert_eq!(count(&world, host, |event| matches!(event, Event::Refused { .. })), 1, "it is there already");
    world.command(host, Command::Remove { info_hash: info.info_hash });
    assert!(
        world.run(MINUTE, |world| count(world, host, |event| matches!(event, Event::Removed { .. })) == 1)
    );
    let seed = share(&mut world, Config::default(), &info, &content);
    world.add(host, &info, &[seed]);
    assert!(world.run(MINUTE, |world| world.hosts[host].is_complete()));
}

#[test]
fn files_that_are_not_wanted_are_not_fetched() {
    let (info, content) = folder(false);
    let mut world = World::new();
    let seed = share(&mut world, Config::default(), &info, &content);
    let leecher = world.host(Config::default());
    let plan = Plan {
        files: BTreeMap::from([(FileIndex(0), Tier::Skip), (FileIndex(2), Tier::Skip)]),
        ..Plan::default()
    };
    world.add_with(leecher, &info, plan, &[seed]);
    let finished = |event: &Event| matches!(event, Event::Finished { .. });
    assert!(world.run(MINUTE, |world| count(world, leecher, finished) == 1));
    assert_eq!(world.hosts[leecher].disk[&FileIndex(1)], content[100_000..170_000]);
    // Pieces 3 to 5 hold the second file.
    let verified: Vec<PieceIndex> = world.hosts[leecher]
        .events
        .iter()
        .filter_map(|event| if let Event::PieceVerified { piece, .. } = event { Some(*piece) } else { None })
        .collect();
    assert!(verified.len() == 3 && (3..6).all(|piece| verified.contains(&PieceIndex(piece))), "{verified:?}");
    world.run(Duration::from_secs(2), |_| false);
    assert_eq!(
        (progress(&world, leecher).state, progress(&world, leecher).missing_bytes),
        (State::Seeding, 0)
    );

    let all = Box::new(Plan::default());
    world.command(leecher, Command::Follow { info_hash: info.info_hash, plan: all });
    assert!(
        world.run(5 * MINUTE, |world| world.hosts[leecher].is_complete()),
        "the rest is wanted after all"
    );
}

#[test]
fn a_reader_gets_the_next_pieces_first() {
    let (info, content) = folder(false);
    let mut world = World::new();
    let slow = Config { upload_rate_bytes_per_s: Some(50_000), ..Config::default() };
    let seed = share(&mut world, slow, &info, &content);
    let leecher = world.host(Config::default());
    world.add(leecher, &info, &[seed]);
    let reader = Some(Reader { file: FileIndex(1), offset: 0 });
    world.command(leecher, Command::Read { info_hash: info.info_hash, reader });
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
    let order: Vec<u32> = world.hosts[leecher]
        .events
        .iter()
        .filter_map(|event| if let Event::PieceVerified { piece, .. } = event { Some(piece.0) } else { None })
        .collect();
    // What the seed allowed while it choked us was asked for before: two pieces fill the first pipeline.
    let wanted: Vec<u32> = order[..5].iter().copied().filter(|piece| (3..6).contains(piece)).collect();
    assert_eq!(wanted, [3, 4, 5], "{order:?}");
}

#[test]
fn sharing_ends_with_the_ratio_or_the_time_that_was_wished_for() {
    for (goal, copies) in [
        (SeedGoal { ratio_permille: Some(2000), time: None }, Some(2)),
        (SeedGoal { ratio_permille: None, time: Some(Duration::from_secs(100)) }, None),
    ] {
        let (info, content) = folder(false);
        let mut world = World::new();
        let seed = share(&mut world, Config::default(), &info, &content);
        let since = world.now;
        let plan = Box::new(Plan { seed_goal: goal, ..Plan::default() });
        world.command(seed, Command::Follow { info_hash: info.info_hash, plan });
        for _ in 0..copies.unwrap_or(0) {
            let leecher = world.host(Config::default());
            world.add(leecher, &info, &[seed]);
            assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
        }
        let reached = |event: &Event| matches!(event, Event::SeedGoalReached { .. });
        assert!(world.run(10 * MINUTE, |world| count(world, seed, reached) == 1), "{goal:?}");
        if let Some(time) = goal.time {
            assert!(world.now >= since + time && world.now <= since + time + Duration::from_secs(2));
        }
        world.run(Duration::from_secs(2), |_| false);
        assert_eq!(progress(&world, seed).state, State::Paused);
    }
}

#[test]
fn a_torrent_keeps_its_own_limit_beside_the_one_over_all() {
    let (info, content) = folder(false);
    let mut world = World::new();
    let seed = share(&mut world, Config::default(), &info, &content);
    let leecher = world.host(Config { download_rate_bytes_per_s: Some(1_000_000), ..Config::default() });
    world.add(leecher, &info, &[seed]);
    let own = Command::Limit { info_hash: Some(info.info_hash), download: Some(50_000), upload: None };
    world.command(leecher, own);
    let start = world.now;
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
    let took = world.now - start;
    assert!((Duration::from_millis(6000)..Duration::from_secs(9)).contains(&took), "{took:?}");
}

#[test]
fn what_a_lobby_waits_for_comes_before_the_background_which_goes_on_after() {
    let (info, content) = folder(false);
    let mut world = World::new();
    let slow = Config { upload_rate_bytes_per_s: Some(50_000), ..Config::default() };
    let seed = share(&mut world, slow, &info, &content);
    let leecher = world.host(Config::default());
    let background = Plan { tier: Tier::Background, ..Plan::default() };
    world.add_with(leecher, &info, background.clone(), &[seed]);
    let verified =
        |world: &World| count(world, leecher, |event| matches!(event, Event::PieceVerified { .. }));
    assert!(world.run(MINUTE, |world| verified(world) == 1), "the background is under way");

    // 70,000 bytes in pieces 3 to 5: two seconds of the seed, and the little that was on its way.
    let files = BTreeMap::from([(FileIndex(1), Tier::LobbyUrgent)]);
    let urgent = Box::new(Plan { files, ..background });
    let start = world.now;
    world.command(leecher, Command::Follow { info_hash: info.info_hash, plan: urgent });
    let is_there = |world: &World, piece: u32| {
        let piece = PieceIndex(piece);
        count(
            world,
            leecher,
            |event| matches!(event, Event::PieceVerified { piece: other, .. } if *other == piece),
        ) > 0
    };
    assert!(world.run(MINUTE, |world| (3..6).all(|piece| is_there(world, piece))));
    let (took, by_then) = (world.now - start, verified(&world));
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert!(by_then <= 6, "{by_then} pieces: the background gave way");
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()), "and goes on");
    assert_eq!(world.hosts[leecher].disk[&FileIndex(1)], content[100_000..170_000]);
}
