//! What a store answers, against a tracker that is written for clarity alone.

use super::*;
use crate::compact;
use alloc::{collections::BTreeMap, vec};
use core::net::SocketAddr;
use proptest::prelude::*;

const SWARM: InfoHash = InfoHash([9; 20]);
const START: Instant = Instant::ZERO;

#[test]
fn seeders_are_told_of_leechers_and_leechers_of_everybody() {
    let mut store = store();
    for (number, seeder) in [(1, true), (2, true), (3, false), (4, false)] {
        announce(&mut store, START, &visit(number, seeder));
    }
    assert_eq!(announce(&mut store, START, &visit(1, true)), peers([3, 4]));
    assert_eq!(announce(&mut store, START, &visit(3, false)), peers([1, 2, 4]));
    let paused = Visit { event: Event::Paused, ..visit(3, false) };
    assert_eq!(announce(&mut store, START, &paused), peers([4]), "it wants nothing that a seeder has");
    assert_eq!(told(&store.scrape(START, &SWARM)), (2, 2, 0));
}

#[test]
fn partial_seeds_are_counted_for_as_long_as_they_say_that_they_are() {
    let mut store = store();
    let paused = |number, seeder| Visit { event: Event::Paused, ..visit(number, seeder) };
    for (step, downloaders) in [
        (visit(1, false), 1),
        (paused(2, false), 1),
        (paused(1, false), 0),
        (visit(1, false), 1),
        (paused(3, true), 1),
        (visit(2, true), 1),
        (paused(2, false), 1),
        (Visit { event: Event::Stopped, ..visit(2, false) }, 1),
        (paused(1, false), 0),
    ] {
        store.announce(START, &step, &mut vec![]);
        assert_eq!(store.scrape(START, &SWARM).downloaders, Some(downloaders), "{step:?}");
    }
    assert_eq!(
        store.announce(START, &visit(4, false), &mut vec![]).downloaders,
        Some(0),
        "others than itself"
    );
    store.expire(START + store.config.expiry, u32::MAX);
    assert_eq!(store.scrape(START, &SWARM).downloaders, Some(0));
    store.announce(START + store.config.expiry, &visit(5, false), &mut vec![]);
    assert_eq!(store.scrape(START, &SWARM).downloaders, Some(1));
}

#[test]
fn families_are_told_only_of_their_own_and_counted_together() {
    let mut store = store();
    let v6 = Visit { peer: "[2001:db8::1]:1".parse().expect("an address"), ..visit(0, true) };
    announce(&mut store, START, &v6);
    announce(&mut store, START, &visit(1, false));
    assert_eq!(announce(&mut store, START, &visit(2, false)), peers([1]));
    let other = Visit { peer: "[2001:db8::2]:2".parse().expect("an address"), seeder: false, ..v6 };
    assert_eq!(announce(&mut store, START, &other), [v6.peer]);
    assert_eq!(told(&store.scrape(START, &SWARM)), (1, 3, 0));
}

#[test]
fn who_stops_is_told_of_nobody_and_forgotten() {
    let mut store = store();
    announce(&mut store, START, &visit(1, true));
    announce(&mut store, START, &visit(2, false));
    let stop = Visit { event: Event::Stopped, ..visit(2, false) };
    assert_eq!(announce(&mut store, START, &stop), []);
    assert_eq!(told(&store.announce(START, &stop, &mut vec![])), (1, 0, 0), "twice is once");
    assert_eq!(store.peers(), 1);
    let stranger = Visit { info_hash: InfoHash([1; 20]), ..stop };
    assert_eq!(told(&store.announce(START, &stranger, &mut vec![])), (0, 0, 0));
    assert_eq!(store.swarms(), 1, "a swarm is not made by leaving it");
}

#[test]
fn a_download_is_counted_when_a_leecher_becomes_a_seeder() {
    let mut store = store();
    let complete = |number| Visit { event: Event::Completed, ..visit(number, true) };
    assert_eq!(told(&store.announce(START, &complete(1), &mut vec![])), (0, 0, 0), "nobody saw it begin");
    announce(&mut store, START, &visit(2, false));
    assert_eq!(told(&store.announce(START, &complete(2), &mut vec![])), (1, 0, 1));
    assert_eq!(told(&store.announce(START, &complete(2), &mut vec![])), (1, 0, 1), "it says so again");
    announce(&mut store, START, &visit(3, false));
    announce(&mut store, START, &visit(3, true));
    assert_eq!(told(&store.scrape(START, &SWARM)), (3, 0, 1), "it never said that it completed");
}

#[test]
fn a_full_store_answers_strangers_and_keeps_whom_it_knows() {
    let mut store = Store::new(Config { max_swarms: 2, max_peers: 3, ..Config::default() }, [1; 32]);
    (1..=3).for_each(|number| drop(announce(&mut store, START, &visit(number, false))));
    assert_eq!(announce(&mut store, START, &visit(4, false)), peers([1, 2, 3]));
    assert_eq!(announce(&mut store, START, &visit(4, true)), peers([1, 2, 3]));
    assert_eq!(announce(&mut store, START, &visit(1, true)), peers([2, 3]), "whom it knows may turn");
    assert_eq!((store.peers(), told(&store.scrape(START, &SWARM))), (3, (1, 2, 0)));

    announce(&mut store, START, &Visit { event: Event::Stopped, ..visit(3, false) });
    announce(&mut store, START, &Visit { info_hash: InfoHash([1; 20]), ..visit(3, false) });
    announce(&mut store, START, &Visit { event: Event::Stopped, ..visit(2, false) });
    announce(&mut store, START, &Visit { info_hash: InfoHash([2; 20]), ..visit(4, false) });
    assert_eq!((store.swarms(), store.peers()), (2, 2), "no room for a third swarm");
}

#[test]
fn the_silent_are_named_no_more_and_then_forgotten() {
    let mut store = store();
    (1..=3).for_each(|number| drop(announce(&mut store, START, &visit(number, false))));
    let later = START + store.config.expiry;
    // The walk has a few looks; it begins with the last of the list.
    (0..300).for_each(|number| drop(announce(&mut store, START, &visit(1000 + number, true))));
    assert_eq!(announce(&mut store, later, &visit(1, false)), []);
    assert!(store.peers() > 1, "most are still there");
    assert!(store.expire(later, u32::MAX) > 0);
    assert_eq!((store.peers(), told(&store.scrape(later, &SWARM))), (1, (0, 1, 0)));
    store.expire(later + store.config.expiry, u32::MAX);
    assert_eq!((store.peers(), store.swarms()), (0, 0));
}

#[test]
fn announces_alone_get_rid_of_the_silent_within_an_interval() {
    let (mut store, mut now) = (store(), START);
    let alone = |number: u32| {
        let mut info_hash = [0; 20];
        info_hash[..4].copy_from_slice(&number.to_be_bytes());
        Visit { info_hash: InfoHash(info_hash), ..visit(number as u16, false) }
    };
    (0..2000).for_each(|number| drop(announce(&mut store, now, &alone(number))));
    now = now + store.config.expiry;
    // Half are left. As many announces as there were peers are an interval's.
    (0..2000).for_each(|number| drop(announce(&mut store, now, &alone(number % 1000))));
    assert_eq!((store.peers(), store.swarms()), (1000, 1000));
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let mut store = store();
    let later = START + store.config.expiry;
    announce(&mut store, later, &visit(1, false));
    announce(&mut store, START, &visit(2, false));
    assert_eq!(announce(&mut store, later, &visit(3, false)), peers([1, 2]));
    announce(&mut store, Instant::MAX, &visit(4, false));
    assert_eq!(announce(&mut store, Instant::MAX, &visit(5, false)), peers([4]));
}

#[test]
fn everybody_is_named_equally_often() {
    const DRAWS: u32 = 20_000;
    let mut store = store();
    (0..60).for_each(|number| drop(announce(&mut store, START, &visit(number, number % 3 == 0))));
    let mut times = BTreeMap::new();
    for _ in 0..DRAWS {
        for peer in announce(&mut store, START, &Visit { want: 10, ..visit(7, false) }) {
            *times.entry(peer).or_insert(0) += 1;
        }
    }
    let expected = DRAWS * 10 / 59;
    assert_eq!(times.len(), 59);
    // Six deviations of a number of this size.
    assert!(times.values().all(|times| expected.abs_diff(*times) < 350), "{expected}: {times:?}");
}

#[test]
fn addresses_are_written_as_others_read_them() {
    for peer in ["192.0.2.1:6881", "[2001:db8::fe]:65535", "[::]:1"] {
        let (peer, mut expected) = (peer.parse().expect("an address"), vec![]);
        compact::write(peer, &mut expected);
        let written = match peer {
            SocketAddr::V4(peer) => compact_v4(peer).to_vec(),
            SocketAddr::V6(peer) => compact_v6(peer).to_vec(),
        };
        assert_eq!(written, expected);
    }
}

/// What happens to a store.
#[derive(Clone, Debug)]
enum Step {
    Announce(Visit),
    Scrape(InfoHash),
    Expire(u32),
    Wait(Duration),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let hash = || (0..3_u8).prop_map(|number| InfoHash([number; 20]));
    let peer = (0..24_u16, any::<bool>()).prop_map(|(number, v6)| match v6 {
        false => SocketAddr::from(([192, 0, 2, 1], number + 1)),
        true => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, number], 1)),
    });
    let event = prop_oneof![6 => Just(Event::None), 1 => Just(Event::Completed), 1 => Just(Event::Paused), 2 => Just(Event::Stopped)];
    let visit = (hash(), peer, any::<bool>(), event, 0..30_usize)
        .prop_map(|(info_hash, peer, seeder, event, want)| Visit { info_hash, peer, seeder, event, want });
    let step = prop_oneof![
        20 => visit.prop_map(Step::Announce),
        1 => hash().prop_map(Step::Scrape),
        1 => (0..20_u32).prop_map(Step::Expire),
        1 => Just(Step::Expire(u32::MAX)),
        5 => (0..400_u64).prop_map(|seconds| Step::Wait(Duration::from_secs(seconds))),
    ];
    proptest::collection::vec(step, 0..300)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Seeder,
    PartialSeed,
    Downloader,
}

impl Kind {
    fn of(visit: &Visit) -> Self {
        match (visit.seeder, visit.event) {
            (true, _) => Self::Seeder,
            (false, Event::Paused) => Self::PartialSeed,
            (false, _) => Self::Downloader,
        }
    }
}

/// A tracker that keeps everybody who has not stopped, and when it was seen.
#[derive(Default)]
struct Naive {
    peers: BTreeMap<(InfoHash, SocketAddr), (Kind, Instant)>,
}

impl Naive {
    fn of(&self, wanted: InfoHash) -> impl Iterator<Item = (SocketAddr, Kind, Instant)> {
        let of_swarm = self.peers.iter().filter(move |((info_hash, _), _)| *info_hash == wanted);
        of_swarm.map(|((_, peer), (kind, seen))| (*peer, *kind, *seen))
    }

    /// Seeders, leechers, and downloaders among these, that were seen after `stale`.
    fn count(&self, info_hash: InfoHash, stale: Option<Instant>) -> [u32; 3] {
        let fresh = self.of(info_hash).filter(|(_, _, seen)| Some(*seen) > stale);
        fresh.fold([0; 3], |[seeders, leechers, downloaders], (_, kind, _)| match kind {
            Kind::Seeder => [seeders + 1, leechers, downloaders],
            Kind::PartialSeed => [seeders, leechers + 1, downloaders],
            Kind::Downloader => [seeders, leechers + 1, downloaders + 1],
        })
    }

    fn note(&mut self, now: Instant, visit: &Visit) {
        let key = (visit.info_hash, visit.peer);
        if visit.event == Event::Stopped {
            self.peers.remove(&key);
        } else {
            self.peers.insert(key, (Kind::of(visit), now));
        }
    }

    /// Whoever may be named to a visitor.
    fn others(&self, visit: &Visit, stale: Option<Instant>) -> Vec<SocketAddr> {
        let no_seeders = visit.seeder || visit.event == Event::Paused;
        self.of(visit.info_hash)
            .filter(|(peer, kind, seen)| {
                let suits = peer.is_ipv4() == visit.peer.is_ipv4() && !(no_seeders && *kind == Kind::Seeder);
                suits && *peer != visit.peer && Some(*seen) > stale
            })
            .map(|(peer, ..)| peer)
            .collect()
    }
}

proptest! {
    /// Who is silent may be counted until the walk has come by, but is not named.
    #[test]
    fn a_store_answers_as_a_naive_tracker_does(steps in steps()) {
        let config = Config { expiry: Duration::from_secs(1000), ..Config::default() };
        let (mut store, mut naive, mut now) = (Store::new(config, [5; 32]), Naive::default(), START);
        for step in steps {
            let stale = now.as_micros().checked_sub(1_000_000_000).map(Instant::from_micros);
            match step {
                Step::Wait(time) => now = now + time,
                Step::Expire(budget) => {
                    store.expire(now, budget);
                    if budget == u32::MAX {
                        naive.peers.retain(|_, (_, seen)| Some(*seen) > stale);
                        prop_assert_eq!(store.peers(), naive.peers.len());
                    }
                }
                Step::Scrape(info_hash) => between(&store.scrape(now, &info_hash), &naive, info_hash, stale)?,
                Step::Announce(visit) => {
                    naive.note(now, &visit);
                    let mut named = vec![];
                    let counts = store.announce(now, &visit, &mut named);
                    between(&with_visitor(counts, &visit), &naive, visit.info_hash, stale)?;
                    let named = sorted(&named, &visit);
                    let others = naive.others(&visit, stale);
                    prop_assert!(named.len() <= visit.want && named.windows(2).all(|pair| pair[0] != pair[1]));
                    prop_assert!(named.iter().all(|peer| others.contains(peer)), "{named:?} of {others:?}");
                    if visit.event == Event::Stopped {
                        prop_assert_eq!(named, []);
                    } else if visit.want >= naive.others(&visit, None).len() {
                        prop_assert_eq!(named, others);
                    }
                }
            }
        }
    }
}

/// The counts of all: a visitor is told of the others.
fn with_visitor(counts: Counts, visit: &Visit) -> Counts {
    let is = |kinds: &[Kind]| visit.event != Event::Stopped && kinds.contains(&Kind::of(visit));
    let more = |count: Option<u32>, kinds: &[Kind]| count.map(|count| count + u32::from(is(kinds)));
    Counts {
        seeders: more(counts.seeders, &[Kind::Seeder]),
        leechers: more(counts.leechers, &[Kind::PartialSeed, Kind::Downloader]),
        downloaders: more(counts.downloaders, &[Kind::Downloader]),
        ..counts
    }
}

/// No fewer are counted than are fresh, and no more than were ever there.
fn between(
    counts: &Counts,
    naive: &Naive,
    info_hash: InfoHash,
    stale: Option<Instant>,
) -> Result<(), TestCaseError> {
    let (seeders, leechers, _) = told(counts);
    let told = [seeders, leechers, counts.downloaders.unwrap_or(u32::MAX)];
    let (least, most) = (naive.count(info_hash, stale), naive.count(info_hash, None));
    for ((told, least), most) in told.into_iter().zip(least).zip(most) {
        prop_assert!((least..=most).contains(&told), "{counts:?}: {told} is not {least} to {most}");
    }
    Ok(())
}

pub(super) fn store() -> Store {
    Store::new(Config::default(), [3; 32])
}

pub(super) fn visit(number: u16, seeder: bool) -> Visit {
    Visit { info_hash: SWARM, peer: peer(number), seeder, event: Event::None, want: 50 }
}

fn peer(number: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], number))
}

fn peers<const N: usize>(numbers: [u16; N]) -> [SocketAddr; N] {
    numbers.map(peer)
}

/// Whom a visitor is told of, in order.
pub(super) fn announce(store: &mut Store, now: Instant, visit: &Visit) -> Vec<SocketAddr> {
    let mut named = vec![];
    store.announce(now, visit, &mut named);
    sorted(&named, visit)
}

fn sorted(named: &[u8], visit: &Visit) -> Vec<SocketAddr> {
    let each = if visit.peer.is_ipv4() { compact::V4 } else { compact::V6 };
    assert!(named.len().is_multiple_of(each));
    let mut named: Vec<_> = compact::read_all(named, each).collect();
    named.sort_unstable();
    named
}

/// Seeders, leechers, completed.
fn told(counts: &Counts) -> (u32, u32, u32) {
    let Counts { seeders: Some(seeders), leechers: Some(leechers), completed: Some(completed), .. } = *counts
    else {
        panic!("a store knows: {counts:?}");
    };
    (seeders, leechers, completed)
}
