//! What a node is told: defaults, below the configuration file, below `CONVOY_…` variables, below flags.
//!
//! The file is TOML; its keys are the long flags' names. [`Config`] is the one place that lists them.

use crate::{
    args::{Encryption, EncryptionLevel, NodeOptions, mse_config},
    failure::Failure,
    units::{ByteSize, Ratio, Span, bytes_from_hex},
    wish::{Priority, Selection},
};
use convoy_core::engine;
use etcetera::base_strategy::{BaseStrategy, Xdg};
use serde::{Deserialize, Serialize, Serializer};
use std::{
    fmt, fs, io,
    net::{Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

/// How long trackers have to hear that we leave: nobody waits longer than three seconds for the end.
const TELL_TRACKERS_WITHIN: Duration = Duration::from_secs(2);

/// Every setting, with its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Where downloads go.
    pub(crate) output: PathBuf,
    /// Where the data lie that are seeded or verified.
    pub(crate) data: PathBuf,
    /// Where resume files lie; `None` is `$XDG_STATE_HOME/convoy`.
    pub(crate) state: Option<PathBuf>,
    /// Where peers can reach us. A port that is taken is replaced by a free one.
    pub(crate) listen: SocketAddr,
    /// Peers to begin with.
    pub(crate) peer: Vec<PeerAddr>,
    /// Trackers besides those that the torrents name.
    pub(crate) tracker: Vec<String>,
    /// Through whom HTTP goes.
    pub(crate) proxy: Option<String>,
    /// Bytes a second from peers; 0 is no limit.
    pub(crate) download_limit: ByteSize,
    /// Bytes a second to peers; 0 is no limit.
    pub(crate) upload_limit: ByteSize,
    /// The most peers of one torrent.
    pub(crate) peer_limit: NonZeroU32,
    /// Which files to download, by their numbers; `None` is all.
    pub(crate) select: Option<Selection>,
    /// How urgently.
    pub(crate) priority: Priority,
    /// In their order, not the rarest pieces first.
    pub(crate) sequential: bool,
    /// Stop when the download is there instead of seeding on.
    pub(crate) exit_when_done: bool,
    /// Web servers that have the files, besides those that the torrents name.
    pub(crate) webseed: Vec<WebAddress>,
    /// Share until so much was sent for what was wanted.
    pub(crate) seed_ratio: Option<Ratio>,
    /// Share for so long.
    pub(crate) seed_time: Option<Span>,
    /// Makes a run repeatable; for tests.
    pub(crate) seed_bytes: Option<SeedBytes>,
    /// Whether streams are encrypted.
    pub(crate) encryption: Encryption,
    /// What encryption covers.
    pub(crate) encryption_level: EncryptionLevel,
    /// Take the room on disk at once.
    pub(crate) preallocate: bool,
    /// Without the DHT.
    pub(crate) no_dht: bool,
    /// Without peer exchange.
    pub(crate) no_pex: bool,
    /// Without uTP.
    pub(crate) no_utp: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            output: PathBuf::from("."),
            data: PathBuf::from("."),
            state: None,
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 6881)),
            peer: Vec::new(),
            tracker: Vec::new(),
            proxy: None,
            download_limit: ByteSize(0),
            upload_limit: ByteSize(0),
            peer_limit: const { NonZeroU32::new(100).unwrap() },
            select: None,
            priority: Priority::default(),
            sequential: false,
            exit_when_done: false,
            webseed: Vec::new(),
            seed_ratio: None,
            seed_time: None,
            seed_bytes: None,
            encryption: Encryption::default(),
            encryption_level: EncryptionLevel::default(),
            preallocate: false,
            no_dht: false,
            no_pex: false,
            no_utp: false,
        }
    }
}

impl Config {
    /// What holds for this run. `flags` are further flags of the verb, named as in this struct.
    ///
    /// # Errors
    /// The configuration file cannot be read, or a setting in it is unknown or wrong.
    pub(crate) fn load(options: &NodeOptions, flags: &impl Serialize) -> Result<Self, Failure> {
        let mut settings = match config_file(options)? {
            Some((file, text)) => parse_file(&file, &text)?,
            None => toml::Table::new(),
        };
        settings.extend(table(options)?);
        settings.extend(table(flags)?);
        Self::deserialize(settings).map_err(|error| Failure::usage(error.to_string()))
    }

    /// As a configuration file.
    pub(crate) fn to_toml(&self) -> Result<String, Failure> {
        toml::to_string(self).map_err(|error| Failure::new(format!("cannot print the settings: {error}")))
    }

    /// The folder of the resume files.
    pub(crate) fn state_folder(&self) -> Result<PathBuf, Failure> {
        match &self.state {
            Some(folder) => Ok(folder.clone()),
            None => Ok(xdg()?.state_dir().map(|folder| folder.join("convoy")).unwrap_or_default()),
        }
    }

    /// What the engine is told.
    pub(crate) fn engine(&self) -> engine::Config {
        let limit = |ByteSize(limit)| (limit > 0).then_some(limit);
        let mut config = engine::Config {
            listen: Some(self.listen),
            download_rate_bytes_per_s: limit(self.download_limit),
            upload_rate_bytes_per_s: limit(self.upload_limit),
            encryption: mse_config(self.encryption, self.encryption_level),
            ..engine::Config::default()
        };
        config.announce.stop_within = TELL_TRACKERS_WITHIN;
        config.swarm.pex = !self.no_pex;
        let peers = self.peer_limit.get() as usize;
        config.limits.connections_per_torrent = peers;
        config.limits.connections = config.limits.connections.max(peers);
        config
    }
}

/// The configuration file and its text: the one that was named, or the one at its usual place if it exists.
fn config_file(options: &NodeOptions) -> Result<Option<(PathBuf, String)>, Failure> {
    let (file, named) = match (&options.config, xdg()) {
        (Some(file), _) => (file.clone(), true),
        (None, Ok(xdg)) => (xdg.config_dir().join("convoy").join("config.toml"), false),
        (None, Err(_)) => return Ok(None),
    };
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Some((file, text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => Ok(None),
        Err(error) => Err(Failure::io("cannot read the configuration file", &file, &error)
            .advise("make it readable, or name another one with --config FILE")),
    }
}

/// The settings of a configuration file, each of them checked.
fn parse_file(file: &Path, text: &str) -> Result<toml::Table, Failure> {
    let wrong = |error: toml::de::Error| {
        Failure::usage(format!("{}: {}", file.display(), error.to_string().trim_end()))
            .at(file)
            .advise("`convoy download --print-config` shows every setting and its name")
    };
    toml::from_str::<Config>(text).map_err(wrong)?;
    toml::from_str(text).map_err(wrong)
}

/// What was said by flags and variables; what was not said is not in it.
fn table(flags: &impl Serialize) -> Result<toml::Table, Failure> {
    toml::Table::try_from(flags).map_err(|error| Failure::usage(error.to_string()))
}

fn xdg() -> Result<Xdg, Failure> {
    Xdg::new().map_err(|error| {
        Failure::new(format!("cannot find the home folder: {error}"))
            .advise("set HOME, or give `--state DIR` and `--config FILE`")
    })
}

/// A peer as people name it: host or address, and port. Resolved when it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct PeerAddr(String);

impl PeerAddr {
    /// The addresses behind the name.
    ///
    /// # Errors
    /// There are none.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        let found = tokio::net::lookup_host(&self.0).await;
        found.map(Iterator::collect).map_err(|error| {
            Failure::new(format!("cannot find the peer {}: {error}", self.0)).advise(
                "give its address as numbers, such as --peer 192.0.2.7:6881 or --peer [2001:db8::7]:6881",
            )
        })
    }
}

impl FromStr for PeerAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        let bare_v6 = host.contains(':') && !host.starts_with('[');
        if host.is_empty() || bare_v6 || !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(
                "a peer is HOST:PORT, such as 192.0.2.7:6881, [2001:db8::7]:6881 or host.example:6881".into(),
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for PeerAddr {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PeerAddr> for String {
    fn from(peer: PeerAddr) -> Self {
        peer.0
    }
}

/// Where a web server has files: HTTP, as nothing else is asked for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct WebAddress(pub(crate) String);

impl FromStr for WebAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_http = |scheme: &str| ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        match text.split_once("://") {
            Some((scheme, rest)) if is_http(scheme) && !rest.is_empty() => Ok(Self(text.to_owned())),
            _ => Err("web seeds speak HTTP: give an address such as https://host/path/".into()),
        }
    }
}

impl TryFrom<String> for WebAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<WebAddress> for String {
    fn from(address: WebAddress) -> Self {
        address.0
    }
}

/// 32 bytes as 64 hex digits: the seed of everything random in a run.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct SeedBytes(pub(crate) convoy_core::Seed);

impl FromStr for SeedBytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        bytes_from_hex(text).map(Self).ok_or_else(|| "a seed is 64 hex digits (32 bytes)".into())
    }
}

impl TryFrom<String> for SeedBytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for SeedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SeedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeedBytes({self})")
    }
}

impl Serialize for SeedBytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
