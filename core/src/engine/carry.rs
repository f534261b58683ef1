//! Swarms: what they are told, and what becomes of what they want.

use super::{Action, Event, PeerInfo, candidates::Ending, connect::ending, machine::Engine, streams::Stage};
use crate::{
    Instant, Machine, Outbox,
    id::{InfoHash, StreamId, TorrentId},
    swarm::{self, PeerEnd},
    wire::extension::PexFlags,
};
use core::{
    mem,
    net::{IpAddr, SocketAddr},
};

impl Engine {
    /// Tells a swarm something, and does what it wants.
    pub(super) fn tell_swarm(
        &mut self,
        now: Instant,
        id: TorrentId,
        input: swarm::Input,
        out: &mut Outbox<Action>,
    ) {
        let Some(torrent) = self.torrents.get_mut(id) else {
            self.strays += 1;
            return;
        };
        let Ok(()) = torrent.swarm.handle_input(now, input, &mut self.swarmed);
        self.swarm_deadlines.hasten(id.index(), torrent.swarm.poll_timeout());
        self.carry(now, id, out);
    }

    pub(super) fn on_swarm_timeout(&mut self, now: Instant, slot: usize, out: &mut Outbox<Action>) {
        let id = self.torrents.key_from(slot).filter(|id| id.index() == slot);
        let Some((id, torrent)) = id.and_then(|id| Some((id, self.torrents.get_mut(id)?))) else {
            return self.swarm_deadlines.set(slot, None);
        };
        let Ok(()) = torrent.swarm.handle_timeout(now, &mut self.swarmed);
        self.swarm_deadlines.set(slot, torrent.swarm.poll_timeout());
        self.carry(now, id, out);
    }

    pub(super) fn on_sent(&mut self, now: Instant, id: StreamId, bytes: usize, out: &mut Outbox<Action>) {
        if let Some(Stage::Joined { torrent, peer }) = self.streams.slab.get(id).map(|stream| &stream.stage) {
            let (torrent, peer) = (*torrent, *peer);
            self.tell_swarm(now, torrent, swarm::Input::Sent { peer, bytes }, out);
        }
    }

    /// Does what a swarm wants.
    pub(super) fn carry(&mut self, now: Instant, id: TorrentId, out: &mut Outbox<Action>) {
        let Some(info_hash) = self.torrents.get(id).map(|torrent| torrent.swarm.info().info_hash) else {
            return;
        };
        let before = self.own_address.ips();
        let mut swarmed = mem::take(&mut self.swarmed);
        for action in swarmed.drain() {
            self.carry_one(now, id, info_hash, action, out);
        }
        self.swarmed = swarmed;
        // Not before all that this swarm wants is done: it is told as well.
        if self.own_address.ips() != before {
            self.tell_all_ours(now, out);
        }
        self.follow(now, id, out);
        self.remove_if_stopped(id, out);
    }

    fn carry_one(
        &mut self,
        now: Instant,
        torrent: TorrentId,
        info_hash: InfoHash,
        action: swarm::Action,
        out: &mut Outbox<Action>,
    ) {
        let event = match action {
            swarm::Action::Send { stream, data } => return self.send(stream, data, out),
            swarm::Action::Storage(operation) => return out.push(Action::Storage { torrent, operation }),
            swarm::Action::Compute { token, job } => {
                return out.push(Action::Compute { torrent, token, job });
            }
            swarm::Action::Fetch { token, request, credit } => {
                return out.push(Action::Fetch { torrent, token, request, credit });
            }
            swarm::Action::FetchMore { token, bytes } => {
                return out.push(Action::FetchMore { torrent, token, bytes });
            }
            swarm::Action::CancelFetch(token) => {
                return out.push(Action::CancelFetch { torrent, token });
            }
            swarm::Action::SaveResume { have, clean } => {
                return out.push(Action::SaveResume { torrent, have, clean });
            }
            swarm::Action::Close { stream, info, why } => {
                return self.on_peer_closed(now, torrent, stream, (info_hash, info), why, out);
            }
            swarm::Action::Stopped => return self.on_swarm_stopped(torrent),
            swarm::Action::Admitted { stream, peer, info } => {
                self.streams.advance(stream, Stage::Joined { torrent, peer });
                self.statistics.count_peer(info.encryption);
                Event::PeerConnected { info_hash, peer: info }
            }
            swarm::Action::Player { remote, result } => Event::Player { info_hash, remote, result },
            swarm::Action::OurAddress(ip) => return self.on_our_address(ip),
            swarm::Action::PeersFound(peers) => return self.on_peers_found(now, torrent, &peers, out),
            swarm::Action::Metadata(info) => Event::Metadata { info },
            swarm::Action::MetadataUnusable(error) => Event::MetadataUnusable { info_hash, error },
            swarm::Action::Checked { have } => {
                self.dial(now, torrent, out);
                Event::Checked { info_hash, have }
            }
            swarm::Action::PieceVerified { piece, from } => Event::PieceVerified { info_hash, piece, from },
            swarm::Action::Banned { remote, outgoing } => {
                if let Some(torrent) = self.torrents.get_mut(torrent) {
                    torrent.candidates.ban(remote, outgoing);
                }
                Event::PeerBanned { info_hash, remote }
            }
            swarm::Action::PieceFailed { piece } => Event::PieceFailed { info_hash, piece },
            swarm::Action::WebSeedUp(url) => Event::WebSeedUp { info_hash, url },
            swarm::Action::WebSeedGone { url, downloaded_bytes, why, retry_after } => {
                Event::WebSeedGone { info_hash, url, downloaded_bytes, why, retry_after }
            }
            swarm::Action::Completed => {
                self.announce_completed(now, torrent, out);
                Event::Completed { info_hash }
            }
            swarm::Action::Finished => Event::Finished { info_hash },
            swarm::Action::SeedGoalReached => Event::SeedGoalReached { info_hash },
            swarm::Action::Failed { file, error } => Event::Failed { info_hash, file, error },
        };
        out.push(Action::Event(event));
    }

    /// A peer sees us at an address.
    pub(super) fn on_our_address(&mut self, ip: IpAddr) {
        if !self.own_address.vote(ip) {
            return;
        }
        for (_, torrent) in self.torrents.iter_mut() {
            torrent.candidates.rank(self.own_address);
        }
    }

    fn tell_all_ours(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut slot = 0;
        while let Some(id) = self.torrents.key_from(slot) {
            slot = id.index() + 1;
            self.tell_ours(now, id, out);
        }
    }

    /// Tells a swarm where we can be reached, as far as that is known.
    pub(super) fn tell_ours(&mut self, now: Instant, id: TorrentId, out: &mut Outbox<Action>) {
        let Some(port) = self.local.map(|local| local.port()) else { return };
        for ip in self.own_address.ips().into_iter().flatten() {
            self.tell_swarm(now, id, swarm::Input::Ours(SocketAddr::new(ip, port)), out);
        }
    }

    /// Peers told of others, and what they prefer: that feeds the first attempt to reach them.
    fn on_peers_found(
        &mut self,
        now: Instant,
        id: TorrentId,
        peers: &[(SocketAddr, u8)],
        out: &mut Outbox<Action>,
    ) {
        let Some(torrent) = self.torrents.get_mut(id) else { return };
        for (remote, flags) in peers {
            torrent.candidates.add(now, *remote);
            if PexFlags(*flags).has(PexFlags::PREFERS_ENCRYPTION) {
                torrent.candidates.hint(*remote, |known| known.prefers_encryption = true);
            }
        }
        self.dial(now, id, out);
    }

    /// A swarm wants a peer no more, or never did.
    fn on_peer_closed(
        &mut self,
        now: Instant,
        torrent: TorrentId,
        id: StreamId,
        (info_hash, peer): (InfoHash, PeerInfo),
        why: PeerEnd,
        out: &mut Outbox<Action>,
    ) {
        if let Some(torrent) = self.torrents.get_mut(torrent) {
            if why != PeerEnd::Duplicate {
                torrent.candidates.left(now, peer.peer_id);
            } else if peer.outgoing {
                torrent.candidates.doubled(peer.remote, peer.peer_id);
            }
        }
        let was_in = |stage: &Stage| matches!(stage, Stage::Joined { .. });
        if !self.streams.slab.get(id).is_some_and(|stream| was_in(&stream.stage)) {
            return self.end_stream(now, id, &why, out);
        }
        let Some(stream) = self.streams.remove(id) else { return };
        if !stream.closed {
            out.push(Action::Close { stream: id });
        }
        if stream.outgoing
            && let Some(torrent) = self.torrents.get_mut(torrent)
        {
            torrent
                .candidates
                .note(stream.remote, |known| known.prefers_encryption = peer.prefers_encryption);
        }
        let useful = peer.downloaded_bytes + peer.uploaded_bytes > 0;
        out.push(Action::Event(Event::PeerGone { info_hash, peer, why: why.clone() }));
        let ending = ending(&why);
        let ending = if useful && ending == Ending::Useless { Ending::Useful } else { ending };
        self.release(now, torrent, &stream, ending, out);
    }
}
