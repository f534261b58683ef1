//! Files: opened when they are first needed, a bounded number at once, read and written at offsets.

use crate::lock;
use bytes::Bytes;
use convoy_core::{
    id::FileIndex,
    metainfo::Info,
    storage::{FileStamp, StorageError},
};
use rustix::{
    buffer::spare_capacity,
    fs::{FallocateFlags, OFlags, fallocate},
    io::{Errno, pread, pwritev},
};
use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File, OpenOptions},
    io::{self, IoSlice},
    mem,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// The most files of a node that are open at once. Well below the usual limit of 1024 descriptors, which
/// streams need too.
const OPEN_FILES: usize = 128;

/// Where one torrent's files are.
#[derive(Debug)]
pub(crate) struct Files {
    number: u64,
    files: Vec<Place>,
    open: Arc<OpenFiles>,
    /// Written to since the last flush.
    dirty: Mutex<BTreeSet<FileIndex>>,
    /// Whether the empty files, which nobody writes to, were made.
    begun: AtomicBool,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    length: u64,
    padding: bool,
}

/// The files that are open, of all torrents.
#[derive(Debug, Default)]
pub(crate) struct OpenFiles {
    /// Whether a file that is made takes its room on disk at once.
    preallocate: bool,
    table: Mutex<HashMap<(u64, FileIndex), Open>>,
    uses: AtomicU64,
    torrents: AtomicU64,
}

#[derive(Debug)]
struct Open {
    file: Arc<File>,
    writable: bool,
    last_use: u64,
}

/// What went wrong, for the engine and for people.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) path: PathBuf,
    pub(crate) error: io::Error,
}

impl Failed {
    /// The engine's word for it.
    pub(crate) fn kind(&self) -> StorageError {
        match self.error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT | Errno::NOTDIR) => StorageError::NotFound,
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => StorageError::Full,
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => StorageError::PermissionDenied,
            _ if self.error.kind() == io::ErrorKind::UnexpectedEof => StorageError::TooShort,
            _ => StorageError::Io,
        }
    }
}

impl Files {
    pub(crate) fn new(info: &Info, folder: &Path, open: Arc<OpenFiles>) -> Self {
        let place = |file: &convoy_core::metainfo::File| Place {
            path: file.path.iter().fold(folder.to_owned(), |path, element| path.join(element)),
            length: file.length,
            padding: file.padding,
        };
        let number = open.torrents.fetch_add(1, Ordering::Relaxed);
        Self {
            number,
            files: info.files.iter().map(place).collect(),
            open,
            dirty: Mutex::default(),
            begun: AtomicBool::new(false),
        }
    }

    /// Size and time of each file as it lies there now.
    pub(crate) fn stamps(&self) -> Vec<Option<FileStamp>> {
        self.files.iter().map(|place| stamp(&place.path).filter(|_| !place.padding)).collect()
    }

    pub(crate) fn path(&self, file: FileIndex) -> Option<&Path> {
        self.files.get(file.0 as usize).map(|place| place.path.as_path())
    }

    /// Reads exactly `length` bytes.
    pub(crate) fn read(&self, index: FileIndex, offset: u64, length: u32) -> Result<Bytes, Failed> {
        let length = length as usize;
        let mut bytes = Vec::with_capacity(length);
        self.attempt(index, false, |file, _| {
            while bytes.len() < length {
                let at = offset + bytes.len() as u64;
                match pread(file, spare_capacity(&mut bytes), at) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        })?;
        // The allocator may have given more room than was asked for, and so may the file.
        bytes.truncate(length);
        Ok(bytes.into())
    }

    /// Writes all of `parts`, end to end, in as few calls as it takes.
    pub(crate) fn write(&self, index: FileIndex, offset: u64, parts: &[Bytes]) -> Result<(), Failed> {
        if !self.begun.swap(true, Ordering::Relaxed) {
            self.make_empty()?;
        }
        let result = self.attempt(index, true, |file, _| {
            let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let (mut rest, mut offset) = (&mut slices[..], offset);
            while !rest.is_empty() {
                match pwritev(file, rest, offset) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => {
                        offset += written as u64;
                        IoSlice::advance_slices(&mut rest, written);
                    }
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        });
        // Behind the write and before its answer: a flush that comes in between must not count it as done.
        lock(&self.dirty).insert(index);
        result
    }

    /// Makes what was written survive a loss of power.
    pub(crate) fn flush(&self) -> Result<(), Failed> {
        let dirty = mem::take(&mut *lock(&self.dirty));
        let sync = |index: &FileIndex| self.attempt(*index, true, |file, _| Ok(rustix::fs::fdatasync(file)?));
        let result = dirty.iter().try_for_each(sync);
        if result.is_err() {
            lock(&self.dirty).extend(dirty);
        }
        result
    }

    /// Makes the empty files.
    fn make_empty(&self) -> Result<(), Failed> {
        for (index, place) in (0..).map(FileIndex).zip(&self.files) {
            if place.length == 0 && !place.padding {
                self.attempt(index, true, |_, _| Ok(()))?;
            }
        }
        Ok(())
    }

    fn attempt(
        &self,
        index: FileIndex,
        write: bool,
        work: impl FnOnce(&File, &Place) -> io::Result<()>,
    ) -> Result<(), Failed> {
        let Some(place) = self.files.get(index.0 as usize) else {
            return Err(Failed { path: PathBuf::new(), error: io::ErrorKind::NotFound.into() });
        };
        let result = self.open.get((self.number, index), place, write).and_then(|file| work(&file, place));
        self.name(index, result)
    }

    fn name(&self, index: FileIndex, result: io::Result<()>) -> Result<(), Failed> {
        result.map_err(|error| Failed { path: self.path(index).unwrap_or(Path::new("")).to_owned(), error })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let mut table = lock(&self.open.table);
        table.retain(|(torrent, _), _| *torrent != self.number);
    }
}

impl OpenFiles {
    pub(crate) fn new(preallocate: bool) -> Self {
        Self { preallocate, ..Self::default() }
    }

    fn lookup(&self, key: (u64, FileIndex), write: bool) -> Option<Arc<File>> {
        let mut table = lock(&self.table);
        let open = table.get_mut(&key).filter(|open| open.writable || !write)?;
        open.last_use = self.uses.fetch_add(1, Ordering::Relaxed);
        Some(Arc::clone(&open.file))
    }

    fn get(&self, key: (u64, FileIndex), place: &Place, write: bool) -> io::Result<Arc<File>> {
        if let Some(file) = self.lookup(key, write) {
            return Ok(file);
        }
        let file = Arc::new(if write { create(place, self.preallocate)? } else { open(&place.path)? });
        let mut table = lock(&self.table);
        if table.len() >= OPEN_FILES {
            let oldest = table.iter().min_by_key(|(_, open)| open.last_use).map(|(key, _)| *key);
            oldest.map(|key| table.remove(&key));
        }
        let last_use = self.uses.fetch_add(1, Ordering::Relaxed);
        table.insert(key, Open { file: Arc::clone(&file), writable: write, last_use });
        Ok(file)
    }
}

/// Opens for reading. A symbolic link in the file's own place is not followed: a torrent must not be able
/// to serve what lies elsewhere.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits() as i32).open(path)
}

/// Opens for writing, with its folders, at its full length at least: sparse, so that what is not there yet
/// takes no room, and a later check can read it. A file that is longer keeps its end: it may be the user's.
fn create(place: &Place, preallocate: bool) -> io::Result<File> {
    if let Some(folder) = place.path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.custom_flags(OFlags::NOFOLLOW.bits() as i32).open(&place.path)?;
    if file.metadata()?.len() < place.length {
        file.set_len(place.length)?;
        if preallocate {
            fallocate(&file, FallocateFlags::empty(), 0, place.length)?;
        }
    }
    Ok(file)
}

fn stamp(path: &Path) -> Option<FileStamp> {
    let meta = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mtime = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
    Some(FileStamp { size: meta.len(), mtime })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use convoy_core::metainfo::Builder;

    pub(crate) const CONTENT: &[u8; 10] = b"abcdefghij";

    pub(crate) fn info() -> Info {
        let plan = Builder::single_file("content", 10).plan().expect("valid");
        let mut hasher = plan.hasher();
        hasher.update(CONTENT);
        plan.finish(&hasher.finish().expect("whole")).expect("valid").info
    }

    fn files(folder: &Path) -> Files {
        Files::new(&info(), folder, Arc::default())
    }

    #[test]
    fn a_file_is_made_at_its_full_length_with_its_folders() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("a/b");
        files(&below).write(FileIndex(0), 3, &[Bytes::from_static(b"de")]).expect("written");
        assert_eq!(fs::read(below.join("content")).expect("a file"), b"\0\0\0de\0\0\0\0\0");
    }

    #[test]
    fn a_file_takes_its_room_at_once_where_that_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        for preallocate in [false, true] {
            let open = Arc::new(OpenFiles::new(preallocate));
            let place = Place { path: folder.path().join("large"), length: 1 << 20, padding: false };
            open.get((0, FileIndex(0)), &place, true).expect("made");
            let taken = fs::metadata(&place.path).expect("there").blocks() * 512;
            assert_eq!(taken >= 1 << 20, preallocate, "{taken}");
            fs::remove_file(&place.path).expect("removed");
        }
    }

    #[test]
    fn a_longer_file_keeps_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("content"), b"0123456789 and more").expect("a file");
        files(folder.path()).write(FileIndex(0), 0, &[Bytes::from_static(b"ab")]).expect("written");
        let content = fs::read(folder.path().join("content")).expect("a file");
        assert_eq!(content, b"ab23456789 and more");
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, CONTENT).expect("a file");
        std::os::unix::fs::symlink(&elsewhere, folder.path().join("content")).expect("a link");
        let files = files(folder.path());
        assert_eq!(files.stamps(), [None]);
        files.read(FileIndex(0), 0, 10).expect_err("not followed");
        files.write(FileIndex(0), 0, &[Bytes::from_static(b"xx")]).expect_err("not followed");
        assert_eq!(fs::read(elsewhere).expect("a file"), CONTENT);
    }

    #[test]
    fn what_was_written_is_flushed_after_its_file_was_closed() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        files.write(FileIndex(0), 0, &[Bytes::from_static(b"ab")]).expect("written");
        lock(&files.open.table).clear();
        files.flush().expect("flushed");
        assert!(lock(&files.dirty).is_empty());
        assert_eq!(lock(&files.open.table).len(), 1, "it was opened again");
    }
}
