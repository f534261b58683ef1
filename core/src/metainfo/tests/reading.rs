//! Torrents: the limits, and that no damage to a torrent does harm.

use super::{bytes_of, vectors};
use crate::{
    bencode::Writer,
    id::{FileIndex, InfoHash, PieceIndex},
    metainfo::{Error, Field, Incompatible, Info, Limit, MAX_ADDRESSES, Malformed, Metainfo, ParseOptions},
};
use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};
use bytes::Bytes;
use proptest::prelude::*;

#[test]
fn a_version_2_torrent_says_that_it_is_one() {
    let rows = vectors("info.json");
    let row = rows.iter().find(|row| row["name"] == "v2 single file").expect("in the vectors");
    let error = Info::parse(Bytes::from(bytes_of(&row["bytes"]))).expect_err("version 2 only");
    assert_eq!(error, Error::Incompatible(Incompatible::V2Only));
    assert_eq!(error.to_string(), "unsupported torrent: a version 2 torrent without version 1 pieces");
}

#[test]
fn bad_input_3_a_non_canonical_info_dictionary_can_be_refused() {
    let raw =
        Bytes::from_static(b"d4:name1:a6:lengthi5e12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae");
    assert!(Info::parse(raw.clone()).expect("a torrent").non_canonical);
    let strict = ParseOptions { reject_non_canonical: true, ..ParseOptions::default() };
    assert_eq!(Info::parse_with(raw, &strict), Err(Error::Malformed(Malformed::NonCanonical)));
}

#[test]
fn bad_input_4_piece_length_zero_and_beyond_any_are_told_apart() {
    assert_eq!(info(5, 0, 20), Err(Error::Malformed(Malformed::OutOfRange(Field::PieceLength))));
    assert_eq!(info(5, i64::MAX, 20), Err(Error::Limit(Limit::PieceLength)));
    assert!(info(5, 1 << 28, 20).is_ok());
}

#[test]
fn bad_input_4_as_many_pieces_as_may_be_and_one_more() {
    assert_eq!(
        info(1 << 21, 1, 20),
        Err(Error::Malformed(Malformed::PieceHashes { expected: 20 << 21, found: 20 }))
    );
    assert_eq!(info((1 << 21) + 1, 1, 20), Err(Error::Limit(Limit::Pieces)));
}

#[test]
fn bad_input_4_as_much_content_as_may_be_and_one_byte_more() {
    let most = info(1 << 48, 1 << 28, 20 << 20);
    assert_eq!(most, Err(Error::Limit(Limit::Bytes)), "its hashes alone are 20 MiB");
    let options = ParseOptions { max_bytes: 32 << 20, ..ParseOptions::default() };
    let raw = |length| Bytes::from(info_dict(length, 1 << 28, 20 << 20));
    assert_eq!(Info::parse_with(raw(1 << 48), &options).map(|info| info.total_length()), Ok(1 << 48));
    assert_eq!(Info::parse_with(raw((1 << 48) + 1), &options), Err(Error::Limit(Limit::TotalLength)));
}

#[test]
fn bad_input_5_path_elements_beyond_a_hundred_are_refused_at_once() {
    let path = vec!["x"; 1000];
    let error = Error::Malformed(Malformed::PathTooDeep(FileIndex(0)));
    assert_eq!(parse(folder(&[&path])), Err(error));
}

#[test]
fn bad_input_5_no_path_leaves_the_folder() {
    let metainfo =
        parse(folder(&[&["..", "..", "etc", "passwd"], &["/etc/passwd"], &["C:\\x"], &["\0"], &["con"]]));
    let paths: Vec<String> =
        metainfo.expect("a torrent").info.files.iter().map(|file| file.path.join("/")).collect();
    assert_eq!(paths, ["n/_/_/etc/passwd", "n/etcpasswd", "n/C_x", "n/_ (1)", "n/_con"]);
}

#[test]
fn limits_hold_at_their_edge() {
    let file = folder(&[&["a"], &["b"], &["c"]]);
    let with = |options: ParseOptions| Metainfo::parse_with(file.clone().into(), &options).map(drop);
    let default = ParseOptions::default;
    assert_eq!(
        with(ParseOptions { max_bytes: file.len(), max_files: 3, max_total_length: 3, ..default() }),
        Ok(())
    );
    assert_eq!(
        with(ParseOptions { max_bytes: file.len() - 1, ..default() }),
        Err(Error::Limit(Limit::Bytes))
    );
    assert_eq!(with(ParseOptions { max_files: 2, ..default() }), Err(Error::Limit(Limit::Files)));
    assert_eq!(
        with(ParseOptions { max_total_length: 2, ..default() }),
        Err(Error::Limit(Limit::TotalLength))
    );
}

#[test]
fn addresses_beyond_the_cap_are_left_out() {
    let mut file = Vec::new();
    Writer::new(&mut file).dict(|dict| {
        let more = 0..=MAX_ADDRESSES;
        dict.list(b"announce-list", |tiers| {
            more.clone().for_each(|_| {
                tiers.list(|tier| {
                    tier.string("u://t");
                });
            })
        });
        dict.raw(b"info", &info_dict(5, 16384, 20));
        dict.list(b"nodes", |nodes| {
            more.clone().for_each(|_| {
                nodes.list(|node| {
                    node.string("h").integer(1);
                });
            })
        });
        dict.list(b"url-list", |urls| {
            more.clone().for_each(|_| {
                urls.string("u://w");
            })
        });
    });
    let metainfo = parse(file).expect("a torrent");
    assert_eq!([metainfo.trackers.len(), metainfo.nodes.len(), metainfo.web_seeds.len()], [MAX_ADDRESSES; 3]);
}

#[test]
fn nothing_of_the_file_is_copied_that_hashes_cover() {
    let file = Bytes::from(folder(&[&["a"]]));
    let info = Metainfo::parse(file.clone()).expect("a torrent").info;
    let range = file.as_ptr_range();
    assert!(range.contains(&info.raw.as_ptr()) && range.contains(&info.piece_hashes.as_ptr()));
    assert_eq!(Info::parse(info.raw.clone()), Ok(info));
}

#[test]
fn each_piece_has_its_hash_and_no_other_has() {
    let info = info(40_000, 16_384, 60).expect("a torrent");
    assert_eq!(info.piece_hash(PieceIndex(2)), Some([b'h'; 20]));
    assert_eq!(info.piece_hash(PieceIndex(3)), None);
    assert_eq!(info.piece_hash(PieceIndex(u32::MAX)), None);
}

#[test]
fn a_torrent_becomes_its_link() {
    let file = b"d13:announce-listll5:u://ael5:u://bee4:infod6:lengthi5e4:name3:n:112:piece lengthi16384e\
        6:pieces20:aaaaaaaaaaaaaaaaaaaae5:nodesll1:hi7eee8:url-list5:u://we";
    let magnet = parse(file.to_vec()).expect("a torrent").magnet();
    assert_eq!(magnet.name.as_deref(), Some("n_1"));
    assert_eq!(magnet.trackers, ["u://a", "u://b"]);
    assert_eq!(magnet.web_seeds, ["u://w"]);
    assert_eq!(magnet.nodes, [("h".into(), 7)]);
    assert!(matches!(magnet.info_hash, Some(InfoHash(_))));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(bytes.clone());
        let _ = Info::parse(bytes.into());
    }

    /// Whatever happens to a torrent on its way, what is read from it holds together.
    #[test]
    fn bad_input_4_5_a_damaged_torrent_is_refused_or_holds_together(
        row in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..4),
    ) {
        let rows = vectors("torrents.json");
        let mut bytes = bytes_of(&row.get(&rows)["bytes"]);
        for (at, (remove, insert)) in damage {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + remove);
            bytes.splice(at..end, insert);
        }
        let Ok(metainfo) = parse(bytes) else { return Ok(()) };
        let info = &metainfo.info;
        prop_assert_eq!(info.piece_hashes.len(), 20 * info.geometry.pieces() as usize);
        prop_assert_eq!(info.files.iter().map(|file| file.length).sum::<u64>(), info.total_length());
        prop_assert!(info.files.iter().flat_map(|file| &file.path).all(|name| is_safe(name)));
        prop_assert!(info.multi_file == (info.files[0].path.len() > 1));
        prop_assert_eq!(parse(metainfo.encode()), Ok(metainfo));
    }
}

/// How many bytes go, and what comes in their place.
fn damage() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let insert = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..3),
        prop::sample::select(vec!["0", "9", "-", "e", "i0e", "le", "de", "1:/", "2:..", "0:", "4:attr1:l"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    (0..4_usize, insert)
}

fn is_safe(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0', ':'])
}

fn parse(file: Vec<u8>) -> Result<Metainfo, Error> {
    Metainfo::parse(file.into())
}

fn info(length: i64, piece_length: i64, hash_bytes: usize) -> Result<Info, Error> {
    Info::parse(info_dict(length, piece_length, hash_bytes).into())
}

fn info_dict(length: i64, piece_length: i64, hash_bytes: usize) -> Vec<u8> {
    let mut raw = Vec::new();
    Writer::new(&mut raw).dict(|dict| {
        dict.integer(b"length", length).string(b"name", "n");
        dict.integer(b"piece length", piece_length).string(b"pieces", vec![b'h'; hash_bytes]);
    });
    raw
}

/// A torrent of files of one byte each.
fn folder(paths: &[&[&str]]) -> Vec<u8> {
    let mut file = Vec::new();
    Writer::new(&mut file).dict(|dict| {
        dict.dict(b"info", |info| {
            info.list(b"files", |files| {
                for path in paths {
                    files.dict(|entry| {
                        entry.integer(b"length", 1).list(b"path", |list| {
                            path.iter().for_each(|element| {
                                list.string(element);
                            });
                        });
                    });
                }
            });
            info.string(b"name", "n").integer(b"piece length", 16384).string(b"pieces", [b'h'; 20]);
        });
    });
    file
}
