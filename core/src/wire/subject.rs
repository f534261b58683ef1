//! Both machines of the wire under the law harness.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "nothing but tests and fuzz targets call it: they may fail loudly"
)]

use super::{
    Action, Config, Connection, Handshake, HandshakeAction, HandshakeConfig, HandshakeInput, Input, Message,
    REST_MAX, Reserved,
};
use crate::{
    Instant, Outbox, Seed,
    id::{Block, InfoHash, PeerId, PieceIndex},
    storage::Geometry,
    testing::{Bounds, Call, Dice, Step, StreamSubject, Subject},
};
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

/// A handshake of either side, and what its peer says, sound or spoilt.
#[derive(Debug, Default)]
pub struct AnyHandshake {
    /// What of the peer's stream has not been given.
    stream: Vec<u8>,
    initiator: bool,
    /// Whether the machine was called at all: its first call makes an initiator speak.
    started: bool,
}

impl Subject for AnyHandshake {
    type Machine = Handshake;
    type Config = bool;

    fn config(&mut self, dice: &mut Dice) -> bool {
        let name = if dice.chance(1, 8) { OURS } else { THEIRS };
        self.stream = [&b"\x13BitTorrent protocol"[..], &[0; 8], &HASH.0, &name.0, &[9; 30]].concat();
        if dice.chance(1, 4) {
            let at = dice.below(68) as usize;
            self.stream[at] ^= 1;
        }
        self.initiator = dice.chance(1, 2);
        self.initiator
    }

    fn build(&self, initiator: &bool, _: Seed) -> Handshake {
        let (ours, config) = (Reserved::ours(true, true), HandshakeConfig::default());
        if *initiator {
            Handshake::initiator(HASH, OURS, ours, config, Instant::ZERO)
        } else {
            Handshake::responder(ours, config, Instant::ZERO)
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds { actions_per_call: 2, bytes_per_call: 68 + REST_MAX, memory: REST_MAX, timeouts_per_s: 1 }
    }

    fn input(&mut self, dice: &mut Dice) -> HandshakeInput {
        if dice.chance(1, 5) {
            return HandshakeInput::Identified { peer_id: OURS };
        }
        let length = dice.below(50).min(self.stream.len() as u32) as usize;
        let part: Vec<u8> = self.stream.drain(..length).collect();
        HandshakeInput::Received(BytesMut::from(&part[..]))
    }

    fn stray(&mut self, _: &mut Dice) -> Option<HandshakeInput> {
        (self.initiator && self.started).then_some(HandshakeInput::Identified { peer_id: THEIRS })
    }

    fn observe(&mut self, _: &Step<HandshakeInput, HandshakeAction>) {
        self.started = true;
    }

    fn memory(&self, machine: &Handshake) -> usize {
        machine.memory()
    }

    fn bytes(&self, action: &HandshakeAction) -> usize {
        match action {
            HandshakeAction::Send(bytes) => bytes.len(),
            HandshakeAction::Identify { .. } => 0,
            HandshakeAction::Established { rest, .. } => rest.len(),
        }
    }
}

impl StreamSubject for AnyHandshake {
    fn received(input: &HandshakeInput) -> Option<&[u8]> {
        match input {
            HandshakeInput::Received(bytes) => Some(bytes),
            HandshakeInput::Identified { .. } => None,
        }
    }

    fn receive(bytes: BytesMut) -> HandshakeInput {
        HandshakeInput::Received(bytes)
    }

    /// What lies behind the 68 bytes comes back with `Established` or goes to the connection, as it was cut.
    fn normalise(&self, actions: &mut Vec<HandshakeAction>) {
        for action in actions {
            if let HandshakeAction::Established { rest, .. } = action {
                rest.clear();
            }
        }
    }
}

const HASH: InfoHash = InfoHash([0xaa; 20]);
const OURS: PeerId = PeerId([b'o'; 20]);
const THEIRS: PeerId = PeerId([b't'; 20]);

const WINDOW: usize = 20_000;
const QUEUE: usize = 40_000;
/// The most bytes that come in at once.
const READ: usize = 20_000;

/// A connection, a peer that says anything, and a parent that does.
#[derive(Debug, Default)]
pub struct AnyConnection {
    stream: Vec<u8>,
    /// Bytes given to the driver and not reported sent.
    in_flight: usize,
}

impl Subject for AnyConnection {
    type Machine = Connection;
    type Config = Config;

    fn config(&mut self, dice: &mut Dice) -> Config {
        Config {
            geometry: dice.chance(1, 2).then(geometry),
            fast: !dice.chance(1, 8),
            extended: !dice.chance(1, 4),
            send_window: WINDOW,
            send_queue: QUEUE,
            early_bitfield_max: 1000,
        }
    }

    fn build(&self, config: &Config, _: Seed) -> Connection {
        Connection::new(config.clone(), Instant::ZERO)
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            actions_per_call: READ / 5 + 1,
            bytes_per_call: READ + WINDOW,
            memory: 3 * READ + 3 * QUEUE,
            timeouts_per_s: 2,
        }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        match dice.below(12) {
            0 => Input::Geometry(geometry()),
            1 => Input::Sent(dice.below(WINDOW as u32) as usize),
            2 | 3 => Input::Send(any_message(dice)),
            _ => {
                let mut more = encode([any_message(dice)]);
                match dice.below(80) {
                    0 | 1 => {
                        let at = dice.below(more.len() as u32) as usize;
                        more[at] = dice.below(256) as u8;
                    }
                    2 => more = dice.bytes(12),
                    _ => {}
                }
                self.stream.extend(more);
                let length = self.stream.len().min(dice.below(READ as u32) as usize);
                let part: Vec<u8> = self.stream.drain(..length).collect();
                Input::Received(BytesMut::from(&part[..]))
            }
        }
    }

    /// Law 10.
    fn observe(&mut self, step: &Step<Input, Action>) {
        if let Call::Input(Input::Sent(bytes)) = step.call {
            self.in_flight = self.in_flight.saturating_sub(bytes);
        }
        for action in &step.outcome.actions {
            if let Action::Send(bytes) = action {
                self.in_flight += bytes.len();
            }
        }
        assert!(self.in_flight <= WINDOW, "{} bytes in flight in a window of {WINDOW}", self.in_flight);
    }

    fn stray(&mut self, _: &mut Dice) -> Option<Input> {
        Some(Input::Sent(0))
    }

    fn memory(&self, machine: &Connection) -> usize {
        machine.memory()
    }

    fn bytes(&self, action: &Action) -> usize {
        match action {
            Action::Send(bytes) => bytes.len(),
            Action::Message(message) => message.wire_length(),
            Action::ExtendedHandshake(_) => 0,
        }
    }
}

impl StreamSubject for AnyConnection {
    fn received(input: &Input) -> Option<&[u8]> {
        match input {
            Input::Received(bytes) => Some(bytes),
            Input::Sent(_) | Input::Send(_) | Input::Geometry(_) => None,
        }
    }

    fn receive(bytes: BytesMut) -> Input {
        Input::Received(bytes)
    }
}

fn any_message(dice: &mut Dice) -> Message {
    let index = PieceIndex(dice.below(10));
    // Mostly short: a stream that is cut into single bytes takes its time.
    let most = if dice.chance(1, 8) { 16_384 } else { 200 };
    let block = Block { piece: index, begin: 16_384 * dice.below(2), length: 1 + dice.below(most) };
    match dice.below(60) {
        0..=9 => Message::Have(index),
        10..=19 => Message::Request(block),
        20..=29 => Message::Piece { piece: index, begin: 0, data: dice.filler(block.length as usize).into() },
        30..=33 => Message::Unchoke,
        34..=36 => Message::Cancel(block),
        37..=39 => Message::KeepAlive,
        // Mostly fatal, so seldom.
        40 if dice.chance(1, 3) => Message::Bitfield(Bytes::from_static(&[0xff, 0xc0])),
        41 if dice.chance(1, 3) => Message::HaveAll,
        42..=44 => Message::Suggest(PieceIndex(dice.below(12))),
        45..=47 => Message::AllowedFast(PieceIndex(dice.below(12))),
        48 | 49 => Message::Extended { id: 0, payload: Bytes::from_static(b"d1:md6:ut_pexi1eee") },
        50 if dice.chance(1, 8) => Message::Extended { id: 0, payload: dice.filler(70_000).into() },
        50..=52 => Message::Extended { id: 3, payload: dice.filler(3000).into() },
        53 => Message::Unknown { id: 100 },
        54 => Message::Port(dice.below(3) as u16),
        55 => Message::Reject(block),
        _ => Message::Interested,
    }
}

/// Ten pieces of two blocks.
pub(super) fn geometry() -> Geometry {
    Geometry::new(32_768, 327_680).expect("valid")
}

/// Messages one behind the other, as they stand on the wire.
pub fn encode(messages: impl IntoIterator<Item = Message>) -> Vec<u8> {
    let mut out: Outbox<()> = Outbox::new();
    let mut bytes = Vec::new();
    for message in messages {
        let (head, payload) = message.encode(&mut out);
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&payload);
    }
    bytes
}
