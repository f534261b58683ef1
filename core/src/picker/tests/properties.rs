//! What holds whatever happens, over sequences of timed inputs.

use super::{super::*, model::World};
use crate::{
    Seed,
    slab::Slab,
    storage::Geometry,
    testing::{Bounds, Dice, Step, Subject, check_laws},
};
use alloc::{vec, vec::Vec};
use core::time::Duration;
use proptest::prelude::*;

/// What may happen next, by numbers that mean something only when the time has come.
#[derive(Clone, Copy, Debug)]
struct Draw {
    what: u8,
    who: u8,
    which: u8,
    wait_ms: u32,
}

fn any_draw() -> impl Strategy<Value = Draw> {
    let wait = prop_oneof![10 => Just(0_u32), 5 => 0_u32..50, 1 => 0_u32..20_000];
    (0_u8..40, any::<u8>(), any::<u8>(), wait).prop_map(|(what, who, which, wait_ms)| Draw {
        what,
        who,
        which,
        wait_ms,
    })
}

impl World {
    fn act(&mut self, Draw { what, who, which, wait_ms }: Draw) {
        self.wait(Duration::from_millis(u64::from(wait_ms)));
        let piece = PieceIndex(u32::from(which) % (self.have.len() as u32 + 1));
        let other = if self.peers.is_empty() { None } else { Some(who as usize % self.peers.len()) };
        let Some(other) = other.filter(|_| what > 1).map(|at| self.peers[at].clone()) else {
            if self.peers.len() < 6 {
                self.join(which % 2 == 0);
            }
            return;
        };
        let peer = other.key;
        let asked = other.asked.get(which as usize % other.asked.len().max(1)).copied();
        let late = other.late.get(which as usize % other.late.len().max(1)).map(|late| late.0);
        let any = Block { piece, begin: 16_384 * u32::from(who % 4), length: 16_384 };
        let input = match what {
            2 => Input::PeerLeft { peer },
            3 => {
                let pieces: Vec<u32> = (0..8).filter(|bit| which & (1 << bit) != 0).collect();
                Input::Bitfield { peer, pieces: self.bitfield(&pieces) }
            }
            4 => Input::HaveAll { peer },
            5..=8 => Input::Have { peer, piece },
            9 => Input::DontHave { peer, piece },
            10 => Input::Choked { peer },
            11..=14 => Input::Unchoked { peer },
            15 => Input::RequestLimit { peer, requests: u32::from(which % 8) },
            16 => Input::Rejected { peer, block: asked.unwrap_or(any) },
            17 => Input::Rejected { peer, block: late.unwrap_or(any) },
            18 => Input::Verified { piece },
            19 | 20 => Input::Budget { bytes: u64::from(which) * 4096 },
            21 => Input::Budget { bytes: u64::MAX },
            22 => Input::Block { peer, block: any },
            23 | 24 => Input::Block { peer, block: late.unwrap_or(any) },
            25 | 26 => match self.complete.first().copied().filter(|piece| !self.all_padding(*piece)) {
                Some(piece) => Input::Failed { piece },
                None => return,
            },
            27 if !self.all_padding(piece) => Input::Failed { piece },
            28..=31 => match self.complete.first() {
                Some(piece) => Input::Verified { piece: *piece },
                None => return,
            },
            _ => match asked {
                Some(block) => Input::Block { peer, block },
                None => return,
            },
        };
        self.tell(input);
    }

    fn all_padding(&self, piece: PieceIndex) -> bool {
        self.picker.padding.covers_piece(self.config.geometry, piece)
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_picker_keeps_its_word_and_an_honest_peer_ends_it(
        draws in proptest::collection::vec(any_draw(), 0..250),
        pieces in 1_u64..12,
        short in 0_u64..65_536,
        padded in any::<bool>(),
        endgame_peers in 1_u32..=3,
        crowded in any::<bool>(),
    ) {
        let length = (pieces * 65_536).saturating_sub(short).max(1);
        let geometry = Geometry::new(65_536, length).expect("valid");
        let padding = if padded { vec![20_000..70_000, 100_000..200_000, 262_144..400_000] } else { vec![] };
        let mut world = World::new(Config { padding, endgame_peers, ..Config::new(geometry) });
        if crowded {
            world.picker.open_limit = 2;
        }
        draws.into_iter().for_each(|draw| world.act(draw));
        world.finish();
    }
}

/// Peers that do whatever comes to their minds, for the law harness.
#[derive(Default)]
struct AnySwarm {
    geometry: Option<Geometry>,
    keys: Slab<PeerKey, ()>,
    here: Vec<PeerKey>,
    gone: Vec<PeerKey>,
    asked: Vec<(PeerKey, Block)>,
    complete: Vec<PieceIndex>,
}

impl Subject for AnySwarm {
    type Machine = Picker;
    type Config = Config;

    fn config(&mut self, dice: &mut Dice) -> Config {
        let length = u64::from(dice.between(1..40 * 65_536));
        let geometry = Geometry::new(65_536, length).expect("valid");
        self.geometry = Some(geometry);
        let start = u64::from(dice.below(length as u32));
        let padding = start..start + u64::from(dice.below(300_000));
        let mut config = Config { padding: vec![padding], ..Config::new(geometry) };
        (0..dice.below(3)).for_each(|piece| {
            config.have.set(PieceIndex(piece * 5));
        });
        config
    }

    fn build(&self, config: &Config, seed: Seed) -> Picker {
        Picker::new(config.clone(), seed)
    }

    fn bounds(&self) -> Bounds {
        Bounds { actions_per_call: 2000, bytes_per_call: 0, memory: 1 << 20, timeouts_per_s: 100 }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        let Some(peer) = dice.pick(&self.here).copied().filter(|_| dice.chance(19, 20)) else {
            let peer = self.keys.insert(());
            self.here.push(peer);
            return Input::PeerJoined { peer, fast: dice.chance(1, 2) };
        };
        let pieces = self.geometry.map_or(0, |geometry| geometry.pieces());
        let piece = PieceIndex(dice.below(pieces + 1));
        let any = Block { piece, begin: 16_384 * dice.below(5), length: 16_384 };
        let (asker, asked) = dice.pick(&self.asked).copied().unwrap_or((peer, any));
        match dice.below(26) {
            0 => {
                self.keys.remove(peer);
                self.here.retain(|here| *here != peer);
                self.gone.push(peer);
                Input::PeerLeft { peer }
            }
            1 => {
                let mut bits = Bitfield::new(pieces);
                (0..dice.below(pieces + 1)).for_each(|_| {
                    bits.set(PieceIndex(dice.below(pieces)));
                });
                Input::Bitfield { peer, pieces: bits }
            }
            2 => Input::HaveAll { peer },
            3..=6 => Input::Have { peer, piece },
            7 => Input::DontHave { peer, piece },
            8 | 9 => Input::Choked { peer },
            10..=13 => Input::Unchoked { peer },
            14 => Input::RequestLimit { peer, requests: dice.below(600) },
            15 => Input::Rejected { peer: asker, block: asked },
            16 => Input::Verified { piece },
            17 => Input::Failed { piece: dice.pick(&self.complete).copied().unwrap_or(piece) },
            18 => Input::Verified { piece: dice.pick(&self.complete).copied().unwrap_or(piece) },
            19 => Input::Budget { bytes: u64::from(dice.below(40)) * 16_384 },
            20 => Input::Budget { bytes: u64::MAX },
            21 => Input::Block { peer, block: any },
            _ => Input::Block { peer: asker, block: asked },
        }
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        for action in &step.outcome.actions {
            if let Action::Request { peer, block } = action {
                self.asked.push((*peer, *block));
            } else if let Action::Complete { piece } = action {
                self.complete.push(*piece);
            }
        }
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        let peer = *dice.pick(&self.gone)?;
        let strays = [
            Input::PeerLeft { peer },
            Input::HaveAll { peer },
            Input::Unchoked { peer },
            Input::Choked { peer },
        ];
        dice.pick(&strays).cloned()
    }

    fn memory(&self, machine: &Picker) -> usize {
        machine.memory()
    }
}

#[test]
fn the_picker_keeps_the_laws() {
    for seed in 0..300 {
        check_laws(AnySwarm::default(), Dice::seeded(seed), 300);
    }
}
