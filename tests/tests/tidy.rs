//! The tree is kept tidy by a test: what nobody has to remember, nobody forgets.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The most lines of a Rust file. One that is over wants to be two.
const FILE_LINES: usize = 600;

/// The most lines of a function, from `fn` to its last brace.
const FUNCTION_LINES: usize = 70;

/// Longer ones that are there, with the length that they may not exceed: a number here only ever falls.
/// A file is named by its path, a function by `path: name`.
const LONGER: [(&str, usize); 0] = [];

/// What is finished says none of these, and it speaks of the project alone.
const BANNED: [(&str, &str); 8] = [
    ("todo!", "finish it, or leave it out and say so in the crate's list of what is not done"),
    ("unimplemented!", "the same"),
    ("dbg!(", "a leftover"),
    ("TODO", "an issue, or the list of what is not done"),
    ("FIXME", "the same"),
    ("XXX ", "the same"),
    ("HACK", "say why it is as it is"),
    ("/work/", "a path of one machine"),
];

/// Names that say nothing of what is inside.
const BANNED_NAMES: [&str; 6] = ["utils", "util", "helpers", "common", "manager", "misc"];

/// Core takes time and entropy as inputs, and nothing depends on the order of a hash map.
const BANNED_IN_CORE: [(&str, &str); 10] = [
    ("Instant::now", "time enters only as `now` (law 1)"),
    ("SystemTime", "time enters only as `now` (law 1)"),
    ("std::time", "time enters only as `now` (law 1)"),
    ("std::thread::", "core has no threads"),
    ("use std::thread;", "core has no threads"),
    ("getrandom", "entropy enters only as a seed"),
    ("thread_rng", "entropy enters only as a seed"),
    ("from_os_rng", "entropy enters only as a seed"),
    ("HashMap", "its order differs between runs (law 8)"),
    ("HashSet", "its order differs between runs (law 8)"),
];

/// The hostile inputs that are due: each is held by tests named `bad_input_N_…`.
const BAD_INPUTS_DUE: [u32; 35] = [
    1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
    30, 31, 32, 34, 35, 39, 42,
];

/// Those that are not, with the reason.
const BAD_INPUTS_NOT_DUE: [(&[u32], &str); 6] = [
    (&[6], "version 2 torrents are not read yet"),
    (&[33], "there is no uTP"),
    (&[36], "there is no DHT"),
    (&[37, 38], "there is no signaling"),
    (&[40], "there are no packages"),
    (&[41], "there is no mesh"),
];

/// How many there are in the list.
const BAD_INPUTS: u32 = 42;

#[test]
fn files_are_short() {
    for (path, text) in rust_files() {
        let (lines, limit) = (text.lines().count(), limit(&path, FILE_LINES));
        assert!(lines <= limit, "{path} has {lines} lines, more than {limit}");
    }
}

#[test]
fn functions_are_short() {
    for (path, text) in rust_files() {
        for (name, lines) in functions(&text) {
            let limit = limit(&format!("{path}: {name}"), FUNCTION_LINES);
            assert!(lines <= limit, "{path}: {name} has {lines} lines, more than {limit}");
        }
    }
}

#[test]
fn exceptions_are_still_needed() {
    let files = rust_files();
    for (name, _) in LONGER {
        let (path, function) = name.split_once(": ").map_or((name, None), |(path, name)| (path, Some(name)));
        let text = &files.iter().find(|(file, _)| file == path).unwrap_or_else(|| panic!("no {path}")).1;
        let needed = match function {
            None => text.lines().count() > FILE_LINES,
            Some(wanted) => {
                functions(text).iter().any(|(name, lines)| name == wanted && *lines > FUNCTION_LINES)
            }
        };
        assert!(needed, "{name} is short by now: take it off the list");
    }
}

#[test]
fn nothing_is_left_unfinished() {
    for (path, text) in rust_files().into_iter().filter(|(path, _)| path != "tests/tests/tidy.rs") {
        for (word, instead) in BANNED {
            assert_absent(&path, text.lines(), word, instead);
        }
    }
}

#[test]
fn names_say_what_is_inside() {
    for (path, _) in rust_files() {
        for part in Path::new(&path).with_extension("").components() {
            let part = part.as_os_str().to_string_lossy().into_owned();
            assert!(!BANNED_NAMES.contains(&part.as_str()), "{path}: call it what it is");
        }
    }
}

#[test]
fn core_and_the_simulated_world_have_no_clock_no_entropy_and_no_hash_order() {
    let pure = |path: &str| path.starts_with("core/src/") || path.starts_with("drivers/sim/src/");
    for (path, text) in rust_files().into_iter().filter(|(path, _)| pure(path)) {
        for (word, reason) in BANNED_IN_CORE {
            // Prose may name what code must not.
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            assert_absent(&path, code, word, reason);
        }
    }
}

#[test]
fn links_of_pages_lead_somewhere() {
    for (path, text) in files("md") {
        let folder = root().join(&path).parent().expect("a folder").to_owned();
        let links = text.match_indices("](").map(|(at, mark)| {
            let rest = &text[at + mark.len()..];
            &rest[..rest.find([')', '#', ' ']).unwrap_or(rest.len())]
        });
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            assert!(folder.join(link).exists(), "{path} links to {link}, which is not there");
        }
    }
}

#[test]
fn every_hostile_input_that_is_due_has_its_test() {
    let held: BTreeSet<u32> = rust_files().iter().flat_map(|(_, text)| bad_inputs_held(text)).collect();
    let missing: Vec<_> = BAD_INPUTS_DUE.iter().filter(|number| !held.contains(*number)).collect();
    assert!(missing.is_empty(), "no test is named bad_input_N_ for {missing:?}");
    let unknown: Vec<_> = held.iter().filter(|&&number| number == 0 || number > BAD_INPUTS).collect();
    assert!(unknown.is_empty(), "the list of hostile inputs has no {unknown:?}");
}

#[test]
fn every_hostile_input_is_due_or_has_a_reason_not_to_be() {
    let reasons = BAD_INPUTS_NOT_DUE.iter().flat_map(|(numbers, _)| numbers.iter().copied());
    let mut all: Vec<u32> = BAD_INPUTS_DUE.into_iter().chain(reasons).collect();
    all.sort_unstable();
    assert_eq!(all, (1..=BAD_INPUTS).collect::<Vec<_>>());
}

/// The numbers in the names of tests.
fn bad_inputs_held(text: &str) -> impl Iterator<Item = u32> {
    text.split("fn bad_input_").skip(1).filter_map(|rest| rest.split('_').next()?.parse().ok())
}

fn limit(name: &str, usual: usize) -> usize {
    LONGER.iter().find(|(longer, _)| *longer == name).map_or(usual, |(_, limit)| *limit)
}

#[track_caller]
fn assert_absent<'a>(path: &str, lines: impl Iterator<Item = &'a str>, word: &str, reason: &str) {
    let found = lines.enumerate().find(|(_, line)| line.contains(word));
    assert!(found.is_none(), "{path} says {word} ({reason}): {}", found.map_or("", |(_, line)| line.trim()));
}

/// Each function with a body, and its lines. rustfmt puts the last brace under the first word.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let heads = lines.iter().enumerate().filter_map(|(at, line)| Some((at, line, function_name(line)?)));
    let found = heads.filter_map(|(at, line, name)| {
        let signature_ends = |line: &&&str| ["{", ";", "{}"].iter().any(|end| line.ends_with(end));
        let has_body = lines[at..].iter().find(signature_ends).is_some_and(|line| line.ends_with('{'));
        let indent = line.len() - line.trim_start().len();
        let last_brace = format!("{:indent$}}}", "");
        let last = lines[at..].iter().position(|line| *line == last_brace)?;
        has_body.then(|| (name.to_owned(), last + 1))
    });
    found.collect()
}

fn function_name(line: &str) -> Option<&str> {
    let words = line.trim_start();
    let (before, after) = words.split_once("fn ")?;
    let qualifiers = ["pub", "const", "async", "unsafe", "extern", "default"];
    let is_head =
        before.split_whitespace().all(|word| qualifiers.iter().any(|known| word.starts_with(known)));
    let name = after.split(['(', '<']).next()?;
    (is_head && !name.is_empty()).then_some(name)
}

fn rust_files() -> Vec<(String, String)> {
    let files = files("rs");
    assert!(files.len() > 20, "the walk found only {} files", files.len());
    files
}

/// Path from the root, with `/`, and text of every file of the project with this extension.
fn files(wanted: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut ahead = vec![root()];
    while let Some(dir) = ahead.pop() {
        for entry in fs::read_dir(&dir).expect("a folder of the project") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    ahead.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == wanted) {
                let relative = path.strip_prefix(root()).expect("below the root").display().to_string();
                files.push((relative.replace('\\', "/"), fs::read_to_string(&path).expect("a text")));
            }
        }
    }
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the root of the project").to_owned()
}
