//! The server's side of BEP 15: a packet in, at most one out, and next to nothing kept.
//!
//! ```text
//!   packet ─▶ connection id ─▶ budget ─▶ token ─▶ access ─▶ store ─▶ reply
//!             wrong: silence   spent:    bad:     uninvited: as if there
//!                              silence   nobody   were no such swarm
//! ```
//!
//! A source that has not yet shown a connection id gets no more bytes than it sent. What it
//! then [costs](Budget) is bounded. A signature is verified when it can change the answer, and then
//! once for all announces that come from one socket under one connection id.
//!
//! Who is not invited to a swarm is answered as for one that does not exist, byte for byte, and not stored;
//! so the trailer's flag for a good token is 0 too, and counts are of the others. A token is not even verified
//! for who is not on the list of those who may come, so the answer takes no longer either. A scrape has no room
//! for a token and tells of public swarms alone. What this cannot hide on a tracker that takes any swarm: two
//! strangers who announce themselves to a hidden one do not find each other.
//!
//! [`Server`] answers from a buffer into a buffer, out of swarms that its caller keeps; [`Tracker`] is it with
//! swarms of its own, as a machine:
//!
//! ```
//! use convoy_core::{
//!     Instant, Machine, Outbox,
//!     tracker::udp::{Request, TransactionId, Tracker, server::{Action, Input, TrackerConfig}},
//! };
//!
//! let mut tracker = Tracker::new(TrackerConfig::default(), [7; 32]);
//! let mut out = Outbox::new();
//! let mut packet = Vec::new();
//! Request::Connect { transaction: TransactionId(1) }.encode(&mut packet);
//! let from = "192.0.2.1:6881".parse()?;
//! tracker.handle_input(Instant::ZERO, Input::Datagram { from, data: packet.into() }, &mut out)?;
//! let Some(Action::SendTo { to, data }) = out.drain().next() else { unreachable!() };
//! assert_eq!((to, data.len()), (from, 16));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod connections;
mod machine;
mod proofs;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;

pub use crate::tracker::budgets::{Budget, VERIFICATION_UNITS};
use crate::tracker::{access::Access, store};
use alloc::boxed::Box;
pub use answer::Server;
use bytes::Bytes;
use core::{net::SocketAddr, time::Duration};
pub use machine::{Counters, Tracker};

/// The most bytes of a reply: they fit a packet of 1500 on either family.
pub const MAX_REPLY: usize = 1452;

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServerConfig {
    /// Seconds of Unix time at [`Instant::ZERO`](crate::Instant::ZERO): tokens and connection ids have times in them.
    pub unix_at_zero: u64,
    /// When peers are told to announce again. 30 minutes.
    pub interval: Duration,
    /// How many peers those are told of who do not say how many they want. 50.
    pub default_want: u32,
    /// The most that anybody is told of; over IPv6 79 fit a packet. 200.
    pub max_want: u32,
    /// What one source may cost; `None` for no bound, to measure.
    pub budget: Option<Budget>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            unix_at_zero: 0,
            interval: Duration::from_secs(30 * 60),
            default_want: 50,
            max_want: 200,
            budget: Some(Budget::default()),
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It has a connection id now.
    Connect,
    /// It was told of peers, or that there are none.
    Announce(TokenUse),
    /// It was told how many there are.
    Scrape,
    /// It was told what is wrong with its request.
    Error,
    /// Nothing was said.
    Silence(Silence),
}

/// Why a packet got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It is no request.
    Malformed,
    /// Its connection id is none of ours, another's, or too old.
    WrongConnection,
    /// Its source has spent its budget.
    OverBudget,
}

/// What became of the token of an announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenUse {
    /// There was none.
    None,
    /// It would have changed nothing, whatever it proves: it was not looked at.
    Unheeded,
    /// It is good.
    Verified,
    /// Its source has shown a good one under this connection id: it was not looked at.
    Remembered,
    /// It proves nothing.
    Refused,
}

impl TokenUse {
    /// Whether whoever asks is the player whose token it is.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Verified | Self::Remembered)
    }
}

/// What a tracker is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackerConfig {
    /// How it answers.
    pub server: ServerConfig,
    /// How much it keeps.
    pub store: store::Config,
    /// Who may know of what.
    pub access: Access,
}

impl Default for TrackerConfig {
    /// Every swarm is everybody's.
    fn default() -> Self {
        Self { server: ServerConfig::default(), store: store::Config::default(), access: Access::open() }
    }
}

/// What can happen to a tracker.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A packet came in.
    Datagram {
        /// From where, it says.
        from: SocketAddr,
        /// The packet.
        data: Bytes,
    },
    /// From now on these may know of swarms.
    Access(Box<Access>),
}

/// What a tracker wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this there.
    SendTo {
        /// Where the packet came from that this answers.
        to: SocketAddr,
        /// The answer, at most [`MAX_REPLY`] bytes.
        data: Bytes,
    },
}
