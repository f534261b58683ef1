//! Why a byte string was not accepted as bencode.

use thiserror::Error;

/// What is wrong with an input, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{kind} at byte {offset}")]
pub struct Error {
    /// Where the decoder stopped, in bytes from the start of the input.
    pub offset: usize,
    /// What is wrong there.
    pub kind: ErrorKind,
}

/// The ways in which a byte string is not bencode, or is more of it than was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input ends inside a value. Also where a string is declared longer than what is left.
    #[error("unexpected end")]
    UnexpectedEnd,
    /// A byte that cannot stand here.
    #[error("unexpected byte")]
    UnexpectedByte,
    /// An integer or a length with a needless zero in front.
    #[error("leading zero")]
    LeadingZero,
    /// `i-0e`.
    #[error("negative zero")]
    NegativeZero,
    /// An integer that 64 signed bits do not hold, or a length that no input can have.
    #[error("number out of range")]
    OutOfRange,
    /// A dictionary key that is not a string.
    #[error("key is not a string")]
    KeyNotString,
    /// A dictionary key without a value.
    #[error("key without a value")]
    MissingValue,
    /// A dictionary key that belongs before the one in front of it. Strict rules only.
    #[error("unsorted key")]
    UnsortedKey,
    /// A dictionary key for the second time. Where keys are unsorted, the offset is that of the dictionary's end.
    #[error("duplicate key")]
    DuplicateKey,
    /// Something follows the value.
    #[error("trailing bytes")]
    TrailingBytes,
    /// More lists and dictionaries inside one another than allowed.
    #[error("nested too deep")]
    TooDeep,
    /// More values than allowed.
    #[error("too many values")]
    TooManyTokens,
    /// The input is longer than allowed.
    #[error("input too long")]
    TooLong,
}
