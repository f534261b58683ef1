//! The peer wire: messages, extension handshakes, handshakes, and streams that must end.

use super::{Fault, Found, Vector, code, fields, hex};
use bytes::BytesMut;
use convoy_core::{
    Instant, Machine, Outbox,
    id::{Block, InfoHash, PeerId},
    storage::{Geometry, MAX_PIECES},
    wire::{
        Action, Config, Connection, Error, ExtendedHandshake, Handshake, HandshakeAction, HandshakeConfig,
        HandshakeError, HandshakeInput, Input, Message, PeerMisbehaved, Reserved,
    },
};
use serde_json::{Value as Json, json};
use std::collections::VecDeque;

/// A block of the torrent that a message is held against if the vector names none.
const PIECE_LENGTH: u32 = 32 * 1024;

/// One message, as a connection gives it on, and written again.
pub(super) fn message(vector: &Vector) -> Result<Found, Fault> {
    let bytes = vector.bytes()?;
    let geometry = geometry(&vector.setup)
        .or_else(|| Geometry::new(PIECE_LENGTH, u64::from(PIECE_LENGTH) * u64::from(MAX_PIECES)));
    let config = Config { geometry, fast: true, extended: true, ..Config::default() };
    let mut connection = Connection::new(config, Instant::ZERO);
    let mut out = Outbox::new();
    let received = Input::Received(BytesMut::from(&bytes[..]));
    let result = connection.handle_input(Instant::ZERO, received, &mut out);
    let message = match (result, out.drain().next()) {
        (Ok(()), Some(Action::Message(message))) => message,
        (Ok(()), None) if connection.counters().keep_alives == 1 => Message::KeepAlive,
        // No torrent has as many pieces as the index may count: what was read, the error tells.
        (Err(Error::Peer(PeerMisbehaved::NoSuchPiece(piece))), None) => Message::Have(piece),
        (Err(error), _) => return Ok(Found::error(code_of(error))),
        (Ok(()), other) => return Err(Fault::unfit("one message", format!("{other:?}"))),
    };
    let (head, payload) = message.clone().encode(&mut out);
    Ok(Found::value(message_json(&message)).written(&[head, payload].concat()))
}

fn message_json(message: &Message) -> Json {
    let block = |kind: &str, block: &Block| json!({ "type": kind, "piece": block.piece.0, "begin": block.begin, "length": block.length });
    match message {
        Message::Have(piece) => json!({ "type": "have", "piece": piece.0 }),
        Message::Suggest(piece) => json!({ "type": "suggest", "piece": piece.0 }),
        Message::AllowedFast(piece) => json!({ "type": "allowed_fast", "piece": piece.0 }),
        Message::Request(wanted) => block("request", wanted),
        Message::Cancel(wanted) => block("cancel", wanted),
        Message::Reject(wanted) => block("reject", wanted),
        Message::Bitfield(payload) => json!({ "type": "bitfield", "payload": hex(payload) }),
        Message::HashRequest(payload) => json!({ "type": "hash_request", "payload": hex(payload) }),
        Message::Hashes(payload) => json!({ "type": "hashes", "payload": hex(payload) }),
        Message::HashReject(payload) => json!({ "type": "hash_reject", "payload": hex(payload) }),
        Message::Piece { piece, begin, data } => {
            json!({ "type": "piece", "piece": piece.0, "begin": begin, "payload": hex(data) })
        }
        Message::Port(port) => json!({ "type": "port", "port": port }),
        Message::Extended { id, payload } => json!({ "type": "extended", "id": id, "payload": hex(payload) }),
        bare => json!({ "type": code(bare) }),
    }
}

/// The payload of an extension handshake: what is said in it, and only that.
pub(super) fn extended(vector: &Vector) -> Result<Found, Fault> {
    let Some(read) = ExtendedHandshake::decode(&vector.bytes()?) else { return Ok(Found::error("ignored")) };
    let value = fields([
        ("ut_metadata", read.ut_metadata.map(Json::from)),
        ("ut_pex", read.ut_pex.map(Json::from)),
        ("lt_donthave", read.lt_donthave.map(Json::from)),
        ("ut_holepunch", read.ut_holepunch.map(Json::from)),
        ("upload_only_id", read.upload_only_id.map(Json::from)),
        ("ic_auth", read.ic_auth.map(Json::from)),
        ("ic_priority", read.ic_priority.map(Json::from)),
        ("ic_version", read.ic_version.map(Json::from)),
        ("ic_capabilities", read.ic_capabilities.map(|these| these.bits().into())),
        ("metadata_size", read.metadata_size.map(Json::from)),
        ("reqq", read.reqq.map(Json::from)),
        ("listen_port", read.listen_port.map(Json::from)),
        ("client", read.client.clone().map(Json::from)),
        ("your_ip", read.your_ip.map(|address| address.to_string().into())),
        ("ipv4", read.ipv4.map(|address| address.to_string().into())),
        ("ipv6", read.ipv6.map(|address| address.to_string().into())),
        ("upload_only", read.upload_only.map(Json::from)),
        ("prefers_encryption", read.prefers_encryption.map(Json::from)),
    ]);
    Ok(Found::value(value).written(&read.encode()))
}

/// The first 68 bytes, heard by a side that dialled if the vector says for what, and spoken again.
pub(super) fn handshake(vector: &Vector) -> Result<Found, Fault> {
    let bytes = vector.bytes()?;
    let expected = match vector.setup["expected_info_hash"].is_string() {
        true => Some(InfoHash(vector.setup_array("expected_info_hash")?)),
        false => None,
    };
    let mut byte_by_byte = Hearer::new(expected);
    let at = bytes.iter().position(|byte| byte_by_byte.hear(&[*byte]).is_err());
    let mut at_once = Hearer::new(expected);
    match (at_once.hear(&bytes), at) {
        (Err(error), Some(at)) => Ok(Found::error_at(handshake_code(error), Some(at + 1))),
        (Ok(()), None) => {
            Fault::unless_equal("however cut, to be", &at_once.established, &byte_by_byte.established)?;
            let Some((info_hash, peer_id, reserved)) = at_once.established else {
                return Err(Fault::unfit("a whole handshake", "less"));
            };
            let value = json!({
                "reserved": hex(reserved.0),
                "extended": reserved.extended(),
                "fast": reserved.fast(),
                "dht": reserved.dht(),
                "info_hash": info_hash.to_string(),
                "peer_id": hex(peer_id.0),
            });
            Ok(Found::value(value).written(&speak(info_hash, peer_id, reserved)))
        }
        (result, at) => Err(cut(&result, at)),
    }
}

/// The side of a handshake that listens.
struct Hearer {
    machine: Handshake,
    established: Option<(InfoHash, PeerId, Reserved)>,
}

impl Hearer {
    fn new(expected: Option<InfoHash>) -> Self {
        let (config, reserved) = (HandshakeConfig::default(), Reserved::ours(true, true));
        let machine = match expected {
            Some(info_hash) => {
                Handshake::initiator(info_hash, PeerId([1; 20]), reserved, config, Instant::ZERO)
            }
            None => Handshake::responder(reserved, config, Instant::ZERO),
        };
        Self { machine, established: None }
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<(), HandshakeError> {
        let mut out = Outbox::new();
        self.machine.handle_input(Instant::ZERO, HandshakeInput::Received(bytes.into()), &mut out)?;
        let mut actions: VecDeque<HandshakeAction> = out.drain().collect();
        while let Some(action) = actions.pop_front() {
            match action {
                HandshakeAction::Identify { .. } => {
                    let ours = HandshakeInput::Identified { peer_id: PeerId([1; 20]) };
                    self.machine.handle_input(Instant::ZERO, ours, &mut out)?;
                    actions.extend(out.drain());
                }
                HandshakeAction::Established { info_hash, peer_id, reserved, .. } => {
                    self.established = Some((info_hash, peer_id, reserved));
                }
                HandshakeAction::Send(_) => {}
            }
        }
        Ok(())
    }
}

fn speak(info_hash: InfoHash, peer_id: PeerId, reserved: Reserved) -> Vec<u8> {
    let mut out = Outbox::new();
    let config = HandshakeConfig::default();
    let mut speaker = Handshake::initiator(info_hash, peer_id, reserved, config, Instant::ZERO);
    let spoken = speaker.handle_timeout(Instant::ZERO, &mut out).ok().and_then(|()| out.drain().next());
    match spoken {
        Some(HandshakeAction::Send(bytes)) => bytes.to_vec(),
        _ => Vec::new(),
    }
}

/// What comes behind the handshake, until the connection ends.
pub(super) fn stream(vector: &Vector) -> Result<Found, Fault> {
    let bytes = vector.bytes()?;
    let config = Config {
        geometry: geometry(&vector.setup),
        fast: vector.setup["fast"] == true,
        extended: vector.setup["extended"] == true,
        ..Config::default()
    };
    let receive = |connection: &mut Connection, bytes: &[u8]| {
        connection.handle_input(Instant::ZERO, Input::Received(bytes.into()), &mut Outbox::new())
    };
    let mut connection = Connection::new(config.clone(), Instant::ZERO);
    let at = bytes.iter().position(|byte| receive(&mut connection, &[*byte]).is_err());
    match (receive(&mut Connection::new(config, Instant::ZERO), &bytes), at) {
        (Err(error), Some(at)) => Ok(Found::error_at(code_of(error), Some(at + 1))),
        (Ok(()), None) => Ok(Found::value(Json::Null)),
        (result, at) => Err(cut(&result, at)),
    }
}

fn geometry(setup: &Json) -> Option<Geometry> {
    let piece_length = setup["piece_length"].as_u64()?.try_into().ok()?;
    Geometry::new(piece_length, setup["total_length"].as_u64()?)
}

fn cut(at_once: &impl std::fmt::Debug, byte_by_byte: Option<usize>) -> Fault {
    Fault::Differs {
        expected: "the same however the bytes are cut".into(),
        found: format!("{at_once:?} at once, and an error at byte by byte {byte_by_byte:?}"),
    }
}

fn code_of(error: Error) -> String {
    match error {
        Error::Peer(misbehaved) => code(misbehaved),
        Error::Incompatible(incompatible) => code(incompatible),
        other => code(other),
    }
}

fn handshake_code(error: HandshakeError) -> String {
    match error {
        HandshakeError::Peer(misbehaved) => code(misbehaved),
        // The protocol's name is one word.
        HandshakeError::Incompatible(incompatible) => code(incompatible).replace("bit_torrent", "bittorrent"),
        other => code(other),
    }
}
