//! What becomes of the bytes behind a handshake.

use super::{keys::Keystreams, policy::Method};
use crate::crypto::Rc4;
use alloc::boxed::Box;
use bytes::{Bytes, BytesMut};

/// Both directions of a stream, from the first byte behind the handshake on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Ciphers {
    /// Bytes travel as they are.
    Plain,
    /// Each direction has its keystream: every byte must go through once, in order.
    Rc4 {
        /// For what goes out.
        send: Box<Rc4>,
        /// For what comes in.
        receive: Box<Rc4>,
    },
}

impl Ciphers {
    pub(super) fn new(method: Method, Keystreams { send, receive }: Keystreams) -> Self {
        match method {
            Method::Plaintext => Self::Plain,
            Method::Rc4 => Self::Rc4 { send, receive },
        }
    }

    /// Whether bytes change on their way.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        matches!(self, Self::Rc4 { .. })
    }

    /// Decrypts what came in next, in place.
    pub fn decrypt(&mut self, bytes: &mut BytesMut) {
        if let Self::Rc4 { receive, .. } = self {
            receive.apply(bytes);
        }
    }

    /// Encrypts what goes out next, in place.
    pub fn encrypt_in_place(&mut self, bytes: &mut [u8]) {
        if let Self::Rc4 { send, .. } = self {
            send.apply(bytes);
        }
    }

    /// Encrypts what goes out next: in place if nobody else holds the bytes, else in a copy.
    #[must_use]
    pub fn encrypt(&mut self, bytes: Bytes) -> Bytes {
        let Self::Rc4 { send, .. } = self else { return bytes };
        let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        send.apply(&mut bytes);
        bytes.freeze()
    }
}
