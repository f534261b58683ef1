//! Piece hashing as a job that runs wherever the driver likes.
use alloc::vec::Vec;
use bytes::Bytes;
/// State.
#[derive(Clone, Debug, PartialEq)]
pub struct HashState;
/// Job.
#[derive(Clone, Debug, PartialEq)]
pub struct HashJob {
    /// State.
    pub state: HashState,
    /// Data.
    pub data: Vec<Bytes>,
    /// Last.
    pub last: bool,
}
/// Outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum HashOutcome {
    /// Partial.
    Partial(HashState),
    /// Digest.
    Digest([u8; 20]),
}
impl HashJob {
    /// Runs.
    #[must_use]
    pub fn run(self) -> HashOutcome {
        HashOutcome::Partial(self.state)
    }
}
