use super::super::*;
use crate::{
    compact,
    id::InfoHash,
    time::Instant,
    tracker::{
        AnnounceResponse, Counts, Event, Failure, Retry,
        access::{Access, Role, Rule, Visibility},
        budgets::Budget,
        store::{self, Store, Swarms, Visit},
    },
};
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// Swarms as simply as can be: everybody is told of everybody.
#[derive(Default)]
pub(super) struct Naive(BTreeMap<InfoHash, BTreeMap<SocketAddr, bool>>);

impl Swarms for Naive {
    fn announce(&mut self, now: Instant, visit: &Visit, peers: &mut Vec<u8>) -> Counts {
        let swarm = self.0.entry(visit.info_hash).or_default();
        if visit.event == Event::Stopped {
            swarm.remove(&visit.peer);
        } else {
            swarm.insert(visit.peer, visit.seeder);
        }
        let others = swarm.keys().filter(|peer| **peer != visit.peer);
        let others = others.filter(|peer| peer.is_ipv4() == visit.peer.is_ipv4());
        others.take(visit.want).for_each(|peer| compact::write(*peer, peers));
        let counts = self.scrape(now, &visit.info_hash);
        if visit.event == Event::Stopped { counts } else { counts.without(visit) }
    }

    fn scrape(&mut self, _: Instant, info_hash: &InfoHash) -> Counts {
        let swarm = self.0.get(info_hash);
        let count =
            |seeder| swarm.map_or(0, |peers| peers.values().filter(|is| **is == seeder).count() as u32);
        let (seeders, leechers) = (Some(count(true)), Some(count(false)));
        Counts { seeders, leechers, completed: Some(0), downloaders: None }
    }
}

/// A tracker and what it knows.
struct World {
    server: Server,
    swarms: Naive,
    access: Access,
}

impl World {
    fn new(access: Access) -> Self {
        Self { server: Server::new(ServerConfig::default(), [1; 32]), swarms: Naive::default(), access }
    }

    fn get(&mut self, source: &str, path_and_query: &str) -> Reply {
        let source = source.parse().unwrap();
        self.server.answer(Instant::ZERO, source, path_and_query, &mut self.swarms, &self.access)
    }

    /// Announces to the swarm of so many `a`s, and more.
    fn announce(&mut self, source: &str, more: &str) -> AnnounceResponse {
        let reply = self.get(source, &format!("/announce?{IDS}&{more}"));
        read_announce(reply.status, &reply.body).unwrap()
    }

    fn refusal(&mut self, path_and_query: &str) -> String {
        let reply = self.get("192.0.2.1", path_and_query);
        match read_announce(reply.status, &reply.body) {
            Err(Failure::Refused { reason, retry: Retry::Unsaid }) => reason,
            other => panic!("{path_and_query}: {other:?}"),
        }
    }
}

const IDS: &str = "info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-IC0100-abcdefghijkl";

fn addrs<const N: usize>(texts: [&str; N]) -> Vec<SocketAddr> {
    texts.map(|text| text.parse().unwrap()).into()
}

#[test]
fn peers_are_told_of_others_of_their_own_address_family() {
    let mut world = World::new(Access::open());
    world.announce("192.0.2.1", "port=1&left=0");
    world.announce("2001:db8::1", "port=2&left=5");
    let response = world.announce("192.0.2.2", "port=3&left=5");
    let expected = AnnounceResponse {
        interval: Some(Duration::from_secs(1800)),
        min_interval: Some(Duration::from_secs(60)),
        counts: Counts { seeders: Some(1), leechers: Some(1), completed: Some(0), downloaders: None },
        peers: addrs(["192.0.2.1:1"]),
        external_ip: Some(IpAddr::from([192, 0, 2, 2])),
        ..AnnounceResponse::default()
    };
    assert_eq!(response, expected);
    assert_eq!(world.announce("2001:db8::2", "port=4").peers, addrs(["[2001:db8::1]:2"]));
    let reply = world.get("2001:db8::3", &format!("/announce?{IDS}&port=5&numwant=0"));
    assert!(reply.body.windows(8).any(|part| part == b"5:peers0"), "there even if it is empty");
}

#[test]
fn a_scrape_tells_partial_seeds_from_downloaders_and_an_announce_does_not() {
    let (mut server, mut store) =
        (Server::new(ServerConfig::default(), [1; 32]), Store::new(store::Config::default(), [2; 32]));
    let mut get = |path_and_query: &str| {
        let source = IpAddr::from([192, 0, 2, 1]);
        server.answer(Instant::ZERO, source, path_and_query, &mut store, &Access::open()).body
    };
    for more in ["port=1&left=0", "port=2&left=5", "port=3&left=5&event=paused"] {
        let body = get(&format!("/announce?{IDS}&{more}"));
        assert_eq!(read_announce(200, &body).unwrap().counts.downloaders, None);
    }
    let counts = "8:completei1e10:downloadedi0e11:downloadersi1e10:incompletei2e";
    let body = format!("d5:filesd20:aaaaaaaaaaaaaaaaaaaad{counts}eee");
    assert_eq!(String::from_utf8_lossy(&get("/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa")), body);
}

#[test]
fn an_ipv4_address_that_is_mapped_into_ipv6_counts_as_ipv4() {
    let mut world = World::new(Access::open());
    world.announce("192.0.2.1", "port=1");
    let response = world.announce("::ffff:192.0.2.2", "port=2");
    assert_eq!(response.peers, addrs(["192.0.2.1:1"]));
    assert_eq!(response.external_ip, Some(IpAddr::from([192, 0, 2, 2])));
    assert_eq!(world.announce("192.0.2.1", "port=1").peers, addrs(["192.0.2.2:2"]));
}

#[test]
fn bad_input_34_an_address_that_a_query_names_is_ignored() {
    let mut world = World::new(Access::open());
    world.announce("192.0.2.1", "port=1&ip=198.51.100.1&ipv4=198.51.100.2:9&ipv6=%3A%3A9");
    assert_eq!(world.announce("192.0.2.2", "port=2").peers, addrs(["192.0.2.1:1"]));
}

#[test]
fn who_wants_no_compact_form_gets_a_list() {
    let mut world = World::new(Access::open());
    world.announce("2001:db8::1", "port=1");
    let reply = world.get("2001:db8::2", &format!("/announce?{IDS}&port=2&compact=0&no_peer_id=0"));
    let text = String::from_utf8_lossy(&reply.body);
    assert!(text.contains("5:peersld2:ip11:2001:db8::14:porti1eeee"), "{text}");
    assert_eq!(read_announce(200, &reply.body).unwrap().peers, addrs(["[2001:db8::1]:1"]));
}

#[test]
fn as_many_are_told_of_as_are_wanted_up_to_a_bound_and_none_to_who_leaves() {
    let mut world = World::new(Access::open());
    world.server = Server::new(ServerConfig { budget: None, ..ServerConfig::default() }, [1; 32]);
    for host in 0..=255 {
        world.announce(&format!("192.0.2.{host}"), "port=1");
    }
    for (more, told) in [
        ("numwant=3", 3),
        ("numwant=0", 0),
        ("", 50),
        ("numwant=-1", 50),
        ("numwant=4294967295", 200),
        ("numwant=99&event=stopped", 0),
    ] {
        assert_eq!(world.announce("198.51.100.1", &format!("port=1&{more}")).peers.len(), told, "{more}");
    }
    assert_eq!(world.announce("198.51.100.2", "port=1").counts.leechers, Some(256), "one has left");
}

#[test]
fn what_is_wrong_with_a_question_is_said() {
    let mut world = World::new(Access::open());
    let (hash, peer_id) = IDS.split_once('&').unwrap();
    for (query, reason) in [
        (String::new(), "info_hash is missing"),
        (format!("{hash}&{hash}&{peer_id}&port=1"), "an announce is for one info_hash"),
        (format!("info_hash=short&{peer_id}&port=1"), "info_hash is not 20 bytes"),
        (format!("{hash}a&{peer_id}&port=1"), "info_hash is not 20 bytes"),
        (format!("info_hash=aaaaaaaaaaaaaaaaaaa%&{peer_id}&port=1"), "info_hash is not 20 bytes"),
        (format!("info_hash=aaaaaaaaaaaaaaaaaaa%4&{peer_id}&port=1"), "info_hash is not 20 bytes"),
        (format!("info_hash=aaaaaaaaaaaaaaaaaaa%+4&{peer_id}&port=1"), "info_hash is not 20 bytes"),
        (format!("info_hash=aaaaaaaaaaaaaaaaaa\u{e9}&{peer_id}&port=1"), "info_hash is not 20 bytes"),
        (format!("{hash}&port=1"), "peer_id is not 20 bytes"),
        (format!("{hash}&peer_id=x&port=1"), "peer_id is not 20 bytes"),
        (IDS.into(), "port is none to connect to"),
        (format!("{IDS}&port=0"), "port is none to connect to"),
        (format!("{IDS}&port=65536"), "port is none to connect to"),
        (format!("{IDS}&port=1{}", "&a=b".repeat(98)), "too many parameters"),
        (format!("{IDS}&port=1&a={}", "b".repeat(8192)), "the query is too long"),
    ] {
        assert_eq!(world.refusal(&format!("/announce?{query}")), reason, "{query}");
    }
    assert!(world.swarms.0.is_empty());
    world.announce("192.0.2.1", &format!("port=1{}", "&a=b".repeat(97)));
}

#[test]
fn a_scrape_tells_of_the_swarms_that_are_asked_for_and_of_no_others() {
    let mut world = World::new(Access::open());
    world.announce("192.0.2.1", "port=1&left=0");
    world.announce("2001:db8::1", "port=1&left=1");
    let (a, b) = ("info_hash=aaaaaaaaaaaaaaaaaaaa", "info_hash=%62bbbbbbbbbbbbbbbbbbb");
    let reply = world.get("192.0.2.9", &format!("/scrape?{b}&{a}&{b}"));
    let expected = b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi0e10:incompletei1ee\
        20:bbbbbbbbbbbbbbbbbbbbd8:completei0e10:downloadedi0e10:incompletei0eeee";
    assert_eq!(reply, Reply { status: 200, content_type: "text/plain", body: expected.into() });

    let many = |count| format!("/scrape?{}", [a].repeat(count).join("&"));
    assert_eq!(world.get("192.0.2.9", &many(MAX_SCRAPE)), world.get("192.0.2.9", &many(1)));
    assert_eq!(world.refusal(&many(MAX_SCRAPE + 1)), "too many info_hashes");
    for nothing in ["/scrape", "/scrape?", "/scrape?info_hashes=aaaaaaaaaaaaaaaaaaaa"] {
        assert_eq!(world.refusal(nothing), "info_hash is missing");
    }
    let longest = (0..MAX_SCRAPE).map(|_| format!("info_hash={}", "%FF".repeat(20))).collect::<Vec<_>>();
    let reply = world.get("192.0.2.9", &format!("/scrape?{}", longest.join("&")));
    assert_eq!(read_scrape(200, &reply.body, &[InfoHash([0xff; 20])]).unwrap()[0].seeders, Some(0));
}

#[test]
fn only_the_last_element_of_a_path_counts() {
    let mut world = World::new(Access::open());
    for path in ["/announce", "/0123456789abcdef/announce", "announce", "//announce"] {
        assert_eq!(world.get("192.0.2.1", &format!("{path}?{IDS}&port=1")).status, 200, "{path}");
    }
    for path in ["", "/", "/announce/", "/announce.php", "/Announce", "/%61nnounce", "/stats", "/announce#"] {
        assert_eq!(world.get("192.0.2.1", path).status, 404, "{path}");
    }
}

#[test]
fn the_uninvited_are_answered_as_if_there_were_no_such_swarm_and_leave_no_trace() {
    let (announce, scrape) = (format!("/announce?{IDS}&port=1"), format!("/scrape?{IDS}"));
    let mut closed = World::new(Access::closed());
    let unknown = [&announce, &scrape].map(|query| closed.get("192.0.2.1", query));
    for visibility in [Visibility::Community, Visibility::Quarantined] {
        let mut world = World::new(Access::closed());
        let rule = Rule { visibility, community: [7; 32], advisories: 3 };
        world.access.insert_rule(InfoHash([b'a'; 20]), rule);
        world.access.insert_member([7; 32], [8; 32], Role::Moderator);
        let visit = Visit {
            info_hash: InfoHash([b'a'; 20]),
            peer: "192.0.2.7:7".parse().unwrap(),
            seeder: false,
            event: Event::None,
            want: 0,
        };
        world.swarms.announce(Instant::ZERO, &visit, &mut Vec::new());
        assert_eq!([&announce, &scrape].map(|query| world.get("192.0.2.1", query)), unknown);
        assert_eq!(world.swarms.0[&visit.info_hash].len(), 1);
    }
    assert!(closed.swarms.0.is_empty());
}

#[test]
fn who_asks_too_much_is_told_when_to_come_back_and_others_are_served() {
    let budget = Budget { units_per_s: 1, burst_units: 10 };
    let config = ServerConfig { budget: Some(budget), ..ServerConfig::default() };
    let mut world = World::new(Access::open());
    world.server = Server::new(config, [1; 32]);
    let question = format!("/scrape?{}", ["info_hash=aaaaaaaaaaaaaaaaaaaa"; 72].join("&"));
    assert!(world.get("192.0.2.1", &question).body.starts_with(b"d5:files"), "one, and one for every eight");
    let reply = world.get("192.0.2.1", "/announce?");
    assert_eq!(reply.body, b"d14:failure reason17:too many requests8:retry ini1ee");
    assert_eq!(world.announce("192.0.2.2", "port=1").counts.leechers, Some(0));
    assert!(world.get("2001:db8::1", &question).body.starts_with(b"d5:files"));
    let reply = world.get("2001:db8::2", "/scrape");
    assert!(reply.body.ends_with(b"8:retry ini1ee"), "a /64 has one budget");
    let later = Instant::ZERO + Duration::from_secs(60);
    let source = "192.0.2.1".parse().unwrap();
    let reply = world.server.answer(later, source, &question, &mut world.swarms, &world.access);
    assert!(reply.body.starts_with(b"d5:files"));
}
