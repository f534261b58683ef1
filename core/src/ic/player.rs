//! The key that a player signs with.

use super::SigningKey;
use core::fmt;
use zeroize::Zeroizing;

/// An Ed25519 private key. Wiped when dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(from = "[u8; 32]", into = "[u8; 32]")
)]
pub struct PlayerSecret(Zeroizing<[u8; 32]>);

impl PlayerSecret {
    /// The key to sign with.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.0)
    }

    /// The player's name: the public key.
    #[must_use]
    pub fn player_key(&self) -> [u8; 32] {
        self.signing_key().verifying_key().to_bytes()
    }
}

impl From<[u8; 32]> for PlayerSecret {
    fn from(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }
}

impl From<PlayerSecret> for [u8; 32] {
    fn from(secret: PlayerSecret) -> Self {
        *secret.0
    }
}

impl fmt::Debug for PlayerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlayerSecret(..)")
    }
}
