//! Serving requests: queue, read, send.

use super::{
    Action, PeerEnd,
    gather::{Gather, Purpose},
    machine::Swarm,
    upload::{Queued, Turn, UploadQueue},
};
use crate::{
    Instant, Outbox, choker,
    id::{BLOCK_LENGTH, Block, PeerKey},
    wire::Message,
};
use alloc::boxed::Box;
use bytes::{Bytes, BytesMut};

impl Swarm {
    /// A peer asks for a block.
    pub(super) fn on_request(&mut self, now: Instant, key: PeerKey, block: Block, out: &mut Outbox<Action>) {
        let servable =
            block.length <= BLOCK_LENGTH && self.geometry.contains(block) && self.have.get(block.piece);
        let limit = self.config.request_queue as usize;
        let Some(unchoked) = self.peers.get(key).map(|peer| peer.unchoked) else { return };
        if !servable || !(unchoked || self.grant_fast(key, block)) {
            return self.refuse(now, key, block, out);
        }
        let turn = self.claim(key, block);
        let Some(peer) = self.peers.get_mut(key) else { return };
        let queue = peer.queue.get_or_insert_with(|| Box::new(UploadQueue::new(limit, self.queue_key)));
        match queue.push(block, turn) {
            Queued::Added => {
                if unchoked {
                    self.suggest(now, key, out);
                }
                self.serve_more(now, key, out);
            }
            Queued::Repeated | Queued::Full => self.refuse(now, key, block, out),
        }
    }

    /// Says no to a request: aloud with BEP 6, by silence without.
    fn refuse(&mut self, now: Instant, key: PeerKey, block: Block, out: &mut Outbox<Action>) {
        // BEP 6: a reject for every request that will not be answered.
        if self.peers.get(key).is_some_and(|peer| peer.fast) {
            self.tell(now, key, Message::Reject(block), out);
        } else {
            self.counters.ignored_requests += 1;
        }
    }

    /// A peer takes a request back.
    pub(super) fn on_cancel(&mut self, now: Instant, key: PeerKey, block: Block, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.queue.as_mut().is_some_and(|queue| queue.cancel(block)) && peer.fast {
            // BEP 6: every request gets one piece or one reject, cancelled or not.
            self.tell(now, key, Message::Reject(block), out);
        }
    }

    /// Stops or begins to serve a peer.
    pub(super) fn set_choked(&mut self, now: Instant, key: PeerKey, choked: bool, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.unchoked = !choked;
        let dropped = if choked { peer.queue.take() } else { None };
        if choked {
            self.withdraw_suggestions(key, false);
        } else {
            // Before it asks.
            self.suggest(now, key, out);
        }
        self.tell(now, key, if choked { Message::Choke } else { Message::Unchoke }, out);
        let Some(mut dropped) = dropped else { return };
        // BEP 6: choke first, then a reject for each request that stood, unless it may stand.
        while let Some(block) = dropped.pop(Turn::Soon).or_else(|| dropped.pop(Turn::Later)) {
            self.on_request(now, key, block, out);
        }
    }

    /// Reads what a peer waits for, as far as its window, the memory and the rate limit allow.
    pub(super) fn serve_more(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        while self.serve_next(now, key, out) {}
        self.note_uplink(now, key, 0, out);
    }

    /// Reads the next run of blocks that a peer waits for; whether there was one, and room for it.
    fn serve_next(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) -> bool {
        let later_too = !self.is_passed_over(now, key);
        let Some(peer) = self.peers.get_mut(key).filter(|peer| !peer.leaving) else { return false };
        let Some(queue) = peer.queue.as_mut().filter(|queue| !queue.is_empty()) else { return false };
        if peer.connection.credit() <= peer.reading {
            return false; // Sent will come.
        }
        if self.uploading >= self.config.upload_memory || self.upload_allowance.available() == 0 {
            if !peer.in_line {
                peer.in_line = true;
                self.line.push_back(key);
            }
            return false;
        }
        let at_most = self.upload_allowance.available();
        let soon = queue.pop_run(Turn::Soon, at_most);
        let later = || later_too.then(|| queue.pop_run(Turn::Later, at_most)).flatten();
        let Some(run) = soon.or_else(later) else {
            self.pass_over(now, key);
            return false;
        };
        peer.reading += run.length as usize;
        self.uploading += run.length as usize;
        self.upload_allowance.spend(u64::from(run.length));
        match soon {
            Some(_) => self.note_spread(key),
            None => self.end_passing_over(key),
        }
        self.gather(now, run, Purpose::Upload { peer: key, run }, out);
        true
    }

    /// How a peer's data goes out: matters where slots follow the uplink.
    fn note_uplink(&mut self, now: Instant, key: PeerKey, sent: usize, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get(key).filter(|_| self.config.choker.adaptive.is_some()) else {
            return;
        };
        let waits = peer.queue.as_ref().is_some_and(|queue| !queue.is_empty());
        let (bytes, backlog) = (sent as u32, waits || peer.reading + peer.unsent > 0);
        self.choose(now, choker::Input::Sent { peer: key, bytes, backlog }, out);
    }

    /// Lets those in line go on, first come first served, until there is no room again.
    pub(super) fn serve_line(&mut self, now: Instant, out: &mut Outbox<Action>) {
        for _ in 0..self.line.len() {
            if self.uploading >= self.config.upload_memory || self.upload_allowance.available() == 0 {
                return;
            }
            let Some(key) = self.line.pop_front() else { return };
            if let Some(peer) = self.peers.get_mut(key) {
                peer.in_line = false;
                self.serve_more(now, key, out);
            }
        }
    }

    /// What a peer asked for has been read.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        key: PeerKey,
        run: Block,
        gather: Gather,
        out: &mut Outbox<Action>,
    ) {
        let length = run.length as usize;
        if let Some((file, error)) = gather.failed() {
            self.uploading -= length;
            return self.fail(Some(file), error, out);
        }
        let Some(peer) = self.peers.get_mut(key) else {
            self.uploading -= length;
            return self.serve_line(now, out);
        };
        if peer.unsent == 0 {
            peer.drain.begin(now);
        }
        peer.reading -= length;
        peer.unsent += length;
        peer.info.uploaded_bytes += u64::from(run.length);
        self.uploaded.add(u64::from(run.length));
        let data = joined(gather, length);
        for begin in (0..run.length).step_by(BLOCK_LENGTH as usize) {
            let end = run.length.min(begin + BLOCK_LENGTH);
            let data = data.slice(begin as usize..end as usize);
            self.tell(now, key, Message::Piece { piece: run.piece, begin: run.begin + begin, data }, out);
        }
        self.choose(now, choker::Input::Uploaded { peer: key, bytes: run.length }, out);
    }

    /// The system took bytes off a stream.
    pub(super) fn on_sent(&mut self, now: Instant, key: PeerKey, bytes: usize, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        // Heads of messages count as block data here: the total is short of the truth by 13 in 16,397.
        let freed = bytes.min(peer.unsent);
        peer.unsent -= freed;
        self.uploading -= freed;
        self.note_taken(now, key, freed, out);
        let Some(peer) = self.peers.get_mut(key) else { return };
        let sent = crate::wire::Input::Sent(bytes);
        let result = crate::Machine::handle_input(&mut peer.connection, now, sent, &mut self.scratch.told);
        self.carry(key, out);
        match result {
            Ok(()) => {
                self.note_uplink(now, key, freed, out);
                self.serve_more(now, key, out);
                self.serve_line(now, out);
            }
            Err(error) => self.leave(key, PeerEnd::Wire(error)),
        }
    }
}

/// The bytes of a gather as one. A run inside one file is passed on as it is; only one that spans files,
/// or padding, is copied together.
fn joined(gather: Gather, length: usize) -> Bytes {
    let mut parts = gather.into_parts();
    let first = parts.next().unwrap_or_default();
    if first.len() == length {
        return first;
    }
    let mut whole = BytesMut::with_capacity(length);
    whole.extend_from_slice(&first);
    parts.for_each(|part| whole.extend_from_slice(&part));
    whole.freeze()
}
