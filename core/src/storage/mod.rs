//! Where a torrent's bytes lie: pieces and blocks, files and offsets, what is trusted after a restart.
//!
//! Nothing here reads or writes: the swarm cuts blocks into [`Segment`]s of files by the [`Layout`], turns
//! them into [`Operation`]s, whose file, offset and length are already worked out, and a driver carries them
//! out and answers each with a [`Completion`]. Whole pieces leave as [`HashJob`]s. What is known of the files
//! is kept over a restart as a [`Resume`].

mod geometry;
mod hash;
mod layout;
mod operation;
mod resume;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;

pub use geometry::{Geometry, MAX_PIECES};
pub use hash::{HashJob, HashOutcome, HashState};
pub use layout::{Layout, Segment, Segments};
pub use operation::{Completion, Operation, StorageError};
pub use resume::{FileStamp, Resume, ResumeError, Verdict};
