//! What is wrong with which file, told from the pieces that are good.

use crate::output::{FileStatus, PieceRange};
use convoy_core::{
    bitfield::Bitfield,
    id::{FileIndex, PieceIndex},
    metainfo::Info,
    storage::Layout,
};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// How a file on disk compares with its torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileReport {
    /// With `/` between its parts, from the torrent's name on.
    pub(crate) path: String,
    pub(crate) length: u64,
    pub(crate) status: FileStatus,
    /// Its pieces that are not good, shared ones among them.
    pub(crate) bad_pieces: Vec<PieceRange>,
}

/// Where a torrent's file lies below `folder`.
pub(crate) fn place(folder: &Path, path: &[String]) -> PathBuf {
    path.iter().fold(folder.to_owned(), |place, part| place.join(part))
}

/// Compares every file but padding.
pub(crate) fn inspect(info: &Info, folder: &Path, good: &Bitfield) -> Vec<FileReport> {
    let layout = Layout::new(info.files.iter().map(|file| (file.length, file.padding)), info.geometry);
    let mut reports = Vec::new();
    for (index, file) in (0..).map(FileIndex).zip(&info.files).filter(|(_, file)| !file.padding) {
        let bad = layout.pieces_of(index).filter(|&piece| !good.get(piece));
        let bad_pieces = ranges(bad);
        let status = stat(&place(folder, &file.path), file.length);
        let damaged = status == FileStatus::Ok && !bad_pieces.is_empty();
        let status = if damaged { FileStatus::Damaged } else { status };
        reports.push(FileReport { path: file.path.join("/"), length: file.length, status, bad_pieces });
    }
    excuse(&mut reports);
    reports
}

/// What can be told of a file without reading it.
fn stat(file: &Path, length: u64) -> FileStatus {
    match fs::metadata(file) {
        Ok(found) if !found.is_file() => FileStatus::Unreadable,
        Ok(found) if found.len() != length => FileStatus::WrongLength,
        Ok(_) => FileStatus::Ok,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            FileStatus::Missing
        }
        Err(_) => FileStatus::Unreadable,
    }
}

/// Pieces in order, those that follow one another as one.
fn ranges(pieces: impl Iterator<Item = PieceIndex>) -> Vec<PieceRange> {
    let mut ranges: Vec<PieceRange> = Vec::new();
    for PieceIndex(piece) in pieces {
        match ranges.last_mut() {
            Some(range) if range.last + 1 == piece => range.last = piece,
            _ => ranges.push(PieceRange { first: piece, last: piece }),
        }
    }
    ranges
}

/// A file all of whose bad pieces are shared with one that is missing or cut short may well be sound.
fn excuse(reports: &mut [FileReport]) {
    // Only a file's first and last piece can be shared.
    let ends = |report: &FileReport| {
        let ranges = &report.bad_pieces;
        ranges.first().map(|range| range.first).into_iter().chain(ranges.last().map(|range| range.last))
    };
    let suspects: BTreeSet<u32> =
        reports.iter().filter(|report| is_spoilt(report.status)).flat_map(ends).collect();
    for report in reports.iter_mut().filter(|report| report.status == FileStatus::Damaged) {
        let mut bad = report.bad_pieces.iter().flat_map(|range| range.first..=range.last);
        if bad.all(|piece| suspects.contains(&piece)) {
            report.status = FileStatus::Unknown;
        }
    }
}

/// Whether the file alone explains its bad pieces.
fn is_spoilt(status: FileStatus) -> bool {
    matches!(status, FileStatus::Missing | FileStatus::WrongLength | FileStatus::Unreadable)
}
