//! The engine's machine: torrents, streams, commands, clocks.

use super::{
    Action, AddTorrent, Command, Config, Event, FetchTorrent, Input, Refusal, StreamError,
    address::OwnAddress,
    candidates::{Backoff, Candidates},
    limit::{RateLimits, Rates, Share},
    names::Names,
    statistics::Statistics,
    streams::Streams,
    trackers::{Told, Trackers},
};
use crate::{
    Deadline, Instant, Machine, Outbox, Random,
    deadlines::Deadlines,
    id::{InfoHash, PeerId, TorrentId},
    mse,
    random::Seed,
    slab::Slab,
    storage::Resume,
    swarm::{self, Content, Memory, Setup, Swarm},
    time::Clock,
    tracker::{announcer, announcer::Announcer, client},
    wire,
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};
use core::{convert::Infallible, mem, net::SocketAddr};

/// Everything a node does.
///
/// One engine is single-threaded and owns what it has. Its memory is bounded by [`Config`]; ask
/// [`memory`](Self::memory) what is held. At most a few actions leave it for each message that comes in.
///
/// ```
/// use convoy_core::{
///     Instant, Machine, Outbox,
///     engine::{Action, AddTorrent, Command, Config, Engine, Event, Input, Plan},
///     metainfo::Builder,
/// };
///
/// let plan = Builder::single_file("hello", 5).plan()?;
/// let mut hasher = plan.hasher();
/// hasher.update(b"hello");
/// let info = plan.finish(&hasher.finish()?)?.info;
/// let peers = vec!["192.0.2.1:6881".parse()?];
/// let add = AddTorrent { info, resume: None, on_disk: vec![None], plan: Plan::default(), paused: false, peers, web_seeds: vec![], trackers: vec![] };
///
/// let mut engine = Engine::new(Config::default(), [7; 32]);
/// let mut out = Outbox::new();
/// engine.handle_input(Instant::ZERO, Input::Start, &mut out)?;
/// engine.handle_input(Instant::ZERO, Input::Command(Command::Add(Box::new(add))), &mut out)?;
/// let actions: Vec<Action> = out.drain().collect();
/// assert!(actions.iter().any(|action| matches!(action, Action::Event(Event::Added { .. }))));
/// assert!(actions.iter().any(|action| matches!(action, Action::Connect { .. })), "it dials the peer");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    pub(super) config: Config,
    pub(super) random: Random,
    clock: Clock,
    phase: Phase,
    /// Whether an answer to [`Action::Listen`] is awaited.
    pub(super) listening: bool,
    /// Where peers can reach us.
    pub(super) local: Option<SocketAddr>,
    /// Whether the port that was wished for was taken, and any will do.
    any_port: bool,

    pub(super) torrents: Slab<TorrentId, Torrent>,
    /// As commands name them.
    by_hash: BTreeMap<InfoHash, TorrentId>,
    /// As peers name them.
    pub(super) names: Names,
    pub(super) streams: Streams,
    /// Streams before their swarm: when a dial or a handshake is given up.
    pub(super) stream_deadlines: Deadlines,
    /// Swarms.
    pub(super) swarm_deadlines: Deadlines,
    /// Torrents that want to dial.
    pub(super) dial_deadlines: Deadlines,
    /// Those that want to now and find no room, in the order in which they get it.
    pub(super) dial_queue: VecDeque<TorrentId>,
    pub(super) trackers: Trackers,
    pub(super) limits: RateLimits,
    /// Where peers see us.
    pub(super) own_address: OwnAddress,
    next_progress: Instant,
    pub(super) strays: u64,
    pub(super) statistics: Statistics,

    pub(super) swarmed: Outbox<swarm::Action>,
    pub(super) shaken: Outbox<wire::HandshakeAction>,
    pub(super) secured: Outbox<mse::Action>,
}

/// A torrent and those who may have it.
#[derive(Debug)]
pub(super) struct Torrent {
    pub(super) swarm: Swarm,
    pub(super) candidates: Candidates,
    pub(super) announcer: Announcer,
    /// What the announcer knows of the swarm.
    pub(super) told: Told,
    /// Its part of the rate limits, and its own.
    pub(super) download: Share,
    pub(super) upload: Share,
    /// Our name in it: another in each, so that they cannot be told to be one.
    pub(super) peer_id: PeerId,
    /// No peer gives up its place to another before that.
    pub(super) next_displacement: Instant,
    /// Whether it goes away as soon as it has stopped.
    pub(super) removing: bool,
    /// Whether there was nobody left to dial when last we looked.
    pub(super) knows_nobody: bool,
    /// Whether it is in the queue of those that want to dial.
    pub(super) waits_to_dial: bool,
    /// Whether the swarm has stopped; the trackers may still have to be told.
    stopped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Running,
    Stopping,
    Stopped,
}

impl Engine {
    /// A node without torrents. It does nothing before [`Input::Start`].
    #[must_use]
    pub fn new(config: Config, seed: Seed) -> Self {
        let config = config.unhurried();
        let mut random = Random::new(seed);
        let rates =
            Rates { download: config.download_rate_bytes_per_s, upload: config.upload_rate_bytes_per_s };
        Self {
            limits: RateLimits::new(rates),
            trackers: Trackers::new(&config, &mut random),
            random,
            config,
            clock: Clock::default(),
            phase: Phase::New,
            listening: false,
            local: None,
            any_port: false,
            torrents: Slab::new(),
            by_hash: BTreeMap::new(),
            names: Names::default(),
            streams: Streams::default(),
            stream_deadlines: Deadlines::default(),
            swarm_deadlines: Deadlines::default(),
            dial_deadlines: Deadlines::default(),
            dial_queue: VecDeque::new(),
            own_address: OwnAddress::default(),
            next_progress: Instant::ZERO,
            strays: 0,
            statistics: Statistics::default(),
            swarmed: Outbox::new(),
            shaken: Outbox::new(),
            secured: Outbox::new(),
        }
    }

    /// Bytes held, over all torrents. O(peers).
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.torrents.iter().map(|(_, torrent)| torrent.swarm.memory()).fold(Memory::default(), Memory::plus)
    }

    /// What came of encryption so far, over all torrents.
    #[must_use]
    pub const fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Whether a [`Command::Stop`] was given.
    pub(super) const fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping | Phase::Stopped)
    }

    fn start(&mut self, out: &mut Outbox<Action>) {
        if self.phase == Phase::New {
            self.phase = Phase::Running;
            self.config.listen.into_iter().for_each(|local| self.listen(local, out));
        }
    }

    fn listen(&mut self, local: SocketAddr, out: &mut Outbox<Action>) {
        self.listening = true;
        out.push(Action::Listen { local });
    }

    fn on_listening(&mut self, now: Instant, local: SocketAddr, out: &mut Outbox<Action>) {
        if !mem::take(&mut self.listening) {
            self.strays += 1;
            return;
        }
        self.local = Some(local);
        out.push(Action::Event(Event::Listening { local }));
        let mut slot = 0;
        while let Some(id) = self.torrents.key_from(slot) {
            self.tell_swarm(now, id, swarm::Input::ListenPort(Some(local.port())), out);
            self.tell_ours(now, id, out);
            slot = id.index() + 1;
        }
    }

    fn on_listen_failed(&mut self, now: Instant, error: StreamError, out: &mut Outbox<Action>) {
        if !mem::take(&mut self.listening) {
            self.strays += 1;
            return;
        }
        match self.config.listen {
            Some(mut local) if error == StreamError::AddressInUse && !self.any_port => {
                self.any_port = true;
                local.set_port(0);
                self.listen(local, out);
            }
            _ => {
                out.push(Action::Event(Event::NotListening { error }));
                self.follow_all(now, out);
            }
        }
    }

    fn on_command(&mut self, now: Instant, command: Command, out: &mut Outbox<Action>) {
        match command {
            Command::Add(add) => self.add(now, *add, out),
            Command::Fetch(fetch) => self.fetch(now, *fetch, out),
            Command::Remove { info_hash } => {
                if let Some(torrent) = self.find(info_hash) {
                    torrent.1.removing = true;
                    let id = torrent.0;
                    self.tell_swarm(now, id, swarm::Input::Stop, out);
                }
            }
            Command::Pause { info_hash } => self.tell_named(now, info_hash, swarm::Input::Pause, out),
            Command::Unpause { info_hash } => self.tell_named(now, info_hash, swarm::Input::Unpause, out),
            Command::Follow { info_hash, plan } => {
                if let Some((_, torrent)) = self.find(info_hash) {
                    torrent.candidates.wake(now);
                }
                self.tell_named(now, info_hash, swarm::Input::Follow(plan), out);
            }
            Command::Read { info_hash, reader } => {
                self.tell_named(now, info_hash, swarm::Input::Read(reader), out);
            }
            Command::AddPeer { info_hash, remote } => {
                if let Some((id, torrent)) = self.find(info_hash) {
                    torrent.candidates.add(now, remote);
                    self.dial(now, id, out);
                }
            }
            Command::AddTracker { info_hash, url } => {
                if let Some((id, _)) = self.find(info_hash) {
                    self.add_trackers(now, id, [url], out);
                }
            }
            Command::AddWebSeed { info_hash, url } => {
                self.tell_named(now, info_hash, swarm::Input::AddWebSeed(url), out);
            }
            Command::Limit { info_hash, download, upload } => {
                self.limit(now, info_hash, Rates { download, upload }, out);
            }
            Command::Stop => self.stop(now, out),
        }
    }

    pub(super) fn find(&mut self, info_hash: InfoHash) -> Option<(TorrentId, &mut Torrent)> {
        let id = *self.by_hash.get(&info_hash)?;
        self.torrents.get_mut(id).map(|torrent| (id, torrent))
    }

    fn tell_named(&mut self, now: Instant, hash: InfoHash, input: swarm::Input, out: &mut Outbox<Action>) {
        if let Some(id) = self.by_hash.get(&hash).copied() {
            self.tell_swarm(now, id, input, out);
            self.dial(now, id, out);
        }
    }

    fn add(&mut self, now: Instant, mut add: AddTorrent, out: &mut Outbox<Action>) {
        let info_hash = add.info.info_hash;
        let layout = add.info.layout();
        let (pieces, files) = (layout.geometry().pieces(), layout.file_count());
        let resume = add.resume.filter(|resume| resume.info_hash == info_hash && resume.have.len() == pieces);
        let resume = resume.unwrap_or_else(|| Resume::unknown(info_hash, pieces, files));
        let verdict = resume.trusted(&layout, &add.on_disk);
        let fits = add.on_disk.len() == add.info.files.len();
        let fetching = self.find(info_hash).filter(|(_, torrent)| torrent.swarm.is_fetching());
        let fetching = fetching.map(|(id, _)| id).filter(|_| fits);
        if fetching.is_none()
            && let Err(why) = self.may_add(info_hash, fits)
        {
            return out.push(Action::Event(Event::Refused { info_hash, why }));
        }
        let content = Box::new(Content { info: add.info, verdict, plan: add.plan, paused: add.paused });
        let (id, input) = match fetching {
            Some(id) => (id, swarm::Input::Resolve(content)),
            None => {
                let (private, tiers) = (content.info.private, mem::take(&mut add.trackers));
                let torrent = swarm::Torrent::Content(content);
                (self.insert(now, info_hash, torrent, private, tiers, out), swarm::Input::Start)
            }
        };
        // Those that came with the link are known already.
        self.add_trackers(now, id, add.trackers.into_iter().flatten(), out);
        if let Some(torrent) = self.torrents.get_mut(id) {
            add.peers.into_iter().for_each(|remote| torrent.candidates.add(now, remote));
        }
        out.push(Action::Open { torrent: id, info_hash });
        out.push(Action::Event(Event::Added { info_hash }));
        self.tell_swarm(now, id, input, out);
        self.tell_ours(now, id, out);
        for url in add.web_seeds {
            self.tell_swarm(now, id, swarm::Input::AddWebSeed(url), out);
        }
        self.name(id);
    }

    /// Begins with a torrent of which only the name is known.
    fn fetch(&mut self, now: Instant, fetch: FetchTorrent, out: &mut Outbox<Action>) {
        let info_hash = fetch.info_hash;
        if let Err(why) = self.may_add(info_hash, true) {
            return out.push(Action::Event(Event::Refused { info_hash, why }));
        }
        let torrent = swarm::Torrent::Magnet(info_hash);
        let id = self.insert(now, info_hash, torrent, false, fetch.trackers, out);
        self.name(id);
        if let Some(torrent) = self.torrents.get_mut(id) {
            fetch.peers.into_iter().for_each(|remote| torrent.candidates.add(now, remote));
        }
        out.push(Action::Event(Event::Fetching { info_hash }));
        self.tell_swarm(now, id, swarm::Input::Start, out);
        self.tell_ours(now, id, out);
        self.dial(now, id, out);
    }

    fn insert(
        &mut self,
        now: Instant,
        info_hash: InfoHash,
        torrent: swarm::Torrent,
        private: bool,
        tiers: Vec<Vec<String>>,
        out: &mut Outbox<Action>,
    ) -> TorrentId {
        if let Some(interval) = self.config.progress_interval.filter(|_| self.torrents.is_empty()) {
            self.next_progress = now + interval;
        }
        if self.torrents.is_empty() {
            self.limits.begin(now);
        }
        let peer_id = self.new_peer_id();
        let setup = Setup {
            torrent,
            peer_id,
            client: self.config.client.clone(),
            listen_port: self.local.map(|local| local.port()),
            prefers_encryption: self.config.encryption.outgoing != mse::Policy::Disabled,
            config: self.config.swarm.clone(),
        };
        let backoff = Backoff { first: self.config.redial_after, at_most: self.config.redial_at_most };
        let mut candidates = Candidates::new(self.config.limits.candidates, backoff);
        candidates.rank(self.own_address);
        let swarm = Swarm::new(setup, self.random.child_seed());
        let announce = announcer::Config { private, ..self.config.announce };
        let announcer = Announcer::new(announce, tiers, self.random.child_seed());
        let id = self.torrents.insert(Torrent {
            swarm,
            candidates,
            announcer,
            told: Told::default(),
            download: Share::default(),
            upload: Share::default(),
            peer_id,
            next_displacement: Instant::ZERO,
            removing: false,
            knows_nobody: true,
            waits_to_dial: false,
            stopped: false,
        });
        self.by_hash.insert(info_hash, id);
        let Rates { download, upload } = self.limits.nothing();
        self.tell_swarm(now, id, swarm::Input::Allowance { download, upload }, out);
        id
    }

    /// Lets peers find a torrent by its names, all those that are known by now.
    fn name(&mut self, id: TorrentId) {
        if let Some(torrent) = self.torrents.get(id) {
            self.names.add(torrent.swarm.info(), id);
        }
    }

    fn may_add(&self, info_hash: InfoHash, fits: bool) -> Result<(), Refusal> {
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        if self.by_hash.contains_key(&info_hash) {
            return Err(Refusal::AlreadyThere);
        }
        if self.torrents.len() >= self.config.limits.torrents {
            return Err(Refusal::TooMany);
        }
        if fits { Ok(()) } else { Err(Refusal::Mismatch) }
    }

    /// Our prefix and twelve characters out of 62: ASCII survives JSON and logs.
    fn new_peer_id(&mut self) -> PeerId {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut id = [b'0'; 20];
        let (prefix, rest) = id.split_at_mut(self.config.peer_id_prefix.len());
        prefix.copy_from_slice(&self.config.peer_id_prefix);
        for place in rest {
            let letter = self.random.below(ALPHABET.len() as u32) as usize;
            *place = ALPHABET.get(letter).copied().unwrap_or(b'0');
        }
        PeerId(id)
    }

    fn stop(&mut self, now: Instant, out: &mut Outbox<Action>) {
        if self.is_stopping() {
            return;
        }
        self.phase = Phase::Stopping;
        self.listening = false;
        self.close_all_handshakes(now, out);
        let mut slot = 0;
        while let Some(id) = self.torrents.key_from(slot) {
            if let Some(torrent) = self.torrents.get_mut(id) {
                torrent.removing = true;
            }
            self.tell_swarm(now, id, swarm::Input::Stop, out);
            slot = id.index() + 1;
        }
        self.stopped_if_empty(out);
    }

    fn stopped_if_empty(&mut self, out: &mut Outbox<Action>) {
        if self.phase == Phase::Stopping && self.torrents.is_empty() {
            self.phase = Phase::Stopped;
            out.push(Action::Event(Event::Statistics(Box::new(self.statistics.clone()))));
            out.push(Action::Event(Event::Stopped));
        }
    }

    /// A swarm has stopped: it is forgotten as soon as the trackers know that we leave.
    pub(super) fn on_swarm_stopped(&mut self, id: TorrentId) {
        if let Some(torrent) = self.torrents.get_mut(id) {
            torrent.stopped = true;
        }
    }

    /// Forgets a torrent that has stopped, and of which trackers are told nothing more.
    pub(super) fn remove_if_stopped(&mut self, id: TorrentId, out: &mut Outbox<Action>) {
        let ended = |torrent: &Torrent| torrent.stopped && torrent.told.is_idle();
        if !self.torrents.get(id).is_some_and(ended) {
            return;
        }
        let Some(torrent) = self.torrents.remove(id) else { return };
        self.limits.limited_torrents -= usize::from(torrent.is_limited());
        let info_hash = torrent.swarm.info().info_hash;
        self.by_hash.remove(&info_hash);
        self.names.remove(torrent.swarm.info(), id);
        self.swarm_deadlines.set(id.index(), None);
        self.dial_deadlines.set(id.index(), None);
        self.forget_announcer(id);
        if !torrent.swarm.is_fetching() {
            out.push(Action::Release { torrent: id });
        }
        out.push(Action::Event(Event::Removed { info_hash }));
        self.stopped_if_empty(out);
    }

    fn report(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let Some(interval) = self.config.progress_interval else { return };
        if now < self.next_progress {
            return;
        }
        self.next_progress = now + interval;
        for (_, torrent) in self.torrents.iter_mut() {
            let mut progress = torrent.swarm.progress(now);
            progress.peers_known = torrent.candidates.len() as u32;
            out.push(Action::Event(Event::Progress(Box::new(progress))));
        }
    }

    fn own_deadline(&self) -> Option<Deadline> {
        let busy = !self.torrents.is_empty();
        let progress = Deadline { at: self.next_progress, why: "progress" };
        let progress = self.config.progress_interval.filter(|_| busy).map(|_| progress);
        Deadline::earlier(progress, self.limits.deadline().filter(|_| busy))
    }
}

impl Machine for Engine {
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
            Input::Start => self.start(out),
            Input::Command(command) => self.on_command(now, command, out),
            Input::Listening { local } => self.on_listening(now, local, out),
            Input::ListenFailed { error } => self.on_listen_failed(now, error, out),
            Input::Accepted { ticket, remote } => self.on_accepted(now, ticket, remote, out),
            Input::Connected { stream } => self.on_connected(now, stream, out),
            Input::Received { stream, data } => self.on_received(now, stream, data, out),
            Input::Sent { stream, bytes } => self.on_sent(now, stream, bytes, out),
            Input::Closed { stream, error } => self.on_closed(now, stream, error, out),
            Input::Storage { torrent, completion } => {
                self.tell_swarm(now, torrent, swarm::Input::Storage(completion), out);
            }
            Input::Computed { torrent, token, outcome } => {
                self.tell_swarm(now, torrent, swarm::Input::Computed { token, outcome }, out);
            }
            Input::Fetched { torrent, token, what } => {
                self.tell_swarm(now, torrent, swarm::Input::Fetched { token, what }, out);
            }
            Input::Datagram { from, data } => {
                self.tell_tracker_client(now, client::Input::Datagram { from, data }, out);
            }
            Input::Resolved { token, addrs } => {
                self.tell_tracker_client(now, client::Input::Resolved { token, addrs }, out);
            }
            Input::Got { token, result } => {
                self.tell_tracker_client(now, client::Input::Got { token, result }, out);
            }
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        while let Some(slot) = self.swarm_deadlines.due(now) {
            self.on_swarm_timeout(now, slot, out);
        }
        while let Some(slot) = self.stream_deadlines.due(now) {
            self.on_stream_timeout(now, slot, out);
        }
        while let Some(slot) = self.dial_deadlines.due(now) {
            self.dial_slot(now, slot, out);
        }
        self.on_tracker_timeouts(now, out);
        // Without torrents these have no deadline: a call would be early, and must leave no trace (law 2).
        if !self.torrents.is_empty() {
            self.share_out(now, false, out);
            self.report(now, out);
        }
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        match self.phase {
            Phase::Stopped => None,
            Phase::New | Phase::Running | Phase::Stopping => {
                let streams = [self.stream_deadlines.earliest(), self.dial_deadlines.earliest()];
                let others = [self.own_deadline(), self.trackers.deadline()];
                let all = streams.into_iter().chain(others);
                all.fold(self.swarm_deadlines.earliest(), Deadline::earlier)
            }
        }
    }
}
