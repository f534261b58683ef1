//! Peers that mean ill.

use super::*;
use crate::wire::{
    CLIENT_MAX, EARLY_PIECES_MAX, EXTENDED_HANDSHAKE_MAX, ExtendedHandshake, KEEP_ALIVES_PER_MINUTE,
    LATE_BITFIELDS_PER_MINUTE, PeerIncompatible, PeerMisbehaved,
};
use proptest::prelude::*;

#[test]
fn bad_input_7_a_length_that_cannot_be_closes_at_its_header() {
    for length in [0x7fff_ffff_u32, u32::MAX, 0x0020_0000] {
        let error = Err(peer(PeerMisbehaved::TooLong { length }));
        assert_eq!(World::new(config()).receive(length.to_be_bytes()), error);
    }
}

#[test]
fn bad_input_7_a_length_that_does_not_fit_its_id_closes_at_its_header() {
    let cases = [
        (2, 0),
        (2, 3),
        (4, 4),
        (6, 4),
        (12, 6),
        (14, 6),
        (9, 7),
        (16_394, 7),
        (12, 8),
        (4, 9),
        (2, 14),
        (2, 15),
        (12, 16),
        (6, 17),
        (1, 20),
        (48, 21),
        (48, 22),
        (50, 22),
        (50, 23),
        (1, 4),
    ];
    for (length, id) in cases {
        let header = [0, 0, (length >> 8) as u8, length as u8, id];
        let error = peer(PeerMisbehaved::Length { id, length });
        assert_eq!(World::new(config()).receive(header), Err(error));
    }
}

#[test]
fn bad_input_7_a_declared_length_allocates_nothing() {
    let mut world = World::new(config());
    world.receive([0, 0x10, 0, 0, 20, 1]).expect("an extension message may be that long");
    for _ in 0..100 {
        world.receive([0; 10]).expect("alive");
    }
    assert!(world.connection.memory() < 2 * 1010, "{}", world.connection.memory());
}

#[test]
fn bad_input_8_a_flood_of_keep_alives_closes() {
    let mut world = World::new(config());
    for minute in 0..3 {
        world.now = Instant::ZERO + SECOND * 60 * minute;
        world.receive(vec![0; 4 * KEEP_ALIVES_PER_MINUTE as usize]).expect("just not a flood");
    }
    assert_eq!(world.receive([0; 4]), Err(peer(PeerMisbehaved::KeepAliveFlood)));
}

#[test]
fn bad_input_9_a_have_of_no_piece_closes() {
    for index in [10, 0x8000_0000, u32::MAX] {
        let error = peer(PeerMisbehaved::NoSuchPiece(PieceIndex(index)));
        assert_eq!(World::new(config()).receive(wire([Message::Have(PieceIndex(index))])), Err(error));
        let mut early = World::new(Config { geometry: None, ..config() });
        early.receive(wire([Message::Have(PieceIndex(index))])).expect("nobody knows yet");
        assert_eq!(early.input(Input::Geometry(geometry())), Err(error));
    }
}

#[test]
fn bad_input_10_a_late_or_repeated_bitfield_is_passed_on_and_counted() {
    let whole = || bitfield(&[0xff, 0xc0]);
    for first in [whole(), Message::HaveAll, Message::HaveNone, Message::Have(PieceIndex(1)), Message::Choke]
    {
        for second in [whole(), Message::HaveAll, Message::HaveNone] {
            let mut world = World::new(config());
            world.receive(wire([first.clone()])).expect("alive");
            assert_eq!(world.receive(wire([second.clone()])), Ok(vec![Action::Message(second)]));
            assert_eq!(world.counters().late_bitfields, 1);
        }
    }
    let twice = wire([Message::Have(PieceIndex(1)), Message::Have(PieceIndex(1))]);
    assert_eq!(World::new(config()).receive(twice).map(|actions| actions.len()), Ok(2));
}

#[test]
fn bad_input_10_a_flood_of_bitfields_closes() {
    let mut world = World::new(config());
    let many = core::iter::repeat_n(Message::HaveAll, 1 + LATE_BITFIELDS_PER_MINUTE as usize);
    world.receive(wire(many)).expect("just not a flood");
    assert_eq!(world.receive(wire([Message::HaveAll])), Err(peer(PeerMisbehaved::BitfieldFlood)));
}

#[test]
fn bad_input_10_pieces_named_before_the_metadata_are_bounded() {
    let mut world = World::new(Config { geometry: None, ..config() });
    let flood = core::iter::repeat_n(Message::Have(PieceIndex(1)), EARLY_PIECES_MAX + 5);
    assert_eq!(world.receive(wire(flood)), Ok(vec![]));
    assert_eq!(world.counters().early_dropped, 5);
    assert!(world.connection.memory() <= 8 * EARLY_PIECES_MAX);
    let came = world.input(Input::Geometry(geometry())).expect("alive");
    assert_eq!(came.len(), EARLY_PIECES_MAX);
}

#[test]
fn bad_input_11_a_bitfield_that_does_not_fit_closes() {
    let error = Err(peer(PeerMisbehaved::Bitfield));
    for bytes in [&[][..], &[0xff], &[0xff, 0xc0, 0], &[0xff, 0xe0], &[0xff, 0xc1]] {
        assert_eq!(World::new(config()).receive(wire([bitfield(bytes)])), error);
        let mut early = World::new(Config { geometry: None, ..config() });
        early.receive(wire([bitfield(bytes)])).expect("nobody knows yet");
        assert_eq!(early.input(Input::Geometry(geometry())), error);
    }
    assert_eq!(World::new(config()).receive([0, 0, 0, 4, 5]), error, "at its header");
}

#[test]
fn bad_input_12_a_bitfield_of_10_m_pieces_works_under_a_configured_cap() {
    let config = Config { geometry: None, early_bitfield_max: 2 << 20, ..config() };
    let mut world = World::new(config);
    for part in wire([bitfield(&[0xff; 1_250_000])]).chunks(65_536) {
        world.receive(part).expect("alive");
        assert!(world.connection.memory() <= 2 * 1_250_005);
    }
    assert_eq!(world.connection.memory(), 1_250_000);
    assert_eq!(world.receive(wire([Message::Choke])).map(messages), Ok(vec![Message::Choke]));
}

#[test]
fn bad_input_12_a_bitfield_over_the_cap_closes_at_its_header() {
    let mut world = World::new(Config { geometry: None, early_bitfield_max: 100, ..config() });
    let error = Error::Incompatible(PeerIncompatible::EarlyBitfield { length: 101 });
    assert_eq!(world.receive([0, 0, 0, 102, 5]), Err(error));
}

#[test]
fn bad_input_13_a_request_for_more_than_128_kib_closes() {
    let block = crate::id::Block { piece: PieceIndex(0), begin: 0, length: 131_073 };
    let error = Err(peer(PeerMisbehaved::RequestTooLong { length: 131_073 }));
    for geometry in [None, Some(geometry())] {
        let mut world = World::new(Config { geometry, ..config() });
        assert_eq!(world.receive(wire([Message::Request(block)])), error);
    }
}

#[test]
fn bad_input_15_a_block_outside_the_torrent_closes() {
    let at =
        |piece, begin| Message::Piece { piece: PieceIndex(piece), begin, data: Bytes::from_static(b"xx") };
    for block in [at(10, 0), at(0, 32_767), at(0, u32::MAX)] {
        let error = World::new(config()).receive(wire([block]));
        assert!(matches!(error, Err(Error::Peer(PeerMisbehaved::UnrequestedBlock(_)))));
    }
    let mut early = World::new(Config { geometry: None, ..config() });
    assert!(early.receive(wire([at(0, 0)])).is_err(), "nobody can have asked");
}

#[test]
fn bad_input_19_fast_messages_without_the_bit_close_at_their_header() {
    for id in 13..=17 {
        let mut world = World::new(Config { fast: false, ..config() });
        let error = Err(peer(PeerMisbehaved::FastWithoutBit { id }));
        assert_eq!(world.receive([0, 0, 0, 1, id]), error);
    }
}

#[test]
fn bad_input_19_advice_about_no_piece_is_dropped() {
    let mut world = World::new(config());
    let advice = [Message::Suggest(PieceIndex(10)), Message::AllowedFast(PieceIndex(u32::MAX))];
    assert_eq!(world.receive(wire(advice)), Ok(vec![]));
    assert_eq!(world.counters().out_of_range, 2);
}

#[test]
fn bad_input_20_an_extension_handshake_that_is_none_is_counted() {
    let mut world = World::new(config());
    let nested = [&b"d1:x"[..], &[b'l'; 20_000], &[b'e'; 20_001]].concat();
    let cases = [&b""[..], b"i1e", b"le", b"d1:m", b"d1:reqqi9223372036854775808ee", &nested];
    for payload in cases {
        let message = Message::Extended { id: 0, payload: Bytes::copy_from_slice(payload) };
        assert_eq!(world.receive(wire([message])), Ok(vec![]));
    }
    assert_eq!(world.counters().bad_extended_handshakes, cases.len() as u32);
}

#[test]
fn bad_input_20_an_extension_handshake_over_64_kib_is_dropped_as_it_comes() {
    let mut world = World::new(config());
    let long = vec![b'd'; EXTENDED_HANDSHAKE_MAX as usize + 1];
    let stream = wire([Message::Extended { id: 0, payload: long.into() }, Message::Choke]);
    let mut came = Vec::new();
    for part in stream.chunks(4096) {
        came.extend(messages(world.receive(part).expect("alive")));
        assert!(world.connection.memory() <= 4096);
    }
    assert_eq!((came, world.counters().bad_extended_handshakes), (vec![Message::Choke], 1));
}

#[test]
fn bad_input_20_a_name_of_64_kib_is_cut_between_characters() {
    let name = "é".repeat(30_000);
    let payload = ExtendedHandshake { client: Some(name.clone() + "x"), ..ExtendedHandshake::default() };
    let read = ExtendedHandshake::decode(&payload.encode()).expect("a dictionary");
    assert_eq!(read.client.as_deref(), name.get(..CLIENT_MAX));
}

#[test]
fn bad_input_20_two_names_may_share_an_id() {
    let read = ExtendedHandshake::decode(b"d1:md11:ut_metadatai1e6:ut_pexi1eee").expect("a dictionary");
    assert_eq!((read.ut_metadata, read.ut_pex), (Some(1), Some(1)));
}

#[test]
fn bad_input_21_sizes_of_metadata_that_cannot_be_are_ignored() {
    for size in ["0", "-1", "16777217", "1099511627776"] {
        let payload = alloc::format!("d13:metadata_sizei{size}ee");
        let read = ExtendedHandshake::decode(payload.as_bytes()).expect("a dictionary");
        assert_eq!(read.metadata_size, None);
    }
}

#[test]
fn an_error_is_the_end_and_the_last_words_stand() {
    let mut world = World::new(config());
    let error = Err(peer(PeerMisbehaved::NoSuchPiece(PieceIndex(99))));
    let stream = wire([Message::Choke, Message::Have(PieceIndex(99)), Message::Unchoke]);
    assert_eq!(world.receive(stream), error);
    assert_eq!(world.out.drain().collect::<Vec<_>>(), [Action::Message(Message::Choke)]);
    assert_eq!(world.receive([]), error);
    assert_eq!(world.timeout(SECOND), error);
    assert_eq!(world.connection.poll_timeout(), None);
    assert!(world.out.is_empty());
}

proptest! {
    #[test]
    fn mutated_streams_never_panic_and_memory_stays_bounded(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in 1_usize..5000,
    ) {
        let mut stream = conversation();
        for (index, value) in flips {
            let at = index.index(stream.len());
            stream[at] = value;
        }
        let mut world = World::new(config());
        for part in stream.chunks(cut) {
            if world.receive(part).is_err() {
                break;
            }
            prop_assert!(world.connection.memory() <= (1 << 20) + 5000);
        }
    }
}

/// A bit of everything.
fn conversation() -> Vec<u8> {
    let extended = |id, payload: &[u8]| Message::Extended { id, payload: Bytes::copy_from_slice(payload) };
    wire([
        extended(0, b"d1:md11:ut_metadatai3ee4:reqqi250ee"),
        bitfield(&[0xff, 0x80]),
        Message::Have(PieceIndex(9)),
        Message::Unchoke,
        piece(0, &[5; 16_384]),
        Message::Unknown { id: 99 },
        extended(3, b"d8:msg_typei0e5:piecei0ee"),
        Message::KeepAlive,
        piece(1, &[6; 16_384]),
        Message::AllowedFast(PieceIndex(3)),
        Message::HashRequest(Bytes::from_static(&[1; 48])),
    ])
}

const fn peer(misbehaved: PeerMisbehaved) -> Error {
    Error::Peer(misbehaved)
}
