//! The info dictionary, from peer to peer (BEP 9, `ut_metadata`).
//!
//! A magnet link names a torrent by its hash alone; the info dictionary comes from the peers that have it, in
//! blocks of 16 KiB, and goes to those that lack it. Nothing in it can be checked before all of it is there:
//! then its SHA-1 is the info hash, or it is worth nothing. So the art is not to be held up by peers that
//! lie.
//!
//! **Getting.** A peer that has the dictionary says how long it is. The first *attempt* takes the length that
//! most peers claim, and asks them all: two blocks at a time of each, other blocks of each. If the hash is
//! wrong and everything came from one peer, that one is to blame. If several had a part in it, nobody can
//! tell who lied: from then on the machine is *wary*, and takes everything from one peer at a time, drawn by
//! lot, so that however many liars there are, each costs one attempt, and the honest have their chance each
//! time.
//!
//! **Patience.** A peer that rejects, or leaves a request unanswered, rests for a minute; its blocks are
//! asked of others. An attempt that nobody is left for gives way to another, and so does one that takes
//! longer than its turn while others wait. A peer that lost its turn so has twice as long in its next, so one
//! that is slow but honest gets through in the end, and a crowd that drips holds up nobody for longer than
//! a turn or so each. A new attempt begins with nothing, and three seconds later, so no peer is asked for the same
//! block at shorter intervals.
//!
//! **Giving.** Who asks gets three dictionaries' worth at most, in a queue and at a pace; what does not fit
//! is rejected, and who keeps asking then is to blame.
//!
//! ```text
//!  we, who lack it                      a peer that has it
//!  ◀─ extension handshake: metadata_size ─ (the swarm tells: PeerJoined)
//!  ── request {piece 0}, request {piece 1} ──▶
//!  ◀─ data {piece 0, total_size} + 16 KiB ──
//!  ── request {piece 2} ──▶
//!  ◀─ reject {piece 1} ──                    piece 1 is asked of another
//! ```
//!
//! ```
//! use bytes::Bytes;
//! use convoy_core::{Instant, Machine, Outbox, id::{InfoHash, PeerKey}, slab::Slab};
//! use convoy_core::metadata::{Action, Config, Exchange, Input, Limits};
//! use sha1::{Digest, Sha1};
//!
//! let info = Bytes::from_static(b"d6:lengthi5e4:name5:helloe");
//! let info_hash = InfoHash(Sha1::digest(&info).into());
//! let (total_size, now) = (info.len() as u32, Instant::ZERO);
//!
//! let peer = Slab::<PeerKey, ()>::new().insert(());
//! let config = Config { info_hash, info: None, limits: Limits::default() };
//! let (mut exchange, mut out) = (Exchange::new(config, [0; 32]), Outbox::new());
//! exchange.handle_input(now, Input::PeerJoined { peer, metadata_size: Some(total_size) }, &mut out)?;
//! assert!(out.drain().eq([Action::Request { peer, piece: 0 }]));
//! exchange.handle_input(now, Input::Data { peer, piece: 0, total_size, data: info.clone() }, &mut out)?;
//! assert!(out.drain().eq([Action::Complete(info)]));
//! # Ok::<(), core::convert::Infallible>(())
//! ```

mod attempt;
mod machine;
mod peers;
mod serve;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;

use crate::{
    id::{InfoHash, PeerKey},
    wire::METADATA_MAX,
};
use bytes::Bytes;
use core::time::Duration;
pub use machine::{Counters, Exchange};

/// Which info dictionary, and how it is exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Config {
    /// Its SHA-1.
    pub info_hash: InfoHash,
    /// Its bytes, if they are known. They are not checked.
    #[cfg_attr(feature = "serde", serde(default, with = "crate::serial::optional_hex"))]
    pub info: Option<Bytes>,
    /// What is asked and given at most.
    #[cfg_attr(feature = "serde", serde(default))]
    pub limits: Limits,
}

/// What is asked and given at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Limits {
    /// The longest dictionary that is fetched, in bytes. 16 MiB.
    pub metadata_max: u32,
    /// Requests that one peer has to answer at a time. 2.
    pub requests: u32,
    /// How long an answer may take. 10 s: a block is 16 KiB, so a line that needs longer is of little use.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub request_timeout: Duration,
    /// How long a peer is left alone once it rejected a request or let it time out. 60 s, as libtorrent.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub retry_after: Duration,
    /// How long no block is asked for again of the same peer. 3 s, as libtorrent.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub repeat_after: Duration,
    /// How long an attempt may take while peers wait that have no part in it; the next of the same peer may
    /// take twice as long. 30 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub turn: Duration,
    /// How often a peer may have each block of ours, on average. 3, as libtorrent.
    pub copies: u32,
    /// Blocks that a peer gets within a second. 16: 256 KiB, most dictionaries in one go.
    pub blocks_per_s: u32,
    /// Blocks that wait for their second, for each peer. 64, as Transmission.
    pub queue: u32,
    /// Rejects that a peer gets before it is to blame. 1024: one that asks for all blocks of the longest
    /// dictionary at once is no enemy.
    pub rejects: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            metadata_max: METADATA_MAX,
            requests: 2,
            request_timeout: Duration::from_secs(10),
            retry_after: Duration::from_secs(60),
            repeat_after: Duration::from_secs(3),
            turn: Duration::from_secs(30),
            copies: 3,
            blocks_per_s: 16,
            queue: 64,
            rejects: 1024,
        }
    }
}

/// What can happen to the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Input {
    /// A peer that speaks `ut_metadata` joined, or says anew in a later handshake what it has.
    PeerJoined {
        /// Who.
        peer: PeerKey,
        /// How long it says the info dictionary is, in bytes; `None` if it has none.
        metadata_size: Option<u32>,
    },
    /// A peer is gone.
    PeerLeft {
        /// Who.
        peer: PeerKey,
    },
    /// A peer asks for a block.
    Request {
        /// Who.
        peer: PeerKey,
        /// Which block of 16 KiB, from 0.
        piece: u32,
    },
    /// A peer sent a block.
    Data {
        /// Who.
        peer: PeerKey,
        /// Which block.
        piece: u32,
        /// How long it says the whole is, in bytes.
        total_size: u32,
        /// The block.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
    /// A peer will not send a block.
    Reject {
        /// Who.
        peer: PeerKey,
        /// Which block.
        piece: u32,
    },
    /// The info dictionary became known otherwise. It is not checked.
    Known(#[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))] Bytes),
}

/// What the exchange wants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Action {
    /// Ask a peer for a block.
    Request {
        /// Whom.
        peer: PeerKey,
        /// Which block of 16 KiB, from 0.
        piece: u32,
    },
    /// Send a peer a block.
    Data {
        /// Whom.
        peer: PeerKey,
        /// Which block.
        piece: u32,
        /// How long the whole is, in bytes.
        total_size: u32,
        /// The block.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
    /// Tell a peer that it will not get a block.
    Reject {
        /// Whom.
        peer: PeerKey,
        /// Which block.
        piece: u32,
    },
    /// This is the info dictionary: its SHA-1 is the info hash.
    Complete(#[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))] Bytes),
    /// Close the connection to a peer and do not come back. Whatever else it says here is ignored.
    Blame {
        /// Whom.
        peer: PeerKey,
        /// What for.
        why: Blame,
    },
}

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Blame {
    /// Everything came from it, and the hash is wrong.
    Corrupt,
    /// It sent a block of a dictionary of another length than it claims.
    TotalSize,
    /// It sent a block that is too long or too short.
    BlockLength,
    /// It asks on and on for what it does not get.
    TooManyRequests,
}
