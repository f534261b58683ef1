//! Why a run of the program ends badly: what failed, where, and what to do next.

use crate::output::Event;
use std::{fmt, io, path::Path, process::ExitCode};

/// An error as people see it, and the exit code that goes with it.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    file: Option<String>,
    advice: Option<String>,
    kind: Kind,
}

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// 1: what was asked for did not work.
    Failed,
    /// 2: what was asked for makes no sense.
    Usage,
    /// 130: somebody pressed Ctrl-C, or sent SIGTERM.
    Interrupted,
}

impl Failure {
    /// What was asked for did not work.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), file: None, advice: None, kind: Kind::Failed }
    }

    /// What was asked for makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::new(message) }
    }

    /// Somebody stopped the program before it was done.
    pub(crate) fn interrupted() -> Self {
        Self { kind: Kind::Interrupted, ..Self::new("interrupted") }
    }

    /// The system would not do `what` ("cannot read") with `file`.
    pub(crate) fn io(what: &str, file: &Path, error: &io::Error) -> Self {
        Self::new(format!("{what} {}: {error}", file.display())).at(file)
    }

    /// The program does not get what it runs on.
    pub(crate) fn start(error: &io::Error) -> Self {
        Self::new(format!("cannot start: {error}"))
            .advise("see whether the system has threads and files left (`ulimit -a`), and run it again")
    }

    /// The system would not take what goes to stdout.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        Self::new(format!("cannot write to stdout: {error}"))
            .advise("see whether there is room where it goes, and run it again")
    }

    /// Names the file that the failure is about.
    pub(crate) fn at(mut self, file: &Path) -> Self {
        self.file = Some(file.display().to_string());
        self
    }

    /// Says what to do next.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// What failed.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What `--json` says of it.
    pub(crate) fn event(&self) -> Event<'_> {
        let (file, advice) = (self.file.as_deref(), self.advice.as_deref());
        Event::Error { message: &self.message, file, advice }
    }

    /// Whether somebody stopped the program.
    pub(crate) fn is_interruption(&self) -> bool {
        self.kind == Kind::Interrupted
    }

    /// What the process answers.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::Failed => ExitCode::from(1),
            Kind::Usage => ExitCode::from(2),
            Kind::Interrupted => ExitCode::from(130),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.advice {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}
