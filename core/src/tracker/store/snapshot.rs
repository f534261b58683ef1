//! Swarms as bytes, so that they survive a restart.
//!
//! ```text
//!   "convoy swarms 1\n"
//!   any number of groups:
//!     info_hash[20]  completed u32  list u8  rows u16  rows × ( address[6 or 18]  age u32 )
//!   SHA-1[20] of all before
//! ```
//!
//! Big-endian. Times are ages in seconds, as the clock of the next run begins anew; the highest bit of an age is
//! set for a partial seed. A list is 0 for the leechers over IPv4, 1 for the seeders, 2 and 3 for those over IPv6; one that is
//! long is in several groups.

#[cfg(test)]
mod tests;

use super::{
    Store,
    expiry::{List, Walk},
    seconds,
    swarm::{Peer, Peers, Seconds, Swarm},
    table::{Row, Table},
};
use crate::{compact, id::InfoHash, time::Instant};
use alloc::vec::Vec;
use core::time::Duration;
use sha1::{Digest, Sha1};
use siphasher::sip::SipHasher13;
use thiserror::Error;

const MAGIC: &[u8; 16] = b"convoy swarms 1\n";

/// When [`Writer::portion`] has enough: a quarter of a millisecond's work.
const PORTION_BYTES: usize = 64 * 1024;

/// The most rows of a group.
const GROUP_ROWS: u32 = 1024;

/// Bytes of a group without its rows.
const GROUP_HEAD: usize = 27;

/// Bytes of an age.
const AGE: usize = 4;

/// Stands in the age of a partial seed.
const PARTIAL_SEED: u32 = 1 << 31;

/// Why bytes are no swarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// They are something else, or of another version.
    #[error("not a file of swarms that this version reads")]
    Foreign,
    /// Some are missing or changed.
    #[error("the file of swarms is damaged")]
    Damaged,
}

/// Writes the swarms of stores, one store after the other, each in portions: announces may come between.
///
/// ```
/// use convoy_core::{Instant, tracker::store::{Config, Store, snapshot}};
/// use core::time::Duration;
///
/// let store = Store::new(Config::default(), [7; 32]);
/// let mut bytes = Vec::new();
/// let mut writer = snapshot::Writer::new(&mut bytes);
/// while writer.portion(Instant::ZERO, &store, &mut bytes) {}
/// writer.finish(&mut bytes);
///
/// let mut store = Store::new(Config::default(), [8; 32]);
/// for group in snapshot::read(&bytes)? {
///     store.restore(Instant::ZERO, &group, Duration::ZERO);
/// }
/// # Ok::<(), snapshot::SnapshotError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Writer {
    digest: Sha1,
    /// Where it is in the store that it is in.
    walk: Option<Walk>,
}

impl Writer {
    /// One that has written what stands at the begin behind what is in `out`.
    #[must_use]
    pub fn new(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(MAGIC);
        Self { digest: Sha1::new_with_prefix(MAGIC), walk: None }
    }

    /// Writes some 64 KiB of a store's swarms behind what is in `out`; whether there are more. If not, the next
    /// portion may be another store's.
    ///
    /// Whoever is in the store from the first portion to the last is written; who joins meanwhile may be.
    pub fn portion(&mut self, now: Instant, store: &Store, out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        let mut walk = self.walk.take().unwrap_or(Walk::through(store.swarms.len()));
        let now = store.seconds_at(now);
        while let Some(swarm) = store.swarms.row(walk.swarm) {
            if out.len() - begin >= PORTION_BYTES {
                self.walk = Some(walk);
                break;
            }
            write_group(swarm, &mut walk, now, out);
            if walk.rows == 0 && !walk.next_list() {
                walk.next_swarm();
            }
        }
        self.digest.update(out.get(begin..).unwrap_or_default());
        self.walk.is_some()
    }

    /// Writes what stands at the end.
    pub fn finish(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.digest.finalize());
    }
}

/// The next rows of the list where `walk` is, if there are any.
fn write_group(swarm: &Row<20, Swarm>, walk: &mut Walk, now: Seconds, out: &mut Vec<u8>) {
    let Swarm { v4, v6, completed, .. } = &swarm.value;
    let head = (&swarm.key, *completed, walk.list);
    match walk.list {
        List::LeechersV4 => write_rows(&v4.leechers, head, &mut walk.rows, now, out),
        List::SeedersV4 => write_rows(&v4.seeders, head, &mut walk.rows, now, out),
        List::LeechersV6 => write_rows(&v6.leechers, head, &mut walk.rows, now, out),
        List::SeedersV6 => write_rows(&v6.seeders, head, &mut walk.rows, now, out),
    }
}

fn write_rows<const N: usize>(
    table: &Table<N, Peer>,
    (info_hash, completed, list): (&[u8; 20], u32, List),
    ahead: &mut u32,
    now: Seconds,
    out: &mut Vec<u8>,
) {
    let end = table.len().min(*ahead);
    *ahead = end.saturating_sub(GROUP_ROWS);
    if end == 0 {
        return;
    }
    out.extend_from_slice(info_hash);
    out.extend_from_slice(&completed.to_be_bytes());
    out.push(list as u8);
    out.extend_from_slice(&((end - *ahead) as u16).to_be_bytes());
    for row in (*ahead..end).filter_map(|place| table.row(place)) {
        out.extend_from_slice(&row.key);
        let Peer { seen, is_partial_seed } = row.value;
        let age = now.saturating_sub(seen).min(!PARTIAL_SEED);
        let age = if is_partial_seed { age | PARTIAL_SEED } else { age };
        out.extend_from_slice(&age.to_be_bytes());
    }
}

/// Some peers of one swarm.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// Which swarm.
    pub info_hash: InfoHash,
    completed: u32,
    list: List,
    rows: &'a [u8],
}

/// Reads what a [`Writer`] wrote: all of it, or nothing.
///
/// # Errors
///
/// For bytes that no writer of this version wrote.
pub fn read(bytes: &[u8]) -> Result<Vec<Group<'_>>, SnapshotError> {
    if !bytes.starts_with(MAGIC) {
        return Err(SnapshotError::Foreign);
    }
    let (body, digest) = bytes.split_last_chunk::<20>().ok_or(SnapshotError::Damaged)?;
    if Sha1::digest(body).as_slice() != digest {
        return Err(SnapshotError::Damaged);
    }
    let mut rest = body.strip_prefix(MAGIC).ok_or(SnapshotError::Damaged)?;
    let mut groups = Vec::new();
    while !rest.is_empty() {
        groups.push(read_group(&mut rest).ok_or(SnapshotError::Damaged)?);
    }
    Ok(groups)
}

fn read_group<'a>(rest: &mut &'a [u8]) -> Option<Group<'a>> {
    let head = rest.split_off(..GROUP_HEAD)?;
    let (info_hash, head) = head.split_first_chunk::<20>()?;
    let (completed, head) = head.split_first_chunk::<4>()?;
    let (list, count) = head.split_first()?;
    let (list, address) = match list {
        0 => (List::LeechersV4, compact::V4),
        1 => (List::SeedersV4, compact::V4),
        2 => (List::LeechersV6, compact::V6),
        3 => (List::SeedersV6, compact::V6),
        _ => return None,
    };
    let count = usize::from(u16::from_be_bytes(*count.first_chunk()?));
    let rows = rest.split_off(..count * (address + AGE))?;
    let completed = u32::from_be_bytes(*completed);
    Some(Group { info_hash: InfoHash(*info_hash), completed, list, rows })
}

impl Store {
    /// Takes in the peers of a group, with the age that they had, and `elapsed` besides: how long ago they were
    /// written. Not those who are too old by now, who are there already, or for whom there is no room.
    pub fn restore(&mut self, now: Instant, group: &Group<'_>, elapsed: Duration) {
        let now = self.seconds(now);
        let stale = self.stale(now);
        let room = self.config.max_peers.saturating_sub(self.peers());
        let Some(place) = self.find_or_add(&group.info_hash, room > 0) else { return };
        let Some(swarm) = self.swarms.value_mut(place) else { return };
        swarm.completed = swarm.completed.max(group.completed);
        let (hasher, written) = (&self.hasher, now.saturating_sub(seconds(elapsed)));
        let (joined, partial_seeds) = match group.list {
            List::LeechersV4 => swarm.v4.restore(hasher, false, group.fresh(written, stale).take(room)),
            List::SeedersV4 => swarm.v4.restore(hasher, true, group.fresh(written, stale).take(room)),
            List::LeechersV6 => swarm.v6.restore(hasher, false, group.fresh(written, stale).take(room)),
            List::SeedersV6 => swarm.v6.restore(hasher, true, group.fresh(written, stale).take(room)),
        };
        self.peers += joined;
        swarm.partial_seeds += partial_seeds;
    }
}

impl Group<'_> {
    /// Its peers that were seen after `stale`, by a clock that stood at `written` when it was written.
    fn fresh<const N: usize>(
        &self,
        written: Seconds,
        stale: Seconds,
    ) -> impl Iterator<Item = (&[u8; N], Peer)> {
        let leechers = matches!(self.list, List::LeechersV4 | List::LeechersV6);
        self.rows.chunks_exact(N + AGE).filter_map(move |row| {
            let (peer, age) = row.split_first_chunk()?;
            let age = u32::from_be_bytes(*age.first_chunk()?);
            let seen = written.saturating_sub(age & !PARTIAL_SEED);
            let is_partial_seed = leechers && age & PARTIAL_SEED != 0;
            (seen > stale).then_some((peer, Peer { seen, is_partial_seed }))
        })
    }
}

impl<const N: usize> Peers<N> {
    /// Takes in those who are not there; how many, and how many partial seeds among them.
    fn restore<'a>(
        &mut self,
        hasher: &SipHasher13,
        seeders: bool,
        peers: impl Iterator<Item = (&'a [u8; N], Peer)>,
    ) -> (u32, u32) {
        let (mut joined, mut partial_seeds) = (0, 0);
        for (address, peer) in peers {
            let hash = hasher.hash(address);
            if self.leechers.find(hash, address).or_else(|| self.seeders.find(hash, address)).is_none() {
                let own = if seeders { &mut self.seeders } else { &mut self.leechers };
                own.insert(hasher, hash, *address, peer);
                joined += 1;
                partial_seeds += u32::from(peer.is_partial_seed);
            }
        }
        (joined, partial_seeds)
    }
}
