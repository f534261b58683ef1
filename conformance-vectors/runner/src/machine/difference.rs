//! Where a second life went another way, for people.

use super::{life::Outcome, read::Step};
use convoy_core::Instant;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use std::fmt::{self, Display};

/// Strings longer than this are cut where they are shown: block data would hide everything else.
const SHOWN_CHARACTERS: usize = 64;
/// What is shown of a long string in front of the character that differs.
const SHOWN_BEFORE: usize = 16;

/// The first step that did not do what was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Whose.
    pub life: u32,
    /// Its machine.
    pub machine: String,
    /// Which step of that life, counted from 0.
    pub step: u64,
    /// The time that the machine was told.
    pub at: Instant,
    /// What it was told; null for a timeout.
    pub input: Value,
    /// Which field of the outcome is the first that differs, such as `actions[2].send.data`.
    pub field: String,
    /// What was recorded: actions, error and next.
    pub expected: Value,
    /// What came instead.
    pub found: Value,
}

impl Difference {
    /// Compares what was recorded with what came; `None` if they are only written differently. Life, machine
    /// and step are the caller's to fill in.
    pub(super) fn between(step: &Step<'_>, found: &Outcome) -> serde_json::Result<Option<Self>> {
        let read = |raw: Option<&RawValue>| {
            raw.map_or(Ok(Value::Null), |raw| serde_json::from_str::<Value>(raw.get()))
        };
        let expected = json!({
            "actions": read(Some(step.actions))?,
            "error": read(step.error)?,
            "next": step.next,
        });
        let found = json!({
            "actions": read(Some(&found.actions))?,
            "error": read(found.error.as_deref())?,
            "next": found.next,
        });
        let Some(field) = first_difference(&expected, &found) else { return Ok(None) };
        Ok(Some(Self {
            life: 0,
            machine: String::new(),
            step: 0,
            at: step.at,
            input: read(step.input)?,
            field: field.trim_start_matches('.').to_owned(),
            expected,
            found,
        }))
    }
}

/// The way to the first difference, as `.name` and `[index]`.
fn first_difference(expected: &Value, found: &Value) -> Option<String> {
    let within = |place: String, expected: Option<&Value>, found: Option<&Value>| match (expected, found) {
        (Some(expected), Some(found)) => first_difference(expected, found).map(|rest| place + &rest),
        (None, None) => None,
        _ => Some(place),
    };
    match (expected, found) {
        (Value::Array(expected), Value::Array(found)) => (0..expected.len().max(found.len()))
            .find_map(|index| within(format!("[{index}]"), expected.get(index), found.get(index))),
        (Value::Object(expected), Value::Object(found)) => expected
            .keys()
            .chain(found.keys())
            .find_map(|key| within(format!(".{key}"), expected.get(key), found.get(key))),
        _ => (expected != found).then(String::new),
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { life, machine, step, at, input, field, expected, found } = self;
        writeln!(f, "life {life} ({machine}), step {step}, at {at:?}: {field} differs")?;
        match input {
            Value::Null => writeln!(f, "  called with   the time alone")?,
            input => writeln!(f, "  called with   {}", Short(input, 0))?,
        }
        let from = first_letter(expected, found, field);
        show(f, "expected", expected, field, from)?;
        show(f, "found", found, field, from)
    }
}

/// Shows an outcome, an action a line, with a mark at the one that differs.
fn show(f: &mut fmt::Formatter<'_>, title: &str, outcome: &Value, field: &str, from: usize) -> fmt::Result {
    writeln!(f, "  {title}")?;
    let mut line = |place: &str, value: &Value| {
        let differs =
            field.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        let (mark, from) = if differs { (">", from) } else { (" ", 0) };
        writeln!(f, "  {mark} {place:<12}{}", Short(value, from))
    };
    let actions = outcome.get("actions").and_then(Value::as_array);
    for (index, action) in actions.into_iter().flatten().enumerate() {
        line(&format!("actions[{index}]"), action)?;
    }
    for place in ["error", "next"] {
        if let Some(value) = outcome.get(place).filter(|value| !value.is_null()) {
            line(place, value)?;
        }
    }
    Ok(())
}

/// If the field is a string, where in it the difference begins.
fn first_letter(expected: &Value, found: &Value, field: &str) -> usize {
    let pointer = format!("/{}", field.replace(['.', '['], "/").replace(']', ""));
    let text = |value: &Value| value.pointer(&pointer).and_then(Value::as_str).map(str::to_owned);
    match (text(expected), text(found)) {
        (Some(expected), Some(found)) => {
            expected.chars().zip(found.chars()).take_while(|(one, other)| one == other).count()
        }
        _ => 0,
    }
}

/// Shows a value with its long strings cut; those that reach so far, around the given character.
struct Short<'a>(&'a Value, usize);

impl Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value, from) = *self;
        match value {
            Value::String(text) => f.write_str(&cut(text, from)),
            Value::Array(list) => {
                f.write_str("[")?;
                for (index, value) in list.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { ", " }, Self(value, from))?;
                }
                f.write_str("]")
            }
            Value::Object(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {}", if index == 0 { "" } else { ", " }, Self(value, from))?;
                }
                f.write_str("}")
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.fmt(f),
        }
    }
}

fn cut(text: &str, from: usize) -> String {
    let length = text.chars().count();
    if length <= SHOWN_CHARACTERS {
        return text.to_owned();
    }
    let start = if from < length { from.saturating_sub(SHOWN_BEFORE) } else { 0 };
    let shown: String = text.chars().skip(start).take(SHOWN_CHARACTERS).collect();
    let before = if start > 0 { "…" } else { "" };
    let behind = if start + SHOWN_CHARACTERS < length { "…" } else { "" };
    format!("{before}{shown}{behind} ({length} characters)")
}
