//! What people can wish for: a torrent by its link, some files of it, and an end of sharing.

mod program;

use program::{Running, Scratch};
use std::fs;

/// Four files in pieces of 32 KiB, none of which begins at a piece but the first.
const FILES: [(&str, usize); 4] =
    [("top/a", 100_000), ("top/b", 200_000), ("top/c", 300_000), ("top/d", 40_000)];

/// A torrent of [`FILES`], its info-hash, a seed of it, and where that listens.
fn seed(scratch: &Scratch) -> (Vec<Vec<u8>>, String, Running, String) {
    let contents = FILES.map(|(name, length)| scratch.file(name, length)).to_vec();
    let created = scratch.run("create top -o x.torrent --piece-length 32KiB --json").ok();
    let mut seed = scratch.start("seed x.torrent --listen 127.0.0.1:0 --json");
    let [listening, _] = seed.wait_for_all(["listening", "checked"]);
    let text = |event: &serde_json::Value, field: &str| event[field].as_str().expect("text").to_owned();
    (contents, text(&created.event("created"), "info_hash"), seed, text(&listening, "addr"))
}

#[test]
fn an_info_hash_and_a_peer_are_enough() {
    let scratch = Scratch::new();
    let (contents, hash, _seed, addr) = seed(&scratch);
    let line = format!("download {hash} --peer {addr} -o out --listen 127.0.0.1:0 --exit-when-done --json");
    let ran = scratch.run(&line).ok();
    for ((name, _), content) in FILES.iter().zip(&contents) {
        assert_eq!(&program::read(&scratch.path("out").join(name)), content, "{name}");
    }
    assert_eq!(ran.event("fetching")["name"], hash.as_str());
    assert_eq!(ran.event("metadata")["name"], "top");
    assert_eq!(ran.event("metadata")["files"], 4);
    assert_eq!(ran.event("completed")["total"], 640_000);
}

#[test]
fn a_link_names_peers_and_files() {
    let scratch = Scratch::new();
    let (contents, hash, _seed, addr) = seed(&scratch);
    let link = format!("magnet:?xt=urn:btih:{hash}&x.pe={addr}&so=1");
    let ran =
        scratch.run(&format!("download {link} -o out --listen 127.0.0.1:0 --exit-when-done --json")).ok();
    assert_eq!(program::read(&scratch.path("out/top/b")), contents[1]);
    // Bytes 100,000 to 300,000 lie in pieces 3 to 9.
    let mut pieces: Vec<u64> = ran
        .events()
        .iter()
        .filter(|event| event["event"] == "piece")
        .map(|event| event["index"].as_u64().expect("number"))
        .collect();
    pieces.sort_unstable();
    assert_eq!(pieces, [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(ran.event("finished")["verified"], 7 * 32_768);
    assert!(!scratch.path("out/top/d").exists(), "it shares no piece with what was chosen");
    let summary = ran.event("summary");
    assert_eq!((&summary["finished"], &summary["complete"]), (&true.into(), &false.into()));
}

#[test]
fn a_web_seed_that_speaks_no_http_is_wrong_usage() {
    let scratch = Scratch::new();
    scratch.file("x", 5);
    scratch.run("create x").ok();
    fs::write(scratch.path("settings.toml"), "webseed = ['ftp://host/x']").expect("room");
    for line in [
        "create x --webseed ftp://host/x",
        "download x.torrent --webseed ftp://host/x",
        "download x.torrent --webseed https://",
        "download x.torrent --config settings.toml",
    ] {
        let ran = scratch.run(line);
        assert_eq!(ran.code, Some(2), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains("such as https://host/path/"), "{line}: {}", ran.stderr);
    }
    scratch.run("create x -o y.torrent --webseed HTTP://host/x").ok();
}

#[test]
fn info_and_list_ask_the_peers_of_a_link() {
    let scratch = Scratch::new();
    let (_, hash, _seed, addr) = seed(&scratch);
    let torrent = scratch.run(&format!("info {hash} --peer {addr} --json")).ok().event("torrent");
    assert_eq!((&torrent["name"], &torrent["info_hash"]), (&"top".into(), &hash.into()));
    let hash = torrent["info_hash"].as_str().expect("text");
    let by_link = scratch.run(&format!("download {hash} --peer {addr} --list")).ok();
    let by_file = scratch.run("download x.torrent --list").ok();
    assert_eq!(by_link.stdout, by_file.stdout);
    assert!(by_file.stdout.contains("    2   293.0 KiB  top/c\n"), "{}", by_file.stdout);
    let listed = scratch.run("download x.torrent --list --json").ok().events();
    let numbers: Vec<_> =
        listed.iter().map(|file| (file["index"].as_u64(), file["length"].as_u64())).collect();
    assert_eq!(
        numbers,
        [(0, 100_000), (1, 200_000), (2, 300_000), (3, 40_000)].map(|(n, l)| (Some(n), Some(l)))
    );
    assert!(!scratch.path("out").exists());
}

#[test]
fn peers_that_only_a_tracker_knows_are_asked_too() {
    let scratch = Scratch::new();
    let (_, hash, _seed, addr) = seed(&scratch);
    let mut running = scratch.start("tracker --udp 127.0.0.1:0 --json");
    let listening = running.wait_for("listening");
    let tracker = format!("--tracker udp://{}", listening["addr"].as_str().expect("text"));
    let (_, port) = addr.rsplit_once(':').expect("an address");
    scratch.run(&format!("announce {hash} {tracker} --port {port} --seeder")).ok();
    for peer in ["", "--peer 127.0.0.1:1"] {
        let ran = scratch.run(&format!("download {hash} --list {tracker} {peer}")).ok();
        assert_eq!(ran.stdout.lines().count(), FILES.len(), "{}", ran.stdout);
    }
}

#[test]
fn more_can_be_chosen_the_next_time() {
    let scratch = Scratch::new();
    let (contents, _, _seed, addr) = seed(&scratch);
    let line =
        format!("download x.torrent --peer {addr} -o out --listen 127.0.0.1:0 --exit-when-done --json");
    scratch.run(&format!("{line} --select 3")).ok();
    let again = scratch.run(&format!("{line} --select 3")).ok();
    assert_eq!(again.event("summary")["downloaded"], 0);
    scratch.run(&line).ok().event("completed");
    for ((name, _), content) in FILES.iter().zip(&contents) {
        assert_eq!(&program::read(&scratch.path("out").join(name)), content, "{name}");
    }
}

#[test]
fn what_cannot_be_chosen_is_wrong_usage() {
    let scratch = Scratch::new();
    seed(&scratch);
    fs::copy(scratch.path("x.torrent"), scratch.path("y.torrent")).expect("copied");
    for (line, why, advice) in [
        ("download x.torrent --select 4", "its files are 0 to 3", "--list"),
        ("download x.torrent y.torrent --select 0", "one SOURCE at a time", "run it once for each"),
        ("download x.torrent y.torrent", "the same torrent", "leave one of the two out"),
    ] {
        let ran = scratch.run(&format!("{line} --listen 127.0.0.1:0"));
        assert_eq!(ran.code, Some(2), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains(why) && ran.stderr.contains(advice), "{line}: {}", ran.stderr);
    }
}

#[test]
fn sharing_ends_where_it_has_a_goal() {
    let scratch = Scratch::new();
    let (_, _, first, addr) = seed(&scratch);
    // It is reached at once: nothing is to be sent.
    let line = format!("download x.torrent --peer {addr} -o out --listen 127.0.0.1:0 --seed-ratio 0 --json");
    let ran = scratch.run(&line).ok();
    assert_eq!(ran.event("seed_goal_reached")["name"], "top");
    assert_eq!(ran.event("summary")["complete"], true);
    drop(first);

    let mut second = scratch.start("seed x.torrent --listen 127.0.0.1:0 --seed-ratio 1 --json");
    let [listening, _] = second.wait_for_all(["listening", "checked"]);
    let addr = listening["addr"].as_str().expect("text");
    let line = format!("download x.torrent --peer {addr} -o again --listen 127.0.0.1:0 --exit-when-done");
    scratch.run(&line).ok();
    let shared = second.finish().ok();
    assert_eq!(shared.event("summary")["uploaded"], 640_000);
    scratch.run("seed x.torrent --listen 127.0.0.1:0 --seed-time 1ms --json").ok().event("seed_goal_reached");
}
