//! A connected peer, as its swarm sees it.

use super::{
    PeerInfo, extended::Ids, fast::AllowedFast, machine::Swarm, players::PlayerState, spread::Drain,
    suggest::Told, upload::UploadQueue,
};
use crate::{
    Instant,
    id::{PeerKey, StreamId},
    wire::Connection,
};
use alloc::boxed::Box;
use core::time::Duration;

/// For how long a peer counts as one that serves us after its last block. Seeds serve by turns, of a minute
/// or so, and between two of them it is they whom we wait for.
const SERVES_US_FOR: Duration = Duration::from_secs(600);

/// A connected peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) stream: StreamId,
    pub(super) info: PeerInfo,
    pub(super) connection: Connection,
    /// Whether both sides speak BEP 6.
    pub(super) fast: bool,
    /// Whether we serve it.
    pub(super) unchoked: bool,
    /// What it asked for; none as long as it never asked.
    pub(super) queue: Option<Box<UploadQueue>>,
    /// What it may have while it is choked.
    pub(super) allowed: AllowedFast,
    /// What we suggested to it.
    pub(super) told: Told,
    /// Bytes on their way from storage to it.
    pub(super) reading: usize,
    /// Bytes of blocks given to its connection and not yet sent.
    pub(super) unsent: usize,
    /// When it last sent us a block, if it did.
    pub(super) served_us_at: Option<Instant>,
    /// How many of those, and of those being read, there are up to the end of the last piece among them that
    /// nobody has.
    pub(super) spreading: usize,
    /// How fast it takes them.
    pub(super) drain: Drain,
    /// Until when at most it is passed over while others get what nobody has; none once it had its turn.
    pub(super) passed_over: Option<Instant>,
    /// Whether it stands in line for upload memory or allowance.
    pub(super) in_line: bool,
    /// Requests that it owes an answer to: each gets one block or, with BEP 6, one reject.
    pub(super) unanswered: u32,
    /// Blocks or rejects that nobody asked for.
    pub(super) strikes: u8,
    /// Whether both sides speak BEP 10.
    pub(super) extended: bool,
    /// Which version of the IC extensions it speaks; 0: none.
    pub(super) ic_version: u32,
    /// Who plays on it.
    pub(super) player: PlayerState,
    /// Whether it has said who it is.
    pub(super) introduced: bool,
    /// Whether it was told who plays here, if anybody does: once, however often it asks (`ic_auth`).
    pub(super) knows_player: bool,
    /// By which ids it takes extension messages.
    pub(super) ids: Ids,
    /// How long it says the info dictionary is (BEP 9).
    pub(super) metadata_size: Option<u32>,
    /// Whether it says that it wants nothing (BEP 21).
    pub(super) upload_only: bool,
    /// What it said of itself, kept for when the pieces are known.
    pub(super) early: Early,
    /// Whether it is about to leave; nothing it says counts any more.
    pub(super) leaving: bool,
}

/// What a peer may say of itself before the pieces are known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Early {
    pub(super) unchokes: bool,
    pub(super) interested: bool,
    /// How many requests it queues.
    pub(super) reqq: Option<u32>,
}

impl Peer {
    pub(super) fn new(
        stream: StreamId,
        info: PeerInfo,
        connection: Connection,
        (fast, extended): (bool, bool),
    ) -> Self {
        Self {
            stream,
            info,
            connection,
            fast,
            unchoked: false,
            queue: None,
            allowed: AllowedFast::default(),
            told: Told::default(),
            reading: 0,
            unsent: 0,
            served_us_at: None,
            spreading: 0,
            drain: Drain::default(),
            passed_over: None,
            in_line: false,
            unanswered: 0,
            strikes: 0,
            extended,
            ic_version: 0,
            player: PlayerState::default(),
            introduced: false,
            knows_player: false,
            ids: Ids::default(),
            metadata_size: None,
            upload_only: false,
            early: Early::default(),
            leaving: false,
        }
    }

    /// Heap and own bytes, without block data.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.connection.memory()
            + self.allowed.heap_bytes()
            + self.told.heap_bytes()
            + self.queue.as_ref().map_or(0, |queue| queue.heap_bytes())
    }
}

impl Swarm {
    /// Whether a peer is of use now, so that nobody should be given its place.
    ///
    /// That takes deeds, for words cost nothing: a peer that says that it has everything, or wants it, is of
    /// no use yet. One is if
    /// - we serve it, or owe it bytes that are on their way; slots are few, and they are dealt out by merit;
    /// - it served us lately, or is about to: requests of ours stand at it, and it has not let its time pass;
    /// - it is in the lobby, which has few places as well;
    /// - it has proven to be one of our community, where not everybody is.
    ///
    /// Before the metadata is here nothing tells who will be of use, so everybody is.
    #[must_use]
    pub fn is_of_use(&self, now: Instant, key: PeerKey) -> bool {
        let Some(peer) = self.peers.get(key) else { return false };
        let served = peer.unchoked || peer.reading > 0 || peer.unsent > 0;
        let served_us = peer.served_us_at.is_some_and(|at| now - at < SERVES_US_FOR);
        let will_serve_us = || self.picker.peer_stats(key).is_some_and(|it| it.queue > 0 && !it.snubbed);
        let restricted =
            self.config.community.as_ref().is_some_and(|community| !community.members.is_empty());
        let member = restricted && peer.player.authenticated;
        self.is_magnet || served || served_us || will_serve_us() || self.choker.is_lobby(key) || member
    }
}
