//! Builders: what is refused, and that what is made is read again.

use super::filler;
use crate::{
    metainfo::{
        BuildError, Builder, Error, Limit, MAX_ADDRESSES, MAX_CHOSEN_PIECE_LENGTH, MAX_PIECE_LENGTH,
        MIN_CHOSEN_PIECE_LENGTH, Malformed, Metainfo, PieceHasher, Plan, SourceFile,
    },
    storage::Geometry,
};
use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};
use proptest::prelude::*;
use sha1::{Digest, Sha1};

#[test]
fn a_single_file_makes_the_info_hash_of_the_vectors() {
    let plan = Builder::single_file("a.bin", 40_000).piece_length(16_384).plan().expect("a plan");
    let metainfo = hashed(plan, &filler(40_000));
    assert_eq!(metainfo.info.info_hash.to_string(), "3211423340ea3ced1dbea08b1f2db228db87b663");
}

/// libtorrent 2.1.1 reads this torrent with the same info-hash, and every field as it was given.
#[test]
fn a_torrent_with_all_there_is_to_say_has_the_info_hash_that_libtorrent_finds() {
    let files = [source("c.bin", 20_000), source("a/b.txt", 54), source("empty", 0)];
    let files = files.map(|file| SourceFile { executable: file.path == ["c.bin"], ..file });
    let builder = Builder::folder("multi", files).private().source("SRC");
    let tier = ["http://a.example/announce", "http://b.example/announce"];
    let builder = builder.tracker_tier(tier).tracker("udp://c.example:9").web_seed("http://w.example/x/");
    let builder = builder.comment("a comment ü").created_by("Convoy").creation_date(1_700_000_000);
    let plan = builder.node("router.example", 6881).plan().expect("a plan");
    let metainfo = hashed(plan, &[filler(54), filler(20_000)].concat());
    assert_eq!(metainfo.info.info_hash.to_string(), "47c6dc3fd5f423b562d6bbf899a7ff2e60e38439");
}

#[test]
fn the_same_input_gives_the_same_bytes_in_whatever_order_the_files_come() {
    let files = ["b/x", "a", "b!", "b/a"].map(|path| source(path, 7));
    let mut reversed = files.clone();
    reversed.reverse();
    let plan = |files: [SourceFile; 4]| Builder::folder("n", files).plan().expect("a plan");
    let order: Vec<String> = plan(files.clone()).files().iter().map(|file| file.path.join("/")).collect();
    assert_eq!(order, ["a", "b/a", "b/x", "b!"], "by element: what is in a folder stays together");
    assert_eq!(hashed(plan(files), &[0; 28]).encode(), hashed(plan(reversed), &[0; 28]).encode());
}

#[test]
fn the_order_is_kept_if_one_says_so() {
    let plan = Builder::folder("n", [source("b", 1), source("a", 1)]).keep_order().plan().expect("a plan");
    assert_eq!(plan.files()[0].path, ["b"]);
}

#[test]
fn nothing_is_said_that_one_did_not_say() {
    let plan = Builder::single_file("n", 1).plan().expect("a plan");
    let file = hashed(plan, b"x").encode();
    let hash = Sha1::digest(b"x");
    let info = [b"d6:lengthi1e4:name1:n12:piece lengthi16384e6:pieces20:".as_slice(), &hash, b"e"].concat();
    assert_eq!(file, [b"d4:info".as_slice(), &info, b"e"].concat());
}

#[test]
fn piece_lengths_are_chosen_for_about_two_thousand_pieces() {
    let chosen = |total| Builder::single_file("n", total).plan().expect("a plan").geometry().piece_length();
    assert_eq!(chosen(1), MIN_CHOSEN_PIECE_LENGTH);
    assert_eq!(chosen(2000 * 16_384), 16_384);
    assert_eq!(chosen(2000 * 16_384 + 1), 32_768);
    assert_eq!(chosen(10 << 30), 8 << 20);
    assert_eq!(chosen(1 << 40), MAX_CHOSEN_PIECE_LENGTH);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", ".", "..", "a/b", "a\0"] {
        assert_eq!(Builder::single_file(name, 1).plan().err(), Some(BuildError::BadName));
        let files = [
            source("a", 1),
            SourceFile { path: vec!["b".into(), name.into()], length: 1, executable: false },
        ];
        assert_eq!(Builder::folder("n", files).plan().err(), Some(BuildError::BadPath(1)));
    }
    let no_path = SourceFile { path: vec![], length: 1, executable: false };
    assert_eq!(Builder::folder("n", [no_path]).plan().err(), Some(BuildError::BadPath(0)));
}

#[test]
fn files_in_the_place_of_one_another_are_refused() {
    for paths in [["a", "a"], ["a", "a/b"], ["a/b/c", "a/b"]] {
        let builder = Builder::folder("n", paths.map(|path| source(path, 1)));
        assert_eq!(builder.plan().err(), Some(BuildError::DuplicatePath));
    }
}

#[test]
fn addresses_that_a_reader_would_not_take_are_refused() {
    let builder = || Builder::single_file("n", 1);
    for url in ["", " u://a", "u://a b", "u://a\n"] {
        assert_eq!(builder().tracker(url).plan().err(), Some(BuildError::BadAddress));
        assert_eq!(builder().web_seed(url).plan().err(), Some(BuildError::BadAddress));
    }
    for (host, port) in [("", 1), ("a b", 1), ("a", 0), ("[::1]", 1)] {
        assert_eq!(builder().node(host, port).plan().err(), Some(BuildError::BadAddress));
    }
    let tier = || vec!["u://t"; MAX_ADDRESSES];
    assert!(builder().tracker_tier(tier()).plan().is_ok());
    assert_eq!(
        builder().tracker_tier(tier()).tracker("u://t").plan().err(),
        Some(BuildError::TooManyAddresses)
    );
}

#[test]
fn bad_input_4_lengths_that_do_not_fit_are_refused() {
    let plan = |total, piece_length| Builder::single_file("n", total).piece_length(piece_length).plan().err();
    assert_eq!(plan(0, 16_384), Some(BuildError::Empty));
    assert_eq!(plan(1, 0), Some(BuildError::PieceLength));
    assert_eq!(plan(1, MAX_PIECE_LENGTH), None);
    assert_eq!(plan(1, MAX_PIECE_LENGTH + 1), Some(BuildError::PieceLength));
    assert_eq!(plan(u64::MAX, 16_384), Some(BuildError::PieceLength));
    assert_eq!(plan((1 << 48) + 1, 1 << 28), Some(BuildError::Unreadable(Error::Limit(Limit::Bytes))));
    let files = [source("a", u64::MAX), source("b", 1)];
    assert_eq!(Builder::folder("n", files).plan().err(), Some(BuildError::PieceLength));
}

#[test]
fn what_readers_refuse_is_refused_before_anything_is_hashed() {
    let deep = source(&vec!["d"; 101].join("/"), 1);
    let error = Builder::folder("n", [deep]).plan().err();
    assert!(matches!(error, Some(BuildError::Unreadable(Error::Malformed(Malformed::PathTooDeep(_))))));
}

#[test]
fn as_many_hashes_as_pieces_are_needed() {
    let plan = Builder::single_file("n", 20_000).plan().expect("a plan");
    let error = BuildError::PieceHashes { expected: 2, found: 1 };
    assert_eq!(plan.clone().finish(&[[0; 20]]), Err(error));
    assert!(plan.finish(&[[0; 20]; 2]).is_ok());
}

#[test]
fn content_that_changed_its_length_is_noticed() {
    let hasher = PieceHasher::new(Geometry::new(4, 10).expect("lengths"));
    for (found, length) in [(9, 9), (11, 11), (1000, 1000)] {
        let mut hasher = hasher.clone();
        hasher.update(&vec![0; length]);
        assert_eq!(hasher.taken(), found);
        assert_eq!(hasher.finish(), Err(BuildError::ContentLength { expected: 10, found }));
    }
}

proptest! {
    #[test]
    fn what_is_built_is_read_again(builder in builder()) {
        let plan = builder.plan().expect("a plan");
        let hashes = vec![[7; 20]; plan.geometry().pieces() as usize];
        let paths: Vec<Vec<String>> = plan.files().iter().map(|file| file.path.clone()).collect();
        let metainfo = plan.finish(&hashes).expect("as many hashes as pieces");
        let read: Vec<Vec<String>> = metainfo.info.files.iter().map(|file| file.path[1..].to_vec()).collect();
        prop_assert_eq!(read, paths);
        prop_assert_eq!(Metainfo::parse(metainfo.encode().into()), Ok(metainfo));
    }

    #[test]
    fn how_content_is_chunked_does_not_change_its_hashes(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..10),
        piece_length in 1..40_u32,
    ) {
        let content = chunks.concat();
        let Some(geometry) = Geometry::new(piece_length, content.len() as u64) else { return Ok(()) };
        let mut hasher = PieceHasher::new(geometry);
        chunks.iter().for_each(|chunk| hasher.update(chunk));
        let expected: Vec<[u8; 20]> =
            content.chunks(piece_length as usize).map(|piece| Sha1::digest(piece).into()).collect();
        prop_assert_eq!(hasher.finish(), Ok(expected));
    }
}

/// Builders of all that there is to say. Folders and files have names apart, as they have on a disk.
fn builder() -> impl Strategy<Value = Builder> {
    let file = ("(d[0-9]/){0,3}f[0-9]{1,4}(\\.txt)?", 1..1_000_000_u64, any::<bool>());
    let files = prop::collection::btree_map(file.0, (file.1, file.2), 1..20);
    let url = "(udp|http)://[a-z]{1,9}:[0-9]{1,5}/[a-z%]{0,9}";
    let tiers = prop::collection::vec(prop::collection::vec(url, 1..3), 0..3);
    let texts = (prop::option::of(".{0,20}"), prop::option::of(".{0,20}"), prop::option::of(".{0,20}"));
    let rest =
        (tiers, prop::collection::vec(url, 0..3), prop::option::of("[a-z]{1,9}"), any::<Option<i64>>());
    (files, texts, rest, any::<bool>()).prop_map(|(files, texts, (tiers, seeds, node, date), private)| {
        let files = files
            .into_iter()
            .map(|(path, (length, executable))| SourceFile { executable, ..source(&path, length) });
        let mut builder = Builder::folder("folder", files);
        builder = if private { builder.private() } else { builder };
        builder = texts.0.into_iter().fold(builder, Builder::comment);
        builder = texts.1.into_iter().fold(builder, Builder::source);
        builder = texts.2.into_iter().fold(builder, Builder::created_by);
        builder = tiers.into_iter().fold(builder, Builder::tracker_tier);
        builder = seeds.into_iter().fold(builder, Builder::web_seed);
        builder = node.into_iter().fold(builder, |builder, host| builder.node(host, 6881));
        date.into_iter().fold(builder, Builder::creation_date)
    })
}

fn source(path: &str, length: u64) -> SourceFile {
    SourceFile { path: path.split('/').map(Into::into).collect(), length, executable: false }
}

fn hashed(plan: Plan, content: &[u8]) -> Metainfo {
    let mut hasher = plan.hasher();
    content.chunks(1000).for_each(|chunk| hasher.update(chunk));
    plan.finish(&hasher.finish().expect("all of the content")).expect("as many hashes as pieces")
}
