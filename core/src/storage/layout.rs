//! Where the bytes of a torrent lie in its files.

use super::Geometry;
use crate::id::{FileIndex, PieceIndex};
use alloc::vec::Vec;
use core::ops::Range;

/// The files of a torrent laid end to end (BEP 3), padding among them (BEP 47).
///
/// Cuts runs of bytes of the torrent into runs of bytes of files: O(log files) to find the first, O(1) for
/// each further one.
///
/// ```
/// use convoy_core::{id::FileIndex, storage::{Geometry, Layout, Segment}};
///
/// let geometry = Geometry::new(16, 40).ok_or("bad lengths")?;
/// let layout = Layout::new([(10, false), (6, true), (24, false)], geometry);
/// let segments: Vec<Segment> = layout.segments(8, 12).collect();
/// assert_eq!(segments, [
///     Segment { file: Some(FileIndex(0)), offset: 8, length: 2 },
///     Segment { file: None, offset: 0, length: 6 },
///     Segment { file: Some(FileIndex(2)), offset: 0, length: 4 },
/// ]);
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    geometry: Geometry,
    files: Vec<Extent>,
    /// The files that are not empty, in order: any number of empty ones in a row costs nothing to step over.
    occupied: Vec<FileIndex>,
}

/// A file's place in the torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    start: u64,
    length: u64,
    padding: bool,
}

impl Extent {
    const fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// A run of bytes that lie together in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The file, or `None` for padding: zeros that are nowhere on disk.
    pub file: Option<FileIndex>,
    /// Where the run starts in the file, in bytes.
    pub offset: u64,
    /// How long it is, in bytes. Never 0.
    pub length: u32,
}

impl Layout {
    /// Lays out files, each given by its length in bytes and whether it is padding. What lies beyond
    /// `geometry`'s total length is never part of a segment.
    #[must_use]
    pub fn new(files: impl IntoIterator<Item = (u64, bool)>, geometry: Geometry) -> Self {
        let mut start = 0_u64;
        let files = files.into_iter().map(|(length, padding)| {
            let extent = Extent { start, length, padding };
            start = extent.end();
            extent
        });
        let files: Vec<Extent> = files.collect();
        let numbered = (0..).map(FileIndex).zip(&files);
        let occupied = numbered.filter(|(_, extent)| extent.length > 0).map(|(file, _)| file).collect();
        Self { geometry, files, occupied }
    }

    /// How the bytes are cut into pieces.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// How many files there are, padding included.
    #[must_use]
    pub fn file_count(&self) -> u32 {
        self.files.len() as u32
    }

    /// How long `file` is, in bytes; 0 if there is no such file.
    #[must_use]
    pub fn file_length(&self, file: FileIndex) -> u64 {
        self.extent(file).map_or(0, |extent| extent.length)
    }

    /// Which bytes of the torrent are those of `file`. `None` if there is no such file.
    #[must_use]
    pub fn file_range(&self, file: FileIndex) -> Option<Range<u64>> {
        self.extent(file).map(|extent| extent.start..extent.end())
    }

    /// Whether `file` is padding.
    #[must_use]
    pub fn is_padding(&self, file: FileIndex) -> bool {
        self.extent(file).is_some_and(|extent| extent.padding)
    }

    /// Cuts the `length` bytes of the torrent from `offset` on into segments, in order. Stops at the end of
    /// the torrent.
    #[must_use]
    pub fn segments(&self, offset: u64, length: u32) -> Segments<'_> {
        let end = offset.saturating_add(u64::from(length)).min(self.geometry.total_length());
        let first =
            self.occupied.partition_point(|file| self.extent(*file).is_some_and(|it| it.end() <= offset));
        Segments {
            layout: self,
            files: self.occupied.get(first..).unwrap_or_default().iter(),
            at: offset,
            end,
        }
    }

    /// The segments of a whole piece; none if there is no such piece.
    #[must_use]
    pub fn piece_segments(&self, piece: PieceIndex) -> Segments<'_> {
        self.segments(self.geometry.piece_offset(piece), self.geometry.piece_size(piece))
    }

    /// The runs of bytes of the torrent that are padding, in order, none of them empty.
    pub fn padding_ranges(&self) -> impl Iterator<Item = Range<u64>> {
        let padding = self.files.iter().filter(|extent| extent.padding && extent.length > 0);
        padding.map(|extent| extent.start..extent.end())
    }

    /// The pieces that hold bytes of `file`; none for an empty file.
    pub fn pieces_of(
        &self,
        file: FileIndex,
    ) -> impl DoubleEndedIterator<Item = PieceIndex> + ExactSizeIterator + Clone + use<> {
        let pieces = self.extent(file).filter(|extent| extent.length > 0).map_or(0..0, |extent| {
            let piece_length = u64::from(self.geometry.piece_length());
            let pieces = u64::from(self.geometry.pieces());
            let first = (extent.start / piece_length).min(pieces) as u32;
            first..extent.end().div_ceil(piece_length).min(pieces) as u32
        });
        pieces.map(PieceIndex)
    }

    fn extent(&self, file: FileIndex) -> Option<&Extent> {
        self.files.get(file.0 as usize)
    }
}

/// The segments of a run of bytes. Made by [`Layout::segments`].
#[derive(Clone, Debug)]
pub struct Segments<'l> {
    layout: &'l Layout,
    files: core::slice::Iter<'l, FileIndex>,
    at: u64,
    end: u64,
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        if self.at >= self.end {
            return None;
        }
        let file = *self.files.next()?;
        let extent = self.layout.extent(file)?;
        let offset = self.at.checked_sub(extent.start)?;
        let length = extent.end().min(self.end).checked_sub(self.at)?;
        self.at += length;
        // No longer than what was asked for, which is 32 bits.
        Some(Segment { file: (!extent.padding).then_some(file), offset, length: length as u32 })
    }
}
