//! The peers of a peer exchange.

use super::{Config, contacts::Bookmark, sieve::Heard};
use crate::time::{Deadline, Instant};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

#[derive(Debug)]
pub(super) struct Peer {
    /// Where it is.
    pub(super) ip: IpAddr,
    /// Where it can be dialled, as far as that is known.
    pub(super) addr: Option<SocketAddr>,
    /// The number of its coming as a contact, if others are told of it.
    pub(super) came: Option<u64>,
    /// Whether it understands us.
    pub(super) speaks: bool,
    /// How far it was told.
    pub(super) bookmark: Bookmark,
    /// When it was last told anything, or there was nothing to tell; `None` before the first message.
    pub(super) told: Option<Instant>,
    /// When it last told us something.
    pub(super) heard_at: Option<Instant>,
    pub(super) heard: Heard,
}

impl Peer {
    pub(super) fn new(ip: IpAddr) -> Self {
        Self {
            ip,
            addr: None,
            came: None,
            speaks: false,
            bookmark: Bookmark::default(),
            told: None,
            heard_at: None,
            heard: Heard::default(),
        }
    }

    /// When it is to be told what is new. The first time is not for the clock to say.
    pub(super) fn deadline(&self, config: &Config) -> Option<Deadline> {
        let at = after(self.told?, config.interval)?;
        self.speaks.then_some(Deadline { at, why: "peer exchange" })
    }
}

/// The time `wait` after `at`; `None` where there is no such time.
fn after(at: Instant, wait: Duration) -> Option<Instant> {
    Some(at + wait).filter(|then| *then > at)
}
