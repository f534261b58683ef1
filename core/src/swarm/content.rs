//! What is shared: known from the start, or fetched from peers first (BEP 9).

use super::{
    Action, Config, Content, PeerEnd, Plan,
    check::Checks,
    machine::{Phase, Swarm},
};
use crate::{
    Instant, Machine, Outbox,
    bitfield::Bitfield,
    choker::{self, Choker},
    id::{InfoHash, PeerKey, PieceIndex},
    metadata,
    metainfo::Info,
    pex,
    picker::{self, Picker},
    storage::{Geometry, Layout, Verdict},
    wire::{self, Message},
};
use core::mem;

/// The most pieces that are told one by one to peers that came before the metadata.
const MAX_LATE_HAVES: u32 = 4096;

impl Content {
    /// What stands in until the metadata is known: one byte, which nobody has or is asked for.
    pub(super) fn unknown(info_hash: InfoHash) -> Self {
        let nothing = Bitfield::new(Geometry::PLACEHOLDER.pieces());
        Self {
            info: Info::placeholder(info_hash),
            verdict: Verdict { trusted: nothing.clone(), check: nothing },
            plan: Plan::default(),
            paused: false,
        }
    }
}

impl Swarm {
    /// What the torrent is has come, and where it is to lie has been decided.
    pub(super) fn resolve(&mut self, now: Instant, content: Content, out: &mut Outbox<Action>) {
        if self.phase != Phase::Fetching || content.info.info_hash != self.info.info_hash {
            return;
        }
        let Content { info, verdict, plan, paused } = content;
        self.geometry = info.geometry;
        self.layout = info.layout();
        self.have = verdict.trusted;
        self.verified_bytes = bytes_of(self.geometry, &self.have);
        self.checks = Checks::new(verdict.check);
        self.picker =
            Picker::new(picker_config(&self.config, &self.layout, &self.have), self.random.child_seed());
        self.choker = Choker::new(choker_config(&self.config, self.geometry), self.random.child_seed());
        let raw = info.raw.clone();
        (self.info, self.plan) = (info, plan);
        if self.info.private {
            // What was found out in the open must not be gone on with (BEP 27).
            self.gossip(now, pex::Input::Switch(false), out);
            self.leave_all(&PeerEnd::Stopped);
        } else {
            self.exchange(now, metadata::Input::Known(raw), out);
        }
        self.introduce_all(now, out);
        (self.phase, self.is_magnet) = (Phase::Checking, false);
        if paused {
            self.paused = true;
            self.leave_all(&PeerEnd::Stopped);
        }
        self.check_more(now, out);
        self.checked_if_idle(now, out);
    }

    /// The pieces are known: peers that came before take part from now on.
    pub(super) fn engage_all(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut slot = 0;
        while let Some(key) = self.peers.key_from(slot) {
            slot = key.index() + 1;
            self.show_late_pieces(now, key, out);
            self.engage(now, key, out);
        }
    }

    /// Tells a peer, which was told that we have nothing, what we have after all.
    fn show_late_pieces(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        if self.have.count() > MAX_LATE_HAVES {
            // One bitfield says it shorter: to a connection that begins anew.
            return self.leave(key, PeerEnd::Stopped);
        }
        let mut from = PieceIndex(0);
        while let Some(piece) = self.have.first_common_from(&self.have, from).filter(|piece| *piece >= from) {
            self.tell(now, key, Message::Have(piece), out);
            from = PieceIndex(piece.0 + 1);
        }
    }

    /// A peer takes part: the picker and the choker hear of it, and of what it said before.
    pub(super) fn engage(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        let Some(peer) = self.peers.get(key) else { return };
        let (fast, early) = (peer.fast, peer.early);
        self.choose(now, choker::Input::PeerJoined { peer: key }, out);
        self.pick(now, picker::Input::PeerJoined { peer: key, source: picker::Source::Peer { fast } }, out);
        if let Some(requests) = early.reqq {
            self.pick(now, picker::Input::RequestLimit { peer: key, requests }, out);
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        let mut heard = mem::take(&mut self.scratch.heard);
        let result = peer.connection.handle_input(now, wire::Input::Geometry(self.geometry), &mut heard);
        for action in heard.drain() {
            self.on_heard(now, key, action, out);
        }
        self.scratch.heard = heard;
        if let Err(error) = result {
            return self.leave(key, PeerEnd::Wire(error));
        }
        if early.unchokes {
            self.pick(now, picker::Input::Unchoked { peer: key }, out);
        }
        if early.interested {
            self.on_interested(now, key, out);
        }
    }
}

pub(super) fn choker_config(config: &Config, geometry: Geometry) -> choker::Config {
    choker::Config { pieces: geometry.pieces(), piece_length: geometry.piece_length(), ..config.choker }
}

pub(super) fn picker_config(config: &Config, layout: &Layout, have: &Bitfield) -> picker::Config {
    picker::Config {
        have: have.clone(),
        padding: layout.padding_ranges().collect(),
        pipeline: config.pipeline,
        ..picker::Config::new(layout.geometry())
    }
}

/// BEP 27: what a private torrent is, its tracker's members know.
pub(super) fn exchange_config(info: &Info) -> metadata::Config {
    let shown = !info.private && !info.raw.is_empty();
    metadata::Config {
        info_hash: info.info_hash,
        info: shown.then(|| info.raw.clone()),
        limits: metadata::Limits::default(),
    }
}

/// Bytes of the pieces that are held.
pub(super) fn bytes_of(geometry: Geometry, have: &Bitfield) -> u64 {
    have.iter().map(|piece| u64::from(geometry.piece_size(piece))).sum()
}
