//! What a peer can do: one table for extension handshakes, announces, signaling and the DHT.

use core::ops::BitOr;

/// A mask of what a peer can do. Bits that have no meaning yet are never sent, and dropped when read.
///
/// ```
/// use convoy_core::ic::Capabilities;
///
/// let ours = Capabilities::DESKTOP | Capabilities::AUTH;
/// assert_eq!(ours.bits(), 9);
/// assert!(ours.has(Capabilities::AUTH) && !ours.has(Capabilities::SERVER));
/// assert_eq!(Capabilities::from_bits(0xffe9), ours);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(from = "u16", into = "u16")
)]
pub struct Capabilities(u16);

impl Capabilities {
    /// Bit 0: a program on a desktop.
    pub const DESKTOP: Self = Self(1 << 0);
    /// Bit 1: a browser, which is reached over WebRTC alone.
    pub const BROWSER: Self = Self(1 << 1);
    /// Bit 2: a server, or a seed that stays.
    pub const SERVER: Self = Self(1 << 2);
    /// Bit 3: it speaks `ic_auth`.
    pub const AUTH: Self = Self(1 << 3);
    /// Bit 4: it takes part over TCP and over WebRTC, and so brings browsers and others together.
    pub const WEBRTC_BRIDGE: Self = Self(1 << 4);

    /// The bits that have a meaning.
    const KNOWN: u16 = (1 << 5) - 1;

    /// What a peer says of itself.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::KNOWN)
    }

    /// The mask.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether it can do all of `these`.
    #[must_use]
    pub const fn has(self, these: Self) -> bool {
        self.0 & these.0 == these.0
    }
}

impl BitOr for Capabilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl From<u16> for Capabilities {
    fn from(bits: u16) -> Self {
        Self::from_bits(bits)
    }
}

impl From<Capabilities> for u16 {
    fn from(capabilities: Capabilities) -> Self {
        capabilities.0
    }
}
