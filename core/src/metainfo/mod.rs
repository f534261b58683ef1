//! What a torrent is: `.torrent` files and magnet links, read and made.

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
pub struct Info {
    /// SHA-1 of [`raw`](Self::raw).
    pub info_hash: InfoHash,
    /// SHA-256 of [`raw`](Self::raw), for a hybrid torrent (BEP 52).
    pub info_hash_v2: Option<[u8; 32]>,
    /// The dictionary's bytes as they stood in the file. Never encoded anew.
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
    pub piece_hashes: Bytes,
    /// Whether peers may be learnt from the torrent's own trackers only (BEP 27).
    pub private: bool,
    /// Sets torrents of the same content apart.
    pub source: Option<String>,
}

/// A file of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl Info {
    /// SHA-1 of `piece`; `None` if there is no such piece.
    #[must_use]
    pub fn piece_hash(&self, piece: crate::id::PieceIndex) -> Option<[u8; 20]> {
        let start = (piece.0 as usize).checked_mul(20)?;
        self.piece_hashes.get(start..start.checked_add(20)?)?.try_into().ok()
    }
}
