use super::{
    super::{query::Query, *},
    client::announce,
    server::Naive,
};
use crate::{
    id::{InfoHash, PeerId},
    time::Instant,
    tracker::{AnnounceRequest, AnnounceResponse, Counts, Event, Failure, Retry, access::Access},
};
use alloc::{string::String, vec::Vec};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

fn request() -> impl Strategy<Value = AnnounceRequest> {
    let events = [Event::None, Event::Completed, Event::Started, Event::Stopped, Event::Paused];
    let who = (any::<[u8; 20]>(), any::<[u8; 20]>(), 1_u16..);
    let how_much = (any::<u64>(), any::<u64>(), any::<u64>());
    let rest = (select(events.to_vec()), any::<u32>(), option::of(any::<u32>()));
    (who, how_much, rest).prop_map(|(who, (uploaded, downloaded, left), (event, key, num_want))| {
        let (info_hash, peer_id, port) = (InfoHash(who.0), PeerId(who.1), who.2);
        AnnounceRequest { info_hash, peer_id, port, uploaded, downloaded, left, event, key, num_want }
    })
}

fn counts() -> impl Strategy<Value = Counts> {
    let count = || option::of(any::<u32>());
    (count(), count(), count()).prop_map(|(seeders, leechers, completed)| Counts {
        seeders,
        leechers,
        completed,
        downloaders: None,
    })
}

fn time() -> impl Strategy<Value = Option<Duration>> {
    option::of((0..=i64::MAX as u64).prop_map(Duration::from_secs))
}

fn response() -> impl Strategy<Value = AnnounceResponse> {
    let peers = (vec((any::<[u8; 4]>(), 1_u16..), 0..9), vec((any::<[u8; 16]>(), 1_u16..), 0..9));
    let peers = peers.prop_map(|(v4, v6)| {
        let v6 = v6.into_iter().map(SocketAddr::from);
        v4.into_iter().map(SocketAddr::from).chain(v6).collect()
    });
    let words = || option::of("[ -~é]{0,9}");
    let external_ip = option::of(any::<IpAddr>().prop_map(|ip| ip.to_canonical()));
    (time(), time(), counts(), peers, external_ip, words(), words()).prop_map(
        |(interval, min_interval, counts, peers, external_ip, tracker_id, warning)| AnnounceResponse {
            interval,
            min_interval,
            counts,
            peers,
            external_ip,
            tracker_id,
            warning,
            ..AnnounceResponse::default()
        },
    )
}

fn retry() -> impl Strategy<Value = Retry> {
    let after = (0..1_u64 << 48).prop_map(|minutes| Retry::After(Duration::from_secs(minutes * 60)));
    prop_oneof![Just(Retry::Unsaid), Just(Retry::Never), after]
}

/// Queries that are nearly right, or quite.
fn query() -> impl Strategy<Value = String> {
    let right = ["info_hash=%00aaaaaaaaaaaaaaaaaa%ff", "peer_id=-IC0100-abcdefghijkl", "port=1", "compact=0"];
    let part = prop_oneof![
        3 => select(right.to_vec()).prop_map(String::from),
        1 => "(info_hash|peer_id|port|left|key)=(%[0-9a-g]{2}|[ -~é]){0,21}",
    ];
    let path = select(["/announce?", "/scrape?", "/?", ""].to_vec());
    (path, vec(part, 0..9)).prop_map(|(path, parts)| [path, &parts.join("&")].concat())
}

proptest! {
    #[test]
    fn an_announce_is_read_as_it_was_asked(request in request()) {
        let url = announce_url("http://h/announce", &request, &Extras::default()).unwrap();
        let query = Query::read(url.split_once('?').unwrap().1).unwrap();
        prop_assert_eq!(query.announce(), Ok(request));
        prop_assert!(query.is_compact());
    }

    #[test]
    fn a_scrape_is_read_as_it_was_asked(hashes in vec(any::<[u8; 20]>().prop_map(InfoHash), 1..=MAX_SCRAPE)) {
        let url = scrape_url("http://h/announce", &hashes).unwrap();
        prop_assert!(url.len() <= MAX_QUERY_BYTES);
        prop_assert_eq!(Query::read(url.split_once('?').unwrap().1).unwrap().info_hashes(), Ok(hashes));
    }

    #[test]
    fn an_answer_is_read_as_it_was_written(response in response(), host in "[a-z.-]{1,9}[a-z]") {
        let body = write_announce(&response, PeerForm::Compact);
        prop_assert_eq!(read_announce(200, &body), Ok(response.clone()));
        let named = AnnounceResponse { hosts: [(host, 7)].into(), ..response };
        let body = write_announce(&named, PeerForm::Listed);
        prop_assert_eq!(read_announce(200, &body), Ok(named));
    }

    #[test]
    fn a_scrape_and_a_refusal_are_read_as_they_were_written(
        swarms in proptest::collection::btree_map(any::<[u8; 20]>().prop_map(InfoHash), counts(), 0..9),
        reason in "[ -~é]{0,99}",
        retry in retry(),
    ) {
        let (asked, expected): (Vec<_>, Vec<_>) = swarms.clone().into_iter().unzip();
        prop_assert_eq!(read_scrape(200, &write_scrape(&swarms), &asked), Ok(expected));
        let body = write_failure(&reason, retry);
        prop_assert_eq!(read_announce(200, &body), Err(Failure::Refused { reason, retry }));
    }

    #[test]
    fn an_answer_that_is_cut_off_or_spoilt_never_panics(
        response in response(),
        cut in any::<prop::sample::Index>(),
        (at, to) in any::<(prop::sample::Index, u8)>(),
    ) {
        let mut body = write_announce(&response, PeerForm::Listed);
        prop_assert_eq!(read_announce(200, &body[..cut.index(body.len())]), Err(Failure::Malformed));
        let at = at.index(body.len());
        body[at] = to;
        let _ = (read_announce(200, &body), read_scrape(200, &body, &[]));
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..99), text in any::<String>(), status: u16) {
        let _ = (read_announce(status, &bytes), read_scrape(status, &bytes, &[InfoHash([1; 20])]));
        let _ = (announce_url(&text, &announce(), &Extras::default()), scrape_url(&text, &[InfoHash([1; 20])]));
    }

    #[test]
    fn random_queries_are_answered_and_never_panic(queries in vec(query(), 1..9), source: IpAddr) {
        let (mut server, mut swarms) = (Server::new(ServerConfig::default(), [1; 32]), Naive::default());
        for query in &queries {
            let reply = server.answer(Instant::ZERO, source, query, &mut swarms, &Access::open());
            let answer = read_announce(reply.status, &reply.body);
            prop_assert!(answer != Err(Failure::Malformed), "{:?}", reply);
        }
    }
}
