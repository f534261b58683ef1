//! Helping two peers to each other through their NATs (BEP 55, `ut_holepunch`).
//!
//! Two peers that cannot be dialled still meet if both dial at once, each opening its own NAT from within. A
//! *relay*, connected to both, gives the word: the initiator names the target to it, and it tells each of the
//! two where the other is.
//!
//! ```text
//!  initiator                relay                 target
//!  ── rendezvous {target} ──▶
//!  ◀── connect {target} ──────  connect {initiator} ──▶
//!  ◀══════════════════ both dial, by uTP ══════════════▶
//! ```
//!
//! We are a relay for those who speak it and whom we could believe of each other (see [`Trust`]); what cannot
//! be done is answered with an error, what comes too often with nothing. As one of the two, we dial who the
//! relay says is there, unless nobody should be dialled on hearsay there, we are connected, or we have
//! dialled enough of late. To begin a rendezvous takes no machine: whoever wants one sends the message.
//!
//! ```
//! use convoy_core::{Instant, Machine, Outbox, id::PeerKey, slab::Slab};
//! use convoy_core::holepunch::{Action, Config, Holepunch, Input};
//!
//! let mut keys = Slab::<PeerKey, ()>::new();
//! let (mut holepunch, mut out) = (Holepunch::new(Config::default()), Outbox::new());
//! let [ann, bob] = [1, 2].map(|host| (keys.insert(()), ([9, 9, 9, host], 6881).into()));
//! for (peer, addr) in [ann, bob] {
//!     holepunch.handle_input(Instant::ZERO, Input::PeerJoined { peer, addr }, &mut out)?;
//!     holepunch.handle_input(Instant::ZERO, Input::Speaks { peer }, &mut out)?;
//! }
//! holepunch.handle_input(Instant::ZERO, Input::Rendezvous { peer: ann.0, target: bob.1 }, &mut out)?;
//! let to_ann = Action::Connect { peer: ann.0, addr: bob.1 };
//! let to_bob = Action::Connect { peer: bob.0, addr: ann.1 };
//! assert!(out.drain().eq([to_bob, to_ann]));
//! # Ok::<(), core::convert::Infallible>(())
//! ```

mod machine;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;

use crate::{id::PeerKey, reach::Trust};
use core::net::SocketAddr;
pub use machine::{Counters, Holepunch};

/// How much is done for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Rendezvous that a peer may ask for within a minute, and connects that it may send. 10: enough to get
    /// into a swarm.
    pub per_peer: u32,
    /// How often a peer is named to others by us, or others to it, within a minute. 20: whoever is wanted by
    /// more is well connected by then.
    pub per_target: u32,
    /// How often we dial within a minute because a relay says so. 30. None twice.
    pub dials: u32,
    /// What is dialled on hearsay, and told of.
    pub trust: Trust,
}

impl Default for Config {
    fn default() -> Self {
        Self { per_peer: 10, per_target: 20, dials: 30, trust: Trust::default() }
    }
}

/// What can happen to the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Input {
    /// A peer joined.
    PeerJoined {
        /// Who.
        peer: PeerKey,
        /// Where others would reach it: the other end of its uTP connection, or where it listens, or, until
        /// that is known, the other end of its TCP connection.
        addr: SocketAddr,
    },
    /// It became known where others would reach a peer.
    AddressKnown {
        /// Who.
        peer: PeerKey,
        /// Where.
        addr: SocketAddr,
    },
    /// A peer is gone.
    PeerLeft {
        /// Who.
        peer: PeerKey,
    },
    /// A peer understands `ut_holepunch`.
    Speaks {
        /// Who.
        peer: PeerKey,
    },
    /// A peer wants to meet another.
    Rendezvous {
        /// Who.
        peer: PeerKey,
        /// Whom.
        target: SocketAddr,
    },
    /// A peer, as a relay, tells us to dial another.
    Connect {
        /// Who.
        peer: PeerKey,
        /// Where.
        addr: SocketAddr,
    },
    /// We can be reached here. The last 16 are remembered.
    Ours(SocketAddr),
}

/// What the relay wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Action {
    /// Tell a peer to dial another.
    Connect {
        /// Whom.
        peer: PeerKey,
        /// Where the other is.
        addr: SocketAddr,
    },
    /// Tell a peer that its rendezvous cannot be.
    Error {
        /// Whom.
        peer: PeerKey,
        /// Whom it wanted to meet.
        target: SocketAddr,
        /// Why it cannot.
        why: Refusal,
    },
    /// Dial a peer now, by uTP.
    Dial {
        /// Where.
        addr: SocketAddr,
    },
}

/// Why a rendezvous cannot be, with its number in the message (BEP 55).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[repr(u32)]
pub enum Refusal {
    /// Nobody is to be reached at such an address.
    NoSuchPeer = 1,
    /// The relay is not connected to the target.
    NotConnected = 2,
    /// The target does not speak `ut_holepunch`.
    NoSupport = 3,
    /// The target is the relay or the initiator.
    NoSelf = 4,
}
