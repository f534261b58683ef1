//! A file is read from stdout while it comes.

use convoy_tests::{
    Convoy, Outcome, Payload, Peer, Scratch,
    peers::{Libtorrent, free_addr},
};
use serde_json::Value;
use std::{
    fs::File,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    thread::{self, JoinHandle},
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A program that streams into a pipe, and the pipe's other end.
struct Stream {
    pipe: File,
    program: JoinHandle<Outcome>,
}

impl Stream {
    /// `convoy download --stream`, told what `flags` say.
    fn begin(scratch: &Scratch, payload: &Payload, out: &Path, flags: &[&str]) -> Self {
        let pipe = mkfifo(scratch.path("pipe"));
        let stream = Convoy::download(scratch, &payload.torrent, out).args(flags);
        let setup = format!("exec >'{}'", pipe.display());
        let program = thread::spawn(move || stream.run_after(&setup));
        // It opens when the shell has opened the other end.
        Self { pipe: File::open(pipe).expect("a pipe"), program }
    }

    /// The next bytes, as soon as there are so many.
    fn read(&mut self, bytes: u64) -> Vec<u8> {
        let mut read = vec![0; usize::try_from(bytes).expect("it fits in memory")];
        self.pipe.read_exact(&mut read).expect("bytes of the file");
        read
    }

    /// All that is left, and what the program said.
    fn finish(mut self) -> (Vec<u8>, Vec<Value>) {
        let mut rest = Vec::new();
        self.pipe.read_to_end(&mut rest).expect("the rest of the file");
        (rest, said(self.program))
    }
}

/// What a program that did well said, which goes to stderr where stdout is for data.
fn said(program: JoinHandle<Outcome>) -> Vec<Value> {
    let outcome = program.join().expect("it ran");
    outcome.assert_code(0);
    outcome.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn mkfifo(path: PathBuf) -> PathBuf {
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.is_ok_and(|status| status.success()), "no pipe at {}", path.display());
    path
}

/// A seed that dials.
fn dialling_seed(payload: &Payload, addr: SocketAddr) -> Peer {
    Libtorrent::download(&payload.torrent, &payload.dir, &[addr])
}

#[test]
fn the_beginning_is_out_before_the_end_has_come() {
    let scratch = Scratch::new();
    let payload = scratch.payload("film.bin", 8 * MIB + 1, 64 * KIB);
    let data = std::fs::read(payload.data()).expect("the source");
    let half = 4 * MIB;
    let first = scratch.part_of(&payload, "first-half", |piece| piece < half / (64 * KIB));
    let first = Libtorrent::seed(&payload.torrent, &first);

    let (addr, out) = (free_addr(), scratch.dir("out"));
    let (ours, theirs) = (addr.to_string(), first.addr.to_string());
    let flags = ["--stream", "0", "--listen", &ours, "--peer", &theirs];
    let mut stream = Stream::begin(&scratch, &payload, &out, &flags);
    let (half, rest) = data.split_at(usize::try_from(half).expect("it fits in memory"));
    assert!(stream.read(half.len() as u64) == half, "the first half, of which alone there is a seed");

    let _second = dialling_seed(&payload, addr);
    let (end, said) = stream.finish();
    assert!(end == rest, "the second half");
    payload.assert_in(&out);
    assert_eq!(said.last().expect("lines")["complete"], true);
}

#[test]
fn a_file_between_others_is_streamed_and_comes_alone() {
    let scratch = Scratch::new();
    let files = [("a", MIB + 1), ("b", 3 * MIB + 1), ("c", MIB + 1)];
    let payload = scratch.payload_tree("tree", &files, 64 * KIB, true);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let theirs = seed.addr.to_string();
    let listed = Libtorrent::info(&payload.torrent);
    let place = listed["files"].as_array().expect("files").iter().position(|file| file["path"] == "tree/b");
    let place = place.expect("a file").to_string();
    let out = scratch.dir("out");
    let stream = Stream::begin(&scratch, &payload, &out, &["--stream", &place, "--peer", &theirs]);
    let (bytes, said) = stream.finish();
    assert!(bytes == std::fs::read(payload.data().join("b")).expect("the source"));
    let pieces = said.iter().filter(|line| line["event"] == "piece").count() as u64;
    assert_eq!(pieces, (3 * MIB + 1).div_ceil(64 * KIB));
}

#[test]
fn a_reader_that_goes_away_ends_the_download() {
    let scratch = Scratch::new();
    let payload = scratch.payload("film.bin", 16 * MIB, 64 * KIB);
    let half = scratch.part_of(&payload, "half", |piece| piece < payload.pieces / 2);
    let seed = Libtorrent::seed(&payload.torrent, &half);
    let theirs = seed.addr.to_string();
    let out = scratch.dir("out");
    let mut stream = Stream::begin(&scratch, &payload, &out, &["--stream", "0", "--peer", &theirs]);
    assert!(stream.read(MIB) == std::fs::read(payload.data()).expect("the source")[..1 << 20]);
    let Stream { pipe, program } = stream;
    drop(pipe);
    let said = said(program);
    assert_eq!(said.last().expect("lines")["finished"], false);
    assert!(said.iter().any(|line| line["event"] == "resume_saved"), "the next run goes on from there");
}
