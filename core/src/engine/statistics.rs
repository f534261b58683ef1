//! How streams came to be encrypted, or did not: counts over all torrents.

use crate::{
    mse::{Error, PeerIncompatible, PeerMisbehaved},
    swarm::{Encryption, PeerEnd},
};
use alloc::collections::BTreeMap;

/// What came of message stream encryption, on streams of either direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Statistics {
    /// Peers that were connected in the clear.
    pub plain_peers: u64,
    /// Peers of which only the handshake was obfuscated.
    pub header_peers: u64,
    /// Peers whose whole stream was encrypted.
    pub rc4_peers: u64,
    /// Dials that were repeated the other way.
    pub fallbacks: u64,
    /// Handshakes that failed, by reason. At most one entry a reason.
    pub failures: BTreeMap<HandshakeFailure, u64>,
}

/// Why a handshake of message stream encryption failed: [`Error`] without its numbers, and those who hung up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// The peer hung up, or the network did.
    HungUp,
    /// [`PeerMisbehaved::BadPublicKey`].
    BadPublicKey,
    /// [`PeerMisbehaved::SyncNotFound`].
    SyncNotFound,
    /// [`PeerMisbehaved::BadVc`].
    BadVc,
    /// [`PeerMisbehaved::PadTooLong`].
    PadTooLong,
    /// [`PeerMisbehaved::BadSelect`].
    BadSelect,
    /// [`PeerMisbehaved::TooSlow`].
    TooSlow,
    /// [`PeerMisbehaved::TooMuch`].
    TooMuch,
    /// [`PeerIncompatible::UnknownSkey`].
    UnknownSkey,
    /// [`PeerIncompatible::NoCommonCrypto`].
    NoCommonCrypto,
    /// [`PeerIncompatible::IaTooLong`].
    IaTooLong,
    /// [`PeerIncompatible::PlainRefused`].
    PlainRefused,
    /// [`PeerIncompatible::EncryptionRefused`].
    EncryptionRefused,
    /// [`PeerIncompatible::PlainAnswer`].
    PlainAnswer,
}

impl Statistics {
    pub(super) const fn count_peer(&mut self, encryption: Encryption) {
        match encryption {
            Encryption::None => self.plain_peers += 1,
            Encryption::Header => self.header_peers += 1,
            Encryption::Rc4 => self.rc4_peers += 1,
        }
    }

    /// Counts the end of a handshake, unless it was we who gave it up.
    pub(super) fn count_failure(&mut self, why: &PeerEnd) {
        let failure = if let PeerEnd::Encryption(error) = why {
            HandshakeFailure::from(*error)
        } else if matches!(why, PeerEnd::ClosedByPeer | PeerEnd::Stream(_)) {
            HandshakeFailure::HungUp
        } else {
            return;
        };
        *self.failures.entry(failure).or_default() += 1;
    }
}

impl HandshakeFailure {
    /// Its name, in lower case and with underscores.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HungUp => "hung_up",
            Self::BadPublicKey => "bad_public_key",
            Self::SyncNotFound => "sync_not_found",
            Self::BadVc => "bad_vc",
            Self::PadTooLong => "pad_too_long",
            Self::BadSelect => "bad_select",
            Self::TooSlow => "too_slow",
            Self::TooMuch => "too_much",
            Self::UnknownSkey => "unknown_skey",
            Self::NoCommonCrypto => "no_common_crypto",
            Self::IaTooLong => "ia_too_long",
            Self::PlainRefused => "plain_refused",
            Self::EncryptionRefused => "encryption_refused",
            Self::PlainAnswer => "plain_answer",
        }
    }
}

impl From<Error> for HandshakeFailure {
    fn from(error: Error) -> Self {
        match error {
            Error::Peer(PeerMisbehaved::BadPublicKey) => Self::BadPublicKey,
            Error::Peer(PeerMisbehaved::SyncNotFound) => Self::SyncNotFound,
            Error::Peer(PeerMisbehaved::BadVc) => Self::BadVc,
            Error::Peer(PeerMisbehaved::PadTooLong { .. }) => Self::PadTooLong,
            Error::Peer(PeerMisbehaved::BadSelect { .. }) => Self::BadSelect,
            Error::Peer(PeerMisbehaved::TooSlow) => Self::TooSlow,
            Error::Peer(PeerMisbehaved::TooMuch) => Self::TooMuch,
            Error::Incompatible(PeerIncompatible::UnknownSkey) => Self::UnknownSkey,
            Error::Incompatible(PeerIncompatible::NoCommonCrypto { .. }) => Self::NoCommonCrypto,
            Error::Incompatible(PeerIncompatible::IaTooLong { .. }) => Self::IaTooLong,
            Error::Incompatible(PeerIncompatible::PlainRefused) => Self::PlainRefused,
            Error::Incompatible(PeerIncompatible::EncryptionRefused) => Self::EncryptionRefused,
            Error::Incompatible(PeerIncompatible::PlainAnswer) => Self::PlainAnswer,
        }
    }
}
