//! The program `convoy`: what people run.
//!
//! [`args`] is what they type, [`config`] what holds for a run, [`verbs`] what is done, and [`output`] how it
//! is told. A run that fails ends with a [`failure::Failure`], which knows its exit code.

mod args;
mod author;
mod config;
mod failure;
mod hashing;
mod inspect;
mod output;
mod signals;
mod source;
mod units;
mod verbs;
mod walk;
mod wish;

use args::{Args, Console};
use clap::Parser;
use failure::Failure;
use output::{Bars, LogWriter, Reporter};
use std::{process::ExitCode, sync::Arc};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let Args { console, verb } = Args::parse();
    let bars = Bars::default();
    log(console, &bars);
    let reporter = Reporter::new(console, bars);
    let reporter = Arc::new(if verb.streams() { reporter.aside() } else { reporter });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime
        .map_err(|error| Failure::start(&error))
        .and_then(|runtime| {
            let ended = runtime.block_on(verbs::run(verb, &reporter));
            // What still reads and hashes dies with the process.
            runtime.shutdown_background();
            ended
        })
        .and_then(|()| reporter.check());
    reporter.finish();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_interruption() {
                reporter.event(&failure.event());
                output::to_stderr(format_args!("error: {failure}"));
            }
            failure.exit_code()
        }
    }
}

/// Sends logs to stderr: warnings and errors, more with `-v`, or what `CONVOY_LOG` asks for.
fn log(console: Console, bars: &Bars) {
    let level = match (console.quiet, console.verbose) {
        (true, 0) => "error",
        (false, 0) => "warn",
        (_, 1) => "info",
        (_, 2) => "debug",
        (_, _) => "trace",
    };
    let filter = EnvFilter::try_from_env("CONVOY_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(LogWriter(bars.clone())).init();
}
