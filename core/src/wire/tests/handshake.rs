use crate::{
    Deadline, Instant, Machine, Outbox,
    id::{InfoHash, PeerId},
    wire::{
        Handshake, HandshakeAction, HandshakeConfig, HandshakeError, HandshakeIncompatible, HandshakeInput,
        HandshakeLocal, HandshakeMisbehaved, REST_MAX, Reserved,
    },
};
use alloc::{vec, vec::Vec};
use bytes::BytesMut;
use core::time::Duration;

const HASH: InfoHash = InfoHash([0xaa; 20]);
const OURS: PeerId = PeerId(*b"-CV0100-ourselves...");
const THEIRS: PeerId = PeerId(*b"-XX0000-somebody....");
const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn initiator_speaks_in_its_first_call_and_only_once() {
    let mut world = World::initiator();
    assert_eq!(world.handshake.poll_timeout(), Some(Deadline { at: Instant::ZERO, why: "start" }));
    assert_eq!(world.timeout(Duration::ZERO), Ok(vec![send(OURS)]));
    assert_eq!(world.timeout(Duration::ZERO), Ok(vec![]));
    assert_eq!(world.receive(&hello(THEIRS)), Ok(vec![established(&[])]));
    assert_eq!(World::initiator().receive(&[0x13]), Ok(vec![send(OURS)]));
}

#[test]
fn responder_asks_at_48_bytes_and_answers_before_the_peer_id_came() {
    let mut world = World::responder();
    let hello = hello(THEIRS);
    assert_eq!(world.receive(&hello[..47]), Ok(vec![]));
    assert_eq!(world.receive(&hello[47..48]), Ok(vec![HandshakeAction::Identify { info_hash: HASH }]));
    assert_eq!(world.identified(), Ok(vec![send(OURS)]));
    assert_eq!(world.receive(&hello[48..67]), Ok(vec![]));
    assert_eq!(world.receive(&hello[67..]), Ok(vec![established(&[])]));
}

#[test]
fn responder_that_has_all_68_bytes_is_established_by_the_answer() {
    let mut world = World::responder();
    let mut stream = hello(THEIRS);
    stream.extend_from_slice(b"more");
    assert_eq!(world.receive(&stream), Ok(vec![HandshakeAction::Identify { info_hash: HASH }]));
    assert_eq!(world.receive(b"!"), Ok(vec![]));
    assert_eq!(world.identified(), Ok(vec![send(OURS), established(b"more!")]));
    assert_eq!(world.handshake.poll_timeout(), None);
    assert_eq!((world.receive(b"?"), world.timeout(TIMEOUT)), (Ok(vec![]), Ok(vec![])));
}

#[test]
fn an_answer_that_nobody_waits_for_still_tells_the_time() {
    let mut world = World::responder();
    world.now = Instant::ZERO + TIMEOUT;
    assert_eq!(world.identified(), Ok(vec![]));
    world.now = Instant::ZERO;
    assert_eq!(world.receive(&[0x13]), Err(HandshakeError::Peer(HandshakeMisbehaved::TooSlow)), "law 1");
}

#[test]
fn unknown_and_repeated_answers_are_ignored() {
    let mut world = World::responder();
    assert_eq!(world.identified(), Ok(vec![]));
    world.receive(&hello(THEIRS)[..48]).expect("alive");
    assert_eq!(world.identified(), Ok(vec![send(OURS)]));
    assert_eq!(world.identified(), Ok(vec![]));
    assert_eq!(World::initiator().identified(), Ok(vec![send(OURS)]), "the first call, no more");
}

#[test]
fn what_comes_behind_the_handshake_shares_the_buffer_it_came_in() {
    let mut stream = BytesMut::from(&hello(THEIRS)[..]);
    stream.extend_from_slice(b"first message");
    let start = stream.as_ptr();
    let mut world = World::initiator();
    world.timeout(Duration::ZERO).expect("alive");
    let actions = world.input(HandshakeInput::Received(stream)).expect("alive");
    let [HandshakeAction::Established { rest, .. }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(rest.as_ptr(), start.wrapping_add(68));
}

#[test]
fn half_a_handshake_does_not_pin_the_buffer_it_came_in() {
    let mut read = BytesMut::with_capacity(65_536);
    read.extend_from_slice(&hello(THEIRS)[..60]);
    let mut world = World::responder();
    world.input(HandshakeInput::Received(read)).expect("alive");
    assert_eq!(world.handshake.memory(), 0);
}

#[test]
fn wrong_protocol_closes_at_the_first_byte_that_differs() {
    for wrong in 0..20 {
        let mut stream = hello(THEIRS);
        stream[wrong] ^= 0x20;
        let mut world = World::responder();
        assert_eq!(world.receive(&stream[..wrong]), Ok(vec![]));
        let error = HandshakeError::Incompatible(HandshakeIncompatible::NotBitTorrent);
        assert_eq!(world.receive(&stream[wrong..=wrong]), Err(error));
    }
}

#[test]
fn bad_input_25_own_name_is_a_self_connection() {
    let error = Err(HandshakeError::Local(HandshakeLocal::SelfConnection));
    let mut initiator = World::initiator();
    assert_eq!(initiator.receive(&hello(OURS)), error);
    let mut responder = World::responder();
    responder.receive(&hello(OURS)).expect("the name is not ours yet");
    assert_eq!(responder.identified(), error);
    assert_eq!(responder.out.drain().collect::<Vec<_>>(), [send(OURS)], "last words");
}

#[test]
fn bad_input_25_another_info_hash_closes_at_48_bytes() {
    let mut stream = hello(THEIRS);
    stream[47] ^= 1;
    let mut world = World::initiator();
    world.receive(&stream[..47]).expect("alive");
    let error = HandshakeError::Peer(HandshakeMisbehaved::WrongInfoHash);
    assert_eq!(world.receive(&stream[47..48]), Err(error));
}

#[test]
fn bad_input_24_the_deadline_is_absolute_whatever_trickles_in() {
    let hello = hello(THEIRS);
    let mut world = World::responder();
    for byte in hello.chunks(1).take(3) {
        assert_eq!(world.receive(byte), Ok(vec![]));
        world.now = world.now + Duration::from_secs(9);
        assert_eq!(world.handshake.poll_timeout().map(|deadline| deadline.at), Some(Instant::ZERO + TIMEOUT));
    }
    let error = Err(HandshakeError::Peer(HandshakeMisbehaved::TooSlow));
    assert_eq!(world.timeout(Duration::from_secs(3)), error);
    assert_eq!(world.handshake.poll_timeout(), None);
    assert_eq!(world.receive(&hello), error);
}

#[test]
fn bad_input_24_a_byte_that_comes_before_the_late_timer_does_not_help() {
    let mut world = World::responder();
    world.now = Instant::ZERO + TIMEOUT;
    assert_eq!(world.receive(&hello(THEIRS)), Err(HandshakeError::Peer(HandshakeMisbehaved::TooSlow)));
}

#[test]
fn bad_input_24_a_peer_that_talks_on_before_the_answer_is_bounded() {
    let mut world = World::responder();
    world.receive(&hello(THEIRS)).expect("alive");
    world.receive(&vec![0; REST_MAX]).expect("as much as is kept");
    assert_eq!(world.receive(&[0]), Err(HandshakeError::Peer(HandshakeMisbehaved::TooMuch)));
    assert_eq!(world.handshake.memory(), 0);
}

#[test]
fn bad_input_42_time_that_jumps_a_year_or_runs_backwards_does_no_harm() {
    let mut world = World::responder();
    world.now = Instant::ZERO + Duration::from_secs(20);
    world.receive(&hello(THEIRS)[..10]).expect("alive");
    world.now = Instant::ZERO;
    world.receive(&hello(THEIRS)[10..48]).expect("alive");
    world.now = Instant::MAX;
    assert!(world.timeout(Duration::ZERO).is_err());
    assert_eq!(world.handshake.poll_timeout(), None);
}

#[test]
fn reserved_bits_are_those_of_the_beps() {
    assert_eq!(Reserved::ours(true, true).0, [0, 0, 0, 0, 0, 0x10, 0, 0x05]);
    assert_eq!(Reserved::ours(false, false).0, [0, 0, 0, 0, 0, 0x10, 0, 0]);
    let both = Reserved::ours(true, false).both(Reserved([0xff, 0, 0, 0, 0, 0xef, 0, 0xff]));
    assert!(both.fast() && !both.extended() && !both.dht());
}

struct World {
    handshake: Handshake,
    out: Outbox<HandshakeAction>,
    now: Instant,
}

type Outcome = Result<Vec<HandshakeAction>, HandshakeError>;

impl World {
    fn initiator() -> Self {
        let config = HandshakeConfig::default();
        Self::new(Handshake::initiator(HASH, OURS, Reserved::ours(true, true), config, Instant::ZERO))
    }

    fn responder() -> Self {
        let config = HandshakeConfig::default();
        Self::new(Handshake::responder(Reserved::ours(true, true), config, Instant::ZERO))
    }

    fn new(handshake: Handshake) -> Self {
        Self { handshake, out: Outbox::new(), now: Instant::ZERO }
    }

    fn input(&mut self, input: HandshakeInput) -> Outcome {
        self.handshake.handle_input(self.now, input, &mut self.out)?;
        Ok(self.out.drain().collect())
    }

    fn receive(&mut self, bytes: &[u8]) -> Outcome {
        self.input(HandshakeInput::Received(BytesMut::from(bytes)))
    }

    fn identified(&mut self) -> Outcome {
        self.input(HandshakeInput::Identified { peer_id: OURS })
    }

    fn timeout(&mut self, after: Duration) -> Outcome {
        self.now = self.now + after;
        self.handshake.handle_timeout(self.now, &mut self.out)?;
        Ok(self.out.drain().collect())
    }
}

fn hello(peer_id: PeerId) -> Vec<u8> {
    let reserved = Reserved::ours(true, true).0;
    [&b"\x13BitTorrent protocol"[..], &reserved, &HASH.0, &peer_id.0].concat()
}

fn send(peer_id: PeerId) -> HandshakeAction {
    HandshakeAction::Send(hello(peer_id).into())
}

fn established(rest: &[u8]) -> HandshakeAction {
    HandshakeAction::Established {
        info_hash: HASH,
        peer_id: THEIRS,
        reserved: Reserved::ours(true, true),
        rest: BytesMut::from(rest),
    }
}
