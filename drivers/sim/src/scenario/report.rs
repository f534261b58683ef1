//! What came of a run.

use super::plan::{HostNumber, Plan};
use convoy_core::{
    Instant,
    id::{FileIndex, PieceIndex},
    storage::StorageError,
};
use std::{mem, time::Duration};
use thiserror::Error;

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What it was drawn from.
    pub seed: u64,
    /// Who was there.
    pub hosts: usize,
    /// How many of them had to be complete in the end.
    pub leechers: usize,
    /// What went wrong that must not.
    pub failure: Option<Failure>,
    /// How long after it first came each leecher was complete, the shortest first.
    pub completion: Vec<Duration>,
    /// When the run was over.
    pub ended: Instant,
    /// Verified bytes by who sent most of their piece.
    pub sources: Sources,
    /// Everything that happened to a host: inputs and timeouts.
    pub events: u64,
    /// The fingerprint of everything that hosts did, in hex.
    pub trace_hash: String,
    /// How it stood, second by second.
    pub samples: Vec<Sample>,
}

/// Bytes by where they came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Verified, from hosts that had everything from the start.
    pub seeds: u64,
    /// Verified, from hosts that wanted everything.
    pub leechers: u64,
    /// Received for nothing: repeated, unasked or corrupt; of those who are still there in the end.
    pub wasted: u64,
}

/// How the swarm stood at some second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// How much the leecher with the least has, in parts of a million.
    pub least_ppm: u32,
    /// The leecher in the middle.
    pub median_ppm: u32,
    /// The leecher with the most.
    pub most_ppm: u32,
    /// Block data that all hosts together received in the last second.
    pub received_bytes: u64,
    /// To how many peers all hosts together sent block data in the last second.
    pub slots: u32,
}

/// What must not happen.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Failure {
    /// Wrong bytes were reported as verified.
    #[error("{host} says at {at:?} that {piece:?} is verified, and its bytes on disk are wrong")]
    WrongPiece {
        /// Whose.
        host: HostNumber,
        /// When.
        at: Instant,
        /// Which.
        piece: PieceIndex,
    },
    /// More memory is held than the configuration allows.
    #[error("{host} holds {held} bytes of {what} at {at:?}, and may hold {limit}")]
    Memory {
        /// Who.
        host: HostNumber,
        /// When.
        at: Instant,
        /// Of what.
        what: &'static str,
        /// Bytes.
        held: usize,
        /// Bytes.
        limit: usize,
    },
    /// A torrent gave up though its disk did not fail.
    #[error("{host} gave up at {at:?}: {error} (file {file:?})")]
    GaveUp {
        /// Who.
        host: HostNumber,
        /// When.
        at: Instant,
        /// Which file, unless it was all of them.
        file: Option<FileIndex>,
        /// Why.
        error: StorageError,
    },
    /// Not everyone was complete in time.
    #[error("{missing} of {leechers} leechers are not complete at {at:?}; the first is {first}")]
    Unfinished {
        /// How many.
        missing: usize,
        /// Of how many.
        leechers: usize,
        /// The first of them.
        first: HostNumber,
        /// When.
        at: Instant,
    },
    /// A host does not have in time what it wanted before all else.
    #[error("{host} does not have all of files {files:?} at {at:?}")]
    PackageLate {
        /// Who.
        host: HostNumber,
        /// Which files.
        files: Vec<FileIndex>,
        /// When.
        at: Instant,
    },
    /// A host banned another that never said a wrong byte.
    #[error("{host} banned {banned} at {at:?}, which is honest")]
    HonestBanned {
        /// Who banned it.
        host: HostNumber,
        /// When.
        at: Instant,
        /// Whom.
        banned: HostNumber,
    },
    /// A host that had to be banned was not, or not by enough leechers.
    #[error("{host} was banned by {banned_by} leechers, and had to be by {wanted}")]
    NotBanned {
        /// Who.
        host: HostNumber,
        /// By how many leechers it was.
        banned_by: usize,
        /// By how many it had to be.
        wanted: usize,
    },
    /// An engine broke a law of its contract.
    #[error("{what}")]
    Law {
        /// Which, and how.
        what: String,
    },
    /// No torrent can be made.
    #[error("no torrent can be made: {why}")]
    NoTorrent {
        /// Why not.
        why: String,
    },
    /// The engine or the simulator panicked.
    #[error("panic: {message}")]
    Panic {
        /// What it said.
        message: String,
    },
}

impl Report {
    /// Of a run that came to nothing.
    pub(super) fn without_a_run(plan: &Plan, failure: Failure) -> Self {
        Self {
            seed: plan.seed,
            hosts: plan.hosts.len(),
            leechers: plan.leechers().count(),
            failure: Some(failure),
            completion: Vec::new(),
            ended: Instant::ZERO,
            sources: Sources::default(),
            events: 0,
            trace_hash: String::new(),
            samples: Vec::new(),
        }
    }

    /// How long the leecher in the middle took.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        self.completion.get(self.completion.len() / 2).copied()
    }

    /// How long the last leecher took.
    #[must_use]
    pub fn last(&self) -> Option<Duration> {
        self.completion.last().copied()
    }
}

impl Failure {
    /// Whether the same went wrong, there or elsewhere.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        mem::discriminant(self) == mem::discriminant(other)
    }
}
