//! Messages: bytes to values and back.

use crate::{
    id::{Block, PieceIndex},
    outbox::Outbox,
};
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// One message of the peer wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Message {
    /// Length 0: still there.
    KeepAlive,
    /// 0: I will not answer requests.
    Choke,
    /// 1: I will answer requests.
    Unchoke,
    /// 2: you have something that I want.
    Interested,
    /// 3: you have nothing that I want.
    NotInterested,
    /// 4: I have got this piece.
    Have(PieceIndex),
    /// 5: I have these pieces; the wire form of [`Bitfield`](crate::bitfield::Bitfield).
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    Bitfield(Bytes),
    /// 6: send me this block.
    Request(Block),
    /// 7: a block.
    Piece {
        /// The piece it lies in.
        piece: PieceIndex,
        /// Where it starts in the piece.
        begin: u32,
        /// Its bytes.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        data: Bytes,
    },
    /// 8: never mind this request.
    Cancel(Block),
    /// 9: the UDP port of my DHT node (BEP 5).
    Port(u16),
    /// 13: you may want this piece (BEP 6).
    Suggest(PieceIndex),
    /// 14: I have every piece (BEP 6).
    HaveAll,
    /// 15: I have no piece (BEP 6).
    HaveNone,
    /// 16: I will not answer this request (BEP 6).
    Reject(Block),
    /// 17: you may ask for this piece even while choked (BEP 6).
    AllowedFast(PieceIndex),
    /// 20: an extension message (BEP 10); id 0 is the extension handshake.
    Extended {
        /// Which extension, as its receiver numbered it.
        id: u8,
        /// What it says.
        #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
        payload: Bytes,
    },
    /// 21: which hashes (BEP 52). 48 bytes.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    HashRequest(Bytes),
    /// 22: hashes (BEP 52). 48 + 32 n bytes.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    Hashes(Bytes),
    /// 23: I will not send these hashes (BEP 52). 48 bytes.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    HashReject(Bytes),
    /// Any other id: read and dropped.
    Unknown {
        /// The id.
        id: u8,
    },
}

/// Bytes of the length prefix and the id: what must be there before a message can be judged.
pub(super) const HEADER: usize = 5;

/// Bytes in front of a block: length prefix, id, piece and begin.
pub(super) const BLOCK_HEADER: usize = 13;

/// The longest head of a message: that of a request.
const HEAD_MAX: usize = 17;

impl Message {
    /// The id on the wire; `None` for a keep-alive, which has none.
    #[must_use]
    pub const fn id(&self) -> Option<u8> {
        Some(match self {
            Self::KeepAlive => return None,
            Self::Choke => 0,
            Self::Unchoke => 1,
            Self::Interested => 2,
            Self::NotInterested => 3,
            Self::Have(_) => 4,
            Self::Bitfield(_) => 5,
            Self::Request(_) => 6,
            Self::Piece { .. } => 7,
            Self::Cancel(_) => 8,
            Self::Port(_) => 9,
            Self::Suggest(_) => 13,
            Self::HaveAll => 14,
            Self::HaveNone => 15,
            Self::Reject(_) => 16,
            Self::AllowedFast(_) => 17,
            Self::Extended { .. } => 20,
            Self::HashRequest(_) => 21,
            Self::Hashes(_) => 22,
            Self::HashReject(_) => 23,
            Self::Unknown { id } => *id,
        })
    }

    /// Bytes on the wire, length prefix and all.
    #[must_use]
    pub fn wire_length(&self) -> usize {
        match self {
            Self::KeepAlive => 4,
            Self::Choke
            | Self::Unchoke
            | Self::Interested
            | Self::NotInterested
            | Self::HaveAll
            | Self::HaveNone
            | Self::Unknown { .. } => HEADER,
            Self::Port(_) => HEADER + 2,
            Self::Have(_) | Self::Suggest(_) | Self::AllowedFast(_) => HEADER + 4,
            Self::Request(_) | Self::Cancel(_) | Self::Reject(_) => HEADER + 12,
            Self::Piece { data, .. } => BLOCK_HEADER + data.len(),
            Self::Extended { payload, .. } => HEADER + 1 + payload.len(),
            Self::Bitfield(bytes)
            | Self::HashRequest(bytes)
            | Self::Hashes(bytes)
            | Self::HashReject(bytes) => HEADER + bytes.len(),
        }
    }

    /// The message on the wire: a head in the outbox's arena, and behind it the very bytes that the
    /// message holds (empty for most). Nothing is copied but the head's few bytes.
    ///
    /// ```
    /// use convoy_core::{Outbox, id::PieceIndex, wire::Message};
    ///
    /// let mut out: Outbox<()> = Outbox::new();
    /// let (head, payload) = Message::Have(PieceIndex(7)).encode(&mut out);
    /// assert_eq!(head, [0, 0, 0, 5, 4, 0, 0, 0, 7][..]);
    /// assert!(payload.is_empty());
    /// ```
    #[must_use]
    pub fn encode<A>(self, out: &mut Outbox<A>) -> (Bytes, Bytes) {
        let head = out.write(HEAD_MAX, |arena| self.write_head(arena));
        (head, self.into_payload())
    }

    fn write_head(&self, arena: &mut BytesMut) {
        // No message of 4 GiB can be made: payloads are bounded long before.
        arena.put_u32((self.wire_length() - 4) as u32);
        let Some(id) = self.id() else { return };
        arena.put_u8(id);
        match self {
            Self::Have(piece) | Self::Suggest(piece) | Self::AllowedFast(piece) => arena.put_u32(piece.0),
            Self::Request(block) | Self::Cancel(block) | Self::Reject(block) => {
                arena.put_u32(block.piece.0);
                arena.put_u32(block.begin);
                arena.put_u32(block.length);
            }
            Self::Piece { piece, begin, .. } => {
                arena.put_u32(piece.0);
                arena.put_u32(*begin);
            }
            Self::Port(port) => arena.put_u16(*port),
            Self::Extended { id, .. } => arena.put_u8(*id),
            Self::KeepAlive
            | Self::Choke
            | Self::Unchoke
            | Self::Interested
            | Self::NotInterested
            | Self::Bitfield(_)
            | Self::HaveAll
            | Self::HaveNone
            | Self::HashRequest(_)
            | Self::Hashes(_)
            | Self::HashReject(_)
            | Self::Unknown { .. } => {}
        }
    }

    fn into_payload(self) -> Bytes {
        match self {
            Self::Bitfield(bytes)
            | Self::HashRequest(bytes)
            | Self::Hashes(bytes)
            | Self::HashReject(bytes) => bytes,
            Self::Piece { data, .. } => data,
            Self::Extended { payload, .. } => payload,
            Self::KeepAlive
            | Self::Choke
            | Self::Unchoke
            | Self::Interested
            | Self::NotInterested
            | Self::Have(_)
            | Self::Request(_)
            | Self::Cancel(_)
            | Self::Port(_)
            | Self::Suggest(_)
            | Self::HaveAll
            | Self::HaveNone
            | Self::Reject(_)
            | Self::AllowedFast(_)
            | Self::Unknown { .. } => Bytes::new(),
        }
    }

    /// Takes the message `id` of `length` bytes, prefix and all, off the front of `buffer`, which holds it
    /// whole; the caller has checked that the length fits the id. Payloads share the buffer's allocation.
    pub(super) fn take(buffer: &mut BytesMut, id: u8, length: usize) -> Self {
        let message = match id {
            0 => Self::Choke,
            1 => Self::Unchoke,
            2 => Self::Interested,
            3 => Self::NotInterested,
            4 => Self::Have(piece(buffer)),
            5 => return Self::Bitfield(payload(buffer, HEADER, length)),
            6 => Self::Request(block(buffer)),
            7 => {
                let (piece, begin) = (piece(buffer), u32_at(buffer, HEADER + 4).unwrap_or_default());
                return Self::Piece { piece, begin, data: payload(buffer, BLOCK_HEADER, length) };
            }
            8 => Self::Cancel(block(buffer)),
            9 => Self::Port(
                buffer
                    .get(HEADER..)
                    .and_then(<[u8]>::first_chunk)
                    .map_or(0, |port| u16::from_be_bytes(*port)),
            ),
            13 => Self::Suggest(piece(buffer)),
            14 => Self::HaveAll,
            15 => Self::HaveNone,
            16 => Self::Reject(block(buffer)),
            17 => Self::AllowedFast(piece(buffer)),
            20 => {
                let id = buffer.get(HEADER).copied().unwrap_or_default();
                return Self::Extended { id, payload: payload(buffer, HEADER + 1, length) };
            }
            21 => return Self::HashRequest(payload(buffer, HEADER, length)),
            22 => return Self::Hashes(payload(buffer, HEADER, length)),
            23 => return Self::HashReject(payload(buffer, HEADER, length)),
            id => Self::Unknown { id },
        };
        buffer.advance(length.min(buffer.len()));
        message
    }
}

/// The number at `at`, if it is there.
pub(super) fn u32_at(buffer: &[u8], at: usize) -> Option<u32> {
    buffer.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

fn piece(message: &[u8]) -> PieceIndex {
    PieceIndex(u32_at(message, HEADER).unwrap_or_default())
}

fn block(message: &[u8]) -> Block {
    let field = |at| u32_at(message, at).unwrap_or_default();
    Block { piece: piece(message), begin: field(HEADER + 4), length: field(HEADER + 8) }
}

/// Cuts the first `length` bytes off and gives those from `start` on.
fn payload(buffer: &mut BytesMut, start: usize, length: usize) -> Bytes {
    // The last one takes the buffer as it is: a buffer with one owner need not become shared.
    let whole = length >= buffer.len();
    let mut message = if whole { core::mem::take(buffer) } else { buffer.split_to(length) };
    message.advance(start.min(message.len()));
    message.freeze()
}
