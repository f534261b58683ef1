//! A whole tracker as a machine.

use super::{Action, Answered, Input, MAX_REPLY, Server, Silence, TrackerConfig};
use crate::{
    machine::Machine,
    outbox::Outbox,
    random::{Random, Seed},
    time::{Clock, Deadline, Instant},
    tracker::{access::Access, store::Store},
};
use alloc::vec::Vec;
use core::{convert::Infallible, net::SocketAddr, time::Duration};

/// How long it is from one sweep for peers that have gone silent to the next.
const SWEEP: Duration = Duration::from_secs(60);

/// Which part of all peers a sweep looks at: all are looked at within a quarter of an hour.
const SWEEPS: usize = 15;

/// A tracker over UDP: a [`Server`], the swarms and who may know of them.
///
/// One datagram in, at most one out, at most [`MAX_REPLY`] bytes. What it keeps is bounded by the configuration of
/// its [`Store`].
#[derive(Debug)]
pub struct Tracker {
    clock: Clock,
    server: Server,
    store: Store,
    access: Access,
    /// When to look next for peers that have gone silent, if there are any at all.
    sweep: Option<Instant>,
    reply: Vec<u8>,
    counters: Counters,
}

/// How often something was answered, and how often not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Counters {
    /// Connection ids given out.
    pub connects: u64,
    /// Announces answered.
    pub announces: u64,
    /// Scrapes answered.
    pub scrapes: u64,
    /// Requests told what is wrong with them.
    pub errors: u64,
    /// Packets that are no request.
    pub malformed: u64,
    /// Requests with a connection id that is not good.
    pub wrong_connection: u64,
    /// Requests of sources that have spent their budget.
    pub over_budget: u64,
}

impl Tracker {
    /// A tracker without peers.
    #[must_use]
    pub fn new(config: TrackerConfig, seed: Seed) -> Self {
        let mut random = Random::new(seed);
        Self {
            clock: Clock::default(),
            server: Server::new(config.server, random.child_seed()),
            store: Store::new(config.store, random.child_seed()),
            access: config.access,
            sweep: None,
            reply: Vec::with_capacity(MAX_REPLY),
            counters: Counters::default(),
        }
    }

    /// Who is in which swarm.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// What was answered, and what not.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes of memory held but for the swarms.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.server.memory() + self.reply.capacity()
    }

    fn datagram(&mut self, now: Instant, from: SocketAddr, packet: &[u8], out: &mut Outbox<Action>) {
        self.reply.clear();
        let Self { server, store, access, reply, .. } = self;
        let answered = server.answer(now, from, packet, store, access, reply);
        self.counters.add(answered);
        if !self.reply.is_empty() {
            let data = out.bytes(&self.reply);
            out.push(Action::SendTo { to: from, data });
        }
        if self.sweep.is_none() {
            self.schedule(now);
        }
    }

    fn schedule(&mut self, now: Instant) {
        self.sweep = (self.store.swarms() > 0).then(|| now + SWEEP);
    }
}

impl Counters {
    const fn add(&mut self, answered: Answered) {
        let counter = match answered {
            Answered::Connect => &mut self.connects,
            Answered::Announce(_) => &mut self.announces,
            Answered::Scrape => &mut self.scrapes,
            Answered::Error => &mut self.errors,
            Answered::Silence(Silence::Malformed) => &mut self.malformed,
            Answered::Silence(Silence::WrongConnection) => &mut self.wrong_connection,
            Answered::Silence(Silence::OverBudget) => &mut self.over_budget,
        };
        *counter += 1;
    }
}

impl Machine for Tracker {
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
            Input::Datagram { from, data } => self.datagram(now, from, &data, out),
            Input::Access(access) => self.access = *access,
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, _: &mut Outbox<Action>) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        if self.sweep.is_some_and(|at| at <= now) {
            let share = (self.store.peers() + self.store.swarms()).div_ceil(SWEEPS);
            self.store.expire(now, u32::try_from(share).unwrap_or(u32::MAX));
            self.schedule(now);
        }
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.sweep.map(|at| Deadline { at, why: "peers that have gone silent" })
    }
}
