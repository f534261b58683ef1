//! Paths of a torrent, and what becomes of them on a disk.

use super::{Fault, Found, Vector};
use convoy_core::{
    bencode::Writer,
    metainfo::{Info, sanitise_element},
};
use serde_json::{Value as Json, json};

/// One element.
pub(super) fn element(vector: &Vector) -> Result<Found, Fault> {
    Ok(Found::value(sanitise_element(&vector.bytes()?)))
}

/// All paths of a torrent, which are made unlike one another. They are put into a torrent, and read from it.
pub(super) fn set(vector: &Vector) -> Result<Found, Fault> {
    let unfit = || Fault::unfit("files", &vector.setup);
    let files: Vec<Vec<String>> =
        serde_json::from_value(vector.setup["files"].clone()).map_err(|_| unfit())?;
    let info = Info::parse(torrent_of(&files).into())
        .map_err(|error| Fault::unfit("paths that can be mended", error))?;
    let paths = info.files.iter().map(|file| json!(file.path.get(1..)));
    Ok(Found::value(paths.collect::<Json>()))
}

/// The info dictionary of a torrent of these files, a byte each.
fn torrent_of(files: &[Vec<String>]) -> Vec<u8> {
    let mut raw = Vec::new();
    Writer::new(&mut raw).dict(|info| {
        info.list(b"files", |list| {
            for path in files {
                list.dict(|file| {
                    file.integer(b"length", 1).list(b"path", |elements| {
                        path.iter().for_each(|element| {
                            elements.string(element);
                        });
                    });
                });
            }
        });
        let pieces = files.len().div_ceil(16384) * 20;
        info.string(b"name", "n").integer(b"piece length", 16384).string(b"pieces", vec![0; pieces]);
    });
    raw
}
