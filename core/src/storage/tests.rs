use super::*;
use crate::{
    bencode::Writer,
    bitfield::Bitfield,
    id::{FileIndex, InfoHash, PieceIndex},
};
use alloc::{string::String, vec, vec::Vec};
use proptest::prelude::*;

const HASH: InfoHash = InfoHash([7; 20]);
const STAMP: FileStamp = FileStamp { size: 10, mtime: 1_700_000_000_123_456_789 };

/// Six pieces of 16 KiB in two files of 40 000 and 50 000 bytes, piece 1 of which failed its check, as
/// libtorrent 2.1.1 saved it.
const LIBTORRENT: &[u8] = include_bytes!("testdata/libtorrent-2.1.1.fastresume");
const LIBTORRENT_HASH: InfoHash = InfoHash([
    0x44, 0xbf, 0xa1, 0x42, 0x34, 0x07, 0xa5, 0xc3, 0x0a, 0x1e, 0xaf, 0xfe, 0xd7, 0xb1, 0xfb, 0x2f, 0x60,
    0x22, 0xdf, 0xea,
]);

#[test]
fn a_torrent_of_one_byte_is_one_segment() {
    let layout = layout(16_384, &[(1, false)]);
    assert!(layout.piece_segments(PieceIndex(0)).eq([segment(0, 0, 1)]));
    assert!(layout.segments(1, 5).eq([]));
    assert!(layout.piece_segments(PieceIndex(1)).eq([]));
}

#[test]
fn a_last_piece_of_one_byte_may_lie_in_a_file_of_its_own() {
    let layout = layout(4, &[(8, false), (1, false)]);
    assert!(layout.piece_segments(PieceIndex(2)).eq([segment(1, 0, 1)]));
    assert!(layout.pieces_of(FileIndex(0)).eq([0, 1].map(PieceIndex)));
    assert!(layout.pieces_of(FileIndex(1)).eq([PieceIndex(2)]));
}

#[test]
fn empty_files_are_in_no_segment_wherever_they_stand() {
    let layout = layout(4, &[(0, false), (3, false), (0, false), (0, true), (2, false), (0, false)]);
    assert!(layout.segments(0, 5).eq([segment(1, 0, 3), segment(4, 0, 2)]));
    assert!(layout.segments(3, 1).eq([segment(4, 0, 1)]));
    assert_eq!(layout.pieces_of(FileIndex(2)).len(), 0);
    assert_eq!(layout.padding_ranges().count(), 0);
    assert_eq!((layout.file_count(), layout.file_length(FileIndex(4))), (6, 2));
}

#[test]
fn padding_is_in_no_file() {
    let layout = layout(8, &[(3, false), (5, true), (4, false), (4, true)]);
    let padding = |offset, length| Segment { file: None, offset, length };
    assert!(layout.segments(0, 16).eq([segment(0, 0, 3), padding(0, 5), segment(2, 0, 4), padding(0, 4)]));
    assert!(layout.segments(5, 2).eq([padding(2, 2)]));
    assert!(layout.padding_ranges().eq([3..8, 12..16]));
    assert!(layout.is_padding(FileIndex(1)) && !layout.is_padding(FileIndex(2)));
}

#[test]
fn what_no_torrent_has_is_nothing() {
    let layout = layout(8, &[(10, false)]);
    assert!(layout.segments(u64::MAX, u32::MAX).eq([]));
    assert!(layout.segments(9, u32::MAX).eq([segment(0, 9, 1)]));
    assert!(layout.piece_segments(PieceIndex(u32::MAX)).eq([]));
    assert_eq!(layout.file_length(FileIndex(1)), 0);
    assert_eq!(layout.pieces_of(FileIndex(u32::MAX)).len(), 0);
}

#[test]
fn lengths_that_do_not_fit_the_geometry_are_survived() {
    let geometry = Geometry::new(8, 20).expect("valid");
    let layout = Layout::new([(u64::MAX, false), (u64::MAX, true)], geometry);
    assert!(layout.segments(16, 8).eq([segment(0, 16, 4)]));
    assert_eq!(layout.pieces_of(FileIndex(0)).len(), 3);
    let short = Layout::new([(3, false)], geometry);
    assert!(short.segments(0, 20).eq([segment(0, 0, 3)]));
    assert!(short.segments(5, 3).eq([]));
}

#[test]
fn pieces_of_untouched_files_are_trusted_and_others_checked() {
    // Pieces: file 0; file 0; files 0 and 1; file 1; file 1.
    let layout = layout(4, &[(10, false), (10, false)]);
    let resume = resume(&[0, 2, 3], &[Some(STAMP), Some(STAMP)], true);
    let touched = FileStamp { mtime: STAMP.mtime + 1, ..STAMP };
    assert_eq!(judged(&resume, &layout, &[Some(STAMP), Some(STAMP)]), "T-TT-");
    assert_eq!(judged(&resume, &layout, &[Some(STAMP), Some(touched)]), "T-???");
    assert_eq!(judged(&resume, &layout, &[Some(touched), Some(STAMP)]), "???T-");
}

#[test]
fn after_an_unclean_end_what_was_not_there_is_checked() {
    let layout = layout(4, &[(10, false), (10, false)]);
    let resume = resume(&[0, 2, 3], &[Some(STAMP), Some(STAMP)], false);
    assert_eq!(judged(&resume, &layout, &[Some(STAMP), Some(STAMP)]), "T?TT?");
}

#[test]
fn pieces_of_missing_or_short_files_are_missing() {
    let layout = layout(4, &[(10, false), (10, false)]);
    let resume = resume(&[0, 1, 2, 3, 4], &[Some(STAMP), Some(STAMP)], true);
    let short = FileStamp { size: 7, ..STAMP };
    assert_eq!(judged(&resume, &layout, &[Some(STAMP), None]), "TT---");
    assert_eq!(judged(&resume, &layout, &[Some(short), Some(STAMP)]), "?--TT");
    assert_eq!(judged(&resume, &layout, &[]), "-----");
}

#[test]
fn a_stamp_does_not_vouch_for_bytes_that_the_file_does_not_have() {
    let layout = layout(4, &[(10, false)]);
    let short = Some(FileStamp { size: 4, ..STAMP });
    assert_eq!(judged(&resume(&[0, 1, 2], &[short], true), &layout, &[short]), "T--");
}

#[test]
fn padding_needs_no_file() {
    let layout = layout(8, &[(3, false), (5, true), (8, false)]);
    let resume = resume(&[0], &[Some(STAMP), None, Some(STAMP)], true);
    assert_eq!(judged(&resume, &layout, &[Some(STAMP), None, Some(STAMP)]), "T-");
}

#[test]
fn without_a_resume_file_whatever_is_there_is_checked() {
    let layout = layout(4, &[(10, false), (10, false)]);
    let unknown = Resume::unknown(HASH, 5, 2);
    assert_eq!(judged(&unknown, &layout, &[Some(STAMP), None]), "??---");
}

#[test]
fn a_saved_file_has_the_documented_form() {
    let saved = resume(&[0], &[Some(FileStamp { size: 1, mtime: -2 }), None], true).encode();
    let mut expected =
        Vec::from(*b"d5:cleani1e11:file-format18:convoy resume file12:file-versioni1e5:files32:");
    expected.extend([0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 254]);
    expected.extend([255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend(
        b"9:info-hash20:\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07",
    );
    expected.extend(b"6:pieces1:\x80e");
    assert_eq!(saved, expected);
}

#[test]
fn a_resume_file_that_does_not_fit_is_refused() {
    let saved = resume(&[0], &[Some(STAMP)], true).encode();
    let decode = |hash, pieces, files| Resume::decode(&saved, hash, pieces, files).map(drop);
    assert_eq!(decode(HASH, 5, 1), Ok(()));
    assert_eq!(decode(InfoHash([8; 20]), 5, 1), Err(ResumeError::OtherTorrent));
    assert_eq!(decode(HASH, 9, 1), Err(ResumeError::Mismatch));
    assert_eq!(decode(HASH, 5, 2), Err(ResumeError::Mismatch));
    let other = |input: &[u8]| Resume::decode(input, HASH, 5, 1).map(drop);
    assert_eq!(other(b"de"), Err(ResumeError::UnknownFormat));
    assert_eq!(other(b"le"), Err(ResumeError::UnknownFormat));
    assert!(matches!(other(&saved[..saved.len() - 1]), Err(ResumeError::Bencode(_))));
}

#[test]
fn what_libtorrent_claims_is_checked() {
    let resume = Resume::decode(LIBTORRENT, LIBTORRENT_HASH, 6, 2).expect("libtorrent's");
    assert!(resume.have.iter().eq([0, 2, 3, 4, 5].map(PieceIndex)));
    let layout = layout(16_384, &[(40_000, false), (50_000, false)]);
    let on_disk = [40_000, 50_000].map(|size| Some(FileStamp { size, mtime: 1 }));
    assert_eq!(judged(&resume, &layout, &on_disk), "??????");
}

#[test]
fn libtorrents_first_version_has_a_byte_for_each_piece() {
    let saved = |version, pieces: &[u8]| {
        let mut out = Vec::new();
        Writer::new(&mut out).dict(|dict| {
            dict.string(b"file-format", "libtorrent resume file").integer(b"file-version", version);
            dict.string(b"info-hash", HASH.0).string(b"pieces", pieces);
        });
        out
    };
    let have = |version, pieces: &[u8], count| {
        let resume = Resume::decode(&saved(version, pieces), HASH, count, 1);
        resume.map(|resume| resume.have.iter().map(|piece| piece.0).collect::<Vec<_>>())
    };
    assert_eq!(have(1, &[1, 0, 3, 2], 4), Ok(vec![0, 2]));
    assert_eq!(have(1, &[0xa0], 4), Ok(vec![0, 2]));
    assert_eq!((have(1, &[1], 1), have(2, &[0x80], 1)), (Ok(vec![0]), Ok(vec![0])));
    assert_eq!(have(2, &[], 4), Ok(vec![]));
    assert_eq!(have(2, &[1, 0, 3, 2], 4), Err(ResumeError::Mismatch));
    assert_eq!(have(3, &[0xa0], 4), Err(ResumeError::UnknownFormat));
}

proptest! {
    #[test]
    fn segments_are_what_a_walk_byte_by_byte_finds(
        files in prop::collection::vec((0_u64..12, any::<bool>()), 1..12),
        piece_length in 1_u32..9,
        offset in 0_u64..100,
        length in 0_u32..100,
    ) {
        let model = bytes(&files);
        prop_assume!(!model.is_empty());
        let layout = layout(piece_length, &files);
        let range = model.iter().skip(offset as usize).take(length as usize);
        let range = range.map(|(file, at)| ((!files[*file].1).then_some(*file), *at));
        prop_assert_eq!(unrolled(layout.segments(offset, length)), range.collect::<Vec<_>>());
        for (file, pieces) in (0..files.len()).map(|file| (file, layout.pieces_of(FileIndex(file as u32)))) {
            let holds = model.chunks(piece_length as usize).map(|piece| piece.iter().any(|byte| byte.0 == file));
            let expected = holds.enumerate().filter(|(_, holds)| *holds).map(|(piece, _)| PieceIndex(piece as u32));
            prop_assert_eq!(pieces.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
        let padding = model.iter().enumerate().filter(|(_, byte)| files[byte.0].1).map(|(at, _)| at as u64);
        prop_assert_eq!(layout.padding_ranges().flatten().collect::<Vec<_>>(), padding.collect::<Vec<_>>());
    }

    #[test]
    fn what_is_saved_is_what_is_loaded(
        pieces in prop::collection::vec(any::<bool>(), 1..70),
        files in prop::collection::vec(prop::option::of((0..u64::MAX, any::<i64>())), 0..10),
        clean in any::<bool>(),
    ) {
        let there: Vec<u32> = (0..).zip(&pieces).filter(|(_, there)| **there).map(|(piece, _)| piece).collect();
        let mut have = Bitfield::new(pieces.len() as u32);
        there.into_iter().for_each(|piece| assert!(have.set(PieceIndex(piece))));
        let count = files.len() as u32;
        let files = files.into_iter().map(|file| file.map(|(size, mtime)| FileStamp { size, mtime })).collect();
        let resume = Resume { info_hash: HASH, have, files, clean };
        prop_assert_eq!(Resume::decode(&resume.encode(), HASH, pieces.len() as u32, count), Ok(resume));
    }
}

fn layout(piece_length: u32, files: &[(u64, bool)]) -> Layout {
    let total = files.iter().map(|file| file.0).sum();
    Layout::new(files.iter().copied(), Geometry::new(piece_length, total).expect("valid"))
}

fn segment(file: u32, offset: u64, length: u32) -> Segment {
    Segment { file: Some(FileIndex(file)), offset, length }
}

/// Five pieces, some of them there.
fn resume(have: &[u32], files: &[Option<FileStamp>], clean: bool) -> Resume {
    let mut unknown = Resume { files: files.into(), clean, ..Resume::unknown(HASH, 5, 0) };
    have.iter().for_each(|piece| assert!(unknown.have.set(PieceIndex(*piece))));
    unknown
}

/// One letter for each piece: T trusted, ? to be checked, - missing.
fn judged(resume: &Resume, layout: &Layout, on_disk: &[Option<FileStamp>]) -> String {
    let verdict = resume.trusted(layout, on_disk);
    let letter = |piece| match (verdict.trusted.get(piece), verdict.check.get(piece)) {
        (true, false) => 'T',
        (false, true) => '?',
        (false, false) => '-',
        (true, true) => panic!("both"),
    };
    (0..layout.geometry().pieces()).map(PieceIndex).map(letter).collect()
}

/// Every byte of the torrent: which file it is in, and where.
fn bytes(files: &[(u64, bool)]) -> Vec<(usize, u64)> {
    let files = files.iter().enumerate();
    files.flat_map(|(file, (length, _))| (0..*length).map(move |at| (file, at))).collect()
}

/// Every byte of some segments, in the same way; `None` where it is padding.
fn unrolled(segments: Segments<'_>) -> Vec<(Option<usize>, u64)> {
    let bytes = segments.flat_map(|segment| {
        assert!(segment.length > 0);
        let file = segment.file.map(|file| file.0 as usize);
        (0..u64::from(segment.length)).map(move |at| (file, segment.offset + at))
    });
    bytes.collect()
}
