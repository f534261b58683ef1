//! What fuzzers do to `convoy-core`: one function for each parser and each machine.
//!
//! A target makes something of a fuzzer's bytes, panics if a promise is broken, and says which states it
//! [reached](Reached). libFuzzer calls it (`fuzz_targets/`), and so does a plain test, which replays the
//! committed corpora and holds what they reach to the floors in `floors.toml`.
//!
//! Parsers get either the bytes themselves or a value that [`arbitrary`] makes of them. Machines live a
//! whole life under the law harness of core: its dice draw from the bytes what happens next, and when.

pub mod announcer;
pub mod bencode;
pub mod choker;
pub mod engine;
pub mod extended;
pub mod extensions;
pub mod handshake;
pub mod holepunch;
mod insider;
mod life;
pub mod magnet;
pub mod metadata;
pub mod metainfo;
pub mod mse;
pub mod pex;
pub mod picker;
mod reached;
pub mod resume;
pub mod swarm;
pub mod tracker;
pub mod tracker_client;
pub mod tracker_http;
mod tree;
pub mod udp_client;
pub mod wire;

pub use reached::Reached;

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]) -> Reached);

/// All of them.
pub const TARGETS: [Target; 21] = [
    ("bencode", bencode::run),
    ("metainfo", metainfo::run),
    ("magnet", magnet::run),
    ("resume", resume::run),
    ("extended", extended::run),
    ("extensions", extensions::run),
    ("handshake", handshake::run),
    ("wire", wire::run),
    ("mse", mse::run),
    ("picker", picker::run),
    ("choker", choker::run),
    ("metadata", metadata::run),
    ("pex", pex::run),
    ("holepunch", holepunch::run),
    ("tracker", tracker::run),
    ("udp_client", udp_client::run),
    ("tracker_client", tracker_client::run),
    ("tracker_http", tracker_http::run),
    ("announcer", announcer::run),
    ("swarm", swarm::run),
    ("engine", engine::run),
];
