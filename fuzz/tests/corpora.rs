//! Every committed corpus runs through its target, and reaches what `floors.toml` says.

use convoy_fuzz::TARGETS;
use std::{collections::BTreeMap, fs, path::Path};

/// A corpus stays small: what adds nothing is not kept.
const FILES_MAX: usize = 150;
const BYTES_MAX: usize = 200 << 10;

type Counts = BTreeMap<String, usize>;

/// Each state, and how many inputs of the target's corpus reach it.
fn replay(target: &str, run: fn(&[u8]) -> convoy_fuzz::Reached) -> Counts {
    let folder = root().join("corpus").join(target);
    let (mut counts, mut files, mut bytes) = (Counts::new(), 0, 0);
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        let input = fs::read(&path).expect("a file");
        (files, bytes) = (files + 1, bytes + input.len());
        for name in run(&input).names() {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    assert!(
        files <= FILES_MAX && bytes <= BYTES_MAX,
        "{target}: {bytes} bytes in {files} files: minimise it"
    );
    counts
}

#[test]
fn every_corpus_reaches_the_deep_states() {
    let floors = floors();
    let mut below = Vec::new();
    for (target, run) in TARGETS {
        let counts = replay(target, run);
        println!("[{target}]");
        counts.iter().for_each(|(state, count)| println!("\"{state}\" = {count}"));
        let Some(due) = floors.get(target) else {
            below.push(format!("{target} has no floors"));
            continue;
        };
        for (state, floor) in due {
            let count = counts.get(state).copied().unwrap_or(0);
            if count < *floor {
                below.push(format!("{target}: {count} inputs reach \"{state}\", {floor} should"));
            }
        }
    }
    assert!(below.is_empty(), "{}", below.join("\n"));
}

#[test]
fn every_target_is_a_fuzzer() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    for (target, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is in no [[bin]]");
        let wrapper =
            fs::read_to_string(root().join(format!("fuzz_targets/{target}.rs"))).expect("a wrapper");
        assert!(
            wrapper.contains(&format!("convoy_fuzz::{target}::run")),
            "{target}.rs fuzzes something else"
        );
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}

/// `floors.toml`: a section for each target, in it `"state" = inputs`.
fn floors() -> BTreeMap<String, Counts> {
    let mut floors: BTreeMap<String, Counts> = BTreeMap::new();
    let mut target = String::new();
    let text = fs::read_to_string(root().join("floors.toml")).expect("the floors");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut target);
        } else {
            let (state, floor) = line.split_once(" = ").unwrap_or_else(|| panic!("{line}"));
            let floor = floor.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
            floors.entry(target.clone()).or_default().insert(state.trim_matches('"').to_owned(), floor);
        }
    }
    floors
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
