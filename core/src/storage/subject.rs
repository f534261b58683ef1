//! A disk for the subjects that need one.
#![allow(
    clippy::indexing_slicing,
    reason = "nothing but tests and fuzz targets call it: they may fail loudly"
)]

use super::{Completion, Operation, StorageError};
use crate::{bitfield::Bitfield, id::PieceIndex, testing::Dice};
use alloc::{vec, vec::Vec};
use bytes::Bytes;

/// A disk with one file on it, and what ought to be in the file. What it is asked for happens when it says
/// so, whatever was asked since.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    bytes: Vec<u8>,
    /// What a loss of power leaves.
    durable: Vec<u8>,
    content: Vec<u8>,
    piece_length: usize,
}

impl Disk {
    /// A disk for `content`, which is on it already or will be.
    #[must_use]
    pub fn new(content: Vec<u8>, piece_length: u32, holds: bool) -> Self {
        let bytes = if holds { content.clone() } else { vec![0; content.len()] };
        Self { durable: bytes.clone(), bytes, content, piece_length: piece_length as usize }
    }

    /// Carries out an operation, or fails to.
    pub fn carry_out(&mut self, operation: &Operation, error: Option<StorageError>) -> Completion {
        let done = error.map_or(Ok(()), Err);
        match operation {
            Operation::Read { token, offset, length, .. } => {
                let bytes = self.bytes.get(*offset as usize..(*offset + u64::from(*length)) as usize);
                let bytes = bytes.map(Bytes::copy_from_slice).ok_or(StorageError::TooShort);
                Completion::Read { token: *token, result: done.and(bytes) }
            }
            Operation::Write { token, offset, data, .. } => {
                if error.is_none() {
                    self.bytes[*offset as usize..][..data.len()].copy_from_slice(data);
                }
                Completion::Written { token: *token, result: done }
            }
            Operation::Flush { token } => {
                if error.is_none() {
                    self.durable.clone_from(&self.bytes);
                }
                Completion::Flushed { token: *token, result: done }
            }
        }
    }

    /// Asserts that a piece that is said to be verified and written is there.
    pub fn assert_holds(&self, piece: PieceIndex) {
        assert!(self.is_in(&self.bytes, piece), "{piece:?} is verified, but not on the disk");
    }

    /// Asserts that pieces that are said to be verified and durable would outlast a loss of power.
    pub fn assert_outlast(&self, pieces: &Bitfield) {
        for piece in pieces.iter() {
            assert!(self.is_in(&self.durable, piece), "{piece:?} is saved, but not durable");
        }
    }

    fn is_in(&self, bytes: &[u8], piece: PieceIndex) -> bool {
        let start = piece.0 as usize * self.piece_length;
        let end = self.content.len().min(start + self.piece_length);
        bytes[start..end] == self.content[start..end]
    }
}

/// What seldom happens to an operation.
pub fn any_error(dice: &mut Dice) -> Option<StorageError> {
    let errors = [StorageError::Io, StorageError::TooShort, StorageError::NotFound, StorageError::Full];
    if dice.chance(1, 64) { dice.pick(&errors).copied() } else { None }
}
