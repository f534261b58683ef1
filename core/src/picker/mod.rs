//! Which block next, and from whom (BEP 3, BEP 6).
//!
//! The picker knows what every peer has, keeps count of every block, and holds a few requests standing at
//! every peer that serves us. It sees no bytes: the swarm tells it what happened, and carries out what it
//! wants.
//!
//! ```text
//! PeerJoined, Bitfield, Have   -> Interested, NotInterested
//! Unchoked                     -> Request, Request, ...        as many as the pipeline holds
//! Block                        -> Store, Request               or Discard
//! Block, the last of a piece   -> Store, Complete, Request     then the swarm checks the hash:
//! Verified                     -> NotInterested                to those who have nothing else
//! Failed                       -> Request, ...                 every block of it, of one peer alone
//! ```
//!
//! **Which piece** (`pick`). The most urgent class that has free blocks for the peer: a [header](Tier), what
//! is wanted by a [deadline](Input::Deadline) (the soonest first), then the tiers from the lobby's to the
//! background. Within a class what the peer was asked for last, what it suggests while that is as rare as
//! any, then what is begun, then what is rarest among the pieces that it has, by lot among equals, so that a
//! swarm spreads. A peer that sends a piece within seconds gets one of its own instead of helping with what
//! is begun.
//! [Sequential](Input::Sequential) order is by index, whatever is rare or begun. `availability` keeps the
//! order up to date in O(1) a change. A search looks at a bounded number of pieces one by one, then at 64 a
//! step by bitfield.
//!
//! **How many** (`serve`). As many requests stand at a peer as it answers in three seconds (`pipeline`), and
//! never more bytes than the [`Budget`](Input::Budget) allows. A header is spread over three peers. A web
//! server is asked for whole pieces, one after another, so that requests join into ranges; one that needs
//! more than half a minute for a piece, for blocks like anybody else.
//!
//! **What gives way** (`preempt`). Where free blocks of a higher tier find peers full, requests of the
//! background are taken back: no more than are needed, the oldest of all first, a block never twice. What
//! comes all the same is used. Only the background gives way, and not for a header.
//!
//! **When it fails.** A choke without BEP 6, a departure, a silence that is long for that peer's pace: the
//! blocks are free for others, and for a minute are still taken if they come late. A peer that was silent
//! is *snubbed*, and asked for one block at a time until it sends again. A peer that rejects, or that
//! unchokes and chokes without sending, is left alone for a second, so that no loop spins; after a reject it
//! is asked for a piece that nobody has begun. A web server has half a minute for a block; what it sends
//! unasked is taken if it is missing.
//!
//! A piece whose hash is wrong is asked of one peer at a time from then on (`alone`): whether it is right or
//! wrong then, it shows who spoils it.
//!
//! **At the end** (`endgame`). When every missing block is asked for, idle peers are asked for those that
//! they will likely send sooner, or that a stalled peer owes; three at most for each, and the first that
//! comes cancels the others.
//!
//! **Haves** (`claims`). What a peer has got or lost is put off while nobody has to act on it: in a large
//! torrent it is mostly waiting for memory, and many wait together.
//!
//! Nobody searches in vain twice: a peer for which nothing was free waits (`waiting`) until a piece that
//! it has is free again, and skips a class in which it found nothing until something of it came free. So
//! the work of a call does not grow with the number of peers, except where a piece is verified or failed
//! (a bit test for each peer), a block comes free while peers wait for one, or somebody asks for other
//! tiers.
//!
//! Not here, with reason: attribution of poisoned blocks (needs the hash of each block, which the picker
//! does not see).

mod alone;
mod availability;
mod blocks;
mod cell;
mod claims;
mod config;
mod due;
mod endgame;
mod hints;
mod machine;
mod open;
mod packages;
mod padding;
mod peer;
mod peers;
mod pick;
mod pipeline;
mod preempt;
mod serve;
mod slots;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;
mod tier;
mod touch;
mod waiting;
mod wishes;

use crate::{
    Instant,
    bitfield::Bitfield,
    id::{Block, PackageId, PeerKey, PieceIndex},
};
use core::ops::Range;

pub use config::{Config, Counters, PeerStats, PipelineLimits};
pub use machine::Picker;
pub use tier::Tier;

/// What can happen to the picker.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Input {
    /// A peer joined. It has nothing, and chokes us, until it says otherwise; a web server has everything
    /// and serves us.
    PeerJoined {
        /// Who.
        peer: PeerKey,
        /// What it is.
        source: Source,
    },
    /// A peer is gone; what it was asked for is free for others.
    PeerLeft {
        /// Who.
        peer: PeerKey,
    },
    /// A peer has exactly these pieces. Replaces what was known of it.
    Bitfield {
        /// Who.
        peer: PeerKey,
        /// What it has, as long as our torrent.
        pieces: Bitfield,
    },
    /// A peer has every piece.
    HaveAll {
        /// Who.
        peer: PeerKey,
    },
    /// A peer has got a piece. Repeats and pieces out of range are ignored and counted.
    Have {
        /// Who.
        peer: PeerKey,
        /// What.
        piece: PieceIndex,
    },
    /// A peer no longer has a piece (BEP 54).
    DontHave {
        /// Who.
        peer: PeerKey,
        /// What.
        piece: PieceIndex,
    },
    /// A peer chokes us.
    Choked {
        /// Who.
        peer: PeerKey,
    },
    /// A peer lets us ask.
    Unchoked {
        /// Who.
        peer: PeerKey,
    },
    /// How many requests a peer queues (`reqq` of BEP 10).
    RequestLimit {
        /// Who.
        peer: PeerKey,
        /// Its limit; 0 counts as 1.
        requests: u32,
    },
    /// A peer would rather be asked for this piece (BEP 6).
    Suggested {
        /// Who.
        peer: PeerKey,
        /// What.
        piece: PieceIndex,
    },
    /// A peer may be asked for this piece while it chokes us (BEP 6).
    AllowedFast {
        /// Who.
        peer: PeerKey,
        /// What.
        piece: PieceIndex,
    },
    /// A block came in. Answered at once by [`Action::Store`] or [`Action::Discard`].
    Block {
        /// From whom.
        peer: PeerKey,
        /// Which.
        block: Block,
    },
    /// A peer will not send a block it was asked for (BEP 6).
    Rejected {
        /// Who.
        peer: PeerKey,
        /// Which.
        block: Block,
    },
    /// A piece is verified and on disk: nobody needs to ask for it again.
    Verified {
        /// Which.
        piece: PieceIndex,
    },
    /// A piece failed its hash: every block of it is wanted again, from one peer alone.
    Failed {
        /// Which.
        piece: PieceIndex,
    },
    /// How many more bytes may be asked for from now on: what is left of a rate limit or of the room for
    /// blocks not yet written. Replaces the last budget; `u64::MAX` is no limit.
    Budget {
        /// Bytes.
        bytes: u64,
    },
    /// A package (a file, a bundle) uses these pieces at this tier. Replaces what was said of it before;
    /// an empty range removes it. A piece that several use has the highest of their tiers; one that none
    /// uses has [`Config::tier`].
    Package {
        /// Which.
        package: PackageId,
        /// The pieces that it uses; those the torrent does not have are ignored and counted.
        pieces: Range<u32>,
        /// How urgent it is.
        tier: Tier,
    },
    /// A piece is wanted by a time, as when a film plays: it outranks tiers and rarity. Replaces what was
    /// said of it before; `None` takes it back.
    Deadline {
        /// Which.
        piece: PieceIndex,
        /// By when.
        at: Option<Instant>,
    },
    /// Whether the pieces of a tier are asked for by index, the lowest first, instead of by rarity.
    Sequential(bool),
}

/// What kind of peer one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Source {
    /// One that speaks the peer protocol.
    Peer {
        /// Whether both sides speak BEP 6: then a choke leaves requests standing until each is rejected.
        fast: bool,
    },
    /// A web server (BEP 17, BEP 19).
    Web,
}

/// What the picker wants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Action {
    /// Ask a peer for a block.
    Request {
        /// Whom.
        peer: PeerKey,
        /// For what.
        block: Block,
    },
    /// Take a request back.
    Cancel {
        /// Of whom.
        peer: PeerKey,
        /// Which.
        block: Block,
    },
    /// A peer has something we want, and had nothing before.
    Interested {
        /// Who.
        peer: PeerKey,
    },
    /// A peer has nothing more that we want.
    NotInterested {
        /// Who.
        peer: PeerKey,
    },
    /// The block that just came in is wanted: keep it.
    Store {
        /// From whom.
        peer: PeerKey,
        /// Which.
        block: Block,
    },
    /// The block that just came in is not wanted: drop it.
    Discard {
        /// From whom.
        peer: PeerKey,
        /// Which.
        block: Block,
        /// Why not.
        waste: Waste,
    },
    /// The block lies wholly in padding: it is zeros, and nobody is asked for it.
    Pad {
        /// Which.
        block: Block,
    },
    /// Every block of a piece is there: check its hash, then answer `Verified` or `Failed`.
    Complete {
        /// Which.
        piece: PieceIndex,
    },
    /// A peer let its time pass: its blocks are free for others, and it is asked for one at a time until
    /// it sends again.
    Snubbed {
        /// Who.
        peer: PeerKey,
    },
}

/// Why a block was not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Waste {
    /// It is there already, from another peer or from this one; or its piece failed, and another peer sends
    /// all of it by now.
    Duplicate,
    /// It was never asked for, or not with this length, or it was taken back too long ago.
    Unsolicited,
}
