//! `ut_metadata` (BEP 9): the info dictionary, in blocks.

use super::Error;
use crate::bencode::{Decoder, Writer};
use alloc::vec::Vec;
use bytes::Bytes;

/// Bytes of every block of the info dictionary but the last (BEP 9).
pub const METADATA_BLOCK: usize = 16 * 1024;

/// The longest message, in bytes: a block, and a dictionary in front of it. libtorrent's limit too.
const MAX: usize = 17 * 1024;

/// A message about the info dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Metadata {
    /// 0: send me this block.
    Request {
        /// Which.
        piece: u32,
    },
    /// 1: a block.
    Data {
        /// Which.
        piece: u32,
        /// How long the whole dictionary is, in bytes.
        total_size: u32,
        /// Its bytes.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
    /// 2: I do not have this block, or not for you.
    Reject {
        /// Which.
        piece: u32,
    },
}

impl Metadata {
    /// Reads a payload. `None` is a type of message to come: BEP 9 wants those ignored.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn decode(payload: &Bytes) -> Result<Option<Self>, Error> {
        if payload.len() > MAX {
            return Err(Error::TooLong { length: payload.len() });
        }
        // The one place where bytes may follow a value: the block starts where the dictionary ends.
        let (document, used) = Decoder::lenient().decode_prefix(payload).map_err(|_| Error::Malformed)?;
        let dict = document.root().dict().ok_or(Error::Malformed)?;
        let number = |key: &[u8]| dict.get(key).and_then(|value| u32::try_from(value.integer()?).ok());
        let kind = dict.get(b"msg_type").and_then(|value| value.integer()).ok_or(Error::Malformed)?;
        let piece = number(b"piece").ok_or(Error::Malformed);
        Ok(Some(match kind {
            0 => Self::Request { piece: piece? },
            1 => {
                let total_size = number(b"total_size").ok_or(Error::Malformed)?;
                Self::Data { piece: piece?, total_size, data: payload.slice(used..) }
            }
            2 => Self::Reject { piece: piece? },
            _ => return Ok(None),
        }))
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, piece, size) = match self {
            Self::Request { piece } => (0, piece, None),
            Self::Data { piece, total_size, .. } => (1, piece, Some(total_size)),
            Self::Reject { piece } => (2, piece, None),
        };
        let mut payload = Vec::new();
        Writer::new(&mut payload).dict(|dict| {
            dict.integer(b"msg_type", kind).integer(b"piece", i64::from(*piece));
            if let Some(size) = size {
                dict.integer(b"total_size", i64::from(*size));
            }
        });
        if let Self::Data { data, .. } = self {
            payload.extend_from_slice(data);
        }
        payload
    }
}
