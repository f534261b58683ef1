//! The network: hosts, links, streams, datagrams, NATs, partitions.
//!
//! A passive structure with its own heap of what is to come: the world tells it what hosts do, and asks
//! when it is next due. A byte goes through a sender's uplink, over the distance, and through a receiver's
//! downlink:
//!
//! ```text
//!   send ─▶ [ queue of a stream ]─┐                                ┌─▶ Received
//!   send ─▶ [ queue of a stream ]─┴▶ uplink ─▶ delay, jitter, ─▶ downlink ─┴─▶ Received
//!                                 └▶ Sent       loss, cuts
//! ```
//!
//! Streams behave as TCP does where a machine can tell: ordered, whole, held back by a window that grows
//! and shrinks, half-open when a host dies. What is lost of them comes late; what is lost of datagrams
//! does not come.

mod datagram;
mod link;
mod nat;
mod stream;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use convoy_core::{Instant, Random, Seed, engine::StreamError};
use datagram::Datagram;
use link::Uplink;
use nat::Nat;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use stream::Streams;

pub use link::Link;
pub use nat::{NatKind, Reach};

/// A host, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

/// One end of a stream. The ends have names of their own, for a host may dial itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Something that happened to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetEvent {
    /// To whom.
    pub host: HostId,
    /// What.
    pub kind: NetEventKind,
}

/// What can happen to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetEventKind {
    /// Somebody dials: answer with [`Network::accept`] or [`Network::refuse`].
    Incoming {
        /// Its name.
        conn: ConnId,
        /// Who dials, as this host sees it.
        remote: SocketAddr,
    },
    /// A dial worked.
    Connected {
        /// Which.
        conn: ConnId,
    },
    /// Bytes came in.
    Received {
        /// Where.
        conn: ConnId,
        /// In the order they were sent.
        data: BytesMut,
    },
    /// Bytes left this host.
    Sent {
        /// Where.
        conn: ConnId,
        /// How many.
        bytes: usize,
    },
    /// A stream is over, or a dial failed. Nothing more is said of it.
    Closed {
        /// Which.
        conn: ConnId,
        /// Why, unless the other end closed it in order.
        error: Option<StreamError>,
    },
    /// A datagram came in.
    Datagram {
        /// At which port.
        port: u16,
        /// From whom, as this host sees it.
        from: SocketAddr,
        /// What it carries.
        data: Bytes,
    },
}

/// Hosts, and all that is between them.
#[derive(Debug)]
pub struct Network {
    random: Random,
    hosts: Vec<Host>,
    by_address: BTreeMap<IpAddr, HostId>,
    streams: Streams,
    /// Between which hosts nothing passes, this way.
    cuts: Vec<Cut>,
    heap: BinaryHeap<Reverse<(Instant, u64, Due)>>,
    scheduled: u64,
    ready: VecDeque<NetEvent>,
    /// Hosts that were given something to send since the last event.
    eager: Vec<HostId>,
    /// The latest time it was told.
    now: Instant,
}

#[derive(Debug)]
struct Host {
    link: Link,
    reach: Reach,
    address: IpAddr,
    is_up: bool,
    uplink: Uplink,
    /// When its downlink is done with what it takes in.
    down_until: Instant,
    listening: BTreeSet<u16>,
    bound: BTreeSet<u16>,
    nat: Nat,
    /// Port of the last stream that it dialled.
    last_port: u16,
}

/// A cut, one way; both sides sorted.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    from: Vec<HostId>,
    to: Vec<HostId>,
}

/// What is due at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A host's uplink has sent what it was sending.
    UplinkDone(HostId),
    /// Something of a stream; see there.
    Stream(stream::Due),
    /// A datagram reaches a host's downlink.
    Arrives(HostId, Box<Datagram>),
    /// A datagram is through it.
    Delivered(HostId, Box<Datagram>),
}

impl Network {
    /// A network without hosts.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self {
            random: Random::new(seed),
            hosts: Vec::new(),
            by_address: BTreeMap::new(),
            streams: Streams::default(),
            cuts: Vec::new(),
            heap: BinaryHeap::new(),
            scheduled: 0,
            ready: VecDeque::new(),
            eager: Vec::new(),
            now: Instant::ZERO,
        }
    }

    /// Adds a host, under an address of its own. It is up.
    pub fn add_host(&mut self, link: Link, reach: Reach) -> HostId {
        let number = self.hosts.len() as u32;
        // 11.0.0.1 and up: addresses that no filter for private ones takes away.
        let address = IpAddr::V4(Ipv4Addr::from(0x0b00_0001 + number));
        self.by_address.insert(address, HostId(number));
        self.hosts.push(Host {
            link,
            reach,
            address,
            is_up: true,
            uplink: Uplink::default(),
            down_until: Instant::ZERO,
            listening: BTreeSet::new(),
            bound: BTreeSet::new(),
            nat: Nat::default(),
            last_port: 0,
        });
        HostId(number)
    }

    /// A host's address, as others see it.
    ///
    /// # Panics
    /// When there is no such host.
    #[must_use]
    pub fn address(&self, host: HostId) -> IpAddr {
        self.host(host).address
    }

    /// Changes a host's line.
    pub fn set_link(&mut self, host: HostId, link: Link) {
        self.host_mut(host).link = link;
    }

    /// A host's line.
    #[must_use]
    pub fn link(&self, host: HostId) -> Link {
        self.host(host).link
    }

    /// Takes a host off the network, or puts it back. Off, its streams and sockets vanish without a word;
    /// whoever is at the other end finds out when it sends.
    pub fn set_up(&mut self, now: Instant, host: HostId, up: bool) {
        self.advance(now);
        let on = self.host_mut(host);
        if on.is_up && !up {
            on.listening.clear();
            on.bound.clear();
            on.nat = Nat::default();
            on.uplink.clear();
            self.streams_vanish(host);
            self.ready.retain(|event| event.host != host);
        }
        self.host_mut(host).is_up = up;
    }

    /// Cuts the way from each of `from` to each of `to`, or heals that very cut; the way back is another.
    pub fn partition(&mut self, from: &[HostId], to: &[HostId], blocked: bool) {
        let sorted = |hosts: &[HostId]| hosts.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let cut = Cut { from: sorted(from), to: sorted(to) };
        if blocked {
            self.cuts.push(cut);
        } else if let Some(place) = self.cuts.iter().position(|known| *known == cut) {
            self.cuts.remove(place);
        }
    }

    /// Takes streams in at a port.
    ///
    /// # Errors
    /// [`StreamError::AddressInUse`] when the host does so already.
    pub fn listen(&mut self, host: HostId, port: u16) -> Result<SocketAddr, StreamError> {
        let on = self.host_mut(host);
        if on.listening.insert(port) {
            Ok(SocketAddr::new(on.address, port))
        } else {
            Err(StreamError::AddressInUse)
        }
    }

    /// Takes no more streams in at a port.
    pub fn unlisten(&mut self, host: HostId, port: u16) {
        self.host_mut(host).listening.remove(&port);
    }

    /// When something next happens.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        if !self.ready.is_empty() || !self.eager.is_empty() {
            return Some(self.now);
        }
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next event that is due at `now` or before.
    pub fn pop(&mut self, now: Instant) -> Option<NetEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if let Some(host) = self.eager.pop() {
                self.serve_uplink(host);
                continue;
            }
            let Reverse((at, _, due)) = self
                .heap
                .peek_mut()
                .filter(|next| next.0.0 <= now)
                .map(std::collections::binary_heap::PeekMut::pop)?;
            self.advance(at);
            match due {
                Due::UplinkDone(host) => self.uplink_done(host),
                Due::Stream(due) => self.stream_due(due),
                Due::Arrives(host, datagram) => self.datagram_arrives(host, datagram),
                Due::Delivered(host, datagram) => self.datagram_delivered(host, *datagram),
            }
        }
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn later(&mut self, after: Duration, due: Due) {
        self.at(self.now + after, due);
    }

    fn at(&mut self, at: Instant, due: Due) {
        self.scheduled += 1;
        self.heap.push(Reverse((at, self.scheduled, due)));
    }

    fn tell(&mut self, host: HostId, kind: NetEventKind) {
        self.ready.push_back(NetEvent { host, kind });
    }

    fn is_blocked(&self, from: HostId, to: HostId) -> bool {
        self.cuts.iter().any(|cut| cut.from.binary_search(&from).is_ok() && cut.to.binary_search(&to).is_ok())
    }

    /// From one host to another, without jitter.
    fn distance(&self, from: HostId, to: HostId) -> Duration {
        self.host(from).link.delay + self.host(to).link.delay
    }

    fn jitter(&mut self, from: HostId, to: HostId) -> Duration {
        let most = self.host(from).link.jitter + self.host(to).link.jitter;
        let most = u32::try_from(most.as_micros()).unwrap_or(u32::MAX);
        Duration::from_micros(if most == 0 { 0 } else { u64::from(self.random.below(most)) })
    }

    /// Whether dice that fall so in `ppm` of a million cases do.
    fn chance(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.random.below(1_000_000) < ppm
    }

    /// When `bytes` that reach a host's downlink now are through it.
    fn through_downlink(&mut self, host: HostId, bytes: usize) -> Instant {
        let now = self.now;
        let on = self.host_mut(host);
        on.down_until = on.down_until.max(now) + link::transmission(bytes, on.link.down_bytes_per_s);
        on.down_until
    }

    fn host(&self, host: HostId) -> &Host {
        &self.hosts[host.0 as usize]
    }

    fn host_mut(&mut self, host: HostId) -> &mut Host {
        &mut self.hosts[host.0 as usize]
    }
}
