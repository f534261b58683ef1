//! Pieces that a peer may have while we choke it (BEP 6).

use super::{Action, machine::Swarm};
use crate::{
    Instant, Outbox, choker,
    id::{Block, PeerKey, PieceIndex},
    wire::{ALLOWED_FAST, Message, allowed_fast_set},
};
use alloc::vec::Vec;
use core::net::IpAddr;

/// How often a peer gets each block of an allowed piece while it is choked; libtorrent's limit too.
const COPIES: u32 = 3;

/// The pieces that one peer may have while it is choked.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowedFast {
    pieces: Vec<Allowed>,
}

#[derive(Clone, Copy, Debug)]
struct Allowed {
    piece: PieceIndex,
    /// How many of its blocks were granted.
    blocks: u32,
}

impl AllowedFast {
    fn get(&mut self, piece: PieceIndex) -> Option<&mut Allowed> {
        self.pieces.iter_mut().find(|allowed| allowed.piece == piece)
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.pieces.capacity() * size_of::<Allowed>()
    }
}

impl Swarm {
    /// A peer wants something: it is served now, or hears what it may have all the same.
    pub(super) fn on_interested(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        self.choose(now, choker::Input::Interested { peer: key }, out);
        if self.peers.get(key).is_some_and(|peer| !peer.unchoked) {
            self.allow_fast(now, key, out);
        }
    }

    /// Tells a newcomer which pieces it may have at once, so that it soon has something to trade.
    fn allow_fast(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let peer = self.peers.get(key).filter(|peer| peer.fast && peer.allowed.pieces.is_empty());
        let Some(peer) = peer else { return };
        // BEP 6 says nothing of IPv6.
        let IpAddr::V4(ip) = peer.info.remote.ip() else { return };
        if self.have.count() == 0 || !self.is_newcomer(key) {
            return;
        }
        let set = allowed_fast_set(ip, self.info.info_hash, self.geometry.pieces(), ALLOWED_FAST);
        let pieces: Vec<PieceIndex> = set.into_iter().filter(|piece| self.have.get(*piece)).collect();
        for piece in &pieces {
            self.tell(now, key, Message::AllowedFast(*piece), out);
        }
        if let Some(peer) = self.peers.get_mut(key) {
            let allowed = pieces.into_iter().map(|piece| Allowed { piece, blocks: 0 });
            peer.allowed = AllowedFast { pieces: allowed.collect() };
        }
    }

    /// Whether a peer that is choked may have a block all the same; counts it if so.
    pub(super) fn grant_fast(&mut self, key: PeerKey, block: Block) -> bool {
        let most = self.geometry.blocks(block.piece) * COPIES;
        let own = self.peers.get(key).map_or(0, |peer| peer.reading + peer.unsent);
        // While anything is on its way to others, they would wait for it: a slow seed has nothing to spare.
        if self.uploading > own || !self.is_newcomer(key) {
            return false;
        }
        let allowed = self.peers.get_mut(key).and_then(|peer| peer.allowed.get(block.piece));
        let Some(allowed) = allowed.filter(|allowed| allowed.blocks < most) else { return false };
        allowed.blocks += 1;
        true
    }

    /// Whether a peer has so little that it needs a start.
    fn is_newcomer(&self, key: PeerKey) -> bool {
        self.picker.pieces_of(key) < ALLOWED_FAST
    }
}
