//! The node's thread: the engine, and what carries its actions out.

use crate::{
    AddTorrent, NodeEvent, Request, dial,
    fetch::Fetches,
    files::{Failed, Files, OpenFiles},
    http::Http,
    outside::{self, Datagrams},
    pool::{Done, Job, Notice, Pool},
    resume,
    stream::Stream,
};
use convoy_core::{
    Machine, Outbox, Seed,
    bitfield::Bitfield,
    engine::{self, Action, Command, Engine, Event, Input, StreamError},
    id::{AcceptTicket, FetchToken, GetToken, InfoHash, StorageToken, StreamId, TorrentId},
    storage::{Completion, Operation},
};
use reqwest::Client;
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    mem,
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    task::{AbortHandle, spawn_local},
    time::sleep,
};
use tracing::{debug, warn};

/// How long to wait after the system would not accept a stream: it lacks descriptors, and asking again at
/// once does not make any.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the node's tasks share. They run on one thread, one at a time.
pub(crate) struct Shared {
    node: RefCell<Node>,
    pool: Pool,
    epoch: Instant,
    /// When the main task will next call the engine by itself.
    armed: Cell<Option<convoy_core::Instant>>,
    /// Wakes the main task when that should be sooner.
    rearm: Notify,
}

struct Node {
    engine: Engine,
    out: Outbox<Action>,
    streams: HashMap<StreamId, Rc<Stream>>,
    accepted: HashMap<AcceptTicket, TcpStream>,
    dials: HashMap<StreamId, AbortHandle>,
    http: Http,
    fetches: Fetches,
    gets: HashMap<GetToken, AbortHandle>,
    datagrams: Datagrams,
    tickets: u64,
    open_files: Arc<OpenFiles>,
    /// Torrents on their way into the engine.
    pending: HashMap<InfoHash, (Arc<Files>, Option<PathBuf>)>,
    torrents: HashMap<TorrentId, Torrent>,
    /// Those that the engine let go of while their resume file was being written.
    released: HashMap<TorrentId, Torrent>,
    /// Streams with something new to send.
    touched: Vec<StreamId>,
    jobs: Vec<Job>,
    /// Resume files being written.
    saving: usize,
    /// Streams that are closed, and whose peers may still read.
    parting: usize,
    stopped: bool,
    /// Whether a job panicked: what it owed will never come.
    broken: bool,
    events: mpsc::UnboundedSender<NodeEvent>,
}

struct Torrent {
    info_hash: InfoHash,
    files: Arc<Files>,
    resume: Option<PathBuf>,
    /// Operations of the outbox that is being carried out.
    batch: Vec<Operation>,
    /// Writes under way.
    writes: HashSet<StorageToken>,
    /// The flush that waits, and the writes of those given before it that are under way.
    flush: Option<(StorageToken, HashSet<StorageToken>)>,
    /// Whether a resume file is being written, and what is to be written behind it.
    saving: bool,
    save_next: Option<(Bitfield, bool)>,
}

/// How many closed streams keep their sockets until the peer has closed as well.
const PARTING: usize = 64;

/// Runs a node until it has stopped, or nobody holds it any more.
pub(crate) async fn run(
    config: engine::Config,
    seed: Seed,
    preallocate: bool,
    proxy: Option<String>,
    pool: Pool,
    mut inbox: mpsc::UnboundedReceiver<Request>,
    events: mpsc::UnboundedSender<NodeEvent>,
) {
    let node = Node {
        engine: Engine::new(config, seed),
        out: Outbox::new(),
        streams: HashMap::new(),
        accepted: HashMap::new(),
        dials: HashMap::new(),
        http: Http::new(proxy),
        fetches: Fetches::default(),
        gets: HashMap::new(),
        datagrams: Datagrams::default(),
        tickets: 0,
        open_files: Arc::new(OpenFiles::new(preallocate)),
        pending: HashMap::new(),
        torrents: HashMap::new(),
        released: HashMap::new(),
        touched: Vec::new(),
        jobs: Vec::new(),
        saving: 0,
        parting: 0,
        stopped: false,
        broken: false,
        events,
    };
    let shared = Rc::new(Shared {
        node: RefCell::new(node),
        pool,
        epoch: Instant::now(),
        armed: Cell::new(None),
        rearm: Notify::new(),
    });
    shared.input(Input::Start);
    let mut done = Vec::new();
    while !shared.has_ended() {
        let pause = shared.arm();
        tokio::select! {
            () = sleep(pause.unwrap_or_default()), if pause.is_some() => shared.timeout(),
            () = shared.rearm.notified() => {}
            () = shared.pool.wait() => shared.take_done(&mut done),
            request = inbox.recv() => match request {
                Some(request) => shared.request(request),
                None => return,
            },
        }
    }
}

impl Shared {
    fn now(&self) -> convoy_core::Instant {
        convoy_core::Instant::from_micros(self.epoch.elapsed().as_micros() as u64)
    }

    /// Tells the engine something, and does what it wants.
    pub(crate) fn input(self: &Rc<Self>, input: Input) {
        let node = &mut *self.node.borrow_mut();
        let Ok(()) = node.engine.handle_input(self.now(), input, &mut node.out);
        self.carry(node);
    }

    fn timeout(self: &Rc<Self>) {
        let node = &mut *self.node.borrow_mut();
        let Ok(()) = node.engine.handle_timeout(self.now(), &mut node.out);
        self.carry(node);
    }

    /// How long until the engine wants to be called.
    fn arm(&self) -> Option<Duration> {
        let deadline = self.node.borrow().engine.poll_timeout().map(|deadline| deadline.at);
        self.armed.set(deadline);
        deadline.map(|at| at - self.now())
    }

    fn has_ended(&self) -> bool {
        let node = self.node.borrow();
        node.broken || node.stopped && node.saving == 0 && node.parting == 0
    }

    fn request(self: &Rc<Self>, request: Request) {
        match request {
            Request::Add(add) => self.add(*add),
            Request::Command(Command::Add(_)) => warn!("a torrent without a folder is ignored"),
            Request::Command(command) => self.input(Input::Command(command)),
            // Who asked may have gone.
            Request::Memory(answer) => drop(answer.send(self.node.borrow().engine.memory())),
        }
    }

    /// Looks at a torrent's files on another thread; [`Notice::Ready`] comes back.
    fn add(&self, add: AddTorrent) {
        let open = Arc::clone(&self.node.borrow().open_files);
        let look = move || {
            let files = Arc::new(Files::new(&add.info, &add.folder, open));
            let resume = add.resume.as_deref().and_then(|path| resume::read(path, &add.info));
            let AddTorrent { info, plan, paused, peers, web_seeds, trackers, .. } = add;
            let on_disk = files.stamps();
            let engine_add =
                engine::AddTorrent { info, resume, on_disk, plan, paused, peers, web_seeds, trackers };
            Done::Notice(Notice::Ready { add: Box::new(engine_add), files, resume: add.resume })
        };
        self.pool.give([Job::Other(Box::new(look))]);
    }

    /// Tells the engine all that was done since the last time, then does what it wants.
    fn take_done(self: &Rc<Self>, done: &mut Vec<Done>) {
        self.pool.take_done(done);
        let node = &mut *self.node.borrow_mut();
        for done in done.drain(..) {
            match done {
                Done::Input(input) => {
                    node.note_completion(&input);
                    let Ok(()) = node.engine.handle_input(self.now(), input, &mut node.out);
                }
                Done::Failed(torrent, failed) => node.report(torrent, failed),
                Done::Notice(Notice::Ready { add, files, resume }) => {
                    node.pending.insert(add.info.info_hash, (files, resume));
                    let input = Input::Command(Command::Add(add));
                    let Ok(()) = node.engine.handle_input(self.now(), input, &mut node.out);
                }
                Done::Notice(Notice::Saved { torrent, info_hash, result }) => {
                    node.on_saved(torrent, info_hash, result);
                }
                Done::Broken => node.broken = true,
            }
        }
        self.carry(node);
    }

    /// Does what the engine wants, and what it wants because of that.
    fn carry(self: &Rc<Self>, node: &mut Node) {
        while !node.out.is_empty() {
            let mut out = mem::take(&mut node.out);
            for action in out.drain() {
                self.act(node, action);
            }
            node.out = out;
            self.flush_streams(node);
        }
        for (torrent, state) in &mut node.torrents {
            if !state.batch.is_empty() {
                let operations = mem::take(&mut state.batch);
                let files = Arc::clone(&state.files);
                node.jobs.insert(0, Job::Storage { torrent: *torrent, files, operations });
            }
        }
        if !node.jobs.is_empty() {
            self.pool.give(node.jobs.drain(..));
        }
        let next = node.engine.poll_timeout().map(|deadline| deadline.at);
        if next.is_some_and(|next| self.armed.get().is_none_or(|armed| next < armed)) {
            self.rearm.notify_one();
        }
    }

    fn act(self: &Rc<Self>, node: &mut Node, action: Action) {
        match action {
            Action::Send { stream, data } => {
                if let Some(to) = node.streams.get(&stream) {
                    to.push(data);
                    if node.touched.last() != Some(&stream) {
                        node.touched.push(stream);
                    }
                }
            }
            Action::Storage { torrent, operation } => node.operate(torrent, operation),
            Action::Compute { torrent, token, job } => node.jobs.push(Job::Hash { torrent, token, job }),
            Action::Listen { local } => self.listen(local),
            Action::Connect { stream, remote } => {
                let task = spawn_local(Rc::clone(self).connect(stream, remote));
                node.dials.insert(stream, task.abort_handle());
            }
            Action::Adopt { ticket, stream } => {
                if let Some(socket) = node.accepted.remove(&ticket) {
                    self.begin(node, stream, socket);
                }
            }
            Action::Refuse { ticket } => drop(node.accepted.remove(&ticket)),
            Action::Close { stream } => {
                if let Some(dial) = node.dials.remove(&stream) {
                    dial.abort();
                }
                if let Some(stream) = node.streams.remove(&stream) {
                    stream.close();
                }
            }
            Action::Fetch { torrent, token, request, credit } => {
                let client = node.http.client();
                node.fetches.begin(self, client, (torrent, token), request, credit);
            }
            Action::FetchMore { torrent, token, bytes } => node.fetches.lend((torrent, token), bytes),
            Action::CancelFetch { torrent, token } => node.fetches.cancel((torrent, token)),
            Action::Get { token, url, limit } => {
                let task = spawn_local(Rc::clone(self).get(token, node.http.client(), url, limit));
                node.gets.insert(token, task.abort_handle());
            }
            Action::CancelGet { token } => {
                if let Some(get) = node.gets.remove(&token) {
                    get.abort();
                }
            }
            Action::Resolve { token, host, port } => {
                let shared = Rc::clone(self);
                spawn_local(async move {
                    let addrs = outside::resolve(&host, port).await;
                    shared.input(Input::Resolved { token, addrs });
                });
            }
            Action::SendTo { to, data } => {
                if let Some(socket) = node.datagrams.send(to, &data) {
                    let shared = Rc::clone(self);
                    let take = move |from, data| shared.input(Input::Datagram { from, data });
                    spawn_local(outside::receive(socket, take));
                }
            }
            Action::Open { torrent, info_hash } => node.open(torrent, info_hash),
            Action::Release { torrent } => node.release(torrent),
            Action::SaveResume { torrent, have, clean } => node.save(torrent, have, clean),
            Action::Event(event) => node.on_event(event),
        }
    }

    /// Sends what the streams have to send: one system call each, as a rule.
    fn flush_streams(&self, node: &mut Node) {
        for id in mem::take(&mut node.touched) {
            let Some(stream) = node.streams.get(&id) else { continue };
            let input = match stream.flush() {
                Ok(0) => continue,
                Ok(bytes) => Input::Sent { stream: id, bytes },
                Err(error) => {
                    if let Some(stream) = node.streams.remove(&id) {
                        stream.close();
                    }
                    Input::Closed { stream: id, error: Some(dial::stream_error(&error)) }
                }
            };
            let Ok(()) = node.engine.handle_input(self.now(), input, &mut node.out);
        }
    }

    fn begin(self: &Rc<Self>, node: &mut Node, id: StreamId, socket: TcpStream) {
        let stream = Stream::new(socket);
        node.streams.insert(id, Rc::clone(&stream));
        spawn_local(stream.run(id, Rc::clone(self)));
    }

    async fn connect(self: Rc<Self>, id: StreamId, remote: SocketAddr) {
        let result = dial::connect(remote).await;
        let node = &mut *self.node.borrow_mut();
        node.dials.remove(&id);
        let input = match result {
            Ok(socket) => {
                self.begin(node, id, socket);
                Input::Connected { stream: id }
            }
            Err(error) => {
                debug!(%remote, %error, "dial failed");
                Input::Closed { stream: id, error: Some(dial::stream_error(&error)) }
            }
        };
        let Ok(()) = node.engine.handle_input(self.now(), input, &mut node.out);
        self.carry(node);
    }

    async fn get(self: Rc<Self>, token: GetToken, client: Option<Client>, url: String, limit: usize) {
        let result = outside::get(client, &url, limit).await;
        self.node.borrow_mut().gets.remove(&token);
        self.input(Input::Got { token, result });
    }

    /// Whether a closed stream may keep its socket for a moment: only so many, or closing would be no defence
    /// against a flood.
    pub(crate) fn may_part(&self) -> bool {
        let node = &mut *self.node.borrow_mut();
        let may = node.parting < PARTING;
        node.parting += usize::from(may);
        may
    }

    /// Its moment is over.
    pub(crate) fn parted(&self) {
        self.node.borrow_mut().parting -= 1;
        self.rearm.notify_one();
    }

    /// A stream's task has ended by itself.
    pub(crate) fn closed(self: &Rc<Self>, id: StreamId, error: Option<StreamError>) {
        if self.node.borrow_mut().streams.remove(&id).is_some() {
            self.input(Input::Closed { stream: id, error });
        }
    }

    /// A fetch has ended by itself.
    pub(crate) fn fetch_ended(&self, name: (TorrentId, FetchToken)) {
        self.node.borrow_mut().fetches.forget(name);
    }

    /// Listens. The engine hears of it later, as of everything that it asks for.
    fn listen(self: &Rc<Self>, local: SocketAddr) {
        let shared = Rc::clone(self);
        spawn_local(async move {
            let bound = dial::listen(local).and_then(|listener| Ok((listener.local_addr()?, listener)));
            match bound {
                Ok((local, listener)) => {
                    shared.input(Input::Listening { local });
                    shared.accept(listener).await;
                }
                Err(error) => {
                    debug!(%local, %error, "cannot listen");
                    shared.input(Input::ListenFailed { error: dial::stream_error(&error) });
                }
            }
        });
    }

    async fn accept(self: Rc<Self>, listener: TcpListener) {
        loop {
            let (socket, remote) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "cannot accept a stream");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let ticket = self.node.borrow_mut().keep(socket);
            self.input(Input::Accepted { ticket, remote: dial::canonical(remote) });
        }
    }
}

impl Node {
    fn keep(&mut self, socket: TcpStream) -> AcceptTicket {
        self.tickets += 1;
        let ticket = AcceptTicket(self.tickets);
        self.accepted.insert(ticket, socket);
        ticket
    }

    fn open(&mut self, torrent: TorrentId, info_hash: InfoHash) {
        if let Some((files, resume)) = self.pending.remove(&info_hash) {
            let state = Torrent {
                info_hash,
                files,
                resume,
                batch: Vec::new(),
                writes: HashSet::new(),
                flush: None,
                saving: false,
                save_next: None,
            };
            self.torrents.insert(torrent, state);
        }
    }

    /// Lets go of a torrent's files, unless a resume file is still to be written.
    fn release(&mut self, torrent: TorrentId) {
        if let Some(state) = self.torrents.remove(&torrent).filter(|state| state.saving) {
            self.released.insert(torrent, state);
        }
    }

    fn operate(&mut self, torrent: TorrentId, operation: Operation) {
        let Some(state) = self.torrents.get_mut(&torrent) else { return };
        match operation {
            Operation::Write { token, .. } => drop(state.writes.insert(token)),
            // A flush covers the writes given before it: it waits for those that other threads have, and
            // not for those that come later.
            Operation::Flush { token } if !state.writes.is_empty() => {
                state.flush = Some((token, state.writes.clone()));
                return;
            }
            Operation::Read { .. } | Operation::Flush { .. } => {}
        }
        state.batch.push(operation);
    }

    fn note_completion(&mut self, input: &Input) {
        let Input::Storage { torrent, completion: Completion::Written { token, .. } } = input else { return };
        let Some(state) = self.torrents.get_mut(torrent) else { return };
        state.writes.remove(token);
        let ready = state.flush.take_if(|(_, before)| {
            before.remove(token);
            before.is_empty()
        });
        state.batch.extend(ready.map(|(token, _)| Operation::Flush { token }));
    }

    /// Writes a resume file: one at a time for each torrent, so that the newest wins.
    fn save(&mut self, torrent: TorrentId, have: Bitfield, clean: bool) {
        let Some(state) = self.torrents.get_mut(&torrent).or_else(|| self.released.get_mut(&torrent)) else {
            return;
        };
        if state.saving {
            state.save_next = Some((have, clean));
            return;
        }
        let Some(path) = state.resume.clone() else { return };
        state.saving = true;
        self.saving += 1;
        let (info_hash, files) = (state.info_hash, Arc::clone(&state.files));
        self.jobs.push(Job::Other(Box::new(move || {
            let result = resume::write(&path, info_hash, have, files.stamps(), clean);
            let result = result.map_err(|error| Failed { path, error });
            Done::Notice(Notice::Saved { torrent, info_hash, result })
        })));
    }

    fn on_saved(&mut self, torrent: TorrentId, info_hash: InfoHash, result: Result<(), Failed>) {
        self.saving -= 1;
        match result {
            Ok(()) => self.tell(NodeEvent::ResumeSaved { info_hash }),
            Err(failed) => self.report_of(info_hash, failed),
        }
        let Some(state) = self.torrents.get_mut(&torrent).or_else(|| self.released.get_mut(&torrent)) else {
            return;
        };
        state.saving = false;
        match state.save_next.take() {
            Some((have, clean)) => self.save(torrent, have, clean),
            None => drop(self.released.remove(&torrent)),
        }
    }

    fn on_event(&mut self, event: Event) {
        match &event {
            Event::Stopped => self.stopped = true,
            Event::Refused { info_hash, .. } => drop(self.pending.remove(info_hash)),
            _ => {}
        }
        self.tell(NodeEvent::Engine(event));
    }

    fn report(&self, torrent: TorrentId, failed: Failed) {
        // What is missing while pieces are checked is no failure; the engine says so where it is one.
        if let Some(state) = self.torrents.get(&torrent) {
            self.report_of(state.info_hash, failed);
        }
    }

    fn report_of(&self, info_hash: InfoHash, failed: Failed) {
        let kind = failed.kind();
        let Failed { path, error } = failed;
        debug!(path = %path.display(), %error, "storage");
        self.tell(NodeEvent::StorageFailed { info_hash, path, kind, error });
    }

    fn tell(&self, event: NodeEvent) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }
}
