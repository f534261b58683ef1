//! The verbs that move data: a seed and a download are two processes on loopback.

mod program;

use program::{Running, Scratch};
use std::{fs, process::Stdio, time::Instant};

/// Starts a seed on a free port; gives it and its address.
fn seed(scratch: &Scratch, line: &str) -> (Running, String) {
    let mut seed = scratch.start(&format!("seed {line} --listen 127.0.0.1:0 --json"));
    // The data may be checked before the system lets the node listen.
    let [listening, checked] = seed.wait_for_all(["listening", "checked"]);
    assert_eq!(checked["have"], checked["pieces"]);
    (seed, listening["addr"].as_str().expect("text").to_owned())
}

#[test]
fn download_fetches_what_a_seed_serves() {
    let scratch = Scratch::new();
    let files = [("top/a", 3_000_000), ("top/empty", 0), ("top/deep/er/b", 70_000)];
    let contents = files.map(|(name, length)| scratch.file(name, length));
    scratch.run("create top -o x.torrent --piece-length 64KiB").ok();
    let (seed, addr) = seed(&scratch, "x.torrent --data .");

    let line =
        format!("download x.torrent -o out --listen 127.0.0.1:0 --peer {addr} --exit-when-done --json");
    let ran = scratch.run(&line).ok();
    for ((name, _), content) in files.iter().zip(contents) {
        assert_eq!(program::read(&scratch.path(&format!("out/{name}"))), content, "{name}");
    }
    let pieces = ran.events().into_iter().filter(|event| event["event"] == "piece").count();
    assert_eq!(pieces as u64, ran.event("added")["pieces"].as_u64().expect("number"));
    assert_eq!(ran.event("piece")["from"], addr);
    assert_eq!(ran.event("peer")["outgoing"], true);
    assert_eq!(ran.event("completed")["total"], 3_070_000);
    assert_eq!(ran.events().last().expect("events")["event"], "summary");
    assert_eq!(ran.event("summary")["complete"], true);
    scratch.run("verify x.torrent --data out").ok();
    drop(seed);
}

#[test]
fn a_complete_download_is_known_at_once_the_next_time() {
    let scratch = Scratch::new();
    scratch.file("file", 1_000_000);
    scratch.run("create file -o x.torrent").ok();
    let line = "download x.torrent --listen 127.0.0.1:0 --exit-when-done --json";
    for _ in 0..2 {
        let ran = scratch.run(line).ok();
        assert_eq!(ran.event("summary")["downloaded"], 0);
    }
    let saved = fs::read_dir(scratch.path(".local/state/convoy")).expect("a folder").count();
    assert_eq!(saved, 1, "resume files");
}

#[test]
fn download_reads_a_torrent_from_stdin_and_says_where_it_went() {
    let scratch = Scratch::new();
    let content = scratch.file("file", 500_000);
    scratch.run("create file -o x.torrent").ok();
    let (_seed, addr) = seed(&scratch, "x.torrent");
    let torrent = fs::File::open(scratch.path("x.torrent")).expect("opened");
    let line = format!("download - -o out --listen 127.0.0.1:0 --initial-peers {addr} --exit-when-done");
    let output = scratch.command(&line).stdin(Stdio::from(torrent)).output().expect("runs");
    let ran = program::Ran::from(output).ok();
    assert_eq!(program::read(&scratch.path("out/file")), content);
    assert!(ran.stdout.starts_with("out/file: complete, 488.3 KiB"), "{}", ran.stdout);
}

#[test]
fn interrupting_stops_within_three_seconds_and_saves() {
    for signal in ["INT", "TERM"] {
        let scratch = Scratch::new();
        scratch.file("file", 1_000_000);
        scratch.run("create file -o x.torrent").ok();
        let (seed, _) = seed(&scratch, "x.torrent --state kept");
        let asked = Instant::now();
        seed.signal(signal);
        let ran = seed.finish();
        assert!(asked.elapsed().as_secs_f64() < 3.0);
        assert_eq!(ran.code, Some(130), "{}", ran.stderr);
        assert_eq!(fs::read_dir(scratch.path("kept")).expect("a folder").count(), 1, "resume files");
        assert_eq!(ran.event("summary")["complete"], true);
    }
}

#[test]
fn a_seed_refuses_to_serve_what_is_not_all_there() {
    let scratch = Scratch::new();
    let mut content = scratch.file("file", 1_000_000);
    scratch.run("create file -o x.torrent --piece-length 64KiB").ok();
    content[200_000] ^= 1;
    fs::write(scratch.path("file"), &content).expect("written");
    let ran = scratch.run("seed x.torrent --listen 127.0.0.1:0");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("DAMAGED; bad pieces 3 (1 in all)"), "{}", ran.stdout);
    assert!(ran.stderr.contains("1 of 16 pieces are missing or damaged, in 1 of 1 files"), "{}", ran.stderr);

    fs::remove_file(scratch.path("file")).expect("removed");
    let ran = scratch.run("seed x.torrent --listen 127.0.0.1:0 --json");
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.event("file")["status"], "missing");
    assert!(ran.event("error")["file"].as_str().is_some_and(|file| file.ends_with("file")));
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let scratch = Scratch::new();
    scratch.file("file", 200_000);
    scratch.run("create file -o x.torrent").ok();
    let (_seed, addr) = seed(&scratch, "x.torrent");
    fs::create_dir_all(scratch.path("out/file")).expect("made");
    let ran = scratch
        .run(&format!("download x.torrent -o out --listen 127.0.0.1:0 --peer {addr} --exit-when-done"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("error: out/file: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("move away what has its name"), "{}", ran.stderr);
}

#[test]
fn empty_files_are_made_though_nothing_is_missing() {
    let scratch = Scratch::new();
    scratch.file("top/a", 200_000);
    for empty in ["top/none", "top/folder/none"] {
        scratch.file(empty, 0);
    }
    scratch.run("create top -o x.torrent").ok();
    std::fs::remove_file(scratch.path("top/none")).expect("removed");
    std::fs::remove_dir_all(scratch.path("top/folder")).expect("removed");
    let download = "download x.torrent --listen 127.0.0.1:0 --exit-when-done";
    scratch.run(download).ok();
    scratch.run("verify x.torrent").ok();
    // Only what is empty is wanted, and there is nobody to fetch anything from.
    scratch.run(&format!("{download} -o out --select 2")).ok();
    assert!(program::read(&scratch.path("out/top/none")).is_empty());
    assert!(!scratch.path("out/top/a").exists());
}

#[test]
fn two_torrents_do_not_write_to_one_file() {
    let scratch = Scratch::new();
    for (folder, length) in [("one", 200_000), ("two", 300_000)] {
        scratch.file(&format!("{folder}/top/same"), length);
        scratch.file(&format!("{folder}/top/{folder}"), 10_000);
        scratch.run(&format!("create {folder}/top -o {folder}.torrent")).ok();
    }
    let (_one, first) = seed(&scratch, "one.torrent --data one");
    let (_two, second) = seed(&scratch, "two.torrent --data two");
    let link = scratch.run("magnet two.torrent").ok().stdout;
    for source in ["two.torrent", link.trim()] {
        let ran = scratch.run(&format!(
            "download one.torrent {source} -o out --listen 127.0.0.1:0 --peer {first} --peer {second} --exit-when-done"
        ));
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains("out/top/same is a file of two torrents, "), "{}", ran.stderr);
    }
    // Two torrents of one content can share it.
    scratch.run("create one/top -o other.torrent --source other").ok();
    scratch.run("seed one.torrent other.torrent --data one --listen 127.0.0.1:0 --seed-time 1ms").ok();
}

#[test]
fn settings_that_this_build_cannot_keep_are_refused() {
    let scratch = Scratch::new();
    scratch.file("file", 20_000);
    scratch.run("create file -o x.torrent").ok();
    fs::write(scratch.path("config.toml"), "listen = '127.0.0.1:0'\nlisten-port = 5").expect("written");
    for (line, text) in [
        ("download x.torrent --encryption perhaps", "invalid value 'perhaps'"),
        ("seed x.torrent --config config.toml", "listen-port"),
        ("download x.torrent -d fast", "a size is a number"),
    ] {
        let ran = scratch.run(line);
        assert_eq!(ran.code, Some(2), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains(text), "{line}: {}", ran.stderr);
    }
}

#[test]
fn printed_settings_tell_what_holds() {
    let scratch = Scratch::new();
    let output = scratch
        .command("download --print-config -o here --no-dht --encryption disabled")
        .env("CONVOY_UPLOAD_LIMIT", "2Mi")
        .output()
        .expect("runs");
    let ran = program::Ran::from(output).ok();
    for line in ["output = \"here\"", "upload-limit = 2097152", "no-dht = true", "listen = \"[::]:6881\""] {
        assert!(ran.stdout.lines().any(|printed| printed == line), "{line} is not in {}", ran.stdout);
    }
}

#[test]
fn the_demo_delivers_what_it_made() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("scratch")).expect("made");
    let ran = scratch.run("demo --size 4MiB --peers 2 --dir scratch --piece-length 64KiB --json").ok();
    let summary = ran.event("demo_summary");
    assert_eq!(summary["ok"], true);
    assert_eq!(summary["total"], 4 << 20);
    for leecher in 1..=2 {
        let pieces = summary["nodes"][leecher]["pieces_from"].as_array().expect("numbers");
        assert_eq!(pieces.iter().filter_map(|count| count.as_u64()).sum::<u64>(), 64);
    }
    assert_eq!(fs::read_dir(scratch.path("scratch")).expect("a folder").count(), 0, "left behind");
}

#[test]
fn a_demo_without_room_does_not_begin() {
    let ran = Scratch::new().run("demo --size 100000Ti --peers 3");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("the demo needs 390.6 PiB, and "), "{}", ran.stderr);
}

#[test]
fn what_came_of_encryption_is_told_at_the_end() {
    let scratch = Scratch::new();
    scratch.file("file", 500_000);
    scratch.run("create file -o x.torrent").ok();
    let (_seed, addr) = seed(&scratch, "x.torrent --encryption disabled");
    let line =
        format!("download x.torrent -o out --listen 127.0.0.1:0 --peer {addr} --exit-when-done --json");
    let summary = scratch.run(&line).ok().event("encryption_summary");
    assert_eq!([&summary["none"], &summary["plaintext"], &summary["rc4"]], [1, 0, 0]);
    assert_eq!(summary["fallbacks"], 1);
    assert_eq!(summary["failures"].to_string(), r#"{"hung_up":1}"#);
}

#[test]
fn a_demo_that_requires_rc4_encrypts_every_connection() {
    let line = "demo --size 1MiB --peers 2 --encryption required --encryption-level rc4 --json";
    let summary = Scratch::new().run(line).ok().event("demo_summary");
    for node in summary["nodes"].as_array().expect("nodes") {
        let counts = &node["encryption"];
        assert!(counts["rc4"].as_u64() > Some(0), "{counts}");
        assert_eq!([&counts["none"], &counts["plaintext"], &counts["fallbacks"]], [0, 0, 0]);
    }
}

#[test]
fn the_demo_shows_a_table() {
    let scratch = Scratch::new();
    let ran = scratch.run("demo --size 1MiB --peers 1").ok();
    for text in ["leecher 1", "100.00%", "every hash is right"] {
        assert!(ran.stdout.contains(text), "{text} is not in {}", ran.stdout);
    }
}
