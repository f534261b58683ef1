//! The side that was dialled.

use super::{
    cipher::Ciphers,
    config::Config,
    error::{Error, PeerIncompatible, PeerMisbehaved},
    keys::{Keystreams, Req2Hash, Source, cover, req1},
    machine::{Action, Step},
    message::{Offer, PAD_MAX, REST_MAX, VC},
    policy::{Method, Policy},
    reader::{Opening, Reader},
    scan::Scan,
};
use crate::{
    crypto::{PublicKey, SharedSecret, dh::KEY_LENGTH},
    id::InfoHash,
    outbox::Outbox,
};
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

/// ```text
///  Listening ── Ya ──▶ Sync ── req1 ──▶ Skey ── 20 bytes ──▶ Identifying ── Identified ──▶ Offer
///     │  sends Yb, PadB                                  asks the parent                      │ 14 bytes
///     ▼                                                                                       ▼
///  PlainDetected       Established ◀── IA ── Payload ◀── 2 bytes ── PayloadLength ◀── PadC ── Pad
///                         sends the answer
/// ```
#[derive(Debug)]
pub(super) struct Responder {
    config: Config,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Waits for the initiator's public key, or for what shows that it speaks plain BitTorrent.
    Listening(Source),
    /// Looks for the end of PadA.
    Sync { scan: Scan<20>, secret: SharedSecret, reply: Reply },
    /// Waits for the covered name of the torrent.
    Skey { secret: SharedSecret, reply: Reply },
    /// Waits for the parent.
    Identifying { secret: SharedSecret, reply: Reply },
    /// Waits for VC, crypto_provide and the length of PadC.
    Offer(Session),
    /// Drops PadC.
    Pad { left: usize, session: Session, method: Method },
    /// Waits for the length of IA.
    PayloadLength { session: Session, method: Method },
    /// Waits for IA: it is not answered in part.
    Payload { ia: Payload, session: Session, method: Method },
    /// Established, plain, or failed.
    Over,
}

/// The padding of the answer.
#[derive(Debug)]
struct Reply {
    marker_pad: Vec<u8>,
    zeros: u16,
}

/// IA, as far as it came.
#[derive(Debug)]
struct Payload {
    length: usize,
    bytes: BytesMut,
}

/// What is known once the torrent is.
#[derive(Debug)]
struct Session {
    info_hash: InfoHash,
    streams: Keystreams,
    reply: Reply,
}

impl Responder {
    pub(super) const fn new(source: Source, config: Config) -> Self {
        Self { config, state: State::Listening(source) }
    }

    /// Does what can be done with the bytes that are here.
    pub(super) fn advance(&mut self, reader: &mut Reader, out: &mut Outbox<Action>) -> Result<Step, Error> {
        match core::mem::replace(&mut self.state, State::Over) {
            State::Listening(source) => self.listening(source, reader, out),
            State::Sync { scan, secret, reply } => self.sync(scan, secret, reply, reader),
            State::Skey { secret, reply } => self.skey(secret, reply, reader, out),
            state @ State::Identifying { .. } => self.identifying(state, reader),
            State::Offer(session) => self.offer(session, reader),
            State::Pad { left, session, method } => self.pad(left, session, method, reader),
            State::PayloadLength { session, method } => self.payload_length(session, method, reader),
            State::Payload { ia, session, method } => self.payload(ia, session, method, reader, out),
            State::Over => Ok(self.wait(State::Over)),
        }
    }

    fn listening(
        &mut self,
        source: Source,
        reader: &mut Reader,
        out: &mut Outbox<Action>,
    ) -> Result<Step, Error> {
        match (reader.opening(), self.config.incoming) {
            (Opening::Plain, Policy::Required) => return Err(PeerIncompatible::PlainRefused.into()),
            (Opening::Plain, Policy::Disabled | Policy::Enabled) => {
                out.push(Action::PlainDetected { bytes: reader.rest() });
                return Ok(Step::Over);
            }
            (Opening::Other, Policy::Disabled) => return Err(PeerIncompatible::EncryptionRefused.into()),
            (Opening::Undecided, _) => return Ok(self.wait(State::Listening(source))),
            (Opening::Other, Policy::Enabled | Policy::Required) => {}
        }
        let Some(key) = reader.field::<KEY_LENGTH>() else { return Ok(self.wait(State::Listening(source))) };
        let key = PublicKey::from_bytes(key).ok_or(PeerMisbehaved::BadPublicKey)?;
        // Only now: a peer that says less than this costs no power.
        let mut choices = source.choices();
        let greeting = choices.greeting(out);
        out.push(Action::Send(greeting));
        let secret = choices.private.shared(&key);
        let reply = Reply { marker_pad: choices.marker_pad, zeros: choices.zeros };
        Ok(self.next(State::Sync { scan: Scan::new(req1(&secret)), secret, reply }))
    }

    fn sync(
        &mut self,
        mut scan: Scan<20>,
        secret: SharedSecret,
        reply: Reply,
        reader: &mut Reader,
    ) -> Result<Step, Error> {
        let found = reader.find(&mut scan).map_err(|_| PeerMisbehaved::SyncNotFound)?;
        Ok(if found {
            self.next(State::Skey { secret, reply })
        } else {
            self.wait(State::Sync { scan, secret, reply })
        })
    }

    fn skey(
        &mut self,
        secret: SharedSecret,
        reply: Reply,
        reader: &mut Reader,
        out: &mut Outbox<Action>,
    ) -> Result<Step, Error> {
        let Some(name) = reader.field() else { return Ok(self.wait(State::Skey { secret, reply })) };
        out.push(Action::Identify { req2_hash: Req2Hash(cover(&secret, name)) });
        Ok(self.next(State::Identifying { secret, reply }))
    }

    fn identifying(&mut self, state: State, reader: &Reader) -> Result<Step, Error> {
        if reader.len() > REST_MAX {
            return Err(PeerMisbehaved::TooMuch.into());
        }
        Ok(self.wait(state))
    }

    /// The parent answered. An answer that nobody waits for changes nothing (law 9).
    pub(super) fn identified(&mut self, info_hash: Option<InfoHash>) -> Result<(), Error> {
        self.state = match (core::mem::replace(&mut self.state, State::Over), info_hash) {
            (State::Identifying { secret, reply }, Some(info_hash)) => {
                let streams = Keystreams::responder(&secret, &info_hash);
                State::Offer(Session { info_hash, streams, reply })
            }
            (State::Identifying { .. }, None) => return Err(PeerIncompatible::UnknownSkey.into()),
            (state, _) => state,
        };
        Ok(())
    }

    fn offer(&mut self, mut session: Session, reader: &mut Reader) -> Result<Step, Error> {
        let Some(offer) = reader.decrypted(&mut session.streams.receive) else {
            return Ok(self.wait(State::Offer(session)));
        };
        let Offer { vc, provide, pad } = Offer::decode(offer);
        if vc != VC {
            return Err(PeerMisbehaved::BadVc.into());
        }
        let left = usize::from(pad);
        if left > PAD_MAX {
            return Err(PeerMisbehaved::PadTooLong { length: pad }.into());
        }
        let method = self.config.level.choose(provide, self.config.prefer);
        let method = method.ok_or(PeerIncompatible::NoCommonCrypto { provide })?;
        Ok(self.next(State::Pad { left, session, method }))
    }

    fn pad(
        &mut self,
        mut left: usize,
        mut session: Session,
        method: Method,
        reader: &mut Reader,
    ) -> Result<Step, Error> {
        Ok(if reader.skip(&mut left, &mut session.streams.receive) {
            self.next(State::PayloadLength { session, method })
        } else {
            self.wait(State::Pad { left, session, method })
        })
    }

    fn payload_length(
        &mut self,
        mut session: Session,
        method: Method,
        reader: &mut Reader,
    ) -> Result<Step, Error> {
        let Some(length) = reader.decrypted(&mut session.streams.receive) else {
            return Ok(self.wait(State::PayloadLength { session, method }));
        };
        let length = u16::from_be_bytes(length);
        if length > self.config.max_ia {
            return Err(PeerIncompatible::IaTooLong { length }.into());
        }
        let ia = Payload { length: usize::from(length), bytes: BytesMut::new() };
        Ok(self.next(State::Payload { ia, session, method }))
    }

    fn payload(
        &mut self,
        mut ia: Payload,
        mut session: Session,
        method: Method,
        reader: &mut Reader,
        out: &mut Outbox<Action>,
    ) -> Result<Step, Error> {
        if !reader.gather(&mut ia.bytes, ia.length) {
            return Ok(self.wait(State::Payload { ia, session, method }));
        }
        // IA is encrypted whatever was selected.
        session.streams.receive.apply(&mut ia.bytes);
        let answer = session.answer(method, out);
        out.push(Action::Send(answer));
        let Session { info_hash, streams, .. } = session;
        let mut ciphers = Ciphers::new(method, streams);
        let mut rest = reader.rest();
        ciphers.decrypt(&mut rest);
        out.push(Action::Established { ciphers, info_hash, ia: ia.bytes, rest });
        Ok(Step::Over)
    }

    /// Forgets everything.
    pub(super) fn wipe(&mut self) {
        self.state = State::Over;
    }

    /// Heap bytes held, besides the two keystreams.
    pub(super) fn memory(&self) -> usize {
        match &self.state {
            State::Payload { ia, .. } => ia.bytes.capacity(),
            State::Listening(_)
            | State::Sync { .. }
            | State::Skey { .. }
            | State::Identifying { .. }
            | State::Offer(_)
            | State::Pad { .. }
            | State::PayloadLength { .. }
            | State::Over => 0,
        }
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

impl Session {
    /// PE4.
    fn answer(&mut self, method: Method, out: &mut Outbox<Action>) -> Bytes {
        let Reply { marker_pad, zeros } = &self.reply;
        let capacity = marker_pad.len() + 14 + usize::from(*zeros);
        out.write(capacity, |arena| {
            arena.extend_from_slice(marker_pad);
            for part in [&VC[..], &method.bit().to_be_bytes(), &zeros.to_be_bytes()] {
                arena.extend_from_slice(part);
            }
            arena.resize(arena.len() + usize::from(*zeros), 0);
            self.streams.send.apply(arena.get_mut(marker_pad.len()..).unwrap_or_default());
        })
    }
}
