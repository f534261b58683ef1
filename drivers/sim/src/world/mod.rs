//! The world: hosts on a network, one clock, and everything that is still to come.
//!
//! ```text
//!   network ─┐                                  ┌─▶ network
//!   disks   ─┼─▶ what is due first ─▶ engine ───┼─▶ disk, processor: later
//!   clocks  ─┘                                  └─▶ events
//! ```

mod attacker;
mod outside;
#[cfg(test)]
mod tests;
mod tracker;

pub(crate) use tracker::Hub;

use crate::{
    content::Content,
    disk::{Disk, VolumeId},
    host::{Host, Peer, PeerConfig, Raw, Who},
    hostile::{self, Attack},
    net::{ConnId, HostId, Link, NetEvent, NetEventKind, Network, Reach},
    trace::TraceHash,
};
use bytes::Bytes;
use convoy_core::{
    Deadline, Instant, Machine, Random, Seed,
    deadlines::Deadlines,
    engine::{Action, Command, Config, Engine, Event, Input, StreamError},
    id::{AcceptTicket, ComputeToken, InfoHash, StreamId, TorrentId},
    storage::{Completion, HashOutcome},
};
use std::{cmp::Reverse, collections::BinaryHeap, mem, net::SocketAddr, rc::Rc, time::Duration};

/// From the wish to listen to its answer.
const LISTEN_DELAY: Duration = Duration::from_micros(50);

/// Sees every call of every engine, for those who write it down.
pub trait Observer {
    /// An engine was built.
    fn life(&mut self, host: HostId, config: &Config, seed: Seed);
    /// It was called at `at`, by its own clock, with `input` or because time was up, and did `actions`.
    fn step(
        &mut self,
        host: HostId,
        at: Instant,
        input: Option<Input>,
        actions: &[Action],
        next: Option<Deadline>,
    );
}

/// How much went on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of machines.
    pub calls: u64,
    /// Actions that came of them.
    pub actions: u64,
}

/// Hosts, a network, and one clock.
pub struct World {
    now: Instant,
    random: Random,
    net: Network,
    hosts: Vec<Host>,
    /// What comes of disks and processors, the earliest first.
    due: BinaryHeap<Reverse<(Instant, u64, u32)>>,
    tasks: Vec<Option<Task>>,
    free: Vec<u32>,
    tasks_given: u64,
    deadlines: Deadlines,
    events: Vec<(Instant, HostId, Event)>,
    breaches: Vec<String>,
    trace: TraceHash,
    counts: Counts,
    observer: Option<Box<dyn Observer>>,
}

/// Something that ends later, for the life of a host that asked for it.
struct Task {
    host: HostId,
    life: u32,
    what: What,
}

enum What {
    Listening(Result<SocketAddr, StreamError>),
    Storage(TorrentId, Completion),
    Computed(TorrentId, ComputeToken, HashOutcome),
    Answered(Box<Input>),
    Resume(VolumeId, Bytes),
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        let mut random = Random::new(seed);
        Self {
            now: Instant::ZERO,
            net: Network::new(random.child_seed()),
            random,
            hosts: Vec::new(),
            due: BinaryHeap::new(),
            tasks: Vec::new(),
            free: Vec::new(),
            tasks_given: 0,
            deadlines: Deadlines::default(),
            events: Vec::new(),
            breaches: Vec::new(),
            trace: TraceHash::default(),
            counts: Counts::default(),
            observer: None,
        }
    }

    /// Has `observer` see every call from now on.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.observer = Some(observer);
    }

    /// What time it is.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// A host with an engine that is switched off.
    pub fn add_peer(&mut self, config: PeerConfig) -> HostId {
        let (link, reach, port) =
            (config.link, config.reach, config.engine.listen.map_or(6881, |at| at.port()));
        let peer = Peer::new(config, Random::new(self.random.child_seed()));
        self.add_host(link, reach, port, Who::Peer(Box::new(peer)))
    }

    /// A host that attacks whoever has to do with `content`. It wakes when it is [started](Self::start).
    pub fn add_attacker(
        &mut self,
        attack: Attack,
        content: &Rc<Content>,
        link: Link,
        reach: Reach,
    ) -> HostId {
        let machine = attack.attacker(Rc::clone(content), self.random.child_seed());
        self.add_host(link, reach, 6881, Who::Attacker(Box::new(Raw::new(machine))))
    }

    fn add_host(&mut self, link: Link, reach: Reach, listen_port: u16, who: Who) -> HostId {
        let host = self.net.add_host(link, reach);
        debug_assert_eq!(host.0 as usize, self.hosts.len());
        self.net.set_up(self.now, host, false);
        self.hosts.push(Host { who, life: 0, listen_port });
        host
    }

    /// Where others reach `host`, if they can.
    #[must_use]
    pub fn address(&self, host: HostId) -> SocketAddr {
        let port = self.hosts.get(host.0 as usize).map_or(0, |host| host.listen_port);
        SocketAddr::new(self.net.address(host), port)
    }

    /// The network, to change links or to cut it.
    pub const fn net_mut(&mut self) -> &mut Network {
        &mut self.net
    }

    /// A peer's disk, to make trouble.
    pub fn disk_mut(&mut self, host: HostId) -> Option<&mut Disk> {
        self.peer_mut(host).map(|peer| &mut peer.disk)
    }

    /// A peer's engine, unless it is off.
    #[must_use]
    pub fn engine(&self, host: HostId) -> Option<&Engine> {
        self.hosts.get(host.0 as usize)?.peer()?.engine.as_ref()
    }

    /// What the engines said since the last time, in order.
    pub fn take_events(&mut self) -> Vec<(Instant, HostId, Event)> {
        mem::take(&mut self.events)
    }

    /// Laws that an engine broke.
    #[must_use]
    pub fn breaches(&self) -> &[String] {
        &self.breaches
    }

    /// How much went on.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The fingerprint of all that happened.
    #[must_use]
    pub fn trace_hash(&self) -> String {
        self.trace.finish()
    }

    /// Whether the bytes on a peer's disk are right for all pieces of `claimed`; else the first that is not.
    #[must_use]
    pub fn first_wrong_piece(
        &self,
        host: HostId,
        torrent: InfoHash,
        claimed: &convoy_core::bitfield::Bitfield,
    ) -> Option<convoy_core::id::PieceIndex> {
        let peer = self.hosts.get(host.0 as usize)?.peer()?;
        peer.disk.first_wrong_piece(peer.torrents.get(&torrent)?.volume, claimed)
    }

    /// Gives a peer a torrent, with all of its bytes if it is a seed. One that is on begins with it.
    pub fn add_torrent(&mut self, host: HostId, content: &Rc<Content>, seed: bool, peers: Vec<SocketAddr>) {
        let info_hash = content.info().info_hash;
        let Some(peer) = self.peer_mut(host) else { return };
        let volume = peer.disk.add_volume(Rc::clone(content), seed);
        peer.torrents.insert(info_hash, crate::host::Torrent { content: Rc::clone(content), volume, peers });
        self.begin_torrent(host, info_hash);
    }

    /// Switches a host on: a new engine, with the torrents of its last life as they lie on its disk.
    pub fn start(&mut self, host: HostId) {
        self.net.set_up(self.now, host, true);
        let Some(on) = self.hosts.get_mut(host.0 as usize) else { return };
        on.life += 1;
        let port = on.listen_port;
        let listen = Some(SocketAddr::new([0, 0, 0, 0].into(), port));
        match &mut on.who {
            Who::Peer(peer) => {
                let config = Config { listen, ..peer.config.engine.clone() };
                let seed = peer.random.child_seed();
                if let Some(observer) = &mut self.observer {
                    observer.life(host, &config, seed);
                }
                peer.engine = Some(Engine::new(config, seed));
                let torrents: Vec<InfoHash> = peer.torrents.keys().copied().collect();
                self.input(host, Input::Start);
                torrents.into_iter().for_each(|torrent| self.begin_torrent(host, torrent));
            }
            Who::Attacker(_) => self.attack(host, hostile::Input::Start),
            Who::Tracker(hub) => {
                hub.start();
                self.net.bind_datagram(host, port);
            }
        }
    }

    /// Asks a peer to stop in order. It is on until it says [`Event::Stopped`].
    pub fn stop(&mut self, host: HostId) {
        self.command(host, Command::Stop);
    }

    /// Cuts a host's power: what was in memory is gone, and what its disk had not made durable may be.
    pub fn crash(&mut self, host: HostId) {
        let now = self.now;
        self.switch_off(host);
        if let Some(peer) = self.peer_mut(host) {
            peer.disk.power_loss(now);
        }
    }

    /// Ends what runs on a host at once, as a signal does: what was in memory is gone, and its disk keeps all
    /// that it was given.
    pub fn kill(&mut self, host: HostId) {
        self.switch_off(host);
    }

    /// Moves a peer's clock, forwards or back.
    pub fn jump_clock(&mut self, host: HostId, micros: i64) {
        if let Some(peer) = self.peer_mut(host) {
            peer.clock_offset = peer.clock_offset.saturating_add(micros);
            self.rearm(host);
        }
    }

    /// Gives a peer a command.
    pub fn command(&mut self, host: HostId, command: Command) {
        self.input(host, Input::Command(command));
    }

    /// Tells a host of another: a peer for this torrent, an attacker for whatever it does.
    pub fn tell(&mut self, host: HostId, info_hash: InfoHash, remote: SocketAddr) {
        match self.hosts.get(host.0 as usize).map(|host| &host.who) {
            Some(Who::Peer(_)) => self.command(host, Command::AddPeer { info_hash, remote }),
            Some(Who::Attacker(_)) => self.attack(host, hostile::Input::Known { remote }),
            Some(Who::Tracker(_)) | None => {}
        }
    }

    /// Lets the world run until `until`.
    pub fn run_until(&mut self, until: Instant) {
        while let Some(next) = self.next_at().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.step();
        }
        self.now = self.now.max(until);
    }

    /// When something next happens.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        let task = self.due.peek().map(|Reverse((at, ..))| *at);
        let deadline = self.deadlines.earliest().map(|deadline| deadline.at);
        self.net.next_at().into_iter().chain(task).chain(deadline).min()
    }

    /// Does what is due first: the network before tasks, tasks before clocks.
    fn step(&mut self) {
        if let Some(event) = self.net.pop(self.now) {
            self.on_net(event);
        } else if let Some(task) = self.due_task() {
            self.on_task(task);
        } else if let Some(slot) = self.deadlines.due(self.now) {
            self.on_deadline(HostId(slot as u32));
        }
    }

    fn due_task(&mut self) -> Option<Task> {
        let Reverse((_, _, slot)) = self.due.peek().filter(|Reverse((at, ..))| *at <= self.now).copied()?;
        self.due.pop();
        self.free.push(slot);
        self.tasks.get_mut(slot as usize)?.take()
    }

    fn later(&mut self, at: Instant, host: HostId, what: What) {
        let life = self.hosts.get(host.0 as usize).map_or(0, |host| host.life);
        let task = Some(Task { host, life, what });
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.tasks.push(None);
                (self.tasks.len() - 1) as u32
            }
        };
        if let Some(place) = self.tasks.get_mut(slot as usize) {
            *place = task;
        }
        self.tasks_given += 1;
        self.due.push(Reverse((at, self.tasks_given, slot)));
    }

    fn on_task(&mut self, task: Task) {
        let Task { host, life, what } = task;
        if self.hosts.get(host.0 as usize).is_none_or(|host| host.life != life) {
            return;
        }
        let input = match what {
            What::Listening(Ok(local)) => Input::Listening { local },
            What::Listening(Err(error)) => Input::ListenFailed { error },
            What::Storage(torrent, completion) => Input::Storage { torrent, completion },
            What::Computed(torrent, token, outcome) => Input::Computed { torrent, token, outcome },
            What::Answered(input) => *input,
            What::Resume(volume, saved) => {
                if let Some(peer) = self.peer_mut(host) {
                    peer.disk.save_resume(volume, saved);
                }
                return;
            }
        };
        self.input(host, input);
    }

    fn on_deadline(&mut self, host: HostId) {
        let now = self.now;
        let Some(on) = self.hosts.get_mut(host.0 as usize) else { return };
        match &mut on.who {
            Who::Peer(peer) => {
                let at = peer.clock(now);
                let Some(engine) = &mut peer.engine else { return };
                let Ok(()) = engine.handle_timeout(at, &mut peer.out);
                if let Some(deadline) = engine.poll_timeout().filter(|deadline| deadline.at <= at) {
                    self.breaches.push(format!("law 2: {host:?} at {at:?} still wants {deadline:?}"));
                    // Whoever breaks it would hold up the world.
                    self.switch_off(host);
                    return;
                }
                self.seen(host, at, None);
                self.carry(host);
            }
            Who::Attacker(raw) => {
                let Ok(()) = raw.machine.handle_timeout(now, &mut raw.out);
                self.counts.calls += 1;
                self.carry_attack(host);
            }
            Who::Tracker(_) => self.attend_tracker(host, None),
        }
    }

    fn on_net(&mut self, event: NetEvent) {
        let NetEvent { host, kind } = event;
        let Some(on) = self.hosts.get_mut(host.0 as usize) else { return };
        match &mut on.who {
            Who::Peer(peer) => {
                if let Some(input) = peer_input(peer, kind) {
                    self.input(host, input);
                }
            }
            Who::Attacker(raw) => {
                if let NetEventKind::Incoming { conn, .. } = kind {
                    self.net.accept(self.now, conn);
                }
                if let Some(input) = attacker::attacker_input(raw, kind) {
                    self.attack(host, input);
                }
            }
            Who::Tracker(_) => self.attend_tracker(host, Some(kind)),
        }
    }

    /// Gives an engine an input now.
    fn input(&mut self, host: HostId, input: Input) {
        let now = self.now;
        let watched = self.observer.is_some();
        let Some(peer) = self.peer_mut(host) else { return };
        let at = peer.clock(now);
        let Some(engine) = &mut peer.engine else { return };
        let copy = watched.then(|| input.clone());
        let Ok(()) = engine.handle_input(at, input, &mut peer.out);
        self.seen(host, at, copy);
        self.carry(host);
    }

    /// Notes a call of an engine.
    fn seen(&mut self, host: HostId, at: Instant, input: Option<Input>) {
        self.counts.calls += 1;
        let Some(Host { who: Who::Peer(peer), .. }) = self.hosts.get(host.0 as usize) else { return };
        for action in peer.out.as_slice() {
            self.trace.action(self.now, host, action);
        }
        self.counts.actions += peer.out.len() as u64;
        if let (Some(observer), Some(engine)) = (&mut self.observer, &peer.engine) {
            observer.step(host, at, input, peer.out.as_slice(), engine.poll_timeout());
        }
    }

    fn rearm(&mut self, host: HostId) {
        let deadline = self.hosts.get(host.0 as usize).and_then(Host::deadline);
        self.deadlines.set(host.0 as usize, deadline);
    }

    fn switch_off(&mut self, host: HostId) {
        self.net.set_up(self.now, host, false);
        let Some(on) = self.hosts.get_mut(host.0 as usize) else { return };
        on.life += 1;
        match &mut on.who {
            Who::Peer(peer) => peer.lose_memory(),
            Who::Attacker(raw) => {
                raw.conns.clear();
                raw.streams.clear();
            }
            Who::Tracker(hub) => hub.machine = None,
        }
        self.deadlines.set(host.0 as usize, None);
    }

    fn begin_torrent(&mut self, host: HostId, info_hash: InfoHash) {
        let add =
            self.peer_mut(host).filter(|peer| peer.engine.is_some()).and_then(|peer| peer.add(info_hash));
        if let Some(add) = add {
            self.command(host, Command::Add(Box::new(add)));
        }
    }

    fn peer_mut(&mut self, host: HostId) -> Option<&mut Peer> {
        self.hosts.get_mut(host.0 as usize)?.peer_mut()
    }

    /// Carries out what an engine wants.
    fn carry(&mut self, host: HostId) {
        let Some(peer) = self.peer_mut(host) else { return };
        let mut out = mem::take(&mut peer.out);
        let mut stopped = false;
        for action in out.drain() {
            stopped |= matches!(action, Action::Event(Event::Stopped));
            self.act(host, action);
        }
        if let Some(peer) = self.peer_mut(host) {
            peer.out = out;
        }
        if stopped {
            self.switch_off(host);
        }
        self.rearm(host);
    }

    fn act(&mut self, host: HostId, action: Action) {
        let now = self.now;
        let Some(Host { who: Who::Peer(peer), .. }) = self.hosts.get_mut(host.0 as usize) else { return };
        match action {
            Action::Send { stream, data } => {
                let window = peer.config.engine.swarm.send_window;
                let Some(stream) = peer.stream(stream) else { return };
                stream.in_flight += data.len();
                if stream.in_flight > window {
                    self.breaches.push(format!("law 10: {host:?} has {} bytes in flight", stream.in_flight));
                }
                self.net.send(now, stream.conn, data);
            }
            Action::Storage { torrent, operation } => {
                let Some(volume) = volume_of(peer, torrent) else { return };
                let (at, completion) = peer.disk.submit(now, volume, operation);
                self.later(at, host, What::Storage(torrent, completion));
            }
            Action::Compute { torrent, token, job } => {
                let at = peer.hashed_at(now, job.data().iter().map(Bytes::len).sum());
                let content = peer.open.get(&torrent).and_then(|hash| peer.torrents.get(hash));
                let outcome =
                    content.map_or_else(|| job.clone().run(), |torrent| torrent.content.hash(job.clone()));
                self.later(at, host, What::Computed(torrent, token, outcome));
            }
            Action::Listen { local } => {
                let result = self.net.listen(host, local.port());
                self.later(now + LISTEN_DELAY, host, What::Listening(result));
            }
            Action::Connect { stream, remote } => {
                let conn = self.net.connect(now, host, remote);
                peer.attach(stream, conn);
            }
            Action::Adopt { ticket, stream } => {
                let conn = ConnId(ticket.0);
                peer.attach(stream, conn);
                self.net.accept(now, conn);
            }
            Action::Refuse { ticket } => self.net.refuse(now, ConnId(ticket.0)),
            Action::Close { stream } => {
                if let Some(conn) = peer.detach(stream) {
                    self.net.close(now, conn);
                }
            }
            Action::Fetch { .. } | Action::Get { .. } | Action::Resolve { .. } | Action::SendTo { .. } => {
                self.ask_outside(host, action);
            }
            Action::FetchMore { .. } | Action::CancelFetch { .. } | Action::CancelGet { .. } => {}
            Action::Open { torrent, info_hash } => drop(peer.open.insert(torrent, info_hash)),
            Action::Release { torrent } => drop(peer.open.remove(&torrent)),
            Action::SaveResume { torrent, have, clean } => {
                if let Some((volume, saved)) = peer.resume(torrent, have, clean) {
                    let at = now + peer.config.disk.flush;
                    self.later(at, host, What::Resume(volume, saved.into()));
                }
            }
            Action::Event(event) => self.events.push((now, host, event)),
        }
    }
}

fn volume_of(peer: &Peer, torrent: TorrentId) -> Option<VolumeId> {
    peer.torrents.get(peer.open.get(&torrent)?).map(|torrent| torrent.volume)
}

/// What a network event means to an engine.
fn peer_input(peer: &mut Peer, kind: NetEventKind) -> Option<Input> {
    let stream = |peer: &Peer, conn| peer.conns.get(&conn).copied();
    Some(match kind {
        NetEventKind::Incoming { conn, remote } => Input::Accepted { ticket: AcceptTicket(conn.0), remote },
        NetEventKind::Connected { conn } => Input::Connected { stream: stream(peer, conn)? },
        NetEventKind::Received { conn, data } => Input::Received { stream: stream(peer, conn)?, data },
        NetEventKind::Sent { conn, bytes } => {
            let id: StreamId = stream(peer, conn)?;
            let stream = peer.stream(id)?;
            stream.in_flight = stream.in_flight.saturating_sub(bytes);
            Input::Sent { stream: id, bytes }
        }
        NetEventKind::Closed { conn, error } => {
            let id = stream(peer, conn)?;
            peer.detach(id);
            Input::Closed { stream: id, error }
        }
        NetEventKind::Datagram { from, data, .. } => Input::Datagram { from, data },
    })
}
