//! A connected peer, as its swarm sees it.

use super::{
    PeerInfo, extended::Ids, fast::AllowedFast, players::PlayerState, suggest::Told, upload::UploadQueue,
};
use crate::{id::StreamId, wire::Connection};
use alloc::boxed::Box;

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
