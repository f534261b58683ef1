//! Addresses where a torrent's peers may listen, and when to try each next.

use super::address::OwnAddress;
use crate::{id::PeerId, mse::Known, time::Instant};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::{
    cmp::Reverse,
    mem,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// The known addresses of one torrent. O(log n) for everything.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    known: BTreeMap<SocketAddr, Candidate>,
    /// Those whose time has not come, the earliest first.
    waiting: BTreeSet<(Instant, SocketAddr)>,
    /// Those whose time has come, the greatest priority of BEP 40 first.
    ready: BTreeSet<(Reverse<u32>, SocketAddr)>,
    /// Where we are.
    own: OwnAddress,
    limit: usize,
    backoff: Backoff,
    /// What is known of how they speak, where anything is.
    speech: BTreeMap<SocketAddr, Known>,
    /// Where peers can be reached that are connected by other streams.
    doubles: BTreeMap<PeerId, BTreeSet<SocketAddr>>,
    /// From where nobody may dial us, at most `limit` of them, the oldest first.
    refused: VecDeque<IpAddr>,
}

/// How long to wait after failures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) at_most: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    /// To be dialled at this time, after so many failures in a row.
    Waiting { at: Instant, failures: u32 },
    /// Being dialled, or connected, after so many failures in a row.
    Busy { failures: u32 },
    /// Of no use as long as nothing more is wanted, or its peer is connected by another stream.
    Idle,
    /// Never again.
    Banned,
}

/// How a connection to a candidate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was of use, or might have been.
    Useful,
    /// It failed, or was of no use.
    Useless,
    /// Neither side wants anything of the other, or has it from another stream.
    Done,
    /// It must not be tried again.
    Never,
}

impl Candidates {
    pub(super) const fn new(limit: usize, backoff: Backoff) -> Self {
        Self {
            known: BTreeMap::new(),
            waiting: BTreeSet::new(),
            ready: BTreeSet::new(),
            own: OwnAddress::NOWHERE,
            limit,
            backoff,
            speech: BTreeMap::new(),
            doubles: BTreeMap::new(),
            refused: VecDeque::new(),
        }
    }

    /// Somebody knows this address. One that is known already keeps its state. Where there is no room, the one
    /// whose turn is farthest off makes some: it failed, and most others less often.
    pub(super) fn add(&mut self, now: Instant, remote: SocketAddr) {
        let dialable = remote.port() != 0 && !remote.ip().is_unspecified() && !remote.ip().is_multicast();
        if !dialable || self.known.contains_key(&remote) {
            return;
        }
        if self.known.len() >= self.limit {
            let Some((at, last)) = self.waiting.last().copied().filter(|(at, _)| *at > now) else { return };
            self.waiting.remove(&(at, last));
            self.known.remove(&last);
            self.speech.remove(&last);
        }
        self.set(remote, Candidate::Waiting { at: now, failures: 0 });
    }

    /// Forgets all but those who must not come back. With whom we are busy is not dialled again either.
    pub(super) fn clear(&mut self) {
        self.known.retain(|_, state| *state == Candidate::Banned);
        self.waiting.clear();
        self.ready.clear();
        self.speech.clear();
        self.doubles.clear();
    }

    /// The one whose turn it is. It is busy from now on.
    pub(super) fn take(&mut self, now: Instant) -> Option<SocketAddr> {
        while let Some((at, remote)) = self.waiting.first().copied().filter(|(at, _)| *at <= now) {
            self.waiting.remove(&(at, remote));
            self.ready.insert((self.priority(remote), remote));
        }
        let (_, remote) = *self.ready.first()?;
        let failures = match self.known.get(&remote) {
            Some(Candidate::Waiting { failures, .. }) => *failures,
            _ => 0,
        };
        self.set(remote, Candidate::Busy { failures });
        Some(remote)
    }

    /// A connection to a candidate, or the attempt at one, is over.
    pub(super) fn ended(&mut self, now: Instant, remote: SocketAddr, ending: Ending) {
        let Some(Candidate::Busy { failures }) = self.known.get(&remote).copied() else { return };
        let failures = if ending == Ending::Useful { 0 } else { failures };
        let pause = self.backoff.first.saturating_mul(1 << failures.min(20)).min(self.backoff.at_most);
        let next = match ending {
            Ending::Never => Candidate::Banned,
            Ending::Done => Candidate::Idle,
            Ending::Useful | Ending::Useless => {
                Candidate::Waiting { at: now + pause, failures: failures + 1 }
            }
        };
        self.set(remote, next);
    }

    /// A peer that we dialled is connected by another stream, which stays.
    pub(super) fn doubled(&mut self, remote: SocketAddr, peer_id: PeerId) {
        if self.known.contains_key(&remote) {
            self.doubles.entry(peer_id).or_default().insert(remote);
        }
    }

    /// A peer has left: it may be reached where we dialled it beside the stream that it had.
    pub(super) fn left(&mut self, now: Instant, peer_id: PeerId) {
        for remote in self.doubles.remove(&peer_id).unwrap_or_default() {
            if self.known.get(&remote) == Some(&Candidate::Idle) {
                self.set(remote, Candidate::Waiting { at: now + self.backoff.first, failures: 0 });
            }
        }
    }

    /// A peer must not come back. Whoever else listens at the same address may still be dialled: several
    /// may share it. For the same reason nobody is refused for what came from this host.
    pub(super) fn ban(&mut self, remote: SocketAddr, outgoing: bool) {
        if outgoing && self.known.contains_key(&remote) {
            self.set(remote, Candidate::Banned);
        }
        if remote.ip().is_loopback() || self.is_banned(remote, false) {
            return;
        }
        if self.refused.len() >= self.limit {
            self.refused.pop_front();
        }
        self.refused.push_back(remote.ip());
    }

    /// Whether a peer that we dialled, or that dialled us, is one that was banned.
    pub(super) fn is_banned(&self, remote: SocketAddr, outgoing: bool) -> bool {
        if outgoing {
            self.known.get(&remote) == Some(&Candidate::Banned)
        } else {
            self.refused.contains(&remote.ip())
        }
    }

    /// More is wanted than before: those that were of no use may be now.
    pub(super) fn wake(&mut self, now: Instant) {
        let idle =
            self.known.iter().filter(|(_, state)| **state == Candidate::Idle).map(|(remote, _)| *remote);
        for remote in idle.collect::<Vec<_>>() {
            self.set(remote, Candidate::Waiting { at: now, failures: 0 });
        }
    }

    /// What is known of how this one speaks.
    pub(super) fn known(&self, remote: SocketAddr) -> Known {
        self.speech.get(&remote).copied().unwrap_or_default()
    }

    /// Somebody says how one speaks with whom we have not spoken.
    pub(super) fn hint(&mut self, remote: SocketAddr, hint: impl FnOnce(&mut Known)) {
        if !self.speech.contains_key(&remote) {
            self.note(remote, hint);
        }
    }

    /// Writes down how this one speaks.
    pub(super) fn note(&mut self, remote: SocketAddr, note: impl FnOnce(&mut Known)) {
        if self.known.contains_key(&remote) {
            note(self.speech.entry(remote).or_default());
        }
    }

    /// When the next one wants to be dialled.
    pub(super) fn next(&self) -> Option<Instant> {
        let ready = self.ready.first().map(|_| Instant::ZERO);
        ready.or_else(|| self.waiting.first().map(|(at, _)| *at))
    }

    /// It is known where we are, and by that whom BEP 40 wants us to prefer.
    pub(super) fn rank(&mut self, own: OwnAddress) {
        self.own = own;
        let ready = mem::take(&mut self.ready);
        self.ready = ready.into_iter().map(|(_, remote)| (self.priority(remote), remote)).collect();
    }

    fn priority(&self, remote: SocketAddr) -> Reverse<u32> {
        Reverse(self.own.priority(remote).unwrap_or(0))
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    fn set(&mut self, remote: SocketAddr, state: Candidate) {
        if let Some(Candidate::Waiting { at, .. }) = self.known.insert(remote, state) {
            self.waiting.remove(&(at, remote));
            self.ready.remove(&(self.priority(remote), remote));
        }
        if let Candidate::Waiting { at, .. } = state {
            self.waiting.insert((at, remote));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates() -> Candidates {
        let backoff = Backoff { first: Duration::from_secs(1), at_most: Duration::from_secs(10) };
        Candidates::new(3, backoff)
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn failures_double_the_pause_up_to_a_limit() {
        let mut candidates = candidates();
        let mut now = Instant::ZERO;
        candidates.add(now, address(1));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            assert_eq!(candidates.take(now), Some(address(1)));
            assert_eq!(candidates.take(now), None, "busy");
            candidates.ended(now, address(1), Ending::Useless);
            let next = candidates.next().expect("waits");
            pauses.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
        candidates.take(now);
        candidates.ended(now, address(1), Ending::Useful);
        assert_eq!(candidates.next(), Some(now + Duration::from_secs(1)));
    }

    #[test]
    fn of_those_whose_time_has_come_the_priority_of_bep_40_decides() {
        let mut candidates = candidates();
        let mut own = OwnAddress::default();
        own.vote([123, 213, 32, 10].into());
        candidates.rank(own);
        let (far, near) =
            (SocketAddr::from(([98, 76, 54, 32], 1)), SocketAddr::from(([123, 213, 32, 234], 1)));
        candidates.add(Instant::ZERO, near);
        candidates.add(Instant::from_micros(5), far);
        // Their priorities are those of the vectors: 0x99568189 and 0xec2d7224.
        assert_eq!(candidates.take(Instant::from_micros(9)), Some(far));
        assert_eq!(candidates.next(), Some(Instant::ZERO), "at once");
        assert_eq!(candidates.take(Instant::from_micros(9)), Some(near));
        assert_eq!(candidates.next(), None);
    }

    #[test]
    fn what_somebody_says_of_one_that_we_know_does_not_count() {
        let mut candidates = candidates();
        candidates.add(Instant::ZERO, address(1));
        candidates.hint(address(1), |known| known.prefers_encryption = true);
        assert!(candidates.known(address(1)).prefers_encryption);
        candidates.note(address(1), |known| known.prefers_encryption = false);
        candidates.hint(address(1), |known| known.prefers_encryption = true);
        assert!(!candidates.known(address(1)).prefers_encryption);
    }

    #[test]
    fn the_banned_stay_banned() {
        let mut candidates = candidates();
        candidates.add(Instant::ZERO, address(1));
        candidates.take(Instant::ZERO);
        candidates.ended(Instant::ZERO, address(1), Ending::Never);
        candidates.add(Instant::ZERO, address(1));
        assert_eq!(candidates.take(Instant::MAX), None);
    }

    #[test]
    fn bad_input_16_who_is_banned_is_neither_dialled_nor_let_in() {
        let mut candidates = candidates();
        let remote = SocketAddr::from(([192, 0, 2, 1], 1));
        let neighbour = SocketAddr::from(([192, 0, 2, 1], 2));
        candidates.add(Instant::ZERO, remote);
        candidates.add(Instant::ZERO, neighbour);
        candidates.ban(remote, true);
        assert!(candidates.is_banned(remote, true) && candidates.is_banned(neighbour, false));
        assert!(!candidates.is_banned(neighbour, true));
        assert_eq!(candidates.take(Instant::MAX), Some(neighbour), "it listens at a port of its own");
        assert_eq!(candidates.take(Instant::MAX), None);
        candidates.ban(address(1), false);
        assert!(!candidates.is_banned(address(1), false), "all of this host has that address");
    }

    #[test]
    fn bans_are_bounded_and_the_oldest_is_lifted_first() {
        let mut candidates = candidates();
        let from = |last| SocketAddr::from(([192, 0, 2, last], 5));
        for last in [1, 2, 3, 3, 3, 4] {
            candidates.ban(from(last), false);
        }
        assert_eq!(
            [1, 2, 3, 4].map(|last| candidates.is_banned(from(last), false)),
            [false, true, true, true]
        );
    }

    #[test]
    fn who_has_nothing_for_us_is_dialled_again_when_more_is_wanted() {
        let mut candidates = candidates();
        candidates.add(Instant::ZERO, address(1));
        candidates.take(Instant::ZERO);
        candidates.ended(Instant::ZERO, address(1), Ending::Done);
        assert_eq!(candidates.next(), None);
        candidates.wake(Instant::ZERO);
        assert_eq!(candidates.take(Instant::ZERO), Some(address(1)));
    }

    #[test]
    fn what_cannot_be_dialled_or_does_not_fit_is_left_out() {
        let mut candidates = candidates();
        candidates.add(Instant::ZERO, address(0));
        candidates.add(Instant::ZERO, SocketAddr::from(([0, 0, 0, 0], 1)));
        candidates.add(Instant::ZERO, SocketAddr::from(([224, 0, 0, 1], 1)));
        assert_eq!(candidates.len(), 0);
        (1..10).for_each(|port| candidates.add(Instant::ZERO, address(port)));
        assert_eq!(candidates.len(), 3);
    }
}
