use super::{subject::AnyClient, *};
use crate::{
    Instant, Machine, Outbox,
    ic::{Binding, Capabilities, PlayerSecret, Purpose, Verified, Version},
    id::{InfoHash, PeerId},
    slab::Slab,
    testing::{Dice, check_laws},
    tracker::{
        AnnounceRequest, Counts, Event, Player,
        udp::{ConnectionId, IcBlock, Request, Response, TransactionId},
    },
};
use alloc::{string::String, vec, vec::Vec};
use core::time::Duration;

/// A client, and the times at which it sent what.
struct Table {
    client: Client,
    out: Outbox<Action>,
    keys: Slab<QuestionKey, ()>,
    now: Instant,
    sent: Vec<(u64, &'static str)>,
    last: Bytes,
    answers: Vec<Result<Reply, Failure>>,
}

impl Table {
    fn new(config: ClientConfig) -> Self {
        Self {
            client: Client::new(config, [1; 32]),
            out: Outbox::new(),
            keys: Slab::new(),
            now: Instant::ZERO,
            sent: Vec::new(),
            last: Bytes::new(),
            answers: Vec::new(),
        }
    }

    fn at(&mut self, second: u64) -> &mut Self {
        let until = Instant::ZERO + Duration::from_secs(second);
        while let Some(deadline) = self.client.poll_timeout().filter(|deadline| deadline.at <= until) {
            self.now = deadline.at;
            let Ok(()) = self.client.handle_timeout(self.now, &mut self.out);
            self.look();
        }
        self.now = until;
        self
    }

    fn tell(&mut self, input: Input) {
        let Ok(()) = self.client.handle_input(self.now, input, &mut self.out);
        self.look();
    }

    fn look(&mut self) {
        for action in self.out.drain() {
            match action {
                Action::Send { data } => {
                    let kind = match Request::decode(&data).expect("a request") {
                        Request::Connect { .. } => "connect",
                        Request::Announce { .. } => "announce",
                        Request::Scrape { .. } => "scrape",
                    };
                    self.sent.push((self.now.as_micros() / 1_000_000, kind));
                    self.last = data;
                }
                Action::Answer { result, .. } => self.answers.push(result),
            }
        }
    }

    fn ask(&mut self, event: Event) -> QuestionKey {
        let key = self.keys.insert(());
        let question = Question::Announce { announce: announce(event), tracker_id: None };
        self.tell(Input::Ask { key, question, path: String::from("/announce") });
        key
    }

    /// Answers the last packet.
    fn hear(&mut self, response: &Response) {
        let transaction = match Request::decode(&self.last).expect("a request") {
            Request::Connect { transaction }
            | Request::Announce { transaction, .. }
            | Request::Scrape { transaction, .. } => transaction,
        };
        self.hear_from(transaction, response);
    }

    fn hear_from(&mut self, transaction: TransactionId, response: &Response) {
        let mut data = Vec::new();
        response.encode(transaction, &mut data);
        self.tell(Input::Datagram { data: data.into() });
    }
}

const CONNECTED: Response = Response::Connect(ConnectionId(7));
const IPV4: ClientConfig = ClientConfig::new(false);

fn announce(event: Event) -> AnnounceRequest {
    AnnounceRequest {
        info_hash: InfoHash([1; 20]),
        peer_id: PeerId([2; 20]),
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: 0,
        event,
        key: 0,
        num_want: None,
    }
}

fn peers(count: usize) -> Response {
    let peers = (0..count).map(|index| ([9, 9, 9, index as u8], 6881).into()).collect();
    let counts = Counts { seeders: Some(1), leechers: Some(2), ..Counts::default() };
    Response::Announce { interval_s: 1800, counts, peers, ic: None }
}

#[test]
fn laws() {
    for seed in 0..256 {
        check_laws(AnyClient::default(), Dice::seeded(seed), 120);
    }
}

#[test]
fn a_partial_seed_is_announced_with_an_event_that_every_tracker_takes() {
    let mut table = Table::new(IPV4);
    table.ask(Event::Paused);
    table.hear(&CONNECTED);
    let Some(Request::Announce { announce, .. }) = Request::decode(&table.last) else {
        panic!("no announce")
    };
    assert_eq!(announce.event, Event::None);
}

#[test]
fn a_connect_that_nobody_answers_is_sent_again_after_15_30_and_60_s() {
    let mut table = Table::new(IPV4);
    table.ask(Event::Started);
    table.at(1000);
    let connects: Vec<u64> = table.sent.iter().map(|(at, _)| *at).collect();
    assert_eq!(connects, [0, 15, 45, 105, 225]);
    assert_eq!(table.answers, [Err(Failure::TimedOut)]);
    assert!(table.client.is_idle());
}

#[test]
fn an_announce_that_nobody_answers_goes_on_as_the_example_of_bep_15() {
    let mut table = Table::new(IPV4);
    table.ask(Event::Started);
    table.at(2).hear(&CONNECTED);
    table.at(1000);
    let expected = [
        (0, "connect"),
        (2, "announce"),
        (17, "announce"),
        (47, "announce"),
        (107, "connect"),
        (227, "connect"),
    ];
    assert_eq!(table.sent, expected);
    assert_eq!(table.answers, [Err(Failure::TimedOut)]);
}

#[test]
fn a_connection_id_is_used_for_a_minute_by_all_questions() {
    let mut table = Table::new(IPV4);
    table.ask(Event::Started);
    table.ask(Event::Started);
    assert_eq!(table.sent, [(0, "connect")]);
    table.hear(&CONNECTED);
    assert_eq!(table.sent[1..], [(0, "announce"), (0, "announce")]);
    table.at(10).hear(&peers(1));
    table.at(14).sent.clear();
    table.at(59).ask(Event::None);
    assert_eq!(table.sent.pop(), Some((59, "announce")));
    table.at(60).ask(Event::None);
    assert_eq!(table.sent.pop(), Some((60, "connect")));
}

#[test]
fn who_leaves_says_so_once() {
    let mut table = Table::new(IPV4);
    table.ask(Event::Stopped);
    table.at(1000);
    assert_eq!((table.sent.len(), table.answers.len()), (1, 1));
    table.ask(Event::Stopped);
    table.hear(&CONNECTED);
    table.at(2000);
    assert_eq!(table.sent[1..], [(1000, "connect"), (1000, "announce")]);
    assert_eq!(table.answers[1], Err(Failure::TimedOut));
}

#[test]
fn a_refusal_ends_the_question_and_the_connection() {
    let mut table = Table::new(IPV4);
    table.ask(Event::Started);
    table.hear(&Response::Error(String::from("down\n")));
    table.ask(Event::Started);
    table.hear(&CONNECTED);
    table.hear(&Response::Error(String::from("not yours")));
    let refused = |reason| Err(Failure::Refused { reason: String::from(reason), retry: Default::default() });
    assert_eq!(table.answers, [refused("down\u{fffd}"), refused("not yours")]);
    table.ask(Event::Started);
    assert_eq!(table.sent.last(), Some(&(0, "connect")));
}

#[test]
fn a_cancelled_question_is_not_sent_again_and_nobody_connects_for_it() {
    let mut table = Table::new(IPV4);
    let key = table.ask(Event::Started);
    table.tell(Input::Cancel { key });
    table.at(1000);
    assert_eq!((table.sent.len(), table.answers.len()), (1, 0));
}

#[test]
fn a_token_is_good_for_this_request_alone() {
    let secret = PlayerSecret::from([5; 32]);
    let player = Player { community: [6; 32], secret: secret.clone(), session_id: [7; 16] };
    let identity = Identity { capabilities: Capabilities::AUTH, player: Some(player) };
    let mut table =
        Table::new(ClientConfig { identity: Some(identity), unix_at_zero: 1_740_000_000, ..IPV4 });
    table.at(20).ask(Event::Started);
    table.hear(&CONNECTED);
    let packet = table.last.clone();
    let Some(Request::Announce { connection, transaction, options, .. }) = Request::decode(&packet) else {
        panic!("an announce");
    };
    let token = IcBlock::decode(options).and_then(|block| block.token).expect("a token");
    let audience = [&connection.0.to_be_bytes()[..], &transaction.0.to_be_bytes()].concat();
    let binding = Binding {
        purpose: Purpose::UdpAnnounce,
        community_id: [6; 32],
        info_hash: InfoHash([1; 20]),
        audience: &audience,
    };
    let verified = Verified::Authenticated { player_key: secret.player_key() };
    assert_eq!(token.issued_at, 1_740_000_020);
    assert_eq!(token.verify(Version::V2, &binding, 1_740_000_020), Ok(verified));
    assert_eq!(
        token.verify(Version::V2, &Binding { audience: b"others", ..binding }, 1_740_000_020).ok(),
        None
    );
}

#[test]
fn bad_input_35_what_answers_nothing_that_was_asked_is_ignored() {
    let mut table = Table::new(IPV4);
    table.ask(Event::Started);
    let Some(Request::Connect { transaction }) = Request::decode(&table.last.clone()) else {
        panic!("connect")
    };
    table.hear_from(TransactionId(transaction.0 ^ 1), &CONNECTED);
    table.hear(&peers(3));
    table.hear(&Response::Scrape(vec![Counts::default()]));
    for length in 0..16 {
        table.tell(Input::Datagram { data: vec![0; length].into() });
    }
    assert_eq!((table.sent.len(), table.answers.len()), (1, 0));
    table.hear(&CONNECTED);
    table.hear_from(transaction, &CONNECTED);
    let mut trailer = Vec::new();
    let Some(Request::Announce { transaction, .. }) = Request::decode(&table.last.clone()) else {
        panic!("announce")
    };
    peers(3).encode(transaction, &mut trailer);
    trailer.extend_from_slice(&[0, 1, 0, 0]);
    // We did not say that we speak the IC extensions: no tracker has a trailer for us.
    table.tell(Input::Datagram { data: trailer.into() });
    // Answers over IPv6, to a question over IPv4.
    let v6 = vec![([1; 8], 1).into()];
    table.hear(&Response::Announce { interval_s: 0, counts: Counts::default(), peers: v6.clone(), ic: None });
    assert!(
        matches!(&table.answers[..], [Ok(Reply::Announce(response))] if response.peers.len() == 3),
        "18 bytes are three peers of IPv4: {:?}",
        table.answers
    );
    table.hear(&peers(1));
    assert_eq!(table.answers.len(), 1, "answered already");
    assert_eq!(table.client.counters().strays, 1 + 2 + 16 + 1 + 1 + 1);
}

#[test]
fn a_scrape_is_cut_to_what_a_packet_holds_and_wants_as_many_answers() {
    let mut table = Table::new(IPV4);
    let key = table.keys.insert(());
    let question = Question::Scrape { info_hashes: vec![InfoHash([1; 20]); 100] };
    table.tell(Input::Ask { key, question, path: String::new() });
    table.hear(&CONNECTED);
    assert_eq!(table.last.len(), 16 + 74 * 20);
    table.hear(&Response::Scrape(vec![Counts::default(); 73]));
    assert_eq!(table.answers, []);
    table.hear(&Response::Scrape(vec![Counts::default(); 74]));
    assert!(matches!(&table.answers[..], [Ok(Reply::Scrape(counts))] if counts.len() == 74));
}
