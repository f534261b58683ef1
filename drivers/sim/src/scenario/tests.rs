//! Scenarios that are built in, and plans carried out on a stage of which every step is known.

use super::{
    plan::{HostPlan, Step},
    run::{Run, Stage},
    wishes::{Package, Wishes},
    *,
};
use crate::{
    disk::Trouble,
    net::{HostId, Link},
    world::Observer,
};
use convoy_core::{
    Deadline, Instant, Seed,
    bitfield::Bitfield,
    engine::{self, Event, Memory},
    id::{FileIndex, InfoHash, PieceIndex},
    picker::Tier,
    storage::{Geometry, StorageError},
    swarm,
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    rc::Rc,
    time::Duration,
};

const PIECES: u32 = 20;
const PIECE_LENGTH: u32 = 1 << 14;
const INFO_HASH: InfoHash = InfoHash([1; 20]);

/// A world in which each leecher gets one piece a second while a seed is there.
#[derive(Default)]
struct Toy {
    now: Instant,
    hosts: BTreeMap<HostNumber, ToyHost>,
    started: Vec<HostNumber>,
    log: Rc<RefCell<Vec<String>>>,
    /// What this host says in the fifth second.
    says: Option<(HostNumber, Event)>,
    /// The piece that this host claims without having it.
    lie: Option<(HostNumber, PieceIndex)>,
    held: usize,
}

struct ToyHost {
    is_seed: bool,
    have: Bitfield,
    running: bool,
}

impl Toy {
    fn log(&self, what: &str, number: HostNumber) {
        self.log.borrow_mut().push(format!("{:?} {what} {number}", self.now));
    }

    fn set_running(&mut self, what: &str, number: HostNumber, running: bool) {
        self.log(what, number);
        self.hosts.get_mut(&number).expect("added").running = running;
    }

    fn second(&mut self) -> Vec<(Instant, HostNumber, Event)> {
        let mut said = Vec::new();
        if self.now == Instant::from_micros(5_000_000) {
            said.extend(self.says.take().map(|(number, event)| (self.now, number, event)));
        }
        let served = self.hosts.values().any(|host| host.is_seed && host.running);
        for (number, host) in self.hosts.iter_mut().filter(|(_, host)| host.running && served) {
            let Some(piece) = (0..PIECES).map(PieceIndex).find(|piece| !host.have.get(*piece)) else {
                continue;
            };
            host.have.set(piece);
            let from = Some((IpAddr::from([10, 0, 0, 0]), 6881).into());
            said.push((self.now, *number, Event::PieceVerified { info_hash: INFO_HASH, piece, from }));
        }
        said
    }
}

impl Stage for Toy {
    fn geometry(&self) -> Geometry {
        Geometry::new(PIECE_LENGTH, u64::from(PIECES * PIECE_LENGTH)).expect("a geometry")
    }

    fn add(&mut self, number: HostNumber, host: &HostPlan) -> IpAddr {
        let is_seed = host.role == file::Role::Seed;
        let have = if is_seed { Bitfield::full(PIECES) } else { Bitfield::new(PIECES) };
        self.hosts.insert(number, ToyHost { is_seed, have, running: false });
        Ipv4Addr::from_bits(u32::from_be_bytes([10, 0, 0, 0]) + number.0).into()
    }

    fn start(&mut self, number: HostNumber) {
        self.set_running("start", number, true);
        self.started.push(number);
    }

    fn stop(&mut self, number: HostNumber) {
        self.set_running("stop", number, false);
        self.says = Some((number, Event::Stopped));
    }

    fn kill(&mut self, number: HostNumber) {
        self.set_running("kill", number, false);
    }

    fn power_loss(&mut self, number: HostNumber) {
        self.set_running("power loss", number, false);
    }

    fn follow(&mut self, number: HostNumber, plan: engine::Plan) {
        let tiers: Vec<_> = plan.files.values().collect();
        self.log(&format!("{:?} {tiers:?}", plan.tier), number);
    }

    fn tell(&mut self, number: HostNumber, others: &[HostNumber]) {
        assert!(!others.contains(&number));
    }

    fn partition(&mut self, these: &BTreeSet<HostNumber>, blocked: bool) {
        self.log(if blocked { "cut off" } else { "heal" }, *these.first().expect("some"));
    }

    fn set_trouble(&mut self, number: HostNumber, trouble: Trouble) {
        self.log(if trouble == Trouble::default() { "good disk" } else { "bad disk" }, number);
    }

    fn set_link(&mut self, number: HostNumber, _: Link) {
        self.log("link", number);
    }

    fn jump_clock(&mut self, number: HostNumber, _: i64) {
        self.log("clock", number);
    }

    fn run_until(&mut self, at: Instant) -> Vec<(Instant, HostNumber, Event)> {
        let checked = |number| {
            let have = self.hosts[&number].have.clone();
            (self.now, number, Event::Checked { info_hash: INFO_HASH, have })
        };
        let mut said: Vec<_> = std::mem::take(&mut self.started).into_iter().map(checked).collect();
        while self.now.as_micros() / 1_000_000 < at.as_micros() / 1_000_000 {
            self.now = Instant::from_micros((self.now.as_micros() / 1_000_000 + 1) * 1_000_000);
            said.extend(self.second());
        }
        self.now = at;
        said
    }

    fn memory(&self, number: HostNumber) -> Option<Memory> {
        self.hosts[&number].running.then(|| Memory { unwritten: self.held, ..Memory::default() })
    }

    fn first_wrong_piece(&self, number: HostNumber, claimed: &Bitfield) -> Option<PieceIndex> {
        let lie = self.lie.filter(|(liar, _)| *liar == number).map(|(_, piece)| piece);
        claimed.iter().find(|piece| Some(*piece) == lie || !self.hosts[&number].have.get(*piece))
    }

    fn take_slots(&mut self) -> u32 {
        7
    }

    fn breach(&self) -> Option<String> {
        None
    }

    fn trace(&self) -> (u64, String) {
        (1, "hash".into())
    }
}

/// A seed (host 0) and two leechers (1 and 2), with these faults, for 60 and 30 seconds.
fn plan(faults: &str) -> Plan {
    let hosts = r#"
about = "A toy."
peers = 3
faults_last = "60 s"
finish_within = "30 s"
[[group]]
name = "seed"
role = "seed"
count = 1
[[group]]
name = "leechers"
role = "leecher"
joins = "1 s"
count = 2
"#;
    Plan::draw(&Scenario::parse(&format!("{hosts}{faults}")).unwrap(), 1, 3).unwrap()
}

fn run_on(toy: Toy, faults: &str) -> (Report, Vec<String>) {
    let (log, plan) = (Rc::clone(&toy.log), plan(faults));
    let report = Run::new(&plan, toy, swarm::Config::default()).finish();
    (report, log.take())
}

#[test]
fn every_built_in_scenario_can_be_drawn() {
    for (name, text) in BUILT_IN {
        let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        Plan::draw(&scenario, 1, scenario.peers).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// Counts the calls of engines.
struct Steps(Rc<Cell<u64>>);

impl Observer for Steps {
    fn life(&mut self, _: HostId, _: &engine::Config, _: Seed) {}

    fn step(
        &mut self,
        _: HostId,
        _: Instant,
        _: Option<engine::Input>,
        _: &[engine::Action],
        _: Option<Deadline>,
    ) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_plan_has_one_life_whoever_looks_on() {
    let scenario = Scenario::parse(BUILT_IN[1].1).unwrap();
    let plan = Plan::draw(&scenario, 1, 3).unwrap();
    let alone = perform(&plan, Extras::default());
    assert_eq!((&alone.failure, alone.completion.len()), (&None, 2));

    let steps = Rc::new(Cell::new(0));
    let observer = Box::new(Steps(Rc::clone(&steps)));
    let seen = perform(&plan, Extras { slots: true, observer: Some(observer) });
    assert_eq!((seen.trace_hash, seen.events), (alone.trace_hash, alone.events));
    assert_eq!(steps.get(), alone.events);
    assert!(seen.samples.iter().any(|sample| sample.slots > 0));
}

#[test]
fn a_panic_is_a_failure_like_others() {
    let mut plan = plan("");
    let nobody = Step::Return(HostNumber(99));
    plan.faults
        .push(plan::Fault { when_done: quantity::Share(0), steps: vec![(Default::default(), nobody)] });
    let report = perform(&plan, Extras::default());
    assert!(matches!(report.failure, Some(Failure::Panic { .. })), "{report:?}");
}

#[test]
fn a_run_tells_when_everyone_was_complete_and_what_it_took() {
    let (report, _) = run_on(Toy::default(), "");
    assert_eq!(report.failure, None);
    assert_eq!((report.hosts, report.leechers), (3, 2));
    assert_eq!(report.completion.iter().map(|took| took.as_secs()).collect::<Vec<_>>(), [20, 20]);
    assert_eq!(report.sources.seeds, u64::from(2 * PIECES * PIECE_LENGTH));
    assert_eq!(report.ended, Instant::from_micros(61_000_000), "faults may come until the sixtieth second");
    let middle = report.samples[10];
    assert_eq!((middle.least_ppm, middle.most_ppm, middle.slots), (500_000, 500_000, 7));
}

#[test]
fn a_fault_waits_until_the_swarm_is_far_enough() {
    let fault = "[[fault]]\nwhat = \"crash\"\nwho = [\"seed\"]\nwhen_done = \"50 %\"\nat = \"2500 ms\"";
    let (report, log) = run_on(Toy::default(), fault);
    assert!(log.contains(&"13.500000s kill host 0".to_owned()), "{log:?}");
    assert!(log.contains(&"60.000000s start host 0".to_owned()), "it is back when faults end: {log:?}");
    assert_eq!(report.failure, None);
    assert_eq!(report.last().unwrap().as_secs(), 59 + 8);
}

#[test]
fn who_stops_in_order_comes_back_once_it_has_stopped() {
    let fault = "[[fault]]\nwhat = \"leave\"\nwho = [\"leechers\"]\nat = \"4500 ms\"\nlasts = \"10 s\"\nshare = \"50 %\"";
    let (report, log) = run_on(Toy::default(), fault);
    let left: Vec<_> = log.iter().filter(|entry| entry.contains("stop") || entry.contains("14.5")).collect();
    assert!(matches!(left[..], [stop, start] if stop.contains("stop") && start.contains("start")), "{log:?}");
    assert_eq!(report.failure, None);
}

#[test]
fn who_takes_too_long_to_stop_is_ended_before_it_comes_back() {
    // The toy says that it has stopped in the fifth second, or never.
    let fault =
        "[[fault]]\nwhat = \"leave\"\nwho = [\"leechers\"]\nat = \"6 s\"\nlasts = \"2 s\"\nshare = \"50 %\"";
    let (report, log) = run_on(Toy::default(), fault);
    let end = log.iter().position(|entry| entry.starts_with("8.000000s kill")).expect("ended");
    assert!(log[end + 1].starts_with("8.000000s start"), "{log:?}");
    assert_eq!(report.failure, None);
}

#[test]
fn a_wrong_piece_that_is_claimed_fails_the_run() {
    let lie = Some((HostNumber(2), PieceIndex(3)));
    let (report, _) = run_on(Toy { lie, ..Toy::default() }, "");
    let at = Instant::from_micros(5_000_000);
    assert_eq!(report.failure, Some(Failure::WrongPiece { host: HostNumber(2), at, piece: PieceIndex(3) }));
}

#[test]
fn who_has_a_package_too_late_fails_the_run() {
    // The toy gives one piece a second from the second second on: ten pieces are there after eleven.
    let run = |within| {
        let package = |within| Package {
            files: vec![FileIndex(0)],
            tier: Tier::LobbyUrgent,
            at: Instant::from_micros(4_000_000),
            by: Some(Instant::from_micros(within)),
        };
        let mut plan = plan("");
        plan.piece_length = PIECE_LENGTH;
        plan.files = vec![u64::from(10 * PIECE_LENGTH), u64::from(10 * PIECE_LENGTH)];
        let host = plan.hosts.get_mut(&HostNumber(2)).expect("a leecher");
        host.wishes = Wishes { tier: Tier::Background, packages: vec![package(within)] };
        let toy = Toy::default();
        let log = Rc::clone(&toy.log);
        (Run::new(&plan, toy, swarm::Config::default()).finish().failure, log.take())
    };
    let (failure, log) = run(11_000_000);
    assert_eq!(failure, None);
    let wanted: Vec<_> = log.iter().filter(|entry| entry.contains("Background")).collect();
    assert_eq!(wanted, ["1.000000s Background [] host 2", "4.000000s Background [LobbyUrgent] host 2"]);
    let at = Instant::from_micros(10_500_000);
    let late = Failure::PackageLate { host: HostNumber(2), files: vec![FileIndex(0)], at };
    assert_eq!(run(10_500_000).0, Some(late));
}

#[test]
fn a_disk_that_writes_other_bytes_is_no_fault_of_the_engine() {
    let lie = Some((HostNumber(2), PieceIndex(3)));
    let fault = "[[fault]]\nwhat = { disk = { corrupt_writes = \"1 %\" } }\nwho = [\"leechers\"]";
    let (report, log) = run_on(Toy { lie, ..Toy::default() }, fault);
    assert_eq!(report.failure, None);
    assert!(log.contains(&"60.000000s good disk host 2".to_owned()), "{log:?}");
}

#[test]
fn too_much_memory_fails_the_run() {
    let (report, _) = run_on(Toy { held: 1 << 30, ..Toy::default() }, "");
    assert!(matches!(report.failure, Some(Failure::Memory { what: "downloads", .. })), "{report:?}");
}

#[test]
fn who_gives_up_with_a_good_disk_fails_the_run_and_with_a_bad_one_is_started_again() {
    let gave_up = || {
        let event = Event::Failed { info_hash: INFO_HASH, file: None, error: StorageError::Io };
        Toy { says: Some((HostNumber(1), event)), ..Toy::default() }
    };
    let (report, _) = run_on(gave_up(), "");
    assert!(matches!(report.failure, Some(Failure::GaveUp { host: HostNumber(1), .. })), "{report:?}");

    let fault = "[[fault]]\nwhat = { disk = { write_errors = \"1 %\" } }\nwho = [\"leechers\"]";
    let (report, log) = run_on(gave_up(), fault);
    assert_eq!(report.failure, None);
    assert!(log.contains(&"10.000000s start host 1".to_owned()), "{log:?}");
}

#[test]
fn who_bans_an_honest_host_fails_the_run_unless_its_disk_lies_to_it() {
    let ban = || {
        let event = Event::PeerBanned { info_hash: INFO_HASH, remote: ([10, 0, 0, 0], 6881).into() };
        Toy { says: Some((HostNumber(1), event)), ..Toy::default() }
    };
    let (report, _) = run_on(ban(), "");
    let (host, at, banned) = (HostNumber(1), Instant::from_micros(5_000_000), HostNumber(0));
    assert_eq!(report.failure, Some(Failure::HonestBanned { host, at, banned }));

    for liars in ["leechers", "seed"] {
        let fault =
            format!("[[fault]]\nwhat = {{ disk = {{ corrupt_reads = \"1 %\" }} }}\nwho = [\"{liars}\"]");
        assert_eq!(run_on(ban(), &fault).0.failure, None);
    }
}

#[test]
fn who_has_to_be_banned_and_is_not_fails_the_run() {
    let ban = |toy: Toy| {
        let mut plan = plan("");
        plan.hosts.get_mut(&HostNumber(0)).expect("a seed").banned_by = quantity::Share(500_000);
        let trouble = Trouble { corrupt_read_ppm: 1, ..Trouble::default() };
        let steps = vec![(Duration::ZERO, Step::Trouble(HostNumber(0), trouble))];
        plan.faults.push(plan::Fault { when_done: quantity::Share(0), steps });
        Run::new(&plan, toy, swarm::Config::default()).finish().failure
    };
    let unbanned = Failure::NotBanned { host: HostNumber(0), banned_by: 0, wanted: 1 };
    assert_eq!(ban(Toy::default()), Some(unbanned));
    let event = Event::PeerBanned { info_hash: INFO_HASH, remote: ([10, 0, 0, 0], 6881).into() };
    assert_eq!(ban(Toy { says: Some((HostNumber(1), event)), ..Toy::default() }), None);
}

#[test]
fn who_is_not_complete_in_time_fails_the_run() {
    let fault = "[[fault]]\nwhat = \"power-loss\"\nwho = [\"seed\"]\nat = \"2 s\"";
    let mut plan = plan(fault);
    plan.finish_by = plan.faults_end + Duration::from_secs(10);
    let report = Run::new(&plan, Toy::default(), swarm::Config::default()).finish();
    let failure = report.failure.expect("a failure");
    assert_eq!(failure.to_string(), "2 of 2 leechers are not complete at 70.000000s; the first is host 1");

    let smaller = shrink(&plan, 20, |plan| {
        let report = Run::new(plan, Toy::default(), swarm::Config::default()).finish();
        report.failure.is_some_and(|other| other.is_like(&failure))
    });
    assert_eq!(smaller.hosts.len(), 2, "the seed and one leecher");
    assert!(matches!(smaller.faults[0].steps[0].1, Step::PowerLoss(HostNumber(0))));
}
