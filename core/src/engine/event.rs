//! What an engine tells people.

use super::{AuthFailure, PeerEnd, PeerInfo, Progress, Statistics, StreamError, WebSeedEnd};
use crate::{
    bitfield::Bitfield,
    ic::Verified,
    id::{FileIndex, InfoHash, PieceIndex},
    metainfo::{self, Info},
    storage::StorageError,
    tracker::announcer::TrackerStatus,
};
use alloc::{boxed::Box, string::String};
use core::{net::SocketAddr, time::Duration};
use thiserror::Error;

/// Something that people may want to know.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// Peers can reach us.
    Listening {
        /// Here.
        local: SocketAddr,
    },
    /// Peers cannot reach us.
    NotListening {
        /// Why.
        error: StreamError,
    },
    /// A torrent was added.
    Added {
        /// Which.
        info_hash: InfoHash,
    },
    /// Peers are being asked what a torrent is.
    Fetching {
        /// Which.
        info_hash: InfoHash,
    },
    /// What a torrent is has come from peers, and is right. [`Command::Add`](super::Command::Add) goes on with it; the peers stay.
    Metadata {
        /// What it is.
        info: Box<Info>,
    },
    /// What a torrent is has come from peers, and is right, but it is nothing that we can share.
    MetadataUnusable {
        /// Which.
        info_hash: InfoHash,
        /// Why.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::text"))]
        error: metainfo::Error,
    },
    /// A torrent was not added.
    Refused {
        /// Which.
        info_hash: InfoHash,
        /// Why not.
        why: Refusal,
    },
    /// A torrent was removed.
    Removed {
        /// Which.
        info_hash: InfoHash,
    },
    /// What is on disk was checked.
    Checked {
        /// Of which torrent.
        info_hash: InfoHash,
        /// What is there.
        have: Bitfield,
    },
    /// How a torrent stands. Comes every [`Config::progress_interval`](super::Config::progress_interval).
    Progress(Box<Progress>),
    /// A piece is verified and written.
    PieceVerified {
        /// Of which torrent.
        info_hash: InfoHash,
        /// Which.
        piece: PieceIndex,
        /// The peer that sent most of it.
        from: Option<SocketAddr>,
    },
    /// A piece did not match its hash; it is asked for again.
    PieceFailed {
        /// Of which torrent.
        info_hash: InfoHash,
        /// Which.
        piece: PieceIndex,
    },
    /// A peer sent a corrupt block or wrong metadata: it is not dialled again, and refused when it dials.
    PeerBanned {
        /// From which torrent.
        info_hash: InfoHash,
        /// Its address; of an incoming stream, not one that can be dialled.
        remote: SocketAddr,
    },
    /// A torrent is complete, verified and written.
    Completed {
        /// Which.
        info_hash: InfoHash,
    },
    /// Everything that is wanted of a torrent is there, verified and written, but that is not all.
    Finished {
        /// Which.
        info_hash: InfoHash,
    },
    /// A torrent was shared for as long as its plan says; it is paused.
    SeedGoalReached {
        /// Which.
        info_hash: InfoHash,
    },
    /// How it stands with a tracker, whenever that changes.
    Tracker {
        /// Of which torrent.
        info_hash: InfoHash,
        /// How.
        status: Box<TrackerStatus>,
    },
    /// A peer says who plays on it (`ic_auth`); whether that is so.
    Player {
        /// In which torrent.
        info_hash: InfoHash,
        /// Where.
        remote: SocketAddr,
        /// Who, or why not.
        result: Result<Verified, AuthFailure>,
    },
    /// A peer is connected.
    PeerConnected {
        /// In which torrent.
        info_hash: InfoHash,
        /// Who.
        peer: PeerInfo,
    },
    /// A peer is gone.
    PeerGone {
        /// From which torrent.
        info_hash: InfoHash,
        /// Who, and what was exchanged.
        peer: PeerInfo,
        /// Why.
        why: PeerEnd,
    },
    /// A dial, or a handshake after it, failed.
    DialFailed {
        /// For which torrent.
        info_hash: InfoHash,
        /// Whom.
        remote: SocketAddr,
        /// Why.
        why: PeerEnd,
    },
    /// A dial failed with or without encryption; it is tried again the other way.
    FellBack {
        /// For which torrent.
        info_hash: InfoHash,
        /// Whom.
        remote: SocketAddr,
        /// Why the first try failed.
        why: PeerEnd,
    },
    /// A web seed answers as it should.
    WebSeedUp {
        /// In which torrent.
        info_hash: InfoHash,
        /// Which.
        url: String,
    },
    /// A web seed is asked for nothing more.
    WebSeedGone {
        /// In which torrent.
        info_hash: InfoHash,
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
    /// A torrent cannot go on: its storage failed. Nothing verified is lost.
    Failed {
        /// Which.
        info_hash: InfoHash,
        /// The file, unless it was all of them.
        file: Option<FileIndex>,
        /// What the storage said.
        error: StorageError,
    },
    /// What came of encryption, in all. Comes right before [`Event::Stopped`]; earlier, ask
    /// [`Engine::statistics`](super::Engine::statistics).
    Statistics(Box<Statistics>),
    /// A [`Command::Stop`](super::Command::Stop) is done: nothing more comes.
    Stopped,
}

/// Why a torrent was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Refusal {
    /// It is there already.
    #[error("the torrent is already there")]
    AlreadyThere,
    /// [`Limits::torrents`](super::Limits::torrents) is reached.
    #[error("too many torrents")]
    TooMany,
    /// The stamps or the resume state are of another torrent.
    #[error("the files' stamps do not fit the torrent")]
    Mismatch,
    /// The engine is stopping.
    #[error("the engine is stopping")]
    Stopping,
}
