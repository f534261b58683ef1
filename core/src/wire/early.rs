//! What a peer says of its pieces before anyone knows how many there are.

use super::{EARLY_PIECES_MAX, Message};
use crate::id::PieceIndex;
use alloc::vec::Vec;
use bytes::Bytes;

/// Keeps the peer's bitfield and the pieces that it names until the metadata is known.
#[derive(Debug, Default)]
pub(super) struct Early {
    bitfield: Option<Message>,
    pieces: Vec<(Said, PieceIndex)>,
}

/// A message about one piece, without the room that the largest message needs.
#[derive(Clone, Copy, Debug)]
enum Said {
    Have,
    Suggest,
    AllowedFast,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Kept {
    /// It is here.
    Yes,
    /// It was dropped: there are [`EARLY_PIECES_MAX`] already.
    Full,
    /// It does not speak of pieces: here it is again.
    No(Message),
}

impl Early {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the rest does not speak of pieces")]
    pub(super) fn keep(&mut self, message: Message) -> Kept {
        let (said, piece) = match message {
            Message::Have(piece) => (Said::Have, piece),
            Message::Suggest(piece) => (Said::Suggest, piece),
            Message::AllowedFast(piece) => (Said::AllowedFast, piece),
            Message::Bitfield(bytes) => {
                // It may wait for long: out of the driver's buffer with it.
                self.bitfield = Some(Message::Bitfield(Bytes::copy_from_slice(&bytes)));
                return Kept::Yes;
            }
            Message::HaveAll | Message::HaveNone => {
                self.bitfield = Some(message);
                return Kept::Yes;
            }
            other => return Kept::No(other),
        };
        if self.pieces.len() >= EARLY_PIECES_MAX {
            return Kept::Full;
        }
        self.pieces.push((said, piece));
        Kept::Yes
    }

    /// All that was kept, in the order in which it came.
    pub(super) fn into_messages(self) -> impl Iterator<Item = Message> {
        let pieces = self.pieces.into_iter().map(|(said, piece)| match said {
            Said::Have => Message::Have(piece),
            Said::Suggest => Message::Suggest(piece),
            Said::AllowedFast => Message::AllowedFast(piece),
        });
        self.bitfield.into_iter().chain(pieces)
    }

    /// Heap bytes held.
    pub(super) fn memory(&self) -> usize {
        let bitfield = match &self.bitfield {
            Some(Message::Bitfield(bytes)) => bytes.len(),
            Some(_) | None => 0,
        };
        bitfield + self.pieces.capacity() * size_of::<(Said, PieceIndex)>()
    }
}
