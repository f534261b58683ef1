//! The choker under the law harness.

#![allow(clippy::expect_used, reason = "nothing but tests and fuzz targets call it: they may fail loudly")]

use super::{Action, Adaptive, Choker, Config, Input, SeedStrategy};
use crate::{
    Seed,
    id::PeerKey,
    slab::Slab,
    testing::{Bounds, Dice, Step, Subject},
};
use alloc::vec::Vec;

/// Peers that come, go, flap and send, for the law harness.
#[derive(Debug, Default)]
pub struct AnyChoker {
    keys: Slab<PeerKey, ()>,
    here: Vec<PeerKey>,
    gone: Vec<PeerKey>,
    unchoked: Vec<PeerKey>,
    slots: u32,
}

impl Subject for AnyChoker {
    type Machine = Choker;
    type Config = Config;

    fn config(&mut self, dice: &mut Dice) -> Config {
        let strategies = [
            SeedStrategy::LowestCompletion,
            SeedStrategy::RoundRobin,
            SeedStrategy::FastestUpload,
            SeedStrategy::AntiLeech,
        ];
        let adaptive = Adaptive { least: dice.below(3), most: dice.below(5) };
        let config = Config {
            slots: dice.below(5),
            optimistic_slots: dice.below(3),
            lobby_slots: dice.below(5),
            adaptive: dice.chance(1, 2).then_some(adaptive),
            seed_strategy: dice.pick(&strategies).copied().unwrap_or_default(),
            pieces: dice.below(100),
            ..Config::default()
        };
        let regular = config.adaptive.map_or(config.slots, |adaptive| adaptive.most);
        self.slots = regular + config.optimistic_slots + config.lobby_slots;
        config
    }

    fn build(&self, config: &Config, seed: Seed) -> Choker {
        Choker::new(*config, seed)
    }

    fn bounds(&self) -> Bounds {
        Bounds { actions_per_call: 20, bytes_per_call: 0, memory: 80 * 1024, timeouts_per_s: 4 }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        let Some(peer) = dice.pick(&self.here).copied().filter(|_| dice.chance(9, 10)) else {
            let peer = self.keys.insert(());
            self.here.push(peer);
            return Input::PeerJoined { peer };
        };
        match dice.below(16) {
            0 => {
                self.keys.remove(peer);
                self.here.retain(|here| *here != peer);
                self.unchoked.retain(|unchoked| *unchoked != peer);
                self.gone.push(peer);
                Input::PeerLeft { peer }
            }
            1 => Input::Seeding(dice.chance(1, 2)),
            2 => Input::PeerJoined { peer },
            3..=6 => Input::Interested { peer },
            7 | 8 => Input::NotInterested { peer },
            9 | 10 => Input::Lobby { peer, wants: dice.chance(2, 3) },
            11 => Input::Completion { peer, pieces: dice.below(200) },
            12 => Input::Sent { peer, bytes: dice.below(1 << 20), backlog: dice.chance(1, 2) },
            13 => Input::Uploaded { peer, bytes: dice.below(u32::MAX) },
            _ => Input::Downloaded { peer, bytes: dice.below(100) },
        }
    }

    /// Nobody is choked or unchoked twice, and there are never more unchoked than slots.
    fn observe(&mut self, step: &Step<Input, Action>) {
        for action in &step.outcome.actions {
            match action {
                Action::Choke { peer } => {
                    let place = self.unchoked.iter().position(|unchoked| unchoked == peer);
                    self.unchoked.swap_remove(place.expect("it was unchoked"));
                }
                Action::Unchoke { peer } => {
                    assert!(!self.unchoked.contains(peer) && self.here.contains(peer));
                    self.unchoked.push(*peer);
                }
            }
            assert!(self.unchoked.len() <= self.slots as usize, "{:?} in {}", self.unchoked, self.slots);
        }
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        let peer = *dice.pick(&self.gone)?;
        let strays = [
            Input::PeerLeft { peer },
            Input::Interested { peer },
            Input::NotInterested { peer },
            Input::Lobby { peer, wants: dice.chance(1, 2) },
            Input::Downloaded { peer, bytes: 1 },
            Input::Sent { peer, bytes: 1, backlog: true },
        ];
        dice.pick(&strays).cloned()
    }

    fn memory(&self, machine: &Choker) -> usize {
        machine.memory()
    }
}
