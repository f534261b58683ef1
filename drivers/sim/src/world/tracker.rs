//! How the world carries out what a tracker wants.

use super::World;
use crate::{
    host::{Host, Who},
    net::{HostId, Link, NetEventKind, Reach},
};
use convoy_core::{
    Machine, Outbox, Random,
    tracker::udp::server::{Action, Input, Tracker, TrackerConfig},
};
use std::mem;

/// Where trackers listen.
const PORT: u16 = 6969;

/// A tracker that hosts can announce to. It forgets all when it is switched off.
pub(crate) struct Hub {
    /// `None` while it is off.
    pub(crate) machine: Option<Tracker>,
    config: TrackerConfig,
    random: Random,
    out: Outbox<Action>,
}

impl Hub {
    /// A new life, in which nothing is known of the one before.
    pub(super) fn start(&mut self) {
        self.machine = Some(Tracker::new(self.config.clone(), self.random.child_seed()));
    }
}

impl World {
    /// A UDP tracker that is switched off.
    pub fn add_tracker(&mut self, config: TrackerConfig, link: Link) -> HostId {
        let random = Random::new(self.random.child_seed());
        let hub = Hub { machine: None, config, random, out: Outbox::new() };
        self.add_host(link, Reach::Public, PORT, Who::Tracker(Box::new(hub)))
    }

    /// The URL of a tracker.
    #[must_use]
    pub fn tracker_url(&self, host: HostId) -> String {
        format!("udp://{}/announce", self.address(host))
    }

    /// A tracker, unless it is off.
    #[must_use]
    pub fn tracker(&self, host: HostId) -> Option<&Tracker> {
        match &self.hosts.get(host.0 as usize)?.who {
            Who::Tracker(hub) => hub.machine.as_ref(),
            Who::Peer(_) | Who::Attacker(_) => None,
        }
    }

    /// A datagram for a tracker, or its time has come.
    pub(super) fn attend_tracker(&mut self, host: HostId, kind: Option<NetEventKind>) {
        let now = self.now;
        let Some(Host { who: Who::Tracker(hub), .. }) = self.hosts.get_mut(host.0 as usize) else { return };
        let Some(machine) = &mut hub.machine else { return };
        self.counts.calls += 1;
        let Ok(()) = match kind {
            Some(NetEventKind::Datagram { from, data, .. }) => {
                machine.handle_input(now, Input::Datagram { from, data }, &mut hub.out)
            }
            Some(_) => Ok(()),
            None => machine.handle_timeout(now, &mut hub.out),
        };
        let mut out = mem::take(&mut hub.out);
        for Action::SendTo { to, data } in out.drain() {
            self.net.send_datagram(now, host, PORT, to, data);
        }
        if let Some(Host { who: Who::Tracker(hub), .. }) = self.hosts.get_mut(host.0 as usize) {
            hub.out = out;
        }
        self.rearm(host);
    }
}
