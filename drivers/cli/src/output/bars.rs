//! Progress on a terminal: one bar for each torrent, and logs that go above the bars.

use super::{lines, printable};
use crate::units::{ByteSize, Percent, Rate};
use convoy_core::engine::{Progress, State};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::fmt::MakeWriter;

const STYLE: &str = "{prefix:20!} {wide_bar:.cyan/blue} {msg}";

/// All bars of the process. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Bars {
    screen: MultiProgress,
    by_name: Arc<Mutex<BTreeMap<String, ProgressBar>>>,
}

impl Bars {
    /// Shows how a torrent stands.
    pub(super) fn show(&self, name: &str, progress: &Progress) {
        let mut bars = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        // On the screen as here: in the order of their names.
        let place = bars.keys().take_while(|other| other.as_str() < name).count();
        let bar = bars.entry(name.to_owned()).or_insert_with(|| self.bar(place, name, progress.total_bytes));
        let (done, total) = match progress.state {
            State::FetchingMetadata => (0, 0),
            State::Checking => (progress.checked_bytes, progress.total_bytes),
            State::Downloading | State::Seeding | State::Paused | State::Failed => {
                (lines::fetched(progress), progress.wanted_bytes)
            }
        };
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(message(Percent { part: done, whole: total }, progress));
    }

    /// Takes one bar off the screen.
    pub(super) fn drop(&self, name: &str) {
        if let Some(bar) = self.by_name.lock().unwrap_or_else(PoisonError::into_inner).remove(name) {
            bar.finish_and_clear();
        }
    }

    /// A bar for reading and hashing.
    pub(super) fn work(&self, doing: &'static str, name: &str, total: u64) -> ProgressBar {
        let bar = self.bar(usize::MAX, name, total);
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix:20!} {wide_bar:.cyan/blue} {msg} {percent:>3}%, {binary_bytes_per_sec}, ETA {eta}",
        ) {
            bar.set_style(style);
        }
        bar.set_message(doing);
        bar
    }

    /// Prints something without tearing the bars.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        self.screen.suspend(print);
    }

    /// Takes the bars off the screen.
    pub(super) fn clear(&self) {
        let bars = std::mem::take(&mut *self.by_name.lock().unwrap_or_else(PoisonError::into_inner));
        for bar in bars.values() {
            bar.finish_and_clear();
        }
    }

    fn bar(&self, place: usize, name: &str, total: u64) -> ProgressBar {
        let bar = self.screen.insert(place, ProgressBar::new(total));
        if let Ok(style) = ProgressStyle::with_template(STYLE) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_prefix(printable(name).into_owned());
        bar
    }
}

/// What stands behind a bar.
fn message(percent: Percent, progress: &Progress) -> String {
    let (down, up) = (Rate(progress.download_rate_bytes_per_s), Rate(progress.upload_rate_bytes_per_s));
    let peers = progress.peers_live;
    match progress.state {
        State::FetchingMetadata => "asking what it is".into(),
        State::Checking => format!("{percent:>7} checking"),
        State::Downloading => {
            format!("{percent:>7} ↓ {down} ↑ {up} ETA {} peers {peers}", lines::eta(progress))
        }
        State::Seeding => {
            format!("{percent:>7} seeding ↑ {up} {} sent peers {peers}", ByteSize(progress.uploaded_bytes))
        }
        State::Paused => format!("{percent:>7} paused"),
        State::Failed => format!("{percent:>7} failed"),
    }
}

/// Writes logs to stderr, above the bars.
#[derive(Clone)]
pub(crate) struct LogWriter(pub(crate) Bars);

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.screen.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
