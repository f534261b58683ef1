//! The tokio driver: gives [`convoy_core::engine::Engine`] sockets, files, threads and a clock.
//!
//! A node is one thread with a current-thread runtime of its own, so that it can be used from any program,
//! async or not. On that thread live the engine, its outbox and the streams: no lock and no channel lies on
//! the way of a block. Files and hashes go to a small pool of threads, a batch at a time.
//!
//! ```text
//!  socket ─▶ stream task ─▶ engine ─▶ outbox ─▶ streams: one vectored write each
//!                             ▲          └────▶ pool: one batch of operations for each torrent
//!                             └──────────────── completions, all that came since the last time
//! ```
//!
//! It carries the engine's actions out and brings their outcomes back. It decides nothing.
//!
//! A [`tracker`] is something else: threads of its own that answer whoever asks.
//!
//! ```no_run
//! use convoy_core::{engine::Event, metainfo::Metainfo};
//! use convoy_tokio::{AddTorrent, NodeConfig, NodeEvent};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let metainfo = Metainfo::parse(std::fs::read("x.torrent")?.into())?;
//! let (node, mut events) = convoy_tokio::spawn(NodeConfig::default())?;
//! node.add(AddTorrent { peers: vec!["192.0.2.1:6881".parse()?], ..AddTorrent::new(metainfo.info, ".") });
//! while let Some(event) = events.recv().await {
//!     if matches!(event, NodeEvent::Engine(Event::Completed { .. })) {
//!         node.stop();
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod ask;
mod dial;
mod fetch;
mod files;
mod http;
mod mse_stream;
mod node;
mod outside;
mod pool;
mod resume;
mod stream;
pub mod tracker;

pub use ask::ask;
use convoy_core::{
    Seed,
    engine::{self, Command, Event, Plan},
    id::InfoHash,
    metainfo::Info,
    storage::StorageError,
    swarm::Memory,
};
pub use mse_stream::{Accepted, MseStream};
use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::SystemTime,
};
use tokio::sync::{mpsc, oneshot};

/// What a node is made of.
#[derive(Clone, Debug, Default)]
pub struct NodeConfig {
    /// What the engine does.
    pub engine: engine::Config,
    /// Where its randomness comes from; `None` asks the system. A given seed makes a run repeatable.
    pub seed: Option<Seed>,
    /// Whether files take their room on disk as soon as they are made. Otherwise they are sparse.
    pub preallocate: bool,
    /// Through whom all HTTP goes: the URL of a proxy. Peers and UDP trackers are reached without it.
    pub proxy: Option<String>,
    /// Threads for files and hashes; 0 takes as many as there are cores, 4 at the most.
    pub workers: usize,
}

/// A torrent to begin with.
#[derive(Clone, Debug)]
pub struct AddTorrent {
    /// What it is.
    pub info: Info,
    /// The folder that holds, or will hold, its file or folder.
    pub folder: PathBuf,
    /// The file that keeps what is known from one run to the next. One that cannot be read, or is of
    /// another torrent, is as good as none.
    pub resume: Option<PathBuf>,
    /// What is wanted of it.
    pub plan: Plan,
    /// Only check what is on disk.
    pub paused: bool,
    /// Peers known from the start.
    pub peers: Vec<SocketAddr>,
    /// Servers that have its files (BEP 19), such as the torrent's `url-list` names.
    pub web_seeds: Vec<String>,
    /// Trackers, in tiers (BEP 12), such as the torrent's `announce-list` names.
    pub trackers: Vec<Vec<String>>,
}

impl AddTorrent {
    /// A torrent in a folder, and nothing else.
    pub fn new(info: Info, folder: impl Into<PathBuf>) -> Self {
        Self {
            info,
            folder: folder.into(),
            resume: None,
            plan: Plan::default(),
            paused: false,
            peers: Vec::new(),
            web_seeds: Vec::new(),
            trackers: Vec::new(),
        }
    }
}

/// What a node tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// Something in the engine.
    Engine(Event),
    /// The system refused something of a torrent's files: its own words, and on which file.
    StorageFailed {
        /// Which torrent.
        info_hash: InfoHash,
        /// Which file.
        path: PathBuf,
        /// What the engine was told.
        kind: StorageError,
        /// The system's words.
        error: io::Error,
    },
    /// What is known of a torrent was written to its resume file.
    ResumeSaved {
        /// Which torrent.
        info_hash: InfoHash,
    },
}

/// A running node. Cheap to clone. When the last clone is dropped the node ends at once, as if it were
/// killed; [`stop`](Self::stop) is the way to end in order.
#[derive(Clone, Debug)]
pub struct Node {
    requests: mpsc::UnboundedSender<Request>,
}

/// What the handle asks of the node's thread.
#[derive(Debug)]
pub(crate) enum Request {
    Add(Box<AddTorrent>),
    Command(Command),
    Memory(oneshot::Sender<Memory>),
}

/// What a node tells, in order. Ends when the node has stopped.
pub type Events = mpsc::UnboundedReceiver<NodeEvent>;

/// Starts a node.
///
/// # Errors
/// If a thread or the runtime cannot be made, or the system gives no randomness.
pub fn spawn(mut config: NodeConfig) -> io::Result<(Node, Events)> {
    let (requests, inbox) = mpsc::unbounded_channel();
    let (events, outbox) = mpsc::unbounded_channel();
    let seed = match config.seed {
        Some(seed) => seed,
        None => {
            let mut seed = Seed::default();
            getrandom::fill(&mut seed).map_err(io::Error::other)?;
            seed
        }
    };
    let unix_time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    config.engine.swarm.unix_epoch_s = unix_time.map_or(0, |time| time.as_secs());
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let workers = if config.workers == 0 { cores.min(4) } else { config.workers };
    let pool = pool::Pool::new(workers)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("convoy-node".into()).spawn(move || {
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(
            &runtime,
            node::run(config.engine, seed, config.preallocate, config.proxy, pool, inbox, events),
        );
    })?;
    Ok((Node { requests }, outbox))
}

impl Node {
    /// Begins with a torrent. Answered by [`Event::Added`] or [`Event::Refused`].
    pub fn add(&self, add: AddTorrent) {
        self.ask(Request::Add(Box::new(add)));
    }

    /// Wants something of the engine. [`Command::Add`] belongs to [`add`](Self::add): the engine's own form
    /// says nothing of folders, and is ignored.
    pub fn command(&self, command: Command) {
        self.ask(Request::Command(command));
    }

    /// Closes all streams, makes everything durable and saves what is known; then the events end.
    pub fn stop(&self) {
        self.command(Command::Stop);
    }

    /// Bytes held by the engine. `None` if the node has stopped.
    pub async fn memory(&self) -> Option<Memory> {
        let (answer, memory) = oneshot::channel();
        self.ask(Request::Memory(answer));
        memory.await.ok()
    }

    fn ask(&self, request: Request) {
        // A node that has stopped needs nothing more.
        let _ = self.requests.send(request);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked left nothing half done: each change under a lock is one push, swap or insert.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
