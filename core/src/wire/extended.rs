//! The extension handshake (BEP 10).

use super::{CLIENT_MAX, EXTENDED_HANDSHAKE_MAX, METADATA_MAX};
use crate::{
    bencode::{Decoder, DictWriter, Limits, Value, Writer},
    ic::Capabilities,
};
use alloc::{string::String, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a peer says of itself and of the extensions it wants to receive. A key that is missing or of the
/// wrong type is `None`.
///
/// ```
/// use convoy_core::wire::ExtendedHandshake;
///
/// let ours = ExtendedHandshake { ut_metadata: Some(3), reqq: Some(512), ..ExtendedHandshake::default() };
/// assert_eq!(ours.encode(), b"d1:md11:ut_metadatai3ee4:reqqi512ee");
/// assert_eq!(ExtendedHandshake::decode(&ours.encode()), Some(ours));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ExtendedHandshake {
    /// The sender's id for `ut_metadata` (BEP 9); `Some(0)` switches it off.
    pub ut_metadata: Option<u8>,
    /// The sender's id for `ut_pex` (BEP 11).
    pub ut_pex: Option<u8>,
    /// The sender's id for `lt_donthave` (BEP 54).
    pub lt_donthave: Option<u8>,
    /// The sender's id for `ut_holepunch` (BEP 55).
    pub ut_holepunch: Option<u8>,
    /// The sender's id for `upload_only` (BEP 21).
    pub upload_only_id: Option<u8>,
    /// The sender's id for `ic_auth`.
    pub ic_auth: Option<u8>,
    /// The sender's id for `ic_priority`.
    pub ic_priority: Option<u8>,
    /// `ic_version`: which version of the IC extensions the sender speaks; never 0.
    pub ic_version: Option<u32>,
    /// `ic_capabilities`: what the sender can do.
    pub ic_capabilities: Option<Capabilities>,
    /// `metadata_size`: bytes of the info dictionary, at most [`METADATA_MAX`].
    pub metadata_size: Option<u32>,
    /// `reqq`: how many requests the sender queues; never 0.
    pub reqq: Option<u32>,
    /// `p`: the port on which the sender listens; never 0.
    pub listen_port: Option<u16>,
    /// `v`: the sender's program and version; at most [`CLIENT_MAX`] bytes.
    pub client: Option<String>,
    /// `yourip`: the receiver's address as the sender sees it.
    pub your_ip: Option<IpAddr>,
    /// `ipv4`: another address of the sender.
    pub ipv4: Option<Ipv4Addr>,
    /// `ipv6`: another address of the sender.
    pub ipv6: Option<Ipv6Addr>,
    /// `upload_only`: the sender will not ask for anything (BEP 21).
    pub upload_only: Option<bool>,
    /// `e`: the sender prefers encryption.
    pub prefers_encryption: Option<bool>,
}

impl ExtendedHandshake {
    /// Reads the payload of extension message 0, key by key: one that is unknown or makes no sense is as
    /// one that is missing. `None` if the payload is not one dictionary, or longer than
    /// [`EXTENDED_HANDSHAKE_MAX`].
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let limits = Limits { bytes: EXTENDED_HANDSHAKE_MAX as usize, ..Limits::MESSAGE };
        let document = Decoder::lenient().with_limits(limits).decode(payload).ok()?;
        let mut handshake = Self::default();
        for (key, value) in &document.root().dict()? {
            handshake.read(key, value);
        }
        Some(handshake)
    }

    /// The canonical payload of extension message 0.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        Writer::new(&mut payload).dict(|dict| {
            integer(dict, b"e", self.prefers_encryption);
            integer(dict, b"ic_capabilities", self.ic_capabilities.map(Capabilities::bits));
            integer(dict, b"ic_version", self.ic_version);
            string(dict, b"ipv4", self.ipv4.map(|address| address.octets()));
            string(dict, b"ipv6", self.ipv6.map(|address| address.octets()));
            dict.dict(b"m", |ids| {
                integer(ids, b"ic_auth", self.ic_auth);
                integer(ids, b"ic_priority", self.ic_priority);
                integer(ids, b"lt_donthave", self.lt_donthave);
                integer(ids, b"upload_only", self.upload_only_id);
                integer(ids, b"ut_holepunch", self.ut_holepunch);
                integer(ids, b"ut_metadata", self.ut_metadata);
                integer(ids, b"ut_pex", self.ut_pex);
            });
            integer(dict, b"metadata_size", self.metadata_size);
            integer(dict, b"p", self.listen_port);
            integer(dict, b"reqq", self.reqq);
            integer(dict, b"upload_only", self.upload_only);
            string(dict, b"v", self.client.as_ref());
            match self.your_ip {
                Some(IpAddr::V4(address)) => string(dict, b"yourip", Some(address.octets())),
                Some(IpAddr::V6(address)) => string(dict, b"yourip", Some(address.octets())),
                None => {}
            }
        });
        payload
    }

    /// Adds a later handshake: BEP 10 has them be additive, and the latest word counts. What was said of
    /// `upload_only` before is forgotten: a message of that name (BEP 21) may have overruled it.
    pub fn merge(&mut self, later: Self) {
        self.upload_only = None;
        macro_rules! take {
            ($($field:ident)*) => { *self = Self { $($field: later.$field.or(self.$field.take()),)* } };
        }
        take! {
            ut_metadata ut_pex lt_donthave ut_holepunch upload_only_id ic_auth ic_priority
            ic_version ic_capabilities metadata_size reqq listen_port client
            your_ip ipv4 ipv6 upload_only prefers_encryption
        }
    }

    /// Heap bytes held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.client.as_ref().map_or(0, String::capacity)
    }

    fn read(&mut self, key: &[u8], value: Value<'_, '_>) {
        match key {
            b"m" => value.dict().iter().flatten().for_each(|(name, id)| self.read_id(name, id)),
            b"metadata_size" => {
                self.metadata_size = number(value).filter(|size| (1..=METADATA_MAX).contains(size))
            }
            b"reqq" => {
                let reqq = value.integer().filter(|reqq| *reqq > 0);
                self.reqq = reqq.map(|reqq| u32::try_from(reqq).unwrap_or(u32::MAX));
            }
            b"p" => self.listen_port = number(value).filter(|port| *port != 0),
            b"v" => {
                self.client =
                    value.text().map(|text| text.split_at(text.floor_char_boundary(CLIENT_MAX)).0.into())
            }
            b"yourip" => self.your_ip = v4(value).map(IpAddr::V4).or_else(|| v6(value).map(IpAddr::V6)),
            b"ipv4" => self.ipv4 = v4(value),
            b"ipv6" => self.ipv6 = v6(value),
            b"upload_only" => self.upload_only = value.integer().map(|flag| flag != 0),
            b"e" => self.prefers_encryption = value.integer().map(|flag| flag != 0),
            b"ic_version" => self.ic_version = number(value).filter(|version| *version != 0),
            b"ic_capabilities" => self.ic_capabilities = number(value).map(Capabilities::from_bits),
            _ => {}
        }
    }

    /// BEP 10: 0 switches an extension off. Two names may share an id: each is looked up by its own name.
    fn read_id(&mut self, name: &[u8], id: Value<'_, '_>) {
        let known = match name {
            b"ut_metadata" => &mut self.ut_metadata,
            b"ut_pex" => &mut self.ut_pex,
            b"lt_donthave" => &mut self.lt_donthave,
            b"ut_holepunch" => &mut self.ut_holepunch,
            b"upload_only" => &mut self.upload_only_id,
            b"ic_auth" => &mut self.ic_auth,
            b"ic_priority" => &mut self.ic_priority,
            _ => return,
        };
        *known = number(id);
    }
}

fn integer(dict: &mut DictWriter<'_>, key: &[u8], value: Option<impl Into<i64>>) {
    if let Some(value) = value {
        dict.integer(key, value.into());
    }
}

fn string(dict: &mut DictWriter<'_>, key: &[u8], value: Option<impl AsRef<[u8]>>) {
    if let Some(value) = value {
        dict.string(key, value);
    }
}

/// An integer that fits.
fn number<N: TryFrom<i64>>(value: Value<'_, '_>) -> Option<N> {
    N::try_from(value.integer()?).ok()
}

fn v4(value: Value<'_, '_>) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(value.string()?).ok().map(Ipv4Addr::from)
}

fn v6(value: Value<'_, '_>) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(value.string()?).ok().map(Ipv6Addr::from)
}
