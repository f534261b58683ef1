//! The choker's machine.
use super::{Action, Input};
use crate::{Deadline, Instant, Machine, Outbox, id::PeerKey, random::Seed};
use alloc::collections::BTreeMap;
use core::convert::Infallible;
/// Config.
#[derive(Clone, Debug, Default)]
pub struct Config;
/// The choker.
#[derive(Debug)]
pub struct Choker {
    peers: BTreeMap<PeerKey, (bool, bool)>,
}
impl Choker {
    /// New.
    #[must_use]
    pub fn new(_: Config, _: Seed) -> Self {
        Self { peers: BTreeMap::new() }
    }
    /// Memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        0
    }
}
impl Machine for Choker {
    type Input = Input;
    type Action = Action;
    type Error = Infallible;
    fn handle_input(&mut self, _: Instant, input: Input, out: &mut Outbox<Action>) -> Result<(), Infallible> {
        match input {
            Input::PeerJoined { peer } => {
                self.peers.insert(peer, (false, false));
            }
            Input::PeerLeft { peer } => {
                self.peers.remove(&peer);
            }
            Input::Interested { peer } => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.0 = true;
                    if !state.1 {
                        state.1 = true;
                        out.push(Action::Unchoke { peer });
                    }
                }
            }
            Input::NotInterested { .. }
            | Input::Downloaded { .. }
            | Input::Uploaded { .. }
            | Input::Seeding(_) => {}
        }
        Ok(())
    }
    fn handle_timeout(&mut self, _: Instant, _: &mut Outbox<Action>) -> Result<(), Infallible> {
        Ok(())
    }
    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }
}
