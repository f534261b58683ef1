//! A run of neighbouring blocks that a web seed was asked for, fetched file by file.

use crate::{
    fetch::{ContentRange, Head, Request},
    id::{BLOCK_LENGTH, Block, FileIndex, PieceIndex},
    storage::{Geometry, Layout, Segment},
    swarm::WebSeedEnd,
};
use alloc::{collections::VecDeque, string::String};
use bytes::{Bytes, BytesMut};
use core::ops::Range;

/// The most bytes of one run: long enough that the time between two requests does not count, short enough
/// that two runs at one server leave work for others.
const MAX_RUN: u64 = 4 << 20;

/// The most bytes of a whole file that are on their way beyond what was asked for.
const WINDOW: u64 = 1 << 20;

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The blocks that are asked for and not here yet, in order.
    pub(super) due: VecDeque<Block>,
    /// Where the next byte belongs, counted from the start of the torrent.
    at: u64,
    /// What is here of the block around `at`, if that is known from its beginning.
    part: BytesMut,
    body: Body,
}

/// What is being fetched.
#[derive(Clone, Debug, Default)]
struct Body {
    /// The bytes of the file around it that are asked for.
    asked: Range<u64>,
    /// The bytes of the torrent that are those of the file.
    file: Range<u64>,
    kind: Kind,
    /// Where the body ends, counted from the start of the torrent.
    end: u64,
    /// Bytes that the driver may still hand on.
    credit: u64,
}

/// What the server sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    /// It has not said yet.
    #[default]
    Unknown,
    /// What was asked for.
    Part,
    /// The file from its first byte on.
    Whole,
}

/// How a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// These bytes of a file are to be fetched.
    Fetch(FileIndex, u64, u32),
    /// So many zeros come next: padding, which no server has (BEP 47).
    Zeros(u32),
    /// It is done.
    Over,
}

impl Run {
    /// Takes the first blocks that lie side by side.
    pub(super) fn first_of(asked: &mut VecDeque<Block>, geometry: Geometry) -> Option<Self> {
        let first = asked.pop_front()?;
        let at = geometry.block_offset(first);
        let mut end = at + u64::from(first.length);
        let mut due = VecDeque::from([first]);
        let fits = |next: &mut Block, end| geometry.block_offset(*next) == end && end - at < MAX_RUN;
        while let Some(next) = asked.pop_front_if(|next| fits(next, end)) {
            end += u64::from(next.length);
            due.push_back(next);
        }
        Some(Self { due, at, part: BytesMut::new(), body: Body::default() })
    }

    /// What comes next. The block at the end of a file goes on in the next one; otherwise the run goes on
    /// with the first block that is due.
    pub(super) fn next(&mut self, layout: &Layout) -> Next {
        let geometry = layout.geometry();
        let Some(start) = self.due.front().map(|first| geometry.block_offset(*first)) else {
            return Next::Over;
        };
        if self.at != start + self.part.len() as u64 {
            self.part.clear();
            self.at = start;
        }
        let mut end = start;
        for block in &self.due {
            if geometry.block_offset(*block) != end {
                break;
            }
            end += u64::from(block.length);
        }
        // No longer than `MAX_RUN` and a block.
        match layout.segments(self.at, (end - self.at) as u32).next() {
            Some(Segment { file: Some(file), offset, length }) => Next::Fetch(file, offset, length),
            Some(Segment { file: None, length, .. }) => Next::Zeros(length.min(BLOCK_LENGTH)),
            None => Next::Over,
        }
    }

    /// Begins to fetch bytes of a file.
    pub(super) fn begin(&mut self, url: String, file: Range<u64>, offset: u64, length: u32) -> Request {
        let asked = offset..offset + u64::from(length);
        let request = Request { url, first: asked.start, last: asked.end - 1 };
        // One byte more than was asked for tells a body that is too long.
        self.body = Body { asked, file, kind: Kind::Unknown, end: self.at, credit: u64::from(length) + 1 };
        request
    }

    /// Bytes that the driver may still hand on.
    pub(super) const fn credit(&self) -> u64 {
        self.body.credit
    }

    /// How many more bytes of a whole file the driver is to be lent: none before half of the window is used
    /// up, and none that are not to come, but one that tells a body that is too long.
    pub(super) fn appetite(&self) -> u64 {
        let window = WINDOW.min(self.body.end.saturating_sub(self.at) + 1);
        if self.body.credit * 2 < window { window - self.body.credit } else { 0 }
    }

    /// The driver may hand on more.
    pub(super) const fn lend(&mut self, bytes: u64) {
        self.body.credit += bytes;
    }

    /// The bytes of the torrent that are those of the file that is fetched.
    pub(super) fn file(&self) -> Range<u64> {
        self.body.file.clone()
    }

    /// The server answers: what it will send, or why that is of no use.
    pub(super) fn on_head(&mut self, head: Head) -> Result<(), WebSeedEnd> {
        let Body { asked, file, kind, end, .. } = &mut self.body;
        let length = file.end - file.start;
        match head.status {
            206 => {
                let whole = |range: &ContentRange| range.total.is_none_or(|total| total == length);
                let same = |range: &ContentRange| range.first == asked.start && range.last + 1 == asked.end;
                if !head.content_range.is_some_and(|range| same(&range) && whole(&range)) {
                    return Err(WebSeedEnd::WrongRange);
                }
                (*kind, *end) = (Kind::Part, file.start + asked.end);
            }
            200 => {
                (*kind, *end) = (Kind::Whole, file.end);
                if asked.start > 0 {
                    self.part.clear();
                    self.at = file.start;
                }
            }
            status => {
                let busy = head.retry_after.filter(|_| matches!(status, 429 | 503));
                return Err(busy.map_or(WebSeedEnd::Status(status), |retry_after| WebSeedEnd::Busy {
                    status,
                    retry_after,
                }));
            }
        }
        Ok(())
    }

    /// Bytes come in: whether they belong there.
    pub(super) fn on_body(&mut self, bytes: u64) -> Result<(), WebSeedEnd> {
        self.body.credit = self.body.credit.saturating_sub(bytes);
        if bytes > self.body.end.saturating_sub(self.at) { Err(WebSeedEnd::TooLong) } else { Ok(()) }
    }

    /// The body is at its end: whether all of it came.
    pub(super) fn on_end(&self) -> Result<(), WebSeedEnd> {
        let whole = self.body.kind != Kind::Unknown && self.at == self.body.end;
        if whole { Ok(()) } else { Err(WebSeedEnd::TooShort) }
    }

    /// Whether the server sends the whole file.
    pub(super) fn is_whole_file(&self) -> bool {
        self.body.kind == Kind::Whole
    }

    /// The bytes of the torrent that are still to come of a body.
    pub(super) const fn rest(&self) -> Range<u64> {
        self.at..self.body.end
    }

    /// Cuts the next whole block off `data`; `None` once that is used up. The end of a block whose
    /// beginning is not here is dropped.
    pub(super) fn cut(&mut self, data: &mut Bytes, geometry: Geometry) -> Option<(Block, Bytes)> {
        while !data.is_empty() {
            let block = block_at(geometry, self.at)?;
            let start = geometry.block_offset(block);
            let end = start + u64::from(block.length);
            let bytes = data.split_to(data.len().min((end - self.at) as usize));
            let known = self.at == start + self.part.len() as u64;
            self.at += bytes.len() as u64;
            if !known {
                continue;
            }
            if bytes.len() == block.length as usize {
                return Some((block, bytes));
            }
            if self.part.is_empty() {
                self.part.reserve(block.length as usize);
            }
            self.part.extend_from_slice(&bytes);
            if self.at == end {
                return Some((block, self.part.split().freeze()));
            }
        }
        None
    }

    /// A block is here, or not wanted any more; whether it was due.
    pub(super) fn strike(&mut self, block: Block) -> bool {
        strike(&mut self.due, block)
    }

    /// Heap bytes held.
    pub(super) fn memory(&self) -> usize {
        self.due.capacity() * size_of::<Block>() + self.part.capacity()
    }
}

/// Takes a block out of a list, in which it stands at the front as a rule.
pub(super) fn strike(blocks: &mut VecDeque<Block>, block: Block) -> bool {
    let place = blocks.iter().position(|other| *other == block);
    place.is_some_and(|place| blocks.remove(place).is_some())
}

/// The pieces in which bytes of the torrent lie; none for no bytes.
pub(super) fn pieces_at(bytes: Range<u64>, geometry: Geometry) -> impl Iterator<Item = PieceIndex> {
    let length = u64::from(geometry.piece_length());
    let end = bytes.end.min(geometry.total_length());
    ((bytes.start / length) as u32..end.div_ceil(length) as u32).map(PieceIndex)
}

/// The block in which a byte of the torrent lies.
fn block_at(geometry: Geometry, at: u64) -> Option<Block> {
    let length = u64::from(geometry.piece_length());
    let piece = PieceIndex(u32::try_from(at / length).ok()?);
    geometry.block(piece, (at % length) as u32 / BLOCK_LENGTH)
}
