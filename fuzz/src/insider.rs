//! A peer of MSE that knows the shared secret and does not mean well.

use arbitrary::Arbitrary;
use bytes::BytesMut;
use convoy_core::{
    Seed,
    crypto::{PrivateKey, PublicKey, Rc4, dh::KEY_LENGTH},
    mse::{
        Action, Handshake, Input,
        subject::{self, Setup, TORRENT},
    },
    testing::{Bounds, Call, Dice, Step, StreamSubject, Subject},
};
use sha1::{Digest, Sha1};

/// What it says, each part right or wrong.
#[derive(Arbitrary, Clone, Debug)]
pub struct Words {
    key: Key,
    key_pad: Vec<u8>,
    marker: Marker,
    torrent: Torrent,
    vc: Option<[u8; 8]>,
    method: Method,
    pad: Vec<u8>,
    pad_length: Option<u16>,
    payload: Vec<u8>,
    payload_length: Option<u16>,
    behind: Vec<u8>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Key {
    Mine,
    Weak(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Marker {
    Right,
    Missing,
    Wrong,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Torrent {
    Known,
    Unknown,
}

/// What it offers, or selects.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Method {
    Plaintext,
    Rc4,
    Both,
    Other(u32),
}

impl Method {
    const fn bits(self) -> u32 {
        match self {
            Self::Plaintext => 1,
            Self::Rc4 => 2,
            Self::Both => 3,
            Self::Other(bits) => bits,
        }
    }
}

/// The machine's peer.
#[derive(Debug)]
pub struct Insider {
    words: Words,
    private: PrivateKey,
    /// Whether the machine is the responder, and this side offers.
    offers: bool,
    stream: Vec<u8>,
    /// What stands behind the keys, before it was encrypted; nothing before the machine's key was heard.
    plain: Vec<u8>,
    started: bool,
    identifying: bool,
    over: bool,
}

impl Insider {
    pub fn new(words: Words) -> Self {
        Self {
            words,
            private: PrivateKey::from_bytes([5; 20]),
            offers: false,
            stream: Vec::new(),
            plain: Vec::new(),
            started: false,
            identifying: false,
            over: false,
        }
    }

    /// The public key and its padding.
    fn greeting(&self) -> Vec<u8> {
        let key = match self.words.key {
            Key::Mine => *self.private.public().as_bytes(),
            Key::Weak(last) => {
                let mut key = [if last > 127 { 0xff } else { 0 }; KEY_LENGTH];
                key[KEY_LENGTH - 1] = last;
                key
            }
        };
        [&key[..], &self.words.key_pad].concat()
    }

    /// Everything behind the keys, under the secret that is shared with the owner of `key`.
    fn rest(&mut self, key: [u8; KEY_LENGTH]) -> Vec<u8> {
        let key = PublicKey::from_bytes(key).expect("the machine's key is a sound one");
        let secret = self.private.shared(&key);
        let secret = secret.as_bytes();
        let Words { vc, method, pad, pad_length, payload, payload_length, behind, .. } = &self.words;

        let mut plain = vc.unwrap_or_default().to_vec();
        plain.extend(method.bits().to_be_bytes());
        plain.extend(pad_length.unwrap_or(pad.len() as u16).to_be_bytes());
        plain.extend(pad);
        if self.offers {
            plain.extend(payload_length.unwrap_or(payload.len() as u16).to_be_bytes());
            plain.extend(payload);
        }
        plain.extend(behind);
        self.plain.clone_from(&plain);
        let name: &[u8] = if self.offers { b"keyA" } else { b"keyB" };
        Rc4::new_dropped(&hash(&[name, secret, &TORRENT.0])).apply(&mut plain);

        let clear = if self.offers { self.offer_head(secret) } else { Vec::new() };
        [clear, plain].concat()
    }

    /// The payload of the offer, as its lengths have it.
    fn payload(&self) -> &[u8] {
        if !self.offers {
            return &[];
        }
        let number = |at: usize| usize::from(u16::from_be_bytes([self.plain[at], self.plain[at + 1]]));
        let length_at = 14 + number(12);
        &self.plain[length_at + 2..][..number(length_at)]
    }

    /// The marker and the covered name of the torrent.
    fn offer_head(&self, secret: &[u8]) -> Vec<u8> {
        let marker = match self.words.marker {
            Marker::Right => hash(&[b"req1", secret]).to_vec(),
            Marker::Missing => Vec::new(),
            Marker::Wrong => vec![1; 20],
        };
        let torrent = match self.words.torrent {
            Torrent::Known => TORRENT.0,
            Torrent::Unknown => [1; 20],
        };
        let mut name = hash(&[b"req2", &torrent]);
        name.iter_mut().zip(hash(&[b"req3", secret])).for_each(|(byte, mask)| *byte ^= mask);
        [&marker[..], &name].concat()
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 20] {
    Sha1::digest(parts.concat()).into()
}

impl Subject for Insider {
    type Machine = Handshake;
    type Config = Setup;

    fn config(&mut self, dice: &mut Dice) -> Setup {
        let setup = Setup::draw(dice);
        self.offers = !setup.initiator;
        self.stream = self.greeting();
        setup
    }

    fn build(&self, setup: &Setup, seed: Seed) -> Handshake {
        setup.build(seed)
    }

    fn bounds(&self) -> Bounds {
        subject::bounds()
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        if self.identifying && dice.chance(3, 4) {
            let known = dice.chance(7, 8);
            return if known { Input::Identified { info_hash: TORRENT } } else { Input::Unknown };
        }
        let length = if dice.chance(1, 2) { self.stream.len() } else { dice.below(256) as usize };
        let part: Vec<u8> = self.stream.drain(..length.min(self.stream.len())).collect();
        Input::Received(BytesMut::from(&part[..]))
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        self.started = true;
        self.over |= step.outcome.error.is_some();
        if let Call::Input(Input::Identified { .. } | Input::Unknown) = step.call {
            self.identifying = false;
        }
        for action in &step.outcome.actions {
            match action {
                Action::Send(bytes) => {
                    if let Some(key) = bytes.first_chunk().filter(|_| self.plain.is_empty()) {
                        let rest = self.rest(*key);
                        self.stream.extend(rest);
                    }
                }
                Action::Identify { .. } => self.identifying = true,
                Action::PlainDetected { .. } => self.over = true,
                Action::Established { ciphers, info_hash, ia, .. } => {
                    self.over = true;
                    assert_eq!((*info_hash, &ia[..]), (TORRENT, self.payload()), "as it was said");
                    let method = if ciphers.is_encrypted() { 2 } else { 1 };
                    assert!(self.words.method.bits() & method != 0, "as it was offered, or selected");
                }
            }
        }
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        let strays = [Input::Unknown, Input::Identified { info_hash: TORRENT }];
        dice.pick(&strays).filter(|_| self.started && !self.identifying && !self.over).cloned()
    }

    fn memory(&self, machine: &Handshake) -> usize {
        machine.memory()
    }

    fn bytes(&self, action: &Action) -> usize {
        subject::bytes_of(action)
    }
}

impl StreamSubject for Insider {
    fn received(input: &Input) -> Option<&[u8]> {
        match input {
            Input::Received(bytes) => Some(bytes),
            Input::Identified { .. } | Input::Unknown => None,
        }
    }

    fn receive(bytes: BytesMut) -> Input {
        Input::Received(bytes)
    }

    fn normalise(&self, actions: &mut Vec<Action>) {
        subject::normalise(actions);
    }
}
