//! Scenarios: who is there, what goes wrong, and how long it may take.

pub mod file;
pub mod quantity;
