//! What holds whatever happens, over sequences of timed inputs.

use super::{super::*, model::World};
use crate::{
    storage::Geometry,
    testing::{Dice, check_laws},
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
    (0_u8..56, any::<u8>(), any::<u8>(), wait).prop_map(|(what, who, which, wait_ms)| Draw {
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
                self.join_as(match which % 8 {
                    0 => Source::Web,
                    which => Source::Peer { fast: which % 2 == 0 },
                });
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
            32 | 33 => Input::Package {
                package: PackageId(u32::from(who % 4)),
                pieces: u32::from(which % 16)..u32::from(which % 16 + which / 32),
                tier: tier(which / 3),
            },
            34 => Input::Deadline { piece, at: Some(self.now + Duration::from_millis(u64::from(who))) },
            35 => Input::Deadline { piece, at: None },
            36 => Input::Sequential(which % 2 == 0),
            37 => Input::Suggested { peer, piece },
            38 | 39 => Input::AllowedFast { peer, piece },
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

fn tier(number: u8) -> Tier {
    [Tier::Skip, Tier::Background, Tier::UserRequested, Tier::LobbyUrgent, Tier::Header][number as usize % 5]
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
        rest in 0_u8..5,
        limited in any::<bool>(),
    ) {
        let length = (pieces * 65_536).saturating_sub(short).max(1);
        let geometry = Geometry::new(65_536, length).expect("valid");
        let padding = if padded { vec![20_000..70_000, 100_000..200_000, 262_144..400_000] } else { vec![] };
        let pipeline = if limited { PipelineLimits::WORKSHOP } else { PipelineLimits::default() };
        let config = Config { padding, endgame_peers, tier: tier(rest), pipeline, ..Config::new(geometry) };
        let mut world = World::new(config);
        if crowded {
            world.picker.open_limit = 2;
        }
        draws.into_iter().for_each(|draw| world.act(draw));
        world.finish();
    }
}

#[test]
fn the_picker_keeps_the_laws() {
    for seed in 0..300 {
        check_laws(subject::AnyPicker::default(), Dice::seeded(seed), 300);
    }
}
