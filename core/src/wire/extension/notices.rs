//! Messages of one field: `lt_donthave` (BEP 54), `upload_only` (BEP 21); and the hash request of BEP 52.

use crate::id::PieceIndex;
use alloc::{vec, vec::Vec};

/// Bytes of a hash request behind its id.
pub const HASH_REQUEST_LENGTH: usize = 48;

/// BEP 52: the most hashes that are asked for at once.
const HASHES_MAX: u32 = 512;

/// BEP 54: the sender no longer has a piece. `None` if the payload is not four bytes.
#[must_use]
pub fn decode_dont_have(payload: &[u8]) -> Option<PieceIndex> {
    payload.try_into().ok().map(u32::from_be_bytes).map(PieceIndex)
}

/// The payload of `lt_donthave`.
#[must_use]
pub fn encode_dont_have(piece: PieceIndex) -> Vec<u8> {
    piece.0.to_be_bytes().into()
}

/// BEP 21, as libtorrent and uTorrent send it: whether the sender wants nothing. `None` if the payload is
/// not one byte.
#[must_use]
pub fn decode_upload_only(payload: &[u8]) -> Option<bool> {
    let [flag] = payload else { return None };
    Some(*flag != 0)
}

/// The payload of `upload_only`.
#[must_use]
pub fn encode_upload_only(flag: bool) -> Vec<u8> {
    vec![u8::from(flag)]
}

/// Which hashes of a Merkle tree are asked for (BEP 52).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HashRequest {
    /// The root of the file's tree.
    pub pieces_root: [u8; 32],
    /// The layer, from the leaves up.
    pub base_layer: u32,
    /// The first hash in it; a multiple of `length`.
    pub index: u32,
    /// How many: a power of two, 2 to 512.
    pub length: u32,
    /// How many layers of proof.
    pub proof_layers: u32,
}

impl HashRequest {
    /// Reads what stands behind the id of messages 21 and 23. `None` if it is not such a request, or one
    /// that nobody may send.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let (root, numbers) = payload.split_first_chunk::<32>()?;
        let numbers: &[u8; 16] = numbers.try_into().ok()?;
        let mut fields = numbers.as_chunks::<4>().0.iter().map(|field| u32::from_be_bytes(*field));
        let (base_layer, index, length) = (fields.next()?, fields.next()?, fields.next()?);
        let legal = length.is_power_of_two() && (2..=HASHES_MAX).contains(&length) && index % length == 0;
        let proof_layers = fields.next()?;
        legal.then_some(Self { pieces_root: *root, base_layer, index, length, proof_layers })
    }

    /// What stands behind the id.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(HASH_REQUEST_LENGTH);
        payload.extend_from_slice(&self.pieces_root);
        for field in [self.base_layer, self.index, self.length, self.proof_layers] {
            payload.extend_from_slice(&field.to_be_bytes());
        }
        payload
    }
}
