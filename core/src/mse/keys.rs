//! What both sides derive from their secret and the torrent.

use super::message::PAD_MAX;
use crate::{
    crypto::{PrivateKey, Rc4, SharedSecret, dh::KEY_LENGTH},
    id::InfoHash,
    outbox::Outbox,
    random::{Random, Seed},
};
use alloc::{boxed::Box, collections::BTreeMap, vec, vec::Vec};
use bytes::Bytes;
use core::{fmt, mem};
use sha1::{Digest, Sha1};

/// `HASH("req2" ‖ info_hash)`: how a peer names a torrent to those who have it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Req2Hash(#[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))] pub [u8; 20]);

impl Req2Hash {
    /// The hash of a torrent.
    #[must_use]
    pub fn of(info_hash: &InfoHash) -> Self {
        Self(hash([b"req2", &info_hash.0, &[]]))
    }
}

impl fmt::Debug for Req2Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Req2Hash(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// The torrents that a responder can be asked for, by the hash that peers ask with.
///
/// Whoever has the torrents keeps it, so that a handshake costs one look-up and no hash per torrent.
///
/// ```
/// use convoy_core::{id::InfoHash, mse::{Req2Hash, Skeys}};
///
/// let mut skeys = Skeys::default();
/// skeys.add(InfoHash([1; 20]));
/// assert_eq!(skeys.find(&Req2Hash::of(&InfoHash([1; 20]))), Some(InfoHash([1; 20])));
/// assert!(skeys.remove(&InfoHash([1; 20])));
/// assert_eq!(skeys.find(&Req2Hash::of(&InfoHash([1; 20]))), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skeys(BTreeMap<Req2Hash, InfoHash>);

impl Skeys {
    /// Adds a torrent. A torrent of BEP 52 is added under each info-hash whose swarm is meant, cut to 20
    /// bytes.
    pub fn add(&mut self, info_hash: InfoHash) {
        self.0.insert(Req2Hash::of(&info_hash), info_hash);
    }

    /// Removes a torrent, and says whether it was there.
    pub fn remove(&mut self, info_hash: &InfoHash) -> bool {
        self.0.remove(&Req2Hash::of(info_hash)).is_some()
    }

    /// The torrent that a peer asks for.
    #[must_use]
    pub fn find(&self, hash: &Req2Hash) -> Option<InfoHash> {
        self.0.get(hash).copied()
    }
}

/// What a handshake would draw: its private key and its padding. Given by vectors, drawn otherwise.
#[derive(Debug)]
pub struct Choices {
    /// The private key.
    pub private: PrivateKey,
    /// What stands behind the public key: PadA or PadB, or their first part.
    pub key_pad: Vec<u8>,
    /// What stands in front of the marker: the second part of PadA or PadB, which some peers send there.
    /// Drawn handshakes have none. Both parts are [`PAD_MAX`] bytes at most.
    pub marker_pad: Vec<u8>,
    /// Length of PadC or PadD in bytes, [`PAD_MAX`] at most. They are zeros.
    pub zeros: u16,
    /// The bits that an initiator offers, if others than those of its level.
    pub provide: Option<u32>,
}

impl Choices {
    /// Draws the key from the secret stream and the padding from the public one.
    fn draw(seed: Seed) -> Self {
        let mut random = Random::new(seed);
        let mut length = || random.below(PAD_MAX as u32 + 1);
        let (pad, zeros) = (length(), length() as u16);
        let mut key_pad = vec![0; pad as usize];
        random.fill_public(&mut key_pad);
        let private = PrivateKey::random(&mut random);
        Self { private, key_pad, marker_pad: Vec::new(), zeros, provide: None }
    }

    /// The public key and its padding: PE1 or PE2.
    pub(super) fn greeting<A>(&mut self, out: &mut Outbox<A>) -> Bytes {
        let (key, pad) = (self.private.public(), mem::take(&mut self.key_pad));
        out.write(KEY_LENGTH + pad.len(), |arena| {
            arena.extend_from_slice(key.as_bytes());
            arena.extend_from_slice(&pad);
        })
    }
}

/// Where a handshake's choices come from. Nothing is drawn before it is wanted.
#[derive(Debug)]
pub(super) enum Source {
    Seed(Seed),
    Given(Choices),
}

impl Source {
    pub(super) fn choices(self) -> Choices {
        match self {
            Self::Seed(seed) => Choices::draw(seed),
            Self::Given(choices) => choices,
        }
    }
}

/// The two keystreams, from one side's point of view.
#[derive(Debug)]
pub(super) struct Keystreams {
    pub(super) send: Box<Rc4>,
    pub(super) receive: Box<Rc4>,
}

impl Keystreams {
    pub(super) fn initiator(secret: &SharedSecret, info_hash: &InfoHash) -> Self {
        let [send, receive] = [b"keyA", b"keyB"].map(|name| keystream(name, secret, info_hash));
        Self { send, receive }
    }

    pub(super) fn responder(secret: &SharedSecret, info_hash: &InfoHash) -> Self {
        let Self { send, receive } = Self::initiator(secret, info_hash);
        Self { send: receive, receive: send }
    }
}

fn keystream(name: &[u8; 4], secret: &SharedSecret, info_hash: &InfoHash) -> Box<Rc4> {
    Box::new(Rc4::new_dropped(&hash([name, secret.as_bytes(), &info_hash.0])))
}

/// `HASH("req1" ‖ S)`: where the initiator's padding ends.
pub(super) fn req1(secret: &SharedSecret) -> [u8; 20] {
    hash([b"req1", secret.as_bytes(), &[]])
}

/// `HASH("req3" ‖ S)` combined with `hash`: covers the name of a torrent, and uncovers it.
pub(super) fn cover(secret: &SharedSecret, mut name: [u8; 20]) -> [u8; 20] {
    let mask = hash([b"req3", secret.as_bytes(), &[]]);
    name.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    name
}

fn hash(parts: [&[u8]; 3]) -> [u8; 20] {
    let mut hash = Sha1::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}
