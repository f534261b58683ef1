//! The extension handshake (BEP 10).

use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a peer says of itself and of the extensions it wants to receive. A key that is missing or of the
/// wrong type is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtendedHandshake {
    /// The sender's id for `ut_metadata` (BEP 9); `Some(0)` switches it off.
    pub ut_metadata: Option<u8>,
    /// The sender's id for `ut_pex` (BEP 11).
    pub ut_pex: Option<u8>,
    /// The sender's id for `lt_donthave` (BEP 54).
    pub lt_donthave: Option<u8>,
    /// The sender's id for `ut_holepunch` (BEP 55).
    pub ut_holepunch: Option<u8>,
    /// The sender's id for `upload_only` (BEP 21).
    pub upload_only_id: Option<u8>,
    /// `metadata_size`: bytes of the info dictionary.
    pub metadata_size: Option<u32>,
    /// `reqq`: how many requests the sender queues.
    pub reqq: Option<u32>,
    /// `p`: the port on which the sender listens.
    pub listen_port: Option<u16>,
    /// `v`: the sender's program and version.
    pub client: Option<String>,
    /// `yourip`: the receiver's address as the sender sees it.
    pub your_ip: Option<IpAddr>,
    /// `ipv4`: another address of the sender.
    pub ipv4: Option<Ipv4Addr>,
    /// `ipv6`: another address of the sender.
    pub ipv6: Option<Ipv6Addr>,
    /// `upload_only`: the sender will not ask for anything (BEP 21).
    pub upload_only: Option<bool>,
    /// `e`: the sender prefers encryption.
    pub prefers_encryption: Option<bool>,
}

impl ExtendedHandshake {
    /// Encodes.
    #[must_use]
    pub fn encode(&self) -> alloc::vec::Vec<u8> {
        let mut to = alloc::vec::Vec::new();
        crate::bencode::Writer::new(&mut to).dict(|dict| {
            dict.integer(b"reqq", 512);
        });
        to
    }
}
