//! The side that dialled.

use super::{
    cipher::Ciphers,
    error::{Error, PeerIncompatible, PeerMisbehaved},
    keys::{Choices, Keystreams, Req2Hash, Source, cover, req1},
    machine::{Action, Step},
    message::{Answer, PAD_MAX, VC},
    policy::{Level, Method, Stage},
    reader::{Opening, Reader},
    scan::Scan,
};
use crate::{
    crypto::{PublicKey, SharedSecret, dh::KEY_LENGTH},
    id::InfoHash,
    outbox::Outbox,
};
use bytes::{Bytes, BytesMut};

/// ```text
///  Starting ── start ──▶ Key ── Yb ──▶ Sync ── VC ──▶ Select ── 6 bytes ──▶ Pad ── PadD ──▶ Established
///     sends Ya, PadA        sends the offer, IA                                sends what IA had no room for
/// ```
#[derive(Debug)]
pub(super) struct Initiator {
    info_hash: InfoHash,
    provide: u32,
    /// What to say first, and how much of it may go with the offer.
    payload: Bytes,
    max_ia_sent: u16,
    stage: Stage,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was said.
    Starting(Source),
    /// Waits for the responder's public key.
    Key(Choices),
    /// Looks for the end of PadB.
    Sync { scan: Scan<8>, streams: Keystreams },
    /// Waits for the rest of the answer.
    Select { streams: Keystreams },
    /// Drops PadD.
    Pad { left: usize, method: Method, streams: Keystreams },
    /// Established, or failed.
    Over,
}

impl Initiator {
    pub(super) fn new(
        source: Source,
        level: Level,
        info_hash: InfoHash,
        payload: Bytes,
        max_ia_sent: u16,
    ) -> Self {
        let (provide, state) = (level.bits(), State::Starting(source));
        Self { info_hash, provide, payload, max_ia_sent, stage: Stage::Keys, state }
    }

    pub(super) const fn stage(&self) -> Stage {
        self.stage
    }

    /// Forgets what it said and meant to say, but not how far it came.
    pub(super) fn wipe(&mut self) {
        self.state = State::Over;
        self.payload = Bytes::new();
    }

    pub(super) const fn is_starting(&self) -> bool {
        matches!(self.state, State::Starting(_))
    }

    /// Sends Ya and PadA, unless that was done.
    pub(super) fn start(&mut self, out: &mut Outbox<Action>) {
        let state = core::mem::replace(&mut self.state, State::Over);
        let State::Starting(source) = state else {
            self.state = state;
            return;
        };
        let mut choices = source.choices();
        self.provide = choices.provide.unwrap_or(self.provide);
        let greeting = choices.greeting(out);
        out.push(Action::Send(greeting));
        self.state = State::Key(choices);
    }

    /// Does what can be done with the bytes that are here.
    pub(super) fn advance(&mut self, reader: &mut Reader, out: &mut Outbox<Action>) -> Result<Step, Error> {
        match core::mem::replace(&mut self.state, State::Over) {
            State::Key(choices) => self.key(choices, reader, out),
            State::Sync { scan, streams } => self.sync(scan, streams, reader),
            State::Select { streams } => self.select(streams, reader),
            State::Pad { left, method, streams } => self.pad(left, method, streams, reader, out),
            state @ (State::Starting(_) | State::Over) => Ok(self.wait(state)),
        }
    }

    fn key(
        &mut self,
        choices: Choices,
        reader: &mut Reader,
        out: &mut Outbox<Action>,
    ) -> Result<Step, Error> {
        if reader.opening() == Opening::Plain {
            return Err(PeerIncompatible::PlainAnswer.into());
        }
        let Some(key) = reader.field::<KEY_LENGTH>() else { return Ok(self.wait(State::Key(choices))) };
        let key = PublicKey::from_bytes(key).ok_or(PeerMisbehaved::BadPublicKey)?;
        let secret = choices.private.shared(&key);
        let mut streams = Keystreams::initiator(&secret, &self.info_hash);
        let offer = self.offer(&choices, &secret, &mut streams, out);
        out.push(Action::Send(offer));
        self.stage = Stage::Offered;
        // The keystream that hides the VC is the VC's own bytes; it now stands right behind them.
        let mut marker = VC;
        streams.receive.apply(&mut marker);
        Ok(self.next(State::Sync { scan: Scan::new(marker), streams }))
    }

    /// PE3, with as much of the payload as may go with it.
    fn offer(
        &mut self,
        choices: &Choices,
        secret: &SharedSecret,
        streams: &mut Keystreams,
        out: &mut Outbox<Action>,
    ) -> Bytes {
        let ia = self.payload.split_to(self.payload.len().min(usize::from(self.max_ia_sent)));
        let name = cover(secret, Req2Hash::of(&self.info_hash).0);
        let capacity = choices.marker_pad.len() + 56 + usize::from(choices.zeros) + ia.len();
        out.write(capacity, |arena| {
            for part in [&choices.marker_pad[..], &req1(secret), &name] {
                arena.extend_from_slice(part);
            }
            let clear = arena.len();
            for part in [&VC[..], &self.provide.to_be_bytes(), &choices.zeros.to_be_bytes()] {
                arena.extend_from_slice(part);
            }
            arena.resize(arena.len() + usize::from(choices.zeros), 0);
            arena.extend_from_slice(&(ia.len() as u16).to_be_bytes());
            arena.extend_from_slice(&ia);
            streams.send.apply(arena.get_mut(clear..).unwrap_or_default());
        })
    }

    fn sync(&mut self, mut scan: Scan<8>, streams: Keystreams, reader: &mut Reader) -> Result<Step, Error> {
        let found = reader.find(&mut scan).map_err(|_| PeerMisbehaved::SyncNotFound)?;
        Ok(if found {
            self.next(State::Select { streams })
        } else {
            self.wait(State::Sync { scan, streams })
        })
    }

    fn select(&mut self, mut streams: Keystreams, reader: &mut Reader) -> Result<Step, Error> {
        let Some(answer) = reader.decrypted(&mut streams.receive) else {
            return Ok(self.wait(State::Select { streams }));
        };
        let Answer { select, pad } = Answer::decode(answer);
        let method = Method::selected(select, self.provide).ok_or(PeerMisbehaved::BadSelect { select })?;
        let left = usize::from(pad);
        if left > PAD_MAX {
            return Err(PeerMisbehaved::PadTooLong { length: pad }.into());
        }
        self.stage = Stage::Selected;
        Ok(self.next(State::Pad { left, method, streams }))
    }

    fn pad(
        &mut self,
        mut left: usize,
        method: Method,
        mut streams: Keystreams,
        reader: &mut Reader,
        out: &mut Outbox<Action>,
    ) -> Result<Step, Error> {
        if !reader.skip(&mut left, &mut streams.receive) {
            return Ok(self.wait(State::Pad { left, method, streams }));
        }
        let mut ciphers = Ciphers::new(method, streams);
        let mut rest = reader.rest();
        ciphers.decrypt(&mut rest);
        if !self.payload.is_empty() {
            out.push(Action::Send(ciphers.encrypt(core::mem::take(&mut self.payload))));
        }
        let (info_hash, ia) = (self.info_hash, BytesMut::new());
        out.push(Action::Established { ciphers, info_hash, ia, rest });
        Ok(Step::Over)
    }

    fn next(&mut self, state: State) -> Step {
        self.state = state;
        Step::Next
    }

    fn wait(&mut self, state: State) -> Step {
        self.state = state;
        Step::Wait
    }
}
