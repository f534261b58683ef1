//! Hostile peers against the handshake of message stream encryption, byte by byte, on the living program.
//! The numbers are those of the project's list of hostile inputs.

use convoy_tests::{
    Convoy, Payload, Scratch,
    encryption::{Crypto, Policy, Streams},
    peers::Libtorrent,
    raw::{End, RawPeer},
};
use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

const MIB: u64 = 1 << 20;

/// What a seed under attack may have in memory: its buffers have limits far below this.
const MEMORY_LIMIT: u64 = 192 * MIB;

/// Of a public key of MSE.
const KEY_BYTES: usize = 96;

/// The first twenty bytes of plain BitTorrent.
const PLAIN: &[u8; 20] = b"\x13BitTorrent protocol";

/// Downloads from an attacker that resets connections: after so many bytes, having sent so much.
/// Gives the first bytes of each of `dials` connections, and what the program says.
fn dialled_by(policy: Policy, dials: usize, read: usize, answer: &'static [u8]) -> (Vec<Vec<u8>>, Streams) {
    let scratch = Scratch::new();
    let payload = file(&scratch);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let attack = thread::spawn(move || {
        let greetings = (0..dials).map(|_| {
            let mut peer = RawPeer::accept(&listener);
            let greeting = peer.read_exact(PLAIN.len());
            if greeting != PLAIN {
                peer.read_exact(read - PLAIN.len());
                peer.send(answer);
            }
            peer.reset();
            greeting
        });
        greetings.collect()
    });
    let out = scratch.dir("out");
    let download = Convoy::download(&scratch, &payload.torrent, &out).encryption(policy).peers(&[addr]);
    let mut download = download.spawn();
    let greetings = attack.join().expect("somebody dials again and again");
    download.wait_for("dial_failed");
    (greetings, Streams::seen(&download))
}

/// Resets when the key came.
const AT_THE_KEY: (usize, &[u8]) = (KEY_BYTES, &[]);

/// Resets behind a key of its own, a good one, when the offer may be on its way.
const AT_THE_OFFER: (usize, &[u8]) = (KEY_BYTES, &[0x55; KEY_BYTES]);

#[test]
fn bad_input_32_an_attacker_that_resets_encrypted_connections_never_gets_a_plain_one_under_required() {
    for (read, answer) in [AT_THE_KEY, AT_THE_OFFER] {
        for policy in [Policy::Required, Policy::RequiredRc4] {
            let (greetings, streams) = dialled_by(policy, 4, read, answer);
            assert!(!greetings.iter().any(|greeting| greeting == PLAIN), "{policy:?}: {greetings:?}");
            assert_eq!(streams.encryption, Vec::<String>::new(), "{policy:?}");
        }
    }
}

/// What the test above would see if there was something to see.
#[test]
fn bad_input_32_under_enabled_a_reset_is_followed_by_one_plain_dial() {
    for (read, answer) in [AT_THE_KEY, AT_THE_OFFER] {
        let (greetings, streams) = dialled_by(Policy::Enabled, 2, read, answer);
        let plain: Vec<_> = greetings.iter().map(|greeting| greeting == PLAIN).collect();
        assert_eq!((plain, streams.fallbacks), (vec![false, true], 1));
    }
}

/// Each costs the seed an exponentiation, if it lets them all in.
#[test]
fn bad_input_31_garbage_handshakes_of_one_address_leave_room_for_others() {
    const PEERS: usize = 200;
    let scratch = Scratch::new();
    let payload = file(&scratch);
    let seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).encryption(Policy::Enabled);
    let mut seed = seed.serve();

    let started = Instant::now();
    let mut pile: Vec<_> = (0..PEERS).map(|_| RawPeer::connect_from([127, 0, 0, 2], seed.addr)).collect();
    for (number, peer) in pile.iter_mut().enumerate() {
        peer.send(&garbage(number));
    }
    let out = scratch.dir("honest");
    let mut honest = Libtorrent::download_crypto(&payload.torrent, &out, seed.addr, Crypto::Rc4);
    honest.process.wait_for("completed");
    let waited = started.elapsed();
    payload.assert_in(&out);
    assert!(waited < Duration::from_secs(20), "the honest peer waited {waited:?}");

    let open = pile
        .iter_mut()
        .map(|peer| peer.end(Duration::from_secs(5)).0)
        .filter(|end| *end == End::Open)
        .count();
    assert_eq!(open, 0, "of {PEERS} garbage handshakes");
    assert!(seed.process.is_running(), "the seed is gone");
    let peak = seed.process.peak_memory();
    assert!(peak < MEMORY_LIMIT, "{peak} bytes");
}

/// A good key, the most padding that there may be, and a mark that is none; different each time.
fn garbage(number: usize) -> Vec<u8> {
    const PADDING: usize = 512;
    const MARK: usize = 20;
    let tail = (0..KEY_BYTES + PADDING + MARK - 1).map(|at| (at * 31 + number * 7).to_le_bytes()[0]);
    [0x40].into_iter().chain(tail).collect()
}

fn file(scratch: &Scratch) -> Payload {
    scratch.payload("file.bin", 2 * MIB + 1, 64 << 10)
}
