//! A torrent of a session of which only the name is known.

use crate::{
    output::{Reporter, printable},
    source::Link,
    wish::Selection,
};
use convoy_core::engine::Progress;
use std::time::{Duration, Instant};

/// How long to wait for peers before saying that nobody answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is known of it.
pub(super) struct Fetching {
    /// What to call it.
    pub(super) name: String,
    /// The files that its link selects.
    pub(super) selection: Option<Selection>,
    /// Web servers that have the files.
    pub(super) web_seeds: Vec<String>,
    since: Instant,
    /// Whether people know that nobody answers.
    told: bool,
}

impl Fetching {
    pub(super) fn new(link: &Link) -> Self {
        let selection = Selection::of_link(&link.magnet.select);
        let web_seeds = link.magnet.web_seeds.clone();
        Self { name: link.name(), selection, web_seeds, since: Instant::now(), told: false }
    }

    /// Shows how it stands, and says once if nobody answers.
    pub(super) fn progress(&mut self, progress: &Progress, reporter: &Reporter) {
        reporter.progress(&self.name, progress);
        if self.since.elapsed() >= PATIENCE && !self.told {
            self.told = true;
            let (name, known) = (printable(&self.name), progress.peers_known);
            reporter.note(format_args!(
                "[{name}] none of {known} known peers says what it is; still asking. \
                 Name one that has it with --peer HOST:PORT"
            ));
        }
    }

    /// Says that nobody is there to be asked.
    pub(super) fn tell_loneliness(&mut self, reporter: &Reporter) {
        self.told = true;
        reporter.note(format_args!(
            "[{}] no peer is known that could say what it is; waiting for one that dials us. \
             Name one with --peer HOST:PORT",
            printable(&self.name)
        ));
    }

    /// Says how it stands at the end.
    pub(super) fn sum_up(&self, reporter: &Reporter) {
        reporter.note(format_args!("[{}] stopped before any peer said what it is", printable(&self.name)));
    }
}
