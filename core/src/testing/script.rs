//! The first life: drawing a script of timed calls, and watching what shows without a twin.

use super::{
    ActionOf, Breach, Call, Dice, InputOf, Outcome, Recorder, Step, Subject, TranscriptOf,
    transcript::perform,
};
use crate::{
    machine::Machine,
    outbox::Outbox,
    time::{Clock, Deadline, Instant},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// How often a dead machine is called again.
const CALLS_TO_THE_DEAD: usize = 8;

/// A life, and the stray inputs that could have come in between.
pub(super) struct Script<S: Subject> {
    pub(super) transcript: TranscriptOf<S>,
    /// In front of which step each one could have come.
    pub(super) strays: Vec<(usize, InputOf<S>)>,
}

/// Draws a life of at most `steps` calls and watches over laws 2, 3, 5 and 7.
pub(super) fn live<S: Subject>(subject: &mut S, dice: &mut Dice, steps: usize) -> Result<Script<S>, Breach> {
    let config = subject.config(dice);
    let seed = dice.seed();
    let machine = subject.build(&config, seed);
    let mut life = Life {
        bounds: subject.bounds(),
        subject,
        recorder: Recorder::new(machine, config, seed),
        clock: Clock::default(),
        strays: Vec::new(),
    };
    let start = epoch(dice);
    // Most lives are calm: a machine that dies of silence would not get far in a wild one.
    let wild = dice.chance(1, 4);
    let mut alive = true;
    for _ in 0..steps {
        if dice.is_empty() {
            break;
        }
        life.draw_stray(dice);
        let (at, timeout) = when(dice, wild, life.clock.latest().max(start), life.recorder.poll_timeout());
        let call = if timeout { Call::Timeout } else { Call::Input(life.subject.input(dice)) };
        alive = life.call(at, call)?;
        if !alive {
            break;
        }
    }
    if !alive || !life.idle()? {
        life.call_the_dead(dice)?;
    }
    Ok(Script { strays: life.strays, transcript: life.recorder.into_transcript() })
}

/// Where a driver's clock may start.
fn epoch(dice: &mut Dice) -> Instant {
    match dice.below(3) {
        0 => Instant::ZERO,
        1 => Instant::from_micros(u64::from(dice.below(u32::MAX))),
        _ => Instant::ZERO + YEAR * 60,
    }
}

/// Draws the time of the next call, and whether it is a `handle_timeout`.
fn when(dice: &mut Dice, wild: bool, latest: Instant, next: Option<Deadline>) -> (Instant, bool) {
    let ahead = |micros: u32| latest + Duration::from_micros(u64::from(micros));
    let at = match dice.below(32) {
        0..=9 => latest,
        10..=15 => ahead(dice.below(1000)),
        16..=21 => ahead(dice.below(1_000_000)),
        22..=25 => ahead(dice.below(20_000_000)),
        26 if wild => ahead(dice.below(600_000_000)),
        27 if wild => return (latest + YEAR, dice.chance(1, 2)),
        28 => return (back(latest, dice), dice.chance(1, 4)),
        29 => return (ahead(dice.below(1000)), true),
        _ => next.map_or(latest, |deadline| deadline.at.max(latest)),
    };
    // Most drivers are on time, most of the time.
    match next {
        Some(deadline) if deadline.at <= at && dice.chance(7, 8) => (deadline.at.max(latest), true),
        _ => (at, false),
    }
}

fn back(latest: Instant, dice: &mut Dice) -> Instant {
    Instant::from_micros(latest.as_micros().saturating_sub(u64::from(dice.below(20_000_000))))
}

struct Life<'a, S: Subject> {
    subject: &'a mut S,
    bounds: super::Bounds,
    recorder: Recorder<S::Config, S::Machine>,
    clock: Clock,
    strays: Vec<(usize, InputOf<S>)>,
}

impl<S: Subject> Life<'_, S> {
    fn draw_stray(&mut self, dice: &mut Dice) {
        if dice.chance(1, 4)
            && let Some(stray) = self.subject.stray(dice)
        {
            self.strays.push((self.recorder.transcript().steps.len(), stray));
        }
    }

    /// Makes a call and says whether the machine lives.
    fn call(&mut self, at: Instant, call: Call<InputOf<S>>) -> Result<bool, Breach> {
        let now = self.clock.advance(at);
        let due_before = due(self.recorder.poll_timeout(), now);
        let step = self.perform(at, call);
        self.subject.observe(&step);
        let Step { call, outcome, .. } = step;
        self.check_bounds(&outcome)?;
        if let Some(error) = &outcome.error {
            return match outcome.next {
                Some(_) => Err(self.breach(5, format!("poll_timeout wants a call after the error {error}"))),
                None => Ok(false),
            };
        }
        // Where time ran backwards, law 1 has its own twin.
        let due_after = due(outcome.next, now) && at == now;
        match call {
            Call::Timeout if due_after => {
                Err(self.breach(2, format!("after handle_timeout({now:?}) the next deadline is not later")))
            }
            Call::Input(_) if due_after && !due_before => {
                Err(self.breach(3, format!("at {now:?} an input left work that waits for handle_timeout")))
            }
            Call::Timeout | Call::Input(_) => Ok(true),
        }
    }

    fn perform(&mut self, at: Instant, call: Call<InputOf<S>>) -> Step<InputOf<S>, ActionOf<S>> {
        let (outcome, _) = perform(&mut self.recorder, at, &call, &mut Outbox::new());
        Step { at, call, outcome }
    }

    fn check_bounds(&self, outcome: &Outcome<ActionOf<S>>) -> Result<(), Breach> {
        let bytes = outcome.actions.iter().map(|action| self.subject.bytes(action)).sum();
        let found = [
            ("actions in a call", outcome.actions.len(), self.bounds.actions_per_call),
            ("bytes in the actions of a call", bytes, self.bounds.bytes_per_call),
            ("bytes of memory", self.subject.memory(self.recorder.machine()), self.bounds.memory),
        ];
        match found.iter().find(|(_, found, bound)| found > bound) {
            Some((what, found, bound)) => Err(self.breach(7, format!("{found} {what}, promised {bound}"))),
            None => Ok(()),
        }
    }

    /// Law 5: the same error again and again, and no action.
    fn call_the_dead(&mut self, dice: &mut Dice) -> Result<(), Breach> {
        let error = self.recorder.transcript().steps.last().and_then(|step| step.outcome.error.clone());
        for _ in 0..CALLS_TO_THE_DEAD {
            let at =
                self.clock.advance(self.clock.latest() + Duration::from_secs(u64::from(dice.below(100))));
            let timeout = dice.chance(1, 2);
            let call = if timeout { Call::Timeout } else { Call::Input(self.subject.input(dice)) };
            let found = self.perform(at, call).outcome;
            if !found.actions.is_empty() || found.error != error || found.next.is_some() {
                return Err(self.breach(5, String::from("a call after the error gives something else")));
            }
        }
        Ok(())
    }

    /// Law 2: left alone, the machine asks for few calls. Says whether it lives.
    fn idle(&mut self) -> Result<bool, Breach> {
        let limit = self.bounds.timeouts_per_s;
        let (mut since, mut calls) = (self.clock.latest(), 0);
        for _ in 0..=limit.saturating_mul(2) {
            let Some(deadline) = self.recorder.poll_timeout() else { break };
            if deadline.at - since >= Duration::from_secs(1) {
                (since, calls) = (deadline.at, 0);
            }
            calls += 1;
            if calls > limit {
                return Err(self.breach(2, format!("{calls} timeouts asked for within a second")));
            }
            if !self.call(deadline.at, Call::Timeout)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn breach(&self, law: u8, what: String) -> Breach {
        Breach { law, what, transcript: self.recorder.transcript().to_string() }
    }
}

fn due(next: Option<Deadline>, now: Instant) -> bool {
    next.is_some_and(|deadline| deadline.at <= now)
}
