//! Why a connection ends, and whose fault it is.

use thiserror::Error;

/// Why a connection died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol, or fell silent.
    #[error("{0}")]
    Peer(PeerFault),
}

/// What a peer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerFault {
    /// A length that its message cannot have.
    #[error("message {id} of length {length}")]
    Length {
        /// The message's id.
        id: u8,
        /// The length prefix.
        length: u32,
    },
    /// A bitfield, have-all or have-none that was not the first message (BEP 3, BEP 6).
    #[error("a bitfield that was not the first message")]
    LateBitfield,
    /// A bitfield with bits beyond the last piece.
    #[error("a bitfield with spare bits set")]
    SpareBits,
    /// A piece that the torrent does not have.
    #[error("a piece index out of range")]
    PieceIndex,
    /// A request of more than 128 KiB.
    #[error("a request of {0} bytes")]
    HugeRequest(u32),
    /// A message of BEP 6 without its bit.
    #[error("message {0} without the fast extension")]
    NotFast(u8),
    /// Too many keep-alives.
    #[error("a flood of keep-alives")]
    KeepAliveFlood,
    /// No byte for too long.
    #[error("silent for too long")]
    Silent,
    /// It does not take what it is sent.
    #[error("does not read what it is sent")]
    NotReading,
}

/// Why a handshake died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The first bytes are not those of BitTorrent.
    #[error("not a BitTorrent handshake")]
    NotBitTorrent,
    /// The answer names another torrent.
    #[error("answered for another torrent")]
    OtherTorrent,
    /// The peer is ourselves.
    #[error("connected to ourselves")]
    SelfConnection,
    /// It took too long.
    #[error("the handshake took too long")]
    Timeout,
}
