//! What the language-neutral vectors say of the values on the way. The handshakes themselves are in the
//! runner of conformance vectors.

use super::*;
use crate::crypto::PublicKey;
use crate::mse::keys::{Keystreams, Req2Hash, cover, req1};
use alloc::string::String;
use serde_json::Value;

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

fn cases(name: &str) -> Vec<Value> {
    let text = include_str!("../../../../conformance-vectors/mse/handshakes.json");
    let document: Value = serde_json::from_str(text).expect("JSON");
    let cases = document[name].as_array().expect("a list").clone();
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
