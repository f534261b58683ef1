//! Resume files: read at the start, written under a temporary name and renamed.

use convoy_core::{
    bitfield::Bitfield,
    id::InfoHash,
    metainfo::Info,
    storage::{FileStamp, Resume},
};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::Path,
};
use tracing::warn;

/// What is known of a torrent, if anything: a resume file that is missing or wrong costs a check.
pub(crate) fn read(path: &Path, info: &Info) -> Option<Resume> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                warn!(path = %path.display(), %error, "cannot read the resume file; the files will be checked");
            }
            return None;
        }
    };
    let decoded = Resume::decode(&bytes, info.info_hash, info.geometry.pieces(), info.files.len() as u32);
    decoded
        .inspect_err(
            |error| warn!(path = %path.display(), %error, "bad resume file; the files will be checked"),
        )
        .ok()
}

/// Writes what is known, so that there is always the old file or the new one, whole.
pub(crate) fn write(
    path: &Path,
    info_hash: InfoHash,
    have: Bitfield,
    files: Vec<Option<FileStamp>>,
    clean: bool,
) -> io::Result<()> {
    let bytes = Resume { info_hash, have, files, clean }.encode();
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut temporary = OsString::from(path);
    temporary.push(".new");
    let mut file = File::create(&temporary)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
