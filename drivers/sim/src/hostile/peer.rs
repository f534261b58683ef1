//! The peer under every attack: dials, takes in, shakes hands, cuts messages, comes back.

use super::{
    Action, FIRST_ACCEPTED, Input,
    attack::{Attack, HANDSHAKE, PIECE, REQUEST, Scene},
};
use crate::content::Content;
use bytes::{Buf, BytesMut};
use convoy_core::{Deadline, Instant, Machine, Outbox, Random, Seed, id::PeerId};
use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr, rc::Rc, time::Duration};

/// Whom it knows at most, and how many streams it has to each.
const TARGETS: usize = 16;
const STREAMS_EACH: usize = 2;
/// How long it stays away from who threw it out.
const STAYS_AWAY: Duration = Duration::from_secs(20);
/// It reads messages up to this length, and no more after a longer one.
const LONGEST_MESSAGE: usize = 1 << 20;

/// A peer that attacks.
pub(super) struct Peer {
    attack: Attack,
    content: Rc<Content>,
    random: Random,
    /// When each of those it knows is dialled next.
    targets: BTreeMap<SocketAddr, Instant>,
    streams: BTreeMap<u32, Talk>,
    dialled: u32,
    next_words: Option<Instant>,
}

/// A stream.
struct Talk {
    /// Whom it dialled.
    target: Option<SocketAddr>,
    peer_id: PeerId,
    is_open: bool,
    has_greeted: bool,
    turn: u32,
    asked: u32,
    got: u32,
    received: BytesMut,
}

impl Peer {
    pub(super) fn new(attack: Attack, content: Rc<Content>, seed: Seed) -> Self {
        Self {
            attack,
            content,
            random: Random::new(seed),
            targets: BTreeMap::new(),
            streams: BTreeMap::new(),
            dialled: 0,
            next_words: None,
        }
    }

    fn talk(&mut self, target: Option<SocketAddr>) -> Talk {
        let mut peer_id = PeerId(*b"-XX0000-............");
        self.random.fill_public(&mut peer_id.0[8..]);
        Talk {
            target,
            peer_id,
            is_open: false,
            has_greeted: false,
            turn: 0,
            asked: 0,
            got: 0,
            received: BytesMut::new(),
        }
    }

    /// Dials whom it is time to dial.
    fn dial(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let due: Vec<SocketAddr> =
            self.targets.iter().filter(|(_, at)| **at <= now).map(|(target, _)| *target).collect();
        for remote in due {
            self.targets.insert(remote, now + STAYS_AWAY);
            let has = self.streams.values().filter(|talk| talk.target == Some(remote)).count();
            for _ in has..STREAMS_EACH {
                self.dialled = (self.dialled + 1) % FIRST_ACCEPTED;
                let talk = self.talk(Some(remote));
                self.streams.insert(self.dialled, talk);
                out.push(Action::Connect { stream: self.dialled, remote });
            }
        }
    }

    fn open(&mut self, now: Instant, stream: u32, out: &mut Outbox<Action>) {
        let pause = self.attack.pause();
        self.next_words.get_or_insert(now + pause);
        if let Some(talk) = self.streams.get_mut(&stream) {
            talk.is_open = true;
        }
        self.say(stream, out, Attack::open);
    }

    /// Says what `words` put together.
    fn say(&mut self, stream: u32, out: &mut Outbox<Action>, words: impl FnOnce(Attack, &mut Scene<'_>)) {
        let Some(talk) = self.streams.get(&stream) else { return };
        let mut bytes = BytesMut::new();
        let Talk { peer_id, turn, asked, got, .. } = *talk;
        words(self.attack, &mut Scene { content: &self.content, peer_id, turn, asked, got, out: &mut bytes });
        if !bytes.is_empty() {
            out.push(Action::Send { stream, data: bytes.freeze() });
        }
    }

    fn received(&mut self, stream: u32, data: &BytesMut, out: &mut Outbox<Action>) {
        if !self.attack.shakes_hands() {
            return;
        }
        let Some(talk) = self.streams.get_mut(&stream) else { return };
        talk.received.extend_from_slice(data);
        if !talk.has_greeted {
            if talk.received.len() < HANDSHAKE {
                return;
            }
            // Who begins with anything else encrypts: it may try again without.
            if talk.received[0] != 19 {
                self.streams.remove(&stream);
                return out.push(Action::Close { stream });
            }
            talk.received.advance(HANDSHAKE);
            talk.has_greeted = true;
            self.say(stream, out, Attack::greet);
        }
        while let Some((id, payload)) =
            self.streams.get_mut(&stream).and_then(|talk| next_message(&mut talk.received))
        {
            self.say(stream, out, |attack, scene| attack.answer(scene, id, &payload));
            if let Some(talk) = self.streams.get_mut(&stream) {
                talk.asked += u32::from(id == REQUEST);
                talk.got += u32::from(id == PIECE);
            }
        }
    }
}

/// Cuts off the next message, if it is whole. A keep-alive is one of id 255.
fn next_message(received: &mut BytesMut) -> Option<(u8, BytesMut)> {
    let length = u32::from_be_bytes(received.get(..4)?.try_into().ok()?) as usize;
    if length > LONGEST_MESSAGE || received.len() < 4 + length {
        return None;
    }
    received.advance(4);
    let mut message = received.split_to(length);
    let id = if message.is_empty() { 255 } else { message.get_u8() };
    Some((id, message))
}

impl Machine for Peer {
    type Input = Input;
    type Action = Action;
    type Error = Infallible;

    fn handle_input(
        &mut self,
        now: Instant,
        input: Input,
        out: &mut Outbox<Action>,
    ) -> Result<(), Infallible> {
        match input {
            Input::Start => out.push(Action::Listen { port: 6881 }),
            Input::Known { remote } => {
                if self.targets.len() < TARGETS {
                    self.targets.entry(remote).or_insert(now);
                    self.dial(now, out);
                }
            }
            Input::Connected { stream } => self.open(now, stream, out),
            Input::Accepted { stream, .. } => {
                let talk = self.talk(None);
                self.streams.insert(stream, talk);
                self.open(now, stream, out);
            }
            Input::Received { stream, data } => self.received(stream, &data, out),
            Input::Closed { stream } => {
                if let Some(target) = self.streams.remove(&stream).and_then(|talk| talk.target) {
                    self.targets.insert(target, now + STAYS_AWAY);
                }
            }
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        if self.next_words.is_some_and(|at| at <= now) {
            let shakes_hands = self.attack.shakes_hands();
            let speaking: Vec<u32> = self
                .streams
                .iter()
                .filter(|(_, talk)| talk.is_open && (talk.has_greeted || !shakes_hands))
                .map(|(stream, _)| *stream)
                .collect();
            for stream in speaking {
                self.say(stream, out, Attack::speak);
                if let Some(talk) = self.streams.get_mut(&stream) {
                    talk.turn += 1;
                }
            }
            self.next_words = Some(now + self.attack.pause()).filter(|_| !self.streams.is_empty());
        }
        self.dial(now, out);
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let words = self.next_words.map(|at| Deadline { at, why: "words" });
        let dial = self.targets.values().min().map(|at| Deadline { at: *at, why: "dial" });
        Deadline::earlier(words, dial)
    }
}
