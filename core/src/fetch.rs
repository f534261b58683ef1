//! Values of an HTTP fetch: what is asked of a driver, and what comes back.
//!
//! ```text
//! Fetch(request, credit)  ->  Head, Body, Body, ..., End
//! Credit(bytes)           ->  further bodies
//! Cancel                  ->  nothing more
//! ```
//!
//! A driver hands on no more bytes of a body than it has credit for, and reads on only as fast as that:
//! however long a body is, and whatever its length is said to be, memory stays bounded.

use alloc::string::String;
use bytes::Bytes;
use core::time::Duration;
use thiserror::Error;

/// The most redirects that a driver follows.
pub const MAX_REDIRECTS: usize = 5;

/// A GET for a run of bytes (RFC 9110, 14.2). Redirects are followed, as many as [`MAX_REDIRECTS`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Request {
    /// Where: `http` or `https`.
    pub url: String,
    /// The first byte.
    pub first: u64,
    /// The last byte; it is meant too.
    pub last: u64,
}

impl Request {
    /// The value of the `Range` field.
    ///
    /// ```
    /// use convoy_core::fetch::Request;
    ///
    /// let request = Request { url: "http://example.org/file".into(), first: 0, last: 99 };
    /// assert_eq!(request.range(), "bytes=0-99");
    /// ```
    #[must_use]
    pub fn range(&self) -> String {
        alloc::format!("bytes={}-{}", self.first, self.last)
    }
}

/// What comes of a fetch: a head, bodies, an end; or an end alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Fetched {
    /// The server answers.
    Head(Head),
    /// The next bytes of the body.
    Body(#[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))] Bytes),
    /// The body is at its end.
    End,
    /// Nothing more comes.
    Failed(FetchError),
}

/// The part of an answer that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Head {
    /// The status code, of the last answer where redirects were followed.
    pub status: u16,
    /// Which bytes the body is, if the server says so in a way that makes sense.
    pub content_range: Option<ContentRange>,
    /// How long the server wants to be left alone (RFC 9110, 10.2.3), if it says so. A driver makes a time
    /// of a date.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none", with = "crate::serial::optional_micros")
    )]
    pub retry_after: Option<Duration>,
}

/// Which bytes a body is (RFC 9110, 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ContentRange {
    /// The first byte.
    pub first: u64,
    /// The last byte; it is meant too.
    pub last: u64,
    /// How long the whole is, unless the server does not know.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads the value of a `Content-Range` field. `None` where it makes no sense, or names no bytes.
    ///
    /// ```
    /// use convoy_core::fetch::ContentRange;
    ///
    /// let range = ContentRange { first: 5, last: 9, total: Some(100) };
    /// assert_eq!(ContentRange::parse("bytes 5-9/100"), Some(range));
    /// assert_eq!(ContentRange::parse("bytes 5-9/*"), Some(ContentRange { total: None, ..range }));
    /// assert_eq!(ContentRange::parse("bytes */100"), None);
    /// assert_eq!(ContentRange::parse("bytes 9-5/100"), None);
    /// ```
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (unit, rest) = value.trim().split_once(' ')?;
        let (range, total) = rest.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let total = if total == "*" { None } else { Some(number(total)?) };
        let fits = first <= last && total.is_none_or(|total| last < total);
        (unit.eq_ignore_ascii_case("bytes") && fits).then_some(Self { first, last, total })
    }
}

/// Digits only: `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|digit| digit.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// An answer that was taken whole, because it had to be short.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Response {
    /// The status code, of the last answer where redirects were followed.
    pub status: u16,
    /// All of the body.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    pub body: Bytes,
}

/// Why a fetch failed before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FetchError {
    /// The URL makes no sense.
    #[error("the address makes no sense")]
    BadUrl,
    /// The name is unknown, or nobody listens there.
    #[error("cannot connect to the server")]
    Connect,
    /// TLS says that the server's certificate proves nothing: unknown issuer, another name, another time.
    #[error("the server's certificate is not trusted")]
    Certificate,
    /// No connection, or no byte, in time.
    #[error("the server does not answer in time")]
    TimedOut,
    /// More redirects than [`MAX_REDIRECTS`], or in a circle.
    #[error("too many redirects")]
    Redirects,
    /// The connection broke, or what came was no HTTP.
    #[error("the connection broke")]
    Broken,
    /// More came than there was room for.
    #[error("the answer is too long")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_that_makes_no_sense_is_none() {
        let bad = [
            "",
            "bytes",
            "bytes 0-9",
            "bytes 0-9/",
            "bytes 0-9/9",
            "bytes -9/10",
            "bytes +0-9/10",
            "items 0-9/10",
            "bytes 0-99999999999999999999/*",
        ];
        for value in bad {
            assert_eq!(ContentRange::parse(value), None, "{value}");
        }
        let range = ContentRange { first: 0, last: 9, total: Some(10) };
        assert_eq!(ContentRange::parse(" Bytes  0-9/10 "), Some(range));
    }
}
