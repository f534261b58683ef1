//! Where a torrent comes from, and where a file goes.

use crate::failure::Failure;
use convoy_core::metainfo::Metainfo;
use std::{
    fs::{self, File, Permissions},
    io::{self, Read, Write},
    path::Path,
};

/// The largest .torrent that is read, in bytes; libtorrent's limit too.
const MAX_TORRENT_LENGTH: u64 = 10_000_000;

/// Reads and checks the .torrent that `source` names, or the one on stdin if it is `-`.
///
/// # Errors
/// There is none, it is not a torrent, or `source` is of a kind that this build cannot fetch.
pub(crate) fn read_torrent(source: &str) -> Result<Metainfo, Failure> {
    if source == "-" {
        let bytes = read_limited(io::stdin().lock())
            .map_err(|error| Failure::new(format!("cannot read a .torrent from stdin: {error}")))?;
        return parse(bytes, "stdin");
    }
    let file = Path::new(source);
    refuse_what_cannot_be_fetched(source)?;
    let bytes = File::open(file).and_then(read_limited).map_err(|error| {
        Failure::io("cannot read", file, &error).advise("give the path of a .torrent file, or - for stdin")
    })?;
    parse(bytes, source).map_err(|failure| failure.at(file))
}

fn parse(bytes: Vec<u8>, source: &str) -> Result<Metainfo, Failure> {
    if bytes.len() as u64 > MAX_TORRENT_LENGTH {
        return Err(Failure::new(format!(
            "{source} is no .torrent: it has more than {MAX_TORRENT_LENGTH} bytes"
        )));
    }
    Metainfo::parse(bytes.into()).map_err(|error| {
        Failure::new(format!("{source} is not a .torrent that can be used: {error}"))
            .advise("ask whoever made it for a sound one")
    })
}

fn read_limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_TORRENT_LENGTH + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Links and hashes are sources people know; say plainly that they do not work yet.
fn refuse_what_cannot_be_fetched(source: &str) -> Result<(), Failure> {
    let scheme = source.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let is_hash = source.len() == 40 && source.bytes().all(|digit| digit.is_ascii_hexdigit());
    let kind = match scheme.as_deref() {
        Some("magnet") => "magnet links are",
        Some("http" | "https") => "web addresses are",
        _ if is_hash && !Path::new(source).exists() => "info-hashes are",
        _ => return Ok(()),
    };
    Err(Failure::new(format!("{kind} not supported yet: {source}"))
        .advise("what works is the path of a .torrent file, or - for one on stdin"))
}

/// Writes `bytes` to a temporary file beside `file`, makes it durable, and gives it its name.
///
/// # Errors
/// The system would not, and `file` is as it was.
pub(crate) fn write_whole(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = new_file(folder).and_then(|mut temporary| {
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(file)?;
        Ok(())
    });
    written.map_err(|error| Failure::io("cannot write", file, &error))
}

/// A temporary file with the permissions that a new file has.
fn new_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    let builder = builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
    builder.prefix(".convoy-").tempfile_in(folder)
}

/// Makes sure that `folder` is there.
///
/// # Errors
/// It is not, and cannot be made.
pub(crate) fn make_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::io("cannot make the folder", folder, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_refused_and_paths_are_not() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        for source in ["magnet:?xt=urn:btih:0", "https://example.org/x.torrent", "HTTP://x", hash] {
            let failure = read_torrent(source).expect_err("refused");
            assert!(failure.message().contains("not supported yet"), "{failure}");
        }
        for source in ["x.torrent", "c:\\x.torrent", "/a:b/x.torrent"] {
            assert!(refuse_what_cannot_be_fetched(source).is_ok(), "{source}");
        }
    }

    #[test]
    fn a_written_file_replaces_the_old_one_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let file = folder.path().join("x");
        write_whole(&file, b"old").expect("written");
        write_whole(&file, b"new").expect("written");
        assert_eq!(fs::read(&file).expect("read"), b"new");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
        assert!(write_whole(&folder.path().join("no/folder"), b"").is_err());
    }
}
