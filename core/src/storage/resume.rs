//! What is known to be on disk after a restart.
use super::Layout;
use crate::{
    bitfield::Bitfield,
    id::{InfoHash, PieceIndex},
};
use alloc::vec::Vec;
/// Stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    /// Size in bytes.
    pub size: u64,
    /// Nanoseconds since the Unix epoch.
    pub mtime: i64,
}
/// Resume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// Verified pieces.
    pub have: Bitfield,
    /// Stamps.
    pub files: Vec<Option<FileStamp>>,
    /// Whether nothing was written after it.
    pub clean: bool,
}
/// What may be believed of a torrent's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Pieces that are there.
    pub trusted: Bitfield,
    /// Pieces that may be there: to be read and hashed.
    pub check: Bitfield,
}
impl Verdict {
    /// Judges.
    #[must_use]
    pub fn new(layout: &Layout, _resume: Option<&Resume>, on_disk: &[Option<FileStamp>]) -> Self {
        let pieces = layout.geometry().pieces();
        let mut check = Bitfield::new(pieces);
        for piece in (0..pieces).map(PieceIndex) {
            let there = layout.files_of(piece).all(|segment| {
                let stamp = segment.file.and_then(|file| on_disk.get(file.0 as usize).copied().flatten());
                stamp.is_some_and(|stamp| stamp.size >= segment.offset + u64::from(segment.length))
            });
            if there {
                check.set(piece);
            }
        }
        Self { trusted: Bitfield::new(pieces), check }
    }
}
