//! What `--json` prints: one object a line, its kind in `"event"`. This is the one place that lists them.
//!
//! Lengths and positions are bytes, rates bytes a second, durations seconds. Addresses are `IP:port`.

use super::{Hex, lines};
use convoy_core::{
    engine::{Encryption, PeerInfo, Progress, State, Statistics},
    id::InfoHash,
    tracker::{
        Counts,
        announcer::{TrackerState, TrackerStatus},
    },
};
use convoy_vectors::Report;
use convoy_vectors::machine::Difference;
use serde::{Serialize, Serializer};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::Path,
};

/// A line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    /// Peers can reach us.
    Listening {
        addr: SocketAddr,
        /// `tracker`: `udp`, `http` or `metrics`.
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<&'static str>,
    },
    /// Peers cannot reach us; we can still dial them.
    NotListening { why: String },
    /// Peers are being asked what a torrent is; `name` is the link's, or the info-hash.
    Fetching {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        name: &'a str,
    },
    /// What a torrent is has come from peers, and is right.
    Metadata {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        name: &'a str,
        total: u64,
        pieces: u32,
        files: usize,
    },
    /// A torrent was begun with.
    Added {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        name: &'a str,
        total: u64,
        pieces: u32,
    },
    /// What was on disk is checked.
    Checked {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        have: u32,
        pieces: u32,
    },
    /// How a torrent stands; comes every second.
    Progress {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        name: &'a str,
        /// `fetching_metadata`, `checking`, `downloading`, `seeding`, `paused` or `failed`.
        state: &'static str,
        total: u64,
        verified: u64,
        /// Bytes of the pieces that are wanted, and those of them that are not there yet.
        wanted: u64,
        missing: u64,
        downloaded: u64,
        uploaded: u64,
        wasted: u64,
        down_rate: u64,
        up_rate: u64,
        peers_live: u32,
        peers_encrypted: u32,
        peers_known: u32,
        /// `null` when nobody knows.
        eta_s: Option<u64>,
    },
    /// How it stands with a tracker; comes whenever that changes.
    Tracker {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        url: &'a str,
        tier: u32,
        /// `idle`, `asking`, `working`, `failed` or `unsupported`.
        state: &'static str,
        why: Option<String>,
        seeders: Option<u32>,
        leechers: Option<u32>,
        completed: Option<u32>,
        fails: u32,
        warning: Option<&'a str>,
    },
    /// What a tracker said to `convoy announce`.
    Announced {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        tracker: &'a str,
        seeders: Option<u32>,
        leechers: Option<u32>,
        completed: Option<u32>,
        interval_s: Option<u64>,
        min_interval_s: Option<u64>,
        peers: &'a [SocketAddr],
        external_ip: Option<IpAddr>,
        warning: Option<&'a str>,
    },
    /// What a tracker said to `convoy scrape`.
    Scraped {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        tracker: &'a str,
        seeders: Option<u32>,
        leechers: Option<u32>,
        /// Those of the leechers that want something (BEP 21).
        downloaders: Option<u32>,
        completed: Option<u32>,
    },
    /// A tracker did not answer to `convoy announce` or `convoy scrape` as it should.
    TrackerFailed {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        tracker: &'a str,
        why: &'a str,
    },
    /// A piece is verified and written.
    Piece {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        index: u32,
        /// Who sent most of it.
        from: Option<SocketAddr>,
    },
    /// A piece did not match its hash; it is asked for again.
    PieceFailed {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        index: u32,
    },
    /// A peer sent a corrupt block, or false metadata; it is not dialled again, and refused when it dials.
    PeerBanned {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        addr: SocketAddr,
    },
    /// A peer is connected.
    Peer {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        addr: SocketAddr,
        client: Option<&'a str>,
        outgoing: bool,
        /// `none`, `plaintext` (only the handshake was obfuscated) or `rc4`.
        encryption: &'static str,
    },
    /// A peer is gone.
    PeerGone {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        addr: SocketAddr,
        client: Option<&'a str>,
        encryption: &'static str,
        why: String,
        downloaded: u64,
        uploaded: u64,
    },
    /// A dial failed with or without encryption; it is tried again the other way.
    FellBack {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        addr: SocketAddr,
        why: String,
    },
    /// A dial, or the handshake after it, failed.
    DialFailed {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        addr: SocketAddr,
        why: String,
    },
    /// A web seed answers as it should.
    WebSeed {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        url: &'a str,
    },
    /// A web seed is asked for nothing more.
    WebSeedGone {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        url: &'a str,
        why: String,
        /// Since it was last gone.
        downloaded: u64,
        /// When it is asked again; `null`: never.
        retry_after_s: Option<u64>,
    },
    /// A torrent is complete, verified and written.
    Completed {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        name: &'a str,
        path: &'a Path,
        total: u64,
        seconds: f64,
        rate: u64,
    },
    /// Everything that is wanted of a torrent is there, verified and written, but that is not all.
    Finished {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        name: &'a str,
        path: &'a Path,
        verified: u64,
        total: u64,
        seconds: f64,
        rate: u64,
    },
    /// A torrent was shared for as long as was asked for; it is paused.
    SeedGoalReached {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        name: &'a str,
    },
    /// What is known of a torrent was saved for the next run.
    ResumeSaved {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        file: &'a Path,
    },
    /// Something failed; `advice` says what to do next.
    Error { message: &'a str, file: Option<&'a str>, advice: Option<&'a str> },
    /// `download --list`: a file and its number, as `--select` takes it.
    ListedFile {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        index: u32,
        path: &'a str,
        length: u64,
    },
    /// `create`: the .torrent is written.
    Created {
        #[serde(flatten)]
        torrent: Box<Torrent<'a>>,
        file: &'a Path,
    },
    /// `info`: what a .torrent says.
    Torrent(Box<Torrent<'a>>),
    /// `info`: what a magnet link says.
    Link {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        info_hash_v2: Option<String>,
        name: Option<&'a str>,
        trackers: &'a [String],
        web_seeds: &'a [String],
        peers: &'a [String],
        /// As `--select` takes it; `null` for all files.
        select: Option<String>,
        nodes: &'a [(String, u16)],
    },
    /// `magnet`: the link.
    Magnet { uri: &'a str },
    /// `verify`, `seed`: a file, and what is wrong with it.
    File { path: &'a str, length: u64, status: FileStatus, bad_pieces: &'a [PieceRange] },
    /// `verify`: the end.
    VerifySummary {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        ok: bool,
        have: u32,
        pieces: u32,
        files: usize,
        bad_files: usize,
    },
    /// `replay`: how far it came, and what was different there.
    Replayed { lives: u64, steps: u64, difference: Option<&'a Difference> },
    /// `vectors check`: what became of a file's vectors.
    Vectors(&'a Report),
    /// `vectors check`: the end.
    VectorsSummary { ok: bool, files: usize, passed: usize, failed: usize, skipped: usize },
    /// `download` and `seed`: the end.
    Summary {
        #[serde(serialize_with = "hex")]
        info_hash: InfoHash,
        name: &'a str,
        /// Whether all of it is there, and whether everything that is wanted is.
        complete: bool,
        finished: bool,
        total: u64,
        verified: u64,
        downloaded: u64,
        uploaded: u64,
        wasted: u64,
        /// Peers that were connected with and without encryption, and dials that fell back.
        encrypted_peers: u32,
        plain_peers: u32,
        fallbacks: u32,
        seconds: f64,
    },
    /// `download` and `seed`: what came of encryption, over all torrents.
    EncryptionSummary(EncryptionCounts),
    /// `demo`: the end.
    DemoSummary {
        ok: bool,
        /// Of one copy.
        total: u64,
        pieces: u32,
        /// Until the last leecher was complete.
        seconds: f64,
        /// Bytes a second that all leechers together took in.
        rate: u64,
        nodes: &'a [DemoNode],
    },
    /// `tracker`: who may know of what was read; `again` when it was not the first time.
    AccessRead { swarms: usize, members: usize, again: bool },
    /// `tracker`: who was in which swarm before a restart.
    StateRead { swarms: usize, peers: usize },
    /// `sim`: the end.
    SimSummary {
        scenario: &'a str,
        seed: u64,
        ok: bool,
        /// What went wrong that must not.
        failure: Option<String>,
        peers: usize,
        leechers: usize,
        /// How many of them are complete.
        complete: usize,
        /// Simulated time from when a leecher came until it was complete: of the one in the middle, and of
        /// the last.
        median_s: Option<f64>,
        last_s: Option<f64>,
        /// Simulated time of the whole run.
        ended_s: f64,
        /// Verified bytes by who sent most of their piece.
        from_seeds: u64,
        from_leechers: u64,
        wasted: u64,
        events: u64,
        cpu_s: f64,
        events_per_s: u64,
        peak_memory: Option<u64>,
        /// Hex; the same seed gives the same one on every run and platform.
        trace_hash: &'a str,
    },
    /// `sim`: a smaller run that fails like this one.
    SimShrunk {
        hosts: usize,
        faults: usize,
        failure: &'a str,
        /// Who is there and what happens when, for people.
        plan: &'a str,
    },
}

/// A node of `demo`.
#[derive(Debug, Serialize)]
pub(crate) struct DemoNode {
    pub(crate) node: String,
    /// Whether its copy, read back, matches every hash.
    pub(crate) ok: bool,
    pub(crate) seconds: f64,
    pub(crate) rate: u64,
    pub(crate) uploaded: u64,
    pub(crate) wasted: u64,
    pub(crate) encryption: EncryptionCounts,
    /// How many of its pieces came from each node: the seed, then the leechers in order.
    pub(crate) pieces_from: Vec<u32>,
}

/// How many peers were connected with which encryption, as `peer` names it, and what went wrong before.
#[derive(Debug, Serialize)]
pub(crate) struct EncryptionCounts {
    pub(crate) none: u64,
    pub(crate) plaintext: u64,
    pub(crate) rc4: u64,
    /// Dials that were repeated the other way.
    pub(crate) fallbacks: u64,
    /// Handshakes that failed, by reason.
    pub(crate) failures: BTreeMap<&'static str, u64>,
}

/// What a .torrent says.
#[derive(Debug, Serialize)]
pub(crate) struct Torrent<'a> {
    pub(crate) name: &'a str,
    #[serde(serialize_with = "hex")]
    pub(crate) info_hash: InfoHash,
    pub(crate) info_hash_v2: Option<String>,
    pub(crate) total: u64,
    pub(crate) piece_length: u32,
    pub(crate) pieces: u32,
    pub(crate) files: Vec<InfoFile>,
    pub(crate) trackers: &'a [Vec<String>],
    pub(crate) web_seeds: &'a [String],
    pub(crate) nodes: &'a [(String, u16)],
    pub(crate) private: bool,
    pub(crate) source: Option<&'a str>,
    pub(crate) comment: Option<&'a str>,
    pub(crate) created_by: Option<&'a str>,
    /// Seconds of Unix time.
    pub(crate) creation_date: Option<i64>,
    pub(crate) non_canonical: bool,
    pub(crate) magnet: String,
}

/// A file of a torrent.
#[derive(Debug, Serialize)]
pub(crate) struct InfoFile {
    /// With `/` between its parts, from the torrent's name on.
    pub(crate) path: String,
    pub(crate) length: u64,
    pub(crate) padding: bool,
    pub(crate) executable: bool,
}

/// How a file on disk compares with its torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileStatus {
    /// All of its pieces match.
    Ok,
    /// There is no such file.
    Missing,
    /// Its length is not the torrent's.
    WrongLength,
    /// Some of its pieces do not match.
    Damaged,
    /// It cannot be read.
    Unreadable,
    /// It cannot be told: its bad pieces are shared with a file that is missing or of a wrong length.
    Unknown,
}

/// Pieces `first` to `last`, both of them meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PieceRange {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl<'a> Event<'a> {
    /// How a torrent stands.
    pub(crate) fn progress(name: &'a str, progress: &Progress) -> Self {
        Event::Progress {
            info_hash: progress.info_hash,
            name,
            state: state_name(progress.state),
            total: progress.total_bytes,
            verified: progress.verified_bytes,
            wanted: progress.wanted_bytes,
            missing: progress.missing_bytes,
            downloaded: progress.downloaded_bytes,
            uploaded: progress.uploaded_bytes,
            wasted: progress.wasted_bytes,
            down_rate: progress.download_rate_bytes_per_s,
            up_rate: progress.upload_rate_bytes_per_s,
            peers_live: progress.peers_live,
            peers_encrypted: progress.peers_encrypted,
            peers_known: progress.peers_known,
            eta_s: lines::eta(progress).0,
        }
    }

    /// How it stands with a tracker.
    pub(crate) fn tracker(info_hash: InfoHash, status: &'a TrackerStatus) -> Self {
        let (state, why) = match &status.state {
            TrackerState::Idle => ("idle", None),
            TrackerState::Asking => ("asking", None),
            TrackerState::Working => ("working", None),
            TrackerState::Failed(failure) => ("failed", Some(failure.to_string())),
            TrackerState::Unsupported => ("unsupported", None),
        };
        let Counts { seeders, leechers, completed, .. } = status.counts;
        let TrackerStatus { url, tier, fails, warning, .. } = status;
        let (tier, fails, warning) = (*tier, *fails, warning.as_deref());
        Event::Tracker { info_hash, url, tier, state, why, seeders, leechers, completed, fails, warning }
    }

    /// A peer came.
    pub(crate) fn peer(info_hash: InfoHash, peer: &'a PeerInfo) -> Self {
        let client = peer.client.as_deref();
        let encryption = encryption_name(peer.encryption);
        Event::Peer { info_hash, addr: peer.remote, client, outgoing: peer.outgoing, encryption }
    }

    /// A peer went.
    pub(crate) fn peer_gone(info_hash: InfoHash, peer: &'a PeerInfo, why: String) -> Self {
        Event::PeerGone {
            info_hash,
            addr: peer.remote,
            client: peer.client.as_deref(),
            encryption: encryption_name(peer.encryption),
            why,
            downloaded: peer.downloaded_bytes,
            uploaded: peer.uploaded_bytes,
        }
    }
}

impl From<&Statistics> for EncryptionCounts {
    fn from(statistics: &Statistics) -> Self {
        Self {
            none: statistics.plain_peers,
            plaintext: statistics.header_peers,
            rc4: statistics.rc4_peers,
            fallbacks: statistics.fallbacks,
            failures: statistics.failures.iter().map(|(failure, &count)| (failure.name(), count)).collect(),
        }
    }
}

/// The name of a state.
fn state_name(state: State) -> &'static str {
    match state {
        State::FetchingMetadata => "fetching_metadata",
        State::Checking => "checking",
        State::Downloading => "downloading",
        State::Seeding => "seeding",
        State::Paused => "paused",
        State::Failed => "failed",
    }
}

/// The name of what becomes of a peer's bytes.
pub(crate) fn encryption_name(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::None => "none",
        Encryption::Header => "plaintext",
        Encryption::Rc4 => "rc4",
    }
}

fn hex<S: Serializer>(info_hash: &InfoHash, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&Hex(&info_hash.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_flat_object_that_names_its_kind() {
        let event = Event::Piece { info_hash: InfoHash([0xab; 20]), index: 7, from: "[::1]:5".parse().ok() };
        let line = serde_json::to_string(&event).expect("json");
        let hash = "ab".repeat(20);
        assert_eq!(line, format!(r#"{{"event":"piece","info_hash":"{hash}","index":7,"from":"[::1]:5"}}"#));
    }
}
