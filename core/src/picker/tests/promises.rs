//! What the naive world holds the picker to, after every call.

use super::{
    super::{cell::Cell, tier::Class, *},
    model::{Other, World},
};
use crate::id::BLOCK_LENGTH;
use alloc::vec::Vec;
use core::mem;

impl World {
    pub(super) fn check(&mut self, actions: &mut [Action]) {
        let mut doubled = false;
        self.peers.iter_mut().for_each(|other| other.asked_before = other.asked.len());
        for action in actions {
            match *action {
                Action::Request { peer, block } => doubled |= self.check_request(peer, block),
                Action::Cancel { peer, block } => {
                    let now = self.now;
                    let other = self.other(peer);
                    let at = other.asked.iter().position(|asked| *asked == block).expect("cancelled");
                    other.asked.remove(at);
                    other.late.push((block, now));
                }
                Action::Interested { peer } => assert!(!mem::replace(&mut self.other(peer).interested, true)),
                Action::NotInterested { peer } => {
                    assert!(mem::replace(&mut self.other(peer).interested, false));
                }
                Action::Pad { block } => {
                    assert!(self.is_padding(block));
                    self.here.insert(block);
                }
                Action::Complete { piece } => {
                    for number in 0..self.config.geometry.blocks(piece) {
                        let block = self.config.geometry.block(piece, number).expect("inside");
                        assert!(self.here.contains(&block), "{block:?} is not here");
                    }
                    assert!(!self.have[piece.0 as usize] && self.complete.insert(piece), "completed twice");
                }
                Action::Store { .. } | Action::Discard { .. } | Action::Snubbed { .. } => {}
            }
        }
        assert!(!doubled || self.is_endgame(), "asked twice outside endgame");
        self.recount();
        self.check_nothing_waits();
    }

    /// Whether the block was asked for elsewhere.
    fn check_request(&mut self, peer: PeerKey, block: Block) -> bool {
        let elsewhere = self.peers.iter().filter(|other| other.asked.contains(&block)).count();
        assert!(elsewhere < self.config.endgame_peers as usize, "asked of too many");
        let number = block.begin / BLOCK_LENGTH;
        assert_eq!(self.config.geometry.block(block.piece, number), Some(block));
        assert!(!self.have[block.piece.0 as usize] && !self.complete.contains(&block.piece));
        assert!(!self.is_padding(block), "asked for padding");
        assert!(self.budget >= u64::from(block.length), "over the budget");
        if self.budget != u64::MAX {
            self.budget -= u64::from(block.length);
        }
        if elsewhere == 0 {
            self.check_choice(peer, block);
        }
        let max = self.config.pipeline.max as usize;
        let other = self.other(peer);
        assert!(other.interested && other.has[block.piece.0 as usize]);
        assert!(other.unchoked || other.allowed.contains(&block.piece), "asked while it chokes us");
        assert!(!other.asked.contains(&block), "asked twice at once");
        other.asked.push(block);
        let whole = if other.source == Source::Web { 4 } else { 0 };
        // A peer that lowers its limit keeps what stands, and one may take the place of another.
        let most = other.reqq.min(max).max(whole).max(other.asked_before);
        assert!(other.asked.len() <= most, "asked for too much");
        elsewhere > 0
    }

    /// Nothing more urgent is free for this peer. Not so where limits of open pieces stand against it, or
    /// those of a header.
    fn check_choice(&mut self, peer: PeerKey, block: Block) {
        let class = self.class(block.piece);
        assert!(class.is_some(), "asked for what is skipped");
        let other = self.other(peer).clone();
        let is_limited = self.config.pipeline.open_pieces_per_peer != u32::MAX;
        if is_limited || self.picker.is_crowded() || !other.unchoked {
            return;
        }
        let mut free = self.free_for(&other);
        // Another piece that failed may be another's to send alone.
        free.retain(|free| free.piece == block.piece || !self.picker.failed.get(free.piece));
        for free in &free {
            let rank = self.class(free.piece);
            assert!(rank >= class || rank == Some(Class::Header), "{block:?} before {free:?}");
        }
        let rivals: Vec<PieceIndex> = free.iter().map(|free| free.piece).collect();
        // A web server goes on with the next piece; a header may be left to others.
        if other.source != Source::Web && class != Some(Class::Header) {
            self.check_order(block.piece, rivals.into_iter().filter(|piece| self.class(*piece) == class));
        }
    }

    /// A piece comes in its turn among the `rivals` of its class that have free blocks for the peer: the one
    /// that is due first, the lowest, or the rarest of those that are not begun.
    fn check_order(&self, piece: PieceIndex, mut rivals: impl Iterator<Item = PieceIndex>) {
        if self.class(piece) == Some(Class::Deadline) {
            let turn = |piece: PieceIndex| (self.due.get(&piece), piece);
            assert!(rivals.all(|rival| turn(rival) >= turn(piece)), "{piece:?} is not the soonest");
        } else if self.picker.sequential {
            assert!(rivals.all(|rival| rival >= piece), "{piece:?} is not the lowest");
        } else if self.is_fresh(piece) {
            let copies = |piece: PieceIndex| self.copies(piece.0 as usize);
            let rarest = rivals.filter(|rival| self.is_fresh(*rival)).map(copies).min();
            assert_eq!(Some(copies(piece)), rarest, "{piece:?} is not the rarest");
        }
    }

    /// How many peers have a piece.
    fn copies(&self, piece: usize) -> usize {
        self.peers.iter().filter(|other| other.has[piece]).count()
    }

    /// Whether a piece is not begun, nor remembered for what was taken back of it.
    fn is_fresh(&self, piece: PieceIndex) -> bool {
        !self.open_before[piece.0 as usize] && !self.begun(piece.0)
    }

    /// Whether the few blocks that are missing may be asked for twice.
    fn is_endgame(&self) -> bool {
        let asked = |block: &Block| self.peers.iter().any(|other| other.asked.contains(block));
        let missing = self.missing();
        let few = missing.len() <= self.config.endgame_threshold as usize;
        !missing.is_empty() && (few || missing.iter().all(asked))
    }

    /// The class of a piece that is not held.
    fn class(&self, piece: PieceIndex) -> Option<Class> {
        Class::of(self.tier(piece.0 as usize), self.due.contains_key(&piece))
    }

    /// Every block that is neither here nor asked for, and that this peer has.
    fn free_for(&self, other: &Other) -> Vec<Block> {
        let mut free = self.missing();
        free.retain(|block| {
            let asked = self.peers.iter().any(|other| other.asked.contains(block));
            other.has[block.piece.0 as usize] && !asked
        });
        free
    }

    /// Every block that is wanted and not here.
    fn missing(&self) -> Vec<Block> {
        let geometry = self.config.geometry;
        let pieces = (0..geometry.pieces()).map(PieceIndex);
        let wanted = pieces.filter(|piece| {
            let held = self.have[piece.0 as usize] || self.complete.contains(piece);
            !held && self.class(*piece).is_some()
        });
        let blocks = wanted.flat_map(|piece| {
            (0..geometry.blocks(piece)).filter_map(move |number| geometry.block(piece, number))
        });
        let is_here = |block: &Block| {
            let cell = self.picker.open.cell(block.piece, block.begin / BLOCK_LENGTH);
            cell.is_some_and(Cell::is_here)
        };
        blocks.filter(|block| !is_here(block) && !self.is_padding(*block)).collect()
    }

    /// Nobody who could be asked for more goes idle, and nobody is full of the background while something
    /// urgent is free for it.
    fn check_nothing_waits(&self) {
        if self.budget < u64::from(BLOCK_LENGTH) {
            return;
        }
        for other in self.peers.iter().filter(|other| other.interested) {
            let Some(stats) = self.picker.peer_stats(other.key) else { continue };
            let Some(known) = self.picker.peer(other.key.index()) else { continue };
            if known.holds_until.is_some() || other.source == Source::Web && stats.queue > 0 {
                continue;
            }
            let mut free = self.free_for(other);
            free.retain(|block| self.may_ask(other, block.piece));
            if stats.queue < stats.depth {
                assert_eq!(free.first(), None, "{:?} is idle", other.key);
            } else if other.unchoked && free.iter().any(|block| self.is_urgent(block.piece)) {
                let victim = other.asked.iter().find(|asked| {
                    let cell = self.picker.open.cell(asked.piece, asked.begin / BLOCK_LENGTH);
                    self.class(asked.piece) == Some(Class::Background)
                        && cell.is_some_and(|cell| !cell.is_spared())
                });
                assert_eq!(victim, None, "more urgent blocks are free for {:?}", other.key);
            }
        }
    }

    fn is_urgent(&self, piece: PieceIndex) -> bool {
        self.class(piece).is_some_and(|class| Class::PRE_EMPTING.contains(&class))
    }

    /// Whether no limit keeps a peer from being asked for a piece of which blocks are free.
    fn may_ask(&self, other: &Other, piece: PieceIndex) -> bool {
        let has_room = self.picker.open.is_open(piece)
            || !self.picker.is_crowded()
            || self.picker.open.clone().idle().is_some();
        let class = self.class(piece);
        has_room && class.is_some_and(|class| self.picker.may_ask(other.key.index(), class, piece))
    }

    /// Whether some block of a piece is here or asked for.
    pub(super) fn begun(&self, piece: u32) -> bool {
        let of = |block: &Block| block.piece.0 == piece;
        self.have[piece as usize]
            || self.here.iter().any(of)
            || self.peers.iter().any(|other| other.asked.iter().any(of))
    }

    /// The highest tier of the packages that use a piece.
    pub(super) fn tier(&self, piece: usize) -> Tier {
        let using = self.packages.values().filter(|(pieces, _)| pieces.contains(&(piece as u32)));
        using.map(|(_, tier)| *tier).max().unwrap_or(self.config.tier)
    }

    fn is_padding(&self, block: Block) -> bool {
        let start = self.config.geometry.block_offset(block);
        let end = start + u64::from(block.length);
        self.config.padding.iter().any(|run| run.start <= start && end <= run.end)
    }

    fn recount(&self) {
        for piece in 0..self.have.len() {
            assert_eq!(self.picker.availability(PieceIndex(piece as u32)) as usize, self.copies(piece));
            assert_eq!(self.picker.have().get(PieceIndex(piece as u32)), self.have[piece]);
        }
        let mut requested = 0;
        for other in &self.peers {
            let needed = |piece: &usize| !self.have[*piece] && self.tier(*piece) != Tier::Skip;
            let wanted = (0..self.have.len()).filter(|piece| other.has[*piece] && needed(piece)).count();
            assert_eq!(self.picker.wanted_from(other.key) as usize, wanted);
            assert_eq!(other.interested, wanted > 0, "interest");
            assert_eq!(self.picker.is_seed(other.key), other.has.iter().all(|has| *has));
            let stats = self.picker.peer_stats(other.key).expect("joined");
            assert_eq!(stats.queue as usize, other.asked.len());
            for block in &other.asked {
                let cell = self.picker.open.cell(block.piece, block.begin / BLOCK_LENGTH);
                let known = cell.is_some_and(|cell| cell.askers().contains(&(other.key.index() as u16)));
                assert!(known, "{block:?} is asked for, and forgotten");
            }
            requested += other.asked.iter().map(|block| u64::from(block.length)).sum::<u64>();
        }
        assert_eq!(self.picker.requested_bytes(), requested);
    }
}
