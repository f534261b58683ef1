//! `ic_priority`: how urgently a peer wants what.

use super::Error;
use crate::{
    bencode::{Decoder, Writer},
    id::PieceIndex,
};
use alloc::{string::String, vec::Vec};

/// The longest message, in bytes: as many pieces as it may name, however great their numbers, and a reason.
pub const PRIORITY_MAX: usize = 16 * 1024;

/// How many pieces a message names at most. More are neither read nor written.
pub const PRIORITY_PIECES_MAX: usize = 1024;

/// The longest reason, in bytes. A longer one is neither read nor written.
pub const PRIORITY_REASON_MAX: usize = 64;

/// What a peer wants, and how urgently.
///
/// ```
/// use convoy_core::{id::PieceIndex, wire::extension::{Priority, PriorityLevel}};
///
/// let priority = Priority {
///     pieces: vec![PieceIndex(42), PieceIndex(43)],
///     priority: PriorityLevel::LobbyUrgent,
///     reason: None,
/// };
/// assert_eq!(priority.encode(), b"d6:piecesli42ei43ee8:priorityi2ee");
/// assert_eq!(Priority::decode(&priority.encode(), 100)?, Some(priority));
/// # Ok::<(), convoy_core::wire::extension::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Priority {
    /// The pieces; none: all of the torrent.
    pub pieces: Vec<PieceIndex>,
    /// How urgently.
    pub priority: PriorityLevel,
    /// Why, for people to read. Nothing follows from it.
    pub reason: Option<String>,
}

/// How urgently a peer wants pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum PriorityLevel {
    /// 0: when there is nothing else to send.
    Background = 0,
    /// 1: somebody asked for them.
    UserRequested = 1,
    /// 2: somebody in a lobby waits for them.
    LobbyUrgent = 2,
}

impl PriorityLevel {
    const fn of(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Background),
            1 => Some(Self::UserRequested),
            2 => Some(Self::LobbyUrgent),
            _ => None,
        }
    }
}

impl Priority {
    /// Reads a payload about a torrent of so many `pieces`; entries that name no piece of it are left out.
    /// `None` is a message to be ignored: its priority is one to come, or no entry is left of its list. (An
    /// empty list is another thing: it means all pieces.)
    ///
    /// # Errors
    /// See [`Error`].
    pub fn decode(payload: &[u8], pieces: u32) -> Result<Option<Self>, Error> {
        if payload.len() > PRIORITY_MAX {
            return Err(Error::TooLong { length: payload.len() });
        }
        let document = Decoder::strict().decode(payload).map_err(|_| Error::Malformed)?;
        let dict = document.root().dict().ok_or(Error::Malformed)?;
        let named = dict.get(b"pieces").and_then(|value| value.list()).ok_or(Error::Malformed)?;
        let priority = dict.get(b"priority").and_then(|value| value.integer()).ok_or(Error::Malformed)?;
        let reason = dict.get(b"reason").and_then(|value| value.text());
        let Some(priority) = PriorityLevel::of(priority) else { return Ok(None) };
        let wanted: Vec<_> = named
            .clone()
            .take(PRIORITY_PIECES_MAX)
            .filter_map(|entry| u32::try_from(entry.integer()?).ok())
            .filter(|piece| *piece < pieces)
            .map(PieceIndex)
            .collect();
        let all = named.count() == 0;
        let reason = reason.filter(|reason| reason.len() <= PRIORITY_REASON_MAX).map(String::from);
        Ok((all || !wanted.is_empty()).then_some(Self { pieces: wanted, priority, reason }))
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        Writer::new(&mut payload).dict(|dict| {
            dict.list(b"pieces", |list| {
                for piece in self.pieces.iter().take(PRIORITY_PIECES_MAX) {
                    list.integer(i64::from(piece.0));
                }
            });
            dict.integer(b"priority", self.priority as i64);
            if let Some(reason) = self.reason.as_ref().filter(|reason| reason.len() <= PRIORITY_REASON_MAX) {
                dict.string(b"reason", reason);
            }
        });
        payload
    }
}
