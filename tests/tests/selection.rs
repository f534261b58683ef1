//! Some files of a torrent, in some order, shared for so long.

use convoy_tests::{Convoy, Outcome, Payload, Scratch, peers::Libtorrent};
use serde_json::Value;
use std::{fs, path::Path};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// None of them fills its last piece of 32 KiB.
const FILES: [(&str, u64); 6] =
    [("a", 100_000), ("b", 100_000), ("empty", 0), ("e", 200_000), ("sub/c", 300_000), ("z", 100_000)];

/// Numbers and paths of a torrent's files, as the program lists them.
fn listed(scratch: &Scratch, torrent: &Path) -> Vec<(u64, String, u64)> {
    let list = Convoy::new(scratch, "download").arg(torrent).arg("--list").spawn().wait_success();
    let files = list.lines.iter().filter(|line| line["event"] == "listed_file");
    let file = |line: &Value| {
        let path = line["path"].as_str().expect("a path").to_owned();
        (number(line, "index"), path, number(line, "length"))
    };
    files.map(file).collect()
}

fn number(line: &Value, field: &str) -> u64 {
    line[field].as_u64().unwrap_or_else(|| panic!("no {field} in {line}"))
}

/// The pieces that came in, in their order.
fn pieces(lines: &[Value]) -> Vec<u64> {
    lines.iter().filter(|line| line["event"] == "piece").map(|line| number(line, "index")).collect()
}

/// Downloads some files to the end.
fn select(scratch: &Scratch, payload: &Payload, out: &Path, files: &str) -> Outcome {
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let download = Convoy::download(scratch, &payload.torrent, out).peers(&[seed.addr]);
    download.args(&["--select", files, "--exit-when-done"]).spawn().wait_success()
}

#[test]
fn files_are_listed_as_libtorrent_numbers_them() {
    let scratch = Scratch::new();
    for (name, pad) in [("plain", false), ("padded", true)] {
        let payload = scratch.payload_tree(name, &FILES, 32 * KIB, pad);
        let theirs = Libtorrent::info(&payload.torrent);
        let theirs = theirs["files"]
            .as_array()
            .expect("files")
            .iter()
            .zip(0..)
            .filter(|(file, _)| file["pad"] == false);
        let theirs: Vec<_> = theirs
            .map(|(file, index)| {
                (index, file["path"].as_str().expect("a path").to_owned(), number(file, "size"))
            })
            .collect();
        assert_eq!(listed(&scratch, &payload.torrent), theirs, "{name}");
    }
}

#[test]
fn only_what_is_chosen_is_fetched() {
    let scratch = Scratch::new();
    let payload = scratch.payload_tree("tree", &FILES, 32 * KIB, false);
    let files = listed(&scratch, &payload.torrent);
    let place = |path: &str| files.iter().position(|(_, listed, _)| listed.ends_with(path)).expect("a file");
    let start = |place: usize| files[..place].iter().map(|(_, _, length)| length).sum::<u64>();

    let out = scratch.dir("out");
    let chosen = [place("/e"), place("sub/c")];
    let outcome = select(&scratch, &payload, &out, &format!("{},{}", chosen[0], chosen[1]));
    let mut wanted: Vec<u64> = chosen
        .into_iter()
        .flat_map(|file| start(file) / (32 * KIB)..(start(file) + files[file].2).div_ceil(32 * KIB))
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut came = pieces(&outcome.lines);
    came.sort_unstable();
    assert_eq!(came, wanted);
    for file in chosen {
        let path = &files[file].1;
        assert!(fs::read(out.join(path)).ok() == fs::read(payload.dir.join(path)).ok(), "{path}");
    }
    let summary = outcome.event("summary");
    assert_eq!((&summary["finished"], &summary["complete"]), (&true.into(), &false.into()));
    assert_eq!(summary["downloaded"], outcome.event("finished")["verified"]);
}

#[test]
fn files_that_are_aligned_come_alone() {
    let scratch = Scratch::new();
    let payload = scratch.payload_tree("tree", &FILES, 32 * KIB, true);
    let out = scratch.dir("out");
    let (index, path, length) = listed(&scratch, &payload.torrent)
        .into_iter()
        .find(|(_, path, _)| path.ends_with("sub/c"))
        .expect("a file");
    let outcome = select(&scratch, &payload, &out, &index.to_string());
    assert_eq!(pieces(&outcome.lines).len() as u64, length.div_ceil(32 * KIB));
    assert!(fs::read(out.join(&path)).ok() == fs::read(payload.dir.join(&path)).ok());
    for other in ["a", "b", "e", "z"] {
        assert!(!out.join("tree").join(other).exists(), "{other} was not chosen");
    }
}

#[test]
fn progress_counts_what_is_wanted() {
    let scratch = Scratch::new();
    let payload = scratch.payload_tree("tree", &[("large", 8 * MIB), ("small", 2 * MIB)], 64 * KIB, false);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let out = scratch.dir("out");
    let download = Convoy::download(&scratch, &payload.torrent, &out).peers(&[seed.addr]);
    let files = listed(&scratch, &payload.torrent);
    let small = files.iter().position(|(_, path, _)| path.ends_with("small")).expect("a file");
    let mut download = download.args(&["--select", &small.to_string(), "-d", "1M"]).spawn();
    let line =
        download.wait_until("progress", |line| line["event"] == "progress" && line["state"] == "downloading");
    assert_eq!(number(&line, "wanted"), 2 * MIB);
    assert_eq!(number(&line, "missing"), 2 * MIB - number(&line, "verified"));
    download.wait_for("finished");
    let line =
        download.wait_until("progress", |line| line["event"] == "progress" && line["state"] == "seeding");
    assert_eq!((number(&line, "wanted"), number(&line, "missing")), (2 * MIB, 0));
}

#[test]
fn sharing_ends_when_enough_was_sent() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 2 * MIB, 64 * KIB);
    let seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).args(&["--seed-ratio", "1"]).serve();
    let out = scratch.dir("out");
    Libtorrent::download(&payload.torrent, &out, &[seed.addr]).process.wait_for("completed");
    let outcome = seed.process.wait_success();
    assert_eq!(outcome.event("seed_goal_reached")["info_hash"], payload.info_hash.as_str());
    assert_eq!(outcome.event("summary")["uploaded"], payload.total);
}

#[test]
fn a_download_is_shared_for_as_long_as_was_asked_for() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 2 * MIB, 64 * KIB);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let out = scratch.dir("out");
    let download = Convoy::download(&scratch, &payload.torrent, &out).peers(&[seed.addr]);
    let outcome = download.args(&["--seed-time", "1s"]).spawn().wait_success();
    payload.assert_in(&out);
    let place = |event: &str| outcome.lines.iter().position(|line| line["event"] == event);
    let (completed, reached) = (place("completed"), place("seed_goal_reached"));
    assert!(completed.is_some() && completed < reached, "{completed:?} {reached:?}");
}
