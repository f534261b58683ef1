//! Reads files laid end to end and hashes their pieces, on all cores.

use crate::output::Work;
use convoy_core::{
    id::{FileIndex, PieceIndex},
    storage::{Geometry, Layout, Segment},
};
use sha1::{Digest, Sha1};
use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

/// How much a thread reads at once, in bytes: enough to make system calls cheap, and fits a CPU's cache.
const CHUNK: u32 = 256 * 1024;

/// Files laid end to end.
#[derive(Debug)]
pub(crate) struct Content {
    /// Where each file is; `None` for zeros that are not on disk.
    places: Vec<Option<PathBuf>>,
    layout: Layout,
}

/// Why a piece could not be read.
#[derive(Debug)]
pub(crate) struct ReadError {
    /// Which file, in the order in which they lie.
    pub(crate) file: FileIndex,
    /// What the system said; [`io::ErrorKind::UnexpectedEof`] if the file is too short.
    pub(crate) error: io::Error,
}

/// What became of a piece.
pub(crate) type Hashed = Result<[u8; 20], ReadError>;

impl Content {
    /// Lays out files, each given by its place, `None` for zeros that are not on disk, and its length.
    pub(crate) fn new(files: impl IntoIterator<Item = (Option<PathBuf>, u64)>, geometry: Geometry) -> Self {
        let (places, lengths): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let padding = places.iter().map(Option::is_none);
        let layout = Layout::new(lengths.into_iter().zip(padding), geometry);
        Self { places, layout }
    }

    /// Hashes every piece, in order.
    pub(crate) fn hash(&self, work: &Work) -> Vec<Hashed> {
        let next = AtomicU32::new(0);
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut hashed: Vec<(u32, Hashed)> = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.worker(&next, work))).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
        });
        hashed.sort_unstable_by_key(|&(piece, _)| piece);
        hashed.into_iter().map(|(_, hashed)| hashed).collect()
    }

    /// Hashes pieces until there are no more.
    fn worker(&self, next: &AtomicU32, work: &Work) -> Vec<(u32, Hashed)> {
        let geometry = self.layout.geometry();
        let mut reader = Reader { content: self, open: None, buffer: vec![0; CHUNK as usize] };
        let mut hashed = Vec::new();
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= geometry.pieces() {
                return hashed;
            }
            hashed.push((piece, reader.hash(PieceIndex(piece))));
            work.advance(u64::from(geometry.piece_size(PieceIndex(piece))));
        }
    }
}

/// Reads for one thread.
struct Reader<'a> {
    content: &'a Content,
    /// The file that was read last.
    open: Option<(FileIndex, File)>,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    /// The hash of a piece.
    fn hash(&mut self, piece: PieceIndex) -> Hashed {
        let mut hasher = Sha1::new();
        for Segment { file, offset, length } in self.content.layout.piece_segments(piece) {
            let mut done = 0;
            while done < length {
                let chunk = CHUNK.min(length - done) as usize;
                self.read(file, offset + u64::from(done), chunk)?;
                hasher.update(&self.buffer[..chunk]);
                done += chunk as u32;
            }
        }
        Ok(hasher.finalize().into())
    }

    /// Fills the first `length` bytes of the buffer from `offset` of a file.
    fn read(&mut self, file: Option<FileIndex>, offset: u64, length: usize) -> Result<(), ReadError> {
        let place =
            file.and_then(|file| self.content.places.get(file.0 as usize)?.as_ref().map(|at| (file, at)));
        let buffer = &mut self.buffer[..length];
        let Some((file, place)) = place else {
            buffer.fill(0);
            return Ok(());
        };
        let read = match &self.open {
            Some((open, file_open)) if *open == file => read_exact_at(file_open, buffer, offset),
            _ => File::open(place).and_then(|opened| {
                let (_, opened) = self.open.insert((file, opened));
                read_exact_at(opened, buffer, offset)
            }),
        };
        read.map_err(|error| ReadError { file, error })
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

    fn hash(files: &[(Option<PathBuf>, u64)], piece_length: u32) -> Vec<Hashed> {
        let reporter = Reporter::new(Console { quiet: true, ..Console::default() }, Bars::default());
        let total = files.iter().map(|(_, length)| length).sum();
        let geometry = Geometry::new(piece_length, total).expect("valid");
        Content::new(files.iter().cloned(), geometry).hash(&reporter.work("hashing", "test", total))
    }

    #[test]
    fn pieces_run_over_files_zeros_and_empty_files() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (mut files, mut all) = (Vec::new(), Vec::new());
        for (name, length) in [("a", 700_000), ("empty", 0), ("b", 5), ("c", 300_000)] {
            let place = folder.path().join(name);
            let bytes: Vec<u8> =
                (0..length).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            std::fs::write(&place, &bytes).expect("written");
            files.extend([(Some(place), bytes.len() as u64), (None, 3)]);
            all.extend(bytes);
            all.extend([0; 3]);
        }
        for piece_length in [16_384, 65_536, 1 << 20, 700_004] {
            let expected: Vec<[u8; 20]> =
                all.chunks(piece_length as usize).map(|piece| Sha1::digest(piece).into()).collect();
            let hashed: Result<Vec<_>, ReadError> = hash(&files, piece_length).into_iter().collect();
            assert_eq!(hashed.expect("read"), expected, "{piece_length}");
        }
    }

    #[test]
    fn a_missing_and_a_short_file_spoil_only_their_own_pieces() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let short = folder.path().join("short");
        std::fs::write(&short, [7; 16_384]).expect("written");
        let missing = folder.path().join("missing");
        let hashed = hash(&[(Some(short), 32_768), (Some(missing), 16_384)], 16_384);
        assert!(hashed[0].is_ok());
        let kind = |piece: &Hashed| piece.as_ref().map_err(|why| (why.file.0, why.error.kind())).unwrap_err();
        assert_eq!(kind(&hashed[1]), (0, io::ErrorKind::UnexpectedEof));
        assert_eq!(kind(&hashed[2]), (1, io::ErrorKind::NotFound));
    }
}
