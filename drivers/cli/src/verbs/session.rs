//! What `download` and `seed` share: a node, its torrents, and what people are told of them.

use crate::{
    config::Config,
    failure::Failure,
    inspect::{inspect, place},
    output::{Event as Line, FileStatus, Hex, Reporter, printable},
    signals::Signals,
    source::{make_folder, read_torrent},
    units::{ByteSize, Rate},
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
    time::{Duration, Instant},
};

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

/// A torrent, as far as people are told of it.
struct Torrent {
    info: Info,
    /// The folder that holds its file or folder.
    folder: PathBuf,
    /// Keeps what is known of it.
    resume: PathBuf,
    began: Instant,
    /// Bytes that were there at the beginning.
    found: u64,
    /// Bytes verified; at the end more than the last progress says.
    verified: u64,
    /// Bytes exchanged with peers that are gone; at the end more than the last progress says.
    gone: Exchanged,
    progress: Option<Progress>,
    complete: bool,
    /// What the system said when it refused something of the files.
    refused: Option<(PathBuf, String)>,
}

/// Bytes of blocks.
#[derive(Clone, Copy, Default)]
struct Exchanged {
    downloaded: u64,
    uploaded: u64,
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
    let mut peers = Vec::new();
    for peer in &config.peer {
        peers.extend(peer.resolve().await?);
    }
    let state = config.state_folder()?;
    make_folder(&state)?;
    let seed = config.seed_bytes.map(|seed| seed.0);
    let (node, events) =
        convoy_tokio::spawn(NodeConfig { engine: config.engine(), seed, ..NodeConfig::default() })
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
        let torrent = Torrent {
            folder,
            resume,
            began: Instant::now(),
            found: 0,
            verified: 0,
            gone: Exchanged::default(),
            progress: None,
            complete: false,
            refused: None,
            info,
        };
        self.torrents.insert(torrent.info.info_hash, torrent);
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
            Event::PieceVerified { info_hash, piece, from } => {
                if let Some(torrent) = self.torrents.get_mut(info_hash) {
                    torrent.verified += u64::from(torrent.info.geometry.piece_size(*piece));
                }
                self.reporter.event(&Line::Piece { info_hash: *info_hash, index: piece.0, from: *from });
            }
            Event::PieceFailed { info_hash, piece } => {
                tracing::warn!(piece = piece.0, "a piece did not match its hash");
                self.reporter.event(&Line::PieceFailed { info_hash: *info_hash, index: piece.0 });
            }
            Event::PeerConnected { info_hash, peer } => {
                tracing::info!(peer = %peer.remote, outgoing = peer.outgoing, "connected");
                self.reporter.event(&Line::peer(*info_hash, peer));
            }
            Event::PeerGone { info_hash, peer, why } => {
                tracing::info!(peer = %peer.remote, %why, "gone");
                if let Some(torrent) = self.torrents.get_mut(info_hash) {
                    torrent.gone.downloaded += peer.downloaded_bytes;
                    torrent.gone.uploaded += peer.uploaded_bytes;
                }
                self.reporter.event(&Line::peer_gone(*info_hash, peer, why.to_string()));
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
        torrent.found = have.iter().map(|piece| u64::from(torrent.info.geometry.piece_size(piece))).sum();
        torrent.verified = torrent.found;
        torrent.began = Instant::now();
        let name = printable(&torrent.info.name);
        if self.goal == Goal::Serve {
            if !have.is_full() {
                return fail(self.not_all_there(info_hash, have));
            }
            self.reporter.note(format_args!("[{name}] complete; serving it until Ctrl-C"));
        } else if count > 0 {
            self.reporter.note(format_args!("[{name}] {count} of {pieces} pieces are there already"));
        }
        if have.is_full() { self.completed(info_hash) } else { GO_ON }
    }

    /// Names the files that keep a seed from serving.
    fn not_all_there(&self, info_hash: InfoHash, have: &Bitfield) -> Failure {
        let Some(Torrent { info, folder, .. }) = self.torrents.get(&info_hash) else {
            return Failure::new("data are missing");
        };
        let reports = inspect(info, folder, have);
        let bad: Vec<_> = reports.iter().filter(|report| report.status != FileStatus::Ok).collect();
        for report in &bad {
            super::verify::print(report, self.reporter);
        }
        let (missing, pieces) = (have.len() - have.count(), have.len());
        let (name, files) = (printable(&info.name), reports.len());
        Failure::new(format!(
            "{name}: {missing} of {pieces} pieces are missing or damaged, in {} of {files} files under {}",
            bad.len(),
            folder.display()
        ))
        .at(&bad.first().map_or(folder.clone(), |report| folder.join(&report.path)))
        .advise("name the folder that holds the data with --data, or fetch what is missing with `convoy download`")
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
        let Some(torrent) = self.torrents.get(&info_hash) else { return GO_ON };
        let (at, said) = torrent.refused.clone().unwrap_or_else(|| (torrent.place(file), error.to_string()));
        let advice = match error {
            StorageError::Full => "make room, and run it again: what is verified is kept",
            StorageError::PermissionDenied => "make it writable, or choose another folder, and run it again",
            StorageError::NotFound | StorageError::TooShort => "put it back, or download it again",
            _ => "look for a fault of the disk, and run it again: what is verified is kept",
        };
        fail(Failure::new(format!("{}: {said}", at.display())).at(&at).advise(advice))
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

impl Torrent {
    fn tell_completion(&self, reporter: &Reporter) {
        let Self { info, folder, began, found, .. } = self;
        let (time, total) = (began.elapsed(), info.geometry.total_length());
        let (fetched, path) = (total - found, folder.join(&info.name));
        let rate = Rate::mean(fetched, time);
        reporter.event(&Line::Completed {
            info_hash: info.info_hash,
            name: &info.name,
            path: &path,
            total,
            seconds: time.as_secs_f64(),
            rate: rate.0,
        });
        let (shown, fetched, seconds) = (path.display().to_string(), ByteSize(fetched), time.as_secs_f64());
        let size = ByteSize(total);
        reporter.result(format_args!(
            "{}: complete, {size}, {fetched} fetched in {seconds:.1} s ({rate})",
            printable(&shown)
        ));
    }

    /// Where a file lies, or all of them.
    fn place(&self, file: Option<FileIndex>) -> PathBuf {
        let file = file.and_then(|file| self.info.files.get(file.0 as usize));
        file.map_or_else(|| self.folder.join(&self.info.name), |file| place(&self.folder, &file.path))
    }

    fn sum_up(&self, reporter: &Reporter) {
        let Self { info, progress, complete, began, verified, gone, .. } = self;
        let of = |field: fn(&Progress) -> u64| progress.as_ref().map_or(0, field);
        reporter.event(&Line::Summary {
            info_hash: info.info_hash,
            name: &info.name,
            complete: *complete,
            total: info.geometry.total_length(),
            verified: *verified,
            downloaded: gone.downloaded.max(of(|progress| progress.downloaded_bytes)),
            uploaded: gone.uploaded.max(of(|progress| progress.uploaded_bytes)),
            wasted: of(|progress| progress.wasted_bytes),
            seconds: began.elapsed().as_secs_f64(),
        });
    }
}
