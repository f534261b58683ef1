//! The tracker over real sockets on loopback.

use convoy_core::{
    id::{InfoHash, PeerId},
    tracker::{
        AnnounceRequest, Counts, Event,
        access::{Access, Rule, Visibility},
        http,
        udp::{Asked, ConnectionId, Request, Response, TransactionId},
    },
};
use convoy_tokio::tracker::{Config, Found, Service, StartError, Tracker};
use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

const HASH: InfoHash = InfoHash([7; 20]);

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn both_families_are_answered_at_one_address() {
    let tracker = start(Config { udp: Some((Ipv6Addr::UNSPECIFIED, 0).into()), ..Config::default() });
    let port = tracker.udp().expect("UDP").port();
    let hosts: [SocketAddr; 2] = [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()];
    for (before, host) in [(0, hosts[0]), (1, hosts[1])] {
        let seed = Client::connect(host).announce(HASH, 1, 0);
        assert_eq!(seed, (counts(before, before), vec![]), "{host}: nobody there of this family");
        let leecher = Client::connect(host).announce(HASH, 2, 100);
        assert_eq!(leecher, (counts(before + 1, before), vec![SocketAddr::new(host.ip(), 1)]), "{host}");
    }
    assert_eq!(Client::connect(hosts[0]).scrape(HASH), counts(2, 2));
}

#[test]
fn workers_share_what_they_know() {
    const CLIENTS: u16 = 64;
    let tracker = start(Config { udp: loopback(), workers: 4, ..Config::default() });
    let addr = tracker.udp().expect("UDP");
    for port in 1..=CLIENTS {
        let (found, peers) = Client::connect(addr).announce(HASH, port, 1);
        assert_eq!(found, counts(0, u32::from(port - 1)), "all others");
        assert_eq!(peers.len(), usize::from(port - 1).min(50));
    }
}

#[test]
fn a_connection_id_is_good_at_every_worker_and_a_wrong_one_nowhere() {
    let tracker = start(Config { udp: loopback(), workers: 4, ..Config::default() });
    let mut client = Client::connect(tracker.udp().expect("UDP"));
    // Other ports: the system gives them to other workers.
    for _ in 0..16 {
        let addr = client.socket.peer_addr().expect("connected");
        client.socket = socket(addr);
        assert_eq!(client.scrape(HASH), counts(0, 0));
    }
    let forged = ConnectionId(!client.connection.0);
    client.socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a time-out");
    let asked = Request::Scrape { connection: forged, transaction: TransactionId(1), info_hashes: &[HASH.0] };
    assert!(client.ask(&asked).is_none(), "silence");
}

#[test]
fn http_answers_one_request_after_another_over_a_connection() {
    let tracker = start(Config { udp: loopback(), http: loopback(), ..Config::default() });
    let (udp, http) = (tracker.udp().expect("UDP"), tracker.http().expect("HTTP"));
    Client::connect(udp).announce(HASH, 1, 0);
    let mut stream = TcpStream::connect(http).expect("a listener");
    let query = format!("/announce?info_hash={}&peer_id={}&port=2&left=5", "%07".repeat(20), "a".repeat(20));
    for _ in 0..2 {
        let (status, body) = get(&mut stream, &query);
        let answer = http::read_announce(status, &body).expect("an answer");
        assert_eq!(answer.peers, [SocketAddr::from((Ipv4Addr::LOCALHOST, 1))]);
    }
    let (status, body) = get(&mut stream, &format!("/scrape?info_hash={}", "%07".repeat(20)));
    let scraped = http::read_scrape(status, &body, &[HASH]).expect("an answer");
    assert_eq!(scraped, [Counts { downloaders: Some(1), completed: Some(0), ..counts(1, 1) }]);
    assert_eq!(get(&mut stream, "/").0, 404);
}

#[test]
fn new_rules_hold_from_the_next_packet_on() {
    let tracker = start(Config { udp: loopback(), ..Config::default() });
    let client = Client::connect(tracker.udp().expect("UDP"));
    client.announce(HASH, 1, 0);
    assert_eq!(client.scrape(HASH), counts(1, 0));
    let mut access = Access::open();
    let rule = Rule { visibility: Visibility::Community, community: [1; 32], advisories: 0 };
    access.insert_rule(HASH, rule);
    tracker.replace_access(access);
    assert_eq!(client.scrape(HASH), counts(0, 0), "as if there were no such swarm");
    tracker.replace_access(Access::open());
    assert_eq!(client.scrape(HASH), counts(1, 0));
}

#[test]
fn metrics_say_what_became_of_packets() {
    let config =
        Config { udp: loopback(), http: loopback(), metrics: loopback(), workers: 2, ..Config::default() };
    let tracker = start(config);
    for port in 1..=4 {
        Client::connect(tracker.udp().expect("UDP")).announce(HASH, port, 1);
    }
    let mut stream = TcpStream::connect(tracker.http().expect("HTTP")).expect("a listener");
    get(&mut stream, "/announce");
    let mut stream = TcpStream::connect(tracker.metrics().expect("metrics")).expect("a listener");
    assert_eq!(get(&mut stream, "/").0, 404);
    let (status, body) = get(&mut stream, "/metrics");
    assert_eq!(status, 200);
    let text = String::from_utf8(body).expect("text");
    for line in [
        r#"convoy_tracker_udp_datagrams_total{family="ipv4",outcome="connect"} 4"#,
        r#"convoy_tracker_udp_datagrams_total{family="ipv4",outcome="announce"} 4"#,
        r#"convoy_tracker_udp_datagrams_total{family="ipv6",outcome="announce"} 0"#,
        r#"convoy_tracker_http_requests_total{family="ipv4",outcome="refused"} 1"#,
        "convoy_tracker_udp_bytes_total{direction=\"in\"} 456",
        "convoy_tracker_swarms 1",
        "convoy_tracker_peers 4",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let first = start(Config { udp: loopback(), http: loopback(), workers: 2, ..Config::default() });
    for (wanted, config) in [
        (Service::Udp, Config { udp: first.udp(), workers: 2, ..Config::default() }),
        (Service::Http, Config { http: first.http(), workers: 2, ..Config::default() }),
    ] {
        let Err(StartError::Listen { service, addr, error }) = Tracker::start(&config, Access::open()) else {
            panic!("two trackers at one address");
        };
        assert_eq!((service, Some(addr)), (wanted, config.udp.or(config.http)));
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
    let config = Config { udp: first.udp(), http: first.http(), ..Config::default() };
    first.stop().expect("stopped");
    start(config).stop().expect("stopped");
}

#[test]
fn a_restart_loses_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config { udp: loopback(), state: Some(folder.path().join("state")), ..Config::default() };
    let first = start(config.clone());
    assert_eq!(first.found(), &Found::Nothing);
    for number in 0..200 {
        Client::connect(first.udp().expect("UDP")).announce(InfoHash([number; 20]), 1, u64::from(number % 2));
    }
    first.stop().expect("saved");
    // Another key decides now which swarm is in which store.
    let second =
        Tracker::start(&Config { seed: Some([4; 32]), ..config }, Access::open()).expect("a tracker");
    assert_eq!(second.found(), &Found::Swarms { swarms: 200, peers: 200 });
    let client = Client::connect(second.udp().expect("UDP"));
    for number in 0..200 {
        let leechers = u32::from(number % 2);
        assert_eq!(client.scrape(InfoHash([number; 20])), counts(1 - leechers, leechers));
    }
}

#[test]
fn a_damaged_state_is_set_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state");
    fs::write(&file, "convoy swarms 1\nand then?").expect("room");
    let config = Config { udp: loopback(), state: Some(file.clone()), ..Config::default() };
    let tracker = start(config.clone());
    let moved_to = folder.path().join("state.bad");
    assert_eq!(fs::read(&moved_to).expect("it is there"), b"convoy swarms 1\nand then?");
    let Found::Damaged { moved_to: told, .. } = tracker.found() else { panic!("{:?}", tracker.found()) };
    assert_eq!(told, &moved_to);
    tracker.stop().expect("saved");
    assert_eq!(start(config).found(), &Found::Swarms { swarms: 0, peers: 0 });
}

#[test]
fn a_state_that_cannot_be_written_is_told_of_at_the_start() {
    let state = Some("/nowhere/to/be/found".into());
    let config = Config { udp: loopback(), state, ..Config::default() };
    let Err(StartError::State { error, .. }) = Tracker::start(&config, Access::open()) else {
        panic!("it began");
    };
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

fn start(config: Config) -> Tracker {
    let config = Config { seed: Some([3; 32]), ..config };
    Tracker::start(&config, Access::open()).expect("a tracker")
}

#[expect(clippy::unnecessary_wraps, reason = "as a configuration has it")]
fn loopback() -> Option<SocketAddr> {
    Some((Ipv4Addr::LOCALHOST, 0).into())
}

fn counts(seeders: u32, leechers: u32) -> Counts {
    Counts { seeders: Some(seeders), leechers: Some(leechers), ..Counts::default() }
}

/// One question over HTTP: the status and the body.
fn get(stream: &mut TcpStream, path_and_query: &str) -> (u16, Vec<u8>) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    write!(stream, "GET {path_and_query} HTTP/1.1\r\nHost: tracker\r\n\r\n").expect("a connection");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text").to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).expect("a body");
    (status, body)
}

/// One that asks over UDP.
struct Client {
    socket: UdpSocket,
    connection: ConnectionId,
}

fn socket(tracker: SocketAddr) -> UdpSocket {
    let any: SocketAddr =
        if tracker.is_ipv4() { (Ipv4Addr::LOCALHOST, 0).into() } else { (Ipv6Addr::LOCALHOST, 0).into() };
    let socket = UdpSocket::bind(any).expect("loopback");
    socket.connect(tracker).expect("loopback");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    socket
}

impl Client {
    fn connect(tracker: SocketAddr) -> Self {
        let mut client = Self { socket: socket(tracker), connection: ConnectionId(0) };
        match client.ask(&Request::Connect { transaction: TransactionId(1) }) {
            Some(Response::Connect(connection)) => client.connection = connection,
            other => panic!("{other:?} is no connection id"),
        }
        client
    }

    fn announce(&self, info_hash: InfoHash, port: u16, left: u64) -> (Counts, Vec<SocketAddr>) {
        let announce = AnnounceRequest {
            info_hash,
            peer_id: PeerId([b'p'; 20]),
            port,
            uploaded: 0,
            downloaded: 0,
            left,
            event: Event::Started,
            key: 0,
            num_want: None,
        };
        let (connection, transaction) = (self.connection, TransactionId(1));
        match self.ask(&Request::Announce { connection, transaction, announce, options: &[] }) {
            Some(Response::Announce { counts, peers, .. }) => (counts, peers),
            other => panic!("{other:?} says nothing of peers"),
        }
    }

    fn scrape(&self, InfoHash(hash): InfoHash) -> Counts {
        let (connection, transaction) = (self.connection, TransactionId(1));
        match self.ask(&Request::Scrape { connection, transaction, info_hashes: &[hash] }) {
            Some(Response::Scrape(swarms)) => Counts { completed: None, ..swarms[0] },
            other => panic!("{other:?} has no counts"),
        }
    }

    /// `None` if nothing comes back.
    fn ask(&self, request: &Request<'_>) -> Option<Response> {
        let mut packet = Vec::new();
        request.encode(&mut packet);
        self.socket.send(&packet).expect("a socket");
        let mut reply = [0; 2048];
        let length = self.socket.recv(&mut reply).ok()?;
        let ipv6 = self.socket.local_addr().is_ok_and(|addr| addr.is_ipv6());
        Response::decode(&reply[..length], Asked { ipv6, ic: false }).map(|(_, response)| response)
    }
}
