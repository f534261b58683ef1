//! The open pieces: those of which some block is here or asked for. Bookkeeping is per block.

use super::{
    cell::Cell,
    tier::{CLASSES, Class, PerClass},
};
use crate::{
    bitfield::Bitfield,
    id::{PeerKey, PieceIndex},
    time::Instant,
};
use alloc::{vec, vec::Vec};
use core::mem;

/// Not open, not in a list.
const NONE: u16 = u16::MAX;

/// The most pieces that can be open: their places are kept in 16 bits for each piece of the torrent.
pub(super) const MAX_OPEN: usize = NONE as usize;

/// How many pieces a search for one to give up looks at.
const IDLE_LOOK: usize = 32;

#[derive(Clone, Debug, Default)]
struct OpenPiece {
    piece: PieceIndex,
    /// `None` while it is skipped.
    class: Option<Class>,
    cells: Vec<Cell>,
    /// Blocks that are not here.
    missing: u32,
    /// Blocks that are not here and not asked for.
    free: u32,
    /// Requests that stand.
    asked: u32,
    /// Blocks that were taken back for a higher tier.
    spared: u32,
    /// Blocks that came from peers (not padding).
    stored: u32,
    /// Every block below is here or asked for.
    next: u32,
    /// Where in the list of its class it stands, while it has free blocks.
    place: u16,
    /// Who alone sends it, after it failed, and until when that is its turn.
    sender: Option<(PeerKey, Instant)>,
}

impl OpenPiece {
    /// Its class, if it has free blocks to ask for.
    fn partial(&self) -> Option<Class> {
        self.class.filter(|_| self.free > 0)
    }

    /// Whether it is not complete, and nobody is asked for a block of it.
    const fn is_idle(&self) -> bool {
        self.missing > 0 && self.asked == 0
    }
}

/// All open pieces, found by index in O(1). Their buffers are used again and again.
#[derive(Clone, Debug)]
pub(super) struct OpenPieces {
    /// For each piece of the torrent, where in `pieces` it stands.
    index: Vec<u16>,
    /// The open pieces, and behind them, from `count` on, buffers to use again.
    pieces: Vec<OpenPiece>,
    count: usize,
    /// The open pieces with free blocks, by class.
    partial: PerClass<Vec<PieceIndex>>,
    /// The same, to be matched with what a peer has.
    partial_bits: PerClass<Bitfield>,
    /// Blocks that are not here, of pieces that are not skipped.
    missing: u64,
    /// Requests that stand, by class.
    asked: PerClass<u64>,
    /// Where the next search starts.
    turn: usize,
}

impl OpenPieces {
    pub(super) fn new(pieces: u32) -> Self {
        Self {
            index: vec![NONE; pieces as usize],
            pieces: Vec::new(),
            count: 0,
            partial: PerClass::default(),
            partial_bits: PerClass::new(|| Bitfield::new(pieces)),
            missing: 0,
            asked: PerClass::default(),
            turn: 0,
        }
    }

    /// How many pieces are open.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Blocks of open pieces that are neither here nor skipped.
    pub(super) const fn missing(&self) -> u64 {
        self.missing
    }

    /// Requests that stand for blocks of a class.
    pub(super) const fn asked(&self, class: Class) -> u64 {
        *self.asked.get(class)
    }

    /// The open pieces of a class with free blocks, in no particular order.
    pub(super) fn partial(&self, class: Class) -> &[PieceIndex] {
        self.partial.get(class)
    }

    /// The open pieces of a class with free blocks.
    pub(super) const fn partial_bits(&self, class: Class) -> &Bitfield {
        self.partial_bits.get(class)
    }

    /// Whether no open piece has free blocks to ask for.
    pub(super) fn is_all_asked(&self) -> bool {
        self.partial.iter().all(Vec::is_empty)
    }

    pub(super) fn is_open(&self, piece: PieceIndex) -> bool {
        self.find(piece).is_some()
    }

    /// Blocks of `piece` that are not here; `None` if it is not open.
    pub(super) fn missing_in(&self, piece: PieceIndex) -> Option<u32> {
        self.find(piece).map(|open| open.missing)
    }

    /// The class of an open piece; `None` if it is skipped, or not open.
    pub(super) fn class(&self, piece: PieceIndex) -> Option<Class> {
        self.find(piece)?.class
    }

    /// The blocks of `piece`; none if it is not open.
    pub(super) fn cells(&self, piece: PieceIndex) -> &[Cell] {
        self.find(piece).map_or(&[], |open| &open.cells)
    }

    /// A block of an open piece.
    pub(super) fn cell(&self, piece: PieceIndex, number: u32) -> Option<&Cell> {
        self.cells(piece).get(number as usize)
    }

    /// Whether `piece` is open for nothing: no block of it came from a peer, nobody is asked for one, and
    /// there is nothing to remember of it.
    pub(super) fn is_untouched(&self, piece: PieceIndex) -> bool {
        self.find(piece).is_some_and(|open| {
            open.stored == 0
                && open.asked == 0
                && open.missing > 0
                && (open.spared == 0 || open.class.is_none())
        })
    }

    /// Whether `piece` is open and not complete, and nobody is asked for a block of it.
    pub(super) fn is_idle(&self, piece: PieceIndex) -> bool {
        self.find(piece).is_some_and(OpenPiece::is_idle)
    }

    /// Opens `piece`, which has `blocks` blocks, if there is a place for one more.
    pub(super) fn open(&mut self, piece: PieceIndex, class: Option<Class>, blocks: u32) {
        if self.is_open(piece) || self.count == MAX_OPEN {
            return;
        }
        if self.pieces.len() == self.count {
            self.pieces.push(OpenPiece::default());
        }
        let Some(open) = self.pieces.get_mut(self.count) else { return };
        let mut cells = mem::take(&mut open.cells);
        cells.clear();
        cells.resize(blocks as usize, Cell::default());
        *open =
            OpenPiece { piece, cells, missing: blocks, free: blocks, place: NONE, ..OpenPiece::default() };
        self.set_index(piece, self.count as u16);
        self.count += 1;
        self.set_class(piece, class);
    }

    /// An open piece belongs to another class from now on, or is skipped.
    pub(super) fn set_class(&mut self, piece: PieceIndex, class: Option<Class>) {
        let Some(place) = self.place(piece) else { return };
        self.unlist(place);
        let Some(open) = self.pieces.get_mut(place) else { return };
        let (asked, missing) = (u64::from(open.asked), u64::from(open.missing));
        if let Some(before) = mem::replace(&mut open.class, class) {
            *self.asked.get_mut(before) -= asked;
            self.missing -= missing;
        }
        if let Some(class) = class {
            *self.asked.get_mut(class) += asked;
            self.missing += missing;
        }
        self.settle(piece);
    }

    /// Closes `piece`, with whatever was asked or here of it.
    pub(super) fn close(&mut self, piece: PieceIndex) {
        let Some(place) = self.place(piece) else { return };
        self.set_class(piece, None);
        self.count -= 1;
        self.pieces.swap(place, self.count);
        if let Some(moved) = self.pieces.get(place).map(|moved| moved.piece) {
            self.set_index(moved, place as u16);
        }
        self.set_index(piece, NONE);
    }

    /// Who alone sends an open piece.
    pub(super) fn sender(&self, piece: PieceIndex) -> Option<PeerKey> {
        self.find(piece)?.sender.map(|(peer, _)| peer)
    }

    /// When the turn of who alone sends an open piece ends.
    pub(super) fn turn_ends(&self, piece: PieceIndex) -> Option<Instant> {
        self.find(piece)?.sender.map(|(_, ends)| ends)
    }

    pub(super) fn set_sender(&mut self, piece: PieceIndex, sender: PeerKey, ends: Instant) {
        if let Some(open) = self.find_mut(piece) {
            open.sender = Some((sender, ends));
        }
    }

    /// The lowest free block of `piece`.
    pub(super) fn first_free(&mut self, piece: PieceIndex) -> Option<u32> {
        let open = self.find_mut(piece)?;
        let rest = open.cells.get(open.next as usize..)?;
        let free = rest.iter().position(Cell::is_free)?;
        open.next += free as u32;
        Some(open.next)
    }

    /// The peer in `slot` is asked for a block.
    pub(super) fn ask(&mut self, piece: PieceIndex, number: u32, slot: usize) {
        let Some(open) = self.find_mut(piece) else { return };
        let Some(cell) = open.cells.get_mut(number as usize) else { return };
        open.free -= u32::from(cell.is_free());
        cell.add(slot as u16);
        open.asked += 1;
        if let Some(class) = open.class {
            *self.asked.get_mut(class) += 1;
        }
        self.settle(piece);
    }

    /// The peer in `slot` is no longer asked for a block; whether the block is free now.
    pub(super) fn unask(&mut self, piece: PieceIndex, number: u32, slot: usize) -> bool {
        let Some(open) = self.find_mut(piece) else { return false };
        let Some(cell) = open.cells.get_mut(number as usize) else { return false };
        if !cell.remove(slot as u16) {
            return false;
        }
        let free = cell.is_free();
        if free {
            open.free += 1;
            open.next = open.next.min(number);
        }
        open.asked -= 1;
        if let Some(class) = open.class {
            *self.asked.get_mut(class) -= 1;
        }
        self.settle(piece);
        free
    }

    /// A block is about to be taken back for a higher tier: that is not done to it again.
    pub(super) fn spare(&mut self, piece: PieceIndex, number: u32) {
        let Some(open) = self.find_mut(piece) else { return };
        if let Some(cell) = open.cells.get_mut(number as usize) {
            cell.spare();
            open.spared += 1;
        }
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
        let cell = open.cells.get_mut(number as usize).filter(|cell| !cell.is_here())?;
        let before = mem::replace(cell, Cell::HERE);
        let asked = before.askers().len() as u32;
        open.missing -= 1;
        open.free -= u32::from(before.is_free());
        open.asked -= asked;
        if let Some(class) = open.class {
            self.missing -= 1;
            *self.asked.get_mut(class) -= u64::from(asked);
        }
        self.settle(piece);
        Some(before)
    }

    /// An open piece that nobody is asked for, to be given up for another: rather one that is skipped or
    /// less urgent, rather one of which little is here.
    pub(super) fn idle(&mut self) -> Option<PieceIndex> {
        let mut best = None;
        for _ in 0..IDLE_LOOK.min(self.count) {
            let Some(open) = self.next_in_turn().filter(|open| open.is_idle()) else {
                continue;
            };
            let urgency = open.class.map_or(0, |class| CLASSES - class as usize);
            let loss = (urgency, open.stored, open.piece);
            if best.is_none_or(|best| loss < best) {
                best = Some(loss);
            }
        }
        best.map(|(_, _, piece)| piece)
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        let cells: usize = self.pieces.iter().map(|open| open.cells.capacity() * size_of::<Cell>()).sum();
        cells
            + self.index.capacity() * size_of::<u16>()
            + self.pieces.capacity() * size_of::<OpenPiece>()
            + self.partial.iter().map(|list| list.capacity() * size_of::<PieceIndex>()).sum::<usize>()
            + self.partial_bits.iter().map(Bitfield::heap_bytes).sum::<usize>()
    }

    fn next_in_turn(&mut self) -> Option<&OpenPiece> {
        self.turn = if self.turn + 1 < self.count { self.turn + 1 } else { 0 };
        self.pieces.get(self.turn)
    }

    /// Where in `pieces` an open piece stands.
    fn place(&self, piece: PieceIndex) -> Option<usize> {
        self.index.get(piece.0 as usize).filter(|place| **place != NONE).map(|place| usize::from(*place))
    }

    fn find(&self, piece: PieceIndex) -> Option<&OpenPiece> {
        self.pieces.get(self.place(piece)?)
    }

    fn find_mut(&mut self, piece: PieceIndex) -> Option<&mut OpenPiece> {
        let place = self.place(piece)?;
        self.pieces.get_mut(place)
    }

    fn set_index(&mut self, piece: PieceIndex, place: u16) {
        if let Some(index) = self.index.get_mut(piece.0 as usize) {
            *index = place;
        }
    }

    /// Puts `piece` into the list of those with free blocks, or takes it out, as it should be.
    fn settle(&mut self, piece: PieceIndex) {
        let Some(place) = self.place(piece) else { return };
        let Some(open) = self.pieces.get_mut(place) else { return };
        match (open.place == NONE, open.partial()) {
            (true, Some(class)) => {
                let list = self.partial.get_mut(class);
                open.place = list.len() as u16;
                list.push(piece);
                self.partial_bits.get_mut(class).set(piece);
            }
            (false, None) => self.unlist(place),
            (true, None) | (false, Some(_)) => {}
        }
    }

    /// Takes the piece at `place` out of the list of its class, if it is in it.
    fn unlist(&mut self, place: usize) {
        let Some(open) = self.pieces.get_mut(place) else { return };
        let (piece, listed) = (open.piece, mem::replace(&mut open.place, NONE));
        let Some(class) = open.class.filter(|_| listed != NONE) else { return };
        self.partial_bits.get_mut(class).clear(piece);
        let list = self.partial.get_mut(class);
        list.swap_remove(usize::from(listed));
        if let Some(moved) = list.get(usize::from(listed)).copied()
            && let Some(open) = self.find_mut(moved)
        {
            open.place = listed;
        }
    }
}
