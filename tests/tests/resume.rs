//! `kill -9` loses nothing that was verified and keeps nothing that is corrupt.

use convoy_tests::{
    Convoy, Payload, Peer, Scratch,
    convoy::{downloaded, verified},
    peers::Libtorrent,
    scratch::overwrite,
};
use std::{fs, path::Path};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A payload, its seed, and a download of it that was killed at about 40 %.
struct Killed {
    scratch: Scratch,
    payload: Payload,
    seed: Peer,
    /// What it said was verified, before it was killed.
    verified: u64,
}

impl Killed {
    fn new() -> Self {
        let scratch = Scratch::new();
        let payload = scratch.payload("file.bin", 24 * MIB, 128 * KIB);
        let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
        let out = scratch.dir("out");
        let download =
            Convoy::download(&scratch, &payload.torrent, &out).peers(&[seed.addr]).args(&["-d", "6M"]);
        let mut download = download.spawn();
        let enough = payload.total * 2 / 5;
        let line =
            download.wait_until("40 %", |line| line["event"] == "progress" && verified(line) >= enough);
        download.kill();
        let verified = verified(&line);
        assert!(verified < payload.total, "killed too late to prove anything");
        Self { scratch, payload, seed, verified }
    }

    /// Goes on to the end; gives how many bytes had to come.
    fn go_on(&self) -> u64 {
        let rest = Convoy::fetch(&self.scratch, &self.payload, "out", &[self.seed.addr]);
        let dir = self.scratch.path("out");
        Convoy::verify(&self.scratch, &self.payload.torrent, &dir).spawn().wait_success();
        downloaded(rest.event("summary"))
    }
}

#[test]
fn a_killed_download_goes_on_where_it_was() {
    let killed = Killed::new();
    let downloaded = killed.go_on();
    let total = killed.payload.total;
    assert!(downloaded + killed.verified <= total, "{} + {downloaded} of {total}", killed.verified);
    assert!(downloaded > 0, "it was killed before its end");
}

#[test]
fn damage_between_two_runs_is_found() {
    let killed = Killed::new();
    let file = killed.scratch.path("out/file.bin");
    let piece = first_right_piece(&killed.payload, &file);
    overwrite(&file, piece * killed.payload.piece_length + 77, b"damage");
    killed.go_on();
}

#[test]
fn a_file_that_vanished_between_two_runs_is_fetched_again() {
    let killed = Killed::new();
    fs::remove_file(killed.scratch.path("out/file.bin")).expect("it was there");
    assert_eq!(killed.go_on(), killed.payload.total);
}

#[test]
fn a_resume_file_that_is_torn_or_lost_costs_a_check_and_no_more() {
    for tear in [Tear::Cut, Tear::Remove] {
        let killed = Killed::new();
        tear.all_files_below(&killed.scratch.path("state"));
        let downloaded = killed.go_on();
        let total = killed.payload.total;
        assert!(downloaded + killed.verified <= total, "{} + {downloaded} of {total}", killed.verified);
    }
}

#[derive(Clone, Copy)]
enum Tear {
    Cut,
    Remove,
}

impl Tear {
    fn all_files_below(self, dir: &Path) {
        for entry in fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            match self {
                _ if path.is_dir() => self.all_files_below(&path),
                Self::Remove => fs::remove_file(&path).expect("a file of ours"),
                Self::Cut => {
                    let half = fs::read(&path).map(|bytes| bytes[..bytes.len() / 2].to_vec());
                    fs::write(&path, half.expect("a file of ours")).expect("room on the disk");
                }
            }
        }
    }
}

/// A piece that the killed download had got right.
fn first_right_piece(payload: &Payload, file: &Path) -> u64 {
    let (right, found) = (fs::read(payload.data()).expect("the source"), fs::read(file).expect("a part"));
    let length = usize::try_from(payload.piece_length).expect("a piece fits in memory");
    let same = right.chunks(length).zip(found.chunks(length)).position(|(right, found)| right == found);
    same.expect("some pieces were verified") as u64
}
