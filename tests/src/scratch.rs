//! A folder for one test, and what lies in it.

use crate::peers::Libtorrent;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A folder that goes when this is dropped.
#[derive(Debug)]
pub struct Scratch(TempDir);

/// Data and a torrent of it, made by libtorrent.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The torrent file.
    pub torrent: PathBuf,
    /// The folder that holds the data, under its [`name`](Self::name).
    pub dir: PathBuf,
    /// The file or folder that the torrent is of.
    pub name: String,
    /// Hex.
    pub info_hash: String,
    /// In bytes.
    pub piece_length: u64,
    /// How many.
    pub pieces: u64,
    /// In bytes, with padding.
    pub total: u64,
}

impl Scratch {
    /// An empty folder.
    ///
    /// # Panics
    /// If the system gives none.
    #[must_use]
    pub fn new() -> Self {
        Self(TempDir::with_prefix("convoy-test-").expect("a scratch folder"))
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A folder in it, made if it is not there.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("a folder");
        path
    }

    /// A file of `size` bytes with a torrent.
    #[must_use]
    pub fn payload(&self, name: &str, size: u64, piece_length: u64) -> Payload {
        fill(&self.dir("source").join(name), size);
        self.payload_of(name, piece_length, false)
    }

    /// A folder of files, path and size, with a torrent; `pad` aligns them to pieces.
    #[must_use]
    pub fn payload_tree(&self, name: &str, files: &[(&str, u64)], piece_length: u64, pad: bool) -> Payload {
        for (path, size) in files {
            fill(&self.dir("source").join(name).join(path), *size);
        }
        self.payload_of(name, piece_length, pad)
    }

    /// A copy of the payload's data of which only the pieces are right that `keep` holds for.
    ///
    /// # Panics
    /// If the payload is no single file, or on trouble with the disk.
    #[must_use]
    pub fn part_of(&self, payload: &Payload, dir: &str, keep: impl Fn(u64) -> bool) -> PathBuf {
        let dir = self.dir(dir);
        let copy = dir.join(&payload.name);
        fs::copy(payload.dir.join(&payload.name), &copy).expect("a copy of a single file");
        for piece in (0..payload.pieces).filter(|&piece| !keep(piece)) {
            let begin = piece * payload.piece_length;
            let length = payload.piece_length.min(payload.total - begin);
            overwrite(&copy, begin, &vec![0; usize::try_from(length).expect("a piece fits in memory")]);
        }
        dir
    }

    fn payload_of(&self, name: &str, piece_length: u64, pad: bool) -> Payload {
        let dir = self.dir("source");
        let torrent = self.path(&format!("{name}.torrent"));
        let made = Libtorrent::make(&dir.join(name), &torrent, piece_length, pad);
        Payload {
            torrent,
            dir,
            name: name.to_owned(),
            info_hash: made["info_hash"].as_str().expect("an info-hash").to_owned(),
            piece_length,
            pieces: made["pieces"].as_u64().expect("a number of pieces"),
            total: made["total"].as_u64().expect("a size"),
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Payload {
    /// Where the data lie.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    /// The same with a tracker, in a torrent of its own.
    ///
    /// # Panics
    /// On trouble with the disk.
    #[must_use]
    pub fn with_tracker(&self, url: &str) -> Self {
        let metainfo = fs::read(&self.torrent).expect("a torrent");
        // `announce` comes before every key that it has.
        let announce = format!("d8:announce{}:{url}", url.len());
        let name: String =
            url.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
        let torrent = self.torrent.with_extension(format!("{name}.torrent"));
        fs::write(&torrent, [announce.as_bytes(), &metainfo[1..]].concat()).expect("room on the disk");
        Self { torrent, ..self.clone() }
    }

    /// Asserts that `dir` holds the very same data under the same name. Padding is no data.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn assert_in(&self, dir: &Path) {
        let (wanted, found) = (tree(&self.data()), tree(&dir.join(&self.name)));
        let names = |tree: &BTreeMap<PathBuf, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&wanted), "the files in {}", dir.display());
        for (path, bytes) in &wanted {
            if let Some(at) = difference(bytes, &found[path]) {
                panic!("{} in {} differs from byte {at} on", path.display(), dir.display());
            }
        }
    }
}

/// Writes a file of `size` bytes that depend on its name alone and do not repeat.
///
/// # Panics
/// On trouble with the disk.
pub fn fill(path: &Path, size: u64) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let name = path.file_name().expect("a name").as_encoded_bytes();
    let mut state = name.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut file = File::create(path).expect("a new file");
    let mut left = usize::try_from(size).expect("a size that fits in memory");
    while left > 0 {
        let mut chunk: Vec<u8> = (0..8192).flat_map(|_| xorshift(&mut state).to_le_bytes()).collect();
        chunk.truncate(left);
        file.write_all(&chunk).expect("room on the disk");
        left -= chunk.len();
    }
}

/// Writes `bytes` over what lies at `offset`.
///
/// # Panics
/// On trouble with the disk.
pub fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    let mut file = File::options().write(true).open(path).expect("a file that can be written");
    file.seek(SeekFrom::Start(offset)).expect("a place in the file");
    file.write_all(bytes).expect("room on the disk");
}

/// The next of a row of random words; the same for the same state.
pub fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// Every file below `root`, or `root` itself, without padding.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(path) = ahead.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder that can be read");
            ahead.extend(
                entries.map(|entry| entry.expect("an entry").path()).filter(|path| !path.ends_with(".pad")),
            );
        } else if let Ok(mut file) = File::open(&path) {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).expect("a file that can be read");
            files.insert(path.strip_prefix(root).expect("a path below").to_owned(), bytes);
        }
    }
    files
}

fn difference(a: &[u8], b: &[u8]) -> Option<usize> {
    let first = a.iter().zip(b).position(|(a, b)| a != b);
    first.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}
