//! The open pieces: those of which some block is here or asked for. Bookkeeping is per block.

use crate::{bitfield::Bitfield, id::PieceIndex};
use alloc::{vec, vec::Vec};

/// The most peers that are asked for one block at once (endgame).
pub(super) const MAX_ASKERS: usize = 3;

/// Not open, not in the list.
const NONE: u32 = u32::MAX;

/// How many blocks a search for one to ask for twice looks at: a bound on the work, not on what is found,
/// as the next search starts elsewhere.
const DUPLICATE_LOOK: usize = 512;

/// How many pieces a search for one to give up looks at.
const IDLE_LOOK: usize = 32;

/// One block: whether it is here, and who is asked for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    askers: [u16; MAX_ASKERS],
    count: u8,
    here: bool,
}

impl Cell {
    /// The slots of the peers that are asked for the block.
    pub(super) fn askers(&self) -> &[u16] {
        self.askers.get(..usize::from(self.count)).unwrap_or_default()
    }

    fn add(&mut self, slot: u16) {
        if let Some(asker) = self.askers.get_mut(usize::from(self.count)) {
            *asker = slot;
            self.count += 1;
        }
    }

    fn remove(&mut self, slot: u16) -> bool {
        let Some(at) = self.askers().iter().position(|asker| *asker == slot) else { return false };
        self.count -= 1;
        self.askers.swap(at, usize::from(self.count));
        true
    }
}

#[derive(Clone, Debug, Default)]
struct OpenPiece {
    piece: PieceIndex,
    cells: Vec<Cell>,
    /// Blocks that are not here.
    missing: u32,
    /// Blocks that are not here and not asked for.
    free: u32,
    /// Blocks that came from peers (not padding).
    stored: u32,
    /// Every block below is here or asked for.
    next: u32,
    /// Where in `partial` it stands, while it has free blocks.
    place: u32,
}

/// All open pieces, found by index in O(1). Their buffers are used again and again.
#[derive(Clone, Debug)]
pub(super) struct OpenPieces {
    /// For each piece of the torrent, where in `pieces` it stands.
    index: Vec<u32>,
    /// The open pieces, and behind them, from `count` on, buffers to use again.
    pieces: Vec<OpenPiece>,
    count: usize,
    /// The open pieces with free blocks.
    partial: Vec<PieceIndex>,
    /// The same, to be matched with what a peer has.
    partial_bits: Bitfield,
    missing: u64,
    /// Requests that stand, of all blocks.
    asked: u64,
    /// Where the next search starts.
    turn: usize,
}

impl OpenPieces {
    pub(super) fn new(pieces: u32) -> Self {
        Self {
            index: vec![NONE; pieces as usize],
            pieces: Vec::new(),
            count: 0,
            partial: Vec::new(),
            partial_bits: Bitfield::new(pieces),
            missing: 0,
            asked: 0,
            turn: 0,
        }
    }

    /// How many pieces are open.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Blocks of open pieces that are not here.
    pub(super) const fn missing(&self) -> u64 {
        self.missing
    }

    /// The open pieces with free blocks, in no particular order.
    pub(super) fn partial(&self) -> &[PieceIndex] {
        &self.partial
    }

    /// The open pieces with free blocks.
    pub(super) const fn partial_bits(&self) -> &Bitfield {
        &self.partial_bits
    }

    /// Blocks of `piece` that are not here; `None` if it is not open.
    pub(super) fn missing_in(&self, piece: PieceIndex) -> Option<u32> {
        self.find(piece).map(|open| open.missing)
    }

    /// The blocks of `piece`; none if it is not open.
    pub(super) fn cells(&self, piece: PieceIndex) -> &[Cell] {
        self.find(piece).map_or(&[], |open| &open.cells)
    }

    /// Whether `piece` is open, nothing of it came from a peer, and nobody is asked for it.
    pub(super) fn is_untouched(&self, piece: PieceIndex) -> bool {
        self.find(piece).is_some_and(|open| open.stored == 0 && open.missing == open.free && open.missing > 0)
    }

    /// Opens `piece`, which has `blocks` blocks.
    pub(super) fn open(&mut self, piece: PieceIndex, blocks: u32) {
        if self.find(piece).is_some() {
            return;
        }
        if self.pieces.len() == self.count {
            self.pieces.push(OpenPiece::default());
        }
        let Some(open) = self.pieces.get_mut(self.count) else { return };
        let mut cells = core::mem::take(&mut open.cells);
        cells.clear();
        cells.resize(blocks as usize, Cell::default());
        *open = OpenPiece { piece, cells, missing: blocks, free: blocks, stored: 0, next: 0, place: NONE };
        self.set_index(piece, self.count as u32);
        self.count += 1;
        self.missing += u64::from(blocks);
        self.settle(piece);
    }

    /// Closes `piece`, with whatever was asked or here of it.
    pub(super) fn close(&mut self, piece: PieceIndex) {
        let Some(open) = self.find_mut(piece) else { return };
        let missing = core::mem::take(&mut open.missing);
        let asked: u64 = open.cells.iter().map(|cell| u64::from(cell.count)).sum();
        open.free = 0;
        self.missing -= u64::from(missing);
        self.asked -= asked;
        self.settle(piece);
        let place = self.index.get(piece.0 as usize).map_or(0, |place| *place as usize);
        self.count -= 1;
        self.pieces.swap(place, self.count);
        if let Some(moved) = self.pieces.get(place).map(|moved| moved.piece) {
            self.set_index(moved, place as u32);
        }
        self.set_index(piece, NONE);
    }

    /// The lowest free block of `piece`.
    pub(super) fn first_free(&mut self, piece: PieceIndex) -> Option<u32> {
        let open = self.find_mut(piece)?;
        let rest = open.cells.get(open.next as usize..)?;
        let free = rest.iter().position(|cell| !cell.here && cell.count == 0)?;
        open.next += free as u32;
        Some(open.next)
    }

    /// The peer in `slot` is asked for a block.
    pub(super) fn ask(&mut self, piece: PieceIndex, number: u32, slot: usize) {
        let Some(open) = self.find_mut(piece) else { return };
        let Some(cell) = open.cells.get_mut(number as usize) else { return };
        cell.add(slot as u16);
        open.free -= u32::from(cell.count == 1);
        self.asked += 1;
        self.settle(piece);
    }

    /// The peer in `slot` is no longer asked for a block; whether the block is free now.
    pub(super) fn unask(&mut self, piece: PieceIndex, number: u32, slot: usize) -> bool {
        let Some(open) = self.find_mut(piece) else { return false };
        let Some(cell) = open.cells.get_mut(number as usize) else { return false };
        if !cell.remove(slot as u16) {
            return false;
        }
        let free = cell.count == 0;
        if free {
            open.free += 1;
            open.next = open.next.min(number);
        }
        self.asked -= 1;
        self.settle(piece);
        free
    }

    /// A block came in. Returns what was known of it; `None` if it was here before.
    pub(super) fn store(&mut self, piece: PieceIndex, number: u32) -> Option<Cell> {
        let cell = self.fill(piece, number)?;
        if let Some(open) = self.find_mut(piece) {
            open.stored += 1;
        }
        Some(cell)
    }

    /// A block needs no peer, or has come from one.
    pub(super) fn fill(&mut self, piece: PieceIndex, number: u32) -> Option<Cell> {
        let open = self.find_mut(piece)?;
        let cell = open.cells.get_mut(number as usize).filter(|cell| !cell.here)?;
        let before = core::mem::replace(cell, Cell { here: true, ..Cell::default() });
        open.missing -= 1;
        open.free -= u32::from(before.count == 0);
        self.missing -= 1;
        self.asked -= u64::from(before.count);
        self.settle(piece);
        Some(before)
    }

    /// A block that is asked for, but of fewer than `limit` peers and not of that in `slot`, in a piece
    /// that this peer `has`.
    pub(super) fn duplicate(
        &mut self,
        slot: usize,
        limit: usize,
        has: impl Fn(PieceIndex) -> bool,
    ) -> Option<(PieceIndex, u32)> {
        if self.asked >= self.missing * limit as u64 {
            return None;
        }
        let mut look = DUPLICATE_LOOK;
        for _ in 0..self.count {
            let open = self.next_in_turn()?;
            look = look.checked_sub(1)?;
            if open.missing == 0 || !has(open.piece) {
                continue;
            }
            let found = open.cells.iter().take(look).position(|cell| {
                !cell.here && cell.askers().len() < limit && !cell.askers().contains(&(slot as u16))
            });
            if let Some(number) = found {
                return Some((open.piece, number as u32));
            }
            look = look.saturating_sub(open.cells.len());
        }
        None
    }

    /// An open piece that nobody is asked for, to be given up for another.
    pub(super) fn idle(&mut self) -> Option<PieceIndex> {
        (0..IDLE_LOOK.min(self.count)).find_map(|_| {
            let open = self.next_in_turn()?;
            (open.missing > 0 && open.missing == open.free).then_some(open.piece)
        })
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        let cells: usize = self.pieces.iter().map(|open| open.cells.capacity() * size_of::<Cell>()).sum();
        cells
            + self.index.capacity() * size_of::<u32>()
            + self.pieces.capacity() * size_of::<OpenPiece>()
            + self.partial.capacity() * size_of::<PieceIndex>()
            + self.partial_bits.heap_bytes()
    }

    fn next_in_turn(&mut self) -> Option<&OpenPiece> {
        self.turn = if self.turn + 1 < self.count { self.turn + 1 } else { 0 };
        self.pieces.get(self.turn)
    }

    fn find(&self, piece: PieceIndex) -> Option<&OpenPiece> {
        let place = *self.index.get(piece.0 as usize)?;
        self.pieces.get(place as usize)
    }

    fn find_mut(&mut self, piece: PieceIndex) -> Option<&mut OpenPiece> {
        let place = *self.index.get(piece.0 as usize)?;
        self.pieces.get_mut(place as usize)
    }

    fn set_index(&mut self, piece: PieceIndex, place: u32) {
        if let Some(index) = self.index.get_mut(piece.0 as usize) {
            *index = place;
        }
    }

    /// Puts `piece` into the list of those with free blocks, or takes it out, as it should be.
    fn settle(&mut self, piece: PieceIndex) {
        let end = self.partial.len() as u32;
        let Some(open) = self.find_mut(piece) else { return };
        let listed = open.place != NONE;
        if listed == (open.free > 0) {
            return;
        }
        let place = core::mem::replace(&mut open.place, if listed { NONE } else { end });
        if !listed {
            self.partial.push(piece);
            self.partial_bits.set(piece);
            return;
        }
        self.partial.swap_remove(place as usize);
        self.partial_bits.clear(piece);
        if let Some(moved) = self.partial.get(place as usize).copied()
            && let Some(open) = self.find_mut(moved)
        {
            open.place = place;
        }
    }
}
