//! `convoy replay`: recorded lives, lived again.

mod program;

use program::Scratch;
use std::fs;

const VECTOR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance-vectors/machines/choker-leeching.json");

#[test]
fn a_vector_of_today_has_no_difference() {
    let scratch = Scratch::new();
    let shown = scratch.run(&format!("replay {VECTOR}")).ok().stdout;
    assert!(shown.starts_with("1 life, ") && shown.trim_end().ends_with("no difference"), "{shown}");
    let replayed = scratch.run(&format!("replay {VECTOR} --json")).ok().event("replayed");
    assert_eq!((&replayed["lives"], &replayed["difference"]), (&1.into(), &serde_json::Value::Null));
}

#[test]
fn the_first_difference_is_shown_and_fails() {
    let scratch = Scratch::new();
    let vector = fs::read_to_string(VECTOR).expect("it is there");
    let altered = vector.replacen(r#"{"unchoke":{"peer":0}}"#, r#"{"unchoke":{"peer":7}}"#, 1);
    assert_ne!(vector, altered);
    fs::write(scratch.path("altered.json"), altered).expect("there is room");
    let ran = scratch.run("replay altered.json");
    assert_eq!(ran.code, Some(1), "stdout: {}\nstderr: {}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("actions[0].unchoke.peer differs"), "{}", ran.stdout);
}
