//! The parts of a torrent that are zeros (BEP 47).

use crate::{
    id::{Block, PieceIndex},
    storage::Geometry,
};
use alloc::vec::Vec;
use core::ops::Range;

/// Sorted runs of zeros, no two of which touch.
#[derive(Clone, Debug)]
pub(super) struct Padding {
    runs: Vec<Range<u64>>,
}

impl Padding {
    pub(super) fn new(mut runs: Vec<Range<u64>>, geometry: Geometry) -> Self {
        for run in &mut runs {
            run.end = run.end.min(geometry.total_length());
        }
        runs.retain(|run| !run.is_empty());
        runs.sort_unstable_by_key(|run| run.start);
        runs.dedup_by(|next, run| {
            let touches = next.start <= run.end;
            if touches {
                run.end = run.end.max(next.end);
            }
            touches
        });
        Self { runs }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether all of `block` is zeros.
    pub(super) fn covers(&self, geometry: Geometry, block: Block) -> bool {
        let start = geometry.block_offset(block);
        let after = self.runs.partition_point(|run| run.start <= start);
        let run = after.checked_sub(1).and_then(|index| self.runs.get(index));
        run.is_some_and(|run| start + u64::from(block.length) <= run.end)
    }

    /// The pieces that are nothing but zeros, in order.
    pub(super) fn pieces(&self, geometry: Geometry) -> impl Iterator<Item = Range<u32>> {
        let length = u64::from(geometry.piece_length());
        self.runs.iter().filter_map(move |run| {
            let first = run.start.div_ceil(length);
            let end = if run.end == geometry.total_length() {
                u64::from(geometry.pieces())
            } else {
                run.end / length
            };
            (first < end).then_some(first as u32..end as u32)
        })
    }

    /// Whether `piece` is nothing but zeros.
    pub(super) fn covers_piece(&self, geometry: Geometry, piece: PieceIndex) -> bool {
        let length = geometry.piece_size(piece);
        length > 0 && self.covers(geometry, Block { piece, begin: 0, length })
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.runs.capacity() * size_of::<Range<u64>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use core::iter;

    fn geometry() -> Geometry {
        Geometry::new(32_768, 32_768 * 4 + 100).expect("valid")
    }

    #[test]
    fn runs_that_touch_or_overlap_are_one() {
        let padding =
            Padding::new(vec![40_000..50_000, 0..16_384, 16_384..40_000, 60_000..60_000], geometry());
        assert_eq!(padding.runs.iter().map(|run| (run.start, run.end)).collect::<Vec<_>>(), [(0, 50_000)]);
    }

    #[test]
    fn pieces_of_zeros_are_those_wholly_inside() {
        let all = |start, end| {
            let padding = Padding::new(iter::once(start..end).collect(), geometry());
            padding.pieces(geometry()).flatten().collect::<Vec<_>>()
        };
        assert_eq!(all(1, 32_768 * 3), [1, 2]);
        assert_eq!(all(32_768 * 3 + 1, u64::MAX), [4], "the short last piece counts as whole");
        assert_eq!(all(0, 32_767), [0_u32; 0]);
    }

    #[test]
    fn a_block_is_padding_only_if_all_of_it_is() {
        let padding = Padding::new(iter::once(100..40_000).collect(), geometry());
        let covers =
            |begin, length| padding.covers(geometry(), Block { piece: PieceIndex(0), begin, length });
        assert!(covers(100, 16_384) && covers(16_384, 16_384));
        assert!(!covers(99, 10) && !covers(39_999, 2) && !covers(50_000, 1));
    }
}
