//! Bencode of any shape, with the words that a reader looks for.

use arbitrary::Arbitrary;
use convoy_core::bencode::{DictWriter, ListWriter, Writer};

/// A value.
#[derive(Arbitrary, Clone, Debug)]
pub enum Tree {
    Integer(i64),
    Small(u8),
    String(Vec<u8>),
    Word(u8),
    List(Vec<Self>),
    Dict(Vec<(Key, Self)>),
}

/// A key.
#[derive(Arbitrary, Clone, Debug)]
pub enum Key {
    Word(u8),
    Other(Vec<u8>),
}

impl Key {
    fn bytes<'a>(&'a self, words: &[&'a str]) -> &'a [u8] {
        match self {
            Self::Word(number) => word(*number, words),
            Self::Other(bytes) => bytes,
        }
    }
}

fn word<'a>(number: u8, words: &[&'a str]) -> &'a [u8] {
    words[usize::from(number) % words.len()].as_bytes()
}

impl Tree {
    /// The value in canonical bencode.
    pub fn encode(&self, words: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        let writer = Writer::new(&mut out);
        match self {
            Self::Integer(number) => writer.integer(*number),
            Self::Small(number) => writer.integer(i64::from(*number)),
            Self::String(bytes) => writer.string(bytes),
            Self::Word(number) => writer.string(word(*number, words)),
            Self::List(items) => writer.list(|list| fill_list(list, items, words)),
            Self::Dict(entries) => writer.dict(|dict| fill_dict(dict, entries, words)),
        }
        out
    }

    /// How many lists and dictionaries stand inside one another.
    pub fn depth(&self) -> usize {
        match self {
            Self::Integer(_) | Self::Small(_) | Self::String(_) | Self::Word(_) => 0,
            Self::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Dict(entries) => 1 + entries.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
        }
    }
}

fn fill_list(list: &mut ListWriter<'_>, items: &[Tree], words: &[&str]) {
    items.iter().for_each(|item| {
        list.raw(&item.encode(words));
    });
}

/// Adds entries to a dictionary, in the order in which they are.
pub fn fill_dict(dict: &mut DictWriter<'_>, entries: &[(Key, Tree)], words: &[&str]) {
    for (key, value) in entries {
        dict.raw(key.bytes(words), &value.encode(words));
    }
}
