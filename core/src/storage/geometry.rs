//! How a torrent is cut into pieces and blocks.

use crate::id::{BLOCK_LENGTH, Block, PieceIndex};

/// The most pieces a torrent may have (libtorrent's limit too).
pub const MAX_PIECES: u32 = 1 << 21;

/// Piece length and total length of a torrent: all that the arithmetic of pieces and blocks needs.
///
/// ```
/// use convoy_core::{id::PieceIndex, storage::Geometry};
///
/// let geometry = Geometry::new(32 * 1024, 100_000).ok_or("bad lengths")?;
/// assert_eq!(geometry.pieces(), 4);
/// assert_eq!(geometry.piece_size(PieceIndex(3)), 100_000 - 3 * 32 * 1024);
/// assert_eq!(geometry.block(PieceIndex(3), 0).map(|block| block.length), Some(1696));
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "crate::serial::Lengths", into = "crate::serial::Lengths")
)]
pub struct Geometry {
    piece_length: u32,
    total_length: u64,
    pieces: u32,
}

impl Geometry {
    /// Stands in where nothing is known yet: one piece of one byte.
    pub(crate) const PLACEHOLDER: Self = Self { piece_length: 1, total_length: 1, pieces: 1 };

    /// `None` if a length is zero or there would be more than [`MAX_PIECES`] pieces.
    #[must_use]
    pub fn new(piece_length: u32, total_length: u64) -> Option<Self> {
        if piece_length == 0 || total_length == 0 {
            return None;
        }
        let pieces = u32::try_from(total_length.div_ceil(u64::from(piece_length))).ok()?;
        (pieces <= MAX_PIECES).then_some(Self { piece_length, total_length, pieces })
    }

    /// Bytes in every piece but the last.
    #[must_use]
    pub const fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Bytes in all.
    #[must_use]
    pub const fn total_length(&self) -> u64 {
        self.total_length
    }

    /// How many pieces there are.
    #[must_use]
    pub const fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Bytes in `piece`; 0 if there is no such piece.
    #[must_use]
    pub fn piece_size(&self, piece: PieceIndex) -> u32 {
        let left = self.total_length.saturating_sub(self.piece_offset(piece));
        left.min(u64::from(self.piece_length)) as u32
    }

    /// Where `piece` starts in the torrent, in bytes.
    #[must_use]
    pub fn piece_offset(&self, piece: PieceIndex) -> u64 {
        u64::from(piece.0) * u64::from(self.piece_length)
    }

    /// Where `block` starts in the torrent, in bytes.
    #[must_use]
    pub fn block_offset(&self, block: Block) -> u64 {
        self.piece_offset(block.piece) + u64::from(block.begin)
    }

    /// How many blocks of 16 KiB `piece` has, the last perhaps shorter; 0 if there is no such piece.
    #[must_use]
    pub fn blocks(&self, piece: PieceIndex) -> u32 {
        self.piece_size(piece).div_ceil(BLOCK_LENGTH)
    }

    /// Block `number` of `piece`.
    #[must_use]
    pub fn block(&self, piece: PieceIndex, number: u32) -> Option<Block> {
        let begin = number.checked_mul(BLOCK_LENGTH)?;
        let left = self.piece_size(piece).checked_sub(begin)?;
        (left > 0).then(|| Block { piece, begin, length: left.min(BLOCK_LENGTH) })
    }

    /// Whether `block` lies inside its piece and is not empty.
    #[must_use]
    pub fn contains(&self, block: Block) -> bool {
        block.length > 0
            && block.begin.checked_add(block.length).is_some_and(|end| end <= self.piece_size(block.piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_4_lengths_that_would_wrap_are_refused() {
        assert_eq!(Geometry::new(0, 1), None);
        assert_eq!(Geometry::new(1, 0), None);
        assert_eq!(Geometry::new(1, u64::MAX), None);
        assert!(Geometry::new(1, u64::from(MAX_PIECES)).is_some());
        assert_eq!(Geometry::new(1, u64::from(MAX_PIECES) + 1), None);
    }

    #[test]
    fn last_piece_and_last_block_are_what_is_left() {
        let geometry = Geometry::new(32_768, 32_768 * 2 + 1).expect("valid");
        assert_eq!(geometry.pieces(), 3);
        assert_eq!([0, 1, 2, 3].map(|piece| geometry.piece_size(PieceIndex(piece))), [32_768, 32_768, 1, 0]);
        assert_eq!(geometry.blocks(PieceIndex(2)), 1);
        assert_eq!(geometry.block(PieceIndex(2), 0).map(|block| block.length), Some(1));
        assert_eq!(geometry.block(PieceIndex(2), 1), None);
        assert_eq!(geometry.block(PieceIndex(u32::MAX), u32::MAX), None);
    }

    #[test]
    fn bad_input_13_a_block_whose_end_wraps_is_not_inside() {
        let geometry = Geometry::new(32_768, 100_000).expect("valid");
        let block = |begin, length| Block { piece: PieceIndex(0), begin, length };
        assert!(geometry.contains(block(0, 32_768)));
        assert!(!geometry.contains(block(1, 32_768)));
        assert!(!geometry.contains(block(0, 0)));
        assert!(!geometry.contains(block(u32::MAX, 2)));
        assert!(!geometry.contains(block(2, u32::MAX)));
    }
}
