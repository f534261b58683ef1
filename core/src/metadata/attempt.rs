//! One try at the whole: its length, who may give blocks of it, and those that came.

use crate::{
    id::{BLOCK_LENGTH, InfoHash, PeerKey},
    time::Instant,
};
use alloc::collections::{BTreeMap, BTreeSet};
use bytes::{Bytes, BytesMut};
use sha1::{Digest, Sha1};

/// Grows with the blocks that came and were asked for; its length alone, a claim, costs nothing.
#[derive(Debug)]
pub(super) struct Attempt {
    size: u32,
    /// The only one who may give, once the machine is wary.
    pub(super) alone: Option<PeerKey>,
    /// Nobody is asked before this.
    pub(super) start: Instant,
    /// When it wants a look: at its start, then at the end of its turn.
    pub(super) due: Option<Instant>,
    blocks: BTreeMap<u32, Block>,
    /// Blocks from here on were never asked for.
    fresh: u32,
    /// Those before it that nobody is to send and that are not there.
    again: BTreeSet<u32>,
}

#[derive(Debug)]
struct Block {
    from: PeerKey,
    data: Bytes,
}

impl Attempt {
    pub(super) const fn new(size: u32, alone: Option<PeerKey>, start: Instant, due: Option<Instant>) -> Self {
        Self { size, alone, start, due, blocks: BTreeMap::new(), fresh: 0, again: BTreeSet::new() }
    }

    pub(super) const fn size(&self) -> u32 {
        self.size
    }

    /// Whether it takes blocks of a peer that claims this length.
    pub(super) fn takes_from(&self, peer: PeerKey, claim: Option<u32>) -> bool {
        claim == Some(self.size) && self.alone.is_none_or(|alone| alone == peer)
    }

    /// How many blocks came, and how many there are.
    pub(super) fn progress(&self) -> (u32, u32) {
        (self.blocks.len() as u32, pieces(self.size))
    }

    /// How long a block has to be.
    pub(super) fn length(&self, piece: u32) -> usize {
        block(self.size, piece).len()
    }

    /// The next block to ask for.
    pub(super) fn next(&mut self) -> Option<u32> {
        self.again.pop_first().or_else(|| {
            let fresh = self.fresh;
            (fresh < pieces(self.size)).then(|| {
                self.fresh += 1;
                fresh
            })
        })
    }

    /// A block that was asked for will not come, or not soon.
    pub(super) fn put_back(&mut self, piece: u32) {
        if !self.blocks.contains_key(&piece) {
            self.again.insert(piece);
        }
    }

    /// A block came. False if it was there.
    pub(super) fn put(&mut self, piece: u32, from: PeerKey, data: Bytes) -> bool {
        let is_new = !self.blocks.contains_key(&piece);
        if is_new {
            self.again.remove(&piece);
            self.blocks.insert(piece, Block { from, data });
        }
        is_new
    }

    pub(super) fn is_whole(&self) -> bool {
        self.blocks.len() as u32 == pieces(self.size)
    }

    /// Who gave everything, if it was one.
    pub(super) fn only_giver(&self) -> Option<PeerKey> {
        let first = self.blocks.values().next()?.from;
        self.blocks.values().all(|block| block.from == first).then_some(first)
    }

    /// The whole, if it is what `info_hash` names.
    pub(super) fn verify(self, info_hash: InfoHash) -> Option<Bytes> {
        let mut sha1 = Sha1::new();
        self.blocks.values().for_each(|block| sha1.update(&block.data));
        if <[u8; 20]>::from(sha1.finalize()) != info_hash.0 {
            return None;
        }
        let mut whole = BytesMut::with_capacity(self.size as usize);
        self.blocks.values().for_each(|block| whole.extend_from_slice(&block.data));
        Some(whole.freeze())
    }

    /// Heap bytes held.
    pub(super) fn memory(&self) -> usize {
        let data: usize = self.blocks.values().map(|block| block.data.len()).sum();
        data + self.blocks.len() * size_of::<(u32, Block)>() + self.again.len() * size_of::<u32>()
    }
}

/// How many blocks a dictionary of `size` bytes has.
pub(super) const fn pieces(size: u32) -> u32 {
    size.div_ceil(BLOCK_LENGTH)
}

/// Where a block lies in a dictionary of `size` bytes. Empty if it is none of its blocks.
pub(super) fn block(size: u32, piece: u32) -> core::ops::Range<usize> {
    let begin = piece.saturating_mul(BLOCK_LENGTH).min(size);
    begin as usize..begin.saturating_add(BLOCK_LENGTH).min(size) as usize
}
