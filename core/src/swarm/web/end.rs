//! Why a web seed is left alone, and for how long.

use crate::fetch::FetchError;
use core::{ops::RangeInclusive, time::Duration};
use thiserror::Error;

/// How long a seed rests that failed, at first, and at most.
pub(super) const RETRY_FIRST: Duration = Duration::from_secs(10);
const RETRY_AT_MOST: Duration = Duration::from_secs(600);

/// How long one rests that says that it does not have what is wanted, or not for us, or that cannot prove who it is.
pub(super) const RETRY_REFUSED: Duration = Duration::from_secs(3600);

/// How long one rests that says how long, at least and at most: one that says nothing sensible is spared all the
/// same, and not forgotten.
pub(super) const RETRY_WISHED: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// Why a web seed is asked for nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum WebSeedEnd {
    /// Nothing more is wanted, for now at least.
    #[error("nothing more is wanted of it")]
    Idle,
    /// The fetch failed.
    #[error("{0}")]
    Fetch(FetchError),
    /// It answered with this HTTP status, which is neither 200 nor 206.
    #[error("the server answered {0}")]
    Status(u16),
    /// It answered with this HTTP status, and how long it wants to be left alone.
    #[error("the server answered {status}")]
    Busy {
        /// 429 or 503.
        status: u16,
        /// By its own word.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
        retry_after: Duration,
    },
    /// It sent other bytes than those it was asked for, or its file has another length.
    #[error("the server sent other bytes than it was asked for")]
    WrongRange,
    /// What it sent ended early.
    #[error("the server sent too little")]
    TooShort,
    /// It sent more than there is.
    #[error("the server sent too much")]
    TooLong,
    /// It alone sent a piece that failed its hash. Given up only if that was not the first such file, or it has no
    /// other.
    #[error("sent a corrupt piece")]
    CorruptPiece,
    /// It is not an HTTP address.
    #[error("not an HTTP address")]
    BadUrl,
}

impl WebSeedEnd {
    /// Whether it says no more than that the server does not have one file, or not for us.
    pub(super) const fn is_missing_file(self) -> bool {
        matches!(self, Self::Status(403 | 404 | 410))
    }

    /// How long a seed rests that failed so often before; `None`: for good.
    pub(super) fn retry_after(self, failures: u32) -> Option<Duration> {
        match self {
            Self::CorruptPiece | Self::BadUrl => None,
            Self::Busy { retry_after, .. } => {
                Some(retry_after.clamp(*RETRY_WISHED.start(), *RETRY_WISHED.end()))
            }
            Self::Idle => Some(Duration::ZERO),
            Self::Fetch(FetchError::Certificate) => Some(RETRY_REFUSED),
            Self::Status(_) | Self::WrongRange | Self::TooShort | Self::TooLong | Self::Fetch(_) => {
                Some(RETRY_FIRST.saturating_mul(1 << failures.min(8)).min(RETRY_AT_MOST))
            }
        }
    }
}
