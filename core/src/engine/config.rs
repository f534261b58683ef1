//! What an engine may do and hold.

use crate::{mse, swarm, tracker::announcer};
use alloc::string::String;
use core::{net::SocketAddr, time::Duration};

/// The shortest pause between dials of one peer, and between reports: less would be a busy loop.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// How an engine behaves.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Where to accept peers; a port that is taken is replaced by any free one. `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// The program's name and version, for peers (`v` of BEP 10).
    pub client: String,
    /// The first eight bytes of our peer ids (BEP 20).
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    pub peer_id_prefix: [u8; 8],
    /// The limit on bytes of block data a second that we ask for, over all torrents. See
    /// [`Command::Limit`](super::Command::Limit).
    pub download_rate_bytes_per_s: Option<u64>,
    /// The same for what we send.
    pub upload_rate_bytes_per_s: Option<u64>,
    /// From the start of a stream to the end of its handshake, however many bytes trickle in.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub handshake_timeout: Duration,
    /// How long a dial may take before its handshake begins.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub connect_timeout: Duration,
    /// How long after a first failure a peer is dialled again; doubles with each further one. At least 0.1 s,
    /// whatever is set here.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub redial_after: Duration,
    /// The longest pause between dials of one peer.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub redial_at_most: Duration,
    /// How often [`Event::Progress`](super::Event::Progress) comes, every 0.1 s at most; `None`: never.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::optional_micros"))]
    pub progress_interval: Option<Duration>,
    /// How much there may be of everything.
    pub limits: Limits,
    /// Whether streams are encrypted, and how. Its time limit is [`handshake_timeout`](Self::handshake_timeout).
    pub encryption: mse::Config,
    /// How trackers are asked; whether a torrent is private it says itself.
    pub announce: announcer::Config,
    /// What holds for each torrent.
    pub swarm: swarm::Config,
}

/// How much an engine may hold at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Limits {
    /// Torrents.
    pub torrents: usize,
    /// Streams, dialled and accepted, of all torrents.
    pub connections: usize,
    /// Peers of one torrent. With so many, none is dialled, and who dials us takes the place of an idle one
    /// of lower priority (BEP 40) or is refused.
    pub connections_per_torrent: usize,
    /// Peers of one torrent that dialled us from one address (of IPv6: from one /64). Households share one, and
    /// so do customers of some providers. Loopback is without limit.
    pub connections_per_address: usize,
    /// Dials under way.
    pub dials: usize,
    /// Accepted streams whose handshake is not done.
    pub inbound_handshakes: usize,
    /// The same from one address.
    pub inbound_handshakes_per_address: usize,
    /// Known addresses of one torrent.
    pub candidates: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            torrents: 10_000,
            connections: 500,
            connections_per_torrent: 100,
            connections_per_address: 8,
            dials: 50,
            inbound_handshakes: 50,
            inbound_handshakes_per_address: 10,
            candidates: 1000,
        }
    }
}

impl Config {
    /// With pauses that are long enough.
    pub(super) fn unhurried(self) -> Self {
        let redial_after = self.redial_after.max(MIN_PAUSE);
        Self {
            redial_after,
            redial_at_most: self.redial_at_most.max(redial_after),
            progress_interval: self.progress_interval.map(|interval| interval.max(MIN_PAUSE)),
            ..self
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            client: String::from("Convoy 0.1.0"),
            peer_id_prefix: *b"-IC0100-",
            download_rate_bytes_per_s: None,
            upload_rate_bytes_per_s: None,
            handshake_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            redial_after: Duration::from_secs(1),
            redial_at_most: Duration::from_secs(600),
            progress_interval: Some(Duration::from_secs(1)),
            limits: Limits::default(),
            encryption: mse::Config::default(),
            announce: announcer::Config::default(),
            swarm: swarm::Config::default(),
        }
    }
}
