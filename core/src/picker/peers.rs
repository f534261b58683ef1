//! Peers come and go, say what they have, choke and unchoke.

use super::{
    Action, Picker, Source,
    claims::Claim,
    machine::MAX_PEERS,
    peer::{Asked, BACK_OFF, LATE, Peer, Pieces},
    tier::PerClass,
};
use crate::{
    bitfield::Bitfield,
    id::{Block, PeerKey},
    outbox::Outbox,
    time::{Deadline, Instant},
};
use core::{mem, time::Duration};

/// A deadline is set no nearer than this, so that no input leaves one that is due.
const MIN_WAIT: Duration = Duration::from_millis(1);

impl Picker {
    pub(super) fn joined(&mut self, key: PeerKey, source: Source, out: &mut Outbox<Action>) {
        let slot = key.index();
        if slot >= MAX_PEERS || self.peer(slot).is_some() {
            self.counters.strays += 1;
            return;
        }
        if self.peers.len() <= slot {
            self.peers.resize_with(slot + 1, || None);
        }
        if let Some(place) = self.peers.get_mut(slot) {
            *place = Some(Peer::new(key, source, &self.limits));
        }
        if source == Source::Web {
            self.has_all(slot, out);
        }
    }

    pub(super) fn left(&mut self, slot: usize) {
        let Some(peer) = self.peers.get_mut(slot).and_then(Option::take) else { return };
        for asked in peer.queue {
            self.release(slot, asked);
        }
        if let Some(piece) = peer.turn {
            self.supply(piece);
        }
        self.uncount(peer.pieces);
        self.waiting.remove(slot);
        self.deadlines.set(slot, None);
    }

    pub(super) fn bitfield(&mut self, slot: usize, pieces: Bitfield, out: &mut Outbox<Action>) {
        if pieces.len() != self.geometry.pieces() {
            self.counters.out_of_range += 1;
        } else if pieces.is_full() {
            self.has_all(slot, out);
        } else {
            self.replace(slot, if pieces.count() > 0 { Pieces::Some(pieces) } else { Pieces::None }, out);
        }
    }

    pub(super) fn has_all(&mut self, slot: usize, out: &mut Outbox<Action>) {
        if self.peer(slot).is_some_and(|peer| matches!(peer.pieces, Pieces::All)) {
            self.counters.repeats += 1;
        } else {
            self.replace(slot, Pieces::All, out);
        }
    }

    /// A peer has these pieces, whatever was known of it. Work for each piece that it has or had.
    fn replace(&mut self, slot: usize, pieces: Pieces, out: &mut Outbox<Action>) {
        let mut wanted = 0;
        match &pieces {
            Pieces::None => {}
            Pieces::Some(bits) => {
                self.order.add(bits);
                wanted = bits.count_common(&self.needed);
            }
            Pieces::All => self.order.add_seed(),
        }
        let Some(peer) = self.peer_mut(slot) else { return };
        peer.wanted = wanted;
        peer.barren = PerClass::default();
        let before = mem::replace(&mut peer.pieces, pieces);
        self.uncount(before);
        self.drop_lost(slot, out);
        self.tell_interest(slot, out);
        self.refill(slot, out);
    }

    fn uncount(&mut self, pieces: Pieces) {
        match pieces {
            Pieces::None => {}
            Pieces::Some(bits) => self.order.remove(&bits),
            Pieces::All => self.order.remove_seed(),
        }
    }

    /// A peer has a piece.
    pub(super) fn has(&mut self, claim: Claim, out: &mut Outbox<Action>) {
        let (slot, pieces) = (claim.slot, self.geometry.pieces());
        if claim.piece.0 >= pieces {
            self.counters.out_of_range += 1;
            return;
        }
        if let Some(peer) = self.peer_mut(slot).filter(|peer| matches!(peer.pieces, Pieces::None)) {
            peer.pieces = Pieces::Some(Bitfield::new(pieces));
        }
        if self.believe(claim) && self.needed.get(claim.piece) {
            self.tell_interest(slot, out);
            self.refill(slot, out);
        }
    }

    /// A peer has a piece no longer.
    pub(super) fn has_not(&mut self, claim: Claim, out: &mut Outbox<Action>) {
        let (slot, pieces) = (claim.slot, self.geometry.pieces());
        if claim.piece.0 >= pieces {
            self.counters.out_of_range += 1;
        } else if self.peer(slot).is_some_and(|peer| matches!(peer.pieces, Pieces::All)) {
            let mut bits = Bitfield::full(pieces);
            bits.clear(claim.piece);
            let rest = if bits.count() > 0 { Pieces::Some(bits) } else { Pieces::None };
            self.replace(slot, rest, out);
        } else if self.believe(claim) {
            self.drop_lost(slot, out);
            self.tell_interest(slot, out);
        }
    }

    /// Writes down what a peer says of a piece of the torrent; whether it was not known before.
    pub(super) fn believe(&mut self, claim: Claim) -> bool {
        let Claim { slot, piece, has } = claim;
        let needed = self.needed.get(piece);
        let Some(peer) = self.peer_mut(slot) else { return false };
        let is_new = match &mut peer.pieces {
            Pieces::Some(bits) if has => bits.set(piece),
            Pieces::Some(bits) => bits.clear(piece),
            Pieces::None | Pieces::All => false,
        };
        if !is_new {
            self.counters.repeats += 1;
        } else if has {
            peer.wanted += u32::from(needed);
            peer.barren = PerClass::default();
            self.order.raise(piece);
            if needed {
                self.waiting.starved.remove(slot);
            }
        } else {
            peer.wanted -= u32::from(needed);
            self.order.lower(piece);
        }
        is_new
    }

    /// BEP 54: without BEP 6, requests for what the peer no longer has are silently gone; with it, each
    /// will be rejected.
    fn drop_lost(&mut self, slot: usize, out: &mut Outbox<Action>) {
        if self.peer(slot).is_some_and(|peer| !peer.is_fast()) {
            self.take_back(slot, false, |peer, asked| !peer.pieces.has(asked.piece), out);
            self.waiting.pending.insert(slot);
            self.arm(slot);
        }
    }

    /// Tells a peer whether we are interested, if that has changed.
    pub(super) fn tell_interest(&mut self, slot: usize, out: &mut Outbox<Action>) {
        let finished = self.is_finished();
        let Some(peer) = self.peer_mut(slot) else { return };
        let interested = match peer.pieces {
            Pieces::None => false,
            Pieces::Some(_) => peer.wanted > 0,
            Pieces::All => !finished,
        };
        if mem::replace(&mut peer.interested, interested) != interested {
            let peer = peer.key;
            if interested {
                self.waiting.pending.insert(slot);
            }
            out.push(if interested { Action::Interested { peer } } else { Action::NotInterested { peer } });
        }
    }

    pub(super) fn choked(&mut self, slot: usize, out: &mut Outbox<Action>) {
        let (now, start) = (self.clock.latest(), self.limits.start);
        let Some(peer) = self.peer_mut(slot) else { return };
        if !mem::replace(&mut peer.unchoked, false) {
            self.counters.repeats += 1;
            return;
        }
        if !peer.fed {
            peer.holds_until = Some(now + BACK_OFF);
        }
        // BEP 6: a choke drops no requests, each is answered or rejected. Without it all are gone.
        if !peer.is_fast() {
            peer.pipeline.restart(start);
            self.take_back(slot, false, |_, _| true, out);
        }
        self.shorten_turn(slot);
        self.waiting.remove(slot);
        self.refill(slot, out);
    }

    pub(super) fn unchoked(&mut self, slot: usize, out: &mut Outbox<Action>) {
        let Some(peer) = self.peer_mut(slot) else { return };
        if mem::replace(&mut peer.unchoked, true) {
            self.counters.repeats += 1;
            return;
        }
        peer.fed = false;
        self.refill(slot, out);
    }

    pub(super) fn request_limit(&mut self, slot: usize, requests: u32, out: &mut Outbox<Action>) {
        if let Some(peer) = self.peer_mut(slot) {
            peer.pipeline.limit(requests);
            self.fill(slot, out);
        }
    }

    pub(super) fn rejected(&mut self, slot: usize, block: Block) {
        let (now, number) = (self.clock.latest(), self.number_of(block));
        let Some(peer) = self.peer_mut(slot) else { return };
        let Some(number) = number else {
            self.counters.stray_rejects += 1;
            return;
        };
        // BEP 6: a request that was taken back is answered too, and before any later one.
        if peer.take_late(block.piece, number, now) {
            return;
        }
        if !peer.take_asked(block.piece, number) {
            self.counters.stray_rejects += 1;
            return;
        }
        let held = peer.allowed.len();
        if !peer.unchoked {
            // It no longer sends what it allowed.
            peer.allowed.retain(|allowed| *allowed != block.piece);
        } else if peer.source != Source::Web {
            peer.pipeline.narrow();
            // A piece of which it sends no more would keep it from all others.
            peer.refuses = true;
            peer.current = None;
            peer.suggested.retain(|suggested| *suggested != block.piece);
        }
        if peer.unchoked || peer.allowed.len() < held {
            peer.holds_until = Some(now + BACK_OFF);
        } else {
            // It has room again for what it allowed.
            self.waiting.pending.insert(slot);
        }
        if self.peer(slot).is_some_and(|peer| peer.unchoked && peer.turn == Some(block.piece)) {
            self.lapse(slot);
        }
        self.release(slot, Asked { piece: block.piece, number, at: now });
        self.arm(slot);
    }

    /// A peer's deadline came: its back-off ends, or it let its time pass.
    pub(super) fn expire(&mut self, slot: usize, out: &mut Outbox<Action>) {
        let (now, cap) = (self.clock.latest(), self.request_timeout);
        let Some(peer) = self.peer_mut(slot) else { return };
        if peer.holds_until.is_some_and(|until| until <= now) {
            peer.holds_until = None;
        }
        let (is_silent, piece) = (peer.is_silent(now, cap), peer.turn);
        let over = piece.filter(|_| self.turn_ends(slot).is_some_and(|ends| ends <= now));
        if over.is_some() || is_silent {
            self.lapse(slot);
        }
        let Some(peer) = self.peer_mut(slot) else { return };
        if is_silent {
            if !peer.pipeline.is_snubbed() {
                peer.pipeline.snub();
                out.push(Action::Snubbed { peer: peer.key });
            }
            self.take_back(slot, true, |_, _| true, out);
        } else {
            let is_late = |asked: Asked| asked.at + LATE <= now || over == Some(asked.piece);
            self.take_back(slot, true, |_, asked| is_late(asked), out);
        }
        self.waiting.pending.insert(slot);
    }

    /// Sets a peer's deadline. One that is too early stays, and is moved when it comes: so a block costs
    /// no work on the heap of deadlines.
    pub(super) fn arm(&mut self, slot: usize) {
        let soonest = self.clock.latest() + MIN_WAIT;
        let wanted = self.peer(slot).and_then(|peer| peer.deadline(self.request_timeout));
        let turn = self.turn_ends(slot).map(|at| Deadline { at, why: "end of a turn" });
        let wanted = Deadline::earlier(wanted, turn);
        let wanted = wanted
            .map(|deadline| Deadline { at: deadline.at.max(soonest), ..deadline })
            .filter(|deadline| deadline.at < Instant::MAX);
        let keep = match (self.deadlines.get(slot), wanted) {
            (Some(set), Some(wanted)) => set.at <= wanted.at,
            (set, wanted) => set == wanted,
        };
        if !keep {
            self.deadlines.set(slot, wanted);
        }
    }

    /// Takes `which` requests of a peer back: they are free for others, and their blocks may still come.
    pub(super) fn take_back(
        &mut self,
        slot: usize,
        cancel: bool,
        which: impl Fn(&Peer, Asked) -> bool,
        out: &mut Outbox<Action>,
    ) {
        let (now, limits) = (self.clock.latest(), self.limits);
        let mut at = 0;
        while let Some(peer) = self.peer_mut(slot)
            && let Some(asked) = peer.queue.get(at).copied()
        {
            if !which(peer, asked) {
                at += 1;
                continue;
            }
            peer.queue.remove(at);
            peer.remember(asked, now, &limits);
            let peer = peer.key;
            if cancel && let Some(block) = self.geometry.block(asked.piece, asked.number) {
                out.push(Action::Cancel { peer, block });
            }
            self.release(slot, asked);
        }
    }
}
