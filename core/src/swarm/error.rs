//! Why peers go, and why streams fail.

use crate::{mse, wire};
use thiserror::Error;

/// Why a peer is gone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PeerEnd {
    /// It closed the stream in order.
    #[error("closed by the peer")]
    ClosedByPeer,
    /// The stream failed.
    #[error("{0}")]
    Stream(StreamError),
    /// The handshake of MSE failed.
    #[error("encryption: {0}")]
    Encryption(mse::Error),
    /// The handshake failed.
    #[error("handshake: {0}")]
    Handshake(wire::HandshakeError),
    /// It broke the protocol, or fell silent.
    #[error("{0}")]
    Wire(wire::Error),
    /// It asked for a torrent that we do not share, or not now.
    #[error("asked for a torrent that is not shared here")]
    UnknownTorrent,
    /// Another connection to the same peer was kept.
    #[error("connected twice")]
    Duplicate,
    /// It is ourselves.
    #[error("connected to ourselves")]
    SelfConnection,
    /// Neither side wants anything of the other.
    #[error("both have everything")]
    BothSeeds,
    /// It sent a block that is not what a copy of the piece has that verified, or alone sent a piece that
    /// failed its hash.
    #[error("sent a corrupt piece")]
    CorruptPiece,
    /// It sent an extension message that no honest peer sends.
    #[error("sent an oversized extension message")]
    BadExtension,
    /// It sent metadata that is not what the info-hash stands for, or asks for ours on and on.
    #[error("abused the exchange of metadata")]
    BadMetadata,
    /// It was banned before.
    #[error("was banned earlier")]
    Banned,
    /// It sends blocks, or rejects, that nobody asked for.
    #[error("sent what was not asked for")]
    Unsolicited,
    /// There are connections enough.
    #[error("too many connections")]
    TooMany,
    /// Its place was given to a peer of higher priority (BEP 40); it did nothing wrong.
    #[error("its place was given to a peer of higher priority")]
    Displaced,
    /// The torrent was paused, removed or failed, or the engine stops.
    #[error("the torrent was stopped")]
    Stopped,
}

/// Why a stream failed, in the system's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum StreamError {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// No answer in time.
    #[error("timed out")]
    TimedOut,
    /// The peer, or somebody on the way, cut it.
    #[error("connection reset")]
    Reset,
    /// There is no way there.
    #[error("unreachable")]
    Unreachable,
    /// Somebody else listens at this address.
    #[error("address in use")]
    AddressInUse,
    /// Not allowed.
    #[error("permission denied")]
    PermissionDenied,
    /// Anything else; the driver's log has the system's own words.
    #[error("input/output error")]
    Io,
}
