//! Blocks for those who ask.

use super::{
    Action, Blame, Exchange,
    attempt::{block, pieces},
};
use crate::{id::PeerKey, outbox::Outbox, time::Instant};
use core::time::Duration;

pub(super) const SECOND: Duration = Duration::from_secs(1);

impl Exchange {
    pub(super) fn requested(&mut self, now: Instant, key: PeerKey, piece: u32, out: &mut Outbox<Action>) {
        let (limits, ours) = (self.limits(), self.served_pieces());
        let Some(peer) = self.listen(key) else { return };
        let waiting = peer.queue.len() as u32;
        let most = ours.saturating_mul(limits.copies);
        if piece >= ours || waiting >= limits.queue || peer.given.saturating_add(waiting) >= most {
            return self.refuse(key, piece, out);
        }
        if !peer.queue.contains(&piece) {
            peer.queue.push_back(piece);
        }
        self.serve(now, key, out);
    }

    /// Gives a peer what it waits for, as far as its second goes.
    pub(super) fn serve(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let (limits, Some(info)) = (self.limits(), self.info().cloned()) else { return };
        let Some(peer) = self.peers.get_mut(key) else { return };
        if now - peer.second.0 >= SECOND {
            peer.second = (now, 0);
        }
        while peer.second.1 < limits.blocks_per_s
            && let Some(piece) = peer.queue.pop_front()
        {
            peer.second.1 += 1;
            peer.given = peer.given.saturating_add(1);
            let total_size = info.len() as u32;
            let data = info.slice(block(total_size, piece));
            out.push(Action::Data { peer: key, piece, total_size, data });
        }
        self.set_deadline(key);
    }

    fn refuse(&mut self, key: PeerKey, piece: u32, out: &mut Outbox<Action>) {
        let limits = self.limits();
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.rejected = peer.rejected.saturating_add(1);
        if peer.rejected > limits.rejects {
            self.blame(key, Blame::TooManyRequests, out);
        } else {
            out.push(Action::Reject { peer: key, piece });
        }
    }

    /// How many blocks we have to give.
    fn served_pieces(&self) -> u32 {
        self.info().map_or(0, |info| pieces(u32::try_from(info.len()).unwrap_or(0)))
    }
}
