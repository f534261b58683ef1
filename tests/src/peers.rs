//! Peers that others wrote.

use crate::{
    encryption::Crypto,
    process::{PATIENCE, Peer, Process, poll},
    scratch::Scratch,
};
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

/// A web server, by `tests/peers/web_server.py`.
#[derive(Debug)]
pub struct WebServer;

/// A client that runs as a daemon, by `tests/peers/daemon_peer.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// Transmission. It never dials loopback, and unchokes after about ten seconds.
    Transmission,
    /// qBittorrent.
    Qbittorrent,
    /// rTorrent. It cannot be told of a peer.
    Rtorrent,
}

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

    /// Makes a hybrid of v1 and v2.
    ///
    /// # Panics
    /// If libtorrent cannot.
    pub fn make_hybrid(path: &Path, torrent: &Path) {
        let mut command = Self::command("make");
        Process::spawn("libtorrent", command.arg(path).arg(torrent).arg("--hybrid")).wait_success();
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

    /// The same, on ::1.
    #[must_use]
    pub fn seed_v6(torrent: &Path, dir: &Path) -> Peer {
        Self::ready(Self::command("seed").arg(torrent).arg(dir).arg("--ipv6"))
    }

    /// Serves what is right in `dir`, sending at most so many bytes a second.
    #[must_use]
    pub fn slow_seed(torrent: &Path, dir: &Path, bytes_per_s: u64) -> Peer {
        let limit = bytes_per_s.to_string();
        Self::ready(Self::command("seed").arg(torrent).arg(dir).args(["--upload-limit", &limit]))
    }

    /// Serves what is right in `dir` to nobody that is choked, and everybody is.
    #[must_use]
    pub fn choking_seed(torrent: &Path, dir: &Path) -> Peer {
        Self::ready(Self::command("seed").arg(torrent).arg(dir).args(["--slots", "0"]))
    }

    /// Downloads into `dir` from the peer that it dials, takes part in peer exchange, and says whom it
    /// found by that.
    #[must_use]
    pub fn gossiping_download(torrent: &Path, dir: &Path, peer: SocketAddr) -> Peer {
        let mut command = Self::command("download");
        command.arg(torrent).arg(dir).args(["--pex", "--linger", "--peer", &peer.to_string()]);
        Self::ready(&mut command)
    }

    /// Serves what is right in `dir`, encrypted like that.
    #[must_use]
    pub fn seed_crypto(torrent: &Path, dir: &Path, crypto: Crypto) -> Peer {
        Self::ready(Self::command("seed").arg(torrent).arg(dir).args(["--encryption", crypto.name()]))
    }

    /// Downloads into `dir` from the peer that it dials, encrypted like that.
    #[must_use]
    pub fn download_crypto(torrent: &Path, dir: &Path, peer: SocketAddr, crypto: Crypto) -> Peer {
        let mut command = Self::command("download");
        command.arg(torrent).arg(dir).args(["--linger", "--encryption", crypto.name()]);
        Self::ready(command.args(["--peer", &peer.to_string()]))
    }

    /// The same, of a hybrid whose v2 hash it says to the peer.
    #[must_use]
    pub fn download_v2(torrent: &Path, dir: &Path, peer: SocketAddr, crypto: Crypto) -> Peer {
        let mut command = Self::command("download");
        command.arg(torrent).arg(dir).args(["--linger", "--v2", "--encryption", crypto.name()]);
        Self::ready(command.args(["--peer", &peer.to_string()]))
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

    /// The same, from ::1, where only trackers tell of peers.
    #[must_use]
    pub fn download_v6(torrent: &Path, dir: &Path) -> Peer {
        Self::ready(Self::command("download").arg(torrent).arg(dir).args(["--linger", "--ipv6"]))
    }

    fn ready(command: &mut Command) -> Peer {
        ready(Process::spawn("libtorrent", command))
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
        Self::seed_crypto(torrent, dir, Crypto::Enabled)
    }

    /// Downloads into `dir` from a peer that dials it; ends when complete.
    #[must_use]
    pub fn download(torrent: &Path, dir: &Path) -> Peer {
        Self::download_crypto(torrent, dir, Crypto::Enabled)
    }

    /// Serves what lies in `dir`, encrypted like that.
    #[must_use]
    pub fn seed_crypto(torrent: &Path, dir: &Path, crypto: Crypto) -> Peer {
        Self::start("seed", torrent, dir, crypto)
    }

    /// Downloads into `dir` from a peer that dials it, encrypted like that; ends when complete.
    #[must_use]
    pub fn download_crypto(torrent: &Path, dir: &Path, crypto: Crypto) -> Peer {
        Self::start("download", torrent, dir, crypto)
    }

    fn start(mode: &str, torrent: &Path, dir: &Path, crypto: Crypto) -> Peer {
        let addr = free_addr();
        let mut command = Command::new(folder().join("aria2"));
        command.arg(mode).arg(torrent).arg(dir).arg(addr.port().to_string()).arg(crypto.name());
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

impl WebServer {
    /// Serves what lies in `dir`; the script says what the options are.
    #[must_use]
    pub fn serve(dir: &Path, options: &[&str]) -> Peer {
        let mut command = Command::new("python3");
        command.arg(folder().join("web_server.py")).arg(dir).args(options);
        ready(Process::spawn("web server", &mut command))
    }
}

impl Daemon {
    /// Serves what lies in `dir`, encrypted like that.
    #[must_use]
    pub fn seed_crypto(self, scratch: &Scratch, torrent: &Path, dir: &Path, crypto: Crypto) -> Peer {
        ready(Process::spawn(self.name(), &mut self.command(scratch, "seed", torrent, dir, crypto)))
    }

    /// Downloads into `dir` from a peer that dials it, or from `peer`, which only qBittorrent can dial.
    #[must_use]
    pub fn download_crypto(
        self,
        scratch: &Scratch,
        torrent: &Path,
        dir: &Path,
        peer: Option<SocketAddr>,
        crypto: Crypto,
    ) -> Peer {
        let mut command = self.command(scratch, "download", torrent, dir, crypto);
        if let Some(peer) = peer {
            command.args(["--peer", &peer.to_string()]);
        }
        ready(Process::spawn(self.name(), &mut command))
    }

    fn command(self, scratch: &Scratch, mode: &str, torrent: &Path, dir: &Path, crypto: Crypto) -> Command {
        let mut command = Command::new("python3");
        command.arg(folder().join("daemon_peer.py")).args([self.name(), mode]).arg(torrent).arg(dir);
        command.arg("--home").arg(scratch.dir(&format!("{}-{mode}", self.name())));
        command.args(["--encryption", crypto.name()]);
        command
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Transmission => "transmission",
            Self::Qbittorrent => "qbittorrent",
            Self::Rtorrent => "rtorrent",
        }
    }
}

/// The process says where it listens.
fn ready(mut process: Process) -> Peer {
    let ready = process.wait_for("ready");
    let addr = ready["addr"].as_str().and_then(|addr| addr.parse().ok()).expect("an address");
    Peer { process, addr }
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

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}
