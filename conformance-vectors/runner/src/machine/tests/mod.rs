//! Machines recorded into vectors, and what replaying them finds.

mod announcer;
mod choker;
mod engine;
mod exchange;
mod picker;
mod replaying;
mod streams;

use super::{
    check_file,
    write::{write_call, write_outcome},
};
use bytes::Bytes;
use convoy_core::{
    Instant, Machine, Outbox, Seed,
    id::InfoHash,
    metainfo::{File, Info},
    serial::Hex,
    storage::{Geometry, HashJob, HashOutcome},
    testing::Call,
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{env, fs, path::PathBuf, time::Duration};

/// Set to write the vectors anew from what the machines do today.
const RECORD: &str = "CONVOY_RECORD_VECTORS";

const SECOND: Duration = Duration::from_secs(1);

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../machines")
}

/// A torrent of one file of small pieces, and its content.
fn torrent(piece_length: u32, total_length: u64) -> (Info, Bytes) {
    let content: Bytes = (0..total_length).map(|n| (n * 7 % 251) as u8).collect();
    let hash = |piece: &[u8]| match HashJob::from(Bytes::copy_from_slice(piece)).run() {
        HashOutcome::Digest(hash) => hash,
        HashOutcome::Partial(_) | HashOutcome::Blocks(_) => unreachable!("the job is a whole piece"),
    };
    let info = Info {
        info_hash: InfoHash([0x11; 20]),
        info_hash_v2: None,
        raw: Bytes::new(),
        non_canonical: false,
        name: "content".into(),
        multi_file: false,
        files: vec![File {
            path: vec!["content".into()],
            length: total_length,
            padding: false,
            executable: false,
        }],
        geometry: Geometry::new(piece_length, total_length).expect("lengths of a torrent"),
        piece_hashes: content.chunks(piece_length as usize).flat_map(hash).collect(),
        private: false,
        source: None,
    };
    (info, content)
}

/// A machine whose life becomes a vector.
struct Recorder<M: Machine> {
    machine: M,
    name: &'static str,
    config: String,
    seed: Seed,
    written: fn(&M::Error) -> serde_json::Result<Box<RawValue>>,
    now: Instant,
    steps: Vec<String>,
}

impl<M: Machine<Input: Serialize, Action: Serialize + Clone>> Recorder<M> {
    fn new(
        name: &'static str,
        config: &impl Serialize,
        seed: Seed,
        written: fn(&M::Error) -> serde_json::Result<Box<RawValue>>,
        machine: M,
    ) -> Self {
        let config = serde_json::to_string(config).expect("a configuration can be written");
        Self { machine, name, config, seed, written, now: Instant::ZERO, steps: Vec::new() }
    }

    fn input(&mut self, input: M::Input) -> Vec<M::Action> {
        self.call(Call::Input(input))
    }

    fn timeout(&mut self) -> Vec<M::Action> {
        self.call(Call::Timeout)
    }

    /// Lets time pass, and calls the machine whenever it wants to be called.
    fn pass(&mut self, time: Duration) -> Vec<M::Action> {
        let (end, mut actions) = (self.now + time, Vec::new());
        while let Some(next) = self.machine.poll_timeout().filter(|next| next.at <= end) {
            self.now = next.at;
            actions.extend(self.timeout());
        }
        self.now = end;
        actions
    }

    fn call(&mut self, call: Call<M::Input>) -> Vec<M::Action> {
        let mut step = b"{".to_vec();
        let mut out = Outbox::new();
        let shown = match &call {
            Call::Input(input) => Call::Input(input),
            Call::Timeout => Call::Timeout,
        };
        write_call(&mut step, self.now, shown).expect("memory takes it");
        let result = match call {
            Call::Input(input) => self.machine.handle_input(self.now, input, &mut out),
            Call::Timeout => self.machine.handle_timeout(self.now, &mut out),
        };
        let error = result.err().map(|error| (self.written)(&error).expect("an error can be written"));
        write_outcome(&mut step, out.as_slice(), error.as_deref(), self.machine.poll_timeout())
            .expect("memory takes it");
        self.steps.push(String::from_utf8(step).expect("JSON is text"));
        out.drain().collect()
    }

    /// The vector as it stands in its file: a step on each line.
    fn vector(&self, about: &str) -> String {
        let Self { name, config, steps, .. } = self;
        let seed = serde_json::to_string(&Hex(self.seed)).expect("hex");
        let steps: Vec<String> = steps.iter().map(|step| format!("    {step}")).collect();
        format!(
            "{{\n  \"schema\": \"machine.schema.json\",\n  \"about\": {about:?},\n  \
             \"provenance\": \"recorded from this implementation\",\n  \"regression\": true,\n  \
             \"machine\": {name:?},\n  \"config\": {config},\n  \"seed\": {seed},\n  \"steps\": [\n{}\n  ]\n}}\n",
            steps.join(",\n")
        )
    }

    /// Compares this life with the vector that was recorded of it once.
    #[track_caller]
    fn is_kept_in(&self, file: &str, about: &str) {
        let (path, vector) = (folder().join(file), self.vector(about));
        if env::var_os(RECORD).is_some() {
            fs::write(&path, &vector).expect("the folder is there");
        }
        let report = check_file(&path).expect("the vector can be read");
        if let Some(difference) = report.difference {
            panic!("{file}: {difference}");
        }
        let kept = fs::read_to_string(&path).expect("it was read before");
        assert!(kept == vector, "the script of {file} was changed: set {RECORD}=1 to record it anew");
        assert_eq!(report.steps, self.steps.len() as u64);
    }
}
