//! One file, one verb.

mod ask;
mod create;
mod demo;
mod download;
mod info;
mod magnet;
mod replay;
mod seed;
mod session;
mod sim;
mod tracker;
mod vectors;
mod verify;

use crate::{
    args::{Args, Completions, Vectors, Verb},
    failure::Failure,
    output::Reporter,
    signals::Signals,
};
use clap::CommandFactory;
use convoy_core::random::Seed;
use std::{io, sync::Arc};

/// Does what was asked for.
///
/// # Errors
/// It did not work, or somebody stopped it.
pub(crate) async fn run(verb: Verb, reporter: &Arc<Reporter>) -> Result<(), Failure> {
    match verb {
        Verb::Download(download) => download::run(download, reporter).await,
        Verb::Seed(seed) => seed::run(seed, reporter).await,
        Verb::Demo(demo) => demo::run(demo, reporter).await,
        Verb::Create(create) => {
            unless_interrupted(reporter, move |reporter| create::run(&create, reporter)).await
        }
        Verb::Verify(verify) => {
            unless_interrupted(reporter, move |reporter| verify::run(&verify, reporter)).await
        }
        Verb::Info(info) => info::run(info, reporter).await,
        Verb::Magnet(magnet) => {
            unless_interrupted(reporter, move |reporter| magnet::run(&magnet, reporter)).await
        }
        Verb::Announce(announce) => {
            unless_interrupted(reporter, move |reporter| ask::announce(&announce, reporter)).await
        }
        Verb::Scrape(scrape) => {
            unless_interrupted(reporter, move |reporter| ask::scrape(&scrape, reporter)).await
        }
        Verb::Tracker(tracker) => tracker::run(tracker, reporter).await,
        Verb::Sim(sim) => unless_interrupted(reporter, move |reporter| sim::run(&sim, reporter)).await,
        Verb::Replay(replay) => {
            unless_interrupted(reporter, move |reporter| replay::run(&replay, reporter)).await
        }
        Verb::Vectors(Vectors::Check(check)) => {
            unless_interrupted(reporter, move |reporter| vectors::check(&check, reporter)).await
        }
        Verb::Completions(Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "convoy", &mut script);
            write_out(&script)
        }
        Verb::Version => write_out(concat!("convoy ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()),
    }
}

/// Runs `work` on a thread of its own; Ctrl-C does not wait for it.
async fn unless_interrupted<T: Send + 'static>(
    reporter: &Arc<Reporter>,
    work: impl FnOnce(&Reporter) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        done = on_thread(reporter, work) => done,
        () = signals.next() => Err(Failure::interrupted()),
    }
}

/// Runs `work` on a thread of its own.
async fn on_thread<T: Send + 'static>(
    reporter: &Arc<Reporter>,
    work: impl FnOnce(&Reporter) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let reporter = Arc::clone(reporter);
    let done = tokio::task::spawn_blocking(move || work(&reporter)).await;
    done.map_err(|_| Failure::new("a fault of this program; please report what was printed above"))?
}

/// 32 bytes that nobody can guess.
fn entropy() -> Result<Seed, Failure> {
    let mut seed = Seed::default();
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::new(format!("the system gives no random bytes: {error}")))?;
    Ok(seed)
}

/// Writes to stdout. A reader that went away early wanted no more.
fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match io::Write::write_all(&mut out, bytes).and_then(|()| io::Write::flush(&mut out)) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::stdout(&error)),
        _ => Ok(()),
    }
}
