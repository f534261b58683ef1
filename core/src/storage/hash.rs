//! Piece hashing as a job that runs wherever the driver likes.

use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use sha1::{Digest, Sha1, digest::common::hazmat::SerializableState};

/// SHA-1 of the bytes so far.
#[derive(Clone, Default)]
pub struct HashState(Sha1);

/// Work worth another thread: `Send`, pure, and free of IO. The bytes are those that came in or were
/// read, not copies.
///
/// ```
/// use convoy_core::storage::{HashJob, HashOutcome, HashState};
///
/// let job = HashJob { state: HashState::default(), data: vec!["a".into(), "bc".into()], last: true };
/// let HashOutcome::Digest(digest) = job.run() else { unreachable!("it was the last") };
/// assert_eq!(digest[..4], [0xa9, 0x99, 0x3e, 0x36]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashJob {
    /// What was hashed before.
    pub state: HashState,
    /// What comes next, in order.
    pub data: Vec<Bytes>,
    /// Whether nothing comes behind it.
    pub last: bool,
}

/// What a [`HashJob`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashOutcome {
    /// The state behind the job's data; more is to come.
    Partial(HashState),
    /// SHA-1 of everything.
    Digest([u8; 20]),
}

impl HashJob {
    /// Does the work.
    #[must_use]
    pub fn run(self) -> HashOutcome {
        let Self { mut state, data, last } = self;
        data.iter().for_each(|bytes| state.0.update(bytes));
        if last { HashOutcome::Digest(state.0.finalize().into()) } else { HashOutcome::Partial(state) }
    }
}

impl PartialEq for HashState {
    fn eq(&self, other: &Self) -> bool {
        self.0.serialize() == other.0.serialize()
    }
}

impl Eq for HashState {}

impl fmt::Debug for HashState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "HashState({})",
            self.0.clone().finalize().iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
        )
    }
}
