//! The exchange's machine.

use super::{
    Action, Blame, Config, Input, Limits,
    attempt::Attempt,
    peers::{Peer, after},
};
use crate::{
    deadlines::Deadlines,
    id::{InfoHash, PeerKey},
    machine::Machine,
    outbox::Outbox,
    random::{Random, Seed},
    side_table::SideTable,
    time::{Clock, Deadline, Instant},
};
use alloc::{collections::BTreeMap, vec::Vec};
use bytes::Bytes;
use core::{cmp::Reverse, convert::Infallible, time::Duration};

/// The shortest time for an answer or a turn: less would be a busy loop, and no peer is so quick.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// How often the turns of a peer grow at most: the longest is 1024 times the first.
const MAX_DOUBLINGS: u32 = 10;

/// What did no harm, but should not have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Inputs that named a peer that is not there, or one that was blamed.
    pub strays: u64,
    /// Lengths that no dictionary has, or none that is fetched.
    pub absurd_sizes: u64,
    /// Blocks and rejects without a request.
    pub unrequested: u64,
    /// Blocks that came late, when another peer had sent them.
    pub redundant: u64,
    /// Requests that timed out.
    pub timeouts: u64,
    /// Whole dictionaries whose hash was wrong.
    pub mismatches: u64,
}

/// The exchange of one torrent's info dictionary. See the [module](super) for how it goes.
#[derive(Debug)]
pub struct Exchange {
    info_hash: InfoHash,
    limits: Limits,
    random: Random,
    clock: Clock,
    info: Option<Bytes>,
    pub(super) peers: SideTable<PeerKey, Peer>,
    deadlines: Deadlines,
    attempt: Option<Attempt>,
    /// Several peers had a part in something that was wrong or took too long: one at a time from now on.
    wary: bool,
    /// The next attempt starts no earlier.
    pause_until: Instant,
    counters: Counters,
}

impl Exchange {
    /// An exchange without peers.
    #[must_use]
    pub fn new(config: Config, seed: Seed) -> Self {
        let limits = Limits {
            request_timeout: config.limits.request_timeout.max(MIN_WAIT),
            turn: config.limits.turn.max(MIN_WAIT),
            ..config.limits
        };
        Self {
            info_hash: config.info_hash,
            limits,
            random: Random::new(seed),
            clock: Clock::default(),
            info: config.info,
            peers: SideTable::new(),
            deadlines: Deadlines::default(),
            attempt: None,
            wary: false,
            pause_until: Instant::ZERO,
            counters: Counters::default(),
        }
    }

    /// The info dictionary, once it is known.
    #[must_use]
    pub const fn info(&self) -> Option<&Bytes> {
        self.info.as_ref()
    }

    /// How many blocks of the info dictionary came, and how many there are by the claim that is believed at
    /// present; `None` while nothing is being fetched.
    #[must_use]
    pub fn progress(&self) -> Option<(u32, u32)> {
        self.attempt.as_ref().map(Attempt::progress)
    }

    /// What did no harm.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes of memory held: the dictionary or the blocks that came of it, and for each peer of the fullest
    /// moment some 200 bytes and as much again for what it asked for.
    #[must_use]
    pub fn memory(&self) -> usize {
        let whole = self.info.as_ref().map_or(0, Bytes::len);
        let peers = self.peers.memory() + self.peers.iter().map(|(_, peer)| peer.memory()).sum::<usize>();
        whole + self.attempt.as_ref().map_or(0, Attempt::memory) + peers
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }
}

impl Machine for Exchange {
    type Input = Input;
    type Action = Action;
    type Error = Infallible;

    fn handle_input(
        &mut self,
        now: Instant,
        input: Input,
        out: &mut Outbox<Action>,
    ) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        match input {
            Input::PeerJoined { peer, metadata_size } => self.peer_joined(now, peer, metadata_size, out),
            Input::PeerLeft { peer } => self.peer_left(now, peer, out),
            Input::Request { peer, piece } => self.requested(now, peer, piece, out),
            Input::Data { peer, piece, total_size, data } => {
                self.received(now, peer, piece, total_size, data, out);
            }
            Input::Reject { peer, piece } => self.rejected(now, peer, piece, out),
            Input::Known(info) => self.known(info),
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        let mut proceeds = false;
        while let Some(slot) = self.deadlines.due(now) {
            proceeds |= self.peer_is_due(now, slot, out);
        }
        if self.attempt.as_ref().is_some_and(|attempt| attempt.due.is_some_and(|due| due <= now)) {
            self.attempt_is_due(now);
            proceeds = true;
        }
        if proceeds {
            self.proceed(now, out);
        }
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let turn = self.attempt.as_ref().and_then(|attempt| attempt.due);
        Deadline::earlier(self.deadlines.earliest(), turn.map(|at| Deadline { at, why: "metadata turn" }))
    }
}

/// Events.
impl Exchange {
    fn peer_joined(&mut self, now: Instant, key: PeerKey, size: Option<u32>, out: &mut Outbox<Action>) {
        if self.peers.get(key).is_none() {
            // Its slot in the swarm's slab may be taken over: then who had it must be gone.
            if let Some((gone, _)) = self.peers.at(key.index()) {
                self.peer_left(now, gone, out);
            }
            self.peers.insert(key, Peer::new(now));
        }
        let claim = size.filter(|size| (1..=self.limits.metadata_max).contains(size));
        self.counters.absurd_sizes += u64::from(size.is_some() && claim.is_none());
        let repeat = after(now, self.limits.repeat_after);
        let Some(peer) = self.listen(key) else { return };
        let before = core::mem::replace(&mut peer.claim, claim);
        if before.is_some() && before != claim {
            peer.rest(repeat);
            self.give_up(key);
        }
        self.set_deadline(key);
        self.proceed(now, out);
    }

    fn peer_left(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        if self.peers.get(key).is_none() {
            return self.counters.strays += 1;
        }
        self.give_up(key);
        self.peers.remove(key);
        self.deadlines.set(key.index(), None);
        self.proceed(now, out);
    }

    fn received(
        &mut self,
        now: Instant,
        key: PeerKey,
        piece: u32,
        total_size: u32,
        data: Bytes,
        out: &mut Outbox<Action>,
    ) {
        let Some(peer) = self.listen(key) else { return };
        // What was asked for was asked for the attempt that is under way.
        let (Some(_), Some(attempt)) = (peer.answer(piece), &mut self.attempt) else {
            return self.counters.unrequested += 1;
        };
        let fault = if total_size != attempt.size() {
            Some(Blame::TotalSize)
        } else if data.len() != attempt.length(piece) {
            Some(Blame::BlockLength)
        } else {
            None
        };
        if let Some(why) = fault {
            attempt.put_back(piece);
            self.blame(key, why, out);
            return self.proceed(now, out);
        }
        self.counters.redundant += u64::from(!attempt.put(piece, key, data));
        if attempt.is_whole() {
            self.finish(now, out);
        } else {
            self.ask(now, key, out);
        }
        self.set_deadline(key);
    }

    fn rejected(&mut self, now: Instant, key: PeerKey, piece: u32, out: &mut Outbox<Action>) {
        let retry = after(now, self.limits.retry_after);
        let Some(peer) = self.listen(key) else { return };
        let Some(in_time) = peer.answer(piece) else { return self.counters.unrequested += 1 };
        peer.rest(retry);
        if let Some(attempt) = self.attempt.as_mut().filter(|_| in_time) {
            attempt.put_back(piece);
        }
        self.set_deadline(key);
        self.proceed(now, out);
    }

    fn known(&mut self, info: Bytes) {
        self.drop_attempt();
        self.info = Some(info);
    }

    /// Looks after a peer whose time has come. Whether blocks or it became free.
    fn peer_is_due(&mut self, now: Instant, slot: usize, out: &mut Outbox<Action>) -> bool {
        let Limits { request_timeout, retry_after, .. } = self.limits;
        let key = self.peers.at(slot).map(|(key, _)| key);
        let Some((key, peer)) = key.and_then(|key| Some((key, self.peers.get_mut(key)?))) else {
            self.deadlines.set(slot, None);
            return false;
        };
        let mut is_free = peer.wake(now);
        while let Some(piece) = peer.time_out(now, request_timeout) {
            self.counters.timeouts += 1;
            peer.rest(after(now, retry_after));
            if let Some(attempt) = &mut self.attempt {
                attempt.put_back(piece);
            }
            is_free = true;
        }
        self.serve(now, key, out);
        self.set_deadline(key);
        is_free
    }

    /// The attempt starts, or its turn is over.
    fn attempt_is_due(&mut self, now: Instant) {
        let Some(alone) = self.attempt.as_ref().map(|attempt| attempt.alone) else { return };
        let turn_end = self.turn_end(now, alone);
        let Some(attempt) = &mut self.attempt else { return };
        let is_start = attempt.due == Some(attempt.start);
        attempt.due = turn_end;
        if !is_start && self.is_anyone_else_ready(now) {
            if let Some(peer) = alone.and_then(|alone| self.peers.get_mut(alone)) {
                peer.lost_turns = peer.lost_turns.saturating_add(1);
            }
            self.wary = true;
            self.begin(now, alone);
        }
    }
}

/// Attempts.
impl Exchange {
    /// Begins an attempt if there is none that leads anywhere, and asks whoever may be asked.
    fn proceed(&mut self, now: Instant, out: &mut Outbox<Action>) {
        if self.info.is_some() {
            return;
        }
        if self.is_stuck(now) {
            self.begin(now, None);
        }
        for slot in 0..self.peers.slots() {
            let Some((key, _)) = self.peers.at(slot) else { continue };
            self.ask(now, key, out);
        }
    }

    /// Whether there is no attempt, or one that nobody gives to or could.
    fn is_stuck(&self, now: Instant) -> bool {
        let Some(attempt) = &self.attempt else { return true };
        !self.peers.iter().any(|(key, peer)| {
            attempt.takes_from(key, peer.claim) && (peer.pending() > 0 || peer.is_ready(now))
        })
    }

    /// Whether there is a peer that could give and has no part in the attempt.
    fn is_anyone_else_ready(&self, now: Instant) -> bool {
        let takes = |key, peer: &Peer| {
            self.attempt.as_ref().is_some_and(|attempt| attempt.takes_from(key, peer.claim))
        };
        self.peers.iter().any(|(key, peer)| peer.is_ready(now) && !takes(key, peer))
    }

    /// Begins an attempt anew, if anyone is ready for it but `except`.
    fn begin(&mut self, now: Instant, except: Option<PeerKey>) {
        let ready: Vec<(PeerKey, u32)> = self
            .peers
            .iter()
            .filter(|(key, peer)| peer.is_ready(now) && Some(*key) != except)
            .filter_map(|(key, peer)| Some((key, peer.claim?)))
            .collect();
        let choice = if self.wary {
            // Of two, who lost fewer turns: nobody is left out, and those who drip come to wait for the others.
            let drawn = [0; 2].map(|_| self.random.below(ready.len() as u32) as usize);
            let lost = |key| self.peers.get(key).map(|peer| peer.lost_turns);
            let drawn = drawn.into_iter().filter_map(|drawn| ready.get(drawn));
            drawn.min_by_key(|(key, _)| lost(*key)).map(|(key, size)| (Some(*key), *size))
        } else {
            majority(&ready).map(|size| (None, size))
        };
        let Some((alone, size)) = choice else { return };
        if self.attempt.is_some() {
            self.pause_until = now + self.limits.repeat_after;
            self.drop_attempt();
        }
        let start = self.pause_until.max(now);
        let due = if start > now { Some(start) } else { self.turn_end(now, alone) };
        self.attempt = Some(Attempt::new(size, alone, start, due));
    }

    /// All blocks are there.
    fn finish(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let Some(attempt) = self.attempt.take() else { return };
        let only_giver = attempt.only_giver();
        self.forget_requests();
        if let Some(info) = attempt.verify(self.info_hash) {
            self.info = Some(info.clone());
            return out.push(Action::Complete(info));
        }
        self.counters.mismatches += 1;
        self.pause_until = now + self.limits.repeat_after;
        match only_giver {
            Some(liar) => self.blame(liar, Blame::Corrupt, out),
            None => self.wary = true,
        }
        self.proceed(now, out);
    }

    /// Asks a peer for as much as it may be asked for.
    fn ask(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.start <= now) else { return };
        let Some(peer) = self.peers.get_mut(key) else { return };
        if !attempt.takes_from(key, peer.claim) || !peer.is_ready(now) {
            return;
        }
        while peer.pending() < self.limits.requests as usize
            && let Some(piece) = attempt.next()
        {
            peer.ask(piece, now);
            out.push(Action::Request { peer: key, piece });
        }
        self.set_deadline(key);
    }

    /// What a peer was asked for is to be asked of others.
    fn give_up(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        for piece in peer.forget() {
            if let Some(attempt) = &mut self.attempt {
                attempt.put_back(piece);
            }
        }
    }

    fn drop_attempt(&mut self) {
        if self.attempt.take().is_some() {
            self.forget_requests();
        }
    }

    /// What peers still answer is of no use.
    fn forget_requests(&mut self) {
        for (key, peer) in self.peers.iter_mut() {
            drop(peer.forget());
            self.deadlines.set(key.index(), peer.deadline(&self.limits));
        }
    }

    fn turn_end(&self, now: Instant, alone: Option<PeerKey>) -> Option<Instant> {
        let lost = alone.and_then(|alone| self.peers.get(alone)).map_or(0, |peer| peer.lost_turns);
        after(now, self.limits.turn.saturating_mul(1 << lost.min(MAX_DOUBLINGS)))
    }
}

/// Peers.
impl Exchange {
    /// The peer, if it is there and worth listening to.
    pub(super) fn listen(&mut self, key: PeerKey) -> Option<&mut Peer> {
        let peer = self.peers.get_mut(key).filter(|peer| !peer.blamed);
        self.counters.strays += u64::from(peer.is_none());
        peer
    }

    /// The peer did wrong, if it is still there.
    pub(super) fn blame(&mut self, key: PeerKey, why: Blame, out: &mut Outbox<Action>) {
        self.give_up(key);
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.blamed = true;
        peer.queue.clear();
        self.set_deadline(key);
        out.push(Action::Blame { peer: key, why });
    }

    pub(super) fn set_deadline(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get(key) else { return };
        self.deadlines.set(key.index(), peer.deadline(&self.limits));
    }
}

/// The length that most claim; of equals the one that the first claims.
fn majority(ready: &[(PeerKey, u32)]) -> Option<u32> {
    let mut claims: BTreeMap<u32, (usize, Reverse<usize>)> = BTreeMap::new();
    for (place, (_, size)) in ready.iter().enumerate() {
        claims.entry(*size).or_insert((0, Reverse(place))).0 += 1;
    }
    claims.into_iter().max_by_key(|(_, votes)| *votes).map(|(size, _)| size)
}
