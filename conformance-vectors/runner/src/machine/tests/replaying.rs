//! What replaying finds, and what it says of files that make no sense.

use super::{engine::download, folder};
use crate::machine::{Fault, Reason, Report, TraceWriter, replay};
use std::fs;

/// Both lives of a small download, as a simulator would write them.
fn trace() -> String {
    download(128, 300).into_trace()
}

fn report(trace: &str) -> Report {
    replay(trace.as_bytes()).expect("the trace can be read")
}

fn fault(trace: &str) -> String {
    replay(trace.as_bytes()).expect_err("the trace makes no sense").to_string()
}

#[test]
fn every_vector_is_a_life_of_today() {
    let mut vectors = 0;
    for file in fs::read_dir(folder()).expect("the folder is there") {
        let path = file.expect("it can be listed").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let report = super::check_file(&path).expect("the vector can be read");
            assert_eq!((report.lives, report.difference), (1, None), "{}", path.display());
            assert!(report.steps > 1, "{}", path.display());
            vectors += 1;
        }
    }
    assert!(vectors >= 14, "{vectors}");
}

#[test]
fn a_trace_of_interleaved_lives_is_lived_again() {
    let trace = trace();
    let report = report(&trace);
    assert_eq!((report.lives, report.difference), (2, None));
    assert_eq!(report.steps + report.lives, trace.lines().count() as u64);
}

#[test]
fn the_examples_of_the_readme_are_true() {
    let readme = fs::read_to_string(folder().join("README.md")).expect("it is there");
    let examples = readme.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let reports: Vec<Report> = examples.map(report).collect();
    assert_eq!(reports.iter().map(|report| report.steps).collect::<Vec<_>>(), [3, 1]);
    assert!(reports.iter().all(|report| report.difference.is_none()));
}

#[test]
fn what_is_only_written_differently_is_no_difference() {
    let spaced = trace().replace("\"actions\":[", "\"actions\" : [ ");
    assert_eq!(report(&spaced).difference, None);
}

#[test]
fn an_altered_action_is_found_at_its_step() {
    let trace = trace();
    // The first bytes that are sent: changed deep inside.
    let (line, text) = (0..).zip(trace.lines()).find(|(_, line)| line.contains("{\"send\":")).expect("sent");
    let data = text.find("\"data\":\"").expect("data") + 8 + 100;
    let digit = if &text[data..=data] == "0" { "1" } else { "0" };
    let altered = [&text[..data], digit, &text[data + 1..]].concat();
    let report = report(&trace.replace(text, &altered));
    let difference = report.difference.expect("it is found");
    assert!(difference.field.ends_with(".send.data"), "{}", difference.field);
    assert_eq!(report.lives + report.steps, line, "nothing behind it was looked at");
    let shown = difference.to_string();
    assert!(shown.contains("actions["), "{shown}");
    assert!(shown.contains(&text[data..data + 20]) && shown.contains(&altered[data..data + 20]), "{shown}");
    assert!(shown.lines().all(|line| line.len() < 400), "{shown}");
}

#[test]
fn an_altered_deadline_is_found_at_its_step() {
    let trace = trace();
    let (line, text) = (0..).zip(trace.lines()).find(|(_, line)| line.contains("\"next\":[")).expect("one");
    let altered = text.replace("\"next\":[", "\"next\":[1");
    let report = report(&trace.replacen(text, &altered, 1));
    assert_eq!(report.difference.as_ref().map(|difference| difference.field.as_str()), Some("next[0]"));
    assert_eq!(report.lives + report.steps, line);
}

#[test]
fn an_altered_time_shows_in_what_comes_of_it() {
    let vector = fs::read_to_string(folder().join("choker-leeching.json")).expect("it is there");
    let altered = vector.replacen("{\"at\":10000000,\"timeout\"", "{\"at\":9999999,\"timeout\"", 1);
    assert_ne!(vector, altered);
    let step =
        vector.split("{\"at\":10000000,\"timeout\"").next().map(|before| before.matches("{\"at\"").count());
    let difference = report(&altered).difference.expect("a round that is not due does not happen");
    assert_eq!((difference.step, difference.field.as_str()), (step.unwrap_or_default() as u64, "actions[0]"));
}

#[test]
fn a_missing_error_is_a_difference() {
    let vector = fs::read_to_string(folder().join("wire-hostile.json")).expect("it is there");
    let altered = vector.replacen(",\"error\":{\"peer\":\"bitfield\"}", "", 1);
    let difference = report(&altered).difference.expect("it is found");
    assert_eq!((difference.step, difference.field.as_str()), (0, "error"));
}

#[test]
fn a_trace_that_is_cut_off_names_the_line() {
    let trace = trace();
    let lines = trace.lines().count();
    let cut = &trace[..trace.len() - 20];
    assert!(fault(cut).starts_with(&format!("line {lines}: EOF while parsing")), "{}", fault(cut));
}

#[test]
fn garbage_names_the_line() {
    let trace = trace();
    let mut lines: Vec<&str> = trace.lines().collect();
    lines.insert(4, "what is this?");
    assert!(fault(&lines.join("\n")).starts_with("line 5: expected"), "{}", fault(&lines.join("\n")));
    assert!(fault("\u{1}\u{2}").starts_with("line 1: "), "{}", fault("\u{1}\u{2}"));
    assert!(fault("").starts_with("line 1: EOF"), "{}", fault(""));
    assert!(matches!(replay(&b"\xff\xfe"[..]), Err(Fault::Io(_))), "it is not text");
}

#[test]
fn lives_begin_once_and_before_their_steps() {
    let trace = trace();
    let mut lines: Vec<&str> = trace.lines().collect();
    lines.insert(2, lines[0]);
    assert_eq!(fault(&lines.join("\n")), "line 3: life 0 has begun before");
    lines.splice(1..3, []);
    assert!(fault(&lines.join("\n")).ends_with("life 1 has not begun"), "{}", fault(&lines.join("\n")));
    let header = r#"{"life":0,"machine":"toaster","config":{}}"#;
    assert_eq!(fault(header), "line 1: there is no machine \"toaster\"");
    let header = r#"{"life":0,"machine":"choker","config":{"slot":1}}"#;
    assert!(fault(header).starts_with("line 1: unknown field `slot`"), "{}", fault(header));
    let both = r#"{"life":0,"at":0,"input":{"seeding":true},"timeout":true,"actions":[]}"#;
    let header = r#"{"life":0,"machine":"choker","config":{}}"#;
    let found = replay(format!("{header}\n{both}").as_bytes());
    assert!(matches!(found, Err(Fault::Line { line: 2, reason: Reason::Call })), "{found:?}");
}

#[test]
fn an_unreadable_step_of_a_vector_is_named() {
    let vector = fs::read_to_string(folder().join("wire-hostile.json")).expect("it is there");
    let altered = vector.replacen("{\"received\":\"0000000101\"}", "{\"received\":\"xy\"}", 1);
    assert!(fault(&altered).starts_with("step 1: "), "{}", fault(&altered));
}

#[test]
fn the_writer_writes_what_the_reader_reads() {
    use convoy_core::{Deadline, Instant, choker, testing::Call};
    let mut trace = TraceWriter::new(Vec::new());
    trace.life(3, "choker", &choker::Config::default(), [0; 32]).expect("memory takes it");
    let next = Some(Deadline { at: Instant::from_micros(9), why: "choke round" });
    let none: &[choker::Action] = &[];
    trace.step(3, Instant::ZERO, Call::Timeout::<&choker::Input>, none, next).expect("memory takes it");
    let text = trace.finish().expect("memory takes it");
    let difference = replay(&text[..]).expect("it is readable").difference.expect("no round is due");
    assert_eq!((difference.life, difference.field.as_str()), (3, "next"));
}
