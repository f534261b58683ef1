//! The nodes of the demo and the tracker at which they meet, and who sent what to whom.

use crate::{failure::Failure, output::Reporter};
use convoy_core::{
    Random,
    engine::{self, Event, PeerInfo, Progress, Statistics},
    id::PeerId,
    metainfo::Info,
    mse,
    tracker::{access::Access, announcer::TrackerState},
};
use convoy_tokio::{
    AddTorrent, Node, NodeConfig, NodeEvent,
    tracker::{self, Tracker},
};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::timeout};

/// A swarm in which nothing happens for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the nodes may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// Events that wait to be looked at; then the nodes' tasks wait.
const INBOX: usize = 1024;

/// All nodes; the seed is the first.
pub(super) struct Swarm<'a> {
    info: Info,
    /// Dropped behind the nodes, who tell it that they leave.
    tracker: Tracker,
    members: Vec<Member>,
    inbox: mpsc::Receiver<(usize, Event)>,
    began: Instant,
    reporter: &'a Reporter,
}

/// A node.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    /// How long its download took; of the seed, nothing.
    pub(super) took: Option<Duration>,
    /// How it stood at last.
    pub(super) progress: Option<Progress>,
    /// Bytes of blocks that it sent to peers that are gone; at the end, to all.
    pub(super) sent: u64,
    /// How many of its pieces came from each member.
    pub(super) pieces_from: Vec<u32>,
    /// What came of encryption on its streams; known when it has stopped.
    pub(super) statistics: Statistics,
    node: Node,
    listens: Option<SocketAddr>,
    ready: bool,
    /// Whether the tracker tells others of it.
    announced: bool,
    /// Who is at the other end of a stream.
    peers: BTreeMap<SocketAddr, usize>,
}

impl<'a> Swarm<'a> {
    /// Starts a tracker and the seed, lets it check its data and announce itself, and lets the leechers loose:
    /// they know nothing but where the tracker is.
    ///
    /// # Errors
    /// A node cannot listen, or something goes wrong with its files.
    pub(super) async fn start(
        info: &Info,
        scratch: &Path,
        leechers: usize,
        encryption: mse::Config,
        random: &mut Random,
        reporter: &'a Reporter,
    ) -> Result<Self, Failure> {
        let (mail, inbox) = mpsc::channel(INBOX);
        let began = Instant::now();
        let tracker = start_tracker()?;
        let mut swarm = Self { info: info.clone(), tracker, members: Vec::new(), inbox, began, reporter };
        for number in 0..=leechers {
            let member = Member::start(number, leechers + 1, scratch, encryption, random, mail.clone())?;
            swarm.members.push(member);
        }
        drop(mail);
        swarm.wait(|members| members.iter().all(|member| member.listens.is_some())).await?;
        swarm.add(0);
        swarm.wait(|members| members.first().is_some_and(|seed| seed.ready && seed.announced)).await?;
        swarm.began = Instant::now();
        (1..=leechers).for_each(|number| swarm.add(number));
        Ok(swarm)
    }

    /// Waits until every leecher is complete.
    ///
    /// # Errors
    /// Something goes wrong with a node's files, or nothing happens any more.
    pub(super) async fn run(&mut self) -> Result<(), Failure> {
        self.wait(|members| members.iter().skip(1).all(|member| member.took.is_some())).await
    }

    /// Stops all nodes.
    pub(super) async fn stop(mut self) -> Vec<Member> {
        for member in &self.members {
            member.node.stop();
        }
        let last_words = async {
            while let Some((member, event)) = self.inbox.recv().await {
                match event {
                    Event::PeerGone { peer, .. } => self.members[member].sent += peer.uploaded_bytes,
                    Event::Statistics(statistics) => self.members[member].statistics = *statistics,
                    _ => {}
                }
            }
        };
        if timeout(STOP_WITHIN, last_words).await.is_err() {
            tracing::warn!("the nodes did not stop in time");
        }
        self.members
    }

    fn add(&self, member: usize) {
        let Member { node, folder, .. } = &self.members[member];
        let trackers = self.tracker.udp().map(|addr| vec![format!("udp://{addr}/announce")]);
        let trackers = trackers.into_iter().collect();
        node.add(AddTorrent { trackers, ..AddTorrent::new(self.info.clone(), folder) });
    }

    /// Handles events until `done`.
    async fn wait(&mut self, done: impl Fn(&[Member]) -> bool) -> Result<(), Failure> {
        let mut patience = Instant::now();
        while !done(&self.members) {
            let left = PATIENCE.saturating_sub(patience.elapsed());
            let stuck =
                || Failure::new(format!("nothing happened in the swarm for {} s", PATIENCE.as_secs()));
            let (member, event) = timeout(left, self.inbox.recv())
                .await
                .map_err(|_| stuck().advise("run it again with -v to see why"))?
                .ok_or_else(|| Failure::new("the nodes stopped by themselves"))?;
            if !matches!(event, Event::Progress(_)) {
                patience = Instant::now();
            }
            self.handle(member, event)?;
        }
        Ok(())
    }

    fn handle(&mut self, number: usize, event: Event) -> Result<(), Failure> {
        let (elapsed, count) = (self.began.elapsed(), self.members.len());
        let member = &mut self.members[number];
        match event {
            Event::Listening { local } => member.listens = Some(local),
            Event::NotListening { error } => {
                return Err(Failure::new(format!("{} cannot listen on loopback: {error}", member.name)));
            }
            Event::Checked { have, .. } => member.ready = have.is_full(),
            Event::Tracker { status, .. } => member.announced |= status.state == TrackerState::Working,
            Event::PeerConnected { peer, .. } => member.meet(&peer, count),
            Event::PeerGone { peer, .. } => member.sent += peer.uploaded_bytes,
            Event::PieceVerified { from: Some(from), .. } => member.credit(from),
            Event::Progress(progress) => {
                self.reporter.progress(&member.name, &progress);
                member.progress = Some(*progress);
            }
            Event::Completed { .. } => member.took = Some(elapsed),
            Event::Failed { error, .. } => {
                let failure = Failure::new(format!("{} failed: {error}", member.name)).at(&member.folder);
                return Err(failure.advise("name a folder with more room with --dir, or a smaller --size"));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Member {
    fn start(
        number: usize,
        of: usize,
        scratch: &Path,
        encryption: mse::Config,
        random: &mut Random,
        mail: mpsc::Sender<(usize, Event)>,
    ) -> Result<Self, Failure> {
        let name = if number == 0 { "seed".to_owned() } else { format!("leecher {number}") };
        let folder = scratch.join(name.replace(' ', "-"));
        let config = NodeConfig {
            engine: engine::Config {
                listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
                peer_id_prefix: prefix(number),
                encryption,
                ..engine::Config::default()
            },
            seed: Some(random.child_seed()),
            ..NodeConfig::default()
        };
        let (node, mut events) = convoy_tokio::spawn(config)
            .map_err(|error| Failure::new(format!("cannot start a node: {error}")))?;
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let NodeEvent::Engine(event) = event else { continue };
                if mail.send((number, event)).await.is_err() {
                    return;
                }
            }
        });
        let (took, progress, listens, ready, announced, sent) = (None, None, None, false, false, 0);
        let (pieces_from, peers) = (vec![0; of], BTreeMap::new());
        let statistics = Statistics::default();
        Ok(Self {
            name,
            folder,
            took,
            progress,
            sent,
            pieces_from,
            statistics,
            node,
            listens,
            ready,
            announced,
            peers,
        })
    }

    /// Learns who is at the other end of a stream.
    fn meet(&mut self, peer: &PeerInfo, count: usize) {
        if let Some(number) = (0..count).find(|&number| is_prefix(prefix(number), peer.peer_id)) {
            self.peers.insert(peer.remote, number);
        }
    }

    /// Notes who sent a piece.
    fn credit(&mut self, from: SocketAddr) {
        if let Some(count) = self.peers.get(&from).and_then(|&number| self.pieces_from.get_mut(number)) {
            *count += 1;
        }
    }
}

/// A tracker on loopback.
fn start_tracker() -> Result<Tracker, Failure> {
    let udp = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let config = tracker::Config { udp, workers: 1, ..tracker::Config::default() };
    Tracker::start(&config, Access::open())
        .map_err(|error| Failure::new(format!("cannot start a tracker: {error}")))
}

/// How the peer ids of a member begin, so that others can tell it from its neighbours.
fn prefix(number: usize) -> [u8; 8] {
    let mut prefix = *b"-ICD000-";
    // At most 100 leechers.
    for (place, digit) in prefix[4..7].iter_mut().zip(format!("{number:03}").bytes()) {
        *place = digit;
    }
    prefix
}

fn is_prefix(prefix: [u8; 8], PeerId(id): PeerId) -> bool {
    id.starts_with(&prefix)
}
