//! A tracker as people run it: [`convoy_core::tracker`] with sockets, threads, a clock and a file.
//!
//! ```text
//!   UDP    worker 0 ─ udp::Server ─┐                       ┌─ store, locked
//!          worker 1 ─ udp::Server ─┼─▶ access, partitions ─┼─ store, locked
//!   HTTP   worker 0 ─ http::Server ┘                       └─ …
//!   keeper ── expiry, and the state from time to time ──────▶ file
//! ```
//!
//! Each worker is a thread with a socket of its own; the system spreads clients over those of one address.
//! What workers share is who is in which swarm, a store at a time, and who may know of it.
//!
//! ```no_run
//! use convoy_core::tracker::access::Access;
//! use convoy_tokio::tracker::{Config, Tracker};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config { udp: Some("[::]:6969".parse()?), ..Config::default() };
//! let tracker = Tracker::start(&config, Access::open())?;
//! println!("udp://{}/announce", tracker.udp().ok_or("no UDP")?);
//! tracker.stop()?;
//! # Ok(())
//! # }
//! ```

mod clock;
mod http;
mod keeper;
mod metrics;
mod socket;
mod state;
mod swarms;
mod udp;
mod web;

use crate::lock;
use clock::Clock;
use convoy_core::{
    Random, Seed,
    tracker::{access::Access, http as http_machine, store, udp as udp_machine},
};
use metrics::Counted;
pub use state::Found;
use std::{
    fmt, io,
    net::{SocketAddr, TcpListener, UdpSocket},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread::{self, JoinHandle},
    time::Duration,
};
use swarms::Partitions;
use thiserror::Error;
use tokio::sync::watch;

/// What a tracker is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it answers BEP 15. The unspecified IPv6 address takes IPv4 too.
    pub udp: Option<SocketAddr>,
    /// Where it answers HTTP.
    pub http: Option<SocketAddr>,
    /// Where Prometheus may read what it counts, at `/metrics`.
    pub metrics: Option<SocketAddr>,
    /// Threads for each of UDP and HTTP; 0 takes as many as there are cores.
    pub workers: usize,
    /// When peers are told to announce again.
    pub interval: Duration,
    /// Whether sources may cost as much as they like: for load tests.
    pub unlimited: bool,
    /// The file that keeps who is in which swarm from one run to the next.
    pub state: Option<PathBuf>,
    /// Where its randomness comes from; `None` asks the system.
    pub seed: Option<Seed>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            udp: None,
            http: None,
            metrics: None,
            workers: 0,
            interval: Duration::from_secs(30 * 60),
            unlimited: false,
            state: None,
            seed: None,
        }
    }
}

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// BEP 15.
    Udp,
    /// Announces and scrapes over HTTP.
    Http,
    /// What Prometheus reads, over HTTP.
    Metrics,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Http => "HTTP",
            Self::Metrics => "metrics",
        })
    }
}

/// Why a tracker does not begin.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address is taken, or not ours.
    #[error("cannot listen at {addr} for {service}: {error}")]
    Listen {
        /// What it was for.
        service: Service,
        /// Which address.
        addr: SocketAddr,
        /// The system's words.
        error: io::Error,
    },
    /// The file of an earlier run's state cannot be read, or none can be written.
    #[error("cannot keep state in {}: {error}", file.display())]
    State {
        /// Which file.
        file: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// A thread cannot be made, or the system gives no randomness.
    #[error("cannot begin: {0}")]
    System(#[from] io::Error),
}

/// A running tracker. It stops when this is dropped, as if it were killed; [`stop`](Self::stop) is the way to end
/// in order.
pub struct Tracker {
    shared: Arc<Shared>,
    udp: Option<SocketAddr>,
    http: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    found: Found,
    threads: Vec<JoinHandle<()>>,
}

/// What a tracker's threads share.
struct Shared {
    clock: Clock,
    swarms: Partitions,
    access: RwLock<Arc<Access>>,
    /// One for each worker of UDP, so that they do not wait for each other.
    datagrams: Box<[Mutex<metrics::Datagrams>]>,
    requests: Mutex<metrics::Requests>,
    state: Option<PathBuf>,
    stop: watch::Sender<bool>,
}

impl Tracker {
    /// Starts a tracker.
    ///
    /// # Errors
    /// See [`StartError`]; nothing runs then.
    pub fn start(config: &Config, access: Access) -> Result<Self, StartError> {
        let workers = match config.workers {
            0 => thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let udp = open(Service::Udp, config.udp, workers, socket::datagrams)?;
        let http = open(Service::Http, config.http, workers, socket::listeners)?;
        let metrics = open(Service::Metrics, config.metrics, 1, socket::listeners)?;

        let mut random = Random::new(config.seed.map_or_else(entropy, Ok)?);
        let shared = Arc::new(Shared {
            clock: Clock::new(),
            swarms: Partitions::new(store::Config::for_interval(config.interval), random.child_seed()),
            access: RwLock::new(Arc::new(access)),
            datagrams: udp.iter().map(|_| Mutex::default()).collect(),
            requests: Mutex::default(),
            state: config.state.clone(),
            stop: watch::Sender::new(false),
        });
        let found = shared.load()?;
        let mut tracker = Self {
            udp: udp.first().map(UdpSocket::local_addr).transpose()?,
            http: http.first().map(TcpListener::local_addr).transpose()?,
            metrics: metrics.first().map(TcpListener::local_addr).transpose()?,
            found,
            shared,
            threads: Vec::new(),
        };
        let seed = random.child_seed();
        for (worker, socket) in udp.into_iter().enumerate() {
            // The same secrets for all: a client's packets may come to any of them.
            let server = udp_machine::Server::new(config.udp_machine(), seed);
            tracker.thread("tracker-udp", move |shared| udp::run(socket, server, shared, worker))?;
        }
        for listener in http {
            let server = http_machine::Server::new(config.http_machine(), random.child_seed());
            tracker.thread("tracker-http", move |shared| http::run(listener, server, shared))?;
        }
        for listener in metrics {
            tracker.thread("tracker-metrics", move |shared| metrics::run(listener, shared))?;
        }
        tracker.thread("tracker-keeper", keeper::run)?;
        Ok(tracker)
    }

    /// Where it answers over UDP.
    #[must_use]
    pub const fn udp(&self) -> Option<SocketAddr> {
        self.udp
    }

    /// Where it answers over HTTP.
    #[must_use]
    pub const fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where it tells what it counts.
    #[must_use]
    pub const fn metrics(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// What it found of an earlier run.
    #[must_use]
    pub const fn found(&self) -> &Found {
        &self.found
    }

    /// From the next packet on, `access` says who may know of what.
    pub fn replace_access(&self, access: Access) {
        *self.shared.access.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
    }

    /// Stops, and saves the state.
    ///
    /// # Errors
    /// It cannot be saved.
    pub fn stop(mut self) -> io::Result<()> {
        self.shared.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
        self.shared.save()
    }

    fn thread(&mut self, name: &str, work: impl FnOnce(&Arc<Shared>) + Send + 'static) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || work(&shared))?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.shared.stop.send_replace(true);
    }
}

impl Config {
    fn udp_machine(&self) -> udp_machine::ServerConfig {
        let config = udp_machine::ServerConfig { interval: self.interval, ..Default::default() };
        udp_machine::ServerConfig { budget: config.budget.filter(|_| !self.unlimited), ..config }
    }

    fn http_machine(&self) -> http_machine::ServerConfig {
        let config = http_machine::ServerConfig { interval: self.interval, ..Default::default() };
        http_machine::ServerConfig { budget: config.budget.filter(|_| !self.unlimited), ..config }
    }
}

impl Shared {
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Who may know of what, as it is now.
    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn counted(&self) -> Counted {
        let (swarms, peers) = self.swarms.count();
        let mut counted =
            Counted { datagrams: Default::default(), requests: *lock(&self.requests), swarms, peers };
        self.datagrams.iter().for_each(|datagrams| counted.datagrams += *lock(datagrams));
        counted
    }

    /// Takes in the state of an earlier run, and writes it again: so it is known now whether that can be done.
    fn load(&self) -> Result<Found, StartError> {
        let Some(file) = &self.state else { return Ok(Found::Nothing) };
        let found = state::load(file, &self.swarms, &self.clock);
        let found = found.and_then(|found| self.save().map(|()| found));
        found.map_err(|error| StartError::State { file: file.clone(), error })
    }

    fn save(&self) -> io::Result<()> {
        self.state.as_ref().map_or(Ok(()), |file| state::save(file, &self.swarms, &self.clock))
    }
}

/// `count` sockets at an address, if there is one.
fn open<S>(
    service: Service,
    addr: Option<SocketAddr>,
    count: usize,
    bind: fn(SocketAddr, usize) -> io::Result<Vec<S>>,
) -> Result<Vec<S>, StartError> {
    let Some(addr) = addr else { return Ok(Vec::new()) };
    bind(addr, count).map_err(|error| StartError::Listen { service, addr, error })
}

fn entropy() -> io::Result<Seed> {
    let mut seed = Seed::default();
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}
