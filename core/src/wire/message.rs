//! Messages: bytes to values and back.

use crate::id::{Block, PieceIndex};
use bytes::Bytes;

/// One message of the peer wire.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        payload: Bytes,
    },
    /// 21: which hashes (BEP 52). 48 bytes.
    HashRequest(Bytes),
    /// 22: hashes (BEP 52). 48 + 32 n bytes.
    Hashes(Bytes),
    /// 23: I will not send these hashes (BEP 52). 48 bytes.
    HashReject(Bytes),
    /// Any other id: read and dropped.
    Unknown {
        /// The id.
        id: u8,
    },
}
