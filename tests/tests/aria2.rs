//! Convoy and aria2 exchange files. aria2 cannot be told of a peer, so Convoy always dials.

use convoy_tests::{Convoy, Payload, Scratch, peers::Aria2};

fn exchange_both_ways(scratch: &Scratch, payload: &Payload) {
    let seed = Aria2::seed(&payload.torrent, &payload.dir);
    Convoy::fetch(scratch, payload, "by-convoy", &[seed.addr]);

    let out = scratch.dir("by-aria2");
    let leecher = Aria2::download(&payload.torrent, &out);
    let seed = Convoy::seed(scratch, &payload.torrent, &payload.dir).peers(&[leecher.addr]).serve();
    leecher.process.wait_success();
    payload.assert_in(&out);
    drop(seed);
}

#[test]
fn a_file_goes_both_ways() {
    let scratch = Scratch::new();
    exchange_both_ways(&scratch, &scratch.payload("file.bin", (24 << 20) + 1, 256 << 10));
}

#[test]
fn a_folder_goes_both_ways() {
    let scratch = Scratch::new();
    let files = [("a first file", 300_001), ("empty", 0), ("sub/b", 70_000), ("sub/c", 1)];
    exchange_both_ways(&scratch, &scratch.payload_tree("tree", &files, 32 << 10, false));
}

#[test]
fn a_single_byte_goes_both_ways() {
    let scratch = Scratch::new();
    exchange_both_ways(&scratch, &scratch.payload("byte.bin", 1, 16 << 10));
}
