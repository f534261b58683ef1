//! The client's machine.

use super::{
    Action, Address, Config, GRACE, Input, MAX_NAMES,
    address::{Host, one_of_each},
};
use crate::{
    deadlines::Deadlines,
    fetch::{FetchError, Response},
    id::{GetToken, ResolveToken, slab_key},
    machine::Machine,
    outbox::Outbox,
    random::{Random, Seed},
    side_table::SideTable,
    slab::Slab,
    time::{Clock, Deadline, Instant},
    tracker::{
        AnnounceResponse, Failure, Question, QuestionKey, Reply,
        http::{self, Extras},
        udp,
    },
};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use bytes::Bytes;
use core::{convert::Infallible, mem, net::SocketAddr};

/// How many UDP trackers are remembered before those are forgotten that have nothing to do.
const REMEMBERED: usize = 64;

slab_key! {
    /// A UDP tracker at one of its addresses.
    TrackerKey;
}

/// What did no harm, but should not have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that came from nowhere that was asked.
    pub strays: u64,
}

/// Asks trackers. See the [module](super) for how it goes.
#[derive(Debug)]
pub struct Client {
    config: Config,
    random: Random,
    clock: Clock,
    trackers: Slab<TrackerKey, Tracker>,
    endpoints: BTreeMap<SocketAddr, TrackerKey>,
    scratch: Outbox<udp::Action>,
    questions: SideTable<QuestionKey, Asking>,
    resolving: BTreeMap<ResolveToken, QuestionKey>,
    getting: BTreeMap<GetToken, QuestionKey>,
    next_token: u64,
    /// When the UDP trackers want to be called.
    due: Deadlines,
    /// When questions end that were answered once.
    grace: Deadlines,
    counters: Counters,
}

#[derive(Debug)]
struct Tracker {
    endpoint: SocketAddr,
    client: udp::Client,
}

/// A question that is not yet answered for the last time.
#[derive(Debug)]
struct Asking {
    question: Question,
    stage: Stage,
    /// What was answered first; without peers.
    answered: Option<Reply>,
}

/// What a question waits for.
#[derive(Debug)]
enum Stage {
    /// The address of a UDP tracker.
    Resolve { token: ResolveToken, path: String },
    /// One or both of its addresses.
    Udp(Vec<TrackerKey>),
    /// A body.
    Get(GetToken),
    /// The addresses of peers that an answer named.
    Names(Vec<ResolveToken>),
}

impl Client {
    /// A client that has asked nothing yet.
    #[must_use]
    pub fn new(config: Config, seed: Seed) -> Self {
        Self {
            config,
            random: Random::new(seed),
            clock: Clock::default(),
            trackers: Slab::new(),
            endpoints: BTreeMap::new(),
            scratch: Outbox::new(),
            questions: SideTable::new(),
            resolving: BTreeMap::new(),
            getting: BTreeMap::new(),
            next_token: 0,
            due: Deadlines::default(),
            grace: Deadlines::default(),
            counters: Counters::default(),
        }
    }

    /// What did no harm.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes of memory held: some 300 for each question of the fullest moment, and some 600 for each UDP
    /// tracker that is remembered.
    #[must_use]
    pub fn memory(&self) -> usize {
        let trackers =
            self.trackers.iter().map(|(_, tracker)| size_of::<Tracker>() + tracker.client.memory());
        self.questions.memory() + trackers.sum::<usize>()
    }

    fn ask(
        &mut self,
        now: Instant,
        key: QuestionKey,
        url: &str,
        question: Question,
        out: &mut Outbox<Action>,
    ) {
        self.forget(key, out);
        let stage = match Address::parse(url) {
            Some(Address::Http) => {
                return match self.http_url(url, &question) {
                    Ok(url) => self.get(key, url, question, out),
                    Err(failure) => out.push(Action::Answer { key, result: Err(failure), last: true }),
                };
            }
            Some(Address::Udp { host: Host::Name(host), port, path }) => {
                let token = self.resolve(key, host, port, out);
                Stage::Resolve { token, path }
            }
            Some(Address::Udp { host: Host::Ip(ip), port, path }) => {
                return self.ask_udp(now, key, question, &path, &[SocketAddr::new(ip, port)], out);
            }
            None => {
                return out.push(Action::Answer { key, result: Err(Failure::BadUrl), last: true });
            }
        };
        self.questions.insert(key, Asking { question, stage, answered: None });
    }

    fn http_url(&self, url: &str, question: &Question) -> Result<String, Failure> {
        match question {
            Question::Announce { announce, tracker_id } => {
                let extras = Extras { tracker_id: tracker_id.as_deref(), encryption: self.config.encryption };
                http::announce_url(url, announce, &extras).ok_or(Failure::BadUrl)
            }
            Question::Scrape { info_hashes } => http::scrape_url(url, info_hashes).ok_or(Failure::NoScrape),
        }
    }

    fn get(&mut self, key: QuestionKey, url: String, question: Question, out: &mut Outbox<Action>) {
        let token = GetToken(self.token());
        self.getting.insert(token, key);
        self.questions.insert(key, Asking { question, stage: Stage::Get(token), answered: None });
        out.push(Action::Get { token, url, limit: http::MAX_BODY_BYTES });
    }

    fn got(
        &mut self,
        now: Instant,
        token: GetToken,
        result: Result<Response, FetchError>,
        out: &mut Outbox<Action>,
    ) {
        let Some(key) = self.getting.remove(&token) else { return };
        let Some(asking) = self.questions.get(key) else { return };
        let reply = result.map_err(Failure::Unreachable).and_then(|Response { status, body }| match &asking
            .question
        {
            Question::Announce { .. } => http::read_announce(status, &body).map(Reply::Announce),
            Question::Scrape { info_hashes } => {
                http::read_scrape(status, &body, info_hashes).map(Reply::Scrape)
            }
        });
        match reply {
            Ok(Reply::Announce(response)) if !response.hosts.is_empty() => {
                self.resolve_peers(now, key, response, out);
            }
            result => self.end(key, result, out),
        }
    }

    /// Some peers are named by names: those with addresses are known at once.
    fn resolve_peers(
        &mut self,
        now: Instant,
        key: QuestionKey,
        mut response: AnnounceResponse,
        out: &mut Outbox<Action>,
    ) {
        let hosts = mem::take(&mut response.hosts);
        self.answered(now, key, Reply::Announce(response), out);
        let tokens = hosts.into_iter().take(MAX_NAMES).map(|(host, port)| self.resolve(key, host, port, out));
        let tokens = tokens.collect();
        if let Some(asking) = self.questions.get_mut(key) {
            asking.stage = Stage::Names(tokens);
        }
    }

    fn resolve(
        &mut self,
        key: QuestionKey,
        host: String,
        port: u16,
        out: &mut Outbox<Action>,
    ) -> ResolveToken {
        let token = ResolveToken(self.token());
        self.resolving.insert(token, key);
        out.push(Action::Resolve { token, host, port });
        token
    }

    fn resolved(
        &mut self,
        now: Instant,
        token: ResolveToken,
        addrs: &[SocketAddr],
        out: &mut Outbox<Action>,
    ) {
        let Some(key) = self.resolving.remove(&token) else { return };
        let Some(asking) = self.questions.get_mut(key) else { return };
        if let Stage::Names(tokens) = &mut asking.stage {
            tokens.retain(|other| *other != token);
            let last = tokens.is_empty();
            let peers = one_of_each(addrs).collect();
            self.more_peers(key, peers, last, out);
        } else if let Some(Asking { question, stage: Stage::Resolve { path, .. }, .. }) =
            self.questions.remove(key)
        {
            let addrs: Vec<SocketAddr> = one_of_each(addrs).collect();
            self.ask_udp(now, key, question, &path, &addrs, out);
        }
    }

    fn ask_udp(
        &mut self,
        now: Instant,
        key: QuestionKey,
        question: Question,
        path: &str,
        addrs: &[SocketAddr],
        out: &mut Outbox<Action>,
    ) {
        if addrs.is_empty() {
            return out.push(Action::Answer { key, result: Err(Failure::Unresolved), last: true });
        }
        let trackers: Vec<TrackerKey> = addrs.iter().map(|addr| self.tracker_at(canonical(*addr))).collect();
        let asked = trackers.clone();
        let stage = Stage::Udp(trackers);
        self.questions.insert(key, Asking { question: question.clone(), stage, answered: None });
        for tracker in asked {
            let (question, path) = (question.clone(), path.into());
            self.tell(now, tracker, udp::Input::Ask { key, question, path }, out);
        }
    }

    fn tracker_at(&mut self, endpoint: SocketAddr) -> TrackerKey {
        if let Some(tracker) = self.endpoints.get(&endpoint) {
            return *tracker;
        }
        if self.trackers.len() >= REMEMBERED {
            self.forget_idle();
        }
        let config = udp::ClientConfig {
            ipv6: endpoint.is_ipv6(),
            max_retransmissions: self.config.max_retransmissions,
            identity: self.config.identity.clone(),
            unix_at_zero: self.config.unix_at_zero,
        };
        let client = udp::Client::new(config, self.random.child_seed());
        let tracker = self.trackers.insert(Tracker { endpoint, client });
        self.endpoints.insert(endpoint, tracker);
        tracker
    }

    fn forget_idle(&mut self) {
        let idle: Vec<TrackerKey> = self
            .trackers
            .iter()
            .filter(|(_, tracker)| tracker.client.is_idle())
            .map(|(key, _)| key)
            .collect();
        for key in idle {
            if let Some(tracker) = self.trackers.remove(key) {
                self.endpoints.remove(&tracker.endpoint);
            }
        }
    }

    fn tell(&mut self, now: Instant, key: TrackerKey, input: udp::Input, out: &mut Outbox<Action>) {
        if let Some(tracker) = self.trackers.get_mut(key) {
            let Ok(()) = tracker.client.handle_input(now, input, &mut self.scratch);
            self.settle(now, key, out);
        }
    }

    /// Carries out what a tracker's client wants.
    fn settle(&mut self, now: Instant, key: TrackerKey, out: &mut Outbox<Action>) {
        let Some(tracker) = self.trackers.get(key) else { return };
        let (to, deadline) = (tracker.endpoint, tracker.client.poll_timeout());
        self.due.set(key.index(), deadline);
        let mut scratch = mem::take(&mut self.scratch);
        for action in scratch.drain() {
            match action {
                udp::Action::Send { data } => out.push(Action::SendTo { to, data }),
                udp::Action::Answer { key: question, result } => {
                    self.udp_answered(now, key, question, result, out);
                }
            }
        }
        self.scratch = scratch;
    }

    fn udp_answered(
        &mut self,
        now: Instant,
        tracker: TrackerKey,
        key: QuestionKey,
        result: Result<Reply, Failure>,
        out: &mut Outbox<Action>,
    ) {
        let Some(asking) = self.questions.get_mut(key) else { return };
        let Stage::Udp(open) = &mut asking.stage else { return };
        open.retain(|other| *other != tracker);
        if open.is_empty() {
            return self.end(key, result, out);
        }
        if let Ok(reply) = result {
            self.answered(now, key, reply, out);
        }
    }

    /// An answer, but not the last.
    fn answered(&mut self, now: Instant, key: QuestionKey, reply: Reply, out: &mut Outbox<Action>) {
        let Some(asking) = self.questions.get_mut(key) else { return };
        let mut first = reply.clone();
        if let Reply::Announce(response) = &mut first {
            response.peers.clear();
        }
        asking.answered = Some(first);
        let deadline = Deadline { at: now + GRACE, why: "the tracker's other address" };
        self.grace.set(key.index(), Some(deadline));
        out.push(Action::Answer { key, result: Ok(reply), last: false });
    }

    /// Peers that came after the first answer.
    fn more_peers(&mut self, key: QuestionKey, peers: Vec<SocketAddr>, last: bool, out: &mut Outbox<Action>) {
        let first = self.questions.get(key).and_then(|asking| asking.answered.clone());
        let Some(Reply::Announce(response)) = first else { return };
        if last {
            self.forget(key, out);
        }
        let result = Ok(Reply::Announce(AnnounceResponse { peers, ..response }));
        out.push(Action::Answer { key, result, last });
    }

    /// The last answer: if it is none, the one before has said all.
    fn end(&mut self, key: QuestionKey, result: Result<Reply, Failure>, out: &mut Outbox<Action>) {
        let first = self.forget(key, out).and_then(|asking| asking.answered);
        let result = result.or_else(|failure| first.ok_or(failure));
        out.push(Action::Answer { key, result, last: true });
    }

    /// Takes a question out, and what it still waits for.
    fn forget(&mut self, key: QuestionKey, out: &mut Outbox<Action>) -> Option<Asking> {
        let mut asking = self.questions.remove(key)?;
        self.grace.set(key.index(), None);
        match &mut asking.stage {
            Stage::Resolve { token, .. } => {
                self.resolving.remove(token);
            }
            Stage::Names(tokens) => self.resolving.retain(|token, _| !tokens.contains(token)),
            Stage::Get(token) => {
                if self.getting.remove(token).is_some() {
                    out.push(Action::CancelGet { token: *token });
                }
            }
            Stage::Udp(trackers) => {
                let now = self.clock.latest();
                for tracker in mem::take(trackers) {
                    self.tell(now, tracker, udp::Input::Cancel { key }, out);
                }
            }
        }
        Some(asking)
    }

    fn datagram(&mut self, now: Instant, from: SocketAddr, data: Bytes, out: &mut Outbox<Action>) {
        match self.endpoints.get(&canonical(from)) {
            Some(tracker) => self.tell(now, *tracker, udp::Input::Datagram { data }, out),
            None => self.counters.strays += 1,
        }
    }

    const fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }
}

impl Machine for Client {
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
            Input::Ask { key, url, question } => self.ask(now, key, &url, question, out),
            Input::Cancel { key } => drop(self.forget(key, out)),
            Input::Resolved { token, addrs } => self.resolved(now, token, &addrs, out),
            Input::Got { token, result } => self.got(now, token, result, out),
            Input::Datagram { from, data } => self.datagram(now, from, data, out),
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        while let Some(slot) = self.due.due(now) {
            let Some(key) = self.trackers.key_from(slot).filter(|key| key.index() == slot) else {
                self.due.set(slot, None);
                continue;
            };
            if let Some(tracker) = self.trackers.get_mut(key) {
                let Ok(()) = tracker.client.handle_timeout(now, &mut self.scratch);
            }
            self.settle(now, key, out);
        }
        while let Some(slot) = self.grace.due(now) {
            self.grace.set(slot, None);
            if let Some((key, _)) = self.questions.at(slot) {
                self.end(key, Err(Failure::TimedOut), out);
            }
        }
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        Deadline::earlier(self.due.earliest(), self.grace.earliest())
    }
}

/// An IPv4 address is one, however the driver's socket writes it.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}
