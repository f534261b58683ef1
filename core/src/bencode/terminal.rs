//! The terminals of the grammar: integers and the lengths of strings.

use super::error::ErrorKind;
use nom::{
    IResult, Parser,
    character::complete::{char, digit1},
    combinator::opt,
    error::ParseError,
};

/// What is left of the input, and the number in front of it.
pub(super) type Parsed<'a, T> = IResult<&'a [u8], T, Fault<'a>>;

/// What went wrong, and the input from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault<'a> {
    pub(super) at: &'a [u8],
    pub(super) kind: ErrorKind,
}

impl<'a> ParseError<&'a [u8]> for Fault<'a> {
    fn from_error_kind(at: &'a [u8], _: nom::error::ErrorKind) -> Self {
        let kind = if at.is_empty() { ErrorKind::UnexpectedEnd } else { ErrorKind::UnexpectedByte };
        Self { at, kind }
    }

    fn append(_: &'a [u8], _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

/// `i`, digits with perhaps a minus in front, `e`.
#[inline]
pub(super) fn integer(input: &[u8]) -> Parsed<'_, i64> {
    let (rest, _) = char('i').parse(input)?;
    let (rest, minus) = opt(char('-')).parse(rest)?;
    let (rest, value) = match minus {
        None => fold(rest, |value, digit| value.checked_mul(10)?.checked_add(digit))?,
        Some(_) => fold(rest, |value, digit| value.checked_mul(10)?.checked_sub(digit))?,
    };
    if minus.is_some() && value == 0 {
        return fail(input, ErrorKind::NegativeZero);
    }
    let (rest, _) = char('e').parse(rest)?;
    Ok((rest, value))
}

/// The digits and the colon in front of a string.
#[inline]
pub(super) fn length(input: &[u8]) -> Parsed<'_, usize> {
    let (rest, value) = fold(input, |value, digit| value.checked_mul(10)?.checked_add(digit))?;
    let (rest, _) = char(':').parse(rest)?;
    // A length that the address space does not hold is longer than the input, like any other too long.
    Ok((rest, usize::try_from(value).unwrap_or(usize::MAX)))
}

/// Canonical decimal digits, put together by `push`, which says `None` when the number grows too large.
#[inline]
fn fold(input: &[u8], push: impl Fn(i64, i64) -> Option<i64>) -> Parsed<'_, i64> {
    let (rest, digits) = digit1(input)?;
    if let [b'0', _, ..] = digits {
        return fail(input, ErrorKind::LeadingZero);
    }
    match digits.iter().try_fold(0, |value, digit| push(value, i64::from(digit - b'0'))) {
        Some(value) => Ok((rest, value)),
        None => fail(input, ErrorKind::OutOfRange),
    }
}

fn fail<T>(at: &[u8], kind: ErrorKind) -> Parsed<'_, T> {
    Err(nom::Err::Error(Fault { at, kind }))
}
