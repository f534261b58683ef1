//! Reads `.torrent` files: what surrounds the info dictionary.

use super::{
    Error, Info, Magnet, Malformed, Metainfo,
    address::{host, url},
    error::Field,
    info,
};
use crate::bencode::{Decoder, Dict, DictWriter, Document, Limits, ListWriter, Value, Writer};
use alloc::{string::String, vec::Vec};
use bytes::Bytes;

/// The most files that a torrent may have.
pub const MAX_FILES: u32 = 1_000_000;

/// The most trackers in all tiers, web seeds, and DHT nodes, each, that are taken from a torrent; those
/// beyond are left out. Ten times what the longest public lists have.
pub const MAX_ADDRESSES: usize = 1000;

/// What a torrent may cost, and how strict to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOptions {
    /// The longest file, in bytes. libtorrent's 10 MB unless set.
    pub max_bytes: usize,
    /// The most files. [`MAX_FILES`] unless set.
    pub max_files: u32,
    /// The most content, in bytes. 2^48 unless set: what ext4 and NTFS hold, many times over.
    pub max_total_length: u64,
    /// Whether to refuse an info dictionary that is not canonical bencode. Not unless set: such torrents
    /// are about, and their info-hash is that of the bytes as they are.
    pub reject_non_canonical: bool,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self {
            max_bytes: 10_000_000,
            max_files: MAX_FILES,
            max_total_length: 1 << 48,
            reject_non_canonical: false,
        }
    }
}

impl ParseOptions {
    /// Keys may stand in any order; whether they did is known afterwards ([`Value::is_canonical`]).
    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Document<'a>, Error> {
        let limits = Limits { bytes: self.max_bytes, ..Limits::FILE };
        Ok(Decoder::lenient().with_limits(limits).decode(bytes)?)
    }
}

impl Metainfo {
    /// Reads a `.torrent` file. Optional fields of the wrong type count as absent, one by one.
    ///
    /// # Errors
    /// What is wrong, or unsupported, or too large; a field that must be right is named.
    pub fn parse(bytes: Bytes) -> Result<Self, Error> {
        Self::parse_with(bytes, &ParseOptions::default())
    }

    /// Like [`parse`](Self::parse), within other limits.
    ///
    /// # Errors
    /// As for `parse`.
    pub fn parse_with(bytes: Bytes, options: &ParseOptions) -> Result<Self, Error> {
        let document = options.decode(&bytes)?;
        let dict = document.root().dict().ok_or(Malformed::NotDictionary)?;
        let info = dict.get(b"info").ok_or(Malformed::Missing(Field::Info))?;
        Ok(Self {
            info: info::read(info, bytes.slice_ref(info.raw()), options)?,
            trackers: read_trackers(&dict),
            web_seeds: read_web_seeds(&dict),
            nodes: read_nodes(&dict),
            comment: text(&dict, b"comment"),
            created_by: text(&dict, b"created by"),
            creation_date: dict.get(b"creation date").and_then(number),
        })
    }

    /// The `.torrent` file, canonical but for the info dictionary, which stays as it is. Reading it again
    /// gives an equal value. Of what was read, fields that have no place in [`Metainfo`] are not there,
    /// such as the `piece layers` of BEP 52.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.info.raw.len() + 1024);
        Writer::new(&mut out).dict(|dict| self.write(dict));
        out
    }

    fn write(&self, dict: &mut DictWriter<'_>) {
        self.write_trackers(dict);
        if let Some(comment) = &self.comment {
            dict.string(b"comment", comment);
        }
        if let Some(created_by) = &self.created_by {
            dict.string(b"created by", created_by);
        }
        if let Some(creation_date) = self.creation_date {
            dict.integer(b"creation date", creation_date);
        }
        dict.raw(b"info", &self.info.raw);
        if !self.nodes.is_empty() {
            dict.list(b"nodes", |nodes| {
                for (host, port) in &self.nodes {
                    nodes.list(|node| {
                        node.string(host).integer(i64::from(*port));
                    });
                }
            });
        }
        if !self.web_seeds.is_empty() {
            dict.list(b"url-list", |urls| write_strings(urls, &self.web_seeds));
        }
    }

    /// BEP 12: a list only where there is more to say than one tracker.
    fn write_trackers(&self, dict: &mut DictWriter<'_>) {
        let mut urls = self.trackers.iter().flatten();
        if let Some(first) = urls.next() {
            dict.string(b"announce", first);
        }
        if urls.next().is_some() {
            dict.list(b"announce-list", |tiers| {
                for tier in self.trackers.iter().filter(|tier| !tier.is_empty()) {
                    tiers.list(|urls| write_strings(urls, tier));
                }
            });
        }
    }

    /// The link that leads to the same torrent.
    #[must_use]
    pub fn magnet(&self) -> Magnet {
        Magnet {
            info_hash: Some(self.info.info_hash),
            info_hash_v2: self.info.info_hash_v2,
            name: Some(self.info.name.clone()),
            trackers: self.trackers.iter().flatten().cloned().collect(),
            web_seeds: self.web_seeds.clone(),
            nodes: self.nodes.clone(),
            ..Magnet::default()
        }
    }
}

impl Info {
    /// Reads an info dictionary by itself, as peers send it (BEP 9). That it is the one asked for, its
    /// [`info_hash`](Self::info_hash) tells.
    ///
    /// # Errors
    /// As for [`Metainfo::parse`].
    pub fn parse(raw: Bytes) -> Result<Self, Error> {
        Self::parse_with(raw, &ParseOptions::default())
    }

    /// Like [`parse`](Self::parse), within other limits.
    ///
    /// # Errors
    /// As for [`Metainfo::parse`].
    pub fn parse_with(raw: Bytes, options: &ParseOptions) -> Result<Self, Error> {
        let document = options.decode(&raw)?;
        info::read(document.root(), raw.clone(), options)
    }
}

pub(super) fn write_strings(list: &mut ListWriter<'_>, strings: &[String]) {
    for string in strings {
        list.string(string);
    }
}

/// BEP 12: where there is a list, `announce` does not count.
fn read_trackers(dict: &Dict<'_, '_>) -> Vec<Vec<String>> {
    let mut left = MAX_ADDRESSES;
    let tiers = dict.get(b"announce-list").and_then(Value::list).into_iter().flatten();
    let tiers: Vec<Vec<String>> = tiers
        .filter_map(Value::list)
        .map(|tier| {
            let urls: Vec<String> = tier.filter_map(read_url).take(left).collect();
            left -= urls.len();
            urls
        })
        .filter(|tier| !tier.is_empty())
        .collect();
    if !tiers.is_empty() {
        return tiers;
    }
    dict.get(b"announce").and_then(read_url).into_iter().map(|url| Vec::from([url])).collect()
}

/// BEP 19: one URL, or a list of them.
fn read_web_seeds(dict: &Dict<'_, '_>) -> Vec<String> {
    let Some(value) = dict.get(b"url-list") else { return Vec::new() };
    let list = value.list().into_iter().flatten().filter_map(read_url);
    read_url(value).into_iter().chain(list).take(MAX_ADDRESSES).collect()
}

/// BEP 5: pairs of host and port.
fn read_nodes(dict: &Dict<'_, '_>) -> Vec<(String, u16)> {
    let nodes = dict.get(b"nodes").and_then(Value::list).into_iter().flatten();
    nodes.filter_map(read_node).take(MAX_ADDRESSES).collect()
}

fn read_node(value: Value<'_, '_>) -> Option<(String, u16)> {
    let mut pair = value.list()?;
    let host = host(pair.next()?.text()?)?;
    let port = u16::try_from(pair.next()?.integer()?).ok().filter(|port| *port != 0)?;
    Some((host, port))
}

fn read_url(value: Value<'_, '_>) -> Option<String> {
    url(value.text()?)
}

/// A number, also where it is written as text.
fn number(value: Value<'_, '_>) -> Option<i64> {
    value.integer().or_else(|| value.text()?.trim().parse().ok())
}

/// Text under `key`; what is not UTF-8 in it is replaced.
pub(super) fn text(dict: &Dict<'_, '_>, key: &[u8]) -> Option<String> {
    Some(String::from_utf8_lossy(dict.get(key)?.string()?).into_owned())
}
