//! How far some reading and hashing is; shared by the threads that do it.

use super::{lines, printable, to_stderr};
use indicatif::ProgressBar;
use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Between two lines where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts bytes towards a total, and shows them.
pub(crate) struct Work {
    doing: &'static str,
    name: String,
    total: u64,
    done: AtomicU64,
    bar: Option<ProgressBar>,
    /// When the last line was printed, if lines are wanted.
    printed: Option<Mutex<Instant>>,
}

impl Work {
    pub(super) fn new(
        doing: &'static str,
        name: &str,
        total: u64,
        bar: Option<ProgressBar>,
        lines: bool,
    ) -> Self {
        let printed = lines.then(|| Mutex::new(Instant::now()));
        let name = printable(name).into_owned();
        Self { doing, name, total, done: AtomicU64::new(0), bar, printed }
    }

    /// `bytes` more are done.
    pub(crate) fn advance(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
        // Who finds the lock taken leaves the line to the one who has it.
        let Some(Ok(mut printed)) = self.printed.as_ref().map(Mutex::try_lock) else { return };
        if printed.elapsed() >= INTERVAL {
            *printed = Instant::now();
            let (name, doing, share) = (&self.name, self.doing, lines::share(done, self.total));
            to_stderr(format_args!("[{name}] {doing} {share}"));
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
