use super::*;
use crate::{
    ic::{Capabilities, Token},
    id::{InfoHash, PeerId},
    tracker::{AnnounceRequest, Counts, Event, IcAnswer},
};
use alloc::{string::ToString, vec, vec::Vec};
use core::net::SocketAddr;

const CONNECTION: ConnectionId = ConnectionId(0x1122_3344_5566_7788);
const TRANSACTION: TransactionId = TransactionId(0x0a0b_0c0d);

fn announce() -> AnnounceRequest {
    AnnounceRequest {
        info_hash: InfoHash([1; 20]),
        peer_id: PeerId(*b"-IC0100-abcdefghijkl"),
        port: 6881,
        uploaded: 1,
        downloaded: 2,
        left: 3,
        event: Event::Started,
        key: 7,
        num_want: None,
    }
}

fn encoded(request: &Request<'_>) -> Vec<u8> {
    let mut packet = Vec::new();
    request.encode(&mut packet);
    packet
}

#[test]
fn requests_are_read_as_they_were_written() {
    let options = announce_options("/announce?x=1", None);
    let hashes = [[1; 20], [2; 20]];
    for request in [
        Request::Connect { transaction: TRANSACTION },
        Request::Announce {
            connection: CONNECTION,
            transaction: TRANSACTION,
            announce: announce(),
            options: &options,
        },
        Request::Scrape { connection: CONNECTION, transaction: TRANSACTION, info_hashes: &hashes },
    ] {
        assert_eq!(Request::decode(&encoded(&request)), Some(request));
    }
    let mut packet = encoded(&Request::Connect { transaction: TRANSACTION });
    packet[0] = 1;
    assert_eq!(Request::decode(&packet), None, "not the protocol's id");
}

#[test]
fn url_data_of_any_length_is_read_whole_and_a_cut_option_ends_it() {
    let long = "/".repeat(600);
    assert_eq!(url_data(&announce_options(&long, None)), long.as_bytes());
    assert_eq!(url_data(&[1, 2, 2, b'/', b'a', 9, 1, 0, 2, 1, b'b', 2, 200, b'c']), b"/ab");
    assert_eq!(url_data(&[2, 1, b'a', 0, 2, 1, b'b']), b"a");
}

#[test]
fn the_ic_block_is_found_behind_options_and_nowhere_else() {
    let token = Token::decode(&[5; 120]).unwrap();
    let capabilities = Capabilities::DESKTOP | Capabilities::AUTH;
    for token in [None, Some(token)] {
        let block = IcBlock { version: 2, token, capabilities };
        for path in ["", "/announce"] {
            let options = announce_options(path, Some(&block));
            assert_eq!(IcBlock::decode(&options), Some(block));
            assert_eq!(IcBlock::decode(&[&options[..], b"more"].concat()), Some(block));
            for length in 0..options.len() {
                assert_eq!(IcBlock::decode(&options[..length]), None, "{length}");
            }
        }
    }
    // uTorrent and libtorrent say this: version 0x0209 and a token of 0x2f61 bytes, to who reads it so.
    assert_eq!(IcBlock::decode(&announce_options("/announce", None)), None);
    assert_eq!(IcBlock::decode(&[0; 16]), None, "version 0");
    assert_eq!(IcBlock::decode(&[0, 1, 0, 1, 9, 0, 0]), None, "a token of another length");
}

#[test]
fn responses_are_read_as_they_were_written() {
    let v4: Vec<SocketAddr> = vec!["192.0.2.1:6881".parse().unwrap(), "192.0.2.2:1".parse().unwrap()];
    let v6: Vec<SocketAddr> = vec!["[2001:db8::1]:6881".parse().unwrap()];
    let counts = Counts { seeders: Some(2), leechers: Some(3), ..Counts::default() };
    let ic = IcAnswer { auth_accepted: true, restricted: false, advisories: 258 };
    for (asked, response) in [
        (Asked { ipv6: false, ic: false }, Response::Connect(CONNECTION)),
        (
            Asked { ipv6: false, ic: false },
            Response::Announce { interval_s: 1800, counts, peers: v4.clone(), ic: None },
        ),
        (
            Asked { ipv6: false, ic: true },
            Response::Announce { interval_s: 1800, counts, peers: v4, ic: Some(ic) },
        ),
        (
            Asked { ipv6: true, ic: true },
            Response::Announce { interval_s: 1800, counts, peers: v6, ic: Some(ic) },
        ),
        (
            Asked { ipv6: false, ic: false },
            Response::Scrape(vec![
                Counts { completed: Some(9), ..counts },
                Counts { completed: Some(0), ..counts },
            ]),
        ),
        (Asked { ipv6: false, ic: false }, Response::Error("go away".to_string())),
    ] {
        let mut packet = Vec::new();
        response.encode(TRANSACTION, &mut packet);
        assert_eq!(Response::transaction(&packet), Some(TRANSACTION));
        assert_eq!(Response::decode(&packet, asked), Some((TRANSACTION, response)));
    }
}

#[test]
fn bad_input_35_peers_that_do_not_divide_are_no_response() {
    let counts = Counts { seeders: Some(0), leechers: Some(0), ..Counts::default() };
    let head = Response::Announce { interval_s: 60, counts, peers: Vec::new(), ic: None };
    for length in 0..60 {
        let mut packet = Vec::new();
        head.encode(TRANSACTION, &mut packet);
        packet.resize(packet.len() + length, 0);
        for (ipv6, stride) in [(false, 6), (true, 18)] {
            for ic in [false, true] {
                let right = length % stride == 0 || ic && length % stride == 4;
                let read = Response::decode(&packet, Asked { ipv6, ic });
                assert_eq!(read.is_some(), right, "{length} bytes, IPv6 {ipv6}, IC {ic}");
            }
        }
    }
    let asked = Asked { ipv6: false, ic: false };
    for length in 0..20 {
        let mut packet = Vec::new();
        head.encode(TRANSACTION, &mut packet);
        assert_eq!(Response::decode(&packet[..length], asked), None, "cut to {length}");
    }
}

#[test]
fn bad_input_35_an_error_of_64_kib_is_cut() {
    let mut packet = Vec::new();
    Response::Error("x".repeat(64 * 1024)).encode(TRANSACTION, &mut packet);
    let Some((_, Response::Error(reason))) = Response::decode(&packet, Asked { ipv6: false, ic: false })
    else {
        panic!("an error");
    };
    assert_eq!(reason.len(), crate::tracker::MAX_REASON_BYTES);
}
