//! Peers are found through other peers (BEP 11), and a choked peer is given a start (BEP 6).

use convoy_tests::{
    Convoy, Scratch,
    peers::Libtorrent,
    raw::{End, RawPeer, message, peer_id},
};
use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

#[test]
fn libtorrent_learns_of_a_peer_only_through_convoy() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 8 * MIB, 64 * KIB);
    let middle = Convoy::seed(&scratch, &payload.torrent, &payload.dir).gossiping();
    let middle = middle.args(&["--upload-limit", "200k"]).serve();
    // The first does not gossip itself: it would dial the second, who then had not found it.
    let first = Libtorrent::download(&payload.torrent, &scratch.dir("first"), &[middle.addr]);
    let mut second = Libtorrent::gossiping_download(&payload.torrent, &scratch.dir("second"), middle.addr);
    assert_eq!(second.process.wait_for("found")["addr"], first.addr.to_string());
}

#[test]
fn convoy_learns_of_a_peer_only_through_libtorrent() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 8 * MIB, 64 * KIB);
    // Thin, so that the middle is not done when it is asked, and the seed not left.
    let seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).args(&["--upload-limit", "200k"]);
    let seed = seed.serve();
    let middle = Libtorrent::gossiping_download(&payload.torrent, &scratch.dir("middle"), seed.addr);
    let download = Convoy::download(&scratch, &payload.torrent, &scratch.dir("by-convoy")).gossiping();
    let mut download = download.peers(&[middle.addr]).spawn();
    let seed = seed.addr.to_string();
    download.wait_until("the seed", |line| line["event"] == "peer" && line["addr"] == seed.as_str());
}

#[test]
fn a_choking_libtorrent_gives_the_pieces_that_it_allows() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 4 * MIB, 64 * KIB);
    let seed = Libtorrent::choking_seed(&payload.torrent, &payload.dir);
    let download = Convoy::download(&scratch, &payload.torrent, &scratch.dir("by-convoy"));
    let mut download = download.peers(&[seed.addr]).spawn();
    // libtorrent allows five pieces to whoever has less.
    for _ in 0..5 {
        download.wait_for("piece");
    }
}

#[test]
fn a_choked_libtorrent_takes_what_convoy_allows() {
    let scratch = Scratch::new();
    // A torrent of ten pieces is allowed whole.
    let payload = scratch.payload("file.bin", 160 * KIB, 16 * KIB);
    let mut seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).serve();
    let info_hash = Libtorrent::info(&payload.torrent)["info_hash"].as_str().expect("hex").to_owned();
    // They take every slot that there is, and ask for nothing.
    let mut idle = [0, 1, 2, 3, 4].map(|number| {
        let mut peer = RawPeer::connect(seed.addr);
        peer.shake_hands(&info_hash, peer_id(number));
        peer.send(&message(2, &[]));
        peer.wait_message(1);
        peer
    });
    let _choked = Libtorrent::download(&payload.torrent, &scratch.dir("theirs"), &[seed.addr]);
    seed.process.wait_until("a piece", |line| line["uploaded"].as_u64() >= Some(16 * KIB));
    for peer in &mut idle {
        assert_eq!(peer.end(Duration::from_millis(1)), (End::Open, 0), "no slot came free for libtorrent");
    }
}
