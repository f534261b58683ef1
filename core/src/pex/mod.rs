//! Who else is in the swarm, from peer to peer (BEP 11, `ut_pex`).
//!
//! Each peer is told of the others that we are connected to, and what changed since, once a minute; and it
//! tells us of those that it is connected to, whom we may want to dial. With this a swarm stays together when
//! no tracker answers. It is also a way to make many hosts dial a victim, so what we are told is sifted.
//!
//! **Telling.** Whoever joins with an address that others could dial is a *contact*. Contacts stand in one
//! log in the order in which they came, those that went in another; a receiver is two places in these, so
//! telling a thousand peers of one change costs one line in the log, and each receiver reads each line once.
//! A message has up to 50 contacts that are there and were not told yet, and up to 50 that were told and are
//! gone. The first goes out as soon as there is something to tell, the others at least 60 seconds apart.
//!
//! **Listening.** A message within 58 seconds of the last is ignored. Of a message, what nobody should be
//! dialled for is left out (see [`Trust`]), and so are our own addresses, those we are connected to, and
//! those that somebody named a while ago. A sender has its say on 50 addresses in ten minutes: each IP
//! address once, three of the same subnet at most. Addresses within our own network go by address and port
//! alone, since many peers may share one.
//!
//! A private torrent has none of this (BEP 27): [`Input::Switch`] turns it off.
//!
//! ```
//! use convoy_core::{Instant, Machine, Outbox, id::PeerKey, slab::Slab};
//! use convoy_core::pex::{Action, Config, Input, Pex};
//!
//! let mut keys = Slab::<PeerKey, ()>::new();
//! let (ann, bob) = (keys.insert(()), keys.insert(()));
//! let (mut pex, mut out, now) = (Pex::new(Config::default()), Outbox::new(), Instant::ZERO);
//! let (home, other) = (([9, 9, 9, 1], 6881).into(), ([9, 9, 9, 3], 6881).into());
//!
//! let ip = [9, 9, 9, 1].into();
//! pex.handle_input(now, Input::PeerJoined { peer: ann, ip, addr: Some(home), flags: 0 }, &mut out)?;
//! let ip = [9, 9, 9, 2].into();
//! pex.handle_input(now, Input::PeerJoined { peer: bob, ip, addr: None, flags: 0 }, &mut out)?;
//! pex.handle_input(now, Input::Speaks { peer: bob }, &mut out)?;
//! assert!(out.drain().eq([Action::Send { peer: bob, added: vec![(home, 0)], dropped: vec![] }]));
//!
//! let added = vec![(home, 0), (other, 0)];
//! pex.handle_input(now, Input::Received { peer: bob, added, dropped: vec![] }, &mut out)?;
//! assert!(out.drain().eq([Action::Found { from: bob, peers: vec![(other, 0)] }]));
//! # Ok::<(), core::convert::Infallible>(())
//! ```

mod contacts;
mod machine;
mod peers;
mod sieve;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;

use crate::{id::PeerKey, reach::Trust};
use alloc::vec::Vec;
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
pub use machine::{Counters, Pex};

/// The flags of a contact that BEP 11 knows: prefers encryption (1), wants nothing (2), speaks uTP (4) and
/// `ut_holepunch` (8), could be dialled (16). Others are neither told nor believed.
pub const FLAGS: u8 = 0x1f;

/// How much is told and believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// The shortest time between messages to a peer. 60 s (BEP 11). At least 1 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub interval: Duration,
    /// The shortest time between messages of a peer: what comes sooner is ignored. 58 s: BEP 11 says 60, and
    /// libtorrent sends every 60 s by its own clock, but a message may be held up on its way, and the next one
    /// not. What it says is not said again, so it is not lost for that.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub min_interval: Duration,
    /// Contacts added, and contacts dropped, in a message. 50 (BEP 11).
    pub per_message: u32,
    /// Addresses that a peer is believed in a term. 50.
    pub quota: u32,
    /// How long a term lasts. 10 min.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub term: Duration,
    /// Of those, in the same subnet (/24 of IPv4, /64 of IPv6). 3.
    pub per_subnet: u32,
    /// Contacts that are gone, and addresses that were found, to be remembered of each. 1000: what a thousand
    /// peers give in a while.
    pub memory: u32,
    /// What is dialled on hearsay, and told of.
    pub trust: Trust,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            min_interval: Duration::from_secs(58),
            per_message: 50,
            quota: 50,
            term: Duration::from_secs(600),
            per_subnet: 3,
            memory: 1000,
            trust: Trust::default(),
        }
    }
}

/// What can happen to peer exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Input {
    /// A peer joined: its handshake is done, so others may be told of it.
    PeerJoined {
        /// Who.
        peer: PeerKey,
        /// Where it is: the other end of the connection.
        ip: IpAddr,
        /// Where it can be dialled, as far as that is known.
        addr: Option<SocketAddr>,
        /// Its [`FLAGS`].
        flags: u8,
    },
    /// It became known where a peer can be dialled, or what its flags are (`p` of BEP 10). Who was told the
    /// old flags is not told the new ones.
    AddressKnown {
        /// Who.
        peer: PeerKey,
        /// Where.
        addr: SocketAddr,
        /// Its [`FLAGS`].
        flags: u8,
    },
    /// A peer is gone.
    PeerLeft {
        /// Who.
        peer: PeerKey,
    },
    /// A peer understands `ut_pex`.
    Speaks {
        /// Who.
        peer: PeerKey,
    },
    /// A peer told us of others.
    Received {
        /// Who.
        peer: PeerKey,
        /// Those that it is connected to, and their [`FLAGS`].
        added: Vec<(SocketAddr, u8)>,
        /// Those that it is no longer connected to. Nothing comes of them.
        dropped: Vec<SocketAddr>,
    },
    /// We can be dialled here: it is not to be found. The last 16 are remembered.
    Ours(SocketAddr),
    /// Whether there is peer exchange at all: not for a private torrent (BEP 27). At first there is.
    Switch(bool),
}

/// What peer exchange wants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Action {
    /// Tell a peer of others. At least one list is not empty, and nobody stands in both.
    Send {
        /// Whom.
        peer: PeerKey,
        /// Those that joined, and their [`FLAGS`].
        added: Vec<(SocketAddr, u8)>,
        /// Those of whom it was told, and who are gone.
        dropped: Vec<SocketAddr>,
    },
    /// These may be worth dialling.
    Found {
        /// Who said so.
        from: PeerKey,
        /// Where they are, as IPv4 addresses where they are such, and their [`FLAGS`].
        peers: Vec<(SocketAddr, u8)>,
    },
}
