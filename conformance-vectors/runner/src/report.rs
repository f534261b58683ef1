//! What became of the vectors of a file.

use serde::Serialize;
use std::fmt;
use thiserror::Error;

/// What became of the vectors of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The file, below the folder that was checked.
    pub file: String,
    /// How many vectors held.
    pub passed: usize,
    /// Those that did not.
    pub failed: Vec<Mismatch>,
    /// Those that nobody looked at.
    pub skipped: Vec<Skipped>,
}

/// A vector and the code disagree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Error)]
#[error("{file}: {vector}: expected {expected}, found {found}")]
pub struct Mismatch {
    /// The file.
    pub file: String,
    /// The vector's name; empty if the file itself is not what it should be.
    pub vector: String,
    /// What the vector says.
    pub expected: String,
    /// What the code does.
    pub found: String,
}

/// A vector that was not checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its name; empty for a whole file.
    pub vector: String,
    /// Why not.
    pub reason: String,
}

/// Why a vector was not counted as one that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The code does something else.
    Differs {
        /// What the vector says.
        expected: String,
        /// What the code does.
        found: String,
    },
    /// There is no code for it, for this reason.
    Unsupported(&'static str),
}

impl Fault {
    /// A vector that lacks something, or says it in a way that is not the schema's.
    pub(crate) fn unfit(wanted: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::Differs { expected: format!("a vector with {wanted}"), found: found.to_string() }
    }

    /// `Err` unless the two are equal; `what` says which part of the vector they are.
    pub(crate) fn unless_equal<T: PartialEq + fmt::Debug>(
        what: &str,
        expected: &T,
        found: &T,
    ) -> Result<(), Self> {
        if expected == found {
            return Ok(());
        }
        Err(Self::Differs { expected: format!("{what} {expected:?}"), found: format!("{found:?}") })
    }
}

impl Report {
    /// Of a file of which nothing is known yet.
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), passed: 0, failed: Vec::new(), skipped: Vec::new() }
    }

    /// Of a file that is not what its schema asks for.
    pub(crate) fn unreadable(file: &str, error: &serde_json::Error) -> Self {
        let mut report = Self::new(file);
        let fault = Fault::Differs { expected: "what its schema asks for".into(), found: error.to_string() };
        report.add("", Err(fault));
        report
    }

    /// Of a file that nobody looked at.
    pub(crate) fn skipped(file: &str, reason: String) -> Self {
        let mut report = Self::new(file);
        report.skip("", reason);
        report
    }

    /// Adds a vector and what became of it.
    pub(crate) fn add(&mut self, vector: &str, result: Result<(), Fault>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(Fault::Unsupported(reason)) => self.skip(vector, reason.to_owned()),
            Err(Fault::Differs { expected, found }) => {
                let (file, vector) = (self.file.clone(), vector.to_owned());
                self.failed.push(Mismatch { file, vector, expected, found });
            }
        }
    }

    /// Adds a vector that nobody looked at.
    pub(crate) fn skip(&mut self, vector: &str, reason: String) {
        self.skipped.push(Skipped { vector: vector.to_owned(), reason });
    }
}
