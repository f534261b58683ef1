//! Cuts the stream into messages.
//!
//! A message is judged by its first five bytes: length and id. What may not be is an error then and there,
//! what nobody wants is read and dropped without being kept, and what is left is bounded by its kind. Only
//! then does the frame wait for the rest.
//!
//! Nothing is copied as long as the driver reads on in one allocation: what is left of the last read (the
//! *tail*) and the next one lie side by side and are joined in O(1). When they do not, the bytes of the one
//! message that lies across both are copied, once, into a buffer of its own that grows with what arrives;
//! the messages behind it are cut from the new read as ever. A tail that waits pins the driver's buffer:
//! [`Frames::settle`] copies it out.

use super::{
    EXTENDED_HANDSHAKE_MAX, EXTENDED_MAX, Error, HASHES_MAX, Message, PeerIncompatible, PeerMisbehaved,
    message::{HEADER, u32_at},
};
use crate::{id::BLOCK_LENGTH, storage::Geometry};
use bytes::{Buf, BytesMut};

/// What may come, here and now.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) geometry: Option<Geometry>,
    pub(super) fast: bool,
    pub(super) extended: bool,
    /// Bytes of the longest bitfield before the geometry is known.
    pub(super) early_bitfield_max: u32,
}

/// What was cut.
#[derive(Debug)]
pub(super) enum Frame {
    KeepAlive,
    Message(Message),
    /// The head of a message whose body is dropped as it comes.
    Skipped(Skipped),
}

/// Why a message is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// Nobody knows the id, or BEP 10 was not agreed.
    Unknown,
    /// An extension handshake that is too long to be one.
    LongHandshake,
}

/// What the bytes at hand say about the message at their front.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// So many bytes of it must be there.
    Need(usize),
    KeepAlive,
    Take {
        id: u8,
        length: usize,
    },
    Skip {
        length: usize,
        why: Skipped,
    },
}

/// The start of a message whose rest has not come.
#[derive(Debug, Default)]
pub(super) struct Frames {
    tail: BytesMut,
    /// Whether the tail's allocation is our own.
    own: bool,
    /// Bytes still to drop.
    skip: usize,
}

impl Frames {
    /// Joins what is kept with what came in, if they lie side by side.
    pub(super) fn join(&mut self, fresh: &mut BytesMut) {
        // No more than a hint: `unsplit` itself decides, and copies if this was a coincidence.
        if !self.tail.is_empty() && self.tail.as_ptr_range().end == fresh.as_ptr() {
            let mut whole = core::mem::take(&mut self.tail);
            whole.unsplit(core::mem::take(fresh));
            *fresh = whole;
        }
    }

    /// Cuts the next message off the front of the tail and `fresh`. `None` when more bytes must come; then
    /// `fresh` wants to be [kept](Self::keep).
    pub(super) fn next(&mut self, fresh: &mut BytesMut, rules: &Rules) -> Result<Option<Frame>, Error> {
        self.drop_skipped(fresh);
        while !self.tail.is_empty() {
            match rules.plan(&self.tail)? {
                Plan::Need(_) if fresh.is_empty() => return Ok(None),
                Plan::Need(length) => self.top_up(fresh, length),
                plan @ (Plan::KeepAlive | Plan::Take { .. } | Plan::Skip { .. }) => {
                    let mut whole = core::mem::take(&mut self.tail);
                    return Ok(self.carry_out(plan, &mut whole));
                }
            }
        }
        if fresh.is_empty() {
            return Ok(None);
        }
        let plan = rules.plan(fresh)?;
        Ok(self.carry_out(plan, fresh))
    }

    /// Keeps what is left of a read.
    pub(super) fn keep(&mut self, fresh: BytesMut) {
        if !fresh.is_empty() {
            self.tail = fresh;
            self.own = false;
        }
    }

    /// Copies the tail out of the driver's buffer, which it would pin.
    pub(super) fn settle(&mut self) {
        if !self.own && !self.tail.is_empty() {
            self.tail = BytesMut::from(self.tail.as_ref());
            self.own = true;
        }
    }

    /// Whether the start of a message waits for its rest.
    pub(super) fn is_waiting(&self) -> bool {
        !self.tail.is_empty()
    }

    /// Heap bytes held.
    pub(super) fn memory(&self) -> usize {
        self.tail.capacity()
    }

    fn drop_skipped(&mut self, fresh: &mut BytesMut) {
        let dropped = self.skip.min(fresh.len());
        fresh.advance(dropped);
        self.skip -= dropped;
    }

    /// Moves bytes from `fresh` to the tail until that has `length` of them.
    fn top_up(&mut self, fresh: &mut BytesMut, length: usize) {
        let taken = length.saturating_sub(self.tail.len()).min(fresh.len());
        let filled = self.tail.len() + taken;
        if self.tail.capacity() < filled {
            // At most twice what has arrived, whatever length was declared.
            let mut own = BytesMut::with_capacity(length.min(2 * filled));
            own.extend_from_slice(&self.tail);
            self.tail = own;
            self.own = true;
        }
        self.tail.extend_from_slice(fresh.get(..taken).unwrap_or_default());
        fresh.advance(taken);
    }

    fn carry_out(&mut self, plan: Plan, buffer: &mut BytesMut) -> Option<Frame> {
        match plan {
            Plan::Need(_) => None,
            Plan::KeepAlive => {
                buffer.advance(4);
                Some(Frame::KeepAlive)
            }
            Plan::Take { id, length } => Some(Frame::Message(Message::take(buffer, id, length))),
            Plan::Skip { length, why } => {
                self.skip = length;
                self.drop_skipped(buffer);
                Some(Frame::Skipped(why))
            }
        }
    }
}

impl Rules {
    fn plan(&self, buffer: &[u8]) -> Result<Plan, Error> {
        let Some(prefix) = u32_at(buffer, 0) else { return Ok(Plan::Need(4)) };
        if prefix == 0 {
            return Ok(Plan::KeepAlive);
        }
        if prefix > self.longest() {
            return Err(Error::Peer(PeerMisbehaved::TooLong { length: prefix }));
        }
        let Some(&id) = buffer.get(4) else { return Ok(Plan::Need(HEADER)) };
        let length = prefix as usize + 4;
        match id {
            0..=9 | 13..=17 | 21..=23 => self.check_length(id, prefix)?,
            20 if self.extended => {
                self.check_length(id, prefix)?;
                let Some(&extension) = buffer.get(HEADER) else { return Ok(Plan::Need(HEADER + 1)) };
                if extension == 0 && prefix > 2 + EXTENDED_HANDSHAKE_MAX {
                    return Ok(Plan::Skip { length, why: Skipped::LongHandshake });
                }
            }
            _ => return Ok(Plan::Skip { length, why: Skipped::Unknown }),
        }
        Ok(if buffer.len() < length { Plan::Need(length) } else { Plan::Take { id, length } })
    }

    /// The largest length prefix there is.
    fn longest(&self) -> u32 {
        let bitfield =
            self.geometry.map_or(self.early_bitfield_max, |geometry| geometry.pieces().div_ceil(8));
        (2 + EXTENDED_MAX).max(bitfield.saturating_add(1))
    }

    /// Holds a length prefix against the id.
    fn check_length(&self, id: u8, prefix: u32) -> Result<(), Error> {
        // BEP 6: none of its messages without both sides' bit.
        if (13..=17).contains(&id) && !self.fast {
            return Err(Error::Peer(PeerMisbehaved::FastWithoutBit { id }));
        }
        let payload = prefix - 1;
        let fits = match id {
            0..=3 | 14 | 15 => payload == 0,
            4 | 13 | 17 => payload == 4,
            5 => return self.check_bitfield(payload),
            6 | 8 | 16 => payload == 12,
            7 => (9..=8 + BLOCK_LENGTH).contains(&payload),
            9 => payload == 2,
            20 => (1..=1 + EXTENDED_MAX).contains(&payload),
            21 | 23 => payload == 48,
            22 => payload >= 48 && (payload - 48).is_multiple_of(32) && payload <= HASHES_MAX,
            _ => true,
        };
        fits.then_some(()).ok_or(Error::Peer(PeerMisbehaved::Length { id, length: prefix }))
    }

    fn check_bitfield(&self, length: u32) -> Result<(), Error> {
        match self.geometry {
            Some(geometry) if geometry.pieces().div_ceil(8) != length => {
                Err(Error::Peer(PeerMisbehaved::Bitfield))
            }
            None if length > self.early_bitfield_max => {
                Err(Error::Incompatible(PeerIncompatible::EarlyBitfield { length }))
            }
            Some(_) | None => Ok(()),
        }
    }
}
