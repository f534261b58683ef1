//! Every file of vectors holds, and holds as many as it did.

use convoy_vectors::{Report, check_file, check_folder};
use std::{fs, path::PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(file: &str) -> String {
    fs::read_to_string(folder().join(file)).expect("the file is in the tree")
}

/// Passed and skipped, if none failed.
#[track_caller]
fn held(report: &Report) -> (usize, usize) {
    let failed: Vec<String> = report.failed.iter().map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    (report.passed, report.skipped.len())
}

#[track_caller]
fn assert_holds(file: &str, vectors: usize) {
    assert_eq!(held(&check_file(file, text(file).as_bytes())), (vectors, 0), "{file}");
}

#[test]
fn bad_input_1_2_3_bencode() {
    assert_holds("bencode.json", 90);
}

#[test]
fn info_dictionaries() {
    let report = check_file("info.json", text("info.json").as_bytes());
    assert_eq!(held(&report), (3, 1), "the one of version 2 is not read yet");
}

/// Numbers 3 (bencode), 4 (lengths) and 5 (paths that cannot be mended) of the hostile inputs.
#[test]
fn bad_input_3_4_5_torrents() {
    assert_holds("torrents.json", 84);
    assert_holds("torrents-built.json", 4);
}

#[test]
fn magnet_links() {
    assert_holds("magnets.json", 48);
}

#[test]
fn bad_input_5_paths() {
    assert_holds("path-elements.json", 69);
    assert_holds("path-sets.json", 16);
}

#[test]
fn the_wire_and_what_is_none() {
    assert_holds("wire-messages.json", 25);
    assert_holds("wire-extended.json", 14);
    assert_holds("wire-handshakes.json", 4);
    assert_holds("wire-streams.json", 16);
}

/// Numbers 21 (ut_metadata), 22 (ut_pex) and 23 (ut_holepunch) of the hostile inputs, as far as their bytes show.
#[test]
fn bad_input_21_22_23_extension_messages() {
    assert_holds("extensions/ut-metadata.json", 22);
    assert_holds("extensions/ut-pex.json", 16);
    assert_holds("extensions/ut-holepunch.json", 24);
    assert_holds("extensions/lt-donthave.json", 5);
    assert_holds("extensions/upload-only.json", 5);
    assert_holds("extensions/hash-request.json", 13);
    assert_holds("extensions/ic-auth.json", 25);
    assert_holds("extensions/ic-priority.json", 21);
}

#[test]
fn bad_input_39_tokens() {
    assert_holds("extensions/ic-token.json", 36);
}

#[test]
fn what_both_sides_compute() {
    assert_holds("extensions/allowed-fast.json", 8);
    assert_holds("extensions/peer-priority.json", 11);
}

/// Numbers 34 and 35 of the hostile inputs, as far as bytes show them.
#[test]
fn bad_input_34_35_trackers() {
    assert_holds("trackers/udp-connect.json", 10);
    assert_holds("trackers/udp-announce-request.json", 33);
    assert_holds("trackers/udp-announce-response.json", 18);
    assert_holds("trackers/udp-scrape.json", 12);
    assert_holds("trackers/udp-error.json", 6);
    assert_holds("trackers/http-announce-url.json", 20);
    assert_holds("trackers/http-announce-response.json", 45);
    assert_holds("trackers/http-scrape-url.json", 17);
    assert_holds("trackers/http-scrape-response.json", 18);
}

#[test]
fn primitives_of_the_rfcs() {
    assert_holds("crypto/rc4.json", 14);
    assert_holds("crypto/x25519.json", 16);
    assert_holds("crypto/ed25519.json", 5);
    assert_holds("crypto/chacha20-poly1305.json", 3);
    assert_holds("crypto/hkdf-sha256.json", 3);
}

#[test]
fn bad_input_26_handshakes_of_message_stream_encryption() {
    assert_holds("mse/handshakes.json", 22 + 26 + 1);
}

#[test]
fn no_file_is_passed_over() {
    let reports = check_folder(&folder()).expect("the folder is in the tree");
    let vectors: usize = reports.iter().map(|report| held(report).0).sum();
    assert!(reports.len() >= 38 && vectors >= 825, "{vectors} vectors in {} files", reports.len());
    let unknown = reports.iter().filter(|report| report.passed == 0 && report.skipped.is_empty());
    assert_eq!(unknown.count(), 0);
}

#[test]
fn a_codec_that_is_unknown_is_told() {
    let report = check_file("merkle.json", text("merkle.json").as_bytes());
    assert_eq!(held(&report), (0, 4));
    assert_eq!(report.skipped[0].reason, "no codec merkle here");
    let report = check_file("x.json", br#"{"schema": "of others", "vectors": []}"#);
    assert_eq!(report.skipped.len(), 1);
}

/// A vector of every file is turned into a wrong one: the file must fail, by the vector's name.
#[test]
fn a_value_that_is_wrong_is_found() {
    for (file, right, wrong) in [
        ("bencode.json", r#""bytes": "693065""#, r#""bytes": "693165""#),
        ("info.json", r#""info_hash_v1": "3"#, r#""info_hash_v1": "4"#),
        ("torrents.json", r#""length": 5"#, r#""length": 6"#),
        ("torrents-built.json", r#""bytes": "64363a"#, r#""bytes": "64373a"#),
        ("magnets.json", r#""error": "not_magnet""#, r#""error": "no_info_hash""#),
        ("path-elements.json", r#""value": "Read"#, r#""value": "Rear"#),
        ("path-sets.json", " (1)", " (2)"),
        ("wire-messages.json", "0000000100", "0000000101"),
        ("wire-extended.json", r#""reqq": 512"#, r#""reqq": 513"#),
        ("wire-handshakes.json", r#""error_at_byte": 20"#, r#""error_at_byte": 21"#),
        ("wire-streams.json", r#""error_at_byte": 4"#, r#""error_at_byte": 5"#),
        ("extensions/ut-metadata.json", r#""piece": 7"#, r#""piece": 8"#),
        ("extensions/ut-pex.json", r#""192.0.2.1:6881", 16"#, r#""192.0.2.1:6881", 17"#),
        ("extensions/ut-holepunch.json", "no_support", "no_self"),
        ("extensions/lt-donthave.json", r#""piece": 7"#, r#""piece": 8"#),
        ("extensions/upload-only.json", r#""upload_only": true"#, r#""upload_only": false"#),
        ("extensions/hash-request.json", r#""length": 2"#, r#""length": 4"#),
        ("extensions/ic-auth.json", r#""error": "malformed""#, r#""error": "too_long""#),
        ("extensions/ic-priority.json", r#""error": "ignored""#, r#""error": "malformed""#),
        ("extensions/ic-token.json", r#""proves": "identified_only""#, r#""proves": "authenticated""#),
        ("extensions/allowed-fast.json", "431, 808", "808, 431"),
        ("extensions/peer-priority.json", "ec2d7224", "ec2d7225"),
        ("trackers/udp-connect.json", r#""from": "client""#, r#""from": "tracker""#),
        ("trackers/udp-announce-request.json", r#""event": "paused""#, r#""event": "stopped""#),
        ("trackers/udp-announce-response.json", r#""leechers": 3"#, r#""leechers": 4"#),
        ("trackers/udp-scrape.json", r#""completed": 2"#, r#""completed": 3"#),
        ("trackers/udp-error.json", r#""error": "malformed""#, r#""error": "another""#),
        ("trackers/http-announce-url.json", "event=started", "event=stopped"),
        ("trackers/http-announce-response.json", r#""retry_in_minutes": 5"#, r#""retry_in_minutes": 6"#),
        ("trackers/http-scrape-url.json", "scrape.php", "announce.php"),
        ("trackers/http-scrape-response.json", r#""leechers": 3"#, r#""leechers": 4"#),
        ("crypto/rc4.json", "b2396305", "b2396306"),
        ("crypto/x25519.json", r#""error": "all_zero""#, r#""error": "another""#),
        ("crypto/ed25519.json", r#""signature": "e5"#, r#""signature": "e6"#),
        ("crypto/chacha20-poly1305.json", r#""error": "bad_tag""#, r#""error": "another""#),
        ("crypto/hkdf-sha256.json", r#""okm": "3c"#, r#""okm": "3d"#),
        ("mse/handshakes.json", r#""error_at_byte": 96"#, r#""error_at_byte": 97"#),
    ] {
        let right_text = text(file);
        let wrong_text = right_text.replacen(right, wrong, 1);
        assert_ne!(wrong_text, right_text, "{file} has {right}");
        let report = check_file(file, wrong_text.as_bytes());
        assert_eq!(report.failed.len(), 1, "{file} with {wrong}: {:?}", report.failed);
        assert!(!report.failed[0].vector.is_empty());
    }
}

#[test]
fn a_file_that_breaks_its_schema_fails_as_a_whole() {
    for (right, wrong) in [
        (r#""provenance""#, r#""source""#),
        (r#""error": "unexpected_end""#, r#""eror": "unexpected_end""#),
        (r#""error": "unexpected_end""#, r#""canonical": true"#),
        (r#"],"#, ""),
    ] {
        let report = check_file("bencode.json", text("bencode.json").replacen(right, wrong, 1).as_bytes());
        assert_eq!(report.failed.len(), 1, "{wrong}");
    }
}
