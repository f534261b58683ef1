//! One life of a scenario, drawn from a seed: plain data, so that it can be run again with less in it.

use super::{
    file::{self, Encryption, EncryptionLevel, FaultKind, Role, Scenario, ScenarioError},
    quantity::Share,
    wishes::{Package, Wishes},
};
use crate::{
    disk::{DiskConfig, Trouble},
    net::{Link, NatKind, Reach},
};
use convoy_core::{Instant, Random, id::FileIndex, mse, picker::Tier, random::Seed};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
    time::Duration,
};

/// What happens in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it was drawn from.
    pub seed: u64,
    /// What they share: bytes of each file.
    pub files: Vec<u64>,
    /// Bytes of a piece.
    pub piece_length: u32,
    /// How many others a host is told of when it asks for peers.
    pub peers_known: usize,
    /// How often it asks.
    pub announce_every: Duration,
    /// Who is there.
    pub hosts: BTreeMap<HostNumber, HostPlan>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// From then on nothing goes wrong: what faults took away is given back.
    pub faults_end: Instant,
    /// By then every leecher is complete.
    pub finish_by: Instant,
}

/// Names a host of a plan; it keeps its number when others are taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostNumber(pub u32);

/// A host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostPlan {
    /// The name of its group.
    pub group: String,
    /// What it is there for.
    pub role: Role,
    /// How many of the leechers have to ban it in the end.
    pub banned_by: Share,
    /// When it comes.
    pub joins: Instant,
    /// How it is connected.
    pub link: Link,
    /// Who can reach it.
    pub reach: Reach,
    /// What it wants.
    pub wishes: Wishes,
    /// What it stores on.
    pub disk: DiskConfig,
    /// How many bytes of unfinished pieces its engine keeps.
    pub hash_memory: usize,
    /// How many peers it serves at once by rank: at first, if that follows its uplink.
    pub slots: u32,
    /// Whether the number of peers that it serves at once follows its uplink.
    pub adaptive_slots: bool,
    /// Whether its streams are encrypted.
    pub encryption: mse::Config,
}

/// Something that goes wrong, and what ends it: taken out of a plan as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Not before the leechers together have this much of what they want.
    pub when_done: Share,
    /// What happens, how long after that. Nothing new happens after [`Plan::faults_end`], and what ends the
    /// fault happens by then.
    pub steps: Vec<(Duration, Step)>,
}

/// What can happen to hosts.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It stops in order.
    Leave(HostNumber),
    /// Its program dies.
    Crash(HostNumber),
    /// It goes dark.
    PowerLoss(HostNumber),
    /// It comes back, with what its disk holds; nothing if it is there.
    Return(HostNumber),
    /// These and all others lose sight of each other.
    Partition(BTreeSet<HostNumber>),
    /// They see each other again.
    Heal(BTreeSet<HostNumber>),
    /// Its disk fails like this from now on.
    Trouble(HostNumber, Trouble),
    /// It is connected like this from now on.
    Link(HostNumber, Link),
    /// Its clock jumps by so many microseconds.
    Clock(HostNumber, i64),
}

impl Plan {
    /// Draws one of `scenario` with `peers` hosts.
    ///
    /// # Errors
    /// There are too few hosts for its groups, or no torrent can be made.
    pub fn draw(scenario: &Scenario, seed: u64, peers: u32) -> Result<Self, ScenarioError> {
        let sizes = scenario.sizes(peers)?;
        let mut random = Random::new(seed_of(seed, 0));
        let mut hosts = BTreeMap::new();
        for (group, size) in scenario.group.iter().zip(sizes) {
            for place in 0..size {
                let mut random = Random::new(random.child_seed());
                hosts.insert(HostNumber(hosts.len() as u32), draw_host(group, place, &mut random));
            }
        }
        let faults_end = Instant::ZERO + scenario.faults_last.duration();
        let mut plan = Self {
            seed,
            files: scenario.torrent.files.iter().map(|size| size.0).collect(),
            piece_length: piece_length(&scenario.torrent)?,
            peers_known: scenario.tracker.peers_known as usize,
            announce_every: scenario.tracker.every.duration(),
            hosts,
            faults: Vec::new(),
            faults_end,
            finish_by: faults_end + scenario.finish_within.duration(),
        };
        for fault in &scenario.fault {
            let faults = plan.draw_faults(fault, &mut random);
            plan.faults.extend(faults);
        }
        Ok(plan)
    }

    /// Who has to be complete in the end.
    pub fn leechers(&self) -> impl Iterator<Item = HostNumber> {
        self.hosts.iter().filter(|(_, host)| host.role == Role::Leecher).map(|(number, _)| *number)
    }

    /// The pieces that a file lies in.
    pub(super) fn pieces_of(&self, file: FileIndex) -> Range<u32> {
        let place = file.0 as usize;
        let start: u64 = self.files[..place].iter().sum();
        let end = start + self.files[place];
        let length = u64::from(self.piece_length);
        (start / length) as u32..end.div_ceil(length) as u32
    }

    /// What the tracker's choices come from.
    pub(super) fn tracker_seed(&self) -> Seed {
        seed_of(self.seed, 1)
    }

    /// What everything else that happens in its world comes from.
    pub(super) fn world_seed(&self) -> Seed {
        seed_of(self.seed, 2)
    }

    /// The same without these hosts and what happens to them.
    #[must_use]
    pub fn without_hosts(&self, gone: &BTreeSet<HostNumber>) -> Self {
        let mut plan = self.clone();
        plan.hosts.retain(|number, _| !gone.contains(number));
        for fault in &mut plan.faults {
            for (_, step) in &mut fault.steps {
                if let Step::Partition(hosts) | Step::Heal(hosts) = step {
                    hosts.retain(|number| !gone.contains(number));
                }
            }
            fault.steps.retain(|(_, step)| step.hosts().iter().any(|number| !gone.contains(number)));
        }
        plan.faults.retain(|fault| !fault.steps.is_empty());
        plan
    }

    /// The faults of one entry of the scenario: one for each host that it strikes, or one for all of them
    /// where they suffer together.
    fn draw_faults(&self, fault: &file::Fault, random: &mut Random) -> Vec<Fault> {
        let struck = self.draw_struck(fault, random);
        let together = matches!(fault.what, FaultKind::Partition);
        let groups =
            if together { vec![struck] } else { struck.into_iter().map(|host| vec![host]).collect() };
        groups
            .into_iter()
            .filter(|hosts| !hosts.is_empty())
            .map(|hosts| {
                let begin = fault.at.draw(random).duration();
                let lasts = fault.lasts.map_or(Duration::MAX, |lasts| lasts.draw(random).duration());
                let end = begin.saturating_add(lasts);
                let (first, last) = self.draw_steps(&fault.what, &hosts, random);
                let steps = [Some((begin, first)), last.map(|last| (end, last))];
                Fault { when_done: fault.when_done, steps: steps.into_iter().flatten().collect() }
            })
            .collect()
    }

    /// Which hosts a fault strikes.
    fn draw_struck(&self, fault: &file::Fault, random: &mut Random) -> Vec<HostNumber> {
        let may = self.hosts.iter().filter(|(_, host)| fault.who.contains(&host.group));
        let mut may: Vec<HostNumber> = may.map(|(number, _)| *number).collect();
        let mut struck: Vec<_> = (0..fault.share.of(may.len()))
            .map(|_| may.swap_remove(random.below(may.len() as u32) as usize))
            .collect();
        struck.sort();
        struck
    }

    /// What begins a fault, and what ends it.
    fn draw_steps(
        &self,
        what: &FaultKind,
        hosts: &[HostNumber],
        random: &mut Random,
    ) -> (Step, Option<Step>) {
        let host = hosts[0];
        match what {
            FaultKind::Leave => (Step::Leave(host), Some(Step::Return(host))),
            FaultKind::Crash => (Step::Crash(host), Some(Step::Return(host))),
            FaultKind::PowerLoss => (Step::PowerLoss(host), Some(Step::Return(host))),
            FaultKind::Partition => {
                let hosts: BTreeSet<_> = hosts.iter().copied().collect();
                (Step::Partition(hosts.clone()), Some(Step::Heal(hosts)))
            }
            FaultKind::Disk(trouble) => {
                (Step::Trouble(host, disk_trouble(trouble)), Some(Step::Trouble(host, Trouble::default())))
            }
            FaultKind::Link(link) => {
                let own = self.hosts[&host].link;
                (Step::Link(host, draw_link(link, random)), Some(Step::Link(host, own)))
            }
            FaultKind::Clock(by) => {
                let by = i64::try_from(by.draw(random).0).unwrap_or(i64::MAX);
                (Step::Clock(host, if random.below(2) == 0 { by } else { -by }), None)
            }
        }
    }
}

impl Step {
    /// The hosts that it strikes.
    fn hosts(&self) -> Vec<HostNumber> {
        match self {
            Self::Partition(hosts) | Self::Heal(hosts) => hosts.iter().copied().collect(),
            Self::Leave(host)
            | Self::Crash(host)
            | Self::PowerLoss(host)
            | Self::Return(host)
            | Self::Trouble(host, _)
            | Self::Link(host, _)
            | Self::Clock(host, _) => vec![*host],
        }
    }
}

/// Each purpose draws from a stream of its own.
fn seed_of(seed: u64, purpose: u8) -> Seed {
    let mut bytes = Seed::default();
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8] = purpose;
    bytes
}

/// BEP 3 leaves it open; the core takes powers of two of a block or more.
fn piece_length(torrent: &file::Torrent) -> Result<u32, ScenarioError> {
    let refused = |why: &str| ScenarioError::Torrent { why: why.to_owned() };
    if torrent.files.iter().all(|size| size.0 == 0) {
        return Err(refused("its files are empty"));
    }
    match u32::try_from(torrent.piece_length.0) {
        Ok(length) if length.is_power_of_two() && (1 << 14..=1 << 26).contains(&length) => Ok(length),
        _ => Err(refused("a piece is a power of two from 16 KiB to 64 MiB")),
    }
}

fn draw_host(group: &file::Group, place: u32, random: &mut Random) -> HostPlan {
    let place = place as usize;
    let turns = group.encryption.len();
    let joins = Instant::ZERO + group.joins.draw(random).duration();
    HostPlan {
        group: group.name.clone(),
        role: group.role,
        banned_by: group.banned_by,
        joins,
        link: draw_link(&group.link, random),
        reach: reach(group.reach[place % group.reach.len()]),
        wishes: Wishes {
            tier: tier(group.tier),
            packages: group.package.iter().map(|package| draw_package(package, joins, random)).collect(),
        },
        disk: DiskConfig {
            seek: group.disk.seek.draw(random).duration(),
            read_bytes_per_s: group.disk.read.draw(random).0,
            write_bytes_per_s: group.disk.write.draw(random).0,
            flush: group.disk.flush.draw(random).duration(),
            capacity: None,
        },
        hash_memory: group.hash_memory.0 as usize,
        slots: group.slots,
        adaptive_slots: group.adaptive_slots,
        encryption: encryption(
            group.encryption[place % turns],
            group.encryption_level[place / turns % group.encryption_level.len()],
        ),
    }
}

fn draw_package(package: &file::Package, joins: Instant, random: &mut Random) -> Package {
    let at = joins + package.at.draw(random).duration();
    Package {
        files: package.files.iter().copied().map(FileIndex).collect(),
        tier: tier(package.tier),
        at,
        by: package.within.map(|within| at + within.duration()),
    }
}

fn draw_link(link: &file::Link, random: &mut Random) -> Link {
    Link {
        up_bytes_per_s: link.up.draw(random).0,
        down_bytes_per_s: link.down.draw(random).0,
        delay: link.delay.draw(random).duration(),
        jitter: link.jitter.draw(random).duration(),
        loss_ppm: link.loss.draw(random).0,
        reorder_ppm: link.reorder.draw(random).0,
        duplicate_ppm: link.duplicate.draw(random).0,
        mtu: link.mtu,
    }
}

const fn tier(tier: file::Tier) -> Tier {
    match tier {
        file::Tier::Background => Tier::Background,
        file::Tier::UserRequested => Tier::UserRequested,
        file::Tier::LobbyUrgent => Tier::LobbyUrgent,
    }
}

const fn reach(reach: file::Reach) -> Reach {
    match reach {
        file::Reach::Public => Reach::Public,
        file::Reach::Firewalled => Reach::Firewalled,
        file::Reach::FullCone => Reach::Nat(NatKind::FullCone),
        file::Reach::AddressRestricted => Reach::Nat(NatKind::AddressRestricted),
        file::Reach::PortRestricted => Reach::Nat(NatKind::PortRestricted),
        file::Reach::Symmetric => Reach::Nat(NatKind::Symmetric),
    }
}

fn encryption(policy: Encryption, level: EncryptionLevel) -> mse::Config {
    let policy = match policy {
        Encryption::Disabled => mse::Policy::Disabled,
        Encryption::Enabled => mse::Policy::Enabled,
        Encryption::Required => mse::Policy::Required,
    };
    let level = match level {
        EncryptionLevel::Rc4 => mse::Level::Rc4,
        EncryptionLevel::Plaintext => mse::Level::Plaintext,
        EncryptionLevel::Both => mse::Level::Both,
    };
    mse::Config { outgoing: policy, incoming: policy, level, ..mse::Config::default() }
}

const fn disk_trouble(trouble: &file::DiskTrouble) -> Trouble {
    Trouble {
        read_error_ppm: trouble.read_errors.0,
        write_error_ppm: trouble.write_errors.0,
        corrupt_read_ppm: trouble.corrupt_reads.0,
        corrupt_write_ppm: trouble.corrupt_writes.0,
        slow_ppm: trouble.slow.0,
        slow: trouble.slow_by.duration(),
        is_full: trouble.full,
    }
}

impl fmt::Display for HostNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {}", self.0)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |hosts: &BTreeSet<HostNumber>| {
            hosts.iter().map(|number| number.0.to_string()).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Leave(host) => write!(f, "{host} leaves"),
            Self::Crash(host) => write!(f, "{host} crashes"),
            Self::PowerLoss(host) => write!(f, "{host} loses power"),
            Self::Return(host) => write!(f, "{host} is back"),
            Self::Partition(hosts) => write!(f, "hosts {} are cut off from the others", list(hosts)),
            Self::Heal(hosts) => write!(f, "hosts {} see the others again", list(hosts)),
            Self::Trouble(host, trouble) if *trouble == Trouble::default() => {
                write!(f, "{host} has a good disk")
            }
            Self::Trouble(host, trouble) => write!(f, "{host} has a bad disk: {trouble:?}"),
            Self::Link(host, link) => write!(f, "{host} has another link: {link:?}"),
            Self::Clock(host, micros) => write!(f, "the clock of {host} jumps by {micros} us"),
        }
    }
}

/// For people who look for the cause of a failure: who is there, and what happens when.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, host) in &self.hosts {
            writeln!(f, "{number} ({}) joins at {:?}", host.group, host.joins)?;
            for Package { files, tier, at, by } in &host.wishes.packages {
                let files = files.iter().map(|file| file.0.to_string()).collect::<Vec<_>>().join(", ");
                write!(f, "{number} wants files {files} at {at:?}: {tier:?}")?;
                match by {
                    Some(by) => writeln!(f, ", and must have them at {by:?}")?,
                    None => writeln!(f)?,
                }
            }
        }
        for fault in &self.faults {
            for (after, step) in &fault.steps {
                match fault.when_done {
                    Share(0) => write!(f, "at ")?,
                    share => {
                        write!(f, "when {}.{:04} % is done, after ", share.0 / 10_000, share.0 % 10_000)?
                    }
                }
                match *after {
                    Duration::MAX => writeln!(f, "the last fault: {step}")?,
                    after => writeln!(f, "{after:?}: {step}")?,
                }
            }
        }
        write!(f, "faults end at {:?}, everyone is to be complete at {:?}", self.faults_end, self.finish_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = r#"
about = "Some of everything."
peers = 11
faults_last = "1 min"
finish_within = "1 min"

[[group]]
name = "seed"
role = "seed"
count = 1

[[group]]
name = "leechers"
role = "leecher"
joins = "0 s to 5 s"
reach = ["public", "symmetric"]
encryption = ["disabled", "required"]
encryption_level = ["rc4", "both"]
link = { delay = "5 ms to 80 ms" }

[[fault]]
what = "crash"
who = ["leechers"]
share = "25 %"
at = "10 s to 20 s"
lasts = "5 s"

[[fault]]
what = "partition"
who = ["seed", "leechers"]
share = "40 %"
when_done = "50 %"

[[fault]]
what = { clock = "1 min to 1 h" }
who = ["seed"]
"#;

    fn draw(seed: u64) -> Plan {
        Plan::draw(&Scenario::parse(SCENARIO).unwrap(), seed, 11).unwrap()
    }

    #[test]
    fn the_same_seed_draws_the_same_plan_and_another_seed_another() {
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7).hosts, draw(8).hosts);
        assert_ne!(draw(7).faults, draw(8).faults);
    }

    #[test]
    fn hosts_are_what_their_group_says() {
        let plan = draw(1);
        assert_eq!((plan.hosts.len(), plan.leechers().count()), (11, 10));
        for (place, number) in plan.leechers().enumerate() {
            let host = &plan.hosts[&number];
            assert!(host.joins <= Instant::from_micros(5_000_000));
            assert!((5..=80).contains(&host.link.delay.as_millis()));
            assert_eq!(host.reach == Reach::Public, place % 2 == 0);
            let policies = [mse::Policy::Disabled, mse::Policy::Required];
            assert_eq!(host.encryption.incoming, policies[place % 2]);
            assert_eq!(host.encryption.level, [mse::Level::Rc4, mse::Level::Both][place / 2 % 2]);
        }
    }

    #[test]
    fn faults_strike_whom_and_when_they_say() {
        let plan = draw(1);
        let (crashes, rest) = plan.faults.split_at(3);
        let mut crashed = BTreeSet::new();
        for fault in crashes {
            let [(begin, Step::Crash(host)), (end, Step::Return(back))] = fault.steps[..] else {
                panic!("{fault:?}")
            };
            assert!(host == back && host != HostNumber(0) && crashed.insert(host));
            assert!((10..=20).contains(&begin.as_secs()));
            assert_eq!(end - begin, Duration::from_secs(5));
        }
        let [partition, clock] = rest else { panic!("{rest:?}") };
        assert_eq!(partition.when_done, Share(500_000));
        assert!(matches!(&partition.steps[0].1, Step::Partition(hosts) if hosts.len() == 5));
        assert_eq!(partition.steps[1].0, Duration::MAX);
        assert!(matches!(clock.steps[..], [(_, Step::Clock(HostNumber(0), by))] if by.abs() >= 60_000_000));
    }

    #[test]
    fn what_happens_to_a_host_goes_with_it() {
        let plan = draw(1);
        let gone: BTreeSet<_> = plan.leechers().collect();
        let seed_alone = plan.without_hosts(&gone);
        assert_eq!(seed_alone.hosts.len(), 1);
        let strikes = |fault: &Fault| fault.steps.iter().all(|(_, step)| step.hosts() == [HostNumber(0)]);
        assert!(seed_alone.faults.iter().all(strikes), "{:?}", seed_alone.faults);
        assert!(seed_alone.faults.len() < plan.faults.len());
    }

    #[test]
    fn a_plan_reads_as_a_story() {
        let story = draw(1).to_string();
        for part in
            ["host 0 (seed) joins at 0.000000s", "crashes\n", "when 50.0000 % is done, after 0ns: hosts"]
        {
            assert!(story.contains(part), "{part} in {story}");
        }
        assert!(
            story.ends_with("faults end at 60.000000s, everyone is to be complete at 120.000000s"),
            "{story}"
        );
    }

    #[test]
    fn pieces_are_of_a_length_that_the_core_takes() {
        let mut scenario = Scenario::parse(SCENARIO).unwrap();
        scenario.torrent.piece_length.0 = 100_000;
        assert!(Plan::draw(&scenario, 1, 11).unwrap_err().to_string().contains("power of two"));
    }
}
