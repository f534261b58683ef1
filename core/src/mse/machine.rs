//! The handshake's face, for either side.

use super::{
    cipher::Ciphers,
    config::Config,
    error::{Error, PeerMisbehaved},
    initiator::Initiator,
    keys::{Choices, Req2Hash, Source},
    policy::{Level, Stage},
    reader::Reader,
    responder::Responder,
};
use crate::{
    id::InfoHash,
    machine::Machine,
    outbox::Outbox,
    random::Seed,
    time::{Clock, Deadline, Instant},
};
use bytes::{Bytes, BytesMut};

/// What can happen to a handshake.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Input {
    /// Bytes came in.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    Received(BytesMut),
    /// Answer to [`Action::Identify`]: it is this torrent.
    Identified {
        /// The torrent.
        info_hash: InfoHash,
    },
    /// Answer to [`Action::Identify`]: there is no such torrent.
    Unknown,
}

/// What a handshake wants.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Action {
    /// Send these bytes. They are encrypted as they must be.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    Send(Bytes),
    /// A peer asks for a torrent: look it up in [`Skeys`](super::Skeys), and answer with
    /// [`Input::Identified`] or [`Input::Unknown`].
    Identify {
        /// By this hash.
        req2_hash: Req2Hash,
    },
    /// The peer speaks plain BitTorrent. The last action.
    PlainDetected {
        /// All that came.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        bytes: BytesMut,
    },
    /// Both sides agreed. The last action.
    Established {
        /// For all that comes and goes from now on.
        ciphers: Ciphers,
        /// The torrent. What the peer names in its first message must be the same.
        info_hash: InfoHash,
        /// What the initiator sent with its offer, decrypted; empty for the initiator itself. Goes in front
        /// of `rest`.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        ia: BytesMut,
        /// What came behind the handshake, decrypted: the first bytes of what follows.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        rest: BytesMut,
    },
}

/// The handshake's machine, for either side. See the [module](super) for both at work.
///
/// It gives at most four actions a call, and sends less than 1.3 KiB of its own in all besides the
/// initiator's payload. It keeps the initial payload as far as it came, in at most twice the room, and at
/// most [`REST_MAX`](super::REST_MAX) bytes while a torrent is being identified. After the last action it
/// wants nothing and ignores everything.
#[derive(Debug)]
pub struct Handshake {
    clock: Clock,
    born: Instant,
    deadline: Instant,
    role: Role,
    reader: Reader,
    /// Whether it is over, and how it ended.
    end: Option<Result<(), Error>>,
}

#[derive(Debug)]
enum Role {
    Initiator(Initiator),
    Responder(Responder),
}

/// What became of the bytes that are here.
pub(super) enum Step {
    /// Another state may use more of them.
    Next,
    /// More must come.
    Wait,
    /// The last action was given.
    Over,
}

impl Handshake {
    /// For the side that dialled, and that knows what to say first: `payload`. As much of it as
    /// [`Config::max_ia_sent`] allows goes with the offer, what is left as soon as the peer answered.
    ///
    /// Speaks in its first call: call `handle_timeout` at once (its first deadline is `now`). What it
    /// offers is `level`, which an [`Attempt`](super::Attempt) tells.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use convoy_core::{
    ///     Instant, Machine, Outbox,
    ///     id::InfoHash,
    ///     mse::{Action, Config, Handshake, Level, PAD_MAX},
    /// };
    ///
    /// let (config, hello) = (Config::default(), Bytes::from_static(b"hello"));
    /// let mut alice =
    ///     Handshake::initiator(&config, Level::Both, InfoHash([1; 20]), hello, [1; 32], Instant::ZERO);
    /// let mut out = Outbox::new();
    /// alice.handle_timeout(Instant::ZERO, &mut out)?;
    /// let Some(Action::Send(key)) = out.drain().next() else { panic!("she speaks first") };
    /// assert!((96..=96 + PAD_MAX).contains(&key.len()));
    /// # Ok::<(), convoy_core::mse::Error>(())
    /// ```
    #[must_use]
    pub fn initiator(
        config: &Config,
        level: Level,
        info_hash: InfoHash,
        payload: Bytes,
        seed: Seed,
        now: Instant,
    ) -> Self {
        let initiator = Initiator::new(Source::Seed(seed), level, info_hash, payload, config.max_ia_sent);
        Self::new(Role::Initiator(initiator), config, now)
    }

    /// For the side that was dialled. Speaks when it knows that the peer speaks MSE.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use convoy_core::{
    ///     Instant, Machine, Outbox,
    ///     mse::{Action, Config, Error, Handshake, Input, PeerIncompatible, Policy},
    /// };
    ///
    /// let (now, plain) = (Instant::ZERO, BytesMut::from("\x13BitTorrent protocol and more"));
    /// let mut out = Outbox::new();
    /// let mut bob = Handshake::responder(&Config::default(), [2; 32], now);
    /// bob.handle_input(now, Input::Received(plain.clone()), &mut out)?;
    /// assert!(out.drain().eq([Action::PlainDetected { bytes: plain.clone() }]));
    ///
    /// let strict = Config { incoming: Policy::Required, ..Config::default() };
    /// let mut bob = Handshake::responder(&strict, [2; 32], now);
    /// let refused = Error::Incompatible(PeerIncompatible::PlainRefused);
    /// assert_eq!(bob.handle_input(now, Input::Received(plain), &mut out), Err(refused));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn responder(config: &Config, seed: Seed, now: Instant) -> Self {
        Self::new(Role::Responder(Responder::new(Source::Seed(seed), *config)), config, now)
    }

    /// An [`initiator`](Self::initiator) that draws nothing: for vectors.
    #[must_use]
    pub fn initiator_with(
        config: &Config,
        level: Level,
        info_hash: InfoHash,
        payload: Bytes,
        choices: Choices,
        now: Instant,
    ) -> Self {
        let source = Source::Given(choices);
        let initiator = Initiator::new(source, level, info_hash, payload, config.max_ia_sent);
        Self::new(Role::Initiator(initiator), config, now)
    }

    /// A [`responder`](Self::responder) that draws nothing: for vectors.
    #[must_use]
    pub fn responder_with(config: &Config, choices: Choices, now: Instant) -> Self {
        Self::new(Role::Responder(Responder::new(Source::Given(choices), *config)), config, now)
    }

    fn new(role: Role, config: &Config, now: Instant) -> Self {
        let mut clock = Clock::default();
        clock.advance(now);
        let (deadline, reader) = (now + config.timeout, Reader::new());
        Self { clock, born: now, deadline, role, reader, end: None }
    }

    /// How far an initiator came, also after it failed: what [`Attempt::after`](super::Attempt::after)
    /// wants to know. `None` for a responder.
    #[must_use]
    pub const fn stage(&self) -> Option<Stage> {
        match &self.role {
            Role::Initiator(initiator) => Some(initiator.stage()),
            Role::Responder(_) => None,
        }
    }

    /// Heap bytes held for what came, besides the half kilobyte of the keystreams.
    #[must_use]
    pub fn memory(&self) -> usize {
        let payload = match &self.role {
            Role::Initiator(_) => 0,
            Role::Responder(responder) => responder.memory(),
        };
        payload + self.reader.memory()
    }

    fn handle(&mut self, now: Instant, input: Option<Input>, out: &mut Outbox<Action>) -> Result<(), Error> {
        self.check_deadline(now)?;
        // The first call, whatever it is, makes an initiator speak.
        if let Role::Initiator(initiator) = &mut self.role {
            initiator.start(out);
        }
        match (input, &mut self.role) {
            (Some(Input::Received(bytes)), _) => self.reader.push(bytes),
            (Some(Input::Identified { info_hash }), Role::Responder(responder)) => {
                responder.identified(Some(info_hash))?;
            }
            (Some(Input::Unknown), Role::Responder(responder)) => responder.identified(None)?,
            (Some(Input::Identified { .. } | Input::Unknown), Role::Initiator(_)) | (None, _) => {}
        }
        self.advance(out)
    }

    /// The deadline is absolute: it counts whether the timer or a late byte comes first.
    fn check_deadline(&mut self, now: Instant) -> Result<(), Error> {
        if self.clock.advance(now) >= self.deadline {
            return Err(PeerMisbehaved::TooSlow.into());
        }
        Ok(())
    }

    /// As many states as the bytes that are here are enough for: at most one time each.
    fn advance(&mut self, out: &mut Outbox<Action>) -> Result<(), Error> {
        loop {
            let step = match &mut self.role {
                Role::Initiator(initiator) => initiator.advance(&mut self.reader, out)?,
                Role::Responder(responder) => responder.advance(&mut self.reader, out)?,
            };
            match step {
                Step::Next => {}
                Step::Wait => break,
                Step::Over => {
                    self.end = Some(Ok(()));
                    break;
                }
            }
        }
        self.reader.let_go();
        Ok(())
    }

    fn call(&mut self, now: Instant, input: Option<Input>, out: &mut Outbox<Action>) -> Result<(), Error> {
        if let Some(end) = self.end {
            return end;
        }
        let result = self.handle(now, input, out);
        if result.is_err() {
            self.end = Some(result);
            self.reader = Reader::new();
            match &mut self.role {
                Role::Initiator(initiator) => initiator.wipe(),
                Role::Responder(responder) => responder.wipe(),
            }
        }
        result
    }
}

impl Machine for Handshake {
    type Input = Input;
    type Action = Action;
    type Error = Error;

    fn handle_input(&mut self, now: Instant, input: Input, out: &mut Outbox<Action>) -> Result<(), Error> {
        self.call(now, Some(input), out)
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Error> {
        self.call(now, None, out)
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        match &self.role {
            _ if self.end.is_some() => None,
            Role::Initiator(initiator) if initiator.is_starting() => {
                Some(Deadline { at: self.born, why: "start" })
            }
            Role::Initiator(_) | Role::Responder(_) => Some(Deadline { at: self.deadline, why: "handshake" }),
        }
    }
}
