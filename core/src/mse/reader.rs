//! The bytes that came, and what can be taken of them.

use super::{
    message::PROTOCOL,
    scan::{NotFound, Scan},
};
use crate::crypto::{Rc4, dh::KEY_LENGTH};
use bytes::{Buf, BytesMut};

/// What came and was not used.
///
/// A field that came in part is copied out; nothing else is, so what is left at the end is the very buffer
/// that the driver read.
#[derive(Debug)]
pub(super) struct Reader {
    /// The first `filled` bytes of the next field.
    field: [u8; KEY_LENGTH],
    filled: usize,
    fresh: BytesMut,
}

/// How a peer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// As plain BitTorrent does, so far.
    Undecided,
    /// With all 20 bytes of plain BitTorrent. One byte is not enough: one key of 256 begins with it.
    Plain,
    /// Otherwise.
    Other,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { field: [0; KEY_LENGTH], filled: 0, fresh: BytesMut::new() }
    }

    pub(super) fn push(&mut self, chunk: BytesMut) {
        // Even an empty one would pin the driver's buffer.
        if !chunk.is_empty() {
            self.fresh.unsplit(chunk);
        }
    }

    /// Lets go of the driver's buffer when all of it was used.
    pub(super) fn let_go(&mut self) {
        if self.fresh.is_empty() {
            self.fresh = BytesMut::new();
        }
    }

    /// How many bytes are here.
    pub(super) fn len(&self) -> usize {
        self.filled + self.fresh.len()
    }

    /// Heap bytes held.
    pub(super) fn memory(&self) -> usize {
        self.fresh.capacity()
    }

    /// Judges the beginning of the stream, as long as nothing was taken.
    pub(super) fn opening(&self) -> Opening {
        let came = self.field.iter().take(self.filled).chain(self.fresh.iter());
        if came.zip(&PROTOCOL).any(|(came, plain)| came != plain) {
            Opening::Other
        } else if self.len() >= PROTOCOL.len() {
            Opening::Plain
        } else {
            Opening::Undecided
        }
    }

    /// Takes a field of `N` bytes if all of it is here.
    pub(super) fn field<const N: usize>(&mut self) -> Option<[u8; N]> {
        let room = self.field.get_mut(self.filled..N).unwrap_or_default();
        let taken = room.len().min(self.fresh.len());
        room.iter_mut().zip(self.fresh.iter()).for_each(|(to, from)| *to = *from);
        self.fresh.advance(taken);
        self.filled += taken;
        let field = self.field.first_chunk().filter(|_| self.filled == N)?;
        self.filled = 0;
        Some(*field)
    }

    /// [`field`](Self::field), decrypted once it is whole.
    pub(super) fn decrypted<const N: usize>(&mut self, stream: &mut Rc4) -> Option<[u8; N]> {
        let mut field = self.field()?;
        stream.apply(&mut field);
        Some(field)
    }

    /// Takes bytes up to the end of a marker, and says whether it was there.
    pub(super) fn find<const N: usize>(&mut self, scan: &mut Scan<N>) -> Result<bool, NotFound> {
        scan.read(&mut self.fresh)
    }

    /// Drops encrypted bytes, at most `left`, and takes them off it. Says whether none is left.
    pub(super) fn skip(&mut self, left: &mut usize, stream: &mut Rc4) -> bool {
        let mut skipped = self.fresh.split_to(self.fresh.len().min(*left));
        stream.apply(&mut skipped);
        *left -= skipped.len();
        *left == 0
    }

    /// Copies bytes to the end of `whole` until it has `length` of them. Says whether it has.
    pub(super) fn gather(&mut self, whole: &mut BytesMut, length: usize) -> bool {
        let part = self.fresh.split_to(self.fresh.len().min(length.saturating_sub(whole.len())));
        whole.extend_from_slice(&part);
        whole.len() == length
    }

    /// Takes all that is here.
    pub(super) fn rest(&mut self) -> BytesMut {
        let mut rest = BytesMut::from(self.field.get(..self.filled).unwrap_or_default());
        self.filled = 0;
        rest.unsplit(core::mem::take(&mut self.fresh));
        rest
    }
}
