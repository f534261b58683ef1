//! The client's machine.

use super::{Action, ClientConfig, Input};
use crate::{
    deadlines::Deadlines,
    ic::{Binding, Purpose, Token},
    id::InfoHash,
    machine::Machine,
    outbox::Outbox,
    random::{Random, Seed},
    side_table::SideTable,
    time::{Clock, Deadline, Instant},
    tracker::{
        AnnounceRequest, AnnounceResponse, Event, Failure, Player, Question, QuestionKey, Reply, Retry,
        udp::{
            message::{Asked, ConnectionId, MAX_SCRAPE, Request, Response, TransactionId, announce_options},
            options::IcBlock,
        },
    },
};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::{convert::Infallible, time::Duration};

/// The first wait for an answer (BEP 15).
const FIRST_WAIT: Duration = Duration::from_secs(15);

/// The most retransmissions (BEP 15): the last wait is more than an hour.
const MAX_RETRANSMISSIONS: u32 = 8;

/// How long a connection id is good, from when it came (BEP 15).
const CONNECTION_LIFETIME: Duration = Duration::from_secs(60);

/// Where the deadline of the connect request stands; those of questions stand behind it.
const CONNECT_SLOT: usize = 0;

/// What did no harm, but should not have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that answer nothing that was asked, or make no sense.
    pub strays: u64,
}

/// Asks one tracker. See the [module](super) for how it goes.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    random: Random,
    clock: Clock,
    connection: Option<Connection>,
    connecting: Option<Sent>,
    questions: SideTable<QuestionKey, Asking>,
    transactions: BTreeMap<TransactionId, QuestionKey>,
    deadlines: Deadlines,
    counters: Counters,
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    id: ConnectionId,
    until: Instant,
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Sent {
    transaction: TransactionId,
    /// How often it was sent again.
    tries: u32,
}

/// A question that waits for its answer.
#[derive(Debug)]
struct Asking {
    question: Question,
    path: String,
    request: Sent,
    /// There is no connection id to send it with.
    waits: bool,
}

impl Client {
    /// A client that has asked nothing yet.
    #[must_use]
    pub fn new(config: ClientConfig, seed: Seed) -> Self {
        let max_retransmissions = config.max_retransmissions.min(MAX_RETRANSMISSIONS);
        Self {
            config: ClientConfig { max_retransmissions, ..config },
            random: Random::new(seed),
            clock: Clock::default(),
            connection: None,
            connecting: None,
            questions: SideTable::new(),
            transactions: BTreeMap::new(),
            deadlines: Deadlines::default(),
            counters: Counters::default(),
        }
    }

    /// Whether nothing would be lost by forgetting it: no question stands, and no connection id is good.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.transactions.is_empty() && self.connection_at(self.clock.latest()).is_none()
    }

    /// What did no harm.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes of memory held: some 300 for each question of the fullest moment, with its path.
    #[must_use]
    pub fn memory(&self) -> usize {
        let paths: usize = self.questions.iter().map(|(_, asking)| asking.path.capacity()).sum();
        self.questions.memory() + paths + self.transactions.len() * size_of::<(TransactionId, QuestionKey)>()
    }

    fn ask(
        &mut self,
        now: Instant,
        key: QuestionKey,
        mut question: Question,
        path: String,
        out: &mut Outbox<Action>,
    ) {
        self.forget(key);
        if let Question::Scrape { info_hashes } = &mut question {
            info_hashes.truncate(MAX_SCRAPE);
        }
        let transaction = self.new_transaction();
        self.transactions.insert(transaction, key);
        let request = Sent { transaction, tries: 0 };
        self.questions.insert(key, Asking { question, path, request, waits: false });
        self.send(now, key, out);
    }

    /// Sends a question, or first asks for a connection id to send it with.
    fn send(&mut self, now: Instant, key: QuestionKey, out: &mut Outbox<Action>) {
        let connection = self.connection_at(now);
        let Some(asking) = self.questions.get_mut(key) else { return };
        let tries = asking.request.tries;
        asking.waits = connection.is_none();
        let Some(connection) = connection else {
            self.deadlines.set(slot_of(key), None);
            return self.connect(now, tries, out);
        };
        let packet = self.config.packet(now, asking, connection);
        out.push(Action::Send { data: packet.into() });
        self.deadlines.set(slot_of(key), Some(wait(now, tries, "answer")));
    }

    /// Asks for a connection id, unless that was done; the wait is that of a packet sent again so often.
    fn connect(&mut self, now: Instant, tries: u32, out: &mut Outbox<Action>) {
        if self.connecting.is_none() {
            let transaction = self.new_transaction();
            self.send_connect(now, Sent { transaction, tries }, out);
        }
    }

    fn send_connect(&mut self, now: Instant, sent: Sent, out: &mut Outbox<Action>) {
        let mut packet = Vec::new();
        Request::Connect { transaction: sent.transaction }.encode(&mut packet);
        out.push(Action::Send { data: packet.into() });
        self.connecting = Some(sent);
        self.deadlines.set(CONNECT_SLOT, Some(wait(now, sent.tries, "connection id")));
    }

    fn received(&mut self, now: Instant, packet: &[u8], out: &mut Outbox<Action>) {
        let answered = match Response::transaction(packet) {
            Some(transaction) if self.connecting.is_some_and(|sent| sent.transaction == transaction) => {
                self.connect_answered(now, packet, out)
            }
            Some(transaction) => self.question_answered(transaction, packet, out),
            None => None,
        };
        if answered.is_none() {
            self.counters.strays += 1;
        }
    }

    fn connect_answered(&mut self, now: Instant, packet: &[u8], out: &mut Outbox<Action>) -> Option<()> {
        match self.decode(packet, false)? {
            Response::Connect(id) => {
                self.stop_connecting();
                self.connection = Some(Connection { id, until: now + CONNECTION_LIFETIME });
                for key in self.waiting() {
                    self.send(now, key, out);
                }
            }
            Response::Error(reason) => {
                self.stop_connecting();
                for key in self.waiting() {
                    self.answer(key, Err(refused(reason.clone())), out);
                }
            }
            Response::Announce { .. } | Response::Scrape(_) => return None,
        }
        Some(())
    }

    fn question_answered(
        &mut self,
        transaction: TransactionId,
        packet: &[u8],
        out: &mut Outbox<Action>,
    ) -> Option<()> {
        let key = *self.transactions.get(&transaction)?;
        let asking = self.questions.get(key).filter(|asking| !asking.waits)?;
        let with_ic = self.config.identity.is_some() && matches!(asking.question, Question::Announce { .. });
        let result = match (self.decode(packet, with_ic)?, &asking.question) {
            (Response::Announce { interval_s, counts, mut peers, ic }, Question::Announce { .. }) => {
                peers.retain(|peer| peer.port() != 0);
                let interval = Some(Duration::from_secs(interval_s.into()));
                Ok(Reply::Announce(AnnounceResponse { interval, counts, peers, ic, ..Default::default() }))
            }
            (Response::Scrape(counts), Question::Scrape { info_hashes }) => {
                Some(counts).filter(|counts| counts.len() == info_hashes.len()).map(Reply::Scrape).map(Ok)?
            }
            (Response::Error(reason), _) => {
                // It may be the id that it does not like.
                self.connection = None;
                Err(refused(reason))
            }
            _ => return None,
        };
        self.answer(key, result, out);
        Some(())
    }

    fn decode(&self, packet: &[u8], ic: bool) -> Option<Response> {
        Response::decode(packet, Asked { ipv6: self.config.ipv6, ic }).map(|(_, response)| response)
    }

    fn connect_timed_out(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let Some(sent) = self.connecting else { return self.deadlines.set(CONNECT_SLOT, None) };
        let waiting = self.waiting();
        for key in &waiting {
            let once = self.questions.get(*key).is_some_and(|asking| is_last_word(&asking.question));
            if once || sent.tries >= self.config.max_retransmissions {
                self.answer(*key, Err(Failure::TimedOut), out);
            }
        }
        if waiting.iter().any(|key| self.questions.get(*key).is_some()) {
            self.send_connect(now, Sent { tries: sent.tries + 1, ..sent }, out);
        } else {
            self.stop_connecting();
        }
    }

    fn question_timed_out(&mut self, now: Instant, key: QuestionKey, out: &mut Outbox<Action>) {
        let Some(asking) = self.questions.get_mut(key) else { return };
        if asking.request.tries >= self.config.max_retransmissions || is_last_word(&asking.question) {
            return self.answer(key, Err(Failure::TimedOut), out);
        }
        asking.request.tries += 1;
        self.send(now, key, out);
    }

    fn answer(&mut self, key: QuestionKey, result: Result<Reply, Failure>, out: &mut Outbox<Action>) {
        self.forget(key);
        out.push(Action::Answer { key, result });
    }

    fn forget(&mut self, key: QuestionKey) {
        if let Some(asking) = self.questions.remove(key) {
            self.transactions.remove(&asking.request.transaction);
            self.deadlines.set(slot_of(key), None);
            if self.transactions.is_empty() {
                self.stop_connecting();
            }
        }
    }

    fn stop_connecting(&mut self) {
        self.connecting = None;
        self.deadlines.set(CONNECT_SLOT, None);
    }

    fn connection_at(&self, now: Instant) -> Option<ConnectionId> {
        self.connection.filter(|connection| now < connection.until).map(|connection| connection.id)
    }

    fn waiting(&self) -> Vec<QuestionKey> {
        self.questions.iter().filter(|(_, asking)| asking.waits).map(|(key, _)| key).collect()
    }

    /// Random, so that who does not see our packets cannot answer them; never 0, which some trackers keep
    /// for themselves.
    fn new_transaction(&mut self) -> TransactionId {
        let mut transaction = 1 + self.random.below(u32::MAX);
        while self.transactions.contains_key(&TransactionId(transaction)) {
            transaction = transaction.wrapping_add(1).max(1);
        }
        TransactionId(transaction)
    }
}

impl ClientConfig {
    fn packet(&self, now: Instant, asking: &Asking, connection: ConnectionId) -> Vec<u8> {
        let transaction = asking.request.transaction;
        let mut packet = Vec::new();
        match &asking.question {
            Question::Announce { announce, .. } => {
                let token = |player| self.token(now, player, announce.info_hash, connection, transaction);
                let ic = self.identity.as_ref().map(|identity| IcBlock {
                    version: 2,
                    token: identity.player.as_ref().map(token),
                    capabilities: identity.capabilities,
                });
                let options = announce_options(&asking.path, ic.as_ref());
                // BEP 15 has no number for it, and chihaya answers one that it does not know with an error.
                let event = Some(announce.event).filter(|event| *event != Event::Paused).unwrap_or_default();
                let announce = AnnounceRequest { event, ..*announce };
                Request::Announce { connection, transaction, announce, options: &options }
                    .encode(&mut packet);
            }
            Question::Scrape { info_hashes } => {
                let info_hashes: Vec<_> = info_hashes.iter().map(|info_hash| info_hash.0).collect();
                let info_hashes = &info_hashes;
                Request::Scrape { connection, transaction, info_hashes }.encode(&mut packet);
            }
        }
        packet
    }

    /// Good for this one request to this one tracker.
    fn token(
        &self,
        now: Instant,
        player: &Player,
        info_hash: InfoHash,
        connection: ConnectionId,
        transaction: TransactionId,
    ) -> Token {
        let mut audience = [0; 12];
        let (first, second) = audience.split_at_mut(8);
        first.copy_from_slice(&connection.0.to_be_bytes());
        second.copy_from_slice(&transaction.0.to_be_bytes());
        let purpose = Purpose::UdpAnnounce;
        let binding = Binding { purpose, community_id: player.community, info_hash, audience: &audience };
        let issued_at = self.unix_at_zero.saturating_add(now.as_micros() / 1_000_000);
        Token::sign_v2(&player.secret.signing_key(), player.session_id, issued_at, &binding)
    }
}

impl Machine for Client {
    type Input = Input;
    type Action = Action;
    type Error = Infallible;

    fn handle_input(
        &mut self,
        now: Instant,
        input: Input,
        out: &mut Outbox<Action>,
    ) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        match input {
            Input::Ask { key, question, path } => self.ask(now, key, question, path, out),
            Input::Cancel { key } => self.forget(key),
            Input::Datagram { data } => self.received(now, &data, out),
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        let now = self.clock.advance(now);
        // What is due moves at least one wait ahead, so each is met once.
        while let Some(slot) = self.deadlines.due(now) {
            if slot == CONNECT_SLOT {
                self.connect_timed_out(now, out);
            } else if let Some((key, _)) = self.questions.at(slot - 1) {
                self.question_timed_out(now, key, out);
            } else {
                self.deadlines.set(slot, None);
            }
        }
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.deadlines.earliest()
    }
}

const fn slot_of(key: QuestionKey) -> usize {
    key.index() + 1
}

fn wait(now: Instant, tries: u32, why: &'static str) -> Deadline {
    Deadline { at: now + FIRST_WAIT * (1 << tries.min(MAX_RETRANSMISSIONS)), why }
}

/// Whoever leaves says so once: nobody waits for the answer.
fn is_last_word(question: &Question) -> bool {
    matches!(question, Question::Announce { announce, .. } if announce.event == Event::Stopped)
}

fn refused(reason: String) -> Failure {
    Failure::Refused { reason, retry: Retry::Unsaid }
}
