//! Watches a run: what hosts claim, whether it is true, and how far they are.

use super::{
    file::Role,
    plan::{HostNumber, Plan},
    report::{Failure, Sample, Sources},
};
use convoy_core::{
    Instant,
    bitfield::Bitfield,
    engine::{Event, Memory, Progress},
    id::PieceIndex,
    storage::Geometry,
    swarm,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

/// A block may be begun while a limit is not reached: this much more may be held. 128 KiB is the longest
/// block that a peer may ask for.
const ONE_BLOCK: usize = 128 << 10;

/// What is known of the hosts.
#[derive(Debug)]
pub(super) struct Watch {
    geometry: Geometry,
    seen: BTreeMap<HostNumber, Seen>,
    /// Whose pieces are whose.
    roles: BTreeMap<IpAddr, Role>,
    /// Who is seen under an address; several where they share one.
    named: BTreeMap<IpAddr, BTreeSet<HostNumber>>,
    /// Who banned whom: the banned, and by whom.
    bans: BTreeMap<HostNumber, BTreeSet<HostNumber>>,
    sources: Sources,
    samples: Vec<Sample>,
}

/// What is known of a host.
#[derive(Debug)]
struct Seen {
    role: Role,
    joins: Instant,
    /// The pieces that it says are verified.
    claimed: Bitfield,
    /// Those that nobody has looked at since.
    unaudited: Bitfield,
    complete_at: Option<Instant>,
    progress: Option<Box<Progress>>,
    /// Received bytes of which a sample was taken.
    sampled_bytes: u64,
}

impl Watch {
    pub(super) fn new(plan: &Plan, geometry: Geometry) -> Self {
        let none = || Bitfield::new(geometry.pieces());
        let seen = plan.hosts.iter().map(|(number, host)| {
            let seen = Seen {
                role: host.role,
                joins: host.joins,
                claimed: none(),
                unaudited: none(),
                complete_at: None,
                progress: None,
                sampled_bytes: 0,
            };
            (*number, seen)
        });
        Self {
            geometry,
            seen: seen.collect(),
            roles: BTreeMap::new(),
            named: BTreeMap::new(),
            bans: BTreeMap::new(),
            sources: Sources::default(),
            samples: Vec::new(),
        }
    }

    /// A host is seen under this address.
    pub(super) fn named(&mut self, number: HostNumber, address: IpAddr) {
        if let Some(seen) = self.seen.get(&number) {
            self.roles.insert(address, seen.role);
        }
        self.named.entry(address).or_default().insert(number);
    }

    /// A host banned whoever is seen under `address`. Who that is, if all who may be are honest.
    pub(super) fn banned(
        &mut self,
        number: HostNumber,
        address: IpAddr,
        is_honest: impl Fn(HostNumber) -> bool,
    ) -> Option<HostNumber> {
        let banned = self.named.get(&address)?;
        for host in banned {
            self.bans.entry(*host).or_default().insert(number);
        }
        banned.first().copied().filter(|_| banned.iter().all(|host| is_honest(*host)))
    }

    /// Who had to be banned by more leechers than it was, the first of them.
    pub(super) fn unbanned(&self, plan: &Plan) -> Option<Failure> {
        let leechers: BTreeSet<_> = plan.leechers().collect();
        plan.hosts.iter().find_map(|(host, wish)| {
            let wanted = wish.banned_by.of(leechers.len());
            let by = self.bans.get(host).map_or(0, |by| by.intersection(&leechers).count());
            (by < wanted).then_some(Failure::NotBanned { host: *host, banned_by: by, wanted })
        })
    }

    /// A host's program ended: it claims nothing any more.
    pub(super) fn ended(&mut self, number: HostNumber) {
        if let Some(seen) = self.seen.get_mut(&number) {
            seen.claimed = Bitfield::new(self.geometry.pieces());
            seen.unaudited = seen.claimed.clone();
            seen.complete_at = None;
            seen.progress = None;
            seen.sampled_bytes = 0;
        }
    }

    /// A host said something.
    pub(super) fn event(&mut self, now: Instant, number: HostNumber, event: &Event) {
        let Some(seen) = self.seen.get_mut(&number) else { return };
        match event {
            Event::Checked { have, .. } => {
                seen.claimed = have.clone();
                seen.unaudited = have.clone();
            }
            Event::PieceVerified { piece, from, .. } => {
                seen.claimed.set(*piece);
                seen.unaudited.set(*piece);
                let bytes = u64::from(self.geometry.piece_size(*piece));
                match from.and_then(|from| self.roles.get(&from.ip())) {
                    Some(Role::Seed) => self.sources.seeds += bytes,
                    Some(Role::Leecher) => self.sources.leechers += bytes,
                    Some(Role::Attack(_)) | None => {}
                }
            }
            Event::Progress(progress) => seen.progress = Some(progress.clone()),
            _ => return,
        }
        if seen.claimed.is_full() {
            seen.complete_at.get_or_insert(now);
        }
    }

    /// The pieces that a host claims and that were not looked at before; all of them, if `again`.
    pub(super) fn audit(&mut self, number: HostNumber, again: bool) -> Option<Bitfield> {
        let seen = self.seen.get_mut(&number)?;
        let none = Bitfield::new(self.geometry.pieces());
        let unaudited = std::mem::replace(&mut seen.unaudited, none);
        let due = if again { seen.claimed.clone() } else { unaudited };
        (due.count() > 0).then_some(due)
    }

    /// Whether a host says that it has all these pieces.
    pub(super) fn has(&self, number: HostNumber, pieces: impl IntoIterator<Item = u32>) -> bool {
        let claimed = self.seen.get(&number).map(|seen| &seen.claimed);
        claimed.is_some_and(|claimed| pieces.into_iter().all(|piece| claimed.get(PieceIndex(piece))))
    }

    /// Whether every leecher has everything.
    pub(super) fn all_complete(&self) -> bool {
        self.leechers().all(|(_, seen)| seen.claimed.is_full())
    }

    /// How much the leechers have of what they want, in parts of a million.
    pub(super) fn done_ppm(&self) -> u32 {
        let (have, leechers) = self.leechers().fold((0, 0), |(have, leechers), (_, seen)| {
            (have + u64::from(seen.claimed.count()), leechers + 1)
        });
        ppm(have, leechers * u64::from(self.geometry.pieces()))
    }

    /// Takes a sample: once a second. `slots` is how many peers were served since the last one.
    pub(super) fn sample(&mut self, now: Instant, slots: u32) {
        let pieces = u64::from(self.geometry.pieces());
        let mut shares: Vec<u32> =
            self.leechers().map(|(_, seen)| ppm(seen.claimed.count().into(), pieces)).collect();
        shares.sort_unstable();
        let mut sample = Sample {
            at: now,
            least_ppm: shares.first().copied().unwrap_or(0),
            median_ppm: shares.get(shares.len() / 2).copied().unwrap_or(0),
            most_ppm: shares.last().copied().unwrap_or(0),
            received_bytes: 0,
            slots,
        };
        for seen in self.seen.values_mut() {
            let Some(progress) = &seen.progress else { continue };
            sample.received_bytes += progress.downloaded_bytes.saturating_sub(seen.sampled_bytes);
            seen.sampled_bytes = progress.downloaded_bytes;
        }
        self.samples.push(sample);
    }

    /// Who is not complete, the first of them, or nobody.
    pub(super) fn unfinished(&self, now: Instant) -> Option<Failure> {
        let mut missing = self.leechers().filter(|(_, seen)| !seen.claimed.is_full());
        let (first, _) = missing.next()?;
        Some(Failure::Unfinished {
            missing: missing.count() + 1,
            leechers: self.leechers().count(),
            first,
            at: now,
        })
    }

    /// How long each leecher that is complete took, the shortest first.
    pub(super) fn completion(&self) -> Vec<Duration> {
        let took = |seen: &Seen| seen.complete_at.map(|at| at - seen.joins);
        let mut took: Vec<_> = self.leechers().filter_map(|(_, seen)| took(seen)).collect();
        took.sort_unstable();
        took
    }

    /// Where what is verified came from.
    pub(super) fn sources(&self) -> Sources {
        let wasted = self.seen.values().filter_map(|seen| seen.progress.as_ref());
        Sources { wasted: wasted.map(|progress| progress.wasted_bytes).sum(), ..self.sources }
    }

    pub(super) fn into_samples(self) -> Vec<Sample> {
        self.samples
    }

    fn leechers(&self) -> impl Iterator<Item = (HostNumber, &Seen)> {
        self.seen.iter().filter(|(_, seen)| seen.role == Role::Leecher).map(|(number, seen)| (*number, seen))
    }
}

/// What a host holds too much of, if it does. The limits hold for one torrent.
pub(super) fn over_limit(
    host: HostNumber,
    at: Instant,
    memory: Memory,
    config: &swarm::Config,
) -> Option<Failure> {
    let held = [
        ("downloads", memory.requested + memory.unwritten, config.download_memory),
        ("unhashed blocks", memory.hashing, config.hash_memory),
        ("uploads", memory.uploading, config.upload_memory),
        ("checks", memory.checking, config.check_memory),
    ];
    let over = held.into_iter().find(|(_, held, limit)| *held > limit + ONE_BLOCK);
    over.map(|(what, held, limit)| Failure::Memory { host, at, what, held, limit })
}

fn ppm(part: u64, whole: u64) -> u32 {
    (part * 1_000_000).checked_div(whole).unwrap_or(1_000_000) as u32
}
