//! When to ask which tracker of one torrent (BEP 12, BEP 27, BEP 31).
//!
//! Trackers stand in *tiers*. Each tier is shuffled once; then they are asked in order, the first tier first,
//! until one answers. Who answers moves to the front of its tier and says when to announce next; then the order
//! is gone through from the start again. Who fails waits longer each time.
//!
//! ```text
//!   parent                         announcer
//!   ── Start ─────────────────────▶
//!   ◀───────── Ask {a, started} ───  a fails, or says nothing for 30 s:
//!   ◀───────── Ask {b, started} ───
//!   ── Answered {b, peers} ───────▶
//!   ◀────────────────── Peers ─────  b is the first of its tier now
//!                                    ... b's interval passes ...
//!   ◀──────────────── Ask {a} ─────  a first, if it has waited long enough
//!   ── Completed ─────────────────▶
//!   ◀───── Ask {b, completed} ─────  whoever knows that we started learns this, too
//!   ── Stop ──────────────────────▶
//!   ◀─────── Ask {b, stopped} ─────
//!   ◀──────────────── Stopped ─────
//! ```
//!
//! A *private* torrent has one tracker at a time and changes only when that one fails (BEP 27): the old one is
//! told `stopped`, and [`Action::DropPeers`] parts us from the peers it gave. A tracker that is only slow does
//! not count as failed there, so nobody else is asked before its answer or its failure comes.
//!
//! A *partial seed* has all that it wants, but not all there is. Its regular announces say `paused` (BEP 21): not
//! instead of `started` and `stopped`, as trackers reckon by these from when to when it is there. Some trackers
//! refuse an event that they do not know; those hear no more of it.
//!
//! WebTorrent's trackers (`ws`, `wss`), and whatever else is neither `udp`, `http` nor `https`, are kept in
//! their tier but never asked.
//!
//! ```
//! use convoy_core::{Instant, Machine, Outbox, tracker::{AnnounceResponse, Event}};
//! use convoy_core::tracker::announcer::{Action, Announcer, Config, Input};
//!
//! let tiers = vec![vec!["udp://tracker.example:6969".into()]];
//! let (mut announcer, mut out) = (Announcer::new(Config::default(), tiers, [0; 32]), Outbox::new());
//! announcer.handle_input(Instant::ZERO, Input::Start { complete: false }, &mut out)?;
//! let asked = out.drain().find_map(|action| match action {
//!     Action::Ask { token, event, .. } => Some((token, event)),
//!     _ => None,
//! });
//! let Some((token, Event::Started)) = asked else { panic!("the first is asked at once") };
//!
//! let response = AnnounceResponse { peers: vec![([9, 9, 9, 9], 6881).into()], ..Default::default() };
//! let answer = Input::Answered { token, result: Ok(response), last: true };
//! announcer.handle_input(Instant::ZERO, answer, &mut out)?;
//! assert!(out.drain().any(|action| matches!(action, Action::Peers { peers, .. } if peers.len() == 1)));
//! let next = announcer.poll_timeout().map(|deadline| deadline.at - Instant::ZERO);
//! assert_eq!(next, Some(Config::default().default_interval));
//! # Ok::<(), core::convert::Infallible>(())
//! ```

mod machine;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;
mod tracker;

use super::{AnnounceResponse, Counts, Event, Failure, IcAnswer};
use crate::time::Instant;
use alloc::{boxed::Box, string::String, vec::Vec};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
pub use machine::{Announcer, Counters};

/// The most trackers of a torrent; further ones are left out.
pub const MAX_TRACKERS: usize = 100;

/// The longest `tracker id` that is kept, in bytes. No tracker that we know of sends more than 40.
pub const MAX_TRACKER_ID_BYTES: usize = 256;

/// How trackers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// One tracker at a time (BEP 27). No.
    pub private: bool,
    /// How long a tracker may be silent before the next is asked, too. 30 s. Of no account where `private`.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub patience: Duration,
    /// How many peers are asked for. 200.
    pub num_want: u32,
    /// When to announce again where a tracker does not say. 30 min.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub default_interval: Duration,
    /// The longest time from `Stop` to `Stopped`. 3 s: somebody waits for the program to end.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub stop_within: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            private: false,
            patience: Duration::from_secs(30),
            num_want: 200,
            default_interval: Duration::from_secs(30 * 60),
            stop_within: Duration::from_secs(3),
        }
    }
}

/// Names one [`Ask`](Action::Ask).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AnnounceToken(pub u64);

/// What can happen to an announcer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Input {
    /// Begin, or begin anew after `Stop`: no tracker's back-off counts any more, only what it said itself with
    /// `retry in`, and a minute after its last answer. Nothing else is known of us: not that peers are too few, or
    /// that all that is wanted is there.
    Start {
        /// We have all already.
        complete: bool,
    },
    /// One more tracker, in a tier of its own behind the others. Those of a private torrent are the torrent's:
    /// whoever adds one there knows why.
    AddTracker {
        /// Its URL. One that is known already is ignored.
        url: String,
    },
    /// What came of an `Ask`.
    Answered {
        /// Which.
        token: AnnounceToken,
        /// What the tracker says, or why it says nothing.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::result"))]
        result: Result<AnnounceResponse, Failure>,
        /// Nothing more comes. A tracker with addresses of two families is asked at both.
        last: bool,
    },
    /// The download is complete.
    Completed,
    /// All that is wanted is there. Unless we are complete we are a partial seed now (BEP 21).
    Finished,
    /// More is wanted again.
    Unfinished,
    /// We know too few peers: announce as early as the tracker allows, with growing gaps.
    PeersLow,
    /// We know enough again.
    PeersEnough,
    /// Leave the swarm. Outstanding asks are cancelled.
    Stop,
}

/// What an announcer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Action {
    /// Announce to a tracker, and tell with `Answered`.
    Ask {
        /// Names this.
        token: AnnounceToken,
        /// The tracker.
        url: String,
        /// What has happened. `Stopped` is tried once: no retransmissions.
        event: Event,
        /// How many peers are wanted.
        num_want: u32,
        /// What the tracker wants to hear again.
        tracker_id: Option<String>,
    },
    /// Forget an `Ask`: its answer is not wanted any more.
    Cancel {
        /// Which.
        token: AnnounceToken,
    },
    /// Another tracker serves this private torrent now: part from all peers that are there, and dial none that
    /// was told of before (BEP 27). It stands in front of the new ones.
    DropPeers,
    /// Others who share the torrent.
    Peers {
        /// Where they are.
        peers: Vec<SocketAddr>,
        /// Those that are known by a host name.
        hosts: Vec<(String, u16)>,
    },
    /// A tracker sees us here.
    ExternalIp(IpAddr),
    /// How it stands with a tracker, whenever that may have changed.
    Tracker(Box<TrackerStatus>),
    /// The end of what `Stop` began: each tracker has been told, or the time is up. None comes if `Start` does
    /// before.
    Stopped,
}

/// How it stands with a tracker, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TrackerStatus {
    /// Which.
    pub url: String,
    /// Its tier, counted from 0.
    pub tier: u32,
    /// Where matters stand.
    pub state: TrackerState,
    /// How many are in the swarm, by its last answer.
    pub counts: Counts,
    /// When it is asked next if nobody in front of it answers before, and peers are enough. `None` while it is
    /// being asked, and if it is not asked again.
    pub next: Option<Instant>,
    /// How often in a row it failed.
    pub fails: u32,
    /// Its last word for people.
    pub warning: Option<String>,
    /// What it says to those who know the IC extension.
    pub ic: Option<IcAnswer>,
}

/// Where matters stand with a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum TrackerState {
    /// It has not been asked since the start, or the torrent is stopped.
    Idle,
    /// It is being asked.
    Asking,
    /// Its last answer was good.
    Working,
    /// Its last answer was not, or none came.
    Failed(Failure),
    /// Its URL says that it speaks what we do not. It is never asked.
    Unsupported,
}
