//! Whatever a tracker says is read or refused, and what is read is written and read again as the same. Whatever
//! a client asks is answered, in bencode, and never at great length.

use crate::{Reached, tree::Tree};
use arbitrary::{Arbitrary, Unstructured};
use convoy_core::{
    Instant,
    id::{InfoHash, PeerId},
    tracker::{
        AnnounceRequest, Event, Failure, MAX_PEERS,
        access::{Access, Rule, Visibility},
        http::{
            Extras, PeerForm, Server, ServerConfig, announce_url, read_announce, read_scrape, scrape_url,
            write_announce, write_failure,
        },
        store::{Config, Store},
    },
};
use std::{net::IpAddr, time::Duration};

/// Keys and values of answers.
const WORDS: [&str; 20] = [
    "interval",
    "min interval",
    "complete",
    "incomplete",
    "downloaded",
    "peers",
    "peers6",
    "ip",
    "port",
    "tracker id",
    "external ip",
    "warning message",
    "failure reason",
    "retry in",
    "never",
    "files",
    "aaaaaaaaaaaaaaaaaaaa",
    "sixteen bytes...",
    "peer.example",
    "192.0.2.1",
];

/// Parameters of questions.
const PARAMETERS: [&str; 14] = [
    "info_hash=aaaaaaaaaaaaaaaaaaaa",
    "info_hash=%62bbbbbbbbbbbbbbbbb%ffb",
    "peer_id=-IC0100-abcdefghijkl",
    "port=1",
    "port=6881",
    "left=0",
    "event=stopped",
    "event=completed",
    "compact=0",
    "numwant=1",
    "key=deadbeef",
    "info_hash=",
    "%",
    "",
];

/// Nobody is told of this swarm.
const SECRET: InfoHash = InfoHash(*b"bbbbbbbbbbbbbbbbbb\xffb");

const ANNOUNCE: AnnounceRequest = AnnounceRequest {
    info_hash: SECRET,
    peer_id: PeerId(*b"-IC0100-abcdefghijkl"),
    port: 6881,
    uploaded: 0,
    downloaded: 0,
    left: 1,
    event: Event::Started,
    key: 7,
    num_want: None,
};

#[derive(Arbitrary)]
enum Input<'a> {
    Raw(u16, &'a [u8]),
    /// An answer that is nearly right.
    Made(bool, Vec<(u8, Tree)>, &'a [u8]),
    /// Questions, one after the other.
    Asked(Vec<Question<'a>>),
    /// A tracker's address.
    Url(&'a str),
}

#[derive(Arbitrary)]
struct Question<'a> {
    seconds: u16,
    v6: bool,
    host: u8,
    scrape: bool,
    parameters: Vec<u8>,
    rest: &'a str,
}

pub fn run(bytes: &[u8]) -> Reached {
    let mut reached = Reached::default();
    match Input::arbitrary_take_rest(Unstructured::new(bytes)) {
        Ok(Input::Raw(status, body)) => read(status, body, &mut reached),
        Ok(Input::Made(ok, entries, behind)) => {
            let mut body = vec![b'd'];
            for (key, value) in entries {
                let key = WORDS[usize::from(key) % WORDS.len()];
                body.extend_from_slice(format!("{}:{key}", key.len()).as_bytes());
                body.extend_from_slice(&value.encode(&WORDS));
            }
            body.push(b'e');
            body.extend_from_slice(behind);
            read(if ok { 200 } else { 403 }, &body, &mut reached);
        }
        Ok(Input::Asked(questions)) => answer(&questions, &mut reached),
        Ok(Input::Url(url)) => ask(url, &mut reached),
        Err(_) => {}
    }
    reached
}

fn read(status: u16, body: &[u8], reached: &mut Reached) {
    match read_announce(status, body) {
        Ok(response) => {
            assert!(response.peers.len() + response.hosts.len() <= MAX_PEERS);
            let again = read_announce(200, &write_announce(&response, PeerForm::Listed));
            assert_eq!(again, Ok(response.clone()));
            let parts = [
                ("peers", !response.peers.is_empty()),
                ("hosts", !response.hosts.is_empty()),
                ("interval", response.interval.is_some()),
                ("external ip", response.external_ip.is_some()),
                ("tracker id", response.tracker_id.is_some()),
                ("warning", response.warning.is_some()),
            ];
            parts.iter().filter(|(_, has)| *has).for_each(|(name, _)| reached.add(name));
        }
        Err(Failure::Refused { reason, retry }) => {
            let again = read_announce(200, &write_failure(&reason, retry));
            assert_eq!(again, Err(Failure::Refused { reason, retry }));
            reached.add("refused");
            reached.add_variant(&retry);
        }
        Err(failure) => reached.add_variant(&failure),
    }
    let asked = [InfoHash([b'a'; 20]); 2];
    if let Ok(swarms) = read_scrape(status, body, &asked) {
        assert_eq!(swarms.len(), asked.len());
        reached.add(if swarms[0].seeders.is_some() { "scraped" } else { "scraped nothing" });
    }
}

fn answer(questions: &[Question<'_>], reached: &mut Reached) {
    let mut server = Server::new(ServerConfig::default(), [1; 32]);
    let mut store = Store::new(Config::default(), [2; 32]);
    let mut access = Access::open();
    let rule = Rule { visibility: Visibility::Quarantined, ..Rule::default() };
    access.insert_rule(SECRET, rule);
    let mut now = Instant::ZERO;
    for question in questions {
        now = now + Duration::from_secs(question.seconds.into());
        let source = match question.v6 {
            false => IpAddr::from([192, 0, 2, question.host]),
            true => IpAddr::from([0x2001, 0xdb8, 0, question.host.into(), 0, 0, 0, 1]),
        };
        let parameters =
            question.parameters.iter().map(|one| PARAMETERS[usize::from(*one) % PARAMETERS.len()]);
        let query: Vec<&str> = parameters.chain([question.rest]).collect();
        let path = if question.scrape { "/scrape" } else { "/announce" };
        let reply = server.answer(now, source, &format!("{path}?{}", query.join("&")), &mut store, &access);
        assert!(reply.status == 200 && reply.body.len() <= 16 << 10, "{reply:?}");
        match read_announce(200, &reply.body) {
            Ok(_) if question.scrape => {
                let counts = read_scrape(200, &reply.body, &[SECRET]).expect("a scrape");
                assert_eq!(counts[0].seeders.unwrap_or(0) + counts[0].leechers.unwrap_or(0), 0);
                reached.add("answers a scrape");
            }
            Ok(response) => {
                reached.add(if response.peers.is_empty() { "tells nobody" } else { "tells peers" })
            }
            Err(Failure::Refused { reason, .. }) => reached.add(&reason),
            Err(failure) => panic!("{failure}: {reply:?}"),
        }
    }
}

/// Where a tracker is asked: one address, clean, whatever its own is like.
fn ask(url: &str, reached: &mut Reached) {
    let scrape = scrape_url(url, &[SECRET]);
    reached.add(if scrape.is_some() { "a scrape's address" } else { "no scrape's address" });
    for url in [announce_url(url, &ANNOUNCE, &Extras::default()), scrape].into_iter().flatten() {
        assert!(url.bytes().all(|byte| !byte.is_ascii_control() && byte != b' ' && byte != b'#'));
        reached.add("an address");
    }
}
