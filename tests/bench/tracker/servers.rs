//! The trackers that are measured.

use crate::load::{self, COMMUNITY};
use convoy_tests::{
    Convoy, Process, Scratch,
    peers::free_addr,
    trackers::{aquatic_udp_by, opentracker},
};
use std::{fs, net::SocketAddr, ops::Range, path::Path, process::Command};

/// A tracker over UDP with one worker, and a scratch folder of its own.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) addr: SocketAddr,
    pub(crate) process: Process,
    /// It knows members, and has swarms for them alone.
    pub(crate) has_members: bool,
    _scratch: Scratch,
}

/// What is known by name.
pub(crate) const NAMES: [&str; 3] = ["convoy", "opentracker", "aquatic_udp"];

/// Starts a tracker; `None` where it is not installed. `swarms` are all there will be, the last of them for
/// `members` alone.
pub(crate) fn start(name: &str, swarms: Range<u32>, members: Range<u32>) -> Option<Server> {
    let scratch = Scratch::new();
    match name {
        "convoy" => Some(convoy(scratch, members)),
        "opentracker" if is_installed(name) => {
            let hashes: Vec<String> = swarms.map(|swarm| hex(&load::info_hash(swarm).0)).collect();
            let tracker = opentracker(&scratch, &hashes);
            let addr = tracker.udp[0];
            Some(Server {
                name: NAMES[1],
                addr,
                process: tracker.process,
                has_members: false,
                _scratch: scratch,
            })
        }
        "aquatic_udp" if is_installed(name) => {
            let tracker = aquatic_udp_by(Path::new(name), &scratch, free_addr());
            let addr = tracker.udp[0];
            Some(Server {
                name: NAMES[2],
                addr,
                process: tracker.process,
                has_members: false,
                _scratch: scratch,
            })
        }
        name => {
            eprintln!("without {name}: it is not installed");
            None
        }
    }
}

fn convoy(scratch: Scratch, members: Range<u32>) -> Server {
    let (addr, community) = (free_addr(), hex(&COMMUNITY));
    let keys: Vec<_> =
        load::players().map(|player| format!("{:?}", hex(&player.verifying_key().to_bytes()))).collect();
    let rules: String = members
        .map(|swarm| {
            let info_hash = hex(&load::info_hash(swarm).0);
            format!("[[swarm]]\ninfo_hash = {info_hash:?}\nvisibility = \"community\"\ncommunity = {community:?}\n")
        })
        .collect();
    let (members, rules_file) = (scratch.path("members.toml"), scratch.path("rules.toml"));
    fs::write(&members, format!("[[community]]\nid = {community:?}\nmembers = [{}]\n", keys.join(", ")))
        .expect("room on the disk");
    fs::write(&rules_file, rules).expect("room on the disk");
    let mut process = Convoy::new(&scratch, "tracker")
        .args(&["--udp", &addr.to_string(), "--workers", "1", "--unlimited", "--members"])
        .arg(&members)
        .arg("--rules")
        .arg(&rules_file)
        .spawn();
    process.wait_for("listening");
    Server { name: NAMES[0], addr, process, has_members: true, _scratch: scratch }
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
