//! The wire against its laws, and peers that mean ill. Its vectors are in the runner of conformance vectors.

mod connection;
mod handshake;
mod hostile;
mod laws;
mod sending;

use super::{
    Action, Config, Connection, Counters, Error, Input, Message,
    subject::{encode as wire, geometry},
};
use crate::{Instant, Machine, Outbox, id::PieceIndex};
use alloc::{vec, vec::Vec};
use bytes::{Bytes, BytesMut};
use core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Both extensions, ten pieces.
fn config() -> Config {
    Config { geometry: Some(geometry()), fast: true, extended: true, ..Config::default() }
}

/// A connection and its outbox.
struct World {
    connection: Connection,
    out: Outbox<Action>,
    now: Instant,
}

impl World {
    fn new(config: Config) -> Self {
        let now = Instant::ZERO;
        Self { connection: Connection::new(config, now), out: Outbox::new(), now }
    }

    fn input(&mut self, input: Input) -> Result<Vec<Action>, Error> {
        self.connection.handle_input(self.now, input, &mut self.out)?;
        Ok(self.out.drain().collect())
    }

    fn receive(&mut self, bytes: impl AsRef<[u8]>) -> Result<Vec<Action>, Error> {
        self.input(Input::Received(BytesMut::from(bytes.as_ref())))
    }

    fn timeout(&mut self, after: Duration) -> Result<Vec<Action>, Error> {
        self.now = self.now + after;
        self.connection.handle_timeout(self.now, &mut self.out)?;
        Ok(self.out.drain().collect())
    }

    fn counters(&self) -> Counters {
        self.connection.counters()
    }
}

fn piece(index: u32, data: &[u8]) -> Message {
    Message::Piece { piece: PieceIndex(index), begin: 0, data: Bytes::copy_from_slice(data) }
}

fn bitfield(bytes: &[u8]) -> Message {
    Message::Bitfield(Bytes::copy_from_slice(bytes))
}

/// The messages among the actions.
fn messages(actions: Vec<Action>) -> Vec<Message> {
    let message = |action| match action {
        Action::Message(message) => Some(message),
        Action::Send(_) | Action::ExtendedHandshake(_) => None,
    };
    actions.into_iter().filter_map(message).collect()
}

/// The bytes that the actions send.
fn sent(actions: &[Action]) -> Vec<u8> {
    let bytes = |action: &Action| match action {
        Action::Send(bytes) => bytes.to_vec(),
        Action::Message(_) | Action::ExtendedHandshake(_) => vec![],
    };
    actions.iter().flat_map(bytes).collect()
}
