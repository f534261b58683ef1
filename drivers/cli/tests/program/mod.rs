//! Runs the program as people do.
#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

/// A scratch folder to run in, with a home of its own.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a scratch folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file of `length` bytes that nobody could guess from one another.
    pub(crate) fn file(&self, name: &str, length: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ length as u64;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .take(length)
        .collect();
        let file = self.path(name);
        fs::create_dir_all(file.parent().expect("in a folder")).expect("made");
        fs::write(file, &bytes).expect("written");
        bytes
    }

    /// The program with `line` as its arguments, in this folder.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convoy"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("HOME", self.0.path()).env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME");
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::from(self.command(line).output().expect("runs"))
    }

    /// Starts the program; it is killed when the test is over.
    pub(crate) fn start(&self, line: &str) -> Running {
        let child = self.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        Running(child)
    }
}

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// The same, having worked.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// The lines of `--json`.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// The first event of a kind.
    pub(crate) fn event(&self, kind: &str) -> Value {
        let found = self.events().into_iter().find(|event| event["event"] == kind);
        found.unwrap_or_else(|| panic!("no {kind} in {}\nstderr: {}", self.stdout, self.stderr))
    }
}

/// A run that goes on.
pub(crate) struct Running(Child);

impl Running {
    /// Reads stdout up to the first JSON event of a kind.
    pub(crate) fn wait_for(&mut self, kind: &str) -> Value {
        let stdout = self.0.stdout.as_mut().expect("piped");
        loop {
            let line = read_line(stdout);
            assert!(!line.is_empty(), "the program ended before {kind}");
            let event: Value = serde_json::from_str(&line).expect("JSON");
            if event["event"] == kind {
                return event;
            }
        }
    }

    /// Reads stdout until there was a JSON event of each kind, in any order; the first of each.
    pub(crate) fn wait_for_all<const N: usize>(&mut self, kinds: [&str; N]) -> [Value; N] {
        let mut found = kinds.map(|_| None);
        while found.iter().any(Option::is_none) {
            let line = read_line(self.0.stdout.as_mut().expect("piped"));
            assert!(!line.is_empty(), "the program ended before all of {kinds:?}");
            let event: Value = serde_json::from_str(&line).expect("JSON");
            if let Some(place) = kinds.iter().position(|kind| event["event"] == *kind) {
                found[place].get_or_insert(event);
            }
        }
        found.map(|event| event.expect("there was one of each"))
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> Ran {
        let mut ran = Ran { code: None, stdout: String::new(), stderr: String::new() };
        let read = |stream: &mut dyn std::io::Read, text: &mut String| drop(stream.read_to_string(text));
        read(self.0.stdout.as_mut().expect("piped"), &mut ran.stdout);
        read(self.0.stderr.as_mut().expect("piped"), &mut ran.stderr);
        ran.code = self.0.wait().expect("ends").code();
        ran
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A line, byte by byte: nothing behind it is taken from the pipe.
fn read_line(from: &mut impl std::io::Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while from.read(&mut byte).expect("read") == 1 && byte != [b'\n'] {
        line.push(byte[0]);
    }
    String::from_utf8(line).expect("UTF-8")
}

pub(crate) fn read(file: &Path) -> Vec<u8> {
    fs::read(file).expect("read")
}
