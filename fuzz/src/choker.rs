//! The choker and a swarm of peers.

use crate::{Reached, life};
use convoy_core::choker::subject::AnyChoker;

pub fn run(bytes: &[u8]) -> Reached {
    life::live(AnyChoker::default(), bytes, |_, _| ())
}
