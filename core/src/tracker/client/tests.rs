use super::{subject::AnyClient, *};
use crate::{
    Instant, Machine, Outbox,
    id::{InfoHash, PeerId},
    slab::Slab,
    testing::{Dice, check_laws},
    tracker::{
        AnnounceRequest, AnnounceResponse, Counts, Event,
        udp::{self, ConnectionId, Request},
    },
};
use alloc::{string::ToString, vec};

const V4: &str = "192.0.2.1:6969";
const V6: &str = "[2001:db8::1]:6969";

/// A client with one question, and what it wants.
struct Table {
    client: Client,
    key: QuestionKey,
    now: Instant,
    out: Outbox<Action>,
}

impl Table {
    fn ask(url: &str, question: Question) -> Self {
        let key = Slab::<QuestionKey, ()>::new().insert(());
        let client = Client::new(Config::default(), [1; 32]);
        let mut table = Self { client, key, now: Instant::ZERO, out: Outbox::new() };
        table.tell(Input::Ask { key, url: url.to_string(), question });
        table
    }

    fn tell(&mut self, input: Input) {
        let Ok(()) = self.client.handle_input(self.now, input, &mut self.out);
    }

    fn wanted(&mut self) -> Vec<Action> {
        self.out.drain().collect()
    }

    fn resolved(&mut self, addrs: &[&str]) {
        let [Action::Resolve { token, .. }] = self.wanted()[..] else { panic!("one name") };
        self.tell(Input::Resolved { token, addrs: addrs.iter().map(|addr| addr.parse().unwrap()).collect() });
    }

    fn got(&mut self, status: u16, body: &[u8]) {
        let [Action::Get { token, .. }] = self.wanted()[..] else { panic!("one get") };
        let body = Bytes::copy_from_slice(body);
        self.tell(Input::Got { token, result: Ok(Response { status, body }) });
    }

    /// The tracker at `from` answers whatever was sent there.
    fn answer(&mut self, from: &str, peers: &[&str]) {
        let from: SocketAddr = from.parse().unwrap();
        let sent = self.wanted().into_iter().find_map(|action| {
            if let Action::SendTo { to, data } = action { (to == from).then_some(data) } else { None }
        });
        let packet = sent.expect("something was sent there");
        let (transaction, response) = match Request::decode(&packet).expect("a request") {
            Request::Connect { transaction } => (transaction, udp::Response::Connect(ConnectionId(7))),
            Request::Announce { transaction, .. } => {
                let peers = peers.iter().map(|peer| peer.parse().unwrap()).collect();
                let counts = Counts { seeders: Some(1), leechers: Some(2), ..Counts::default() };
                (transaction, udp::Response::Announce { interval_s: 900, counts, peers, ic: None })
            }
            Request::Scrape { transaction, .. } => {
                (transaction, udp::Response::Scrape(vec![Counts::default()]))
            }
        };
        let mut data = Vec::new();
        response.encode(transaction, &mut data);
        self.tell(Input::Datagram { from, data: data.into() });
    }

    /// The answers so far: peers or the failure, and whether that was the last.
    fn answers(&mut self) -> Vec<(Result<Vec<String>, Failure>, bool)> {
        let answers = self.wanted().into_iter().filter_map(|action| {
            if let Action::Answer { result, last, .. } = action { Some((result, last)) } else { None }
        });
        let peers = |reply| match reply {
            Reply::Announce(AnnounceResponse { peers, .. }) => {
                peers.iter().map(SocketAddr::to_string).collect()
            }
            Reply::Scrape(_) => Vec::new(),
        };
        answers.map(|(result, last)| (result.map(peers), last)).collect()
    }
}

fn announce() -> Question {
    let announce = AnnounceRequest {
        info_hash: InfoHash([1; 20]),
        peer_id: PeerId([2; 20]),
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: 0,
        event: Event::Started,
        key: 0,
        num_want: None,
    };
    Question::Announce { announce, tracker_id: None }
}

fn peers(peers: &[&str]) -> Result<Vec<String>, Failure> {
    Ok(peers.iter().map(ToString::to_string).collect())
}

#[test]
fn laws() {
    for seed in 0..256 {
        check_laws(AnyClient::default(), Dice::seeded(seed), 120);
    }
}

#[test]
fn a_tracker_is_asked_at_one_address_of_each_family_and_both_answers_count() {
    let mut table = Table::ask("udp://tracker.example.org:6969/announce", announce());
    table.resolved(&[V4, "192.0.2.2:6969", V6]);
    assert_eq!(table.out.len(), 2);
    let both: Vec<Action> = table.out.as_slice().to_vec();
    table.answer(V4, &[]);
    table.answer(V4, &["192.0.2.7:1"]);
    assert_eq!(table.answers(), [(peers(&["192.0.2.7:1"]), false)]);
    both.into_iter().for_each(|action| table.out.push(action));
    table.answer(V6, &[]);
    table.answer(V6, &["[2001:db8::7]:1"]);
    assert_eq!(table.answers(), [(peers(&["[2001:db8::7]:1"]), true)]);
}

#[test]
fn an_address_that_stays_silent_holds_nobody_up_for_long() {
    let mut table = Table::ask("udp://tracker.example.org:6969/announce", announce());
    table.resolved(&[V4, V6]);
    table.answer(V4, &[]);
    table.answer(V4, &["192.0.2.7:1"]);
    table.wanted();
    table.now = Instant::ZERO + GRACE;
    let Ok(()) = table.client.handle_timeout(table.now, &mut table.out);
    assert_eq!(table.answers(), [(peers(&[]), true)]);
    let all_sent = table.client.poll_timeout().is_none();
    assert!(all_sent, "nothing is sent to the other address any more");
}

#[test]
fn who_has_no_address_or_no_usable_one_fails_at_once() {
    let mut table = Table::ask("udp://tracker.example.org:6969", announce());
    table.resolved(&[]);
    assert_eq!(table.answers(), [(Err(Failure::Unresolved), true)]);
    let mut table = Table::ask("wss://tracker.example.org", announce());
    assert_eq!(table.answers(), [(Err(Failure::BadUrl), true)]);
    let info_hashes = vec![InfoHash([1; 20])];
    let mut table = Table::ask("http://tracker.example.org/a", Question::Scrape { info_hashes });
    assert_eq!(table.answers(), [(Err(Failure::NoScrape), true)]);
}

#[test]
fn an_http_tracker_answers_with_peers_and_with_names_of_peers() {
    let mut table = Table::ask("http://tracker.example.org/announce?k=1", announce());
    table.got(200, b"d8:intervali900e5:peers6:\xc0\x00\x02\x07\x00\x01e");
    assert_eq!(table.answers(), [(peers(&["192.0.2.7:1"]), true)]);

    let mut table = Table::ask("http://tracker.example.org/announce", announce());
    table.got(200, b"d5:peersld2:ip9:192.0.2.74:porti1eed2:ip6:a.test4:porti2eed2:ip6:b.test4:porti3eeee");
    let Some((Action::Answer { last: false, .. }, names)) =
        table.wanted().split_first().map(|(first, rest)| (first.clone(), rest.to_vec()))
    else {
        panic!("an answer, then names");
    };
    for (action, addrs) in names.into_iter().zip([vec!["192.0.2.8:2".parse().unwrap()], Vec::new()]) {
        let Action::Resolve { token, .. } = action else { panic!("a name") };
        table.tell(Input::Resolved { token, addrs });
    }
    assert_eq!(table.answers(), [(peers(&["192.0.2.8:2"]), false), (peers(&[]), true)]);
}

#[test]
fn a_cancelled_question_leaves_nothing_behind() {
    let mut table = Table::ask("http://tracker.example.org/announce", announce());
    let [Action::Get { token, .. }] = table.wanted()[..] else { panic!("a get") };
    table.tell(Input::Cancel { key: table.key });
    assert_eq!(table.wanted(), [Action::CancelGet { token }]);
    table.tell(Input::Got { token, result: Err(FetchError::Broken) });
    assert_eq!(table.wanted(), []);

    let mut table = Table::ask("udp://192.0.2.1:6969", announce());
    table.tell(Input::Cancel { key: table.key });
    table.wanted();
    for _ in 0..10 {
        let Some(deadline) = table.client.poll_timeout() else { break };
        let Ok(()) = table.client.handle_timeout(deadline.at, &mut table.out);
    }
    assert_eq!((table.wanted(), table.client.poll_timeout()), (Vec::new(), None));
}

#[test]
fn bad_input_35_only_the_tracker_that_was_asked_is_heard() {
    let mut table = Table::ask("udp://192.0.2.1:6969", announce());
    let [Action::SendTo { data, .. }] = &table.wanted()[..] else { panic!("a datagram") };
    let Some(Request::Connect { transaction }) = Request::decode(data) else { panic!("a connect") };
    let mut answer = Vec::new();
    udp::Response::Connect(ConnectionId(7)).encode(transaction, &mut answer);
    let answer = Bytes::from(answer);
    for from in ["192.0.2.1:6970", "192.0.2.2:6969", V6] {
        table.tell(Input::Datagram { from: from.parse().unwrap(), data: answer.clone() });
    }
    assert_eq!((table.wanted(), table.client.counters().strays), (Vec::new(), 3));
    // A socket for both families writes an IPv4 address like this.
    table.tell(Input::Datagram { from: "[::ffff:192.0.2.1]:6969".parse().unwrap(), data: answer });
    assert!(matches!(table.wanted()[..], [Action::SendTo { .. }]));
}
