//! Where a torrent's bytes lie: pieces and blocks, files and offsets, what is trusted after a restart.
//!
//! Nothing here reads or writes: the swarm turns blocks into [`Operation`]s, whose file, offset and length
//! are already worked out, and a driver carries them out and answers each with a [`Completion`].

mod geometry;
mod hash;
mod layout;
mod operation;
mod resume;

pub use geometry::{Geometry, MAX_PIECES};
pub use hash::{HashJob, HashOutcome, HashState};
pub use layout::{Layout, Segment};
pub use operation::{Completion, Operation, StorageError};
pub use resume::{FileStamp, Resume, Verdict};
