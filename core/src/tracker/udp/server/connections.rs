//! Connection ids: nothing is kept of one, for it says itself whose it is.
//!
//! ```text
//! 32 bits   MAC of minute and address          it reaches whoever shows it
//! 32 bits   MAC of minute, address and port    and that is the very socket that asked for it
//! ```
//!
//! The first half is enough to ask: a NAT may forget a port before the id is old, and some clients show one id
//! from all their sockets. The second is for tokens alone: who shares an address with a player has the first
//! half of the player's id, and could else show a packet again that he has overheard.

use super::super::ConnectionId;
use core::net::{IpAddr, SocketAddr};
use siphasher::sip::SipHasher24;

/// How long ids are given out that are the same, in seconds. An id is good for as long as it is given out and
/// once more after that, so for one to two minutes: BEP 15 lets clients use one for a minute.
const MINUTE_S: u64 = 60;

/// Makes ids, and knows them again.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    mac: SipHasher24,
}

/// The minute in which an id was given out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Minute(u64);

impl Connections {
    pub(super) const fn new(mac: SipHasher24) -> Self {
        Self { mac }
    }

    /// The id of a source, at `unix_s` seconds of Unix time.
    pub(super) fn issue(&self, unix_s: u64, source: SocketAddr) -> ConnectionId {
        let minute = Minute(unix_s / MINUTE_S);
        ConnectionId(
            u64::from(self.of_address(minute, source.ip())) << 32 | u64::from(self.of_socket(minute, source)),
        )
    }

    /// When this address got the id; `None` if it did not, or too long ago.
    pub(super) fn issued(&self, unix_s: u64, address: IpAddr, id: ConnectionId) -> Option<Minute> {
        let minute = unix_s / MINUTE_S;
        let half = (id.0 >> 32) as u32;
        [minute, minute.saturating_sub(1)]
            .map(Minute)
            .into_iter()
            .find(|minute| self.of_address(*minute, address) == half)
    }

    /// Whether this socket got the id, in the minute in which its address did.
    pub(super) fn is_of_socket(&self, minute: Minute, source: SocketAddr, id: ConnectionId) -> bool {
        self.of_socket(minute, source) == id.0 as u32
    }

    fn of_address(&self, minute: Minute, address: IpAddr) -> u32 {
        let [address, minute] = [octets(address), u128::from(minute.0).to_be_bytes()];
        self.mac.hash([address, minute].as_flattened()) as u32
    }

    fn of_socket(&self, minute: Minute, source: SocketAddr) -> u32 {
        // Never what `of_address` hashes: there the high half is 0.
        let minute_and_port = u128::from(minute.0) | (u128::from(source.port()) + 1) << 64;
        let [address, rest] = [octets(source.ip()), minute_and_port.to_be_bytes()];
        self.mac.hash([address, rest].as_flattened()) as u32
    }
}

/// An address as 16 bytes: IPv4 as it is mapped.
pub(super) fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}
