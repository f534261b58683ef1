//! Convoy and libtorrent exchange files, in both directions and in mixed swarms.

use convoy_tests::{
    Convoy, Payload, Scratch,
    encryption::{Crypto, Policy},
    peers::Libtorrent,
};
use serde_json::Value;
use std::net::SocketAddr;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// libtorrent seeds and Convoy downloads; then the other way round.
fn exchange_both_ways(scratch: &Scratch, payload: &Payload) {
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    Convoy::fetch(scratch, payload, "by-convoy", &[seed.addr]);

    let seed = Convoy::seed(scratch, &payload.torrent, &payload.dir).serve();
    let out = scratch.dir("by-libtorrent");
    Libtorrent::download(&payload.torrent, &out, &[seed.addr]).process.wait_for("completed");
    payload.assert_in(&out);
}

#[test]
fn a_file_goes_both_ways() {
    let scratch = Scratch::new();
    exchange_both_ways(&scratch, &scratch.payload("file.bin", 24 * MIB, 256 * KIB));
}

#[test]
fn a_single_byte_goes_both_ways() {
    let scratch = Scratch::new();
    exchange_both_ways(&scratch, &scratch.payload("byte.bin", 1, 16 * KIB));
}

#[test]
fn a_last_piece_of_one_byte_goes_both_ways() {
    let scratch = Scratch::new();
    exchange_both_ways(&scratch, &scratch.payload("odd.bin", 7 * 64 * KIB + 1, 64 * KIB));
}

#[test]
fn pieces_of_one_block_go_both_ways() {
    let scratch = Scratch::new();
    exchange_both_ways(&scratch, &scratch.payload("small.bin", 5 * MIB - 1, 16 * KIB));
}

#[test]
fn pieces_of_4_mib_go_both_ways() {
    let scratch = Scratch::new();
    exchange_both_ways(&scratch, &scratch.payload("large.bin", 21 * MIB + 12_345, 4 * MIB));
}

#[test]
fn a_peer_of_a_hybrids_v2_swarm_is_served_in_the_clear_and_encrypted() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", MIB + 1, 64 * KIB);
    let hybrid = scratch.path("hybrid.torrent");
    Libtorrent::make_hybrid(&payload.data(), &hybrid);
    let seed = Convoy::seed(&scratch, &hybrid, &payload.dir).encryption(Policy::Enabled);
    let mut seed = seed.serve();
    for (crypto, encryption) in [(Crypto::Disabled, "none"), (Crypto::Rc4, "rc4")] {
        let out = scratch.dir(encryption);
        Libtorrent::download_v2(&hybrid, &out, seed.addr, crypto).process.wait_for("completed");
        payload.assert_in(&out);
        assert_eq!(seed.process.wait_for("peer")["encryption"], encryption);
    }
}

const TREE: [(&str, u64); 7] = [
    ("a first file", 300_001),
    ("empty", 0),
    ("sub/deep/er/one byte", 1),
    ("sub/ein Dokument ü.txt", 70_000),
    ("sub/empty too", 0),
    ("tail", 3 * MIB + 7),
    ("zero/last empty", 0),
];

#[test]
fn a_folder_with_empty_files_goes_both_ways() {
    let scratch = Scratch::new();
    exchange_both_ways(&scratch, &scratch.payload_tree("tree", &TREE, 32 * KIB, false));
}

#[test]
fn a_folder_with_padding_goes_both_ways() {
    let scratch = Scratch::new();
    exchange_both_ways(&scratch, &scratch.payload_tree("tree", &TREE, 32 * KIB, true));
}

#[test]
fn two_partial_seeds_make_a_whole() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 8 * MIB + 1, 128 * KIB);
    let even = scratch.part_of(&payload, "even", |piece| piece % 2 == 0);
    let odd = scratch.part_of(&payload, "odd", |piece| piece % 2 == 1);

    let even = Libtorrent::seed(&payload.torrent, &even);
    let home = Scratch::new();
    // `seed` wants all of it; a download that knows nobody serves what it has.
    let odd = Convoy::download(&home, &payload.torrent, &odd).serve();

    Convoy::fetch(&scratch, &payload, "by-convoy", &[even.addr, odd.addr]);
    let out = scratch.dir("by-libtorrent");
    Libtorrent::download(&payload.torrent, &out, &[even.addr, odd.addr]).process.wait_for("completed");
    payload.assert_in(&out);
}

/// Five leechers of both kinds, each of which starts with a fifth of the pieces, and no seed at all.
#[test]
fn five_peers_of_both_kinds_complete_each_other() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 10 * MIB + 3, 64 * KIB);
    let dirs: Vec<_> =
        (0..5).map(|n| scratch.part_of(&payload, &format!("peer-{n}"), |piece| piece % 5 == n)).collect();
    let homes: Vec<_> = dirs.iter().map(|_| Scratch::new()).collect();

    let mut peers = Vec::new();
    let mut known: Vec<SocketAddr> = Vec::new();
    for (number, (dir, home)) in dirs.iter().zip(&homes).enumerate() {
        let peer = if number % 2 == 0 {
            Convoy::download(home, &payload.torrent, dir).peers(&known).serve()
        } else {
            Libtorrent::download(&payload.torrent, dir, &known)
        };
        known.push(peer.addr);
        peers.push(peer);
    }
    for (peer, dir) in peers.iter_mut().zip(&dirs) {
        peer.process.wait_for("completed");
        payload.assert_in(dir);
    }
}

#[test]
fn a_seed_serves_five_leechers_at_once() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 8 * MIB, 256 * KIB);
    let seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).serve();
    let dirs: Vec<_> = (0..5).map(|n| scratch.dir(&format!("out-{n}"))).collect();
    let homes: Vec<_> = dirs.iter().map(|_| Scratch::new()).collect();

    let leechers = dirs.iter().zip(&homes).enumerate().map(|(number, (dir, home))| {
        if number % 2 == 0 {
            Convoy::download(home, &payload.torrent, dir).peers(&[seed.addr]).serve()
        } else {
            Libtorrent::download(&payload.torrent, dir, &[seed.addr])
        }
    });
    for (mut leecher, dir) in leechers.collect::<Vec<_>>().into_iter().zip(&dirs) {
        leecher.process.wait_for("completed");
        payload.assert_in(dir);
    }
}

#[test]
fn libtorrent_reads_what_convoy_creates() {
    let scratch = Scratch::new();
    // Only to have a tree on disk.
    let payload = scratch.payload_tree("tree", &TREE, 32 * KIB, false);
    let torrent = scratch.path("by-convoy.torrent");
    Convoy::new(&scratch, "create")
        .arg(payload.data())
        .arg("-o")
        .arg(&torrent)
        .args(&["--piece-length", "64KiB"])
        .spawn()
        .wait_success();

    let theirs = Libtorrent::info(&torrent);
    let ours = info(&scratch, &torrent);
    assert_eq!(ours["info_hash"], theirs["info_hash"]);
    assert_eq!(theirs["piece_length"], 64 * KIB);
    assert_eq!(theirs["name"], "tree");
    assert_eq!(theirs["total"], TREE.iter().map(|(_, size)| size).sum::<u64>());

    let seed = Libtorrent::seed(&torrent, &payload.dir);
    Convoy::fetch(&scratch, &Payload { torrent, ..payload }, "out", &[seed.addr]);
}

#[test]
fn convoy_reads_what_libtorrent_makes() {
    let scratch = Scratch::new();
    for (name, pad) in [("plain", false), ("padded", true)] {
        let payload = scratch.payload_tree(name, &TREE, 32 * KIB, pad);
        let (ours, theirs) = (info(&scratch, &payload.torrent), Libtorrent::info(&payload.torrent));
        for field in ["info_hash", "name", "piece_length", "pieces"] {
            assert_eq!(ours[field], theirs[field], "{field} of {name}");
        }
    }
}

fn info(scratch: &Scratch, torrent: &std::path::Path) -> Value {
    Convoy::new(scratch, "info").arg(torrent).spawn().wait_success().event("torrent").clone()
}
