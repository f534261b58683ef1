//! Streams before their swarm: dialling, accepting, shaking hands.

use super::{
    Action, Event, PeerEnd, StreamError,
    candidates::Ending,
    machine::Engine,
    streams::{Stage, Stream},
};
use crate::{
    Deadline, Instant, Machine, Outbox,
    id::{AcceptTicket, InfoHash, PeerId, StreamId, TorrentId},
    mse::{self, Attempt, Speech},
    swarm::{self, Encryption, Joined},
    wire::{
        Handshake, HandshakeAction, HandshakeConfig, HandshakeError, HandshakeInput, HandshakeLocal, Reserved,
    },
};
use alloc::boxed::Box;
use bytes::BytesMut;
use core::{mem, net::SocketAddr};

impl Engine {
    /// Dials as many of a torrent's candidates as are due and fit.
    pub(super) fn dial(&mut self, now: Instant, id: TorrentId, out: &mut Outbox<Action>) {
        let (limits, stopping) = (self.config.limits.clone(), self.is_stopping());
        let Some(torrent) = self.torrents.get_mut(id) else { return };
        let open = torrent.swarm.is_open() && !stopping;
        while open
            && torrent.swarm.peers() < limits.connections_per_torrent
            && self.streams.have_room_to_dial(&limits)
            && let Some(remote) = torrent.candidates.take(now)
        {
            let attempt = Attempt::first(&self.config.encryption, torrent.candidates.known(remote));
            let at = now + self.config.connect_timeout;
            let stream = self.streams.insert(Stream::dialled(id, remote, attempt, at));
            self.stream_deadlines.set(stream.index(), Some(Deadline { at, why: "connect" }));
            out.push(Action::Connect { stream, remote });
        }
        // One that is due but does not fit waits until a stream ends, behind the torrents that wait already;
        // looking again a second later is what makes up for a wake-up that was not given to this torrent.
        let soonest = now + self.config.redial_after;
        let next = torrent.candidates.next().filter(|_| open);
        torrent.knows_nobody = next.is_none_or(|at| at > now);
        let waits = !torrent.knows_nobody && torrent.swarm.peers() < limits.connections_per_torrent;
        if waits && !mem::replace(&mut torrent.waits_to_dial, true) {
            self.dial_queue.push_back(id);
        }
        let next = next.map(|at| Deadline { at: if at <= now { soonest } else { at }, why: "dial" });
        self.dial_deadlines.set(id.index(), next);
        self.follow(now, id, out);
    }

    pub(super) fn dial_slot(&mut self, now: Instant, slot: usize, out: &mut Outbox<Action>) {
        match self.torrents.key_from(slot).filter(|id| id.index() == slot) {
            Some(id) => self.dial(now, id, out),
            None => self.dial_deadlines.set(slot, None),
        }
    }

    pub(super) fn on_accepted(
        &mut self,
        now: Instant,
        ticket: AcceptTicket,
        remote: SocketAddr,
        out: &mut Outbox<Action>,
    ) {
        let limits = &self.config.limits;
        // Bad input 24: half-open streams are bounded, in all and from one address.
        if self.is_stopping()
            || self.streams.slab.len() >= limits.connections
            || self.streams.inbound >= limits.inbound_handshakes
            || self.streams.inbound_from(remote.ip()) >= limits.inbound_handshakes_per_address
        {
            return out.push(Action::Refuse { ticket });
        }
        let give_up = now + self.config.handshake_timeout;
        let (deadline, stage) = self.await_handshake(now, give_up);
        let stream = self.streams.insert(Stream::accepted(remote, give_up, stage));
        self.stream_deadlines.set(stream.index(), deadline);
        out.push(Action::Adopt { ticket, stream });
    }

    pub(super) fn on_connected(&mut self, now: Instant, id: StreamId, out: &mut Outbox<Action>) {
        let stream = self.streams.slab.get_mut(id);
        let Some(stream) = stream.filter(|stream| matches!(stream.stage, Stage::Dialling { .. })) else {
            self.strays += 1;
            return;
        };
        stream.give_up = now + self.config.handshake_timeout;
        let (attempt, torrent_id) = (stream.attempt, stream.stage.torrent());
        let Some(torrent) = torrent_id.and_then(|id| self.torrents.get(id)) else { return };
        let (info_hash, peer_id) = (torrent.swarm.info().info_hash, torrent.peer_id);
        let config = HandshakeConfig { timeout: self.config.handshake_timeout };
        let mut handshake = Box::new(Handshake::initiator(info_hash, peer_id, our_bits(), config, now));
        let mut shaken = mem::take(&mut self.shaken);
        let result = handshake.handle_timeout(now, &mut shaken);
        if let Some(Speech::Encrypted(level)) = attempt.map(Attempt::speech) {
            return self.secure(now, id, (info_hash, level), handshake, shaken, out);
        }
        self.stream_deadlines.set(id.index(), handshake.poll_timeout());
        self.streams.advance(id, Stage::Handshaking { handshake, torrent: torrent_id });
        self.on_shaken(now, id, shaken, result, out);
    }

    pub(super) fn on_received(
        &mut self,
        now: Instant,
        id: StreamId,
        mut data: BytesMut,
        out: &mut Outbox<Action>,
    ) {
        let Some(stream) = self.streams.slab.get_mut(id) else {
            self.strays += 1;
            return;
        };
        if let Some(ciphers) = &mut stream.ciphers {
            ciphers.decrypt(&mut data);
        }
        match &mut stream.stage {
            Stage::Securing { handshake, .. } => {
                let mut secured = mem::take(&mut self.secured);
                let result = handshake.handle_input(now, mse::Input::Received(data), &mut secured);
                self.on_secured(now, id, secured, result, out);
            }
            Stage::Joined { torrent, peer } => {
                let (torrent, peer) = (*torrent, *peer);
                self.tell_swarm(now, torrent, swarm::Input::Received { peer, data }, out);
            }
            Stage::Handshaking { handshake, .. } => {
                let mut shaken = mem::take(&mut self.shaken);
                let result = handshake.handle_input(now, HandshakeInput::Received(data), &mut shaken);
                self.on_shaken(now, id, shaken, result, out);
            }
            Stage::Dialling { .. } | Stage::Joining { .. } => self.strays += 1,
        }
    }

    /// Does what a handshake wants. It may want to know whether we share a torrent, and wants more then.
    pub(super) fn on_shaken(
        &mut self,
        now: Instant,
        id: StreamId,
        mut shaken: Outbox<HandshakeAction>,
        mut result: Result<(), HandshakeError>,
        out: &mut Outbox<Action>,
    ) {
        let mut asked = None;
        loop {
            for action in shaken.drain() {
                match action {
                    HandshakeAction::Send(data) => self.send(id, data, out),
                    HandshakeAction::Identify { info_hash } => asked = Some(info_hash),
                    HandshakeAction::Established { peer_id, reserved, rest, .. } => {
                        self.join(now, id, peer_id, reserved, rest, out);
                    }
                }
            }
            let Some(info_hash) = asked.take() else { break };
            match self.identify(now, id, info_hash, &mut shaken) {
                Some(answered) => result = answered,
                None => {
                    self.shaken = shaken;
                    return self.end_stream(now, id, &PeerEnd::UnknownTorrent, out);
                }
            }
        }
        self.shaken = shaken;
        if let Err(error) = result {
            self.end_stream(now, id, &PeerEnd::Handshake(error), out);
        }
    }

    /// Answers a handshake that names a torrent; `None` if it is not one of ours that takes this peer now.
    fn identify(
        &mut self,
        now: Instant,
        id: StreamId,
        info_hash: InfoHash,
        shaken: &mut Outbox<HandshakeAction>,
    ) -> Option<Result<(), HandshakeError>> {
        let found = self.names.owner(&info_hash)?;
        let peer_id = self.torrents.get(found).filter(|torrent| torrent.swarm.is_open())?.peer_id;
        self.place_for(now, found, id)?;
        let Stage::Handshaking { handshake, torrent } = &mut self.streams.slab.get_mut(id)?.stage else {
            return None;
        };
        // What the handshake of MSE named must be what this one names.
        if torrent.replace(found).is_some_and(|named| named != found) {
            return None;
        }
        Some(handshake.handle_input(now, HandshakeInput::Identified { peer_id }, shaken))
    }

    /// Hands a stream over to its swarm.
    fn join(
        &mut self,
        now: Instant,
        id: StreamId,
        peer_id: PeerId,
        theirs: Reserved,
        rest: BytesMut,
        out: &mut Outbox<Action>,
    ) {
        let Some(stream) = self.streams.slab.get(id) else { return };
        let Some(torrent) = stream.stage.torrent() else { return };
        let (remote, outgoing, encryption) = (stream.remote, stream.outgoing, stream.encryption());
        if self.torrents.get(torrent).is_some_and(|torrent| torrent.candidates.is_banned(remote, outgoing)) {
            return self.end_stream(now, id, &PeerEnd::Banned, out);
        }
        let Some(place) = self.place_for(now, torrent, id) else {
            return self.end_stream(now, id, &PeerEnd::TooMany, out);
        };
        self.stream_deadlines.set(id.index(), None);
        if let Some(stream) = self.streams.slab.get_mut(id) {
            stream.joined = now;
        }
        if outgoing && let Some(torrent) = self.torrents.get_mut(torrent) {
            torrent.candidates.note(remote, |known| known.plain = encryption == Encryption::None);
        }
        self.streams.advance(id, Stage::Joining { torrent });
        let reserved = our_bits().both(theirs);
        let joined = Joined { stream: id, remote, outgoing, encryption, peer_id, reserved, rest };
        self.admit(now, torrent, joined, place, out);
    }

    pub(super) fn on_closed(
        &mut self,
        now: Instant,
        id: StreamId,
        error: Option<StreamError>,
        out: &mut Outbox<Action>,
    ) {
        let Some(stream) = self.streams.slab.get_mut(id) else {
            self.strays += 1;
            return;
        };
        stream.closed = true;
        let why = error.map_or(PeerEnd::ClosedByPeer, PeerEnd::Stream);
        match stream.stage {
            Stage::Joined { torrent, peer } => {
                self.tell_swarm(now, torrent, swarm::Input::Left { peer, why }, out);
            }
            Stage::Dialling { .. }
            | Stage::Securing { .. }
            | Stage::Handshaking { .. }
            | Stage::Joining { .. } => self.end_stream(now, id, &why, out),
        }
    }

    /// A stream that is not part of a swarm has no time left.
    pub(super) fn on_stream_timeout(&mut self, now: Instant, slot: usize, out: &mut Outbox<Action>) {
        self.stream_deadlines.set(slot, None);
        let Some(id) = self.streams.slab.key_from(slot).filter(|id| id.index() == slot) else { return };
        let Some(stream) = self.streams.slab.get_mut(id) else { return };
        match &mut stream.stage {
            Stage::Dialling { .. } => {
                self.end_stream(now, id, &PeerEnd::Stream(StreamError::TimedOut), out);
            }
            Stage::Handshaking { handshake, .. } => {
                let mut shaken = mem::take(&mut self.shaken);
                let result = handshake.handle_timeout(now, &mut shaken);
                let deadline = handshake.poll_timeout();
                self.stream_deadlines.set(slot, deadline);
                self.on_shaken(now, id, shaken, result, out);
            }
            Stage::Securing { handshake, .. } => {
                let mut secured = mem::take(&mut self.secured);
                let result = handshake.handle_timeout(now, &mut secured);
                let deadline = handshake.poll_timeout();
                self.stream_deadlines.set(slot, deadline);
                self.on_secured(now, id, secured, result, out);
            }
            Stage::Joining { .. } | Stage::Joined { .. } => {}
        }
    }

    /// Ends a stream that no swarm has, or has any more.
    pub(super) fn end_stream(&mut self, now: Instant, id: StreamId, why: &PeerEnd, out: &mut Outbox<Action>) {
        let Some(stream) = self.streams.remove(id) else { return };
        self.stream_deadlines.set(id.index(), None);
        if !stream.closed {
            out.push(Action::Close { stream: id });
        }
        if matches!(stream.stage, Stage::Securing { .. }) {
            self.statistics.count_failure(why);
        }
        let Some(torrent) = stream.stage.torrent() else { return };
        if self.fall_back(now, torrent, &stream, why, out) {
            return;
        }
        self.release(now, torrent, &stream, ending(why), out);
        if let (true, Some(torrent)) = (stream.outgoing, self.torrents.get(torrent)) {
            let info_hash = torrent.swarm.info().info_hash;
            let event = Event::DialFailed { info_hash, remote: stream.remote, why: why.clone() };
            out.push(Action::Event(event));
        }
    }

    /// Gives an address that we dialled back to the candidates, and the place to the torrent that has waited
    /// longest for one.
    pub(super) fn release(
        &mut self,
        now: Instant,
        id: TorrentId,
        stream: &Stream,
        ending: Ending,
        out: &mut Outbox<Action>,
    ) {
        if let Some(torrent) = self.torrents.get_mut(id).filter(|_| stream.outgoing) {
            torrent.candidates.ended(now, stream.remote, ending);
        }
        while self.streams.have_room_to_dial(&self.config.limits)
            && let Some(first) = self.dial_queue.pop_front()
        {
            if let Some(torrent) = self.torrents.get_mut(first) {
                torrent.waits_to_dial = false;
            }
            self.dial(now, first, out);
        }
        self.dial(now, id, out);
    }

    pub(super) fn close_all_handshakes(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut slot = 0;
        while let Some(id) = self.streams.slab.key_from(slot) {
            slot = id.index() + 1;
            let joined = |stream: &Stream| matches!(stream.stage, Stage::Joined { .. });
            if !self.streams.slab.get(id).is_some_and(joined) {
                self.end_stream(now, id, &PeerEnd::Stopped, out);
            }
        }
    }
}

/// What we can do, for the handshake: BEP 6 and BEP 10.
pub(super) const fn our_bits() -> Reserved {
    Reserved::ours(true, false)
}

/// What the end of a connection says about dialling the address again.
pub(super) const fn ending(why: &PeerEnd) -> Ending {
    if matches!(why, PeerEnd::BothSeeds | PeerEnd::Duplicate) {
        return Ending::Done;
    }
    if matches!(why, PeerEnd::Displaced) {
        return Ending::Useful;
    }
    let never = matches!(
        why,
        PeerEnd::Handshake(HandshakeError::Local(HandshakeLocal::SelfConnection))
            | PeerEnd::SelfConnection
            | PeerEnd::CorruptPiece
            | PeerEnd::Banned
            | PeerEnd::BadMetadata
    );
    if never { Ending::Never } else { Ending::Useless }
}
