//! The machine of a relay.

use super::{Action, Config, Input, Refusal};
use crate::{
    id::PeerKey,
    machine::Machine,
    outbox::Outbox,
    reach::canonical,
    side_table::SideTable,
    time::{Clock, Deadline, Instant},
};
use alloc::collections::{BTreeMap, VecDeque};
use core::{convert::Infallible, net::SocketAddr, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);
/// How many of our own addresses are remembered.
const OURS_MAX: usize = 16;

/// What did no harm, but should not have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Inputs that named a peer that is not there.
    pub strays: u64,
    /// Messages of peers that do not understand any.
    pub mute: u64,
    /// Messages beyond what is done for a peer, or to one.
    pub too_many: u64,
    /// Addresses that nobody should be dialled for, or that are ours.
    pub refused: u64,
    /// Addresses that are connected, or were dialled within a minute.
    pub repeated: u64,
}

/// A relay for others, and who dials when one says so. See the [module](super).
///
/// It wants no calls of its own: its minutes are counted when something happens.
#[derive(Debug)]
pub struct Holepunch {
    config: Config,
    clock: Clock,
    peers: SideTable<PeerKey, Peer>,
    /// Who is at an address: the first who came with it.
    by_addr: BTreeMap<SocketAddr, PeerKey>,
    ours: VecDeque<SocketAddr>,
    /// Whom we dialled within the last minute, the oldest first.
    dialled: VecDeque<(Instant, SocketAddr)>,
    counters: Counters,
}

#[derive(Debug)]
struct Peer {
    addr: SocketAddr,
    speaks: bool,
    /// What it asked of us.
    asked: Minute,
    /// How often it was named to another, or another to it.
    named: Minute,
}

/// How often something happened in a minute.
#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    since: Instant,
    times: u32,
}

impl Minute {
    /// Counts one more, if there may be: `most` in a minute.
    fn allows(&mut self, now: Instant, most: u32) -> bool {
        if now - self.since >= MINUTE {
            *self = Self { since: now, times: 0 };
        }
        let allowed = self.times < most;
        self.times += u32::from(allowed);
        allowed
    }
}

impl Holepunch {
    /// A relay without peers.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            clock: Clock::default(),
            peers: SideTable::new(),
            by_addr: BTreeMap::new(),
            ours: VecDeque::new(),
            dialled: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// What did no harm.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes of memory held: some 150 for each peer, and 40 for each dial of the last minute.
    #[must_use]
    pub fn memory(&self) -> usize {
        let addrs = self.by_addr.len() * size_of::<(SocketAddr, PeerKey)>();
        let ours = self.ours.capacity() * size_of::<SocketAddr>();
        let dialled = self.dialled.capacity() * size_of::<(Instant, SocketAddr)>();
        self.peers.memory() + addrs + ours + dialled
    }
}

impl Machine for Holepunch {
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
            Input::PeerJoined { peer, addr } => self.peer_joined(peer, canonical(addr)),
            Input::AddressKnown { peer, addr } => self.address_known(peer, canonical(addr)),
            Input::PeerLeft { peer } => self.peer_left(peer),
            Input::Speaks { peer } => match self.peers.get_mut(peer) {
                Some(peer) => peer.speaks = true,
                None => self.counters.strays += 1,
            },
            Input::Rendezvous { peer, target } => self.rendezvous(now, peer, canonical(target), out),
            Input::Connect { peer, addr } => self.connect(now, peer, canonical(addr), out),
            Input::Ours(addr) => self.add_ours(canonical(addr)),
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, _: &mut Outbox<Action>) -> Result<(), Infallible> {
        self.clock.advance(now);
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }
}

/// Who is there.
impl Holepunch {
    fn peer_joined(&mut self, key: PeerKey, addr: SocketAddr) {
        match self.peers.at(key.index()) {
            Some((known, _)) if known == key => return self.counters.strays += 1,
            // Its slot in the swarm's slab is taken over, so it must be gone.
            Some((gone, _)) => self.peer_left(gone),
            None => {}
        }
        let (asked, named) = (Minute::default(), Minute::default());
        self.peers.insert(key, Peer { addr, speaks: false, asked, named });
        self.by_addr.entry(addr).or_insert(key);
    }

    fn address_known(&mut self, key: PeerKey, addr: SocketAddr) {
        let Some(peer) = self.peers.get_mut(key) else { return self.counters.strays += 1 };
        let before = core::mem::replace(&mut peer.addr, addr);
        self.leave(key, before);
        self.by_addr.entry(addr).or_insert(key);
    }

    fn peer_left(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.remove(key) else { return self.counters.strays += 1 };
        self.leave(key, peer.addr);
    }

    fn leave(&mut self, key: PeerKey, addr: SocketAddr) {
        if self.by_addr.get(&addr) == Some(&key) {
            self.by_addr.remove(&addr);
        }
    }

    fn add_ours(&mut self, addr: SocketAddr) {
        if !self.ours.contains(&addr) {
            if self.ours.len() >= OURS_MAX {
                self.ours.pop_front();
            }
            self.ours.push_back(addr);
        }
    }
}

/// Messages.
impl Holepunch {
    /// The peer, if it may ask for something now.
    fn asks(&mut self, now: Instant, key: PeerKey) -> Option<SocketAddr> {
        let Some(peer) = self.peers.get_mut(key) else {
            self.counters.strays += 1;
            return None;
        };
        // BEP 55: who does not advertise it is ignored.
        if !peer.speaks {
            self.counters.mute += 1;
            return None;
        }
        if !peer.asked.allows(now, self.config.per_peer) {
            self.counters.too_many += 1;
            return None;
        }
        Some(peer.addr)
    }

    fn rendezvous(&mut self, now: Instant, key: PeerKey, target: SocketAddr, out: &mut Outbox<Action>) {
        let Some(initiator) = self.asks(now, key) else { return };
        let refuse = |why| Action::Error { peer: key, target, why };
        let trust = self.config.trust;
        if self.ours.contains(&target) || target == initiator {
            return out.push(refuse(Refusal::NoSelf));
        }
        if !trust.admits(target, Some(initiator.ip())) || !trust.admits(initiator, Some(target.ip())) {
            return out.push(refuse(Refusal::NoSuchPeer));
        }
        let there = self.by_addr.get(&target).copied();
        let Some((other, peer)) = there.and_then(|other| Some((other, self.peers.get_mut(other)?))) else {
            return out.push(refuse(Refusal::NotConnected));
        };
        if !peer.speaks {
            return out.push(refuse(Refusal::NoSupport));
        }
        if !peer.named.allows(now, self.config.per_target) {
            return self.counters.too_many += 1;
        }
        out.push(Action::Connect { peer: other, addr: initiator });
        out.push(Action::Connect { peer: key, addr: target });
    }

    fn connect(&mut self, now: Instant, key: PeerKey, addr: SocketAddr, out: &mut Outbox<Action>) {
        let Some(relay) = self.asks(now, key) else { return };
        if self.ours.contains(&addr) || !self.config.trust.admits(addr, Some(relay.ip())) {
            return self.counters.refused += 1;
        }
        while self.dialled.pop_front_if(|(at, _)| now - *at >= MINUTE).is_some() {}
        let is_dialled = self.dialled.iter().any(|(_, dialled)| *dialled == addr);
        if is_dialled || self.by_addr.contains_key(&addr) {
            return self.counters.repeated += 1;
        }
        if self.dialled.len() >= self.config.dials as usize {
            return self.counters.too_many += 1;
        }
        self.dialled.push_back((now, addr));
        out.push(Action::Dial { addr });
    }
}
