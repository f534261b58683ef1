//! An established connection: frames messages, keeps order, keeps the connection alive.

use super::{Error, ExtendedHandshake, Message, PeerFault};
use crate::{
    Deadline, Instant, Machine, Outbox,
    bitfield::Bitfield,
    id::{BLOCK_LENGTH, Block, PieceIndex},
    storage::Geometry,
    time::Clock,
};
use alloc::collections::VecDeque;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use core::time::Duration;

const KEEP_ALIVE: Duration = Duration::from_secs(110);
const SILENCE: Duration = Duration::from_secs(150);
const MESSAGE_MAX: u32 = 1 << 20;

/// What both sides agreed on, and what this side tolerates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How the torrent is cut; `None` until its metadata is known.
    pub geometry: Option<Geometry>,
    /// Whether both sides speak BEP 6.
    pub fast: bool,
    /// Whether both sides speak BEP 10.
    pub extended: bool,
    /// The most bytes given to the driver and not yet reported sent (law 10).
    pub send_window: usize,
    /// The most bytes that wait here for the window before the peer is given up as one that does not read.
    pub send_queue: usize,
}

/// What can happen to a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Bytes came in.
    Received(BytesMut),
    /// The driver got rid of so many bytes of [`Action::Send`].
    Sent(usize),
    /// Say this to the peer.
    Send(Message),
    /// The torrent's metadata became known.
    Geometry(Geometry),
}

/// What a connection wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send these bytes, behind those given before.
    Send(Bytes),
    /// The peer said this. It is well formed and legal here and now: lengths, indices and order are
    /// checked. Keep-alives, unknown ids and extension handshakes do not come this way.
    Message(Message),
    /// The peer's extension handshake (BEP 10), the first or a later one.
    ExtendedHandshake(ExtendedHandshake),
}

/// An established connection.
#[derive(Clone, Debug)]
pub struct Connection {
    config: Config,
    clock: Clock,
    buffer: BytesMut,
    skip: usize,
    slot_open: bool,
    in_flight: usize,
    queue: VecDeque<Bytes>,
    queued: usize,
    last_sent: Instant,
    last_received: Instant,
    dead: Option<Error>,
}

impl Connection {
    /// A connection whose handshake is done.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            clock: Clock::default(),
            buffer: BytesMut::new(),
            skip: 0,
            slot_open: true,
            in_flight: 0,
            queue: VecDeque::new(),
            queued: 0,
            last_sent: now,
            last_received: now,
            dead: None,
        }
    }

    /// How many bytes may be given at once.
    #[must_use]
    pub const fn credit(&self) -> usize {
        self.config.send_window.saturating_sub(self.in_flight + self.queued)
    }

    /// Bytes held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.buffer.len() + self.queued
    }

    fn received(&mut self, mut data: BytesMut, out: &mut Outbox<Action>) -> Result<(), Error> {
        while !data.is_empty() {
            if self.buffer.is_empty() {
                self.buffer = core::mem::take(&mut data);
            } else if self.buffer.as_ptr() as usize + self.buffer.len() == data.as_ptr() as usize {
                self.buffer.unsplit(core::mem::take(&mut data));
            } else {
                let need = if self.buffer.len() < 5 {
                    5 - self.buffer.len()
                } else {
                    (4 + (&self.buffer[..]).get_u32() as usize).saturating_sub(self.buffer.len())
                };
                let part = data.split_to(need.min(data.len()));
                self.buffer.extend_from_slice(&part);
            }
            self.frames(out)?;
        }
        Ok(())
    }

    fn frames(&mut self, out: &mut Outbox<Action>) -> Result<(), Error> {
        loop {
            let drop = self.skip.min(self.buffer.len());
            self.buffer.advance(drop);
            self.skip -= drop;
            if self.buffer.len() < 4 {
                return Ok(());
            }
            let length = (&self.buffer[..]).get_u32();
            if length == 0 {
                self.buffer.advance(4);
                continue;
            }
            let Some(id) = self.buffer.get(4).copied() else { return Ok(()) };
            if !self.check(id, length)? {
                self.skip = 4 + length as usize;
                continue;
            }
            if self.buffer.len() < 4 + length as usize {
                return Ok(());
            }
            self.buffer.advance(5);
            let body = self.buffer.split_to(length as usize - 1);
            self.message(id, body, out)?;
        }
    }

    fn check(&self, id: u8, length: u32) -> Result<bool, Error> {
        let bad = Err(Error::Peer(PeerFault::Length { id, length }));
        let ok = match id {
            0..=3 | 14 | 15 => length == 1,
            4 | 13 | 17 => length == 5,
            5 => match self.config.geometry {
                Some(geometry) => length == 1 + geometry.pieces().div_ceil(8),
                None => length <= MESSAGE_MAX,
            },
            6 | 8 | 16 => length == 13,
            7 => (10..=9 + BLOCK_LENGTH).contains(&length),
            9 => length == 3,
            20 => (2..=MESSAGE_MAX).contains(&length),
            21 | 23 => length == 49,
            22 => length >= 49 && (length - 49).is_multiple_of(32) && length <= MESSAGE_MAX,
            _ if length <= MESSAGE_MAX => return Ok(false),
            _ => false,
        };
        if !ok {
            return bad;
        }
        if (13..=17).contains(&id) && !self.config.fast {
            return Err(Error::Peer(PeerFault::NotFast(id)));
        }
        Ok(true)
    }

    fn message(&mut self, id: u8, mut body: BytesMut, out: &mut Outbox<Action>) -> Result<(), Error> {
        let pieces = self.config.geometry.map_or(u32::MAX, |geometry| geometry.pieces());
        if matches!(id, 5 | 14 | 15) && !self.slot_open {
            return Err(Error::Peer(PeerFault::LateBitfield));
        }
        if id != 20 {
            self.slot_open = false;
        }
        let message = match id {
            0 => Message::Choke,
            1 => Message::Unchoke,
            2 => Message::Interested,
            3 => Message::NotInterested,
            4 | 13 | 17 => {
                let piece = PieceIndex(body.get_u32());
                if piece.0 >= pieces {
                    if id == 4 {
                        return Err(Error::Peer(PeerFault::PieceIndex));
                    }
                    return Ok(());
                }
                match id {
                    4 => Message::Have(piece),
                    13 => Message::Suggest(piece),
                    _ => Message::AllowedFast(piece),
                }
            }
            5 => {
                if Bitfield::from_bytes(&body, pieces).is_none() {
                    return Err(Error::Peer(PeerFault::SpareBits));
                }
                Message::Bitfield(body.freeze())
            }
            6 | 8 | 16 => {
                let block = Block {
                    piece: PieceIndex(body.get_u32()),
                    begin: body.get_u32(),
                    length: body.get_u32(),
                };
                match id {
                    6 if block.length > 128 * 1024 => {
                        return Err(Error::Peer(PeerFault::HugeRequest(block.length)));
                    }
                    6 => Message::Request(block),
                    8 => Message::Cancel(block),
                    _ => Message::Reject(block),
                }
            }
            7 => {
                let (piece, begin) = (PieceIndex(body.get_u32()), body.get_u32());
                Message::Piece { piece, begin, data: body.freeze() }
            }
            9 => Message::Port(body.get_u16()),
            14 => Message::HaveAll,
            15 => Message::HaveNone,
            20 => {
                let id = body.get_u8();
                Message::Extended { id, payload: body.freeze() }
            }
            _ => return Ok(()),
        };
        out.push(Action::Message(message));
        Ok(())
    }

    fn send(&mut self, message: Message, out: &mut Outbox<Action>) -> Result<(), Error> {
        let (head, body) = encode(message, out);
        for bytes in [head, body] {
            if bytes.is_empty() {
                continue;
            }
            self.queued += bytes.len();
            self.queue.push_back(bytes);
        }
        self.flush(out);
        if self.queued > self.config.send_queue {
            return Err(Error::Peer(PeerFault::NotReading));
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Outbox<Action>) {
        while let Some(front) = self.queue.front()
            && (self.in_flight == 0 || self.in_flight + front.len() <= self.config.send_window)
            && let Some(front) = self.queue.pop_front()
        {
            self.in_flight += front.len();
            self.queued -= front.len();
            self.last_sent = self.clock.latest();
            out.push(Action::Send(front));
        }
    }
}

fn encode(message: Message, out: &mut Outbox<Action>) -> (Bytes, Bytes) {
    let mut body = Bytes::new();
    let head = out.write(32, |to| {
        let block = |to: &mut BytesMut, id: u8, block: Block| {
            to.put_u32(13);
            to.put_u8(id);
            to.put_u32(block.piece.0);
            to.put_u32(block.begin);
            to.put_u32(block.length);
        };
        let piece = |to: &mut BytesMut, id: u8, piece: PieceIndex| {
            to.put_u32(5);
            to.put_u8(id);
            to.put_u32(piece.0);
        };
        let bare = |to: &mut BytesMut, id: u8| {
            to.put_u32(1);
            to.put_u8(id);
        };
        match message {
            Message::KeepAlive => to.put_u32(0),
            Message::Choke => bare(to, 0),
            Message::Unchoke => bare(to, 1),
            Message::Interested => bare(to, 2),
            Message::NotInterested => bare(to, 3),
            Message::Have(index) => piece(to, 4, index),
            Message::Bitfield(bits) => {
                to.put_u32(1 + bits.len() as u32);
                to.put_u8(5);
                body = bits;
            }
            Message::Request(of) => block(to, 6, of),
            Message::Piece { piece, begin, data } => {
                to.put_u32(9 + data.len() as u32);
                to.put_u8(7);
                to.put_u32(piece.0);
                to.put_u32(begin);
                body = data;
            }
            Message::Cancel(of) => block(to, 8, of),
            Message::HaveAll => bare(to, 14),
            Message::HaveNone => bare(to, 15),
            Message::Reject(of) => block(to, 16, of),
            Message::Extended { id, payload } => {
                to.put_u32(2 + payload.len() as u32);
                to.put_u8(20);
                to.put_u8(id);
                body = payload;
            }
            _ => {}
        }
    });
    (head, body)
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
            Input::Received(data) => {
                self.last_received = now;
                self.received(data, out)
            }
            Input::Sent(bytes) => {
                self.in_flight = self.in_flight.saturating_sub(bytes);
                self.flush(out);
                Ok(())
            }
            Input::Send(message) => self.send(message, out),
            Input::Geometry(geometry) => {
                self.config.geometry = Some(geometry);
                Ok(())
            }
        };
        self.dead = result.err();
        result
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Error> {
        if let Some(error) = self.dead {
            return Err(error);
        }
        let now = self.clock.advance(now);
        if now >= self.last_received + SILENCE {
            self.dead = Some(Error::Peer(PeerFault::Silent));
            return Err(Error::Peer(PeerFault::Silent));
        }
        if now >= self.last_sent + KEEP_ALIVE {
            self.last_sent = now;
            return self.send(Message::KeepAlive, out);
        }
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let alive = Deadline { at: self.last_sent + KEEP_ALIVE, why: "keep-alive" };
        let silent = Deadline { at: self.last_received + SILENCE, why: "silence" };
        if self.dead.is_some() { None } else { Deadline::earlier(Some(alive), Some(silent)) }
    }
}
