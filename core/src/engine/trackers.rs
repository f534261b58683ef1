//! Trackers: what the announcers are told, and what becomes of what they want.

use super::{Action, Config, Event, machine::Engine};
use crate::{
    Deadline, Instant, Machine, Outbox, Random,
    deadlines::Deadlines,
    id::{InfoHash, QuestionKey, TorrentId},
    mse,
    slab::Slab,
    swarm,
    tracker::{
        AnnounceRequest, Failure, Identity, Player, Question, Reply,
        announcer::{self, AnnounceToken},
        client::{self, Client},
        http::Encryption,
    },
};
use alloc::{collections::VecDeque, string::String};
use core::mem;

/// With fewer peers than this a torrent that is not complete wants more.
const FEW_PEERS: usize = 10;

/// What a torrent lacks of which nothing is known but its name: trackers want a number, and 0 would make us a
/// seeder. libtorrent says the same.
const UNKNOWN_LEFT: u64 = 16 * 1024;

/// Where we listen, when we do not: the port of the discard service. Trackers refuse 0.
const DISCARD: u16 = 9;

/// All that the engine has to do with trackers, but for the announcers of its torrents.
#[derive(Debug)]
pub(super) struct Trackers {
    client: Client,
    questions: Slab<QuestionKey, (TorrentId, AnnounceToken)>,
    /// By which trackers know us again when our address changes.
    key: u32,
    /// When the announcers want to be called.
    deadlines: Deadlines,
    announced: Outbox<announcer::Action>,
    asked: Outbox<client::Action>,
}

/// What a torrent's announcer was told last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    state: Announcing,
    /// Both are unsaid again with every start.
    peers_low: bool,
    finished: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Announcing {
    #[default]
    Idle,
    Running,
    /// Saying good-bye.
    Leaving,
}

impl Told {
    /// Whether nothing more is said to trackers.
    pub(super) fn is_idle(self) -> bool {
        self.state == Announcing::Idle
    }
}

impl Trackers {
    pub(super) fn new(config: &Config, random: &mut Random) -> Self {
        let encryption = match config.encryption.outgoing {
            mse::Policy::Disabled => Encryption::Unsaid,
            mse::Policy::Enabled => Encryption::Supported,
            mse::Policy::Required => Encryption::Required,
        };
        let client = client::Config {
            encryption,
            identity: identity(config, random),
            unix_at_zero: config.swarm.unix_epoch_s,
            ..client::Config::default()
        };
        Self {
            client: Client::new(client, random.child_seed()),
            questions: Slab::new(),
            key: random.below(u32::MAX),
            deadlines: Deadlines::default(),
            announced: Outbox::new(),
            asked: Outbox::new(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        Deadline::earlier(self.deadlines.earliest(), self.client.poll_timeout())
    }

    fn cancel(&mut self, now: Instant, torrent: TorrentId, token: AnnounceToken) {
        let asked = self.questions.iter().find(|(_, question)| **question == (torrent, token));
        if let Some((key, _)) = asked {
            self.questions.remove(key);
            let Ok(()) = self.client.handle_input(now, client::Input::Cancel { key }, &mut self.asked);
        }
    }
}

/// Only a community's trackers are told who plays here.
fn identity(config: &Config, random: &mut Random) -> Option<Identity> {
    let community = config.swarm.community.as_ref()?;
    let mut session_id = [0; 16];
    random.fill_secret(&mut session_id);
    let player = Player { community: community.id, secret: community.player.clone(), session_id };
    Some(Identity { capabilities: config.swarm.capabilities, player: Some(player) })
}

impl Engine {
    /// Adds trackers of a torrent: those of a link, of the user.
    pub(super) fn add_trackers(
        &mut self,
        now: Instant,
        id: TorrentId,
        urls: impl IntoIterator<Item = String>,
        out: &mut Outbox<Action>,
    ) {
        for url in urls {
            self.tell_announcer(now, id, announcer::Input::AddTracker { url }, out);
        }
    }

    /// Tells a torrent's announcer what has become of its swarm, if that is news.
    pub(super) fn follow(&mut self, now: Instant, id: TorrentId, out: &mut Outbox<Action>) {
        let listening = self.listening;
        let Some(torrent) = self.torrents.get_mut(id) else { return };
        let (swarm, told) = (&torrent.swarm, torrent.told);
        if listening && told.is_idle() {
            // Trackers want to know at which port.
            return;
        }
        let complete = swarm.is_complete() && !swarm.is_fetching();
        let finished = swarm.is_finished();
        let open = swarm.is_open();
        if !open && told.state == Announcing::Leaving {
            return;
        }
        if open != (told.state == Announcing::Running) {
            let (state, input) = if open {
                (Announcing::Running, announcer::Input::Start { complete })
            } else {
                (Announcing::Leaving, announcer::Input::Stop)
            };
            torrent.told = Told { state, ..Told::default() };
            self.tell_announcer(now, id, input, out);
            // Whoever begins without peers may hear of nothing for long that would make us look again.
            return self.follow(now, id, out);
        }
        let peers_low = !finished && swarm.peers() < FEW_PEERS && torrent.knows_nobody;
        if told.state != Announcing::Running {
            return;
        }
        torrent.told = Told { peers_low, finished, ..told };
        if told.finished != finished {
            let done = if finished { announcer::Input::Finished } else { announcer::Input::Unfinished };
            self.tell_announcer(now, id, done, out);
        }
        if told.peers_low != peers_low {
            let low = if peers_low { announcer::Input::PeersLow } else { announcer::Input::PeersEnough };
            self.tell_announcer(now, id, low, out);
        }
    }

    /// It is known where peers can reach us, or that they cannot.
    pub(super) fn follow_all(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut slot = 0;
        while let Some(id) = self.torrents.key_from(slot) {
            self.follow(now, id, out);
            slot = id.index() + 1;
        }
    }

    /// The download is complete, and was not when it began.
    pub(super) fn announce_completed(&mut self, now: Instant, id: TorrentId, out: &mut Outbox<Action>) {
        if self.torrents.get(id).is_some_and(|torrent| torrent.told.state == Announcing::Running) {
            self.tell_announcer(now, id, announcer::Input::Completed, out);
        }
    }

    pub(super) fn tell_tracker_client(
        &mut self,
        now: Instant,
        input: client::Input,
        out: &mut Outbox<Action>,
    ) {
        let Ok(()) = self.trackers.client.handle_input(now, input, &mut self.trackers.asked);
        self.settle_announcers(now, VecDeque::new(), out);
    }

    pub(super) fn on_tracker_timeouts(&mut self, now: Instant, out: &mut Outbox<Action>) {
        while let Some(slot) = self.trackers.deadlines.due(now) {
            let id = self.torrents.key_from(slot).filter(|id| id.index() == slot);
            let Some((id, torrent)) = id.and_then(|id| Some((id, self.torrents.get_mut(id)?))) else {
                self.trackers.deadlines.set(slot, None);
                continue;
            };
            let Ok(()) = torrent.announcer.handle_timeout(now, &mut self.trackers.announced);
            self.trackers.deadlines.set(slot, torrent.announcer.poll_timeout());
            let mut work = VecDeque::new();
            self.carry_announcer(now, id, &mut work, out);
            self.settle_announcers(now, work, out);
        }
        if self.trackers.client.poll_timeout().is_some_and(|deadline| deadline.at <= now) {
            let Ok(()) = self.trackers.client.handle_timeout(now, &mut self.trackers.asked);
            self.settle_announcers(now, VecDeque::new(), out);
        }
    }

    /// A torrent goes: nothing more is said of it.
    pub(super) fn forget_announcer(&mut self, id: TorrentId) {
        self.trackers.deadlines.set(id.index(), None);
    }

    fn tell_announcer(
        &mut self,
        now: Instant,
        id: TorrentId,
        input: announcer::Input,
        out: &mut Outbox<Action>,
    ) {
        self.settle_announcers(now, VecDeque::from([(id, input)]), out);
    }

    /// Tells announcers what there is to tell, and what comes of that: an answer of the client, until no more
    /// come. Each fails a tracker or ends a question, so there is an end to it.
    fn settle_announcers(
        &mut self,
        now: Instant,
        mut work: VecDeque<(TorrentId, announcer::Input)>,
        out: &mut Outbox<Action>,
    ) {
        self.answers(&mut work, out);
        while let Some((id, input)) = work.pop_front() {
            let Some(torrent) = self.torrents.get_mut(id) else { continue };
            let Ok(()) = torrent.announcer.handle_input(now, input, &mut self.trackers.announced);
            self.trackers.deadlines.set(id.index(), torrent.announcer.poll_timeout());
            self.carry_announcer(now, id, &mut work, out);
        }
    }

    /// What the client wants goes out; what it answers is work for announcers.
    fn answers(&mut self, work: &mut VecDeque<(TorrentId, announcer::Input)>, out: &mut Outbox<Action>) {
        let Trackers { asked, questions, .. } = &mut self.trackers;
        for action in asked.drain() {
            out.push(match action {
                client::Action::Resolve { token, host, port } => Action::Resolve { token, host, port },
                client::Action::SendTo { to, data } => Action::SendTo { to, data },
                client::Action::Get { token, url, limit } => Action::Get { token, url, limit },
                client::Action::CancelGet { token } => Action::CancelGet { token },
                client::Action::Answer { key, result, last } => {
                    let asked = if last { questions.remove(key) } else { questions.get(key).copied() };
                    let result = result.and_then(|reply| match reply {
                        Reply::Announce(response) => Ok(response),
                        Reply::Scrape(_) => Err(Failure::Malformed),
                    });
                    if let Some((torrent, token)) = asked {
                        work.push_back((torrent, announcer::Input::Answered { token, result, last }));
                    }
                    continue;
                }
            });
        }
    }

    /// Does what an announcer wants, up to the end of its torrent.
    fn carry_announcer(
        &mut self,
        now: Instant,
        id: TorrentId,
        work: &mut VecDeque<(TorrentId, announcer::Input)>,
        out: &mut Outbox<Action>,
    ) {
        let mut announced = mem::take(&mut self.trackers.announced);
        for action in announced.drain() {
            match action {
                announcer::Action::Ask { token, url, event, num_want, tracker_id } => {
                    let Some(announce) = self.introduce(id, event, num_want) else { continue };
                    let key = self.trackers.questions.insert((id, token));
                    let question = Question::Announce { announce, tracker_id };
                    let input = client::Input::Ask { key, url, question };
                    let Ok(()) = self.trackers.client.handle_input(now, input, &mut self.trackers.asked);
                }
                announcer::Action::Cancel { token } => self.trackers.cancel(now, id, token),
                announcer::Action::DropPeers => self.drop_peers(now, id, out),
                announcer::Action::Peers { peers, .. } => {
                    if let Some(torrent) = self.torrents.get_mut(id) {
                        peers.into_iter().for_each(|remote| torrent.candidates.add(now, remote));
                    }
                    self.dial(now, id, out);
                }
                announcer::Action::ExternalIp(ip) => self.on_our_address(ip),
                announcer::Action::Tracker(status) => {
                    if let Some(info_hash) = self.name_of(id) {
                        out.push(Action::Event(Event::Tracker { info_hash, status }));
                    }
                }
                announcer::Action::Stopped => {
                    if let Some(torrent) = self.torrents.get_mut(id) {
                        torrent.told = Told::default();
                    }
                }
            }
        }
        self.trackers.announced = announced;
        self.answers(work, out);
        self.remove_if_stopped(id, out);
    }

    fn name_of(&self, id: TorrentId) -> Option<InfoHash> {
        self.torrents.get(id).map(|torrent| torrent.swarm.info().info_hash)
    }

    /// What a tracker is told of us.
    fn introduce(
        &self,
        id: TorrentId,
        event: crate::tracker::Event,
        num_want: u32,
    ) -> Option<AnnounceRequest> {
        let torrent = self.torrents.get(id)?;
        let swarm::Transferred { downloaded_bytes, uploaded_bytes, missing_bytes } =
            torrent.swarm.transferred();
        Some(AnnounceRequest {
            info_hash: torrent.swarm.info().info_hash,
            peer_id: torrent.peer_id,
            port: self.local.map_or(DISCARD, |local| local.port()),
            uploaded: uploaded_bytes,
            downloaded: downloaded_bytes,
            left: missing_bytes.unwrap_or(UNKNOWN_LEFT),
            event,
            key: self.trackers.key,
            num_want: Some(num_want),
        })
    }

    /// A private torrent's peers are those of one tracker (BEP 27).
    fn drop_peers(&mut self, now: Instant, id: TorrentId, out: &mut Outbox<Action>) {
        let Some(torrent) = self.torrents.get_mut(id) else { return };
        torrent.candidates.clear();
        if torrent.swarm.is_open() {
            for input in [swarm::Input::Pause, swarm::Input::Unpause] {
                let Ok(()) = torrent.swarm.handle_input(now, input, &mut self.swarmed);
            }
            self.swarm_deadlines.hasten(id.index(), torrent.swarm.poll_timeout());
            self.carry(now, id, out);
        }
    }
}
