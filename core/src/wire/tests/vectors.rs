//! The language-neutral vectors, both ways.

use super::*;
use crate::{
    id::{Block, InfoHash, PeerId},
    wire::{
        ExtendedHandshake, Handshake, HandshakeAction, HandshakeConfig, HandshakeError,
        HandshakeIncompatible, HandshakeInput, HandshakeMisbehaved, PeerMisbehaved, Reserved,
        frames::{Frame, Frames, Rules},
    },
};
use alloc::string::String;
use serde_json::Value;

#[test]
fn messages_decode_and_encode() {
    let rules = Rules { geometry: None, fast: true, extended: true, early_bitfield_max: 100 };
    for case in cases("messages") {
        let bytes = hex(&case["bytes"]);
        let message = message(&case["message"]);
        assert_eq!(wire([message.clone()]), bytes, "{}", case["name"]);
        assert_eq!(bytes.len(), message.wire_length());
        let mut stream = BytesMut::from(&bytes[..]);
        match Frames::default().next(&mut stream, &rules) {
            Ok(Some(Frame::Message(came))) => assert_eq!(came, message, "{}", case["name"]),
            Ok(Some(Frame::KeepAlive)) => assert_eq!(message, Message::KeepAlive),
            other => panic!("{}: {other:?}", case["name"]),
        }
        assert!(stream.is_empty());
    }
}

#[test]
fn extension_handshakes_decode_and_encode() {
    for case in cases("extended") {
        let bytes = hex(&case["bytes"]);
        let read = ExtendedHandshake::decode(&bytes);
        let expected = case["fields"].is_object().then(|| extended(&case["fields"]));
        assert_eq!(read, expected, "{}", case["name"]);
        if case["canonical"] == true {
            assert_eq!(read.map(|read| read.encode()), Some(bytes), "{}", case["name"]);
        }
    }
}

#[test]
fn handshakes_decode_and_encode() {
    for case in cases("handshakes") {
        let bytes = hex(&case["bytes"]);
        let info_hash = InfoHash(array(&case["info_hash"]));
        let (peer_id, reserved) = (PeerId(array(&case["peer_id"])), Reserved(array(&case["reserved"])));
        let flags = [reserved.extended(), reserved.fast(), reserved.dht()];
        assert_eq!(flags.map(Value::from), ["extended", "fast", "dht"].map(|key| case[key].clone()));
        let mut out = Outbox::new();
        let config = HandshakeConfig::default();
        let mut speaker = Handshake::initiator(info_hash, peer_id, reserved, config, Instant::ZERO);
        speaker.handle_timeout(Instant::ZERO, &mut out).expect("alive");
        assert!(out.drain().eq([HandshakeAction::Send(bytes.clone().into())]));
        let mut hearer = listener(Some(info_hash));
        hearer.handle_input(Instant::ZERO, received(&bytes), &mut out).expect("legal");
        let rest = BytesMut::new();
        let heard = out.drain().last();
        assert_eq!(heard, Some(HandshakeAction::Established { info_hash, peer_id, reserved, rest }));
    }
}

#[test]
fn hostile_handshakes_fail_at_their_byte() {
    for case in cases("hostile_handshakes") {
        let expected = case["expected_info_hash"].is_string();
        let mut machine = listener(expected.then(|| InfoHash(array(&case["expected_info_hash"]))));
        let failed = hex(&case["bytes"]).iter().position(|byte| {
            machine.handle_input(Instant::ZERO, received(&[*byte]), &mut Outbox::new()).is_err()
        });
        assert_eq!(failed.map(|index| Value::from(index + 1)).as_ref(), Some(&case["error_at_byte"]));
        let error = machine.handle_timeout(Instant::ZERO, &mut Outbox::new()).expect_err("law 5");
        assert_eq!(handshake_code(error), case["error"], "{}", case["name"]);
    }
}

#[test]
fn hostile_streams_fail_at_their_byte() {
    for case in cases("hostile") {
        let mut world = World::new(setup(&case["setup"]));
        let bytes = hex(&case["bytes"]);
        let failed = bytes.iter().position(|byte| world.receive([*byte]).is_err());
        assert_eq!(failed.map(|index| Value::from(index + 1)), Some(case["error_at_byte"].clone()), "{case}");
        let error = world.receive([]).expect_err("law 5");
        assert_eq!(code(error), case["error"], "{}", case["name"]);
        assert_eq!(World::new(setup(&case["setup"])).receive(&bytes), Err(error));
    }
}

/// A handshake that has spoken, if it is told which torrent to speak of, or one that listens.
fn listener(info_hash: Option<InfoHash>) -> Handshake {
    let (ours, reserved, config) = (PeerId([1; 20]), Reserved::ours(true, true), HandshakeConfig::default());
    match info_hash {
        Some(info_hash) => Handshake::initiator(info_hash, ours, reserved, config, Instant::ZERO),
        None => Handshake::responder(reserved, config, Instant::ZERO),
    }
}

fn received(bytes: &[u8]) -> HandshakeInput {
    HandshakeInput::Received(BytesMut::from(bytes))
}

fn setup(value: &Value) -> Config {
    let lengths = number(&value["piece_length"]).zip(number(&value["total_length"]));
    Config {
        geometry: lengths.and_then(|(piece, total)| Geometry::new(piece, total)),
        fast: value["fast"] == true,
        extended: value["extended"] == true,
        ..Config::default()
    }
}

fn message(value: &Value) -> Message {
    let field = |name: &str| number(&value[name]).unwrap_or_default();
    let piece = PieceIndex(field("piece"));
    let block = Block { piece, begin: field("begin"), length: field("length") };
    let payload = || Bytes::from(hex(&value["payload"]));
    match value["type"].as_str().expect("a name") {
        "keep_alive" => Message::KeepAlive,
        "choke" => Message::Choke,
        "unchoke" => Message::Unchoke,
        "interested" => Message::Interested,
        "not_interested" => Message::NotInterested,
        "have" => Message::Have(piece),
        "bitfield" => Message::Bitfield(payload()),
        "request" => Message::Request(block),
        "piece" => Message::Piece { piece, begin: block.begin, data: payload() },
        "cancel" => Message::Cancel(block),
        "port" => Message::Port(field("port") as u16),
        "suggest" => Message::Suggest(piece),
        "have_all" => Message::HaveAll,
        "have_none" => Message::HaveNone,
        "reject" => Message::Reject(block),
        "allowed_fast" => Message::AllowedFast(piece),
        "extended" => Message::Extended { id: field("id") as u8, payload: payload() },
        "hash_request" => Message::HashRequest(payload()),
        other => panic!("{other}"),
    }
}

fn extended(fields: &Value) -> ExtendedHandshake {
    let known = [
        "ut_metadata",
        "ut_pex",
        "lt_donthave",
        "ut_holepunch",
        "upload_only_id",
        "ic_auth",
        "ic_priority",
        "ic_version",
        "ic_capabilities",
        "metadata_size",
        "reqq",
        "client",
        "your_ip",
    ];
    assert!(fields.as_object().expect("an object").keys().all(|key| known.contains(&key.as_str())));
    ExtendedHandshake {
        ut_metadata: number(&fields["ut_metadata"]),
        ut_pex: number(&fields["ut_pex"]),
        lt_donthave: number(&fields["lt_donthave"]),
        ut_holepunch: number(&fields["ut_holepunch"]),
        upload_only_id: number(&fields["upload_only_id"]),
        ic_auth: number(&fields["ic_auth"]),
        ic_priority: number(&fields["ic_priority"]),
        ic_version: number(&fields["ic_version"]),
        ic_capabilities: number(&fields["ic_capabilities"]),
        metadata_size: number(&fields["metadata_size"]),
        reqq: number(&fields["reqq"]),
        client: fields["client"].as_str().map(String::from),
        your_ip: fields["your_ip"].as_str().map(|address| address.parse().expect("an address")),
        ..ExtendedHandshake::default()
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the vectors have no more")]
fn handshake_code(error: HandshakeError) -> &'static str {
    match error {
        HandshakeError::Incompatible(HandshakeIncompatible::NotBitTorrent) => "not_bittorrent",
        HandshakeError::Peer(HandshakeMisbehaved::WrongInfoHash) => "wrong_info_hash",
        _ => panic!("{error:?}"),
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the vectors have no more")]
fn code(error: Error) -> &'static str {
    let Error::Peer(misbehaved) = error else { panic!("{error:?}") };
    match misbehaved {
        PeerMisbehaved::TooLong { .. } => "too_long",
        PeerMisbehaved::Length { .. } => "length",
        PeerMisbehaved::FastWithoutBit { .. } => "fast_without_bit",
        PeerMisbehaved::Bitfield => "bitfield",
        PeerMisbehaved::NoSuchPiece(_) => "no_such_piece",
        PeerMisbehaved::UnrequestedBlock(_) => "unrequested_block",
        PeerMisbehaved::RequestTooLong { .. } => "request_too_long",
        other => panic!("{other:?}"),
    }
}

fn cases(section: &str) -> Vec<Value> {
    let file = include_str!("../../../../conformance-vectors/wire.json");
    let vectors: Value = serde_json::from_str(file).expect("JSON");
    vectors[section].as_array().expect("a list").clone()
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().expect("hex").as_bytes();
    let digit = |byte: u8| (byte as char).to_digit(16).expect("hex") as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().expect("the right length")
}

fn number<N: TryFrom<u64>>(value: &Value) -> Option<N> {
    value.as_u64().map(|number| N::try_from(number).ok().expect("in range"))
}
