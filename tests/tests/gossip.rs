//! Peers are found through other peers (BEP 11), and a choked peer is given a start (BEP 6).

use convoy_tests::{Convoy, Scratch, peers::Libtorrent};

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
