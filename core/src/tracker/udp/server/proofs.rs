//! Who has proven to be which player, so that a signature is verified once and not for every packet.

use super::super::ConnectionId;
use crate::ic::Token;
use alloc::{boxed::Box, vec};
use core::{hash::Hasher, net::SocketAddr};
use siphasher::sip::SipHasher13;

/// Proofs side by side: a new one takes the place of the oldest of these.
const WAYS: usize = 4;

/// Sets of them: 256 KiB in all, and 16,384 players who have announced within two minutes.
const SETS: usize = 1 << 12;

/// What a token that was good has proven: this socket, which got this connection id, is this player in this
/// community, for as long as the id is good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof<'a> {
    pub(super) source: SocketAddr,
    pub(super) connection: ConnectionId,
    pub(super) community: &'a [u8; 32],
    pub(super) token: &'a Token,
}

/// The proofs of late. They need no end of their own: a proof is worth nothing without its connection id.
#[derive(Debug)]
pub(super) struct Proofs {
    hasher: SipHasher13,
    sets: Box<[[Entry; WAYS]]>,
}

/// Nobody finds a proof with the tag of another's: the hash is keyed.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    tag: u64,
    at_s: u64,
}

impl Proofs {
    pub(super) fn new(hasher: SipHasher13) -> Self {
        Self { hasher, sets: vec![[Entry::default(); WAYS]; SETS].into() }
    }

    pub(super) fn contains(&self, proof: &Proof<'_>) -> bool {
        let tag = self.tag(proof);
        self.sets.get(set(tag)).is_some_and(|set| set.iter().any(|entry| entry.tag == tag))
    }

    /// Remembers a proof, at `unix_s` seconds of Unix time.
    pub(super) fn insert(&mut self, unix_s: u64, proof: &Proof<'_>) {
        let tag = self.tag(proof);
        let set = self.sets.get_mut(set(tag));
        if let Some(oldest) = set.and_then(|set| set.iter_mut().min_by_key(|entry| entry.at_s)) {
            *oldest = Entry { tag, at_s: unix_s };
        }
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.sets)
    }

    fn tag(&self, proof: &Proof<'_>) -> u64 {
        let mut hasher = self.hasher;
        hasher.write(&proof.token.player_key);
        hasher.write(&proof.token.session_id);
        hasher.write(proof.community);
        hasher.write(&super::connections::octets(proof.source.ip()));
        hasher.write_u16(proof.source.port());
        hasher.write_u64(proof.connection.0);
        hasher.finish()
    }
}

const fn set(tag: u64) -> usize {
    tag as usize % SETS
}
