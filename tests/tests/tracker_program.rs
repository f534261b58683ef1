//! `convoy tracker` as people run it: what it says, what it reads, and how it ends.

use convoy_core::{
    Random,
    id::{InfoHash, PeerId},
    tracker::{
        AnnounceRequest, Counts, Event,
        udp::{Asked, ConnectionId, Request, Response, TransactionId},
    },
};
use convoy_tests::{Convoy, Process, Scratch};
use serde_json::Value;
use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    process::Command,
    time::{Duration, Instant},
};

const HASH: InfoHash = InfoHash([1; 20]);
const EVERYBODY: &str = "default = \"public\"\n";

/// A rule that keeps [`HASH`] from everybody.
fn members_only() -> String {
    let (info_hash, community) = ("01".repeat(20), "ab".repeat(32));
    format!(
        "[[swarm]]\ninfo_hash = \"{info_hash}\"\nvisibility = \"community\"\ncommunity = \"{community}\"\n"
    )
}

#[test]
fn ctrl_c_ends_it_with_130_within_3_seconds_and_the_next_run_knows_its_peers() {
    let scratch = Scratch::new();
    let state = scratch.path("swarms");
    let mut tracker = tracker(&scratch).arg("--state").arg(&state).spawn();
    let addr = address(&mut tracker);
    assert_eq!(
        announce(addr),
        Counts { seeders: Some(1), leechers: Some(0), completed: Some(0), downloaders: None }
    );

    let pressed = Instant::now();
    tracker.interrupt();
    tracker.wait_exit().assert_code(130);
    assert!(pressed.elapsed() < Duration::from_secs(3), "{:?}", pressed.elapsed());

    let mut again = self::tracker(&scratch).arg("--state").arg(&state).spawn();
    let read = again.wait_for("state_read");
    assert_eq!((&read["swarms"], &read["peers"]), (&Value::from(1), &Value::from(1)));
    let addr = address(&mut again);
    assert_eq!(scrape(addr).seeders, Some(1));
}

#[test]
fn a_state_that_is_none_is_set_aside_and_told_of() {
    let scratch = Scratch::new();
    let state = scratch.path("swarms");
    fs::write(&state, "Dear Sir or Madam").expect("room");
    let mut tracker = tracker(&scratch).arg("--state").arg(&state).spawn();
    let error = tracker.wait_for("error");
    assert!(error["file"].as_str().is_some_and(|file| file.ends_with("swarms.bad")), "{error}");
    assert_eq!(fs::read(scratch.path("swarms.bad")).expect("set aside"), b"Dear Sir or Madam");
    assert_eq!(scrape(address(&mut tracker)).seeders, Some(0));
}

#[test]
fn sighup_reads_the_rules_again_and_broken_ones_change_nothing() {
    let scratch = Scratch::new();
    let rules = scratch.path("rules.toml");
    fs::write(&rules, EVERYBODY).expect("room");
    let mut tracker = tracker(&scratch).arg("--rules").arg(&rules).spawn();
    assert_eq!(tracker.wait_for("access_read")["again"], false);
    let addr = address(&mut tracker);
    announce(addr);

    fs::write(&rules, members_only()).expect("room");
    hang_up(&tracker);
    assert_eq!(tracker.wait_for("access_read")["swarms"], 1);
    // It is said before the rules hold: what counts is that they do.
    wait_until_seeders(addr, 0);

    fs::write(&rules, "[[swarm]]\ninfo_hash = \"01\"\n").expect("room");
    hang_up(&tracker);
    let error = tracker.wait_for("error");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("rules.toml") && message.contains("line 2"), "{message}");
    assert_eq!(scrape(addr).seeders, Some(0), "the rules before go on to hold");

    fs::write(&rules, EVERYBODY).expect("room");
    hang_up(&tracker);
    tracker.wait_for("access_read");
    wait_until_seeders(addr, 1);
}

#[test]
fn files_that_make_no_sense_are_named_with_the_line() {
    let scratch = Scratch::new();
    let key = "ab".repeat(32);
    for (flag, text, wanted) in [
        ("--rules", "default = \"publik\"", "line 1"),
        ("--rules", "\n\ndefualt = \"public\"", "line 3"),
        (
            "--rules",
            &format!("[[swarm]]\ninfo_hash = \"{}\"\nvisibility = \"community\"", "01".repeat(20)),
            "community",
        ),
        ("--members", &format!("[[community]]\nid = \"{key}\"\nmembers = [\"{key}0\"]"), "line 3"),
        ("--members", "[[community]]\nmembers = []", "id"),
    ] {
        let file = scratch.path("broken.toml");
        fs::write(&file, text).expect("room");
        let outcome = tracker(&scratch).arg(flag).arg(&file).run();
        outcome.assert_code(2);
        outcome.assert_said("broken.toml");
        outcome.assert_said(wanted);
    }
    tracker(&scratch)
        .arg("--rules")
        .arg(scratch.path("nowhere.toml"))
        .run()
        .assert_fails_naming("nowhere.toml");
}

#[test]
fn an_address_that_is_taken_is_told_with_what_to_do() {
    let scratch = Scratch::new();
    let mut first = tracker(&scratch).spawn();
    let addr = address(&mut first).to_string();
    let second = Convoy::new(&scratch, "tracker").args(&["--udp", &addr, "--workers", "2"]).run();
    second.assert_code(1);
    second.assert_said(&addr);
    second.assert_said("give another address with --udp");
}

#[test]
fn each_service_says_where_it_listens() {
    let scratch = Scratch::new();
    let all = tracker(&scratch).args(&["--http", "[::1]:0", "--metrics", "127.0.0.1:0"]);
    let mut tracker = all.spawn();
    for service in ["udp", "http", "metrics"] {
        let line = tracker.wait_for("listening");
        assert_eq!(line["service"], service);
        let addr: SocketAddr = line["addr"].as_str().and_then(|addr| addr.parse().ok()).expect("an address");
        assert!(addr.port() > 0 && addr.is_ipv6() == (service == "http"), "{addr}");
    }
}

#[test]
fn a_hundred_thousand_random_packets_leave_it_alive_and_no_bigger() {
    let scratch = Scratch::new();
    let mut tracker = tracker(&scratch).arg("--unlimited").spawn();
    let addr = address(&mut tracker);
    flood(addr, 10_000);
    let before = tracker.peak_memory();
    flood(addr, 100_000);
    let grown = tracker.peak_memory() - before;
    assert!(grown < 4 << 20, "grown by {grown} bytes");
    assert_eq!(scrape(addr).seeders, Some(0), "alive");
}

/// Sends garbage, much of it behind a good connection id and the number of an action.
fn flood(tracker: SocketAddr, packets: u32) {
    let (socket, ConnectionId(connection)) = connect(tracker);
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
    let mut random = Random::new([1; 32]);
    let (mut packet, mut reply) = ([0; 600], [0; 2048]);
    for number in 0..packets {
        random.fill_public(&mut packet);
        if number % 4 > 0 {
            packet[..8].copy_from_slice(&connection.to_be_bytes());
        }
        if number % 4 > 1 {
            packet[8..12].copy_from_slice(&random.below(5).to_be_bytes());
        }
        let length = random.below(600) as usize;
        socket.send(&packet[..length]).expect("sent");
        if number % 32 == 0 {
            // An answer to this one says that nothing before it was lost.
            let mut question = Vec::new();
            Request::Connect { transaction: TransactionId(number) }.encode(&mut question);
            socket.send(&question).expect("sent");
            while socket
                .recv(&mut reply)
                .is_ok_and(|length| Response::transaction(&reply[..length]) != Some(TransactionId(number)))
            {
            }
        }
    }
}

/// `convoy tracker`, on any UDP port of loopback.
fn tracker(scratch: &Scratch) -> Convoy {
    Convoy::new(scratch, "tracker").args(&["--udp", "127.0.0.1:0", "--workers", "2"])
}

/// Where it answers over UDP.
fn address(tracker: &mut Process) -> SocketAddr {
    let line = tracker.wait_until("UDP", |line| line["event"] == "listening" && line["service"] == "udp");
    line["addr"].as_str().and_then(|addr| addr.parse().ok()).expect("an address")
}

fn hang_up(tracker: &Process) {
    let sent = Command::new("kill").args(["-HUP", &tracker.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "cannot send SIGHUP");
}

fn wait_until_seeders(tracker: SocketAddr, wanted: u32) {
    let found = convoy_tests::process::poll(Duration::from_secs(20), || {
        (scrape(tracker).seeders == Some(wanted)).then_some(())
    });
    assert!(found.is_some(), "never {wanted} seeders");
}

/// Joins the swarm as a seeder; how many are in it then.
fn announce(tracker: SocketAddr) -> Counts {
    let announce = AnnounceRequest {
        info_hash: HASH,
        peer_id: PeerId([b'p'; 20]),
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: 0,
        event: Event::Started,
        key: 0,
        num_want: None,
    };
    let answer = ask(tracker, |connection| Request::Announce {
        connection,
        transaction: TransactionId(2),
        announce,
        options: &[],
    });
    assert!(matches!(answer, Response::Announce { .. }), "{answer:?}");
    scrape(tracker)
}

fn scrape(tracker: SocketAddr) -> Counts {
    let info_hashes = [HASH.0];
    let transaction = TransactionId(2);
    match ask(tracker, |connection| Request::Scrape { connection, transaction, info_hashes: &info_hashes }) {
        Response::Scrape(counts) => counts[0],
        other => panic!("{other:?}"),
    }
}

/// Asks for a connection id, and then what it is for.
fn ask<'a>(tracker: SocketAddr, question: impl FnOnce(ConnectionId) -> Request<'a>) -> Response {
    let (socket, connection) = connect(tracker);
    exchange(&socket, &question(connection))
}

fn connect(tracker: SocketAddr) -> (UdpSocket, ConnectionId) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    socket.connect(tracker).expect("loopback");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    match exchange(&socket, &Request::Connect { transaction: TransactionId(1) }) {
        Response::Connect(connection) => (socket, connection),
        other => panic!("{other:?}"),
    }
}

fn exchange(socket: &UdpSocket, request: &Request<'_>) -> Response {
    let (mut packet, mut reply) = (Vec::new(), [0; 2048]);
    request.encode(&mut packet);
    socket.send(&packet).expect("sent");
    let length = socket.recv(&mut reply).expect("an answer");
    Response::decode(&reply[..length], Asked { ipv6: false, ic: false }).expect("an answer").1
}
