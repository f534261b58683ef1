//! Whom to serve.
//!
//! Few peers at a time are worth serving: each gets enough to be quick, and whoever gives gets. The choker
//! knows each peer's interest and the bytes that went each way, and deals out *slots* (BEP 3, "choking"):
//!
//! - **Regular** slots go by rank at every *round*: by the bytes that a peer gave us in the last two rounds,
//!   among equals (at first nobody gave anything) in turns; or, once we seed, by the [`SeedStrategy`].
//! - **Optimistic** slots go by lot, newcomers three times as likely, for a term of 30 seconds: so those
//!   who never had a slot can show what they give. An optimistic peer that ranks high enough at a round is
//!   promoted to a regular slot, and its old slot is drawn anew.
//! - **Lobby** slots go to peers that are urgent, beyond all others, four at most: the newest loses. They
//!   are unchoked at once and stay so until they want nothing, take it back, or do not say it again for a
//!   minute; then the next round decides.
//!
//! **Turns.** A turn is over after a minute or twenty pieces, and whoever had one goes
//! behind those who wait. The queue goes by the time since a peer was last served; those whom the strategy
//! does not want come up to five minutes later. So what a peer claims helps it for a while, and in the end
//! its wait decides: nobody starves, whatever others claim, however much they take, and however often they
//! come anew. A peer that claims less than it had of us is not believed.
//!
//! **Slots may follow the uplink** ([`Adaptive`]): one more at each round in which somebody waits and the
//! uplink has room, or carries enough for all of them to be worth having; when it has no room and each gets
//! less than half of that, as many as are worth having.
//!
//! Between rounds a slot that gets free is taken at once: a regular one by the next in line (the rank of
//! the last round, behind it who came since), an optimistic one by lot.
//!
//! A peer that is not interested does not hold its slot: any candidate takes it at once. While nobody
//! wants it the peer stays unchoked, so that interest that comes back is served without a round trip.
//!
//! **No fibrillation.** A peer that was unchoked is not choked within the next ten seconds while it is
//! interested, and one that was choked while it was interested is not unchoked within ten; one that wants a
//! slot while it rests is a candidate from the next round on, or, if it is urgent, is unchoked when it has
//! rested. Whoever lost its slot when it wanted nothing need not rest: where pieces come slowly, everybody
//! wants each of them for a moment, and would wait for the next round. Interest that flaps thus costs two
//! actions each time at most, of slots that nobody wants at that moment, urgency that flaps two in ten
//! seconds, and the number of unchoked peers never exceeds the slots.
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

mod config;
mod lobby;
mod machine;
mod peers;
mod rank;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;

use crate::id::PeerKey;
pub use config::{Adaptive, Config, SeedStrategy};
pub use machine::Choker;

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
    /// What a peer claims to have. Repeats change nothing.
    Completion {
        /// Who.
        peer: PeerKey,
        /// How many pieces.
        pieces: u32,
    },
    /// A peer that may (the parent has checked) asks for urgency, or no longer wants it.
    Lobby {
        /// Who.
        peer: PeerKey,
        /// Whether it wants it.
        wants: bool,
    },
    /// Whether we have everything: then slots go by the seed strategy, not by what we get.
    Seeding(bool),
    /// The system took block data for a peer. Matters where the slots are adaptive.
    Sent {
        /// Whom.
        peer: PeerKey,
        /// How much, in bytes; may be 0.
        bytes: u32,
        /// Whether more is on its way out to it, or held back by a limit.
        backlog: bool,
    },
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
