//! Where a torrent's bytes lie: pieces and blocks, files and offsets, what is trusted after a restart.
//!
//! Nothing here reads or writes: the swarm turns blocks into [`Operation`]s, whose file, offset and length
//! are already worked out, and a driver carries them out and answers each with a [`Completion`].

mod geometry;
mod operation;

pub use geometry::{Geometry, MAX_PIECES};
pub use operation::{Completion, Operation, StorageError};
