//! Why a torrent was not accepted, and whose fault that is.

use crate::{bencode, id::FileIndex};
use core::fmt;
use thiserror::Error;

/// Why bytes are not a torrent that one can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// Whoever made it, or carried it, got it wrong.
    #[error("malformed torrent: {0}")]
    Malformed(Malformed),
    /// It may well be right, but it is of a kind that this version does not know.
    #[error("unsupported torrent: {0}")]
    Incompatible(Incompatible),
    /// It may well be right, but it is larger than [`ParseOptions`](super::ParseOptions) allow.
    #[error("torrent too large: {0}")]
    Limit(Limit),
}

/// What is wrong with a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It is not bencode.
    #[error("{0}")]
    Bencode(bencode::Error),
    /// The outermost value is not a dictionary.
    #[error("not a dictionary")]
    NotDictionary,
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(Field),
    /// A field that must be there is of another type.
    #[error("{0} is of the wrong type")]
    WrongType(Field),
    /// A number that can't be: negative, zero where something must be, or beyond what the format has room for.
    #[error("{0} is out of range")]
    OutOfRange(Field),
    /// Both `length` and `files`: neither one file nor many.
    #[error("both length and files are there")]
    LengthAndFiles,
    /// There are no bytes to share.
    #[error("the total length is zero")]
    Empty,
    /// `pieces` is not 20 bytes for each piece that the lengths call for.
    #[error("{found} bytes of piece hashes where {expected} are needed")]
    PieceHashes {
        /// Bytes that the lengths call for.
        expected: u64,
        /// Bytes in `pieces`.
        found: u64,
    },
    /// The path of a file has no elements.
    #[error("the path of file {} is empty", .0.0)]
    EmptyPath(FileIndex),
    /// The path of a file has more than [`MAX_PATH_ELEMENTS`](super::MAX_PATH_ELEMENTS) elements.
    #[error("the path of file {} has too many elements", .0.0)]
    PathTooDeep(FileIndex),
    /// The path of a file is longer than [`MAX_PATH_BYTES`](super::MAX_PATH_BYTES).
    #[error("the path of file {} is too long", .0.0)]
    PathTooLong(FileIndex),
    /// The info dictionary is not canonical bencode, and
    /// [`reject_non_canonical`](super::ParseOptions::reject_non_canonical) is set.
    #[error("the info dictionary is not canonical bencode")]
    NonCanonical,
}

/// What is unknown about a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Incompatible {
    /// It has pieces of BEP 52 only, none that a client of version 1 can verify.
    #[error("a version 2 torrent without version 1 pieces")]
    V2Only,
    /// Its `meta version` is beyond 2.
    #[error("meta version {0}")]
    MetaVersion(i64),
}

/// Which limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Limit {
    /// [`max_bytes`](super::ParseOptions::max_bytes).
    #[error("too many bytes")]
    Bytes,
    /// [`max_files`](super::ParseOptions::max_files).
    #[error("too many files")]
    Files,
    /// [`max_total_length`](super::ParseOptions::max_total_length).
    #[error("too much content")]
    TotalLength,
    /// [`MAX_PIECES`](crate::storage::MAX_PIECES).
    #[error("too many pieces")]
    Pieces,
    /// [`MAX_PIECE_LENGTH`](super::MAX_PIECE_LENGTH).
    #[error("too long pieces")]
    PieceLength,
}

/// A field of a torrent that must be there and right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// `info`.
    Info,
    /// `name`.
    Name,
    /// `piece length`.
    PieceLength,
    /// `pieces`.
    Pieces,
    /// `length` of a single file.
    Length,
    /// `files`.
    Files,
    /// An entry of `files`.
    File(FileIndex),
    /// `length` of an entry of `files`.
    FileLength(FileIndex),
    /// `path` of an entry of `files`.
    FilePath(FileIndex),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Info => f.write_str("`info`"),
            Self::Name => f.write_str("`name`"),
            Self::PieceLength => f.write_str("`piece length`"),
            Self::Pieces => f.write_str("`pieces`"),
            Self::Length => f.write_str("`length`"),
            Self::Files => f.write_str("`files`"),
            Self::File(file) => write!(f, "file {}", file.0),
            Self::FileLength(file) => write!(f, "`length` of file {}", file.0),
            Self::FilePath(file) => write!(f, "`path` of file {}", file.0),
        }
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Incompatible> for Error {
    fn from(incompatible: Incompatible) -> Self {
        Self::Incompatible(incompatible)
    }
}

impl From<Limit> for Error {
    fn from(limit: Limit) -> Self {
        Self::Limit(limit)
    }
}

impl From<bencode::Error> for Error {
    /// A budget of the decoder that was met is a limit; all else is not bencode.
    fn from(error: bencode::Error) -> Self {
        if error.kind == bencode::ErrorKind::TooLong {
            Self::Limit(Limit::Bytes)
        } else {
            Self::Malformed(Malformed::Bencode(error))
        }
    }
}
