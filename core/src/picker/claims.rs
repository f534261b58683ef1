//! What peers say of single pieces while nothing can come of it.
//!
//! In a torrent that is larger than the caches, a have is mostly waiting for memory: for the bit of the peer,
//! and for where the piece stands in the order. So what nobody has to act on is written down, and believed
//! together with more of its kind when something happens: then all of it waits for memory at the same time.
//!
//! From outside this cannot be seen: who asks how things stand is told with what was put off.

use super::{
    Input, Picker,
    peer::{Peer, Pieces},
    touch::touch,
};
use crate::id::PieceIndex;
use core::mem;

/// As many claims are put off at most.
pub(super) const MAX_CLAIMS: usize = 64;

/// A peer says that it has a piece, or has it no longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// The peer's.
    pub(super) slot: usize,
    pub(super) piece: PieceIndex,
    pub(super) has: bool,
}

impl Picker {
    /// Puts a have or dont-have off, if nothing can come of it; whether it was.
    pub(super) fn put_off(&mut self, input: &Input) -> bool {
        let (Input::Have { peer, piece } | Input::DontHave { peer, piece }) = *input else { return false };
        let has = matches!(input, Input::Have { .. });
        let claim = Claim { slot: peer.index(), piece, has };
        let can_wait = self.peer_of(peer).is_some_and(|peer| self.can_wait(peer, claim));
        if can_wait {
            self.claims.push(claim);
            if self.claims.len() >= MAX_CLAIMS {
                self.catch_up();
            }
        }
        can_wait
    }

    /// Whether a claim of a peer changes no interest and frees no block, and the peer has no room to be asked.
    fn can_wait(&self, peer: &Peer, Claim { piece, has, .. }: Claim) -> bool {
        let is_quiet = !self.waiting.is_supplied() && !self.waiting.urgent;
        let changes_nothing = if !self.needed.get(piece) {
            has || peer.is_fast()
        } else if has {
            peer.interested && !peer.has_room(&self.limits, self.geometry) && !self.has_urgent()
        } else {
            // Each that waits may take one away, and one must be left.
            peer.is_fast() && peer.wanted as usize > self.claims.len() + 1
        };
        matches!(peer.pieces, Pieces::Some(_))
            && piece.0 < self.geometry.pieces()
            && is_quiet
            && changes_nothing
    }

    /// Believes what was put off. To be called before anything else happens.
    pub(super) fn catch_up(&mut self) {
        if self.claims.is_empty() {
            return;
        }
        let mut claims = mem::take(&mut self.claims);
        if claims.len() > 1 {
            self.order.touch(&claims);
            touch(&claims, |claim| match &self.peer(claim.slot)?.pieces {
                Pieces::Some(pieces) => pieces.word(claim.piece),
                Pieces::None | Pieces::All => None,
            });
        }
        for claim in claims.drain(..) {
            self.believe(claim);
        }
        self.claims = claims;
    }

    /// Whether the peer is known to have the piece, what was put off aside.
    fn is_known(&self, claim: &Claim) -> bool {
        self.peer(claim.slot).is_some_and(|peer| peer.pieces.has(claim.piece))
    }

    /// Those of the claims put off that will turn out to be new, the oldest first.
    pub(super) fn news(&self, which: impl Fn(&Claim) -> bool) -> impl Iterator<Item = &Claim> {
        self.claims.iter().enumerate().filter_map(move |(at, claim)| {
            let same = |one: &&Claim| (one.slot, one.piece) == (claim.slot, claim.piece);
            let before = || self.claims.iter().take(at).rev().find(same);
            let had = || before().map_or_else(|| self.is_known(claim), |before| before.has);
            (which(claim) && had() != claim.has).then_some(claim)
        })
    }

    /// What becomes of a count of copies with what was put off of `which` claims.
    pub(super) fn with_news(&self, count: u32, which: impl Fn(&Claim) -> bool) -> u32 {
        self.news(which).fold(count, |count, claim| if claim.has { count + 1 } else { count - 1 })
    }
}
