//! What a peer asked for and has not got yet.

use crate::id::{BLOCK_LENGTH, Block};
use alloc::vec::Vec;
use hashbrown::HashTable;

/// The most bytes that are read for a peer at once: neighbouring blocks in one operation.
const RUN_LENGTH: u32 = 16 * BLOCK_LENGTH;

/// No node.
const NONE: u32 = u32::MAX;

/// The requests of one peer, first come, first served; but some have their turn before the others.
///
/// O(1) to add, to find and to cancel, however the peer mixes them; no allocation once it has grown to
/// its limit (bad input 14).
#[derive(Clone, Debug)]
pub(super) struct UploadQueue {
    nodes: Vec<Node>,
    free: u32,
    soon: Line,
    later: Line,
    /// Node numbers by block.
    index: HashTable<u32>,
    /// Makes collisions unpredictable to the peer.
    key: u64,
    limit: usize,
}

/// Requests in the order in which they came.
#[derive(Clone, Copy, Debug)]
struct Line {
    first: u32,
    last: u32,
}

/// In which line a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Before all that come later.
    Soon,
    /// Behind all that come soon.
    Later,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    block: Block,
    turn: Turn,
    before: u32,
    behind: u32,
}

impl Line {
    const EMPTY: Self = Self { first: NONE, last: NONE };
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// It waits.
    Added,
    /// It waits already.
    Repeated,
    /// There is no room.
    Full,
}

impl UploadQueue {
    pub(super) const fn new(limit: usize, key: u64) -> Self {
        let (soon, later) = (Line::EMPTY, Line::EMPTY);
        Self { nodes: Vec::new(), free: NONE, soon, later, index: HashTable::new(), key, limit }
    }

    pub(super) fn push(&mut self, block: Block, turn: Turn) -> Queued {
        if self.find(block).is_some() {
            return Queued::Repeated;
        }
        if self.index.len() >= self.limit {
            return Queued::Full;
        }
        let before = self.line(turn).last;
        let number = self.place(Node { block, turn, before, behind: NONE });
        match self.nodes.get_mut(before as usize) {
            Some(last) => last.behind = number,
            None => self.line_mut(turn).first = number,
        }
        self.line_mut(turn).last = number;
        let (key, nodes) = (self.key, &self.nodes);
        self.index.insert_unique(hash(key, block), number, |number| {
            nodes.get(*number as usize).map_or(0, |node| hash(key, node.block))
        });
        Queued::Added
    }

    /// Takes a request out; whether it was there.
    pub(super) fn cancel(&mut self, block: Block) -> bool {
        let Some(number) = self.find(block) else { return false };
        self.remove(number);
        true
    }

    /// Takes out the first request of a line and those behind it that go on where it ends, in the same piece.
    /// No more than `at_most` bytes, unless the first request alone is longer.
    pub(super) fn pop_run(&mut self, turn: Turn, at_most: u64) -> Option<Block> {
        let at_most = at_most.min(u64::from(RUN_LENGTH));
        let mut run = self.pop(turn)?;
        while let Some(next) = self.nodes.get(self.line(turn).first as usize).map(|node| node.block)
            && next.piece == run.piece
            && run.begin.checked_add(run.length) == Some(next.begin)
            && u64::from(run.length + next.length) <= at_most
        {
            run.length += next.length;
            self.remove(self.line(turn).first);
        }
        Some(run)
    }

    /// Takes out the first request of a line.
    pub(super) fn pop(&mut self, turn: Turn) -> Option<Block> {
        let first = self.line(turn).first;
        let block = self.nodes.get(first as usize)?.block;
        self.remove(first);
        Some(block)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.index.capacity() * size_of::<u32>()
    }

    const fn line(&self, turn: Turn) -> Line {
        match turn {
            Turn::Soon => self.soon,
            Turn::Later => self.later,
        }
    }

    const fn line_mut(&mut self, turn: Turn) -> &mut Line {
        match turn {
            Turn::Soon => &mut self.soon,
            Turn::Later => &mut self.later,
        }
    }

    fn find(&self, block: Block) -> Option<u32> {
        self.index
            .find(hash(self.key, block), |number| {
                self.nodes.get(*number as usize).is_some_and(|node| node.block == block)
            })
            .copied()
    }

    fn place(&mut self, node: Node) -> u32 {
        if let Some(slot) = self.nodes.get_mut(self.free as usize) {
            let number = self.free;
            self.free = slot.behind;
            *slot = node;
            return number;
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }

    fn remove(&mut self, number: u32) {
        let Some(node) = self.nodes.get(number as usize).copied() else { return };
        let found = self.index.find_entry(hash(self.key, node.block), |other| *other == number);
        if let Ok(entry) = found {
            entry.remove();
        }
        match self.nodes.get_mut(node.before as usize) {
            Some(before) => before.behind = node.behind,
            None => self.line_mut(node.turn).first = node.behind,
        }
        match self.nodes.get_mut(node.behind as usize) {
            Some(behind) => behind.before = node.before,
            None => self.line_mut(node.turn).last = node.before,
        }
        if let Some(slot) = self.nodes.get_mut(number as usize) {
            slot.behind = self.free;
        }
        self.free = number;
    }
}

/// A keyed multiply-and-fold: the peer does not see the key, so it cannot aim at one bucket.
fn hash(key: u64, block: Block) -> u64 {
    let place = u64::from(block.piece.0) << 32 | u64::from(block.begin);
    let product = u128::from(place ^ key) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PieceIndex;
    use alloc::collections::VecDeque;
    use proptest::prelude::*;

    fn block(number: u32) -> Block {
        Block { piece: PieceIndex(number / 8), begin: number % 8 * BLOCK_LENGTH, length: BLOCK_LENGTH }
    }

    proptest! {
        #[test]
        fn behaves_like_two_lists(steps in proptest::collection::vec((0_u8..5, 0_u32..40), 0..400)) {
            let mut queue = UploadQueue::new(16, 7);
            let mut model: VecDeque<(Block, Turn)> = VecDeque::new();
            for (step, number) in steps {
                let block = block(number);
                let turn = if step % 2 == 0 { Turn::Soon } else { Turn::Later };
                let place = model.iter().position(|(other, _)| *other == block);
                match step {
                    0 | 1 => {
                        let expected = if place.is_some() { Queued::Repeated }
                            else if model.len() == 16 { Queued::Full }
                            else { model.push_back((block, turn)); Queued::Added };
                        prop_assert_eq!(queue.push(block, turn), expected);
                    }
                    2 => {
                        prop_assert_eq!(queue.cancel(block), place.is_some());
                        place.map(|place| model.remove(place));
                    }
                    _ => {
                        let first = model.iter().position(|(_, other)| *other == turn);
                        let first = first.and_then(|place| model.remove(place));
                        prop_assert_eq!(queue.pop(turn), first.map(|(block, _)| block));
                    }
                }
                prop_assert_eq!(queue.is_empty(), model.is_empty());
            }
        }
    }

    #[test]
    fn neighbours_come_out_as_one_run() {
        let mut queue = UploadQueue::new(64, 1);
        for number in [0, 1, 2, 4, 8] {
            queue.push(block(number), Turn::Soon);
        }
        let runs: Vec<u32> = core::iter::from_fn(|| queue.pop_run(Turn::Soon, u64::MAX))
            .map(|run| run.length / BLOCK_LENGTH)
            .collect();
        assert_eq!(runs, [3, 1, 1], "a gap and a new piece each end a run");
        (0..3).for_each(|number| assert_eq!(queue.push(block(number), Turn::Later), Queued::Added));
        let run = queue.pop_run(Turn::Later, 3 * u64::from(BLOCK_LENGTH) - 1);
        assert_eq!(run.map(|run| run.length), Some(2 * BLOCK_LENGTH), "no more than is allowed");
    }

    #[test]
    fn bad_input_14_request_and_cancel_storm_does_not_grow_the_queue() {
        let mut queue = UploadQueue::new(512, 3);
        for number in 0..100_000 {
            queue.push(block(number), if number % 2 == 0 { Turn::Soon } else { Turn::Later });
            if number % 3 != 0 {
                queue.cancel(block(number));
            }
            queue.push(block(number / 2), Turn::Soon);
        }
        assert!(queue.index.len() <= 512);
        assert!(queue.heap_bytes() <= 32 * 1024, "{}", queue.heap_bytes());
    }
}
