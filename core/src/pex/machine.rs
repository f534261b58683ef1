//! The machine of peer exchange.

use super::{
    Action, Config, FLAGS, Input,
    contacts::{Contact, Contacts},
    peers::Peer,
    sieve::{Sieve, Verdict},
};
use crate::{
    deadlines::Deadlines,
    id::PeerKey,
    machine::Machine,
    outbox::Outbox,
    reach::canonical,
    side_table::SideTable,
    time::{Clock, Deadline, Instant},
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    ops::Bound,
    time::Duration,
};

/// The shortest time between messages: less would be a busy loop.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// How many addresses of a message are looked at: more than any honest peer sends.
const LOOKED_AT: usize = 200;

/// What did no harm, but should not have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Inputs that named a peer that is not there.
    pub strays: u64,
    /// Messages where there is no peer exchange.
    pub unwanted: u64,
    /// Messages that came too soon.
    pub too_soon: u64,
    /// Addresses that nobody should be dialled for, or that are ours.
    pub refused: u64,
    /// Addresses that were found before or are connected.
    pub repeated: u64,
    /// Addresses beyond what a peer is believed.
    pub over_quota: u64,
}

/// Peer exchange of one torrent. See the [module](super) for who is told and believed what.
#[derive(Debug)]
pub struct Pex {
    config: Config,
    clock: Clock,
    is_on: bool,
    peers: SideTable<PeerKey, Peer>,
    contacts: Contacts,
    /// Who understands us and was never told anything.
    untold: BTreeSet<PeerKey>,
    deadlines: Deadlines,
    sieve: Sieve,
    counters: Counters,
}

impl Pex {
    /// A peer exchange without peers.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config: Config { interval: config.interval.max(MIN_INTERVAL), ..config },
            clock: Clock::default(),
            is_on: true,
            peers: SideTable::new(),
            contacts: Contacts::new(config.memory as usize),
            untold: BTreeSet::new(),
            deadlines: Deadlines::default(),
            sieve: Sieve::default(),
            counters: Counters::default(),
        }
    }

    /// What did no harm.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes of memory held: some 300 for each peer, 32 for each address that it was believed (50 at most),
    /// and up to 150 KiB for what is gone and was found.
    #[must_use]
    pub fn memory(&self) -> usize {
        let heard: usize = self.peers.iter().map(|(_, peer)| peer.heard.memory()).sum();
        let untold = self.untold.len() * size_of::<PeerKey>();
        self.peers.memory() + heard + untold + self.contacts.memory() + self.sieve.memory()
    }
}

impl Machine for Pex {
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
            Input::PeerJoined { peer, ip, addr, flags } => {
                self.peer_joined(peer, ip);
                if let Some(addr) = addr {
                    self.address_known(now, peer, addr, flags, out);
                }
            }
            Input::AddressKnown { peer, addr, flags } => self.address_known(now, peer, addr, flags, out),
            Input::PeerLeft { peer } => self.peer_left(peer),
            Input::Speaks { peer } => self.speaks(now, peer, out),
            Input::Received { peer, added, .. } => self.received(now, peer, &added, out),
            Input::Ours(addr) => self.sieve.add_ours(canonical(addr)),
            Input::Switch(is_on) => self.switch(now, is_on, out),
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        while let Some(slot) = self.deadlines.due(now) {
            self.deadlines.set(slot, None);
            if let Some((key, _)) = self.peers.at(slot) {
                self.tell(now, key, out);
            }
        }
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.deadlines.earliest()
    }
}

/// Who is there.
impl Pex {
    fn peer_joined(&mut self, key: PeerKey, ip: IpAddr) {
        match self.peers.at(key.index()) {
            Some((known, _)) if known == key => return self.counters.strays += 1,
            // Its slot in the swarm's slab is taken over, so it must be gone.
            Some((gone, _)) => self.peer_left(gone),
            None => {}
        }
        self.peers.insert(key, Peer::new(ip));
    }

    fn address_known(
        &mut self,
        now: Instant,
        key: PeerKey,
        addr: SocketAddr,
        flags: u8,
        out: &mut Outbox<Action>,
    ) {
        let Some(peer) = self.peers.get_mut(key) else { return self.counters.strays += 1 };
        let (addr, flags) = (canonical(addr), flags & FLAGS);
        if peer.addr.replace(addr) == Some(addr) {
            if let Some(contact) = peer.came.and_then(|came| self.contacts.get_mut(came)) {
                contact.flags = flags;
            }
            return;
        }
        if let Some(before) = peer.came.take() {
            self.contacts.remove(before);
        }
        if !self.config.trust.admits(addr, Some(peer.ip)) {
            return;
        }
        peer.came = self.contacts.add(Contact { peer: key, addr, flags });
        self.tell_untold(now, out);
    }

    fn peer_left(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.remove(key) else { return self.counters.strays += 1 };
        if let Some(came) = peer.came {
            self.contacts.remove(came);
        }
        self.untold.remove(&key);
        self.deadlines.set(key.index(), None);
    }

    fn switch(&mut self, now: Instant, is_on: bool, out: &mut Outbox<Action>) {
        self.is_on = is_on;
        for slot in 0..self.peers.slots() {
            let Some((key, peer)) = self.peers.at(slot) else { continue };
            let deadline = peer.deadline(&self.config).filter(|_| is_on);
            self.deadlines.set(slot, deadline);
            // What fell due meanwhile is told now.
            if deadline.is_some_and(|deadline| deadline.at <= now) {
                self.tell(now, key, out);
            }
        }
        self.tell_untold(now, out);
    }
}

/// Telling.
impl Pex {
    fn speaks(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key) else { return self.counters.strays += 1 };
        if !core::mem::replace(&mut peer.speaks, true) {
            self.untold.insert(key);
            self.tell(now, key, out);
        }
    }

    /// Tells those that wait for their first message, if there is something to tell.
    fn tell_untold(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut from = None;
        while let Some(key) = self.next_untold(from) {
            self.tell(now, key, out);
            from = Some(key);
        }
    }

    fn next_untold(&self, behind: Option<PeerKey>) -> Option<PeerKey> {
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        self.untold.range((from, Bound::Unbounded)).next().copied()
    }

    /// Tells a peer what is new, if it is time and anything is.
    fn tell(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key).filter(|_| self.is_on) else { return };
        let (trust, ip) = (self.config.trust, Some(peer.ip));
        // BEP 11: nobody is told of itself. Nor of whom it could not reach.
        let concerns = |contact: &Contact| contact.peer != key && trust.admits(contact.addr, ip);
        let most = self.config.per_message as usize;
        let (added, dropped) = self.contacts.read(&mut peer.bookmark, most, concerns);
        let is_news = !added.is_empty() || !dropped.is_empty();
        if is_news {
            self.untold.remove(&key);
            out.push(Action::Send { peer: key, added, dropped });
        }
        if is_news || peer.told.is_some() {
            peer.told = Some(now);
            self.deadlines.set(key.index(), peer.deadline(&self.config));
        }
    }
}

/// Listening.
impl Pex {
    fn received(&mut self, now: Instant, key: PeerKey, added: &[(SocketAddr, u8)], out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key) else { return self.counters.strays += 1 };
        if !self.is_on {
            return self.counters.unwanted += 1;
        }
        if peer.heard_at.is_some_and(|last| now - last < self.config.min_interval) {
            return self.counters.too_soon += 1;
        }
        peer.heard_at = Some(now);
        peer.heard.renew(now, &self.config);
        let ip = Some(peer.ip);
        let mut peers = Vec::new();
        for (addr, flags) in added.iter().take(LOOKED_AT) {
            let addr = canonical(*addr);
            if !self.config.trust.admits(addr, ip) || self.sieve.is_ours(addr) {
                self.counters.refused += 1;
                continue;
            }
            if self.contacts.is_at(addr) {
                self.counters.repeated += 1;
                continue;
            }
            match peer.heard.hear(addr, &self.config) {
                Verdict::New if self.sieve.find(addr, self.config.memory as usize) => {
                    peers.push((addr, flags & FLAGS));
                }
                Verdict::New | Verdict::Repeated => self.counters.repeated += 1,
                Verdict::OverQuota => self.counters.over_quota += 1,
            }
        }
        if !peers.is_empty() {
            out.push(Action::Found { from: key, peers });
        }
    }
}
