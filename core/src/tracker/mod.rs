//! Trackers: who else shares a torrent (BEP 3, BEP 15).
//!
//! A peer *announces* itself to a tracker every half hour or so, and is told of some others; who only wants
//! to know how many there are *scrapes*. Here are both sides, each apart from what carries it:
//!
//! ```text
//!   a torrent                     one question                       the wire
//!   announcer ── announce ──▶ client ──┬── udp::Client ──── datagrams ──── udp::Server ──┐
//!     tiers, times      ◀── answer     └── http::… ──────── GET, body ──── http::Server ─┴─▶ store, access
//! ```
//!
//! - [`announcer`]: when to ask which tracker of a torrent, and what to do when none answers (BEP 12).
//! - [`client`]: asks one tracker one question, whatever its URL says it speaks.
//! - [`udp`]: BEP 15, with BEP 41 and the IC block, client and server.
//! - [`http`]: BEP 3, 7, 23, 24, 31, 48, client and server, as values.
//! - [`store`]: who is in which swarm; [`access`]: who may know it; [`budgets`]: what it may cost.

pub mod access;
pub mod announcer;
pub mod budgets;
pub mod client;
pub mod http;
pub mod store;
pub mod udp;

use crate::{
    ic::{Capabilities, PlayerSecret},
    id::{InfoHash, PeerId},
};
use alloc::{string::String, vec::Vec};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use store::Visit;
use thiserror::Error;

pub use crate::id::QuestionKey;

/// The most peers that are taken from one answer: more than anybody asks for.
pub const MAX_PEERS: usize = 2000;

/// The shortest time between two announces that we keep to, whatever a tracker says.
pub const MIN_INTERVAL: Duration = Duration::from_secs(60);

/// The longest: a day.
pub const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// What a peer says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AnnounceRequest {
    /// In which swarm it is.
    pub info_hash: InfoHash,
    /// How it names itself to peers.
    pub peer_id: PeerId,
    /// Where it listens; its address is where the request comes from.
    pub port: u16,
    /// Bytes it has sent since `Started`.
    pub uploaded: u64,
    /// Bytes it has received since `Started`.
    pub downloaded: u64,
    /// Bytes it still lacks. 0: it is a seeder.
    pub left: u64,
    /// What has happened.
    pub event: Event,
    /// A number of its own, by which it is known again when its address changes.
    pub key: u32,
    /// How many peers it wants to know; `None` leaves that to the tracker.
    pub num_want: Option<u32>,
}

/// What has happened since the last announce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Event {
    /// Nothing: this is the regular one.
    #[default]
    None,
    /// The download is complete. Said once, and not by those that had all from the start.
    Completed,
    /// This is the first.
    Started,
    /// This is the last.
    Stopped,
    /// It wants nothing more, though it has not all (BEP 21).
    Paused,
}

/// What a tracker answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct AnnounceResponse {
    /// When to announce again; `None` leaves that to us.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::optional_micros"))]
    pub interval: Option<Duration>,
    /// Not to be asked more often than this.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::optional_micros"))]
    pub min_interval: Option<Duration>,
    /// How many peers have all, and how many have not.
    pub counts: Counts,
    /// Peers, at most [`MAX_PEERS`].
    pub peers: Vec<SocketAddr>,
    /// Peers that are named by a host name: with the addresses, at most [`MAX_PEERS`].
    pub hosts: Vec<(String, u16)>,
    /// How the tracker sees us (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// To be said again in every further announce to this tracker.
    pub tracker_id: Option<String>,
    /// A word for people.
    pub warning: Option<String>,
    /// What only a tracker with the IC extension says, and only to those who speak it.
    pub ic: Option<IcAnswer>,
}

/// What somebody wants to know of a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Question {
    /// Who is in a swarm; and we are, too.
    Announce {
        /// What is said of us.
        announce: AnnounceRequest,
        /// What the tracker wants to hear again, from its last answer.
        tracker_id: Option<String>,
    },
    /// How many are in these swarms: at most [`udp::MAX_SCRAPE`], further ones are left out.
    Scrape {
        /// Which.
        info_hashes: Vec<InfoHash>,
    },
}

/// What a tracker says to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Reply {
    /// Who is in the swarm.
    Announce(AnnounceResponse),
    /// How many are in each of the swarms, in the order of the question.
    Scrape(Vec<Counts>),
}

/// What we say of ourselves to trackers that know the IC extensions; others skip it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Identity {
    /// What we can do.
    pub capabilities: Capabilities,
    /// Who plays here.
    pub player: Option<Player>,
}

/// A player, as one community knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Player {
    /// Which community.
    pub community: [u8; 32],
    /// The player's key.
    pub secret: PlayerSecret,
    /// Tells this session of the player from others.
    pub session_id: [u8; 16],
}

/// How many are in a swarm; `None` where a tracker does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Counts {
    /// Peers that have all.
    pub seeders: Option<u32>,
    /// Peers that have not.
    pub leechers: Option<u32>,
    /// Those of them that want something: the others are partial seeds (BEP 21). Only HTTP scrapes say it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub downloaders: Option<u32>,
    /// How often it was downloaded.
    pub completed: Option<u32>,
}

impl Counts {
    /// The counts without a visitor, who is in the swarm.
    pub(crate) fn without(self, visit: &Visit) -> Self {
        let less = |count: Option<u32>, one: bool| count.map(|count| count.saturating_sub(u32::from(one)));
        Self {
            seeders: less(self.seeders, visit.seeder),
            leechers: less(self.leechers, !visit.seeder),
            downloaders: less(self.downloaders, !visit.seeder && !visit.is_partial_seed()),
            ..self
        }
    }
}

/// What the trailer of an announce response says (IC extension).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct IcAnswer {
    /// The token was good.
    pub auth_accepted: bool,
    /// Only members are told of this swarm.
    pub restricted: bool,
    /// Warnings that the community has out for this torrent.
    pub advisories: u16,
}

/// Why a tracker gave no answer. What it said itself is for people only.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Failure {
    /// Its URL is none, or says that it speaks something we do not.
    #[error("not a tracker's address that we can use")]
    BadUrl,
    /// Its name has no address.
    #[error("the tracker's name has no address")]
    Unresolved,
    /// It is not there, or the connection to it broke.
    #[error("{0}")]
    Unreachable(crate::fetch::FetchError),
    /// No answer in time.
    #[error("the tracker does not answer in time")]
    TimedOut,
    /// It refuses.
    #[error("the tracker says: {reason}")]
    Refused {
        /// Its words: no control characters, at most [`MAX_REASON_BYTES`].
        reason: String,
        /// When it may be asked again, if it says so (BEP 31).
        retry: Retry,
    },
    /// Its answer makes no sense.
    #[error("the tracker's answer makes no sense")]
    Malformed,
    /// An answer of HTTP that is no success.
    #[error("the tracker answers with HTTP status {0}")]
    Status(u16),
    /// It does not scrape (BEP 48).
    #[error("the tracker's address has no scrape")]
    NoScrape,
}

/// The most that is kept of a tracker's words for people, in bytes.
pub const MAX_REASON_BYTES: usize = 1024;

/// When a tracker that refused may be asked again (BEP 31).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Retry {
    /// It does not say.
    #[default]
    Unsaid,
    /// After this time.
    After(#[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))] Duration),
    /// Never.
    Never,
}

/// A tracker's words, as people may see them: what is no UTF-8 or a control character is replaced, and
/// what is too long is cut.
#[must_use]
pub fn words(bytes: &[u8]) -> String {
    let mut words = String::new();
    for letter in String::from_utf8_lossy(bytes).chars() {
        let letter = if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
        if words.len() + letter.len_utf8() > MAX_REASON_BYTES {
            break;
        }
        words.push(letter);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_people_are_short_and_carry_no_controls() {
        assert_eq!(words(b"gone\x1b[2J\n\xff"), "gone\u{fffd}[2J\u{fffd}\u{fffd}");
        let long = words("é".repeat(64 * 1024).as_bytes());
        assert!(words(&[7; 64 * 1024]).len() <= MAX_REASON_BYTES);
        assert_eq!((long.len(), long.chars().all(|letter| letter == 'é')), (MAX_REASON_BYTES, true));
    }
}
