//! Peers: who is in, what they say, what they are told.

use super::{
    Action, Joined, PeerEnd, PeerInfo,
    machine::{Phase, Swarm},
    peer::Peer,
};
use crate::{
    Instant, Machine, Outbox,
    bitfield::Bitfield,
    choker, holepunch,
    id::{Block, PeerKey, PieceIndex},
    metadata, pex, picker,
    wire::{self, Connection, Message},
};
use bytes::{Bytes, BytesMut};
use core::mem;

/// How much that nobody asked for a peer may send: blocks, if it does not speak BEP 6 and so cannot know which
/// requests still stand, or rejects, if it does.
const STRIKES: u8 = 16;

impl Swarm {
    /// A handshake is done.
    pub(super) fn on_joined(&mut self, now: Instant, joined: Joined, out: &mut Outbox<Action>) {
        let info = PeerInfo {
            remote: joined.remote,
            outgoing: joined.outgoing,
            encryption: joined.encryption,
            prefers_encryption: false,
            peer_id: joined.peer_id,
            client: None,
            downloaded_bytes: 0,
            uploaded_bytes: 0,
        };
        if let Err(why) = self.welcome(&joined) {
            return out.push(Action::Close { stream: joined.stream, info, why });
        }
        let (fast, extended) = (joined.reserved.fast(), joined.reserved.extended());
        let config = wire::Config {
            geometry: None,
            fast,
            extended,
            send_window: self.config.send_window,
            send_queue: self.config.send_queue,
            early_bitfield_max: self.config.early_bitfield_max,
        };
        let connection = Connection::new(config, now);
        let peer = Peer::new(joined.stream, info.clone(), connection, (fast, extended));
        let key = self.peers.insert(peer);
        self.by_id.insert(joined.peer_id, key);
        out.push(Action::Admitted { stream: joined.stream, peer: key, info });
        self.gossip_joined(now, key, out);
        if extended {
            self.introduce(now, key, joined.remote, out);
        }
        self.show_pieces(now, key, out);
        if self.phase == Phase::Running {
            self.engage(now, key, out);
        }
        self.on_received(now, key, joined.rest, out);
    }

    /// Whether a peer may come in. One that is in already under the same name loses, or wins, by a rule
    /// that both sides apply alike (bad input 25): of two streams that crossed, the one dialled by the
    /// greater peer id stays; of two from the same side, the older.
    fn welcome(&mut self, joined: &Joined) -> Result<(), PeerEnd> {
        if !self.is_open() {
            return Err(PeerEnd::Stopped);
        }
        if joined.peer_id == self.peer_id {
            return Err(PeerEnd::SelfConnection);
        }
        let Some(older) = self.by_id.get(&joined.peer_id).copied() else { return Ok(()) };
        let Some(peer) = self.peers.get(older) else { return Ok(()) };
        let ours_stays = self.peer_id > joined.peer_id;
        if peer.info.outgoing == joined.outgoing || peer.info.outgoing == ours_stays {
            return Err(PeerEnd::Duplicate);
        }
        self.leave(older, PeerEnd::Duplicate);
        Ok(())
    }

    /// What we have.
    fn show_pieces(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let fast = self.peers.get(key).is_some_and(|peer| peer.fast);
        let message = match (fast, self.have.count()) {
            // BEP 6: exactly one of these three comes first. Without BEP 6, nothing says "nothing".
            (true, 0) => Message::HaveNone,
            (true, _) if self.have.is_full() => Message::HaveAll,
            (false, 0) => return,
            _ => Message::Bitfield(Bytes::from(self.have.to_bytes())),
        };
        self.tell(now, key, message, out);
    }

    /// Bytes came in.
    pub(super) fn on_received(
        &mut self,
        now: Instant,
        key: PeerKey,
        data: BytesMut,
        out: &mut Outbox<Action>,
    ) {
        let Some(peer) = self.peers.get_mut(key).filter(|peer| !peer.leaving) else { return };
        let mut heard = mem::take(&mut self.scratch.heard);
        let result = peer.connection.handle_input(now, wire::Input::Received(data), &mut heard);
        let before = peer.info.downloaded_bytes;
        for action in heard.drain() {
            self.on_heard(now, key, action, out);
        }
        self.scratch.heard = heard;
        if let Some(peer) = self.peers.get(key) {
            self.deadlines.hasten(key.index(), peer.connection.poll_timeout());
            let bytes = peer.info.downloaded_bytes - before;
            if bytes > 0 {
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                self.choose(now, choker::Input::Downloaded { peer: key, bytes }, out);
            }
        }
        if let Err(error) = result {
            self.leave(key, PeerEnd::Wire(error));
        }
    }

    pub(super) fn on_heard(
        &mut self,
        now: Instant,
        key: PeerKey,
        action: wire::Action,
        out: &mut Outbox<Action>,
    ) {
        let Some(peer) = self.peers.get(key).filter(|peer| !peer.leaving) else { return };
        match action {
            wire::Action::Send(data) => out.push(Action::Send { stream: peer.stream, data }),
            wire::Action::Message(message) => self.on_message(now, key, message, out),
            wire::Action::ExtendedHandshake(handshake) => self.on_introduced(now, key, handshake, out),
        }
    }

    fn on_message(&mut self, now: Instant, key: PeerKey, message: Message, out: &mut Outbox<Action>) {
        let peer = key;
        if let Message::Extended { id, payload } = &message {
            return self.on_extended(now, key, *id, payload, out);
        }
        if self.phase != Phase::Running {
            return self.note_early(now, key, &message, out);
        }
        match message {
            Message::Choke => self.pick(now, picker::Input::Choked { peer }, out),
            Message::Unchoke => self.pick(now, picker::Input::Unchoked { peer }, out),
            Message::Interested => self.on_interested(now, key, out),
            Message::NotInterested => self.choose(now, choker::Input::NotInterested { peer }, out),
            Message::Have(piece) => {
                self.pick(now, picker::Input::Have { peer, piece }, out);
                self.leave_if_useless(key);
            }
            Message::Bitfield(bits) => {
                if let Some(pieces) = Bitfield::from_bytes(&bits, self.geometry.pieces()) {
                    self.pick(now, picker::Input::Bitfield { peer, pieces }, out);
                    self.leave_if_useless(key);
                }
            }
            Message::HaveNone => {
                let pieces = Bitfield::new(self.geometry.pieces());
                self.pick(now, picker::Input::Bitfield { peer, pieces }, out);
            }
            Message::HaveAll => {
                self.pick(now, picker::Input::HaveAll { peer }, out);
                self.leave_if_useless(key);
            }
            Message::Request(block) => self.on_request(now, key, block, out),
            Message::Cancel(block) => self.on_cancel(now, key, block, out),
            Message::Piece { piece, begin, data } => self.on_piece(now, key, (piece, begin), data, out),
            Message::Reject(block) => self.on_reject(now, key, block, out),
            Message::Suggest(piece) => self.pick(now, picker::Input::Suggested { peer, piece }, out),
            Message::AllowedFast(piece) => self.pick(now, picker::Input::AllowedFast { peer, piece }, out),
            // BEP 52: who has no hashes to give says so.
            Message::HashRequest(request) => self.tell(now, key, Message::HashReject(request), out),
            // The rest does not get this far.
            Message::Port(_)
            | Message::Extended { .. }
            | Message::Hashes(_)
            | Message::HashReject(_)
            | Message::KeepAlive
            | Message::Unknown { .. } => {}
        }
    }

    /// What a peer says of choking and interest before the pieces are known. What it says of pieces, its
    /// connection keeps.
    #[allow(clippy::wildcard_enum_match_arm, reason = "the rest makes no sense yet")]
    fn note_early(&mut self, now: Instant, key: PeerKey, message: &Message, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        match message {
            Message::Choke => peer.early.unchokes = false,
            Message::Unchoke => peer.early.unchokes = true,
            Message::Interested => peer.early.interested = true,
            Message::NotInterested => peer.early.interested = false,
            // BEP 6: a reject for every request that will not be answered.
            Message::Request(block) if peer.fast => self.tell(now, key, Message::Reject(*block), out),
            _ => {}
        }
    }

    fn on_piece(
        &mut self,
        now: Instant,
        key: PeerKey,
        (piece, begin): (PieceIndex, u32),
        data: Bytes,
        out: &mut Outbox<Action>,
    ) {
        let length = data.len() as u32;
        self.downloaded.add(u64::from(length));
        if let Some(peer) = self.peers.get_mut(key) {
            peer.info.downloaded_bytes += u64::from(length);
            peer.unanswered = peer.unanswered.saturating_sub(1);
            peer.served_us_at = Some(now);
        }
        self.arriving = Some(data);
        self.pick(now, picker::Input::Block { peer: key, block: Block { piece, begin, length } }, out);
        self.arriving = None;
    }

    /// A block was not wanted.
    pub(super) fn discard(&mut self, key: PeerKey, block: Block, waste: picker::Waste) {
        self.wasted_bytes += u64::from(block.length);
        if waste == picker::Waste::Unsolicited {
            // BEP 6: a piece that was never requested closes the connection.
            match self.peers.get(key).is_some_and(|peer| peer.fast) {
                true => self.leave(key, PeerEnd::Unsolicited),
                false => self.strike(key),
            }
        }
    }

    /// A peer will not answer a request.
    fn on_reject(&mut self, now: Instant, key: PeerKey, block: Block, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        match peer.unanswered.checked_sub(1) {
            // One that crosses our cancel, however late, answers a request all the same.
            Some(left) => peer.unanswered = left,
            // BEP 6: a reject that was never requested should close the connection.
            None => self.strike(key),
        }
        self.pick(now, picker::Input::Rejected { peer: key, block }, out);
    }

    /// A peer sent what nobody asked for: too often, and it must go.
    fn strike(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.strikes = peer.strikes.saturating_add(1);
        if peer.strikes > STRIKES {
            self.leave(key, PeerEnd::Unsolicited);
        }
    }

    /// Asks a peer for a block.
    pub(super) fn ask(&mut self, now: Instant, key: PeerKey, block: Block, out: &mut Outbox<Action>) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.unanswered = peer.unanswered.saturating_add(1);
        }
        self.tell(now, key, Message::Request(block), out);
    }

    /// Says something to a peer.
    pub(super) fn tell(&mut self, now: Instant, key: PeerKey, message: Message, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get_mut(key).filter(|peer| !peer.leaving) else { return };
        let result = peer.connection.handle_input(now, wire::Input::Send(message), &mut self.scratch.told);
        self.carry(key, out);
        if let Err(error) = result {
            self.leave(key, PeerEnd::Wire(error));
        }
    }

    /// Says the same to every peer.
    pub(super) fn tell_all(&mut self, now: Instant, message: &Message, out: &mut Outbox<Action>) {
        let mut slot = 0;
        while let Some(key) = self.peers.key_from(slot) {
            self.tell(now, key, message.clone(), out);
            slot = key.index() + 1;
        }
    }

    /// Passes on what a connection wants to send.
    pub(super) fn carry(&mut self, key: PeerKey, out: &mut Outbox<Action>) {
        let Some(stream) = self.peers.get(key).map(|peer| peer.stream) else { return };
        for action in self.scratch.told.drain() {
            if let wire::Action::Send(data) = action {
                out.push(Action::Send { stream, data });
            }
        }
    }

    /// A connection's time has come.
    pub(super) fn on_peer_timeout(&mut self, now: Instant, slot: usize, out: &mut Outbox<Action>) {
        let key = self.peers.key_from(slot).filter(|key| key.index() == slot);
        let Some((key, peer)) = key.and_then(|key| Some((key, self.peers.get_mut(key)?))) else {
            return self.deadlines.set(slot, None);
        };
        let result = peer.connection.handle_timeout(now, &mut self.scratch.told);
        let deadline = peer.connection.poll_timeout();
        self.deadlines.set(slot, deadline);
        self.carry(key, out);
        if let Err(error) = result {
            self.leave(key, PeerEnd::Wire(error));
        }
    }

    /// Marks a peer as one that is to leave. It does before the call ends.
    pub(super) fn leave(&mut self, key: PeerKey, why: PeerEnd) {
        if let Some(peer) = self.peers.get_mut(key).filter(|peer| !peer.leaving) {
            peer.leaving = true;
            self.leaving.push((key, why));
        }
    }

    pub(super) fn leave_all(&mut self, why: &PeerEnd) {
        let mut slot = 0;
        while let Some(key) = self.peers.key_from(slot) {
            self.leave(key, why.clone());
            slot = key.index() + 1;
        }
    }

    /// Two that want nothing have nothing to say to one another.
    pub(super) fn leave_if_useless(&mut self, key: PeerKey) {
        let upload_only = self.peers.get(key).is_some_and(|peer| peer.upload_only);
        if self.is_finished() && (upload_only || self.picker.is_seed(key)) {
            self.leave(key, PeerEnd::BothSeeds);
        }
    }

    /// Takes out those who are to leave. What others are told because of it may make more leave; each
    /// round takes one out for good, so there is an end.
    pub(super) fn dismiss(&mut self, now: Instant, out: &mut Outbox<Action>) {
        while let Some((key, why)) = self.leaving.pop() {
            self.withdraw_suggestions(key, true);
            let Some(peer) = self.peers.remove(key) else { continue };
            if self.by_id.get(&peer.info.peer_id) == Some(&key) {
                self.by_id.remove(&peer.info.peer_id);
            }
            self.deadlines.set(key.index(), None);
            self.uploading -= peer.unsent;
            self.end_spreading(now, key, out);
            if peer.in_line {
                self.line.retain(|waiting| *waiting != key);
            }
            self.serve_line(now, out);
            out.push(Action::Close { stream: peer.stream, info: peer.info, why });
            self.choose(now, choker::Input::PeerLeft { peer: key }, out);
            self.pick(now, picker::Input::PeerLeft { peer: key }, out);
            self.exchange(now, metadata::Input::PeerLeft { peer: key }, out);
            self.gossip(now, pex::Input::PeerLeft { peer: key }, out);
            self.punch(now, holepunch::Input::PeerLeft { peer: key }, out);
        }
    }
}
