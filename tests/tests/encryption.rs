//! Convoy and clients that others wrote exchange a file under every policy of encryption that makes a
//! difference. Each row of a table is one transfer: who the peer is, what it was told, what Convoy was
//! told, and how the stream between them has to be encrypted. All rows of a table run at once.

use convoy_tests::{
    Convoy, Outcome, Payload, Peer, Scratch,
    encryption::{Crypto, Policy, Streams},
    peers::{Aria2, Daemon, Libtorrent},
    raw::{End, RawPeer, handshake, peer_id},
};
use std::{thread, time::Duration};

const RC4: &str = "rc4";
const PLAINTEXT: &str = "plaintext";
const NONE: &str = "none";

/// What Convoy says of a dial when the peer hung up on it; chance, or whether bytes were still unread, says which.
const HUNG_UP: [&str; 2] = ["closed by the peer", "connection reset"];

/// How soon a refusal comes; far below the time limit of a handshake.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Who is on the other side.
#[derive(Clone, Copy, Debug)]
enum Client {
    Libtorrent,
    Aria2,
    Daemon(Daemon),
}

const TRANSMISSION: Client = Client::Daemon(Daemon::Transmission);
const QBITTORRENT: Client = Client::Daemon(Daemon::Qbittorrent);
const RTORRENT: Client = Client::Daemon(Daemon::Rtorrent);

impl Client {
    fn seed(self, scratch: &Scratch, payload: &Payload, crypto: Crypto) -> Peer {
        let (torrent, dir) = (&payload.torrent, &payload.dir);
        match self {
            Self::Libtorrent => Libtorrent::seed_crypto(torrent, dir, crypto),
            Self::Aria2 => Aria2::seed_crypto(torrent, dir, crypto),
            Self::Daemon(daemon) => daemon.seed_crypto(scratch, torrent, dir, crypto),
        }
    }
}

/// The peer seeds and Convoy dials it: the peer, what it is told, what Convoy is told; how the stream is
/// encrypted, and how often Convoy has to dial again before it is.
type Fetch = (Client, Crypto, Policy, &'static str, usize);

fn assert_fetches(rows: &[Fetch]) {
    thread::scope(|scope| {
        for row in rows {
            scope.spawn(|| assert_fetch(row));
        }
    });
}

fn assert_fetch(row @ &(client, crypto, policy, encryption, fallbacks): &Fetch) {
    let (scratch, payload) = file();
    let seed = client.seed(&scratch, &payload, crypto);
    let out = scratch.dir("by-convoy");
    let download = Convoy::download(&scratch, &payload.torrent, &out).encryption(policy);
    let outcome: Outcome = download.peers(&[seed.addr]).arg("--exit-when-done").spawn().wait_success();
    payload.assert_in(&out);
    let wanted = Streams { encryption: vec![encryption.to_owned()], fallbacks, failures: Vec::new() };
    assert_eq!(Streams::of(&outcome.lines), wanted, "{row:?}");
    let encrypted = u64::from(encryption != NONE);
    assert_eq!(outcome.event("summary")["encrypted_peers"], encrypted, "{row:?}");
}

/// Convoy seeds and the peer dials it: what both are told, and how the stream is encrypted.
type Serve = (Client, Crypto, Policy, &'static str);

fn assert_serves(rows: &[Serve]) {
    thread::scope(|scope| {
        for row in rows {
            scope.spawn(|| assert_serve(row));
        }
    });
}

fn assert_serve(row @ &(client, crypto, policy, encryption): &Serve) {
    let (scratch, payload) = file();
    let mut seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).encryption(policy).serve();
    let out = scratch.dir("by-peer");
    let mut leecher = match client {
        Client::Libtorrent => Libtorrent::download_crypto(&payload.torrent, &out, seed.addr, crypto),
        Client::Daemon(daemon) => {
            daemon.download_crypto(&scratch, &payload.torrent, &out, Some(seed.addr), crypto)
        }
        Client::Aria2 => panic!("aria2 cannot be told of a peer"),
    };
    leecher.process.wait_for("completed");
    payload.assert_in(&out);
    let peer = seed.process.wait_for("peer");
    assert_eq!((&peer["encryption"], &peer["outgoing"]), (&encryption.into(), &false.into()), "{row:?}");
}

/// The peer downloads, but Convoy, which seeds, dials: what both are told, and how the stream is encrypted.
fn assert_brings(row @ &(client, crypto, policy, encryption): &Serve) {
    let (scratch, payload) = file();
    let out = scratch.dir("by-peer");
    let (torrent, ends) = (&payload.torrent, matches!(client, Client::Aria2));
    let mut leecher = match client {
        Client::Aria2 => Aria2::download_crypto(torrent, &out, crypto),
        Client::Daemon(daemon) => daemon.download_crypto(&scratch, torrent, &out, None, crypto),
        Client::Libtorrent => panic!("libtorrent dials by itself"),
    };
    let seed = Convoy::seed(&scratch, torrent, &payload.dir).encryption(policy).peers(&[leecher.addr]);
    let mut seed = seed.serve();
    if ends {
        leecher.process.wait_success();
    } else {
        leecher.process.wait_for("completed");
    }
    payload.assert_in(&out);
    let peer = seed.process.wait_for("peer");
    assert_eq!((&peer["encryption"], &peer["outgoing"]), (&encryption.into(), &true.into()), "{row:?}");
}

/// The peer seeds and Convoy dials it: the peer hangs up, Convoy does not fall back, and nobody connects.
fn assert_unreached(row @ &(client, crypto, policy): &(Client, Crypto, Policy)) {
    let (scratch, payload) = file();
    let seed = client.seed(&scratch, &payload, crypto);
    let out = scratch.dir("by-convoy");
    let download = Convoy::download(&scratch, &payload.torrent, &out).encryption(policy);
    let mut download = download.peers(&[seed.addr]).spawn();
    // A second dial does not know better than the first.
    for _ in 0..2 {
        let failed = download.wait_for("dial_failed");
        assert_eq!(failed["addr"], seed.addr.to_string(), "{row:?}");
    }
    let streams = Streams::seen(&download);
    assert_eq!((streams.encryption, streams.fallbacks), (Vec::new(), 0), "{row:?}");
    for why in streams.failures {
        assert!(HUNG_UP.contains(&why.as_str()), "{row:?}: {why}");
    }
}

/// A little more than a mebibyte, in pieces of four blocks.
fn file() -> (Scratch, Payload) {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", (1 << 20) + 4321, 64 << 10);
    (scratch, payload)
}

#[test]
fn libtorrent_that_forces_rc4_goes_both_ways() {
    assert_fetches(&[
        (Client::Libtorrent, Crypto::Rc4, Policy::Enabled, RC4, 0),
        (Client::Libtorrent, Crypto::Rc4, Policy::Required, RC4, 0),
        (Client::Libtorrent, Crypto::Rc4, Policy::RequiredRc4, RC4, 0),
    ]);
    assert_serves(&[
        (Client::Libtorrent, Crypto::Rc4, Policy::Enabled, RC4),
        (Client::Libtorrent, Crypto::Rc4, Policy::RequiredRc4, RC4),
    ]);
}

/// Who is dialled chooses: libtorrent plaintext behind the handshake, Convoy RC4.
#[test]
fn libtorrent_as_it_comes_goes_both_ways() {
    assert_fetches(&[
        (Client::Libtorrent, Crypto::Enabled, Policy::Disabled, NONE, 0),
        (Client::Libtorrent, Crypto::Enabled, Policy::Enabled, PLAINTEXT, 0),
        (Client::Libtorrent, Crypto::Enabled, Policy::RequiredRc4, RC4, 0),
    ]);
    assert_serves(&[
        (Client::Libtorrent, Crypto::Enabled, Policy::Disabled, NONE),
        (Client::Libtorrent, Crypto::Enabled, Policy::Enabled, RC4),
        (Client::Libtorrent, Crypto::Enabled, Policy::RequiredRc4, RC4),
    ]);
}

#[test]
fn libtorrent_that_encrypts_handshakes_alone_goes_both_ways() {
    assert_fetches(&[
        (Client::Libtorrent, Crypto::Plaintext, Policy::Enabled, PLAINTEXT, 0),
        (Client::Libtorrent, Crypto::Plaintext, Policy::Required, PLAINTEXT, 0),
    ]);
    assert_serves(&[
        (Client::Libtorrent, Crypto::Plaintext, Policy::Enabled, PLAINTEXT),
        (Client::Libtorrent, Crypto::Plaintext, Policy::Required, PLAINTEXT),
    ]);
}

#[test]
fn a_peer_without_encryption_is_reached_by_one_fallback() {
    assert_fetches(&[
        (Client::Libtorrent, Crypto::Disabled, Policy::Enabled, NONE, 1),
        (Client::Libtorrent, Crypto::Disabled, Policy::Disabled, NONE, 0),
    ]);
    assert_serves(&[
        (Client::Libtorrent, Crypto::Disabled, Policy::Enabled, NONE),
        (Client::Libtorrent, Crypto::Disabled, Policy::Disabled, NONE),
    ]);
}

#[test]
fn a_peer_without_encryption_is_not_reached_under_required() {
    assert_unreached(&(Client::Libtorrent, Crypto::Disabled, Policy::Required));
    assert_unreached(&(Client::Libtorrent, Crypto::Disabled, Policy::RequiredRc4));
}

#[test]
fn a_peer_that_encrypts_handshakes_alone_is_not_reached_where_rc4_is_required() {
    assert_unreached(&(Client::Libtorrent, Crypto::Plaintext, Policy::RequiredRc4));
}

#[test]
fn a_peer_that_requires_encryption_is_not_reached_without() {
    assert_unreached(&(Client::Libtorrent, Crypto::Rc4, Policy::Disabled));
}

#[test]
fn a_plain_peer_that_dials_is_closed_without_an_answer_under_required() {
    let (scratch, payload) = file();
    let seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).encryption(Policy::Required).serve();
    let mut peer = RawPeer::connect(seed.addr);
    // Twenty bytes are enough to know.
    peer.send(&handshake(&payload.info_hash, peer_id(0))[..20]);
    assert_eq!(peer.end(AT_ONCE), (End::Closed, 0));
}

#[test]
fn aria2_that_forces_rc4_goes_both_ways() {
    assert_fetches(&[
        (Client::Aria2, Crypto::Rc4, Policy::Enabled, RC4, 0),
        (Client::Aria2, Crypto::Rc4, Policy::RequiredRc4, RC4, 0),
    ]);
    assert_brings(&(Client::Aria2, Crypto::Rc4, Policy::Enabled, RC4));
}

/// aria2 is always dialled here, and chooses plaintext behind the handshake where it may.
#[test]
fn aria2_as_it_comes_goes_both_ways() {
    assert_fetches(&[
        (Client::Aria2, Crypto::Enabled, Policy::Disabled, NONE, 0),
        (Client::Aria2, Crypto::Enabled, Policy::Enabled, PLAINTEXT, 0),
        (Client::Aria2, Crypto::Enabled, Policy::RequiredRc4, RC4, 0),
    ]);
    assert_brings(&(Client::Aria2, Crypto::Enabled, Policy::Enabled, PLAINTEXT));
}

#[test]
fn transmission_that_requires_encryption_goes_both_ways() {
    assert_fetches(&[(TRANSMISSION, Crypto::Rc4, Policy::Enabled, RC4, 0)]);
    assert_brings(&(TRANSMISSION, Crypto::Rc4, Policy::RequiredRc4, RC4));
}

/// Transmission 3.00 chooses plaintext and hangs up when the handshake of BitTorrent came with the offer:
/// the second dial offers what does not bring that about.
#[test]
fn transmission_that_tolerates_encryption_is_reached_by_one_fallback() {
    assert_fetches(&[
        (TRANSMISSION, Crypto::Enabled, Policy::Disabled, NONE, 0),
        (TRANSMISSION, Crypto::Enabled, Policy::Enabled, NONE, 1),
        (TRANSMISSION, Crypto::Enabled, Policy::Required, RC4, 1),
        (TRANSMISSION, Crypto::Enabled, Policy::RequiredRc4, RC4, 0),
    ]);
}

#[test]
fn qbittorrent_that_requires_encryption_goes_both_ways() {
    assert_fetches(&[(QBITTORRENT, Crypto::Rc4, Policy::Enabled, RC4, 0)]);
    assert_serves(&[(QBITTORRENT, Crypto::Rc4, Policy::Enabled, RC4)]);
}

#[test]
fn rtorrent_that_requires_rc4_goes_both_ways() {
    assert_fetches(&[(RTORRENT, Crypto::Rc4, Policy::Enabled, RC4, 0)]);
    assert_brings(&(RTORRENT, Crypto::Rc4, Policy::RequiredRc4, RC4));
}
