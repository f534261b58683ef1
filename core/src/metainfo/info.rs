//! Reads info dictionaries: what the info-hash covers.

use super::{
    Error, File, Incompatible, Info, Limit, Malformed, ParseOptions,
    error::Field,
    path::{MAX_PATH_BYTES, MAX_PATH_ELEMENTS, is_padding, path_bytes, resolve_collisions, sanitise_element},
    torrent::text,
};
use crate::{
    bencode::{Dict, Value},
    id::{FileIndex, InfoHash, PieceIndex},
    storage::{Geometry, Layout},
};
use alloc::{string::String, vec, vec::Vec};
use bytes::Bytes;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The longest piece, in bytes: libtorrent's limit too.
pub const MAX_PIECE_LENGTH: u32 = (512 << 20) - (16 << 10);

/// Bytes of a piece's SHA-1 (BEP 3).
pub(super) const HASH_BYTES: usize = 20;

impl Info {
    /// SHA-1 of `piece`. `None` if there is no such piece.
    #[must_use]
    pub fn piece_hash(&self, piece: PieceIndex) -> Option<[u8; 20]> {
        let start = usize::try_from(piece.0).ok()?.checked_mul(HASH_BYTES)?;
        self.piece_hashes.get(start..)?.first_chunk().copied()
    }

    /// Where its bytes lie in its files.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout::new(self.files.iter().map(|file| (file.length, file.padding)), self.geometry)
    }

    /// Stands in until the metadata is known.
    pub(crate) fn placeholder(info_hash: InfoHash) -> Self {
        Self {
            info_hash,
            info_hash_v2: None,
            raw: Bytes::new(),
            non_canonical: false,
            name: String::new(),
            multi_file: false,
            files: Vec::new(),
            geometry: Geometry::PLACEHOLDER,
            piece_hashes: Bytes::new(),
            private: false,
            source: None,
        }
    }

    /// Bytes in all files, padding included.
    #[must_use]
    pub const fn total_length(&self) -> u64 {
        self.geometry.total_length()
    }
}

/// Reads the dictionary `value`, whose bytes are `raw`.
pub(super) fn read(value: Value<'_, '_>, raw: Bytes, options: &ParseOptions) -> Result<Info, Error> {
    let dict = value.dict().ok_or(Malformed::WrongType(Field::Info))?;
    let hybrid = read_meta_version(&dict)?;
    let non_canonical = !value.is_canonical();
    if non_canonical && options.reject_non_canonical {
        return Err(Malformed::NonCanonical.into());
    }
    let name = read_name(&dict)?;
    let (multi_file, files) = read_content(&dict, &name, options)?;
    let geometry = read_geometry(&dict, &files, options)?;
    Ok(Info {
        // BEP 3: of the bytes as they stand in the file.
        info_hash: InfoHash(Sha1::digest(&raw).into()),
        info_hash_v2: hybrid.then(|| Sha256::digest(&raw).into()),
        non_canonical,
        name,
        multi_file,
        files,
        geometry,
        piece_hashes: read_piece_hashes(&dict, &raw, geometry)?,
        // BEP 27: the integer 1, nothing else.
        private: dict.get(b"private").and_then(Value::integer) == Some(1),
        source: text(&dict, b"source"),
        raw,
    })
}

/// Whether the torrent is one of BEP 52 as well. First of all: of a version to come nothing else is known.
fn read_meta_version(dict: &Dict<'_, '_>) -> Result<bool, Error> {
    match dict.get(b"meta version").and_then(Value::integer) {
        Some(version @ 3..) => Err(Incompatible::MetaVersion(version).into()),
        Some(2) if dict.get(b"pieces").is_none() => Err(Incompatible::V2Only.into()),
        version => Ok(version == Some(2)),
    }
}

fn read_name(dict: &Dict<'_, '_>) -> Result<String, Error> {
    if let Some(name) = dict.get(b"name.utf-8").and_then(Value::text) {
        return Ok(sanitise_element(name.as_bytes()));
    }
    let name = dict.get(b"name").ok_or(Malformed::Missing(Field::Name))?;
    Ok(sanitise_element(name.string().ok_or(Malformed::WrongType(Field::Name))?))
}

/// BEP 3: either `length` or `files`.
fn read_content(dict: &Dict<'_, '_>, name: &str, options: &ParseOptions) -> Result<(bool, Vec<File>), Error> {
    match (dict.get(b"length"), dict.get(b"files")) {
        (Some(_), Some(_)) => Err(Malformed::LengthAndFiles.into()),
        (None, None) => Err(Malformed::Missing(Field::Length).into()),
        (Some(length), None) => Ok((false, vec![read_single_file(dict, name, length)?])),
        (None, Some(files)) => Ok((true, read_files(files, name, options)?)),
    }
}

fn read_single_file(dict: &Dict<'_, '_>, name: &str, length: Value<'_, '_>) -> Result<File, Error> {
    Ok(File {
        path: vec![name.into()],
        length: read_length(length, Field::Length)?,
        padding: false,
        executable: attributes(dict).contains(&b'x'),
    })
}

fn read_files(value: Value<'_, '_>, name: &str, options: &ParseOptions) -> Result<Vec<File>, Error> {
    let mut files = Vec::new();
    for (index, entry) in (0..).map(FileIndex).zip(value.list().ok_or(Malformed::WrongType(Field::Files))?) {
        if index.0 >= options.max_files {
            return Err(Limit::Files.into());
        }
        let entry = entry.dict().ok_or(Malformed::WrongType(Field::File(index)))?;
        files.push(read_file(&entry, name, index)?);
    }
    resolve_collisions(&mut files);
    let too_long = files.iter().position(|file| path_bytes(&file.path) > MAX_PATH_BYTES);
    match too_long.and_then(|index| u32::try_from(index).ok()) {
        Some(index) => Err(Malformed::PathTooLong(FileIndex(index)).into()),
        None => Ok(files),
    }
}

fn read_file(entry: &Dict<'_, '_>, name: &str, index: FileIndex) -> Result<File, Error> {
    let attributes = attributes(entry);
    let raw_path = read_path(entry, index)?;
    let mut path = Vec::with_capacity(raw_path.len() + 1);
    path.push(name.into());
    path.extend(raw_path.iter().map(|element| sanitise_element(element)));
    // BEP 47: a symlink takes up no bytes of the torrent. It is never followed: an empty file stands for it.
    let length = if attributes.contains(&b'l') {
        0
    } else {
        let length = entry.get(b"length").ok_or(Malformed::Missing(Field::FileLength(index)))?;
        read_length(length, Field::FileLength(index))?
    };
    Ok(File {
        path,
        length,
        padding: is_padding(attributes, &raw_path),
        executable: attributes.contains(&b'x'),
    })
}

/// The elements of `path.utf-8` if it is a path of UTF-8, else those of `path`.
fn read_path<'a>(entry: &Dict<'_, 'a>, index: FileIndex) -> Result<Vec<&'a [u8]>, Error> {
    let utf8 = entry.get(b"path.utf-8").filter(|path| {
        let mut elements = path.list().into_iter().flatten().peekable();
        elements.peek().is_some() && elements.all(|element| element.text().is_some())
    });
    let path = utf8.or_else(|| entry.get(b"path")).ok_or(Malformed::Missing(Field::FilePath(index)))?;
    let wrong_type = Malformed::WrongType(Field::FilePath(index));
    let mut elements = Vec::new();
    for element in path.list().ok_or(wrong_type)? {
        if elements.len() == MAX_PATH_ELEMENTS {
            return Err(Malformed::PathTooDeep(index).into());
        }
        elements.push(element.string().ok_or(wrong_type)?);
    }
    if elements.is_empty() { Err(Malformed::EmptyPath(index).into()) } else { Ok(elements) }
}

/// BEP 47: one letter for each thing to know about a file.
fn attributes<'a>(entry: &Dict<'_, 'a>) -> &'a [u8] {
    entry.get(b"attr").and_then(Value::string).unwrap_or_default()
}

fn read_length(value: Value<'_, '_>, field: Field) -> Result<u64, Error> {
    let length = value.integer().ok_or(Malformed::WrongType(field))?;
    Ok(u64::try_from(length).map_err(|_| Malformed::OutOfRange(field))?)
}

fn read_geometry(dict: &Dict<'_, '_>, files: &[File], options: &ParseOptions) -> Result<Geometry, Error> {
    let piece_length = dict.get(b"piece length").ok_or(Malformed::Missing(Field::PieceLength))?;
    let piece_length = read_length(piece_length, Field::PieceLength)?;
    if piece_length == 0 {
        return Err(Malformed::OutOfRange(Field::PieceLength).into());
    }
    let piece_length = u32::try_from(piece_length).ok().filter(|length| *length <= MAX_PIECE_LENGTH);
    let total = files.iter().try_fold(0_u64, |total, file| total.checked_add(file.length));
    let total = total.filter(|total| *total <= options.max_total_length).ok_or(Limit::TotalLength)?;
    if total == 0 {
        return Err(Malformed::Empty.into());
    }
    Ok(Geometry::new(piece_length.ok_or(Limit::PieceLength)?, total).ok_or(Limit::Pieces)?)
}

/// `pieces`, as a slice of `raw`: 20 bytes for each piece.
fn read_piece_hashes(dict: &Dict<'_, '_>, raw: &Bytes, geometry: Geometry) -> Result<Bytes, Error> {
    let pieces = dict.get(b"pieces").ok_or(Malformed::Missing(Field::Pieces))?;
    let pieces = pieces.string().ok_or(Malformed::WrongType(Field::Pieces))?;
    let expected = u64::from(geometry.pieces()) * HASH_BYTES as u64;
    let found = pieces.len() as u64;
    if found != expected {
        return Err(Malformed::PieceHashes { expected, found }.into());
    }
    Ok(raw.slice_ref(pieces))
}
