//! What a torrent asks of the place that keeps its bytes, and what comes back.

use crate::id::{FileIndex, StorageToken};
use bytes::Bytes;
use thiserror::Error;

/// Work for the driver: a positioned read or write, no more. Every one is answered by one
/// [`Completion`] with the same token, in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Operation {
    /// Read exactly `length` bytes at `offset`.
    Read {
        /// Comes back with the bytes.
        token: StorageToken,
        /// Which file.
        file: FileIndex,
        /// Where in the file, in bytes.
        offset: u64,
        /// How many bytes.
        length: u32,
    },
    /// Write all of `data` at `offset`; create the file and its folders if they are missing.
    Write {
        /// Comes back when it is done.
        token: StorageToken,
        /// Which file.
        file: FileIndex,
        /// Where in the file, in bytes.
        offset: u64,
        /// What to write.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
    /// Make everything written so far survive a loss of power.
    Flush {
        /// Comes back when it is done.
        token: StorageToken,
    },
}

/// How an [`Operation`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Completion {
    /// The bytes of a read, exactly as many as were asked for.
    Read {
        /// Of the operation.
        token: StorageToken,
        /// The bytes, or why there are none.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::read_result"))]
        result: Result<Bytes, StorageError>,
    },
    /// A write.
    Written {
        /// Of the operation.
        token: StorageToken,
        /// Done, or why not.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::result"))]
        result: Result<(), StorageError>,
    },
    /// A flush.
    Flushed {
        /// Of the operation.
        token: StorageToken,
        /// Done, or why not.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::result"))]
        result: Result<(), StorageError>,
    },
}

/// Why storage did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum StorageError {
    /// There is no such file.
    #[error("the file is missing")]
    NotFound,
    /// The file is there, but ends before the bytes that were asked for.
    #[error("the file is too short")]
    TooShort,
    /// Not allowed to read or write there.
    #[error("permission denied")]
    PermissionDenied,
    /// The disk is full, or a quota is used up.
    #[error("no space left on the disk")]
    Full,
    /// Anything else; the driver's log has the system's own words.
    #[error("input/output error")]
    Io,
}
