//! Rate limits over several torrents.

use super::{
    super::limit::{BURST, TICK},
    MINUTE, host_with, torrent,
    world::World,
};
use crate::{
    Instant,
    engine::{Command, Config, Plan, Tier},
    id::{BLOCK_LENGTH, FileIndex, InfoHash},
    metainfo::Info,
    swarm::{Swarm, Transferred},
};
use alloc::vec::Vec;
use core::time::Duration;

const RATE: u64 = 400_000;
/// What may pass beyond the rate.
const EXCESS: u64 = RATE * (BURST.as_millis() + TICK.as_millis()) as u64 / 1000;

fn limited(download: Option<u64>, upload: Option<u64>) -> Config {
    Config { download_rate_bytes_per_s: download, upload_rate_bytes_per_s: upload, ..Config::default() }
}

/// The same bytes under so many names.
fn torrents(number: u8) -> (Vec<Info>, Vec<u8>) {
    let (info, content) = torrent(2_000_000);
    let infos = (1..=number).map(|name| Info { info_hash: InfoHash([name; 20]), ..info.clone() }).collect();
    (infos, content)
}

/// A host that has all of them.
fn library(world: &mut World, config: Config, infos: &[Info], content: &[u8]) -> usize {
    let host = world.host(config);
    world.hosts[host].disk.insert(FileIndex(0), content.to_vec());
    infos.iter().for_each(|info| world.add(host, info, &[]));
    host
}

/// Something of each torrent of a host, in the order in which they were added.
fn of_each<T>(world: &World, host: usize, what: impl Fn(&Swarm) -> T) -> Vec<T> {
    world.hosts[host].engine.torrents.iter().map(|(_, torrent)| what(&torrent.swarm)).collect()
}

fn uploaded(swarm: &Swarm) -> u64 {
    let Transferred { uploaded_bytes, .. } = swarm.transferred();
    uploaded_bytes
}

fn downloaded(swarm: &Swarm) -> u64 {
    let Transferred { downloaded_bytes, .. } = swarm.transferred();
    downloaded_bytes
}

/// What passed of each torrent until each tenth of a second.
fn watch(world: &mut World, host: usize, time: Duration, what: fn(&Swarm) -> u64) -> Vec<Vec<u64>> {
    let ticks = (time.as_millis() / TICK.as_millis()) as usize;
    let mut seen = alloc::vec![of_each(world, host, what)];
    seen.resize_with(ticks + 1, Vec::new);
    for passed in seen.iter_mut().skip(1) {
        world.run(TICK, |_| false);
        *passed = of_each(world, host, what);
    }
    seen
}

/// Between no two times more passed than the limit and its burst allow.
fn assert_bounded(seen: &[Vec<u64>], rate: u64) {
    let sums: Vec<u64> = seen.iter().map(|passed| passed.iter().sum()).collect();
    for (start, before) in sums.iter().enumerate() {
        for (ticks, after) in (0..).zip(&sums[start..]) {
            let at_most = rate * ticks / 10 + EXCESS;
            assert!(after - before <= at_most, "{} bytes in {ticks} ticks from {start}", after - before);
        }
    }
}

fn assert_about(what: u64, expected: u64) {
    assert!(what.abs_diff(expected) <= expected / 10, "{what} is not about {expected}");
}

#[test]
fn uploads_of_four_torrents_keep_to_the_limit_together_and_share_it() {
    let (infos, content) = torrents(4);
    let mut world = World::new();
    let seed = library(&mut world, limited(None, Some(RATE)), &infos, &content);
    for info in &infos {
        let leecher = world.host(limited(Some(RATE * 2 / 5), None));
        world.add(leecher, info, &[seed]);
    }
    let seen = watch(&mut world, seed, Duration::from_secs(10), uploaded);
    assert_bounded(&seen, RATE);
    let passed = &seen[100];
    assert_about(passed.iter().sum(), RATE * 10);
    passed.iter().for_each(|bytes| assert_about(*bytes, RATE * 10 / 4));
}

#[test]
fn downloads_of_four_torrents_keep_to_the_limit_together_and_share_it() {
    let (infos, content) = torrents(4);
    let mut world = World::new();
    let leecher = world.host(limited(Some(RATE), None));
    for info in &infos {
        let seed = host_with(&mut world, limited(None, Some(RATE * 2 / 5)), info, &content);
        world.add(leecher, info, &[seed]);
    }
    let seen = watch(&mut world, leecher, Duration::from_secs(10), downloaded);
    assert_bounded(&seen, RATE);
    let passed = &seen[100];
    assert_about(passed.iter().sum(), RATE * 10);
    passed.iter().for_each(|bytes| assert_about(*bytes, RATE * 10 / 4));
}

#[test]
fn one_busy_torrent_among_nine_idle_ones_has_all_of_the_upload_limit() {
    let (infos, content) = torrents(10);
    let mut world = World::new();
    let seed = library(&mut world, limited(None, Some(RATE)), &infos, &content);
    let leecher = world.host(Config::default());
    world.add(leecher, &infos[9], &[seed]);
    world.run(MINUTE, |world| world.hosts[leecher].is_complete());
    assert_about((world.now - Instant::ZERO).as_millis() as u64, 2_000_000 * 1000 / RATE);
    assert_eq!(of_each(&world, seed, uploaded).iter().sum::<u64>(), 2_000_000);
}

#[test]
fn one_busy_torrent_among_nine_whose_peers_have_nothing_has_all_of_the_download_limit() {
    let (infos, content) = torrents(10);
    let mut world = World::new();
    let (leecher, other) = (world.host(limited(Some(RATE), None)), world.host(Config::default()));
    let seed = host_with(&mut world, Config::default(), &infos[0], &content);
    for info in &infos[1..] {
        world.add(other, info, &[]);
        world.add(leecher, info, &[other]);
    }
    world.add(leecher, &infos[0], &[seed]);
    world.run(MINUTE, |world| world.hosts[leecher].is_complete());
    assert_about((world.now - Instant::ZERO).as_millis() as u64, 2_000_000 * 1000 / RATE);
}

#[test]
fn a_torrent_that_wakes_up_has_its_share_at_the_next_deal() {
    let (infos, content) = torrents(2);
    let mut world = World::new();
    let leecher = world.host(limited(Some(RATE), None));
    let seeds: Vec<usize> =
        infos.iter().map(|info| host_with(&mut world, Config::default(), info, &content)).collect();
    world.add(leecher, &infos[0], &[seeds[0]]);
    world.add(leecher, &infos[1], &[]);
    world.run(Duration::from_secs(2), |_| false);
    let (info_hash, remote) = (infos[1].info_hash, world.hosts[seeds[1]].address);
    world.command(leecher, Command::AddPeer { info_hash, remote });
    let unchoked = |world: &World| of_each(world, leecher, |swarm| swarm.download_appetite().waits)[1];
    assert!(world.run(MINUTE, unchoked), "it wants something");
    let before = of_each(&world, leecher, downloaded);
    let seen = watch(&mut world, leecher, Duration::from_secs(2), downloaded);
    assert!(seen[2][1] > 0, "within a tick and a round trip");
    (0..2).for_each(|torrent| assert_about(seen[20][torrent] - before[torrent], RATE));
}

#[test]
fn a_torrent_keeps_to_its_own_limit_too_and_leaves_the_rest_to_the_other() {
    let (infos, content) = torrents(2);
    let mut world = World::new();
    let seed = library(&mut world, limited(None, Some(RATE)), &infos, &content);
    let (info_hash, upload) = (Some(infos[0].info_hash), Some(RATE / 5));
    world.command(seed, Command::Limit { info_hash, download: None, upload });
    for info in &infos {
        let leecher = world.host(Config::default());
        world.add(leecher, info, &[seed]);
    }
    let seen = watch(&mut world, seed, Duration::from_secs(5), uploaded);
    assert_bounded(&seen, RATE);
    assert_about(seen[50][0], RATE);
    assert_about(seen[50][1], RATE * 4);
    world.command(seed, Command::Limit { info_hash: None, download: None, upload: None });
    let seen = watch(&mut world, seed, Duration::from_secs(1), uploaded);
    assert_eq!(seen[10][1], 2_000_000, "without the limit over all");
    assert_about(seen[10][0] - seen[0][0], RATE / 5);
}

#[test]
fn with_less_than_a_block_for_each_torrents_take_turns() {
    let (infos, content) = torrents(4);
    let block = u64::from(BLOCK_LENGTH);
    let mut world = World::new();
    let seed = library(&mut world, limited(None, Some(block)), &infos, &content);
    for info in &infos {
        let leecher = world.host(Config::default());
        world.add(leecher, info, &[seed]);
    }
    let seen = watch(&mut world, seed, Duration::from_secs(40), uploaded);
    assert!((39..=41).contains(&(seen[400].iter().sum::<u64>() / block)));
    let [least, most] =
        [seen[400].iter().min(), seen[400].iter().max()].map(|bytes| bytes.map(|b| b / block));
    assert!(least >= Some(9) && most <= Some(11), "{least:?} {most:?}");
}

/// A torrent of each tier, on a host that has nothing.
fn add_both(world: &mut World, host: usize, infos: &[Info], seeds: [usize; 2]) {
    for ((info, tier), seed) in infos.iter().zip([Tier::Background, Tier::LobbyUrgent]).zip(seeds) {
        world.add_with(host, info, Plan { tier, ..Plan::default() }, &[seed]);
    }
}

/// Runs until the second torrent is complete, then until the first is; what they downloaded by then.
fn one_after_the_other(world: &mut World, host: usize) -> [(Instant, Vec<u64>); 2] {
    [1, 0].map(|torrent| {
        let complete = |world: &World| of_each(world, host, Swarm::is_complete)[torrent];
        assert!(world.run(MINUTE, complete), "{:?}", of_each(world, host, downloaded));
        (world.now, of_each(world, host, downloaded))
    })
}

#[test]
fn what_a_lobby_waits_for_comes_first_where_the_limit_holds_up_the_background() {
    let (infos, content) = torrents(2);
    let mut world = World::new();
    let leecher = world.host(limited(Some(RATE), None));
    let seeds = [0, 1].map(|seed| host_with(&mut world, Config::default(), &infos[seed], &content));
    add_both(&mut world, leecher, &infos, seeds);
    let [(lobby_at, by_then), (all_at, _)] = one_after_the_other(&mut world, leecher);
    let (background, lobby) = (by_then[0], by_then[1]);
    assert!(lobby * 100 >= (lobby + background) * 87, "{lobby} against {background}");
    assert!(background * 100 >= (lobby + background) * 7, "{background} against {lobby}");
    assert_about((lobby_at - Instant::ZERO).as_millis() as u64, 2_000_000 * 1000 * 10 / 9 / RATE);
    assert_about((all_at - Instant::ZERO).as_millis() as u64, 2 * 2_000_000 * 1000 / RATE);
}

#[test]
fn tiers_make_no_difference_where_no_limit_holds_anybody_up() {
    let finish = |limit: Option<u64>, tier: Tier| {
        let (infos, content) = torrents(2);
        let mut world = World::new();
        let leecher = world.host(limited(limit, None));
        for (info, tier) in infos.iter().zip([tier, Tier::UserRequested]) {
            let seed = host_with(&mut world, limited(None, Some(RATE)), info, &content);
            world.add_with(leecher, info, Plan { tier, ..Plan::default() }, &[seed]);
        }
        watch(&mut world, leecher, Duration::from_secs(3), downloaded)
    };
    let [urgent, alike] = [Tier::Background, Tier::UserRequested].map(|tier| finish(None, tier));
    assert_eq!(urgent, alike);
    // All may begin with the same deal, and then the higher tier does; that is made up for soon.
    let [urgent, alike] = [Tier::Background, Tier::UserRequested].map(|tier| finish(Some(RATE * 10), tier));
    assert_eq!(urgent[10..], alike[10..]);
}
