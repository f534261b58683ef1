//! What a handshake does and tolerates.

use super::policy::{Level, Method, Policy};
use core::time::Duration;

/// How connections are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Whether dialled connections are. Enabled by default.
    pub outgoing: Policy,
    /// Whether accepted connections are. Enabled by default.
    pub incoming: Policy,
    /// What is offered and accepted. With [`Policy::Required`], a level that contains plaintext means that
    /// an obfuscated header is enough. Both by default.
    pub level: Level,
    /// What a responder selects when it could select either. RC4 by default: some peers trip over
    /// plaintext.
    pub prefer: Method,
    /// How much of its first words an initiator sends with the offer, in bytes. By default the 68 of a
    /// handshake of BEP 3, which saves a round trip: many peers hang up on more.
    pub max_ia_sent: u16,
    /// How much a responder accepts with an offer, in bytes. By default all that an offer can say.
    pub max_ia: u16,
    /// How long a handshake may take from construction on, however many bytes trickle in. 30 s by default.
    /// One deadline for this handshake and the plain one inside it is the caller's to keep.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            outgoing: Policy::Enabled,
            incoming: Policy::Enabled,
            level: Level::Both,
            prefer: Method::Rc4,
            max_ia_sent: 68,
            max_ia: u16::MAX,
            timeout: Duration::from_secs(30),
        }
    }
}
