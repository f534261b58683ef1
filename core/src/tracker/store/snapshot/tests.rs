//! What survives a restart, and what is refused.

use super::{
    super::{
        super::Event,
        Config, Swarms, Visit,
        tests::{announce, store, visit},
    },
    *,
};
use alloc::vec;
use proptest::prelude::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Peers of both families and kinds, two a second; a swarm of several groups.
fn populated() -> (Store, Instant) {
    let (mut store, mut now) = (store(), Instant::ZERO + MINUTE);
    for number in 0..3000_u16 {
        now = now + Duration::from_millis(500);
        announce(&mut store, now, &visit(number, number % 7 == 0));
        let peer = ([0x2001, 0xdb8, 0, 0, 0, 0, 0, number], 1).into();
        let info_hash = InfoHash([number as u8; 20]);
        let event = if number % 5 == 0 { Event::Paused } else { Event::None };
        announce(&mut store, now, &Visit { peer, info_hash, event, ..visit(0, number % 3 == 0) });
    }
    announce(&mut store, now, &Visit { event: Event::Completed, ..visit(1, true) });
    (store, now)
}

fn save(store: &Store, now: Instant) -> Vec<u8> {
    let mut bytes = vec![];
    let mut writer = Writer::new(&mut bytes);
    while writer.portion(now, store, &mut bytes) {}
    writer.finish(&mut bytes);
    bytes
}

fn load(bytes: &[u8], now: Instant, elapsed: Duration) -> Store {
    let mut store = Store::new(Config::default(), [77; 32]);
    read(bytes).expect("whole").iter().for_each(|group| store.restore(now, group, elapsed));
    store
}

/// A peer: in which swarm, how many completed there, in which list, its address, whether it is a partial seed, when
/// it was seen.
type Known = (InfoHash, u32, u8, Vec<u8>, bool, Seconds);

fn everybody(store: &Store) -> Vec<Known> {
    fn list<const N: usize>(swarm: &Row<20, Swarm>, list: List, table: &Table<N, Peer>) -> Vec<Known> {
        let rows = (0..table.len()).filter_map(|place| table.row(place));
        let known = |row: &Row<N, Peer>| {
            let Peer { seen, is_partial_seed } = row.value;
            let (info_hash, completed) = (InfoHash(swarm.key), swarm.value.completed);
            (info_hash, completed, list as u8, row.key.to_vec(), is_partial_seed, seen)
        };
        rows.map(known).collect()
    }
    let mut all = vec![];
    for swarm in (0..store.swarms.len()).filter_map(|place| store.swarms.row(place)) {
        let Swarm { v4, v6, .. } = &swarm.value;
        all.extend(list(swarm, List::LeechersV4, &v4.leechers));
        all.extend(list(swarm, List::SeedersV4, &v4.seeders));
        all.extend(list(swarm, List::LeechersV6, &v6.leechers));
        all.extend(list(swarm, List::SeedersV6, &v6.seeders));
    }
    all.sort_unstable();
    all
}

#[test]
fn what_is_written_is_read_with_its_ages() {
    let (store, now) = populated();
    let bytes = save(&store, now);
    let again = load(&bytes, now, Duration::ZERO);
    assert_eq!(everybody(&again), everybody(&store));
    assert_eq!((again.peers(), again.swarms()), (store.peers(), store.swarms()));
    let counts = |mut store: Store| {
        let swarm = store.scrape(now, &InfoHash([5; 20]));
        (swarm.leechers, swarm.downloaders)
    };
    assert_eq!(counts(again), counts(store.clone()));
    assert!(counts(store.clone()).1 < counts(store.clone()).0, "there are partial seeds");
    // A clock that begins anew, and a while without a tracker.
    let fresh = load(&bytes, Instant::ZERO, 30 * MINUTE);
    let stale = store.stale(store.seconds_at(now + 30 * MINUTE));
    let left = everybody(&store).iter().filter(|(.., seen)| *seen > stale).count();
    assert_eq!(fresh.peers(), left);
    assert!(left > 0 && left < store.peers(), "{left}");
}

#[test]
fn who_stays_between_portions_is_written_whoever_comes_and_goes() {
    let (mut store, now) = populated();
    let (mut bytes, mut number) = (vec![], 0);
    let mut writer = Writer::new(&mut bytes);
    while writer.portion(now, &store, &mut bytes) {
        for _ in 0..100 {
            announce(&mut store, now, &Visit { event: Event::Stopped, ..visit(2 * number, false) });
            announce(&mut store, now, &visit(10_000 + number, false));
            number += 1;
        }
    }
    writer.finish(&mut bytes);
    let again = load(&bytes, now, Duration::ZERO);
    assert!(number > 0, "there were several portions");
    let again: Vec<_> = everybody(&again).into_iter().map(|(.., peer, _, _)| peer).collect();
    for stayed in (0..3000_u16).filter(|number| number % 2 == 1) {
        let [high, low] = stayed.to_be_bytes();
        assert!(again.iter().any(|peer| *peer == [192, 0, 2, 1, high, low]), "{stayed} is missing");
    }
}

#[test]
fn groups_go_to_any_number_of_stores_and_twice_is_once() {
    let (store, now) = populated();
    let bytes = save(&store, now);
    let groups = read(&bytes).expect("whole");
    let mut parts = [super::super::tests::store(), super::super::tests::store()];
    for group in groups.iter().chain(&groups) {
        parts[usize::from(group.info_hash.0[0] % 2)].restore(now, group, Duration::ZERO);
    }
    assert_eq!(parts[0].peers() + parts[1].peers(), store.peers());
    let mut small = Store::new(Config { max_peers: 10, ..Config::default() }, [1; 32]);
    groups.iter().for_each(|group| small.restore(now, group, Duration::ZERO));
    assert_eq!(small.peers(), 10);
}

#[test]
fn what_is_damaged_is_not_read() {
    let (store, now) = populated();
    let whole = save(&store, now);
    for length in (16..whole.len()).step_by(997).chain([36, whole.len() - 1]) {
        assert_eq!(read(&whole[..length]).err(), Some(SnapshotError::Damaged), "{length}");
    }
    for at in (16..whole.len()).step_by(997) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        assert_eq!(read(&bytes).err(), Some(SnapshotError::Damaged), "{at}");
    }
    for foreign in [
        &b""[..],
        b"convoy swarms 2
",
        &[0; 64],
        &whole[1..],
        &whole[..15],
    ] {
        assert_eq!(read(foreign).err(), Some(SnapshotError::Foreign));
    }
}

proptest! {
    /// Bytes that have a good sum are read as groups, or refused, and groups of any bytes are taken in.
    #[test]
    fn no_bytes_do_harm(body in proptest::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..400)) {
        let mut bytes = [&MAGIC[..], &body].concat();
        bytes.extend_from_slice(&Sha1::digest(&bytes));
        if let Ok(groups) = read(&bytes) {
            let mut store = store();
            groups.iter().for_each(|group| store.restore(Instant::ZERO, group, Duration::ZERO));
            prop_assert!(store.peers() <= body.len() / 10);
        }
    }
}
