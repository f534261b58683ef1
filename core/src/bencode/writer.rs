//! Values to bytes, canonical whatever the caller does.

use super::{Decoder, Limits, terminal};
use alloc::vec::Vec;

/// Writes one value behind what `Vec` already holds.
///
/// ```
/// use convoy_core::bencode::Writer;
///
/// let mut out = Vec::new();
/// Writer::new(&mut out).list(|list| {
///     list.integer(-1).string("two").dict(|dict| {
///         dict.integer(b"b", 2).integer(b"a", 1);
///     });
/// });
/// assert_eq!(out, b"li-1e3:twod1:ai1e1:bi2eee");
/// ```
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut Vec<u8>,
}

impl<'b> Writer<'b> {
    /// A writer at the end of `out`.
    #[must_use]
    pub const fn new(out: &'b mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Writes an integer.
    pub fn integer(self, value: i64) {
        self.out.push(b'i');
        if value < 0 {
            self.out.push(b'-');
        }
        decimal(self.out, value.unsigned_abs());
        self.out.push(b'e');
    }

    /// Writes a string.
    pub fn string(self, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        decimal(self.out, value.len() as u64);
        self.out.push(b':');
        self.out.extend_from_slice(value);
    }

    /// Writes a list of what `write` adds.
    pub fn list(self, write: impl FnOnce(&mut ListWriter<'_>)) {
        self.out.push(b'l');
        write(&mut ListWriter { out: self.out });
        self.out.push(b'e');
    }

    /// Writes a dictionary of what `write` adds.
    pub fn dict(self, write: impl FnOnce(&mut DictWriter<'_>)) {
        self.out.push(b'd');
        let start = self.out.len();
        write(&mut DictWriter { out: self.out, start, last: None });
        self.out.push(b'e');
    }

    /// Writes one value that is bencode already, such as an info dictionary whose hash is known.
    pub fn raw(self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }
}

/// Adds values to a list.
#[derive(Debug)]
pub struct ListWriter<'b> {
    out: &'b mut Vec<u8>,
}

impl ListWriter<'_> {
    /// Adds an integer.
    pub fn integer(&mut self, value: i64) -> &mut Self {
        self.item(|item| item.integer(value))
    }

    /// Adds a string.
    pub fn string(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        self.item(|item| item.string(value))
    }

    /// Adds a list of what `write` adds.
    pub fn list(&mut self, write: impl FnOnce(&mut ListWriter<'_>)) -> &mut Self {
        self.item(|item| item.list(write))
    }

    /// Adds a dictionary of what `write` adds.
    pub fn dict(&mut self, write: impl FnOnce(&mut DictWriter<'_>)) -> &mut Self {
        self.item(|item| item.dict(write))
    }

    /// Adds one value that is bencode already.
    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.item(|item| item.raw(value))
    }

    fn item(&mut self, write: impl FnOnce(Writer<'_>)) -> &mut Self {
        write(Writer::new(self.out));
        self
    }
}

/// Adds entries to a dictionary. An entry goes where its key belongs; one whose key is there already takes
/// the other's place. In the order of keys each costs what it writes; out of order, what the dictionary holds.
#[derive(Debug)]
pub struct DictWriter<'b> {
    out: &'b mut Vec<u8>,
    /// Where the first entry starts.
    start: usize,
    /// Where the key of the last entry, the greatest so far, starts and ends.
    last: Option<(usize, usize)>,
}

impl DictWriter<'_> {
    /// Adds an integer under `key`.
    pub fn integer(&mut self, key: &[u8], value: i64) -> &mut Self {
        self.entry(key, |entry| entry.integer(value))
    }

    /// Adds a string under `key`.
    pub fn string(&mut self, key: &[u8], value: impl AsRef<[u8]>) -> &mut Self {
        self.entry(key, |entry| entry.string(value))
    }

    /// Adds a list of what `write` adds under `key`.
    pub fn list(&mut self, key: &[u8], write: impl FnOnce(&mut ListWriter<'_>)) -> &mut Self {
        self.entry(key, |entry| entry.list(write))
    }

    /// Adds a dictionary of what `write` adds under `key`.
    pub fn dict(&mut self, key: &[u8], write: impl FnOnce(&mut DictWriter<'_>)) -> &mut Self {
        self.entry(key, |entry| entry.dict(write))
    }

    /// Adds one value that is bencode already under `key`.
    pub fn raw(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        self.entry(key, |entry| entry.raw(value))
    }

    fn entry(&mut self, key: &[u8], write: impl FnOnce(Writer<'_>)) -> &mut Self {
        let at = self.out.len();
        let last = self.last.and_then(|(start, end)| self.out.get(start..end));
        let in_order = last.is_none_or(|last| last < key);
        Writer::new(self.out).string(key);
        let key_end = self.out.len();
        write(Writer::new(self.out));
        if in_order {
            self.last = Some((key_end - key.len(), key_end));
        } else {
            self.put_in_place(key, at);
        }
        self
    }

    /// Moves the entry at `at`, the last one, in front of the first whose key is not less, and takes that
    /// one out if it has the same key.
    #[cold]
    fn put_in_place(&mut self, key: &[u8], at: usize) {
        let (place, end) = self.find(key, at);
        let length = self.out.len() - at;
        if let Some(tail) = self.out.get_mut(place..) {
            tail.rotate_right(length);
        }
        self.out.drain(place + length..end + length);
        if let Some((start, stop)) = &mut self.last
            && *start >= end
        {
            *start = *start + length - (end - place);
            *stop = *stop + length - (end - place);
        }
    }

    /// Where the entry of `key` belongs, and where the entry that it replaces ends.
    fn find(&self, key: &[u8], before: usize) -> (usize, usize) {
        let mut place = self.start;
        loop {
            let entry = self.out.get(place..before).unwrap_or_default();
            let Some((name, length)) = read_entry(entry) else { return (place, place) };
            if name >= key {
                return (place, if name == key { place + length } else { place });
            }
            place += length;
        }
    }
}

/// The key of the entry at the start of `entries`, and how long the entry is.
fn read_entry(entries: &[u8]) -> Option<(&[u8], usize)> {
    let (rest, length) = terminal::length(entries).ok()?;
    let (name, value) = rest.split_at_checked(length)?;
    let all = Limits { depth: u16::MAX, tokens: u32::MAX, bytes: usize::MAX };
    let (_, used) = Decoder::lenient().with_limits(all).decode_prefix(value).ok()?;
    Some((name, entries.len() - value.len() + used))
}

fn decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        length += 1;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - length..).unwrap_or_default());
}
