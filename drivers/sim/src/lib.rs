//! A driver like the others, whose world is one seed.
//!
//! Hosts with links, disks and clocks run the real engine in one process and in virtual time; faults
//! come from the seed, and nothing reads the machine's clock, its entropy or a hash map's order. The same
//! seed gives the same life, on every run and platform.

pub mod content;
pub mod disk;
pub mod host;
pub mod hostile;
pub mod net;
pub mod plot;
pub mod scenario;
pub mod trace;
pub mod world;
