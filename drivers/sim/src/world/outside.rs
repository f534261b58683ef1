//! What is beyond the swarm: no web servers, no names, but datagrams.

use super::{What, World};
use crate::net::HostId;
use convoy_core::{
    engine::{Action, Input},
    fetch::{FetchError, Fetched},
};
use core::time::Duration;

/// From where hosts send datagrams.
const DATAGRAM_PORT: u16 = 6881;

/// How long it takes to hear that there is nothing.
const REFUSED_AFTER: Duration = Duration::from_millis(20);

impl World {
    /// Carries out what a host wants of others than its peers.
    pub(super) fn ask_outside(&mut self, host: HostId, action: Action) {
        let input = match action {
            Action::Fetch { torrent, token, .. } => {
                Input::Fetched { torrent, token, what: Fetched::Failed(FetchError::Connect) }
            }
            Action::Get { token, .. } => Input::Got { token, result: Err(FetchError::Connect) },
            Action::Resolve { token, .. } => Input::Resolved { token, addrs: Vec::new() },
            Action::SendTo { to, data } => {
                self.net.bind_datagram(host, DATAGRAM_PORT);
                return self.net.send_datagram(self.now, host, DATAGRAM_PORT, to, data);
            }
            _ => return,
        };
        self.later(self.now + REFUSED_AFTER, host, What::Answered(Box::new(input)));
    }
}
