//! A small world for engines: hosts, wires with a delay, disks in memory, one clock for all.

use crate::{
    Instant, Machine, Outbox,
    bitfield::Bitfield,
    engine::{Action, AddTorrent, Command, Config, Engine, Event, Input, Plan, StreamError},
    fetch::Response,
    id::{AcceptTicket, FileIndex, InfoHash, StreamId, TorrentId},
    metainfo::Info,
    storage::{Completion, FileStamp, Operation, StorageError},
    tracker::{
        self, AnnounceRequest, Counts,
        udp::{self, ConnectionId, Request},
    },
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BinaryHeap},
    format,
    string::String,
    vec::Vec,
};
use bytes::{Bytes, BytesMut};
use core::{
    cmp::Reverse,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

/// One way, for streams.
pub(super) const WIRE: Duration = Duration::from_millis(5);
/// Where dials are not answered, and not refused either.
pub(super) const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
/// For a disk operation or a hash.
const DISK: Duration = Duration::from_micros(100);

/// Hosts, and what is on its way between them.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) hosts: Vec<Host>,
    /// What befalls the connections, in the order in which they come about; those beyond live on.
    pub(super) faults: Vec<Fault>,
    pub(super) connections: Vec<Connection>,
    /// What trackers were told, by whom, and which of them say nothing.
    pub(super) announces: Vec<(usize, SocketAddr, AnnounceRequest)>,
    pub(super) silent_trackers: Vec<SocketAddr>,
    /// What was asked of trackers over HTTP.
    pub(super) gets: Vec<String>,
    /// After how many seconds they want to hear of a host again.
    pub(super) announce_interval_s: u32,
    /// Streams that were adopted, and whose other end is the test.
    pub(super) strangers: Vec<StreamId>,
    queue: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    pending: BTreeMap<u64, Input>,
    count: u64,
}

/// How a connection is lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// When so many bytes have gone over it, both ways together.
    pub(super) after: usize,
    /// Whether nobody is told.
    pub(super) silent: bool,
}

/// What went over a connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// What the dialler said, and what it was told.
    pub(super) said: [Vec<u8>; 2],
    fault: Option<Fault>,
}

/// An engine, its disk and its wires.
pub(super) struct Host {
    pub(super) engine: Engine,
    out: Outbox<Action>,
    pub(super) address: SocketAddr,
    /// Who is at the other end of a stream.
    wires: BTreeMap<StreamId, Wire>,
    /// Dials that wait for an answer: our ticket at them, their host and stream.
    tickets: BTreeMap<AcceptTicket, (usize, StreamId)>,
    pub(super) disk: BTreeMap<FileIndex, Vec<u8>>,
    pub(super) events: Vec<Event>,
    pub(super) saved: Option<(Bitfield, bool)>,
    torrents: BTreeMap<TorrentId, InfoHash>,
    /// What every write ends with, if not well.
    pub(super) write_error: Option<StorageError>,
    pub(super) peak_bytes: usize,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
struct Wire {
    connection: usize,
    /// 0 at the dialler.
    side: usize,
    other: usize,
    theirs: StreamId,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: Instant::ZERO,
            hosts: Vec::new(),
            faults: Vec::new(),
            connections: Vec::new(),
            announces: Vec::new(),
            silent_trackers: Vec::new(),
            gets: Vec::new(),
            announce_interval_s: 60,
            strangers: Vec::new(),
            queue: BinaryHeap::new(),
            pending: BTreeMap::new(),
            count: 0,
        }
    }

    /// A host that listens on 10.0.0.N:6881.
    pub(super) fn host(&mut self, mut config: Config) -> usize {
        let number = self.hosts.len();
        let address = SocketAddr::from(([10, 0, 0, number as u8 + 1], 6881));
        config.listen = Some(address);
        self.hosts.push(Host {
            engine: Engine::new(config, [number as u8 + 1; 32]),
            out: Outbox::new(),
            address,
            wires: BTreeMap::new(),
            tickets: BTreeMap::new(),
            disk: BTreeMap::new(),
            events: Vec::new(),
            saved: None,
            torrents: BTreeMap::new(),
            write_error: None,
            peak_bytes: 0,
        });
        self.input(number, Input::Start);
        number
    }

    pub(super) fn add(&mut self, host: usize, info: &Info, peers: &[usize]) {
        self.add_with(host, info, Plan::default(), peers);
    }

    pub(super) fn add_with(&mut self, host: usize, info: &Info, plan: Plan, peers: &[usize]) {
        let add = self.prepared(host, info, plan, peers);
        self.command(host, Command::Add(Box::new(add)));
    }

    /// What a host is told to begin with a torrent.
    pub(super) fn prepared(&self, host: usize, info: &Info, plan: Plan, peers: &[usize]) -> AddTorrent {
        let on_disk = |index: usize| {
            let file = self.hosts[host].disk.get(&FileIndex(index as u32))?;
            Some(FileStamp { size: file.len() as u64, mtime: 1 })
        };
        AddTorrent {
            info: info.clone(),
            resume: None,
            on_disk: (0..info.files.len()).map(on_disk).collect(),
            plan,
            paused: false,
            peers: peers.iter().map(|peer| self.hosts[*peer].address).collect(),
            web_seeds: Vec::new(),
            trackers: Vec::new(),
        }
    }

    pub(super) fn command(&mut self, host: usize, command: Command) {
        self.input(host, Input::Command(command));
    }

    /// Gives `host` an input now.
    pub(super) fn input(&mut self, host: usize, input: Input) {
        let Host { engine, out, .. } = &mut self.hosts[host];
        let Ok(()) = engine.handle_input(self.now, input, out);
        self.carry(host);
    }

    /// Runs until `done` or for `at_most`; whether it was done.
    pub(super) fn run(&mut self, at_most: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + at_most;
        while !done(self) {
            let next_input = self.queue.peek().map(|Reverse((at, ..))| *at);
            let next_timer =
                self.hosts.iter().filter_map(|host| host.engine.poll_timeout()).map(|d| d.at).min();
            let Some(next) = next_input.into_iter().chain(next_timer).min().filter(|next| *next <= end)
            else {
                self.now = end;
                return done(self);
            };
            self.now = self.now.max(next);
            if next_input == Some(next) {
                let Some(Reverse((_, number, host))) = self.queue.pop() else { continue };
                if let Some(input) = self.pending.remove(&number) {
                    self.input(host, input);
                }
            } else {
                self.fire();
            }
        }
        true
    }

    fn fire(&mut self) {
        for number in 0..self.hosts.len() {
            let Host { engine, out, .. } = &mut self.hosts[number];
            if engine.poll_timeout().is_some_and(|deadline| deadline.at <= self.now) {
                let Ok(()) = engine.handle_timeout(self.now, out);
                let next = engine.poll_timeout().map(|deadline| deadline.at);
                assert!(next.is_none_or(|next| next > self.now), "law 2: {:?}", engine.poll_timeout());
                self.carry(number);
            }
        }
    }

    fn later(&mut self, host: usize, delay: Duration, input: Input) {
        self.count += 1;
        self.pending.insert(self.count, input);
        self.queue.push(Reverse((self.now + delay, self.count, host)));
    }

    /// Carries out what `host` wants.
    fn carry(&mut self, host: usize) {
        let actions: Vec<Action> = self.hosts[host].out.drain().collect();
        for action in actions {
            self.carry_one(host, action);
        }
        let held = self.hosts[host].engine.memory();
        let bytes = held.requested + held.unwritten + held.hashing + held.uploading;
        self.hosts[host].peak_bytes = self.hosts[host].peak_bytes.max(bytes);
    }

    fn carry_one(&mut self, host: usize, action: Action) {
        match action {
            Action::Listen { local } => self.later(host, DISK, Input::Listening { local }),
            Action::Connect { stream, remote } => self.connect(host, stream, remote),
            Action::Adopt { ticket, stream } => self.adopt(host, ticket, stream),
            Action::Refuse { ticket } => {
                let Some((dialler, stream)) = self.hosts[host].tickets.remove(&ticket) else { return };
                let error = Some(StreamError::Reset);
                self.later(dialler, WIRE, Input::Closed { stream, error });
            }
            Action::Send { stream, data } => self.send(host, stream, &data),
            Action::Close { stream } => {
                let Some(wire) = self.hosts[host].wires.remove(&stream) else { return };
                if !self.connections[wire.connection].is_dead() {
                    self.later(wire.other, WIRE, Input::Closed { stream: wire.theirs, error: None });
                }
            }
            Action::Open { torrent, info_hash } => {
                self.hosts[host].torrents.insert(torrent, info_hash);
            }
            Action::Release { torrent } => {
                self.hosts[host].torrents.remove(&torrent);
            }
            Action::Storage { torrent, operation } => {
                assert!(self.hosts[host].torrents.contains_key(&torrent));
                let completion = self.hosts[host].operate(operation);
                self.later(host, DISK, Input::Storage { torrent, completion });
            }
            Action::Compute { torrent, token, job } => {
                self.later(host, DISK, Input::Computed { torrent, token, outcome: job.run() });
            }
            Action::Fetch { .. } | Action::FetchMore { .. } | Action::CancelFetch { .. } => {
                unreachable!("no web seed is known")
            }
            Action::Get { token, url, .. } => {
                self.gets.push(url);
                let body = format!("d8:intervali{}e5:peers0:e", self.announce_interval_s).into();
                self.later(host, 2 * WIRE, Input::Got { token, result: Ok(Response { status: 200, body }) });
            }
            Action::CancelGet { .. } | Action::Resolve { .. } => {
                unreachable!("trackers over HTTP answer, and none has a name")
            }
            Action::SendTo { to, data } => self.ask_tracker(host, to, &data),
            Action::SaveResume { have, clean, .. } => self.hosts[host].saved = Some((have, clean)),
            Action::Event(event) => self.hosts[host].events.push(event),
        }
    }

    /// A tracker answers with everybody who is there.
    fn ask_tracker(&mut self, host: usize, from: SocketAddr, packet: &[u8]) {
        let (transaction, response) = match Request::decode(packet).expect("a request") {
            Request::Connect { transaction } => (transaction, udp::Response::Connect(ConnectionId(9))),
            Request::Announce { transaction, announce, .. } => {
                self.announces.push((host, from, announce));
                let counts = Counts { seeders: Some(1), leechers: Some(1), ..Counts::default() };
                let peers = self.present_at(from, &announce, host);
                (
                    transaction,
                    udp::Response::Announce { interval_s: self.announce_interval_s, counts, peers, ic: None },
                )
            }
            Request::Scrape { .. } => unreachable!("engines do not scrape"),
        };
        if !self.silent_trackers.contains(&from) {
            let mut data = Vec::new();
            response.encode(transaction, &mut data);
            self.later(host, 2 * WIRE, Input::Datagram { from, data: data.into() });
        }
    }

    fn present_at(&self, tracker: SocketAddr, asked: &AnnounceRequest, asker: usize) -> Vec<SocketAddr> {
        let mut present = BTreeMap::new();
        for (host, at, announce) in &self.announces {
            if *at == tracker && announce.info_hash == asked.info_hash {
                let address = SocketAddr::new(self.hosts[*host].address.ip(), announce.port);
                present.insert(*host, (address, announce.event != tracker::Event::Stopped));
            }
        }
        present.remove(&asker);
        present.into_values().filter(|(_, there)| *there).map(|(address, _)| address).collect()
    }

    fn connect(&mut self, host: usize, stream: StreamId, remote: SocketAddr) {
        if remote.ip() == NOBODY {
            return;
        }
        let Some(other) = self.hosts.iter().position(|host| host.address == remote) else {
            let error = Some(StreamError::Refused);
            return self.later(host, WIRE, Input::Closed { stream, error });
        };
        self.count += 1;
        let ticket = AcceptTicket(self.count);
        self.hosts[other].tickets.insert(ticket, (host, stream));
        let remote = SocketAddr::new(self.hosts[host].address.ip(), 50_000);
        self.later(other, WIRE, Input::Accepted { ticket, remote });
    }

    fn send(&mut self, host: usize, stream: StreamId, data: &Bytes) {
        let Some(wire) = self.hosts[host].wires.get(&stream).copied() else {
            // A stranger reads whatever it is told.
            return self.later(host, WIRE, Input::Sent { stream, bytes: data.len() });
        };
        let connection = &mut self.connections[wire.connection];
        if connection.is_dead() {
            return;
        }
        let data = &data[..connection.carry(wire.side, data)];
        let (lost, bytes) = (connection.fault.filter(|fault| fault.after == 0), data.len());
        let Wire { other, theirs, .. } = wire;
        self.later(other, WIRE, Input::Received { stream: theirs, data: BytesMut::from(data) });
        self.later(host, WIRE, Input::Sent { stream, bytes });
        if lost.is_some_and(|fault| !fault.silent) {
            let error = Some(StreamError::Reset);
            self.later(other, WIRE, Input::Closed { stream: theirs, error });
            self.later(host, WIRE, Input::Closed { stream, error });
        }
    }

    fn adopt(&mut self, host: usize, ticket: AcceptTicket, stream: StreamId) {
        let Some((dialler, theirs)) = self.hosts[host].tickets.remove(&ticket) else {
            return self.strangers.push(stream);
        };
        let connection = self.connections.len();
        let fault = self.faults.get(connection).copied();
        self.connections.push(Connection { fault, ..Connection::default() });
        let ends = [(dialler, theirs), (host, stream)];
        for (side, (end, stream)) in ends.into_iter().enumerate() {
            let (other, theirs) = ends[1 - side];
            self.hosts[end].wires.insert(stream, Wire { connection, side, other, theirs });
        }
        self.later(dialler, WIRE, Input::Connected { stream: theirs });
    }
}

impl Connection {
    fn is_dead(&self) -> bool {
        self.fault.is_some_and(|fault| fault.after == 0)
    }

    /// How much of what a side says gets through.
    fn carry(&mut self, side: usize, data: &[u8]) -> usize {
        let mut bytes = data.len();
        if let Some(fault) = &mut self.fault {
            bytes = bytes.min(fault.after);
            fault.after -= bytes;
        }
        self.said[side].extend_from_slice(&data[..bytes]);
        bytes
    }
}

impl Host {
    fn operate(&mut self, operation: Operation) -> Completion {
        match operation {
            Operation::Read { token, file, offset, length } => {
                let range = offset as usize..offset as usize + length as usize;
                let result = match self.disk.get(&file) {
                    None => Err(StorageError::NotFound),
                    Some(bytes) => bytes.get(range).map(Bytes::copy_from_slice).ok_or(StorageError::TooShort),
                };
                Completion::Read { token, result }
            }
            Operation::Write { token, file, offset, data } => {
                let result = self.write_error.map_or(Ok(()), Err);
                if result.is_ok() {
                    let bytes = self.disk.entry(file).or_default();
                    let end = offset as usize + data.len();
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[offset as usize..end].copy_from_slice(&data);
                }
                Completion::Written { token, result }
            }
            Operation::Flush { token } => Completion::Flushed { token, result: Ok(()) },
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Completed { .. }))
    }
}
