use super::*;
use crate::{
    ic::{SigningKey, Token},
    id::PieceIndex,
    wire::METADATA_MAX,
};
use alloc::{vec, vec::Vec};
use bytes::Bytes;
use core::net::SocketAddr;
use proptest::prelude::*;

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn a_block_of_metadata_begins_where_the_dictionary_ends() {
    let payload = Bytes::from_static(b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxxxxxx");
    let data = Bytes::from_static(b"xxxxxxxx");
    let message = Metadata::Data { piece: 0, total_size: 34256, data };
    assert_eq!(Metadata::decode(&payload), Ok(Some(message.clone())));
    assert_eq!(message.encode(), payload);
    let Ok(Some(Metadata::Data { data, .. })) = Metadata::decode(&payload) else { panic!("a block") };
    assert_eq!(data.as_ptr(), payload.slice(payload.len() - 8..).as_ptr(), "no copy");
}

#[test]
fn bad_input_21_metadata_messages_that_make_no_sense_are_refused() {
    for (payload, expected) in [
        (&b"d8:msg_typei3e5:piecei0ee"[..], Ok(None)),
        (b"d8:msg_typei-1ee", Ok(None)),
        (b"d8:msg_typei0ee", Err(Error::Malformed)),
        (b"d8:msg_typei0e5:piecei-1ee", Err(Error::Malformed)),
        (b"d8:msg_typei0e5:piecei4294967296ee", Err(Error::Malformed)),
        (b"d8:msg_typei1e5:piecei0ee", Err(Error::Malformed)),
        (b"d8:msg_typei1e5:piecei0e10:total_sizei-5ee", Err(Error::Malformed)),
        (b"le", Err(Error::Malformed)),
        (b"", Err(Error::Malformed)),
    ] {
        assert_eq!(Metadata::decode(&Bytes::copy_from_slice(payload)), expected, "{payload:?}");
    }
    let long = Bytes::from(vec![b'd'; 17 * 1024 + 1]);
    assert_eq!(Metadata::decode(&long), Err(Error::TooLong { length: 17 * 1024 + 1 }));
    assert!(METADATA_MAX as usize / METADATA_BLOCK == 1024, "a piece index is small");
}

#[test]
fn peers_come_in_fields_of_their_family() {
    let pex = Pex {
        added: vec![
            PexPeer { addr: addr("192.0.2.1:6881"), flags: PexFlags(PexFlags::SEED | PexFlags::UTP) },
            PexPeer { addr: addr("[2001:db8::1]:6882"), flags: PexFlags::default() },
        ],
        dropped: vec![addr("198.51.100.7:1")],
    };
    let payload = pex.encode();
    let fields: [&[u8]; 6] = [
        b"5:added6:",
        b"7:added.f1:\x06",
        b"6:added618:",
        b"8:added6.f1:\0",
        b"7:dropped6:",
        b"8:dropped60:",
    ];
    for field in fields {
        assert!(payload.windows(field.len()).any(|window| window == field), "{field:?}");
    }
    assert_eq!(Pex::decode(&payload), Ok(pex));
}

#[test]
fn bad_input_22_ten_thousand_peers_are_read_as_fifty_and_bad_fields_not_at_all() {
    let peers: Vec<PexPeer> = (0..10_000_u32)
        .map(|n| PexPeer { addr: SocketAddr::from((n.to_be_bytes(), 6881)), flags: PexFlags(1) })
        .collect();
    let dropped = peers.iter().map(|peer| peer.addr).collect();
    let read = Pex::decode(&Pex { added: peers.clone(), dropped }.encode()).expect("not too long");
    assert_eq!((read.added.len(), read.dropped.len()), (50, 50));
    assert_eq!(read.added, peers[..50]);

    let odd = Pex::decode(b"d5:added7:\x7f\0\0\x01\x1a\xe1!7:added.f1:\x027:dropped6:\x7f\0\0\x01\x1a\xe1e");
    assert_eq!(odd, Ok(Pex { added: vec![], dropped: vec![addr("127.0.0.1:6881")] }));
    let flags =
        Pex::decode(b"d5:added6:\x7f\0\0\x01\x1a\xe17:added.f2:\x02\x02e").expect("flags are optional");
    assert_eq!(flags.added, [PexPeer { addr: addr("127.0.0.1:6881"), flags: PexFlags(0) }]);
    assert_eq!(Pex::decode(b"i1e"), Err(Error::Malformed));
    assert_eq!(Pex::decode(&vec![b'1'; PEX_MAX + 1]), Err(Error::TooLong { length: PEX_MAX + 1 }));
}

#[test]
fn the_error_code_of_a_holepunch_may_be_left_out_where_there_is_none() {
    let connect = Holepunch::Connect(addr("192.0.2.1:6881"));
    assert_eq!(connect.encode(), b"\x01\0\xc0\0\x02\x01\x1a\xe1\0\0\0\0");
    assert_eq!(Holepunch::decode(b"\x01\0\xc0\0\x02\x01\x1a\xe1"), Ok(Some(connect)));
    let failed = Holepunch::Failed(addr("[2001:db8::1]:1"), HolepunchError::NoSupport);
    assert_eq!(Holepunch::decode(&failed.encode()), Ok(Some(failed)));
    assert_eq!(Holepunch::decode(&connect.encode()), Ok(Some(connect)));
}

#[test]
fn bad_input_23_a_holepunch_of_another_length_or_family_is_refused() {
    for payload in [
        &b""[..],
        b"\x01",
        b"\x01\x02\xc0\0\x02\x01\x1a\xe1",
        b"\x01\0\xc0\0\x02\x01\x1a",
        b"\x02\0\xc0\0\x02\x01\x1a\xe1",
        b"\x01\0\xc0\0\x02\x01\x1a\xe1\0\0\0",
        b"\x01\x01\xc0\0\x02\x01\x1a\xe1\0\0\0\0",
    ] {
        assert_eq!(Holepunch::decode(payload), Err(Error::Malformed), "{payload:?}");
    }
    assert_eq!(Holepunch::decode(b"\x03\0\xc0\0\x02\x01\x1a\xe1\0\0\0\0"), Ok(None));
}

#[test]
fn notices_are_exactly_as_long_as_their_field() {
    assert_eq!(decode_dont_have(&encode_dont_have(PieceIndex(0x0102_0304))), Some(PieceIndex(0x0102_0304)));
    assert_eq!(decode_dont_have(b"\0\0\0"), None);
    assert_eq!(decode_dont_have(b"\0\0\0\0\0"), None);
    assert_eq!(decode_upload_only(&encode_upload_only(true)), Some(true));
    assert_eq!(decode_upload_only(b"\0"), Some(false));
    assert_eq!(decode_upload_only(b""), None);
}

#[test]
fn hash_requests_are_for_aligned_powers_of_two() {
    let legal = HashRequest { pieces_root: [7; 32], base_layer: 0, index: 512, length: 512, proof_layers: 9 };
    assert_eq!(HashRequest::decode(&legal.encode()), Some(legal));
    for (index, length) in [(0, 0), (0, 1), (0, 3), (0, 1024), (1, 2)] {
        assert_eq!(HashRequest::decode(&HashRequest { index, length, ..legal }.encode()), None);
    }
    assert_eq!(HashRequest::decode(&[0; 47]), None);
    assert_eq!(HashRequest::decode(&[0; 49]), None);
}

fn auth() -> Auth {
    let token = Token::sign_v1(&SigningKey::from_bytes(&[7; 32]), *b"0123456789abcdef", 1_740_000_000);
    Auth { community_id: [1; 32], token }
}

/// The payload with its first `from` changed `to`.
#[track_caller]
fn changed(payload: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = payload.windows(from.len()).position(|window| window == from).expect("it is there");
    [&payload[..at], to, &payload[at + from.len()..]].concat()
}

#[test]
fn the_fields_of_a_token_are_exactly_as_long_as_they_are() {
    let payload = auth().encode();
    assert_eq!(Auth::decode(&payload), Ok(auth()));
    for (from, to) in [
        (&b"16:0123456789abcdef"[..], &b"15:0123456789abcde"[..]),
        (b"16:0123456789abcdef", b"17:0123456789abcdefg"),
        (b"16:0123456789abcdef", b"i16e"),
        (b"i1740000000e", b"i-1e"),
        (b"i1740000000e", b"10:1740000000"),
        (b"9:issued_at", b"9:issued_ax"),
        (b"12:community_id", b"12:zommunity_id"),
    ] {
        assert_eq!(
            Auth::decode(&changed(&payload, from, to)),
            Err(Error::Malformed),
            "{}",
            from.escape_ascii()
        );
    }
    let more = changed(&payload, b"9:signature", b"3:sex0:9:signature");
    assert_eq!(Auth::decode(&more), Ok(auth()), "keys to come are passed over");
    let swapped =
        [b"d9:issued_ati1740000000e".as_slice(), &changed(&payload, b"9:issued_ati1740000000e", b"")[1..]];
    assert_eq!(Auth::decode(&swapped.concat()), Err(Error::Malformed), "keys out of order");
    assert_eq!(Auth::decode(&vec![b'l'; AUTH_MAX + 1]), Err(Error::TooLong { length: AUTH_MAX + 1 }));
}

#[test]
fn a_priority_names_pieces_that_there_are() {
    let decode = |payload: &[u8]| Priority::decode(payload, 100);
    let urgent = |pieces: &[u32], reason: Option<&str>| {
        let pieces = pieces.iter().copied().map(PieceIndex).collect();
        Ok(Some(Priority { pieces, priority: PriorityLevel::LobbyUrgent, reason: reason.map(Into::into) }))
    };
    assert_eq!(decode(b"d6:piecesle8:priorityi2ee"), urgent(&[], None));
    assert_eq!(decode(b"d6:piecesli99ei100ei-1e1:xi0ee8:priorityi2ee"), urgent(&[99, 0], None));
    assert_eq!(decode(b"d6:piecesle8:priorityi2e6:reason5:lobbye"), urgent(&[], Some("lobby")));
    assert_eq!(decode(b"d6:piecesle8:priorityi2e6:reasoni1ee"), urgent(&[], None));
    assert_eq!(decode(b"d6:piecesle8:priorityi2e6:reason1:\xffe"), urgent(&[], None));
    let long = [&b"d6:piecesle8:priorityi2e6:reason65:"[..], &[b'x'; 65], b"e"].concat();
    assert_eq!(decode(&long), urgent(&[], None));
}

#[test]
fn a_priority_of_no_piece_is_not_one_of_all() {
    assert_eq!(Priority::decode(b"d6:piecesli100ee8:priorityi2ee", 100), Ok(None));
    assert_eq!(Priority::decode(b"d6:piecesli0ee8:priorityi2ee", 0), Ok(None));
    for payload in [&b"d6:piecesle8:priorityi3ee"[..], b"d6:piecesle8:priorityi-1ee"] {
        assert_eq!(Priority::decode(payload, 100), Ok(None), "a priority to come");
    }
    for payload in [
        &b"d6:piecesle8:priority1:2e"[..],
        b"d6:piecesi0e8:priorityi2ee",
        b"d8:priorityi2ee",
        b"d6:pieceslee",
        b"d8:priorityi2e6:pieceslee",
        b"le",
    ] {
        assert_eq!(Priority::decode(payload, 100), Err(Error::Malformed), "{}", payload.escape_ascii());
    }
}

#[test]
fn a_priority_names_1024_pieces_at_most() {
    let pieces: Vec<_> = (0..=1024).map(|n| PieceIndex(u32::MAX - 1 - n)).collect();
    let priority = Priority { pieces, priority: PriorityLevel::UserRequested, reason: Some("x".repeat(64)) };
    let read = Priority::decode(&priority.encode(), u32::MAX).expect("not too long").expect("not ignored");
    assert_eq!(read, Priority { pieces: priority.pieces[..1024].to_vec(), ..priority });
    // Somebody else may write more.
    let more = [&b"d6:piecesl"[..], &b"i0e".repeat(1500), b"e8:priorityi0ee"].concat();
    let read = Priority::decode(&more, 1).expect("not too long").expect("not ignored");
    assert_eq!(read.pieces, [PieceIndex(0); 1024]);
    let long = vec![b'i'; PRIORITY_MAX + 1];
    assert_eq!(Priority::decode(&long, 1), Err(Error::TooLong { length: PRIORITY_MAX + 1 }));
}

fn any_addr() -> impl Strategy<Value = SocketAddr> {
    any::<(core::net::IpAddr, u16)>().prop_map(SocketAddr::from)
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        piece: u32,
        total_size: u32,
        data: Vec<u8>,
        added in proptest::collection::vec((any_addr(), any::<u8>()), 0..20),
        dropped in proptest::collection::vec(any_addr(), 0..20),
        code: u32,
        punched in any_addr(),
    ) {
        let data = Metadata::Data { piece, total_size, data: data.into() };
        for message in [Metadata::Request { piece }, Metadata::Reject { piece }, data] {
            prop_assert_eq!(Metadata::decode(&message.encode().into()), Ok(Some(message)));
        }
        let by_family = |v6: bool, addr: &SocketAddr| addr.is_ipv6() == v6;
        let added = added.into_iter().map(|(addr, flags)| PexPeer { addr, flags: PexFlags(flags) });
        let (v6, mut added): (Vec<_>, Vec<_>) = added.partition(|peer| by_family(true, &peer.addr));
        added.extend(v6);
        let (v6, mut dropped): (Vec<_>, Vec<_>) = dropped.into_iter().partition(|addr| by_family(true, addr));
        dropped.extend(v6);
        let pex = Pex { added, dropped };
        prop_assert_eq!(Pex::decode(&pex.encode()), Ok(pex));
        let failed = Holepunch::decode(&Holepunch::Failed(punched, HolepunchError::Other(code)).encode());
        let Ok(Some(Holepunch::Failed(addr, _))) = failed else { panic!("{failed:?}") };
        prop_assert_eq!(addr, punched);
    }

    #[test]
    fn what_ic_writes_is_read_back(
        community_id: [u8; 32],
        token in proptest::collection::vec(any::<u8>(), 120),
        pieces in proptest::collection::vec((0..1000_u32).prop_map(PieceIndex), 0..20),
        reason in proptest::option::of(".{0,16}"),
        priority in prop_oneof![Just(PriorityLevel::Background), Just(PriorityLevel::LobbyUrgent)],
    ) {
        let token = Token::decode(&token).expect("the right length");
        // bencode counts no further.
        let auth = Auth { community_id, token: Token { issued_at: token.issued_at >> 1, ..token } };
        prop_assert_eq!(Auth::decode(&auth.encode()), Ok(auth));
        let priority = Priority { pieces, priority, reason };
        prop_assert_eq!(Priority::decode(&priority.encode(), 1000), Ok(Some(priority)));
    }

    #[test]
    fn no_bytes_panic(payload: Vec<u8>) {
        let _ = Auth::decode(&payload);
        let _ = Priority::decode(&payload, 7);
        let _ = Metadata::decode(&payload.clone().into());
        let _ = Pex::decode(&payload);
        let _ = Holepunch::decode(&payload);
        let _ = HashRequest::decode(&payload);
    }
}
