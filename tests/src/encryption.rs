//! How streams are encrypted: by what peers are told, and what the program says of it.

use crate::Process;
use serde_json::Value;

/// What a peer that others wrote is told of encryption. Not every one has every setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crypto {
    /// It speaks plain BitTorrent and nothing else.
    Disabled,
    /// It takes both what is encrypted and what is not.
    Enabled,
    /// It wants an encrypted handshake, and plain BitTorrent behind that.
    Plaintext,
    /// It wants everything encrypted by RC4.
    Rc4,
}

/// `--encryption` and `--encryption-level` of the program under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Plain BitTorrent only.
    Disabled,
    /// The default.
    Enabled,
    /// An encrypted handshake at the least.
    Required,
    /// Everything encrypted by RC4.
    RequiredRc4,
}

impl Crypto {
    /// As the peers' scripts call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Plaintext => "plaintext",
            Self::Rc4 => "rc4",
        }
    }
}

impl Policy {
    /// The values of the two flags.
    pub(crate) const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Disabled => ("disabled", "both"),
            Self::Enabled => ("enabled", "both"),
            Self::Required => ("required", "both"),
            Self::RequiredRc4 => ("required", "rc4"),
        }
    }
}

/// What the program said of the streams to its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// The `encryption` of every peer that connected, in their order: `none`, `plaintext` or `rc4`.
    pub encryption: Vec<String>,
    /// How often it dialled again, the other way.
    pub fallbacks: usize,
    /// Why dials failed for good.
    pub failures: Vec<String>,
}

impl Streams {
    /// From all that the program has said so far, as far as it was waited for.
    #[must_use]
    pub fn seen(process: &Process) -> Self {
        Self::of(process.seen())
    }

    /// From these lines.
    ///
    /// # Panics
    /// If one lacks what it ought to say.
    #[must_use]
    pub fn of(lines: &[Value]) -> Self {
        let mut streams = Self::default();
        for line in lines {
            let text = |field: &str| line[field].as_str().unwrap_or_else(|| panic!("no {field} in {line}"));
            match line["event"].as_str() {
                Some("peer") => streams.encryption.push(text("encryption").to_owned()),
                Some("fell_back") => streams.fallbacks += 1,
                Some("dial_failed") => streams.failures.push(text("why").to_owned()),
                _ => {}
            }
        }
        streams
    }
}
