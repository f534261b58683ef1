//! What comes in, and time.

use super::*;
use crate::{
    Deadline,
    id::Block,
    wire::{ExtendedHandshake, IDLE, KEEP_ALIVE, PeerMisbehaved, REQUEST_MAX, SETTLE},
};

#[test]
fn a_block_is_the_very_bytes_that_came_in() {
    let stream = BytesMut::from(&wire([Message::Unchoke, piece(0, &[7; 16_384]), piece(1, &[8; 9])])[..]);
    let range = stream.as_ptr_range();
    let came = messages(World::new(config()).input(Input::Received(stream)).expect("alive"));
    let [Message::Unchoke, Message::Piece { data: one, .. }, Message::Piece { data: two, .. }] = &came[..]
    else {
        panic!("{came:?}")
    };
    assert!(range.contains(&one.as_ptr()) && range.contains(&two.as_ptr()));
}

#[test]
fn a_block_over_two_reads_of_one_allocation_is_not_copied() {
    let mut read = BytesMut::with_capacity(65_536);
    let mut world = World::new(config());
    let stream = wire([piece(0, &[7; 16_384]), piece(1, &[8; 16_384])]);
    let mut came = Vec::new();
    let range = read.as_ptr()..read.as_ptr().wrapping_add(65_536);
    for part in stream.chunks(10_000) {
        read.extend_from_slice(part);
        came.extend(messages(world.input(Input::Received(read.split())).expect("alive")));
    }
    assert_eq!(came.len(), 2);
    for message in came {
        let Message::Piece { data, .. } = message else { panic!("{message:?}") };
        assert!(range.contains(&data.as_ptr()));
    }
}

#[test]
fn a_block_over_two_allocations_is_copied_alone() {
    let stream = wire([piece(0, &[7; 16_384]), piece(1, &[8; 16_384])]);
    let mut world = World::new(config());
    world.receive(&stream[..5_000]).expect("alive");
    let rest = BytesMut::from(&stream[5_000..]);
    let range = rest.as_ptr_range();
    let came = messages(world.input(Input::Received(rest)).expect("alive"));
    let [Message::Piece { data: one, .. }, Message::Piece { data: two, .. }] = &came[..] else {
        panic!("{came:?}")
    };
    assert!(!range.contains(&one.as_ptr()) && range.contains(&two.as_ptr()));
    assert_eq!(one[..], [7; 16_384]);
    assert_eq!(world.connection.memory(), 0);
}

#[test]
fn the_start_of_a_message_pins_the_drivers_buffer_for_a_second() {
    let mut read = BytesMut::with_capacity(65_536);
    read.extend_from_slice(&wire([piece(0, &[7; 16_384])])[..100]);
    let mut world = World::new(config());
    world.input(Input::Received(read)).expect("alive");
    assert_eq!(world.connection.memory(), 65_536);
    assert_eq!(world.connection.poll_timeout(), Some(Deadline { at: Instant::ZERO + SETTLE, why: "settle" }));
    world.timeout(SETTLE).expect("alive");
    assert_eq!(world.connection.memory(), 100);
    assert_eq!(world.connection.poll_timeout().map(|deadline| deadline.why), Some("keep-alive"));
}

#[test]
fn an_idle_connection_costs_less_than_2_kib() {
    let mut world = World::new(Config { geometry: None, ..config() });
    let handshake = ExtendedHandshake { client: Some("v".repeat(2 * 256)), ..ExtendedHandshake::default() };
    let greeting = Message::Extended { id: 0, payload: handshake.encode().into() };
    let mut stream = wire([greeting, bitfield(&[0; 125]), piece(0, &[7; 16_384])]);
    stream.truncate(stream.len() - 16_000);
    world.receive(&stream).expect("alive");
    world.timeout(SETTLE).expect("alive");
    assert!(size_of::<Connection>() + world.connection.memory() <= 2048, "{}", size_of::<Connection>());
}

#[test]
fn requests_come_through_wherever_they_point() {
    let block = |begin, length| Block { piece: PieceIndex(99), begin, length };
    let asked = [block(0, 0), block(u32::MAX, 16_384), block(0, 16_385), block(0, REQUEST_MAX)];
    let stream = wire(asked.map(Message::Request));
    assert_eq!(World::new(config()).receive(stream).map(messages), Ok(asked.map(Message::Request).to_vec()));
}

#[test]
fn unknown_messages_are_dropped_and_the_next_is_read() {
    let mut stream = vec![0, 0x0f, 0xff, 0xff, 99];
    stream.resize(4 + 0x0f_ffff, 1);
    stream.extend(wire([Message::Unknown { id: 200 }, Message::Choke]));
    let mut world = World::new(config());
    let mut came = Vec::new();
    for part in stream.chunks(1000) {
        came.extend(messages(world.receive(part).expect("alive")));
        assert!(world.connection.memory() <= 1000);
    }
    assert_eq!((came, world.counters().unknown), (vec![Message::Choke], 2));
}

#[test]
fn extension_messages_without_agreement_are_dropped() {
    let mut world = World::new(Config { extended: false, ..config() });
    let stream = wire([Message::Extended { id: 0, payload: Bytes::from_static(b"de") }, Message::Choke]);
    assert_eq!(world.receive(stream).map(messages), Ok(vec![Message::Choke]));
    assert_eq!(world.counters().unknown, 1);
}

#[test]
fn extension_messages_ports_and_unknown_ids_may_precede_the_bitfield() {
    let extension = Message::Extended { id: 3, payload: Bytes::from_static(b"x") };
    let first =
        [Message::KeepAlive, Message::Unknown { id: 77 }, extension, Message::Port(1), bitfield(&[1, 0])];
    assert_eq!(World::new(config()).receive(wire(first)).map(|actions| actions.len()), Ok(3));
}

#[test]
fn port_0_is_dropped() {
    let mut world = World::new(config());
    assert_eq!(world.receive(wire([Message::Port(0)])), Ok(vec![]));
    assert_eq!(world.counters().out_of_range, 1);
}

#[test]
fn what_was_said_before_the_metadata_comes_out_with_it() {
    let mut world = World::new(Config { geometry: None, ..config() });
    let have = Message::Have(PieceIndex(3));
    let fast = Message::AllowedFast(PieceIndex(2));
    let said = [bitfield(&[0x80, 0]), have, Message::Interested, fast];
    assert_eq!(world.receive(wire(said.clone())).map(messages), Ok(vec![Message::Interested]));
    let [bitfield, have, _, fast] = said;
    assert_eq!(world.input(Input::Geometry(geometry())).map(messages), Ok(vec![bitfield, have, fast]));
    assert_eq!(world.connection.memory(), 0);
    assert_eq!(world.input(Input::Geometry(geometry())), Ok(vec![]));
    assert_eq!(world.counters().misuse, 1);
}

#[test]
fn later_extension_handshakes_add_to_the_first() {
    let mut world = World::new(config());
    let mut handshake = |payload: &'static [u8]| {
        let stream = wire([Message::Extended { id: 0, payload: Bytes::from_static(payload) }]);
        match world.receive(stream).expect("alive").pop() {
            Some(Action::ExtendedHandshake(handshake)) => handshake,
            other => panic!("{other:?}"),
        }
    };
    let first = handshake(b"d1:md11:ut_metadatai3e6:ut_pexi1ee4:reqqi100e11:upload_onlyi1ee");
    assert_eq!((first.ut_metadata, first.ut_pex, first.reqq), (Some(3), Some(1), Some(100)));
    assert_eq!(first.upload_only, Some(true));
    let later = handshake(b"d1:md11:ut_metadatai9e6:ut_pexi0ee4:reqqi0ee");
    assert_eq!((later.ut_metadata, later.ut_pex, later.reqq), (Some(9), Some(0), Some(100)));
    assert_eq!(later.upload_only, None, "a message may have overruled it since");
}

#[test]
fn keep_alives_go_out_when_nothing_else_does() {
    let mut world = World::new(config());
    world.timeout(SECOND * 50).expect("alive");
    let actions = world.input(Input::Send(Message::Interested)).expect("alive");
    world.input(Input::Sent(sent(&actions).len())).expect("alive");
    world.receive(wire([Message::Choke])).expect("alive");
    assert_eq!(world.timeout(KEEP_ALIVE - SECOND), Ok(vec![]));
    assert_eq!(world.timeout(SECOND).map(|actions| sent(&actions)), Ok(vec![0; 4]));
    assert_eq!(world.timeout(SECOND), Ok(vec![]));
}

#[test]
fn a_peer_that_is_silent_for_150_s_is_gone() {
    let mut world = World::new(config());
    world.timeout(SECOND * 100).expect("alive");
    world.receive([0]).expect("one byte of a prefix is enough");
    world.timeout(IDLE - SECOND).expect("alive");
    assert_eq!(world.timeout(SECOND), Err(Error::Peer(PeerMisbehaved::Idle)));
}

#[test]
fn bad_input_42_time_that_jumps_or_runs_backwards_does_no_harm() {
    let mut world = World::new(config());
    world.now = Instant::ZERO + SECOND;
    world.receive(wire([Message::Choke])).expect("alive");
    world.now = Instant::ZERO;
    world.receive(wire([Message::Unchoke])).expect("alive");
    assert_eq!(world.connection.poll_timeout().map(|deadline| deadline.at), Some(Instant::ZERO + KEEP_ALIVE));
    world.now = Instant::MAX;
    assert_eq!(world.timeout(SECOND), Err(Error::Peer(PeerMisbehaved::Idle)));
    assert_eq!(world.connection.poll_timeout(), None);
}
