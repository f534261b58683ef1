//! Paths: that no input gets past the rules.

use crate::metainfo::{
    File, MAX_ELEMENT_BYTES,
    path::{path_bytes, resolve_collisions},
    sanitise_element,
};
use alloc::{collections::BTreeSet, format, string::String, vec, vec::Vec};
use proptest::prelude::*;

const FORBIDDEN: [char; 12] =
    ['/', '\\', ':', '*', '?', '"', '<', '>', '|', '\u{200B}', '\u{202E}', '\u{FEFF}'];

#[test]
fn bad_input_5_a_hundred_thousand_duplicates_get_names_of_their_own() {
    let paths = resolved(&vec![vec!["same.txt".into()]; 100_000]);
    assert_eq!(paths[99_999], ["same (99999).txt"]);
    assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), 100_000);
}

/// Names that differ only where they are cut would each try the numbers of all before.
#[test]
fn bad_input_5_duplicates_of_many_long_names_are_numbered_on() {
    let stem = "x".repeat(MAX_ELEMENT_BYTES - 5);
    let pairs = (0..5_000).flat_map(|number| [number, number]);
    let raw: Vec<Vec<String>> = pairs.map(|number| vec![format!("{stem}{number:05}")]).collect();
    let paths = resolved(&raw);
    assert!(paths[9_999][0].ends_with(" (5000)"));
    assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), 10_000);
}

#[test]
fn padding_gives_way_to_files() {
    let mut files = [file(&["a"], true), file(&["a"], false), file(&["a"], true)];
    resolve_collisions(&mut files);
    assert_eq!(files.map(|file| file.path), [["a (1)"], ["a"], ["a (2)"]]);
}

#[test]
fn separators_count_in_the_length_of_a_path() {
    assert_eq!(path_bytes(&file(&["ab", "c", "d"], false).path), "ab/c/d".len());
    assert_eq!(path_bytes(&[]), 0);
}

proptest! {
    #[test]
    fn sanitised_elements_are_safe_and_stay_as_they_are(raw in element()) {
        let name = sanitise_element(&raw);
        prop_assert!(!name.is_empty() && name.len() <= MAX_ELEMENT_BYTES);
        prop_assert!(name != "." && name != ".." && !name.ends_with(['.', ' ']));
        prop_assert!(!name.contains(char::is_control));
        prop_assert!(!name.contains(&FORBIDDEN[..]));
        prop_assert_eq!(sanitise_element(name.as_bytes()), name);
    }

    #[test]
    fn ordinary_names_stay_as_they_are(name in "[a-z0-9][a-z0-9 _-]{0,50}[d-k]{5}(\\.[a-z]{1,4})?") {
        prop_assert_eq!(sanitise_element(name.as_bytes()), name);
    }

    #[test]
    fn resolved_paths_differ_fit_and_stay_as_they_are(raw in torrent()) {
        let paths = resolved(&raw);
        let folded: Vec<String> = paths.iter().map(|path| path.join("/").to_lowercase()).collect();
        for (number, path) in folded.iter().enumerate() {
            let collides = |other: &String| other == path || other.starts_with(&format!("{path}/"));
            prop_assert!(!folded.iter().enumerate().any(|(other, path)| other != number && collides(path)));
        }
        for (path, raw) in paths.iter().zip(&raw) {
            prop_assert_eq!(&path[..path.len() - 1], &raw[..raw.len() - 1], "folders keep their names");
            prop_assert_eq!(&sanitise_element(path[path.len() - 1].as_bytes()), &path[path.len() - 1]);
        }
        prop_assert_eq!(resolved(&paths), paths);
    }

    #[test]
    fn a_file_is_renamed_only_if_it_must_be(raw in torrent()) {
        for (index, (path, was)) in resolved(&raw).iter().zip(&raw).enumerate() {
            let lower = |path: &[String]| path.join("/").to_lowercase();
            let earlier = raw[..index].iter().any(|other| lower(other) == lower(was));
            let folder = raw.iter().any(|other| lower(other).starts_with(&format!("{}/", lower(was))));
            let numbered = was[was.len() - 1].contains('(');
            prop_assert!(path == was || earlier || folder || numbered);
            prop_assert!(path != was || !(earlier || folder));
        }
    }
}

/// Bytes of all kinds, rich in what the rules are about.
fn element() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        prop::sample::select(vec![
            ".", " ", "/", "\\", "con", "COM", "1", "¹", ":", "\u{202E}", "\u{200B}", "é", "_"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
        (prop::sample::select(vec![" ", ".", "x", "é"]), 200..300_usize)
            .prop_map(|(text, times)| text.repeat(times).into_bytes()),
    ];
    prop::collection::vec(token, 0..6).prop_map(|tokens| tokens.concat())
}

/// Few names, so that they collide.
fn torrent() -> impl Strategy<Value = Vec<Vec<String>>> {
    let long = || "y".repeat(MAX_ELEMENT_BYTES - 1);
    let names = vec![
        "a".into(),
        "A".into(),
        "a (1)".into(),
        "b.txt".into(),
        "B.TXT".into(),
        long() + "1",
        long() + "2",
    ];
    let path = prop::collection::vec(prop::sample::select(names), 1..4);
    prop::collection::vec(path, 1..12)
}

fn resolved(raw: &[Vec<String>]) -> Vec<Vec<String>> {
    let path = |raw: &Vec<String>| raw.iter().map(|element| sanitise_element(element.as_bytes())).collect();
    let file = |raw| File { path: path(raw), length: 0, padding: false, executable: false };
    let mut files: Vec<File> = raw.iter().map(file).collect();
    resolve_collisions(&mut files);
    files.into_iter().map(|file| file.path).collect()
}

fn file(path: &[&str], padding: bool) -> File {
    let path = path.iter().map(|element| (*element).into()).collect();
    File { path, length: 0, padding, executable: false }
}
