//! Extension messages (BEP 10): what we offer, what peers offer, and who is told what came.

use super::{
    Action, PeerEnd,
    machine::{Phase, Swarm},
};
use crate::{
    Instant, Machine, Outbox, holepunch,
    ic::Capabilities,
    id::PeerKey,
    metadata,
    metainfo::Info,
    pex, picker,
    wire::{
        ExtendedHandshake, Message,
        extension::{self, Metadata},
    },
};
use alloc::{boxed::Box, vec::Vec};
use bytes::Bytes;
use core::{mem, net::SocketAddr};

/// By which ids peers send us extension messages. Those of libtorrent where it has one.
mod ours {
    pub(super) const PEX: u8 = 1;
    pub(super) const METADATA: u8 = 2;
    pub(super) const UPLOAD_ONLY: u8 = 3;
    pub(super) const HOLEPUNCH: u8 = 4;
    pub(super) const DONT_HAVE: u8 = 7;
    pub(super) const IC_AUTH: u8 = 10;
    pub(super) const IC_PRIORITY: u8 = 11;
}

/// The version of the IC extensions that we speak.
const IC_VERSION: u32 = 2;

/// By which ids a peer takes extension messages; `None`: not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) pex: Option<u8>,
    pub(super) metadata: Option<u8>,
    pub(super) upload_only: Option<u8>,
    pub(super) holepunch: Option<u8>,
    pub(super) ic_auth: Option<u8>,
    pub(super) ic_priority: Option<u8>,
}

impl Ids {
    /// BEP 10: id 0 switches an extension off.
    fn of(handshake: &ExtendedHandshake) -> Self {
        let on = |id: Option<u8>| id.filter(|id| *id != 0);
        Self {
            pex: on(handshake.ut_pex),
            metadata: on(handshake.ut_metadata),
            upload_only: on(handshake.upload_only_id),
            holepunch: on(handshake.ut_holepunch),
            ic_auth: on(handshake.ic_auth),
            ic_priority: on(handshake.ic_priority),
        }
    }
}

impl Swarm {
    /// Says who we are, and what we want to hear.
    pub(super) fn introduce(
        &mut self,
        now: Instant,
        key: PeerKey,
        remote: SocketAddr,
        out: &mut Outbox<Action>,
    ) {
        // BEP 27: peers of a private torrent come from its tracker, and so does the torrent itself.
        let public = !self.info.private;
        let metadata_size = u32::try_from(self.info.raw.len()).ok().filter(|size| public && *size > 0);
        let handshake = ExtendedHandshake {
            ut_pex: (public && self.config.pex).then_some(ours::PEX),
            ut_metadata: public.then_some(ours::METADATA),
            upload_only_id: Some(ours::UPLOAD_ONLY),
            ut_holepunch: public.then_some(ours::HOLEPUNCH),
            lt_donthave: Some(ours::DONT_HAVE),
            ic_auth: Some(ours::IC_AUTH),
            ic_priority: Some(ours::IC_PRIORITY),
            ic_version: Some(IC_VERSION),
            ic_capabilities: Some(self.config.capabilities | Capabilities::AUTH),
            metadata_size,
            reqq: Some(self.config.request_queue),
            listen_port: self.listen_port,
            client: Some(self.client.clone()),
            your_ip: Some(remote.ip()),
            upload_only: self.is_finished().then_some(true),
            prefers_encryption: self.prefers_encryption.then_some(true),
            ..ExtendedHandshake::default()
        };
        let payload = Bytes::from(handshake.encode());
        self.tell(now, key, Message::Extended { id: 0, payload }, out);
    }

    /// Says it again, now that there is more to say.
    pub(super) fn introduce_all(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut slot = 0;
        while let Some(key) = self.peers.key_from(slot) {
            slot = key.index() + 1;
            if let Some(remote) =
                self.peers.get(key).filter(|peer| peer.extended).map(|peer| peer.info.remote)
            {
                self.introduce(now, key, remote, out);
            }
        }
    }

    /// A peer said who it is, or something new about it.
    pub(super) fn on_introduced(
        &mut self,
        now: Instant,
        key: PeerKey,
        handshake: ExtendedHandshake,
        out: &mut Outbox<Action>,
    ) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.info.prefers_encryption = handshake.prefers_encryption == Some(true);
        // Not what an earlier one said: a message of its own may have come since (BEP 21).
        peer.upload_only = handshake.upload_only.unwrap_or(peer.upload_only);
        let first = !mem::replace(&mut peer.introduced, true);
        let before = mem::replace(&mut peer.ids, Ids::of(&handshake));
        let ids = peer.ids;
        let asks_who_plays = ids.ic_auth.is_some() && !mem::replace(&mut peer.knows_player, true);
        let sized = mem::replace(&mut peer.metadata_size, handshake.metadata_size) != handshake.metadata_size;
        peer.early.reqq = handshake.reqq;
        peer.ic_version = handshake.ic_version.unwrap_or(0);
        if let (Phase::Running, Some(requests)) = (self.phase, handshake.reqq) {
            self.pick(now, picker::Input::RequestLimit { peer: key, requests }, out);
        }
        // BEP 27: the metadata of a private torrent is known, and shown to nobody.
        if !self.info.private && ids.metadata.is_some() && (before.metadata.is_none() || sized) {
            let metadata_size = handshake.metadata_size;
            self.exchange(now, metadata::Input::PeerJoined { peer: key, metadata_size }, out);
        }
        if ids.holepunch.is_some() && before.holepunch.is_none() {
            self.punch(now, holepunch::Input::Speaks { peer: key }, out);
        }
        self.gossip_known(now, key, handshake.listen_port, out);
        if ids.pex.is_some() && before.pex.is_none() {
            self.gossip(now, pex::Input::Speaks { peer: key }, out);
        }
        if asks_who_plays {
            self.authenticate_to(now, key, out);
        }
        if ids.ic_priority.is_some() && before.ic_priority.is_none() {
            self.say_urgency_to(now, key, out);
        }
        if let (true, Some(ip)) = (first, handshake.your_ip) {
            out.push(Action::OurAddress(ip));
        }
        self.leave_if_useless(key);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.info.client = handshake.client.or_else(|| peer.info.client.take());
        }
    }

    /// An extension message came in.
    pub(super) fn on_extended(
        &mut self,
        now: Instant,
        key: PeerKey,
        id: u8,
        payload: &Bytes,
        out: &mut Outbox<Action>,
    ) {
        match id {
            ours::PEX if !self.info.private && self.config.pex => self.on_pex(now, key, payload, out),
            ours::METADATA if !self.info.private => self.on_metadata(now, key, payload, out),
            ours::HOLEPUNCH if !self.info.private => self.on_holepunch(now, key, payload, out),
            ours::IC_AUTH => self.on_ic_auth(now, key, payload, out),
            ours::IC_PRIORITY => self.on_ic_priority(now, key, payload, out),
            ours::UPLOAD_ONLY => {
                if let (Some(flag), Some(peer)) =
                    (extension::decode_upload_only(payload), self.peers.get_mut(key))
                {
                    peer.upload_only = flag;
                    self.leave_if_useless(key);
                }
            }
            ours::DONT_HAVE => {
                if let (Phase::Running, Some(piece)) = (self.phase, extension::decode_dont_have(payload)) {
                    self.pick(now, picker::Input::DontHave { peer: key, piece }, out);
                }
            }
            _ => {}
        }
    }

    /// Tells a peer something by its own id for it, if it has one.
    pub(super) fn tell_extended(
        &mut self,
        now: Instant,
        key: PeerKey,
        id: impl Fn(&Ids) -> Option<u8>,
        payload: Vec<u8>,
        out: &mut Outbox<Action>,
    ) {
        let Some(id) = self.peers.get(key).and_then(|peer| id(&peer.ids)) else { return };
        self.tell(now, key, Message::Extended { id, payload: payload.into() }, out);
    }

    /// BEP 21: says that we want nothing any more, or something after all.
    pub(super) fn set_upload_only(&mut self, now: Instant, on: bool, out: &mut Outbox<Action>) {
        let mut slot = 0;
        while let Some(key) = self.peers.key_from(slot) {
            slot = key.index() + 1;
            self.tell_extended(now, key, |ids| ids.upload_only, extension::encode_upload_only(on), out);
        }
    }

    fn on_metadata(&mut self, now: Instant, key: PeerKey, payload: &Bytes, out: &mut Outbox<Action>) {
        let peer = key;
        match Metadata::decode(payload) {
            Ok(Some(Metadata::Request { piece })) => {
                self.exchange(now, metadata::Input::Request { peer, piece }, out);
            }
            Ok(Some(Metadata::Data { piece, total_size, data })) => {
                self.exchange(now, metadata::Input::Data { peer, piece, total_size, data }, out);
            }
            Ok(Some(Metadata::Reject { piece })) => {
                self.exchange(now, metadata::Input::Reject { peer, piece }, out);
            }
            Err(extension::Error::TooLong { .. }) => self.leave(key, PeerEnd::BadExtension),
            Ok(None) | Err(_) => {}
        }
    }

    /// Tells the metadata exchange something, and does what it wants.
    pub(super) fn exchange(&mut self, now: Instant, input: metadata::Input, out: &mut Outbox<Action>) {
        let Ok(()) = self.exchange.handle_input(now, input, &mut self.scratch.exchanged);
        self.do_exchanged(now, out);
    }

    pub(super) fn do_exchanged(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut exchanged = mem::take(&mut self.scratch.exchanged);
        for action in exchanged.drain() {
            let (peer, message) = match action {
                metadata::Action::Request { peer, piece } => (peer, Metadata::Request { piece }),
                metadata::Action::Reject { peer, piece } => (peer, Metadata::Reject { piece }),
                metadata::Action::Data { peer, piece, total_size, data } => {
                    (peer, Metadata::Data { piece, total_size, data })
                }
                metadata::Action::Complete(raw) => {
                    self.fetched(raw, out);
                    continue;
                }
                metadata::Action::Blame { peer, .. } => {
                    self.ban_liar(peer, out);
                    continue;
                }
            };
            self.tell_extended(now, peer, |ids| ids.metadata, message.encode(), out);
        }
        self.scratch.exchanged = exchanged;
    }

    /// A peer lied about the metadata, or asks on and on: it leaves, and is not wanted again.
    fn ban_liar(&mut self, key: PeerKey, out: &mut Outbox<Action>) {
        let Some(info) = self.peers.get(key).map(|peer| &peer.info) else { return };
        out.push(Action::Banned { remote: info.remote, outgoing: info.outgoing });
        self.leave(key, PeerEnd::BadMetadata);
    }

    /// The metadata is what the info-hash stands for, by its hash at least.
    fn fetched(&mut self, raw: Bytes, out: &mut Outbox<Action>) {
        out.push(match Info::parse(raw) {
            Ok(info) => Action::Metadata(Box::new(info)),
            Err(error) => Action::MetadataUnusable(error),
        });
    }
}
