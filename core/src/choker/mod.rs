//! Whom to serve.
//!
//! Few peers at a time are worth serving: each gets enough to be quick, and whoever gives gets. The choker
//! knows each peer's interest and the bytes that went each way, and deals out *slots* (BEP 3, "choking"):
//!
//! - **Regular** slots go by rank at every *round*: by the bytes that a peer gave us in the last two rounds,
//!   or, once we seed, by the bytes that it took.
//! - **Optimistic** slots go by lot, newcomers three times as likely, for a term of 30 seconds: so those
//!   who never had a slot can show what they give. An optimistic peer that ranks high enough at a round is
//!   promoted to a regular slot, and its old slot is drawn anew.
//!
//! Between rounds a slot that gets free is taken at once: a regular one by the next in line (the rank of
//! the last round, behind it who came since), an optimistic one by lot.
//!
//! A peer that is not interested does not hold its slot: any candidate takes it at once. While nobody
//! wants it the peer stays unchoked, so that interest that comes back is served without a round trip.
//!
//! **No fibrillation.** A peer that was choked or unchoked is not unchoked within the next ten seconds, nor
//! choked while it is interested; one that wants a slot while it rests is a candidate from the next round
//! on. Interest that flaps thus costs two actions in ten seconds at most, and the number of unchoked peers
//! never exceeds the slots.
//!
//! Peers wait in a set that is drawn from in O(1) and in a line whose head is taken in O(1), so an event
//! costs the number of slots; a round costs a sort. Nothing allocates once the tables have grown.
//!
//! ```
//! use convoy_core::{Instant, Machine, Outbox, id::PeerKey, slab::Slab};
//! use convoy_core::choker::{Action, Choker, Config, Input};
//!
//! let mut peers = Slab::<PeerKey, ()>::new();
//! let (mut choker, mut out) = (Choker::new(Config::default(), [0; 32]), Outbox::new());
//! let peer = peers.insert(());
//! choker.handle_input(Instant::ZERO, Input::PeerJoined { peer }, &mut out)?;
//! choker.handle_input(Instant::ZERO, Input::Interested { peer }, &mut out)?;
//! assert!(out.drain().eq([Action::Unchoke { peer }]));
//! assert!(choker.is_unchoked(peer));
//! # Ok::<(), core::convert::Infallible>(())
//! ```

mod machine;
mod peers;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;

use crate::id::PeerKey;
use core::time::Duration;
pub use machine::Choker;

/// How the choker deals out slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Peers served by rank. 4: with fewer, good peers go unserved; with more, each gets less than it can
    /// take and looks elsewhere.
    pub slots: u32,
    /// Peers served by lot. 1 (BEP 3).
    pub optimistic_slots: u32,
    /// Time between rounds. 10 s (BEP 3): long enough for TCP to show a peer's rate. At least 1 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub round: Duration,
    /// The term of an optimistic slot; it ends with the first round at or behind it. 30 s (BEP 3).
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub optimistic_round: Duration,
    /// How long a peer is left as it is once it was choked or unchoked. 10 s (BEP 3, "fibrillation").
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub min_toggle: Duration,
    /// How long a peer counts as a newcomer. 60 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub newcomer_window: Duration,
    /// How much likelier than others a newcomer is drawn. 3 (BEP 3).
    pub newcomer_weight: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            slots: 4,
            optimistic_slots: 1,
            round: Duration::from_secs(10),
            optimistic_round: Duration::from_secs(30),
            min_toggle: Duration::from_secs(10),
            newcomer_window: Duration::from_secs(60),
            newcomer_weight: 3,
        }
    }
}

/// What can happen to the choker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
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
    /// A peer, who may, asks to be served out of turn, or no longer does.
    Lobby {
        /// Who.
        peer: PeerKey,
        /// Whether it does.
        wants: bool,
    },
    /// Whether we have everything: then slots go by what we send, not by what we get.
    Seeding(bool),
}

/// What the choker wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
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
