//! The server's side: a path with its query in, a reply out.

use super::{
    query::{MAX_QUERY_BYTES, Query},
    reply::{PeerForm, write_announce, write_failure, write_scrape},
};
use crate::{
    compact,
    id::InfoHash,
    random::{Random, Seed},
    time::{Clock, Instant},
    tracker::{
        AnnounceRequest, AnnounceResponse, Counts, Event, Retry,
        access::{Access, Admission},
        budgets::{Budget, Budgets, SWARMS_PER_UNIT},
        store::{Swarms, Visit},
    },
};
use alloc::vec::Vec;
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use siphasher::sip::SipHasher13;

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServerConfig {
    /// When peers are told to announce again. 30 minutes.
    pub interval: Duration,
    /// How soon they may. One minute.
    pub min_interval: Duration,
    /// How many peers those are told of who do not say how many they want. 50.
    pub default_want: u32,
    /// The most that anybody is told of. 200.
    pub max_want: u32,
    /// What one source may cost; `None` for no bound, to measure.
    pub budget: Option<Budget>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30 * 60),
            min_interval: Duration::from_secs(60),
            default_want: 50,
            max_want: 200,
            budget: Some(Budget::default()),
        }
    }
}

/// What is sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Reply {
    /// The status: 200 for refusals too, as all trackers have it; 404 where there is no tracker.
    pub status: u16,
    /// The value of the `Content-Type` field.
    pub content_type: &'static str,
    /// The body. Never longer than 16 KiB with the default configuration.
    pub body: Vec<u8>,
}

/// When who has spent its budget may come back: BEP 31 knows no less than a minute.
const RETRY: Retry = Retry::After(Duration::from_secs(60));

/// How many are in a swarm that is not there.
const NOBODY: Counts =
    Counts { seeders: Some(0), leechers: Some(0), downloaders: Some(0), completed: Some(0) };

/// An HTTP tracker's protocol, without HTTP and without the swarms.
///
/// Nobody can show a token here. So everybody is a stranger, and of a swarm that strangers may not know of is
/// told what is told of one that does not exist.
///
/// ```
/// use convoy_core::{Instant, tracker::{access::Access, http::{Server, ServerConfig}, store::{Config, Store}}};
///
/// let (mut server, mut store) = (Server::new(ServerConfig::default(), [1; 32]), Store::new(Config::default(), [2; 32]));
/// let source = "192.0.2.1".parse()?;
/// let reply = server.answer(Instant::ZERO, source, "/announce", &mut store, &Access::open());
/// assert_eq!(reply.body, b"d14:failure reason20:info_hash is missinge");
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    clock: Clock,
    budgets: Option<Budgets>,
}

/// Why a question gets no answer.
struct Refusal {
    reason: &'static str,
    retry: Retry,
}

impl From<&'static str> for Refusal {
    fn from(reason: &'static str) -> Self {
        Self { reason, retry: Retry::Unsaid }
    }
}

impl Server {
    /// A server whose secrets come from `seed`.
    #[must_use]
    pub fn new(config: ServerConfig, seed: Seed) -> Self {
        let mut key = [0; 16];
        Random::new(seed).fill_secret(&mut key);
        let hasher = SipHasher13::new_with_key(&key);
        Self {
            config,
            clock: Clock::default(),
            budgets: config.budget.map(|budget| Budgets::new(budget, hasher)),
        }
    }

    /// Answers a GET. Of the path only the last element counts: what private trackers put in front of it is not
    /// looked at.
    pub fn answer<S: Swarms>(
        &mut self,
        now: Instant,
        source: IpAddr,
        path_and_query: &str,
        swarms: &mut S,
        access: &Access,
    ) -> Reply {
        let (now, source) = (self.clock.advance(now), source.to_canonical());
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let answer = match path.rsplit('/').next() {
            _ if path_and_query.len() > MAX_QUERY_BYTES => Err("the query is too long".into()),
            Some("announce") => self.announce(now, source, query, swarms, access),
            Some("scrape") => self.scrape(now, source, query, swarms, access),
            _ => return Reply { status: 404, content_type: "text/plain", body: b"no tracker here\n".into() },
        };
        let body = answer.unwrap_or_else(|refusal| write_failure(refusal.reason, refusal.retry));
        Reply { status: 200, content_type: "text/plain", body }
    }

    fn announce<S: Swarms>(
        &mut self,
        now: Instant,
        source: IpAddr,
        query: &str,
        swarms: &mut S,
        access: &Access,
    ) -> Result<Vec<u8>, Refusal> {
        self.spend(now, source, 1)?;
        let query = Query::read(query)?;
        let visit = self.visit(source, &query.announce()?);
        let mut peers = Vec::new();
        let counts = match access.admit(&visit.info_hash, None) {
            Admission::Welcome { .. } => swarms.announce(now, &visit, &mut peers),
            Admission::Unknown => NOBODY,
        };
        let stride = if source.is_ipv4() { compact::V4 } else { compact::V6 };
        let response = AnnounceResponse {
            interval: Some(self.config.interval),
            min_interval: Some(self.config.min_interval),
            counts,
            peers: compact::read_all(&peers, stride).collect(),
            external_ip: Some(source),
            ..AnnounceResponse::default()
        };
        let form = if query.is_compact() { PeerForm::Compact } else { PeerForm::Listed };
        Ok(write_announce(&response, form))
    }

    fn visit(&self, source: IpAddr, announce: &AnnounceRequest) -> Visit {
        let want = match announce.event {
            Event::Stopped => 0,
            Event::None | Event::Completed | Event::Started | Event::Paused => {
                announce.num_want.unwrap_or(self.config.default_want).min(self.config.max_want)
            }
        };
        Visit {
            info_hash: announce.info_hash,
            peer: SocketAddr::new(source, announce.port),
            seeder: announce.left == 0,
            event: announce.event,
            want: want as usize,
        }
    }

    fn scrape<S: Swarms>(
        &mut self,
        now: Instant,
        source: IpAddr,
        query: &str,
        swarms: &mut S,
        access: &Access,
    ) -> Result<Vec<u8>, Refusal> {
        self.spend(now, source, 1)?;
        let info_hashes = Query::read(query)?.info_hashes()?;
        self.spend(now, source, info_hashes.len() as u32 / SWARMS_PER_UNIT)?;
        let mut counts = |info_hash: &InfoHash| match access.admit(info_hash, None) {
            Admission::Welcome { .. } => swarms.scrape(now, info_hash),
            Admission::Unknown => NOBODY,
        };
        Ok(write_scrape(&info_hashes.iter().map(|info_hash| (*info_hash, counts(info_hash))).collect()))
    }

    fn spend(&mut self, now: Instant, source: IpAddr, units: u32) -> Result<(), Refusal> {
        let affordable = self.budgets.as_mut().is_none_or(|budgets| budgets.spend(now, source, units));
        affordable.then_some(()).ok_or(Refusal { reason: "too many requests", retry: RETRY })
    }
}
