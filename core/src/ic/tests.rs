use super::*;
use crate::id::InfoHash;
use alloc::vec::Vec;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use proptest::prelude::*;

const ISSUED_AT: u64 = 1_740_000_000;
const SESSION: [u8; 16] = [3; 16];

/// The order of the group, little-endian (RFC 8032, section 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn player() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

const fn to_peer(audience: &[u8]) -> Binding<'_> {
    Binding { purpose: Purpose::PeerMessage, community_id: [1; 32], info_hash: InfoHash([2; 20]), audience }
}

const BOB: Binding<'_> = to_peer(b"-IC0100-mnopqrstuvwx");

fn token() -> Token {
    Token::sign_v2(&player(), SESSION, ISSUED_AT, &BOB)
}

fn judge(token: &Token, binding: &Binding<'_>) -> Result<Verified, TokenError> {
    token.verify(Version::V2, binding, ISSUED_AT)
}

#[test]
fn a_token_is_good_where_it_is_shown_and_a_day_long() {
    let good = Ok(Verified::Authenticated { player_key: player().verifying_key().to_bytes() });
    for now in [ISSUED_AT - SKEW_S, ISSUED_AT, ISSUED_AT + LIFETIME_S] {
        assert_eq!(token().verify(Version::V2, &BOB, now), good);
    }
}

#[test]
fn a_token_of_the_first_version_identifies_and_no_more() {
    let token = Token::sign_v1(&player(), SESSION, ISSUED_AT);
    let elsewhere = Binding { purpose: Purpose::WsAnnounce, audience: b"", ..BOB };
    for binding in [BOB, elsewhere] {
        let verified = token.verify(Version::V1, &binding, ISSUED_AT);
        assert_eq!(verified, Ok(Verified::IdentifiedOnly { player_key: token.player_key }));
        assert_eq!(judge(&token, &binding), Err(TokenError::BadSignature), "never taken for the second");
    }
    assert_eq!(self::token().verify(Version::V1, &BOB, ISSUED_AT), Err(TokenError::BadSignature));
}

#[test]
fn a_peer_without_ic_has_no_version_and_one_of_the_future_ours() {
    assert_eq!(
        [0, 1, 2, 3].map(Version::of),
        [None, Some(Version::V1), Some(Version::V2), Some(Version::V2)]
    );
}

#[test]
fn bad_input_39_a_token_shown_by_another_peer_or_to_another_peer() {
    // Whoever got the token cannot pass it on: the next one has another id.
    let eve = to_peer(b"-IC0100-eeeeeeeeeeee");
    assert_eq!(judge(&token(), &eve), Err(TokenError::BadSignature));
    // Nor put another name on it.
    let stolen = Token { player_key: SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes(), ..token() };
    assert_eq!(judge(&stolen, &BOB), Err(TokenError::BadSignature));
    let renewed = Token { session_id: [4; 16], ..token() };
    assert_eq!(judge(&renewed, &BOB), Err(TokenError::BadSignature));
}

#[test]
fn bad_input_39_a_token_shown_to_another_tracker_or_again() {
    let announce = |purpose, audience| Binding { purpose, audience, ..BOB };
    let udp = announce(Purpose::UdpAnnounce, b"connectntran".as_slice());
    let ws = announce(Purpose::WsAnnounce, b"wss://tracker.example/".as_slice());
    for binding in [udp, ws] {
        let token = Token::sign_v2(&player(), SESSION, ISSUED_AT, &binding);
        assert!(judge(&token, &binding).is_ok());
        let others = [
            announce(Purpose::UdpAnnounce, b"connectnTRAN"),
            announce(Purpose::WsAnnounce, b"wss://tracker.example"),
            announce(Purpose::PeerMessage, binding.audience),
        ];
        for other in others {
            assert_eq!(judge(&token, &other), Err(TokenError::BadSignature), "{other:?}");
        }
    }
}

#[test]
fn bad_input_39_a_token_shown_for_another_torrent_or_community() {
    for other in [Binding { info_hash: InfoHash([9; 20]), ..BOB }, Binding { community_id: [9; 32], ..BOB }] {
        assert_eq!(judge(&token(), &other), Err(TokenError::BadSignature));
    }
}

#[test]
fn bad_input_39_a_token_of_yesterday_or_of_tomorrow() {
    let verify = |token: Token, now| token.verify(Version::V2, &BOB, now);
    assert_eq!(verify(token(), ISSUED_AT + LIFETIME_S + 1), Err(TokenError::TooOld));
    assert_eq!(verify(token(), u64::MAX), Err(TokenError::TooOld));
    assert_eq!(verify(token(), ISSUED_AT - SKEW_S - 1), Err(TokenError::FromTheFuture));
    assert_eq!(verify(token(), 0), Err(TokenError::FromTheFuture));
    // The signature of a later time does not cover an earlier one.
    assert_eq!(
        verify(Token { issued_at: ISSUED_AT + 1, ..token() }, ISSUED_AT),
        Err(TokenError::BadSignature)
    );
    // Nothing wraps: not the age of a token from the end of time, nor the end of time itself.
    let last = Token::sign_v2(&player(), SESSION, u64::MAX, &BOB);
    assert_eq!(verify(last, ISSUED_AT), Err(TokenError::FromTheFuture));
    assert!(verify(last, u64::MAX).is_ok());
}

#[test]
fn bad_input_39_a_second_signature_made_of_the_first() {
    let mut token = token();
    let mut carry = 0;
    for (byte, add) in token.signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0, "s is not canonical, and nothing else is wrong");
    assert_eq!(judge(&token, &BOB), Err(TokenError::BadSignature));
}

#[test]
fn bad_input_39_a_key_under_which_anything_verifies() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&identity);
    let forged = Token { player_key: identity, session_id: SESSION, issued_at: ISSUED_AT, signature };
    let key = VerifyingKey::from_bytes(&identity).expect("a point of the curve");
    let words = [&b"whatever"[..], b"anything"];
    assert!(words.iter().all(|word| key.verify(word, &Signature::from_bytes(&signature)).is_ok()));
    for version in [Version::V1, Version::V2] {
        assert_eq!(forged.verify(version, &BOB, ISSUED_AT), Err(TokenError::BadKey));
    }
    let nowhere = Token { player_key: [2; 32], ..token() };
    assert!(VerifyingKey::from_bytes(&nowhere.player_key).is_err(), "no point at all");
    assert_eq!(judge(&nowhere, &BOB), Err(TokenError::BadKey));
    // A good key does not make up for a commitment of small order.
    let signature = Token { signature, ..token() };
    assert_eq!(judge(&signature, &BOB), Err(TokenError::BadSignature));
}

#[test]
fn a_log_does_not_give_a_token_away() {
    let (token, shown) = (token(), alloc::format!("{:?}", token()));
    assert!(
        shown.contains("1740000000") && !shown.contains(&alloc::format!("{:?}", token.signature)),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn a_token_is_120_bytes_and_read_back(bytes: Vec<u8>, whole in any::<[u8; 120]>()) {
        let decoded = Token::decode(&whole).expect("the right length");
        prop_assert_eq!(decoded.encode(), whole);
        prop_assert_eq!(Token::decode(&bytes).is_some(), bytes.len() == TOKEN_LENGTH);
    }

    #[test]
    fn one_bit_of_a_token_spoils_it(bit in 0..TOKEN_LENGTH * 8) {
        let mut bytes = token().encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let spoilt = Token::decode(&bytes).expect("the right length");
        prop_assert!(judge(&spoilt, &BOB).is_err());
    }

    #[test]
    fn one_bit_of_what_it_is_bound_to_spoils_it(bit in 0..(32 + 20 + 20) * 8_usize) {
        let mut bytes = [&BOB.community_id[..], &BOB.info_hash.0, BOB.audience].concat();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (community_id, rest) = bytes.split_first_chunk().expect("32 bytes");
        let (info_hash, audience) = rest.split_first_chunk().expect("20 bytes");
        let other = Binding { community_id: *community_id, info_hash: InfoHash(*info_hash), audience, ..BOB };
        prop_assert_eq!(judge(&token(), &other), Err(TokenError::BadSignature));
    }

    #[test]
    fn capabilities_that_have_no_meaning_are_dropped(bits: u16) {
        prop_assert_eq!(Capabilities::from_bits(bits).bits(), bits & 0b1_1111);
    }
}
