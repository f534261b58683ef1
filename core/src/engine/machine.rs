//! The engine's machine.

use super::{Action, Config, Input};
use crate::{Deadline, Instant, Machine, Outbox, random::Seed, swarm::Memory};
use core::convert::Infallible;

/// Everything a node does.
#[derive(Debug)]
pub struct Engine;

impl Engine {
    /// A node without torrents. Nothing happens before its first input or timeout.
    #[must_use]
    pub fn new(_config: Config, _seed: Seed) -> Self {
        Self
    }

    /// Bytes held, over all torrents.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory::default()
    }
}

impl Machine for Engine {
    type Input = Input;
    type Action = Action;
    type Error = Infallible;

    fn handle_input(&mut self, _: Instant, _: Input, _: &mut Outbox<Action>) -> Result<(), Infallible> {
        Ok(())
    }

    fn handle_timeout(&mut self, _: Instant, _: &mut Outbox<Action>) -> Result<(), Infallible> {
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }
}
