//! A resume file is read or refused, and says nothing of pieces that are not there.

use crate::{
    Reached,
    tree::{Key, Tree, fill_dict},
};
use arbitrary::{Arbitrary, Unstructured};
use convoy_core::{
    bencode::Writer,
    id::InfoHash,
    storage::{FileStamp, Geometry, Layout, Resume},
};

const HASH: InfoHash = InfoHash([7; 20]);
const PIECES: u32 = 10;
const LENGTHS: [u64; 3] = [5, 495, 480];

const WORDS: [&str; 12] = [
    "clean",
    "file-format",
    "file-version",
    "files",
    "info-hash",
    "pieces",
    "convoy resume file",
    "libtorrent resume file",
    "file sizes",
    "piece_priority",
    "unfinished",
    "blocks_per_piece",
];

#[derive(Arbitrary)]
enum Input<'a> {
    Raw(&'a [u8]),
    Made(Made),
}

/// A resume file that fits, but for what is added.
#[derive(Arbitrary)]
struct Made {
    clean: bool,
    libtorrent: bool,
    files: Vec<(u16, i64)>,
    pieces: Vec<u8>,
    more: Vec<(Key, Tree)>,
    on_disk: [Option<u16>; 3],
}

pub fn run(bytes: &[u8]) -> Reached {
    match Input::arbitrary_take_rest(Unstructured::new(bytes)) {
        Ok(Input::Raw(raw)) => read(raw, [None; 3]),
        Ok(Input::Made(made)) => read(&made.encode(), made.on_disk),
        Err(_) => Reached::default(),
    }
}

impl Made {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let stamps = self
            .files
            .iter()
            .flat_map(|(size, mtime)| [u64::from(*size).to_be_bytes(), mtime.to_be_bytes()].concat());
        Writer::new(&mut out).dict(|dict| {
            dict.integer(b"clean", i64::from(self.clean))
                .string(b"file-format", WORDS[if self.libtorrent { 7 } else { 6 }])
                .integer(b"file-version", 1)
                .string(b"files", stamps.collect::<Vec<u8>>())
                .string(b"info-hash", HASH.0)
                .string(b"pieces", &self.pieces);
            fill_dict(dict, &self.more, &WORDS);
        });
        out
    }
}

fn read(raw: &[u8], on_disk: [Option<u16>; 3]) -> Reached {
    let mut reached = Reached::default();
    let resume = Resume::decode(raw, HASH, PIECES, LENGTHS.len() as u32);
    reached.add_variant(&resume.as_ref().map(|_| ()));
    let Ok(resume) = resume else { return reached };
    assert_eq!(Resume::decode(&resume.encode(), HASH, PIECES, 3).as_ref(), Ok(&resume));
    let geometry = Geometry::new(98, LENGTHS.iter().sum()).expect("valid");
    assert_eq!(geometry.pieces(), PIECES);
    let layout = Layout::new(LENGTHS.map(|length| (length, false)), geometry);
    let stamps = on_disk.map(|size| size.map(|size| FileStamp { size: u64::from(size), mtime: 0 }));
    let as_it_was: Vec<_> = resume.files.iter().zip(stamps).map(|(was, now)| now.and(*was)).collect();
    for stamps in [&stamps[..], &as_it_was] {
        let verdict = resume.trusted(&layout, stamps);
        assert_eq!((verdict.trusted.len(), verdict.check.len()), (PIECES, PIECES));
        assert!(verdict.trusted.iter().all(|piece| resume.have.get(piece) && !verdict.check.get(piece)));
        let states = [("trusted", verdict.trusted.count()), ("to be checked", verdict.check.count())];
        states.iter().filter(|(_, count)| *count > 0).for_each(|(name, _)| reached.add(name));
    }
    reached
}
