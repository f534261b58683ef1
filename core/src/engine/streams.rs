//! Streams, from the first byte to the last.

use super::{Limits, address::OwnAddress, places::Ranking};
use crate::{
    id::{PeerKey, StreamId, TorrentId},
    mse,
    slab::Slab,
    swarm::Encryption,
    time::Instant,
    wire::Handshake,
};
use alloc::{boxed::Box, collections::BTreeMap};
use core::{
    mem,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

/// A stream that the driver knows.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) remote: SocketAddr,
    pub(super) outgoing: bool,
    /// Whether the driver said that it is over.
    pub(super) closed: bool,
    /// When its handshakes must be done.
    pub(super) give_up: Instant,
    /// When they were; before that, zero.
    pub(super) joined: Instant,
    /// How it was dialled.
    pub(super) attempt: Option<mse::Attempt>,
    /// What becomes of the bytes behind the handshake of MSE, if there was one.
    pub(super) ciphers: Option<mse::Ciphers>,
    pub(super) stage: Stage,
}

impl Stream {
    pub(super) fn dialled(
        torrent: TorrentId,
        remote: SocketAddr,
        attempt: mse::Attempt,
        give_up: Instant,
    ) -> Self {
        let stage = Stage::Dialling { torrent };
        Self { outgoing: true, attempt: Some(attempt), ..Self::accepted(remote, give_up, stage) }
    }

    pub(super) const fn accepted(remote: SocketAddr, give_up: Instant, stage: Stage) -> Self {
        Self {
            remote,
            outgoing: false,
            closed: false,
            give_up,
            joined: Instant::ZERO,
            attempt: None,
            ciphers: None,
            stage,
        }
    }

    pub(super) const fn encryption(&self) -> Encryption {
        match &self.ciphers {
            None => Encryption::None,
            Some(ciphers) if ciphers.is_encrypted() => Encryption::Rc4,
            Some(_) => Encryption::Header,
        }
    }
}

/// How far a stream is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Not connected yet.
    Dialling { torrent: TorrentId },
    /// The handshake of MSE; which torrent, and what comes behind, if we dialled.
    Securing { handshake: Box<mse::Handshake>, torrent: Option<TorrentId>, next: Option<Box<Handshake>> },
    /// The first bytes; which torrent, if we dialled or the peer has said so.
    Handshaking { handshake: Box<Handshake>, torrent: Option<TorrentId> },
    /// Part of a swarm.
    Joined { torrent: TorrentId, peer: PeerKey },
    /// Given to a swarm, which has not answered yet.
    Joining { torrent: TorrentId },
}

impl Stage {
    pub(super) const fn torrent(&self) -> Option<TorrentId> {
        match self {
            Self::Dialling { torrent } | Self::Joined { torrent, .. } | Self::Joining { torrent } => {
                Some(*torrent)
            }
            Self::Securing { torrent, .. } | Self::Handshaking { torrent, .. } => *torrent,
        }
    }
}

/// All streams, with counts of those that are not worth much yet.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) slab: Slab<StreamId, Stream>,
    /// Dials under way.
    pub(super) dials: usize,
    /// Accepted streams in their handshake, in all and by address.
    pub(super) inbound: usize,
    inbound_by_address: BTreeMap<IpAddr, usize>,
    /// Accepted streams that are part of a swarm, by where they come from.
    neighbours: BTreeMap<(TorrentId, IpAddr), usize>,
    /// Those that are part of a swarm.
    pub(super) ranking: Ranking,
}

impl Streams {
    pub(super) fn have_room_to_dial(&self, limits: &Limits) -> bool {
        self.dials < limits.dials && self.slab.len() < limits.connections
    }

    pub(super) fn inbound_from(&self, address: IpAddr) -> usize {
        self.inbound_by_address.get(&address).copied().unwrap_or(0)
    }

    /// How many peers of a torrent dialled us from where this address is.
    pub(super) fn neighbours(&self, torrent: TorrentId, address: IpAddr) -> usize {
        self.neighbours.get(&(torrent, site(address))).copied().unwrap_or(0)
    }

    pub(super) fn insert(&mut self, stream: Stream) -> StreamId {
        self.count(&stream.stage, stream.outgoing, stream.remote, true);
        self.slab.insert(stream)
    }

    pub(super) fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.slab.remove(id)?;
        self.count(&stream.stage, stream.outgoing, stream.remote, false);
        if let Stage::Joined { torrent, .. } = stream.stage {
            self.ranking.remove(torrent, stream.remote, id);
        }
        Some(stream)
    }

    /// Moves a stream to its next stage; returns the one before.
    pub(super) fn advance(&mut self, id: StreamId, next: Stage) -> Option<Stage> {
        let stream = self.slab.get(id)?;
        let (outgoing, remote) = (stream.outgoing, stream.remote);
        self.count(&next, outgoing, remote, true);
        if let Stage::Joined { torrent, .. } = next {
            self.ranking.insert(torrent, remote, id);
        }
        let before = mem::replace(&mut self.slab.get_mut(id)?.stage, next);
        self.count(&before, outgoing, remote, false);
        Some(before)
    }

    /// Ranks those that are part of a swarm for where we are. All of them only if that is news.
    pub(super) fn rank(&mut self, own: OwnAddress) {
        if self.ranking.is_for(own) {
            return;
        }
        self.ranking = Ranking::new(own);
        for (id, stream) in self.slab.iter() {
            if let Stage::Joined { torrent, .. } = stream.stage {
                self.ranking.insert(torrent, stream.remote, id);
            }
        }
    }

    /// Counts a stream in or out, if its stage is one that is counted.
    fn count(&mut self, stage: &Stage, outgoing: bool, remote: SocketAddr, enters: bool) {
        let step = |count: &mut usize| *count = if enters { *count + 1 } else { *count - 1 };
        match stage {
            Stage::Joining { .. } | Stage::Joined { .. } if outgoing => {}
            Stage::Joining { torrent } | Stage::Joined { torrent, .. } => {
                let key = (*torrent, site(remote.ip()));
                let count = self.neighbours.entry(key).or_default();
                step(count);
                if *count == 0 {
                    self.neighbours.remove(&key);
                }
            }
            Stage::Dialling { .. } | Stage::Securing { .. } | Stage::Handshaking { .. } if outgoing => {
                step(&mut self.dials);
            }
            Stage::Dialling { .. } | Stage::Securing { .. } | Stage::Handshaking { .. } => {
                step(&mut self.inbound);
                let count = self.inbound_by_address.entry(remote.ip()).or_default();
                step(count);
                if *count == 0 {
                    self.inbound_by_address.remove(&remote.ip());
                }
            }
        }
    }
}

/// What one host is likely to have to itself: an address of IPv4, a /64 of IPv6.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}
