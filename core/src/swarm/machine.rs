//! The swarm's machine: what it holds, and how its parts are called.

use super::{
    Action, Config, Content, Input, PeerEnd, Plan, Setup, Torrent, Transferred,
    check::{Checks, Compute, ComputeKey},
    content::{bytes_of, choker_config, exchange_config, picker_config},
    fill::Fill,
    gather::{Gather, GatherKey, OperationKey, Pending},
    peer::Peer,
    plan,
    poison::FailedCopies,
    save::Saves,
    spread::Spreading,
    stats::{Allowance, Appetite, Meter},
    suggest::Suggestions,
    web::WebSeeds,
};
use crate::{
    Deadline, Instant, Machine, Outbox, Random,
    bitfield::Bitfield,
    choker::{self, Choker},
    deadlines::Deadlines,
    holepunch::{self, Holepunch},
    id::{FileIndex, PeerId, PeerKey, PieceIndex},
    metadata::{self, Exchange},
    metainfo::Info,
    pex::{self, Pex},
    picker::{self, Picker},
    random::Seed,
    slab::Slab,
    storage::{Geometry, Layout, StorageError},
    time::Clock,
    wire,
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};
use bytes::Bytes;
use core::convert::Infallible;

/// One torrent.
///
/// ```
/// use convoy_core::{
///     Instant, Machine, Outbox,
///     id::PeerId,
///     metainfo::Builder,
///     storage::Resume,
///     swarm::{Action, Config, Content, Input, Plan, Setup, Swarm, Torrent},
/// };
///
/// let plan = Builder::single_file("hello", 5).plan()?;
/// let mut hasher = plan.hasher();
/// hasher.update(b"hello");
/// let info = plan.finish(&hasher.finish()?)?.info;
/// let verdict = Resume::unknown(info.info_hash, 1, 1).trusted(&info.layout(), &[None]);
/// let setup = Setup {
///     torrent: Torrent::Content(Box::new(Content { info, verdict, plan: Plan::default(), paused: false })),
///     peer_id: PeerId(*b"-IC0100-000000000000"),
///     client: "Convoy 0.1.0".into(),
///     listen_port: None,
///     prefers_encryption: true,
///     config: Config::default(),
/// };
///
/// let mut swarm = Swarm::new(setup, [7; 32]);
/// let mut out = Outbox::new();
/// swarm.handle_input(Instant::ZERO, Input::Start, &mut out)?;
/// assert!(matches!(out.as_slice(), [Action::Checked { have }] if have.count() == 0));
/// assert!(swarm.is_open());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Swarm {
    pub(super) config: Config,
    pub(super) random: Random,
    /// Whether only the info-hash is known as yet.
    pub(super) is_magnet: bool,
    pub(super) info: Info,
    pub(super) geometry: Geometry,
    pub(super) layout: Layout,
    pub(super) peer_id: PeerId,
    pub(super) client: String,
    pub(super) listen_port: Option<u16>,
    pub(super) prefers_encryption: bool,
    pub(super) clock: Clock,
    pub(super) phase: Phase,
    pub(super) paused: bool,

    pub(super) peers: Slab<PeerKey, Peer>,
    pub(super) by_id: BTreeMap<PeerId, PeerKey>,
    pub(super) deadlines: Deadlines,
    /// Who is to leave before the call ends.
    pub(super) leaving: Vec<(PeerKey, PeerEnd)>,
    pub(super) picker: Picker,
    pub(super) choker: Choker,
    pub(super) exchange: Exchange,
    pub(super) web: WebSeeds,
    pub(super) pex: Pex,
    pub(super) holepunch: Holepunch,
    /// Tells our session from another of the same player.
    pub(super) session_id: [u8; 16],
    /// Until when peers believe that something is urgent to us.
    pub(super) urgent_until: Option<Instant>,

    pub(super) plan: Plan,
    pub(super) plan_progress: plan::Progress,

    pub(super) have: Bitfield,
    pub(super) fills: BTreeMap<PieceIndex, Fill>,
    pub(super) failed_copies: FailedCopies,
    pub(super) checks: Checks,
    /// The block that the picker is being asked about.
    pub(super) arriving: Option<Bytes>,
    pub(super) operations: Slab<OperationKey, Pending>,
    pub(super) gathers: Slab<GatherKey, Gather>,
    pub(super) computes: Slab<ComputeKey, Compute>,

    /// What peers may be told to ask for; none before everything is here.
    pub(super) suggestions: Option<Suggestions>,
    /// Peers whose requests wait for upload memory or allowance.
    pub(super) line: VecDeque<PeerKey>,
    /// Makes the peers' upload queues unpredictable to them.
    pub(super) queue_key: u64,

    pub(super) saves: Saves,

    pub(super) download_allowance: Allowance,
    pub(super) upload_allowance: Allowance,
    /// What the picker may still ask for, as far as it knows.
    pub(super) budget: u64,

    pub(super) unwritten: usize,
    pub(super) held: usize,
    pub(super) uploading: usize,
    pub(super) spreading: Spreading,
    pub(super) verified_bytes: u64,
    pub(super) wasted_bytes: u64,
    pub(super) downloaded: Meter,
    pub(super) uploaded: Meter,
    pub(super) counters: Counters,
    pub(super) scratch: Scratch,
}

/// How often the end of a call looks again whether all is settled.
const SETTLE_ROUNDS: u32 = 8;

/// What the parts want, on its way to being done. Empty between calls.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) heard: Outbox<wire::Action>,
    pub(super) told: Outbox<wire::Action>,
    pub(super) picked: Outbox<picker::Action>,
    pub(super) chosen: Outbox<choker::Action>,
    pub(super) exchanged: Outbox<metadata::Action>,
    pub(super) gossiped: Outbox<pex::Action>,
    pub(super) punched: Outbox<holepunch::Action>,
}

/// Noise that does no harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Completions that nobody waited for (law 9).
    pub(super) stray_completions: u64,
    /// Requests that could not be answered, of peers that know no reject.
    pub(super) ignored_requests: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    New,
    /// Only the info-hash is known; peers are asked for the rest.
    Fetching,
    Checking,
    Running,
    Failed,
    Stopping,
    Stopped,
}

impl Swarm {
    /// A torrent that has not begun.
    #[must_use]
    pub fn new(setup: Setup, seed: Seed) -> Self {
        let Setup { torrent, peer_id, client, listen_port, prefers_encryption, config } = setup;
        let (trust, mut random) = (config.trust, Random::new(seed));
        let (is_magnet, content) = match torrent {
            Torrent::Content(content) => (false, *content),
            Torrent::Magnet(info_hash) => (true, Content::unknown(info_hash)),
        };
        let Content { info, verdict, plan, paused } = content;
        let (geometry, layout) = (info.geometry, info.layout());
        let have = verdict.trusted;
        let (mut queue_key, mut session_id) = ([0; 8], [0; 16]);
        random.fill_secret(&mut queue_key);
        random.fill_secret(&mut session_id);
        Self {
            picker: Picker::new(picker_config(&config, &layout, &have), random.child_seed()),
            choker: Choker::new(choker_config(&config, geometry), random.child_seed()),
            verified_bytes: bytes_of(geometry, &have),
            checks: Checks::new(verdict.check),
            queue_key: u64::from_le_bytes(queue_key),
            holepunch: Holepunch::new(holepunch::Config { trust, ..holepunch::Config::default() }),
            session_id,
            urgent_until: None,
            pex: Pex::new(pex::Config { trust, ..pex::Config::default() }),
            exchange: Exchange::new(exchange_config(&info), random.child_seed()),
            random,
            web: WebSeeds::default(),
            config,
            is_magnet,
            info,
            geometry,
            layout,
            peer_id,
            client,
            listen_port,
            prefers_encryption,
            have,
            plan,
            plan_progress: plan::Progress::default(),
            paused,
            phase: Phase::New,
            clock: Clock::default(),
            peers: Slab::new(),
            by_id: BTreeMap::new(),
            deadlines: Deadlines::default(),
            leaving: Vec::new(),
            fills: BTreeMap::new(),
            failed_copies: FailedCopies::default(),
            arriving: None,
            operations: Slab::new(),
            gathers: Slab::new(),
            computes: Slab::new(),
            suggestions: None,
            line: VecDeque::new(),
            saves: Saves::default(),
            download_allowance: Allowance::default(),
            upload_allowance: Allowance::default(),
            budget: u64::MAX,
            unwritten: 0,
            held: 0,
            uploading: 0,
            spreading: Spreading::default(),
            wasted_bytes: 0,
            downloaded: Meter::default(),
            uploaded: Meter::default(),
            counters: Counters::default(),
            scratch: Scratch::default(),
        }
    }

    /// What is shared.
    #[must_use]
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// Whether peers are welcome now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Fetching | Phase::Running) && !self.paused
    }

    /// Whether the info dictionary is still to be fetched from peers.
    #[must_use]
    pub const fn is_fetching(&self) -> bool {
        self.is_magnet
    }

    pub(super) fn is_downloading(&self) -> bool {
        self.phase == Phase::Running && !self.paused && !self.is_finished()
    }

    /// Whether everything is verified and written.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.have.is_full()
    }

    /// What trackers want to know.
    #[must_use]
    pub fn transferred(&self) -> Transferred {
        let missing = || self.geometry.total_length().saturating_sub(self.verified_bytes);
        Transferred {
            downloaded_bytes: self.downloaded.total(),
            uploaded_bytes: self.uploaded.total(),
            missing_bytes: (!self.is_magnet).then(missing),
        }
    }

    /// How many peers are connected.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// What became of what the limit of data from peers allowed.
    #[must_use]
    pub fn download_appetite(&self) -> Appetite {
        let waiting = self.picker.waits_for_budget() || self.web.waits_for_credit();
        self.download_allowance.appetite(waiting && self.is_downloading())
    }

    /// The same of data to peers.
    #[must_use]
    pub fn upload_appetite(&self) -> Appetite {
        self.upload_allowance.appetite(!self.line.is_empty() && self.uploading < self.config.upload_memory)
    }

    fn start(&mut self, now: Instant, out: &mut Outbox<Action>) {
        // BEP 27: peers of a private torrent come from its tracker.
        let switch = pex::Input::Switch(self.config.pex && !self.info.private);
        self.gossip(now, switch, out);
        if self.phase == Phase::New && self.is_magnet {
            self.phase = Phase::Fetching;
        } else if self.phase == Phase::New {
            self.phase = Phase::Checking;
            self.check_more(now, out);
            self.checked_if_idle(now, out);
        }
    }

    /// Opens the swarm when all that is on disk was looked at.
    pub(super) fn checked_if_idle(&mut self, now: Instant, out: &mut Outbox<Action>) {
        if self.phase != Phase::Checking || !self.checks.is_idle() {
            return;
        }
        self.phase = Phase::Running;
        if self.checks.done_bytes > 0 {
            self.note_unsaved(now);
        }
        out.push(Action::Checked { have: self.have.clone() });
        self.tell_plan(now, out);
        self.engage_all(now, out);
        self.note_finished(now, false, out);
    }

    pub(super) fn pause(&mut self, out: &mut Outbox<Action>) {
        self.paused = true;
        self.leave_all(&PeerEnd::Stopped);
        if self.phase == Phase::Running && self.saves.unsaved {
            self.save(true, out);
        }
    }

    fn stop(&mut self, out: &mut Outbox<Action>) {
        self.leave_all(&PeerEnd::Stopped);
        let running = self.phase == Phase::Running;
        if matches!(self.phase, Phase::Stopping | Phase::Stopped) {
            return;
        }
        self.phase = Phase::Stopping;
        if !running {
            // A check that was broken off says nothing about what was not looked at yet.
            self.saves = Saves::default();
        } else if self.saves.is_pending() {
            self.save(true, out);
        }
    }

    /// Ends a stop once nothing is being written or saved: a write that came later would spoil what the next
    /// run of this torrent writes.
    fn stopped_if_idle(&mut self, out: &mut Outbox<Action>) {
        if self.phase != Phase::Stopping || self.unwritten > 0 || self.saves.is_flushing() {
            return;
        }
        if self.saves.unsaved {
            return self.save(true, out);
        }
        self.phase = Phase::Stopped;
        out.push(Action::Stopped);
    }

    /// Storage failed: nothing more is asked of it, or of peers. What was verified stays verified.
    pub(super) fn fail(&mut self, file: Option<FileIndex>, error: StorageError, out: &mut Outbox<Action>) {
        if matches!(self.phase, Phase::Failed | Phase::Stopping | Phase::Stopped) {
            return;
        }
        let running = self.phase == Phase::Running;
        self.phase = Phase::Failed;
        self.leave_all(&PeerEnd::Stopped);
        self.fills.clear();
        self.failed_copies = FailedCopies::default();
        self.checks.clear();
        self.held = 0;
        out.push(Action::Failed { file, error });
        if running {
            out.push(Action::SaveResume { have: self.have.clone(), clean: false });
        }
    }

    /// Ends a call: takes out those who leave, and tells the picker how much it may ask for. Asking may
    /// make a peer leave, which gives room to ask others: each round spends budget or loses a peer, so
    /// there is an end.
    fn settle_call(&mut self, now: Instant, out: &mut Outbox<Action>) {
        self.tend_web_seeds(now, out);
        for _ in 0..SETTLE_ROUNDS {
            self.fund(now, out);
            self.fetch_from_web_seeds(now, out);
            // What a web seed turned down is free for others, and it rests: so few rounds do.
            if self.leaving.is_empty() && self.download_budget() == self.budget {
                break;
            }
        }
        self.stopped_if_idle(out);
    }

    fn fund(&mut self, now: Instant, out: &mut Outbox<Action>) {
        loop {
            self.dismiss(now, out);
            let budget = self.download_budget();
            if budget == self.budget {
                break;
            }
            self.budget = budget;
            self.pick(now, picker::Input::Budget { bytes: budget }, out);
        }
    }

    /// What is left of the memory for blocks and of the rate limit, in bytes.
    fn download_budget(&self) -> u64 {
        if !self.is_downloading() {
            return 0;
        }
        let used = self.picker.requested_bytes() + self.unwritten as u64;
        let room = (self.config.download_memory as u64).saturating_sub(used);
        room.min(self.download_allowance.available())
    }
}

impl Machine for Swarm {
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
            Input::Start => self.start(now, out),
            Input::Resolve(content) => self.resolve(now, *content, out),
            Input::Joined(joined) => self.on_joined(now, joined, out),
            Input::Received { peer, data } => self.on_received(now, peer, data, out),
            Input::Sent { peer, bytes } => self.on_sent(now, peer, bytes, out),
            Input::Left { peer, why } => self.leave(peer, why),
            Input::Storage(completion) => self.on_storage(now, completion, out),
            Input::Computed { token, outcome } => self.on_computed(now, token, outcome, out),
            Input::Fetched { token, what } => self.on_fetched(now, token, what, out),
            Input::AddWebSeed(url) => self.add_web_seed(url, out),
            Input::Allowance { download, upload } => {
                self.download_allowance.grant(download);
                self.upload_allowance.grant(upload);
                self.serve_line(now, out);
            }
            Input::Follow(plan) => self.follow(now, *plan, out),
            Input::Read(reader) => self.read_ahead(now, reader, out),
            Input::ListenPort(port) => self.listen_port = port,
            Input::Ours(addr) => self.know_ours(now, addr, out),
            Input::Pause => self.pause(out),
            Input::Unpause => self.paused = false,
            Input::Stop => self.stop(out),
        }
        // Not while blocks are on their way out: the peer would miss them.
        if self.uploading == 0 {
            self.note_shared(now, out);
        }
        self.settle_call(now, out);
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        if self.poll_timeout().is_none_or(|deadline| deadline.at > now) {
            return Ok(());
        }
        if self.picker.poll_timeout().is_some_and(|deadline| deadline.at <= now) {
            let Ok(()) = self.picker.handle_timeout(now, &mut self.scratch.picked);
            self.do_picked(now, out);
        }
        if self.choker.poll_timeout().is_some_and(|deadline| deadline.at <= now) {
            self.hold_round(now, out);
        }
        if self.exchange.poll_timeout().is_some_and(|deadline| deadline.at <= now) {
            let Ok(()) = self.exchange.handle_timeout(now, &mut self.scratch.exchanged);
            self.do_exchanged(now, out);
        }
        if self.pex.poll_timeout().is_some_and(|deadline| deadline.at <= now) {
            let Ok(()) = self.pex.handle_timeout(now, &mut self.scratch.gossiped);
            self.do_gossiped(now, out);
        }
        while let Some(slot) = self.deadlines.due(now) {
            self.on_peer_timeout(now, slot, out);
        }
        if self.spread_deadline().is_some_and(|deadline| deadline.at <= now) {
            self.serve_passed_over(now, out);
        }
        if self.save_deadline().is_some_and(|deadline| deadline.at <= now) {
            self.save(false, out);
        }
        if self.urgency_deadline().is_some_and(|deadline| deadline.at <= now) {
            self.say_urgency(now, out);
        }
        self.note_shared(now, out);
        self.settle_call(now, out);
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        [
            self.picker.poll_timeout(),
            self.choker.poll_timeout(),
            self.deadlines.earliest(),
            self.seed_deadline(),
            self.exchange.poll_timeout(),
            self.web.deadline().filter(|_| self.is_downloading()),
            self.pex.poll_timeout(),
            self.urgency_deadline(),
            self.spread_deadline(),
        ]
        .into_iter()
        .fold(self.save_deadline(), Deadline::earlier)
    }
}
