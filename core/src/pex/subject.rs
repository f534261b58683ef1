//! Peer exchange under the law harness.

#![allow(clippy::expect_used, reason = "nothing but tests and fuzz targets call it: they may fail loudly")]

use super::{Action, Config, FLAGS, Input, Pex};
use crate::{
    Seed,
    id::PeerKey,
    reach::Trust,
    slab::Slab,
    testing::{Bounds, Dice, Step, Subject},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::net::{Ipv4Addr, SocketAddr};

/// The most peers there are at a time.
const PEERS: usize = 12;

/// Peers that come, go, move, and tell of good and bad addresses.
#[derive(Debug, Default)]
pub struct AnyPex {
    config: Config,
    keys: Slab<PeerKey, ()>,
    /// What each one that is here was told, less what it was told is gone.
    here: BTreeMap<PeerKey, BTreeSet<SocketAddr>>,
    gone: Vec<PeerKey>,
    is_off: bool,
}

impl Subject for AnyPex {
    type Machine = Pex;
    type Config = Config;

    fn config(&mut self, dice: &mut Dice) -> Config {
        self.config = Config {
            per_message: 1 + dice.below(4),
            quota: 1 + dice.below(8),
            per_subnet: 1 + dice.below(3),
            memory: dice.below(6),
            trust: Trust { local: dice.chance(1, 4), low_ports: dice.chance(1, 4) },
            ..Config::default()
        };
        self.config
    }

    fn build(&self, config: &Config, _: Seed) -> Pex {
        Pex::new(*config)
    }

    fn bounds(&self) -> Bounds {
        Bounds { actions_per_call: PEERS, bytes_per_call: 0, memory: 16 * 1024, timeouts_per_s: PEERS as u32 }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        let here: Vec<PeerKey> = self.here.keys().copied().collect();
        let Some(peer) = dice.pick(&here).copied().filter(|_| here.len() >= PEERS || dice.chance(4, 5))
        else {
            let peer = self.keys.insert(());
            self.here.insert(peer, BTreeSet::new());
            let (ip, addr) = (any_addr(dice).ip(), dice.chance(3, 4).then(|| any_addr(dice)));
            return Input::PeerJoined { peer, ip, addr, flags: dice.below(256) as u8 };
        };
        match dice.below(16) {
            0 | 1 => {
                self.keys.remove(peer);
                self.here.remove(&peer);
                self.gone.push(peer);
                Input::PeerLeft { peer }
            }
            2 => Input::PeerJoined { peer, ip: any_addr(dice).ip(), addr: Some(any_addr(dice)), flags: 0 },
            3 | 4 => Input::AddressKnown { peer, addr: any_addr(dice), flags: dice.below(256) as u8 },
            5 => Input::Ours(any_addr(dice)),
            6 if dice.chance(1, 4) => {
                self.is_off = dice.chance(1, 2);
                Input::Switch(!self.is_off)
            }
            6..=10 => Input::Speaks { peer },
            _ => {
                let count = dice.below(12);
                let added = (0..count).map(|_| (any_addr(dice), dice.below(256) as u8)).collect();
                Input::Received { peer, added, dropped: Vec::new() }
            }
        }
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        for action in &step.outcome.actions {
            assert!(!self.is_off, "there is no peer exchange");
            match action {
                Action::Send { peer, added, dropped } => {
                    assert!(!added.is_empty() || !dropped.is_empty());
                    assert!(added.len().max(dropped.len()) <= self.config.per_message as usize);
                    assert!(added.iter().all(|(addr, _)| !dropped.contains(addr)), "{action:?}");
                    let told = self.here.get_mut(peer).expect("it is here");
                    assert!(dropped.iter().all(|addr| told.remove(addr)), "{action:?} after {told:?}");
                    told.extend(added.iter().map(|(addr, _)| *addr));
                }
                Action::Found { from, peers } => {
                    assert!(self.here.contains_key(from) && !peers.is_empty());
                    assert!(peers.len() <= self.config.quota as usize);
                    let Trust { local, low_ports } = self.config.trust;
                    for (addr, flags) in peers {
                        assert!(addr.port() >= if low_ports { 1 } else { 1024 } && flags & !FLAGS == 0);
                        assert!(!addr.ip().is_unspecified() && !addr.ip().is_multicast());
                        assert!(local || addr.ip() != Ipv4Addr::new(169, 254, 0, 1), "{addr}");
                    }
                }
            }
        }
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        let peer = *dice.pick(&self.gone)?;
        let addr = any_addr(dice);
        let strays = [
            Input::PeerLeft { peer },
            Input::Speaks { peer },
            Input::AddressKnown { peer, addr, flags: 0 },
            Input::Received { peer, added: alloc::vec![(addr, 0)], dropped: Vec::new() },
        ];
        dice.pick(&strays).cloned()
    }

    fn memory(&self, machine: &Pex) -> usize {
        machine.memory()
    }
}

/// Few of each kind, so that they meet.
fn any_addr(dice: &mut Dice) -> SocketAddr {
    let host = dice.below(6) as u8;
    let ports = [6881, 6881, 6881, 51413, 80, 0];
    let port = dice.pick(&ports).copied().unwrap_or_default();
    match dice.below(12) {
        0 => ([127, 0, 0, 1], port).into(),
        1 => ([10, 0, 0, host], port).into(),
        2 => ([169, 254, 0, 1], port).into(),
        3 => ([224, 0, 0, host], port).into(),
        4 => ([0x2a00, 0, 0, 1, 0, 0, 0, u16::from(host)], port).into(),
        5 => ([0, 0, 0, 0, 0, 0xffff, 0x0909, u16::from(host)], port).into(),
        6 => ([0, 0, 0, 0], port).into(),
        7 => ([9, 9, 9, host], port).into(),
        _ => ([9, 9, host, 9], port).into(),
    }
}
