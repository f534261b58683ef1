//! Trackers, on loopback: ours, and those that others wrote.

use crate::{
    Convoy,
    peers::{folder, free_addr},
    process::{PATIENCE, Process, poll},
    scratch::Scratch,
};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::Duration,
};

/// A tracker that is ready.
#[derive(Debug)]
pub struct Tracker {
    /// The process.
    pub process: Process,
    /// Where it speaks UDP.
    pub udp: Vec<SocketAddr>,
    /// Where it speaks HTTP.
    pub http: Vec<SocketAddr>,
}

impl Tracker {
    /// Where to announce.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let udp = self.udp.iter().map(|addr| format!("udp://{addr}/announce"));
        udp.chain(self.http.iter().map(|addr| format!("http://{addr}/announce"))).collect()
    }

    /// How many it says are in a swarm, over HTTP (BEP 48).
    ///
    /// # Panics
    /// If it speaks no HTTP.
    #[must_use]
    pub fn scrape(&self, info_hash: &str) -> Option<Counts> {
        let answer = get(self.http[0], &format!("/scrape?info_hash={}", percent_encode(info_hash)))?;
        let count = |key: &str| {
            let (_, rest) = answer.split_once(&format!("{}:{key}i", key.len()))?;
            rest.split_once('e')?.0.parse().ok()
        };
        Some(Counts {
            seeders: count("complete")?,
            leechers: count("incomplete")?,
            completed: count("downloaded")?,
        })
    }

    /// Waits until `wanted` holds for what it says of a swarm.
    ///
    /// # Panics
    /// If it never does.
    #[track_caller]
    pub fn wait_for(&self, info_hash: &str, wanted: impl Fn(Counts) -> bool) {
        let mut last = None;
        let holds = poll(PATIENCE, || {
            last = self.scrape(info_hash);
            last.is_some_and(&wanted).then_some(())
        });
        assert!(holds.is_some(), "the tracker knows of {last:?} in {info_hash}");
    }
}

/// How many are in a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Peers that have all.
    pub seeders: u32,
    /// Peers that have not.
    pub leechers: u32,
    /// How often it was downloaded.
    pub completed: u32,
}

/// Convoy's: UDP and HTTP, at this address of loopback.
///
/// # Panics
/// If it does not say where it listens.
#[must_use]
pub fn convoy(scratch: &Scratch, ip: IpAddr) -> Tracker {
    let addr = SocketAddr::new(ip, 0).to_string();
    let mut process = Convoy::new(scratch, "tracker").args(&["--udp", &addr, "--http", &addr]).spawn();
    let mut listens = |service: &str| {
        let listening =
            process.wait_until(service, |line| line["event"] == "listening" && line["service"] == service);
        listening["addr"].as_str().and_then(|addr| addr.parse().ok()).expect("an address")
    };
    let (udp, http) = (vec![listens("udp")], vec![listens("http")]);
    Tracker { process, udp, http }
}

/// opentracker: UDP and HTTP, over IPv4. As Debian builds it, it knows no info-hash, in hex, that it was not
/// told at its start.
///
/// # Panics
/// If it does not answer.
#[must_use]
pub fn opentracker(scratch: &Scratch, info_hashes: &[String]) -> Tracker {
    let (root, addr) = (scratch.dir("opentracker"), free_addr());
    fs::write(root.join("whitelist"), info_hashes.join("\n") + "\n").expect("room on the disk");
    // Started by root it goes on as nobody, with that folder as its root.
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("a folder of ours");
    let port = addr.port().to_string();
    let mut command = Command::new("opentracker");
    command.args(["-i", "127.0.0.1", "-p", &port, "-P", &port, "-d"]).arg(&root).args(["-w", "whitelist"]);
    let mut process = Process::spawn("opentracker", &mut command);
    // It listens before it has read the list; and whoever stops is never refused.
    let last = info_hashes.last().map(|hash| percent_encode(hash)).unwrap_or_default();
    let announce = |event| {
        format!("/announce?info_hash={last}&peer_id=-XX0000-waits-for-it&port=1&left=1&event={event}")
    };
    wait_until(&mut process, || {
        get(addr, &announce("started")).is_some_and(|answer| !answer.contains("failure reason"))
    });
    assert!(get(addr, &announce("stopped")).is_some(), "opentracker forgets who stops");
    Tracker { process, udp: vec![addr], http: vec![addr] }
}

/// npm's bittorrent-tracker: UDP and HTTP, over IPv4 and IPv6.
///
/// # Panics
/// If it does not say that it is ready.
#[must_use]
pub fn bittorrent_tracker() -> Tracker {
    let mut command = Command::new("node");
    let mut process =
        Process::spawn("bittorrent-tracker", command.arg(folder().join("bittorrent_tracker.mjs")));
    let ready = process.wait_for("ready");
    let addrs = |field: &str| -> Vec<SocketAddr> {
        let addrs = ready[field].as_array().expect("addresses").iter().filter_map(Value::as_str);
        addrs.map(|addr| addr.parse().expect("an address")).collect()
    };
    Tracker { udp: addrs("udp"), http: addrs("http"), process }
}

/// aquatic_udp: UDP, at `addr`.
///
/// # Panics
/// If it does not answer.
#[must_use]
pub fn aquatic_udp(scratch: &Scratch, addr: SocketAddr) -> Tracker {
    // Quickly built, and therefore slow.
    aquatic_udp_by(&folder().join("../.aquatic/bin/aquatic_udp"), scratch, addr)
}

/// The same, by a program of one's own.
///
/// # Panics
/// If it does not answer.
#[must_use]
pub fn aquatic_udp_by(program: &Path, scratch: &Scratch, addr: SocketAddr) -> Tracker {
    let config = scratch.path(&format!("aquatic-{}.toml", addr.port()));
    fs::write(&config, format!("[network]\naddress = \"{addr}\"\n")).expect("room on the disk");
    let mut process = Process::spawn("aquatic_udp", Command::new(program).arg("-c").arg(config));
    wait_until(&mut process, || connects(addr));
    Tracker { process, udp: vec![addr], http: Vec::new() }
}

/// How long a tracker that is there may take to answer.
const ANSWER_TIME: Duration = Duration::from_millis(200);

fn wait_until(process: &mut Process, mut ready: impl FnMut() -> bool) {
    poll(PATIENCE, || (!process.is_running() || ready()).then_some(()));
    assert!(process.is_running() && ready(), "the tracker does not answer");
}

/// Whether there is an answer to a connect request of BEP 15.
fn connects(addr: SocketAddr) -> bool {
    const CONNECT: [u8; 16] = [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 1, 2, 3, 4];
    let socket = UdpSocket::bind((addr.ip(), 0)).expect("a free port");
    socket.set_read_timeout(Some(ANSWER_TIME)).expect("a time");
    let asked = socket.connect(addr).and_then(|()| socket.send(&CONNECT));
    asked.is_ok() && socket.recv(&mut [0; 16]).is_ok_and(|length| length == CONNECT.len())
}

/// The answer to a GET, headers and all.
fn get(addr: SocketAddr, target: &str) -> Option<String> {
    let mut stream = TcpStream::connect(addr).ok()?;
    stream.set_read_timeout(Some(ANSWER_TIME)).ok()?;
    write!(stream, "GET {target} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// The bytes of an info-hash, from hex, as a URL has them.
fn percent_encode(hex: &str) -> String {
    hex.as_bytes().chunks(2).map(|byte| format!("%{}", String::from_utf8_lossy(byte))).collect()
}
