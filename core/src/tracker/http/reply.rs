//! Answers: values to bencode.

use crate::{
    bencode::{DictWriter, Writer},
    compact,
    id::InfoHash,
    tracker::{AnnounceResponse, Counts, Retry},
};
use alloc::{collections::BTreeMap, string::ToString, vec::Vec};
use core::net::{IpAddr, SocketAddr};

/// How peers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum PeerForm {
    /// As bytes: `peers` for IPv4, `peers6` for IPv6 (BEP 23, BEP 7). It has no room for host names.
    #[default]
    Compact,
    /// As a list of dictionaries (BEP 3). No peer says its id there, as if all had said `no_peer_id`.
    Listed,
}

/// The body of an answer to an announce. What only UDP says is left out.
#[must_use]
pub fn write_announce(response: &AnnounceResponse, form: PeerForm) -> Vec<u8> {
    let mut body = Vec::new();
    Writer::new(&mut body).dict(|dict| {
        // BEP 21 has them in scrapes alone.
        write_counts(&Counts { downloaders: None, ..response.counts }, dict);
        if let Some(ip) = response.external_ip {
            write_ip(b"external ip", ip, dict);
        }
        if let Some(interval) = response.interval {
            dict.integer(b"interval", integer(interval.as_secs()));
        }
        if let Some(min_interval) = response.min_interval {
            dict.integer(b"min interval", integer(min_interval.as_secs()));
        }
        match form {
            PeerForm::Compact => write_compact(&response.peers, dict),
            PeerForm::Listed => write_listed(response, dict),
        }
        if let Some(tracker_id) = &response.tracker_id {
            dict.string(b"tracker id", tracker_id);
        }
        if let Some(warning) = &response.warning {
            dict.string(b"warning message", warning);
        }
    });
    body
}

/// The body of an answer to a scrape (BEP 48, BEP 21).
#[must_use]
pub fn write_scrape(swarms: &BTreeMap<InfoHash, Counts>) -> Vec<u8> {
    let mut body = Vec::new();
    Writer::new(&mut body).dict(|dict| {
        dict.dict(b"files", |files| {
            for (info_hash, counts) in swarms {
                files.dict(&info_hash.0, |swarm| write_counts(counts, swarm));
            }
        });
    });
    body
}

/// The body of a refusal: why, and when to come back (BEP 31).
#[must_use]
pub fn write_failure(reason: &str, retry: Retry) -> Vec<u8> {
    let mut body = Vec::new();
    Writer::new(&mut body).dict(|dict| {
        dict.string(b"failure reason", reason);
        match retry {
            Retry::Unsaid => dict,
            Retry::After(time) => dict.integer(b"retry in", integer(time.as_secs().div_ceil(60))),
            Retry::Never => dict.string(b"retry in", "never"),
        };
    });
    body
}

fn write_counts(counts: &Counts, dict: &mut DictWriter<'_>) {
    let counts: [(&[u8], _); 4] = [
        (b"complete", counts.seeders),
        (b"downloaded", counts.completed),
        (b"downloaders", counts.downloaders),
        (b"incomplete", counts.leechers),
    ];
    for (key, count) in counts {
        if let Some(count) = count {
            dict.integer(key, count.into());
        }
    }
}

fn write_ip(key: &[u8], ip: IpAddr, dict: &mut DictWriter<'_>) {
    match ip {
        IpAddr::V4(ip) => dict.string(key, ip.octets()),
        IpAddr::V6(ip) => dict.string(key, ip.octets()),
    };
}

/// `peers` is there even if it is empty: some clients take no answer without it.
fn write_compact(peers: &[SocketAddr], dict: &mut DictWriter<'_>) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for peer in peers {
        compact::write(*peer, if peer.is_ipv4() { &mut v4 } else { &mut v6 });
    }
    dict.string(b"peers", v4);
    if !v6.is_empty() {
        dict.string(b"peers6", v6);
    }
}

fn write_listed(response: &AnnounceResponse, dict: &mut DictWriter<'_>) {
    let peers = response.peers.iter().map(|peer| (peer.ip().to_string(), peer.port()));
    dict.list(b"peers", |list| {
        for (host, port) in peers.chain(response.hosts.iter().cloned()) {
            list.dict(|peer| {
                peer.string(b"ip", host).integer(b"port", port.into());
            });
        }
    });
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
