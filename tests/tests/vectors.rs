//! The conformance vectors hold, for the program and for a checker that shares no code with it.

use convoy_tests::{Convoy, Outcome, Scratch};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Files that both read, and what the byte that is turned stands behind.
const DAMAGED: [(&str, &str); 16] = [
    ("bencode.json", r#""bytes": ""#),
    ("info.json", r#""info_hash_v1": ""#),
    ("torrents.json", r#""info_hash": ""#),
    ("torrents-built.json", r#""info_hash": ""#),
    ("magnets.json", r#""info_hash": ""#),
    ("wire-messages.json", r#""payload": ""#),
    ("wire-extended.json", r#""reqq": "#),
    ("wire-handshakes.json", r#""peer_id": ""#),
    ("extensions/ut-metadata.json", r#""data": ""#),
    ("extensions/ut-holepunch.json", r#""addr": ""#),
    ("extensions/ic-auth.json", r#""token": ""#),
    ("extensions/ic-token.json", r#""session_id": ""#),
    ("extensions/peer-priority.json", r#""value": ""#),
    ("crypto/rc4.json", r#""0": ""#),
    ("crypto/x25519.json", r#""value": ""#),
    ("crypto/ed25519.json", r#""signature": ""#),
];

#[test]
fn the_program_does_what_the_vectors_say() {
    let outcome = check(&Scratch::new(), &vectors());
    outcome.assert_code(0);
    let summary = outcome.event("vectors_summary");
    assert_eq!(summary["failed"], 0);
    assert!(summary["passed"].as_u64().is_some_and(|passed| passed >= 646), "{summary}");
}

#[test]
fn the_vectors_can_be_used_without_rust() {
    let output = check_in_python(&vectors());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.lines().last().is_some_and(|line| line.contains("checked, 0 failed")), "{said}");
}

#[test]
fn a_single_wrong_byte_is_found_by_both() {
    for (file, marker) in DAMAGED {
        let scratch = Scratch::new();
        let folder = scratch.dir("vectors");
        let mut text = fs::read(vectors().join(file)).expect("the file is in the tree");
        let name = Path::new(file).file_name().expect("a file");
        turn_a_bit_behind(&mut text, marker);
        fs::write(folder.join(name), text).expect("room on the disk");

        let outcome = check(&scratch, &folder);
        outcome.assert_code(1);
        assert_eq!(outcome.event("vectors_summary")["failed"], 1, "{file}");
        let output = check_in_python(&folder);
        assert_eq!(output.status.code(), Some(1), "{file}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn a_folder_without_vectors_is_named() {
    let scratch = Scratch::new();
    let folder = scratch.dir("nothing");
    check(&scratch, &folder).assert_fails_naming("nothing");
    check(&scratch, &scratch.path("nowhere")).assert_fails_naming("nowhere");
    assert_eq!(check_in_python(&folder).status.code(), Some(2));
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance-vectors")
}

fn check(scratch: &Scratch, folder: &Path) -> Outcome {
    Convoy::new(scratch, "vectors").arg("check").arg(folder).run()
}

fn check_in_python(folder: &Path) -> Output {
    let mut command = Command::new("python3");
    command.arg(vectors().join("check.py")).arg(folder).output().expect("python3 is installed")
}

/// `0` becomes `1`, `a` becomes `b`, `e` becomes `d`: what was a digit stays one.
fn turn_a_bit_behind(text: &mut [u8], marker: &str) {
    let rows = text.windows(9).position(|part| part == br#""vectors""#).expect("a list of vectors");
    let found = text[rows..].windows(marker.len()).position(|part| part == marker.as_bytes());
    let place = rows + found.expect("the marker") + marker.len();
    text[place] = match text[place] {
        b'a' => b'b',
        digit @ b'b'..=b'f' => digit - 1,
        digit => digit ^ 1,
    };
}
