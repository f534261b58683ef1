//! The choker's machine.

use super::{
    Action, Adaptive, Config, Input,
    peers::{Peer, Peers, Slot},
    rank::Rank,
};
use crate::{
    id::{BLOCK_LENGTH, PeerKey},
    machine::Machine,
    outbox::Outbox,
    random::{Random, Seed},
    time::{Clock, Deadline, Instant},
};
use alloc::vec::Vec;
use core::{convert::Infallible, mem, time::Duration};

/// The shortest time between rounds: less would be a busy loop, and no rate shows in it.
const MIN_ROUND: Duration = Duration::from_secs(1);

/// What makes a slot worth having: a block a second.
const WORTHWHILE_BYTES_PER_S: u128 = BLOCK_LENGTH as u128;

/// The choker. See the [module](super) for what it decides and why.
#[derive(Debug)]
pub struct Choker {
    pub(super) config: Config,
    random: Random,
    clock: Clock,
    seeding: bool,
    pub(super) peers: Peers,
    /// How many regular slots there are now.
    slots: u32,
    /// Who has a regular slot: `slots` at most.
    regular: Vec<PeerKey>,
    /// Who has an optimistic slot: `config.optimistic_slots` at most.
    optimistic: Vec<PeerKey>,
    /// Who is urgent, unchoked or about to be, and who was and waits for the round that decides:
    /// `config.lobby_slots` at most.
    pub(super) lobby: Vec<PeerKey>,
    /// Bytes that left for all peers in this round.
    sent: u64,
    /// When the next round is due; `None` without peers.
    round_due: Option<Instant>,
    /// Room for a round's ranking.
    ranking: Vec<Rank>,
    /// Room for those who lose their regular slot in a round.
    losers: Vec<PeerKey>,
    pub(super) strays: u64,
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
            slots: bounded(config.slots, config.adaptive),
            regular: Vec::new(),
            optimistic: Vec::new(),
            lobby: Vec::new(),
            sent: 0,
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

    /// Whether a peer is urgent.
    #[must_use]
    pub fn is_lobby(&self, peer: PeerKey) -> bool {
        self.peers.get(peer).is_some_and(|peer| peer.urgent_until.is_some())
    }

    /// How many peers are served: the slots of all three kinds at most.
    #[must_use]
    pub fn unchoked(&self) -> usize {
        let urgent = self.lobby.iter().filter(|urgent| self.is_unchoked(**urgent));
        self.regular.len() + self.optimistic.len() + urgent.count()
    }

    /// How many regular slots there are now.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        self.slots
    }

    /// Inputs that named a peer that is not there.
    #[must_use]
    pub const fn strays(&self) -> u64 {
        self.strays
    }

    /// Bytes of memory held: some 300 for each peer of the fullest moment.
    #[must_use]
    pub fn memory(&self) -> usize {
        let slots = self.regular.capacity() + self.optimistic.capacity() + self.lobby.capacity();
        let slots = slots + self.losers.capacity();
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
            Input::Uploaded { peer, bytes } => self.with(peer, |peer| peer.uploaded(bytes)),
            Input::Completion { peer, pieces } => self.with(peer, |peer| peer.claimed_pieces = pieces),
            Input::Lobby { peer, wants: true } => self.wants_urgency(now, peer, out),
            Input::Lobby { peer, wants: false } => self.ends_urgency(peer),
            Input::Seeding(seeding) => self.seeding = seeding,
            Input::Sent { peer, bytes, backlog } => {
                self.sent = self.sent.saturating_add(u64::from(bytes));
                self.with(peer, |peer| peer.backlog = backlog);
            }
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        self.serve_lobby(now, out);
        if self.round_due.is_some_and(|due| due <= now) {
            self.hold_round(now, out);
            self.round_due = self.round_after(now);
        }
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let round = self.round_due.map(|at| Deadline { at, why: "choke round" });
        Deadline::earlier(round, self.lobby_deadline())
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
        self.lobby.retain(|urgent| *urgent != key);
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
        if peer.slot.is_none() && peer.may_toggle(now, min_toggle) {
            self.peers.wait(key);
            self.fill(now, out);
        }
    }

    fn not_interested(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key) else { return self.strays += 1 };
        peer.interested = None;
        let choked = peer.slot.is_none();
        self.ends_urgency(key);
        if choked {
            self.peers.leave(key);
        } else {
            self.fill(now, out);
        }
    }

    pub(super) fn with(&mut self, key: PeerKey, change: impl FnOnce(&mut Peer)) {
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
        self.adapt(now);
        let mut ranking = mem::take(&mut self.ranking);
        self.rank(now, &mut ranking);
        self.line_up(&ranking);
        let winners = ranking.get(..ranking.len().min(self.slots as usize)).unwrap_or_default();
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

    /// One slot more if the uplink has room or every slot would still be worth having; as many as are worth
    /// having if it has none and they get less than half of that. What lies between keeps them from swinging.
    fn adapt(&mut self, now: Instant) {
        let rate = u128::from(mem::take(&mut self.sent)) * 1_000_000 / self.config.round.as_micros();
        let Some(adaptive) = self.config.adaptive else { return };
        let worthwhile = u32::try_from(rate / WORTHWHILE_BYTES_PER_S).unwrap_or(u32::MAX);
        let has_room = self.has_room();
        let slots = if self.peers.is_anyone_waiting() && (has_room || worthwhile > self.slots) {
            self.slots.saturating_add(1)
        } else if !has_room && worthwhile < self.slots.div_ceil(2) {
            worthwhile.max(self.held(now))
        } else {
            self.slots
        };
        self.slots = bounded(slots, Some(adaptive));
    }

    /// Whether the uplink has room, as far as one can see: most of those that are served wait for nothing. A
    /// few may wait for their own downlink.
    fn has_room(&self) -> bool {
        let waits = |key: &&PeerKey| self.peers.get(**key).is_some_and(|peer| peer.backlog);
        self.regular.iter().filter(waits).count() * 2 <= self.regular.len()
    }

    /// How many regular slots nobody may be choked to free.
    fn held(&self, now: Instant) -> u32 {
        let is_held = |peer: &Peer| !peer.is_idle() && !peer.may_toggle(now, self.config.min_toggle);
        self.regular.iter().filter(|key| self.peers.get(**key).is_some_and(is_held)).count() as u32
    }

    /// Ends the round for every peer and ranks those that want a slot and may get or lose one.
    fn rank(&mut self, now: Instant, ranking: &mut Vec<Rank>) {
        ranking.clear();
        let (seeding, config) = (self.seeding, &self.config);
        ranking.extend(self.peers.iter_mut().filter_map(|peer| {
            peer.wins = false;
            Rank::of(peer, now, seeding, config)
        }));
        ranking.sort_unstable();
    }

    /// Lines up the choked by rank.
    fn line_up(&mut self, ranking: &[Rank]) {
        self.peers.dissolve_line();
        for rank in ranking.iter().filter(|rank| rank.choked) {
            self.peers.wait(rank.key);
        }
    }

    /// Takes the winners out of the line and out of the slots of other kinds.
    fn promote(&mut self, now: Instant, winners: &[Rank]) {
        for winner in winners {
            self.peers.leave(winner.key);
            let Some(peer) = self.peers.get_mut(winner.key) else { continue };
            peer.wins = true;
            if matches!(peer.slot, Some(Slot::Optimistic | Slot::Lobby)) {
                self.move_to(winner.key, Slot::Regular, now);
            }
        }
    }

    /// Takes the slots from those that did not win: to an optimistic one if nobody waits for that.
    fn demote(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut losers = mem::take(&mut self.losers);
        let is = |key: &PeerKey, what: &dyn Fn(&Peer) -> bool| self.peers.get(*key).is_some_and(what);
        losers.extend(self.regular.iter().filter(|key| is(key, &|peer| !peer.wins && !peer.is_idle())));
        losers.extend(self.lobby.iter().filter(|key| is(key, &|peer| self.is_dismissed(peer, now))));
        for loser in losers.drain(..) {
            if !self.peers.is_anyone_waiting() && self.make_room(Slot::Optimistic, now, out) {
                self.move_to(loser, Slot::Optimistic, now);
            } else {
                self.choke(loser, now, out);
            }
        }
        self.losers = losers;
        while self.regular.len() > self.slots as usize && self.choke_idle(Slot::Regular, now, out) {}
    }

    /// Whether a peer in the lobby, urgent no more, is to go.
    fn is_dismissed(&self, peer: &Peer, now: Instant) -> bool {
        let may_choke = peer.is_idle() || peer.may_toggle(now, self.config.min_toggle);
        peer.slot == Some(Slot::Lobby) && peer.urgent_until.is_none() && !peer.wins && may_choke
    }

    /// Ends the optimistic terms that are over, one for each peer that waits.
    fn rotate(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let config = self.config;
        let is_over = |peer: &Peer| {
            now - peer.seated >= config.optimistic_round && peer.may_toggle(now, config.min_toggle)
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
    pub(super) fn fill(&mut self, now: Instant, out: &mut Outbox<Action>) {
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
    pub(super) fn make_room(&mut self, slot: Slot, now: Instant, out: &mut Outbox<Action>) -> bool {
        let most = match slot {
            Slot::Regular => self.slots,
            Slot::Optimistic => self.config.optimistic_slots,
            Slot::Lobby => self.config.lobby_slots,
        };
        self.seats(slot).len() < most as usize || self.choke_idle(slot, now, out)
    }

    fn choke_idle(&mut self, slot: Slot, now: Instant, out: &mut Outbox<Action>) -> bool {
        let seats = match slot {
            Slot::Regular => &self.regular,
            Slot::Optimistic => &self.optimistic,
            Slot::Lobby => &self.lobby,
        };
        let idle = seats.iter().find(|key| self.peers.get(**key).is_some_and(Peer::is_idle)).copied();
        idle.inspect(|idle| self.choke(*idle, now, out)).is_some()
    }

    fn choke(&mut self, key: PeerKey, now: Instant, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(slot) = peer.slot.take() else { return };
        // Who wanted nothing need not rest.
        peer.toggled = peer.interested.is_some().then_some(now);
        (peer.unserved_since, peer.was_served) = (now, true);
        self.seats(slot).retain(|seated| *seated != key);
        out.push(Action::Choke { peer: key });
    }

    pub(super) fn unchoke(&mut self, key: PeerKey, slot: Slot, now: Instant, out: &mut Outbox<Action>) {
        self.with(key, |peer| (peer.toggled, peer.taken) = (Some(now), 0));
        self.seat(key, slot, now);
        out.push(Action::Unchoke { peer: key });
    }

    /// Moves an unchoked peer to a slot of another kind.
    pub(super) fn move_to(&mut self, key: PeerKey, slot: Slot, now: Instant) {
        if let Some(from) = self.peers.get(key).and_then(|peer| peer.slot) {
            self.seats(from).retain(|seated| *seated != key);
        }
        self.seat(key, slot, now);
    }

    fn seat(&mut self, key: PeerKey, slot: Slot, now: Instant) {
        self.with(key, |peer| (peer.slot, peer.seated) = (Some(slot), now));
        let seats = self.seats(slot);
        // A place in the lobby is kept for whoever rests.
        if !seats.contains(&key) {
            seats.push(key);
        }
    }

    fn seats(&mut self, slot: Slot) -> &mut Vec<PeerKey> {
        match slot {
            Slot::Regular => &mut self.regular,
            Slot::Optimistic => &mut self.optimistic,
            Slot::Lobby => &mut self.lobby,
        }
    }
}

fn bounded(slots: u32, adaptive: Option<Adaptive>) -> u32 {
    adaptive.map_or(slots, |adaptive| slots.max(adaptive.least).min(adaptive.most))
}
