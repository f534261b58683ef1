//! One peer: what it has, what it was asked for, and what it may still send late.

use super::{PipelineLimits, Source, pipeline::Pipeline, tier::PerClass};
use crate::{
    bitfield::Bitfield,
    id::{PeerKey, PieceIndex},
    storage::Geometry,
    time::{Deadline, Instant},
};
use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

/// How long a block that was taken back may still come, and how long a request may stand at a peer that
/// sends others meanwhile (protocol page 2.2).
pub(super) const LATE: Duration = Duration::from_secs(60);

/// For how long a peer is not asked after a reject, or after an unchoke that yielded nothing: what keeps
/// a loop of rejects or of choke and unchoke from spinning.
pub(super) const BACK_OFF: Duration = Duration::from_secs(1);

/// A web server that needs longer for a piece is asked for no more than another peer.
const WHOLE_PIECE: Duration = Duration::from_secs(30);

/// Which pieces a peer has.
#[derive(Clone, Debug)]
pub(super) enum Pieces {
    /// None, or it has not said.
    None,
    /// These. One bit a piece.
    Some(Bitfield),
    /// Every one. Costs no bitfield.
    All,
}

impl Pieces {
    pub(super) fn has(&self, piece: PieceIndex) -> bool {
        match self {
            Self::None => false,
            Self::Some(pieces) => pieces.get(piece),
            Self::All => true,
        }
    }

    /// The first piece, going round from `start`, that is also in `others`.
    pub(super) fn first_common_from(&self, others: &Bitfield, start: PieceIndex) -> Option<PieceIndex> {
        match self {
            Self::None => None,
            Self::Some(pieces) => pieces.first_common_from(others, start),
            Self::All => others.first_common_from(others, start),
        }
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) piece: PieceIndex,
    /// The block's number in the piece.
    pub(super) number: u32,
    /// When it was asked for; when it was taken back, once it was.
    pub(super) at: Instant,
}

#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) key: PeerKey,
    pub(super) source: Source,
    pub(super) unchoked: bool,
    /// Whether it was told that we are interested.
    pub(super) interested: bool,
    pub(super) pieces: Pieces,
    /// How many of `Pieces::Some` are needed. Not kept for the others.
    pub(super) wanted: u32,
    /// Requests that stand, the oldest first.
    pub(super) queue: VecDeque<Asked>,
    /// Requests taken back less than `LATE` ago, the oldest first.
    late: VecDeque<Asked>,
    pub(super) pipeline: Pipeline,
    /// It is not asked before that.
    pub(super) holds_until: Option<Instant>,
    /// Whether a block came since the last unchoke.
    pub(super) fed: bool,
    /// Whether it rejected a request while it served us, and has sent nothing since: it may lack what it
    /// says it has.
    pub(super) refuses: bool,
    /// The piece it was last asked for.
    pub(super) current: Option<PieceIndex>,
    /// The pieces that it would rather send, and those that it sends while it chokes us (BEP 6).
    pub(super) suggested: Vec<PieceIndex>,
    pub(super) allowed: Vec<PieceIndex>,
    /// For each class, the supply after which nothing of it was free for this peer.
    pub(super) barren: PerClass<u32>,
    /// Whether a limit kept it from being asked for what is free: to be looked at again at its next event.
    pub(super) held_back: bool,
    /// The piece that it is to send alone.
    pub(super) turn: Option<PieceIndex>,
    /// How many such turns it let lapse.
    pub(super) lapses: u8,
}

impl Peer {
    pub(super) fn new(key: PeerKey, source: Source, limits: &PipelineLimits) -> Self {
        Self {
            key,
            source,
            unchoked: matches!(source, Source::Web),
            interested: false,
            pieces: Pieces::None,
            wanted: 0,
            queue: VecDeque::new(),
            late: VecDeque::new(),
            pipeline: Pipeline::new(limits.start),
            holds_until: None,
            fed: false,
            refuses: false,
            current: None,
            suggested: Vec::new(),
            allowed: Vec::new(),
            barren: PerClass::default(),
            held_back: false,
            turn: None,
            lapses: 0,
        }
    }

    /// Whether BEP 6 is spoken.
    pub(super) const fn is_fast(&self) -> bool {
        matches!(self.source, Source::Peer { fast: true })
    }

    /// Whether it is asked for whole pieces: a web server is, so that one request of its protocol fetches
    /// one, unless others would have to wait for it.
    pub(super) fn takes_whole(&self, geometry: Geometry) -> bool {
        let is_quick = || self.pipeline.ahead(WHOLE_PIECE) >= u64::from(geometry.piece_length());
        self.source == Source::Web && !self.pipeline.is_snubbed() && (!self.fed || is_quick())
    }

    /// Whether one more request may stand at it, or those for one more piece.
    pub(super) fn has_room(&self, limits: &PipelineLimits, geometry: Geometry) -> bool {
        if !self.interested || self.holds_until.is_some() || !self.unchoked && self.allowed.is_empty() {
            return false;
        }
        let depth = self.pipeline.depth(limits) as usize;
        if self.takes_whole(geometry) {
            let whole = geometry.blocks(PieceIndex(0)) as usize;
            self.queue.is_empty() || self.queue.len() + whole <= depth
        } else {
            self.queue.len() < depth
        }
    }

    /// Whether a request for a block of `piece` stands at it.
    pub(super) fn is_asked_for(&self, piece: PieceIndex) -> bool {
        self.queue.iter().any(|asked| asked.piece == piece)
    }

    /// Of how many pieces it is asked for blocks.
    pub(super) fn pieces_asked(&self) -> usize {
        let is_first = |(at, asked): &(usize, &Asked)| {
            !self.queue.range(..at).rev().any(|earlier| earlier.piece == asked.piece)
        };
        self.queue.iter().enumerate().filter(is_first).count()
    }

    /// Asks for a block.
    pub(super) fn ask(&mut self, asked: Asked) {
        if self.queue.is_empty() {
            self.pipeline.begin(asked.at);
        }
        self.queue.push_back(asked);
        self.current = Some(asked.piece);
    }

    /// Takes the request for a block out of the queue. Peers answer in order, more or less, so it stands
    /// near the front.
    pub(super) fn take_asked(&mut self, piece: PieceIndex, number: u32) -> bool {
        take(&mut self.queue, piece, number)
    }

    /// Takes a request out of those taken back; whether it was there and not yet too old.
    pub(super) fn take_late(&mut self, piece: PieceIndex, number: u32, now: Instant) -> bool {
        self.forget_old(now);
        take(&mut self.late, piece, number)
    }

    /// Remembers that a request was taken back.
    pub(super) fn remember(&mut self, asked: Asked, now: Instant, limits: &PipelineLimits) {
        self.forget_old(now);
        if self.late.len() >= limits.max as usize {
            self.late.pop_front();
        }
        self.late.push_back(Asked { at: now, ..asked });
    }

    fn forget_old(&mut self, now: Instant) {
        while self.late.front().is_some_and(|oldest| oldest.at + LATE <= now) {
            self.late.pop_front();
        }
    }

    /// Whether it has been silent for too long.
    pub(super) fn is_silent(&self, now: Instant, cap: Duration) -> bool {
        !self.queue.is_empty() && self.silent_at(cap) <= now
    }

    /// When the silence has lasted too long. A web server gets all the time there is: it may have to be
    /// found first.
    fn silent_at(&self, cap: Duration) -> Instant {
        match self.source {
            Source::Peer { .. } => self.pipeline.silent_at(self.queue.len(), cap),
            Source::Web => self.pipeline.owes_since() + cap,
        }
    }

    /// When something is due.
    pub(super) fn deadline(&self, cap: Duration) -> Option<Deadline> {
        let request = self.queue.front().map(|oldest| Deadline {
            at: self.silent_at(cap).min(oldest.at + LATE),
            why: "request time-out",
        });
        let hold = self.holds_until.map(|at| Deadline { at, why: "back-off" });
        Deadline::earlier(request, hold)
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        let bits = match &self.pieces {
            Pieces::Some(pieces) => pieces.heap_bytes(),
            Pieces::None | Pieces::All => 0,
        };
        let hints = (self.suggested.capacity() + self.allowed.capacity()) * size_of::<PieceIndex>();
        bits + hints + (self.queue.capacity() + self.late.capacity()) * size_of::<Asked>()
    }
}

fn take(asked: &mut VecDeque<Asked>, piece: PieceIndex, number: u32) -> bool {
    let at = asked.iter().position(|one| one.piece == piece && one.number == number);
    at.is_some_and(|at| asked.remove(at).is_some())
}
