//! The handshake against its vectors, its laws, its policies, and peers that mean ill.

mod handshake;
mod hostile;
mod laws;
mod policy;
mod vectors;

use super::{
    Action, Ciphers, Config, Error, Handshake, Input, Level, Method, PAD_MAX, PeerIncompatible,
    PeerMisbehaved, Policy, REST_MAX, Skeys, Stage,
    subject::{HELLO, TORRENT},
};
use crate::{Instant, Machine, Outbox, crypto::PrivateKey, id::InfoHash};
use alloc::{vec, vec::Vec};
use bytes::{Bytes, BytesMut};
use core::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A handshake, and a parent that knows torrents and answers at once.
struct World {
    handshake: Handshake,
    skeys: Skeys,
    now: Instant,
    out: Outbox<Action>,
    /// All that was sent.
    sent: Vec<u8>,
    identified: usize,
    end: Option<Action>,
}

impl World {
    fn new(handshake: Handshake) -> Self {
        let mut skeys = Skeys::default();
        skeys.add(TORRENT);
        let (now, out) = (Instant::ZERO, Outbox::new());
        Self { handshake, skeys, now, out, sent: vec![], identified: 0, end: None }
    }

    fn initiator(config: Config, seed: u8) -> Self {
        let (level, hello) = (config.level, Bytes::from_static(HELLO));
        let handshake = Handshake::initiator(&config, level, TORRENT, hello, [seed; 32], Instant::ZERO);
        Self::new(handshake)
    }

    fn responder(config: Config, seed: u8) -> Self {
        Self::new(Handshake::responder(&config, [seed; 32], Instant::ZERO))
    }

    fn start(&mut self) {
        self.handshake.handle_timeout(self.now, &mut self.out).expect("alive");
        self.settle().expect("alive");
    }

    fn receive(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
        self.input(Input::Received(BytesMut::from(bytes.as_ref())))
    }

    /// `bytes` in pieces of `size`; how many bytes had come when it failed.
    fn receive_cut(&mut self, bytes: &[u8], size: usize) -> Result<(), (usize, Error)> {
        let mut came = 0;
        for chunk in bytes.chunks(size) {
            came += chunk.len();
            match self.end.as_mut() {
                None => self.receive(chunk).map_err(|error| (came, error))?,
                Some(Action::Established { ciphers, rest, .. }) => {
                    let mut chunk = BytesMut::from(chunk);
                    ciphers.decrypt(&mut chunk);
                    rest.extend_from_slice(&chunk);
                }
                Some(Action::PlainDetected { bytes }) => bytes.extend_from_slice(chunk),
                Some(other) => panic!("{other:?} is no end"),
            }
        }
        Ok(())
    }

    fn input(&mut self, input: Input) -> Result<(), Error> {
        let result = self.handshake.handle_input(self.now, input, &mut self.out);
        self.settle().and(result)
    }

    fn settle(&mut self) -> Result<(), Error> {
        let actions: Vec<Action> = self.out.drain().collect();
        for action in actions {
            match action {
                Action::Send(bytes) => self.sent.extend_from_slice(&bytes),
                Action::Identify { req2_hash } => {
                    self.identified += 1;
                    let answer = self.skeys.find(&req2_hash);
                    self.input(answer.map_or(Input::Unknown, |info_hash| Input::Identified { info_hash }))?;
                }
                end @ (Action::PlainDetected { .. } | Action::Established { .. }) => {
                    assert_eq!(self.end.replace(end), None, "one end");
                }
            }
        }
        Ok(())
    }

    fn established(self) -> (Ciphers, InfoHash, BytesMut, BytesMut) {
        match self.end {
            Some(Action::Established { ciphers, info_hash, ia, rest }) => (ciphers, info_hash, ia, rest),
            other => panic!("{other:?}"),
        }
    }

    fn sent(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.sent)
    }
}

/// Carries bytes both ways, in pieces of `sizes` in turn, until nobody has more to say.
fn converse(
    initiator: &mut World,
    responder: &mut World,
    sizes: &[usize],
) -> Result<(), (&'static str, Error)> {
    let mut sizes = sizes.iter().copied().cycle();
    initiator.start();
    let (mut up, mut down) = (Vec::new(), Vec::new());
    loop {
        up.extend(initiator.sent());
        down.extend(responder.sent());
        let size = sizes.next().expect("endless");
        let (stream, to, name) = if up.is_empty() {
            (&mut down, &mut *initiator, "initiator")
        } else {
            (&mut up, &mut *responder, "responder")
        };
        if stream.is_empty() {
            return Ok(());
        }
        let part: Vec<u8> = stream.drain(..size.min(stream.len())).collect();
        to.receive_cut(&part, part.len()).map_err(|(_, error)| (name, error))?;
    }
}
