//! A host of the simulated world: an engine with its disk and its clock, an attacker, or a tracker.

use crate::{
    content::Content,
    disk::{Disk, DiskConfig, VolumeId},
    hostile::{self, Attacker},
    net::{ConnId, Link, Reach},
    world::Hub,
};
use convoy_core::{
    Deadline, Instant, Machine, Outbox, Random,
    engine::{Action, AddTorrent, Config, Engine, Plan},
    id::{InfoHash, StreamId, TorrentId},
    storage::Resume,
};
use std::{collections::BTreeMap, net::SocketAddr, rc::Rc, time::Duration};

/// What an honest host is made of.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// How its engine behaves. The address to listen at is the world's to say; the port counts.
    pub engine: Config,
    /// Its line.
    pub link: Link,
    /// Who can reach it.
    pub reach: Reach,
    /// Its disk.
    pub disk: DiskConfig,
    /// How fast it hashes, one job after another.
    pub hash_bytes_per_s: u64,
    /// Where it announces its torrents: UDP trackers at addresses, as there are no names here.
    pub trackers: Vec<Vec<String>>,
}

/// A machine in the world.
pub(crate) struct Host {
    pub(crate) who: Who,
    /// Counts the times it was started: what belongs to an earlier life is not delivered.
    pub(crate) life: u32,
    pub(crate) listen_port: u16,
}

/// What runs on it.
pub(crate) enum Who {
    Peer(Box<Peer>),
    Attacker(Box<Raw>),
    Tracker(Box<Hub>),
}

/// An honest peer.
pub(crate) struct Peer {
    /// `None` while it is off.
    pub(crate) engine: Option<Engine>,
    pub(crate) out: Outbox<Action>,
    pub(crate) config: PeerConfig,
    pub(crate) random: Random,
    pub(crate) disk: Disk,
    /// What its clock shows beyond the world's, in microseconds.
    pub(crate) clock_offset: i64,
    /// When its processor is done with the hashing given so far.
    pub(crate) hashing_until: Instant,
    /// Streams by their slot in the engine.
    pub(crate) streams: Vec<Option<Stream>>,
    pub(crate) conns: BTreeMap<ConnId, StreamId>,
    /// What it has to do with, in this life and the next.
    pub(crate) torrents: BTreeMap<InfoHash, Torrent>,
    pub(crate) open: BTreeMap<TorrentId, InfoHash>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) conn: ConnId,
    /// Bytes sent and not yet reported so.
    pub(crate) in_flight: usize,
}

pub(crate) struct Torrent {
    pub(crate) content: Rc<Content>,
    pub(crate) volume: VolumeId,
    pub(crate) peers: Vec<SocketAddr>,
}

/// An attacker and its streams, which it numbers itself where it dials.
pub(crate) struct Raw {
    pub(crate) machine: Attacker,
    pub(crate) out: Outbox<hostile::Action>,
    pub(crate) conns: BTreeMap<ConnId, u32>,
    /// With the bytes that are not sent yet.
    pub(crate) streams: BTreeMap<u32, (ConnId, usize)>,
    pub(crate) accepted: u32,
}

impl Raw {
    pub(crate) fn new(machine: Attacker) -> Self {
        Self {
            machine,
            out: Outbox::new(),
            conns: BTreeMap::new(),
            streams: BTreeMap::new(),
            accepted: hostile::FIRST_ACCEPTED,
        }
    }
}

impl Host {
    pub(crate) const fn peer(&self) -> Option<&Peer> {
        match &self.who {
            Who::Peer(peer) => Some(peer),
            Who::Attacker(_) | Who::Tracker(_) => None,
        }
    }

    pub(crate) const fn peer_mut(&mut self) -> Option<&mut Peer> {
        match &mut self.who {
            Who::Peer(peer) => Some(peer),
            Who::Attacker(_) | Who::Tracker(_) => None,
        }
    }

    /// When it next wants to be called, by the world's clock.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        match &self.who {
            Who::Peer(peer) => {
                let deadline = peer.engine.as_ref()?.poll_timeout()?;
                Some(Deadline { at: shifted(deadline.at, peer.clock_offset.saturating_neg()), ..deadline })
            }
            Who::Attacker(raw) => raw.machine.poll_timeout(),
            Who::Tracker(hub) => hub.machine.as_ref()?.poll_timeout(),
        }
    }
}

impl Peer {
    pub(crate) fn new(config: PeerConfig, mut random: Random) -> Self {
        Self {
            engine: None,
            out: Outbox::new(),
            disk: Disk::new(config.disk, random.child_seed()),
            config,
            random,
            clock_offset: 0,
            hashing_until: Instant::ZERO,
            streams: Vec::new(),
            conns: BTreeMap::new(),
            torrents: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    /// What its clock shows.
    pub(crate) fn clock(&self, now: Instant) -> Instant {
        shifted(now, self.clock_offset)
    }

    pub(crate) fn stream(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.streams.get_mut(id.index())?.as_mut().filter(|stream| stream.id == id)
    }

    pub(crate) fn attach(&mut self, id: StreamId, conn: ConnId) {
        if self.streams.len() <= id.index() {
            self.streams.resize(id.index() + 1, None);
        }
        if let Some(slot) = self.streams.get_mut(id.index()) {
            *slot = Some(Stream { id, conn, in_flight: 0 });
        }
        self.conns.insert(conn, id);
    }

    pub(crate) fn detach(&mut self, id: StreamId) -> Option<ConnId> {
        let conn = self.stream(id)?.conn;
        if let Some(slot) = self.streams.get_mut(id.index()) {
            *slot = None;
        }
        self.conns.remove(&conn);
        Some(conn)
    }

    /// Forgets everything that was in memory.
    pub(crate) fn lose_memory(&mut self) {
        self.engine = None;
        self.out = Outbox::new();
        self.streams.clear();
        self.conns.clear();
        self.open.clear();
        self.hashing_until = Instant::ZERO;
    }

    /// When a job over `bytes` that is given now is done.
    pub(crate) fn hashed_at(&mut self, now: Instant, bytes: usize) -> Instant {
        let micros = (bytes as u64).saturating_mul(1_000_000) / self.config.hash_bytes_per_s.max(1);
        self.hashing_until = self.hashing_until.max(now) + Duration::from_micros(micros);
        self.hashing_until
    }

    /// What the engine is given to begin with a torrent: what lies on the disk, and what was saved of it.
    pub(crate) fn add(&mut self, info_hash: InfoHash) -> Option<AddTorrent> {
        let torrent = self.torrents.get(&info_hash)?;
        let info = torrent.content.info().clone();
        let (pieces, files) = (info.geometry.pieces(), info.files.len() as u32);
        let saved = self.disk.resume(torrent.volume);
        let resume = saved.and_then(|saved| Resume::decode(&saved, info_hash, pieces, files).ok());
        let on_disk = self.disk.stamps(torrent.volume);
        Some(AddTorrent {
            info,
            resume,
            on_disk,
            plan: Plan::default(),
            paused: false,
            peers: torrent.peers.clone(),
            web_seeds: Vec::new(),
            trackers: self.config.trackers.clone(),
        })
    }

    /// The resume file as it would be written now.
    pub(crate) fn resume(
        &mut self,
        id: TorrentId,
        have: convoy_core::bitfield::Bitfield,
        clean: bool,
    ) -> Option<(VolumeId, Vec<u8>)> {
        let info_hash = *self.open.get(&id)?;
        let volume = self.torrents.get(&info_hash)?.volume;
        let files = self.disk.stamps(volume);
        Some((volume, Resume { info_hash, have, files, clean }.encode()))
    }
}

/// `at`, moved by so many microseconds.
fn shifted(at: Instant, micros: i64) -> Instant {
    Instant::from_micros(at.as_micros().saturating_add_signed(micros))
}
