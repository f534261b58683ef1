//! The choker's machine.

use super::{
    Action, Config, Input,
    peers::{Peer, Peers, Slot},
};
use crate::{
    id::PeerKey,
    machine::Machine,
    outbox::Outbox,
    random::{Random, Seed},
    time::{Clock, Deadline, Instant},
};
use alloc::vec::Vec;
use core::{convert::Infallible, mem, time::Duration};

/// The shortest time between rounds: less would be a busy loop, and no rate shows in it.
const MIN_ROUND: Duration = Duration::from_secs(1);

/// The choker. See the [module](super) for what it decides and why.
#[derive(Debug)]
pub struct Choker {
    config: Config,
    random: Random,
    clock: Clock,
    seeding: bool,
    peers: Peers,
    /// Who has a regular slot: `config.slots` at most.
    regular: Vec<PeerKey>,
    /// Who has an optimistic slot: `config.optimistic_slots` at most.
    optimistic: Vec<PeerKey>,
    /// When the next round is due; `None` without peers.
    round_due: Option<Instant>,
    /// Room for a round's ranking.
    ranking: Vec<Rank>,
    /// Room for those who lose their regular slot in a round.
    losers: Vec<PeerKey>,
    strays: u64,
}

/// A candidate for a regular slot; the least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Not held by a slot that it got less than `min_toggle` ago.
    movable: bool,
    /// The bytes of the last two rounds, counted down from the most there can be.
    bytes_short: u64,
    /// Equals keep what they have.
    choked: bool,
    optimistic: bool,
    /// Who has wanted longest comes first.
    interested: Instant,
    key: PeerKey,
}

impl Choker {
    /// A choker without peers, leeching.
    #[must_use]
    pub fn new(config: Config, seed: Seed) -> Self {
        Self {
            config: Config { round: config.round.max(MIN_ROUND), ..config },
            random: Random::new(seed),
            clock: Clock::default(),
            seeding: false,
            peers: Peers::default(),
            regular: Vec::new(),
            optimistic: Vec::new(),
            round_due: None,
            ranking: Vec::new(),
            losers: Vec::new(),
            strays: 0,
        }
    }

    /// Whether a peer is served.
    #[must_use]
    pub fn is_unchoked(&self, peer: PeerKey) -> bool {
        self.peers.get(peer).is_some_and(|peer| peer.slot.is_some())
    }

    /// Whether a peer is served by lot.
    #[must_use]
    pub fn is_optimistic(&self, peer: PeerKey) -> bool {
        self.peers.get(peer).is_some_and(|peer| peer.slot == Some(Slot::Optimistic))
    }

    /// How many peers are served: the slots of both kinds at most.
    #[must_use]
    pub fn unchoked(&self) -> usize {
        self.regular.len() + self.optimistic.len()
    }

    /// Inputs that named a peer that is not there.
    #[must_use]
    pub const fn strays(&self) -> u64 {
        self.strays
    }

    /// Bytes of memory held: some 250 for each peer of the fullest moment.
    #[must_use]
    pub fn memory(&self) -> usize {
        let slots = self.regular.capacity() + self.optimistic.capacity() + self.losers.capacity();
        self.peers.memory() + slots * size_of::<PeerKey>() + self.ranking.capacity() * size_of::<Rank>()
    }
}

impl Machine for Choker {
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
            Input::PeerJoined { peer } => self.peer_joined(now, peer, out),
            Input::PeerLeft { peer } => self.peer_left(now, peer, out),
            Input::Interested { peer } => self.interested(now, peer, out),
            Input::NotInterested { peer } => self.not_interested(now, peer, out),
            Input::Downloaded { peer, bytes } => self.with(peer, |peer| peer.downloaded.add(bytes)),
            Input::Uploaded { peer, bytes } => self.with(peer, |peer| peer.uploaded.add(bytes)),
            Input::Lobby { .. } => {}
            Input::Seeding(seeding) => self.seeding = seeding,
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        if self.round_due.is_some_and(|due| due <= now) {
            self.hold_round(now, out);
            self.round_due = self.round_after(now);
        }
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.round_due.map(|at| Deadline { at, why: "choke round" })
    }
}

/// Events.
impl Choker {
    fn peer_joined(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        match self.peers.at_slot_of(key) {
            Some(known) if known == key => return self.strays += 1,
            // Its slot in the swarm's slab is taken over, so it must be gone.
            Some(gone) => self.peer_left(now, gone, out),
            None => {}
        }
        self.peers.insert(Peer::new(key, now));
        self.round_due = self.round_due.or_else(|| self.round_after(now));
    }

    fn peer_left(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.remove(key) else { return self.strays += 1 };
        if let Some(slot) = peer.slot {
            self.seats(slot).retain(|seated| *seated != key);
            self.fill(now, out);
        }
        if self.peers.len() == 0 {
            self.round_due = None;
        }
    }

    fn interested(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let min_toggle = self.config.min_toggle;
        let Some(peer) = self.peers.get_mut(key) else { return self.strays += 1 };
        if peer.interested.is_some() {
            return;
        }
        peer.interested = Some(now);
        if peer.slot.is_none() && may_toggle(peer, now, min_toggle) {
            self.peers.wait(key);
            self.fill(now, out);
        }
    }

    fn not_interested(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key) else { return self.strays += 1 };
        peer.interested = None;
        if peer.slot.is_some() {
            self.fill(now, out);
        } else {
            self.peers.leave(key);
        }
    }

    fn with(&mut self, key: PeerKey, change: impl FnOnce(&mut Peer)) {
        match self.peers.get_mut(key) {
            Some(peer) => change(peer),
            None => self.strays += 1,
        }
    }

    fn round_after(&self, now: Instant) -> Option<Instant> {
        Some(now + self.config.round).filter(|due| *due > now)
    }
}

/// Rounds.
impl Choker {
    fn hold_round(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut ranking = mem::take(&mut self.ranking);
        self.rank(now, &mut ranking);
        self.line_up(&ranking);
        let winners = ranking.get(..ranking.len().min(self.config.slots as usize)).unwrap_or_default();
        self.promote(now, winners);
        self.demote(now, out);
        for winner in winners.iter().filter(|winner| winner.choked) {
            if self.make_room(Slot::Regular, now, out) {
                self.unchoke(winner.key, Slot::Regular, now, out);
            }
        }
        self.ranking = ranking;
        self.rotate(now, out);
        self.fill(now, out);
    }

    /// Ends the round for every peer and ranks those that want a slot and may get or lose one.
    fn rank(&mut self, now: Instant, ranking: &mut Vec<Rank>) {
        ranking.clear();
        for peer in self.peers.iter_mut() {
            let (downloaded, uploaded) = (peer.downloaded.end_round(), peer.uploaded.end_round());
            let bytes = if self.seeding { uploaded } else { downloaded };
            let movable = may_toggle(peer, now, self.config.min_toggle);
            peer.wins = false;
            let Some(interested) = peer.interested.filter(|_| movable || peer.slot.is_some()) else {
                continue;
            };
            ranking.push(Rank {
                movable: movable || peer.slot != Some(Slot::Regular),
                bytes_short: u64::MAX - bytes,
                choked: peer.slot.is_none(),
                optimistic: peer.slot == Some(Slot::Optimistic),
                interested,
                key: peer.key,
            });
        }
        ranking.sort_unstable();
    }

    /// Lines up the choked by rank.
    fn line_up(&mut self, ranking: &[Rank]) {
        self.peers.dissolve_line();
        for rank in ranking.iter().filter(|rank| rank.choked) {
            self.peers.wait(rank.key);
        }
    }

    /// Takes the winners out of the line and out of the optimistic slots.
    fn promote(&mut self, now: Instant, winners: &[Rank]) {
        for winner in winners {
            self.peers.leave(winner.key);
            let Some(peer) = self.peers.get_mut(winner.key) else { continue };
            peer.wins = true;
            if peer.slot == Some(Slot::Optimistic) {
                self.move_to(winner.key, Slot::Regular, now);
            }
        }
    }

    /// Takes the regular slots from those that did not win: to an optimistic one if nobody waits for that.
    fn demote(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut losers = mem::take(&mut self.losers);
        let loses = |key: &&PeerKey| self.peers.get(**key).is_some_and(|peer| !peer.wins && !peer.is_idle());
        losers.extend(self.regular.iter().filter(loses));
        for loser in losers.drain(..) {
            if !self.peers.is_anyone_waiting() && self.make_room(Slot::Optimistic, now, out) {
                self.move_to(loser, Slot::Optimistic, now);
            } else {
                self.choke(loser, now, out);
            }
        }
        self.losers = losers;
        while self.regular.len() > self.config.slots as usize && self.choke_idle(Slot::Regular, now, out) {}
    }

    /// Ends the optimistic terms that are over, one for each peer that waits.
    fn rotate(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let config = self.config;
        let is_over = |peer: &Peer| {
            now - peer.seated >= config.optimistic_round && may_toggle(peer, now, config.min_toggle)
        };
        while self.peers.is_anyone_waiting() {
            let over = self.optimistic.iter().find(|key| self.peers.get(**key).is_some_and(is_over));
            let Some(over) = over.copied() else { return };
            self.choke(over, now, out);
            self.draw_optimistic(now, out);
        }
    }
}

/// Slots.
impl Choker {
    /// Gives slots that are free, or held by peers that want nothing, to those who wait.
    fn fill(&mut self, now: Instant, out: &mut Outbox<Action>) {
        while self.peers.is_anyone_waiting() {
            if self.make_room(Slot::Regular, now, out) {
                let Some(next) = self.peers.next_in_line() else { return };
                self.unchoke(next, Slot::Regular, now, out);
            } else if self.make_room(Slot::Optimistic, now, out) {
                self.draw_optimistic(now, out);
            } else {
                return;
            }
        }
    }

    fn draw_optimistic(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let Config { newcomer_window, newcomer_weight, .. } = self.config;
        let is_newcomer = |peer: &Peer| now - peer.joined < newcomer_window;
        if let Some(drawn) = self.peers.draw(&mut self.random, newcomer_weight, is_newcomer) {
            self.unchoke(drawn, Slot::Optimistic, now, out);
        }
    }

    /// Whether there is a slot to give, if need be that of a peer that wants nothing.
    fn make_room(&mut self, slot: Slot, now: Instant, out: &mut Outbox<Action>) -> bool {
        let most = match slot {
            Slot::Regular => self.config.slots,
            Slot::Optimistic => self.config.optimistic_slots,
        };
        self.seats(slot).len() < most as usize || self.choke_idle(slot, now, out)
    }

    fn choke_idle(&mut self, slot: Slot, now: Instant, out: &mut Outbox<Action>) -> bool {
        let seats = match slot {
            Slot::Regular => &self.regular,
            Slot::Optimistic => &self.optimistic,
        };
        let idle = seats.iter().find(|key| self.peers.get(**key).is_some_and(Peer::is_idle)).copied();
        idle.inspect(|idle| self.choke(*idle, now, out)).is_some()
    }

    fn choke(&mut self, key: PeerKey, now: Instant, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(slot) = peer.slot.take() else { return };
        peer.toggled = Some(now);
        self.seats(slot).retain(|seated| *seated != key);
        out.push(Action::Choke { peer: key });
    }

    fn unchoke(&mut self, key: PeerKey, slot: Slot, now: Instant, out: &mut Outbox<Action>) {
        self.with(key, |peer| peer.toggled = Some(now));
        self.seat(key, slot, now);
        out.push(Action::Unchoke { peer: key });
    }

    /// Moves an unchoked peer to a slot of the other kind.
    fn move_to(&mut self, key: PeerKey, slot: Slot, now: Instant) {
        let other = match slot {
            Slot::Regular => Slot::Optimistic,
            Slot::Optimistic => Slot::Regular,
        };
        self.seats(other).retain(|seated| *seated != key);
        self.seat(key, slot, now);
    }

    fn seat(&mut self, key: PeerKey, slot: Slot, now: Instant) {
        self.with(key, |peer| (peer.slot, peer.seated) = (Some(slot), now));
        self.seats(slot).push(key);
    }

    fn seats(&mut self, slot: Slot) -> &mut Vec<PeerKey> {
        match slot {
            Slot::Regular => &mut self.regular,
            Slot::Optimistic => &mut self.optimistic,
        }
    }
}

/// Whether the time since the peer was last choked or unchoked is long enough to do it again.
fn may_toggle(peer: &Peer, now: Instant, min_toggle: Duration) -> bool {
    peer.toggled.is_none_or(|toggled| now - toggled >= min_toggle)
}
