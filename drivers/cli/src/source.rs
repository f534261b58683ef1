//! Where a torrent comes from, and where a file goes.

use crate::{config::WebAddress, failure::Failure};
use convoy_core::{
    id::InfoHash,
    metainfo::{Magnet, Metainfo},
};
use std::{
    fs::{self, File, Permissions},
    io::{self, Read, Write},
    path::Path,
};

/// The largest .torrent that is read, in bytes; libtorrent's limit too.
const MAX_TORRENT_LENGTH: u64 = 10_000_000;

/// A torrent as people name it.
#[derive(Debug)]
pub(crate) enum Source {
    /// A .torrent: all there is to know.
    Torrent(Box<Metainfo>),
    /// A magnet link, or an info-hash alone: the rest is asked of peers.
    Link(Box<Link>),
}

/// A magnet link that peers can be asked about.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) info_hash: InfoHash,
    pub(crate) magnet: Magnet,
}

impl Source {
    /// The torrent's name among peers.
    pub(crate) fn info_hash(&self) -> InfoHash {
        match self {
            Self::Torrent(metainfo) => metainfo.info.info_hash,
            Self::Link(link) => link.info_hash,
        }
    }

    /// Adds trackers to those that it names, each a tier of its own.
    pub(crate) fn add_trackers(&mut self, urls: &[String]) {
        match self {
            Self::Torrent(metainfo) => metainfo.trackers.extend(urls.iter().map(|url| vec![url.clone()])),
            Self::Link(link) => link.magnet.trackers.extend_from_slice(urls),
        }
    }

    /// Adds web servers that have the files to those that it names.
    pub(crate) fn add_web_seeds(&mut self, addresses: &[WebAddress]) {
        let urls = addresses.iter().map(|address| address.0.clone());
        match self {
            Self::Torrent(metainfo) => metainfo.web_seeds.extend(urls),
            Self::Link(link) => link.magnet.web_seeds.extend(urls),
        }
    }
}

impl Link {
    /// Its trackers: each is a tier, as no order is known.
    pub(crate) fn tiers(&self) -> Vec<Vec<String>> {
        self.magnet.trackers.iter().map(|url| vec![url.clone()]).collect()
    }

    /// What to call it until peers say.
    pub(crate) fn name(&self) -> String {
        self.magnet.name.clone().unwrap_or_else(|| self.info_hash.to_string())
    }
}

/// Reads the .torrent or the link that `source` names, or the .torrent on stdin if it is `-`.
///
/// # Errors
/// There is none, it is not a torrent, or `source` is of a kind that this build cannot fetch.
pub(crate) fn read(source: &str) -> Result<Source, Failure> {
    match read_link(source)? {
        Some(link) => Ok(Source::Link(Box::new(link))),
        None => read_file(source).map(|metainfo| Source::Torrent(Box::new(metainfo))),
    }
}

/// Reads and checks the .torrent that `source` names, or the one on stdin if it is `-`.
///
/// # Errors
/// There is none, it is not a torrent, or `source` is something else.
pub(crate) fn read_torrent(source: &str) -> Result<Metainfo, Failure> {
    match read(source)? {
        Source::Torrent(metainfo) => Ok(*metainfo),
        Source::Link(_) => Err(Failure::usage(format!("this needs a .torrent, and {source} is a link"))
            .advise("give the path of a .torrent file, or - for one on stdin")),
    }
}

/// A magnet link or an info-hash, unless it is the name of a file.
fn read_link(source: &str) -> Result<Option<Link>, Failure> {
    let scheme = source.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let magnet = match (scheme.as_deref(), source.parse::<InfoHash>()) {
        (Some("magnet"), _) => Magnet::parse(source).map_err(|error| {
            Failure::new(format!("{source} is not a magnet link that can be used: {error}"))
                .advise("copy all of it, and put it in quotes: a shell takes & for its own")
        })?,
        (_, Ok(info_hash)) if !Path::new(source).exists() => Magnet::from(info_hash),
        _ => return Ok(None),
    };
    let Some(info_hash) = magnet.info_hash else {
        return Err(Failure::new(format!(
            "{source} names a torrent of version 2 only, which this build cannot share"
        ))
        .advise("ask for a hybrid torrent, or one of version 1 (urn:btih:)"));
    };
    Ok(Some(Link { info_hash, magnet }))
}

fn read_file(source: &str) -> Result<Metainfo, Failure> {
    if source == "-" {
        let bytes = read_limited(io::stdin().lock()).map_err(|error| {
            Failure::new(format!("cannot read a .torrent from stdin: {error}"))
                .advise("pipe one in, or give its path")
        })?;
        return parse(bytes, "stdin");
    }
    refuse_web_addresses(source)?;
    let file = Path::new(source);
    let bytes = File::open(file).and_then(read_limited).map_err(|error| {
        Failure::io("cannot read", file, &error)
            .advise("give the path of a .torrent file, - for one on stdin, a magnet link or an info-hash")
    })?;
    parse(bytes, source).map_err(|failure| failure.at(file))
}

fn parse(bytes: Vec<u8>, source: &str) -> Result<Metainfo, Failure> {
    if bytes.len() as u64 > MAX_TORRENT_LENGTH {
        return Err(Failure::new(format!(
            "{source} is no .torrent: it has more than {MAX_TORRENT_LENGTH} bytes"
        ))
        .advise("give the .torrent that describes it; `convoy create` makes one"));
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

/// Web addresses are sources people know; say plainly that they do not work yet.
fn refuse_web_addresses(source: &str) -> Result<(), Failure> {
    let scheme = source.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https") => Err(Failure::new(format!("web addresses are not supported yet: {source}"))
            .advise("what works is a magnet link, or the path of a .torrent file")),
        _ => Ok(()),
    }
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
    written.map_err(|error| {
        Failure::io("cannot write", file, &error)
            .advise("name a file in a folder where you may write, and see that there is room")
    })
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
    fs::create_dir_all(folder).map_err(|error| {
        Failure::io("cannot make the folder", folder, &error).advise("name another one where you may write")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_hashes_name_a_torrent() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        for source in [hash, &hash.to_uppercase(), "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH"] {
            let Ok(Source::Link(link)) = read(source) else { panic!("{source}") };
            assert_eq!((link.info_hash.to_string(), link.name()), (hash.to_owned(), hash.to_owned()));
        }
        let Ok(Source::Link(link)) = read(&format!("Magnet:?dn=A+film&xt=urn:btih:{hash}&so=1-2")) else {
            panic!("no link")
        };
        assert_eq!((link.info_hash.to_string(), link.name()), (hash.to_owned(), "A film".to_owned()));
        assert_eq!(link.magnet.select.len(), 1);
    }

    #[test]
    fn what_is_no_source_is_told_apart() {
        let v2 = format!("magnet:?xt=urn:btmh:1220{}", "ab".repeat(32));
        for (source, why) in [
            ("magnet:?xt=urn:btih:0", "malformed info-hash"),
            ("magnet:?dn=x", "no info-hash"),
            (v2.as_str(), "version 2"),
            ("https://example.org/x.torrent", "not supported yet"),
            ("HTTP://x", "not supported yet"),
            ("x.torrent", "cannot read x.torrent"),
            ("c:\\x.torrent", "cannot read"),
            ("/a:b/x.torrent", "cannot read"),
        ] {
            let failure = read(source).expect_err("refused");
            assert!(failure.message().contains(why), "{failure}");
        }
        let failure = read_torrent("0123456789abcdef0123456789abcdef01234567").expect_err("refused");
        assert!(failure.message().contains("needs a .torrent"), "{failure}");
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
