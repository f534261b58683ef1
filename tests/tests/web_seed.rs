//! Torrents come from web servers (BEP 19), alone or together with peers.

use convoy_tests::{
    Convoy, Outcome, Payload, Peer, Scratch,
    convoy::downloaded,
    peers::{Libtorrent, WebServer},
};
use std::{fs, path::Path};

const MIB: u64 = 1 << 20;

fn download(scratch: &Scratch, payload: &Payload, dir: &Path, url: &str) -> Convoy {
    Convoy::download(scratch, &payload.torrent, dir).args(&["--exit-when-done", "--webseed", url])
}

/// Fetches a payload from a web seed alone.
fn fetch_alone(scratch: &Scratch, payload: &Payload, url: &str) -> Outcome {
    let dir = scratch.dir("out");
    let outcome = download(scratch, payload, &dir, url).spawn().wait_success();
    payload.assert_in(&dir);
    assert_eq!(outcome.event("web_seed")["url"], url);
    outcome
}

fn url(server: &Peer, path: &str) -> String {
    format!("http://{}/{path}", server.addr)
}

#[test]
fn a_file_comes_from_a_server_that_knows_ranges() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 24 * MIB + 1, 256 << 10);
    let server = WebServer::serve(&payload.dir, &[]);
    let outcome = fetch_alone(&scratch, &payload, &url(&server, "file.bin"));
    assert_eq!(downloaded(outcome.event("summary")), payload.total, "every byte once");
    let requests = server.process.kill().lines.iter().filter(|line| line["status"] == 206).count();
    assert!((6..=97).contains(&requests), "{requests} requests for 97 pieces");
}

#[test]
fn a_file_comes_from_a_server_that_knows_no_ranges() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 24 * MIB + 1, 256 << 10);
    let server = WebServer::serve(&payload.dir, &["--no-ranges"]);
    let outcome = fetch_alone(&scratch, &payload, &url(&server, ""));
    assert_eq!(downloaded(outcome.event("summary")), payload.total, "every byte once");
}

#[test]
fn a_folder_with_odd_names_comes_from_either_kind_of_server() {
    let files = [
        ("a first file", 300_001),
        ("50% of #1?", 70_000),
        ("empty", 0),
        ("sub/\u{fc}\u{6f22}.txt", 1),
        ("sub/a+b&c=d;e", 40_000),
        ("sub/deep/z: z", 200_000),
    ];
    for options in [&[][..], &["--no-ranges"]] {
        let scratch = Scratch::new();
        let payload = scratch.payload_tree("a tree", &files, 32 << 10, false);
        let server = WebServer::serve(&payload.dir, options);
        let dir = scratch.dir("out");
        let outcome = download(&scratch, &payload, &dir, &url(&server, "")).spawn().wait_success();
        let verified = Convoy::verify(&scratch, &payload.torrent, &dir).run();
        verified.assert_code(0);
        assert!(
            outcome.lines.iter().all(|line| line["event"] != "web_seed_gone" || line["retry_after_s"] == 0)
        );
    }
}

#[test]
fn servers_that_lack_a_file_each_make_a_whole() {
    let files = [("a", 300_001), ("b", 200_000), ("c", 400_000)];
    for options in [&[][..], &["--no-ranges"]] {
        let scratch = Scratch::new();
        let payload = scratch.payload_tree("tree", &files, 32 << 10, true);
        let servers = ["b", "c"].map(|lacks| {
            let dir = scratch.dir(&format!("without {lacks}"));
            fs::create_dir(dir.join("tree")).expect("a folder");
            for (file, _) in files.iter().filter(|(file, _)| *file != lacks) {
                let file = Path::new("tree").join(file);
                fs::copy(payload.dir.join(&file), dir.join(&file)).expect("a copy");
            }
            WebServer::serve(&dir, options)
        });
        let dir = scratch.dir("out");
        let download = download(&scratch, &payload, &dir, &url(&servers[0], ""));
        let download = download.arg("--webseed").arg(url(&servers[1], ""));
        download.spawn().wait_success();
        payload.assert_in(&dir);
        for server in servers {
            let missed = server.process.kill().lines.iter().filter(|line| line["status"] == 404).count();
            assert!(
                missed <= 2,
                "{missed} requests for what it lacks, of which two may be under way at once"
            );
        }
    }
}

#[test]
fn padding_is_not_asked_for() {
    let scratch = Scratch::new();
    let files = [("a", 100_001), ("b", 5), ("c", 70_000)];
    let payload = scratch.payload_tree("padded", &files, 32 << 10, true);
    let server = WebServer::serve(&payload.dir, &[]);
    fetch_alone(&scratch, &payload, &url(&server, ""));
    for line in server.process.kill().lines.iter().filter(|line| line["event"] == "request") {
        assert_eq!(line["status"], 206, "{line}");
    }
}

#[test]
fn the_url_list_of_a_torrent_is_used_unasked() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 3 * MIB, 64 << 10);
    let server = WebServer::serve(&payload.dir, &[]);
    let torrent = scratch.path("with-url.torrent");
    let data = payload.dir.join("file.bin");
    let create = Convoy::new(&scratch, "create").arg(&data).arg("-o").arg(&torrent);
    create.args(&["--webseed", &url(&server, "file.bin")]).spawn().wait_success();
    let dir = scratch.dir("out");
    Convoy::download(&scratch, &torrent, &dir).arg("--exit-when-done").spawn().wait_success();
    payload.assert_in(&dir);
}

#[test]
fn redirects_are_followed() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 2 * MIB, 64 << 10);
    let server = WebServer::serve(&payload.dir, &["--redirect"]);
    fetch_alone(&scratch, &payload, &url(&server, "file.bin"));
    for line in server.process.kill().lines.iter().filter(|line| line["event"] == "request") {
        assert!(line["referer"].is_null(), "nobody is told where we come from: {line}");
    }
}

#[test]
fn a_peer_and_a_server_share_the_work() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 32 * MIB, 256 << 10);
    let server = WebServer::serve(&payload.dir, &[]);
    let seed = Libtorrent::slow_seed(&payload.torrent, &payload.dir, 4 * MIB);
    let dir = scratch.dir("out");
    // Slow enough that both have their turn.
    let download = download(&scratch, &payload, &dir, &url(&server, "file.bin")).peers(&[seed.addr]);
    let outcome = download.args(&["--download-limit", "8Mi"]).spawn().wait_success();
    payload.assert_in(&dir);
    let from_server = outcome.event("web_seed_gone")["downloaded"].as_u64().expect("bytes");
    let from_peer = outcome.event("peer_gone")["downloaded"].as_u64().expect("bytes");
    assert!(from_server > 0 && from_peer > 0, "{from_server} from the server, {from_peer} from the peer");
    assert!(from_server + from_peer >= payload.total);
}

#[test]
fn a_server_that_dies_in_the_middle_leaves_the_rest_to_peers() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 24 * MIB, 256 << 10);
    let server = WebServer::serve(&payload.dir, &["--die-after", "8000000"]);
    let seed = Convoy::seed(&scratch, &payload.torrent, &payload.dir).serve();
    let dir = scratch.dir("out");
    let download = download(&scratch, &payload, &dir, &url(&server, "file.bin"));
    let mut download =
        download.arg("--peer").arg(seed.addr.to_string()).args(&["--download-limit", "8Mi"]).spawn();
    let gone = download.wait_for("web_seed_gone");
    assert_eq!(gone["retry_after_s"], 10, "{gone}");
    download.wait_success();
    payload.assert_in(&dir);
}

#[test]
fn a_busy_server_is_asked_again_when_it_wants() {
    // A date is no finer than a second.
    for (options, seconds) in
        [(&["--busy", "503", "2"][..], 2..=2), (&["--busy", "429", "4", "--date"], 2..=4)]
    {
        let scratch = Scratch::new();
        let payload = scratch.payload("file.bin", MIB, 64 << 10);
        let server = WebServer::serve(&payload.dir, options);
        let outcome = fetch_alone(&scratch, &payload, &url(&server, "file.bin"));
        let gone = outcome.event("web_seed_gone");
        let rest = gone["retry_after_s"].as_u64();
        assert!(rest.is_some_and(|rest| seconds.contains(&rest)), "{gone}");
        assert_eq!(gone["why"], format!("the server answered {}", options[1]));
    }
}

#[test]
fn a_server_that_lies_is_given_up_and_one_that_does_not_goes_on() {
    let scratch = Scratch::new();
    let payload = scratch.payload("file.bin", 4 * MIB, 256 << 10);
    let (liar, honest) =
        (WebServer::serve(&payload.dir, &["--corrupt"]), WebServer::serve(&payload.dir, &[]));
    let dir = scratch.dir("out");
    let download = download(&scratch, &payload, &dir, &url(&liar, "file.bin"));
    let mut download =
        download.args(&["--download-limit", "2Mi"]).arg("--webseed").arg(url(&honest, "file.bin")).spawn();
    let gone = download.wait_until("the end of the liar", |line| {
        line["event"] == "web_seed_gone" && line["retry_after_s"].is_null()
    });
    assert_eq!(gone["url"], url(&liar, "file.bin"));
    download.wait_success();
    payload.assert_in(&dir);
}
