//! Convoy asks trackers that others wrote, and finds peers through them.

use convoy_tests::{
    Convoy, Payload, Scratch,
    peers::{Libtorrent, free_addr},
    process::{PATIENCE, poll},
    trackers::{self, Tracker},
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    thread,
};

/// The port that we say is ours.
const PORT: u16 = 7;

/// What a tracker says of a torrent.
fn ask(scratch: &Scratch, payload: &Payload, verb: &str, more: &[&str]) -> Value {
    let answered = match verb {
        "announce" => "announced",
        _ => "scraped",
    };
    let outcome = Convoy::new(scratch, verb).arg(&payload.torrent).args(more).spawn().wait_success();
    outcome.event(answered).clone()
}

/// Asks until the tracker counts so many.
fn await_counts(scratch: &Scratch, payload: &Payload, seeders: u32, leechers: u32) {
    let mut last = Value::Null;
    let counted = poll(PATIENCE, || {
        last = ask(scratch, payload, "scrape", &[]);
        (last["seeders"] == seeders && last["leechers"] == leechers).then_some(())
    });
    assert!(counted.is_some(), "not {seeders} seeders and {leechers} leechers: {last}");
}

/// libtorrent seeds and announces itself there. We are told of it, count as a leecher until we stop, and
/// download from it.
fn leads_to_a_seed(scratch: &Scratch, payload: &Payload, url: &str) {
    let payload = &payload.with_tracker(url);
    let seed = match url.contains('[') {
        true => Libtorrent::seed_v6(&payload.torrent, &payload.dir),
        false => Libtorrent::seed(&payload.torrent, &payload.dir),
    };
    await_counts(scratch, payload, 1, 0);

    let port = PORT.to_string();
    let announced = ask(scratch, payload, "announce", &["--port", &port]);
    let told = announced["peers"].as_array().expect("a list of peers");
    assert!(told.contains(&Value::from(seed.addr.to_string())), "no {} in {announced}", seed.addr);
    assert_eq!(announced["seeders"], 1, "{announced}");
    assert!(announced["interval_s"].as_u64().is_some_and(|interval_s| interval_s >= 60), "{announced}");
    await_counts(scratch, payload, 1, 1);
    ask(scratch, payload, "announce", &["--port", &port, "--state", "stopped"]);
    await_counts(scratch, payload, 1, 0);

    let home = Scratch::new();
    let out = home.dir("out");
    let download =
        Convoy::download(&home, &payload.torrent, &out).arg("--exit-when-done").listen(listen(seed.addr));
    download.spawn().wait_success();
    payload.assert_in(&out);
}

/// Any port of the same address.
fn listen(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip(), 0)
}

/// A torrent for each URL: a seed that is killed stays in its swarm for a while.
fn all_urls_lead_to_a_seed(scratch: &Scratch, payloads: &[Payload], tracker: &Tracker) {
    let urls = tracker.urls();
    assert_eq!(payloads.len(), urls.len());
    payloads.iter().zip(&urls).for_each(|(payload, url)| leads_to_a_seed(scratch, payload, url));
}

fn payloads(scratch: &Scratch, count: usize) -> Vec<Payload> {
    (0..count).map(|number| scratch.payload(&format!("{number}.bin"), (1 << 20) + 1, 64 << 10)).collect()
}

#[test]
fn opentracker_is_asked_over_udp_and_http() {
    let scratch = Scratch::new();
    let payloads = payloads(&scratch, 2);
    let known: Vec<_> = payloads.iter().map(|payload| payload.info_hash.clone()).collect();
    all_urls_lead_to_a_seed(&scratch, &payloads, &trackers::opentracker(&scratch, &known));
}

/// It tells of no IPv6 peers over UDP.
#[test]
fn bittorrent_tracker_is_asked_over_udp_and_over_http_of_both_address_families() {
    let (scratch, mut tracker) = (Scratch::new(), trackers::bittorrent_tracker());
    tracker.udp.retain(SocketAddr::is_ipv4);
    all_urls_lead_to_a_seed(&scratch, &payloads(&scratch, 3), &tracker);
}

#[test]
fn aquatic_udp_is_asked_over_both_address_families() {
    let scratch = Scratch::new();
    let payloads = payloads(&scratch, 1);
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let addr = SocketAddr::new(ip, free_addr().port());
        all_urls_lead_to_a_seed(&scratch, &payloads, &trackers::aquatic_udp(&scratch, addr));
    }
}

/// The name is nobody's: whoever asks for it at all has asked the proxy.
#[test]
fn http_trackers_are_asked_through_a_proxy() {
    let (scratch, proxy) = (Scratch::new(), TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
    let addr = proxy.local_addr().expect("an address");
    let asked = thread::spawn(move || {
        let (mut stream, _) = proxy.accept().expect("somebody comes");
        let mut request = String::new();
        BufReader::new(&stream).read_line(&mut request).expect("a request");
        let body = "d8:intervali900e5:peers0:e";
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + body).as_bytes()).expect("it listens");
        request
    });
    let info_hash = "01".repeat(20);
    let asking = Convoy::new(&scratch, "announce").arg(&info_hash);
    let asking =
        asking.args(&["--tracker", "http://tracker.invalid/announce", "--proxy", &format!("http://{addr}")]);
    assert_eq!(asking.spawn().wait_success().event("announced")["interval_s"], 900);
    let request = asked.join().expect("it was asked");
    assert!(request.starts_with("GET http://tracker.invalid/announce?info_hash=%01%01"), "{request}");
}
