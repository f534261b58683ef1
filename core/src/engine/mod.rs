//! Everything a node does, behind one machine.
//!
//! The engine owns the torrents and the streams. Bytes of a stream go to its handshake until the torrent
//! is known, then to that torrent's swarm; what a swarm wants goes out as an [`Action`]:
//!
//! ```text
//!   Accepted ──▶ Adopt ─┐                                   ┌─▶ Storage ──▶ Storage
//!                       ├─▶ Received ─▶ handshake ─▶ swarm ─┼─▶ Compute ──▶ Computed
//!   Connect ─▶ Connected┘                                   ├─▶ Send ─────▶ Sent
//!                                                           └─▶ Fetch ────▶ Fetched
//! ```
//!
//! A driver carries actions out and brings the outcomes back. It decides nothing.
//!
//! Torrents have nothing to do with one another until a rate limit holds them up. Then those that download
//! something of a higher [`Tier`] come first; those below have a tenth, and all that is left. Within a tier
//! all have the same. See `limit.rs`.

mod address;
mod candidates;
mod carry;
mod config;
mod connect;
mod event;
mod limit;
mod machine;
mod names;
mod places;
mod secure;
mod statistics;
mod streams;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;
mod trackers;

use crate::{
    bitfield::Bitfield,
    fetch::{FetchError, Fetched, Request, Response},
    id::{AcceptTicket, ComputeToken, FetchToken, GetToken, InfoHash, ResolveToken, StreamId, TorrentId},
    metainfo::Info,
    storage::{Completion, FileStamp, HashJob, HashOutcome, Operation, Resume},
};
use alloc::{boxed::Box, string::String, vec::Vec};
use bytes::{Bytes, BytesMut};
use core::net::SocketAddr;

pub use crate::picker::Tier;
pub use crate::swarm::{
    AuthFailure, Community, Encryption, Memory, PeerEnd, PeerInfo, Plan, Progress, Reader, SeedGoal, State,
    StreamError, WebSeedEnd,
};
pub use config::{Config, Limits};
pub use event::{Event, Refusal};
pub use machine::Engine;
pub use statistics::{HandshakeFailure, Statistics};

/// What can happen to an engine.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Input {
    /// Begin: listen where the configuration says.
    Start,
    /// Somebody wants something of the engine.
    Command(Command),
    /// A [`Action::Listen`] worked.
    Listening {
        /// Where peers can reach us. The port is the real one.
        local: SocketAddr,
    },
    /// A [`Action::Listen`] failed.
    ListenFailed {
        /// Why.
        error: StreamError,
    },
    /// A peer reached us. Answered at once by [`Action::Adopt`] or [`Action::Refuse`].
    Accepted {
        /// Names it until then.
        ticket: AcceptTicket,
        /// Who.
        remote: SocketAddr,
    },
    /// A [`Action::Connect`] worked.
    Connected {
        /// Which.
        stream: StreamId,
    },
    /// Bytes came in.
    Received {
        /// Where.
        stream: StreamId,
        /// The bytes, in the buffer that they were read into. A driver that reads on into the rest of
        /// the same allocation spares the engine from joining a message that is cut in two.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: BytesMut,
    },
    /// The system took bytes of [`Action::Send`] off the driver's hands.
    Sent {
        /// Where.
        stream: StreamId,
        /// How many.
        bytes: usize,
    },
    /// A stream is over, or a [`Action::Connect`] failed. Nothing more is said of it.
    Closed {
        /// Which.
        stream: StreamId,
        /// Why, unless the peer closed it in order.
        error: Option<StreamError>,
    },
    /// An [`Action::Storage`] is done.
    Storage {
        /// Whose.
        torrent: TorrentId,
        /// How it ended.
        completion: Completion,
    },
    /// An [`Action::Compute`] is done.
    Computed {
        /// Whose.
        torrent: TorrentId,
        /// Which.
        token: ComputeToken,
        /// What came out.
        outcome: HashOutcome,
    },
    /// Something of an [`Action::Fetch`] comes in.
    Fetched {
        /// Whose.
        torrent: TorrentId,
        /// Of which.
        token: FetchToken,
        /// What.
        what: Fetched,
    },
    /// An [`Action::Get`] is done.
    Got {
        /// Which.
        token: GetToken,
        /// What came.
        result: Result<Response, FetchError>,
    },
    /// An [`Action::Resolve`] is done.
    Resolved {
        /// Which.
        token: ResolveToken,
        /// What the name stands for; none, if nobody knows.
        addrs: Vec<SocketAddr>,
    },
    /// A datagram came in.
    Datagram {
        /// From where.
        from: SocketAddr,
        /// What it holds.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
}

/// What somebody can want of an engine.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Command {
    /// Begin with a torrent, or go on with one whose metadata has come. Answered by [`Event::Added`] or
    /// [`Event::Refused`].
    Add(Box<AddTorrent>),
    /// Ask peers what a torrent is (BEP 9). Answered by [`Event::Fetching`] or [`Event::Refused`], then by
    /// [`Event::Metadata`].
    Fetch(Box<FetchTorrent>),
    /// Forget a torrent. Answered by [`Event::Removed`].
    Remove {
        /// Which.
        info_hash: InfoHash,
    },
    /// Drop a torrent's peers and take no new ones.
    Pause {
        /// Which.
        info_hash: InfoHash,
    },
    /// The opposite of `Pause`.
    Unpause {
        /// Which.
        info_hash: InfoHash,
    },
    /// Want something else of a torrent.
    Follow {
        /// Which.
        info_hash: InfoHash,
        /// What.
        plan: Box<Plan>,
    },
    /// Somebody reads a file while it comes, and has come this far: what is next is wanted soon. `None`:
    /// nobody reads any more.
    Read {
        /// Of which torrent.
        info_hash: InfoHash,
        /// Where.
        reader: Option<Reader>,
    },
    /// Somebody knows a peer's address.
    AddPeer {
        /// For which torrent.
        info_hash: InfoHash,
        /// Where the peer listens.
        remote: SocketAddr,
    },
    /// Somebody knows of a tracker.
    AddTracker {
        /// Of which torrent.
        info_hash: InfoHash,
        /// Its URL.
        url: String,
    },
    /// Somebody knows of a server that has a torrent's files (BEP 19).
    AddWebSeed {
        /// Of which torrent.
        info_hash: InfoHash,
        /// Where: the file, or the folder that the torrent's file or folder is in.
        url: String,
    },
    /// Limit rates, in bytes of block data a second; `None` is no limit. Half a second's worth, or two
    /// blocks, may be saved up.
    Limit {
        /// Of which torrent; `None`: over all torrents.
        info_hash: Option<InfoHash>,
        /// From peers.
        download: Option<u64>,
        /// To peers.
        upload: Option<u64>,
    },
    /// Close all streams, make everything durable, save what is known. Answered by [`Event::Stopped`].
    Stop,
}

/// A torrent to begin with.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AddTorrent {
    /// What it is.
    pub info: Info,
    /// What was known at the end of the last run.
    pub resume: Option<Resume>,
    /// Size and time of each file as it lies on disk now, `None` where there is none; padding too.
    pub on_disk: Vec<Option<FileStamp>>,
    /// What is wanted of it.
    pub plan: Plan,
    /// Only check what is on disk: take no peers until [`Command::Unpause`].
    pub paused: bool,
    /// Peers known from the start.
    pub peers: Vec<SocketAddr>,
    /// Servers that have its files (BEP 19).
    #[cfg_attr(feature = "serde", serde(default))]
    pub web_seeds: Vec<String>,
    /// Trackers, in tiers (BEP 12).
    #[cfg_attr(feature = "serde", serde(default))]
    pub trackers: Vec<Vec<String>>,
}

/// A torrent of which only the name is known: what a magnet link says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FetchTorrent {
    /// Its name.
    pub info_hash: InfoHash,
    /// Peers known from the start.
    pub peers: Vec<SocketAddr>,
    /// Trackers, in tiers; those of a link are a tier each.
    #[cfg_attr(feature = "serde", serde(default))]
    pub trackers: Vec<Vec<String>>,
}

/// What an engine wants.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Action {
    /// Accept streams at this address; port 0 means any. Answer `Listening` or `ListenFailed`.
    Listen {
        /// Where.
        local: SocketAddr,
    },
    /// Dial. Answer `Connected` or `Closed`.
    Connect {
        /// What to call it.
        stream: StreamId,
        /// Where.
        remote: SocketAddr,
    },
    /// An accepted stream is welcome; begin to read it.
    Adopt {
        /// Which.
        ticket: AcceptTicket,
        /// What to call it from now on.
        stream: StreamId,
    },
    /// An accepted stream is not welcome; close it.
    Refuse {
        /// Which.
        ticket: AcceptTicket,
    },
    /// Send bytes, behind those given before. Answer `Sent`, in any portions.
    Send {
        /// Where.
        stream: StreamId,
        /// What.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
    /// Send what was given before, if that can be done at once, then close. Say nothing more of it.
    Close {
        /// Which.
        stream: StreamId,
    },
    /// The operations of this torrent come under this name from now on.
    Open {
        /// The name.
        torrent: TorrentId,
        /// Which torrent.
        info_hash: InfoHash,
    },
    /// No more operations come under this name; let go of its files.
    Release {
        /// The name.
        torrent: TorrentId,
    },
    /// Read, write or flush. Answer `Storage`.
    Storage {
        /// Whose.
        torrent: TorrentId,
        /// What.
        operation: Operation,
    },
    /// Call `job.run()` on a thread of your choice. Answer `Computed`.
    Compute {
        /// Whose.
        torrent: TorrentId,
        /// Comes back with the outcome.
        token: ComputeToken,
        /// The work.
        job: HashJob,
    },
    /// Fetch bytes of a file over HTTP. Answer `Fetched`, bit by bit: no more bytes of the body than there is
    /// credit for, so that a driver reads on no faster than the engine has room.
    Fetch {
        /// Whose.
        torrent: TorrentId,
        /// Comes back with what comes in.
        token: FetchToken,
        /// What.
        request: Request,
        /// Bytes of the body that may be handed on.
        credit: u64,
    },
    /// So many bytes more of a body may be handed on.
    FetchMore {
        /// Whose.
        torrent: TorrentId,
        /// Of which fetch.
        token: FetchToken,
        /// Bytes.
        bytes: u64,
    },
    /// Nothing more of a fetch is wanted. Say nothing more of it.
    CancelFetch {
        /// Whose.
        torrent: TorrentId,
        /// Which.
        token: FetchToken,
    },
    /// Get something short over HTTP, whole. Answer `Got`.
    Get {
        /// Comes back with it.
        token: GetToken,
        /// Where.
        url: String,
        /// The longest body that is taken, in bytes.
        limit: usize,
    },
    /// The answer to a `Get` is not wanted any more. Say nothing more of it.
    CancelGet {
        /// Which.
        token: GetToken,
    },
    /// Look a name up. Answer `Resolved`.
    Resolve {
        /// Comes back with the addresses.
        token: ResolveToken,
        /// The name.
        host: String,
        /// The port that the addresses are to have.
        port: u16,
    },
    /// Send a datagram, from one port for each address family for as long as the engine lives: answers come
    /// back there. Whether it arrives nobody knows.
    SendTo {
        /// Where.
        to: SocketAddr,
        /// What it holds.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
    /// Keep what is known of a torrent where the next run finds it: add the files' stamps as they are
    /// now, write [`Resume::encode`] to a temporary name and rename it.
    SaveResume {
        /// Whose.
        torrent: TorrentId,
        /// Which pieces are verified and durable.
        have: Bitfield,
        /// Whether nothing more will be written in this run.
        clean: bool,
    },
    /// Something that people may want to know.
    Event(Event),
}
