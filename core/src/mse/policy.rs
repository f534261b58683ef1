//! Who may speak how: what to offer, what to choose, how to dial, and when to dial again.

use super::Config;

/// Whether connections of one direction are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Policy {
    /// Plain BitTorrent only.
    Disabled,
    /// Dialling: encrypted first, then plain on a new connection. Dialled: whatever the peer speaks.
    #[default]
    Enabled,
    /// Encrypted only.
    Required,
}

/// What happens to the bytes behind the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Method {
    /// They travel in the clear: only the header is obfuscated.
    Plaintext,
    /// They are encrypted.
    Rc4,
}

/// Which methods are offered and accepted. Never none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Level {
    /// Only [`Method::Plaintext`].
    Plaintext,
    /// Only [`Method::Rc4`].
    Rc4,
    /// Both.
    #[default]
    Both,
}

impl Method {
    /// The bit by which it goes over the wire.
    #[must_use]
    pub const fn bit(self) -> u32 {
        match self {
            Self::Plaintext => 1,
            Self::Rc4 => 2,
        }
    }

    /// What was selected of what was offered. Bits that nobody knows are ignored; to select both, or what
    /// was not offered, is to select nothing.
    pub(super) fn selected(select: u32, provide: u32) -> Option<Self> {
        let known = select & Level::Both.bits();
        let method = [Self::Plaintext, Self::Rc4].into_iter().find(|method| method.bit() == known)?;
        (method.bit() & provide != 0).then_some(method)
    }
}

impl Level {
    /// The bits by which it goes over the wire.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Plaintext => 1,
            Self::Rc4 => 2,
            Self::Both => 3,
        }
    }

    /// What a responder of this level selects of an offer: `prefer` where it can.
    pub(super) fn choose(self, provide: u32, prefer: Method) -> Option<Method> {
        let common = provide & self.bits();
        [prefer, Method::Plaintext, Method::Rc4].into_iter().find(|method| method.bit() & common != 0)
    }
}

/// What is known of a peer before it is dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Plain BitTorrent is what worked last time. Forget it when that fails.
    pub plain: bool,
    /// Somebody says that it prefers encryption: the peer itself (`e` of BEP 10), the PEX flag 0x01, or a
    /// tracker's `crypto_flags`. Outweighs `plain`.
    pub prefers_encryption: bool,
}

/// How to speak on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// Plain BitTorrent.
    Plain,
    /// A [`Handshake`](super::Handshake) that offers this.
    Encrypted(Level),
}

/// How far a dialled handshake came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The peer's public key is not here.
    Keys,
    /// The offer was sent.
    Offered,
    /// The peer selected a method: it speaks MSE and knows the torrent.
    Selected,
}

/// One connection to a peer, of at most two in a row.
///
/// Each is a new connection: nobody goes on in the clear on a stream that carries a key.
///
/// ```
/// use convoy_core::mse::{Attempt, Config, Known, Level, Policy, Speech, Stage};
///
/// let config = Config::default();
/// let first = Attempt::first(&config, Known::default());
/// assert_eq!(first.speech(), Speech::Encrypted(Level::Both));
/// let second = first.after(&config, Stage::Keys).expect("encryption is not required");
/// assert_eq!(second.speech(), Speech::Plain);
/// assert_eq!(second.after(&config, Stage::Keys), None);
///
/// let strict = Config { outgoing: Policy::Required, ..config };
/// assert_eq!(Attempt::first(&strict, Known::default()).after(&strict, Stage::Keys), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    speech: Speech,
    again: bool,
}

impl Attempt {
    /// How to dial a peer first.
    #[must_use]
    pub const fn first(config: &Config, known: Known) -> Self {
        let speech = match config.outgoing {
            Policy::Disabled => Speech::Plain,
            Policy::Enabled if known.plain && !known.prefers_encryption => Speech::Plain,
            Policy::Enabled | Policy::Required => Speech::Encrypted(config.level),
        };
        Self { speech, again: false }
    }

    /// How to speak on this connection.
    #[must_use]
    pub const fn speech(self) -> Speech {
        self.speech
    }

    /// How to dial again after the peer hung up, or was hung up on, at `reached`: where
    /// [`Handshake::stage`](super::Handshake::stage) stood, or [`Stage::Keys`] if this was plain
    /// BitTorrent. `None`: the failure is final. Not for dials that brought about no connection.
    #[must_use]
    pub fn after(self, config: &Config, reached: Stage) -> Option<Self> {
        if self.again || reached == Stage::Selected {
            return None;
        }
        let speech = match (config.outgoing, self.speech) {
            (Policy::Enabled, Speech::Encrypted(_)) => Some(Speech::Plain),
            (Policy::Enabled, Speech::Plain) => Some(Speech::Encrypted(config.level)),
            // Transmission 3.00 hangs up on an initial payload when it selects plaintext: leave it no choice.
            (Policy::Required, Speech::Encrypted(Level::Both)) if reached == Stage::Offered => {
                Some(Speech::Encrypted(Level::Rc4))
            }
            (Policy::Disabled | Policy::Required, _) => None,
        };
        speech.map(|speech| Self { speech, again: true })
    }
}
