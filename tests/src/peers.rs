//! Peers that others wrote.

use crate::process::{PATIENCE, Peer, Process, poll};
use serde_json::Value;
use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

/// libtorrent, by `tests/peers/lt_peer.py`.
#[derive(Debug)]
pub struct Libtorrent;

/// aria2, by `tests/peers/aria2`.
#[derive(Debug)]
pub struct Aria2;

impl Libtorrent {
    /// Makes a torrent; gives what the script says of it. A piece length of 0 is libtorrent's choice.
    ///
    /// # Panics
    /// If libtorrent cannot.
    #[must_use]
    pub fn make(path: &Path, torrent: &Path, piece_length: u64, pad: bool) -> Value {
        let mut command = Self::command("make");
        command.arg(path).arg(torrent).args(["--piece-length", &piece_length.to_string()]);
        if pad {
            command.arg("--pad");
        }
        Process::spawn("libtorrent", &mut command).wait_success().event("made").clone()
    }

    /// What libtorrent reads in a torrent.
    #[must_use]
    pub fn info(torrent: &Path) -> Value {
        let info = Process::spawn("libtorrent", Self::command("info").arg(torrent)).wait_success();
        info.event("info").clone()
    }

    /// Serves what is right in `dir`.
    #[must_use]
    pub fn seed(torrent: &Path, dir: &Path) -> Peer {
        Self::ready(Self::command("seed").arg(torrent).arg(dir))
    }

    /// The same, sending at most so many bytes a second.
    #[must_use]
    pub fn slow_seed(torrent: &Path, dir: &Path, bytes_per_s: u64) -> Peer {
        let limit = bytes_per_s.to_string();
        Self::ready(Self::command("seed").arg(torrent).arg(dir).args(["--upload-limit", &limit]))
    }

    /// Downloads into `dir` from the peers that it dials, and from those that dial it; serves meanwhile
    /// and afterwards.
    #[must_use]
    pub fn download(torrent: &Path, dir: &Path, peers: &[SocketAddr]) -> Peer {
        let mut command = Self::command("download");
        command.arg(torrent).arg(dir).arg("--linger");
        for peer in peers {
            command.args(["--peer", &peer.to_string()]);
        }
        Self::ready(&mut command)
    }

    fn ready(command: &mut Command) -> Peer {
        let mut process = Process::spawn("libtorrent", command);
        let ready = process.wait_for("ready");
        let addr = ready["addr"].as_str().and_then(|addr| addr.parse().ok()).expect("an address");
        Peer { process, addr }
    }

    fn command(mode: &str) -> Command {
        let python = folder().join("../.venv/bin/python");
        assert!(python.exists(), "libtorrent is missing: run tests/run");
        let mut command = Command::new(python);
        command.arg(folder().join("lt_peer.py")).arg(mode);
        command
    }
}

impl Aria2 {
    /// Serves what lies in `dir`.
    #[must_use]
    pub fn seed(torrent: &Path, dir: &Path) -> Peer {
        Self::start("seed", torrent, dir)
    }

    /// Downloads into `dir` from a peer that dials it; ends when complete.
    #[must_use]
    pub fn download(torrent: &Path, dir: &Path) -> Peer {
        Self::start("download", torrent, dir)
    }

    fn start(mode: &str, torrent: &Path, dir: &Path) -> Peer {
        let addr = free_addr();
        let mut command = Command::new(folder().join("aria2"));
        command.arg(mode).arg(torrent).arg(dir).arg(addr.port().to_string());
        let mut process = Process::spawn("aria2", &mut command);
        let listens = poll(PATIENCE, || {
            (!process.is_running() || TcpStream::connect(addr).is_ok()).then_some(process.is_running())
        });
        if listens != Some(true) {
            let outcome = process.kill();
            panic!("aria2 does not listen on {addr}\n{}", outcome.said());
        }
        Peer { process, addr }
    }
}

/// An address on loopback that nobody listens on at this moment.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_addr() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}
