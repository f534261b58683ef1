//! A file that goes to stdout while it comes.
//!
//! ```text
//!  Checked, PieceVerified ─▶ Streaming ── verified up to here ─▶ Writer ─▶ stdout
//!                                                                  │
//!          Command::Read ◀── session ◀────── written up to here ───┘
//! ```
//!
//! The writer is a thread that holds one chunk. A reader that is slow holds up nothing but itself: what
//! comes meanwhile is on disk.

use super::torrent::Torrent;
use crate::failure::Failure;
use convoy_core::{
    bitfield::Bitfield,
    engine::Reader,
    id::{FileIndex, InfoHash, PieceIndex},
    storage::Geometry,
};
use std::{
    fs::File,
    io::{self, Read, Write},
    ops::Range,
    path::PathBuf,
    sync::mpsc::{Receiver, Sender, channel},
};
use tokio::{sync::mpsc, task::spawn_blocking};

/// The most bytes that are read and written at once.
const CHUNK: u64 = 256 << 10;

/// What has become of the bytes.
#[derive(Debug)]
pub(super) enum Written {
    /// So many are out.
    To(u64),
    /// All of them are.
    Whole,
    /// Nobody reads them any more.
    ReaderGone,
    /// The file cannot be read, or stdout not be written to.
    Failed(Failure),
}

/// How much of the file is verified, from its start on.
#[derive(Debug)]
pub(super) struct Streaming {
    pub(super) info_hash: InfoHash,
    file: FileIndex,
    geometry: Geometry,
    have: Bitfield,
    /// The bytes of the torrent that are to be verified next: from here to the end of the file.
    ahead: Range<u64>,
    /// Where the file begins.
    start: u64,
    /// Tells the writer.
    ready: Sender<u64>,
}

impl Streaming {
    /// Writes `file` of a torrent of which `have` is there. `None` if there is no such file.
    pub(super) fn begin(
        torrent: &Torrent,
        file: FileIndex,
        have: &Bitfield,
        written: mpsc::Sender<Written>,
    ) -> Option<Self> {
        let info = &torrent.info;
        let range = info.layout().file_range(file)?;
        let (ready, from) = channel();
        let length = range.end - range.start;
        let writer = Writer { path: torrent.place(Some(file)), at: 0, length, ready: from, written };
        spawn_blocking(|| writer.run());
        let (start, have) = (range.start, have.clone());
        let (info_hash, geometry) = (info.info_hash, info.geometry);
        let mut streaming = Self { info_hash, file, geometry, have, ahead: range, start, ready };
        streaming.advance();
        Some(streaming)
    }

    /// A piece is verified and written.
    pub(super) fn verified(&mut self, piece: PieceIndex) {
        self.have.set(piece);
        self.advance();
    }

    /// Where the reader is once `written` bytes are out.
    pub(super) const fn reader(&self, written: u64) -> Reader {
        Reader { file: self.file, offset: written }
    }

    fn advance(&mut self) {
        let (from, length) = (self.ahead.start, u64::from(self.geometry.piece_length()));
        while !self.ahead.is_empty() {
            let piece = self.ahead.start / length;
            if !self.have.get(PieceIndex(piece as u32)) {
                break;
            }
            self.ahead.start = self.ahead.end.min((piece + 1) * length);
        }
        if self.ahead.start > from {
            // A writer that has ended says so itself.
            let _ = self.ready.send(self.ahead.start - self.start);
        }
    }
}

/// Copies the file to stdout, never beyond what is verified.
struct Writer {
    path: PathBuf,
    at: u64,
    length: u64,
    ready: Receiver<u64>,
    written: mpsc::Sender<Written>,
}

impl Writer {
    fn run(mut self) {
        let ended = self.copy().map_or_else(|ended| ended, |()| Written::Whole);
        // The session may be over.
        let _ = self.written.blocking_send(ended);
    }

    fn copy(&mut self) -> Result<(), Written> {
        let mut file = None;
        let mut chunk = Vec::new();
        while self.at < self.length {
            // Nobody tells any more: the session is over, and nobody listens either.
            let ready = self.ready.recv().map_err(|_| Written::ReaderGone)?;
            // The file is made when its first piece comes.
            let file = match &mut file {
                Some(file) => file,
                None => file.insert(File::open(&self.path).map_err(|error| self.unreadable(&error))?),
            };
            while self.at < ready {
                let length = CHUNK.min(ready - self.at);
                chunk.clear();
                let read =
                    file.take(length).read_to_end(&mut chunk).map_err(|error| self.unreadable(&error))?;
                if (read as u64) < length {
                    return Err(self.unreadable(&io::ErrorKind::UnexpectedEof.into()));
                }
                write_out(&chunk)?;
                self.at += length;
                let _ = self.written.blocking_send(Written::To(self.at));
            }
        }
        Ok(())
    }

    fn unreadable(&self, error: &io::Error) -> Written {
        let failure = Failure::io("cannot read", &self.path, error);
        Written::Failed(failure.advise("leave the file alone while it is streamed, and run it again"))
    }
}

fn write_out(bytes: &[u8]) -> Result<(), Written> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Written::ReaderGone,
        _ => Written::Failed(Failure::stdout(&error)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_verified_without_a_gap_is_ready() {
        let (ready, told) = channel();
        let geometry = Geometry::new(16_384, 100_000).expect("valid");
        // A file from the middle of piece 1 to that of piece 4.
        let (start, end) = (20_000, 70_000);
        let mut streaming = Streaming {
            info_hash: InfoHash([0; 20]),
            file: FileIndex(1),
            geometry,
            have: Bitfield::new(geometry.pieces()),
            ahead: start..end,
            start,
            ready,
        };
        for piece in [4, 2, 0, 1, 6, 3] {
            streaming.verified(PieceIndex(piece));
        }
        // Pieces 1 and 2 at once, then the rest.
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [3 * 16_384 - start, end - start]);
    }
}
