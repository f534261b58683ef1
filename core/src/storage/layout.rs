//! Pieces and blocks to files and offsets.

use super::Geometry;
use crate::id::{FileIndex, PieceIndex};
use alloc::vec::Vec;
use core::ops::Range;

/// Where each file begins when they are laid end to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    geometry: Geometry,
    files: Vec<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    start: u64,
    length: u64,
    padding: bool,
}

/// A run of bytes that lies in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which file; `None` is padding: zeros that are on no disk.
    pub file: Option<FileIndex>,
    /// Where in the file it starts, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u32,
}

impl Layout {
    /// Lays files end to end, given by length and whether they are padding.
    #[must_use]
    pub fn new(files: impl IntoIterator<Item = (u64, bool)>, geometry: Geometry) -> Self {
        let mut start = 0_u64;
        let files = files
            .into_iter()
            .map(|(length, padding)| {
                let place = Place { start, length, padding };
                start = start.saturating_add(length);
                place
            })
            .collect();
        Self { geometry, files }
    }

    /// How the torrent is cut.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Cuts a run of the torrent's bytes at the borders of files. Empty files do not appear.
    pub fn segments(&self, offset: u64, length: u32) -> impl Iterator<Item = Segment> {
        let first = self.files.partition_point(|file| file.start + file.length <= offset);
        let end = offset.saturating_add(u64::from(length));
        self.files.iter().enumerate().skip(first).take_while(move |(_, file)| file.start < end).filter_map(
            move |(index, file)| {
                let from = offset.max(file.start);
                let to = end.min(file.start + file.length);
                (from < to).then(|| Segment {
                    file: (!file.padding).then_some(FileIndex(index as u32)),
                    offset: from - file.start,
                    length: (to - from) as u32,
                })
            },
        )
    }

    /// Runs of the torrent's bytes that are padding, in order.
    #[must_use]
    pub fn padding_ranges(&self) -> Vec<Range<u64>> {
        let padding = self.files.iter().filter(|file| file.padding && file.length > 0);
        padding.map(|file| file.start..file.start + file.length).collect()
    }

    /// The files, padding apart, that `piece` touches.
    pub fn files_of(&self, piece: PieceIndex) -> impl Iterator<Item = Segment> {
        let (offset, length) = (self.geometry.piece_offset(piece), self.geometry.piece_size(piece));
        self.segments(offset, length).filter(|segment| segment.file.is_some())
    }
}
