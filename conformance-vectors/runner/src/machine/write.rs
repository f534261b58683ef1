//! Writes traces.

use convoy_core::{Deadline, Instant, Seed, serial::Hex, testing::Call};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{self, BufWriter, Write};

/// Writes a trace: one line for each life and each step.
///
/// A step is written in two halves, for a machine takes its input away: [`begin`](Self::begin) before the
/// call, [`end`](Self::end) or [`fail`](Self::fail) behind it. Output is buffered.
#[derive(Debug)]
pub struct TraceWriter<W: Write>(BufWriter<W>);

#[derive(Serialize)]
struct Header<'a, C> {
    life: u32,
    machine: &'a str,
    config: &'a C,
    seed: Hex<Seed>,
}

impl<W: Write> TraceWriter<W> {
    /// A trace without lives.
    pub fn new(out: W) -> Self {
        Self(BufWriter::with_capacity(1 << 16, out))
    }

    /// A machine was built. `life` is a number of your choice that is used once; the name is one of
    /// [`MACHINES`](super::MACHINES), and the type of `config` what stands there.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn life(&mut self, life: u32, machine: &str, config: &impl Serialize, seed: Seed) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, &Header { life, machine, config, seed: Hex(seed) })?;
        self.0.write_all(b"\n")
    }

    /// A machine is about to be called.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn begin(&mut self, life: u32, at: Instant, call: Call<&impl Serialize>) -> io::Result<()> {
        write!(self.0, "{{\"life\":{life},")?;
        write_call(&mut self.0, at, call)
    }

    /// The call that was begun last gave `actions`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn end(&mut self, actions: &[impl Serialize], next: Option<Deadline>) -> io::Result<()> {
        write_outcome(&mut self.0, actions, None, next)?;
        self.0.write_all(b"\n")
    }

    /// The call that was begun last gave `actions` and then `error`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn fail(&mut self, actions: &[impl Serialize], error: &impl Serialize) -> io::Result<()> {
        let error = serde_json::value::to_raw_value(error)?;
        write_outcome(&mut self.0, actions, Some(&error), None)?;
        self.0.write_all(b"\n")
    }

    /// A whole step, for those who keep the input.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn step(
        &mut self,
        life: u32,
        at: Instant,
        call: Call<&impl Serialize>,
        actions: &[impl Serialize],
        next: Option<Deadline>,
    ) -> io::Result<()> {
        self.begin(life, at, call)?;
        self.end(actions, next)
    }

    /// Writes what is buffered and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(self) -> io::Result<W> {
        self.0.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

/// The first half of a step, from `at` on.
pub(super) fn write_call(out: &mut impl Write, at: Instant, call: Call<&impl Serialize>) -> io::Result<()> {
    write!(out, "\"at\":{}", at.as_micros())?;
    match call {
        Call::Input(input) => {
            out.write_all(b",\"input\":")?;
            Ok(serde_json::to_writer(out, input)?)
        }
        Call::Timeout => out.write_all(b",\"timeout\":true"),
    }
}

/// The second half.
pub(super) fn write_outcome(
    out: &mut impl Write,
    actions: &[impl Serialize],
    error: Option<&RawValue>,
    next: Option<Deadline>,
) -> io::Result<()> {
    out.write_all(b",\"actions\":")?;
    serde_json::to_writer(&mut *out, actions)?;
    if let Some(error) = error {
        write!(out, ",\"error\":{error}")?;
    }
    if let Some(Deadline { at, why }) = next {
        out.write_all(b",\"next\":")?;
        serde_json::to_writer(&mut *out, &(at, why))?;
    }
    out.write_all(b"}")
}
