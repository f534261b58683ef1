//! One torrent: its peers, and what goes on between them, the picker, the choker and the storage.
//!
//! ```text
//!  Received ─▶ connection ─▶ Piece ─▶ picker ─▶ Store ─▶ Write ──▶ Written ─┐
//!                 ▲                     │         └─(last block)─▶ Compute ─▶ Computed ─▶ verified
//!                 └────── Request ◀─────┘                                                    │
//!                 ◀─────────────────────────────── Have, to every peer ◀─────────────────────┘
//!
//!  Received ─▶ connection ─▶ Request ─▶ upload queue ─▶ Read ─▶ Piece ─▶ connection ─▶ Send
//! ```
//!
//! A block is never copied on this way, except one that is served and spans two files.

mod check;
mod children;
mod content;
mod error;
mod extended;
mod fast;
mod fill;
mod gather;
mod gossip;
mod machine;
mod peer;
mod plan;
mod players;
mod poison;
mod punch;
mod save;
mod serve;
mod spread;
mod stats;
#[cfg(feature = "testing")]
pub mod subject;
mod suggest;
mod talk;
#[cfg(test)]
mod tests;
mod upload;
mod web;

use crate::{
    bitfield::Bitfield,
    choker,
    fetch::{Fetched, Request},
    ic::{Capabilities, Verified},
    id::{ComputeToken, FetchToken, FileIndex, InfoHash, PeerId, PeerKey, PieceIndex, StreamId},
    metainfo::{self, Info},
    picker::PipelineLimits,
    reach::Trust,
    storage::{Completion, HashJob, HashOutcome, Operation, StorageError, Verdict},
    wire,
};
use alloc::{boxed::Box, string::String, vec::Vec};
use bytes::{Bytes, BytesMut};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

pub use error::{PeerEnd, StreamError};
pub use machine::Swarm;
pub use plan::{Plan, Reader, SeedGoal};
pub use players::{AuthFailure, Community};
pub use stats::Appetite;
pub use web::WebSeedEnd;

/// What can happen to a swarm.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Input {
    /// Begin: check what is on disk, then be ready for peers. Without metadata: be ready for peers at once.
    Start,
    /// What [`Action::Metadata`] named is wanted: check what is on disk, then share it with the peers that
    /// are here already.
    Resolve(Box<Content>),
    /// A handshake for this torrent is done. Answered by [`Action::Admitted`], unless the peer is not
    /// welcome: then by [`Action::Close`].
    Joined(Joined),
    /// Bytes came in.
    Received {
        /// From whom.
        peer: PeerKey,
        /// The bytes.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: BytesMut,
    },
    /// The system took bytes of [`Action::Send`].
    Sent {
        /// To whom.
        peer: PeerKey,
        /// How many.
        bytes: usize,
    },
    /// A peer's stream is over, or is to be.
    Left {
        /// Whose.
        peer: PeerKey,
        /// Why.
        why: PeerEnd,
    },
    /// An [`Action::Storage`] is done.
    Storage(Completion),
    /// An [`Action::Compute`] is done.
    Computed {
        /// Which.
        token: ComputeToken,
        /// What came out.
        outcome: HashOutcome,
    },
    /// Something of an [`Action::Fetch`] comes in.
    Fetched {
        /// Of which.
        token: FetchToken,
        /// What.
        what: Fetched,
    },
    /// Somebody knows of a server that has the files (BEP 19). What is known already is ignored.
    AddWebSeed(String),
    /// What the rate limits allow from now on, in bytes, in place of what is left of what they allowed
    /// before. `None` lifts the limit.
    Allowance {
        /// Of block data from peers.
        download: Option<u64>,
        /// Of block data to peers.
        upload: Option<u64>,
    },
    /// Something else is wanted of the torrent.
    Follow(Box<Plan>),
    /// Somebody reads here, and will go on: what comes next is wanted soon. `None`: nobody any more.
    Read(Option<Reader>),
    /// Where we listen, as peers hear it.
    ListenPort(Option<u16>),
    /// We can be reached here, as far as peers see: nobody is to make us dial ourselves.
    Ours(SocketAddr),
    /// Drop the peers and take no new ones; make everything durable.
    Pause,
    /// The opposite of `Pause`.
    Unpause,
    /// As `Pause`, for good. Ends with [`Action::Stopped`].
    Stop,
}

/// What a torrent is, and what is known of its files.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Content {
    /// The torrent.
    pub info: Info,
    /// What is known of its files.
    pub verdict: Verdict,
    /// What is wanted of it.
    pub plan: Plan,
    /// Whether it takes no peers at first.
    pub paused: bool,
}

/// A peer whose handshake is done.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Joined {
    /// Its stream.
    pub stream: StreamId,
    /// Where it is.
    pub remote: SocketAddr,
    /// Whether we dialled.
    pub outgoing: bool,
    /// Its name.
    pub peer_id: PeerId,
    /// What becomes of its bytes on their way.
    pub encryption: Encryption,
    /// What both sides can do.
    pub reserved: wire::Reserved,
    /// What came behind its handshake.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    pub rest: BytesMut,
}

/// What a swarm wants.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Action {
    /// A peer is in.
    Admitted {
        /// Its stream.
        stream: StreamId,
        /// Its name from now on.
        peer: PeerKey,
        /// Who it is.
        info: PeerInfo,
    },
    /// Send bytes.
    Send {
        /// Where.
        stream: StreamId,
        /// What.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
    /// A peer is out.
    Close {
        /// Its stream.
        stream: StreamId,
        /// Who it was.
        info: PeerInfo,
        /// Why.
        why: PeerEnd,
    },
    /// Read, write or flush.
    Storage(Operation),
    /// Run a job.
    Compute {
        /// Comes back with the outcome.
        token: ComputeToken,
        /// The work.
        job: HashJob,
    },
    /// Fetch bytes of a file, and hand on no more of the body than there is credit for.
    Fetch {
        /// Comes back with what comes in.
        token: FetchToken,
        /// What.
        request: Request,
        /// Bytes of the body that may be handed on.
        credit: u64,
    },
    /// So many bytes more of a body may be handed on.
    FetchMore {
        /// Of which fetch.
        token: FetchToken,
        /// Bytes.
        bytes: u64,
    },
    /// Nothing more of this fetch is wanted.
    CancelFetch(FetchToken),
    /// The web seed at this URL answers as it should.
    WebSeedUp(String),
    /// A web seed is asked for nothing more.
    WebSeedGone {
        /// Which.
        url: String,
        /// Block data it sent us, in bytes, since it was last gone.
        downloaded_bytes: u64,
        /// Why.
        why: WebSeedEnd,
        /// When it is asked again, if something is wanted then; `None`: never.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::optional_micros"))]
        retry_after: Option<Duration>,
    },
    /// Keep what is known for the next run.
    SaveResume {
        /// What is verified and durable.
        have: Bitfield,
        /// Whether nothing more will be written.
        clean: bool,
    },
    /// The metadata has come from peers (BEP 9), and is right. Answer `Resolve`.
    Metadata(Box<Info>),
    /// The metadata has come, and is right, but it is nothing that we can share.
    MetadataUnusable(
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::text"))] metainfo::Error,
    ),
    /// A peer sees us here.
    OurAddress(IpAddr),
    /// A peer says who plays on it; whether that is so.
    Player {
        /// Where.
        remote: SocketAddr,
        /// Who, or why not.
        result: Result<Verified, AuthFailure>,
    },
    /// Peers told of others that may be worth dialling, and of each its flags (BEP 11).
    PeersFound(Vec<(SocketAddr, u8)>),
    /// What is on disk was checked; peers are welcome unless the swarm is paused.
    Checked {
        /// What is there.
        have: Bitfield,
    },
    /// A piece is verified and written.
    PieceVerified {
        /// Which.
        piece: PieceIndex,
        /// The peer that sent most of it.
        from: Option<SocketAddr>,
    },
    /// A piece did not match its hash.
    PieceFailed {
        /// Which.
        piece: PieceIndex,
    },
    /// A peer sent a corrupt block or wrong metadata. It must not come back; it leaves now, or has left
    /// before.
    Banned {
        /// Its address.
        remote: SocketAddr,
        /// Whether we dialled.
        outgoing: bool,
    },
    /// Everything is verified and written.
    Completed,
    /// Everything that is wanted is verified and written, but that is not all.
    Finished,
    /// The torrent was shared for as long as its plan says; it is paused.
    SeedGoalReached,
    /// Storage failed; the swarm rests.
    Failed {
        /// The file, unless it was all of them.
        file: Option<FileIndex>,
        /// What the storage said.
        error: StorageError,
    },
    /// A [`Input::Stop`] is done.
    Stopped,
}

/// What a swarm begins with.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Setup {
    /// What is shared.
    pub torrent: Torrent,
    /// Our name in it.
    pub peer_id: PeerId,
    /// Our program, as peers hear it.
    pub client: String,
    /// Where we listen, as peers hear it.
    pub listen_port: Option<u16>,
    /// Whether peers hear that we prefer encryption.
    pub prefers_encryption: bool,
    /// How it behaves.
    pub config: Config,
}

/// A torrent, or its name alone.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Torrent {
    /// All of it.
    Content(Box<Content>),
    /// What a magnet link says: the rest is asked of peers (BEP 9).
    Magnet(InfoHash),
}

/// What holds for each torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// The most bytes asked of peers, or come in and not yet written.
    pub download_memory: usize,
    /// The most bytes kept of unfinished pieces, so that they need not be read back for hashing.
    pub hash_memory: usize,
    /// The most bytes read for peers and not yet sent.
    pub upload_memory: usize,
    /// The most bytes given to one stream and not yet reported sent (law 10).
    pub send_window: usize,
    /// The most bytes of messages that wait for the window before a peer is given up.
    pub send_queue: usize,
    /// How many requests of one peer are queued (`reqq` of BEP 10).
    pub request_queue: u32,
    /// The longest bitfield of a peer, in bytes, while the metadata is unknown; kept until it is known. A
    /// torrent of more pieces than this has bits cannot be fetched by its name alone.
    pub early_bitfield_max: u32,
    /// The most bytes in flight while pieces on disk are checked.
    pub check_memory: usize,
    /// The most bytes kept of pieces that failed their hash, to find out who sent the corrupt blocks: about
    /// 70 a block. The oldest are forgotten first.
    pub poison_memory: usize,
    /// Whether peers are told of each other (BEP 11), unless the torrent is private.
    pub pex: bool,
    /// Whom to believe when peers name addresses.
    pub trust: Trust,
    /// The community in which torrents are shared, if they are.
    pub community: Option<Community>,
    /// The Unix time of the driver's epoch, in seconds: tokens are dated.
    pub unix_epoch_s: u64,
    /// Whether only players who prove who they are may hurry us, even where everybody is welcome.
    pub require_auth_for_lobby: bool,
    /// What peers hear that we can do, beside what every engine can.
    pub capabilities: Capabilities,
    /// How slots are dealt out; pieces and their length are the torrent's.
    pub choker: choker::Config,
    /// How many requests stand at a peer, and how many pieces are begun at once.
    pub pipeline: PipelineLimits,
    /// How often what is known is saved while pieces come in.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub save_interval: Duration,
    /// How many bytes ahead of a reader are wanted before all else.
    pub read_ahead: u64,
    /// How much later than the piece before it each of those is wanted.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub read_pace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            download_memory: 6 << 20,
            hash_memory: 8 << 20,
            upload_memory: 16 << 20,
            send_window: 1 << 20,
            send_queue: 2 << 20,
            request_queue: 512,
            early_bitfield_max: 1 << 20,
            check_memory: 8 << 20,
            poison_memory: 1 << 20,
            pex: true,
            trust: Trust::default(),
            community: None,
            unix_epoch_s: 0,
            require_auth_for_lobby: false,
            capabilities: Capabilities::DESKTOP,
            choker: choker::Config::default(),
            pipeline: PipelineLimits::default(),
            save_interval: Duration::from_secs(60),
            read_ahead: 8 << 20,
            read_pace: Duration::from_secs(1),
        }
    }
}

/// What a torrent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum State {
    /// Asking peers what the torrent is.
    FetchingMetadata,
    /// Reading and hashing what is on disk.
    Checking,
    /// Fetching what is missing.
    Downloading,
    /// Complete, as far as it is wanted, and serving.
    Seeding,
    /// Asked to rest.
    Paused,
    /// Its storage failed.
    Failed,
}

/// What went to and fro so far, and what is still to come, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Block data received.
    pub downloaded_bytes: u64,
    /// Block data sent.
    pub uploaded_bytes: u64,
    /// What is not verified yet of all that there is, wanted or not; `None` where the size is not known.
    pub missing_bytes: Option<u64>,
}

/// How a torrent stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Progress {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// What it is doing.
    pub state: State,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Bytes verified and on disk.
    pub verified_bytes: u64,
    /// Bytes of the pieces that are wanted, those on disk among them.
    pub wanted_bytes: u64,
    /// Bytes of those that are not on disk yet.
    pub missing_bytes: u64,
    /// While checking: bytes looked at.
    pub checked_bytes: u64,
    /// Block data received in this run, useful or not.
    pub downloaded_bytes: u64,
    /// Block data sent in this run.
    pub uploaded_bytes: u64,
    /// Block data received for nothing: repeated, unasked or corrupt.
    pub wasted_bytes: u64,
    /// Block data received a second, lately.
    pub download_rate_bytes_per_s: u64,
    /// Block data sent a second, lately.
    pub upload_rate_bytes_per_s: u64,
    /// Connected peers.
    pub peers_live: u32,
    /// Those of them that are encrypted, or obfuscated.
    pub peers_encrypted: u32,
    /// Known peers.
    pub peers_known: u32,
}

/// A peer, and what was exchanged with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PeerInfo {
    /// Its address; of an incoming stream, not one that can be dialled.
    pub remote: SocketAddr,
    /// Whether we dialled.
    pub outgoing: bool,
    /// What becomes of its bytes on their way.
    pub encryption: Encryption,
    /// Whether it says that it prefers encryption (`e` of BEP 10).
    pub prefers_encryption: bool,
    /// Its name.
    pub peer_id: PeerId,
    /// Its program, as it says (`v` of BEP 10).
    pub client: Option<String>,
    /// Block data it sent us, in bytes.
    pub downloaded_bytes: u64,
    /// Block data we sent it, in bytes.
    pub uploaded_bytes: u64,
}

/// What becomes of a peer's bytes on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Encryption {
    /// They are plain BitTorrent.
    #[default]
    None,
    /// Only the handshake was obfuscated (MSE, header only).
    Header,
    /// They are encrypted (MSE, RC4).
    Rc4,
}

/// Bytes held, by what for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Partial messages and messages that wait.
    pub connections: usize,
    /// Blocks asked for and not yet here.
    pub requested: usize,
    /// Blocks here and not yet written.
    pub unwritten: usize,
    /// Blocks kept for hashing.
    pub hashing: usize,
    /// Blocks being read for peers, or given to streams and not yet sent.
    pub uploading: usize,
    /// Blocks being read for checking.
    pub checking: usize,
    /// Tables: pieces, queues, peers.
    pub tables: usize,
}

impl Memory {
    /// The sum of two.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            requested: self.requested + other.requested,
            unwritten: self.unwritten + other.unwritten,
            hashing: self.hashing + other.hashing,
            uploading: self.uploading + other.uploading,
            checking: self.checking + other.checking,
            tables: self.tables + other.tables,
        }
    }
}
