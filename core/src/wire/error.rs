//! Why a handshake or a connection ends, and whose fault it is.

use crate::id::{Block, PieceIndex};
use thiserror::Error;

/// Why a [`Connection`](super::Connection) died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol.
    #[error("the peer misbehaved: {0}")]
    Peer(#[source] PeerMisbehaved),
    /// The peer may be right, but it wants more than this side is set up for.
    #[error("incompatible: {0}")]
    Incompatible(#[source] PeerIncompatible),
}

/// How the peer of a [`Connection`](super::Connection) broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// A length prefix that no message may have.
    #[error("a message of {length} bytes")]
    TooLong {
        /// What the prefix says, in bytes.
        length: u32,
    },
    /// A message whose length does not fit its id.
    #[error("message {id} of {length} bytes")]
    Length {
        /// The message's id.
        id: u8,
        /// What the prefix says, in bytes.
        length: u32,
    },
    /// A message of BEP 6 without both sides' bit.
    #[error("message {id} without the Fast extension")]
    FastWithoutBit {
        /// The message's id.
        id: u8,
    },
    /// More bitfields than [`LATE_BITFIELDS_PER_MINUTE`](super::LATE_BITFIELDS_PER_MINUTE).
    #[error("a flood of bitfields")]
    BitfieldFlood,
    /// A bitfield that is too short, too long, or has a spare bit set.
    #[error("a bitfield that does not fit the torrent")]
    Bitfield,
    /// A have of a piece that the torrent has not.
    #[error("there is no piece {}", .0.0)]
    NoSuchPiece(PieceIndex),
    /// A block that nobody can have asked for.
    #[error("a block that nobody asked for")]
    UnrequestedBlock(Block),
    /// A request for more than [`REQUEST_MAX`](super::REQUEST_MAX) bytes.
    #[error("a request for {length} bytes")]
    RequestTooLong {
        /// How many bytes it asks for.
        length: u32,
    },
    /// More keep-alives than [`KEEP_ALIVES_PER_MINUTE`](super::KEEP_ALIVES_PER_MINUTE).
    #[error("a flood of keep-alives")]
    KeepAliveFlood,
    /// Not a byte for [`IDLE`](super::IDLE).
    #[error("silent for too long")]
    Idle,
    /// It does not read what it asked for: too much waits for it, or some of it for [`IDLE`](super::IDLE).
    #[error("it does not read")]
    NotReading,
}

/// What the peer wants more of than this side is set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PeerIncompatible {
    /// A bitfield longer than [`Config::early_bitfield_max`](super::Config::early_bitfield_max) before the
    /// metadata is known.
    #[error("a bitfield of {length} bytes before the metadata is known")]
    EarlyBitfield {
        /// Its length in bytes.
        length: u32,
    },
}

/// Why a [`Handshake`](super::Handshake) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer broke the protocol.
    #[error("the peer misbehaved: {0}")]
    Peer(#[source] HandshakeMisbehaved),
    /// The peer speaks another protocol.
    #[error("incompatible: {0}")]
    Incompatible(#[source] HandshakeIncompatible),
    /// This side's own doing.
    #[error("{0}")]
    Local(#[source] HandshakeLocal),
}

/// How the peer of a [`Handshake`](super::Handshake) broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum HandshakeMisbehaved {
    /// It answered with the hash of another torrent.
    #[error("another torrent")]
    WrongInfoHash,
    /// The handshake was not whole before its deadline.
    #[error("too slow")]
    TooSlow,
    /// It sent more than [`REST_MAX`](super::REST_MAX) bytes before it was answered.
    #[error("too much before an answer")]
    TooMuch,
}

/// What the peer of a [`Handshake`](super::Handshake) speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum HandshakeIncompatible {
    /// Its first bytes are not those of BitTorrent.
    #[error("not BitTorrent")]
    NotBitTorrent,
}

/// What this side did to end a [`Handshake`](super::Handshake).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum HandshakeLocal {
    /// It dialled itself: the peer goes by our own name.
    #[error("connected to ourselves")]
    SelfConnection,
}
