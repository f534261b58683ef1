//! Questions as URLs.

use super::{MAX_SCRAPE, RESERVED};
use crate::{
    id::InfoHash,
    tracker::{AnnounceRequest, Event},
};
use alloc::{format, string::String};
use percent_encoding::percent_encode;

/// What a client says to an HTTP tracker and to no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Extras<'a> {
    /// What the tracker said last of [`tracker_id`](crate::tracker::AnnounceResponse::tracker_id).
    pub tracker_id: Option<&'a str>,
    /// Whether its peers can encrypt.
    pub encryption: Encryption,
}

/// What a client says of encrypted connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Encryption {
    /// Nothing.
    #[default]
    Unsaid,
    /// It takes them: `supportcrypto`.
    Supported,
    /// It takes no others: `requirecrypto`.
    Required,
}

/// Where to send a GET to announce; `None` if the URL is not one of HTTP.
#[must_use]
pub fn announce_url(url: &str, announce: &AnnounceRequest, extras: &Extras<'_>) -> Option<String> {
    let mut query = Query::behind(usable(url)?);
    query
        .add("info_hash", &announce.info_hash.0)
        .add("peer_id", &announce.peer_id.0)
        .add_text("port", &format!("{}", announce.port))
        .add_text("uploaded", &format!("{}", announce.uploaded))
        .add_text("downloaded", &format!("{}", announce.downloaded))
        .add_text("left", &format!("{}", announce.left))
        .add_text("compact", "1")
        .add_text("no_peer_id", "1");
    if let Some(num_want) = announce.num_want {
        query.add_text("numwant", &format!("{num_want}"));
    }
    query.add_text("key", &format!("{:08x}", announce.key));
    if let Some(event) = event_name(announce.event) {
        query.add_text("event", event);
    }
    if let Some(tracker_id) = extras.tracker_id {
        query.add_text("trackerid", tracker_id);
    }
    match extras.encryption {
        Encryption::Unsaid => &mut query,
        Encryption::Supported => query.add_text("supportcrypto", "1"),
        Encryption::Required => query.add_text("requirecrypto", "1"),
    };
    Some(query.0)
}

/// Where to send a GET to scrape. `None` if the tracker does not scrape: if the last element of its path does
/// not begin with `announce` (BEP 48). `None` too without a swarm, or with more than [`MAX_SCRAPE`].
#[must_use]
pub fn scrape_url(url: &str, info_hashes: &[InfoHash]) -> Option<String> {
    if !(1..=MAX_SCRAPE).contains(&info_hashes.len()) {
        return None;
    }
    let url = usable(url)?;
    let (path, query) = url.split_at(url.find('?').unwrap_or(url.len()));
    let (folder, element) = path.rsplit_once('/')?;
    let rest = element.strip_prefix("announce")?;
    let mut query = Query::behind(&format!("{folder}/scrape{rest}{query}"));
    for info_hash in info_hashes {
        query.add("info_hash", &info_hash.0);
    }
    Some(query.0)
}

/// The part of a URL that goes over the wire, if it goes over HTTP.
fn usable(url: &str) -> Option<&str> {
    let url = url.split('#').next()?;
    let (scheme, rest) = url.split_once("://")?;
    let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let clean = !url.chars().any(|letter| letter.is_control() || letter.is_whitespace());
    (is_http && clean && !rest.is_empty()).then_some(url)
}

/// How HTTP writes an event; what is no news is not said.
const fn event_name(event: Event) -> Option<&'static str> {
    match event {
        Event::None => None,
        Event::Completed => Some("completed"),
        Event::Started => Some("started"),
        Event::Stopped => Some("stopped"),
        Event::Paused => Some("paused"),
    }
}

/// A URL that grows by parameters, behind those that it has.
struct Query(String);

impl Query {
    fn behind(url: &str) -> Self {
        Self(url.into())
    }

    fn add(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(name);
        self.0.push('=');
        self.0.extend(percent_encode(value, RESERVED));
        self
    }

    fn add_text(&mut self, name: &str, value: &str) -> &mut Self {
        self.add(name, value.as_bytes())
    }
}
