//! Hostile peers, byte by byte, against the living program: it closes them, stays small, and goes on
//! serving an honest peer. The numbers are those of the project's list of hostile inputs.

use convoy_tests::{
    Convoy, Payload, Peer, Process, Scratch,
    peers::{Libtorrent, free_addr},
    raw::{End, RawPeer, handshake, message, peer_id, request},
};
use std::{
    net::{SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// How soon a peer is closed that broke the protocol; far below any time limit of the protocol itself.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The absolute time limit of a handshake, with slack for a busy machine.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30 + 10);

/// What a seed under attack may have in memory: its buffers have limits far below this.
const MEMORY_LIMIT: u64 = 192 * MIB;

/// A seed under attack.
struct Target {
    scratch: Scratch,
    payload: Payload,
    seed: Peer,
}

impl Target {
    fn new() -> Self {
        let scratch = Scratch::new();
        let payload = scratch.payload("file.bin", 4 * MIB + 1, 64 * KIB);
        let seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).serve();
        Self { scratch, payload, seed }
    }

    /// A hostile peer that has shaken hands.
    fn peer(&self, number: u8) -> RawPeer {
        let mut peer = RawPeer::connect(self.seed.addr);
        peer.shake_hands(&self.payload.info_hash, peer_id(number));
        peer
    }

    /// An honest peer, at work while the hostile ones are.
    fn honest(&self) -> Peer {
        Libtorrent::download(&self.payload.torrent, &self.scratch.dir("honest"), &[self.seed.addr])
    }

    /// The honest peer gets everything, and the seed is alive and small.
    fn assert_serves(mut self, mut honest: Peer) {
        honest.process.wait_for("completed");
        self.payload.assert_in(&self.scratch.dir("honest"));
        assert!(self.seed.process.is_running(), "the seed is gone");
        let peak = self.seed.process.peak_memory();
        assert!(peak < MEMORY_LIMIT, "{peak} bytes");
    }
}

#[test]
fn bad_input_7_huge_lengths_are_closed_when_their_header_is_there() {
    let target = Target::new();
    let honest = target.honest();
    for (number, length) in [0x7fff_ffff_u32, 0xffff_ffff, 0x8000_0000, 2 << 20].into_iter().enumerate() {
        // Silence after the header.
        let mut peer = target.peer(u8::try_from(number).expect("few"));
        peer.send(&length.to_be_bytes());
        peer.send(&[7]);
        peer.assert_closed(AT_ONCE, &format!("length {length:#x}"));
    }
    target.assert_serves(honest);
}

#[test]
fn bad_input_7_a_huge_length_that_trickles_in_is_closed() {
    let target = Target::new();
    let honest = target.honest();
    let mut peer = target.peer(0);
    for byte in [0x7f, 0xff, 0xff, 0xff, 20, 0, 0, 0] {
        peer.send(&[byte]);
    }
    peer.assert_closed(AT_ONCE, "a huge length byte by byte");
    target.assert_serves(honest);
}

#[test]
fn bad_input_7_a_message_longer_than_its_id_allows_is_closed() {
    let target = Target::new();
    let honest = target.honest();
    for (id, length) in [(0_u8, 2_u32), (4, 6), (6, 14), (6, 12), (8, 100), (5, 400)] {
        let mut peer = target.peer(id);
        peer.send(&[&length.to_be_bytes()[..], &[id]].concat());
        peer.assert_closed(AT_ONCE, &format!("id {id} of length {length}"));
    }
    target.assert_serves(honest);
}

#[test]
fn bad_input_7_a_leecher_closes_a_seed_that_announces_too_much() {
    leecher_survives(|peer| {
        peer.send(&0x7fff_ffff_u32.to_be_bytes());
        peer.send(&[7; 64]);
        peer.assert_closed(AT_ONCE, "a huge piece");
    });
}

#[test]
fn bad_input_8_a_flood_of_keepalives_is_closed() {
    let target = Target::new();
    let honest = target.honest();
    let mut peer = target.peer(0);
    let sent = peer.flood(&[0; 4 * 1024], 64 << 20);
    peer.assert_closed(AT_ONCE, &format!("{sent} bytes of keepalives"));
    target.assert_serves(honest);
}

#[test]
fn bad_input_11_bitfields_of_wrong_length_or_with_spare_bits_are_closed() {
    let target = Target::new();
    let honest = target.honest();
    // 65 pieces are 9 bytes, of which 7 bits are spare.
    let [short, long] = [vec![0; 8], vec![0; 10]];
    let spare = [vec![0; 8], vec![0x40]].concat();
    let last_spare = [vec![0xff; 8], vec![0x81]].concat();
    for (number, bits) in [vec![], short, long, spare, last_spare].into_iter().enumerate() {
        let mut peer = target.peer(u8::try_from(number).expect("few"));
        peer.send(&message(5, &bits));
        peer.assert_closed(AT_ONCE, &format!("bitfield {bits:?}"));
    }
    target.assert_serves(honest);
}

#[test]
fn bad_input_11_a_leecher_closes_a_seed_with_a_wrong_bitfield() {
    leecher_survives(|peer| {
        peer.send(&message(5, &[0xff; 4]));
        peer.assert_closed(AT_ONCE, "a bitfield of 4 bytes");
    });
}

#[test]
fn bad_input_14_a_flood_of_requests_is_bounded() {
    let target = Target::new();
    let honest = target.honest();
    let mut peer = target.peer(0);
    peer.send(&message(2, &[]));
    peer.wait_message(1);
    // The same block again and again, while nothing that comes back is read.
    peer.flood(&request(6, 0, 0, 1 << 14).repeat(1000), 100_000 * 17);
    assert_small_and_bounded(&target);
    drop(peer);
    target.assert_serves(honest);
}

#[test]
fn bad_input_14_a_storm_of_requests_and_cancels_is_bounded() {
    let target = Target::new();
    let honest = target.honest();
    let mut peer = target.peer(0);
    peer.send(&message(2, &[]));
    peer.wait_message(1);
    let storm: Vec<u8> = (0..500_u32)
        .flat_map(|at| [6, 8].map(|id| request(id, at % 64, (at % 4) << 14, 1 << 14)).concat())
        .collect();
    peer.flood(&storm, 200_000 * 17);
    assert_small_and_bounded(&target);
    drop(peer);
    target.assert_serves(honest);
}

#[test]
fn bad_input_14_requests_while_choked_get_nothing() {
    let target = Target::new();
    let honest = target.honest();
    let mut peer = target.peer(0);
    // Not interested, so never unchoked.
    peer.flood(&request(6, 0, 0, 1 << 14).repeat(100), 10_000 * 17);
    let (_, received) = peer.end(Duration::from_secs(2));
    assert!(received < 1 << 14, "{received} bytes while choked");
    target.assert_serves(honest);
}

fn assert_small_and_bounded(target: &Target) {
    let peak = target.seed.process.peak_memory();
    assert!(peak < MEMORY_LIMIT, "{peak} bytes");
}

#[test]
fn bad_input_24_a_handshake_that_trickles_in_ends_at_its_absolute_time_limit() {
    let target = Target::new();
    let started = Instant::now();
    let mut peer = RawPeer::connect(target.seed.addr);
    let words = handshake(&target.payload.info_hash, peer_id(0));
    let closed = words.iter().any(|byte| {
        peer.send(&[*byte]);
        peer.end(Duration::from_secs(1)).0 == End::Closed
    });
    assert!(closed, "68 bytes in 68 seconds are not refused");
    assert!(started.elapsed() < HANDSHAKE_LIMIT, "{:?}", started.elapsed());
    let honest = target.honest();
    target.assert_serves(honest);
}

#[test]
fn bad_input_24_half_open_connections_of_one_address_leave_room_for_others() {
    let target = Target::new();
    let pile: Vec<_> = (0..200).map(|_| RawPeer::connect_from([127, 0, 0, 2], target.seed.addr)).collect();
    let started = Instant::now();
    let honest = target.honest();
    target.assert_serves(honest);
    assert!(started.elapsed() < Duration::from_secs(20), "the honest peer waited {:?}", started.elapsed());
    drop(pile);
}

#[test]
fn bad_input_25_a_program_told_to_dial_itself_goes_on() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 2 * MIB, 64 * KIB);
    let own = free_addr();
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let out = scratch.dir("out");
    let download = Convoy::download(&scratch, &payload.torrent, &out).listen(own).peers(&[own, seed.addr]);
    let mut download = download.serve();
    assert_eq!(download.addr, own);
    download.process.wait_for("completed");
    payload.assert_in(&out);
}

#[test]
fn bad_input_25_of_two_connections_with_one_peer_id_one_stays() {
    let target = Target::new();
    let honest = target.honest();
    let mut first = target.peer(1);
    let mut second = RawPeer::connect(target.seed.addr);
    second.send(&handshake(&target.payload.info_hash, peer_id(1)));
    let ends = [&mut first, &mut second].map(|peer| peer.end(Duration::from_secs(2)).0);
    assert!(ends.contains(&End::Closed) && ends.contains(&End::Open), "{ends:?}");
    target.assert_serves(honest);
}

#[test]
fn bad_input_25_a_handshake_for_another_torrent_is_closed_without_an_answer() {
    let target = Target::new();
    let honest = target.honest();
    let mut peer = RawPeer::connect(target.seed.addr);
    peer.send(&handshake(&"ab".repeat(20), peer_id(0)));
    assert_eq!(peer.end(AT_ONCE), (End::Closed, 0));
    target.assert_serves(honest);
}

#[test]
fn bad_input_25_a_dialled_peer_that_answers_for_another_torrent_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let attack = thread::spawn(move || {
        let mut peer = RawPeer::accept(&listener);
        peer.read_exact(48);
        peer.send(&handshake(&"ab".repeat(20), peer_id(0)));
        peer.assert_closed(AT_ONCE, "another info-hash");
    });
    assert_downloads_beside(addr);
    attack.join().expect("the peer was closed");
}

/// A download dials a hostile seed that does `attack` after the handshake, and an honest one.
fn leecher_survives(attack: impl FnOnce(&mut RawPeer) + Send + 'static) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let attack = thread::spawn(move || {
        let mut peer = RawPeer::accept(&listener);
        let greeting = peer.read_exact(68);
        peer.send(&[&[19][..], b"BitTorrent protocol", &[0; 8], &greeting[28..48], &peer_id(0)].concat());
        attack(&mut peer);
    });
    assert_downloads_beside(addr);
    attack.join().expect("the peer was closed");
}

/// Convoy downloads from an honest seed with this hostile one beside it.
fn assert_downloads_beside(hostile: SocketAddr) {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 4 * MIB, 64 * KIB);
    let honest = Libtorrent::slow_seed(&payload.torrent, &payload.dir, 4 * MIB);
    let out = scratch.dir("out");
    let download = Convoy::download(&scratch, &payload.torrent, &out).peers(&[hostile, honest.addr]);
    let mut download: Process = download.spawn();
    download.wait_for("completed");
    payload.assert_in(&out);
    assert!(download.is_running(), "the download is gone");
}
