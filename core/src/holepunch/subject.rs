//! A relay under the law harness.

use super::{Action, Config, Holepunch, Input};
use crate::{
    Seed,
    id::PeerKey,
    reach::Trust,
    slab::Slab,
    testing::{Bounds, Dice, Step, Subject},
};
use alloc::{collections::BTreeMap, vec::Vec};
use core::net::SocketAddr;

/// The most peers there are at a time.
const PEERS: usize = 12;

/// Peers that come, go, and want to meet each other and others.
#[derive(Debug, Default)]
pub struct AnyHolepunch {
    keys: Slab<PeerKey, ()>,
    /// Who is here, and whether it speaks.
    here: BTreeMap<PeerKey, bool>,
    gone: Vec<PeerKey>,
    trust: Trust,
}

impl Subject for AnyHolepunch {
    type Machine = Holepunch;
    type Config = Config;

    fn config(&mut self, dice: &mut Dice) -> Config {
        self.trust = Trust { local: dice.chance(1, 4), low_ports: dice.chance(1, 4) };
        let [per_peer, per_target, dials] = [8, 8, 8].map(|most| 1 + dice.below(most));
        Config { per_peer, per_target, dials, trust: self.trust }
    }

    fn build(&self, config: &Config, _: Seed) -> Holepunch {
        Holepunch::new(*config)
    }

    fn bounds(&self) -> Bounds {
        Bounds { actions_per_call: 2, bytes_per_call: 0, memory: 8 * 1024, timeouts_per_s: 0 }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        let here: Vec<PeerKey> = self.here.keys().copied().collect();
        let addr = any_addr(dice);
        let Some(peer) = dice.pick(&here).copied().filter(|_| here.len() >= PEERS || dice.chance(4, 5))
        else {
            let peer = self.keys.insert(());
            self.here.insert(peer, false);
            return Input::PeerJoined { peer, addr };
        };
        match dice.below(16) {
            0 => {
                self.keys.remove(peer);
                self.here.remove(&peer);
                self.gone.push(peer);
                Input::PeerLeft { peer }
            }
            1 => Input::PeerJoined { peer, addr },
            2 => Input::AddressKnown { peer, addr },
            3 => Input::Ours(addr),
            4..=6 => {
                self.here.insert(peer, true);
                Input::Speaks { peer }
            }
            7..=12 => Input::Rendezvous { peer, target: addr },
            _ => Input::Connect { peer, addr },
        }
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        for action in &step.outcome.actions {
            let (Action::Connect { addr, .. } | Action::Error { target: addr, .. } | Action::Dial { addr }) =
                action;
            if let Action::Connect { peer, .. } | Action::Error { peer, .. } = action {
                assert_eq!(self.here.get(peer), Some(&true), "{peer:?} does not understand it");
            }
            if !matches!(action, Action::Error { .. }) {
                assert!(addr.port() >= if self.trust.low_ports { 1 } else { 1024 });
                assert!(!addr.ip().is_unspecified() && !addr.ip().is_multicast());
            }
        }
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        let peer = *dice.pick(&self.gone)?;
        let addr = any_addr(dice);
        let strays = [
            Input::PeerLeft { peer },
            Input::Speaks { peer },
            Input::AddressKnown { peer, addr },
            Input::Rendezvous { peer, target: addr },
            Input::Connect { peer, addr },
        ];
        dice.pick(&strays).cloned()
    }

    fn memory(&self, machine: &Holepunch) -> usize {
        machine.memory()
    }
}

/// Few of each kind, so that they meet.
fn any_addr(dice: &mut Dice) -> SocketAddr {
    let host = dice.below(6) as u8;
    let port = if dice.chance(7, 8) { 6881 } else { dice.below(2) as u16 * 25 };
    match dice.below(8) {
        0 => ([127, 0, 0, 1], port).into(),
        1 => ([10, 0, 0, host], port).into(),
        2 => ([224, 0, 0, host], port).into(),
        3 => ([0, 0, 0, 0, 0, 0xffff, 0x0909, 0x0900 | u16::from(host)], port).into(),
        _ => ([9, 9, 9, host], port).into(),
    }
}
