//! Clients that others wrote find each other through Convoy's tracker, and through nothing else.

use convoy_tests::{
    Convoy, Payload, Peer, Scratch,
    encryption::Crypto,
    peers::{Aria2, Daemon, Libtorrent},
    trackers::{self, Tracker},
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

/// A torrent and its tracker.
struct Swarm {
    scratch: Scratch,
    tracker: Tracker,
    payload: Payload,
}

impl Swarm {
    /// In which everybody announces over this protocol.
    fn over(protocol: &str) -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), protocol)
    }

    fn at(ip: IpAddr, protocol: &str) -> Self {
        let scratch = Scratch::new();
        let tracker = trackers::convoy(&scratch, ip);
        let url =
            tracker.urls().into_iter().find(|url| url.starts_with(protocol)).expect("a URL of this kind");
        let payload = scratch.payload("file.bin", (2 << 20) + 1, 64 << 10).with_tracker(&url);
        Self { scratch, tracker, payload }
    }

    /// libtorrent seeds, and the tracker knows.
    fn seed(&self) -> Peer {
        let seed = Libtorrent::seed(&self.payload.torrent, &self.payload.dir);
        self.tracker.wait_for(&self.payload.info_hash, |counts| counts.seeders == 1);
        seed
    }

    /// Where a leecher puts what it gets.
    fn out(&self) -> PathBuf {
        self.scratch.dir("out")
    }

    /// A leecher has all.
    fn assert_completed(&self) {
        self.payload.assert_in(&self.out());
    }

    /// A leecher has all, and has told the tracker so. aria2 only says that it stops, rTorrent takes its time.
    fn assert_counted(&self) {
        self.assert_completed();
        self.tracker.wait_for(&self.payload.info_hash, |counts| counts.completed == 1);
    }

    fn daemon(&self, daemon: Daemon) -> Peer {
        daemon.download_crypto(&self.scratch, &self.payload.torrent, &self.out(), None, Crypto::Enabled)
    }
}

fn libtorrent_completes(protocol: &str) {
    let swarm = Swarm::over(protocol);
    let _seed = swarm.seed();
    let mut leecher = Libtorrent::download(&swarm.payload.torrent, &swarm.out(), &[]);
    leecher.process.wait_for("completed");
    swarm.assert_counted();
}

fn aria2_completes(protocol: &str) {
    let swarm = Swarm::over(protocol);
    let _seed = swarm.seed();
    Aria2::download(&swarm.payload.torrent, &swarm.out()).process.wait_success();
    swarm.assert_completed();
}

fn qbittorrent_completes(protocol: &str) {
    let swarm = Swarm::over(protocol);
    let _seed = swarm.seed();
    swarm.daemon(Daemon::Qbittorrent).process.wait_for("completed");
    swarm.assert_counted();
}

/// A client that does not dial loopback: it is there first, and the seed learns of it.
fn shy_daemon_completes(daemon: Daemon, protocol: &str) {
    let swarm = Swarm::over(protocol);
    let mut leecher = swarm.daemon(daemon);
    swarm.tracker.wait_for(&swarm.payload.info_hash, |counts| counts.leechers == 1);
    let _seed = swarm.seed();
    leecher.process.wait_for("completed");
    swarm.assert_completed();
}

#[test]
fn libtorrent_finds_a_seed_over_udp() {
    libtorrent_completes("udp:");
}

#[test]
fn libtorrent_finds_a_seed_over_http() {
    libtorrent_completes("http:");
}

#[test]
fn libtorrent_finds_a_seed_over_ipv6() {
    for protocol in ["udp:", "http:"] {
        let swarm = Swarm::at(Ipv6Addr::LOCALHOST.into(), protocol);
        let (torrent, dir) = (&swarm.payload.torrent, &swarm.payload.dir);
        let _seed = Libtorrent::seed_v6(torrent, dir);
        swarm.tracker.wait_for(&swarm.payload.info_hash, |counts| counts.seeders == 1);
        Libtorrent::download_v6(torrent, &swarm.out()).process.wait_for("completed");
        swarm.assert_counted();
    }
}

#[test]
fn libtorrent_finds_a_seed_that_is_convoy() {
    for protocol in ["udp:", "http:"] {
        let swarm = Swarm::over(protocol);
        let home = Scratch::new();
        let _seed = Convoy::seed(&home, &swarm.payload.torrent, &swarm.payload.dir).serve();
        swarm.tracker.wait_for(&swarm.payload.info_hash, |counts| counts.seeders == 1);
        Libtorrent::download(&swarm.payload.torrent, &swarm.out(), &[]).process.wait_for("completed");
        swarm.assert_counted();
    }
}

#[test]
fn aria2_finds_a_seed_over_udp() {
    aria2_completes("udp:");
}

#[test]
fn aria2_finds_a_seed_over_http() {
    aria2_completes("http:");
}

#[test]
fn qbittorrent_finds_a_seed_over_udp() {
    qbittorrent_completes("udp:");
}

#[test]
fn qbittorrent_finds_a_seed_over_http() {
    qbittorrent_completes("http:");
}

#[test]
fn rtorrent_is_found_by_a_seed_over_udp() {
    shy_daemon_completes(Daemon::Rtorrent, "udp:");
}

#[test]
fn rtorrent_is_found_by_a_seed_over_http() {
    shy_daemon_completes(Daemon::Rtorrent, "http:");
}

#[test]
fn transmission_is_found_by_a_seed_over_udp() {
    shy_daemon_completes(Daemon::Transmission, "udp:");
}

#[test]
fn transmission_is_found_by_a_seed_over_http() {
    shy_daemon_completes(Daemon::Transmission, "http:");
}
