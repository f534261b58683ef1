//! The other end of a stream: plain or encrypted, honest or not.

use crate::{
    Instant, Machine, Outbox,
    id::{Block, InfoHash, PeerId, StreamId},
    mse::{self, Ciphers, Handshake, Level},
    swarm::subject::{PIECES, any_message, block_of, request_in},
    testing::Dice,
    wire::{HANDSHAKE_LENGTH, Reserved, subject::encode},
};
use alloc::{boxed::Box, vec::Vec};
use bytes::{Bytes, BytesMut};
use core::mem;

/// The key of every stranger.
const SEED: [u8; 32] = [3; 32];

/// Who is at the other end.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) stream: StreamId,
    info_hash: InfoHash,
    speech: Speech,
    /// What it says, encrypted as it must be, and did not get across yet.
    said: Vec<u8>,
    /// What it heard of messages, decrypted, and did not read yet.
    heard: Vec<u8>,
    /// What it was asked for.
    asked: Vec<Block>,
    greeted: bool,
    /// Whether the 68 bytes in front of the messages were heard.
    greetings_heard: bool,
}

#[derive(Debug)]
enum Speech {
    /// It dialled and has not decided.
    Free,
    /// It exchanges keys.
    Secure(Box<Handshake>),
    /// It speaks BitTorrent.
    Settled(Ciphers),
}

impl Stranger {
    /// One that dialled us.
    pub(super) fn dialling(stream: StreamId, info_hash: InfoHash) -> Self {
        Self::new(stream, info_hash, Speech::Free)
    }

    /// One that we dial; it speaks as we do.
    pub(super) fn dialled(stream: StreamId, info_hash: InfoHash) -> Self {
        let handshake = Handshake::responder(&mse::Config::default(), SEED, Instant::ZERO);
        Self::new(stream, info_hash, Speech::Secure(Box::new(handshake)))
    }

    fn new(stream: StreamId, info_hash: InfoHash, speech: Speech) -> Self {
        Self {
            stream,
            info_hash,
            speech,
            said: Vec::new(),
            heard: Vec::new(),
            asked: Vec::new(),
            greeted: false,
            greetings_heard: false,
        }
    }

    pub(super) fn hear(&mut self, data: &[u8]) {
        match &mut self.speech {
            Speech::Free => {}
            Speech::Secure(_) => self.exchange(Some(data)),
            Speech::Settled(ciphers) => {
                let mut data = BytesMut::from(data);
                ciphers.decrypt(&mut data);
                self.heard.extend_from_slice(&data);
            }
        }
        self.read();
    }

    /// Adds something to what it says.
    pub(super) fn speak(&mut self, content: &[u8], dice: &mut Dice) {
        let info_hash = self.info_hash;
        if dice.chance(1, 64) {
            self.said.extend(dice.bytes(20));
        }
        match &mut self.speech {
            Speech::Free if dice.chance(1, 2) => self.speech = Speech::Settled(Ciphers::Plain),
            Speech::Free => {
                self.greeted = true;
                let hello = Bytes::from(greeting(info_hash, dice));
                let config = mse::Config::default();
                let levels = [Level::Both, Level::Rc4, Level::Plaintext];
                let level = dice.pick(&levels).copied().unwrap_or_default();
                let handshake = Handshake::initiator(&config, level, info_hash, hello, SEED, Instant::ZERO);
                self.speech = Speech::Secure(Box::new(handshake));
                self.exchange(None);
            }
            Speech::Secure(_) => {}
            Speech::Settled(ciphers) => {
                let mut words = if !self.greeted {
                    greeting(info_hash, dice)
                } else if !self.asked.is_empty() && dice.chance(1, 2) {
                    let index = dice.below(self.asked.len() as u32) as usize;
                    encode([block_of(self.asked.swap_remove(index), content, dice)])
                } else {
                    encode([any_message(dice, PIECES)])
                };
                self.greeted = true;
                ciphers.encrypt_in_place(&mut words);
                self.said.extend(words);
            }
        }
    }

    /// What comes through now.
    pub(super) fn spoken(&mut self, dice: &mut Dice) -> BytesMut {
        let whole = self.said.len();
        let part = if dice.chance(7, 8) { whole } else { dice.below(whole as u32) as usize };
        self.said.drain(..part).collect::<Vec<u8>>().as_slice().into()
    }

    /// Goes on with the exchange of keys.
    fn exchange(&mut self, data: Option<&[u8]>) {
        let Speech::Secure(handshake) = &mut self.speech else { return };
        let mut out = Outbox::new();
        let mut next = data.map(|data| mse::Input::Received(BytesMut::from(data)));
        // What was spoilt on the way may have killed it: then it says nothing more.
        loop {
            let _ = match next.take() {
                Some(input) => handshake.handle_input(Instant::ZERO, input, &mut out),
                None => handshake.handle_timeout(Instant::ZERO, &mut out),
            };
            let mut end = None;
            for action in out.drain() {
                match action {
                    mse::Action::Send(bytes) => self.said.extend_from_slice(&bytes),
                    mse::Action::Identify { .. } => {
                        next = Some(mse::Input::Identified { info_hash: self.info_hash });
                    }
                    mse::Action::PlainDetected { bytes } => {
                        end = Some((Ciphers::Plain, bytes, BytesMut::new()))
                    }
                    mse::Action::Established { ciphers, ia, rest, .. } => end = Some((ciphers, ia, rest)),
                }
            }
            if let Some((ciphers, ia, rest)) = end {
                self.heard.extend_from_slice(&ia);
                self.heard.extend_from_slice(&rest);
                self.speech = Speech::Settled(ciphers);
                return;
            }
            if next.is_none() {
                return;
            }
        }
    }

    /// Cuts what was heard into messages and keeps the requests.
    fn read(&mut self) {
        if !self.greetings_heard {
            if self.heard.len() < HANDSHAKE_LENGTH {
                return;
            }
            self.greetings_heard = true;
            self.heard.drain(..HANDSHAKE_LENGTH);
        }
        let mut rest = mem::take(&mut self.heard);
        while let Some((length, _)) = rest.split_first_chunk::<4>() {
            let whole = u32::from_be_bytes(*length) as usize + 4;
            if rest.len() < whole {
                break;
            }
            let behind = rest.split_off(whole);
            self.asked.extend(request_in(&rest));
            rest = behind;
        }
        self.heard = rest;
    }
}

/// The first 68 bytes, sound or spoilt.
fn greeting(info_hash: InfoHash, dice: &mut Dice) -> Vec<u8> {
    let peer_id = PeerId([dice.below(6) as u8 + 1; 20]);
    let reserved = Reserved::ours(dice.chance(3, 4), false);
    let mut bytes = [&b"\x13BitTorrent protocol"[..], &reserved.0, &info_hash.0, &peer_id.0].concat();
    if dice.chance(1, 16)
        && let Some(byte) = bytes.get_mut(dice.below(68) as usize)
    {
        *byte ^= 1;
    }
    bytes
}
