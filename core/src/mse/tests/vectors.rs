//! The language-neutral vectors, from both sides.

use super::*;
use crate::crypto::PublicKey;
use crate::mse::keys::{Keystreams, Req2Hash, cover, req1};
use alloc::string::String;
use serde_json::Value;

const SIZES: [usize; 10] = [1, 2, 3, 5, 7, 16, 64, 100, 617, usize::MAX];

#[test]
fn initiators_of_the_transcripts_send_and_read_what_they_say() {
    for case in cases("transcripts") {
        for size in SIZES {
            initiator_of(&case, size);
        }
    }
}

fn initiator_of(case: &Value, size: usize) {
    let (name, mut world) = (&case["name"], initiator(case));
    world.start();
    assert_eq!(world.sent(), hex(&case["pe1"]), "{name}: PE1");
    assert_eq!(world.receive_cut(&hex(&case["pe2"]), size), Ok(()), "{name}");
    assert_eq!(world.sent(), hex(&case["pe3"]), "{name}: PE3");
    assert_eq!(world.handshake.stage(), Some(Stage::Offered));
    if case["result"]["ok"] == false {
        return;
    }
    let theirs = [hex(&case["pe4"]), hex(&case["payload"]["b_wire"])].concat();
    assert_eq!(world.receive_cut(&theirs, size), Ok(()), "{name}");
    assert_eq!(world.handshake.stage(), Some(Stage::Selected));
    let (mut ciphers, info_hash, ia, rest) = world.established();
    assert_eq!((ia.len(), InfoHash(array(&case["info_hash"]))), (0, info_hash));
    assert_eq!(rest, hex(&case["payload"]["b_plain"]), "{name} by {size}");
    let said = ciphers.encrypt(Bytes::from(hex(&case["payload"]["a_plain"])));
    assert_eq!(said, hex(&case["payload"]["a_wire"]), "{name}");
    assert_eq!(ciphers.is_encrypted(), case["result"]["select"] == 2);
}

#[test]
fn responders_of_the_transcripts_send_and_read_what_they_say() {
    for case in cases("transcripts") {
        for size in SIZES {
            responder_of(&case, size);
        }
    }
}

fn responder_of(case: &Value, size: usize) {
    let (name, mut world) = (&case["name"], responder(case));
    assert_eq!(world.receive_cut(&hex(&case["pe1"]), size), Ok(()), "{name}");
    assert_eq!(world.sent(), hex(&case["pe2"]), "{name}: PE2");
    let pe3 = hex(&case["pe3"]);
    if case["result"]["ok"] == false {
        let (_, error) = world.receive_cut(&pe3, size).expect_err("no answer");
        assert_eq!(code(error), case["result"]["error"], "{name}");
        assert_eq!(world.sent(), b"", "{name}: no partial reply");
        return;
    }
    let theirs = [pe3, hex(&case["payload"]["a_wire"])].concat();
    assert_eq!(world.receive_cut(&theirs, size), Ok(()), "{name}");
    assert_eq!((world.sent(), world.identified), (hex(&case["pe4"]), 1), "{name}: PE4");
    let (mut ciphers, info_hash, ia, rest) = world.established();
    assert_eq!(info_hash, InfoHash(array(&case["info_hash"])));
    assert_eq!(ia, hex(&case["result"]["ia_delivered"]), "{name}");
    assert_eq!(rest, hex(&case["payload"]["a_plain"]), "{name} by {size}");
    let said = ciphers.encrypt(Bytes::from(hex(&case["payload"]["b_plain"])));
    assert_eq!(said, hex(&case["payload"]["b_wire"]), "{name}");
    assert_eq!(ciphers.is_encrypted(), case["result"]["select"] == 2);
}

#[test]
fn derived_values_are_those_of_the_transcripts() {
    for case in cases("transcripts") {
        let (name, derived) = (&case["name"], &case["derived"]);
        let [a, b] =
            ["initiator", "responder"].map(|side| PrivateKey::from_bytes(array(&case[side]["private"])));
        assert_eq!(a.public().as_bytes()[..], hex(&derived["ya"]), "{name}");
        let yb = PublicKey::from_bytes(array(&derived["yb"])).expect("fit for use");
        assert_eq!(b.public(), yb, "{name}");
        let secret = a.shared(&yb);
        assert_eq!(secret.as_bytes()[..], hex(&derived["s"]), "{name}");
        assert_eq!(req1(&secret)[..], hex(&derived["req1"]), "{name}");
        let info_hash = InfoHash(array(&case["info_hash"]));
        let req2 = Req2Hash::of(&info_hash);
        assert_eq!(req2.0[..], hex(&derived["req2"]), "{name}");
        assert_eq!(cover(&secret, req2.0)[..], hex(&derived["req2_xor_req3"]), "{name}");
        let mut streams = Keystreams::initiator(&secret, &info_hash);
        let (mut sent, mut received) = ([0; 32], [0; 32]);
        streams.send.apply(&mut sent);
        streams.receive.apply(&mut received);
        assert_eq!(sent[..], hex(&derived["keystream_a_after_drop"]), "{name}");
        assert_eq!(received[..], hex(&derived["keystream_b_after_drop"]), "{name}");
    }
}

#[test]
fn bad_input_26_and_28_and_29_and_30_hostile_vectors_fail_at_their_byte_and_no_other() {
    for case in cases("hostile") {
        let (name, feed) = (&case["name"], hex(&case["feed"]));
        let at = case["error_at_byte"].as_u64().expect("a number") as usize;
        for size in SIZES {
            let mut world = hostile(&case);
            world.sent();
            let (came, error) = world.receive_cut(&feed, size).expect_err("hostile");
            assert_eq!(code(error), case["error"], "{name}");
            let expected = at.div_ceil(size).saturating_mul(size).min(feed.len());
            assert_eq!(came, expected, "{name} by {size}");
            assert!(case["error"] != "bad_public_key" || world.sent().is_empty(), "{name} is answered");
            assert_eq!(world.end, None);
            assert_eq!(world.receive(b"more"), Err(error), "{name}: death is final");
        }
    }
}

#[test]
fn plain_peer_is_recognised_at_byte_20_and_all_of_it_is_handed_on() {
    let case = &document()["plain_bt"];
    let feed = hex(&case["feed"]);
    let at = case["recognised_at_byte"].as_u64().expect("a number") as usize;
    for size in SIZES {
        let mut world = World::responder(Config::default(), 1);
        world.receive_cut(&feed[..at - 1], size).expect("alive");
        assert_eq!(world.end, None);
        world.receive_cut(&feed[at - 1..], size).expect("alive");
        let all = BytesMut::from(&feed[..]);
        assert_eq!(world.end, Some(Action::PlainDetected { bytes: all }), "by {size}");
        assert_eq!(world.sent, b"");
    }
}

fn initiator(case: &Value) -> World {
    let side = &case["initiator"];
    let payload = Bytes::from(hex(&side["ia"]));
    let choices = Choices {
        key_pad: hex(&side["pad_a"]),
        marker_pad: hex(&side["pad_a2"]),
        zeros: hex(&side["pad_c"]).len() as u16,
        provide: side["provide"].as_u64().map(|bits| bits as u32),
        ..choices(array(&side["private"]))
    };
    let (config, info_hash) =
        (Config { max_ia_sent: 73, ..Config::default() }, InfoHash(array(&case["info_hash"])));
    let now = Instant::ZERO;
    World::new(Handshake::initiator_with(&config, config.level, info_hash, payload, choices, now))
}

fn responder(case: &Value) -> World {
    let side = &case["responder"];
    let choices = Choices {
        key_pad: hex(&side["pad_b"]),
        marker_pad: hex(&side["pad_b2"]),
        zeros: hex(&side["pad_d"]).len() as u16,
        ..choices(array(&side["private"]))
    };
    let level = match side["allowed"].as_u64() {
        Some(1) => Level::Plaintext,
        Some(2) => Level::Rc4,
        _ => Level::Both,
    };
    let prefer = if side["prefer"] == 1 { Method::Plaintext } else { Method::Rc4 };
    let config = Config { level, prefer, ..Config::default() };
    let mut world = World::new(Handshake::responder_with(&config, choices, Instant::ZERO));
    world.skeys = Skeys::default();
    for info_hash in side["known_info_hashes"].as_array().expect("a list") {
        world.skeys.add(InfoHash(array(info_hash)));
    }
    world
}

/// The machine that a hostile peer meets.
fn hostile(case: &Value) -> World {
    let info_hash = InfoHash(array(&case["info_hash"]));
    let mut choices = choices(array(&case["private"]));
    let mut world = if case["role"] == "initiator" {
        choices.provide = case["provide"].as_u64().map(|bits| bits as u32);
        let config = Config::default();
        let (level, payload, now) = (config.level, Bytes::new(), Instant::ZERO);
        World::new(Handshake::initiator_with(&config, level, info_hash, payload, choices, now))
    } else {
        let incoming = if case["allow_plain_bt"] == true { Policy::Enabled } else { Policy::Required };
        let max_ia = case["max_ia"].as_u64().expect("a number") as u16;
        let config = Config { incoming, max_ia, ..Config::default() };
        World::new(Handshake::responder_with(&config, choices, Instant::ZERO))
    };
    world.skeys.add(info_hash);
    world.start();
    world
}

/// What the vectors call an error.
fn code(error: Error) -> &'static str {
    match error {
        Error::Peer(PeerMisbehaved::BadPublicKey) => "bad_public_key",
        Error::Peer(PeerMisbehaved::SyncNotFound) => "sync_not_found",
        Error::Incompatible(PeerIncompatible::UnknownSkey) => "unknown_skey",
        Error::Peer(PeerMisbehaved::BadVc) => "bad_vc",
        Error::Incompatible(PeerIncompatible::NoCommonCrypto { .. }) => "no_common_crypto",
        Error::Peer(PeerMisbehaved::PadTooLong { .. }) => "pad_too_long",
        Error::Incompatible(PeerIncompatible::IaTooLong { .. }) => "ia_too_long",
        Error::Peer(PeerMisbehaved::BadSelect { .. }) => "bad_select",
        Error::Incompatible(PeerIncompatible::PlainRefused) => "plain_refused",
        other @ (Error::Peer(_) | Error::Incompatible(_)) => panic!("{other:?} is in no vector"),
    }
}

fn document() -> Value {
    let text = include_str!("../../../../conformance-vectors/mse/handshakes.json");
    serde_json::from_str(text).expect("JSON")
}

fn cases(name: &str) -> Vec<Value> {
    let cases = document()[name].as_array().expect("a list").clone();
    assert!(!cases.is_empty());
    cases
}

fn hex(value: &Value) -> Vec<u8> {
    let digits: String = value.as_str().expect("hex").into();
    let pairs = digits.as_bytes().chunks(2).map(|pair| core::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().expect("of that length")
}
