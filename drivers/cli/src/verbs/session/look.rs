//! Asks peers what a magnet link stands for, and nothing else.

use super::begin;
use crate::{
    config::Config, failure::Failure, output::Reporter, output::printable, signals::Signals, source::Link,
};
use convoy_core::{
    engine::{self, Command, Event, FetchTorrent, PeerEnd},
    metainfo::Info,
};
use convoy_tokio::{Events, NodeEvent};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

/// How long peers have to say it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `link` stands for.
///
/// # Errors
/// No peer says it, what they say is of no use, or somebody would not wait.
pub(crate) async fn look(link: &Link, config: &Config, reporter: &Reporter) -> Result<Info, Failure> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        found = ask(link, config, reporter) => found,
        () = tokio::time::sleep(PATIENCE) => Err(nobody_says(link, "in a minute")),
        () = signals.next() => Err(Failure::interrupted()),
    }
}

async fn ask(link: &Link, config: &Config, reporter: &Reporter) -> Result<Info, Failure> {
    let mut peers = begin::resolve(&config.peer).await?;
    peers.extend(begin::peers_of(link, reporter).await);
    let trackers: Vec<Vec<String>> =
        link.tiers().into_iter().chain(config.tracker.iter().map(|url| vec![url.clone()])).collect();
    if peers.is_empty() && trackers.is_empty() {
        return Err(nobody_says(link, "because none is known"));
    }
    let (node, events) = begin::spawn(config, engine::Config { listen: None, ..config.engine() })?;
    reporter.note(format_args!("[{}] asking what it is", printable(&link.name())));
    let more_may_come = !trackers.is_empty();
    let fetch = FetchTorrent { info_hash: link.info_hash, peers: peers.clone(), trackers };
    node.command(Command::Fetch(Box::new(fetch)));
    hear(link, events, peers.into_iter().collect(), more_may_come).await
}

/// Waits until a peer says it, or none of `peers` is left and no more come.
async fn hear(
    link: &Link,
    mut events: Events,
    mut peers: BTreeSet<SocketAddr>,
    more_may_come: bool,
) -> Result<Info, Failure> {
    let mut reasons: BTreeMap<SocketAddr, PeerEnd> = BTreeMap::new();
    while let Some(event) = events.recv().await {
        let NodeEvent::Engine(event) = event else { continue };
        match event {
            Event::Metadata { info } => return Ok(*info),
            Event::MetadataUnusable { error, .. } => return Err(unusable(&link.name(), &error)),
            Event::DialFailed { remote, why, .. } if peers.remove(&remote) => {
                reasons.insert(remote, why);
            }
            _ => {}
        }
        if peers.is_empty() && !more_may_come {
            let reasons: Vec<_> = reasons.iter().map(|(peer, why)| format!("{peer}: {why}")).collect();
            return Err(nobody_says(link, &format!("({})", reasons.join(", "))));
        }
    }
    Err(Failure::new("the node ended by itself").advise("run it again with -vv to see why"))
}

fn nobody_says(link: &Link, why: &str) -> Failure {
    Failure::new(format!("no peer says what {} is {why}", printable(&link.name())))
        .advise("name a peer that has it with --peer HOST:PORT, or give the .torrent")
}

/// What peers say is right, but of no use.
pub(super) fn unusable(name: &str, error: &convoy_core::metainfo::Error) -> Failure {
    Failure::new(format!(
        "{}: what it is has come from peers, but it cannot be shared: {error}",
        printable(name)
    ))
    .advise("ask whoever made it for a sound one")
}
