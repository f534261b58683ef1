//! What a picker costs in the long run.

use super::super::*;
use crate::{Machine, Outbox, slab::Key, storage::Geometry};
use alloc::collections::VecDeque;
use core::time::Duration;

/// A picker with peers that answer for ever: every piece that is complete fails.
struct Mill {
    picker: Picker,
    now: Instant,
    out: Outbox<Action>,
    asked: VecDeque<(PeerKey, Block)>,
}

impl Mill {
    fn tell(&mut self, input: Input) {
        self.now = self.now + Duration::from_micros(10);
        let Ok(()) = self.picker.handle_input(self.now, input, &mut self.out);
        let mut complete = None;
        for action in self.out.drain() {
            if let Action::Request { peer, block } = action {
                self.asked.push_back((peer, block));
            } else if let Action::Complete { piece } = action {
                complete = Some(piece);
            }
        }
        if let Some(piece) = complete {
            self.tell(Input::Failed { piece });
        }
    }

    fn turn(&mut self, blocks: usize) {
        for _ in 0..blocks {
            let (peer, block) = self.asked.pop_front().expect("never dry");
            self.tell(Input::Block { peer, block });
        }
    }
}

#[test]
fn the_steady_state_allocates_nothing() {
    let geometry = Geometry::new(256 * 1024, 500 * 256 * 1024).expect("valid");
    let mut mill = Mill {
        picker: Picker::new(Config::new(geometry), [3; 32]),
        now: Instant::ZERO,
        out: Outbox::new(),
        asked: VecDeque::new(),
    };
    for (package, pieces, tier) in [(0, 0..250, Tier::Background), (1, 10..20, Tier::LobbyUrgent)] {
        mill.tell(Input::Package { package: PackageId(package), pieces, tier });
    }
    for number in 0..20 {
        let peer = PeerKey::new(number, 0);
        mill.tell(Input::PeerJoined { peer, source: Source::Peer { fast: true } });
        mill.tell(Input::RequestLimit { peer, requests: 50 });
        mill.tell(Input::HaveAll { peer });
        mill.tell(Input::Unchoked { peer });
    }
    mill.turn(50_000);
    let info = allocation_counter::measure(|| mill.turn(20_000));
    assert_eq!(info.count_total, 0, "allocations in 20,000 blocks");
    let info = allocation_counter::measure(|| mill.picker = mill.picker.clone());
    assert!(info.count_total > 0, "what allocates is counted");
}
