//! What `download` and `seed` share: a node, its torrents, and what people are told of them.

mod begin;
mod fetching;
mod look;
mod stream;
mod torrent;

use crate::{
    config::Config,
    failure::Failure,
    output::{Event as Line, Reporter, encryption_name, printable},
    signals::Signals,
    source::{self, Link, Source, make_folder},
    units::ByteSize,
    wish::{Selection, Wish},
};
use convoy_core::{
    bitfield::Bitfield,
    engine::{Command, Event, FetchTorrent, PeerEnd, Progress, Refusal, WebSeedEnd},
    id::{FileIndex, InfoHash},
    metainfo::Info,
    storage::StorageError,
};
use convoy_tokio::{AddTorrent, Events, Node, NodeEvent};
use fetching::Fetching;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};
use stream::{Streaming, Written};
use tokio::sync::mpsc;
use torrent::Torrent;

pub(super) use look::look;

/// How long a node may take to close its streams and save what it knows.
const STOP_WITHIN: Duration = Duration::from_millis(2500);

/// When a session is over. Where sharing has a goal, also when all torrents have reached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// When everything that is wanted is there.
    Finish,
    /// When somebody stops it; what is missing is fetched.
    Fetch,
    /// When somebody stops it; everything has to be there already.
    Serve,
}

/// What a session is for.
pub(super) struct Order<'a> {
    pub(super) goal: Goal,
    /// Where the data lie, or will lie.
    pub(super) folder: &'a Path,
    /// What is wanted of the torrents.
    pub(super) wish: Wish,
}

/// A node at work.
pub(super) struct Session<'a> {
    reporter: &'a Reporter,
    order: Order<'a>,
    node: Node,
    /// The folder of the resume files.
    state: PathBuf,
    /// Peers that may have any of the torrents.
    peers: Vec<SocketAddr>,
    /// Torrents of which only the name is known.
    fetching: BTreeMap<InfoHash, Fetching>,
    torrents: BTreeMap<InfoHash, Torrent>,
    /// The file that goes to stdout while it comes, once it is known what is on disk.
    streaming: Option<Streaming>,
    /// Whether such a file is still to go out.
    is_streaming: bool,
    /// Where its writer says how far it is.
    written: mpsc::Sender<Written>,
    /// Peers that could not be reached and were told of.
    unreached: BTreeSet<SocketAddr>,
}

/// Reads the torrents that are named.
///
/// # Errors
/// One of them cannot be read, or there are two of the same.
pub(super) fn read(names: &[String]) -> Result<Vec<Source>, Failure> {
    let mut sources: Vec<Source> = Vec::new();
    for name in names {
        let source = source::read(name)?;
        if sources.iter().any(|other| other.info_hash() == source.info_hash()) {
            return Err(Failure::usage(format!("{name} is the same torrent as another one")));
        }
        sources.push(source);
    }
    Ok(sources)
}

/// Runs a node with the torrents that `sources` name.
///
/// # Errors
/// What failed, or that somebody stopped it.
pub(super) async fn run(
    order: Order<'_>,
    sources: Vec<Source>,
    config: &Config,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let state = config.state_folder()?;
    make_folder(&state)?;
    let peers = tokio::select! {
        peers = begin::resolve(&config.peer) => peers?,
        () = signals.next() => return Err(Failure::interrupted()),
    };
    let (node, events) = begin::spawn(config, config.engine())?;
    let (to_session, written) = mpsc::channel(1);
    let mut session = Session::new(order, node, state, peers, to_session, reporter);
    for mut source in sources {
        source.add_web_seeds(&config.webseed);
        tokio::select! {
            begun = session.begin(source) => begun?,
            () = signals.next() => return Err(Failure::interrupted()),
        }
    }
    session.run(events, written, &mut signals).await
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

/// Wants soon what somebody reads next, who has read up to `offset`.
fn read_ahead(node: &Node, streaming: Option<&Streaming>, offset: u64) {
    if let Some(streaming) = streaming {
        let reader = Some(streaming.reader(offset));
        node.command(Command::Read { info_hash: streaming.info_hash, reader });
    }
}

impl<'a> Session<'a> {
    /// A session without torrents.
    fn new(
        order: Order<'a>,
        node: Node,
        state: PathBuf,
        peers: Vec<SocketAddr>,
        written: mpsc::Sender<Written>,
        reporter: &'a Reporter,
    ) -> Self {
        Self {
            reporter,
            is_streaming: order.wish.stream.is_some(),
            order,
            node,
            state,
            peers,
            fetching: BTreeMap::new(),
            torrents: BTreeMap::new(),
            streaming: None,
            written,
            unreached: BTreeSet::new(),
        }
    }

    /// Begins with a torrent.
    async fn begin(&mut self, source: Source) -> Result<(), Failure> {
        match source {
            Source::Torrent(metainfo) => self.add(metainfo.info, metainfo.web_seeds, None),
            Source::Link(link) => {
                self.fetch(&link).await;
                Ok(())
            }
        }
    }

    /// Asks peers what a link stands for.
    async fn fetch(&mut self, link: &Link) {
        let mut fetching = Fetching::new(link);
        let mut peers = begin::peers_of(link, self.reporter).await;
        peers.extend(&self.peers);
        if peers.is_empty() {
            fetching.tell_loneliness(self.reporter);
        }
        let fetch = FetchTorrent { info_hash: link.info_hash, peers };
        self.node.command(Command::Fetch(Box::new(fetch)));
        self.fetching.insert(link.info_hash, fetching);
    }

    /// Begins with a torrent that is known, or goes on with one that has become so.
    fn add(
        &mut self,
        info: Info,
        web_seeds: Vec<String>,
        of_link: Option<&Selection>,
    ) -> Result<(), Failure> {
        let (info_hash, folder) = (info.info_hash, self.order.folder);
        let plan = self.order.wish.plan(&info, of_link)?;
        let resume = begin::resume_file(&self.state, info_hash, folder);
        let add = AddTorrent::new(info.clone(), folder);
        let (peers, kept) = (self.peers.clone(), Some(resume.clone()));
        self.node.add(AddTorrent { resume: kept, plan, peers, web_seeds, ..add });
        self.torrents.insert(info_hash, Torrent::new(info, folder.to_owned(), resume));
        Ok(())
    }

    /// Goes on until the goal is reached, something fails or somebody stops it.
    ///
    /// # Errors
    /// What failed, or that it was stopped.
    async fn run(
        mut self,
        mut events: Events,
        mut written: mpsc::Receiver<Written>,
        signals: &mut Signals,
    ) -> Result<(), Failure> {
        let ended = loop {
            let next = tokio::select! {
                event = events.recv() => event.map_or_else(ended_by_itself, |event| self.hear(event)),
                Some(written) = written.recv() => self.wrote(written),
                () = signals.next() => fail(Failure::interrupted()),
            };
            if let ControlFlow::Break(ended) = next {
                break ended;
            }
        };
        self.node.stop();
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
            Event::Fetching { info_hash } => self.asking(info_hash),
            Event::Metadata { info } => self.known(*info),
            Event::MetadataUnusable { info_hash, error } => {
                fail(look::unusable(&self.name(info_hash), &error))
            }
            Event::Added { info_hash } => self.added(info_hash),
            Event::Refused { info_hash, why } => self.refused(info_hash, why),
            Event::Checked { info_hash, have } => self.checked(info_hash, &have),
            Event::Progress(progress) => self.progress(*progress),
            Event::Finished { info_hash } | Event::Completed { info_hash } => self.finished(info_hash),
            Event::SeedGoalReached { info_hash } => self.shared(info_hash),
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
                if let Some(streaming) = &mut self.streaming {
                    streaming.verified(*piece);
                }
                self.reporter.event(&Line::Piece { info_hash: *info_hash, index: piece.0, from: *from });
            }
            Event::PieceFailed { info_hash, piece } => {
                tracing::warn!(piece = piece.0, "a piece did not match its hash");
                self.reporter.event(&Line::PieceFailed { info_hash: *info_hash, index: piece.0 });
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
            Event::WebSeedUp { info_hash, url } => {
                tracing::info!(url, "a web seed answers");
                self.reporter.event(&Line::WebSeed { info_hash: *info_hash, url });
            }
            Event::WebSeedGone { info_hash, url, downloaded_bytes, why, retry_after } => {
                if let Some(torrent) = self.torrents.get_mut(info_hash) {
                    torrent.count_exchange(*downloaded_bytes, 0);
                }
                self.web_seed_gone(*info_hash, url, *downloaded_bytes, *why, *retry_after);
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

    /// What people call a torrent.
    fn name(&self, info_hash: InfoHash) -> String {
        let known = self.torrents.get(&info_hash).map(|torrent| &torrent.info.name);
        known.or(self.fetching.get(&info_hash).map(|fetching| &fetching.name)).cloned().unwrap_or_default()
    }

    fn asking(&self, info_hash: InfoHash) -> Next {
        let name = &self.name(info_hash);
        self.reporter.event(&Line::Fetching { info_hash, name });
        self.reporter.note(format_args!("[{}] asking what it is", printable(name)));
        GO_ON
    }

    /// Peers have said what a link stands for.
    fn known(&mut self, info: Info) -> Next {
        let info_hash = info.info_hash;
        let Some(fetching) = self.fetching.remove(&info_hash) else { return GO_ON };
        let Fetching { name: before, selection, web_seeds, .. } = fetching;
        let (name, total, pieces) = (&info.name, info.total_length(), info.geometry.pieces());
        let files = info.files.iter().filter(|file| !file.padding).count();
        self.reporter.event(&Line::Metadata { info_hash, name, total, pieces, files });
        self.reporter.drop_progress(&before);
        let (before, name, size) = (printable(&before), printable(name), ByteSize(total));
        self.reporter.note(format_args!("[{before}] it is {name}, {size} in {files} files"));
        self.add(info, web_seeds, selection.as_ref()).map_or_else(fail, |()| GO_ON)
    }

    fn added(&self, info_hash: InfoHash) -> Next {
        if let Some(Torrent { info, .. }) = self.torrents.get(&info_hash) {
            let (total, pieces) = (info.geometry.total_length(), info.geometry.pieces());
            self.reporter.event(&Line::Added { info_hash, name: &info.name, total, pieces });
        }
        GO_ON
    }

    fn refused(&self, info_hash: InfoHash, why: Refusal) -> Next {
        fail(Failure::new(format!("{}: {why}", printable(&self.name(info_hash)))))
    }

    fn checked(&mut self, info_hash: InfoHash, have: &Bitfield) -> Next {
        let Some(torrent) = self.torrents.get_mut(&info_hash) else { return GO_ON };
        let (count, pieces) = (have.count(), have.len());
        self.reporter.event(&Line::Checked { info_hash, have: count, pieces });
        torrent.begin(have);
        if let Some(file) = self.order.wish.stream {
            self.streaming = Streaming::begin(torrent, file, have, self.written.clone());
            read_ahead(&self.node, self.streaming.as_ref(), 0);
        }
        let name = printable(&torrent.info.name);
        if self.order.goal == Goal::Serve {
            if !have.is_full() {
                return fail(torrent.not_all_there(have, self.reporter));
            }
            self.reporter.note(format_args!("[{name}] complete; serving it until Ctrl-C"));
        } else if count > 0 {
            self.reporter.note(format_args!("[{name}] {count} of {pieces} pieces are there already"));
        }
        if have.is_full() { self.finished(info_hash) } else { GO_ON }
    }

    fn progress(&mut self, progress: Progress) -> Next {
        if let Some(fetching) = self.fetching.get_mut(&progress.info_hash) {
            fetching.progress(&progress, self.reporter);
        } else if let Some(torrent) = self.torrents.get_mut(&progress.info_hash) {
            self.reporter.progress(&torrent.info.name, &progress);
            torrent.progress = Some(progress);
        }
        GO_ON
    }

    /// Everything that is wanted is there.
    fn finished(&mut self, info_hash: InfoHash) -> Next {
        let Some(torrent) = self.torrents.get_mut(&info_hash) else { return GO_ON };
        if !torrent.finished && self.order.goal != Goal::Serve {
            torrent.tell_finish(self.reporter);
        }
        torrent.finished = true;
        self.end_if_reached()
    }

    /// It was shared for as long as was asked for.
    fn shared(&mut self, info_hash: InfoHash) -> Next {
        let Some(torrent) = self.torrents.get_mut(&info_hash) else { return GO_ON };
        torrent.shared = true;
        let name = &torrent.info.name;
        self.reporter.event(&Line::SeedGoalReached { info_hash, name });
        self.reporter.note(format_args!("[{}] shared for as long as was asked for", printable(name)));
        self.end_if_reached()
    }

    /// The writer of a stream has something to say.
    fn wrote(&mut self, written: Written) -> Next {
        match written {
            Written::To(offset) => {
                read_ahead(&self.node, self.streaming.as_ref(), offset);
                GO_ON
            }
            Written::Whole => {
                self.is_streaming = false;
                self.end_if_reached()
            }
            Written::ReaderGone => {
                self.reporter.note("nobody reads the stream any more; stopping");
                ControlFlow::Break(Ok(()))
            }
            Written::Failed(failure) => fail(failure),
        }
    }

    /// Ends once every torrent has come as far as was asked for.
    fn end_if_reached(&self) -> Next {
        let is_enough =
            |torrent: &Torrent| torrent.shared || self.order.goal == Goal::Finish && torrent.finished;
        let pending = self.is_streaming || !self.fetching.is_empty();
        if !pending && self.torrents.values().all(is_enough) { ControlFlow::Break(Ok(())) } else { GO_ON }
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

    fn web_seed_gone(
        &self,
        info_hash: InfoHash,
        url: &str,
        downloaded: u64,
        why: WebSeedEnd,
        retry_after: Option<Duration>,
    ) {
        let retry_after_s = retry_after.map(|time| time.as_secs());
        let text = why.to_string();
        self.reporter.event(&Line::WebSeedGone { info_hash, url, why: text, downloaded, retry_after_s });
        let shown = printable(url);
        match retry_after_s {
            _ if why == WebSeedEnd::Idle => {}
            Some(s) => self.reporter.note(format_args!("web seed {shown}: {why}; will try again in {s} s")),
            None => self.reporter.note(format_args!("web seed {shown}: {why}; given up")),
        }
    }

    /// Tells how everything stood at the end.
    fn sum_up(&self) {
        for fetching in self.fetching.values() {
            fetching.sum_up(self.reporter);
        }
        for torrent in self.torrents.values() {
            torrent.sum_up(self.reporter);
        }
    }
}
