//! What a peer asked for and has not got yet.

use crate::id::{BLOCK_LENGTH, Block};
use alloc::vec::Vec;
use hashbrown::HashTable;

/// The most bytes that are read for a peer at once: neighbouring blocks in one operation.
const RUN_LENGTH: u32 = 16 * BLOCK_LENGTH;

/// No node.
const NONE: u32 = u32::MAX;

/// The requests of one peer, first come, first served.
///
/// O(1) to add, to find and to cancel, however the peer mixes them; no allocation once it has grown to
/// its limit (bad input 14).
#[derive(Clone, Debug)]
pub(super) struct UploadQueue {
    nodes: Vec<Node>,
    free: u32,
    first: u32,
    last: u32,
    /// Node numbers by block.
    index: HashTable<u32>,
    /// Makes collisions unpredictable to the peer.
    key: u64,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    block: Block,
    before: u32,
    behind: u32,
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
        Self { nodes: Vec::new(), free: NONE, first: NONE, last: NONE, index: HashTable::new(), key, limit }
    }

    pub(super) fn push(&mut self, block: Block) -> Queued {
        if self.find(block).is_some() {
            return Queued::Repeated;
        }
        if self.index.len() >= self.limit {
            return Queued::Full;
        }
        let number = self.place(Node { block, before: self.last, behind: NONE });
        match self.nodes.get_mut(self.last as usize) {
            Some(last) => last.behind = number,
            None => self.first = number,
        }
        self.last = number;
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

    /// Takes out the first request and those behind it that go on where it ends, in the same piece.
    /// No more than `at_most` bytes, unless the first request alone is longer.
    pub(super) fn pop_run(&mut self, at_most: u64) -> Option<Block> {
        let at_most = at_most.min(u64::from(RUN_LENGTH));
        let mut run = self.pop()?;
        while let Some(next) = self.nodes.get(self.first as usize).map(|node| node.block)
            && next.piece == run.piece
            && run.begin.checked_add(run.length) == Some(next.begin)
            && u64::from(run.length + next.length) <= at_most
        {
            run.length += next.length;
            self.remove(self.first);
        }
        Some(run)
    }

    /// Takes out the first request.
    pub(super) fn pop(&mut self) -> Option<Block> {
        let block = self.nodes.get(self.first as usize)?.block;
        self.remove(self.first);
        Some(block)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.index.capacity() * size_of::<u32>()
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
            None => self.first = node.behind,
        }
        match self.nodes.get_mut(node.behind as usize) {
            Some(behind) => behind.before = node.before,
            None => self.last = node.before,
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
        fn behaves_like_a_list(steps in proptest::collection::vec((0_u8..3, 0_u32..40), 0..400)) {
            let mut queue = UploadQueue::new(16, 7);
            let mut model: VecDeque<Block> = VecDeque::new();
            for (step, number) in steps {
                let block = block(number);
                match step {
                    0 => {
                        let expected = if model.contains(&block) { Queued::Repeated }
                            else if model.len() == 16 { Queued::Full }
                            else { model.push_back(block); Queued::Added };
                        prop_assert_eq!(queue.push(block), expected);
                    }
                    1 => {
                        let place = model.iter().position(|other| *other == block);
                        prop_assert_eq!(queue.cancel(block), place.is_some());
                        place.map(|place| model.remove(place));
                    }
                    _ => prop_assert_eq!(queue.pop(), model.pop_front()),
                }
                prop_assert_eq!(queue.is_empty(), model.is_empty());
            }
        }
    }

    #[test]
    fn neighbours_come_out_as_one_run() {
        let mut queue = UploadQueue::new(64, 1);
        for number in [0, 1, 2, 4, 8] {
            queue.push(block(number));
        }
        let runs: Vec<u32> =
            core::iter::from_fn(|| queue.pop_run(u64::MAX)).map(|run| run.length / BLOCK_LENGTH).collect();
        assert_eq!(runs, [3, 1, 1], "a gap and a new piece each end a run");
        (0..3).for_each(|number| assert_eq!(queue.push(block(number)), Queued::Added));
        let run = queue.pop_run(3 * u64::from(BLOCK_LENGTH) - 1);
        assert_eq!(run.map(|run| run.length), Some(2 * BLOCK_LENGTH), "no more than is allowed");
    }

    #[test]
    fn bad_input_14_request_and_cancel_storm_does_not_grow_the_queue() {
        let mut queue = UploadQueue::new(512, 3);
        for number in 0..100_000 {
            queue.push(block(number));
            if number % 3 != 0 {
                queue.cancel(block(number));
            }
            queue.push(block(number / 2));
        }
        assert!(queue.index.len() <= 512);
        assert!(queue.heap_bytes() <= 32 * 1024, "{}", queue.heap_bytes());
    }
}
