//! The picker's machine: its parts, its face, and the way of an input.

use super::{
    Action, Config, Counters, Input, PeerStats, PipelineLimits, Tier,
    availability::Availability,
    cell::MAX_ASKERS,
    claims::Claim,
    due::Due,
    open::{MAX_OPEN, OpenPieces},
    packages::Packages,
    padding::Padding,
    peer::{Peer, Pieces},
    pipeline::MAX_DEPTH,
    tier::Class,
    waiting::Waiting,
};
use crate::{
    bitfield::Bitfield,
    deadlines::Deadlines,
    id::{PeerKey, PieceIndex},
    machine::Machine,
    outbox::Outbox,
    random::{Random, Seed},
    storage::Geometry,
    time::{Clock, Deadline, Instant},
};
use alloc::{vec, vec::Vec};
use core::{convert::Infallible, ops::Range, time::Duration};

/// The most peers: their slots are kept in 16 bits for each request.
pub(super) const MAX_PEERS: usize = 1 << 16;

/// How many blocks the open pieces may have (1 GiB of data, some 6 MiB of bookkeeping) before one that
/// nobody is asked for must be given up for a new one: a peer that sends one block of every piece and
/// rejects the rest would open them all.
const MAX_OPEN_BLOCKS: u32 = 1 << 16;
/// That bound never means fewer pieces than this.
const MIN_OPEN_PIECES: u32 = 256;

/// The shortest `request_timeout`: less would be a busy loop.
const MIN_REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// Decides which block is asked for next, and of whom. See the [module](super) for how.
///
/// ```
/// use convoy_core::{
///     Instant, Machine, Outbox,
///     id::PeerKey,
///     picker::{Action, Config, Input, Picker, Source},
///     slab::Slab,
///     storage::Geometry,
/// };
///
/// // One piece of two blocks, and a peer that has it.
/// let geometry = Geometry::new(32 * 1024, 32 * 1024).ok_or("bad lengths")?;
/// let mut picker = Picker::new(Config::new(geometry), [7; 32]);
/// let peer = Slab::<PeerKey, ()>::new().insert(());
///
/// let mut out = Outbox::new();
/// let source = Source::Peer { fast: true };
/// for input in [Input::PeerJoined { peer, source }, Input::HaveAll { peer }, Input::Unchoked { peer }] {
///     picker.handle_input(Instant::ZERO, input, &mut out)?;
/// }
/// let asked: Vec<_> = out
///     .drain()
///     .filter_map(|action| if let Action::Request { block, .. } = action { Some(block) } else { None })
///     .collect();
/// assert_eq!(asked.len(), 2);
///
/// for block in asked {
///     picker.handle_input(Instant::from_micros(100), Input::Block { peer, block }, &mut out)?;
/// }
/// assert!(matches!(out.as_slice(), [Action::Store { .. }, Action::Store { .. }, Action::Complete { .. }]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Picker {
    pub(super) geometry: Geometry,
    pub(super) limits: PipelineLimits,
    pub(super) request_timeout: Duration,
    pub(super) endgame_threshold: u64,
    pub(super) endgame_peers: usize,
    pub(super) padding: Padding,
    pub(super) random: Random,
    pub(super) clock: Clock,
    pub(super) have: Bitfield,
    pub(super) packages: Packages,
    /// By piece.
    pub(super) tiers: Vec<Tier>,
    /// The pieces that are neither held nor skipped.
    pub(super) needed: Bitfield,
    pub(super) wanted_bytes: u64,
    /// The pieces that are wanted by a time.
    pub(super) due: Due,
    /// Whether the lowest pieces come first, instead of the rarest.
    pub(super) sequential: bool,
    pub(super) order: Availability,
    /// What peers said, and the rest does not know yet: the oldest first.
    pub(super) claims: Vec<Claim>,
    pub(super) open: OpenPieces,
    /// The pieces that came in and were wrong, and were not verified since.
    pub(super) failed: Bitfield,
    pub(super) open_limit: usize,
    /// Pieces of nothing but padding that were not opened yet, the first run last.
    pub(super) zeros: Vec<Range<u32>>,
    /// How many of them are open.
    pub(super) zeros_open: u32,
    /// By slot.
    pub(super) peers: Vec<Option<Peer>>,
    pub(super) deadlines: Deadlines,
    pub(super) waiting: Waiting,
    /// At which slot the next round of the budget starts.
    pub(super) turn: usize,
    /// Whether it was endgame when the last call ended.
    pub(super) endgame: bool,
    /// At which slot the last search for a block to copy ended, and when to search again.
    pub(super) copy_turn: usize,
    pub(super) copy_at: Option<Instant>,
    pub(super) budget: u64,
    pub(super) requested_bytes: u64,
    pub(super) counters: Counters,
}

impl Picker {
    /// A picker without peers and with an unlimited budget.
    #[must_use]
    pub fn new(config: Config, seed: Seed) -> Self {
        let Config { geometry, have, padding, pipeline, request_timeout, .. } = config;
        let random = Random::new(seed);
        let pieces = geometry.pieces();
        let have = if have.len() == pieces { have } else { Bitfield::new(pieces) };
        let padding = Padding::new(padding, geometry);
        let mut zeros: Vec<_> = padding.pieces(geometry).collect();
        zeros.reverse();
        let mut needed =
            if config.tier == Tier::Skip { Bitfield::new(pieces) } else { Bitfield::full(pieces) };
        have.iter().for_each(|piece| {
            needed.clear(piece);
        });
        let mut classes = vec![Class::of(config.tier, false); pieces as usize];
        for piece in have.iter().chain(zeros.iter().flat_map(Clone::clone).map(PieceIndex)) {
            if let Some(class) = classes.get_mut(piece.0 as usize) {
                *class = None;
            }
        }
        let blocks = geometry.blocks(PieceIndex(0)).max(1);
        let open_limit = (MAX_OPEN_BLOCKS / blocks).clamp(MIN_OPEN_PIECES, MAX_OPEN as u32 / 2);
        let max = pipeline.max.clamp(1, MAX_DEPTH);
        Self {
            geometry,
            limits: PipelineLimits { min: pipeline.min.clamp(1, max), max, ..pipeline },
            request_timeout: request_timeout.max(MIN_REQUEST_TIMEOUT),
            endgame_threshold: u64::from(config.endgame_threshold),
            endgame_peers: (config.endgame_peers as usize).clamp(1, MAX_ASKERS),
            padding,
            clock: Clock::default(),
            have,
            packages: Packages::new(config.tier),
            tiers: vec![config.tier; pieces as usize],
            needed,
            wanted_bytes: if config.tier == Tier::Skip { 0 } else { geometry.total_length() },
            due: Due::new(pieces),
            sequential: false,
            order: Availability::new(classes),
            claims: Vec::new(),
            open: OpenPieces::new(pieces),
            failed: Bitfield::new(pieces),
            open_limit: pipeline.open_pieces.clamp(1, open_limit) as usize,
            zeros,
            zeros_open: 0,
            peers: Vec::new(),
            deadlines: Deadlines::default(),
            waiting: Waiting::default(),
            turn: 0,
            endgame: false,
            copy_turn: 0,
            copy_at: None,
            budget: u64::MAX,
            requested_bytes: 0,
            counters: Counters::default(),
            random,
        }
    }

    /// The pieces that are held.
    #[must_use]
    pub const fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Whether every piece is held.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.have.is_full()
    }

    /// Whether every piece that is not skipped is held.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.needed.count() == 0
    }

    /// Bytes of the pieces that are not skipped, held ones included.
    #[must_use]
    pub const fn wanted_bytes(&self) -> u64 {
        self.wanted_bytes
    }

    /// Bytes of the pieces that are neither skipped nor held.
    #[must_use]
    pub fn missing_bytes(&self) -> u64 {
        let length = u64::from(self.geometry.piece_length());
        let last = PieceIndex(self.geometry.pieces() - 1);
        let short = length - u64::from(self.geometry.piece_size(last));
        u64::from(self.needed.count()) * length - if self.needed.get(last) { short } else { 0 }
    }

    /// How many peers have `piece`.
    #[must_use]
    pub fn availability(&self, piece: PieceIndex) -> u32 {
        self.with_news(self.order.of(piece), |claim| claim.piece == piece)
    }

    /// How many pieces a peer has that are neither held nor skipped.
    #[must_use]
    pub fn wanted_from(&self, peer: PeerKey) -> u32 {
        self.peer_of(peer).map_or(0, |peer| match &peer.pieces {
            Pieces::None => 0,
            Pieces::Some(_) => self.with_news(peer.wanted, |claim| {
                claim.slot == peer.key.index() && self.needed.get(claim.piece)
            }),
            Pieces::All => self.needed.count(),
        })
    }

    /// How urgently a piece is wanted; [`Tier::Skip`] if there is no such piece.
    #[must_use]
    pub fn tier(&self, piece: PieceIndex) -> Tier {
        self.tiers.get(piece.0 as usize).copied().unwrap_or(Tier::Skip)
    }

    /// How many pieces a peer has.
    #[must_use]
    pub fn pieces_of(&self, peer: PeerKey) -> u32 {
        self.peer_of(peer).map_or(0, |peer| match &peer.pieces {
            Pieces::None => 0,
            Pieces::Some(pieces) => self.with_news(pieces.count(), |claim| claim.slot == peer.key.index()),
            Pieces::All => self.have.len(),
        })
    }

    /// Whether a peer has every piece.
    #[must_use]
    pub fn is_seed(&self, peer: PeerKey) -> bool {
        self.peer_of(peer).is_some_and(|known| match &known.pieces {
            Pieces::None => false,
            Pieces::Some(pieces) => {
                let may_be_full = pieces.count() as usize + self.claims.len() >= pieces.len() as usize;
                may_be_full && self.pieces_of(peer) == pieces.len()
            }
            Pieces::All => true,
        })
    }

    /// How many pieces are open: begun, and not yet verified.
    #[must_use]
    pub const fn open_pieces(&self) -> usize {
        self.open.len()
    }

    /// Bytes that were asked for and are not here yet. A block asked for twice counts twice.
    #[must_use]
    pub const fn requested_bytes(&self) -> u64 {
        self.requested_bytes
    }

    /// Whether somebody could be asked for something if the budget had room for it.
    #[must_use]
    pub fn waits_for_budget(&self) -> bool {
        !self.is_funded() && (self.waiting.unfunded.next_from(0).is_some() || self.waiting.urgent)
    }

    /// What is known of a peer; `None` if it is not there.
    #[must_use]
    pub fn peer_stats(&self, peer: PeerKey) -> Option<PeerStats> {
        let peer = self.peer_of(peer)?;
        Some(PeerStats {
            rate_bytes_per_s: peer.pipeline.rate_bytes_per_s(&self.clock, !peer.queue.is_empty()),
            queue: peer.queue.len() as u32,
            depth: peer.pipeline.depth(&self.limits),
            snubbed: peer.pipeline.is_snubbed(),
        })
    }

    /// Inputs that had no effect, by reason.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let repeats = self.claims.len() - self.news(|_| true).count();
        Counters { repeats: self.counters.repeats + repeats as u64, ..self.counters }
    }

    /// Bytes of memory held: 16 for each piece, 8 for each block of an open piece, some
    /// 250 for each peer, 16 for each request, 1 bit a piece for a peer that has some but not all.
    #[must_use]
    pub fn memory(&self) -> usize {
        let peers: usize = self.peers.iter().flatten().map(Peer::heap_bytes).sum();
        size_of::<Self>()
            + peers
            + self.peers.capacity() * size_of::<Option<Peer>>()
            // The deadlines: an entry and a place for each slot.
            + self.peers.len() * (size_of::<(Deadline, u32)>() + size_of::<Option<u32>>())
            + self.have.heap_bytes()
            + self.needed.heap_bytes()
            + self.tiers.capacity() * size_of::<Tier>()
            + self.packages.heap_bytes()
            + self.due.heap_bytes()
            + self.padding.heap_bytes()
            + self.zeros.capacity() * size_of::<Range<u32>>()
            + self.order.heap_bytes()
            + self.claims.capacity() * size_of::<Claim>()
            + self.open.heap_bytes()
            + self.failed.heap_bytes()
            + self.waiting.heap_bytes()
    }

    pub(super) fn peer_of(&self, key: PeerKey) -> Option<&Peer> {
        self.peers.get(key.index())?.as_ref().filter(|peer| peer.key == key)
    }

    pub(super) fn peer(&self, slot: usize) -> Option<&Peer> {
        self.peers.get(slot)?.as_ref()
    }

    pub(super) fn peer_mut(&mut self, slot: usize) -> Option<&mut Peer> {
        self.peers.get_mut(slot)?.as_mut()
    }

    /// The slot of a peer that is there.
    pub(super) fn slot_of(&mut self, key: PeerKey) -> Option<usize> {
        let slot = self.peer_of(key).map(|peer| peer.key.index());
        self.counters.strays += u64::from(slot.is_none());
        slot
    }

    /// Does what an input asks for.
    pub(super) fn act(&mut self, input: Input, out: &mut Outbox<Action>) {
        match input {
            Input::PeerJoined { peer, source } => self.joined(peer, source, out),
            Input::Block { peer, block } => self.block(peer, block, out),
            Input::Verified { piece } => self.verified(piece, out),
            Input::Failed { piece } => self.failed(piece, out),
            Input::Budget { bytes } => self.fund(bytes, out),
            Input::Package { package, pieces, tier } => self.package(package, pieces, tier, out),
            Input::Deadline { piece, at } => self.deadline(piece, at, out),
            Input::Sequential(sequential) => self.sequential = sequential,
            Input::PeerLeft { peer }
            | Input::Suggested { peer, .. }
            | Input::AllowedFast { peer, .. }
            | Input::Bitfield { peer, .. }
            | Input::HaveAll { peer }
            | Input::Have { peer, .. }
            | Input::DontHave { peer, .. }
            | Input::Choked { peer }
            | Input::Unchoked { peer }
            | Input::RequestLimit { peer, .. }
            | Input::Rejected { peer, .. } => {
                if let Some(slot) = self.slot_of(peer) {
                    self.heard(slot, input, out);
                }
            }
        }
        self.open_zeros(out);
        self.settle(out);
    }

    /// What a peer that is there told us.
    fn heard(&mut self, slot: usize, input: Input, out: &mut Outbox<Action>) {
        match input {
            Input::PeerLeft { .. } => self.left(slot),
            Input::Bitfield { pieces, .. } => self.bitfield(slot, pieces, out),
            Input::HaveAll { .. } => self.has_all(slot, out),
            Input::Have { piece, .. } => self.has(Claim { slot, piece, has: true }, out),
            Input::DontHave { piece, .. } => self.has_not(Claim { slot, piece, has: false }, out),
            Input::Choked { .. } => self.choked(slot, out),
            Input::Unchoked { .. } => self.unchoked(slot, out),
            Input::RequestLimit { requests, .. } => self.request_limit(slot, requests, out),
            Input::Rejected { block, .. } => self.rejected(slot, block),
            Input::Suggested { piece, .. } => self.suggested(slot, piece),
            Input::AllowedFast { piece, .. } => self.allowed_fast(slot, piece, out),
            Input::PeerJoined { .. }
            | Input::Package { .. }
            | Input::Deadline { .. }
            | Input::Sequential(_)
            | Input::Block { .. }
            | Input::Verified { .. }
            | Input::Failed { .. }
            | Input::Budget { .. } => {}
        }
    }
}

impl Machine for Picker {
    type Input = Input;
    type Action = Action;
    type Error = Infallible;

    fn handle_input(
        &mut self,
        now: Instant,
        input: Input,
        out: &mut Outbox<Action>,
    ) -> Result<(), Infallible> {
        self.clock.advance(now);
        if !self.put_off(&input) {
            self.catch_up();
            self.act(input, out);
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        if !self.copy_again() && self.deadlines.due(now).is_none() {
            return Ok(());
        }
        self.catch_up();
        while let Some(slot) = self.deadlines.due(now) {
            // Frees only: who is asked instead is decided when everybody who is late is known.
            self.deadlines.set(slot, None);
            self.expire(slot, out);
            self.arm(slot);
        }
        self.settle(out);
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        Deadline::earlier(self.deadlines.earliest(), self.copy_deadline())
    }
}
