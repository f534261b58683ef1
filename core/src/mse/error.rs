//! Why a handshake ends, and whose fault it is.

use thiserror::Error;

/// Why a [`Handshake`](super::Handshake) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol.
    #[error("the peer misbehaved: {0}")]
    Peer(#[source] PeerMisbehaved),
    /// The peer may be right, but it wants something else than this side is set up for.
    #[error("incompatible: {0}")]
    Incompatible(#[source] PeerIncompatible),
}

/// How the peer broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// A public key with which anybody could tell the shared secret.
    #[error("a degenerate public key")]
    BadPublicKey,
    /// No marker within [`PAD_MAX`](super::PAD_MAX) bytes of the public key.
    #[error("its padding does not end")]
    SyncNotFound,
    /// The verification constant of an offer is not zero.
    #[error("the verification constant is not zero")]
    BadVc,
    /// PadC or PadD of more than [`PAD_MAX`](super::PAD_MAX) bytes.
    #[error("{length} bytes of padding")]
    PadTooLong {
        /// What it announced, in bytes.
        length: u16,
    },
    /// It selected nothing, everything, or what was not offered.
    #[error("selected {select:#x}")]
    BadSelect {
        /// The field as it came.
        select: u32,
    },
    /// The handshake was not over before its deadline.
    #[error("too slow")]
    TooSlow,
    /// More than [`REST_MAX`](super::REST_MAX) bytes before the torrent was identified.
    #[error("too much before an answer")]
    TooMuch,
}

/// What the peer wants that this side is not set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PeerIncompatible {
    /// It asks for a torrent that is not here.
    #[error("an unknown torrent")]
    UnknownSkey,
    /// It offers nothing that is allowed here.
    #[error("offered {provide:#x}, nothing of which is allowed")]
    NoCommonCrypto {
        /// The field as it came.
        provide: u32,
    },
    /// An initial payload longer than [`Config::max_ia`](super::Config::max_ia).
    #[error("an initial payload of {length} bytes")]
    IaTooLong {
        /// What it announced, in bytes.
        length: u16,
    },
    /// It speaks plain BitTorrent where encryption is required.
    #[error("plain BitTorrent where encryption is required")]
    PlainRefused,
    /// It speaks something else than plain BitTorrent where encryption is disabled.
    #[error("encryption where it is disabled")]
    EncryptionRefused,
    /// It answered our key in plain BitTorrent.
    #[error("it answers in plain BitTorrent")]
    PlainAnswer,
}

impl From<PeerMisbehaved> for Error {
    fn from(how: PeerMisbehaved) -> Self {
        Self::Peer(how)
    }
}

impl From<PeerIncompatible> for Error {
    fn from(what: PeerIncompatible) -> Self {
        Self::Incompatible(what)
    }
}
