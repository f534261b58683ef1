//! What only a seed can give goes before anything else.
//!
//! While there are pieces that nobody has, everybody waits for the next of them; a copy of what others have,
//! or are being sent, could come from those as well. But peers do not know of each other what they are sent,
//! and at the end, when few such pieces are left, they all ask the seed for the same. So requests for a piece
//! that nobody has, and that is its peer's to spread, come soon, and all others later. And as long as such a
//! piece is on its way to somebody, a peer that takes data no faster is passed over with what comes later.
//! Often that is taken back before its turn comes: the piece came from somebody else.
//!
//! That a peer takes data no faster than another says that both wait for our uplink. Whoever takes it slowly,
//! because it can do no better or for spite, holds up nobody who is faster; and nobody is passed over for
//! long ([`PATIENCE`]).

use super::{Action, machine::Swarm};
use crate::{Deadline, Instant, Outbox, id::PeerKey};
use alloc::{collections::BTreeSet, vec::Vec};
use core::{mem, time::Duration};

/// For how long a peer is passed over before it gets one run of blocks all the same.
const PATIENCE: Duration = Duration::from_secs(10);
/// Over how much time the rate is averaged at which a peer takes data.
const RATE_SPAN_US: u64 = 2_000_000;

/// Who gets pieces that nobody has, and who waits for that.
#[derive(Debug, Default)]
pub(super) struct Spreading {
    /// To whom such pieces are on their way: no more peers than are, or just were, served.
    to: Vec<PeerKey>,
    /// Who is passed over, and until when at most.
    passed_over: BTreeSet<(Instant, PeerKey)>,
}

/// How fast a peer takes what is on its way to it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drain {
    bytes_per_s: u64,
    /// How much time the rate stands for, in microseconds; at most [`RATE_SPAN_US`].
    span_us: u64,
    /// When it last took something, or was first given something to take.
    since: Instant,
}

impl Drain {
    /// There is something to take, where there was nothing.
    pub(super) const fn begin(&mut self, now: Instant) {
        self.since = now;
    }

    /// The peer has taken some of it.
    fn take(&mut self, now: Instant, bytes: usize) {
        let span_us = self.span_us + micros(now - self.since);
        let before = self.bytes_per_s.saturating_mul(self.span_us);
        self.bytes_per_s = before.saturating_add(bytes as u64 * 1_000_000) / span_us.max(1);
        self.span_us = span_us.min(RATE_SPAN_US);
        self.since = now;
    }

    /// The rate, with the silence up to now counted in.
    fn rate(&self, now: Instant) -> u64 {
        let silent_us = micros(now - self.since);
        self.bytes_per_s.saturating_mul(self.span_us) / (self.span_us + silent_us).max(1)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2)
}

impl Swarm {
    /// Whether others get what nobody has, and a peer takes data no faster than they: twice as fast at most.
    pub(super) fn is_passed_over(&self, now: Instant, key: PeerKey) -> bool {
        if self.peers.get(key).and_then(|peer| peer.passed_over).is_some_and(|until| until <= now) {
            return false;
        }
        let rate = |key| self.peers.get(key).map_or(0, |peer| peer.drain.rate(now));
        let is_urgent = self.choker.is_lobby(key);
        let mut others = self.spreading.to.iter().filter(|other| **other != key);
        !is_urgent && others.any(|other| rate(*other).saturating_mul(2) >= rate(key))
    }

    /// Has a peer wait for its turn. It does so once: who need not wait any longer, but finds no room, and then
    /// must again, has its turn no later.
    pub(super) fn pass_over(&mut self, now: Instant, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key) {
            let until = *peer.passed_over.get_or_insert(now + PATIENCE);
            self.spreading.passed_over.insert((until, key));
        }
    }

    /// A peer has had its turn.
    pub(super) fn end_passing_over(&mut self, key: PeerKey) {
        if let Some(until) = self.peers.get_mut(key).and_then(|peer| peer.passed_over.take()) {
            self.spreading.passed_over.remove(&(until, key));
        }
    }

    /// A run of blocks that comes soon is on its way to a peer.
    pub(super) fn note_spread(&mut self, key: PeerKey) {
        if self.suggestions.is_some()
            && let Some(peer) = self.peers.get_mut(key)
        {
            if peer.spreading == 0 {
                self.spreading.to.push(key);
            }
            peer.spreading = peer.reading + peer.unsent;
        }
    }

    /// A peer has taken bytes of blocks.
    pub(super) fn note_taken(&mut self, now: Instant, key: PeerKey, bytes: usize, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key).filter(|_| bytes > 0) else { return };
        peer.drain.take(now, bytes);
        if peer.spreading > 0 {
            peer.spreading = peer.spreading.saturating_sub(bytes);
            if peer.spreading == 0 {
                self.end_spreading(now, key, out);
            }
        }
    }

    /// Nothing that nobody has is on its way to a peer any more.
    pub(super) fn end_spreading(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        self.spreading.to.retain(|other| *other != key);
        self.serve_passed_over(now, out);
    }

    /// Serves those who need not, or must not, wait any longer.
    pub(super) fn serve_passed_over(&mut self, now: Instant, out: &mut Outbox<Action>) {
        for (until, key) in mem::take(&mut self.spreading.passed_over) {
            if until > now && self.is_passed_over(now, key) {
                self.spreading.passed_over.insert((until, key));
            } else {
                self.serve_more(now, key, out);
            }
        }
    }

    pub(super) fn spread_deadline(&self) -> Option<Deadline> {
        let (at, _) = *self.spreading.passed_over.first()?;
        Some(Deadline { at, why: "a request is passed over" })
    }
}
