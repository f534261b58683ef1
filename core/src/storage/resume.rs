//! What is known to be on disk after a restart.
use crate::{bitfield::Bitfield, id::InfoHash};
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
