//! The handshake under the law harness, against a real peer whose bytes come late, cut, spoilt or not at all.

use super::{Action, Ciphers, Config, Handshake, Input, Level, Method, Policy, REST_MAX, Req2Hash};
use crate::{
    Instant, Machine, Outbox, Seed,
    id::InfoHash,
    testing::{Bounds, Call, Dice, Step, StreamSubject, Subject},
};
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::time::Duration;

/// The torrent that both sides have.
pub const TORRENT: InfoHash = InfoHash([0x17; 20]);

/// What an initiator says first.
pub const HELLO: &[u8; 68] =
    b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05\x17\x17\x17\x17\x17\x17\x17\x17\x17\x17\x17\x17\x17\x17\x17\x17\x17\x17\x17\x17-XX0000-somebody....";

/// A handshake of either side, and its peer.
#[derive(Debug, Default)]
pub struct AnyHandshake {
    /// The other side: it answers the machine, and its answers come in parts.
    peer: Option<Peer>,
    stream: Vec<u8>,
    started: bool,
    identifying: bool,
    over: bool,
}

/// What a handshake is built from.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Which side it is.
    pub initiator: bool,
    /// What it tolerates.
    pub config: Config,
}

impl Setup {
    /// Draws one.
    pub fn draw(dice: &mut Dice) -> Self {
        let policies = [Policy::Enabled, Policy::Enabled, Policy::Required, Policy::Disabled];
        let config = Config {
            incoming: dice.pick(&policies).copied().unwrap_or_default(),
            level: dice.pick(&[Level::Plaintext, Level::Rc4, Level::Both]).copied().unwrap_or_default(),
            prefer: if dice.chance(1, 2) { Method::Plaintext } else { Method::Rc4 },
            max_ia_sent: 30,
            max_ia: dice.pick(&[u16::MAX, 68, 0]).copied().unwrap_or(u16::MAX),
            // The harness's clock may start in any year: the handshake must not be over by then.
            timeout: Duration::from_secs(100 * 365 * 24 * 3600),
            ..Config::default()
        };
        Self { initiator: dice.chance(1, 2), config }
    }

    /// The machine.
    #[must_use]
    pub fn build(&self, seed: Seed) -> Handshake {
        let Self { initiator, config } = self;
        if *initiator {
            let hello = Bytes::from_static(HELLO);
            Handshake::initiator(config, config.level, TORRENT, hello, seed, Instant::ZERO)
        } else {
            Handshake::responder(config, seed, Instant::ZERO)
        }
    }
}

/// What every handshake promises.
#[must_use]
pub const fn bounds() -> Bounds {
    Bounds {
        actions_per_call: 4,
        bytes_per_call: 2 * 1024 + REST_MAX,
        memory: REST_MAX + 128 * 1024,
        timeouts_per_s: 1,
    }
}

/// How many bytes an action carries.
#[must_use]
pub fn bytes_of(action: &Action) -> usize {
    match action {
        Action::Send(bytes) => bytes.len(),
        Action::Identify { .. } => 0,
        Action::PlainDetected { bytes } => bytes.len(),
        Action::Established { ia, rest, .. } => ia.len() + rest.len(),
    }
}

/// Takes out of the last action what depends on how the stream was cut: what came behind the end is the
/// next machine's, and so is its keystream.
pub fn normalise(actions: &mut [Action]) {
    for action in actions {
        match action {
            Action::PlainDetected { bytes } => bytes.truncate(20),
            Action::Established { ciphers, rest, .. } => {
                rest.clear();
                if let Ciphers::Rc4 { send, receive } = ciphers {
                    receive.clone_from(send);
                }
            }
            Action::Send(_) | Action::Identify { .. } => {}
        }
    }
}

impl Subject for AnyHandshake {
    type Machine = Handshake;
    type Config = Setup;

    fn config(&mut self, dice: &mut Dice) -> Setup {
        let setup = Setup::draw(dice);
        if !setup.initiator && dice.chance(1, 8) {
            self.stream = HELLO.to_vec();
        } else {
            // The peer may be set up otherwise.
            let config = Config { max_ia_sent: 40, ..Config::default() };
            let mut peer = Peer::new(Setup { initiator: !setup.initiator, config });
            peer.call(None, &mut self.stream);
            self.peer = Some(peer);
        }
        setup
    }

    fn build(&self, setup: &Setup, seed: Seed) -> Handshake {
        setup.build(seed)
    }

    fn bounds(&self) -> Bounds {
        bounds()
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        if self.identifying && dice.chance(1, 2) || dice.chance(1, 50) {
            let known = dice.chance(7, 8);
            return if known { Input::Identified { info_hash: TORRENT } } else { Input::Unknown };
        }
        let length = dice.below(300).min(self.stream.len() as u32) as usize;
        let mut part: Vec<u8> = self.stream.drain(..length).collect();
        if dice.chance(1, 60) {
            part = dice.bytes(40);
        }
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
                    if let Some(peer) = &mut self.peer {
                        peer.call(Some(Input::Received(BytesMut::from(&bytes[..]))), &mut self.stream);
                    }
                }
                Action::Identify { .. } => self.identifying = true,
                Action::PlainDetected { .. } | Action::Established { .. } => self.over = true,
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
        bytes_of(action)
    }
}

impl StreamSubject for AnyHandshake {
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
        normalise(actions);
    }
}

/// The other side, with a parent that answers at once. What was spoilt on the way may kill it.
#[derive(Debug)]
pub struct Peer {
    handshake: Handshake,
    /// Its last action.
    pub end: Option<Action>,
}

impl Peer {
    /// A peer that has not spoken.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self { handshake: setup.build([9; 32]), end: None }
    }

    /// Gives it an input, or the chance to speak first; what it says is added to `said`.
    pub fn call(&mut self, input: Option<Input>, said: &mut Vec<u8>) {
        let mut out = Outbox::new();
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let _ = match input {
                Some(input) => self.handshake.handle_input(Instant::ZERO, input, &mut out),
                None => self.handshake.handle_timeout(Instant::ZERO, &mut out),
            };
            for action in out.drain() {
                match action {
                    Action::Send(bytes) => said.extend_from_slice(&bytes),
                    Action::Identify { req2_hash } => {
                        let known = req2_hash == Req2Hash::of(&TORRENT);
                        let answer = Input::Identified { info_hash: TORRENT };
                        next = Some(Some(if known { answer } else { Input::Unknown }));
                    }
                    end @ (Action::PlainDetected { .. } | Action::Established { .. }) => self.end = Some(end),
                }
            }
        }
    }
}
