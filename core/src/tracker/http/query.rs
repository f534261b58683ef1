//! What a client asks, read out of a query.

use super::MAX_SCRAPE;
use crate::{
    id::{InfoHash, PeerId},
    tracker::{AnnounceRequest, Event},
};
use alloc::vec::Vec;
use core::str::FromStr;

/// The longest path and query that is read, in bytes: room for a scrape of [`MAX_SCRAPE`] swarms.
pub const MAX_QUERY_BYTES: usize = 8 * 1024;

/// The most parameters: those of a scrape, and what a private tracker and its clients may add.
const MAX_PARAMETERS: usize = MAX_SCRAPE + 26;

/// What is wrong with a query, for people.
pub(super) type Fault = &'static str;

/// The parameters of a query, as they stand there.
pub(super) struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    pub(super) fn read(query: &'a str) -> Result<Self, Fault> {
        let parameters = query.split('&').map(|one| one.split_once('=').unwrap_or((one, "")));
        let parameters: Vec<_> = parameters.take(MAX_PARAMETERS + 1).collect();
        if parameters.len() > MAX_PARAMETERS { Err("too many parameters") } else { Ok(Self(parameters)) }
    }

    /// Who announces itself. Only what we need must be there: the rest is 0 if it is missing or makes no sense,
    /// and a peer that does not say how much it lacks is no seeder.
    ///
    /// The address that it may name is not read: it is the sender's, or somebody's who did not ask.
    pub(super) fn announce(&self) -> Result<AnnounceRequest, Fault> {
        let [info_hash] = self.info_hashes()?.try_into().map_err(|_| "an announce is for one info_hash")?;
        let peer_id = self.first("peer_id").and_then(twenty_bytes).ok_or("peer_id is not 20 bytes")?;
        let port = self.number("port").filter(|port| *port != 0).ok_or("port is none to connect to")?;
        Ok(AnnounceRequest {
            info_hash,
            peer_id: PeerId(peer_id),
            port,
            uploaded: self.number("uploaded").unwrap_or_default(),
            downloaded: self.number("downloaded").unwrap_or_default(),
            left: self.number("left").unwrap_or(u64::MAX),
            event: self.first("event").map_or(Event::None, event),
            key: self.first("key").and_then(|key| u32::from_str_radix(key, 16).ok()).unwrap_or_default(),
            num_want: self.number("numwant"),
        })
    }

    /// Whether peers may be written in the compact form, which is what nearly all want.
    pub(super) fn is_compact(&self) -> bool {
        self.first("compact") != Some("0")
    }

    /// Every swarm that is asked for, at least one.
    pub(super) fn info_hashes(&self) -> Result<Vec<InfoHash>, Fault> {
        let said = self.0.iter().filter(|(name, _)| *name == "info_hash");
        let read = |value| twenty_bytes(value).map(InfoHash).ok_or("info_hash is not 20 bytes");
        let info_hashes = said.map(|(_, value)| read(value)).collect::<Result<Vec<_>, _>>()?;
        match info_hashes.len() {
            0 => Err("info_hash is missing"),
            1..=MAX_SCRAPE => Ok(info_hashes),
            _ => Err("too many info_hashes"),
        }
    }

    fn first(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|parameter| parameter.0 == name).map(|parameter| parameter.1)
    }

    fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.first(name)?.parse().ok()
    }
}

fn event(name: &str) -> Event {
    match name {
        "completed" => Event::Completed,
        "started" => Event::Started,
        "stopped" => Event::Stopped,
        "paused" => Event::Paused,
        _ => Event::None,
    }
}

/// Undoes percent-encoding (RFC 3986, 2.1): exactly twenty bytes, and none but ASCII stands as it is. A plus is
/// a plus, as no form is sent.
fn twenty_bytes(value: &str) -> Option<[u8; 20]> {
    let mut rest = value.bytes();
    let mut bytes = [0; 20];
    for byte in &mut bytes {
        *byte = match rest.next()? {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            plain => Some(plain).filter(u8::is_ascii_graphic)?,
        };
    }
    rest.next().is_none().then_some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}
