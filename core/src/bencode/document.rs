//! What was read: the token index, and cursors into it.

use super::terminal;
use alloc::vec::Vec;
use core::fmt;

/// One entry of the index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// Where it starts in the input.
    pub(super) start: u32,
    /// The entry behind the value. While a container is open: its parent, or [`Token::NONE`].
    pub(super) next: u32,
    pub(super) kind: Kind,
    /// Of a string: how long its length prefix is, colon and all.
    pub(super) header: u8,
    /// Whether all dictionaries in it, and it itself, are sorted.
    pub(super) canonical: bool,
}

impl Token {
    /// No entry has this number: limits stop before it.
    pub(super) const NONE: u32 = u32::MAX;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    String,
    List,
    Dict,
    End,
}

/// The index of a decoded input: room that can be used again for the next one.
///
/// ```
/// use convoy_core::bencode::{Decoder, Tokens};
///
/// let mut tokens = Tokens::default();
/// for packet in [b"i1e", b"i2e"] {
///     let value = Decoder::lenient().decode_in(&mut tokens, packet)?;
///     assert_eq!(value.raw(), packet);
/// }
/// # Ok::<(), convoy_core::bencode::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tokens(pub(super) Vec<Token>);

impl Tokens {
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Token> {
        self.0.get(index as usize)
    }

    /// Heap bytes held.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Token>()
    }
}

/// A decoded input with its index.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    pub(super) input: &'a [u8],
    pub(super) tokens: Tokens,
}

impl<'a> Document<'a> {
    /// The value that the input is.
    #[must_use]
    pub const fn root(&self) -> Value<'_, 'a> {
        Value::root(self.input, &self.tokens)
    }
}

/// A value: a cursor into the index (`'t`) of an input (`'a`). As cheap to copy as a slice.
#[derive(Clone, Copy)]
pub struct Value<'t, 'a> {
    input: &'a [u8],
    tokens: &'t Tokens,
    index: u32,
}

impl<'t, 'a> Value<'t, 'a> {
    pub(super) const fn root(input: &'a [u8], tokens: &'t Tokens) -> Self {
        Self { input, tokens, index: 0 }
    }

    /// The number, if this is an integer.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        self.token_of(Kind::Integer)?;
        terminal::integer(self.raw()).ok().map(|(_, value)| value)
    }

    /// The bytes, if this is a string.
    #[inline]
    #[must_use]
    pub fn string(self) -> Option<&'a [u8]> {
        let token = self.token_of(Kind::String)?;
        self.raw().get(usize::from(token.header)..)
    }

    /// The text, if this is a string of UTF-8.
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        core::str::from_utf8(self.string()?).ok()
    }

    /// The values in it, if this is a list.
    #[must_use]
    pub fn list(self) -> Option<Items<'t, 'a>> {
        self.token_of(Kind::List)?;
        Some(self.content())
    }

    /// The entries, if this is a dictionary.
    #[must_use]
    pub fn dict(self) -> Option<Dict<'t, 'a>> {
        self.token_of(Kind::Dict)?;
        Some(Dict { content: self.content() })
    }

    /// The bytes of the value as they stand in the input: what an info-hash covers.
    #[inline]
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.range().and_then(|(start, end)| self.input.get(start..end)).unwrap_or_default()
    }

    /// Whether [`raw`](Self::raw) is canonical bencode. Always so under strict rules.
    #[must_use]
    pub fn is_canonical(self) -> bool {
        self.token().is_some_and(|token| token.canonical)
    }

    /// Where the value starts in the input, in bytes.
    #[must_use]
    pub fn offset(self) -> usize {
        self.token().map_or(0, |token| token.start as usize)
    }

    #[inline]
    fn token(self) -> Option<&'t Token> {
        self.tokens.get(self.index)
    }

    #[inline]
    fn token_of(self, kind: Kind) -> Option<&'t Token> {
        self.token().filter(|token| token.kind == kind)
    }

    #[inline]
    fn range(self) -> Option<(usize, usize)> {
        let token = self.token()?;
        Some((token.start as usize, self.tokens.get(token.next)?.start as usize))
    }

    const fn content(self) -> Items<'t, 'a> {
        Items { next: Self { index: self.index + 1, ..self } }
    }
}

impl fmt::Debug for Value<'_, '_> {
    /// The bytes, escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.raw().escape_ascii())
    }
}

/// The values of a list, first to last.
#[derive(Clone, Debug)]
pub struct Items<'t, 'a> {
    next: Value<'t, 'a>,
}

impl<'t, 'a> Iterator for Items<'t, 'a> {
    type Item = Value<'t, 'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let token = self.next.token().filter(|token| token.kind != Kind::End)?;
        let value = self.next;
        self.next.index = token.next;
        Some(value)
    }
}

/// A dictionary.
#[derive(Clone, Debug)]
pub struct Dict<'t, 'a> {
    content: Items<'t, 'a>,
}

impl<'t, 'a> Dict<'t, 'a> {
    /// The value under `key`. Goes through the keys from the first on; a value is stepped over whole.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Value<'t, 'a>> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Keys and values in the order in which they stand.
    #[must_use]
    pub fn iter(&self) -> Entries<'t, 'a> {
        Entries { content: self.content.clone() }
    }
}

impl<'t, 'a> IntoIterator for &Dict<'t, 'a> {
    type Item = (&'a [u8], Value<'t, 'a>);
    type IntoIter = Entries<'t, 'a>;

    fn into_iter(self) -> Entries<'t, 'a> {
        self.iter()
    }
}

/// The keys and values of a dictionary, first to last.
#[derive(Clone, Debug)]
pub struct Entries<'t, 'a> {
    content: Items<'t, 'a>,
}

impl<'t, 'a> Iterator for Entries<'t, 'a> {
    type Item = (&'a [u8], Value<'t, 'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let key = self.content.next()?.string()?;
        Some((key, self.content.next()?))
    }
}
