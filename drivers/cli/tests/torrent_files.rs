//! The verbs that make, show and check torrents.

mod program;

use program::{Ran, Scratch};
use std::{
    fs::{self, File},
    io::Write,
    process::Stdio,
};

#[test]
fn create_makes_the_same_bytes_each_time() {
    let scratch = Scratch::new();
    scratch.file("file", 1_000_000);
    scratch.run("create file -o x.torrent --piece-length 256KiB").ok();
    scratch.run("create file -o y.torrent --piece-length 256KiB").ok();
    let bytes = program::read(&scratch.path("x.torrent"));
    assert_eq!(bytes, program::read(&scratch.path("y.torrent")));
    let piped = scratch.command("create file --piece-length 256KiB -o -").output().expect("runs");
    assert_eq!(bytes, piped.stdout);
}

#[test]
fn info_shows_what_create_was_told() {
    let scratch = Scratch::new();
    scratch.file("top/b/x", 100_000);
    scratch.file("top/a", 0);
    let flags = "--tracker udp://t.example:1/a --tracker https://t.example/b --webseed https://w.example/d/ \
                 --private --comment hello --source S --date=1700000000 --piece-length 16KiB";
    let created = scratch.run(&format!("create top -o x.torrent {flags} --json")).ok().event("created");
    let info = scratch.run("info x.torrent --json").ok().event("torrent");
    assert_eq!(created["info_hash"], info["info_hash"]);
    assert_eq!(info["files"][1]["path"], "top/b/x");
    assert_eq!(info["total"], 100_000);
    assert_eq!(info["pieces"], 7);
    assert_eq!(info["trackers"], serde_json::json!([["udp://t.example:1/a"], ["https://t.example/b"]]));
    assert_eq!(info["web_seeds"][0], "https://w.example/d/");
    assert_eq!(info["private"], true);
    assert_eq!((&info["comment"], &info["source"]), (&"hello".into(), &"S".into()));
    assert_eq!(info["creation_date"], 1_700_000_000);
    let shown = scratch.run("show x.torrent").ok().stdout;
    for text in
        ["Private       yes", "2023-11-14T22:13:20Z", "Pieces        7 of 16 KiB", "      x (97.7 KiB)"]
    {
        assert!(shown.contains(text), "{text} is not in {shown}");
    }
}

#[test]
fn magnet_reads_stdin_and_names_the_torrent() {
    let scratch = Scratch::new();
    scratch.file("file", 20_000);
    scratch.run("create file -o x.torrent --tracker udp://t.example:1").ok();
    let mut child = scratch
        .command("magnet -")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let torrent = program::read(&scratch.path("x.torrent"));
    child.stdin.take().expect("piped").write_all(&torrent).expect("written");
    let ran = program::Ran::from(child.wait_with_output().expect("ends")).ok();
    let hash = scratch.run("info x.torrent --json").ok().event("torrent")["info_hash"].clone();
    let start = format!("magnet:?xt=urn:btih:{}&dn=file&tr=udp", hash.as_str().expect("hex"));
    assert!(ran.stdout.starts_with(&start), "{}", ran.stdout);
}

#[test]
fn verify_names_bad_files_and_pieces() {
    let scratch = Scratch::new();
    for (name, length) in [("top/a", 100_000), ("top/b", 20), ("top/c", 100_000)] {
        scratch.file(name, length);
    }
    scratch.run("create top -o x.torrent --piece-length 16KiB").ok();
    let sound = scratch.run("verify x.torrent --data .").ok();
    assert_eq!(sound.stdout.lines().count(), 4, "{}", sound.stdout);

    let mut bytes = program::read(&scratch.path("top/a"));
    bytes[20_000] ^= 1;
    fs::write(scratch.path("top/a"), bytes).expect("written");
    fs::remove_file(scratch.path("top/c")).expect("removed");
    let ran = scratch.run("verify x.torrent --data . --json");
    assert_eq!(ran.code, Some(1));
    let files: Vec<_> = ran.events().into_iter().filter(|event| event["event"] == "file").collect();
    let statuses: Vec<_> = files.iter().map(|file| file["status"].as_str().expect("text")).collect();
    assert_eq!(statuses, ["damaged", "unknown", "missing"]);
    assert_eq!(files[0]["bad_pieces"], serde_json::json!([{"first": 1, "last": 1}, {"first": 6, "last": 6}]));
    assert_eq!(ran.event("verify_summary")["have"], 5);
    assert!(ran.event("error")["message"].as_str().is_some_and(|text| text.starts_with("3 of 3 files")));
}

#[test]
fn verify_sends_nobody_to_fetch_what_is_there() {
    let scratch = Scratch::new();
    let mut bytes = scratch.file("top/a", 20_000);
    scratch.file("top/empty", 0);
    scratch.run("create top -o x.torrent").ok();
    bytes.push(0);
    fs::write(scratch.path("top/a"), &bytes).expect("written");
    let ran = scratch.run("verify x.torrent");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("2 of 2 pieces are good"), "{}", ran.stdout);
    assert!(ran.stderr.contains("cut off what a file has too much"), "{}", ran.stderr);
    bytes.truncate(10_000);
    fs::write(scratch.path("top/a"), &bytes).expect("written");
    let ran = scratch.run("verify x.torrent");
    assert!(ran.stderr.contains("`convoy download` into the same folder"), "{}", ran.stderr);
}

#[test]
fn create_refuses_what_others_could_not_read() {
    let scratch = Scratch::new();
    scratch.file("empty", 0);
    scratch.file("top/a:b", 5);
    scratch.file("file", 5);
    for (line, code, text) in [
        ("create empty", 1, "the total length is zero"),
        ("create top", 1, "top/a:b"),
        ("create nothing", 1, "nothing"),
        ("create file --piece-length 1000", 2, "power of two"),
        ("create file --tracker nowhere", 2, "udp://"),
        ("create file -o no/such/folder/x.torrent", 1, "no/such/folder"),
    ] {
        let ran = scratch.run(line);
        assert_eq!(ran.code, Some(code), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains(text), "{line}: {}", ran.stderr);
    }
}

#[test]
fn what_is_no_torrent_is_refused_by_name() {
    let scratch = Scratch::new();
    scratch.file("noise", 5000);
    for verb in ["info", "magnet", "verify", "download", "seed"] {
        let ran = scratch.run(&format!("{verb} noise"));
        assert_eq!(ran.code, Some(1), "{verb}");
        assert!(ran.stderr.contains("noise is not a .torrent"), "{verb}: {}", ran.stderr);
        let ran = scratch.run(&format!("{verb} https://example.org/x.torrent"));
        assert_eq!(ran.code, Some(1), "{verb}");
        assert!(ran.stderr.contains("not supported yet"), "{verb}: {}", ran.stderr);
    }
}

#[test]
fn what_fails_says_what_to_do_next() {
    let scratch = Scratch::new();
    scratch.file("x", 5);
    scratch.file("film", 10_000_001);
    scratch.run("create x").ok();
    let whole =
        |name: &str| File::options().read(true).write(name.starts_with("/dev")).open(name).expect(name);
    let folder = scratch.path(".");
    for (line, input, output, advice) in [
        ("info magnet:?xt=urn:btih:0", "/dev/null", None, "put it in quotes"),
        ("info film", "/dev/null", None, "`convoy create` makes one"),
        ("download x.torrent --config .", "/dev/null", None, "name another one with --config FILE"),
        ("info -", folder.to_str().expect("text"), None, "pipe one in"),
        ("info x.torrent", "/dev/null", Some("/dev/full"), "see whether there is room"),
        ("create x -o none/y.torrent", "/dev/null", None, "a folder where you may write"),
        ("download x.torrent -o x", "/dev/null", None, "name another one where you may write"),
    ] {
        let mut command = scratch.command(line);
        command.stdin(whole(input)).stdout(output.map_or_else(Stdio::piped, |file| whole(file).into()));
        let ran = Ran::from(command.output().expect("runs"));
        assert_eq!(ran.code, Some(1), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains(advice), "{line}: {}", ran.stderr);
    }
    let ran = scratch.run("seed x.torrent --listen 192.0.2.1:1 --seed-time 1ms").ok();
    assert!(ran.stderr.contains("cannot reach this node") && ran.stderr.contains("with --listen ADDR"));
}

#[test]
fn a_torrent_that_stdout_does_not_take_whole_is_no_success() {
    let scratch = Scratch::new();
    // Without a line feed in it, nothing forces what is written out of the buffer.
    let torrent = (16_384..).find_map(|length| {
        scratch.file("file", length);
        let torrent = scratch.command("create file -o -").output().expect("runs").stdout;
        (!torrent.contains(&b'\n')).then_some(torrent)
    });
    assert!(torrent.is_some_and(|torrent| torrent.ends_with(b"e")));
    let full = File::options().write(true).open("/dev/full").expect("opened");
    let ran = scratch.command("create file -o -").stdout(full).output().expect("runs");
    assert_eq!(ran.status.code(), Some(1));
}

#[test]
fn nobody_has_to_listen_to_what_is_said() {
    let scratch = Scratch::new();
    scratch.file("file", 20_000);
    scratch.run("create file -o x.torrent").ok();
    let download = "download x.torrent --listen 127.0.0.1:0 --exit-when-done";
    for (line, code) in [
        (download.to_owned(), 0),
        (format!("{download} -vv"), 0),
        (format!("{download} --stream 0"), 0),
        ("demo --size 64KiB --peers 1".to_owned(), 0),
        ("info nothing".to_owned(), 1),
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = scratch.command(&line);
        command.stdout(writer.try_clone().expect("another")).stderr(writer);
        assert_eq!(command.status().expect("runs").code(), Some(code), "{line}");
    }
}

#[test]
fn a_link_is_shown_and_refused_where_it_says_too_little() {
    let scratch = Scratch::new();
    let link = format!("magnet:?xt=urn:btih:{}&so=1,3-4&dn=x", "0".repeat(40));
    let event = scratch.run(&format!("info {link} --json")).ok().event("link").clone();
    assert_eq!((&event["name"], &event["select"]), (&"x".into(), &"1,3-4".into()));
    for verb in ["magnet", "verify", "seed"] {
        let ran = scratch.run(&format!("{verb} {link}"));
        assert_eq!(ran.code, Some(2), "{verb}");
        assert!(ran.stderr.contains("is a link"), "{verb}: {}", ran.stderr);
    }
    for line in
        [format!("info {link} --peer 127.0.0.1:1"), format!("download --list {link} --peer 127.0.0.1:1")]
    {
        let ran = scratch.run(&line);
        assert_eq!(ran.code, Some(1), "{line}");
        assert!(ran.stderr.contains("127.0.0.1:1: connection refused"), "{line}: {}", ran.stderr);
    }
    let ran = scratch.run(&format!("download --list {link}"));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("--peer HOST:PORT"), "{}", ran.stderr);
}
