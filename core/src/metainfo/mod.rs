//! What a torrent is: `.torrent` files and magnet links, read and made.
//!
//! [`Metainfo::parse`] reads a file, [`Info::parse`] the info dictionary that peers hand out (BEP 9), and
//! [`Magnet::parse`] a link. What comes out can be relied on: lengths fit one another and the piece hashes,
//! and paths are safe to write to (see [`sanitise_element`]). What cannot be is refused by a typed [`Error`]
//! that says whose fault it is. The info-hash is that of the bytes as they stood in the file; [`Info::raw`]
//! and [`Info::piece_hashes`] are slices of the file, not copies.
//!
//! Version 2 torrents (BEP 52) are read if they are hybrids: by their version 1 part, with both info-hashes.
//!
//! A [`Builder`] makes torrents: it says what to hash, takes the hashes, and gives a [`Metainfo`].
//!
//! ```
//! use convoy_core::metainfo::Metainfo;
//!
//! let file = b"d8:announce18:udp://tracker:69694:infod6:lengthi5e4:name9:hello.txt\
//!     12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
//! let metainfo = Metainfo::parse(file.as_slice().into())?;
//! assert_eq!(metainfo.info.name, "hello.txt");
//! assert_eq!(metainfo.info.total_length(), 5);
//! assert_eq!(
//!     metainfo.magnet().to_string(),
//!     "magnet:?xt=urn:btih:437508178ef8f5a1abf3d9a5f3fd797f28a4d86e&dn=hello.txt&tr=udp%3A%2F%2Ftracker%3A6969"
//! );
//! # Ok::<(), convoy_core::metainfo::Error>(())
//! ```

mod address;
mod builder;
mod error;
mod hasher;
mod info;
mod magnet;
mod path;
#[cfg(test)]
mod tests;
mod torrent;

pub use address::MAX_URL_BYTES;
pub use builder::{
    BuildError, Builder, CHOSEN_PIECES, MAX_CHOSEN_PIECE_LENGTH, MIN_CHOSEN_PIECE_LENGTH, Plan, SourceFile,
};
pub use error::{Error, Field, Incompatible, Limit, Malformed};
pub use hasher::PieceHasher;
pub use info::MAX_PIECE_LENGTH;
pub use magnet::{BadInfoHash, MAX_MAGNET_BYTES, MAX_MAGNET_HINTS, Magnet, MagnetError};
pub use path::{MAX_ELEMENT_BYTES, MAX_PATH_BYTES, MAX_PATH_ELEMENTS, sanitise_element};
pub use torrent::{MAX_ADDRESSES, MAX_FILES, ParseOptions};

use crate::id::InfoHash;
use alloc::{string::String, vec::Vec};
use bytes::Bytes;

/// A `.torrent` file (BEP 3 and the extensions that users meet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metainfo {
    /// What is shared. Everything that the info-hash covers.
    pub info: Info,
    /// Tracker URLs in tiers (BEP 12); a lone `announce` is one tier of one.
    pub trackers: Vec<Vec<String>>,
    /// Web seeds (BEP 19, `url-list`).
    pub web_seeds: Vec<String>,
    /// DHT nodes (BEP 5, `nodes`): host and port.
    pub nodes: Vec<(String, u16)>,
    /// Free text.
    pub comment: Option<String>,
    /// The program that made the file.
    pub created_by: Option<String>,
    /// When it was made, in seconds of Unix time.
    pub creation_date: Option<i64>,
}

/// The info dictionary, checked: every number in it is in range and fits the others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Info {
    /// SHA-1 of [`raw`](Self::raw).
    pub info_hash: InfoHash,
    /// SHA-256 of [`raw`](Self::raw), for a hybrid torrent (BEP 52).
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::optional_hex"))]
    pub info_hash_v2: Option<[u8; 32]>,
    /// The dictionary's bytes as they stood in the file. Never encoded anew.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    pub raw: Bytes,
    /// Whether `raw` is not canonical bencode. Hashed as it is all the same.
    pub non_canonical: bool,
    /// The name of the file, or of the folder that holds the files. Fit for every file system.
    pub name: String,
    /// Whether the torrent is a folder of files rather than one file.
    pub multi_file: bool,
    /// The files in order, padding among them. One entry for a single file.
    pub files: Vec<File>,
    /// How the files, laid end to end, are cut.
    pub geometry: crate::storage::Geometry,
    /// SHA-1 of each piece, 20 bytes each, end to end.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    pub piece_hashes: Bytes,
    /// Whether peers may be learnt from the torrent's own trackers only (BEP 27).
    pub private: bool,
    /// Sets torrents of the same content apart.
    pub source: Option<String>,
}

/// A file of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct File {
    /// The path below the download folder, from the torrent's name on; fit for every file system, and
    /// unlike that of every other file of the torrent even where case does not count.
    pub path: Vec<String>,
    /// Its length in bytes.
    pub length: u64,
    /// Whether it is zeros that only fill a piece up (BEP 47): never written to disk.
    pub padding: bool,
    /// Whether it is marked executable (BEP 47).
    pub executable: bool,
}
