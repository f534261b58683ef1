//! Datagrams: lost, late, doubled, or too large.

use super::{Due, HostId, NetEventKind, Network, Reach};
use bytes::Bytes;
use convoy_core::Instant;
use std::{net::SocketAddr, time::Duration};

/// IPv4 and UDP headers.
const HEADERS: usize = 28;
/// For how long one that is overtaken is held back, at most.
const HELD_BACK_MICROS: u32 = 50_000;
/// More of them in an uplink's queue than this are dropped, as routers do.
const QUEUE: usize = 1000;

/// A datagram on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Datagram {
    /// As the receiver sees it.
    from: SocketAddr,
    /// The port at which it arrives, outside of the receiver's NAT.
    port: u16,
    data: Bytes,
}

impl Datagram {
    pub(super) fn wire_bytes(&self) -> usize {
        self.data.len() + HEADERS
    }
}

impl Network {
    /// Lets a host take datagrams at a port.
    pub fn bind_datagram(&mut self, host: HostId, port: u16) {
        self.host_mut(host).bound.insert(port);
    }

    /// Sends a datagram. Nobody says whether it arrived.
    pub fn send_datagram(&mut self, now: Instant, host: HostId, from_port: u16, to: SocketAddr, data: Bytes) {
        self.advance(now);
        let on = self.host_mut(host);
        if !on.is_up || on.uplink.datagrams.len() >= QUEUE || data.len() + HEADERS > usize::from(on.link.mtu)
        {
            return;
        }
        let port = on.nat.outwards(on.reach, from_port, to);
        let datagram = Datagram { from: SocketAddr::new(on.address, port), port: to.port(), data };
        on.uplink.datagrams.push_back((to, Box::new(datagram)));
        self.has_work(host);
    }

    pub(super) fn datagram_leaves(&mut self, from: HostId, to: SocketAddr, datagram: Box<Datagram>) {
        let Some(host) = self.by_address.get(&to.ip()).copied() else { return };
        let (sender, receiver) = (self.host(from).link, self.host(host).link);
        let is_too_large = datagram.wire_bytes() > usize::from(receiver.mtu);
        if is_too_large || self.is_blocked(from, host) || self.chance(sender.loss_ppm + receiver.loss_ppm) {
            return;
        }
        let copies = 1 + u32::from(self.chance(sender.duplicate_ppm + receiver.duplicate_ppm));
        for _ in 0..copies {
            let mut delay = self.distance(from, host) + self.jitter(from, host);
            if self.chance(sender.reorder_ppm + receiver.reorder_ppm) {
                delay += Duration::from_micros(u64::from(self.random.below(HELD_BACK_MICROS)));
            }
            self.later(delay, Due::Arrives(host, datagram.clone()));
        }
    }

    pub(super) fn datagram_arrives(&mut self, host: HostId, datagram: Box<Datagram>) {
        let at = self.through_downlink(host, datagram.wire_bytes());
        self.at(at, Due::Delivered(host, datagram));
    }

    pub(super) fn datagram_delivered(&mut self, host: HostId, datagram: Box<Datagram>) {
        let on = self.host(host);
        let Datagram { from, port, data } = *datagram;
        let inside =
            if on.reach == Reach::Public { Some(port) } else { on.nat.inwards(on.reach, port, from) };
        if let Some(port) = inside.filter(|port| on.is_up && on.bound.contains(port)) {
            self.tell(host, NetEventKind::Datagram { port, from, data });
        }
    }
}
