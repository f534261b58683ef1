//! `ic_auth`: who plays on a peer, and in which community.

use super::Error;
use crate::{
    bencode::{Decoder, Writer},
    ic::Token,
};
use alloc::vec::Vec;

/// The longest message, in bytes.
pub const AUTH_MAX: usize = 1024;

/// What a peer sends once, behind both extension handshakes. It proves nothing until its token
/// [verifies](Token::verify).
///
/// ```
/// use convoy_core::{ic::{SigningKey, Token}, wire::extension::Auth};
///
/// let token = Token::sign_v1(&SigningKey::from_bytes(&[7; 32]), [3; 16], 1_740_000_000);
/// let auth = Auth { community_id: [1; 32], token };
/// assert_eq!(Auth::decode(&auth.encode())?, auth);
/// # Ok::<(), convoy_core::wire::extension::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Auth {
    /// The community in which the player speaks.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    pub community_id: [u8; 32],
    /// What the player signed.
    pub token: Token,
}

impl Auth {
    /// Reads a payload: a dictionary with its keys in order, and every field of exactly its length. Keys
    /// that are not known are passed over.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        if payload.len() > AUTH_MAX {
            return Err(Error::TooLong { length: payload.len() });
        }
        Self::read(payload).ok_or(Error::Malformed)
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let document = Decoder::strict().decode(payload).ok()?;
        let dict = document.root().dict()?;
        let string = |key: &[u8]| dict.get(key)?.string();
        let token = Token {
            player_key: string(b"player_key")?.try_into().ok()?,
            session_id: string(b"session_id")?.try_into().ok()?,
            issued_at: dict.get(b"issued_at")?.integer()?.try_into().ok()?,
            signature: string(b"signature")?.try_into().ok()?,
        };
        Some(Self { community_id: string(b"community_id")?.try_into().ok()?, token })
    }

    /// The payload. bencode counts to 2^63 - 1 seconds: a token issued later is sent as of then.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        Writer::new(&mut payload).dict(|dict| {
            dict.string(b"community_id", self.community_id)
                .integer(b"issued_at", i64::try_from(self.token.issued_at).unwrap_or(i64::MAX))
                .string(b"player_key", self.token.player_key)
                .string(b"session_id", self.token.session_id)
                .string(b"signature", self.token.signature);
        });
        payload
    }
}
