//! Who sent a corrupt block (bad input 16).
//!
//! A hash that fails says that a piece is bad, not which block, nor who sent it. What one peer alone sent
//! is its fault. Of other pieces the hash of each block is kept with its sender, and the piece is asked for
//! again, now of one peer alone (`picker`), so that the next copy convicts somebody, good or bad:
//!
//! ```text
//!   piece fails ─┬─▶ one sender ──────────────────────────────────────────────────▶ banned
//!                └─▶ several ─▶ hash each block ─▶ FailedCopies                       ▲
//!                                                       │                             │
//!   piece verifies ───────────▶ hash each block ─▶ the block differs: its sender is guilty
//! ```
//!
//! Who sent a block that is the same in both copies is innocent of it. A guilty peer that has left is banned
//! all the same: its address is kept with the block.

use super::{Action, PeerEnd, machine::Swarm, peer::Peer};
use crate::{
    Instant, Outbox,
    id::{PeerKey, PieceIndex},
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::net::SocketAddr;

/// Who sent a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sender {
    pub(super) peer: PeerKey,
    /// Where it is; `None` of a web seed.
    pub(super) remote: Option<SocketAddr>,
    /// Whether we dialled.
    pub(super) outgoing: bool,
}

/// Where a block comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nowhere: it is not here, or it is padding.
    #[default]
    Nobody,
    /// It accuses nobody: it may be that of one peer or that of another, or its sender is banned already.
    Unsure,
    /// A peer, whose data was stored.
    Peer(Sender),
}

impl Origin {
    /// Where a block comes from that `sender` sent as well.
    pub(super) fn or(self, sender: Sender) -> Self {
        if self == Self::Nobody || self == Self::Peer(sender) { Self::Peer(sender) } else { Self::Unsure }
    }

    /// The block of a peer that was banned accuses nobody any more.
    pub(super) fn clear(&mut self, peer: PeerKey) {
        if matches!(self, Self::Peer(sender) if sender.peer == peer) {
            *self = Self::Unsure;
        }
    }

    const fn sender(self) -> Option<Sender> {
        match self {
            Self::Peer(sender) => Some(sender),
            Self::Nobody | Self::Unsure => None,
        }
    }
}

/// The one who sent every block of a piece.
pub(super) fn only_sender(origins: &[Origin]) -> Option<Sender> {
    let mut known = origins.iter().filter(|origin| **origin != Origin::Nobody);
    let first = known.next()?;
    first.sender().filter(|_| known.all(|origin| origin == first))
}

/// The one who sent most blocks of a piece.
pub(super) fn chief_sender(origins: &[Origin]) -> Option<Sender> {
    if let Some(only) = only_sender(origins) {
        return Some(only);
    }
    let mut counts = BTreeMap::new();
    for sender in origins.iter().filter_map(|origin| origin.sender()) {
        *counts.entry(sender).or_insert(0_u32) += 1;
    }
    counts.into_iter().max_by_key(|(_, blocks)| *blocks).map(|(sender, _)| sender)
}

/// The SHA-1 of a block.
type BlockHash = [u8; 20];

/// A block of a copy that failed.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    number: u32,
    sender: Sender,
    hash: BlockHash,
}

/// What is kept of copies that failed, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct FailedCopies {
    copies: VecDeque<(PieceIndex, Vec<Suspect>)>,
    suspects: usize,
}

impl FailedCopies {
    /// Keeps the blocks of a copy that failed; drops old copies that do not fit into `limit` bytes any more.
    fn keep(&mut self, piece: PieceIndex, origins: &[Origin], hashes: &[BlockHash], limit: usize) {
        let blocks = (0..).zip(origins).zip(hashes);
        let suspects = blocks.filter_map(|((number, origin), hash)| {
            origin.sender().map(|sender| Suspect { number, sender, hash: *hash })
        });
        let suspects: Vec<_> = suspects.collect();
        if suspects.is_empty() {
            return;
        }
        self.suspects += suspects.len();
        self.copies.push_back((piece, suspects));
        while self.memory() > limit
            && let Some((_, oldest)) = self.copies.pop_front()
        {
            self.suspects -= oldest.len();
        }
    }

    /// Whether a copy of `piece` has failed before.
    pub(super) fn has(&self, piece: PieceIndex) -> bool {
        self.copies.iter().any(|(failed, _)| *failed == piece)
    }

    /// A copy of `piece` is right, and its blocks have these hashes: who sent others before. The copies that
    /// failed are forgotten.
    fn judge(&mut self, piece: PieceIndex, right: &[BlockHash]) -> Vec<Sender> {
        let mut guilty = Vec::new();
        self.copies.retain(|(failed, suspects)| {
            if *failed != piece {
                return true;
            }
            self.suspects -= suspects.len();
            for suspect in suspects {
                let differs = right.get(suspect.number as usize).is_some_and(|hash| *hash != suspect.hash);
                if differs && !guilty.contains(&suspect.sender) {
                    guilty.push(suspect.sender);
                }
            }
            false
        });
        guilty
    }

    /// A peer is banned: one verdict is enough.
    fn clear(&mut self, peer: PeerKey) {
        for (_, suspects) in &mut self.copies {
            let before = suspects.len();
            suspects.retain(|suspect| suspect.sender.peer != peer);
            self.suspects -= before - suspects.len();
        }
    }

    /// Bytes of what is kept.
    pub(super) fn memory(&self) -> usize {
        self.copies.len() * size_of::<(PieceIndex, Vec<Suspect>)>() + self.suspects * size_of::<Suspect>()
    }
}

impl Swarm {
    /// The blocks of a piece that failed, or of one that had failed before, are hashed.
    pub(super) fn on_blocks_hashed(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        good: bool,
        hashes: &[u8],
        out: &mut Outbox<Action>,
    ) {
        let (hashes, _) = hashes.as_chunks();
        if good {
            for guilty in self.failed_copies.judge(piece, hashes) {
                self.ban(now, guilty, out);
            }
        } else if let Some(fill) = self.fills.get(&piece) {
            self.failed_copies.keep(piece, fill.origins(), hashes, self.config.poison_memory);
        }
    }

    /// A peer sent a corrupt block: it leaves, and is not wanted again.
    pub(super) fn ban(&mut self, now: Instant, guilty: Sender, out: &mut Outbox<Action>) {
        let Sender { peer, remote, outgoing } = guilty;
        self.failed_copies.clear(peer);
        self.fills.values_mut().for_each(|fill| fill.clear(peer));
        let Some(remote) = remote else { return self.ban_web_seed(now, peer, out) };
        out.push(Action::Banned { remote, outgoing });
        // It may have left, and come back under a new key.
        let is_it = |peer: &Peer| peer.info.remote == remote && peer.info.outgoing == outgoing;
        let here = self.peers.iter().filter(|(_, peer)| is_it(peer)).map(|(key, _)| key);
        for peer in here.collect::<Vec<_>>() {
            self.leave(peer, PeerEnd::CorruptPiece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Key;
    use alloc::vec;

    fn sender(number: u32) -> Sender {
        let remote = Some(SocketAddr::from(([192, 0, 2, number as u8], 6881)));
        Sender { peer: PeerKey::new(number, 0), remote, outgoing: true }
    }

    fn from(number: u32) -> Origin {
        Origin::Peer(sender(number))
    }

    #[test]
    fn a_block_that_came_from_two_accuses_neither() {
        assert_eq!(Origin::Nobody.or(sender(1)), from(1));
        assert_eq!(from(1).or(sender(1)), from(1));
        assert_eq!(from(1).or(sender(2)), Origin::Unsure);
        assert_eq!(Origin::Unsure.or(sender(1)), Origin::Unsure);
    }

    #[test]
    fn padding_does_not_hide_who_alone_sent_a_piece() {
        assert_eq!(only_sender(&[from(1), from(1), Origin::Nobody]), Some(sender(1)));
        assert_eq!(only_sender(&[from(1), Origin::Unsure]), None);
        assert_eq!(only_sender(&[from(1), from(2)]), None);
        assert_eq!(only_sender(&[Origin::Nobody]), None);
        assert_eq!(chief_sender(&[from(1), from(2), from(2)]), Some(sender(2)));
    }

    #[test]
    fn every_copy_that_failed_is_judged_and_only_blocks_that_differ_count() {
        let mut copies = FailedCopies::default();
        copies.keep(PieceIndex(7), &[from(1), from(2)], &[[0; 20], [9; 20]], 1000);
        copies.keep(PieceIndex(8), &[from(4)], &[[9; 20]], 1000);
        copies.keep(PieceIndex(7), &[from(3), from(2)], &[[9; 20], [8; 20]], 1000);
        assert_eq!(copies.judge(PieceIndex(7), &[[0; 20], [1; 20]]), [sender(2), sender(3)]);
        assert!(!copies.has(PieceIndex(7)) && copies.has(PieceIndex(8)));
        copies.clear(PeerKey::new(4, 0));
        assert_eq!(copies.judge(PieceIndex(8), &[[0; 20]]), []);
        assert_eq!(copies.memory(), 0);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes_first() {
        let mut copies = FailedCopies::default();
        for piece in 0..1000 {
            copies.keep(PieceIndex(piece), &vec![from(1); 10], &[[0; 20]; 10], 10_000);
            assert!(copies.memory() <= 10_000);
        }
        assert!(!copies.has(PieceIndex(0)) && copies.has(PieceIndex(990)) && copies.has(PieceIndex(999)));
        copies.keep(PieceIndex(5), &vec![from(1); 1000], &[[0; 20]; 1000], 10_000);
        assert_eq!(copies.memory(), 0, "one that alone is too much");
    }
}
