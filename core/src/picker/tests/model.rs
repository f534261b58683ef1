//! A naive world around a picker: it knows of every request and every block, recounts everything after
//! every call, and says so when the picker breaks its word.

use super::super::*;
use crate::{
    Instant, Machine, Outbox,
    slab::{Key, Slab},
    storage::Geometry,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};
use core::{mem, ops::Range, time::Duration};

pub(super) struct World {
    pub(super) picker: Picker,
    pub(super) config: Config,
    pub(super) now: Instant,
    pub(super) keys: Slab<PeerKey, ()>,
    pub(super) peers: Vec<Other>,
    pub(super) have: Vec<bool>,
    pub(super) here: BTreeSet<Block>,
    pub(super) complete: BTreeSet<PieceIndex>,
    pub(super) packages: BTreeMap<PackageId, (Range<u32>, Tier)>,
    pub(super) due: BTreeMap<PieceIndex, Instant>,
    pub(super) budget: u64,
    /// Which pieces were open before the call.
    pub(super) open_before: Vec<bool>,
}

/// A peer as it is.
#[derive(Clone, Debug)]
pub(super) struct Other {
    pub(super) key: PeerKey,
    pub(super) source: Source,
    pub(super) unchoked: bool,
    pub(super) interested: bool,
    pub(super) has: Vec<bool>,
    /// What it sends while it chokes us.
    pub(super) allowed: BTreeSet<PieceIndex>,
    pub(super) reqq: usize,
    /// What it was asked for, the oldest first.
    pub(super) asked: Vec<Block>,
    /// How much that was before the call.
    pub(super) asked_before: usize,
    /// What was taken back, and when.
    pub(super) late: Vec<(Block, Instant)>,
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        let have: Vec<bool> =
            (0..config.geometry.pieces()).map(|piece| config.have.get(PieceIndex(piece))).collect();
        Self {
            picker: Picker::new(config.clone(), [9; 32]),
            now: Instant::ZERO,
            keys: Slab::new(),
            peers: Vec::new(),
            here: BTreeSet::new(),
            complete: BTreeSet::new(),
            packages: BTreeMap::new(),
            due: BTreeMap::new(),
            budget: u64::MAX,
            open_before: Vec::new(),
            have,
            config,
        }
    }

    /// A torrent of pieces of four blocks, without padding.
    pub(super) fn of_pieces(pieces: u32) -> Self {
        let geometry = Geometry::new(65_536, u64::from(pieces) * 65_536).expect("valid");
        Self::new(Config::new(geometry))
    }

    pub(super) fn join(&mut self, fast: bool) -> PeerKey {
        self.join_as(Source::Peer { fast })
    }

    pub(super) fn join_as(&mut self, source: Source) -> PeerKey {
        let key = self.keys.insert(());
        let web = source == Source::Web;
        self.peers.push(Other {
            key,
            source,
            unchoked: web,
            interested: false,
            has: vec![web; self.have.len()],
            allowed: BTreeSet::new(),
            reqq: usize::MAX,
            asked: Vec::new(),
            asked_before: 0,
            late: Vec::new(),
        });
        self.tell(Input::PeerJoined { peer: key, source });
        key
    }

    /// A peer that has everything and serves us.
    pub(super) fn seed(&mut self, fast: bool) -> PeerKey {
        let peer = self.join(fast);
        self.tell(Input::HaveAll { peer });
        self.tell(Input::Unchoked { peer });
        peer
    }

    /// A peer that has these pieces and serves us.
    pub(super) fn leecher(&mut self, pieces: &[u32]) -> PeerKey {
        let peer = self.join(true);
        self.tell(Input::Bitfield { peer, pieces: self.bitfield(pieces) });
        self.tell(Input::Unchoked { peer });
        peer
    }

    pub(super) fn bitfield(&self, pieces: &[u32]) -> Bitfield {
        let mut bits = Bitfield::new(self.have.len() as u32);
        pieces.iter().for_each(|piece| {
            bits.set(PieceIndex(*piece));
        });
        bits
    }

    pub(super) fn other(&mut self, key: PeerKey) -> &mut Other {
        self.peers.iter_mut().find(|peer| peer.key == key).expect("joined")
    }

    pub(super) fn asked(&mut self, key: PeerKey) -> Vec<Block> {
        self.other(key).asked.clone()
    }

    /// Tells the picker something, and checks what it makes of it.
    pub(super) fn tell(&mut self, input: Input) -> Vec<Action> {
        self.note(&input);
        self.note_open();
        let mut out = Outbox::new();
        let Ok(()) = self.picker.handle_input(self.now, input.clone(), &mut out);
        let mut actions: Vec<Action> = out.drain().collect();
        if let Input::Block { peer, block } = input {
            let answers: Vec<_> = actions
                .iter()
                .filter(|action| matches!(action, Action::Store { .. } | Action::Discard { .. }))
                .collect();
            assert_eq!(answers.len(), 1, "a block is answered once");
            let stored = *answers[0] == Action::Store { peer, block };
            self.note_block(peer, block, stored);
        }
        self.check(&mut actions);
        actions
    }

    /// Lets time pass, and calls the picker whenever it wants.
    pub(super) fn wait(&mut self, time: Duration) -> Vec<Action> {
        let end = self.now + time;
        let mut all = Vec::new();
        while let Some(deadline) = self.picker.poll_timeout().filter(|deadline| deadline.at <= end) {
            assert!(deadline.at > self.now || all.is_empty(), "no progress");
            self.now = self.now.max(deadline.at);
            self.note_open();
            let mut out = Outbox::new();
            let Ok(()) = self.picker.handle_timeout(self.now, &mut out);
            let mut actions: Vec<Action> = out.drain().collect();
            self.check(&mut actions);
            all.append(&mut actions);
            assert!(self.picker.poll_timeout().is_none_or(|next| next.at > self.now));
        }
        self.now = end;
        all
    }

    /// An honest peer answers its oldest request; whether there was one. What is complete is good.
    pub(super) fn answer(&mut self, peer: PeerKey) -> bool {
        let Some(block) = self.other(peer).asked.first().copied() else { return false };
        self.tell(Input::Block { peer, block });
        self.verify();
        true
    }

    pub(super) fn verify(&mut self) {
        while let Some(piece) = self.complete.pop_first() {
            self.tell(Input::Verified { piece });
        }
    }

    /// Everything else stands still, and one honest peer that has everything answers: it must end.
    pub(super) fn finish(&mut self) {
        self.tell(Input::Budget { bytes: u64::MAX });
        self.verify();
        let seed = self.seed(true);
        for _ in 0..10_000 {
            if self.picker.is_finished() {
                assert_eq!(self.picker.requested_bytes(), 0);
                let held = |piece: usize| self.have[piece] || self.tier(piece) == Tier::Skip;
                assert!((0..self.have.len()).all(held));
                assert!(!self.picker.is_complete() || self.picker.open_pieces() == 0);
                return;
            }
            let step = if self.answer(seed) { 1 } else { 1000 };
            self.wait(Duration::from_millis(step));
        }
        panic!("an honest peer answers everything, and yet blocks are missing: {:#?}", self.picker);
    }

    /// A call begins.
    fn note_open(&mut self) {
        let pieces = (0..self.have.len() as u32).map(PieceIndex);
        self.open_before = pieces.map(|piece| self.picker.open.is_open(piece)).collect();
    }

    /// What an input means by itself.
    fn note(&mut self, input: &Input) {
        let now = self.now;
        for other in &mut self.peers {
            other.late.retain(|(_, at)| *at + Duration::from_secs(60) > now);
        }
        let key = match input {
            Input::PeerLeft { peer } => {
                self.peers.retain(|other| other.key != *peer);
                self.keys.remove(*peer);
                return;
            }
            Input::Verified { piece } => {
                if let Some(have) = self.have.get_mut(piece.0 as usize) {
                    *have = true;
                    self.due.remove(piece);
                    self.complete.remove(piece);
                }
                return;
            }
            Input::Failed { piece } => {
                let held = self.have.get_mut(piece.0 as usize).is_some_and(mem::take);
                if self.complete.remove(piece) || held {
                    self.here.retain(|block| block.piece != *piece);
                }
                return;
            }
            Input::Budget { bytes } => {
                self.budget = *bytes;
                return;
            }
            Input::PeerJoined { .. }
            | Input::Block { .. }
            | Input::Sequential(_)
            | Input::Suggested { .. } => return,
            Input::Deadline { piece, at } => {
                self.due.remove(piece);
                if let Some(at) = at.filter(|_| self.have.get(piece.0 as usize) == Some(&false)) {
                    self.due.insert(*piece, at);
                }
                return;
            }
            Input::Package { package, pieces, tier } => {
                self.packages.insert(*package, (pieces.clone(), *tier));
                return;
            }
            Input::Bitfield { peer, .. }
            | Input::HaveAll { peer }
            | Input::Have { peer, .. }
            | Input::DontHave { peer, .. }
            | Input::Choked { peer }
            | Input::Unchoked { peer }
            | Input::RequestLimit { peer, .. }
            | Input::AllowedFast { peer, .. }
            | Input::Rejected { peer, .. } => *peer,
        };
        let Some(other) = self.peers.iter_mut().find(|other| other.key == key) else { return };
        other.note(input);
        let Other { source, unchoked, has, asked, late, .. } = other;
        if *source != (Source::Peer { fast: true }) {
            let (lost, kept) = asked.drain(..).partition(|block| !*unchoked || !has[block.piece.0 as usize]);
            let lost: Vec<Block> = lost;
            late.extend(lost.into_iter().map(|block| (block, now)));
            *asked = kept;
        }
    }

    fn note_block(&mut self, peer: PeerKey, block: Block, stored: bool) {
        let Some(other) = self.peers.iter_mut().find(|other| other.key == peer) else {
            assert!(!stored, "stored from a stranger");
            return;
        };
        let asked = other.asked.iter().position(|asked| *asked == block).map(|at| other.asked.remove(at));
        let late = other.late.iter().position(|late| late.0 == block);
        let unasked = asked.is_none() && late.is_none();
        assert!(!stored || !unasked || other.source == Source::Web, "stored what nobody asked for");
        assert!(asked.is_none() || stored, "did not store what was asked for");
        if asked.is_none() {
            late.map(|at| other.late.remove(at));
        }
        if stored {
            assert!(!self.have[block.piece.0 as usize] && !self.complete.contains(&block.piece));
            // A piece that was given up begins anew: what was here of it comes again.
            self.here.insert(block);
        }
    }
}

impl Other {
    /// What a peer says of itself.
    fn note(&mut self, input: &Input) {
        match input {
            Input::Bitfield { pieces: bits, .. } if bits.len() as usize == self.has.len() => {
                self.has = (0..bits.len()).map(|piece| bits.get(PieceIndex(piece))).collect();
            }
            Input::HaveAll { .. } => self.has = vec![true; self.has.len()],
            Input::Have { piece, .. } | Input::DontHave { piece, .. } => {
                let has = matches!(input, Input::Have { .. });
                self.has.get_mut(piece.0 as usize).into_iter().for_each(|known| *known = has);
            }
            Input::AllowedFast { piece, .. } => {
                if self.source == (Source::Peer { fast: true }) && (piece.0 as usize) < self.has.len() {
                    self.allowed.insert(*piece);
                }
            }
            Input::Unchoked { .. } => self.unchoked = true,
            Input::Choked { .. } => self.unchoked = false,
            Input::RequestLimit { requests, .. } => self.reqq = (*requests).max(1) as usize,
            Input::Rejected { block, .. } => {
                if let Some(at) = self.late.iter().position(|late| late.0 == *block) {
                    self.late.remove(at);
                } else {
                    let before = self.asked.len();
                    self.asked.retain(|asked| asked != block);
                    if !self.unchoked && self.asked.len() < before {
                        self.allowed.remove(&block.piece);
                    }
                }
            }
            Input::Bitfield { .. }
            | Input::PeerJoined { .. }
            | Input::Package { .. }
            | Input::Deadline { .. }
            | Input::Sequential(_)
            | Input::Suggested { .. }
            | Input::PeerLeft { .. }
            | Input::Block { .. }
            | Input::Verified { .. }
            | Input::Failed { .. }
            | Input::Budget { .. } => {}
        }
    }
}

/// A key that no slab gave out.
pub(super) fn stranger(slot: u32) -> PeerKey {
    PeerKey::new(slot, 77)
}
