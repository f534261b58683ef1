//! Magnet links: a torrent named by its info-hash (BEP 9), with hints where to ask.

use super::{
    MAX_FILES,
    address::{endpoint, url, write_endpoint},
    sanitise_element,
};
use crate::id::{FileIndex, InfoHash};
use alloc::{
    borrow::Cow,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, ops::RangeInclusive, str::FromStr};
use data_encoding::{BASE32_NOPAD_NOCASE, HEXLOWER, HEXLOWER_PERMISSIVE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

/// The longest link that is read, in bytes.
pub const MAX_MAGNET_BYTES: usize = 64 * 1024;

/// The most trackers, web seeds, peers and DHT nodes, each, that are taken from a link. More than anyone
/// lists; a link of 64 KiB has room for thousands.
pub const MAX_MAGNET_HINTS: usize = 100;

/// What stands as it is in a parameter: the unreserved characters of RFC 3986, 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A magnet link (BEP 9, BEP 53).
///
/// ```
/// use convoy_core::metainfo::Magnet;
///
/// let magnet = Magnet::parse("magnet:?dn=A+film&xt=urn:btih:GIIUEM2A5I6O2HN6UCFR6LNSFDNYPNTD")?;
/// assert_eq!(magnet.name.as_deref(), Some("A film"));
/// assert_eq!(
///     magnet.to_string(),
///     "magnet:?xt=urn:btih:3211423340ea3ced1dbea08b1f2db228db87b663&dn=A%20film"
/// );
/// # Ok::<(), convoy_core::metainfo::MagnetError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Magnet {
    /// SHA-1 of the info dictionary (`xt=urn:btih:`). A parsed link has this or `info_hash_v2`, or both.
    pub info_hash: Option<InfoHash>,
    /// SHA-256 of the info dictionary (`xt=urn:btmh:`, BEP 52).
    pub info_hash_v2: Option<[u8; 32]>,
    /// What to call the torrent until its metadata is there (`dn`). Fit for every file system.
    pub name: Option<String>,
    /// Tracker URLs (`tr`), each a tier of its own.
    pub trackers: Vec<String>,
    /// Web seeds (`ws`, BEP 19).
    pub web_seeds: Vec<String>,
    /// Peers to dial (`x.pe`): `host:port` or `[v6]:port`.
    pub peers: Vec<String>,
    /// Files to download (`so`, BEP 53), in order and apart from one another. Empty: all.
    pub select: Vec<RangeInclusive<FileIndex>>,
    /// DHT nodes (`dht`): host and port.
    pub nodes: Vec<(String, u16)>,
}

/// Why a text is not a magnet link that one can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MagnetError {
    /// Longer than [`MAX_MAGNET_BYTES`].
    #[error("the link is longer than 64 KiB")]
    TooLong,
    /// It does not start with `magnet:?`.
    #[error("not a magnet link")]
    NotMagnet,
    /// No `xt` of a BitTorrent kind.
    #[error("no info-hash in the link")]
    NoInfoHash,
    /// An info-hash that is not 40 hex digits, 32 of base32, or a SHA-256 multihash in hex.
    #[error("malformed info-hash")]
    BadInfoHash,
    /// Two info-hashes of one kind that differ.
    #[error("more than one info-hash of the same kind")]
    TwoInfoHashes,
}

/// A text that is neither 40 hex digits nor 32 digits of base32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an info-hash is 40 hex digits or 32 of base32")]
pub struct BadInfoHash;

impl FromStr for InfoHash {
    type Err = BadInfoHash;

    /// Reads 40 hex digits or 32 digits of base32, in any case.
    fn from_str(text: &str) -> Result<Self, BadInfoHash> {
        let bytes = match text.len() {
            40 => HEXLOWER_PERMISSIVE.decode(text.as_bytes()),
            32 => BASE32_NOPAD_NOCASE.decode(text.as_bytes()),
            _ => return Err(BadInfoHash),
        };
        bytes.ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(BadInfoHash)
    }
}

impl Magnet {
    /// Reads a link. Parameters that are unknown or make no sense are left out, as are hints beyond
    /// [`MAX_MAGNET_HINTS`]; only the info-hash must be right.
    ///
    /// # Errors
    /// See [`MagnetError`].
    pub fn parse(link: &str) -> Result<Self, MagnetError> {
        if link.len() > MAX_MAGNET_BYTES {
            return Err(MagnetError::TooLong);
        }
        let query = strip_prefix(link.trim(), "magnet:?").ok_or(MagnetError::NotMagnet)?;
        let mut magnet = Self::default();
        for (key, value) in query.split('&').filter_map(|parameter| parameter.split_once('=')) {
            magnet.read_parameter(without_number(key), value)?;
        }
        match (magnet.info_hash, magnet.info_hash_v2) {
            (None, None) => Err(MagnetError::NoInfoHash),
            _ => Ok(magnet),
        }
    }

    /// Whether `file` is to be downloaded.
    #[must_use]
    pub fn selects(&self, file: FileIndex) -> bool {
        self.select.is_empty() || self.select.iter().any(|range| range.contains(&file))
    }

    fn read_parameter(&mut self, key: &str, value: &str) -> Result<(), MagnetError> {
        match key {
            "xt" => self.read_topic(&decode(value))?,
            "dn" if self.name.is_none() => self.name = read_name(value),
            "tr" => push(&mut self.trackers, url(&decode(value))),
            "ws" => push(&mut self.web_seeds, url(&decode(value))),
            "x.pe" => {
                push(
                    &mut self.peers,
                    endpoint(&decode(value)).map(|(host, port)| write_endpoint(&host, port)),
                );
            }
            "dht" => push(&mut self.nodes, endpoint(&decode(value))),
            "so" if self.select.is_empty() => self.select = read_ranges(&decode(value)),
            _ => {}
        }
        Ok(())
    }

    fn read_topic(&mut self, topic: &str) -> Result<(), MagnetError> {
        if let Some(hash) = strip_prefix(topic, "urn:btih:") {
            set_once(&mut self.info_hash, hash.parse().map_err(|BadInfoHash| MagnetError::BadInfoHash)?)
        } else if let Some(hash) = strip_prefix(topic, "urn:btmh:") {
            set_once(&mut self.info_hash_v2, read_multihash(hash).ok_or(MagnetError::BadInfoHash)?)
        } else {
            Ok(())
        }
    }
}

impl FromStr for Magnet {
    type Err = MagnetError;

    fn from_str(link: &str) -> Result<Self, MagnetError> {
        Self::parse(link)
    }
}

impl From<InfoHash> for Magnet {
    fn from(info_hash: InfoHash) -> Self {
        Self { info_hash: Some(info_hash), ..Self::default() }
    }
}

impl fmt::Display for Magnet {
    /// The link: info-hashes first, then name, trackers, web seeds, peers, files, nodes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v1 = self.info_hash.map(|hash| ("xt=urn:btih:", hash.to_string()));
        let v2 = self.info_hash_v2.map(|hash| ("xt=urn:btmh:1220", HEXLOWER.encode(&hash)));
        let escaped = |key, value: &String| (key, utf8_percent_encode(value, RESERVED).to_string());
        let select: Vec<String> = self.select.iter().map(write_range).collect();
        let select = (!select.is_empty()).then(|| ("so=", select.join(",")));

        f.write_str("magnet:?")?;
        v1.into_iter()
            .chain(v2)
            .chain(self.name.iter().map(|name| escaped("dn=", name)))
            .chain(self.trackers.iter().map(|url| escaped("tr=", url)))
            .chain(self.web_seeds.iter().map(|url| escaped("ws=", url)))
            .chain(self.peers.iter().map(|peer| ("x.pe=", peer.clone())))
            .chain(select)
            .chain(self.nodes.iter().map(|(host, port)| ("dht=", write_endpoint(host, *port))))
            .enumerate()
            .try_for_each(|(number, (key, value))| {
                let separator = if number == 0 { "" } else { "&" };
                write!(f, "{separator}{key}{value}")
            })
    }
}

/// `xt.1` and the like, which some programs write for repeated parameters, mean `xt`.
fn without_number(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((name, number)) if number.parse::<u32>().is_ok() => name,
        _ => key,
    }
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn decode(value: &str) -> Cow<'_, str> {
    percent_decode_str(value).decode_utf8_lossy()
}

/// In names, and there only, `+` is a space: in URLs it is itself.
fn read_name(value: &str) -> Option<String> {
    let spaced = value.replace('+', " ");
    let name: Cow<'_, [u8]> = percent_decode_str(&spaced).into();
    (!name.is_empty()).then(|| sanitise_element(&name))
}

fn read_multihash(text: &str) -> Option<[u8; 32]> {
    // Multihash: function 0x12 is SHA-256, 0x20 its length.
    let digest = text.strip_prefix("1220")?;
    HEXLOWER_PERMISSIVE.decode(digest.as_bytes()).ok()?.try_into().ok()
}

fn set_once<T: PartialEq>(slot: &mut Option<T>, value: T) -> Result<(), MagnetError> {
    match slot.replace(value) {
        Some(old) if slot.as_ref() != Some(&old) => Err(MagnetError::TwoInfoHashes),
        _ => Ok(()),
    }
}

fn push<T>(list: &mut Vec<T>, value: Option<T>) {
    if list.len() < MAX_MAGNET_HINTS {
        list.extend(value);
    }
}

/// `7` or `4-6`.
fn read_range(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < MAX_FILES).then_some((first, last))
}

fn write_range(range: &RangeInclusive<FileIndex>) -> String {
    let (FileIndex(first), FileIndex(last)) = (range.start(), range.end());
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// The ranges in order; those that touch become one.
fn read_ranges(text: &str) -> Vec<RangeInclusive<FileIndex>> {
    let mut ranges: Vec<(u32, u32)> = text.split(',').filter_map(read_range).collect();
    ranges.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged.into_iter().map(|(first, last)| FileIndex(first)..=FileIndex(last)).collect()
}
