//! `ut_pex` (BEP 11): who came and who went.

use super::Error;
use crate::{
    bencode::{Decoder, DictWriter, Writer},
    compact::{self, V4, V6},
};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// The longest message, in bytes: libtorrent's limit too.
pub const PEX_MAX: usize = 500 * 1024;

/// How many of the added, and of the dropped, are read (BEP 11).
const PEERS_MAX: usize = 50;

/// Who came and who went since the last message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Pex {
    /// Peers that the sender has met; 50 at most are read.
    pub added: Vec<PexPeer>,
    /// Peers that it has lost; 50 at most are read.
    pub dropped: Vec<SocketAddr>,
}

/// A peer, as another tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PexPeer {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What is said of it.
    pub flags: PexFlags,
}

/// What is said of a peer: a mask of `added.f`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PexFlags(pub u8);

impl PexFlags {
    /// It prefers encryption.
    pub const PREFERS_ENCRYPTION: u8 = 0x01;
    /// It only uploads.
    pub const SEED: u8 = 0x02;
    /// It speaks uTP.
    pub const UTP: u8 = 0x04;
    /// It speaks `ut_holepunch`.
    pub const HOLEPUNCH: u8 = 0x08;
    /// The sender has dialled it.
    pub const REACHABLE: u8 = 0x10;

    /// Whether all of `mask` is said.
    #[must_use]
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask == mask
    }
}

impl Pex {
    /// Reads a payload. A field of a wrong length is left out, and so are flags that do not fit the peers.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        if payload.len() > PEX_MAX {
            return Err(Error::TooLong { length: payload.len() });
        }
        let document = Decoder::lenient().decode(payload).map_err(|_| Error::Malformed)?;
        let dict = document.root().dict().ok_or(Error::Malformed)?;
        let field = |key: &[u8]| dict.get(key).and_then(|value| value.string()).unwrap_or_default();
        let added = added(field(b"added"), field(b"added.f"), V4).chain(added(
            field(b"added6"),
            field(b"added6.f"),
            V6,
        ));
        let dropped =
            compact::read_all(field(b"dropped"), V4).chain(compact::read_all(field(b"dropped6"), V6));
        Ok(Self { added: added.take(PEERS_MAX).collect(), dropped: dropped.take(PEERS_MAX).collect() })
    }

    /// The payload: every field, empty or not, as libtorrent and uTorrent send them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        Writer::new(&mut payload).dict(|dict| {
            self.write_added(dict, b"added", b"added.f", SocketAddr::is_ipv4);
            self.write_added(dict, b"added6", b"added6.f", SocketAddr::is_ipv6);
            for (key, family) in
                [(&b"dropped"[..], SocketAddr::is_ipv4 as fn(&_) -> _), (b"dropped6", SocketAddr::is_ipv6)]
            {
                let mut peers = Vec::new();
                self.dropped
                    .iter()
                    .filter(|addr| family(addr))
                    .for_each(|addr| compact::write(*addr, &mut peers));
                dict.string(key, peers);
            }
        });
        payload
    }

    fn write_added(
        &self,
        dict: &mut DictWriter<'_>,
        peers_key: &[u8],
        flags_key: &[u8],
        family: fn(&SocketAddr) -> bool,
    ) {
        let (mut peers, mut flags) = (Vec::new(), Vec::new());
        for peer in self.added.iter().filter(|peer| family(&peer.addr)) {
            compact::write(peer.addr, &mut peers);
            flags.push(peer.flags.0);
        }
        dict.string(peers_key, peers).string(flags_key, flags);
    }
}

fn added<'a>(peers: &'a [u8], flags: &'a [u8], each: usize) -> impl Iterator<Item = PexPeer> {
    let fits = flags.len() * each == peers.len();
    let flags = flags.iter().copied().filter(move |_| fits).chain(core::iter::repeat(0));
    compact::read_all(peers, each).zip(flags).map(|(addr, flags)| PexPeer { addr, flags: PexFlags(flags) })
}
