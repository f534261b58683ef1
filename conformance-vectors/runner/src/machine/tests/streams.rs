//! Machines on a stream: handshakes, connections, and a swarm with one peer.

use super::{Recorder, SECOND, torrent};
use crate::machine::{Connection, Initiator, MseInitiator, MseResponder, Responder, build::never};
use bytes::{Bytes, BytesMut};
use convoy_core::{
    Instant,
    bitfield::Bitfield,
    id::{InfoHash, PeerId, PeerKey, PieceIndex, StreamId},
    mse,
    serial::Hex,
    slab::Key,
    storage::{Completion, Geometry, Operation, Verdict},
    swarm::{self, Encryption, Joined, Setup, Swarm},
    wire::{self, HandshakeAction, HandshakeInput, Message, Reserved},
};
use serde_json::value::to_raw_value;

const TORRENT: InfoHash = InfoHash([0x11; 20]);
const ALICE: PeerId = PeerId(*b"-IC0100-aliceaaaaaaa");
const BOB: PeerId = PeerId(*b"-IC0100-bobbbbbbbbbb");

#[test]
fn mse_both_sides() {
    let (config, now) = (mse::Config::default(), Instant::ZERO);
    let args = MseInitiator {
        config,
        level: mse::Level::Both,
        info_hash: TORRENT,
        payload: Hex(Bytes::from_static(b"what alice says first")),
        now,
    };
    let machine =
        mse::Handshake::initiator(&config, args.level, TORRENT, args.payload.0.clone(), [1; 32], now);
    let mut alice = Recorder::new("mse_initiator", &args, [1; 32], to_raw_value, machine);
    let machine = mse::Handshake::responder(&config, [2; 32], now);
    let mut bob =
        Recorder::new("mse_responder", &MseResponder { config, now }, [2; 32], to_raw_value, machine);

    let mut established = 0;
    let mut actions: Vec<(bool, mse::Action)> =
        alice.timeout().into_iter().map(|action| (true, action)).collect();
    while !actions.is_empty() {
        let (by_alice, action) = actions.remove(0);
        let (mine, theirs) = if by_alice { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let (of_alice, answers) = match action {
            mse::Action::Send(bytes) => {
                theirs.now = theirs.now + SECOND / 100;
                (!by_alice, theirs.input(mse::Input::Received(BytesMut::from(bytes))))
            }
            mse::Action::Identify { .. } => {
                (by_alice, mine.input(mse::Input::Identified { info_hash: TORRENT }))
            }
            _ => {
                established += 1;
                continue;
            }
        };
        actions.extend(answers.into_iter().map(|action| (of_alice, action)));
    }
    assert_eq!(established, 2);
    alice
        .is_kept_in("mse-initiator.json", "offers both methods and gets RC4; keys and padding from its seed");
    bob.is_kept_in("mse-responder.json", "is asked for RC4 or nothing, identifies the torrent, selects RC4");
}

#[test]
fn wire_handshake_of_both_sides() {
    let (config, reserved, now) =
        (wire::HandshakeConfig::default(), Reserved::ours(true, false), Instant::ZERO);
    let args = Initiator { config, info_hash: TORRENT, peer_id: ALICE, reserved, now };
    let machine = wire::Handshake::initiator(TORRENT, ALICE, reserved, config, now);
    let mut alice = Recorder::new("wire_initiator", &args, [0; 32], to_raw_value, machine);
    let machine = wire::Handshake::responder(reserved, config, now);
    let args = Responder { config, reserved, now };
    let mut bob = Recorder::new("wire_responder", &args, [0; 32], to_raw_value, machine);

    let hello = sent(&alice.timeout());
    let (name_less, name) = hello.split_at(48);
    bob.input(HandshakeInput::Received(name_less.into()));
    let answer = sent(&bob.input(HandshakeInput::Identified { peer_id: BOB }));
    bob.input(HandshakeInput::Received([name, b"\0\0\0\0"].concat().as_slice().into()));
    let end = alice.input(HandshakeInput::Received(answer.as_slice().into()));
    assert!(matches!(end[..], [HandshakeAction::Established { peer_id: BOB, .. }]), "{end:?}");
    alice.is_kept_in("wire-initiator.json", "speaks first and is answered");
    bob.is_kept_in(
        "wire-responder.json",
        "answers before the peer has given its name; a keep-alive behind it",
    );
}

fn sent(actions: &[HandshakeAction]) -> Vec<u8> {
    let bytes = |action: &HandshakeAction| match action {
        HandshakeAction::Send(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    };
    actions.iter().flat_map(bytes).collect()
}

/// Nine pieces of 16 KiB, so that bitfields have two bytes.
fn connection(fast: bool, send_window: usize) -> Recorder<wire::Connection> {
    let geometry = Geometry::new(16 * 1024, 9 * 16 * 1024);
    let config = wire::Config { geometry, fast, extended: true, send_window, ..wire::Config::default() };
    let args = Connection { config: config.clone(), now: Instant::ZERO };
    let machine = wire::Connection::new(config, Instant::ZERO);
    Recorder::new("wire_connection", &args, [0; 32], to_raw_value, machine)
}

fn received(bytes: &[u8]) -> wire::Input {
    wire::Input::Received(bytes.into())
}

#[test]
fn wire_connection_reads_messages_however_they_are_cut() {
    let mut life = connection(true, 256 << 10);
    life.input(received(b"\0\0\0\x03\x05\xff\x80\0\0\0\x01\x01\0\0"));
    life.input(received(b"\0\x05\x04\0\0\0\x08\0\0\0\x00"));
    life.input(received(b"\0\0\0\x0d\x06\0\0\0\x01\0\0\0\0\0\0\x40\0"));
    life.input(received(b"\0\0\0\x0c\x07\0\0\0\x01\0\0\0\0abc"));
    let heard = life.input(received(b"\0\0\0\x1c\x14\0d4:reqqi250e1:v8:Somebodye"));
    assert!(matches!(heard[..], [wire::Action::ExtendedHandshake(_)]), "{heard:?}");
    life.pass(120 * SECOND);
    life.is_kept_in(
        "wire-messages.json",
        "messages, one cut in two; an extension handshake; a keep-alive of our own after 110 s",
    );
}

#[test]
fn wire_connection_keeps_its_window() {
    let mut life = connection(false, 64);
    let data = Bytes::from_static(&[0x55; 60]);
    life.input(wire::Input::Send(Message::Bitfield(Bytes::from_static(&[0xff, 0x80]))));
    life.input(wire::Input::Send(Message::Piece { piece: PieceIndex(1), begin: 0, data }));
    life.input(wire::Input::Send(Message::HaveAll));
    life.input(wire::Input::Send(Message::Unchoke));
    life.input(wire::Input::Sent(7));
    life.input(wire::Input::Sent(57));
    life.input(wire::Input::Sent(1000));
    assert!(life.machine.counters().misuse > 0, "have_all without BEP 6, and more sent than there was");
    life.is_kept_in(
        "wire-window.json",
        "a window of 64 bytes: what does not fit waits until bytes are sent; misuse is dropped",
    );
}

#[test]
fn wire_connection_ends_with_a_hostile_peer() {
    let mut life = connection(false, 256 << 10);
    life.input(received(b"\0\0\0\x02\x05\xff"));
    life.input(received(b"\0\0\0\x01\x01"));
    life.input(wire::Input::Send(Message::Interested));
    life.now = life.now + 200 * SECOND;
    life.timeout();
    assert!(life.steps.iter().any(|step| step.contains("\"error\"")), "{:?}", life.steps);
    life.is_kept_in(
        "wire-hostile.json",
        "a bitfield that is too short: dead, with the same error and no action ever after",
    );
}

#[test]
fn swarm_downloads_a_piece_and_serves_it() {
    let (info, content) = torrent(100, 150);
    // The first piece is there already: only the short one travels.
    let mut trusted = Bitfield::new(2);
    trusted.set(PieceIndex(0));
    let verdict = Verdict { trusted, check: Bitfield::new(2) };
    let setup = Setup {
        torrent: swarm::Torrent::Content(Box::new(swarm::Content {
            info,
            verdict,
            plan: swarm::Plan::default(),
            paused: false,
        })),
        peer_id: ALICE,
        client: "Convoy 0.1.0".into(),
        listen_port: Some(6881),
        prefers_encryption: true,
        config: swarm::Config::default(),
    };
    let machine = Swarm::new(setup.clone(), [3; 32]);
    let mut life = Recorder::new("swarm", &setup, [3; 32], never, machine);
    life.input(swarm::Input::Start);
    let joined = life.input(swarm::Input::Joined(Joined {
        stream: StreamId::new(0, 0),
        remote: ([192, 0, 2, 1], 6881).into(),
        outgoing: true,
        peer_id: BOB,
        encryption: Encryption::None,
        reserved: Reserved::ours(true, false),
        rest: BytesMut::from(&b"\0\0\0\x02\x05\x40"[..]),
    }));
    assert!(matches!(joined.first(), Some(swarm::Action::Admitted { .. })), "{joined:?}");
    let peer = PeerKey::new(0, 0);
    let hear = |life: &mut Recorder<Swarm>, bytes: &[u8]| {
        life.pass(SECOND / 100);
        let actions = life.input(swarm::Input::Received { peer, data: bytes.into() });
        carry(life, actions, &content);
    };
    hear(&mut life, b"\0\0\0\x01\x01\0\0\0\x01\x02");
    let block = &content[100..];
    hear(&mut life, &[&b"\0\0\0\x3b\x07\0\0\0\x01\0\0\0\0"[..], block].concat());
    assert!(life.steps.iter().any(|step| step.contains("\"completed\"")), "{:?}", life.steps);
    life.pass(11 * SECOND);
    hear(&mut life, b"\0\0\0\x0d\x06\0\0\0\x01\0\0\0\x0a\0\0\0\x14");
    assert!(life.steps.last().is_some_and(|step| step.contains("\"send\"")), "{:?}", life.steps);
    let left = swarm::Input::Left { peer, why: swarm::PeerEnd::ClosedByPeer };
    let actions = life.input(left);
    carry(&mut life, actions, &content);
    let actions = life.input(swarm::Input::Stop);
    carry(&mut life, actions, &content);
    life.is_kept_in(
        "swarm.json",
        "one peer sends the piece that is missing, then asks for 20 bytes of it and leaves",
    );
}

/// Does what the swarm wants of disk and processor, and what comes of that.
fn carry(life: &mut Recorder<Swarm>, mut actions: Vec<swarm::Action>, content: &Bytes) {
    while !actions.is_empty() {
        let input = match actions.remove(0) {
            swarm::Action::Storage(operation) => swarm::Input::Storage(match operation {
                Operation::Read { token, offset, length, .. } => Completion::Read {
                    token,
                    result: Ok(content.slice(offset as usize..offset as usize + length as usize)),
                },
                Operation::Write { token, .. } => Completion::Written { token, result: Ok(()) },
                Operation::Flush { token } => Completion::Flushed { token, result: Ok(()) },
            }),
            swarm::Action::Compute { token, job } => swarm::Input::Computed { token, outcome: job.run() },
            _ => continue,
        };
        actions.extend(life.input(input));
    }
}
