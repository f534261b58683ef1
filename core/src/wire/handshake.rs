//! The first 68 bytes each way.

use super::{HandshakeError, HandshakeIncompatible, HandshakeLocal, HandshakeMisbehaved};
use crate::{
    id::{InfoHash, PeerId},
    machine::Machine,
    outbox::Outbox,
    time::{Clock, Deadline, Instant},
};
use bytes::{Buf, Bytes, BytesMut};
use core::time::Duration;

/// How every handshake begins (BEP 3): the length of the protocol's name, and the name.
const PROTOCOL: [u8; 20] = *b"\x13BitTorrent protocol";

/// Bytes of a whole handshake.
pub const HANDSHAKE_LENGTH: usize = 68;

/// Where the info-hash ends. Here a responder can already choose the torrent and answer: trackers' checks
/// and some old peers send their peer_id only after that.
const INFO_HASH_END: usize = 48;

/// The most bytes that are kept of a peer which talks on before it is answered. Room for the greetings of
/// an eager peer, and for the read buffer of any driver.
pub const REST_MAX: usize = 256 * 1024;

/// The eight reserved bytes of the handshake (BEP 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reserved(#[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))] pub [u8; 8]);

impl Reserved {
    /// What this side can do: BEP 10 always, BEP 6 with `fast`, BEP 5 while a node of the DHT runs.
    #[must_use]
    pub const fn ours(fast: bool, dht: bool) -> Self {
        let last = if fast { 0x04 } else { 0 } | if dht { 0x01 } else { 0 };
        Self([0, 0, 0, 0, 0, 0x10, 0, last])
    }

    /// What both can do.
    #[must_use]
    pub const fn both(self, other: Self) -> Self {
        Self((u64::from_be_bytes(self.0) & u64::from_be_bytes(other.0)).to_be_bytes())
    }

    /// Whether extension messages are understood (BEP 10).
    #[must_use]
    pub const fn extended(self) -> bool {
        let [_, _, _, _, _, byte, _, _] = self.0;
        byte & 0x10 != 0
    }

    /// Whether the Fast extension is understood (BEP 6).
    #[must_use]
    pub const fn fast(self) -> bool {
        let [.., byte] = self.0;
        byte & 0x04 != 0
    }

    /// Whether there is a node of the DHT (BEP 5).
    #[must_use]
    pub const fn dht(self) -> bool {
        let [.., byte] = self.0;
        byte & 0x01 != 0
    }
}

/// What a handshake tolerates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct HandshakeConfig {
    /// How long it may take from construction to [`HandshakeAction::Established`], however many bytes
    /// trickle in. 30 s by default.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub timeout: Duration,
}

impl Default for HandshakeConfig {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30) }
    }
}

/// What can happen to a handshake.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum HandshakeInput {
    /// Bytes came in.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    Received(BytesMut),
    /// Answer to [`HandshakeAction::Identify`]: we share that torrent, and go by this name in it.
    Identified {
        /// Our name.
        peer_id: PeerId,
    },
}

/// What a handshake wants.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum HandshakeAction {
    /// Send these bytes.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    Send(Bytes),
    /// A peer asks for this torrent: answer with [`HandshakeInput::Identified`], or close the connection.
    Identify {
        /// The torrent.
        info_hash: InfoHash,
    },
    /// Both sides know each other. The last action: make a [`Connection`](super::Connection).
    Established {
        /// The torrent.
        info_hash: InfoHash,
        /// The peer's name.
        peer_id: PeerId,
        /// What the peer can do.
        reserved: Reserved,
        /// What came behind the handshake: the connection's first bytes.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        rest: BytesMut,
    },
}

/// The handshake's machine (BEP 3), for either side. See the [module](super) for both at work.
///
/// An *initiator* knows torrent and name; it speaks first, in its first call: call `handle_timeout` at once
/// (its first deadline is the moment of its construction). A *responder* asks which name
/// to answer with as soon as the peer has named a torrent, and answers at once.
///
/// Gives at most two actions and 68 bytes of its own a call; keeps at most [`REST_MAX`] bytes.
/// After [`Established`](HandshakeAction::Established) it wants nothing and ignores everything.
#[derive(Debug)]
pub struct Handshake {
    clock: Clock,
    born: Instant,
    deadline: Instant,
    reserved: Reserved,
    state: State,
    /// Our name, as soon as we have given it.
    own: Option<PeerId>,
    /// What came of the peer's handshake: the first `filled` bytes of it.
    buffer: [u8; HANDSHAKE_LENGTH],
    filled: usize,
    /// What came behind it before we could answer.
    rest: BytesMut,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Initiator: has not spoken.
    Starting {
        info_hash: InfoHash,
        peer_id: PeerId,
    },
    /// Initiator: the peer must answer with this hash.
    Answered {
        info_hash: InfoHash,
    },
    /// Responder: the peer has not named a torrent.
    Listening,
    /// Responder: the parent was asked for this torrent.
    Identifying {
        info_hash: InfoHash,
    },
    /// The torrent is agreed; the peer_id is missing.
    Naming {
        info_hash: InfoHash,
    },
    Established,
    Failed(HandshakeError),
}

impl Handshake {
    /// For the side that dialled.
    #[must_use]
    pub fn initiator(
        info_hash: InfoHash,
        peer_id: PeerId,
        reserved: Reserved,
        config: HandshakeConfig,
        now: Instant,
    ) -> Self {
        Self::new(State::Starting { info_hash, peer_id }, reserved, config, now)
    }

    /// For the side that was dialled.
    #[must_use]
    pub fn responder(reserved: Reserved, config: HandshakeConfig, now: Instant) -> Self {
        Self::new(State::Listening, reserved, config, now)
    }

    fn new(state: State, reserved: Reserved, config: HandshakeConfig, now: Instant) -> Self {
        let mut clock = Clock::default();
        clock.advance(now);
        let (buffer, rest) = ([0; HANDSHAKE_LENGTH], BytesMut::new());
        let deadline = now + config.timeout;
        Self { clock, born: now, deadline, reserved, state, own: None, buffer, filled: 0, rest }
    }

    /// Heap bytes held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.rest.capacity()
    }

    /// Whether nothing is left to do; the error, if that is why.
    const fn is_over(&self) -> Result<bool, HandshakeError> {
        match self.state {
            State::Failed(error) => Err(error),
            State::Established => Ok(true),
            State::Starting { .. }
            | State::Answered { .. }
            | State::Listening
            | State::Identifying { .. }
            | State::Naming { .. } => Ok(false),
        }
    }

    /// The peer's deadline is absolute: it counts whether the timer or a late byte comes first.
    fn check_deadline(&mut self, now: Instant) -> Result<(), HandshakeError> {
        if self.clock.advance(now) >= self.deadline {
            return Err(HandshakeError::Peer(HandshakeMisbehaved::TooSlow));
        }
        Ok(())
    }

    fn start(&mut self, out: &mut Outbox<HandshakeAction>) {
        if let State::Starting { info_hash, peer_id } = self.state {
            self.speak(info_hash, peer_id, out);
            self.state = State::Answered { info_hash };
        }
    }

    fn speak(&mut self, info_hash: InfoHash, peer_id: PeerId, out: &mut Outbox<HandshakeAction>) {
        let bytes = out.write(HANDSHAKE_LENGTH, |arena| {
            for part in [&PROTOCOL[..], &self.reserved.0, &info_hash.0, &peer_id.0] {
                arena.extend_from_slice(part);
            }
        });
        self.own = Some(peer_id);
        out.push(HandshakeAction::Send(bytes));
    }

    fn received(
        &mut self,
        mut fresh: BytesMut,
        out: &mut Outbox<HandshakeAction>,
    ) -> Result<(), HandshakeError> {
        self.fill(&mut fresh);
        self.check_protocol()?;
        if self.filled >= INFO_HASH_END {
            self.check_info_hash(out)?;
        }
        self.keep(fresh)?;
        self.check_peer_id(out)
    }

    /// Copies what is missing of the 68 bytes, so that nothing pins the driver's buffer.
    fn fill(&mut self, fresh: &mut BytesMut) {
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let taken = room.len().min(fresh.len());
        room.iter_mut().zip(fresh.iter()).for_each(|(to, from)| *to = *from);
        fresh.advance(taken);
        self.filled += taken;
    }

    /// Closes at the first byte that differs.
    fn check_protocol(&self) -> Result<(), HandshakeError> {
        let matches =
            self.buffer.iter().take(self.filled).zip(&PROTOCOL).all(|(came, wanted)| came == wanted);
        matches.then_some(()).ok_or(HandshakeError::Incompatible(HandshakeIncompatible::NotBitTorrent))
    }

    fn check_info_hash(&mut self, out: &mut Outbox<HandshakeAction>) -> Result<(), HandshakeError> {
        let came = InfoHash(self.field(28));
        match self.state {
            State::Answered { info_hash } if info_hash != came => {
                return Err(HandshakeError::Peer(HandshakeMisbehaved::WrongInfoHash));
            }
            State::Answered { info_hash } => self.state = State::Naming { info_hash },
            State::Listening => {
                self.state = State::Identifying { info_hash: came };
                out.push(HandshakeAction::Identify { info_hash: came });
            }
            State::Starting { .. }
            | State::Identifying { .. }
            | State::Naming { .. }
            | State::Established
            | State::Failed(_) => {}
        }
        Ok(())
    }

    /// Keeps what came behind the handshake until the parent has answered.
    fn keep(&mut self, fresh: BytesMut) -> Result<(), HandshakeError> {
        // Even an empty one would pin the driver's buffer.
        if !fresh.is_empty() {
            self.rest.unsplit(fresh);
        }
        if matches!(self.state, State::Identifying { .. }) && self.rest.len() > REST_MAX {
            return Err(HandshakeError::Peer(HandshakeMisbehaved::TooMuch));
        }
        Ok(())
    }

    fn identified(
        &mut self,
        info_hash: InfoHash,
        peer_id: PeerId,
        out: &mut Outbox<HandshakeAction>,
    ) -> Result<(), HandshakeError> {
        self.speak(info_hash, peer_id, out);
        self.state = State::Naming { info_hash };
        self.check_peer_id(out)
    }

    fn check_peer_id(&mut self, out: &mut Outbox<HandshakeAction>) -> Result<(), HandshakeError> {
        let State::Naming { info_hash } = self.state else { return Ok(()) };
        if self.filled < HANDSHAKE_LENGTH {
            return Ok(());
        }
        let peer_id = PeerId(self.field(INFO_HASH_END));
        if self.own == Some(peer_id) {
            return Err(HandshakeError::Local(HandshakeLocal::SelfConnection));
        }
        let (reserved, rest) = (Reserved(self.field(20)), core::mem::take(&mut self.rest));
        self.state = State::Established;
        out.push(HandshakeAction::Established { info_hash, peer_id, reserved, rest });
        Ok(())
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        let bytes = self.buffer.get(at..).and_then(<[u8]>::first_chunk);
        bytes.copied().unwrap_or([0; N])
    }

    /// Remembers how it ended (law 5).
    fn settle(&mut self, result: Result<(), HandshakeError>) -> Result<(), HandshakeError> {
        if let Err(error) = result {
            self.state = State::Failed(error);
            self.rest = BytesMut::new();
        }
        result
    }
}

impl Machine for Handshake {
    type Input = HandshakeInput;
    type Action = HandshakeAction;
    type Error = HandshakeError;

    fn handle_input(
        &mut self,
        now: Instant,
        input: HandshakeInput,
        out: &mut Outbox<HandshakeAction>,
    ) -> Result<(), HandshakeError> {
        // The first call, whatever it is, makes an initiator speak.
        if matches!(self.state, State::Starting { .. }) {
            self.handle_timeout(now, out)?;
        }
        if self.is_over()? {
            return Ok(());
        }
        self.clock.advance(now);
        let result = match (input, self.state) {
            (HandshakeInput::Received(fresh), _) => {
                self.check_deadline(now).and_then(|()| self.received(fresh, out))
            }
            (HandshakeInput::Identified { peer_id }, State::Identifying { info_hash }) => {
                self.check_deadline(now).and_then(|()| self.identified(info_hash, peer_id, out))
            }
            // Law 9: an answer that nobody waits for.
            (HandshakeInput::Identified { .. }, _) => Ok(()),
        };
        self.settle(result)
    }

    fn handle_timeout(
        &mut self,
        now: Instant,
        out: &mut Outbox<HandshakeAction>,
    ) -> Result<(), HandshakeError> {
        if self.is_over()? {
            return Ok(());
        }
        let result = self.check_deadline(now);
        if result.is_ok() {
            self.start(out);
        }
        self.settle(result)
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        match self.state {
            State::Starting { .. } => Some(Deadline { at: self.born, why: "start" }),
            State::Answered { .. } | State::Listening | State::Identifying { .. } | State::Naming { .. } => {
                Some(Deadline { at: self.deadline, why: "handshake" })
            }
            State::Established | State::Failed(_) => None,
        }
    }
}
