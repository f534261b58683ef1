use super::super::*;
use crate::{
    id::{InfoHash, PeerId},
    tracker::{
        AnnounceRequest, AnnounceResponse, Counts, Event, Failure, MAX_PEERS, MAX_REASON_BYTES, Retry,
    },
};
use alloc::{format, string::String};
use core::time::Duration;

pub(super) fn announce() -> AnnounceRequest {
    AnnounceRequest {
        info_hash: InfoHash(*b"\x00\x19 !-.09AZ_az~\x7f\x80&=%\xff"),
        peer_id: PeerId(*b"-IC0100-abcdefghijkl"),
        port: 6881,
        uploaded: 1,
        downloaded: 2,
        left: u64::MAX,
        event: Event::Started,
        key: 0xabc,
        num_want: Some(50),
    }
}

const QUERY: &str = "info_hash=%00%19%20%21-.09AZ_az~%7F%80%26%3D%25%FF&peer_id=-IC0100-abcdefghijkl&port=6881\
    &uploaded=1&downloaded=2&left=18446744073709551615&compact=1&no_peer_id=1&numwant=50&key=00000abc&event=started";

#[test]
fn an_announce_goes_behind_the_query_that_is_there() {
    let url = |url| announce_url(url, &announce(), &Extras::default());
    for (announce, expected) in [
        ("http://h/announce", "http://h/announce?"),
        ("https://h:1/a/announce.php?passkey=%2F", "https://h:1/a/announce.php?passkey=%2F&"),
        ("HTTP://[::1]", "HTTP://[::1]?"),
        ("http://h/announce?a#b", "http://h/announce?a&"),
    ] {
        assert_eq!(url(announce), Some(format!("{expected}{QUERY}")));
    }
    for bad in
        ["", "udp://h:1/announce", "http://", "http:/h", "h/announce", "http://h/a b", "http://h/\r\nX:y"]
    {
        assert_eq!(url(bad), None, "{bad}");
    }
}

#[test]
fn what_there_is_nothing_to_say_of_is_left_out() {
    let quiet = AnnounceRequest { event: Event::None, num_want: None, ..announce() };
    let url = announce_url("http://h/", &quiet, &Extras::default()).unwrap();
    assert!(url.ends_with("&no_peer_id=1&key=00000abc"), "{url}");
    for (encryption, said) in
        [(Encryption::Supported, "&supportcrypto=1"), (Encryption::Required, "&requirecrypto=1")]
    {
        let extras = Extras { tracker_id: Some("a b"), encryption };
        let url = announce_url("http://h/", &quiet, &extras).unwrap();
        assert!(url.ends_with(&format!("&key=00000abc&trackerid=a%20b{said}")), "{url}");
    }
}

#[test]
fn only_a_path_that_ends_in_announce_has_a_scrape() {
    let hashes = [InfoHash([b'a'; 20]), InfoHash([0xff; 20])];
    let (first, second) = ("a".repeat(20), "%FF".repeat(20));
    for (url, scrape) in [
        ("http://h/announce", "http://h/scrape?"),
        ("http://h/x/announce", "http://h/x/scrape?"),
        ("http://h/announce.php", "http://h/scrape.php?"),
        ("http://h/announce?x=2%0644", "http://h/scrape?x=2%0644&"),
        ("http://h/announce/announce?x=2/4", "http://h/announce/scrape?x=2/4&"),
    ] {
        let expected = format!("{scrape}info_hash={first}&info_hash={second}");
        assert_eq!(scrape_url(url, &hashes), Some(expected));
    }
    for url in ["http://h/a", "http://h", "http://h/announce/", "http://h/x%064announce", "udp://h/announce"]
    {
        assert_eq!(scrape_url(url, &hashes), None, "{url}");
    }
    assert_eq!(scrape_url("http://h/announce", &[]), None);
    assert!(scrape_url("http://h/announce", &[hashes[0]; MAX_SCRAPE]).is_some());
    assert_eq!(scrape_url("http://h/announce", &[hashes[0]; MAX_SCRAPE + 1]), None);
}

#[test]
fn everything_a_tracker_says_is_read_in_whatever_order_it_stands() {
    let body = b"d8:intervali1800e12:min intervali60e8:completei3e10:incompletei4e10:downloadedi5e\
        5:peers6:\x7f\0\0\x01\x1a\xe16:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe2\
        10:tracker id3:xyz11:external ip4:\xc0\0\x02\x0715:warning message4:slow12:crypto_flags1:\x01e\n";
    let expected = AnnounceResponse {
        interval: Some(Duration::from_secs(1800)),
        min_interval: Some(Duration::from_secs(60)),
        counts: Counts { seeders: Some(3), leechers: Some(4), completed: Some(5), downloaders: None },
        peers: ["127.0.0.1:6881", "[2001:db8::1]:6882"].map(|peer| peer.parse().unwrap()).into(),
        external_ip: Some("192.0.2.7".parse().unwrap()),
        tracker_id: Some("xyz".into()),
        warning: Some("slow".into()),
        ..AnnounceResponse::default()
    };
    assert_eq!(read_announce(200, body), Ok(expected));
    for length in 0..body.len() - 1 {
        assert_eq!(read_announce(200, &body[..length]), Err(Failure::Malformed), "cut at {length}");
    }
}

#[test]
fn peers_of_the_long_form_are_addresses_or_host_names() {
    let body = b"d5:peersl\
        d2:ip9:192.0.2.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti1ee\
        d2:ip11:2001:db8::14:porti2ee\
        d2:ip12:host.example4:porti3ee\
        d2:ip12:host.example4:porti0ee\
        d2:ip12:host.example4:porti65536ee\
        d2:ip5:a b\r\n4:porti4ee\
        d4:porti5ee\
        3:abce\
        6:peers618:\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x09\0\x06e";
    let response = read_announce(200, body).unwrap();
    assert_eq!(
        response.peers,
        ["192.0.2.1:1", "[2001:db8::1]:2", "[::9]:6"].map(|peer| peer.parse().unwrap())
    );
    assert_eq!(response.hosts, [(String::from("host.example"), 3)]);
}

#[test]
fn a_field_that_makes_no_sense_counts_as_not_there() {
    let body = b"d8:completei-1e10:incompletei4294967296e8:interval2:605:peers7:aaaaaaa6:peers66:aaaaaa\
        11:external ip5:aaaaae";
    assert_eq!(read_announce(200, body), Ok(AnnounceResponse::default()));
    assert_eq!(read_announce(200, b"d5:peersi1e6:peers6lee"), Ok(AnnounceResponse::default()));
    let long = format!("d10:tracker id257:{}e", "x".repeat(257));
    assert_eq!(read_announce(200, long.as_bytes()), Ok(AnnounceResponse::default()));
}

#[test]
fn a_refusal_is_read_whatever_the_status_and_says_when_to_come_back() {
    let minutes = |minutes: u64| Retry::After(Duration::from_secs(minutes * 60));
    for (said, retry) in [
        ("", Retry::Unsaid),
        ("8:retry ini5e", minutes(5)),
        ("8:retry in2:10", minutes(10)),
        ("8:retry in5:never", Retry::Never),
        ("8:retry ini-5e", Retry::Unsaid),
        ("8:retry in4:soon", Retry::Unsaid),
        ("8:retry ini9223372036854775807e", Retry::After(Duration::from_secs(u64::MAX))),
    ] {
        let body = format!("d14:failure reason4:gone{said}e");
        for status in [200, 400, 403] {
            let refused = Failure::Refused { reason: "gone".into(), retry };
            assert_eq!(read_announce(status, body.as_bytes()), Err(refused.clone()), "{said}");
            assert_eq!(read_scrape(status, body.as_bytes(), &[]), Err(refused));
        }
    }
}

#[test]
fn another_status_without_a_reason_is_a_failure() {
    for body in [&b"d8:intervali60ee"[..], b"<html>", b""] {
        assert_eq!(read_announce(404, body), Err(Failure::Status(404)));
    }
    for body in [&b"<html>"[..], b"", b"le", b"d14:failure reason"] {
        assert_eq!(read_announce(200, body), Err(Failure::Malformed));
    }
}

#[test]
fn a_scrape_is_read_in_the_order_asked() {
    let body = b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi2e10:incompletei3ee\
        20:bbbbbbbbbbbbbbbbbbbbd8:completei4e11:downloadersi9eeee";
    let a = Counts { seeders: Some(1), leechers: Some(3), completed: Some(2), downloaders: None };
    let b = Counts { seeders: Some(4), downloaders: Some(9), ..Counts::default() };
    let asked = [b'b', b'c', b'a', b'b'].map(|letter| InfoHash([letter; 20]));
    assert_eq!(read_scrape(200, body, &asked), Ok([b, Counts::default(), a, b].into()));
    assert_eq!(read_scrape(200, &body[..body.len() - 1], &asked), Err(Failure::Malformed));
    assert_eq!(read_scrape(200, b"d5:filesle", &asked), Err(Failure::Malformed));
    assert_eq!(read_scrape(200, b"de", &asked), Err(Failure::Malformed));
}

#[test]
fn an_info_hash_may_be_written_as_if_it_were_text() {
    let body = [&b"d5:filesd40:"[..], "\u{ab}".repeat(20).as_bytes(), b"d8:completei1eeee"].concat();
    let counts = Counts { seeders: Some(1), ..Counts::default() };
    assert_eq!(read_scrape(200, &body, &[InfoHash([0xab; 20])]), Ok([counts].into()));
    assert_eq!(read_scrape(200, &body, &[InfoHash([7; 20])]), Ok([Counts::default()].into()));
}

#[test]
fn bad_input_35_intervals_of_any_length_are_kept_for_the_announcer_to_clamp() {
    for (said, read) in [(0_i64, Some(0)), (1 << 31, Some(1 << 31)), (-1, None), (i64::MIN, None)] {
        let body = format!("d8:intervali{said}e12:min intervali{said}ee");
        let response = read_announce(200, body.as_bytes()).unwrap();
        assert_eq!(response.interval, read.map(Duration::from_secs));
        assert_eq!(response.min_interval, response.interval);
    }
}

#[test]
fn bad_input_35_words_of_64_kib_are_cut() {
    let long = "x".repeat(64 * 1024);
    let cut = String::from(&long[..MAX_REASON_BYTES]);
    let refused = Failure::Refused { reason: cut.clone(), retry: Retry::Unsaid };
    let body = format!("d14:failure reason65536:{long}e");
    assert_eq!(read_announce(200, body.as_bytes()), Err(refused));
    let body = format!("d15:warning message65536:{long}e");
    assert_eq!(read_announce(200, body.as_bytes()).unwrap().warning, Some(cut));
}

#[test]
fn bad_input_35_neither_too_many_peers_nor_too_long_a_body_is_taken() {
    let compact = |count: usize| {
        let mut body = format!("d5:peers{}:", count * 6).into_bytes();
        body.resize(body.len() + count * 6, 1);
        body.push(b'e');
        read_announce(200, &body)
    };
    assert_eq!(compact(MAX_PEERS + 1).unwrap().peers.len(), MAX_PEERS);
    assert_eq!(compact(MAX_BODY_BYTES / 6), Err(Failure::Malformed));
    let listed: String = (0..MAX_PEERS).map(|_| "d2:ip1:a7:peer id1:x4:porti1ee").collect();
    assert_eq!(read_announce(200, format!("d5:peersl{listed}ee").as_bytes()).unwrap().hosts.len(), MAX_PEERS);
}
