//! The program's verbs work as documented, and it says what went wrong.

use convoy_tests::{Convoy, Outcome, Scratch, peers::Libtorrent, scratch::overwrite};
use std::{
    fs,
    time::{Duration, Instant},
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

#[test]
fn create_seed_download_verify() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 4 * MIB + 1, 64 * KIB);
    let torrent = scratch.path("x.torrent");
    let create = Convoy::new(&scratch, "create").arg(payload.data()).arg("-o").arg(&torrent);
    let created = create.args(&["--piece-length", "256KiB"]).spawn().wait_success();
    assert_eq!(created.event("created")["pieces"], 17);

    let seed = Convoy::seed(&scratch, &torrent, &payload.dir).serve();
    let out = scratch.dir("out");
    let download =
        Convoy::download(&Scratch::new(), &torrent, &out).peers(&[seed.addr]).arg("--exit-when-done");
    let downloaded = download.spawn().wait_success();
    assert_eq!(downloaded.event("completed")["total"], payload.total);
    payload.assert_in(&out);

    let verified = Convoy::verify(&scratch, &torrent, &out).spawn().wait_success();
    assert_eq!(verified.event("verify_summary")["ok"], true);
}

#[test]
fn a_demo_needs_nothing() {
    let scratch = Scratch::new();
    let demo =
        Convoy::new(&scratch, "demo").args(&["--peers", "3", "--size", "8MiB", "--piece-length", "64KiB"]);
    let outcome = demo.arg("--dir").arg(scratch.dir("demo")).spawn().wait_success();
    let summary = outcome.event("demo_summary");
    assert_eq!(summary["ok"], true);
    assert_eq!(summary["pieces"], 128);
}

#[test]
fn what_is_there_is_not_downloaded_again() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 2 * MIB, 64 * KIB);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    Convoy::fetch(&scratch, &payload, "out", &[seed.addr]);
    let again = Convoy::fetch(&scratch, &payload, "out", &[seed.addr]);
    assert_eq!(again.event("summary")["downloaded"], 0);
}

#[test]
fn verify_names_what_is_damaged_and_download_repairs_it() {
    let scratch = Scratch::new();
    let files = [("a", 300_000), ("sub/b", 300_000), ("z", 300_000)];
    let payload = scratch.payload_tree("tree", &files, 32 * KIB, true);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    Convoy::fetch(&scratch, &payload, "out", &[seed.addr]);

    let out = scratch.path("out");
    overwrite(&out.join("tree/sub/b"), 200_000, b"damage");
    let outcome = Convoy::verify(&scratch, &payload.torrent, &out).run();
    outcome.assert_code(1);
    // Padding begins `sub/b` at a piece of its own, the eleventh of the torrent.
    let bad = bad_files(&outcome);
    assert_eq!(bad, [("tree/sub/b".to_owned(), 10 + 200_000 / (32 * KIB))]);

    let repaired = Convoy::fetch(&scratch, &payload, "out", &[seed.addr]);
    let downloaded = repaired.event("summary")["downloaded"].as_u64();
    assert_eq!(downloaded, Some(32 * KIB), "only the damaged piece is fetched");
    Convoy::verify(&scratch, &payload.torrent, &out).spawn().wait_success();
}

/// Path and first bad piece of each file that is not right.
fn bad_files(outcome: &Outcome) -> Vec<(String, u64)> {
    let files = outcome.lines.iter().filter(|line| line["event"] == "file" && line["status"] != "ok");
    let bad = files.map(|line| {
        let path = line["path"].as_str().expect("a path").to_owned();
        (path, line["bad_pieces"][0]["first"].as_u64().expect("a bad piece"))
    });
    bad.collect()
}

#[test]
fn verify_names_what_is_missing() {
    let scratch = Scratch::new();
    let payload = scratch.payload_tree("tree", &[("a", 100_000), ("sub/b", 100_000)], 32 * KIB, false);
    fs::remove_file(payload.data().join("sub/b")).expect("it was there");
    let outcome = Convoy::verify(&scratch, &payload.torrent, &payload.dir).run();
    outcome.assert_code(1);
    outcome.assert_said("tree/sub/b");
    outcome.assert_said("missing");
}

#[test]
fn ctrl_c_saves_what_is_known_and_exits_with_130_within_3_seconds() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 16 * MIB, 64 * KIB);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let out = scratch.dir("out");
    let download = Convoy::download(&scratch, &payload.torrent, &out).peers(&[seed.addr]).args(&["-d", "4M"]);
    let mut download = download.spawn();
    download.wait_until("a piece", |line| line["event"] == "piece");

    let pressed = Instant::now();
    download.interrupt();
    let outcome = download.wait_exit();
    let took = pressed.elapsed();
    outcome.assert_code(130);
    assert!(took < Duration::from_secs(3), "{took:?}");
    let saved = outcome.event("resume_saved")["file"].as_str().expect("a file").to_owned();
    assert!(fs::metadata(&saved).is_ok_and(|file| file.len() > 0), "{saved}");
}

#[test]
fn ctrl_c_again_and_again_loses_nothing_that_was_verified() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 16 * MIB, 64 * KIB);
    let seed = Libtorrent::seed(&payload.torrent, &payload.dir);
    let out = scratch.dir("out");
    let mut verified = 0;
    for _ in 0..10 {
        let download =
            Convoy::download(&scratch, &payload.torrent, &out).peers(&[seed.addr]).args(&["-d", "4M"]);
        let mut download = download.spawn();
        download.wait_until("a piece", |line| line["event"] == "piece");
        download.interrupt();
        let outcome = download.wait_exit();
        outcome.assert_code(130);
        assert_eq!(outcome.event("checked")["have"], verified, "pieces that the run before had verified");
        let pieces = outcome.lines.iter().filter(|line| line["event"] == "piece").count() as u64;
        assert!(pieces > 0, "it was interrupted behind a piece");
        verified += pieces;
    }
    let rest = Convoy::fetch(&scratch, &payload, "out", &[seed.addr]);
    assert_eq!(rest.event("summary")["downloaded"], payload.total - verified * payload.piece_length);
}

#[test]
fn ctrl_c_ends_a_seed_with_130() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", MIB, 64 * KIB);
    let seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).serve();
    let pressed = Instant::now();
    seed.process.interrupt();
    seed.process.wait_exit().assert_code(130);
    assert!(pressed.elapsed() < Duration::from_secs(3), "{:?}", pressed.elapsed());
}

#[test]
fn wrong_usage_exits_with_2() {
    let scratch = Scratch::new();
    for args in [
        &["download"][..],
        &["seed", "x.torrent", "--listen", "here"],
        &["seed", "x.torrent", "--peer-limit", "0"],
        &["fly"],
        &["info", "x", "--no-such-flag"],
    ] {
        Convoy::new(&scratch, args[0]).args(&args[1..]).run().assert_code(2);
    }
}

#[test]
fn a_torrent_that_is_not_there_is_named() {
    let scratch = Scratch::new();
    let torrent = scratch.path("nowhere.torrent");
    let dir = scratch.dir("out");
    for command in [
        Convoy::new(&scratch, "info").arg(&torrent),
        Convoy::download(&scratch, &torrent, &dir),
        Convoy::seed(&scratch, &torrent, &dir),
        Convoy::verify(&scratch, &torrent, &dir),
        Convoy::new(&scratch, "create").arg(&torrent),
    ] {
        command.run().assert_fails_naming("nowhere.torrent");
    }
}

#[test]
fn a_torrent_that_is_none_is_named() {
    let scratch = Scratch::new();
    let torrent = scratch.path("letter.torrent");
    for content in ["", "Dear Sir or Madam", "d4:infod6:lengthi1ee", "i1e"] {
        fs::write(&torrent, content).expect("room on the disk");
        Convoy::new(&scratch, "info").arg(&torrent).run().assert_fails_naming("letter.torrent");
    }
}

#[test]
fn a_system_that_has_no_files_left_is_told_of() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", MIB, 64 * KIB);
    // One beside the three that it begins with: it can read its libraries, and not wait for sockets.
    let outcome = Convoy::seed(&scratch, &payload.torrent, &payload.dir).run_after("ulimit -n 4");
    outcome.assert_code(1);
    let error = outcome.event("error").to_string();
    assert!(error.contains("cannot start: Too many open files") && error.contains("ulimit -a"), "{error}");
}
