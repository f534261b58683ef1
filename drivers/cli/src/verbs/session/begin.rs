//! How a session begins: who is asked, and where things are kept.

use crate::{
    config::{Config, PeerAddr},
    failure::Failure,
    output::{Hex, Reporter},
    source::Link,
};
use convoy_core::{engine, id::InfoHash};
use convoy_tokio::{Events, Node, NodeConfig};
use sha1::{Digest, Sha1};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Starts a node.
pub(super) fn spawn(config: &Config, engine: engine::Config) -> Result<(Node, Events), Failure> {
    let seed = config.seed_bytes.map(|seed| seed.0);
    let (preallocate, proxy) = (config.preallocate, config.proxy.clone());
    let config = NodeConfig { engine, seed, preallocate, proxy, ..NodeConfig::default() };
    convoy_tokio::spawn(config).map_err(|error| Failure::start(&error))
}

/// The addresses of the peers that were named.
///
/// # Errors
/// One of them has none.
pub(super) async fn resolve(names: &[PeerAddr]) -> Result<Vec<SocketAddr>, Failure> {
    let mut peers = Vec::new();
    for name in names {
        peers.extend(name.resolve().await?);
    }
    Ok(peers)
}

/// The addresses of the peers that a link names, as far as they have any.
pub(super) async fn peers_of(link: &Link, reporter: &Reporter) -> Vec<SocketAddr> {
    let mut peers = Vec::new();
    for name in link.magnet.peers.iter().filter_map(|peer| peer.parse::<PeerAddr>().ok()) {
        match name.resolve().await {
            Ok(found) => peers.extend(found),
            Err(failure) => reporter.note(format_args!("warning: {}", failure.message())),
        }
    }
    peers
}

/// Where what is known of a torrent in a folder is kept: the same torrent may lie in two.
pub(super) fn resume_file(state: &Path, info_hash: InfoHash, folder: &Path) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let folder = fs::canonicalize(&folder).unwrap_or(folder);
    let digest = Sha1::digest(folder.as_os_str().as_encoded_bytes());
    let (distinct, _) = digest.split_at(4);
    state.join(format!("{info_hash}-{}.resume", Hex(distinct)))
}
