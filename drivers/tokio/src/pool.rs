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
    panic::{AssertUnwindSafe, catch_unwind},
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
    /// The job panicked. What it owed will never come, so the node cannot go on.
    Broken,
}

/// What the node itself waits for.
pub(crate) enum Notice {
    /// A torrent's files were looked at: it can be added.
    Ready { add: Box<AddTorrent>, files: Arc<Files>, resume: Option<PathBuf> },
    /// A resume file was written, or not.
    Saved { torrent: TorrentId, info_hash: InfoHash, result: Result<(), Failed> },
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
            // What a job that panics leaves behind is not looked at again.
            let run = AssertUnwindSafe(|| {
                let mut done = Vec::new();
                job.run(&mut done);
                done
            });
            let mut done = catch_unwind(run).unwrap_or_else(|_| vec![Done::Broken]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{
        OpenFiles,
        tests::{CONTENT, info},
    };
    use convoy_core::{slab::Key, storage::StorageError};
    use std::fs;

    fn done(operations: Vec<Operation>, files: &Files) -> Vec<Completion> {
        let mut done = Vec::new();
        operate(TorrentId::new(0, 0), files, operations, &mut done);
        let completion = |done| match done {
            Done::Input(Input::Storage { completion, .. }) => Some(completion),
            _ => None,
        };
        done.into_iter().filter_map(completion).collect()
    }

    fn write(token: u64, offset: u64, data: &'static [u8]) -> Operation {
        let data = Bytes::from_static(data);
        Operation::Write { token: StorageToken(token), file: FileIndex(0), offset, data }
    }

    #[test]
    fn writes_that_join_and_writes_that_do_not_are_all_answered() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(&info(), folder.path(), Arc::new(OpenFiles::default()));
        let operations =
            vec![write(1, 0, b"ab"), write(2, 2, b"cd"), write(3, 8, b"ij"), write(4, 4, b"efgh")];
        let answers: Vec<Completion> =
            (1..=4).map(|token| Completion::Written { token: StorageToken(token), result: Ok(()) }).collect();
        assert_eq!(done(operations, &files), answers);
        assert_eq!(fs::read(folder.path().join("content")).expect("a file"), CONTENT);
        let flush = Operation::Flush { token: StorageToken(5) };
        assert_eq!(
            done(vec![flush], &files),
            [Completion::Flushed { token: StorageToken(5), result: Ok(()) }]
        );
    }

    #[test]
    fn what_is_missing_or_short_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::new(&info(), folder.path(), Arc::new(OpenFiles::default()));
        let read = || Operation::Read { token: StorageToken(1), file: FileIndex(0), offset: 4, length: 6 };
        let failed = |error| [Completion::Read { token: StorageToken(1), result: Err(error) }];
        assert_eq!(done(vec![read()], &files), failed(StorageError::NotFound));
        fs::write(folder.path().join("content"), b"abcdefg").expect("a file");
        assert_eq!(done(vec![read()], &files), failed(StorageError::TooShort));
    }

    #[test]
    fn a_job_that_panics_ends_the_node_and_not_the_thread() {
        let pool = Pool::new(1).expect("a thread");
        pool.give([
            Job::Other(Box::new(|| panic!("a test's own"))),
            Job::Other(Box::new(|| {
                Done::Notice(Notice::Saved {
                    torrent: TorrentId::new(0, 0),
                    info_hash: InfoHash([0; 20]),
                    result: Ok(()),
                })
            })),
        ]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut all = Vec::new();
        while all.len() < 2 {
            let mut some = Vec::new();
            runtime.block_on(pool.wait());
            pool.take_done(&mut some);
            all.extend(some);
        }
        assert!(matches!(all[..], [Done::Broken, Done::Notice(_)]));
    }
}
