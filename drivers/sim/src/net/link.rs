//! A host's line, and who may use it next.

use super::{ConnId, Due, HostId, Network, datagram::Datagram};
use convoy_core::Instant;
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

/// What is no larger takes so little time on a line that it costs no event of its own.
pub(super) const SMALL: usize = 1500;

/// A host's line to the middle of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Outwards.
    pub up_bytes_per_s: u64,
    /// Inwards.
    pub down_bytes_per_s: u64,
    /// One way, to the middle.
    pub delay: Duration,
    /// At most so much more, by the dice.
    pub jitter: Duration,
    /// How many packets of a million are lost on it.
    pub loss_ppm: u32,
    /// How many datagrams of a million are held back for a while, so that later ones overtake them.
    pub reorder_ppm: u32,
    /// How many datagrams of a million come twice.
    pub duplicate_ppm: u32,
    /// The largest packet, headers included.
    pub mtu: u16,
}

impl Default for Link {
    /// A good line: 12.5 MB a second both ways, 10 ms, nothing lost.
    fn default() -> Self {
        Self {
            up_bytes_per_s: 12_500_000,
            down_bytes_per_s: 12_500_000,
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            loss_ppm: 0,
            reorder_ppm: 0,
            duplicate_ppm: 0,
            mtu: 1500,
        }
    }
}

/// How long a line takes for so many bytes.
pub(super) fn transmission(bytes: usize, bytes_per_s: u64) -> Duration {
    Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / bytes_per_s.max(1))
}

/// What a host has to send: datagrams first, then its streams in turn.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    /// Whether [`Due::UplinkDone`] is to come.
    is_busy: bool,
    /// Until when it is busy with something small, of which nobody is told.
    free_at: Instant,
    pub(super) datagrams: VecDeque<(SocketAddr, Box<Datagram>)>,
    pub(super) streams: VecDeque<ConnId>,
    /// What it is sending now.
    pub(super) sending: Option<Sending>,
}

/// What an uplink is busy with.
#[derive(Debug)]
pub(super) enum Sending {
    Datagram(SocketAddr, Box<Datagram>),
    Chunk(ConnId, usize),
}

impl Uplink {
    fn is_idle(&self) -> bool {
        self.datagrams.is_empty() && self.streams.is_empty()
    }

    /// Forgets what waits. What is on the line is lost as well; the line stays busy until its end.
    pub(super) fn clear(&mut self) {
        self.datagrams.clear();
        self.streams.clear();
        self.sending = None;
    }
}

impl Network {
    /// Has a host's uplink look for work before anything else happens: what a host sends at one time then
    /// goes in few chunks.
    pub(super) fn has_work(&mut self, host: HostId) {
        if !self.host(host).uplink.is_busy && self.eager.last() != Some(&host) {
            self.eager.push(host);
        }
    }

    /// Sends what there is to send until the uplink is busy.
    pub(super) fn serve_uplink(&mut self, host: HostId) {
        while !self.host(host).uplink.is_busy {
            let (now, rate) = (self.now, self.host(host).link.up_bytes_per_s);
            let uplink = &mut self.host_mut(host).uplink;
            if uplink.is_idle() {
                return;
            }
            if uplink.free_at > now {
                let at = uplink.free_at;
                uplink.is_busy = true;
                return self.at(at, Due::UplinkDone(host));
            }
            let Some((sending, bytes)) = self.next_to_send(host) else { return };
            let took = transmission(bytes, rate);
            if bytes <= SMALL {
                self.host_mut(host).uplink.free_at = now + took;
                self.leaves(host, sending);
            } else {
                let uplink = &mut self.host_mut(host).uplink;
                uplink.is_busy = true;
                uplink.sending = Some(sending);
                self.later(took, Due::UplinkDone(host));
            }
        }
    }

    fn next_to_send(&mut self, host: HostId) -> Option<(Sending, usize)> {
        loop {
            let uplink = &mut self.host_mut(host).uplink;
            if let Some((to, datagram)) = uplink.datagrams.pop_front() {
                let bytes = datagram.wire_bytes();
                return Some((Sending::Datagram(to, datagram), bytes));
            }
            let end = uplink.streams.pop_front()?;
            if let Some(bytes) = self.next_chunk(end) {
                return Some((Sending::Chunk(end, bytes), bytes));
            }
        }
    }

    pub(super) fn uplink_done(&mut self, host: HostId) {
        let uplink = &mut self.host_mut(host).uplink;
        uplink.is_busy = false;
        if let Some(sending) = uplink.sending.take() {
            self.leaves(host, sending);
        }
        self.serve_uplink(host);
    }

    fn leaves(&mut self, host: HostId, sending: Sending) {
        match sending {
            Sending::Datagram(to, datagram) => self.datagram_leaves(host, to, datagram),
            Sending::Chunk(end, bytes) => self.chunk_leaves(end, bytes),
        }
    }
}
