//! The program under test.

use crate::{
    encryption::Policy,
    process::{Outcome, Peer, Process},
    scratch::{Payload, Scratch},
};
use serde_json::Value;
use std::{
    env,
    ffi::OsStr,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

/// `--listen`, as a variable so that the last word counts.
const LISTEN: &str = "CONVOY_LISTEN";

/// `--encryption`, for the same reason.
const ENCRYPTION: &str = "CONVOY_ENCRYPTION";

/// `--encryption-level`, for the same reason.
const ENCRYPTION_LEVEL: &str = "CONVOY_ENCRYPTION_LEVEL";

/// `--no-pex`, so that it can be taken back.
const NO_PEX: &str = "CONVOY_NO_PEX";

/// `--json`, for the same reason.
const JSON: &str = "CONVOY_JSON";

/// One invocation of `convoy`, in a home of its own, with `--json`.
#[derive(Debug)]
pub struct Convoy(Command);

impl Convoy {
    /// `convoy VERB`, whose state and configuration lie in `scratch`.
    #[must_use]
    pub fn new(scratch: &Scratch, verb: &str) -> Self {
        let mut command = Command::new(program());
        command.env_clear().env("HOME", scratch.dir("home"));
        for (name, dir) in [("STATE", "state"), ("CONFIG", "config"), ("CACHE", "cache"), ("DATA", "share")] {
            command.env(format!("XDG_{name}_HOME"), scratch.dir(dir));
        }
        command.env(JSON, "true").arg(verb);
        Self(command)
    }

    /// `convoy seed`, on any port of loopback.
    #[must_use]
    pub fn seed(scratch: &Scratch, torrent: &Path, data: &Path) -> Self {
        Self::new(scratch, "seed").arg(torrent).arg("--data").arg(data).quiet()
    }

    /// `convoy download`, on any port of loopback; goes on to seed.
    #[must_use]
    pub fn download(scratch: &Scratch, torrent: &Path, dir: &Path) -> Self {
        Self::new(scratch, "download").arg(torrent).arg("-o").arg(dir).quiet()
    }

    /// `convoy verify`.
    #[must_use]
    pub fn verify(scratch: &Scratch, torrent: &Path, data: &Path) -> Self {
        Self::new(scratch, "verify").arg(torrent).arg("--data").arg(data)
    }

    /// `convoy download` of a payload, to its end, from these peers.
    ///
    /// # Panics
    /// If it fails, or something else arrives.
    #[track_caller]
    pub fn fetch(scratch: &Scratch, payload: &Payload, dir: &str, peers: &[SocketAddr]) -> Outcome {
        let dir = scratch.dir(dir);
        let download = Self::download(scratch, &payload.torrent, &dir).peers(peers).arg("--exit-when-done");
        let outcome = download.spawn().wait_success();
        payload.assert_in(&dir);
        outcome
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.0.args(args);
        self
    }

    /// Peers to dial.
    #[must_use]
    pub fn peers(self, peers: &[SocketAddr]) -> Self {
        peers.iter().fold(self, |this, peer| this.arg("--peer").arg(peer.to_string()))
    }

    /// Listens there instead of on any port.
    #[must_use]
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.0.env(LISTEN, addr.to_string());
        self
    }

    /// Encrypts like that instead of not at all.
    #[must_use]
    pub fn encryption(mut self, policy: Policy) -> Self {
        let (policy, level) = policy.names();
        self.0.env(ENCRYPTION, policy).env(ENCRYPTION_LEVEL, level);
        self
    }

    /// Trusts the certificates in this file, and no others.
    #[must_use]
    pub fn trusting(mut self, certificates: &Path) -> Self {
        self.0.env("SSL_CERT_FILE", certificates);
        self
    }

    /// Speaks to people instead of in JSON.
    #[must_use]
    pub fn for_people(mut self) -> Self {
        self.0.env_remove(JSON);
        self
    }

    /// Takes part in peer exchange.
    #[must_use]
    pub fn gossiping(mut self) -> Self {
        self.0.env_remove(NO_PEX);
        self
    }

    /// Starts it.
    #[must_use]
    pub fn spawn(mut self) -> Process {
        Process::spawn(&self.name(), &mut self.0)
    }

    /// Starts it and waits until peers can reach it.
    ///
    /// # Panics
    /// If it does not say where it listens.
    #[must_use]
    pub fn serve(self) -> Peer {
        let mut process = self.spawn();
        let listening = process.wait_for("listening");
        let addr = listening["addr"].as_str().and_then(|addr| addr.parse().ok());
        Peer { addr: addr.unwrap_or_else(|| panic!("no address in {listening}")), process }
    }

    /// Runs it to its end.
    #[must_use]
    pub fn run(self) -> Outcome {
        self.spawn().wait_exit()
    }

    /// Runs it in a shell that first does `setup`, such as `ulimit -f 100`.
    #[must_use]
    pub fn run_after(self, setup: &str) -> Outcome {
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(format!("{setup}; exec \"$@\"")).arg("bash");
        shell.arg(self.0.get_program()).args(self.0.get_args()).env_clear();
        for (name, value) in self.0.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        Process::spawn(&self.name(), &mut shell).wait_exit()
    }

    /// Any port of loopback, plain streams, and every kind of discovery off.
    fn quiet(mut self) -> Self {
        self.0.env(LISTEN, "127.0.0.1:0").env(ENCRYPTION, "disabled");
        self.0.env(NO_PEX, "true");
        self.args(&["--no-dht", "--no-utp"])
    }

    fn name(&self) -> String {
        let verb = self.0.get_args().next().unwrap_or_default();
        format!("convoy {}", verb.display())
    }
}

/// Bytes verified and on disk, as a `progress` or `completed` line says.
///
/// # Panics
/// If it does not.
#[must_use]
#[track_caller]
pub fn verified(line: &Value) -> u64 {
    count(line, "verified")
}

/// Bytes of blocks that came in during this run, as a `progress` or `completed` line says.
///
/// # Panics
/// If it does not.
#[must_use]
#[track_caller]
pub fn downloaded(line: &Value) -> u64 {
    count(line, "downloaded")
}

#[track_caller]
fn count(line: &Value, field: &str) -> u64 {
    line[field].as_u64().unwrap_or_else(|| panic!("no {field} in {line}"))
}

/// `$CONVOY_BIN`, or what cargo built beside this test.
fn program() -> PathBuf {
    let beside = || {
        let test = env::current_exe().expect("the path of this test");
        test.ancestors().nth(2).expect("target/PROFILE").join("convoy")
    };
    let path = env::var_os("CONVOY_BIN").map_or_else(beside, PathBuf::from);
    assert!(path.exists(), "there is no {}: run tests/run", path.display());
    path
}
