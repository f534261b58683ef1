//! The client: questions to one tracker, over one address family (BEP 15).
//!
//! ```text
//!   Ask ─▶ connect ── 15 s, 30 s, 60 s … ──▶ no answer: the question ends
//!             │ connection id, good for 60 s
//!             ▼
//!          request ── 15 s, 30 s, 60 s … ──▶ no answer: the question ends
//!             │ when the id is too old by then: connect again, the waits going on where they were
//!             ▼
//!          Answer
//! ```
//!
//! All questions share one connection id. The parent sees to it that datagrams come from the tracker's own
//! address; of those, only one that answers a request that stands, in kind and transaction, is looked at.
//!
//! A partial seed is not announced as one: BEP 15 has no event for it, nor a place for the count in its scrapes.
//!
//! ```
//! use convoy_core::{
//!     Instant, Machine, Outbox,
//!     slab::Slab,
//!     tracker::{
//!         Question, QuestionKey, Reply,
//!         udp::{Action, Client, ClientConfig, ConnectionId, Input, Request, Response},
//!     },
//! };
//!
//! let mut client = Client::new(ClientConfig::new(false), [1; 32]);
//! let mut out = Outbox::new();
//! let mut questions = Slab::<QuestionKey, ()>::new();
//! let key = questions.insert(());
//! let question = Question::Scrape { info_hashes: vec![convoy_core::id::InfoHash([7; 20])] };
//! client.handle_input(Instant::ZERO, Input::Ask { key, question, path: "/announce".into() }, &mut out)?;
//!
//! // What the tracker would do:
//! let Some(Action::Send { data }) = out.drain().next() else { unreachable!() };
//! let Some(Request::Connect { transaction }) = Request::decode(&data) else { unreachable!() };
//! let mut answer = Vec::new();
//! Response::Connect(ConnectionId(42)).encode(transaction, &mut answer);
//!
//! client.handle_input(Instant::ZERO, Input::Datagram { data: answer.into() }, &mut out)?;
//! let Some(Action::Send { data }) = out.drain().next() else { unreachable!() };
//! assert!(matches!(Request::decode(&data), Some(Request::Scrape { connection: ConnectionId(42), .. })));
//! # Ok::<(), core::convert::Infallible>(())
//! ```

mod machine;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;

use crate::tracker::{Failure, Identity, Question, QuestionKey, Reply};
use alloc::string::String;
use bytes::Bytes;

pub use machine::{Client, Counters};

/// What a client is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The tracker is asked over IPv6: its peers have 18 bytes then.
    pub ipv6: bool,
    /// How often a packet is sent again: the wait is 15 s, and twice as long each time. 4, so that a question
    /// ends after eight minutes at most; 8 is the most (BEP 15), and an hour.
    pub max_retransmissions: u32,
    /// What is said of ourselves in the IC block, if anything.
    pub identity: Option<Identity>,
    /// Seconds of Unix time at [`Instant::ZERO`](crate::Instant::ZERO): tokens carry the time.
    pub unix_at_zero: u64,
}

impl ClientConfig {
    /// The defaults: nothing is said of ourselves.
    #[must_use]
    pub const fn new(ipv6: bool) -> Self {
        Self { ipv6, max_retransmissions: 4, identity: None, unix_at_zero: 0 }
    }
}

/// What can happen to a client.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Input {
    /// Somebody wants to know something. Answered once, unless it is cancelled.
    Ask {
        /// Names the question. A key that is in use already begins anew.
        key: QuestionKey,
        /// What.
        question: Question,
        /// Path and query of the tracker's URL: some trackers tell people apart by them (BEP 41).
        path: String,
    },
    /// Nobody wants to know any more.
    Cancel {
        /// What.
        key: QuestionKey,
    },
    /// A datagram came from the tracker's address.
    Datagram {
        /// What it holds.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
}

/// What a client wants.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Action {
    /// Send a datagram to the tracker.
    Send {
        /// What it holds.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
    /// A question has ended.
    Answer {
        /// Which.
        key: QuestionKey,
        /// How.
        result: Result<Reply, Failure>,
    },
}
