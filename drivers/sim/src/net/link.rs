//! A host's line, and who may use it next.

use super::{Due, HostId, Network, datagram::Datagram, stream::EndId};
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

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
    pub(super) is_busy: bool,
    pub(super) datagrams: VecDeque<(SocketAddr, Datagram)>,
    pub(super) streams: VecDeque<EndId>,
    /// What it is sending now.
    pub(super) sending: Option<Sending>,
}

/// What an uplink is busy with.
#[derive(Debug)]
pub(super) enum Sending {
    Datagram(SocketAddr, Datagram),
    Chunk(EndId, usize),
}

impl Uplink {
    /// Forgets what waits. What is on the line is lost as well; the line stays busy until its end.
    pub(super) fn clear(&mut self) {
        self.datagrams.clear();
        self.streams.clear();
        self.sending = None;
    }
}

impl Network {
    /// Begins to send the next thing, if the uplink is free and there is one.
    pub(super) fn serve_uplink(&mut self, host: HostId) {
        if self.host(host).uplink.is_busy {
            return;
        }
        let (sending, bytes) = loop {
            let uplink = &mut self.host_mut(host).uplink;
            if let Some((to, datagram)) = uplink.datagrams.pop_front() {
                let bytes = datagram.wire_bytes();
                break (Sending::Datagram(to, datagram), bytes);
            }
            let Some(end) = uplink.streams.pop_front() else { return };
            if let Some(bytes) = self.next_chunk(end) {
                break (Sending::Chunk(end, bytes), bytes);
            }
        };
        let took = transmission(bytes, self.host(host).link.up_bytes_per_s);
        let uplink = &mut self.host_mut(host).uplink;
        uplink.is_busy = true;
        uplink.sending = Some(sending);
        self.later(took, Due::UplinkDone(host));
    }

    pub(super) fn uplink_done(&mut self, host: HostId) {
        let uplink = &mut self.host_mut(host).uplink;
        uplink.is_busy = false;
        match uplink.sending.take() {
            Some(Sending::Datagram(to, datagram)) => self.datagram_leaves(host, to, datagram),
            Some(Sending::Chunk(end, bytes)) => self.chunk_leaves(end, bytes),
            None => {}
        }
        self.serve_uplink(host);
    }
}
