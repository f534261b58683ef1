//! Helping peers to each other (BEP 55): what the swarm tells the relay, and does for it.

use super::{Action, machine::Swarm};
use crate::{
    Instant, Machine, Outbox, holepunch,
    id::PeerKey,
    wire::extension::{Holepunch, HolepunchError},
};
use core::mem;

impl Swarm {
    pub(super) fn on_holepunch(
        &mut self,
        now: Instant,
        peer: PeerKey,
        payload: &[u8],
        out: &mut Outbox<Action>,
    ) {
        match Holepunch::decode(payload) {
            Ok(Some(Holepunch::Rendezvous(target))) => {
                self.punch(now, holepunch::Input::Rendezvous { peer, target }, out);
            }
            Ok(Some(Holepunch::Connect(addr))) => {
                self.punch(now, holepunch::Input::Connect { peer, addr }, out);
            }
            // We never ask for a rendezvous, so no failure is ours.
            Ok(Some(Holepunch::Failed(..)) | None) | Err(_) => {}
        }
    }

    /// Tells the relay something, and does what it wants.
    pub(super) fn punch(&mut self, now: Instant, input: holepunch::Input, out: &mut Outbox<Action>) {
        let Ok(()) = self.holepunch.handle_input(now, input, &mut self.scratch.punched);
        let mut punched = mem::take(&mut self.scratch.punched);
        for action in punched.drain() {
            let (peer, message) = match action {
                holepunch::Action::Connect { peer, addr } => (peer, Holepunch::Connect(addr)),
                holepunch::Action::Error { peer, target, why } => {
                    (peer, Holepunch::Failed(target, HolepunchError::of(why as u32)))
                }
                holepunch::Action::Dial { addr } => {
                    out.push(Action::PeersFound(alloc::vec![(addr, 0)]));
                    continue;
                }
            };
            self.tell_extended(now, peer, |ids| ids.holepunch, message.encode(), out);
        }
        self.scratch.punched = punched;
    }
}
