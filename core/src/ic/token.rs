//! What a player signed, and what it proves.

use crate::id::InfoHash;
use alloc::vec::Vec;
use core::fmt;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Bytes of a token on the wire.
pub const TOKEN_LENGTH: usize = 120;

/// How long a token is good, in seconds: a day.
pub const LIFETIME_S: u64 = 24 * 60 * 60;

/// How far ahead of ours the clock may be by which a token was issued, in seconds.
pub const SKEW_S: u64 = 5 * 60;

/// What a signature of [`Version::V2`] begins with. Those of the first have 56 bytes under them, so neither
/// can be taken for the other.
const DOMAIN: &[u8] = b"ic-auth-2\0";

/// A player's word of who they are: `player_key[32] session_id[16] issued_at[8, big-endian] signature[64]`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Token {
    /// The player: an Ed25519 public key.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    pub player_key: [u8; 32],
    /// Tells one session of the player from another.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    pub session_id: [u8; 16],
    /// When it was signed, in seconds of Unix time.
    pub issued_at: u64,
    /// By the player's key.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    pub signature: [u8; 64],
}

/// What a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Version {
    /// The token's own fields alone: whoever has seen it can show it again.
    V1,
    /// Where, why and to whom it is shown, too.
    V2,
}

impl Version {
    /// The version that a peer signs by its `ic_version`; `None` for one that has no IC extensions.
    #[must_use]
    pub const fn of(ic_version: u32) -> Option<Self> {
        match ic_version {
            0 => None,
            1 => Some(Self::V1),
            _ => Some(Self::V2),
        }
    }
}

/// What a token of [`Version::V2`] is signed for: it is good for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// Why it is shown.
    pub purpose: Purpose,
    /// In which community.
    pub community_id: [u8; 32],
    /// For which torrent.
    pub info_hash: InfoHash,
    /// To whom, as [`Purpose`] has it.
    pub audience: &'a [u8],
}

/// Why a token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// 1: to a peer, in `ic_auth`. The audience is the receiver's peer id, or inside a mesh
    /// session what only its two ends know.
    PeerMessage = 1,
    /// 2: to a tracker, over UDP. The audience is the connection id and the transaction id, 12 bytes.
    UdpAnnounce = 2,
    /// 3: to a tracker, over WebSocket. The audience is the tracker's URL in UTF-8.
    WsAnnounce = 3,
}

/// What a token proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Verified {
    /// Whoever shows it is this player.
    Authenticated {
        /// The player.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        player_key: [u8; 32],
    },
    /// This player has signed it once, and whoever shows it may have found it somewhere. Gives no rights.
    IdentifiedOnly {
        /// The player.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        player_key: [u8; 32],
    },
}

/// Why a token proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TokenError {
    /// Issued more than [`SKEW_S`] from now.
    #[error("token from the future")]
    FromTheFuture,
    /// Issued more than [`LIFETIME_S`] ago.
    #[error("token too old")]
    TooOld,
    /// The player's key is no point of the curve, or one of small order, under which anything verifies.
    #[error("no usable player key")]
    BadKey,
    /// Signed by somebody else, for something else, or not in the one form that a signature has.
    #[error("bad signature")]
    BadSignature,
}

impl Token {
    /// Signs a token that is good wherever it is shown: [`Version::V1`], for those who know no other.
    #[must_use]
    pub fn sign_v1(player: &SigningKey, session_id: [u8; 16], issued_at: u64) -> Self {
        Self::sign(player, session_id, issued_at, Self::message_v1)
    }

    /// Signs a token for this use alone: [`Version::V2`].
    #[must_use]
    pub fn sign_v2(player: &SigningKey, session_id: [u8; 16], issued_at: u64, binding: &Binding<'_>) -> Self {
        Self::sign(player, session_id, issued_at, |token| token.message_v2(binding))
    }

    /// Judges a token at `now_unix` seconds of Unix time. A token of [`Version::V1`] is bound to nothing,
    /// and `binding` is not looked at. Whether the player is a member is the caller's business.
    ///
    /// # Errors
    /// See [`TokenError`]; times are looked at first, which costs nothing.
    pub fn verify(
        &self,
        version: Version,
        binding: &Binding<'_>,
        now_unix: u64,
    ) -> Result<Verified, TokenError> {
        if self.issued_at > now_unix.saturating_add(SKEW_S) {
            return Err(TokenError::FromTheFuture);
        }
        if now_unix.saturating_sub(self.issued_at) > LIFETIME_S {
            return Err(TokenError::TooOld);
        }
        let key = VerifyingKey::from_bytes(&self.player_key).map_err(|_| TokenError::BadKey)?;
        if key.is_weak() {
            return Err(TokenError::BadKey);
        }
        let player_key = self.player_key;
        let (message, verified) = match version {
            Version::V1 => (self.message_v1(), Verified::IdentifiedOnly { player_key }),
            Version::V2 => (self.message_v2(binding), Verified::Authenticated { player_key }),
        };
        let signature = Signature::from_bytes(&self.signature);
        // Strict: s below the order of the group, so nobody can make a second signature out of the first.
        key.verify_strict(&message, &signature).map_err(|_| TokenError::BadSignature)?;
        Ok(verified)
    }

    /// Reads a token; `None` if it is not [`TOKEN_LENGTH`] bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (player_key, rest) = bytes.split_first_chunk()?;
        let (session_id, rest) = rest.split_first_chunk()?;
        let (issued_at, signature) = rest.split_first_chunk()?;
        Some(Self {
            player_key: *player_key,
            session_id: *session_id,
            issued_at: u64::from_be_bytes(*issued_at),
            signature: signature.try_into().ok()?,
        })
    }

    /// The token's [`TOKEN_LENGTH`] bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.message_v1();
        bytes.extend_from_slice(&self.signature);
        bytes
    }

    fn sign(
        player: &SigningKey,
        session_id: [u8; 16],
        issued_at: u64,
        message: impl FnOnce(&Self) -> Vec<u8>,
    ) -> Self {
        let player_key = player.verifying_key().to_bytes();
        let unsigned = Self { player_key, session_id, issued_at, signature: [0; 64] };
        Self { signature: player.sign(&message(&unsigned)).to_bytes(), ..unsigned }
    }

    fn message_v1(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(TOKEN_LENGTH);
        message.extend_from_slice(&self.player_key);
        message.extend_from_slice(&self.session_id);
        message.extend_from_slice(&self.issued_at.to_be_bytes());
        message
    }

    fn message_v2(&self, binding: &Binding<'_>) -> Vec<u8> {
        let mut message = DOMAIN.to_vec();
        message.push(binding.purpose as u8);
        message.extend_from_slice(&binding.community_id);
        message.extend_from_slice(&binding.info_hash.0);
        // A hash, so that every audience takes the same room and none runs into the next field.
        message.extend_from_slice(&Sha256::digest(binding.audience));
        message.extend_from_slice(&self.message_v1());
        message
    }
}

impl fmt::Debug for Token {
    /// Without the signature: a token of the first version is good for whoever reads it in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("player_key", &self.player_key)
            .field("session_id", &self.session_id)
            .field("issued_at", &self.issued_at)
            .finish_non_exhaustive()
    }
}
