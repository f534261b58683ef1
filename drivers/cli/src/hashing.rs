//! Reads files laid end to end and hashes their pieces, on all cores.

use crate::output::Work;
use convoy_core::{id::PieceIndex, storage::Geometry};
use sha1::{Digest, Sha1};
use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

/// How much a thread reads at once, in bytes: enough to make system calls cheap, and fits a CPU's cache.
const CHUNK: usize = 256 * 1024;

/// Files laid end to end.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    parts: Vec<Part>,
    total: u64,
}

/// One of them.
#[derive(Debug)]
struct Part {
    /// `None`: zeros that are not on disk.
    file: Option<PathBuf>,
    start: u64,
    length: u64,
}

/// Why a piece could not be read.
#[derive(Debug)]
pub(crate) struct ReadError {
    /// Which file, in the order of the layout.
    pub(crate) file: usize,
    /// What the system said; [`io::ErrorKind::UnexpectedEof`] if the file is too short.
    pub(crate) error: io::Error,
}

/// What became of a piece.
pub(crate) type Hashed = Result<[u8; 20], ReadError>;

impl Layout {
    /// Lays a file, or zeros that are not on disk, behind what is there.
    pub(crate) fn push(&mut self, file: Option<PathBuf>, length: u64) {
        self.parts.push(Part { file, start: self.total, length });
        self.total += length;
    }

    /// Hashes every piece, in order.
    pub(crate) fn hash(&self, geometry: &Geometry, work: &Work) -> Vec<Hashed> {
        let next = AtomicU32::new(0);
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut hashed: Vec<(u32, Hashed)> = thread::scope(|scope| {
            let workers: Vec<_> =
                (0..threads).map(|_| scope.spawn(|| self.worker(geometry, &next, work))).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
        });
        hashed.sort_unstable_by_key(|&(piece, _)| piece);
        hashed.into_iter().map(|(_, hashed)| hashed).collect()
    }

    /// Hashes pieces until there are no more.
    fn worker(&self, geometry: &Geometry, next: &AtomicU32, work: &Work) -> Vec<(u32, Hashed)> {
        let mut reader = Reader { layout: self, open: None, buffer: vec![0; CHUNK] };
        let mut hashed = Vec::new();
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= geometry.pieces() {
                return hashed;
            }
            let (start, size) =
                (geometry.piece_offset(PieceIndex(piece)), geometry.piece_size(PieceIndex(piece)));
            hashed.push((piece, reader.hash(start, u64::from(size))));
            work.advance(u64::from(size));
        }
    }
}

/// Reads for one thread.
struct Reader<'a> {
    layout: &'a Layout,
    /// The file that was read last.
    open: Option<(usize, File)>,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    /// The hash of `length` bytes from `start` on.
    fn hash(&mut self, mut start: u64, mut length: u64) -> Hashed {
        let parts = &self.layout.parts;
        let mut hasher = Sha1::new();
        let first = parts.partition_point(|part| part.start + part.length <= start);
        for (number, part) in parts.iter().enumerate().skip(first) {
            let mut here = length.min(part.start + part.length - start);
            while here > 0 {
                let chunk = here.min(CHUNK as u64) as usize;
                self.read(number, start - part.start, chunk)
                    .map_err(|error| ReadError { file: number, error })?;
                hasher.update(&self.buffer[..chunk]);
                (start, length, here) = (start + chunk as u64, length - chunk as u64, here - chunk as u64);
            }
            if length == 0 {
                break;
            }
        }
        Ok(hasher.finalize().into())
    }

    /// Fills the first `length` bytes of the buffer from `offset` of a part.
    fn read(&mut self, number: usize, offset: u64, length: usize) -> io::Result<()> {
        let Some(path) = &self.layout.parts[number].file else {
            self.buffer[..length].fill(0);
            return Ok(());
        };
        if self.open.as_ref().is_none_or(|&(open, _)| open != number) {
            self.open = Some((number, File::open(path)?));
        }
        match &self.open {
            Some((_, file)) => read_exact_at(file, &mut self.buffer[..length], offset),
            None => Ok(()),
        }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    use io::{Read, Seek};
    file.seek(io::SeekFrom::Start(offset))?;
    file.read_exact(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        args::Console,
        output::{Bars, Reporter},
    };

    fn hash(layout: &Layout, piece_length: u32) -> Vec<Hashed> {
        let reporter = Reporter::new(Console { quiet: true, ..Console::default() }, Bars::default());
        let geometry = Geometry::new(piece_length, layout.total).expect("valid");
        layout.hash(&geometry, &reporter.work("hashing", "test", layout.total))
    }

    #[test]
    fn pieces_run_over_files_zeros_and_empty_files() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut layout = Layout::default();
        let mut all = Vec::new();
        for (name, length) in [("a", 700_000), ("empty", 0), ("b", 5), ("c", 300_000)] {
            let bytes: Vec<u8> =
                (0..length).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            std::fs::write(folder.path().join(name), &bytes).expect("written");
            layout.push(Some(folder.path().join(name)), bytes.len() as u64);
            layout.push(None, 3);
            all.extend(bytes);
            all.extend([0; 3]);
        }
        for piece_length in [16_384, 65_536, 1 << 20, 700_004] {
            let expected: Vec<[u8; 20]> =
                all.chunks(piece_length as usize).map(|piece| Sha1::digest(piece).into()).collect();
            let hashed: Result<Vec<_>, ReadError> = hash(&layout, piece_length).into_iter().collect();
            assert_eq!(hashed.expect("read"), expected, "{piece_length}");
        }
    }

    #[test]
    fn a_missing_and_a_short_file_spoil_only_their_own_pieces() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let file = folder.path().join("short");
        std::fs::write(&file, [7; 16_384]).expect("written");
        let mut layout = Layout::default();
        layout.push(Some(file), 32_768);
        layout.push(Some(folder.path().join("missing")), 16_384);
        let hashed = hash(&layout, 16_384);
        assert!(hashed[0].is_ok());
        let kind = |piece: &Hashed| piece.as_ref().map_err(|why| (why.file, why.error.kind())).unwrap_err();
        assert_eq!(kind(&hashed[1]), (0, io::ErrorKind::UnexpectedEof));
        assert_eq!(kind(&hashed[2]), (1, io::ErrorKind::NotFound));
    }
}
