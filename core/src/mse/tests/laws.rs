//! Both roles through the law harness, against a real peer whose bytes come late, cut, spoilt or not at all.

use super::*;
use crate::{
    Seed,
    testing::{Bounds, Dice, Step, StreamSubject, Subject, check_chunking, check_laws},
};

const LIVES: u64 = 300;
const STEPS: usize = 60;

#[test]
fn handshakes_keep_the_laws() {
    for seed in 0..LIVES {
        check_laws(AnyHandshake::default(), Dice::seeded(seed), STEPS);
    }
}

#[test]
fn handshakes_do_not_care_how_the_stream_was_cut() {
    for seed in 0..LIVES {
        check_chunking(AnyHandshake::default(), Dice::seeded(seed), STEPS);
    }
}

#[derive(Default)]
struct AnyHandshake {
    /// The other side: it answers the machine, and its answers come in parts.
    peer: Option<World>,
    stream: Vec<u8>,
    started: bool,
    identifying: bool,
    over: bool,
}

#[derive(Clone, Copy, Debug)]
struct Setup {
    initiator: bool,
    config: Config,
}

impl Subject for AnyHandshake {
    type Machine = Handshake;
    type Config = Setup;

    fn config(&mut self, dice: &mut Dice) -> Setup {
        let config = Config {
            incoming: *dice
                .pick(&[Policy::Enabled, Policy::Enabled, Policy::Required, Policy::Disabled])
                .unwrap(),
            level: *dice.pick(&[Level::Plaintext, Level::Rc4, Level::Both, Level::Both]).unwrap(),
            prefer: *dice.pick(&[Method::Plaintext, Method::Rc4]).unwrap(),
            max_ia_sent: 30,
            max_ia: *dice.pick(&[0, 68, u16::MAX]).unwrap(),
            ..Config::default()
        };
        let setup = Setup { initiator: dice.chance(1, 2), config };
        // The peer may be set up otherwise.
        let theirs = Config { max_ia_sent: 40, ..Config::default() };
        let mut peer =
            if setup.initiator { World::responder(theirs, 9) } else { World::initiator(theirs, 9) };
        if dice.chance(1, 8) && !setup.initiator {
            self.stream = HELLO.to_vec();
        } else if !setup.initiator {
            peer.start();
            self.stream = peer.sent();
        }
        self.peer = Some(peer);
        setup
    }

    fn build(&self, setup: &Setup, seed: Seed) -> Handshake {
        let Setup { initiator, config } = setup;
        // The harness's clock may start in any year: the handshake must not be over by then.
        let config = Config { timeout: Duration::from_secs(100 * 365 * 24 * 3600), ..*config };
        if *initiator {
            let hello = Bytes::from_static(HELLO);
            Handshake::initiator(&config, config.level, TORRENT, hello, seed, Instant::ZERO)
        } else {
            Handshake::responder(&config, seed, Instant::ZERO)
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            actions_per_call: 4,
            bytes_per_call: 2 * 1024 + REST_MAX,
            memory: REST_MAX + 128 * 1024,
            timeouts_per_s: 1,
        }
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
        if let crate::testing::Call::Input(Input::Identified { .. } | Input::Unknown) = step.call {
            self.identifying = false;
        }
        let Some(peer) = self.peer.as_mut() else { return };
        for action in &step.outcome.actions {
            match action {
                // What was spoilt on the way may have killed it.
                Action::Send(bytes) => drop(peer.receive_cut(bytes, bytes.len())),
                Action::Identify { .. } => self.identifying = true,
                Action::PlainDetected { .. } | Action::Established { .. } => self.over = true,
            }
        }
        self.stream.extend(peer.sent());
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        let strays = [Input::Unknown, Input::Identified { info_hash: TORRENT }];
        dice.pick(&strays).filter(|_| self.started && !self.identifying && !self.over).cloned()
    }

    fn memory(&self, machine: &Handshake) -> usize {
        machine.memory()
    }

    fn bytes(&self, action: &Action) -> usize {
        match action {
            Action::Send(bytes) => bytes.len(),
            Action::Identify { .. } => 0,
            Action::PlainDetected { bytes } => bytes.len(),
            Action::Established { ia, rest, .. } => ia.len() + rest.len(),
        }
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

    /// What came behind the end is the next machine's, and so is its keystream.
    fn normalise(&self, actions: &mut Vec<Action>) {
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
}
