//! The peers of these tests work with each other: if one of these fails, look at the machine first.

use convoy_tests::{
    Scratch,
    peers::{Aria2, Libtorrent},
};

#[test]
fn libtorrent_downloads_from_libtorrent() {
    let scratch = Scratch::new();
    let payload =
        scratch.payload_tree("tree", &[("a", 300_001), ("empty", 0), ("sub/b", 70_000)], 32 << 10, true);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let out = scratch.dir("out");
    Libtorrent::download(&payload.torrent, &out, &[seed.addr]).process.wait_for("completed");
    payload.assert_in(&out);
}

#[test]
fn libtorrent_downloads_from_partial_seeds() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 3_000_000, 64 << 10);
    let even = scratch.part_of(&payload, "even", |piece| piece % 2 == 0);
    let odd = scratch.part_of(&payload, "odd", |piece| piece % 2 == 1);
    let peers = [even, odd].map(|dir| Libtorrent::seed(&payload.torrent, &dir));
    let out = scratch.dir("out");
    Libtorrent::download(&payload.torrent, &out, &[peers[0].addr, peers[1].addr])
        .process
        .wait_for("completed");
    payload.assert_in(&out);
}

#[test]
fn libtorrent_downloads_from_aria2() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 3_000_001, 64 << 10);
    let seed = Aria2::seed(&payload.torrent, &payload.dir);
    let out = scratch.dir("out");
    Libtorrent::download(&payload.torrent, &out, &[seed.addr]).process.wait_for("completed");
    payload.assert_in(&out);
}

#[test]
fn aria2_downloads_from_libtorrent() {
    let scratch = Scratch::new();
    let payload =
        scratch.payload_tree("tree", &[("a", 300_001), ("empty", 0), ("sub/b", 70_000)], 32 << 10, false);
    let out = scratch.dir("out");
    let leecher = Aria2::download(&payload.torrent, &out);
    let seed = Libtorrent::download(&payload.torrent, &payload.dir, &[leecher.addr]);
    leecher.process.wait_success();
    payload.assert_in(&out);
    drop(seed);
}
