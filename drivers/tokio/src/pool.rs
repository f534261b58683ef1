//! Threads for what blocks or computes: files and hashes.

use crate::{
    files::{Failed, Files},
    lock,
};
use bytes::Bytes;
use convoy_core::{
    engine::{AddTorrent, Input},
    id::{ComputeToken, FileIndex, InfoHash, StorageToken, TorrentId},
    storage::{Completion, HashJob, Operation},
};
use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
};
use tokio::sync::Notify;

/// The most parts of one vectored write; the system takes 1024.
const PARTS: usize = 512;

/// Work for a thread.
pub(crate) enum Job {
    /// Operations of one torrent, in order.
    Storage { torrent: TorrentId, files: Arc<Files>, operations: Vec<Operation> },
    /// A hash.
    Hash { torrent: TorrentId, token: ComputeToken, job: HashJob },
    /// Anything else that blocks.
    Other(Box<dyn FnOnce() -> Done + Send>),
}

/// What came of it.
pub(crate) enum Done {
    /// For the engine.
    Input(Input),
    /// For people: the system's own words for a failure that the engine hears of as well.
    Failed(TorrentId, Failed),
    /// For the node.
    Notice(Notice),
}

/// What the node itself waits for.
pub(crate) enum Notice {
    /// A torrent's files were looked at: it can be added.
    Ready { add: Box<AddTorrent>, files: Arc<Files>, resume: Option<PathBuf> },
    /// A resume file was written, or not.
    Saved { info_hash: InfoHash, result: Result<(), Failed> },
}

/// Threads, what they have to do, and what they have done.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    jobs: Mutex<Jobs>,
    ready: Condvar,
    done: Mutex<Vec<Done>>,
    wake: Notify,
}

#[derive(Default)]
struct Jobs {
    queue: VecDeque<Job>,
    closed: bool,
}

impl Pool {
    pub(crate) fn new(threads: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        for number in 0..threads.max(1) {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("convoy-work-{number}")).spawn(move || shared.work())?;
        }
        Ok(Self { shared })
    }

    pub(crate) fn give(&self, jobs: impl IntoIterator<Item = Job>) {
        let mut queue = lock(&self.shared.jobs);
        let before = queue.queue.len();
        queue.queue.extend(jobs);
        match queue.queue.len() - before {
            0 => {}
            1 => self.shared.ready.notify_one(),
            _ => self.shared.ready.notify_all(),
        }
    }

    /// Waits until something is done.
    pub(crate) async fn wait(&self) {
        self.shared.wake.notified().await;
    }

    /// What was done since the last time.
    pub(crate) fn take_done(&self, into: &mut Vec<Done>) {
        std::mem::swap(&mut *lock(&self.shared.done), into);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.shared.jobs).closed = true;
        self.shared.ready.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(job) = self.next() {
            let mut done = Vec::new();
            job.run(&mut done);
            let mut all = lock(&self.done);
            let first = all.is_empty();
            all.append(&mut done);
            drop(all);
            if first {
                self.wake.notify_one();
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut jobs = lock(&self.jobs);
        loop {
            if let Some(job) = jobs.queue.pop_front() {
                return Some(job);
            }
            if jobs.closed {
                return None;
            }
            jobs = self.ready.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Job {
    fn run(self, done: &mut Vec<Done>) {
        match self {
            Self::Storage { torrent, files, operations } => operate(torrent, &files, operations, done),
            Self::Hash { torrent, token, job } => {
                done.push(Done::Input(Input::Computed { torrent, token, outcome: job.run() }));
            }
            Self::Other(work) => done.push(work()),
        }
    }
}

/// Carries operations out. Writes that lie next to one another become one call.
fn operate(torrent: TorrentId, files: &Files, operations: Vec<Operation>, done: &mut Vec<Done>) {
    let mut run = Run::default();
    let mut answer = |completion, failed: Option<Failed>| {
        done.extend(failed.map(|failed| Done::Failed(torrent, failed)));
        done.push(Done::Input(Input::Storage { torrent, completion }));
    };
    for operation in operations {
        match operation {
            Operation::Write { token, file, offset, data } => {
                if !run.continues(file, offset) {
                    run.write(files, &mut answer);
                    run.start(file, offset);
                }
                run.push(token, data);
            }
            Operation::Read { token, file, offset, length } => {
                run.write(files, &mut answer);
                match files.read(file, offset, length) {
                    Ok(bytes) => answer(Completion::Read { token, result: Ok(bytes) }, None),
                    Err(failed) => {
                        answer(Completion::Read { token, result: Err(failed.kind()) }, Some(failed))
                    }
                }
            }
            Operation::Flush { token } => {
                run.write(files, &mut answer);
                match files.flush() {
                    Ok(()) => answer(Completion::Flushed { token, result: Ok(()) }, None),
                    Err(failed) => {
                        answer(Completion::Flushed { token, result: Err(failed.kind()) }, Some(failed))
                    }
                }
            }
        }
    }
    run.write(files, &mut answer);
}

/// Writes that lie end to end in one file.
#[derive(Default)]
struct Run {
    file: FileIndex,
    offset: u64,
    end: u64,
    tokens: Vec<StorageToken>,
    parts: Vec<Bytes>,
}

impl Run {
    fn continues(&self, file: FileIndex, offset: u64) -> bool {
        !self.parts.is_empty() && self.parts.len() < PARTS && self.file == file && self.end == offset
    }

    fn start(&mut self, file: FileIndex, offset: u64) {
        (self.file, self.offset, self.end) = (file, offset, offset);
    }

    fn push(&mut self, token: StorageToken, data: Bytes) {
        self.end += data.len() as u64;
        self.tokens.push(token);
        self.parts.push(data);
    }

    fn write(&mut self, files: &Files, answer: &mut impl FnMut(Completion, Option<Failed>)) {
        if self.parts.is_empty() {
            return;
        }
        let mut failed = files.write(self.file, self.offset, &self.parts).err();
        self.parts.clear();
        let result = failed.as_ref().map_or(Ok(()), |failed| Err(failed.kind()));
        for token in self.tokens.drain(..) {
            answer(Completion::Written { token, result }, failed.take());
        }
    }
}
