//! The second lives: the same script for fresh twins, changed where a law says that it must not matter.

use super::{
    ActionOf, Breach, Call, InputOf, Outcome, Step, Subject, TranscriptOf,
    script::Script,
    transcript::{Difference, perform, replay},
};
use crate::{
    outbox::Outbox,
    time::{Clock, Instant},
};
use alloc::{boxed::Box, format, string::ToString};
use core::fmt::Display;

/// Checks laws 8, 1, 2, 3, 4 and 9.
pub(super) fn check<S: Subject>(subject: &S, script: &Script<S>) -> Result<(), Breach> {
    let transcript = &script.transcript;
    // First of all: without it, no difference below would mean anything.
    replay(transcript, |config, seed| subject.build(config, seed))
        .map_err(|difference| breach(transcript, 8, "a twin with the same calls differs", &difference))?;
    check_clamped_time(subject, transcript)?;
    check_early_calls(subject, transcript)?;
    check_undrained(subject, transcript)?;
    check_strays(subject, script)
}

/// Law 1: the twin's clock stands still where the first one's ran backwards.
fn check_clamped_time<S: Subject>(subject: &S, transcript: &TranscriptOf<S>) -> Result<(), Breach> {
    let mut twin = Twin::new(subject, transcript);
    let mut clock = Clock::default();
    for (index, step) in transcript.steps.iter().enumerate() {
        let found = twin.call(clock.advance(step.at), &step.call);
        compare(index, step, found)
            .map_err(|difference| twin.breach(1, "a clock that never runs backwards differs", &difference))?;
    }
    Ok(())
}

/// Laws 2 and 3: the twin is called early, at once and just before the deadline or the next call.
fn check_early_calls<S: Subject>(subject: &S, transcript: &TranscriptOf<S>) -> Result<(), Breach> {
    let mut twin = Twin::new(subject, transcript);
    let mut clock = Clock::default();
    for (index, step) in transcript.steps.iter().enumerate() {
        let found = twin.call(step.at, &step.call);
        compare(index, step, found).map_err(|difference| {
            twin.breach(2, "handle_timeout calls that came early made a difference", &difference)
        })?;
        let now = clock.advance(step.at);
        let upcoming = transcript.steps.get(index + 1).map_or(now, |next| now.max(next.at));
        let early = match step.outcome.next {
            Some(deadline) => upcoming.min(before(deadline.at)),
            None => upcoming,
        };
        // A deadline that is due is the driver's to serve: no call would be early.
        if step.outcome.error.is_none() && now <= early {
            twin.expect_nothing(index, step, now, 3, "there was more to do after the call returned")?;
            twin.expect_nothing(index, step, early, 2, "a call that came early did something")?;
            clock.advance(early);
        }
    }
    Ok(())
}

fn before(at: Instant) -> Instant {
    Instant::from_micros(at.as_micros().saturating_sub(1))
}

/// Law 4: nobody drains the twin's outbox.
fn check_undrained<S: Subject>(subject: &S, transcript: &TranscriptOf<S>) -> Result<(), Breach> {
    let mut machine = subject.build(&transcript.config, transcript.seed);
    let mut out = Outbox::new();
    for (index, step) in transcript.steps.iter().enumerate() {
        let (found, _) = perform(&mut machine, step.at, &step.call, &mut out);
        compare(index, step, found)
            .map_err(|difference| breach(transcript, 4, "a twin that nobody drains differs", &difference))?;
    }
    Ok(())
}

/// Law 9: the twin gets the strays too.
fn check_strays<S: Subject>(subject: &S, script: &Script<S>) -> Result<(), Breach> {
    let mut twin = Twin::new(subject, &script.transcript);
    let mut strays = script.strays.iter().peekable();
    let mut clock = Clock::default();
    let mut last = None;
    for (index, step) in script.transcript.steps.iter().enumerate() {
        while let Some((_, stray)) = strays.next_if(|(place, _)| *place == index) {
            let now = last.map_or(step.at, |_| clock.latest());
            let found = twin.call(now, &Call::Input(stray.clone()));
            let next = last.map_or(found.next, |last: &Step<_, _>| last.outcome.next);
            if !found.actions.is_empty() || found.error.is_some() || found.next != next {
                let what = format!("in front of step {index} the stray {stray:?} gives {found}");
                return Err(twin.breach(9, "a stray completion did something", &what));
            }
        }
        let found = twin.call(step.at, &step.call);
        compare(index, step, found)
            .map_err(|difference| twin.breach(9, "stray completions made a difference", &difference))?;
        clock.advance(step.at);
        last = Some(step);
    }
    Ok(())
}

/// A fresh machine of the same configuration and seed.
pub(super) struct Twin<'a, S: Subject> {
    machine: S::Machine,
    transcript: &'a TranscriptOf<S>,
    out: Outbox<ActionOf<S>>,
}

impl<'a, S: Subject> Twin<'a, S> {
    pub(super) fn new(subject: &S, transcript: &'a TranscriptOf<S>) -> Self {
        let machine = subject.build(&transcript.config, transcript.seed);
        Self { machine, transcript, out: Outbox::new() }
    }

    pub(super) fn call(&mut self, at: Instant, call: &Call<InputOf<S>>) -> Outcome<ActionOf<S>> {
        let (outcome, _) = perform(&mut self.machine, at, call, &mut self.out);
        drop(self.out.drain());
        outcome
    }

    /// Calls `handle_timeout` at `at`, behind `step`, when nothing is due.
    fn expect_nothing(
        &mut self,
        index: usize,
        step: &Step<InputOf<S>, ActionOf<S>>,
        at: Instant,
        law: u8,
        what: &str,
    ) -> Result<(), Breach> {
        let found = self.call(at, &Call::Timeout);
        if found.actions.is_empty() && found.error.is_none() && found.next == step.outcome.next {
            return Ok(());
        }
        Err(self.breach(law, what, &format!("behind step {index}, handle_timeout({at:?}) gives {found}")))
    }

    pub(super) fn breach(&self, law: u8, what: &str, detail: &impl Display) -> Breach {
        breach(self.transcript, law, what, detail)
    }
}

fn compare<I, A: Clone + PartialEq>(
    index: usize,
    step: &Step<I, A>,
    found: Outcome<A>,
) -> Result<(), Box<Difference<A>>> {
    if found == step.outcome {
        return Ok(());
    }
    Err(Box::new(Difference { index, expected: step.outcome.clone(), found }))
}

fn breach(transcript: &impl Display, law: u8, what: &str, detail: &impl Display) -> Breach {
    Breach { law, what: format!("{what}: {detail}"), transcript: transcript.to_string() }
}
