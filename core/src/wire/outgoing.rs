//! The way out: a window of bytes that the driver has, and a queue of messages that wait for it (law 10).

use super::{Action, Error, Message, PeerMisbehaved, SEND_WINDOW_MIN};
use crate::outbox::Outbox;
use alloc::collections::VecDeque;
use bytes::Bytes;

/// How many places of the queue are kept when it runs empty: an idle connection is small.
const QUEUE_KEPT: usize = 16;

/// What goes to one peer, in order.
///
/// Messages wait as values and are encoded when they go: a waiting `Have` costs its 48 bytes and no piece
/// of an arena. While anything waits, something is in flight, so a report of [`sent`](Self::sent) always
/// comes to move it on.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The most bytes in flight.
    window: usize,
    in_flight: usize,
    /// What is left of a message that is longer than the window. Goes before the queue.
    rest: Bytes,
    queue: VecDeque<Message>,
    /// What the queue costs, by [`cost`].
    queued: usize,
    /// The most that it may cost.
    queue_max: usize,
}

impl Outgoing {
    pub(super) fn new(window: usize, queue_max: usize) -> Self {
        let window = window.max(SEND_WINDOW_MIN);
        Self { window, in_flight: 0, rest: Bytes::new(), queue: VecDeque::new(), queued: 0, queue_max }
    }

    /// Sends `message`, or lets it wait behind those that do.
    pub(super) fn send(&mut self, message: Message, out: &mut Outbox<Action>) -> Result<(), Error> {
        if self.is_clear() && self.fits(message.wire_length()) {
            self.emit(message, out);
            return Ok(());
        }
        self.queued += cost(&message);
        self.queue.push_back(message);
        if self.queued > self.queue_max { Err(Error::Peer(PeerMisbehaved::NotReading)) } else { Ok(()) }
    }

    /// The driver got rid of `bytes`. False if it never had so many.
    pub(super) fn sent(&mut self, bytes: usize, out: &mut Outbox<Action>) -> bool {
        let known = bytes <= self.in_flight;
        self.in_flight = self.in_flight.saturating_sub(bytes);
        self.emit_rest(out);
        while self.rest.is_empty()
            && let Some(message) = self.queue.pop_front_if(|message| {
                let length = message.wire_length();
                self.in_flight == 0 || length <= self.window.saturating_sub(self.in_flight)
            })
        {
            self.queued -= cost(&message);
            self.emit(message, out);
        }
        if self.queue.is_empty() && self.queue.capacity() > QUEUE_KEPT {
            self.queue = VecDeque::new();
        }
        known
    }

    /// How many bytes may be sent right now without waiting.
    pub(super) fn credit(&self) -> usize {
        if self.is_clear() { self.room() } else { 0 }
    }

    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Heap bytes held.
    pub(super) fn memory(&self) -> usize {
        let payloads = self.queued.saturating_sub(self.queue.len() * size_of::<Message>());
        self.queue.capacity() * size_of::<Message>() + payloads + self.rest.len()
    }

    fn is_clear(&self) -> bool {
        self.rest.is_empty() && self.queue.is_empty()
    }

    const fn room(&self) -> usize {
        self.window.saturating_sub(self.in_flight)
    }

    /// What is longer than the window goes in parts, once nothing is in flight.
    const fn fits(&self, length: usize) -> bool {
        self.in_flight == 0 || length <= self.room()
    }

    fn emit(&mut self, message: Message, out: &mut Outbox<Action>) {
        let (head, payload) = message.encode(out);
        self.give(head, out);
        self.rest = payload;
        self.emit_rest(out);
    }

    /// Gives the rest as soon as it fits, or half a window of it: not a sliver for every report.
    fn emit_rest(&mut self, out: &mut Outbox<Action>) {
        let room = self.room();
        if self.rest.is_empty() || (room < self.rest.len() && room < self.window / 2) {
            return;
        }
        let part = self.rest.split_to(room.min(self.rest.len()));
        self.give(part, out);
    }

    fn give(&mut self, bytes: Bytes, out: &mut Outbox<Action>) {
        self.in_flight += bytes.len();
        out.push(Action::Send(bytes));
    }
}

/// What a message that waits counts: its bytes on the wire, or its bytes in memory if those are more.
fn cost(message: &Message) -> usize {
    message.wire_length().max(size_of::<Message>())
}
