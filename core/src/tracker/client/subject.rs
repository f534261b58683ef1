//! A client under the law harness.

use super::{Action, Client, Config, Input};
use crate::{
    Seed,
    fetch::{FetchError, Response},
    id::{GetToken, InfoHash, PeerId, ResolveToken},
    slab::Slab,
    testing::{Bounds, Dice, Step, Subject},
    tracker::{
        AnnounceRequest, Counts, Event, Question, QuestionKey,
        udp::{self, ConnectionId, Request},
    },
};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use bytes::Bytes;
use core::net::SocketAddr;

/// The most questions that stand at a time.
const QUESTIONS: usize = 8;

/// Where trackers are.
const URLS: [&str; 6] = [
    "udp://tracker.example:1/announce",
    "udp://192.0.2.1:1/announce",
    "udp://[2001:db8::1]:1/announce",
    "http://tracker.example/announce",
    "https://tracker.example/other",
    "wss://tracker.example",
];

/// Bodies of trackers: right, naming peers, refusing, wrong.
const BODIES: [&[u8]; 5] = [
    b"d8:completei1e8:intervali900e5:peers6:\x09\x09\x09\x09\x1a\xe1e",
    b"d8:intervali900e5:peersld2:ip7:a.local4:porti1eed2:ip7:b.local4:porti2eeee",
    b"d14:failure reason2:noe",
    b"d5:filesdee",
    b"<html>",
];

/// Somebody who wants to know things, and a world that answers, now and then as it should not.
#[derive(Debug, Default)]
pub struct AnyClient {
    keys: Slab<QuestionKey, ()>,
    /// What stands, and whether it was answered.
    stand: BTreeMap<QuestionKey, bool>,
    gone: Vec<QuestionKey>,
    resolving: Vec<ResolveToken>,
    getting: Vec<GetToken>,
    sent: Vec<(SocketAddr, Bytes)>,
}

impl Subject for AnyClient {
    type Machine = Client;
    type Config = Config;

    fn config(&mut self, dice: &mut Dice) -> Config {
        Config { max_retransmissions: dice.below(6), ..Config::default() }
    }

    fn build(&self, config: &Config, seed: Seed) -> Client {
        Client::new(config.clone(), seed)
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            actions_per_call: 4 * QUESTIONS,
            bytes_per_call: 4 * QUESTIONS * 1024,
            memory: 64 * 1024,
            timeouts_per_s: 4 * QUESTIONS as u32,
        }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        let standing: Vec<QuestionKey> = self.stand.keys().copied().collect();
        match dice.below(10) {
            0..=2 if standing.len() < QUESTIONS => {
                let key = self.keys.insert(());
                self.stand.insert(key, false);
                let url = dice.pick(&URLS).copied().unwrap_or_default();
                Input::Ask { key, url: String::from(url), question: any_question(dice) }
            }
            3 => {
                let Some(key) = dice.pick(&standing).copied() else { return self.any_datagram(dice) };
                self.end(key);
                Input::Cancel { key }
            }
            4 | 5 if !self.resolving.is_empty() => {
                let token = self.resolving.swap_remove(dice.below(self.resolving.len() as u32) as usize);
                let known: [SocketAddr; 2] = [([192, 0, 2, 9], 1).into(), ([1; 8], 1).into()];
                Input::Resolved { token, addrs: known.into_iter().filter(|_| dice.chance(2, 3)).collect() }
            }
            6 if !self.getting.is_empty() => {
                let token = self.getting.swap_remove(dice.below(self.getting.len() as u32) as usize);
                let body = Bytes::from_static(dice.pick(&BODIES).copied().unwrap_or_default());
                let response = Response { status: if dice.chance(1, 8) { 404 } else { 200 }, body };
                let result = if dice.chance(1, 8) { Err(FetchError::Broken) } else { Ok(response) };
                Input::Got { token, result }
            }
            _ => self.any_datagram(dice),
        }
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        for action in &step.outcome.actions {
            match action {
                Action::Resolve { token, .. } => self.resolving.push(*token),
                Action::Get { token, .. } => self.getting.push(*token),
                Action::CancelGet { token } => self.getting.retain(|other| other != token),
                Action::SendTo { to, data } => self.sent.push((*to, data.clone())),
                Action::Answer { key, result, last } => {
                    let answered = self.stand.insert(*key, true);
                    assert!(answered.is_some(), "{key:?} was not asked, or answered for the last time");
                    assert!(
                        result.is_ok() || *last && answered == Some(false),
                        "an error is the only answer"
                    );
                    if *last {
                        self.end(*key);
                    }
                }
            }
        }
        let excess = self.sent.len().saturating_sub(QUESTIONS);
        self.sent.drain(..excess);
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        match dice.below(4) {
            0 => Some(Input::Resolved { token: ResolveToken(0), addrs: Vec::new() }),
            1 => Some(Input::Got { token: GetToken(0), result: Err(FetchError::Broken) }),
            2 => Some(Input::Datagram { from: ([9, 9, 9, 9], 9).into(), data: Bytes::from_static(&[0; 16]) }),
            _ => dice.pick(&self.gone).map(|key| Input::Cancel { key: *key }),
        }
    }

    fn memory(&self, machine: &Client) -> usize {
        machine.memory()
    }

    fn bytes(&self, action: &Action) -> usize {
        if let Action::SendTo { data, .. } = action { data.len() } else { 0 }
    }
}

impl AnyClient {
    fn end(&mut self, key: QuestionKey) {
        self.keys.remove(key);
        self.stand.remove(&key);
        self.gone.push(key);
    }

    /// What the tracker would say, or nearly.
    fn any_datagram(&self, dice: &mut Dice) -> Input {
        let counts = Counts { seeders: Some(1), leechers: Some(2), completed: Some(3), downloaders: None };
        let (from, packet) = dice.pick(&self.sent).cloned().unwrap_or((([9; 4], 9).into(), Bytes::new()));
        let mut data = Vec::new();
        let (transaction, response) = match Request::decode(&packet) {
            Some(Request::Connect { transaction }) => (transaction, udp::Response::Connect(ConnectionId(7))),
            Some(Request::Announce { transaction, .. }) => {
                let response =
                    udp::Response::Announce { interval_s: 60, counts, peers: Vec::new(), ic: None };
                (transaction, response)
            }
            Some(Request::Scrape { transaction, info_hashes, .. }) => {
                (transaction, udp::Response::Scrape(info_hashes.iter().map(|_| counts).collect()))
            }
            None => return Input::Datagram { from, data: packet },
        };
        let refused = udp::Response::Error(String::from("no"));
        if dice.chance(1, 8) { refused } else { response }.encode(transaction, &mut data);
        data.truncate(if dice.chance(1, 8) { dice.below(20) as usize } else { data.len() });
        Input::Datagram { from, data: data.into() }
    }
}

fn any_question(dice: &mut Dice) -> Question {
    let info_hash = InfoHash([dice.below(256) as u8; 20]);
    if dice.chance(1, 4) {
        return Question::Scrape {
            info_hashes: core::iter::repeat_n(info_hash, dice.below(3) as usize).collect(),
        };
    }
    let announce = AnnounceRequest {
        info_hash,
        peer_id: PeerId([3; 20]),
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: 0,
        event: if dice.chance(1, 4) { Event::Stopped } else { Event::None },
        key: 5,
        num_want: Some(50),
    };
    Question::Announce { announce, tracker_id: None }
}
