//! A file goes to stdout while it comes.

mod program;

use program::{Running, Scratch};
use serde_json::Value;
use std::{
    io::Read,
    process::{Output, Stdio},
};

const FILES: [(&str, usize); 4] =
    [("top/a", 100_000), ("top/b", 3_000_000), ("top/c", 70_000), ("top/empty", 0)];

/// A torrent of [`FILES`], a seed of it, and where that listens.
fn seed(scratch: &Scratch) -> (Vec<Vec<u8>>, Running, String) {
    let contents = FILES.map(|(name, length)| scratch.file(name, length)).to_vec();
    scratch.run("create top -o x.torrent --piece-length 64KiB").ok();
    let mut seed = scratch.start("seed x.torrent --listen 127.0.0.1:0 --json");
    let [listening, _] = seed.wait_for_all(["listening", "checked"]);
    let addr = listening["addr"].as_str().expect("text").to_owned();
    (contents, seed, addr)
}

fn stream(scratch: &Scratch, addr: &str, flags: &str) -> Output {
    let line = format!("download x.torrent --peer {addr} --listen 127.0.0.1:0 --json {flags}");
    let output = scratch.command(&line).output().expect("runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{flags}: {stderr}");
    output
}

/// The JSON on stderr.
fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn stdout_is_the_file_and_the_rest_goes_to_stderr() {
    let scratch = Scratch::new();
    let (contents, _seed, addr) = seed(&scratch);
    for (index, content) in contents.iter().enumerate() {
        let output = stream(&scratch, &addr, &format!("-o out-{index} --stream {index}"));
        assert!(output.stdout == *content, "{} bytes of file {index}", output.stdout.len());
        let events = events(&output);
        assert!(events.iter().any(|event| event["event"] == "finished"), "file {index}");
        assert_eq!(events.last().expect("events")["finished"], true);
    }
}

#[test]
fn what_is_there_already_is_streamed_from_disk() {
    let scratch = Scratch::new();
    let (contents, _seed, addr) = seed(&scratch);
    stream(&scratch, &addr, "-o out --exit-when-done");
    let again = stream(&scratch, &addr, "-o out --stream 1");
    assert!(again.stdout == contents[1]);
    let summary = events(&again).pop().expect("events");
    assert_eq!((&summary["downloaded"], &summary["complete"]), (&0.into(), &true.into()));
}

#[test]
fn more_than_what_is_streamed_can_be_chosen() {
    let scratch = Scratch::new();
    let (contents, _seed, addr) = seed(&scratch);
    let output = stream(&scratch, &addr, "-o out --stream 2 --select 0");
    assert!(output.stdout == contents[2]);
    assert_eq!(program::read(&scratch.path("out/top/a")), contents[0]);
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let scratch = Scratch::new();
    let (contents, _seed, addr) = seed(&scratch);
    let line =
        format!("download x.torrent --peer {addr} --listen 127.0.0.1:0 -o out --stream 1 --seed-time 1h");
    let mut child =
        scratch.command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut head = vec![0; 1000];
    child.stdout.take().expect("piped").read_exact(&mut head).expect("bytes");
    assert!(head == contents[1][..1000]);
    let output = child.wait_with_output().expect("ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("nobody reads the stream any more"), "{stderr}");
}

#[test]
fn a_stream_that_makes_no_sense_is_wrong_usage() {
    let scratch = Scratch::new();
    seed(&scratch);
    for (line, why) in [
        ("download x.torrent --stream 4", "its files are 0 to 3"),
        ("download x.torrent x.torrent --stream 0", "one SOURCE at a time"),
        ("download x.torrent --stream first", "invalid value"),
    ] {
        let ran = scratch.run(&format!("{line} --listen 127.0.0.1:0"));
        assert_eq!(ran.code, Some(2), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{line}: {}", ran.stderr);
    }
}
