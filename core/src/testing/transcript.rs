//! What a machine was told and did, written down and played again.

use crate::{
    machine::Machine,
    outbox::Outbox,
    random::Seed,
    time::{Deadline, Instant},
};
use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::fmt::{self, Debug, Display};

/// How much of a value is shown: block data would hide everything else.
const SHOWN_CHARACTERS: usize = 300;
/// How many of the last steps are shown.
const SHOWN_STEPS: usize = 60;

/// The whole life of a machine: enough to live it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript<C, I, A> {
    /// What the machine was built from.
    pub config: C,
    /// And the seed.
    pub seed: Seed,
    /// Every call, first to last.
    pub steps: Vec<Step<I, A>>,
}

/// One call and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<I, A> {
    /// The time the machine was told, which may run backwards (law 1).
    pub at: Instant,
    /// What was called.
    pub call: Call<I>,
    /// What came of it.
    pub outcome: Outcome<A>,
}

/// What was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call<I> {
    /// `handle_input`.
    Input(I),
    /// `handle_timeout`.
    Timeout,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<A> {
    /// What the machine wanted, in order.
    pub actions: Vec<A>,
    /// The error, as `Debug` shows it, if that was the end.
    pub error: Option<String>,
    /// When the machine next wants to be called.
    pub next: Option<Deadline>,
}

/// A machine that writes down its own life. Put it where the machine would stand.
///
/// It keeps a copy of every input and action, so it grows without bound: it is for tests and for hunting
/// a bug.
#[derive(Clone, Debug)]
pub struct Recorder<C, M: Machine> {
    machine: M,
    transcript: Transcript<C, M::Input, M::Action>,
}

impl<C, M: Machine<Input: Clone, Action: Clone>> Recorder<C, M> {
    /// Starts to record `machine`, which was built from `config` and `seed` and not called since.
    pub const fn new(machine: M, config: C, seed: Seed) -> Self {
        Self { machine, transcript: Transcript { config, seed, steps: Vec::new() } }
    }

    /// The machine, for its accessors.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// What was recorded so far.
    pub const fn transcript(&self) -> &Transcript<C, M::Input, M::Action> {
        &self.transcript
    }

    /// Ends the recording.
    pub fn into_transcript(self) -> Transcript<C, M::Input, M::Action> {
        self.transcript
    }

    fn record(
        &mut self,
        at: Instant,
        call: Call<M::Input>,
        out: &mut Outbox<M::Action>,
    ) -> Result<(), M::Error> {
        let (outcome, result) = perform(&mut self.machine, at, &call, out);
        self.transcript.steps.push(Step { at, call, outcome });
        result
    }
}

impl<C, M: Machine<Input: Clone, Action: Clone>> Machine for Recorder<C, M> {
    type Input = M::Input;
    type Action = M::Action;
    type Error = M::Error;

    fn handle_input(
        &mut self,
        now: Instant,
        input: M::Input,
        out: &mut Outbox<M::Action>,
    ) -> Result<(), M::Error> {
        self.record(now, Call::Input(input), out)
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<M::Action>) -> Result<(), M::Error> {
        self.record(now, Call::Timeout, out)
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.machine.poll_timeout()
    }
}

/// Makes one call; what it added to `out` stays there.
pub(super) fn perform<M: Machine<Input: Clone, Action: Clone>>(
    machine: &mut M,
    at: Instant,
    call: &Call<M::Input>,
    out: &mut Outbox<M::Action>,
) -> (Outcome<M::Action>, Result<(), M::Error>) {
    let before = out.len();
    let result = match call {
        Call::Input(input) => machine.handle_input(at, input.clone(), out),
        Call::Timeout => machine.handle_timeout(at, out),
    };
    let outcome = Outcome {
        actions: out.as_slice().get(before..).unwrap_or_default().to_vec(),
        error: result.as_ref().err().map(|error| format!("{error:?}")),
        next: machine.poll_timeout(),
    };
    (outcome, result)
}

/// Lives a recorded life again with the machine that `build` makes, and compares.
///
/// ```
/// # use convoy_core::{Deadline, Instant, Machine, Outbox};
/// use convoy_core::testing::{Recorder, replay};
/// # use core::convert::Infallible;
/// # struct Echo;
/// # impl Machine for Echo {
/// #     type Input = u32;
/// #     type Action = u32;
/// #     type Error = Infallible;
/// #     fn handle_input(&mut self, _: Instant, input: u32, out: &mut Outbox<u32>) -> Result<(), Infallible> {
/// #         out.push(input);
/// #         Ok(())
/// #     }
/// #     fn handle_timeout(&mut self, _: Instant, _: &mut Outbox<u32>) -> Result<(), Infallible> {
/// #         Ok(())
/// #     }
/// #     fn poll_timeout(&self) -> Option<Deadline> {
/// #         None
/// #     }
/// # }
///
/// let mut echo = Recorder::new(Echo, (), [0; 32]);
/// echo.handle_input(Instant::ZERO, 7, &mut Outbox::new())?;
/// let transcript = echo.into_transcript();
/// assert_eq!(transcript.steps[0].outcome.actions, [7]);
/// assert_eq!(replay(&transcript, |(), _| Echo), Ok(()));
/// # Ok::<(), Infallible>(())
/// ```
///
/// # Errors
/// The first call that did not do what it did then.
pub fn replay<C, M: Machine<Input: Clone, Action: Clone + PartialEq>>(
    transcript: &Transcript<C, M::Input, M::Action>,
    build: impl FnOnce(&C, Seed) -> M,
) -> Result<(), Box<Difference<M::Action>>> {
    let mut machine = build(&transcript.config, transcript.seed);
    let mut out = Outbox::new();
    for (index, step) in transcript.steps.iter().enumerate() {
        let (found, _) = perform(&mut machine, step.at, &step.call, &mut out);
        drop(out.drain());
        if found != step.outcome {
            return Err(Box::new(Difference { index, expected: step.outcome.clone(), found }));
        }
    }
    Ok(())
}

/// Where a second life went another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference<A> {
    /// The call, counted from 0.
    pub index: usize,
    /// What came of it in the first life.
    pub expected: Outcome<A>,
    /// What came of it in the second.
    pub found: Outcome<A>,
}

impl<A: Debug> Display for Difference<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, expected, found } = self;
        write!(f, "step {index} differs\n  expected {expected}\n  found    {found}")
    }
}

impl<A: Debug> core::error::Error for Difference<A> {}

impl<C: Debug, I: Debug, A: Debug> Display for Transcript<C, I, A> {
    /// The configuration, the seed and the last steps, one a line, each value cut where it gets long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "configuration {}", Short(&self.config))?;
        writeln!(f, "seed {:?}", self.seed)?;
        let hidden = self.steps.len().saturating_sub(SHOWN_STEPS);
        if hidden > 0 {
            writeln!(f, "({hidden} earlier steps)")?;
        }
        for (index, step) in self.steps.iter().enumerate().skip(hidden) {
            writeln!(f, "{index:4} {:?} {} -> {}", step.at, step.call, step.outcome)?;
        }
        Ok(())
    }
}

impl<I: Debug> Display for Call<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(input) => Short(input).fmt(f),
            Self::Timeout => f.write_str("(timeout)"),
        }
    }
}

impl<A: Debug> Display for Outcome<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Short(&self.actions).fmt(f)?;
        if let Some(error) = &self.error {
            write!(f, ", error {error}")?;
        }
        match self.next {
            Some(Deadline { at, why }) => write!(f, ", next {at:?} ({why})"),
            None => f.write_str(", next never"),
        }
    }
}

/// Shows the beginning of a value.
struct Short<'a, T>(&'a T);

impl<T: Debug> Display for Short<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = format!("{:?}", self.0);
        match whole.char_indices().nth(SHOWN_CHARACTERS).and_then(|(end, _)| whole.get(..end)) {
            Some(start) => write!(f, "{start}… ({} bytes)", whole.len()),
            None => f.write_str(&whole),
        }
    }
}
