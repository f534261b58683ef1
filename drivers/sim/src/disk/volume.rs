//! The files of one torrent, as programs see them and as they would survive a loss of power.

use super::extents::{Extent, Extents};
use crate::content::Content;
use bytes::{Bytes, BytesMut};
use convoy_core::{
    Instant, Random,
    bitfield::Bitfield,
    id::{FileIndex, PieceIndex},
    storage::{FileStamp, Segment, StorageError},
};
use core::{mem, ops::Range};
use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

/// Where a write that was under way may be torn: a page reaches the disk whole or not at all.
const PAGE: u64 = 4096;

/// One torrent's files. What is written is seen at once, and durable when a flush has ended.
#[derive(Debug)]
pub(super) struct Volume {
    content: Rc<Content>,
    seen: Files,
    durable: Files,
    /// Seen but not durable, in order.
    unflushed: VecDeque<Write>,
    /// When a flush ends, and how many of the writes that were ever made it covers.
    flushes: VecDeque<(Instant, u64)>,
    /// How many of the writes that were ever made are durable, or were lost.
    settled: u64,
    pub(super) resume: Option<Bytes>,
}

/// In the torrent's order; `None` for one that is not there.
type Files = Vec<Option<File>>;

#[derive(Clone, Debug)]
struct File {
    extents: Extents,
    size: u64,
    mtime: i64,
}

/// A write, as little of it as must be remembered.
#[derive(Clone, Debug)]
struct Write {
    file: FileIndex,
    range: Range<u64>,
    /// From the first byte that is not the torrent's to the last, with its offset in the file. Few have it.
    wrong: Option<Box<(u64, Bytes)>>,
    mtime: i64,
}

impl Volume {
    /// Without any file; or `full`, with all of them whole and durable.
    pub(super) fn new(content: Rc<Content>, full: bool) -> Self {
        let files = content.info().files.iter().map(|file| full.then(|| File::whole(file.length)));
        let seen: Files = files.collect();
        Self {
            durable: seen.clone(),
            seen,
            content,
            unflushed: VecDeque::new(),
            flushes: VecDeque::new(),
            settled: 0,
            resume: None,
        }
    }

    /// Exactly `length` bytes.
    pub(super) fn read(&self, file: FileIndex, offset: u64, length: u32) -> Result<Bytes, StorageError> {
        let there = file_of(&self.seen, file).ok_or(StorageError::NotFound)?;
        let end = offset.checked_add(u64::from(length)).filter(|end| *end <= there.size);
        let range = offset..end.ok_or(StorageError::TooShort)?;
        let mut extents = there.extents.overlapping(range);
        let first = extents.next();
        if let Some((_, extent)) = &first
            && extent.length() == u64::from(length)
        {
            return Ok(self.bytes(file, offset, extent));
        }
        // Holes read as zeros.
        let mut bytes = BytesMut::zeroed(length as usize);
        for (at, extent) in first.into_iter().chain(extents) {
            let start = (at - offset) as usize;
            let part = self.bytes(file, at, &extent);
            if let Some(to) = bytes.get_mut(start..start + part.len()) {
                to.copy_from_slice(&part);
            }
        }
        Ok(bytes.freeze())
    }

    /// The bytes of an extent that is no longer than a read.
    fn bytes(&self, file: FileIndex, offset: u64, extent: &Extent) -> Bytes {
        match extent {
            Extent::Right(length) => self.content.read(file, offset, *length as u32),
            Extent::Literal(bytes) => bytes.clone(),
        }
    }

    /// Writes `data`, and makes the file if it is missing. No file of the torrent, no write.
    pub(super) fn write(
        &mut self,
        file: FileIndex,
        offset: u64,
        data: &[u8],
        mtime: i64,
    ) -> Result<(), StorageError> {
        if file.0 as usize >= self.seen.len() {
            return Err(StorageError::NotFound);
        }
        let range = offset..offset.saturating_add(data.len() as u64);
        let write = Write { file, range, wrong: deviation(&self.content, file, offset, data), mtime };
        write.apply(&mut self.seen);
        self.unflushed.push_back(write);
        Ok(())
    }

    /// Makes what was written so far durable, at `end`. Ends never go backwards.
    pub(super) fn flush(&mut self, end: Instant) {
        self.flushes.push_back((end, self.settled + self.unflushed.len() as u64));
    }

    /// Carries out the flushes that have ended by now.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some((_, covered)) = self.flushes.pop_front_if(|(end, _)| *end <= now) {
            while self.settled < covered
                && let Some(write) = self.unflushed.pop_front()
            {
                write.apply(&mut self.durable);
                self.settled += 1;
            }
            if self.unflushed.is_empty() {
                // Thousands of disks that have come to rest must not hold on to what they needed before.
                self.unflushed.shrink_to_fit();
            }
        }
    }

    /// Each write that is not durable is kept, lost or torn, whatever became of those before it, and a file
    /// that was new may be gone.
    pub(super) fn power_loss(&mut self, now: Instant, random: &mut Random) {
        self.settle(now);
        self.flushes.clear();
        let mut gone = BTreeMap::new();
        for write in mem::take(&mut self.unflushed) {
            self.settled += 1;
            let new = file_of(&self.durable, write.file).is_none();
            if new && *gone.entry(write.file).or_insert_with(|| random.below(2) == 0) {
                continue;
            }
            // The file itself is there, even if nothing of what was written to it is.
            let creation = new.then_some(write.range.start..write.range.start);
            for range in creation.into_iter().chain(write.survivor(random)) {
                write.part(range).apply(&mut self.durable);
            }
        }
        self.seen.clone_from(&self.durable);
    }

    /// Size and time of change of each file.
    pub(super) fn stamps(&self) -> Vec<Option<FileStamp>> {
        let stamp = |file: &File| FileStamp { size: file.size, mtime: file.mtime };
        self.seen.iter().map(|file| file.as_ref().map(stamp)).collect()
    }

    /// Bytes that the files take up; holes take up none.
    pub(super) fn bytes_used(&self) -> u64 {
        self.seen.iter().flatten().map(|file| file.extents.bytes()).sum()
    }

    /// How many of the bytes in `range` would have to be found room for.
    pub(super) fn room_needed(&self, file: FileIndex, range: Range<u64>) -> u64 {
        let length = range.end - range.start;
        file_of(&self.seen, file).map_or(length, |file| {
            length - file.extents.overlapping(range).map(|(_, extent)| extent.length()).sum::<u64>()
        })
    }

    /// A piece that is `claimed`, and whose bytes are not all here and right.
    pub(super) fn first_wrong_piece(&self, claimed: &Bitfield) -> Option<PieceIndex> {
        let layout = self.content.layout();
        claimed.iter().find(|piece| !layout.piece_segments(*piece).all(|segment| self.is_right(segment)))
    }

    fn is_right(&self, segment: Segment) -> bool {
        let Some(file) = segment.file else { return true };
        let range = segment.offset..segment.offset + u64::from(segment.length);
        let all_right = file_of(&self.seen, file).is_some_and(|there| {
            let mut extents = there.extents.overlapping(range);
            extents.next().is_some_and(|(_, it)| it == Extent::Right(u64::from(segment.length)))
        });
        let bytes_match = || {
            let bytes = self.read(file, segment.offset, segment.length);
            bytes.is_ok_and(|bytes| self.content.matches(file, segment.offset, &bytes))
        };
        all_right || bytes_match()
    }
}

impl File {
    fn empty(mtime: i64) -> Self {
        Self { extents: Extents::default(), size: 0, mtime }
    }

    fn whole(size: u64) -> Self {
        let mut file = Self { size, ..Self::empty(0) };
        file.extents.put(0, Extent::Right(size));
        file
    }
}

impl Write {
    fn apply(&self, files: &mut Files) {
        let Some(file) = files.get_mut(self.file.0 as usize) else { return };
        let file = file.get_or_insert_with(|| File::empty(self.mtime));
        file.extents.put(self.range.start, Extent::Right(self.range.end - self.range.start));
        if let Some((offset, bytes)) = self.wrong.as_deref() {
            file.extents.put(*offset, Extent::Literal(bytes.clone()));
        }
        if !self.range.is_empty() {
            file.size = file.size.max(self.range.end);
        }
        file.mtime = self.mtime;
    }

    /// What a loss of power leaves of it.
    fn survivor(&self, random: &mut Random) -> Option<Range<u64>> {
        let Range { start, end } = self.range.clone();
        let first = (start / PAGE + 1) * PAGE;
        let boundaries = end.saturating_sub(first).div_ceil(PAGE) as u32;
        match random.below(3) {
            0 => None,
            1 => Some(start..end),
            _ => {
                let middle = first.min(end) + u64::from(random.below(boundaries)) * PAGE;
                Some(if random.below(2) == 0 { start..middle } else { middle..end })
            }
        }
        .filter(|range| !range.is_empty())
    }

    /// The part in `range`, which lies inside it.
    fn part(&self, range: Range<u64>) -> Self {
        let wrong = self.wrong.as_deref().and_then(|(offset, bytes)| {
            let start = range.start.max(*offset);
            let end = range.end.min(offset + bytes.len() as u64);
            let kept = || bytes.slice((start - offset) as usize..(end - offset) as usize);
            (start < end).then(|| Box::new((start, kept())))
        });
        Self { file: self.file, range, wrong, mtime: self.mtime }
    }
}

fn file_of(files: &Files, file: FileIndex) -> Option<&File> {
    files.get(file.0 as usize)?.as_ref()
}

/// From the first byte of `data` that is not the torrent's to the last.
fn deviation(content: &Content, file: FileIndex, offset: u64, data: &[u8]) -> Option<Box<(u64, Bytes)>> {
    if content.matches(file, offset, data) {
        return None;
    }
    let right = content.read(file, offset, data.len() as u32);
    let differs = |at: usize| data.get(at) != right.get(at);
    let first = (0..data.len()).find(|at| differs(*at))?;
    let last = (first..data.len()).rfind(|at| differs(*at))?;
    Some(Box::new((offset + first as u64, Bytes::copy_from_slice(data.get(first..=last)?))))
}
