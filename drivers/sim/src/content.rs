//! Torrents whose bytes follow from a seed and an offset, so that nobody stores them.
//!
//! A torrent is cut into units of 16 KiB, and every unit is a window on one tape of 1 MiB of random bytes. So
//! a block is read without a copy, compared while it lies in the CPU's cache, and a whole piece that
//! compares equal needs no SHA-1: its hash is known.

use bytes::{Bytes, BytesMut};
use convoy_core::{
    Random,
    id::{BLOCK_LENGTH, FileIndex, PieceIndex},
    metainfo::{BuildError, Builder, Info, SourceFile},
    storage::{HashJob, HashOutcome, HashState, Layout},
};

/// Bytes in a unit: what peers ask for at once.
const UNIT: u64 = BLOCK_LENGTH as u64;

/// Where windows may start, in bytes.
const TAPE_STARTS: u64 = 1 << 20;

/// From the window of one unit to that of the next. Odd, so that no two of 2^20 units are alike, and
/// the golden section of the tape, so that neighbours do not overlap.
const STRIDE: u64 = 648_055;

/// How many first bytes a piece is found by.
const KEY_BYTES: usize = size_of::<u64>();

/// A torrent and its bytes. Shared by everyone who has to do with it.
///
/// Units repeat after 16 GiB.
///
/// ```
/// use convoy_core::{id::FileIndex, storage::{HashJob, HashOutcome}};
/// use convoy_sim::content::Content;
///
/// let content = Content::new(1, &[40_000, 0, 60_000], 32_768)?;
/// let bytes = content.read(FileIndex(2), 10, 100);
/// assert!(content.matches(FileIndex(2), 10, &bytes));
///
/// let piece = content.read(FileIndex(0), 0, 32_768);
/// let hash = content.info().piece_hash(Default::default()).ok_or("no piece")?;
/// assert_eq!(content.hash(HashJob::from(piece)), HashOutcome::Digest(hash));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Content {
    tape: Bytes,
    info: Info,
    layout: Layout,
    /// Where each file starts in the torrent, in bytes.
    starts: Vec<u64>,
    /// The first bytes of each piece, sorted.
    pieces_by_key: Vec<(u64, PieceIndex)>,
}

impl Content {
    /// A torrent of files of these lengths; of a single file if there is one. Hashes all of it once.
    ///
    /// # Errors
    /// If there are no bytes at all, or the piece length is not one for so many.
    pub fn new(seed: u64, files: &[u64], piece_length: u32) -> Result<Self, BuildError> {
        let tape = tape(seed);
        let name = format!("content-{seed}");
        let builder = match *files {
            [length] => Builder::single_file(name, length),
            _ => Builder::folder(name, (0..).zip(files).map(|(number, length)| source_file(number, *length))),
        };
        let plan = builder.keep_order().piece_length(piece_length).plan()?;
        let mut hasher = plan.hasher();
        runs(&tape, 0, plan.geometry().total_length()).for_each(|run| hasher.update(run));
        let info = plan.finish(&hasher.finish()?)?.info;

        let geometry = info.geometry;
        let pieces = (0..geometry.pieces()).map(PieceIndex);
        let key_of = |piece| {
            let length = u64::from(geometry.piece_size(piece)).min(KEY_BYTES as u64);
            key(runs(&tape, geometry.piece_offset(piece), length).flatten())
        };
        let mut pieces_by_key: Vec<_> = pieces.map(|piece| (key_of(piece), piece)).collect();
        pieces_by_key.sort_unstable();
        let starts = files.iter().scan(0, |end, length| {
            let start = *end;
            *end += length;
            Some(start)
        });
        let layout = Layout::new(files.iter().map(|length| (*length, false)), geometry);
        Ok(Self { starts: starts.collect(), tape, info, layout, pieces_by_key })
    }

    /// What the torrent is, with its hashes.
    #[must_use]
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// Where the files lie.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Bytes of `file`, as many of `length` as there are before its end. Without a copy inside a unit.
    #[must_use]
    pub fn read(&self, file: FileIndex, offset: u64, length: u32) -> Bytes {
        let file_length = self.layout.file_length(file);
        let offset = offset.min(file_length);
        let length = u64::from(length).min(file_length - offset);
        let start = self.start(file) + offset;
        if start % UNIT + length <= UNIT {
            let at = window(start);
            return self.tape.slice(at..at + length as usize);
        }
        let mut bytes = BytesMut::with_capacity(length as usize);
        runs(&self.tape, start, length).for_each(|run| bytes.extend_from_slice(run));
        bytes.freeze()
    }

    /// Whether the bytes of `file` from `offset` on are `data`. Not where the file has ended.
    #[must_use]
    pub fn matches(&self, file: FileIndex, offset: u64, data: &[u8]) -> bool {
        let length = data.len() as u64;
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.layout.file_length(file));
        inside && self.matches_at(self.start(file) + offset, data)
    }

    /// What [`HashJob::run`] gives; without hashing if the job is one whole piece, and right.
    #[must_use]
    pub fn hash(&self, job: HashJob) -> HashOutcome {
        match self.known_hash(&job) {
            Some(hash) => HashOutcome::Digest(hash),
            None => job.run(),
        }
    }

    fn known_hash(&self, job: &HashJob) -> Option<[u8; 20]> {
        let HashJob::Piece { state, data, last: true } = job else { return None };
        let key = key(data.iter().flatten());
        let found = self.pieces_by_key.partition_point(|(other, _)| *other < key);
        let (_, piece) = *self.pieces_by_key.get(found)?;
        let length: usize = data.iter().map(Bytes::len).sum();
        if length != self.info.geometry.piece_size(piece) as usize || *state != HashState::default() {
            return None;
        }
        let mut at = self.info.geometry.piece_offset(piece);
        let right = data.iter().all(|data| {
            let start = at;
            at += data.len() as u64;
            self.matches_at(start, data)
        });
        right.then(|| self.info.piece_hash(piece))?
    }

    /// Whether `data` is what the torrent has from `start` on.
    fn matches_at(&self, start: u64, mut data: &[u8]) -> bool {
        runs(&self.tape, start, data.len() as u64).all(|run| {
            let (head, rest) = data.split_at(run.len());
            data = rest;
            head == run
        })
    }

    /// Where `file` starts in the torrent.
    fn start(&self, file: FileIndex) -> u64 {
        self.starts.get(file.0 as usize).copied().unwrap_or_default()
    }
}

/// A tape of its own for every seed: torrents have no bytes in common.
fn tape(seed: u64) -> Bytes {
    let mut long_seed = [0; 32];
    long_seed[..8].copy_from_slice(&seed.to_le_bytes());
    let mut tape = vec![0; (TAPE_STARTS + UNIT) as usize];
    Random::new(long_seed).fill_public(&mut tape);
    tape.into()
}

fn source_file(number: u32, length: u64) -> SourceFile {
    SourceFile { path: vec![format!("{number:04}.bin")], length, executable: false }
}

/// Where on the tape the byte at `offset` of the torrent is.
fn window(offset: u64) -> usize {
    ((offset / UNIT).wrapping_mul(STRIDE) % TAPE_STARTS + offset % UNIT) as usize
}

/// The bytes of the torrent from `offset` on, cut where units end.
fn runs(tape: &[u8], offset: u64, length: u64) -> impl Iterator<Item = &[u8]> {
    let end = offset + length;
    let mut at = offset;
    core::iter::from_fn(move || {
        let length = (UNIT - at % UNIT).min(end - at);
        let start = window(at);
        at += length;
        (length > 0).then(|| tape.get(start..start + length as usize))?
    })
}

/// The first of `bytes`, as a number.
fn key<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.take(KEY_BYTES).fold(0, |key, byte| key << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    const FILES: [u64; 5] = [50_000, 0, 3, 16_384, 90_001];
    const PIECE_LENGTH: u32 = 40_000;

    static CONTENT: LazyLock<Content> = LazyLock::new(|| Content::new(7, &FILES, PIECE_LENGTH).unwrap());

    /// All files end to end.
    fn all() -> Vec<u8> {
        (0..)
            .map(FileIndex)
            .zip(FILES)
            .flat_map(|(file, length)| CONTENT.read(file, 0, length as u32))
            .collect()
    }

    #[test]
    fn the_torrent_is_one_that_readers_accept_and_its_hashes_are_those_of_the_bytes() {
        let info = CONTENT.info();
        assert_eq!(info.files.iter().map(|file| file.length).collect::<Vec<_>>(), FILES);
        assert_eq!(Info::parse(info.raw.clone()).as_ref(), Ok(info));
        for (piece, bytes) in (0..).map(PieceIndex).zip(all().chunks(PIECE_LENGTH as usize)) {
            let outcome = HashJob::from(Bytes::copy_from_slice(bytes)).run();
            assert_eq!(info.piece_hash(piece).map(HashOutcome::Digest), Some(outcome));
        }
    }

    #[test]
    fn other_seeds_and_other_units_have_other_bytes() {
        let unit = |seed, unit| {
            Content::new(seed, &[1 << 20], 1 << 18).unwrap().read(FileIndex(0), unit * UNIT, UNIT as u32)
        };
        let units = [unit(1, 0), unit(1, 1), unit(1, 2), unit(1, 63), unit(2, 0)];
        for (number, one) in units.iter().enumerate() {
            assert!(units[..number].iter().all(|other| other != one));
        }
    }

    #[test]
    fn a_block_is_read_without_a_copy() {
        let content = Content::new(1, &[1 << 20], 1 << 18).unwrap();
        let bytes = content.read(FileIndex(0), 5 * UNIT, UNIT as u32);
        assert!(content.tape.as_ptr_range().contains(&bytes.as_ptr()));
    }

    #[test]
    fn a_torrent_without_bytes_or_without_a_piece_length_is_refused() {
        assert_eq!(Content::new(1, &[0, 0], 16_384).err(), Some(BuildError::Empty));
        assert_eq!(Content::new(1, &[5], 0).err(), Some(BuildError::PieceLength));
    }

    #[test]
    fn whole_right_pieces_are_known_without_hashing() {
        for (piece, bytes) in (0..).map(PieceIndex).zip(all().chunks(PIECE_LENGTH as usize)) {
            let blocks = bytes.chunks(16_384).map(Bytes::copy_from_slice);
            assert_eq!(CONTENT.known_hash(&HashJob::whole(blocks.collect())), CONTENT.info.piece_hash(piece));
        }
    }

    proptest! {
        #[test]
        fn reads_give_the_bytes_of_the_file_up_to_its_end(file in 0..6_u32, offset in 0..100_000_u64, length in 0..60_000_u32) {
            let start: u64 = FILES.iter().take(file as usize).sum();
            let end = start + FILES.get(file as usize).copied().unwrap_or_default();
            let from = (start + offset).min(end);
            let to = (from + u64::from(length)).min(end);
            let read = CONTENT.read(FileIndex(file), offset, length);
            prop_assert_eq!(&read, &all()[from as usize..to as usize]);
            prop_assert!(offset > end - start || CONTENT.matches(FileIndex(file), offset, &read));
        }

        #[test]
        fn what_is_not_the_files_does_not_match(file in prop::sample::select(vec![0, 3, 4]), offset in 0..16_000_u64, length in 1..40_000_u32, wrong in any::<prop::sample::Index>()) {
            let mut bytes = BytesMut::from(CONTENT.read(FileIndex(file), offset, length));
            let wrong = wrong.index(bytes.len());
            bytes[wrong] ^= 1;
            prop_assert!(!CONTENT.matches(FileIndex(file), offset, &bytes));
            bytes[wrong] ^= 1;
            bytes.resize(FILES[file as usize] as usize + 1, 0);
            prop_assert!(!CONTENT.matches(FileIndex(file), offset, &bytes));
        }

        #[test]
        fn hashing_gives_what_running_the_job_gives(
            piece in 0..5_usize,
            cuts in prop::collection::vec(0..40_000_usize, 0..6),
            bytes in 0..40_000_usize,
            wrong in prop::option::of(0..40_000_usize),
            (last, begun) in (any::<bool>(), any::<bool>()),
            whole in any::<bool>(),
        ) {
            let mut data = all().chunks(PIECE_LENGTH as usize).nth(piece).unwrap_or_default().to_vec();
            if !whole {
                data.truncate(bytes);
            }
            if let Some(byte) = wrong.and_then(|wrong| data.get_mut(wrong)) {
                *byte ^= 0x40;
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(data.len())).collect();
            cuts.extend([0, data.len()]);
            cuts.sort_unstable();
            let data = cuts.windows(2).map(|cut| Bytes::copy_from_slice(&data[cut[0]..cut[1]])).collect();
            let mut state = HashState::default();
            if begun {
                let data = vec![Bytes::from_static(b"before")];
                let before = HashJob::Piece { state, data, last: false };
                let HashOutcome::Partial(after) = before.run() else { panic!("not the last") };
                state = after;
            }
            let job = HashJob::Piece { state, data, last };
            prop_assert_eq!(CONTENT.hash(job.clone()), job.run());
        }
    }
}
