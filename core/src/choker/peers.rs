//! The peers, and those of them that wait for a slot.

use crate::{id::PeerKey, random::Random, time::Instant};
use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

/// How often the lot is drawn before whoever came last is taken. With the default weight, a draw fails two
/// times in three at most: 64 in a row never happen.
const MAX_DRAWS: u32 = 64;
/// How many entries of departed peers the line may hold beyond as many as there are peers.
const SPARE_ENTRIES: usize = 16;

/// What a peer is served by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Regular,
    Optimistic,
    /// It is urgent, or was until now and the next round decides.
    Lobby,
}

/// Bytes of one direction, in this round and the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    this: u64,
    last: u64,
}

impl Traffic {
    pub(super) fn add(&mut self, bytes: u32) {
        self.this = self.this.saturating_add(u64::from(bytes));
    }

    /// Ends the round and returns the bytes of the last two.
    pub(super) fn end_round(&mut self) -> u64 {
        let sum = self.this.saturating_add(self.last);
        (self.this, self.last) = (0, self.this);
        sum
    }
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) key: PeerKey,
    pub(super) joined: Instant,
    /// Since when, if it is.
    pub(super) interested: Option<Instant>,
    /// `None` while it is choked.
    pub(super) slot: Option<Slot>,
    /// When it got the slot.
    pub(super) seated: Instant,
    /// When it was last choked or unchoked; `None` if it wanted nothing then.
    pub(super) toggled: Option<Instant>,
    /// Since when it is not served, or was not before it was.
    pub(super) unserved_since: Instant,
    /// Whether it had a slot once, and lost it.
    pub(super) was_served: bool,
    pub(super) downloaded: Traffic,
    pub(super) uploaded: Traffic,
    /// Bytes sent to it ever, and since it was last unchoked.
    pub(super) given: u64,
    pub(super) taken: u64,
    /// Whether something is on its way out to it.
    pub(super) backlog: bool,
    /// What it says it has.
    pub(super) claimed_pieces: u32,
    /// Until when it is urgent, if it is.
    pub(super) urgent_until: Option<Instant>,
    /// Whether this round gives it a regular slot.
    pub(super) wins: bool,
    /// Where in the set of those who wait.
    waiting: Option<u32>,
    /// Whether it has an entry in the line.
    lined_up: bool,
}

impl Peer {
    pub(super) fn new(key: PeerKey, now: Instant) -> Self {
        Self {
            key,
            joined: now,
            interested: None,
            slot: None,
            seated: now,
            toggled: None,
            unserved_since: now,
            was_served: false,
            downloaded: Traffic::default(),
            uploaded: Traffic::default(),
            given: 0,
            taken: 0,
            backlog: false,
            claimed_pieces: 0,
            urgent_until: None,
            wins: false,
            waiting: None,
            lined_up: false,
        }
    }

    /// Unchoked without wanting anything.
    pub(super) fn is_idle(&self) -> bool {
        self.slot.is_some() && self.interested.is_none()
    }

    /// Whether the time since it was last choked or unchoked is long enough to do it again.
    pub(super) fn may_toggle(&self, now: Instant, min_toggle: Duration) -> bool {
        self.toggled.is_none_or(|toggled| now - toggled >= min_toggle)
    }

    pub(super) fn uploaded(&mut self, bytes: u32) {
        self.uploaded.add(bytes);
        self.given = self.given.saturating_add(u64::from(bytes));
        self.taken = self.taken.saturating_add(u64::from(bytes));
    }
}

/// Peers by key, the set of those who wait, and the line in which they wait.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// By slot of the key.
    table: Vec<Option<Peer>>,
    count: usize,
    waiting: Vec<PeerKey>,
    /// Everyone in `waiting`, each once, and entries of some who wait no more.
    line: VecDeque<PeerKey>,
}

impl Peers {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, key: PeerKey) -> Option<&Peer> {
        self.table.get(key.index())?.as_ref().filter(|peer| peer.key == key)
    }

    pub(super) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.table.get_mut(key.index())?.as_mut().filter(|peer| peer.key == key)
    }

    /// The peer under the same slot as `key`, whichever its generation.
    pub(super) fn at_slot_of(&self, key: PeerKey) -> Option<PeerKey> {
        self.table.get(key.index())?.as_ref().map(|peer| peer.key)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.table.iter_mut().flatten()
    }

    pub(super) fn insert(&mut self, peer: Peer) {
        let index = peer.key.index();
        if self.table.len() <= index {
            self.table.resize_with(index + 1, || None);
        }
        if let Some(place) = self.table.get_mut(index) {
            *place = Some(peer);
            self.count += 1;
        }
    }

    pub(super) fn remove(&mut self, key: PeerKey) -> Option<Peer> {
        self.leave(key);
        let peer = self.table.get_mut(key.index())?.take_if(|peer| peer.key == key)?;
        self.count -= 1;
        Some(peer)
    }

    pub(super) fn is_anyone_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Begins to wait, at the end of the line; who flaps keeps the place it had.
    pub(super) fn wait(&mut self, key: PeerKey) {
        let place = self.waiting.len() as u32;
        let Some(peer) = self.get_mut(key) else { return };
        let lines_up = !core::mem::replace(&mut peer.lined_up, true);
        if peer.waiting.is_none() {
            peer.waiting = Some(place);
            self.waiting.push(key);
        }
        if lines_up {
            self.tidy_line();
            self.line.push_back(key);
        }
    }

    /// Waits no more.
    pub(super) fn leave(&mut self, key: PeerKey) {
        let Some(place) = self.get_mut(key).and_then(|peer| peer.waiting.take()) else { return };
        if self.waiting.get(place as usize) == Some(&key) {
            self.waiting.swap_remove(place as usize);
        }
        if let Some(moved) = self.waiting.get(place as usize).copied()
            && let Some(peer) = self.get_mut(moved)
        {
            peer.waiting = Some(place);
        }
    }

    /// Sends everyone out of the line, to be lined up anew; they still wait.
    pub(super) fn dissolve_line(&mut self) {
        self.line.clear();
        self.iter_mut().for_each(|peer| peer.lined_up = false);
    }

    /// Takes the head of the line out of it.
    pub(super) fn next_in_line(&mut self) -> Option<PeerKey> {
        while let Some(key) = self.line.pop_front() {
            let Some(peer) = self.get_mut(key) else { continue };
            peer.lined_up = false;
            if peer.waiting.is_some() {
                self.leave(key);
                return Some(key);
            }
        }
        None
    }

    /// Draws one of those who wait; a newcomer is `weight` times as likely as another.
    pub(super) fn draw(
        &mut self,
        random: &mut Random,
        weight: u32,
        is_newcomer: impl Fn(&Peer) -> bool,
    ) -> Option<PeerKey> {
        let mut drawn = None;
        for _ in 0..MAX_DRAWS {
            let key = *self.waiting.get(random.below(self.waiting.len() as u32) as usize)?;
            drawn = Some(key);
            if self.get(key).is_some_and(&is_newcomer) || random.below(weight) == 0 {
                break;
            }
        }
        self.leave(drawn?);
        drawn
    }

    /// Bytes held.
    pub(super) fn memory(&self) -> usize {
        self.table.capacity() * size_of::<Option<Peer>>()
            + (self.waiting.capacity() + self.line.capacity()) * size_of::<PeerKey>()
    }

    /// Drops the entries of departed peers once there are many, so that coming and going cannot grow the
    /// line without bound.
    fn tidy_line(&mut self) {
        if self.line.len() >= self.count * 2 + SPARE_ENTRIES {
            let mut line = core::mem::take(&mut self.line);
            line.retain(|key| self.get(*key).is_some());
            self.line = line;
        }
    }
}
