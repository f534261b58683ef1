//! An established connection: frames messages, keeps order, keeps the connection alive.

use super::{
    Error, ExtendedHandshake, IDLE, KEEP_ALIVE, KEEP_ALIVES_PER_MINUTE, LATE_BITFIELDS_PER_MINUTE, Message,
    PeerMisbehaved, REQUEST_MAX, SETTLE,
    early::{Early, Kept},
    frames::{Frame, Frames, Rules, Skipped},
    outgoing::Outgoing,
};
use crate::{
    id::{Block, PieceIndex},
    machine::Machine,
    outbox::Outbox,
    storage::Geometry,
    time::{Clock, Deadline, Instant},
};
use bytes::{Bytes, BytesMut};
use core::time::Duration;

/// What both sides agreed on, and what this side tolerates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// How the torrent is cut; `None` until its metadata is known.
    pub geometry: Option<Geometry>,
    /// Whether both sides speak BEP 6.
    pub fast: bool,
    /// Whether both sides speak BEP 10.
    pub extended: bool,
    /// The most bytes given to the driver and not yet reported sent (law 10). 256 KiB by default: 16 blocks,
    /// enough for 5 MB/s over 50 ms. Less than [`SEND_WINDOW_MIN`](super::SEND_WINDOW_MIN) counts as that.
    pub send_window: usize,
    /// The most bytes that wait here for the window before the peer is given up as one that does not read;
    /// a message of less than 48 bytes counts 48. 2 MiB by default: the largest bitfield and much beside.
    pub send_queue: usize,
    /// The longest bitfield, in bytes, while the geometry is unknown. 1 MiB by default: 8 M pieces.
    pub early_bitfield_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            geometry: None,
            fast: false,
            extended: false,
            send_window: 256 << 10,
            send_queue: 2 << 20,
            early_bitfield_max: 1 << 20,
        }
    }
}

/// What can happen to a connection.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Input {
    /// Bytes came in. A driver that reads on in the same allocation (`BytesMut::split`) spares a copy of
    /// the message that lies across two reads.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    Received(BytesMut),
    /// The driver got rid of so many bytes of [`Action::Send`].
    Sent(usize),
    /// Say this to the peer. What the peer would not understand (BEP 6 or BEP 10 without agreement,
    /// [`Message::Unknown`]) is dropped and counted.
    Send(Message),
    /// The torrent's metadata became known. What the peer said of its pieces before comes out now. Counted
    /// and ignored when it was known already.
    Geometry(Geometry),
}

/// What a connection wants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Action {
    /// Send these bytes, behind those given before.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    Send(Bytes),
    /// The peer said this. It is well formed and legal here and now: lengths, indices and order are
    /// checked. Keep-alives, unknown ids and extension handshakes do not come this way. Requests, cancels
    /// and rejects of at most [`REQUEST_MAX`](super::REQUEST_MAX) bytes do, wherever they point: what answer
    /// they deserve (BEP 6) is for the torrent to say.
    Message(Message),
    /// The peer's extension handshake (BEP 10), the first or a later one: all it has said so far, the latest
    /// word on each key; but of `upload_only` only what this one says.
    ExtendedHandshake(ExtendedHandshake),
}

/// What a connection met and survived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Keep-alives that came.
    pub keep_alives: u32,
    /// Bitfields, have_all and have_none that were not the first message.
    pub late_bitfields: u32,
    /// Messages with an id that nobody knows, or of BEP 10 without agreement.
    pub unknown: u32,
    /// Extension handshakes that were too long or not one dictionary.
    pub bad_extended_handshakes: u32,
    /// Suggestions and allowed-fast pieces that the torrent has not, and ports of 0.
    pub out_of_range: u32,
    /// Pieces named before the metadata was known, beyond [`EARLY_PIECES_MAX`](super::EARLY_PIECES_MAX).
    pub early_dropped: u32,
    /// Inputs of ours that made no sense: a message the peer would not understand, a second geometry, more
    /// bytes sent than there were.
    pub misuse: u32,
}

/// An established connection (BEP 3, 6, 10), from the first byte behind the handshakes. See the
/// [module](super) for two of them at work.
///
/// Limits: an action for every five bytes that came in, and [`EARLY_PIECES_MAX`](super::EARLY_PIECES_MAX) + 1
/// when the geometry becomes known. Memory: one message (that of a bitfield or 1 MiB) or one buffer of the
/// driver, `send_queue`, and what came before the geometry: a bitfield and 8 bytes for each piece.
#[derive(Debug)]
pub struct Connection {
    clock: Clock,
    rules: Rules,
    frames: Frames,
    early: Early,
    outgoing: Outgoing,
    /// All that the peer's extension handshakes said.
    extended: ExtendedHandshake,
    last_received: Instant,
    last_sent: Instant,
    /// When the driver last got rid of something, or had nothing yet.
    last_taken: Instant,
    /// Whether the start of a message still pins the driver's buffer.
    unsettled: bool,
    /// Whether a message came that ends the time for a bitfield.
    begun: bool,
    keep_alives: PerMinute,
    late_bitfields: PerMinute,
    counters: Counters,
    dead: Option<Error>,
}

/// How often something happened within a minute.
#[derive(Clone, Copy, Debug)]
struct PerMinute {
    since: Instant,
    met: u32,
}

impl PerMinute {
    const fn new(now: Instant) -> Self {
        Self { since: now, met: 0 }
    }

    fn add(&mut self, now: Instant) -> u32 {
        if now - self.since >= Duration::from_secs(60) {
            *self = Self::new(now);
        }
        self.met = self.met.saturating_add(1);
        self.met
    }
}

/// Why a connection wants to be called, in the order in which equal deadlines are served.
#[derive(Clone, Copy, Debug)]
enum Timer {
    /// The peer was silent for [`IDLE`].
    Idle,
    /// The peer took nothing of what is on its way for [`IDLE`].
    Unread,
    /// We were silent for [`KEEP_ALIVE`].
    KeepAlive,
    /// The start of a message has waited for [`SETTLE`].
    Settle,
}

impl Connection {
    /// A connection whose handshakes are done. [`Established::rest`](super::HandshakeAction::Established) is
    /// the first thing it receives.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut clock = Clock::default();
        let now = clock.advance(now);
        Self {
            clock,
            rules: Rules {
                geometry: config.geometry,
                fast: config.fast,
                extended: config.extended,
                early_bitfield_max: config.early_bitfield_max,
            },
            frames: Frames::default(),
            early: Early::default(),
            outgoing: Outgoing::new(config.send_window, config.send_queue),
            extended: ExtendedHandshake::default(),
            last_received: now,
            last_sent: now,
            last_taken: now,
            unsettled: false,
            begun: false,
            keep_alives: PerMinute::new(now),
            late_bitfields: PerMinute::new(now),
            counters: Counters::default(),
            dead: None,
        }
    }

    /// How many bytes may be [sent](Input::Send) right now without waiting for the window.
    #[must_use]
    pub fn credit(&self) -> usize {
        if self.dead.is_some() { 0 } else { self.outgoing.credit() }
    }

    /// Bytes given to the driver and not yet reported [sent](Input::Sent).
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.outgoing.in_flight()
    }

    /// Heap bytes held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.frames.memory() + self.early.memory() + self.outgoing.memory() + self.extended.memory()
    }

    /// What was met and survived.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn received(&mut self, now: Instant, mut fresh: BytesMut, out: &mut Outbox<Action>) -> Result<(), Error> {
        if fresh.is_empty() {
            return Ok(());
        }
        self.last_received = now;
        self.frames.join(&mut fresh);
        while let Some(frame) = self.frames.next(&mut fresh, &self.rules)? {
            match frame {
                Frame::Message(message) => self.message(message, out)?,
                Frame::KeepAlive => self.keep_alive(now)?,
                Frame::Skipped(Skipped::Unknown) => count(&mut self.counters.unknown),
                Frame::Skipped(Skipped::LongHandshake) => count(&mut self.counters.bad_extended_handshakes),
            }
        }
        self.frames.keep(fresh);
        self.unsettled = self.frames.is_waiting();
        Ok(())
    }

    fn keep_alive(&mut self, now: Instant) -> Result<(), Error> {
        count(&mut self.counters.keep_alives);
        match self.keep_alives.add(now) > KEEP_ALIVES_PER_MINUTE {
            true => Err(Error::Peer(PeerMisbehaved::KeepAliveFlood)),
            false => Ok(()),
        }
    }

    fn message(&mut self, message: Message, out: &mut Outbox<Action>) -> Result<(), Error> {
        match (message.id(), &message) {
            (_, Message::Extended { id: 0, payload }) => {
                self.extended_handshake(payload, out);
                return Ok(());
            }
            (_, Message::Port(0)) => {
                count(&mut self.counters.out_of_range);
                return Ok(());
            }
            // An extension message may precede the bitfield, as libtorrent has it, and so may a port.
            (Some(9 | 20), _) => {}
            (id, _) => self.note_order(id)?,
        }
        match self.rules.geometry {
            Some(geometry) => self.check(geometry, message, out),
            None => self.check_early(message, out),
        }
    }

    fn extended_handshake(&mut self, payload: &[u8], out: &mut Outbox<Action>) {
        match ExtendedHandshake::decode(payload) {
            Some(later) => {
                self.extended.merge(later);
                out.push(Action::ExtendedHandshake(self.extended.clone()));
            }
            None => count(&mut self.counters.bad_extended_handshakes),
        }
    }

    /// BEP 6: exactly one of bitfield, have_all and have_none, before all others. In practice a later one
    /// replaces what was said before; it is counted.
    fn note_order(&mut self, id: Option<u8>) -> Result<(), Error> {
        let first = !core::mem::replace(&mut self.begun, true);
        if first || !matches!(id, Some(5 | 14 | 15)) {
            return Ok(());
        }
        count(&mut self.counters.late_bitfields);
        match self.late_bitfields.add(self.clock.latest()) > LATE_BITFIELDS_PER_MINUTE {
            true => Err(Error::Peer(PeerMisbehaved::BitfieldFlood)),
            false => Ok(()),
        }
    }

    /// Holds a message against the torrent and passes it on.
    fn check(&mut self, geometry: Geometry, message: Message, out: &mut Outbox<Action>) -> Result<(), Error> {
        if let Message::Suggest(piece) | Message::AllowedFast(piece) = message
            && !has(geometry, piece)
        {
            // Advisory, and computed by some from other inputs than ours: no reason to part.
            count(&mut self.counters.out_of_range);
            return Ok(());
        }
        if let Some(misbehaved) = misbehaviour(geometry, &message) {
            return Err(Error::Peer(misbehaved));
        }
        out.push(Action::Message(message));
        Ok(())
    }

    fn check_early(&mut self, message: Message, out: &mut Outbox<Action>) -> Result<(), Error> {
        match self.early.keep(message) {
            Kept::Yes => Ok(()),
            Kept::Full => {
                count(&mut self.counters.early_dropped);
                Ok(())
            }
            Kept::No(Message::Piece { piece, begin, data }) => {
                let block = Block { piece, begin, length: data.len() as u32 };
                Err(Error::Peer(PeerMisbehaved::UnrequestedBlock(block)))
            }
            Kept::No(Message::Request(block)) if block.length > REQUEST_MAX => {
                Err(Error::Peer(PeerMisbehaved::RequestTooLong { length: block.length }))
            }
            Kept::No(message) => {
                out.push(Action::Message(message));
                Ok(())
            }
        }
    }

    fn geometry(&mut self, geometry: Geometry, out: &mut Outbox<Action>) -> Result<(), Error> {
        if self.rules.geometry.is_some() {
            count(&mut self.counters.misuse);
            return Ok(());
        }
        self.rules.geometry = Some(geometry);
        let early = core::mem::take(&mut self.early);
        early.into_messages().try_for_each(|message| self.check(geometry, message, out))
    }

    fn send(&mut self, now: Instant, message: Message, out: &mut Outbox<Action>) -> Result<(), Error> {
        if !self.is_understood(&message) {
            count(&mut self.counters.misuse);
            return Ok(());
        }
        self.put(now, message, out)
    }

    fn put(&mut self, now: Instant, message: Message, out: &mut Outbox<Action>) -> Result<(), Error> {
        if self.outgoing.in_flight() == 0 {
            self.last_taken = now;
        }
        let before = out.len();
        let result = self.outgoing.send(message, out);
        self.note_sent(now, before, out);
        result
    }

    /// Whether the peer has agreed to messages of this kind.
    fn is_understood(&self, message: &Message) -> bool {
        match message.id() {
            Some(13..=17) => self.rules.fast,
            Some(20) => self.rules.extended,
            Some(_) => !matches!(message, Message::Unknown { .. }),
            None => true,
        }
    }

    fn sent(&mut self, now: Instant, bytes: usize, out: &mut Outbox<Action>) {
        let before = out.len();
        if bytes > 0 {
            self.last_taken = now;
        }
        if !self.outgoing.sent(bytes, out) {
            count(&mut self.counters.misuse);
        }
        self.note_sent(now, before, out);
    }

    fn note_sent(&mut self, now: Instant, before: usize, out: &Outbox<Action>) {
        if out.len() > before {
            self.last_sent = now;
        }
    }

    fn serve(&mut self, now: Instant, timer: Timer, out: &mut Outbox<Action>) -> Result<(), Error> {
        match timer {
            Timer::Idle => Err(Error::Peer(PeerMisbehaved::Idle)),
            Timer::Unread => Err(Error::Peer(PeerMisbehaved::NotReading)),
            Timer::KeepAlive => {
                self.last_sent = now;
                // What is in flight keeps the connection alive as well, when it goes.
                if self.outgoing.in_flight() > 0 { Ok(()) } else { self.put(now, Message::KeepAlive, out) }
            }
            Timer::Settle => {
                self.frames.settle();
                self.unsettled = false;
                Ok(())
            }
        }
    }

    /// The timer that is due first.
    fn next_timer(&self) -> (Instant, Timer) {
        let idle = (self.last_received + IDLE, Timer::Idle);
        let unread = (self.outgoing.in_flight() > 0).then_some((self.last_taken + IDLE, Timer::Unread));
        let keep_alive = (self.last_sent + KEEP_ALIVE, Timer::KeepAlive);
        let settle = self.unsettled.then_some((self.last_received + SETTLE, Timer::Settle));
        [unread, Some(keep_alive), settle]
            .into_iter()
            .flatten()
            .fold(idle, |first, timer| if timer.0 < first.0 { timer } else { first })
    }

    /// Remembers how it ended, and lets go of everything (law 5).
    fn conclude(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        if let Err(error) = result {
            self.dead = Some(error);
            self.frames = Frames::default();
            self.early = Early::default();
            self.outgoing = Outgoing::new(0, 0);
            self.extended = ExtendedHandshake::default();
        }
        result
    }
}

impl Machine for Connection {
    type Input = Input;
    type Action = Action;
    type Error = Error;

    fn handle_input(&mut self, now: Instant, input: Input, out: &mut Outbox<Action>) -> Result<(), Error> {
        if let Some(error) = self.dead {
            return Err(error);
        }
        let now = self.clock.advance(now);
        let result = match input {
            Input::Received(fresh) => self.received(now, fresh, out),
            Input::Send(message) => self.send(now, message, out),
            Input::Sent(bytes) => {
                self.sent(now, bytes, out);
                Ok(())
            }
            Input::Geometry(geometry) => self.geometry(geometry, out),
        };
        self.conclude(result)
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Error> {
        if let Some(error) = self.dead {
            return Err(error);
        }
        let now = self.clock.advance(now);
        // Each timer moves on when it is served, so a few rounds serve them all.
        loop {
            let (at, timer) = self.next_timer();
            if at > now {
                return Ok(());
            }
            let result = self.serve(now, timer, out);
            self.conclude(result)?;
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let (at, timer) = self.next_timer();
        self.dead.is_none().then_some(Deadline { at, why: timer.name() })
    }
}

impl Timer {
    const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Unread => "unread",
            Self::KeepAlive => "keep-alive",
            Self::Settle => "settle",
        }
    }
}

fn count(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}

/// What is wrong with a message, given the torrent.
#[allow(clippy::wildcard_enum_match_arm, reason = "the rest carries nothing that the torrent could refute")]
fn misbehaviour(geometry: Geometry, message: &Message) -> Option<PeerMisbehaved> {
    match message {
        Message::Have(piece) if !has(geometry, *piece) => Some(PeerMisbehaved::NoSuchPiece(*piece)),
        Message::Bitfield(bytes) if !fits(geometry, bytes) => Some(PeerMisbehaved::Bitfield),
        Message::Piece { piece, begin, data } => {
            let block = Block { piece: *piece, begin: *begin, length: data.len() as u32 };
            (!geometry.contains(block)).then_some(PeerMisbehaved::UnrequestedBlock(block))
        }
        Message::Request(block) if block.length > REQUEST_MAX => {
            Some(PeerMisbehaved::RequestTooLong { length: block.length })
        }
        _ => None,
    }
}

fn has(geometry: Geometry, piece: PieceIndex) -> bool {
    piece.0 < geometry.pieces()
}

/// Whether a bitfield has the torrent's length and no spare bit.
fn fits(geometry: Geometry, bitfield: &[u8]) -> bool {
    let spare = geometry.pieces().wrapping_neg() % 8;
    bitfield.len() == geometry.pieces().div_ceil(8) as usize
        && bitfield.last().is_some_and(|last| last.trailing_zeros() >= spare)
}
