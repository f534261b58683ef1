//! Writes down what every engine of a simulated swarm was told and did, for `convoy replay`.

use crate::failure::Failure;
use convoy_core::{
    Deadline, Instant, Seed,
    engine::{Action, Config, Input},
    testing::Call,
};
use convoy_sim::{net::HostId, world::Observer};
use convoy_vectors::machine::TraceWriter;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    rc::Rc,
};

/// A trace that is being written.
pub(super) struct Trace {
    path: PathBuf,
    /// Until the system took no more.
    out: Rc<RefCell<io::Result<TraceWriter<File>>>>,
}

impl Trace {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| Failure::io("cannot write", path, &error))?;
        Ok(Self { path: path.to_owned(), out: Rc::new(RefCell::new(Ok(TraceWriter::new(file)))) })
    }

    pub(super) fn observer(&self) -> Box<dyn Observer> {
        Box::new(Pen { out: Rc::clone(&self.out), lives: BTreeMap::new(), begun: 0 })
    }

    /// Writes what is left. The observer must be gone.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let ended = Err(io::Error::other("the trace has ended"));
        let finished = self.out.replace(ended).and_then(TraceWriter::finish);
        finished.map(drop).map_err(|error| Failure::io("cannot write", &self.path, &error))
    }
}

/// Each start of a host is a life of its own.
struct Pen {
    out: Rc<RefCell<io::Result<TraceWriter<File>>>>,
    lives: BTreeMap<HostId, u32>,
    begun: u32,
}

impl Pen {
    fn write(&self, write: impl FnOnce(&mut TraceWriter<File>) -> io::Result<()>) {
        let mut out = self.out.borrow_mut();
        if let Err(error) = out.as_mut().map_or(Ok(()), write) {
            *out = Err(error);
        }
    }
}

impl Observer for Pen {
    fn life(&mut self, host: HostId, config: &Config, seed: Seed) {
        let life = self.begun;
        self.begun += 1;
        self.lives.insert(host, life);
        self.write(|out| out.life(life, "engine", config, seed));
    }

    fn step(
        &mut self,
        host: HostId,
        at: Instant,
        input: Option<Input>,
        actions: &[Action],
        next: Option<Deadline>,
    ) {
        let call = input.as_ref().map_or(Call::Timeout, Call::Input);
        self.write(|out| out.step(self.lives[&host], at, call, actions, next));
    }
}
