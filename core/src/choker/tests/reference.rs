//! A choker that thinks slowly: plain accounts of every peer, from which it says what the real one must do.
//! Only the lot is left to the real one.

use super::{SECOND, event::Event};
use crate::{
    Instant, Machine, Outbox,
    choker::{Action, Choker, Config, Input, SeedStrategy},
    id::{BLOCK_LENGTH, PeerKey},
    slab::Slab,
};
use alloc::vec::Vec;
use core::{mem, time::Duration};

/// A choker, its clock, and the reference that checks every call.
pub(super) struct World {
    pub(super) choker: Choker,
    pub(super) config: Config,
    pub(super) now: Instant,
    keys: Slab<PeerKey, ()>,
    reference: Reference,
}

/// What is known of all peers.
#[derive(Debug)]
struct Reference {
    config: Config,
    seeding: bool,
    slots: u32,
    sent: u64,
    round_due: Option<Instant>,
    peers: Vec<Account>,
}

/// What is known of a peer.
#[derive(Clone, Debug)]
struct Account {
    key: PeerKey,
    interested: Option<Instant>,
    unchoked: bool,
    toggled: Option<Instant>,
    unserved_since: Instant,
    was_served: bool,
    /// Choked, and would be unchoked if there were a slot.
    waits: bool,
    urgent_until: Option<Instant>,
    in_lobby: bool,
    /// Bytes of the round before and of this one.
    downloaded: [u64; 2],
    uploaded: [u64; 2],
    /// Something is on its way out to it.
    backlog: bool,
    given: u64,
    taken: u64,
    claims: u32,
}

/// What a peer holds, by what the real choker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    None,
    Regular,
    Optimistic,
    Lobby,
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        let choker = Choker::new(config, [9; 32]);
        let reference = Reference {
            config,
            seeding: false,
            slots: choker.slots(),
            sent: 0,
            round_due: None,
            peers: Vec::new(),
        };
        Self { choker, config, now: Instant::ZERO, keys: Slab::new(), reference }
    }

    pub(super) fn join(&mut self) -> PeerKey {
        let peer = self.keys.insert(());
        self.input(Input::PeerJoined { peer });
        peer
    }

    pub(super) fn join_interested(&mut self, count: usize) -> Vec<PeerKey> {
        let peers: Vec<PeerKey> = (0..count).map(|_| self.join()).collect();
        for peer in peers.iter().copied() {
            self.input(Input::Interested { peer });
        }
        peers
    }

    pub(super) fn leave(&mut self, peer: PeerKey) {
        self.keys.remove(peer);
        self.input(Input::PeerLeft { peer });
    }

    pub(super) fn unchoked(&self, peers: &[PeerKey]) -> Vec<bool> {
        peers.iter().map(|peer| self.choker.is_unchoked(*peer)).collect()
    }

    pub(super) fn play(&mut self, event: Event) {
        if let Event::Pass(micros) = event {
            self.run(Duration::from_micros(micros));
            return;
        }
        let peers = &self.reference.peers;
        let peer = |place: usize| peers.get(place % peers.len().max(1)).map(|account| account.key);
        let input = match event {
            Event::Pass(_) => None,
            Event::Join => Some(Input::PeerJoined { peer: self.keys.insert(()) }),
            Event::Seeding(seeding) => Some(Input::Seeding(seeding)),
            Event::Sent(place, bytes, backlog) => {
                peer(place).map(|peer| Input::Sent { peer, bytes, backlog })
            }
            Event::Leave(place) => return peer(place).into_iter().for_each(|peer| self.leave(peer)),
            Event::Interested(place) => peer(place).map(|peer| Input::Interested { peer }),
            Event::NotInterested(place) => peer(place).map(|peer| Input::NotInterested { peer }),
            Event::Downloaded(place, bytes) => peer(place).map(|peer| Input::Downloaded { peer, bytes }),
            Event::Uploaded(place, bytes) => peer(place).map(|peer| Input::Uploaded { peer, bytes }),
            Event::Completion(place, pieces) => peer(place).map(|peer| Input::Completion { peer, pieces }),
            Event::Lobby(place, wants) => peer(place).map(|peer| Input::Lobby { peer, wants }),
        };
        input.into_iter().for_each(|input| drop(self.input(input)));
    }

    pub(super) fn input(&mut self, input: Input) -> Vec<Action> {
        self.reference.hear(self.now, &input);
        let mut out = Outbox::new();
        assert_eq!(self.choker.handle_input(self.now, input, &mut out), Ok(()));
        self.reference.check(self.now, &self.choker, out.as_slice());
        out.drain().collect()
    }

    /// Lets time pass, timers and all.
    pub(super) fn run(&mut self, time: Duration) -> Vec<Action> {
        let (end, mut actions) = (self.now + time, Vec::new());
        while let Some(due) = self.choker.poll_timeout().filter(|deadline| deadline.at <= end) {
            self.now = due.at;
            let mut out = Outbox::new();
            self.reference.lapse(self.now);
            let winners = self.reference.hold_round(self.now, &self.choker);
            assert_eq!(self.choker.handle_timeout(self.now, &mut out), Ok(()));
            self.reference.note(self.now, out.as_slice());
            if let Some(winners) = winners {
                self.reference.check_round(self.now, &self.choker, &winners);
            }
            self.reference.check(self.now, &self.choker, &[]);
            actions.extend(out.drain());
        }
        self.now = end;
        actions
    }
}

/// What happens.
impl Reference {
    fn hear(&mut self, now: Instant, input: &Input) {
        match *input {
            Input::PeerJoined { peer } => {
                self.round_due.get_or_insert(now + self.config.round);
                self.peers.push(Account::new(peer, now));
            }
            Input::PeerLeft { peer } => {
                self.peers.retain(|account| account.key != peer);
                self.round_due = self.round_due.filter(|_| !self.peers.is_empty());
            }
            Input::Interested { peer } => self.with(peer, |account, config| {
                if account.interested.is_none() {
                    account.interested = Some(now);
                    account.waits = !account.unchoked && account.has_rested(now, config);
                }
            }),
            Input::NotInterested { peer } => self.with(peer, |account, _| {
                (account.interested, account.waits) = (None, false);
                account.end_urgency();
            }),
            Input::Downloaded { peer, bytes } => {
                self.with(peer, |account, _| account.downloaded[1] += u64::from(bytes));
            }
            Input::Uploaded { peer, bytes } => self.with(peer, |account, _| {
                account.uploaded[1] += u64::from(bytes);
                account.given += u64::from(bytes);
                account.taken += u64::from(bytes);
            }),
            Input::Completion { peer, pieces } => self.with(peer, |account, _| account.claims = pieces),
            Input::Lobby { peer, wants: true } => self.ask_urgency(now, peer),
            Input::Lobby { peer, wants: false } => self.with(peer, |account, _| account.end_urgency()),
            Input::Seeding(seeding) => self.seeding = seeding,
            Input::Sent { peer, bytes, backlog } => {
                self.sent += u64::from(bytes);
                self.with(peer, |account, _| account.backlog = backlog);
            }
        }
    }

    /// There are `lobby_slots` places; one whose holder neither is urgent nor wants anything is free.
    fn ask_urgency(&mut self, now: Instant, peer: PeerKey) {
        let taken = |account: &&Account| account.in_lobby && account.interested.is_some();
        let is_there_room = self.peers.iter().filter(taken).count() < self.config.lobby_slots as usize;
        self.with(peer, |account, config| {
            if account.interested.is_some() && (account.in_lobby || is_there_room) {
                account.urgent_until = Some(now + config.lobby_term);
                (account.in_lobby, account.waits) = (true, false);
            }
        });
    }

    fn lapse(&mut self, now: Instant) {
        for account in &mut self.peers {
            if account.urgent_until.is_some_and(|until| until <= now) {
                account.end_urgency();
            }
        }
    }

    fn note(&mut self, now: Instant, actions: &[Action]) {
        for action in actions {
            let (peer, unchoke) = match *action {
                Action::Unchoke { peer } => (peer, true),
                Action::Choke { peer } => (peer, false),
            };
            self.with(peer, |account, config| {
                let wanted = account.interested.is_some();
                assert_ne!(account.unchoked, unchoke, "{action:?} changes nothing");
                assert!(account.urgent_until.is_none() || unchoke, "{action:?} is urgent");
                assert!(account.has_rested(now, config) || (!unchoke && !wanted), "{action:?} too soon");
                assert!(wanted || !unchoke, "{action:?} is not wanted");
                account.toggled = (unchoke || wanted).then_some(now);
                (account.unchoked, account.waits) = (unchoke, false);
                if unchoke {
                    account.taken = 0;
                } else {
                    (account.unserved_since, account.was_served) = (now, true);
                    account.in_lobby = false;
                }
            });
        }
    }

    fn with(&mut self, key: PeerKey, change: impl FnOnce(&mut Account, &Config)) {
        if let Some(account) = self.peers.iter_mut().find(|account| account.key == key) {
            change(account, &self.config);
        }
    }
}

/// Rounds.
impl Reference {
    /// Ends the round if it is over, and says who must have the regular slots then.
    fn hold_round(&mut self, now: Instant, choker: &Choker) -> Option<Vec<PeerKey>> {
        self.round_due.filter(|due| *due <= now)?;
        self.round_due = Some(now + self.config.round);
        self.adapt(now, choker);
        let mut ranking: Vec<_> = self
            .peers
            .iter()
            .filter(|account| account.interested.is_some() && account.urgent_until.is_none())
            .filter(|account| account.unchoked || account.has_rested(now, &self.config))
            .map(|account| {
                let place = account.place(choker);
                let stays = place == Place::Regular && !account.has_rested(now, &self.config);
                let ties = (!account.unchoked, place == Place::Optimistic, account.interested);
                (!stays, self.merit(account, place, now), ties, account.key)
            })
            .collect();
        ranking.sort();
        ranking.truncate(self.slots as usize);
        for account in &mut self.peers {
            account.downloaded = [account.downloaded[1], 0];
            account.uploaded = [account.uploaded[1], 0];
        }
        Some(ranking.into_iter().map(|(.., key)| key).collect())
    }

    /// A slot is worth a block a second. Who gets less than half of that is too many, and who could have it
    /// is welcome.
    fn adapt(&mut self, now: Instant, choker: &Choker) {
        let blocks_per_s = mem::take(&mut self.sent) / self.config.round.as_secs() / u64::from(BLOCK_LENGTH);
        let Some(bounds) = self.config.adaptive else { return };
        let seated = || self.peers.iter().filter(|account| account.place(choker) == Place::Regular);
        let (delayed, prompt): (Vec<_>, Vec<_>) = seated().partition(|account| account.backlog);
        let is_full = delayed.len() > prompt.len();
        let held =
            seated().filter(|account| account.interested.is_some() && !account.has_rested(now, &self.config));
        let (slots, anyone_waits) = (u64::from(self.slots), self.peers.iter().any(|account| account.waits));
        let wanted = if anyone_waits && (!is_full || slots < blocks_per_s) {
            slots + 1
        } else if is_full && slots > blocks_per_s * 2 {
            blocks_per_s.max(held.count() as u64)
        } else {
            slots
        };
        self.slots = wanted.max(bounds.least.into()).min(bounds.most.into()) as u32;
    }

    /// The least comes first: bytes, a class, and an order within.
    fn merit(&self, account: &Account, place: Place, now: Instant) -> (i128, u8, i128) {
        let Config { seed_strategy, turn, turn_pieces, piece_length, .. } = self.config;
        let bytes = match seed_strategy {
            _ if !self.seeding => account.downloaded,
            SeedStrategy::FastestUpload => account.uploaded,
            SeedStrategy::LowestCompletion | SeedStrategy::RoundRobin | SeedStrategy::AntiLeech => [0; 2],
        };
        let bytes = -i128::from(bytes[0] + bytes[1]);
        let micros = |at: Instant| i128::from(at.as_micros());
        if let Some(since) = account.toggled.filter(|_| account.unchoked) {
            if now - since >= turn || account.taken >= u64::from(turn_pieces * piece_length) {
                return (bytes, 3, -micros(since));
            }
            if place == Place::Regular {
                return (bytes, 1, 0);
            }
        }
        (bytes, 2, micros(account.unserved_since) + self.delay_micros(account))
    }

    fn delay_micros(&self, account: &Account) -> i128 {
        let Config { pieces, piece_length, longest_delay, seed_strategy, .. } = self.config;
        let given = account.given / u64::from(piece_length);
        let has = i128::from(given.max(account.claims.into()).min(pieces.into()));
        let share = match seed_strategy {
            _ if pieces == 0 || !self.seeding => return 0,
            SeedStrategy::LowestCompletion if account.was_served => i128::from(pieces),
            SeedStrategy::LowestCompletion => has,
            SeedStrategy::AntiLeech => 2 * has.min(i128::from(pieces) - has),
            SeedStrategy::RoundRobin | SeedStrategy::FastestUpload => 0,
        };
        longest_delay.as_micros() as i128 * share / i128::from(pieces)
    }
}

/// Checks.
impl Reference {
    fn check_round(&mut self, now: Instant, choker: &Choker, winners: &[PeerKey]) {
        for account in &mut self.peers {
            let (place, wanted) = (account.place(choker), account.interested.is_some());
            let won = winners.contains(&account.key);
            assert_eq!(place == Place::Regular && wanted, won, "who has a regular slot: {account:#?}");
            let dismissed = account.in_lobby && account.urgent_until.is_none();
            if dismissed {
                account.in_lobby = place == Place::Lobby;
                let stays = wanted && !account.has_rested(now, &self.config);
                assert!(!account.in_lobby || stays, "the round did not decide {account:#?}");
            }
            account.waits = wanted
                && !account.unchoked
                && account.urgent_until.is_none()
                && account.has_rested(now, &self.config);
        }
    }

    fn check(&mut self, now: Instant, choker: &Choker, actions: &[Action]) {
        self.note(now, actions);
        assert_eq!(choker.slots(), self.slots);
        let slots = [
            (Place::Regular, self.slots),
            (Place::Optimistic, self.config.optimistic_slots),
            (Place::Lobby, self.config.lobby_slots),
        ];
        let anyone_waits = self.peers.iter().any(|account| account.waits);
        for (place, most) in slots {
            let holders = || self.peers.iter().filter(|account| account.place(choker) == place);
            let keen = holders().filter(|account| account.interested.is_some()).count();
            assert!(holders().count() <= most as usize, "{place:?}: too many of {:#?}", self.peers);
            assert!(
                !anyone_waits || place == Place::Lobby || keen == most as usize,
                "someone waits, and {place:?} slots are idle: {:#?}",
                self.peers
            );
        }
        for account in &self.peers {
            assert_eq!(choker.is_unchoked(account.key), account.unchoked);
            assert_eq!(choker.is_lobby(account.key), account.urgent_until.is_some(), "{account:#?}");
            let is_due = account.urgent_until.is_some() && account.has_rested(now, &self.config);
            assert!(account.unchoked || !is_due, "not at once: {account:#?}");
        }
        let urgent = self.peers.iter().filter(|account| account.urgent_until.is_some()).count();
        assert!(urgent <= self.config.lobby_slots as usize, "{urgent} are urgent");
    }
}

impl Account {
    fn new(key: PeerKey, now: Instant) -> Self {
        Self {
            key,
            interested: None,
            unchoked: false,
            toggled: None,
            unserved_since: now,
            was_served: false,
            waits: false,
            urgent_until: None,
            in_lobby: false,
            downloaded: [0; 2],
            uploaded: [0; 2],
            backlog: false,
            given: 0,
            taken: 0,
            claims: 0,
        }
    }

    fn has_rested(&self, now: Instant, config: &Config) -> bool {
        self.toggled.is_none_or(|at| now - at >= config.min_toggle)
    }

    /// Whoever is served keeps the place until the round.
    fn end_urgency(&mut self) {
        self.in_lobby &= self.unchoked;
        self.urgent_until = None;
    }

    fn place(&self, choker: &Choker) -> Place {
        match (choker.is_unchoked(self.key), choker.is_optimistic(self.key)) {
            (false, _) => Place::None,
            (true, true) => Place::Optimistic,
            (true, false) if choker.lobby.contains(&self.key) => Place::Lobby,
            (true, false) => Place::Regular,
        }
    }
}

#[test]
#[should_panic(expected = "who has a regular slot")]
fn the_reference_is_not_blind() {
    let mut world = World::new(Config { slots: 1, optimistic_slots: 0, ..Config::default() });
    let peers = world.join_interested(2);
    // Now it expects the second to win.
    world.reference.with(peers[1], |account, _| account.downloaded[1] = 1);
    world.run(SECOND * 10);
}
