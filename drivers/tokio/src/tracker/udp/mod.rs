//! BEP 15: threads that wait for datagrams and answer them, each with a socket of its own.

#[cfg(target_os = "linux")]
mod batched;
#[cfg(any(not(target_os = "linux"), test))]
mod single;
#[cfg(test)]
mod tests;

use super::{Shared, metrics};
use crate::lock;
#[cfg(target_os = "linux")]
use batched::Datagrams;
use convoy_core::tracker::udp::Server;
#[cfg(not(target_os = "linux"))]
use single::Datagrams;
use std::{io, net::UdpSocket, thread, time::Duration};
use tracing::warn;

/// The most that is read of a datagram: a question with 74 info-hashes has 1,496 bytes, one with a token behind
/// an option of any length 479.
const PACKET_MAX: usize = 2048;

/// How long to wait after the system would not give a datagram for a reason of its own: asking again at once
/// does not help it.
const PAUSE: Duration = Duration::from_millis(100);

/// What went over a socket with a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    bytes_in: u64,
    bytes_out: u64,
    /// Answers that the system would not take.
    unsent: u64,
}

/// Answers what comes over a socket until the tracker stops.
pub(super) fn run(socket: UdpSocket, mut server: Server, shared: &Shared, worker: usize) {
    let counters = &shared.datagrams[worker];
    let mut datagrams = Datagrams::new(socket);
    while !shared.is_stopping() {
        match datagrams.receive() {
            Ok(()) => answer(&mut datagrams, &mut server, shared, &mut lock(counters)),
            // Nothing came for a while.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                warn!(%error, "cannot receive datagrams");
                thread::sleep(PAUSE);
            }
        }
    }
}

fn answer(
    datagrams: &mut Datagrams,
    server: &mut Server,
    shared: &Shared,
    counters: &mut metrics::Datagrams,
) {
    let (now, access) = (shared.clock.now(), shared.access());
    let mut swarms = &shared.swarms;
    let tally = datagrams.answer(|from, packet, reply| {
        let answered = server.answer(now, from, packet, &mut swarms, &access, reply);
        counters.count(from.ip(), answered);
    });
    counters.bytes_in += tally.bytes_in;
    counters.bytes_out += tally.bytes_out;
    counters.unsent += tally.unsent;
}
