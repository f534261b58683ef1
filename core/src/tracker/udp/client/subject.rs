//! A client under the law harness.

use super::{Action, Client, ClientConfig, Input};
use crate::{
    Seed,
    ic::{Capabilities, PlayerSecret},
    id::{InfoHash, PeerId},
    slab::Slab,
    testing::{Bounds, Dice, Step, Subject},
    tracker::{
        AnnounceRequest, Counts, Event, Identity, Player, Question, QuestionKey,
        udp::{ConnectionId, Request, Response, TransactionId},
    },
};
use alloc::{collections::BTreeSet, string::String, vec::Vec};
use bytes::Bytes;

/// The most questions that stand at a time.
const QUESTIONS: usize = 12;

/// Somebody who wants to know things, and a tracker that answers, now and then as it should not.
#[derive(Debug, Default)]
pub struct AnyClient {
    ipv6: bool,
    keys: Slab<QuestionKey, ()>,
    stand: BTreeSet<QuestionKey>,
    gone: Vec<QuestionKey>,
    /// Requests that may be answered.
    sent: Vec<Bytes>,
}

impl Subject for AnyClient {
    type Machine = Client;
    type Config = ClientConfig;

    fn config(&mut self, dice: &mut Dice) -> ClientConfig {
        self.ipv6 = dice.chance(1, 2);
        let secret = PlayerSecret::from([7; 32]);
        let player = dice.chance(1, 2).then_some(Player { community: [1; 32], secret, session_id: [2; 16] });
        let identity = dice.chance(1, 2).then_some(Identity { capabilities: Capabilities::DESKTOP, player });
        let max_retransmissions = dice.below(10);
        ClientConfig { ipv6: self.ipv6, max_retransmissions, identity, unix_at_zero: 1_740_000_000 }
    }

    fn build(&self, config: &ClientConfig, seed: Seed) -> Client {
        Client::new(config.clone(), seed)
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            actions_per_call: QUESTIONS + 1,
            bytes_per_call: QUESTIONS * 2048,
            memory: 32 * 1024,
            timeouts_per_s: QUESTIONS as u32 + 1,
        }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        let standing: Vec<QuestionKey> = self.stand.iter().copied().collect();
        match (dice.below(8), dice.pick(&standing).copied()) {
            (0 | 1, _) if standing.len() < QUESTIONS => {
                let key = self.keys.insert(());
                self.stand.insert(key);
                Input::Ask { key, question: any_question(dice), path: String::from("/announce") }
            }
            (0, Some(key)) => {
                self.end(key);
                Input::Cancel { key }
            }
            _ => Input::Datagram { data: self.any_datagram(dice) },
        }
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        for action in &step.outcome.actions {
            match action {
                Action::Send { data } => self.sent.push(data.clone()),
                Action::Answer { key, .. } => {
                    assert!(self.stand.contains(key), "{key:?} was not asked, or answered before");
                    self.end(*key);
                }
            }
        }
        let excess = self.sent.len().saturating_sub(QUESTIONS);
        self.sent.drain(..excess);
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        if dice.chance(1, 2) {
            return dice.pick(&self.gone).map(|key| Input::Cancel { key: *key });
        }
        // No transaction has this number.
        let mut data = Vec::new();
        Response::Connect(ConnectionId(1)).encode(TransactionId(0), &mut data);
        Some(Input::Datagram { data: data.into() })
    }

    fn memory(&self, machine: &Client) -> usize {
        machine.memory()
    }

    fn bytes(&self, action: &Action) -> usize {
        match action {
            Action::Send { data } => data.len(),
            Action::Answer { .. } => 0,
        }
    }
}

impl AnyClient {
    fn end(&mut self, key: QuestionKey) {
        self.keys.remove(key);
        self.stand.remove(&key);
        self.gone.push(key);
    }

    /// An answer to something that was asked, as it should be or not quite; or anything.
    fn any_datagram(&self, dice: &mut Dice) -> Bytes {
        let mut data = Vec::new();
        if let Some(request) = dice.pick(&self.sent).and_then(|packet| Request::decode(packet)) {
            let some = Counts { seeders: Some(1), leechers: Some(2), completed: Some(3), downloaders: None };
            let (transaction, response) = match request {
                Request::Connect { transaction } => (transaction, Response::Connect(ConnectionId(9))),
                Request::Announce { transaction, .. } => {
                    let peer = if self.ipv6 { ([1; 8], 1).into() } else { ([9, 9, 9, 9], 1).into() };
                    let peers = (0..dice.below(4)).map(|_| peer).collect();
                    let interval_s = dice.below(u32::MAX);
                    (transaction, Response::Announce { interval_s, counts: some, peers, ic: None })
                }
                Request::Scrape { transaction, info_hashes, .. } => {
                    (transaction, Response::Scrape(info_hashes.iter().map(|_| some).collect()))
                }
            };
            let refused = Response::Error(String::from("no"));
            if dice.chance(1, 8) { refused } else { response }.encode(transaction, &mut data);
        }
        if dice.chance(1, 4) {
            data.truncate(dice.below(40) as usize);
        }
        if dice.chance(1, 8) {
            data.resize(data.len() + dice.below(8) as usize, 0);
        }
        data.into()
    }
}

fn any_question(dice: &mut Dice) -> Question {
    let info_hash = InfoHash([dice.below(256) as u8; 20]);
    if dice.chance(1, 4) {
        let count = dice.below(80) as usize;
        return Question::Scrape { info_hashes: core::iter::repeat_n(info_hash, count).collect() };
    }
    let events = [Event::None, Event::Started, Event::Completed, Event::Stopped];
    let announce = AnnounceRequest {
        info_hash,
        peer_id: PeerId([3; 20]),
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: 0,
        event: dice.pick(&events).copied().unwrap_or_default(),
        key: 5,
        num_want: Some(50),
    };
    Question::Announce { announce, tracker_id: None }
}
