//! Operations under way, and reads whose parts lie in more than one file.

use super::{Action, check::CheckKey, machine::Swarm};
use crate::{
    Instant, Outbox,
    id::{BLOCK_LENGTH, Block, FileIndex, PeerKey, PieceIndex, StorageToken, slab_key},
    storage::{Completion, Operation, StorageError},
};
use alloc::vec::Vec;
use bytes::Bytes;

slab_key! {
    /// An operation under way.
    pub(super) OperationKey;
    /// A read under way, in one part or several.
    pub(super) GatherKey;
}

/// Padding is read from here.
static ZEROS: [u8; BLOCK_LENGTH as usize] = [0; BLOCK_LENGTH as usize];

/// What an operation is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pending {
    /// Part of a block of this piece.
    Write { piece: PieceIndex, file: FileIndex, bytes: u32 },
    /// This part of a gather.
    Read { gather: GatherKey, part: u32, file: FileIndex, length: u32 },
    /// A save of the resume state.
    Flush,
}

/// A run of bytes of the torrent on its way in from storage.
#[derive(Clone, Debug)]
pub(super) struct Gather {
    pub(super) purpose: Purpose,
    /// The first part; all there is, where the run lies in one file.
    first: Bytes,
    rest: Vec<Bytes>,
    missing: u32,
    failed: Option<(FileIndex, StorageError)>,
}

/// Who waits for a gather.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// A peer asked for these blocks.
    Upload { peer: PeerKey, run: Block },
    /// A piece is being checked.
    Check(CheckKey),
}

impl Gather {
    const fn new(purpose: Purpose) -> Self {
        Self { purpose, first: Bytes::new(), rest: Vec::new(), missing: 0, failed: None }
    }

    /// Whether a read failed: which file, and why.
    pub(super) const fn failed(&self) -> Option<(FileIndex, StorageError)> {
        self.failed
    }

    /// The parts in order.
    pub(super) fn into_parts(self) -> impl Iterator<Item = Bytes> {
        core::iter::once(self.first).chain(self.rest)
    }

    fn push(&mut self, part: u32, bytes: Bytes) {
        if part == 0 {
            self.first = bytes;
        } else {
            self.rest.push(bytes);
        }
    }

    fn set(&mut self, part: u32, bytes: Bytes) {
        let place = match part.checked_sub(1) {
            None => Some(&mut self.first),
            Some(index) => self.rest.get_mut(index as usize),
        };
        if let Some(place) = place {
            *place = bytes;
        }
    }
}

impl Swarm {
    /// Reads `run` from storage: one operation for each file that it touches, none for padding.
    pub(super) fn gather(&mut self, now: Instant, run: Block, purpose: Purpose, out: &mut Outbox<Action>) {
        let key = self.gathers.insert(Gather::new(purpose));
        let Some(gather) = self.gathers.get_mut(key) else { return };
        let mut part = 0;
        for segment in self.layout.segments(self.geometry.block_offset(run), run.length) {
            let (offset, length) = (segment.offset, segment.length);
            let Some(file) = segment.file else {
                for zeros in zeros(length) {
                    gather.push(part, zeros);
                    part += 1;
                }
                continue;
            };
            gather.push(part, Bytes::new());
            gather.missing += 1;
            let operation = self.operations.insert(Pending::Read { gather: key, part, file, length });
            let token = StorageToken::of(operation);
            out.push(Action::Storage(Operation::Read { token, file, offset, length }));
            part += 1;
        }
        if gather.missing == 0 {
            self.gathered(now, key, out);
        }
    }

    /// An operation is done, or so the driver says.
    pub(super) fn on_storage(&mut self, now: Instant, completion: Completion, out: &mut Outbox<Action>) {
        let (Completion::Read { token, .. }
        | Completion::Written { token, .. }
        | Completion::Flushed { token, .. }) = completion;
        let fits = match (self.operations.get(token.key()), &completion) {
            (Some(Pending::Read { length, .. }), Completion::Read { result, .. }) => {
                result.as_ref().map_or(true, |bytes| bytes.len() == *length as usize)
            }
            (Some(Pending::Write { .. }), Completion::Written { .. })
            | (Some(Pending::Flush), Completion::Flushed { .. }) => true,
            _ => false,
        };
        if !fits {
            self.counters.stray_completions += 1;
            return;
        }
        match (self.operations.remove(token.key()), completion) {
            (Some(Pending::Read { gather, part, file, .. }), Completion::Read { result, .. }) => {
                self.on_read(now, gather, (part, file), result, out);
            }
            (Some(Pending::Write { piece, file, bytes }), Completion::Written { result, .. }) => {
                self.on_written(now, piece, bytes, result.map_err(|error| (file, error)), out);
            }
            (_, Completion::Flushed { result, .. }) => self.on_flushed(result, out),
            _ => {}
        }
    }

    fn on_read(
        &mut self,
        now: Instant,
        key: GatherKey,
        (part, file): (u32, FileIndex),
        result: Result<Bytes, StorageError>,
        out: &mut Outbox<Action>,
    ) {
        let Some(gather) = self.gathers.get_mut(key) else { return };
        match result {
            Ok(bytes) => gather.set(part, bytes),
            Err(error) => gather.failed = Some((file, error)),
        }
        gather.missing -= 1;
        if gather.missing > 0 {
            return;
        }
        let purpose = gather.purpose;
        self.gathered(now, key, out);
        // Only where there was something to wait for: who serves padding is still at it, and goes on by itself.
        if let Purpose::Upload { peer, .. } = purpose {
            self.serve_more(now, peer, out);
        }
    }

    /// Every part of a gather has come, or failed.
    fn gathered(&mut self, now: Instant, key: GatherKey, out: &mut Outbox<Action>) {
        let Some(gather) = self.gathers.remove(key) else { return };
        match gather.purpose {
            Purpose::Upload { peer, run } => self.serve(now, peer, run, gather, out),
            Purpose::Check(check) => self.check_read(now, check, gather, out),
        }
    }
}

/// `length` bytes of padding.
pub(super) fn zeros(length: u32) -> impl Iterator<Item = Bytes> {
    (0..length).step_by(ZEROS.len()).map(move |start| {
        let take = ZEROS.len().min((length - start) as usize);
        Bytes::from_static(ZEROS.get(..take).unwrap_or_default())
    })
}
