//! Makes torrents, without reading a file: what to hash and in which order goes out, hashes come in.
//!
//! A [`Builder`] collects what the torrent shall say and turns into a [`Plan`]: how the content is cut, and
//! the files in the order in which their bytes are hashed. Whoever has the files feeds them to a
//! [`PieceHasher`], or hashes pieces on as many threads as there are, and hands the hashes to
//! [`Plan::finish`]. The same input gives the same bytes: nothing is dated or signed unless told.

use super::{
    Error, Info, MAX_ADDRESSES, MAX_PIECE_LENGTH, Metainfo, PieceHasher,
    address::{host, url},
    info::HASH_BYTES,
    torrent::write_strings,
};
use crate::{
    bencode::{DictWriter, Writer},
    storage::Geometry,
};
use alloc::{string::String, vec, vec::Vec};
use bytes::Bytes;
use thiserror::Error;

/// The shortest piece that is chosen by itself, in bytes: one block.
pub const MIN_CHOSEN_PIECE_LENGTH: u32 = 16 * 1024;

/// The longest piece that is chosen by itself, in bytes: beyond it a failed hash costs too much.
pub const MAX_CHOSEN_PIECE_LENGTH: u32 = 16 * 1024 * 1024;

/// As many pieces as are aimed for: 40 KB of hashes, and still 0.05 % of the content lost to a failed one.
pub const CHOSEN_PIECES: u64 = 2000;

/// A file to be shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    /// Its path below the folder that is shared, element by element. Empty for a single file.
    pub path: Vec<String>,
    /// Its length in bytes.
    pub length: u64,
    /// Whether to mark it executable (BEP 47).
    pub executable: bool,
}

/// Collects what a torrent shall say.
///
/// ```
/// use convoy_core::metainfo::{Builder, Metainfo, SourceFile};
///
/// let file = |name: &str, length| SourceFile { path: vec![name.into()], length, executable: false };
/// let plan = Builder::folder("greetings", [file("b.txt", 5), file("a.txt", 6)])
///     .tracker("udp://tracker.example:6969")
///     .plan()?;
/// assert_eq!(plan.files()[0].path, ["a.txt"], "sorted");
///
/// let mut hasher = plan.hasher();
/// hasher.update(b"hello ");
/// hasher.update(b"world");
/// let metainfo = plan.finish(&hasher.finish()?)?;
/// assert_eq!(metainfo.info.total_length(), 11);
/// assert_eq!(Metainfo::parse(metainfo.encode().into())?, metainfo);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    multi_file: bool,
    files: Vec<SourceFile>,
    keep_order: bool,
    piece_length: Option<u32>,
    private: bool,
    source: Option<String>,
    trackers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
    nodes: Vec<(String, u16)>,
    comment: Option<String>,
    created_by: Option<String>,
    creation_date: Option<i64>,
}

/// Why there is no torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The name of the torrent is empty, `.` or `..`, or holds a separator or NUL.
    #[error("not a name for a torrent")]
    BadName,
    /// An element of a file's path, counted from 0 as they were given, is no name, or there are none.
    #[error("not a path for a file (file {0})")]
    BadPath(usize),
    /// Two files have the same path, or one has that of a folder.
    #[error("two files with the same path")]
    DuplicatePath,
    /// A tracker or web seed that is no URL, or a node that is no host and port.
    #[error("not an address")]
    BadAddress,
    /// More trackers, web seeds or nodes than [`MAX_ADDRESSES`] each.
    #[error("too many addresses")]
    TooManyAddresses,
    /// There are no bytes to share.
    #[error("the total length is zero")]
    Empty,
    /// 0 or beyond [`MAX_PIECE_LENGTH`], or too short for so much content.
    #[error("the piece length does not fit")]
    PieceLength,
    /// As many hashes as there are pieces are needed.
    #[error("{found} piece hashes where {expected} are needed")]
    PieceHashes {
        /// Pieces.
        expected: u32,
        /// Hashes.
        found: usize,
    },
    /// The content that was hashed is shorter or longer than the files were said to be.
    #[error("{found} bytes were hashed where there are {expected}")]
    ContentLength {
        /// Bytes in all files.
        expected: u64,
        /// Bytes hashed.
        found: u64,
    },
    /// The result would be a torrent that readers refuse.
    #[error("{0}")]
    Unreadable(Error),
}

impl Builder {
    /// A torrent of one file.
    #[must_use]
    pub fn single_file(name: impl Into<String>, length: u64) -> Self {
        let file = SourceFile { path: Vec::new(), length, executable: false };
        Self::new(name.into(), false, vec![file])
    }

    /// A torrent of a folder.
    #[must_use]
    pub fn folder(name: impl Into<String>, files: impl IntoIterator<Item = SourceFile>) -> Self {
        Self::new(name.into(), true, files.into_iter().collect())
    }

    fn new(name: String, multi_file: bool, files: Vec<SourceFile>) -> Self {
        Self {
            name,
            multi_file,
            files,
            keep_order: false,
            piece_length: None,
            private: false,
            source: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            nodes: Vec::new(),
            comment: None,
            created_by: None,
            creation_date: None,
        }
    }

    /// Leaves the files in the order in which they were given. Unless called, they are sorted by path.
    #[must_use]
    pub const fn keep_order(mut self) -> Self {
        self.keep_order = true;
        self
    }

    /// Bytes in a piece. Unless called, the least power of two that makes [`CHOSEN_PIECES`] or fewer, from
    /// [`MIN_CHOSEN_PIECE_LENGTH`] to [`MAX_CHOSEN_PIECE_LENGTH`].
    #[must_use]
    pub const fn piece_length(mut self, bytes: u32) -> Self {
        self.piece_length = Some(bytes);
        self
    }

    /// Peers come from the torrent's trackers only (BEP 27).
    #[must_use]
    pub const fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Sets the torrent apart from others of the same content: it changes the info-hash.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a tracker in a tier of its own.
    #[must_use]
    pub fn tracker(self, url: impl Into<String>) -> Self {
        self.tracker_tier([url])
    }

    /// Adds a tier of trackers (BEP 12).
    #[must_use]
    pub fn tracker_tier<U: Into<String>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
        let tier: Vec<String> = urls.into_iter().map(Into::into).collect();
        if !tier.is_empty() {
            self.trackers.push(tier);
        }
        self
    }

    /// Adds a web seed (BEP 19).
    #[must_use]
    pub fn web_seed(mut self, url: impl Into<String>) -> Self {
        self.web_seeds.push(url.into());
        self
    }

    /// Adds a DHT node (BEP 5). An IPv6 address stands without brackets.
    #[must_use]
    pub fn node(mut self, host: impl Into<String>, port: u16) -> Self {
        self.nodes.push((host.into(), port));
        self
    }

    /// Free text.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// The program that makes the torrent.
    #[must_use]
    pub fn created_by(mut self, program: impl Into<String>) -> Self {
        self.created_by = Some(program.into());
        self
    }

    /// When the torrent is made, in seconds of Unix time.
    #[must_use]
    pub const fn creation_date(mut self, unix_s: i64) -> Self {
        self.creation_date = Some(unix_s);
        self
    }

    /// Checks everything, so that nothing is hashed in vain.
    ///
    /// # Errors
    /// What of the above does not do.
    pub fn plan(mut self) -> Result<Plan, BuildError> {
        self.check_names()?;
        self.check_addresses()?;
        self.order_files()?;
        let geometry = self.geometry()?;
        let plan = Plan { builder: self, geometry };
        // A rehearsal: what does not depend on the hashes cannot fail after they were worked out.
        let rehearsal = plan.metainfo(&vec![0; geometry.pieces() as usize * HASH_BYTES])?;
        Metainfo::parse(Bytes::from(rehearsal.encode())).map_err(BuildError::Unreadable)?;
        Ok(plan)
    }

    fn check_names(&self) -> Result<(), BuildError> {
        if !is_name(&self.name) {
            return Err(BuildError::BadName);
        }
        let is_path = |file: &SourceFile| {
            file.path.is_empty() != self.multi_file && file.path.iter().all(|element| is_name(element))
        };
        self.files
            .iter()
            .position(|file| !is_path(file))
            .map_or(Ok(()), |file| Err(BuildError::BadPath(file)))
    }

    /// Only what a reader leaves as it is.
    fn check_addresses(&self) -> Result<(), BuildError> {
        let urls = || self.trackers.iter().flatten().chain(&self.web_seeds);
        let is_node = |(name, port): &(String, u16)| *port != 0 && host(name).as_ref() == Some(name);
        if !urls().all(|text| url(text).as_ref() == Some(text)) || !self.nodes.iter().all(is_node) {
            return Err(BuildError::BadAddress);
        }
        let counts = [self.trackers.iter().flatten().count(), self.web_seeds.len(), self.nodes.len()];
        if counts.into_iter().any(|count| count > MAX_ADDRESSES) {
            return Err(BuildError::TooManyAddresses);
        }
        Ok(())
    }

    fn order_files(&mut self) -> Result<(), BuildError> {
        let mut sorted: Vec<&SourceFile> = self.files.iter().collect();
        sorted.sort_unstable();
        // Sorted, what lies in a folder comes right behind a file of the folder's name.
        let collide = |pair: &[&SourceFile]| matches!(pair, [a, b] if b.path.starts_with(&a.path));
        if sorted.windows(2).any(collide) {
            return Err(BuildError::DuplicatePath);
        }
        if !self.keep_order {
            self.files.sort_unstable();
        }
        Ok(())
    }

    fn geometry(&self) -> Result<Geometry, BuildError> {
        let total = self.files.iter().try_fold(0_u64, |total, file| total.checked_add(file.length));
        let total = total.ok_or(BuildError::PieceLength)?;
        if total == 0 {
            return Err(BuildError::Empty);
        }
        let piece_length = self.piece_length.unwrap_or_else(|| choose_piece_length(total));
        Geometry::new(piece_length, total)
            .filter(|_| piece_length <= MAX_PIECE_LENGTH)
            .ok_or(BuildError::PieceLength)
    }
}

/// A torrent that wants only its hashes.
#[derive(Clone, Debug)]
pub struct Plan {
    builder: Builder,
    geometry: Geometry,
}

impl Plan {
    /// How the files, laid end to end, are cut.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The files in the order in which their bytes are hashed.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.builder.files
    }

    /// Hashes the files, given one behind the other.
    #[must_use]
    pub fn hasher(&self) -> PieceHasher {
        PieceHasher::new(self.geometry)
    }

    /// The torrent, given SHA-1 of each piece in order.
    ///
    /// # Errors
    /// If there are more or fewer hashes than pieces.
    pub fn finish(self, piece_hashes: &[[u8; 20]]) -> Result<Metainfo, BuildError> {
        let (expected, found) = (self.geometry.pieces(), piece_hashes.len());
        if u32::try_from(found) != Ok(expected) {
            return Err(BuildError::PieceHashes { expected, found });
        }
        self.metainfo(piece_hashes.as_flattened())
    }

    /// The info dictionary goes through the reader: what was built is what others will read.
    fn metainfo(&self, piece_hashes: &[u8]) -> Result<Metainfo, BuildError> {
        let mut raw = Vec::with_capacity(piece_hashes.len() + 1024);
        Writer::new(&mut raw).dict(|dict| self.write_info(dict, piece_hashes));
        let builder = &self.builder;
        Ok(Metainfo {
            info: Info::parse(Bytes::from(raw)).map_err(BuildError::Unreadable)?,
            trackers: builder.trackers.clone(),
            web_seeds: builder.web_seeds.clone(),
            nodes: builder.nodes.clone(),
            comment: builder.comment.clone(),
            created_by: builder.created_by.clone(),
            creation_date: builder.creation_date,
        })
    }

    fn write_info(&self, dict: &mut DictWriter<'_>, piece_hashes: &[u8]) {
        let builder = &self.builder;
        if builder.multi_file {
            dict.list(b"files", |files| {
                for file in &builder.files {
                    files.dict(|entry| write_file(entry, file));
                }
            });
        } else {
            builder.files.iter().for_each(|file| write_attributes(dict, file));
        }
        dict.string(b"name", &builder.name);
        dict.integer(b"piece length", i64::from(self.geometry.piece_length()));
        dict.string(b"pieces", piece_hashes);
        if builder.private {
            dict.integer(b"private", 1);
        }
        if let Some(source) = &builder.source {
            dict.string(b"source", source);
        }
    }
}

fn write_file(entry: &mut DictWriter<'_>, file: &SourceFile) {
    write_attributes(entry, file);
    entry.list(b"path", |path| write_strings(path, &file.path));
}

fn write_attributes(dict: &mut DictWriter<'_>, file: &SourceFile) {
    if file.executable {
        dict.string(b"attr", "x");
    }
    // What does not fit is refused by the reader, as too large.
    dict.integer(b"length", i64::try_from(file.length).unwrap_or(i64::MAX));
}

/// A name that leads nowhere but to a file of the folder it stands in.
fn is_name(element: &str) -> bool {
    !matches!(element, "" | "." | "..") && !element.contains(['/', '\0'])
}

fn choose_piece_length(total: u64) -> u32 {
    let mut length = MIN_CHOSEN_PIECE_LENGTH;
    while length < MAX_CHOSEN_PIECE_LENGTH && total.div_ceil(u64::from(length)) > CHOSEN_PIECES {
        length *= 2;
    }
    length
}
