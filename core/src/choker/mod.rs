//! Whom to serve.

mod machine;
#[cfg(test)]
mod tests;

use crate::id::PeerKey;
pub use machine::{Choker, Config};

/// What can happen to the choker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A peer joined, choked and not interested.
    PeerJoined {
        /// Who.
        peer: PeerKey,
    },
    /// A peer is gone, and with it its slot.
    PeerLeft {
        /// Who.
        peer: PeerKey,
    },
    /// A peer wants something of ours.
    Interested {
        /// Who.
        peer: PeerKey,
    },
    /// A peer wants nothing of ours.
    NotInterested {
        /// Who.
        peer: PeerKey,
    },
    /// A peer sent us block data.
    Downloaded {
        /// Who.
        peer: PeerKey,
        /// How much, in bytes.
        bytes: u32,
    },
    /// We sent a peer block data.
    Uploaded {
        /// Whom.
        peer: PeerKey,
        /// How much, in bytes.
        bytes: u32,
    },
    /// Whether we have everything: then slots go by what we send, not by what we get.
    Seeding(bool),
}

/// What the choker wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Stop serving a peer.
    Choke {
        /// Whom.
        peer: PeerKey,
    },
    /// Serve a peer.
    Unchoke {
        /// Whom.
        peer: PeerKey,
    },
}
