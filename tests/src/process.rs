//! Child processes that speak in JSON lines.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long anything that ought to happen may take, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How often to look again where nothing says that something happened.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A child process. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    lines: Receiver<Value>,
    seen: Vec<Value>,
    stderr: Option<JoinHandle<String>>,
}

/// How a process ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name in messages.
    pub name: String,
    /// Its exit code; `None` if a signal killed it.
    pub code: Option<i32>,
    /// Every line of its standard output; one that is no JSON as a string.
    pub lines: Vec<Value>,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// A process that peers can reach.
#[derive(Debug)]
pub struct Peer {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Process {
    /// Starts `command`. `name` stands in messages.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| {
            panic!("{name}: cannot start {}: {error}; run tests/run", command.get_program().display())
        });
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout.expect("piped")).split(b'\n') {
                let Ok(line) = line else { break };
                let text = String::from_utf8_lossy(&line);
                let value = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text));
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            // What was read before an error is still worth showing.
            let _ = stderr.expect("piped").read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self { name: name.to_owned(), child, lines, seen: Vec::new(), stderr: Some(stderr) }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The lines that it has said, as far as they were waited for.
    #[must_use]
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// Waits for the next event of this name.
    ///
    /// # Panics
    /// If the process ends first, or [`PATIENCE`] does.
    pub fn wait_for(&mut self, event: &str) -> Value {
        self.wait_until(event, |line| line["event"] == event)
    }

    /// Waits for the next line that `wanted` holds for; `what` stands in the message.
    ///
    /// # Panics
    /// If the process ends first, or [`PATIENCE`] does.
    pub fn wait_until(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.fail(&format!("no {what} in {PATIENCE:?}")),
                Err(RecvTimeoutError::Disconnected) => self.fail(&format!("ended without {what}")),
            }
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end within [`PATIENCE`].
    pub fn wait_exit(mut self) -> Outcome {
        let code = self.wait_exit_within(PATIENCE);
        self.outcome(code)
    }

    /// Waits for its end, and for a good one.
    ///
    /// # Panics
    /// If it does not end within [`PATIENCE`], or its exit code is not 0.
    pub fn wait_success(self) -> Outcome {
        let outcome = self.wait_exit();
        outcome.assert_code(0);
        outcome
    }

    /// Presses Ctrl-C.
    ///
    /// # Panics
    /// If there is no `kill` program.
    pub fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{}: cannot send SIGINT", self.name);
    }

    /// `kill -9`, and waits until it is dead.
    pub fn kill(mut self) -> Outcome {
        self.end();
        self.outcome(None)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The most memory that it ever had, in bytes.
    ///
    /// # Panics
    /// If it is dead, or there is no `/proc`.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a living process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak of memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// CPU that it has used so far, all its threads, to 10 ms.
    ///
    /// # Panics
    /// If it is dead, or there is no `/proc`.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        /// What Linux calls `USER_HZ`: in `/proc`, the same on every machine.
        const TICK: Duration = Duration::from_millis(10);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("a living process");
        // A program's name may hold anything; its end is the last bracket. Then `utime` is the twelfth word.
        let (_, words) = stat.rsplit_once(')').expect("a name");
        let ticks =
            words.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u32>().expect("a number"));
        TICK * ticks.sum()
    }

    /// Waits for its end; gives its exit code.
    fn wait_exit_within(&mut self, patience: Duration) -> Option<i32> {
        let status = poll(patience, || self.child.try_wait().ok().flatten());
        let Some(status) = status else { self.fail(&format!("still runs after {patience:?}")) };
        status.code()
    }

    fn outcome(&mut self, code: Option<i32>) -> Outcome {
        let mut lines = std::mem::take(&mut self.seen);
        lines.extend(self.lines.iter());
        Outcome { name: self.name.clone(), code, lines, stderr: self.take_stderr() }
    }

    fn take_stderr(&mut self) -> String {
        self.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default()
    }

    fn end(&mut self) {
        // It may have ended by itself; either way it is reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn fail(&mut self, why: &str) -> ! {
        self.end();
        let outcome = self.outcome(None);
        panic!("{}: {why}\n{}", self.name, outcome.transcript());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

impl Outcome {
    /// Asserts how it ended.
    ///
    /// # Panics
    /// If it ended otherwise.
    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{}: exit code\n{}", self.name, self.transcript());
    }

    /// Asserts exit code 1, and an `error` line that names `file`.
    ///
    /// # Panics
    /// If either is missing.
    #[track_caller]
    pub fn assert_fails_naming(&self, file: &str) {
        self.assert_code(1);
        let error = self.event("error");
        let names = |field: &str| error[field].as_str().is_some_and(|text| text.contains(file));
        assert!(names("message") || names("file"), "{}: no {file:?} in {error}", self.name);
    }

    /// The first line that is an event of this name.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    #[track_caller]
    pub fn event(&self, event: &str) -> &Value {
        let found = self.lines.iter().find(|line| line["event"] == event);
        found.unwrap_or_else(|| panic!("{}: no {event}\n{}", self.name, self.transcript()))
    }

    /// All that it said, on both outputs, as text.
    #[must_use]
    pub fn said(&self) -> String {
        let lines = self.lines.iter().map(|line| match line {
            Value::String(text) => format!("{text}\n"),
            other => format!("{other}\n"),
        });
        lines.collect::<String>() + &self.stderr
    }

    /// Asserts that it said `words`, whatever their case.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn assert_said(&self, words: &str) {
        let said = self.said().to_lowercase();
        assert!(said.contains(&words.to_lowercase()), "{}: no {words:?}\n{}", self.name, self.transcript());
    }

    /// The last of what it said.
    fn transcript(&self) -> String {
        const LINES: usize = 40;
        let last = self.lines.len().saturating_sub(LINES);
        let lines: String = self.lines[last..].iter().map(|line| format!("  {line}\n")).collect();
        let stderr: Vec<_> = self.stderr.lines().collect();
        let last = stderr.len().saturating_sub(LINES);
        format!("stdout:\n{lines}stderr:\n  {}", stderr[last..].join("\n  "))
    }
}

/// Looks until there is something, for as long as `patience`.
pub fn poll<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(LOOK_AGAIN);
    }
}
