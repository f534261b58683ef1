//! A scenario as people write it: TOML, every key of which `tests/scenarios/README.md` explains.

use super::quantity::{Between, Rate, Share, Size, Span};
use crate::hostile::Attack;
use convoy_core::swarm;
use serde::Deserialize;
use thiserror::Error;

/// A scenario: who is there, what goes wrong, and how long it may take.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in a sentence.
    pub about: String,
    /// How many hosts there are, unless who runs it says otherwise.
    pub peers: u32,
    /// From the start to the end of the last fault.
    #[serde(default)]
    pub faults_last: Span,
    /// From then until every leecher is complete.
    pub finish_within: Span,
    /// What they share.
    #[serde(default)]
    pub torrent: Torrent,
    /// How they learn of each other.
    #[serde(default)]
    pub tracker: Tracker,
    /// Who is there.
    pub group: Vec<Group>,
    /// What goes wrong.
    #[serde(default)]
    pub fault: Vec<Fault>,
}

/// What is shared.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Torrent {
    /// One file each, in order.
    pub files: Vec<Size>,
    /// Of every piece but the last.
    pub piece_length: Size,
}

impl Default for Torrent {
    fn default() -> Self {
        Self { files: vec![Size(4 << 20)], piece_length: Size(64 << 10) }
    }
}

/// How hosts learn of each other.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tracker {
    /// How many others a host is told of when it asks.
    pub peers_known: u32,
    /// How often it asks.
    pub every: Span,
}

impl Default for Tracker {
    fn default() -> Self {
        Self { peers_known: 30, every: Span(120_000_000) }
    }
}

/// Hosts that are alike.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What faults call them by.
    pub name: String,
    /// What they are there for.
    pub role: Role,
    /// How many they are; without it they share what the others leave, by their `parts`.
    pub count: Option<u32>,
    /// How many of the leechers have to ban each of them in the end.
    #[serde(default)]
    pub banned_by: Share,
    /// Their part of the hosts that no `count` takes.
    #[serde(default = "one")]
    pub parts: u32,
    /// When each of them comes.
    #[serde(default)]
    pub joins: Between<Span>,
    /// How they are connected.
    #[serde(default)]
    pub link: Link,
    /// Who can reach them: dealt out in turn.
    #[serde(default = "public")]
    pub reach: Vec<Reach>,
    /// How urgently they want what none of their packages names.
    #[serde(default)]
    pub tier: Tier,
    /// What they want more urgently, or less.
    #[serde(default)]
    pub package: Vec<Package>,
    /// What they store on.
    #[serde(default)]
    pub disk: Disk,
    /// How much of unfinished pieces their engines keep in memory; the rest is read back to be hashed.
    #[serde(default = "hash_memory")]
    pub hash_memory: Size,
    /// How many peers they serve at once by rank: at first, if that follows their uplink.
    #[serde(default = "slots")]
    pub slots: u32,
    /// Whether the number of peers that they serve at once follows their uplink.
    #[serde(default)]
    pub adaptive_slots: bool,
    /// Whether their streams are encrypted: dealt out in turn.
    #[serde(default = "disabled")]
    pub encryption: Vec<Encryption>,
    /// What encryption covers: dealt out in turn, once round for each of the above.
    #[serde(default = "both")]
    pub encryption_level: Vec<EncryptionLevel>,
}

/// What a host is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It has everything.
    Seed,
    /// It wants everything.
    Leecher,
    /// It means harm.
    Attack(Attack),
}

/// Files that hosts want at a tier of their own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// By their places in the torrent.
    pub files: Vec<u32>,
    /// How urgently.
    pub tier: Tier,
    /// From when on, counted from when the host comes.
    #[serde(default)]
    pub at: Between<Span>,
    /// How long after that the host must have all of them.
    pub within: Option<Span>,
}

/// How urgent something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// When there is nothing else to ask for.
    Background,
    /// What somebody wants.
    #[default]
    UserRequested,
    /// What somebody in a lobby waits for.
    LobbyUrgent,
}

/// How a host is connected.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Link {
    /// From the host.
    pub up: Between<Rate>,
    /// To the host.
    pub down: Between<Rate>,
    /// One way, to the middle of the network.
    pub delay: Between<Span>,
    /// How much later than that a packet may come.
    pub jitter: Between<Span>,
    /// How many packets are lost.
    pub loss: Between<Share>,
    /// How many overtake others.
    pub reorder: Between<Share>,
    /// How many come twice.
    pub duplicate: Between<Share>,
    /// The largest packet, in bytes.
    pub mtu: u16,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            up: Between::exactly(Rate(2 << 20)),
            down: Between::exactly(Rate(8 << 20)),
            delay: Between::exactly(Span(10_000)),
            jitter: Between::default(),
            loss: Between::default(),
            reorder: Between::default(),
            duplicate: Between::default(),
            mtu: 1500,
        }
    }
}

/// Who can open a stream to a host, and whose datagrams it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Everybody.
    Public,
    /// Who was asked.
    Firewalled,
    /// Who was asked; it shares an address with others.
    FullCone,
    /// The same, for each address.
    AddressRestricted,
    /// The same, for each address and port.
    PortRestricted,
    /// The same, and it is seen under another port by each.
    Symmetric,
}

/// What a host stores on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// Before each read and write.
    pub seek: Between<Span>,
    /// Transfer.
    pub read: Between<Rate>,
    /// Transfer.
    pub write: Between<Rate>,
    /// How long it takes until what was written is durable.
    pub flush: Between<Span>,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            seek: Between::exactly(Span(100)),
            read: Between::exactly(Rate(500 << 20)),
            write: Between::exactly(Rate(500 << 20)),
            flush: Between::exactly(Span(2_000)),
        }
    }
}

/// Whether streams are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// Never.
    Disabled,
    /// Where the peer can.
    Enabled,
    /// Always.
    Required,
}

/// What encryption covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncryptionLevel {
    /// Everything.
    Rc4,
    /// Only the first bytes.
    Plaintext,
    /// Either.
    Both,
}

/// Something that goes wrong, at some hosts or between them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What it is.
    pub what: FaultKind,
    /// The groups it may happen to.
    pub who: Vec<String>,
    /// To how many of them.
    #[serde(default = "all")]
    pub share: Share,
    /// When: each has its own time.
    #[serde(default)]
    pub at: Between<Span>,
    /// Not before the leechers together have this much of what they want; `at` counts from then.
    #[serde(default)]
    pub when_done: Share,
    /// How long it lasts; without it, to the end of the faults.
    pub lasts: Option<Between<Span>>,
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The host leaves in order, and comes back.
    Leave,
    /// The program dies; what the system holds for it is written.
    Crash,
    /// The host goes dark; what was written and not made durable may be lost.
    PowerLoss,
    /// Packets to and from the rest of the world are lost.
    Partition,
    /// The disk fails.
    Disk(DiskTrouble),
    /// The connection gets another quality.
    Link(Link),
    /// The clock jumps, forwards or backwards; it does not jump back.
    Clock(Between<Span>),
}

/// How a disk fails.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskTrouble {
    /// Reads that fail.
    pub read_errors: Share,
    /// Writes that fail.
    pub write_errors: Share,
    /// Reads that return other bytes.
    pub corrupt_reads: Share,
    /// Writes of other bytes.
    pub corrupt_writes: Share,
    /// Operations that take `slow_by` longer.
    pub slow: Share,
    /// How much.
    pub slow_by: Span,
    /// Whether there is no room for another byte.
    pub full: bool,
}

/// Why a text is no scenario.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ScenarioError {
    /// It is no TOML, a key is unknown, or a value is wrong; says which, on which line.
    #[error("{0}")]
    Parse(#[from] toml::de::Error),
    /// More hosts are counted than there are.
    #[error("the groups count {counted} hosts, and `peers` is {peers}")]
    TooFewPeers {
        /// How many they count.
        counted: u32,
        /// How many there are.
        peers: u32,
    },
    /// Hosts are left over.
    #[error(
        "the groups count {counted} hosts, `peers` is {peers}, and no group without `count` takes the rest"
    )]
    NobodyTakesTheRest {
        /// How many they count.
        counted: u32,
        /// How many there are.
        peers: u32,
    },
    /// A list to deal from has nothing in it.
    #[error("group `{group}`: `reach`, `encryption` and `encryption_level` need at least one entry")]
    NothingToDeal {
        /// Whose.
        group: String,
    },
    /// A package has a file that the torrent does not have.
    #[error("group `{group}`: a package names file {file}, and the torrent has {files} files")]
    UnknownFile {
        /// Whose.
        group: String,
        /// Which.
        file: u32,
        /// How many there are.
        files: usize,
    },
    /// A fault happens to nobody.
    #[error("`who` of a fault names `{group}`, and no group has that name")]
    UnknownGroup {
        /// The name.
        group: String,
    },
    /// No torrent can be made.
    #[error("no torrent can be made: {why}")]
    Torrent {
        /// Why not.
        why: String,
    },
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// The text is none; says what is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        for group in &scenario.group {
            if group.reach.is_empty() || group.encryption.is_empty() || group.encryption_level.is_empty() {
                return Err(ScenarioError::NothingToDeal { group: group.name.clone() });
            }
            let files = scenario.torrent.files.len();
            let mut named = group.package.iter().flat_map(|package| &package.files);
            if let Some(file) = named.find(|file| **file as usize >= files) {
                return Err(ScenarioError::UnknownFile { group: group.name.clone(), file: *file, files });
            }
        }
        for name in scenario.fault.iter().flat_map(|fault| &fault.who) {
            if !scenario.group.iter().any(|group| group.name == *name) {
                return Err(ScenarioError::UnknownGroup { group: name.clone() });
            }
        }
        Ok(scenario)
    }

    /// How many hosts each group has when there are `peers` in all.
    ///
    /// # Errors
    /// There are too few for those that are counted, or nobody takes the rest.
    pub fn sizes(&self, peers: u32) -> Result<Vec<u32>, ScenarioError> {
        let counted = self.group.iter().filter_map(|group| group.count).fold(0, u32::saturating_add);
        let mut rest = peers.checked_sub(counted).ok_or(ScenarioError::TooFewPeers { counted, peers })?;
        let mut parts: u32 = self.group.iter().filter(|group| group.count.is_none()).map(|g| g.parts).sum();
        if parts == 0 && rest > 0 {
            return Err(ScenarioError::NobodyTakesTheRest { counted, peers });
        }
        let size = |group: &Group| {
            group.count.unwrap_or_else(|| {
                // What is left is dealt with every group, so nothing is lost to rounding.
                let share = (u64::from(rest) * u64::from(group.parts)).checked_div(parts.into()).unwrap_or(0);
                parts -= group.parts;
                rest -= share as u32;
                share as u32
            })
        };
        Ok(self.group.iter().map(size).collect())
    }
}

const fn one() -> u32 {
    1
}

const fn all() -> Share {
    Share::ALL
}

fn public() -> Vec<Reach> {
    vec![Reach::Public]
}

fn slots() -> u32 {
    swarm::Config::default().choker.slots
}

fn hash_memory() -> Size {
    Size(swarm::Config::default().hash_memory as u64)
}

/// It costs the simulator more than all the rest.
fn disabled() -> Vec<Encryption> {
    vec![Encryption::Disabled]
}

fn both() -> Vec<EncryptionLevel> {
    vec![EncryptionLevel::Both]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
about = "Two hosts."
peers = 2
finish_within = "1 min"

[[group]]
name = "seed"
role = "seed"
count = 1

[[group]]
name = "leechers"
role = "leecher"
joins = "0 s to 5 s"
link = { up = "1 MiB/s", loss = "0.1 % to 0.5 %" }

[[fault]]
what = "crash"
who = ["leechers"]
"#;

    fn error_of(from: &str, to: &str) -> String {
        assert!(SMALL.contains(from));
        Scenario::parse(&SMALL.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn a_small_scenario_is_short() {
        let scenario = Scenario::parse(SMALL).unwrap();
        assert_eq!(scenario.group[1].link.loss, "0.1 % to 0.5 %".parse().unwrap());
        assert_eq!(scenario.group[1].link.down, Link::default().down);
        assert_eq!(scenario.fault[0].what, FaultKind::Crash);
        assert_eq!(scenario.fault[0].share, Share::ALL);
    }

    #[test]
    fn an_error_names_the_key_and_the_line() {
        let unknown = error_of("joins =", "joined =");
        assert!(unknown.contains("line 14") && unknown.contains("`joined`"), "{unknown}");
        let unknown = error_of("loss =", "lost =");
        assert!(unknown.contains("line 15") && unknown.contains("`lost`"), "{unknown}");
        let wrong = error_of("\"1 MiB/s\"", "\"1 MiB\"");
        assert!(wrong.contains("line 15") && wrong.contains("2 MiB/s"), "{wrong}");
        let wrong = error_of("\"crash\"", "{ disk = { readerrors = \"1 %\" } }");
        assert!(wrong.contains("line 18") && wrong.contains("`readerrors`"), "{wrong}");
        let missing = error_of("finish_within", "#");
        assert!(missing.contains("`finish_within`"), "{missing}");
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        assert!(error_of("[\"leechers\"]", "[\"lurkers\"]").contains("`lurkers`"));
        assert!(error_of("joins =", "reach = []\njoins =").contains("`leechers`"));
        let package = "package = [{ files = [0, 1], tier = \"lobby-urgent\" }]\njoins =";
        assert!(error_of("joins =", package).contains("file 1, and the torrent has 1 files"));
        let scenario = Scenario::parse(SMALL).unwrap();
        assert!(matches!(scenario.sizes(0), Err(ScenarioError::TooFewPeers { counted: 1, peers: 0 })));
        let only_seeds = Scenario { group: vec![scenario.group[0].clone()], ..scenario };
        assert!(matches!(only_seeds.sizes(2), Err(ScenarioError::NobodyTakesTheRest { .. })));
    }

    #[test]
    fn groups_share_what_the_counted_ones_leave() {
        let mut scenario = Scenario::parse(SMALL).unwrap();
        assert_eq!(scenario.sizes(30), Ok(vec![1, 29]));
        scenario.group.extend([2, 3].map(|parts| Group { parts, ..scenario.group[1].clone() }));
        assert_eq!(scenario.sizes(61), Ok(vec![1, 10, 20, 30]));
        assert_eq!(scenario.sizes(9).unwrap().iter().sum::<u32>(), 9);
    }
}
