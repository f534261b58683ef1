//! Carries a plan out and watches what comes of it.

use super::{
    file::Role,
    plan::{Fault, HostNumber, HostPlan, Plan, Step},
    quantity::Share,
    report::{Failure, Report},
    tracker::Tracker,
    watch::{Watch, over_limit},
    wishes::{Package, Wishes},
};
use crate::{disk::Trouble, net::Link};
use convoy_core::{
    Instant,
    bitfield::Bitfield,
    engine::{self, Event, Memory},
    id::PieceIndex,
    storage::Geometry,
    swarm,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

/// How often the swarm is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long after it gave up because of its disk a host is started again.
const START_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Where a plan is carried out: what it needs of a world.
pub(super) trait Stage {
    /// Of the torrent.
    fn geometry(&self) -> Geometry;
    /// Adds a host whose program does not run yet; gives the address that others see.
    fn add(&mut self, number: HostNumber, host: &HostPlan) -> IpAddr;
    /// Starts a host's program with what its disk holds.
    fn start(&mut self, number: HostNumber);
    /// Tells a host's program to stop; [`Event::Stopped`] says that it did.
    fn stop(&mut self, number: HostNumber);
    /// Ends a host's program at once.
    fn kill(&mut self, number: HostNumber);
    /// The same, and what its disk did not make durable is at stake.
    fn power_loss(&mut self, number: HostNumber);
    /// Lets a host that runs want something else.
    fn follow(&mut self, number: HostNumber, plan: engine::Plan);
    /// Tells a host of others.
    fn tell(&mut self, number: HostNumber, others: &[HostNumber]);
    /// Cuts these off from all others, or connects them again.
    fn partition(&mut self, these: &BTreeSet<HostNumber>, blocked: bool);
    /// Lets a disk fail.
    fn set_trouble(&mut self, number: HostNumber, trouble: Trouble);
    /// Connects a host in another way.
    fn set_link(&mut self, number: HostNumber, link: Link);
    /// Sets a host's clock forwards or backwards.
    fn jump_clock(&mut self, number: HostNumber, micros: i64);
    /// Lets everything happen that happens until `at`, and tells what hosts said.
    fn run_until(&mut self, at: Instant) -> Vec<(Instant, HostNumber, Event)>;
    /// What a host's program holds; `None` if it does not run.
    fn memory(&self, number: HostNumber) -> Option<Memory>;
    /// A piece of those claimed whose bytes on the host's disk are wrong.
    fn first_wrong_piece(&self, number: HostNumber, claimed: &Bitfield) -> Option<PieceIndex>;
    /// To how many peers hosts sent block data since this was last asked.
    fn take_slots(&mut self) -> u32;
    /// A law of the contract that an engine broke.
    fn breach(&self) -> Option<String>;
    /// How many events there were, and their fingerprint.
    fn trace(&self) -> (u64, String);
}

/// What is due at some time.
#[derive(Clone, Debug)]
enum Due<'a> {
    Join(HostNumber),
    Announce(HostNumber),
    Step(Step),
    /// It wants something else from now on.
    Want(HostNumber),
    /// It must have a package.
    Owed(HostNumber, &'a Package),
    Look,
}

/// A plan that is being carried out.
pub(super) struct Run<'a, S> {
    plan: &'a Plan,
    stage: S,
    limits: swarm::Config,
    /// What is due, in order of time and then of entry.
    agenda: BTreeMap<(Instant, u64), Due<'a>>,
    entries: u64,
    /// Faults that wait until the swarm is far enough.
    waiting: Vec<&'a Fault>,
    tracker: Tracker,
    watch: Watch,
    /// Whose program runs.
    running: BTreeSet<HostNumber>,
    /// Those of them that were told to stop.
    stopping: BTreeSet<HostNumber>,
    /// Whose disk may have failed: these may give up.
    troubled: BTreeSet<HostNumber>,
    /// Whose disk may hold other bytes than were written.
    lied_to: BTreeSet<HostNumber>,
    /// Whose disk may have read other bytes than it holds, or holds others than were written: these may send
    /// wrong bytes, and take right ones for wrong.
    misled: BTreeSet<HostNumber>,
    failure: Option<Failure>,
    now: Instant,
}

impl<'a, S: Stage> Run<'a, S> {
    /// Carries out `plan` on an empty stage. Hosts hold at most what `limits` say.
    pub(super) fn new(plan: &'a Plan, stage: S, limits: swarm::Config) -> Self {
        let watch = Watch::new(plan, stage.geometry());
        let mut run = Self {
            plan,
            stage,
            limits,
            agenda: BTreeMap::new(),
            entries: 0,
            waiting: plan.faults.iter().filter(|fault| fault.when_done > Share(0)).collect(),
            tracker: Tracker::new(plan.peers_known, plan.tracker_seed()),
            watch,
            running: BTreeSet::new(),
            stopping: BTreeSet::new(),
            troubled: BTreeSet::new(),
            lied_to: BTreeSet::new(),
            misled: BTreeSet::new(),
            failure: None,
            now: Instant::ZERO,
        };
        for (number, host) in &plan.hosts {
            let address = run.stage.add(*number, host);
            run.watch.named(*number, address);
            run.enter(host.joins, Due::Join(*number));
            for package in &host.wishes.packages {
                run.enter(package.at, Due::Want(*number));
                if let Some(by) = package.by {
                    run.enter(by, Due::Owed(*number, package));
                }
            }
        }
        for fault in plan.faults.iter().filter(|fault| fault.when_done == Share(0)) {
            run.begin(fault);
        }
        run.enter(Instant::ZERO + LOOK_EVERY, Due::Look);
        run
    }

    /// Goes on until everyone is complete, or something went wrong.
    pub(super) fn finish(mut self) -> Report {
        while let Some(((at, _), due)) = self.agenda.pop_first() {
            self.now = at;
            for (at, number, event) in self.stage.run_until(at) {
                self.on_event(at, number, &event);
            }
            if self.failure.is_none() {
                self.on_due(due);
            }
            if self.failure.is_some() || at > self.plan.faults_end && self.watch.all_complete() {
                break;
            }
        }
        for number in self.plan.hosts.keys() {
            self.audit(*number, true);
        }
        let unbanned = self.watch.unbanned(self.plan);
        self.failure = self.failure.take().or(unbanned);
        let (events, trace_hash) = self.stage.trace();
        Report {
            seed: self.plan.seed,
            hosts: self.plan.hosts.len(),
            leechers: self.plan.leechers().count(),
            failure: self.failure,
            completion: self.watch.completion(),
            ended: self.now,
            sources: self.watch.sources(),
            events,
            trace_hash,
            samples: self.watch.into_samples(),
        }
    }

    fn enter(&mut self, at: Instant, due: Due<'a>) {
        self.entries += 1;
        self.agenda.insert((at, self.entries), due);
    }

    /// Enters what a fault does, counted from now on, unless it would begin when nothing may go wrong.
    fn begin(&mut self, fault: &Fault) {
        let end = self.plan.faults_end;
        if fault.steps.first().is_some_and(|(after, _)| self.now + *after < end) {
            for (after, step) in &fault.steps {
                self.enter((self.now + *after).min(end), Due::Step(step.clone()));
            }
        }
    }

    fn on_event(&mut self, at: Instant, number: HostNumber, event: &Event) {
        self.watch.event(at, number, event);
        match event {
            Event::Stopped => self.end(number, S::kill),
            Event::PeerBanned { remote, .. } => self.on_banned(at, number, remote.ip()),
            // Whoever runs a host with a bad disk starts it again in the end.
            Event::Failed { .. } if self.troubled.contains(&number) => {
                self.end(number, S::kill);
                self.enter(self.now + START_AGAIN_AFTER, Due::Step(Step::Return(number)));
            }
            Event::Failed { file, error, .. } => {
                let (host, file, error) = (number, *file, *error);
                self.failure.get_or_insert(Failure::GaveUp { host, at, file, error });
            }
            _ => {}
        }
    }

    /// A host banned another. Nobody may ban who is honest.
    fn on_banned(&mut self, at: Instant, host: HostNumber, address: IpAddr) {
        let is_honest = |number| {
            let attacks = matches!(self.plan.hosts[&number].role, Role::Attack(_));
            !attacks && !self.misled.contains(&number)
        };
        let banned = self.watch.banned(host, address, is_honest);
        if let Some(banned) = banned.filter(|_| !self.misled.contains(&host)) {
            self.failure.get_or_insert(Failure::HonestBanned { host, at, banned });
        }
    }

    fn on_due(&mut self, due: Due<'a>) {
        match due {
            Due::Join(number) => {
                self.start(number);
                self.enter(self.now + self.plan.announce_every, Due::Announce(number));
            }
            Due::Announce(number) => {
                self.announce(number);
                self.enter(self.now + self.plan.announce_every, Due::Announce(number));
            }
            Due::Step(step) => self.on_step(step),
            Due::Want(number) => self.want(number),
            Due::Owed(number, package) => self.on_owed(number, package),
            Due::Look => self.on_look(),
        }
    }

    fn on_step(&mut self, step: Step) {
        match step {
            Step::Leave(number) if self.running.contains(&number) => {
                self.tracker.left(number);
                self.stopping.insert(number);
                self.stage.stop(number);
            }
            Step::Leave(_) => {}
            Step::Crash(number) => self.end(number, S::kill),
            Step::PowerLoss(number) => self.end(number, S::power_loss),
            // Who has not come yet comes when it wants to.
            Step::Return(number) if self.plan.hosts[&number].joins < self.now => self.start(number),
            Step::Return(_) => {}
            Step::Partition(hosts) => self.stage.partition(&hosts, true),
            Step::Heal(hosts) => self.stage.partition(&hosts, false),
            Step::Trouble(number, trouble) => {
                if trouble.read_error_ppm > 0 || trouble.write_error_ppm > 0 || trouble.is_full {
                    self.troubled.insert(number);
                }
                if trouble.corrupt_write_ppm > 0 {
                    self.lied_to.insert(number);
                }
                if trouble.corrupt_read_ppm > 0 || trouble.corrupt_write_ppm > 0 {
                    self.misled.insert(number);
                }
                self.stage.set_trouble(number, trouble);
            }
            Step::Link(number, link) => self.stage.set_link(number, link),
            Step::Clock(number, micros) => self.stage.jump_clock(number, micros),
        }
    }

    fn on_owed(&mut self, host: HostNumber, package: &Package) {
        let pieces = package.files.iter().flat_map(|file| self.plan.pieces_of(*file));
        if !self.watch.has(host, pieces) {
            let (files, at) = (package.files.clone(), self.now);
            self.failure.get_or_insert(Failure::PackageLate { host, files, at });
        }
    }

    fn on_look(&mut self) {
        for number in self.plan.hosts.keys() {
            self.audit(*number, false);
            if let Some(memory) = self.stage.memory(*number) {
                let over = over_limit(*number, self.now, memory, &self.limits);
                self.failure = self.failure.take().or(over);
            }
        }
        let breach = self.stage.breach().map(|what| Failure::Law { what });
        self.failure = self.failure.take().or(breach);
        self.watch.sample(self.now, self.stage.take_slots());
        let done = Share(self.watch.done_ppm());
        for fault in self.waiting.extract_if(.., |fault| fault.when_done <= done).collect::<Vec<_>>() {
            self.begin(fault);
        }
        if self.now >= self.plan.finish_by {
            let unfinished = self.watch.unfinished(self.now);
            self.failure = self.failure.take().or(unfinished);
        } else {
            self.enter((self.now + LOOK_EVERY).min(self.plan.finish_by), Due::Look);
        }
    }

    /// Starts a host's program, unless it runs. Who takes too long to stop is not waited for.
    fn start(&mut self, number: HostNumber) {
        if self.stopping.contains(&number) {
            self.end(number, S::kill);
        }
        if self.running.insert(number) {
            self.stage.start(number);
            self.want(number);
            self.announce(number);
        }
    }

    /// A host that is there wants what it wants by now.
    fn want(&mut self, number: HostNumber) {
        let wishes = &self.plan.hosts[&number].wishes;
        if self.running.contains(&number) && *wishes != Wishes::default() {
            self.stage.follow(number, wishes.plan(self.now));
        }
    }

    /// A host that is there learns of others.
    fn announce(&mut self, number: HostNumber) {
        if self.running.contains(&number) {
            let others = self.tracker.announce(number);
            self.stage.tell(number, &others);
        }
    }

    /// Ends a host's program in some way, if it runs. What it claimed by then has to be true.
    fn end(&mut self, number: HostNumber, how: impl FnOnce(&mut S, HostNumber)) {
        self.stopping.remove(&number);
        if self.running.remove(&number) {
            self.audit(number, false);
            self.watch.ended(number);
            how(&mut self.stage, number);
        }
    }

    /// Compares what a host newly claims with what is on its disk; all that it claims, if `again`.
    fn audit(&mut self, number: HostNumber, again: bool) {
        let Some(claimed) = self.watch.audit(number, again) else { return };
        if self.lied_to.contains(&number) {
            return;
        }
        if let Some(piece) = self.stage.first_wrong_piece(number, &claimed) {
            self.failure.get_or_insert(Failure::WrongPiece { host: number, at: self.now, piece });
        }
    }
}
