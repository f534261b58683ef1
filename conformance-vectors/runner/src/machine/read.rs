//! Reads vectors and traces, and lives them again.

use super::{
    build::build,
    difference::Difference,
    life::{Life, Outcome},
};
use convoy_core::{Instant, Seed, serial::Hex};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader},
    ops::ControlFlow,
    path::Path,
};
use thiserror::Error;

/// What came of living a file again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many machines were built.
    pub lives: u64,
    /// How many calls were made.
    pub steps: u64,
    /// The first one that did not do what was recorded; nothing behind it was looked at.
    pub difference: Option<Box<Difference>>,
}

/// Why a file cannot be lived again.
#[derive(Debug, Error)]
pub enum Fault {
    /// The system would not read it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A line of a trace makes no sense, or the vector does not.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// Why not.
        reason: Reason,
    },
    /// A step of a vector makes no sense.
    #[error("step {step}: {reason}")]
    Step {
        /// Counted from 0.
        step: u64,
        /// Why not.
        reason: Reason,
    },
}

/// What is wrong with a line or a step.
#[derive(Debug, Error)]
pub enum Reason {
    /// It is not JSON, or not what should stand there.
    #[error("{}", without_place(.0))]
    Json(#[from] serde_json::Error),
    /// There is no machine of this name.
    #[error("there is no machine {0:?}")]
    UnknownMachine(String),
    /// A step of a life without a header.
    #[error("life {0} has not begun")]
    UnknownLife(u32),
    /// A second header.
    #[error("life {0} has begun before")]
    SecondLife(u32),
    /// Neither an input nor a timeout, or both.
    #[error("a step wants either an input or a timeout")]
    Call,
}

/// The error's words. Its line is of no use: one line is read at a time.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.split(" at line ").next().unwrap_or_default();
    format!("{words} (column {})", error.column())
}

/// The head of a vector or of a life in a trace.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    life: Option<u32>,
    #[serde(borrow)]
    machine: Cow<'a, str>,
    #[serde(borrow)]
    config: &'a RawValue,
    #[serde(default)]
    seed: Hex<Seed>,
}

/// A vector: the fields of a header, and more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector<'a> {
    #[serde(borrow)]
    machine: Cow<'a, str>,
    #[serde(borrow)]
    config: &'a RawValue,
    #[serde(default)]
    seed: Hex<Seed>,
    #[serde(borrow)]
    steps: Vec<&'a RawValue>,
    #[serde(rename = "schema")]
    _schema: String,
    #[serde(rename = "about")]
    _about: String,
    #[serde(rename = "provenance")]
    _provenance: String,
    #[serde(rename = "regression")]
    _regression: bool,
}

/// A step of either.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step<'a> {
    life: Option<u32>,
    pub(super) at: Instant,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(default)]
    timeout: bool,
    #[serde(borrow)]
    pub(super) actions: &'a RawValue,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    pub(super) next: Option<(u64, String)>,
    #[serde(rename = "about")]
    _about: Option<String>,
}

/// Lives a vector or a trace in a file again.
///
/// # Errors
/// It cannot be read. A difference is not an error: it stands in the report.
pub fn check_file(path: &Path) -> Result<Report, Fault> {
    replay(BufReader::new(File::open(path)?))
}

/// Lives a vector or a trace again: which of them it is shows in its first line. A trace is read line by
/// line, so it may be of any length.
///
/// # Errors
/// It cannot be read. A difference is not an error: it stands in the report.
pub fn replay(mut input: impl BufRead) -> Result<Report, Fault> {
    let mut text = String::new();
    input.read_line(&mut text)?;
    let is_trace = serde_json::from_str::<Header<'_>>(&text).is_ok_and(|header| header.life.is_some());
    if is_trace {
        return replay_trace(text, input);
    }
    input.read_to_string(&mut text)?;
    replay_vector(&text)
}

fn replay_vector(text: &str) -> Result<Report, Fault> {
    let fault = |error: serde_json::Error| Fault::Line { line: error.line() as u64, reason: error.into() };
    let vector: Vector<'_> = serde_json::from_str(text).map_err(fault)?;
    let header = Header { life: Some(0), machine: vector.machine, config: vector.config, seed: vector.seed };
    let mut replay = Replay::default();
    replay.begin(header).map_err(|reason| Fault::Line { line: 1, reason })?;
    for (number, step) in (0..).zip(vector.steps) {
        let done = serde_json::from_str(step.get()).map_err(Reason::from);
        let done = done.and_then(|step: Step<'_>| replay.step(Step { life: Some(0), ..step }));
        if done.map_err(|reason| Fault::Step { step: number, reason })?.is_break() {
            break;
        }
    }
    Ok(replay.report)
}

fn replay_trace(mut line: String, mut input: impl BufRead) -> Result<Report, Fault> {
    let mut replay = Replay::default();
    for number in 1.. {
        let fault = |reason| Fault::Line { line: number, reason };
        if !line.trim_ascii().is_empty() && replay.line(&line).map_err(fault)?.is_break() {
            break;
        }
        line.clear();
        if input.read_line(&mut line)? == 0 {
            break;
        }
    }
    Ok(replay.report)
}

/// Lives that are being lived again.
#[derive(Default)]
struct Replay {
    lives: BTreeMap<u32, Relived>,
    report: Report,
}

struct Relived {
    name: String,
    machine: Box<dyn Life>,
    steps: u64,
}

impl Replay {
    /// A line of a trace.
    fn line(&mut self, line: &str) -> Result<ControlFlow<()>, Reason> {
        // Steps are many and headers few; every step has its time, and no header has.
        match serde_json::from_str::<Step<'_>>(line) {
            Ok(step) => self.step(step),
            Err(error) => match serde_json::from_str(line) {
                Ok(header) => self.begin(header).map(ControlFlow::Continue),
                Err(_) => Err(error.into()),
            },
        }
    }

    fn begin(&mut self, header: Header<'_>) -> Result<(), Reason> {
        let life = header.life.unwrap_or_default();
        if self.lives.contains_key(&life) {
            return Err(Reason::SecondLife(life));
        }
        let name = header.machine.into_owned();
        let Some(machine) = build(&name, header.config, header.seed.0)? else {
            return Err(Reason::UnknownMachine(name));
        };
        self.lives.insert(life, Relived { name, machine, steps: 0 });
        self.report.lives += 1;
        Ok(())
    }

    /// Makes a call; breaks off where it differs.
    fn step(&mut self, step: Step<'_>) -> Result<ControlFlow<()>, Reason> {
        if step.input.is_some() == step.timeout {
            return Err(Reason::Call);
        }
        let number = step.life.unwrap_or_default();
        let life = self.lives.get_mut(&number).ok_or(Reason::UnknownLife(number))?;
        let found = life.machine.call(step.at, step.input)?;
        if !is_same(&step, &found) {
            self.report.difference = Difference::between(&step, &found)?.map(|difference| {
                Box::new(Difference {
                    life: number,
                    machine: life.name.clone(),
                    step: life.steps,
                    ..difference
                })
            });
            if self.report.difference.is_some() {
                return Ok(ControlFlow::Break(()));
            }
        }
        life.steps += 1;
        self.report.steps += 1;
        Ok(ControlFlow::Continue(()))
    }
}

/// Whether both are the same letter by letter, as they are in a trace of ours: cheaper than to read them.
fn is_same(step: &Step<'_>, found: &Outcome) -> bool {
    step.actions.get() == found.actions.get()
        && step.error.map(RawValue::get) == found.error.as_deref().map(RawValue::get)
        && step.next.as_ref().map(|(at, why)| (*at, why.as_str())) == found.next
}
