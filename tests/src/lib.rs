//! What the tests of the whole workspace stand on.
//!
//! The program under test and its peers run as child processes that die with the test. They say what
//! happens as JSON lines, so a test waits for events, with a deadline, and never for luck.
//!
//! - [`scratch`]: a folder for one test, with deterministic data and torrents made by libtorrent
//! - [`process`]: a child process and its events
//! - [`convoy`]: the program under test
//! - [`peers`]: libtorrent, aria2, and clients that run as daemons
//! - [`encryption`]: how streams are encrypted, by what peers are told and what the program says
//! - [`mount`]: bad disks
//! - [`raw`]: a peer that says what the test wants, to the byte
//! - [`trackers`]: opentracker, bittorrent-tracker and aquatic_udp

pub mod convoy;
pub mod encryption;
pub mod mount;
pub mod peers;
pub mod process;
pub mod raw;
pub mod scratch;
pub mod trackers;

pub use convoy::Convoy;
pub use process::{Outcome, Peer, Process};
pub use scratch::{Payload, Scratch};
