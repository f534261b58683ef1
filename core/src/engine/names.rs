//! By which info-hashes peers name our torrents.

use crate::{
    id::{InfoHash, TorrentId},
    metainfo::Info,
    mse::{Req2Hash, Skeys},
};
use alloc::{collections::BTreeMap, vec::Vec};
use core::iter;

/// The torrents by their names, in the clear and as peers that speak MSE say them.
///
/// A hybrid of BEP 52 has two, one for each of its swarms. Where two torrents share a name, it means the one
/// that was added first, and the other when that is gone.
#[derive(Debug, Default)]
pub(super) struct Names {
    owners: BTreeMap<InfoHash, Vec<TorrentId>>,
    skeys: Skeys,
}

impl Names {
    /// A torrent whose metadata came late has more names then than before.
    pub(super) fn add(&mut self, info: &Info, id: TorrentId) {
        for name in names(info) {
            let owners = self.owners.entry(name).or_default();
            if !owners.contains(&id) {
                owners.push(id);
                self.skeys.add(name);
            }
        }
    }

    pub(super) fn remove(&mut self, info: &Info, id: TorrentId) {
        for name in names(info) {
            let Some(owners) = self.owners.get_mut(&name) else { continue };
            owners.retain(|owner| *owner != id);
            if owners.is_empty() {
                self.owners.remove(&name);
                self.skeys.remove(&name);
            }
        }
    }

    pub(super) fn owner(&self, name: &InfoHash) -> Option<TorrentId> {
        self.owners.get(name)?.first().copied()
    }

    /// The torrent that a handshake of MSE asks for, and the name that the peer has for it.
    pub(super) fn asked(&self, hash: &Req2Hash) -> Option<(InfoHash, TorrentId)> {
        let name = self.skeys.find(hash)?;
        Some((name, self.owner(&name)?))
    }
}

/// The hash of BEP 3, and of a hybrid that of BEP 52, cut to the 20 bytes that a handshake has room for.
fn names(info: &Info) -> impl Iterator<Item = InfoHash> {
    let v2 = info.info_hash_v2.as_ref().and_then(|hash| hash.first_chunk());
    iter::once(info.info_hash).chain(v2.copied().map(InfoHash))
}
