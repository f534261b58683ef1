//! Answers: bencode to values.

use crate::{
    bencode::{Decoder, Dict, Limits, Value},
    compact,
    id::InfoHash,
    tracker::{AnnounceResponse, Counts, Failure, MAX_PEERS, Retry, words},
};
use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// The longest body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// The longest tracker id that is kept, in bytes: it makes every further URL longer.
pub const MAX_TRACKER_ID_BYTES: usize = 256;

/// Room for [`MAX_PEERS`] peers of the long form, each a dictionary of three entries, and as much again.
const LIMITS: Limits = Limits { depth: 8, tokens: 16 * MAX_PEERS as u32, bytes: MAX_BODY_BYTES };

/// The longest host name, in bytes (RFC 1035, 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// Reads the answer to an announce.
///
/// Keys may stand in any order, and a value that makes no sense counts as one that is not there: trackers are
/// of all kinds. What is cut off is no answer.
///
/// # Errors
/// [`Failure::Refused`] whatever the status, [`Failure::Status`], or [`Failure::Malformed`].
pub fn read_announce(status: u16, body: &[u8]) -> Result<AnnounceResponse, Failure> {
    read(status, body, |answer| {
        let mut response = AnnounceResponse {
            interval: seconds(answer, b"interval"),
            min_interval: seconds(answer, b"min interval"),
            counts: counts(answer),
            external_ip: answer.get(b"external ip").and_then(Value::string).and_then(external_ip),
            tracker_id: answer
                .get(b"tracker id")
                .and_then(Value::text)
                .filter(|id| id.len() <= MAX_TRACKER_ID_BYTES)
                .map(ToOwned::to_owned),
            warning: answer.get(b"warning message").and_then(Value::string).map(words),
            ..AnnounceResponse::default()
        };
        read_peers(answer, &mut response);
        Some(response)
    })
}

/// Reads the answer to a scrape: how many are in each swarm that was `asked` for, in that order. Of a swarm
/// that the tracker does not speak of nothing is known.
///
/// # Errors
/// As of [`read_announce`].
pub fn read_scrape(status: u16, body: &[u8], asked: &[InfoHash]) -> Result<Vec<Counts>, Failure> {
    read(status, body, |answer| {
        let swarms = answer.get(b"files")?.dict()?;
        // npm's bittorrent-tracker writes an info-hash as if it were text: its bytes as letters, in UTF-8.
        let as_text =
            |info_hash: &InfoHash| info_hash.0.iter().map(|byte| char::from(*byte)).collect::<String>();
        let find = |info_hash: &InfoHash| {
            swarms.get(&info_hash.0).or_else(|| swarms.get(as_text(info_hash).as_bytes()))
        };
        let of = |info_hash: &InfoHash| find(info_hash).and_then(Value::dict);
        Some(asked.iter().map(|info_hash| of(info_hash).as_ref().map(counts).unwrap_or_default()).collect())
    })
}

fn read<T>(status: u16, body: &[u8], answer: impl FnOnce(&Dict<'_, '_>) -> Option<T>) -> Result<T, Failure> {
    // What stands behind the answer is ignored: many a script ends with a line feed.
    let document = Decoder::lenient().with_limits(LIMITS).decode_prefix(body).ok();
    let dict = document.as_ref().and_then(|(document, _)| document.root().dict());
    // Some trackers refuse with a status of 400 or 403, most with 200.
    if let Some(reason) = dict.as_ref().and_then(|dict| dict.get(b"failure reason")?.string()) {
        let retry = dict.and_then(|dict| dict.get(b"retry in")).map(retry).unwrap_or_default();
        return Err(Failure::Refused { reason: words(reason), retry });
    }
    if status != 200 {
        return Err(Failure::Status(status));
    }
    dict.as_ref().and_then(answer).ok_or(Failure::Malformed)
}

/// BEP 31: minutes, or "never".
fn retry(value: Value<'_, '_>) -> Retry {
    if value.string() == Some(b"never") {
        return Retry::Never;
    }
    let minutes = value.integer().and_then(|minutes| u64::try_from(minutes).ok());
    minutes
        .or_else(|| value.text()?.parse().ok())
        .map_or(Retry::Unsaid, |minutes| Retry::After(Duration::from_secs(minutes.saturating_mul(60))))
}

fn seconds(answer: &Dict<'_, '_>, key: &[u8]) -> Option<Duration> {
    let seconds = answer.get(key)?.integer()?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

fn counts(dict: &Dict<'_, '_>) -> Counts {
    let count = |key: &[u8]| u32::try_from(dict.get(key)?.integer()?).ok();
    Counts {
        seeders: count(b"complete"),
        leechers: count(b"incomplete"),
        downloaders: count(b"downloaders"),
        completed: count(b"downloaded"),
    }
}

/// BEP 24: 4 or 16 bytes.
fn external_ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok();
    v4().or_else(v6).map(|ip| ip.to_canonical())
}

/// `peers` in either form, then `peers6` (BEP 7).
fn read_peers(answer: &Dict<'_, '_>, response: &mut AnnounceResponse) {
    let compact = |key: &[u8]| answer.get(key).and_then(Value::string).unwrap_or_default();
    let v4 = compact::read_all(compact(b"peers"), compact::V4);
    let v6 = compact::read_all(compact(b"peers6"), compact::V6);
    let listed = answer.get(b"peers").and_then(Value::list).into_iter().flatten().filter_map(listed_peer);
    let peers = v4.map(Peer::At).chain(listed).chain(v6.map(Peer::At)).filter(|peer| peer.port() != 0);
    for peer in peers.take(MAX_PEERS) {
        match peer {
            Peer::At(addr) => response.peers.push(addr),
            Peer::Named(host, port) => response.hosts.push((host.to_owned(), port)),
        }
    }
}

/// Where a peer is.
enum Peer<'a> {
    At(SocketAddr),
    Named(&'a str, u16),
}

impl Peer<'_> {
    const fn port(&self) -> u16 {
        match self {
            Self::At(addr) => addr.port(),
            Self::Named(_, port) => *port,
        }
    }
}

/// A peer of the long form (BEP 3): `ip` is an address or a host name.
fn listed_peer<'a>(peer: Value<'_, 'a>) -> Option<Peer<'a>> {
    let peer = peer.dict()?;
    let (host, port) = (peer.get(b"ip")?.text()?, u16::try_from(peer.get(b"port")?.integer()?).ok()?);
    match host.parse() {
        Ok(ip) => Some(Peer::At(SocketAddr::new(ip, port))),
        Err(_) => is_host_name(host).then_some(Peer::Named(host, port)),
    }
}

fn is_host_name(text: &str) -> bool {
    let fits = (1..=MAX_HOST_BYTES).contains(&text.len());
    fits && text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_'))
}
