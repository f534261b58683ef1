//! The peers of one swarm.

use super::{super::Counts, Visit, lottery::Lottery, table::Table};
use alloc::vec::Vec;
use core::{
    mem,
    net::{SocketAddrV4, SocketAddrV6},
};
use siphasher::sip::SipHasher13;

/// Who shares one torrent. The families are apart: who speaks one cannot reach the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Swarm {
    pub(super) v4: Peers<6>,
    pub(super) v6: Peers<18>,
    /// How many became seeders here.
    pub(super) completed: u32,
    /// How many of the leechers want nothing more (BEP 21).
    pub(super) partial_seeds: u32,
}

impl Swarm {
    /// How many are in it, of both families.
    pub(super) fn counts(&self) -> Counts {
        let seeders = self.v4.seeders.len() + self.v6.seeders.len();
        let leechers = self.v4.leechers.len() + self.v6.leechers.len();
        let downloaders = leechers.saturating_sub(self.partial_seeds);
        Counts {
            seeders: Some(seeders),
            leechers: Some(leechers),
            downloaders: Some(downloaders),
            completed: Some(self.completed),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

/// Those of one address family, by their addresses in compact form.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers<const N: usize> {
    pub(super) leechers: Table<N, Peer>,
    pub(super) seeders: Table<N, Peer>,
}

/// What is known of a peer besides its address. Packed: the flag takes of a row what would lie idle.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed)]
pub(super) struct Peer {
    pub(super) seen: Seconds,
    pub(super) is_partial_seed: bool,
}

/// A time by the store's clock.
pub(super) type Seconds = u32;

/// What a visit changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// No more than when it was last seen.
    Seen,
    /// It was not there.
    Joined,
    /// It was of the other kind: a leecher that has all now, or a seeder that lacks something again.
    Turned,
    /// It would have joined, but there is no room.
    Refused,
}

/// What a visit finds besides those of its address family.
pub(super) struct Moment<'a> {
    pub(super) now: Seconds,
    /// Who was not seen after this time has gone.
    pub(super) stale: Seconds,
    /// There is room for one more peer.
    pub(super) room: bool,
    pub(super) hasher: &'a SipHasher13,
    pub(super) lottery: &'a mut Lottery,
    /// How many there are in the swarm.
    pub(super) partial_seeds: &'a mut u32,
}

impl<const N: usize> Peers<N> {
    /// Notes a peer, and writes others behind what is in `peers`.
    pub(super) fn announce(
        &mut self,
        mut moment: Moment<'_>,
        peer: &[u8; N],
        visit: &Visit,
        peers: &mut Vec<u8>,
    ) -> Change {
        let (place, change) = self.note(&mut moment, peer, visit);
        let (leechers, seeders) = (self.leechers.len(), self.seeders.len());
        // BEP 21: seeders are of no use to one that wants nothing more.
        let seeders = if visit.seeder || visit.is_partial_seed() { 0 } else { seeders };
        // The visitor is left out, if it is among those that may be named.
        let own = place.filter(|_| !visit.seeder).unwrap_or(u32::MAX);
        let others = leechers + seeders - u32::from(own != u32::MAX);
        let want = u32::try_from(visit.want).unwrap_or(u32::MAX);
        for place in moment.lottery.draw(others, want) {
            let place = place + u32::from(place >= own);
            let row = match place.checked_sub(leechers) {
                None => self.leechers.row(place),
                Some(place) => self.seeders.row(place),
            };
            // One that has gone leaves a gap: to draw another for it would favour some over others.
            if let Some(row) = row.filter(|row| row.value.seen > moment.stale) {
                peers.extend_from_slice(&row.key);
            }
        }
        change
    }

    /// Notes a peer as what it is now; its place among those of its kind.
    fn note(&mut self, moment: &mut Moment<'_>, peer: &[u8; N], visit: &Visit) -> (Option<u32>, Change) {
        let Moment { now, room, hasher, .. } = *moment;
        let as_it_is = Peer { seen: now, is_partial_seed: visit.is_partial_seed() };
        let mut count = |was: bool| {
            *moment.partial_seeds += u32::from(as_it_is.is_partial_seed);
            *moment.partial_seeds -= u32::from(was);
        };
        let (own, other) = match visit.seeder {
            true => (&mut self.seeders, &mut self.leechers),
            false => (&mut self.leechers, &mut self.seeders),
        };
        let hash = hasher.hash(peer);
        let place = own.find(hash, peer);
        if let Some(known) = place.and_then(|place| own.value_mut(place)) {
            count(mem::replace(known, as_it_is).is_partial_seed);
            return (place, Change::Seen);
        }
        let turned = other.find(hash, peer).and_then(|place| other.remove(hasher, place));
        let change = match turned {
            Some(_) => Change::Turned,
            None if room => Change::Joined,
            None => return (None, Change::Refused),
        };
        count(turned.is_some_and(|peer| peer.is_partial_seed));
        (Some(own.insert(hasher, hash, *peer, as_it_is)), change)
    }

    /// Forgets a peer; what was known of it, if it was there.
    pub(super) fn forget(&mut self, hasher: &SipHasher13, peer: &[u8; N]) -> Option<Peer> {
        let hash = hasher.hash(peer);
        [&mut self.leechers, &mut self.seeders]
            .into_iter()
            .find_map(|table| table.find(hash, peer).and_then(|place| table.remove(hasher, place)))
    }

    const fn is_empty(&self) -> bool {
        self.leechers.is_empty() && self.seeders.is_empty()
    }
}

/// The address in compact form.
pub(super) fn compact_v4(peer: SocketAddrV4) -> [u8; 6] {
    let ([a, b, c, d], [high, low]) = (peer.ip().octets(), peer.port().to_be_bytes());
    [a, b, c, d, high, low]
}

/// The address in compact form.
pub(super) fn compact_v6(peer: SocketAddrV6) -> [u8; 18] {
    let (ip, port) = (u128::from(*peer.ip()).to_be_bytes(), peer.port().to_be_bytes());
    let mut bytes = ip.iter().chain(&port).copied();
    core::array::from_fn(|_| bytes.next().unwrap_or_default())
}
