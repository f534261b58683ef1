//! Urgency: peers served beyond the slots, for as long as they ask.

use super::{
    Action,
    machine::Choker,
    peers::{Peer, Slot},
};
use crate::{
    id::PeerKey,
    outbox::Outbox,
    time::{Deadline, Instant},
};

impl Choker {
    /// A peer asks for urgency, for the first time or again. Without interest, or with all places taken, it
    /// is not heard: the newest loses.
    pub(super) fn wants_urgency(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let until = now + self.config.lobby_term;
        let Some(peer) = self.peers.get(key) else { return self.strays += 1 };
        let slot = peer.slot;
        if peer.interested.is_none() || until <= now {
            return;
        }
        if !self.lobby.contains(&key) {
            if !self.make_room(Slot::Lobby, now, out) {
                return;
            }
            self.lobby.push(key);
        }
        self.with(key, |peer| peer.urgent_until = Some(until));
        match slot {
            Some(Slot::Lobby) => {}
            Some(Slot::Regular | Slot::Optimistic) => {
                self.move_to(key, Slot::Lobby, now);
                self.fill(now, out);
            }
            None => {
                self.peers.leave(key);
                self.serve_lobby(now, out);
            }
        }
    }

    /// A peer is no longer urgent. If it is served it stays so until the next round decides.
    pub(super) fn ends_urgency(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return self.strays += 1 };
        if peer.urgent_until.take().is_some() && peer.slot.is_none() {
            self.lobby.retain(|urgent| *urgent != key);
        }
    }

    /// Ends what has lapsed, and unchokes those that are urgent and have rested.
    pub(super) fn serve_lobby(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut place = 0;
        while let Some(key) = self.lobby.get(place).copied() {
            place += 1;
            let Some(peer) = self.peers.get(key) else { continue };
            if peer.urgent_until.is_some_and(|until| until <= now) {
                self.ends_urgency(key);
                place -= usize::from(self.lobby.get(place - 1) != Some(&key));
            } else if peer.slot.is_none() && peer.may_toggle(now, self.config.min_toggle) {
                self.unchoke(key, Slot::Lobby, now, out);
            }
        }
    }

    /// When the next of these is due.
    pub(super) fn lobby_deadline(&self) -> Option<Deadline> {
        let due = |peer: &Peer| {
            let lapses = peer.urgent_until?;
            let rests = peer.toggled.filter(|_| peer.slot.is_none());
            Some(rests.map_or(lapses, |toggled| lapses.min(toggled + self.config.min_toggle)))
        };
        let first = self.lobby.iter().filter_map(|key| due(self.peers.get(*key)?)).min();
        first.map(|at| Deadline { at, why: "lobby" })
    }
}
