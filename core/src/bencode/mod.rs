//! bencode (BEP 3): the notation of torrents, extension handshakes, DHT packets and resume files.
//!
//! A [`Decoder`] reads a byte string once, from left to right, into a flat index of [`Tokens`]: one small
//! entry for each value, key and end mark, in the order in which they stand. There is no tree. A container's
//! entry says where the entry behind it is, so a [`Value`] (a cursor into the index) steps over what it does
//! not want, and every string it gives out is a slice of the input. While a container is open its entry holds
//! the way back to its parent, so the index is its own stack: nothing recurses, whatever a peer nests.
//!
//! Two sets of [`Rules`]. *Strict* accepts canonical bencode only: for info dictionaries that others
//! will hash, for items of the DHT, for our own files. *Lenient* differs in one point: keys may stand in any
//! order, as some trackers and old clients write them, and [`Value::is_canonical`] tells. Leading zeros,
//! `-0`, integers beyond 64 bits, duplicate keys and trailing bytes are errors in both. What a decoder spends
//! is bounded by its [`Limits`], and a declared length never allocates anything.
//!
//! A [`Writer`] writes canonical bencode: entries of a dictionary stand in order however they are added.
//!
//! ```
//! use convoy_core::bencode::{Decoder, Writer};
//!
//! let document = Decoder::strict().decode(b"d4:name6:convoy4:sizei7ee")?;
//! let dict = document.root().dict().ok_or("not a dictionary")?;
//! assert_eq!(dict.get(b"name").and_then(|name| name.text()), Some("convoy"));
//! assert_eq!(dict.get(b"size").and_then(|size| size.integer()), Some(7));
//!
//! let mut again = Vec::new();
//! Writer::new(&mut again).dict(|dict| {
//!     dict.integer(b"size", 7).string(b"name", "convoy");
//! });
//! assert_eq!(again, b"d4:name6:convoy4:sizei7ee");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod document;
mod error;
mod scan;
mod terminal;
#[cfg(test)]
mod tests;
mod writer;

pub use document::{Dict, Document, Entries, Items, Tokens, Value};
pub use error::{Error, ErrorKind};
pub use writer::{DictWriter, ListWriter, Writer};

/// What a decoder may spend on one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many lists and dictionaries may stand inside one another.
    pub depth: u16,
    /// How many values, keys and end marks there may be. Twelve bytes of memory each.
    pub tokens: u32,
    /// How long the input may be, in bytes. More than 4 GiB counts as 4 GiB.
    pub bytes: usize,
}

impl Limits {
    /// For files: 32 deep, libtorrent's three million tokens, and room for the 30 MiB of metadata that
    /// libtorrent takes from peers.
    pub const FILE: Self = Self { depth: 32, tokens: 3_000_000, bytes: 32 << 20 };

    /// For what peers, trackers and DHT nodes send: 16 deep, ten thousand tokens, 1 MiB.
    pub const MESSAGE: Self = Self { depth: 16, tokens: 10_000, bytes: 1 << 20 };
}

/// Which byte strings are bencode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Canonical bencode only.
    Strict,
    /// Keys may stand in any order; all else is as in strict.
    Lenient,
}

/// Reads bencode. Cheap to make and to copy; keeps nothing between inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoder {
    rules: Rules,
    limits: Limits,
}

impl Decoder {
    /// Accepts canonical bencode within [`Limits::FILE`].
    #[must_use]
    pub const fn strict() -> Self {
        Self { rules: Rules::Strict, limits: Limits::FILE }
    }

    /// Accepts keys in any order, within [`Limits::MESSAGE`].
    #[must_use]
    pub const fn lenient() -> Self {
        Self { rules: Rules::Lenient, limits: Limits::MESSAGE }
    }

    /// The same rules within other limits.
    #[must_use]
    pub const fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Reads `input`, which must be one value and nothing else.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn decode<'a>(&self, input: &'a [u8]) -> Result<Document<'a>, Error> {
        let mut tokens = Tokens::default();
        self.decode_in(&mut tokens, input)?;
        Ok(Document { input, tokens })
    }

    /// Reads the value at the start of `input` and tells how many bytes it takes. For `ut_metadata` (BEP 9),
    /// where a block of data follows the dictionary.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn decode_prefix<'a>(&self, input: &'a [u8]) -> Result<(Document<'a>, usize), Error> {
        let mut tokens = Tokens::default();
        let used = scan::scan(self.rules, self.limits, input, &mut tokens)?;
        Ok((Document { input, tokens }, used))
    }

    /// Like [`decode`](Self::decode), but keeps the index in `tokens`, whose room is used again: a caller
    /// that reads many packets allocates nothing for the next one.
    ///
    /// # Errors
    /// What is wrong, and where.
    #[inline]
    pub fn decode_in<'t, 'a>(&self, tokens: &'t mut Tokens, input: &'a [u8]) -> Result<Value<'t, 'a>, Error> {
        match scan::scan(self.rules, self.limits, input, tokens)? {
            used if used == input.len() => Ok(Value::root(input, tokens)),
            used => Err(Error { offset: used, kind: ErrorKind::TrailingBytes }),
        }
    }
}
