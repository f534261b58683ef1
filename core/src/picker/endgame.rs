//! The end: when every missing block is asked for, idle peers are asked for them too.
//!
//! A copy that crosses the original on its way is waste. So a block is copied only if its peer is not
//! expected to send it for three times as long as the idle one took to answer before (it stands far back in
//! a long queue), or if that peer has stalled. An idle peer gets one copy at a time, of what would come last
//! otherwise, and a snubbed one none. If there is nothing to copy yet, the picker looks again when a peer may
//! have stalled.

use super::{Action, Picker};
use crate::{
    id::PieceIndex,
    outbox::Outbox,
    time::{Deadline, Instant},
};
use core::{cmp::Reverse, time::Duration};

/// How many requests a search looks at: a bound on the work, not on what is found, as the next search
/// starts at another peer.
const LOOK: usize = 128;

/// How long the picker waits at least before it looks again.
const MIN_WAIT: Duration = Duration::from_millis(50);

impl Picker {
    /// Whether blocks are asked for twice: every missing one is asked for, or few are missing at all.
    pub(super) fn is_endgame(&self) -> bool {
        let all_asked = self.open.is_all_asked() && self.order.count() == 0;
        let missing = self.open.missing() + self.unopened_blocks();
        missing > 0 && (all_asked || missing <= self.endgame_threshold)
    }

    /// Blocks of pieces that are not open.
    fn unopened_blocks(&self) -> u64 {
        let blocks = u64::from(self.geometry.blocks(PieceIndex(0)));
        let last = PieceIndex(self.geometry.pieces() - 1);
        let is_last = self.order.class(last).is_some();
        let short = if is_last { blocks - u64::from(self.geometry.blocks(last)) } else { 0 };
        u64::from(self.order.count()) * blocks - short
    }

    /// A block to ask an idle peer for that another is asked for already.
    pub(super) fn copy(&mut self, slot: usize) -> Option<(PieceIndex, u32)> {
        let now = self.clock.latest();
        let taker = self.peer(slot)?;
        // Three who never answer would keep a block from all others until they are given up.
        let is_fit = taker.queue.is_empty() && taker.unchoked && !taker.pipeline.is_snubbed();
        if !is_fit || !self.is_endgame() {
            return None;
        }
        let worth_it = now + taker.pipeline.answers_in() * 3;
        let (mut best, mut again) = (None, Instant::MAX);
        let mut look = LOOK;
        for step in 1..=self.peers.len() {
            if look == 0 {
                break;
            }
            let giver = (self.copy_turn + step) % self.peers.len();
            let Some(other) = self.peer(giver).filter(|_| giver != slot) else { continue };
            let stalls_at = other.pipeline.stalls_at();
            for (ahead, asked) in other.queue.iter().enumerate().rev().take(look) {
                look -= 1;
                if !taker.pieces.has(asked.piece) || self.failed.get(asked.piece) {
                    continue;
                }
                let Some(cell) = self.open.cell(asked.piece, asked.number) else { continue };
                let askers = cell.askers();
                // Here: it came a moment ago, and this request is about to be cancelled.
                if cell.is_here() || askers.len() >= self.endgame_peers || askers.contains(&(slot as u16)) {
                    continue;
                }
                let due = if stalls_at <= now { Instant::MAX } else { other.pipeline.due_at(ahead) };
                if due <= worth_it {
                    again = again.min(stalls_at);
                    continue;
                }
                let rank = (Reverse(askers.len()), due);
                if best.is_none_or(|(known, _, _)| known < rank) {
                    best = Some((rank, (asked.piece, asked.number), giver));
                }
            }
        }
        if let Some((_, _, giver)) = best {
            self.copy_turn = giver;
        } else if again < Instant::MAX {
            let again = again.max(now + MIN_WAIT);
            self.copy_at = Some(self.copy_at.map_or(again, |at| at.min(again)));
        }
        best.map(|(_, block, _)| block)
    }

    /// When to look again for what may be copied.
    pub(super) fn copy_deadline(&self) -> Option<Deadline> {
        self.copy_at.map(|at| Deadline { at, why: "endgame" })
    }

    /// Idle peers look again, if it is time.
    pub(super) fn copy_again(&mut self) -> bool {
        let due = self.copy_at.is_some_and(|at| at <= self.clock.latest());
        if due {
            self.copy_at = None;
            self.waiting.supply_anything();
        }
        due
    }

    /// Serves those who waited for what this call has freed, and those who may help with the last blocks
    /// now that endgame begins. Three rounds: what is served may bring endgame, or pre-empt what others
    /// can take.
    pub(super) fn settle(&mut self, out: &mut Outbox<Action>) {
        for _ in 0..3 {
            let endgame = self.is_endgame();
            if endgame && !self.endgame {
                self.waiting.supply_anything();
            }
            self.endgame = endgame;
            if !endgame {
                self.copy_at = None;
            }
            if !self.waiting.is_supplied() && !self.waiting.urgent {
                return;
            }
            if self.waiting.is_supplied() {
                self.serve(out);
            }
            self.preempt_all(out);
        }
    }
}
