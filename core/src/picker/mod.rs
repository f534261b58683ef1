//! Which block next, and from whom.

mod machine;
#[cfg(test)]
mod tests;

use crate::{
    bitfield::Bitfield,
    id::{Block, PeerKey, PieceIndex},
};
pub use machine::{Config, Picker};

/// What can happen to the picker.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A peer joined. It has nothing, and chokes us, until it says otherwise.
    PeerJoined {
        /// Who.
        peer: PeerKey,
        /// Whether both sides speak BEP 6: then a choke leaves requests standing until each is rejected.
        fast: bool,
    },
    /// A peer is gone; what it was asked for is free for others.
    PeerLeft {
        /// Who.
        peer: PeerKey,
    },
    /// A peer has exactly these pieces. Replaces what was known of it.
    Bitfield {
        /// Who.
        peer: PeerKey,
        /// What it has, as long as our torrent.
        pieces: Bitfield,
    },
    /// A peer has every piece.
    HaveAll {
        /// Who.
        peer: PeerKey,
    },
    /// A peer has got a piece. Repeats and pieces out of range are ignored and counted.
    Have {
        /// Who.
        peer: PeerKey,
        /// What.
        piece: PieceIndex,
    },
    /// A peer no longer has a piece (BEP 54).
    DontHave {
        /// Who.
        peer: PeerKey,
        /// What.
        piece: PieceIndex,
    },
    /// A peer chokes us.
    Choked {
        /// Who.
        peer: PeerKey,
    },
    /// A peer lets us ask.
    Unchoked {
        /// Who.
        peer: PeerKey,
    },
    /// How many requests a peer queues (`reqq` of BEP 10).
    RequestLimit {
        /// Who.
        peer: PeerKey,
        /// Its limit; 0 counts as 1.
        requests: u32,
    },
    /// A block came in. Answered at once by [`Action::Store`] or [`Action::Discard`].
    Block {
        /// From whom.
        peer: PeerKey,
        /// Which.
        block: Block,
    },
    /// A peer will not send a block it was asked for (BEP 6).
    Rejected {
        /// Who.
        peer: PeerKey,
        /// Which.
        block: Block,
    },
    /// A piece is verified and on disk: nobody needs to ask for it again.
    Verified {
        /// Which.
        piece: PieceIndex,
    },
    /// A piece failed its hash: every block of it is wanted again.
    Failed {
        /// Which.
        piece: PieceIndex,
    },
    /// How many more bytes may be asked for from now on: what is left of a rate limit or of the room for
    /// blocks not yet written. Replaces the last budget; `u64::MAX` is no limit.
    Budget {
        /// Bytes.
        bytes: u64,
    },
}

/// What the picker wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask a peer for a block.
    Request {
        /// Whom.
        peer: PeerKey,
        /// For what.
        block: Block,
    },
    /// Take a request back.
    Cancel {
        /// Of whom.
        peer: PeerKey,
        /// Which.
        block: Block,
    },
    /// A peer has something we want, and had nothing before.
    Interested {
        /// Who.
        peer: PeerKey,
    },
    /// A peer has nothing more that we want.
    NotInterested {
        /// Who.
        peer: PeerKey,
    },
    /// The block that just came in is wanted: keep it.
    Store {
        /// From whom.
        peer: PeerKey,
        /// Which.
        block: Block,
    },
    /// The block that just came in is not wanted: drop it.
    Discard {
        /// From whom.
        peer: PeerKey,
        /// Which.
        block: Block,
        /// Why not.
        waste: Waste,
    },
    /// The block lies wholly in padding: it is zeros, and nobody is asked for it.
    Pad {
        /// Which.
        block: Block,
    },
    /// Every block of a piece is there: check its hash, then answer `Verified` or `Failed`.
    Complete {
        /// Which.
        piece: PieceIndex,
    },
    /// A peer let its time pass: its blocks are free for others, and it is asked for one at a time until
    /// it sends again.
    Snubbed {
        /// Who.
        peer: PeerKey,
    },
}

/// Why a block was not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waste {
    /// It is there already, from another peer or from this one.
    Duplicate,
    /// It was never asked for, or not with this length, or it was taken back too long ago.
    Unsolicited,
}
