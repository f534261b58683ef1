//! Who gives up its place when all places of a torrent are taken (BEP 40).
//!
//! Both ends of a connection compute the same priority for it, and for each host another order comes out.
//! If all prefer the connections of high priority, newcomers find places in a swarm of full hosts, and who is
//! connected with whom stays well mixed.
//!
//! But a priority is drawn, not earned, and who has many addresses draws often: the host part of IPv6
//! addresses leaves room to find one of any priority. So a newcomer of higher priority gets
//! - no place of a peer that is of use, as [`Swarm::is_of_use`] has it;
//! - no place of a peer that has just come: it had no time to be of use ([`SETTLING`]);
//! - no more than one place of a torrent in [`PAUSE`], however many dial in.
//!
//! A flood of addresses then takes nothing from the transfer, and of idle peers six a minute. As long as we do
//! not know our own address there are no priorities, and a full torrent refuses newcomers.
//!
//! The newcomer comes in before the other leaves: a handshake that is broken off displaces nobody, and there
//! is never a place that a dial could take.

use super::{Action, PeerEnd, address::OwnAddress, machine::Engine, streams::Stage};
use crate::{
    Instant, Outbox,
    id::{PeerKey, StreamId, TorrentId},
    slab::Key,
    swarm::{self, Joined, Swarm},
};
use alloc::collections::BTreeSet;
use core::{net::SocketAddr, time::Duration};

/// For how long a peer that has come in keeps its place: by then most have been unchoked, or have unchoked us.
const SETTLING: Duration = Duration::from_secs(60);

/// How long it takes at least from one displacement to the next in a torrent: a hundred places last a
/// quarter of an hour.
const PAUSE: Duration = Duration::from_secs(10);

/// Of so many peers of the lowest priority one may be displaced. If all of them are to stay, most of the
/// others are as well, and the search has an end.
const LOOKED_AT: usize = 16;

/// Connected peers, for each torrent the one of lowest priority first. Those for which there is no priority
/// are not among them.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    own: OwnAddress,
    order: BTreeSet<(TorrentId, u32, StreamId)>,
}

/// A place for a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Free,
    /// That of somebody else.
    Of(PeerKey),
}

impl Ranking {
    pub(super) const fn new(own: OwnAddress) -> Self {
        Self { own, order: BTreeSet::new() }
    }

    pub(super) fn is_for(&self, own: OwnAddress) -> bool {
        self.own.agrees(&own)
    }

    pub(super) fn insert(&mut self, torrent: TorrentId, remote: SocketAddr, stream: StreamId) {
        self.order.extend(self.priority(remote).map(|priority| (torrent, priority, stream)));
    }

    pub(super) fn remove(&mut self, torrent: TorrentId, remote: SocketAddr, stream: StreamId) {
        if let Some(priority) = self.priority(remote) {
            self.order.remove(&(torrent, priority, stream));
        }
    }

    fn priority(&self, remote: SocketAddr) -> Option<u32> {
        // Peers at our own address differ by their ports alone, and who dials does so from any.
        let is_here = self.own.towards(remote, 0).is_some_and(|own| own.ip() == remote.ip());
        self.own.priority(remote).filter(|_| !is_here)
    }

    /// Those of lower priority.
    fn below(&self, torrent: TorrentId, priority: u32) -> impl Iterator<Item = StreamId> {
        let first = StreamId::new(0, 0);
        self.order.range((torrent, 0, first)..(torrent, priority, first)).map(|(.., stream)| *stream)
    }
}

impl Engine {
    /// The place that a stream may have in a swarm. A dial that was begun is always carried through.
    pub(super) fn place_for(&mut self, now: Instant, id: TorrentId, stream: StreamId) -> Option<Place> {
        let newcomer = self.streams.slab.get(stream)?;
        let torrent = self.torrents.get(id)?;
        let (limits, ip) = (&self.config.limits, newcomer.remote.ip());
        let crowds = self.streams.neighbours(id, ip) >= limits.connections_per_address;
        if crowds && !newcomer.outgoing && !ip.is_loopback() {
            return None;
        }
        if newcomer.outgoing || torrent.swarm.peers() < limits.connections_per_torrent {
            return Some(Place::Free);
        }
        if now < torrent.next_displacement {
            return None;
        }
        let remote = newcomer.remote;
        self.streams.rank(self.own_address);
        let ranking = &self.streams.ranking;
        let mut lowest = ranking.below(id, ranking.priority(remote)?).take(LOOKED_AT);
        lowest.find_map(|stream| self.gives_way(now, &torrent.swarm, stream)).map(Place::Of)
    }

    /// The peer on a stream, if it may be displaced.
    fn gives_way(&self, now: Instant, swarm: &Swarm, id: StreamId) -> Option<PeerKey> {
        let stream = self.streams.slab.get(id)?;
        let Stage::Joined { peer, .. } = stream.stage else { return None };
        let stays = now - stream.joined < SETTLING || swarm.is_of_use(now, peer);
        (!stays).then_some(peer)
    }

    /// Hands a newcomer over to its swarm. If it is let in, whoever had its place leaves.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        id: TorrentId,
        newcomer: Joined,
        place: Place,
        out: &mut Outbox<Action>,
    ) {
        let Some(before) = self.torrents.get(id).map(|torrent| torrent.swarm.peers()) else { return };
        self.tell_swarm(now, id, swarm::Input::Joined(newcomer), out);
        let Some(torrent) = self.torrents.get_mut(id) else { return };
        if let Place::Of(peer) = place
            && torrent.swarm.peers() > before
        {
            torrent.next_displacement = now + PAUSE;
            self.tell_swarm(now, id, swarm::Input::Left { peer, why: PeerEnd::Displaced }, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::streams::{Stream, Streams};
    use alloc::vec::Vec;

    fn join(streams: &mut Streams, torrent: TorrentId, remote: &str) -> StreamId {
        let remote = remote.parse().expect("an address");
        let id = streams.insert(Stream::accepted(remote, Instant::ZERO, Stage::Joining { torrent }));
        streams.advance(id, Stage::Joined { torrent, peer: PeerKey::new(0, 0) });
        id
    }

    fn ranked(streams: &mut Streams, torrent: TorrentId, own: &[&str]) -> Vec<StreamId> {
        let mut address = OwnAddress::default();
        for own in own {
            address.vote(own.parse().expect("an address"));
        }
        streams.rank(address);
        streams.ranking.below(torrent, u32::MAX).collect()
    }

    #[test]
    fn where_we_are_decides_the_order_and_who_is_in_it() {
        let (mut streams, torrent) = (Streams::default(), TorrentId::new(0, 0));
        // Seen from 123.213.32.10, their priorities are those of the vectors: 0xec2d7224 and 0x99568189.
        let high = join(&mut streams, torrent, "98.76.54.32:1");
        let low = join(&mut streams, torrent, "123.213.32.234:1");
        let ours = join(&mut streams, torrent, "123.213.32.10:1");
        let v6 = join(&mut streams, torrent, "[2001:db8::1]:1");
        join(&mut streams, TorrentId::new(1, 0), "192.0.2.1:1");
        assert_eq!(ranked(&mut streams, torrent, &[]), []);
        assert_eq!(ranked(&mut streams, torrent, &["123.213.32.10"]), [low, high]);
        assert_eq!(ranked(&mut streams, torrent, &["2001:db8::2"]), [v6]);
        assert!(!ranked(&mut streams, torrent, &["98.76.54.32"]).contains(&high));
        let all = ranked(&mut streams, torrent, &["203.0.113.1", "2001:db8::2"]);
        assert_eq!(all.len(), 4);
        [high, low, ours, v6].into_iter().for_each(|stream| drop(streams.remove(stream)));
        assert_eq!(streams.ranking.order.len(), 1, "of the other torrent");
    }
}
