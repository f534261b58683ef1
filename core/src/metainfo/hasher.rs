//! SHA-1 of pieces, from content that comes in chunks of any size.

use super::BuildError;
use crate::storage::Geometry;
use alloc::vec::Vec;
use core::mem;
use sha1::{Digest, Sha1};

/// Hashes the content of a torrent, given in order.
///
/// ```
/// use convoy_core::{metainfo::PieceHasher, storage::Geometry};
///
/// let mut hasher = PieceHasher::new(Geometry::new(4, 6).ok_or("bad lengths")?);
/// ["co", "nvoy"].map(|chunk| hasher.update(chunk.as_bytes()));
/// assert_eq!(hasher.finish()?.len(), 2);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PieceHasher {
    geometry: Geometry,
    /// Of the piece that is not complete.
    sha1: Sha1,
    /// Bytes of that piece.
    filled: usize,
    /// Bytes of content.
    taken: u64,
    hashes: Vec<[u8; 20]>,
}

impl PieceHasher {
    /// Expects content that is cut like this.
    #[must_use]
    pub fn new(geometry: Geometry) -> Self {
        let hashes = Vec::with_capacity(geometry.pieces() as usize);
        Self { geometry, sha1: Sha1::new(), filled: 0, taken: 0, hashes }
    }

    /// Takes the next bytes of the content.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        let piece_length = self.geometry.piece_length() as usize;
        while let Some((rest, next)) = bytes.split_at_checked(piece_length - self.filled) {
            self.sha1.update(rest);
            self.end_piece();
            bytes = next;
        }
        self.sha1.update(bytes);
        self.filled += bytes.len();
    }

    /// How many bytes were taken so far.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// SHA-1 of each piece.
    ///
    /// # Errors
    /// If there were more or fewer bytes than the geometry says.
    pub fn finish(mut self) -> Result<Vec<[u8; 20]>, BuildError> {
        let (expected, found) = (self.geometry.total_length(), self.taken);
        if found != expected {
            return Err(BuildError::ContentLength { expected, found });
        }
        self.end_piece();
        Ok(self.hashes)
    }

    fn end_piece(&mut self) {
        // What ends beyond the last piece is either nothing or an error that `finish` reports.
        let hash = mem::take(&mut self.sha1).finalize().into();
        if self.hashes.len() < self.geometry.pieces() as usize {
            self.hashes.push(hash);
        }
        self.filled = 0;
    }
}
