//! A torrent that is read, written and read again is the same, and everything in it fits.

use crate::{
    Reached,
    tree::{Key, Tree, fill_dict},
};
use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use convoy_core::{
    bencode::{DictWriter, Writer},
    metainfo::Metainfo,
};
use std::collections::BTreeSet;

const WORDS: [&str; 28] = [
    "info",
    "name",
    "name.utf-8",
    "piece length",
    "pieces",
    "length",
    "files",
    "path",
    "path.utf-8",
    "attr",
    "private",
    "source",
    "meta version",
    "file tree",
    "piece layers",
    "pieces root",
    "announce",
    "announce-list",
    "url-list",
    "nodes",
    "comment",
    "created by",
    "creation date",
    "p",
    "..",
    "NUL",
    ".pad",
    "udp://tracker.example:6969/announce",
];

#[derive(Arbitrary)]
enum Input<'a> {
    Raw(&'a [u8]),
    Made(Made),
}

/// A torrent that fits, but for what is added.
#[derive(Arbitrary)]
struct Made {
    name: Tree,
    piece_length: u8,
    /// Hashes more than the files need.
    surplus: u8,
    files: Vec<File>,
    info: Vec<(Key, Tree)>,
    outer: Vec<(Key, Tree)>,
}

#[derive(Arbitrary)]
struct File {
    length: u32,
    path: Vec<Tree>,
    padding: bool,
}

pub fn run(bytes: &[u8]) -> Reached {
    match Input::arbitrary_take_rest(Unstructured::new(bytes)) {
        Ok(Input::Raw(raw)) => read(Bytes::copy_from_slice(raw)),
        Ok(Input::Made(made)) => read(made.encode().into()),
        Err(_) => Reached::default(),
    }
}

impl Made {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        Writer::new(&mut out).dict(|dict| {
            fill_dict(dict, &self.outer, &WORDS);
            dict.dict(b"info", |info| self.fill_info(info));
        });
        out
    }

    fn fill_info(&self, info: &mut DictWriter<'_>) {
        let piece_length = 1_u64 << (14 + self.piece_length % 12);
        let total: u64 = self.files.iter().map(|file| u64::from(file.length)).sum();
        let pieces = total.div_ceil(piece_length).min(2000) + u64::from(self.surplus / 128);
        info.integer(b"piece length", piece_length as i64);
        info.string(b"pieces", vec![7; pieces as usize * 20]);
        info.raw(b"name", &self.name.encode(&WORDS));
        match &self.files[..] {
            [file] if file.path.is_empty() => {
                info.integer(b"length", i64::from(file.length));
            }
            files => {
                info.list(b"files", |list| {
                    for file in files {
                        list.dict(|dict| file.fill(dict));
                    }
                });
            }
        }
        fill_dict(info, &self.info, &WORDS);
    }
}

impl File {
    fn fill(&self, dict: &mut DictWriter<'_>) {
        dict.integer(b"length", i64::from(self.length));
        dict.list(b"path", |path| {
            for part in &self.path {
                path.raw(&part.encode(&WORDS));
            }
        });
        if self.padding {
            dict.string(b"attr", "p");
        }
    }
}

fn read(raw: Bytes) -> Reached {
    let mut reached = Reached::default();
    let metainfo = Metainfo::parse(raw);
    reached.add_variant(&metainfo.as_ref().map(|_| ()));
    let Ok(metainfo) = metainfo else { return reached };
    let again = Metainfo::parse(metainfo.encode().into()).expect("what was written can be read");
    assert_eq!(again, metainfo);
    let info = &metainfo.info;
    assert_eq!(info.files.iter().map(|file| file.length).sum::<u64>(), info.geometry.total_length());
    assert_eq!(info.piece_hashes.len(), info.geometry.pieces() as usize * 20);
    let paths: BTreeSet<_> = info
        .files
        .iter()
        .filter(|file| !file.padding)
        .map(|file| file.path.join("/").to_lowercase())
        .collect();
    assert_eq!(paths.len(), info.files.iter().filter(|file| !file.padding).count(), "no two files collide");
    let parts = [
        ("folder", info.multi_file),
        ("padding", info.files.iter().any(|file| file.padding)),
        ("hybrid", info.info_hash_v2.is_some()),
        ("private", info.private),
        ("source", info.source.is_some()),
        ("not canonical", info.non_canonical),
        ("trackers", !metainfo.trackers.is_empty()),
        ("web seeds", !metainfo.web_seeds.is_empty()),
        ("nodes", !metainfo.nodes.is_empty()),
        ("comment", metainfo.comment.is_some()),
    ];
    parts.iter().filter(|(_, has)| *has).for_each(|(name, _)| reached.add(name));
    reached
}
