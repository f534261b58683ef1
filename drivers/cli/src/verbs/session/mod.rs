//! What `download` and `seed` share: a node, its torrents, and what people are told of them.

mod torrent;

use crate::{
    config::{Config, PeerAddr},
    failure::Failure,
    output::{Event as Line, Hex, Reporter, encryption_name, printable},
    signals::Signals,
    source::{make_folder, read_torrent},
};
use convoy_core::{
    bitfield::Bitfield,
    engine::{Event, PeerEnd, Progress, Refusal},
    id::{FileIndex, InfoHash},
    metainfo::Info,
    storage::StorageError,
};
use convoy_tokio::{AddTorrent, Events, Node, NodeConfig, NodeEvent};
use sha1::{Digest, Sha1};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};
use torrent::Torrent;

/// How long a node may take to close its streams and save what it knows.
const STOP_WITHIN: Duration = Duration::from_millis(2500);

/// When a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// When all torrents are complete.
    Complete,
    /// When somebody stops it; what is missing is fetched.
    Fetch,
    /// When somebody stops it; everything has to be there already.
    Serve,
}

/// A node at work.
pub(super) struct Session<'a> {
    reporter: &'a Reporter,
    goal: Goal,
    torrents: BTreeMap<InfoHash, Torrent>,
    /// Peers that could not be reached and were told of.
    unreached: BTreeSet<SocketAddr>,
}

/// Reads the torrents that are named.
///
/// # Errors
/// One of them cannot be read, or there are two of the same.
pub(super) fn read(sources: &[String]) -> Result<Vec<Info>, Failure> {
    let mut torrents: Vec<Info> = Vec::new();
    for source in sources {
        let info = read_torrent(source)?.info;
        if torrents.iter().any(|other| other.info_hash == info.info_hash) {
            return Err(Failure::usage(format!("{source} is the same torrent as another one")));
        }
        torrents.push(info);
    }
    Ok(torrents)
}

/// Runs a node with `torrents`, whose data lie or will lie in `folder`.
///
/// # Errors
/// What failed, or that somebody stopped it.
pub(super) async fn run(
    goal: Goal,
    torrents: Vec<Info>,
    folder: &Path,
    config: &Config,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let peers = tokio::select! {
        peers = resolve(&config.peer) => peers?,
        () = signals.next() => return Err(Failure::interrupted()),
    };
    let state = config.state_folder()?;
    make_folder(&state)?;
    let seed = config.seed_bytes.map(|seed| seed.0);
    let (node, events) = convoy_tokio::spawn(NodeConfig {
        engine: config.engine(),
        seed,
        preallocate: config.preallocate,
        ..NodeConfig::default()
    })
    .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let mut session = Session::new(goal, reporter);
    for info in torrents {
        let resume = resume_file(&state, &info, folder);
        let add = AddTorrent::new(info.clone(), folder);
        node.add(AddTorrent { resume: Some(resume.clone()), peers: peers.clone(), ..add });
        session.follow(info, folder.to_owned(), resume);
    }
    session.run(node, events, &mut signals).await
}

async fn resolve(names: &[PeerAddr]) -> Result<Vec<SocketAddr>, Failure> {
    let mut peers = Vec::new();
    for name in names {
        peers.extend(name.resolve().await?);
    }
    Ok(peers)
}

/// Where what is known of a torrent in a folder is kept: the same torrent may lie in two.
fn resume_file(state: &Path, info: &Info, folder: &Path) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let folder = fs::canonicalize(&folder).unwrap_or(folder);
    let digest = Sha1::digest(folder.as_os_str().as_encoded_bytes());
    let (distinct, _) = digest.split_at(4);
    state.join(format!("{}-{}.resume", info.info_hash, Hex(distinct)))
}

/// Whether to go on.
type Next = ControlFlow<Result<(), Failure>>;

const GO_ON: Next = ControlFlow::Continue(());

fn fail(failure: Failure) -> Next {
    ControlFlow::Break(Err(failure))
}

fn ended_by_itself() -> Next {
    fail(
        Failure::new("the node ended by itself")
            .advise("please report this, with the output of a run with -vv"),
    )
}

impl<'a> Session<'a> {
    /// A session without torrents.
    fn new(goal: Goal, reporter: &'a Reporter) -> Self {
        Self { reporter, goal, torrents: BTreeMap::new(), unreached: BTreeSet::new() }
    }

    /// Tells people of a torrent from now on.
    fn follow(&mut self, info: Info, folder: PathBuf, resume: PathBuf) {
        self.torrents.insert(info.info_hash, Torrent::new(info, folder, resume));
    }

    /// Goes on until the goal is reached, something fails or somebody stops it.
    ///
    /// # Errors
    /// What failed, or that it was stopped.
    async fn run(mut self, node: Node, mut events: Events, signals: &mut Signals) -> Result<(), Failure> {
        let ended = loop {
            tokio::select! {
                event = events.recv() => match event.map_or_else(ended_by_itself, |event| self.hear(event)) {
                    ControlFlow::Continue(()) => {}
                    ControlFlow::Break(ended) => break ended,
                },
                () = signals.next() => break Err(Failure::interrupted()),
            }
        };
        node.stop();
        tokio::select! {
            () = self.see_out(&mut events) => {}
            () = tokio::time::sleep(STOP_WITHIN) => tracing::warn!("stopped without waiting any longer for peers and disks"),
            // Who asks twice does not want to wait.
            () = signals.next() => return Err(Failure::interrupted()),
        }
        self.sum_up();
        ended
    }

    /// Tells of what still happens while the node stops.
    async fn see_out(&mut self, events: &mut Events) {
        while let Some(event) = events.recv().await {
            // Nothing more can end what is ending.
            let _ = self.hear(event);
        }
    }

    fn hear(&mut self, event: NodeEvent) -> Next {
        match event {
            NodeEvent::Engine(event) => return self.handle(event),
            NodeEvent::StorageFailed { info_hash, path, error, .. } => {
                if let Some(torrent) = self.torrents.get_mut(&info_hash) {
                    torrent.refused = Some((path, error.to_string()));
                }
            }
            NodeEvent::ResumeSaved { info_hash } => {
                if let Some(Torrent { resume, .. }) = self.torrents.get(&info_hash) {
                    self.reporter.event(&Line::ResumeSaved { info_hash, file: resume });
                }
            }
            _ => {}
        }
        GO_ON
    }

    fn handle(&mut self, event: Event) -> Next {
        match event {
            Event::Listening { local } => {
                self.reporter.event(&Line::Listening { addr: local });
                self.reporter.note(format_args!("listening on {local}"));
                GO_ON
            }
            Event::NotListening { error } => {
                self.reporter.event(&Line::NotListening { why: error.to_string() });
                self.reporter.note(format_args!("warning: peers cannot reach this node: {error}"));
                GO_ON
            }
            Event::Added { info_hash } => self.added(info_hash),
            Event::Refused { info_hash, why } => self.refused(info_hash, why),
            Event::Checked { info_hash, have } => self.checked(info_hash, &have),
            Event::Progress(progress) => self.progress(*progress),
            Event::Completed { info_hash } => self.completed(info_hash),
            Event::Failed { info_hash, file, error } => self.failed(info_hash, file, error),
            Event::DialFailed { info_hash, remote, why } => self.dial_failed(info_hash, remote, &why),
            other => {
                self.tell(&other);
                GO_ON
            }
        }
    }

    /// Events that change nothing here.
    fn tell(&mut self, event: &Event) {
        match event {
            Event::Statistics(statistics) => {
                self.reporter.event(&Line::EncryptionSummary((&**statistics).into()));
            }
            Event::PieceVerified { info_hash, piece, from } => {
                if let Some(torrent) = self.torrents.get_mut(info_hash) {
                    torrent.count_piece(*piece);
                }
                self.reporter.event(&Line::Piece { info_hash: *info_hash, index: piece.0, from: *from });
            }
            Event::PieceFailed { info_hash, piece } => {
                tracing::warn!(piece = piece.0, "a piece did not match its hash");
                self.reporter.event(&Line::PieceFailed { info_hash: *info_hash, index: piece.0 });
            }
            Event::PeerBanned { info_hash, remote } => {
                tracing::warn!(peer = %remote, "sent a corrupt block, and is banned");
                self.reporter.event(&Line::PeerBanned { info_hash: *info_hash, addr: *remote });
            }
            Event::PeerConnected { info_hash, peer } => {
                let encryption = encryption_name(peer.encryption);
                tracing::info!(peer = %peer.remote, outgoing = peer.outgoing, encryption, "connected");
                if let Some(torrent) = self.torrents.get_mut(info_hash) {
                    torrent.count_peer(peer);
                }
                self.reporter.event(&Line::peer(*info_hash, peer));
            }
            Event::PeerGone { info_hash, peer, why } => {
                tracing::info!(peer = %peer.remote, %why, "gone");
                if let Some(torrent) = self.torrents.get_mut(info_hash) {
                    torrent.count_exchange(peer.downloaded_bytes, peer.uploaded_bytes);
                }
                self.reporter.event(&Line::peer_gone(*info_hash, peer, why.to_string()));
            }
            Event::FellBack { info_hash, remote, why } => {
                tracing::info!(peer = %remote, %why, "dialled again the other way");
                if let Some(torrent) = self.torrents.get_mut(info_hash) {
                    torrent.fallbacks += 1;
                }
                let (addr, why) = (*remote, why.to_string());
                self.reporter.event(&Line::FellBack { info_hash: *info_hash, addr, why });
            }
            _ => {}
        }
    }

    fn added(&self, info_hash: InfoHash) -> Next {
        if let Some(Torrent { info, .. }) = self.torrents.get(&info_hash) {
            let (total, pieces) = (info.geometry.total_length(), info.geometry.pieces());
            self.reporter.event(&Line::Added { info_hash, name: &info.name, total, pieces });
        }
        GO_ON
    }

    fn refused(&self, info_hash: InfoHash, why: Refusal) -> Next {
        let name = self.torrents.get(&info_hash).map_or("", |torrent| &torrent.info.name);
        fail(Failure::new(format!("{}: {why}", printable(name))))
    }

    fn checked(&mut self, info_hash: InfoHash, have: &Bitfield) -> Next {
        let Some(torrent) = self.torrents.get_mut(&info_hash) else { return GO_ON };
        let (count, pieces) = (have.count(), have.len());
        self.reporter.event(&Line::Checked { info_hash, have: count, pieces });
        torrent.begin(have);
        let name = printable(&torrent.info.name);
        if self.goal == Goal::Serve {
            if !have.is_full() {
                return fail(torrent.not_all_there(have, self.reporter));
            }
            self.reporter.note(format_args!("[{name}] complete; serving it until Ctrl-C"));
        } else if count > 0 {
            self.reporter.note(format_args!("[{name}] {count} of {pieces} pieces are there already"));
        }
        if have.is_full() { self.completed(info_hash) } else { GO_ON }
    }

    fn progress(&mut self, progress: Progress) -> Next {
        if let Some(torrent) = self.torrents.get_mut(&progress.info_hash) {
            self.reporter.progress(&torrent.info.name, &progress);
            torrent.progress = Some(progress);
        }
        GO_ON
    }

    fn completed(&mut self, info_hash: InfoHash) -> Next {
        let Some(torrent) = self.torrents.get_mut(&info_hash) else { return GO_ON };
        if !torrent.complete && self.goal != Goal::Serve {
            torrent.tell_completion(self.reporter);
        }
        torrent.complete = true;
        if self.goal == Goal::Complete && self.torrents.values().all(|torrent| torrent.complete) {
            return ControlFlow::Break(Ok(()));
        }
        GO_ON
    }

    fn failed(&self, info_hash: InfoHash, file: Option<FileIndex>, error: StorageError) -> Next {
        self.torrents.get(&info_hash).map_or(GO_ON, |torrent| fail(torrent.failed(file, error)))
    }

    fn dial_failed(&mut self, info_hash: InfoHash, addr: SocketAddr, why: &PeerEnd) -> Next {
        self.reporter.event(&Line::DialFailed { info_hash, addr, why: why.to_string() });
        if self.unreached.insert(addr) {
            self.reporter.note(format_args!("cannot reach the peer {addr}: {why}; will try again"));
        }
        GO_ON
    }

    /// Tells how everything stood at the end.
    fn sum_up(&self) {
        for torrent in self.torrents.values() {
            torrent.sum_up(self.reporter);
        }
    }
}
