//! What the program says: results and JSON on stdout, progress and logs on stderr; all of it on stderr where
//! stdout is for data.

mod bars;
mod json;
mod lines;
mod text;
mod work;

pub(crate) use bars::{Bars, LogWriter};
pub(crate) use json::{
    DemoNode, EncryptionCounts, Event, FileStatus, InfoFile, PieceRange, Torrent, encryption_name,
};
pub(crate) use text::{Hex, printable, utc};
pub(crate) use work::Work;

use crate::{args::Console, failure::Failure};
use convoy_core::engine::Progress;
use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Prints a line on stderr. Nobody has to read there: where `eprintln!` panics, the work goes on.
pub(crate) fn to_stderr(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says what happens, in the way that was asked for.
pub(crate) struct Reporter {
    json: bool,
    /// Whether stdout is left to others.
    aside: bool,
    view: View,
    /// Why stdout took no more.
    broken: Mutex<Option<io::Error>>,
}

/// How progress is shown.
enum View {
    Bars(Bars),
    Lines,
    Nothing,
}

impl Reporter {
    /// Bars if stderr is a terminal, lines if not.
    pub(crate) fn new(console: Console, bars: Bars) -> Self {
        let view = match console {
            Console { quiet: true, .. } | Console { json: true, .. } => View::Nothing,
            _ if io::stderr().is_terminal() => View::Bars(bars),
            _ => View::Lines,
        };
        Self { json: console.json, aside: false, view, broken: Mutex::new(None) }
    }

    /// The same, with results and JSON on stderr: stdout is for data alone.
    pub(crate) fn aside(self) -> Self {
        Self { aside: true, ..self }
    }

    /// Prints an event, if JSON is what was asked for.
    pub(crate) fn event(&self, event: &Event<'_>) {
        if self.json {
            self.write(serde_json::to_string(event).unwrap_or_default().as_str());
        }
    }

    /// Prints a result, unless JSON is what was asked for.
    pub(crate) fn result(&self, text: impl Display) {
        if !self.json {
            self.beside_bars(|| self.write(text.to_string().trim_end()));
        }
    }

    /// Tells people something by the way.
    pub(crate) fn note(&self, text: impl Display) {
        match &self.view {
            View::Nothing => {}
            View::Bars(bars) => bars.aside(|| to_stderr(&text)),
            View::Lines => to_stderr(&text),
        }
    }

    /// Shows how a torrent stands.
    pub(crate) fn progress(&self, name: &str, progress: &Progress) {
        self.event(&Event::progress(name, progress));
        match &self.view {
            View::Nothing => {}
            View::Bars(bars) => bars.show(name, progress),
            View::Lines => to_stderr(lines::progress(name, progress)),
        }
    }

    /// Shows no more how something of this name stands: it has another name now.
    pub(crate) fn drop_progress(&self, name: &str) {
        if let View::Bars(bars) = &self.view {
            bars.drop(name);
        }
    }

    /// Shows how far some reading and hashing of `total` bytes is.
    pub(crate) fn work(&self, doing: &'static str, name: &str, total: u64) -> Work {
        let bar = match &self.view {
            View::Bars(bars) => Some(bars.work(doing, name, total)),
            View::Lines | View::Nothing => None,
        };
        Work::new(doing, name, total, bar, matches!(self.view, View::Lines))
    }

    /// Takes the bars away.
    pub(crate) fn finish(&self) {
        if let View::Bars(bars) = &self.view {
            bars.clear();
        }
    }

    /// Whether stdout took everything. A reader that went away early wanted no more.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match &*self.broken() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::stdout(error)),
            _ => Ok(()),
        }
    }

    fn broken(&self) -> MutexGuard<'_, Option<io::Error>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beside_bars(&self, print: impl FnOnce()) {
        match &self.view {
            View::Bars(bars) => bars.aside(print),
            View::Lines | View::Nothing => print(),
        }
    }

    fn write(&self, line: &str) {
        if self.aside {
            return to_stderr(line);
        }
        let mut out = io::stdout().lock();
        if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
            self.broken().get_or_insert(error);
        }
    }
}
