//! A BitTorrent-compatible swarm protocol as pure state machines.
//!
//! This crate does no IO. It has no sockets, files, clocks, threads or entropy: what happens comes in as
//! a value, what is wanted goes out as a value. [`Machine`] is the contract that every machine keeps, and
//! [`engine::Engine`] is everything a node does behind one of them. Drivers (tokio, a simulator, a game
//! loop) give it the world.
//!
//! Floors: a module imports only from floors below its own.
#![no_std]
#![deny(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::alloc_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

// Floor 1: contract and values.
pub mod bencode;
pub mod bitfield;
pub mod compact;
pub mod crypto;
pub mod deadlines;
pub mod fetch;
pub mod ic;
pub mod id;
pub mod machine;
pub mod outbox;
pub mod polled;
pub mod random;
pub mod reach;
#[cfg(feature = "serde")]
pub mod serial;
pub mod side_table;
pub mod slab;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;

// Floor 2: torrents and where their bytes lie.
pub mod metainfo;
pub mod storage;

// Floor 3: one folder, one protocol machine; none imports another.
pub mod choker;
pub mod holepunch;
pub mod metadata;
pub mod mse;
pub mod pex;
pub mod picker;
pub mod tracker;
pub mod wire;

// Floor 4: one torrent.
pub mod swarm;

// Floor 5: everything a node does.
pub mod engine;

pub use machine::Machine;
pub use outbox::Outbox;
pub use random::{Random, Seed};
pub use time::{Deadline, Instant};
