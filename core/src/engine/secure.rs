//! Message stream encryption under the streams: whether, how, and what when it fails.

use super::{
    Action, Event, PeerEnd,
    candidates::Ending,
    connect::{ending, our_bits},
    machine::Engine,
    streams::{Stage, Stream},
};
use crate::{
    Deadline, Instant, Machine, Outbox,
    id::{InfoHash, StreamId, TorrentId},
    mse::{self, Ciphers, Handshake, Level, Policy, Req2Hash, Speech},
    wire::{self, HandshakeAction, HandshakeConfig, HandshakeInput},
};
use alloc::boxed::Box;
use bytes::{Bytes, BytesMut};
use core::mem;

/// What is copied to the arena rather than to an allocation of its own, in bytes.
const SMALL: usize = 1024;

impl Engine {
    /// What an accepted stream waits for, and until when.
    pub(super) fn await_handshake(&mut self, now: Instant, give_up: Instant) -> (Option<Deadline>, Stage) {
        if self.config.encryption.incoming == Policy::Disabled {
            let stage = Stage::Handshaking { handshake: Box::new(responder(now, give_up)), torrent: None };
            return (Some(Deadline { at: give_up, why: "handshake" }), stage);
        }
        let config = self.mse_config();
        let handshake = Box::new(Handshake::responder(&config, self.random.child_seed(), now));
        let deadline = handshake.poll_timeout();
        (deadline, Stage::Securing { handshake, torrent: None, next: None })
    }

    /// Begins to encrypt a stream that we dialled. What the next handshake says first travels with the
    /// offer and saves a round trip.
    pub(super) fn secure(
        &mut self,
        now: Instant,
        id: StreamId,
        (info_hash, level): (InfoHash, Level),
        next: Box<wire::Handshake>,
        mut shaken: Outbox<HandshakeAction>,
        out: &mut Outbox<Action>,
    ) {
        let payload = shaken.drain().find_map(|action| match action {
            HandshakeAction::Send(bytes) => Some(bytes),
            HandshakeAction::Identify { .. } | HandshakeAction::Established { .. } => None,
        });
        self.shaken = shaken;
        let (config, seed) = (self.mse_config(), self.random.child_seed());
        let payload = payload.unwrap_or_default();
        let mut handshake = Box::new(Handshake::initiator(&config, level, info_hash, payload, seed, now));
        let mut secured = mem::take(&mut self.secured);
        let result = handshake.handle_timeout(now, &mut secured);
        self.stream_deadlines.set(id.index(), handshake.poll_timeout());
        let torrent = self.streams.slab.get(id).and_then(|stream| stream.stage.torrent());
        self.streams.advance(id, Stage::Securing { handshake, torrent, next: Some(next) });
        self.on_secured(now, id, secured, result, out);
    }

    fn mse_config(&self) -> mse::Config {
        mse::Config { timeout: self.config.handshake_timeout, ..self.config.encryption }
    }

    /// Does what a handshake of MSE wants. It may want to know a torrent, and wants more then.
    pub(super) fn on_secured(
        &mut self,
        now: Instant,
        id: StreamId,
        mut secured: Outbox<mse::Action>,
        mut result: Result<(), mse::Error>,
        out: &mut Outbox<Action>,
    ) {
        let mut asked = None;
        loop {
            for action in secured.drain() {
                match action {
                    mse::Action::Send(data) => out.push(Action::Send { stream: id, data }),
                    mse::Action::Identify { req2_hash } => asked = Some(req2_hash),
                    mse::Action::PlainDetected { bytes } => self.go_on(now, id, bytes, out),
                    mse::Action::Established { ciphers, ia, rest, .. } => {
                        self.established(now, id, ciphers, ia, rest, out);
                    }
                }
            }
            let Some(req2_hash) = asked.take() else { break };
            match self.identify_skey(now, id, &req2_hash, &mut secured) {
                Some(answered) => result = answered,
                None => break,
            }
        }
        self.secured = secured;
        if let Err(error) = result {
            self.end_stream(now, id, &PeerEnd::Encryption(error), out);
        }
    }

    fn identify_skey(
        &mut self,
        now: Instant,
        id: StreamId,
        req2_hash: &Req2Hash,
        secured: &mut Outbox<mse::Action>,
    ) -> Option<Result<(), mse::Error>> {
        let open = |id: &TorrentId| self.torrents.get(*id).is_some_and(|torrent| torrent.swarm.is_open());
        let found = self.names.asked(req2_hash).filter(|(_, id)| open(id));
        let Stage::Securing { handshake, torrent, .. } = &mut self.streams.slab.get_mut(id)?.stage else {
            return None;
        };
        *torrent = found.map(|(_, id)| id);
        let answer = found.map_or(mse::Input::Unknown, |(info_hash, _)| mse::Input::Identified { info_hash });
        Some(handshake.handle_input(now, answer, secured))
    }

    /// Both sides agreed what becomes of the bytes from here on.
    fn established(
        &mut self,
        now: Instant,
        id: StreamId,
        ciphers: Ciphers,
        mut first: BytesMut,
        rest: BytesMut,
        out: &mut Outbox<Action>,
    ) {
        if let Some(stream) = self.streams.slab.get_mut(id) {
            stream.ciphers = Some(ciphers);
        }
        first.unsplit(rest);
        self.go_on(now, id, first, out);
    }

    /// Goes on with the handshake of BEP 3, whose first bytes are here.
    fn go_on(&mut self, now: Instant, id: StreamId, bytes: BytesMut, out: &mut Outbox<Action>) {
        let Some(stream) = self.streams.slab.get_mut(id) else { return };
        let give_up = stream.give_up;
        let Stage::Securing { torrent, next, .. } = &mut stream.stage else { return };
        let (torrent, next) = (*torrent, next.take());
        let mut handshake = next.unwrap_or_else(|| Box::new(responder(now, give_up)));
        let mut shaken = mem::take(&mut self.shaken);
        let result = handshake.handle_input(now, HandshakeInput::Received(bytes), &mut shaken);
        self.stream_deadlines.set(id.index(), handshake.poll_timeout());
        self.streams.advance(id, Stage::Handshaking { handshake, torrent });
        self.on_shaken(now, id, shaken, result, out);
    }

    /// Sends bytes the way that was agreed for the stream.
    pub(super) fn send(&mut self, id: StreamId, data: Bytes, out: &mut Outbox<Action>) {
        let ciphers = self.streams.slab.get_mut(id).and_then(|stream| stream.ciphers.as_mut());
        let data = match ciphers {
            // Heads and small messages share their room with others: their copy goes to the arena.
            Some(ciphers) if data.len() <= SMALL => out.write(data.len(), |arena| {
                arena.extend_from_slice(&data);
                ciphers.encrypt_in_place(arena);
            }),
            Some(ciphers) => ciphers.encrypt(data),
            None => data,
        };
        out.push(Action::Send { stream: id, data });
    }

    /// Dials again at once, the other way, where the policy allows it; on a new stream, and once.
    pub(super) fn fall_back(
        &mut self,
        now: Instant,
        torrent: TorrentId,
        stream: &Stream,
        why: &PeerEnd,
        out: &mut Outbox<Action>,
    ) -> bool {
        if self.is_stopping() {
            return false;
        }
        let reached = match &stream.stage {
            Stage::Securing { handshake, .. } => handshake.stage(),
            Stage::Handshaking { .. } if stream.ciphers.is_some() => Some(mse::Stage::Selected),
            Stage::Handshaking { .. } => Some(mse::Stage::Keys),
            // A dial that brought about no connection says nothing of how the peer speaks.
            Stage::Dialling { .. } | Stage::Joining { .. } | Stage::Joined { .. } => None,
        };
        let Some((attempt, reached)) = stream.attempt.zip(reached) else { return false };
        let Some(state) = self.torrents.get_mut(torrent) else { return false };
        if attempt.speech() == Speech::Plain {
            state.candidates.note(stream.remote, |known| known.plain = false);
        }
        let next = attempt.after(&self.config.encryption, reached);
        let Some(next) = next.filter(|_| ending(why) != Ending::Never && state.swarm.is_open()) else {
            return false;
        };
        let info_hash = state.swarm.info().info_hash;
        let at = now + self.config.connect_timeout;
        let id = self.streams.insert(Stream::dialled(torrent, stream.remote, next, at));
        self.stream_deadlines.set(id.index(), Some(Deadline { at, why: "connect" }));
        out.push(Action::Connect { stream: id, remote: stream.remote });
        self.statistics.fallbacks += 1;
        let event = Event::FellBack { info_hash, remote: stream.remote, why: why.clone() };
        out.push(Action::Event(event));
        true
    }
}

/// The handshake of BEP 3 for a stream that was accepted, within the time that is left.
fn responder(now: Instant, give_up: Instant) -> wire::Handshake {
    wire::Handshake::responder(our_bits(), HandshakeConfig { timeout: give_up - now }, now)
}
