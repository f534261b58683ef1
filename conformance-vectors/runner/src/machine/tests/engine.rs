//! A whole download: two engines, a stream between them, disks in memory.

use super::{Recorder, torrent};
use crate::machine::{TraceWriter, build::never};
use bytes::{Bytes, BytesMut};
use convoy_core::{
    Instant, Machine,
    engine::{Action, AddTorrent, Command, Config, Engine, Event, Input, Plan},
    id::{AcceptTicket, StreamId},
    storage::{Completion, FileStamp, Operation},
    testing::Call,
};
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

/// How long everything takes: a way over the wire, a disk operation, a hash.
const DELAY: Duration = Duration::from_millis(1);

/// A seed and a leecher; what is under way arrives in order.
pub(super) struct Pair {
    hosts: [Host; 2],
    under_way: VecDeque<(Instant, usize, Input)>,
    now: Instant,
    content: Bytes,
    /// Both lives, as a simulator would write them.
    trace: TraceWriter<Vec<u8>>,
}

struct Host {
    life: Recorder<Engine>,
    stream: Option<StreamId>,
    is_done: bool,
}

const SEED: usize = 0;
const LEECHER: usize = 1;

fn address(host: usize) -> SocketAddr {
    ([10, 0, 0, host as u8 + 1], 6881).into()
}

impl Pair {
    fn new(content: Bytes) -> Self {
        let mut trace = TraceWriter::new(Vec::new());
        let hosts = [SEED, LEECHER].map(|number| {
            let config = Config { listen: Some(address(number)), ..Config::default() };
            let seed = [number as u8; 32];
            trace.life(number as u32, "engine", &config, seed).expect("memory takes it");
            let engine = Engine::new(config.clone(), seed);
            Host { life: Recorder::new("engine", &config, seed, never, engine), stream: None, is_done: false }
        });
        Self { hosts, under_way: VecDeque::new(), now: Instant::ZERO, content, trace }
    }

    /// Both lives in one trace.
    pub(super) fn into_trace(self) -> String {
        String::from_utf8(self.trace.finish().expect("memory takes it")).expect("JSON is text")
    }

    fn call(&mut self, host: usize, call: Call<Input>) {
        let life = &mut self.hosts[host].life;
        life.now = self.now;
        let shown = match &call {
            Call::Input(input) => Call::Input(input),
            Call::Timeout => Call::Timeout,
        };
        self.trace.begin(host as u32, self.now, shown).expect("memory takes it");
        let actions = life.call(call);
        self.trace.end(&actions, life.machine.poll_timeout()).expect("memory takes it");
        self.carry(host, actions);
    }

    /// Runs until both have stopped.
    fn run(&mut self, mut then: impl FnMut(&mut Self)) {
        while self.hosts.iter().any(|host| host.life.machine.poll_timeout().is_some()) {
            let arrival = self.under_way.front().map(|(at, ..)| *at);
            let timers = self.hosts.iter().filter_map(|host| host.life.machine.poll_timeout());
            let timer = timers.map(|next| next.at).min();
            let next = arrival.into_iter().chain(timer).min().expect("a timer is left");
            assert!(next < Instant::from_micros(60_000_000), "it takes a minute");
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let (_, host, input) = self.under_way.pop_front().expect("it is there");
                self.call(host, Call::Input(input));
            } else {
                for host in [SEED, LEECHER] {
                    let due = self.hosts[host].life.machine.poll_timeout();
                    if due.is_some_and(|due| due.at <= self.now) {
                        self.call(host, Call::Timeout);
                    }
                }
            }
            then(self);
        }
    }

    fn later(&mut self, host: usize, input: Input) {
        self.under_way.push_back((self.now + DELAY, host, input));
    }

    fn carry(&mut self, host: usize, actions: Vec<Action>) {
        let other = 1 - host;
        for action in actions {
            match action {
                Action::Listen { local } => self.later(host, Input::Listening { local }),
                Action::Connect { stream, .. } => {
                    self.hosts[host].stream = Some(stream);
                    let (ticket, remote) = (AcceptTicket(1), address(host));
                    self.later(other, Input::Accepted { ticket, remote });
                }
                Action::Adopt { stream, .. } => {
                    self.hosts[host].stream = Some(stream);
                    let stream = self.hosts[other].stream.expect("it dialled");
                    self.later(other, Input::Connected { stream });
                }
                Action::Send { stream, data } => {
                    self.later(host, Input::Sent { stream, bytes: data.len() });
                    if let Some(stream) = self.hosts[other].stream {
                        self.later(other, Input::Received { stream, data: BytesMut::from(data) });
                    }
                }
                Action::Close { .. } => {
                    self.hosts[host].stream = None;
                    if let Some(stream) = self.hosts[other].stream.take() {
                        self.later(other, Input::Closed { stream, error: None });
                    }
                }
                Action::Storage { torrent, operation } => {
                    let completion = self.operate(operation);
                    self.later(host, Input::Storage { torrent, completion });
                }
                Action::Compute { torrent, token, job } => {
                    self.later(host, Input::Computed { torrent, token, outcome: job.run() });
                }
                Action::Event(Event::Completed { .. }) => self.hosts[host].is_done = true,
                _ => {}
            }
        }
    }

    fn operate(&self, operation: Operation) -> Completion {
        match operation {
            Operation::Read { token, offset, length, .. } => {
                let range = offset as usize..offset as usize + length as usize;
                Completion::Read { token, result: Ok(self.content.slice(range)) }
            }
            Operation::Write { token, .. } => Completion::Written { token, result: Ok(()) },
            Operation::Flush { token } => Completion::Flushed { token, result: Ok(()) },
        }
    }
}

/// A download of `total_length` bytes, from `Start` to `Stop`.
pub(super) fn download(piece_length: u32, total_length: u64) -> Pair {
    let (info, content) = torrent(piece_length, total_length);
    let mut pair = Pair::new(content);
    for host in [SEED, LEECHER] {
        pair.call(host, Call::Input(Input::Start));
        let stamp = (host == SEED).then_some(FileStamp { size: total_length, mtime: 1 });
        let peers = if host == SEED { Vec::new() } else { vec![address(SEED)] };
        let add = AddTorrent {
            info: info.clone(),
            resume: None,
            on_disk: vec![stamp],
            plan: Plan::default(),
            paused: false,
            peers,
            web_seeds: Vec::new(),
            trackers: Vec::new(),
        };
        pair.call(host, Call::Input(Input::Command(Command::Add(Box::new(add)))));
    }
    let mut is_stopping = false;
    pair.run(|pair| {
        if pair.hosts[LEECHER].is_done && !is_stopping {
            is_stopping = true;
            pair.call(LEECHER, Call::Input(Input::Command(Command::Stop)));
            pair.call(SEED, Call::Input(Input::Command(Command::Stop)));
        }
    });
    assert!(is_stopping, "the download ends");
    pair
}

#[test]
fn engine_both_sides_of_a_download() {
    let Pair { hosts: [seed, leecher], .. } = download(128, 300);
    let about = "a download of three pieces over an encrypted stream, to its end: ";
    seed.life.is_kept_in("engine-seed.json", &format!("{about}the seed"));
    leecher.life.is_kept_in("engine-leecher.json", &format!("{about}the leecher"));
}
