//! The client: asks any tracker, by its URL.
//!
//! ```text
//!   Ask ─┬─ udp://host:port/… ──▶ Resolve ──▶ an udp::Client for each address family ──▶ SendTo
//!        └─ http(s)://… ────────▶ Get
//!   Answer ◀── as each family answers, and as the names of peers are resolved; one of them is the last
//! ```
//!
//! A tracker with an IPv4 and an IPv6 address is asked at both, as each tells of its own kind of peers only
//! (BEP 15). Who answers first has answered the question; the other has [`GRACE`] from then.
//!
//! ```
//! use convoy_core::{
//!     Instant, Machine, Outbox,
//!     id::InfoHash,
//!     slab::Slab,
//!     tracker::{
//!         Question, QuestionKey,
//!         client::{Action, Client, Config, Input},
//!     },
//! };
//!
//! let mut client = Client::new(Config::default(), [1; 32]);
//! let mut out = Outbox::new();
//! let key = Slab::<QuestionKey, ()>::new().insert(());
//! let question = Question::Scrape { info_hashes: vec![InfoHash([7; 20])] };
//! let url = "udp://127.0.0.1:6969/announce".into();
//! client.handle_input(Instant::ZERO, Input::Ask { key, url, question }, &mut out)?;
//! assert!(matches!(&out.as_slice(), [Action::SendTo { to, .. }] if to.port() == 6969));
//! # Ok::<(), core::convert::Infallible>(())
//! ```

mod address;
mod machine;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;

use super::{Failure, Identity, Question, QuestionKey, Reply, http::Encryption};
use crate::{
    fetch::{FetchError, Response},
    id::{GetToken, ResolveToken},
};
use alloc::{string::String, vec::Vec};
use bytes::Bytes;
use core::{net::SocketAddr, time::Duration};

pub use address::{Address, Host};
pub use machine::{Client, Counters};

/// How long the second address of a tracker may take once the first has answered.
pub const GRACE: Duration = Duration::from_secs(15);

/// The most names of peers that are resolved of one answer: hardly any tracker gives names at all.
pub const MAX_NAMES: usize = 10;

/// What a client is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How often a datagram is sent again: see [`udp::ClientConfig`](super::udp::ClientConfig).
    pub max_retransmissions: u32,
    /// What is said of encrypted connections, to HTTP trackers.
    pub encryption: Encryption,
    /// What is said of ourselves to trackers that know the IC extensions, if anything.
    pub identity: Option<Identity>,
    /// Seconds of Unix time at [`Instant::ZERO`](crate::Instant::ZERO): tokens carry the time.
    pub unix_at_zero: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_retransmissions: 4, encryption: Encryption::Supported, identity: None, unix_at_zero: 0 }
    }
}

/// What can happen to a client.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Input {
    /// Somebody wants to know something. Answered until the last answer, unless it is cancelled.
    Ask {
        /// Names the question. A key that is in use already begins anew.
        key: QuestionKey,
        /// The tracker's.
        url: String,
        /// What.
        question: Question,
    },
    /// Nobody wants to know any more.
    Cancel {
        /// What.
        key: QuestionKey,
    },
    /// An [`Action::Resolve`] has ended.
    Resolved {
        /// Which.
        token: ResolveToken,
        /// What the name stands for; none if nobody knows.
        addrs: Vec<SocketAddr>,
    },
    /// An [`Action::Get`] has ended.
    Got {
        /// Which.
        token: GetToken,
        /// How.
        result: Result<Response, FetchError>,
    },
    /// A datagram came.
    Datagram {
        /// From where.
        from: SocketAddr,
        /// What it holds.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
}

/// What a client wants.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Action {
    /// Look a name up. Answer `Resolved`.
    Resolve {
        /// Comes back with the addresses.
        token: ResolveToken,
        /// The name.
        host: String,
        /// The port of the addresses.
        port: u16,
    },
    /// Send a datagram.
    SendTo {
        /// Where.
        to: SocketAddr,
        /// What it holds.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
    /// Get something short over HTTP, whole. Answer `Got`.
    Get {
        /// Comes back with it.
        token: GetToken,
        /// Where.
        url: String,
        /// The longest body that is taken, in bytes.
        limit: usize,
    },
    /// The answer to a `Get` is not wanted any more. Say nothing more of it.
    CancelGet {
        /// Which.
        token: GetToken,
    },
    /// An answer, or the end of a question without one.
    Answer {
        /// To which question.
        key: QuestionKey,
        /// What. An error is the only answer, and the last. A further answer repeats what the first said
        /// but for the peers: those are new, and may be none.
        result: Result<Reply, Failure>,
        /// Nothing more is said of this question.
        last: bool,
    },
}
