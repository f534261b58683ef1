//! The first 68 bytes each way.

use super::HandshakeError;
use crate::{
    Deadline, Instant, Machine, Outbox,
    id::{InfoHash, PeerId},
    time::Clock,
};
use bytes::{Buf, Bytes, BytesMut};
use core::time::Duration;

const HEADER: &[u8; 20] = b"\x13BitTorrent protocol";

/// The eight reserved bytes of the handshake (BEP 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved(pub [u8; 8]);

impl Reserved {
    /// What we can do: BEP 10 always.
    #[must_use]
    pub const fn ours(fast: bool, dht: bool) -> Self {
        Self([0, 0, 0, 0, 0, 0x10, 0, if fast { 4 } else { 0 } | dht as u8])
    }

    /// What both can do.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        let mut both = self.0;
        both.iter_mut().zip(other.0).for_each(|(ours, theirs)| *ours &= theirs);
        Self(both)
    }

    /// BEP 6.
    #[must_use]
    pub const fn fast(self) -> bool {
        self.0[7] & 4 != 0
    }

    /// BEP 10.
    #[must_use]
    pub const fn extended(self) -> bool {
        self.0[5] & 0x10 != 0
    }
}

/// What can happen to a handshake.
#[derive(Clone, Debug, PartialEq)]
pub enum HandshakeInput {
    /// The stream is there: the initiator speaks.
    Start,
    /// Bytes came in.
    Received(BytesMut),
    /// Answer to [`HandshakeAction::Identify`]: we share that torrent, and go by this name in it.
    Identified {
        /// Our name.
        peer_id: PeerId,
    },
}

/// What a handshake wants.
#[derive(Clone, Debug, PartialEq)]
pub enum HandshakeAction {
    /// Send these bytes.
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
        rest: BytesMut,
    },
}

/// The handshake's machine.
#[derive(Clone, Debug)]
pub struct Handshake {
    reserved: Reserved,
    info_hash: Option<InfoHash>,
    peer_id: Option<PeerId>,
    initiator: bool,
    asked: bool,
    deadline: Instant,
    clock: Clock,
    buffer: BytesMut,
    done: bool,
    dead: Option<HandshakeError>,
}

impl Handshake {
    /// For a stream that we dialled.
    #[must_use]
    pub fn initiator(
        hash: InfoHash,
        id: PeerId,
        reserved: Reserved,
        timeout: Duration,
        now: Instant,
    ) -> Self {
        Self {
            info_hash: Some(hash),
            peer_id: Some(id),
            initiator: true,
            ..Self::responder(reserved, timeout, now)
        }
    }

    /// For a stream that we accepted.
    #[must_use]
    pub fn responder(reserved: Reserved, timeout: Duration, now: Instant) -> Self {
        Self {
            reserved,
            info_hash: None,
            peer_id: None,
            initiator: false,
            asked: false,
            deadline: now + timeout,
            clock: Clock::default(),
            buffer: BytesMut::new(),
            done: false,
            dead: None,
        }
    }

    fn speak(&self, out: &mut Outbox<HandshakeAction>) {
        if let (Some(hash), Some(id)) = (self.info_hash, self.peer_id) {
            let bytes = out.write(68, |buffer| {
                buffer.extend_from_slice(HEADER);
                buffer.extend_from_slice(&self.reserved.0);
                buffer.extend_from_slice(&hash.0);
                buffer.extend_from_slice(&id.0);
            });
            out.push(HandshakeAction::Send(bytes));
        }
    }

    fn step(&mut self, out: &mut Outbox<HandshakeAction>) -> Result<(), HandshakeError> {
        if self.buffer.iter().zip(HEADER).any(|(theirs, ours)| theirs != ours) {
            return Err(HandshakeError::NotBitTorrent);
        }
        let Some(hash) = self.buffer.get(28..48).and_then(|bytes| bytes.try_into().ok()).map(InfoHash) else {
            return Ok(());
        };
        if self.initiator && self.info_hash != Some(hash) {
            return Err(HandshakeError::OtherTorrent);
        }
        if !self.initiator && !self.asked {
            self.asked = true;
            self.info_hash = Some(hash);
            out.push(HandshakeAction::Identify { info_hash: hash });
        }
        let Some(id) = self.buffer.get(48..68).and_then(|bytes| bytes.try_into().ok()).map(PeerId) else {
            return Ok(());
        };
        let Some(ours) = self.peer_id else { return Ok(()) };
        if id == ours {
            return Err(HandshakeError::SelfConnection);
        }
        let reserved = self.buffer.get(20..28).and_then(|bytes| bytes.try_into().ok()).map(Reserved);
        let mut rest = core::mem::take(&mut self.buffer);
        rest.advance(68);
        self.done = true;
        out.push(HandshakeAction::Established {
            info_hash: hash,
            peer_id: id,
            reserved: reserved.unwrap_or_default(),
            rest,
        });
        Ok(())
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
        self.handle_timeout(now, out)?;
        if self.done {
            return Ok(());
        }
        match input {
            HandshakeInput::Start if self.initiator => self.speak(out),
            HandshakeInput::Start => {}
            HandshakeInput::Received(data) => self.buffer.unsplit(data),
            HandshakeInput::Identified { peer_id } => {
                self.peer_id = Some(peer_id);
                self.speak(out);
            }
        }
        let result = self.step(out);
        self.dead = result.err();
        result
    }

    fn handle_timeout(
        &mut self,
        now: Instant,
        _: &mut Outbox<HandshakeAction>,
    ) -> Result<(), HandshakeError> {
        let now = self.clock.advance(now);
        if self.dead.is_none() && !self.done && now >= self.deadline {
            self.dead = Some(HandshakeError::Timeout);
        }
        self.dead.map_or(Ok(()), Err)
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let waiting = self.dead.is_none() && !self.done;
        waiting.then_some(Deadline { at: self.deadline, why: "handshake" })
    }
}
