//! Peer exchange (BEP 11): what the swarm tells it, and does for it.

use super::{Action, PeerEnd, machine::Swarm};
use crate::{
    Instant, Machine, Outbox, holepunch,
    id::PeerKey,
    pex,
    wire::extension::{self, Pex, PexFlags, PexPeer},
};
use alloc::vec::Vec;
use core::{mem, net::SocketAddr};

impl Swarm {
    /// A peer joined. Who dials us is not told of until it says where it listens.
    pub(super) fn gossip_joined(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get(key) else { return };
        let (ip, addr) = (peer.info.remote.ip(), peer.info.outgoing.then_some(peer.info.remote));
        let remote = peer.info.remote;
        self.gossip(now, pex::Input::PeerJoined { peer: key, ip, addr, flags: self.flags_of(key) }, out);
        self.punch(now, holepunch::Input::PeerJoined { peer: key, addr: remote }, out);
    }

    /// A peer said more of itself: where it listens, if it dialled us, and what its flags are.
    pub(super) fn gossip_known(
        &mut self,
        now: Instant,
        key: PeerKey,
        listen_port: Option<u16>,
        out: &mut Outbox<Action>,
    ) {
        let Some(peer) = self.peers.get(key) else { return };
        let remote = peer.info.remote;
        let port = if peer.info.outgoing { Some(remote.port()) } else { listen_port };
        if let Some(port) = port {
            let (addr, flags) = (SocketAddr::new(remote.ip(), port), self.flags_of(key));
            self.gossip(now, pex::Input::AddressKnown { peer: key, addr, flags }, out);
            self.punch(now, holepunch::Input::AddressKnown { peer: key, addr }, out);
        }
    }

    /// We can be reached here: who names this address names nobody else.
    pub(super) fn know_ours(&mut self, now: Instant, addr: SocketAddr, out: &mut Outbox<Action>) {
        self.gossip(now, pex::Input::Ours(addr), out);
        self.punch(now, holepunch::Input::Ours(addr), out);
    }

    fn flags_of(&self, key: PeerKey) -> u8 {
        let Some(peer) = self.peers.get(key) else { return 0 };
        [
            (PexFlags::PREFERS_ENCRYPTION, peer.info.prefers_encryption),
            (PexFlags::SEED, peer.upload_only || self.picker.is_seed(key)),
            (PexFlags::HOLEPUNCH, peer.ids.holepunch.is_some()),
            (PexFlags::REACHABLE, peer.info.outgoing),
        ]
        .into_iter()
        .fold(0, |flags, (flag, on)| if on { flags | flag } else { flags })
    }

    pub(super) fn on_pex(&mut self, now: Instant, key: PeerKey, payload: &[u8], out: &mut Outbox<Action>) {
        match Pex::decode(payload) {
            Ok(Pex { added, dropped }) => {
                let added = added.into_iter().map(|peer| (peer.addr, peer.flags.0)).collect();
                self.gossip(now, pex::Input::Received { peer: key, added, dropped }, out);
            }
            Err(extension::Error::TooLong { .. }) => self.leave(key, PeerEnd::BadExtension),
            Err(_) => {}
        }
    }

    /// Tells the peer exchange something, and does what it wants.
    pub(super) fn gossip(&mut self, now: Instant, input: pex::Input, out: &mut Outbox<Action>) {
        let Ok(()) = self.pex.handle_input(now, input, &mut self.scratch.gossiped);
        self.do_gossiped(now, out);
    }

    pub(super) fn do_gossiped(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut gossiped = mem::take(&mut self.scratch.gossiped);
        for action in gossiped.drain() {
            match action {
                pex::Action::Send { peer, added, dropped } => {
                    let added =
                        added.into_iter().map(|(addr, flags)| PexPeer { addr, flags: PexFlags(flags) });
                    let message = Pex { added: added.collect::<Vec<_>>(), dropped };
                    self.tell_extended(now, peer, |ids| ids.pex, message.encode(), out);
                }
                pex::Action::Found { peers, .. } => out.push(Action::PeersFound(peers)),
            }
        }
        self.scratch.gossiped = gossiped;
    }
}
