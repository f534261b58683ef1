//! What is known of a torrent's files after a restart, and how far it may be trusted.

use super::Layout;
use crate::{
    bencode::{self, Decoder, Dict, Writer},
    bitfield::Bitfield,
    id::{FileIndex, InfoHash, PieceIndex},
};
use alloc::{vec, vec::Vec};
use thiserror::Error;

const FORMAT: &str = "convoy resume file";
const LIBTORRENT_FORMAT: &str = "libtorrent resume file";

/// A file's stamp in the resume file: size and time, eight bytes each.
const STAMP_LENGTH: usize = 16;

/// The size that stands for a file that was not there. No file system has files that long.
const ABSENT: u64 = u64::MAX;

/// What was known when a torrent was last saved.
///
/// Kept as canonical bencode: `clean`, `file-format`, `file-version` 1, `files` (16 bytes each: size and
/// time of change, big-endian; a size of 2^64 - 1 where there was no file), `info-hash`, `pieces` (as on the
/// wire). Resume files of libtorrent are read too.
///
/// ```
/// use convoy_core::{bitfield::Bitfield, id::{InfoHash, PieceIndex}};
/// use convoy_core::storage::{FileStamp, Geometry, Layout, Resume};
///
/// let layout = Layout::new([(100, false)], Geometry::new(50, 100).ok_or("bad lengths")?);
/// let stamp = Some(FileStamp { size: 100, mtime: 1_700_000_000_000_000_000 });
/// let mut have = Bitfield::new(2);
/// have.set(PieceIndex(0));
/// let resume = Resume { info_hash: InfoHash([7; 20]), have, files: vec![stamp], clean: true };
///
/// let saved = resume.encode();
/// let loaded = Resume::decode(&saved, InfoHash([7; 20]), 2, 1).map_err(|_| "bad file")?;
/// assert_eq!(loaded, resume);
/// assert_eq!(loaded.trusted(&layout, &[stamp]).trusted.count(), 1);
/// assert_eq!(loaded.trusted(&layout, &[None]).trusted.count(), 0);
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Resume {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The pieces that were on disk and had the right hash.
    pub have: Bitfield,
    /// The files as they were, in the torrent's order; `None` for one that was not there, and for padding.
    pub files: Vec<Option<FileStamp>>,
    /// Whether nothing was on its way to disk: what is not in `have` was not there.
    pub clean: bool,
}

/// By what one sees that a file was not touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FileStamp {
    /// Its length on disk, in bytes.
    pub size: u64,
    /// When it was last changed, in nanoseconds of Unix time.
    pub mtime: i64,
}

/// What to do with each piece. One that is in neither set is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Verdict {
    /// Pieces that are there, with no need to read them.
    pub trusted: Bitfield,
    /// Pieces that may be there: read and hash them.
    pub check: Bitfield,
}

/// Why a resume file is of no use. All its pieces must then be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// Not canonical bencode.
    #[error("resume file: {0}")]
    Bencode(#[from] bencode::Error),
    /// Not a resume file, or one of a program or version that is not known.
    #[error("not a resume file of a known format")]
    UnknownFormat,
    /// A resume file of another torrent.
    #[error("resume file of another torrent")]
    OtherTorrent,
    /// Pieces or files are missing, or their number does not fit the torrent.
    #[error("resume file does not fit the torrent")]
    Mismatch,
}

impl Resume {
    /// What knows nothing: every piece whose files are there will be checked.
    #[must_use]
    pub fn unknown(info_hash: InfoHash, pieces: u32, files: u32) -> Self {
        Self { info_hash, have: Bitfield::new(pieces), files: vec![None; files as usize], clean: false }
    }

    /// The resume file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        Writer::new(&mut out).dict(|dict| {
            dict.integer(b"clean", i64::from(self.clean))
                .string(b"file-format", FORMAT)
                .integer(b"file-version", 1)
                .string(b"files", self.files.iter().flat_map(stamp_bytes).collect::<Vec<u8>>())
                .string(b"info-hash", self.info_hash.0)
                .string(b"pieces", self.have.to_bytes());
        });
        out
    }

    /// Reads a resume file, ours or libtorrent's, of a torrent with that info-hash and so many pieces and files.
    ///
    /// # Errors
    /// If it is not one, or not of that torrent.
    pub fn decode(input: &[u8], info_hash: InfoHash, pieces: u32, files: u32) -> Result<Self, ResumeError> {
        let document = Decoder::strict().decode(input)?;
        let dict = document.root().dict().ok_or(ResumeError::UnknownFormat)?;
        let format = dict.get(b"file-format").and_then(bencode::Value::text);
        let version = dict.get(b"file-version").and_then(bencode::Value::integer);
        if dict.get(b"info-hash").and_then(bencode::Value::string) != Some(&info_hash.0) {
            return Err(match format {
                Some(FORMAT | LIBTORRENT_FORMAT) => ResumeError::OtherTorrent,
                _ => ResumeError::UnknownFormat,
            });
        }
        let unknown = Self::unknown(info_hash, pieces, files);
        match (format, version) {
            (Some(FORMAT), Some(1)) => unknown.read_own(&dict).ok_or(ResumeError::Mismatch),
            (Some(LIBTORRENT_FORMAT), Some(version @ 1..=2)) => {
                unknown.read_libtorrent(&dict, version).ok_or(ResumeError::Mismatch)
            }
            _ => Err(ResumeError::UnknownFormat),
        }
    }

    /// Compares with the files as they are now, in the torrent's order, and judges every piece.
    ///
    /// A piece is *trusted* if it was there, and every file that it touches is as it was. A piece is *missing* if
    /// a file that it touches is missing or too short for it, or if it was not there, nothing was on its
    /// way to disk, and its files are as they were. All others must be *checked*.
    #[must_use]
    pub fn trusted(&self, layout: &Layout, on_disk: &[Option<FileStamp>]) -> Verdict {
        let pieces = layout.geometry().pieces();
        let mut verdict = Verdict { trusted: Bitfield::new(pieces), check: Bitfield::new(pieces) };
        for piece in (0..pieces).map(PieceIndex) {
            let Some(unchanged) = self.unchanged(layout, on_disk, piece) else { continue };
            match (unchanged, self.have.get(piece)) {
                (true, true) => verdict.trusted.set(piece),
                (true, false) if self.clean => continue,
                _ => verdict.check.set(piece),
            };
        }
        verdict
    }

    /// Whether the files that `piece` touches are as they were; `None` if it cannot be in them.
    fn unchanged(&self, layout: &Layout, on_disk: &[Option<FileStamp>], piece: PieceIndex) -> Option<bool> {
        let mut unchanged = true;
        for segment in layout.piece_segments(piece) {
            let Some(file) = segment.file else { continue };
            let now = stamp_of(on_disk, file)?;
            if now.size < segment.offset + u64::from(segment.length) {
                return None;
            }
            unchanged &= stamp_of(&self.files, file) == Some(now);
        }
        Some(unchanged)
    }

    fn read_own(mut self, dict: &Dict<'_, '_>) -> Option<Self> {
        let stamps = dict.get(b"files")?.string()?;
        if stamps.len() != self.files.len().checked_mul(STAMP_LENGTH)? {
            return None;
        }
        for (file, bytes) in self.files.iter_mut().zip(stamps.chunks_exact(STAMP_LENGTH)) {
            *file = read_stamp(bytes);
        }
        self.have = Bitfield::from_bytes(dict.get(b"pieces")?.string()?, self.have.len())?;
        self.clean = dict.get(b"clean")?.integer()? == 1;
        Some(self)
    }

    /// libtorrent keeps no stamps, so nothing that it claims is trusted without a look. Version 2 (2.1) has a bit
    /// for each piece as on the wire, version 1 a byte whose lowest bit counts. Both have nothing where no piece was there.
    fn read_libtorrent(mut self, dict: &Dict<'_, '_>, version: i64) -> Option<Self> {
        let pieces = dict.get(b"pieces").map_or(Some(&b""[..]), bencode::Value::string)?;
        if version == 1 && pieces.len() == self.have.len() as usize {
            for (piece, byte) in (0..).map(PieceIndex).zip(pieces) {
                if byte & 1 == 1 {
                    self.have.set(piece);
                }
            }
        } else if !pieces.is_empty() {
            self.have = Bitfield::from_bytes(pieces, self.have.len())?;
        }
        Some(self)
    }
}

fn stamp_of(files: &[Option<FileStamp>], file: FileIndex) -> Option<FileStamp> {
    files.get(file.0 as usize).copied().flatten()
}

fn stamp_bytes(stamp: &Option<FileStamp>) -> impl Iterator<Item = u8> + use<> {
    let (size, mtime) = stamp.map_or((ABSENT, 0), |stamp| (stamp.size, stamp.mtime));
    size.to_be_bytes().into_iter().chain(mtime.to_be_bytes())
}

fn read_stamp(bytes: &[u8]) -> Option<FileStamp> {
    let (size, mtime) = bytes.split_first_chunk::<8>()?;
    let (size, mtime) = (u64::from_be_bytes(*size), i64::from_be_bytes(*mtime.first_chunk()?));
    (size != ABSENT).then_some(FileStamp { size, mtime })
}
