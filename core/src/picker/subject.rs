//! The picker under the law harness.
#![allow(clippy::expect_used, reason = "nothing but tests and fuzz targets call it: they may fail loudly")]

use super::{Action, Config, Input, Picker, PipelineLimits, Source, Tier};
use crate::{
    Instant, Seed,
    bitfield::Bitfield,
    id::{Block, PackageId, PeerKey, PieceIndex},
    slab::Slab,
    storage::Geometry,
    testing::{Bounds, Dice, Step, Subject},
};
use alloc::{vec, vec::Vec};

/// Peers that do whatever comes to their minds, for the law harness.
#[derive(Debug, Default)]
pub struct AnyPicker {
    geometry: Option<Geometry>,
    keys: Slab<PeerKey, ()>,
    here: Vec<PeerKey>,
    gone: Vec<PeerKey>,
    asked: Vec<(PeerKey, Block)>,
    complete: Vec<PieceIndex>,
}

fn any_tier(dice: &mut Dice) -> Tier {
    let tiers = [Tier::Skip, Tier::Background, Tier::UserRequested, Tier::LobbyUrgent, Tier::Header];
    dice.pick(&tiers).copied().unwrap_or_default()
}

impl Subject for AnyPicker {
    type Machine = Picker;
    type Config = Config;

    fn config(&mut self, dice: &mut Dice) -> Config {
        let length = u64::from(dice.between(1..40 * 65_536));
        let geometry = Geometry::new(65_536, length).expect("valid");
        self.geometry = Some(geometry);
        let start = u64::from(dice.below(length as u32));
        let padding = start..start + u64::from(dice.below(300_000));
        let pipeline = if dice.chance(1, 4) { PipelineLimits::WORKSHOP } else { PipelineLimits::default() };
        let tier = if dice.chance(1, 2) { Tier::default() } else { any_tier(dice) };
        let mut config = Config { padding: vec![padding], tier, pipeline, ..Config::new(geometry) };
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
            let source =
                if dice.chance(1, 8) { Source::Web } else { Source::Peer { fast: dice.chance(1, 2) } };
            return Input::PeerJoined { peer, source };
        };
        let pieces = self.geometry.map_or(0, |geometry| geometry.pieces());
        let piece = PieceIndex(dice.below(pieces + 1));
        let any = Block { piece, begin: 16_384 * dice.below(5), length: 16_384 };
        let (asker, asked) = dice.pick(&self.asked).copied().unwrap_or((peer, any));
        match dice.below(33) {
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
            22 | 23 => {
                let start = dice.below(pieces + 2);
                let pieces = start..start + dice.below(pieces + 2);
                Input::Package { package: PackageId(dice.below(4)), pieces, tier: any_tier(dice) }
            }
            24 => Input::Deadline { piece, at: Some(Instant::from_micros(u64::from(dice.below(1 << 30)))) },
            25 => Input::Deadline { piece, at: None },
            26 => Input::Sequential(dice.chance(1, 2)),
            27 => Input::Suggested { peer, piece },
            28 => Input::AllowedFast { peer, piece },
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
