//! Convoy and others fetch metadata of each other (BEP 9), then the data.

use convoy_tests::{
    Convoy, Payload, Peer, Process, Scratch,
    encryption::{Crypto, Policy},
    peers::{Daemon, Libtorrent},
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

const KIB: u64 = 1 << 10;

/// A folder whose info dictionary has three blocks of metadata (16 KiB each), the last of them short.
fn payload(scratch: &Scratch) -> Payload {
    let files = [("first", 20_000_000), ("sub/second", 11_000_001)];
    let payload = scratch.payload_tree("tree", &files, 16 * KIB, false);
    assert!((2 * 16 * KIB..3 * 16 * KIB).contains(&(payload.pieces * 20)), "{} pieces", payload.pieces);
    payload
}

fn link(payload: &Payload) -> String {
    format!("magnet:?xt=urn:btih:{}", payload.info_hash)
}

/// We download what a link names, from a peer that others wrote.
fn fetch(scratch: &Scratch, payload: &Payload, link: &str, peers: &[SocketAddr]) {
    let out = scratch.dir("out");
    let download = Convoy::download(scratch, Path::new(link), &out).peers(peers).arg("--exit-when-done");
    let outcome = download.spawn().wait_success();
    payload.assert_in(&out);
    assert_eq!(outcome.event("fetching")["info_hash"], payload.info_hash.as_str());
    assert_eq!(outcome.event("metadata")["name"], "tree");
    assert_eq!(outcome.event("metadata")["pieces"], payload.pieces);
}

#[test]
fn a_link_is_fetched_from_libtorrent() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    fetch(&scratch, &payload, &format!("{}&x.pe={}", link(&payload), seed.addr), &[]);
}

#[test]
fn an_info_hash_is_fetched_from_libtorrent_through_rc4() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let seed = Libtorrent::seed_crypto(&payload.torrent, &payload.dir, Crypto::Rc4);
    let out = scratch.dir("out");
    Convoy::download(&scratch, Path::new(&payload.info_hash), &out)
        .encryption(Policy::Enabled)
        .peers(&[seed.addr])
        .arg("--exit-when-done")
        .spawn()
        .wait_success();
    payload.assert_in(&out);
}

#[test]
fn a_link_is_fetched_from_transmission() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let seed = Daemon::Transmission.seed_crypto(&scratch, &payload.torrent, &payload.dir, Crypto::Enabled);
    fetch(&scratch, &payload, &link(&payload), &[seed.addr]);
}

#[test]
fn a_link_is_fetched_from_one_that_fetched_it_itself() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let middle = scratch.dir("middle");
    let mut middle =
        Convoy::download(&Scratch::new(), Path::new(&link(&payload)), &middle).peers(&[seed.addr]).serve();
    middle.process.wait_for("completed");
    drop(seed);
    fetch(&scratch, &payload, &link(&payload), &[middle.addr]);
}

#[test]
fn libtorrent_fetches_a_link_from_convoy() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).serve();
    let out = scratch.dir("out");
    let peer = seed.addr.to_string();
    let mut leecher = download("libtorrent", &link(&payload), &out, &["--linger", "--peer", &peer]);
    leecher.process.wait_for("completed");
    payload.assert_in(&out);
}

#[test]
fn transmission_fetches_a_link_from_convoy() {
    let scratch = Scratch::new();
    let payload = payload(&scratch);
    let (out, home) = (scratch.dir("out"), scratch.dir("transmission"));
    let home = home.to_str().expect("a scratch folder in plain letters");
    let mut leecher = download("transmission", &link(&payload), &out, &["--home", home]);
    let seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).peers(&[leecher.addr]).serve();
    leecher.process.wait_for("completed");
    payload.assert_in(&out);
    drop(seed);
}

#[test]
fn a_link_that_nobody_knows_writes_nothing_and_can_be_interrupted() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 100_000, 16 * KIB);
    let other = scratch.payload("other.bin", 100_000, 16 * KIB);
    let seed = Libtorrent::seed(&other.torrent, &other.dir);
    let out = scratch.dir("out");
    let download = Convoy::download(&scratch, Path::new(&link(&payload)), &out).peers(&[seed.addr]);
    let mut download = download.spawn();
    download
        .wait_until("progress", |line| line["event"] == "progress" && line["state"] == "fetching_metadata");
    download.interrupt();
    let outcome = download.wait_exit();
    outcome.assert_code(130);
    assert_eq!(std::fs::read_dir(&out).expect("a folder").count(), 0, "nothing is written");
}

/// A peer that others wrote begins to download what a link names.
fn download(client: &str, link: &str, dir: &Path, flags: &[&str]) -> Peer {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = if client == "libtorrent" { tests.join(".venv/bin/python") } else { "python3".into() };
    let mut command = Command::new(python);
    command.arg(tests.join("peers/magnet_peer.py")).args([client, "download", link]).arg(dir).args(flags);
    let mut process = Process::spawn(client, &mut command);
    let ready = process.wait_for("ready");
    let addr = ready["addr"].as_str().and_then(|addr| addr.parse().ok()).expect("an address");
    Peer { process, addr }
}
