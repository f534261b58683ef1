//! What `download` and `seed` share: a node, its torrents, and what people are told of them.

mod begin;
mod events;
mod fetching;
mod look;
mod stream;
mod torrent;

use crate::{
    config::Config,
    failure::Failure,
    output::{Reporter, printable},
    signals::Signals,
    source::{self, Link, Source, make_folder},
    wish::{Selection, Wish},
};
use convoy_core::{
    engine::{Command, FetchTorrent},
    id::InfoHash,
    metainfo::{Info, Metainfo},
};
use convoy_tokio::{AddTorrent, Events, Node};
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
    /// What people were told of each tracker last: what is wrong with it.
    trackers: BTreeMap<(InfoHash, String), Option<String>>,
    /// Peers that could not be reached and were told of.
    unreached: BTreeSet<SocketAddr>,
}

/// Where to look for a torrent's peers and its files, besides what is known from the start.
#[derive(Default)]
struct Hints {
    trackers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
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
            return Err(Failure::usage(format!("{name} is the same torrent as another one"))
                .advise("leave one of the two out"));
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
        source.add_trackers(&config.tracker);
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
            trackers: BTreeMap::new(),
            unreached: BTreeSet::new(),
        }
    }

    /// Begins with a torrent.
    async fn begin(&mut self, source: Source) -> Result<(), Failure> {
        match source {
            Source::Torrent(metainfo) => {
                let Metainfo { info, trackers, web_seeds, .. } = *metainfo;
                self.add(info, Hints { trackers, web_seeds }, None)
            }
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
        if peers.is_empty() && link.magnet.trackers.is_empty() {
            fetching.tell_loneliness(self.reporter);
        }
        let fetch = FetchTorrent { info_hash: link.info_hash, peers, trackers: link.tiers() };
        self.node.command(Command::Fetch(Box::new(fetch)));
        self.fetching.insert(link.info_hash, fetching);
    }

    /// Begins with a torrent that is known, or goes on with one that has become so.
    fn add(&mut self, info: Info, hints: Hints, of_link: Option<&Selection>) -> Result<(), Failure> {
        let (info_hash, folder) = (info.info_hash, self.order.folder);
        let plan = self.order.wish.plan(&info, of_link)?;
        if self.order.goal != Goal::Serve {
            self.refuse_common_file(&info)?;
        }
        let resume = begin::resume_file(&self.state, info_hash, folder);
        let add = AddTorrent::new(info.clone(), folder);
        let (peers, kept) = (self.peers.clone(), Some(resume.clone()));
        let Hints { trackers, web_seeds } = hints;
        self.node.add(AddTorrent { resume: kept, plan, peers, trackers, web_seeds, ..add });
        self.torrents.insert(info_hash, Torrent::new(info, folder.to_owned(), resume));
        Ok(())
    }

    /// A file that two torrents write to would be neither's.
    fn refuse_common_file(&self, info: &Info) -> Result<(), Failure> {
        let common = self.torrents.values().find_map(|other| Some((other, other.common_file(info)?)));
        let Some((other, place)) = common else { return Ok(()) };
        let (shown, one, two) = (place.display().to_string(), other.info.info_hash, info.info_hash);
        Err(Failure::usage(format!("{} is a file of two torrents, {one} and {two}", printable(&shown)))
            .at(&place)
            .advise("run it once for each, with a folder of its own (-o DIR)"))
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
