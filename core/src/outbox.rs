//! Where a machine puts what it wants, and where it finds room for the bytes it writes.

use alloc::vec::{Drain, Vec};
use bytes::{Bytes, BytesMut};

/// How much room the byte arena asks for at once. Room for some 240 requests, and small enough that a
/// slow reader pins little.
const ARENA_CHUNK: usize = 4096;

/// The actions of one or more calls, in order, and the arena for the small byte strings in them.
///
/// The caller owns it, carries out what is in it, and uses it again: in steady state neither the list nor
/// the arena allocates. Arena bytes are ordinary [`Bytes`]: they stay valid as long as anyone holds them,
/// and their room is taken back when nobody does.
///
/// ```
/// use convoy_core::Outbox;
///
/// let mut out = Outbox::new();
/// let head = out.bytes(&[0, 0, 0, 1, 2]);
/// out.push(head);
/// assert_eq!(out.drain().next().as_deref(), Some(&[0, 0, 0, 1, 2][..]));
/// ```
#[derive(Debug)]
pub struct Outbox<A> {
    actions: Vec<A>,
    arena: BytesMut,
}

impl<A> Outbox<A> {
    /// An empty outbox. Allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { actions: Vec::new(), arena: BytesMut::new() }
    }

    /// Adds an action behind those that are there.
    #[inline]
    pub fn push(&mut self, action: A) {
        self.actions.push(action);
    }

    /// Copies a few bytes (a message header, a handshake) into the arena.
    #[inline]
    pub fn bytes(&mut self, source: &[u8]) -> Bytes {
        self.write(source.len(), |arena| arena.extend_from_slice(source))
    }

    /// Gives `write` an empty buffer with room for at least `capacity` bytes and returns what it wrote.
    #[inline]
    pub fn write(&mut self, capacity: usize, write: impl FnOnce(&mut BytesMut)) -> Bytes {
        if self.arena.capacity() < capacity {
            self.arena.reserve(capacity.max(ARENA_CHUNK));
        }
        write(&mut self.arena);
        self.arena.split().freeze()
    }

    /// Takes all actions out, first to last.
    #[inline]
    pub fn drain(&mut self) -> Drain<'_, A> {
        self.actions.drain(..)
    }

    /// The actions that are there, first to last.
    #[must_use]
    pub fn as_slice(&self) -> &[A] {
        &self.actions
    }

    /// How many actions are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether there is nothing to carry out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
}

impl<A> Default for Outbox<A> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arena_bytes_outlive_the_drain() {
        let mut out = Outbox::new();
        let bytes = out.bytes(b"convoy");
        out.push(bytes);
        let kept: Vec<Bytes> = out.drain().collect();
        let more = out.bytes(b"other");
        assert_eq!(kept, [&b"convoy"[..]]);
        assert_eq!(more, &b"other"[..]);
        assert!(out.is_empty());
    }

    #[test]
    fn arena_takes_its_room_back() {
        let mut out: Outbox<Bytes> = Outbox::new();
        let first = out.bytes(&[1; 100]).as_ptr();
        for _ in 0..1000 {
            drop(out.bytes(&[2; 100]));
        }
        let mut again = false;
        for _ in 0..ARENA_CHUNK / 100 + 1 {
            again |= out.bytes(&[3; 100]).as_ptr() == first;
        }
        assert!(again, "the first chunk is used again and again");
    }
}
