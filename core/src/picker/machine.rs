//! The picker's machine (stand-in).
use super::{Action, Input, Waste};
use crate::{
    Deadline, Instant, Machine, Outbox,
    bitfield::Bitfield,
    id::{BLOCK_LENGTH, Block, PeerKey, PieceIndex},
    random::Seed,
    storage::Geometry,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::{convert::Infallible, ops::Range};
/// Config.
#[derive(Clone, Debug)]
pub struct Config {
    /// Geometry.
    pub geometry: Geometry,
    /// Have.
    pub have: Bitfield,
    /// Padding.
    pub padding: Vec<Range<u64>>,
}
impl Config {
    /// New.
    #[must_use]
    pub fn new(geometry: Geometry) -> Self {
        Self { geometry, have: Bitfield::new(geometry.pieces()), padding: Vec::new() }
    }
}
#[derive(Clone, Debug)]
struct Peer {
    has: Bitfield,
    choked: bool,
    out: Vec<Block>,
    interested: bool,
}
/// The picker.
#[derive(Clone, Debug)]
pub struct Picker {
    config: Config,
    peers: BTreeMap<PeerKey, Peer>,
    got: BTreeSet<Block>,
    budget: u64,
}
impl Picker {
    /// New.
    #[must_use]
    pub fn new(config: Config, _: Seed) -> Self {
        Self { config, peers: BTreeMap::new(), got: BTreeSet::new(), budget: u64::MAX }
    }
    /// Seed?
    #[must_use]
    pub fn is_seed(&self, peer: PeerKey) -> bool {
        self.peers.get(&peer).is_some_and(|peer| peer.has.is_full())
    }
    /// Requested.
    #[must_use]
    pub fn requested_bytes(&self) -> u64 {
        self.peers.values().map(|peer| peer.out.iter().map(|b| u64::from(b.length)).sum::<u64>()).sum()
    }
    /// Memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        0
    }
    fn fill(&mut self, out: &mut Outbox<Action>) {
        let g = self.config.geometry;
        let mut asked: BTreeSet<Block> = self.peers.values().flat_map(|p| p.out.iter().copied()).collect();
        for (key, peer) in &mut self.peers {
            let wanted = peer.has.iter().any(|piece| !self.config.have.get(piece));
            if wanted != peer.interested {
                peer.interested = wanted;
                out.push(if wanted {
                    Action::Interested { peer: *key }
                } else {
                    Action::NotInterested { peer: *key }
                });
            }
            if peer.choked {
                continue;
            }
            'all: for piece in (0..g.pieces()).map(PieceIndex) {
                if self.config.have.get(piece) || !peer.has.get(piece) {
                    continue;
                }
                for number in 0..g.blocks(piece) {
                    let Some(block) = g.block(piece, number) else { continue };
                    if self.budget < u64::from(block.length) || peer.out.len() >= 32 {
                        break 'all;
                    }
                    if self.got.contains(&block) || asked.contains(&block) {
                        continue;
                    }
                    asked.insert(block);
                    self.budget -= u64::from(block.length);
                    peer.out.push(block);
                    out.push(Action::Request { peer: *key, block });
                }
            }
        }
    }
}
impl Machine for Picker {
    type Input = Input;
    type Action = Action;
    type Error = Infallible;
    fn handle_input(&mut self, _: Instant, input: Input, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        let pieces = self.config.geometry.pieces();
        match input {
            Input::PeerJoined { peer, .. } => {
                let new =
                    Peer { has: Bitfield::new(pieces), choked: true, out: Vec::new(), interested: false };
                self.peers.insert(peer, new);
            }
            Input::PeerLeft { peer } => {
                self.peers.remove(&peer);
            }
            Input::Bitfield { peer, pieces } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.has = pieces;
                }
            }
            Input::HaveAll { peer } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.has = Bitfield::full(pieces);
                }
            }
            Input::Have { peer, piece } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.has.set(piece);
                }
            }
            Input::Choked { peer } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.choked = true;
                    peer.out.clear();
                }
            }
            Input::Unchoked { peer } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.choked = false;
                }
            }
            Input::Block { peer, block } => {
                let Some(state) = self.peers.get_mut(&peer) else { return Ok(()) };
                let Some(place) = state.out.iter().position(|other| *other == block) else {
                    out.push(Action::Discard { peer, block, waste: Waste::Unsolicited });
                    return Ok(());
                };
                state.out.remove(place);
                self.got.insert(block);
                out.push(Action::Store { peer, block });
                let g = self.config.geometry;
                let count = self.got.iter().filter(|b| b.piece == block.piece).count();
                if count as u32 == g.piece_size(block.piece).div_ceil(BLOCK_LENGTH) {
                    out.push(Action::Complete { piece: block.piece });
                }
            }
            Input::Verified { piece } => {
                self.config.have.set(piece);
            }
            Input::Failed { piece } => self.got.retain(|block| block.piece != piece),
            Input::Budget { bytes } => self.budget = bytes,
            Input::Rejected { peer, block } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.out.retain(|other| *other != block);
                }
            }
            Input::DontHave { .. } | Input::RequestLimit { .. } => {}
        }
        self.fill(out);
        Ok(())
    }
    fn handle_timeout(&mut self, _: Instant, _: &mut Outbox<Action>) -> Result<(), Infallible> {
        Ok(())
    }
    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }
}
