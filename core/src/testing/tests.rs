//! The harness against machines that break one law each.

use super::*;
use crate::{
    outbox::Outbox,
    time::{Clock, Deadline, Instant},
};
use alloc::{format, string::ToString, vec::Vec};
use core::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// What is wrong with a worker.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    TrustsTime,
    ForgetsDeadline,
    CountsEarlyCalls,
    TicksTooFast,
    QueuesInside,
    SpeaksNextTime,
    LooksIntoOutbox,
    LivesOn,
    ChangesItsMind,
    SaysTooMuch,
    Hoards,
    SharesState,
    TakesRepeats,
    ReadsByChunk,
}

/// Reads letters: `w` asks for work, `q` dies, others are noise. Reports the time of work done, and rests
/// a second after each letter.
struct Worker {
    fault: Fault,
    clock: Clock,
    rest: Option<Instant>,
    waiting: Vec<u32>,
    asked: u32,
    early: u32,
    kept: Vec<Action>,
    dead: Option<Dead>,
}

#[derive(Clone, Debug, PartialEq)]
enum Input {
    Letters(BytesMut),
    Done(u32),
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    Work(u32),
    Finished(u32, Instant),
    Rested,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("dead for the {0}th time")]
struct Dead(u32);

static SHARED: AtomicU32 = AtomicU32::new(0);

impl Worker {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            clock: Clock::default(),
            rest: None,
            waiting: Vec::new(),
            asked: 0,
            early: 0,
            kept: Vec::new(),
            dead: None,
        }
    }

    fn advance(&mut self, now: Instant) -> Instant {
        let counted = self.clock.advance(now);
        if self.fault == Fault::TrustsTime { now } else { counted }
    }

    fn check_dead(&mut self) -> Result<(), Dead> {
        let Some(dead) = &mut self.dead else { return Ok(()) };
        if self.fault == Fault::ChangesItsMind {
            dead.0 += 1;
        }
        Err(dead.clone())
    }

    fn read(&mut self, now: Instant, letter: u8, out: &mut Outbox<Action>) -> Result<(), Dead> {
        match letter {
            b'w' => self.ask(out),
            b'q' => {
                self.dead = Some(Dead(1));
                self.rest = self.rest.filter(|_| self.fault == Fault::LivesOn);
                return Err(Dead(1));
            }
            _ => {}
        }
        self.rest = Some(now + Duration::from_secs(1));
        Ok(())
    }

    fn ask(&mut self, out: &mut Outbox<Action>) {
        self.asked += 1;
        if self.fault == Fault::SharesState {
            self.asked = SHARED.fetch_add(1, Ordering::Relaxed);
        }
        if self.waiting.len() < 10 || self.fault == Fault::Hoards {
            self.waiting.push(self.asked);
        }
        let work = Action::Work(self.asked);
        if self.fault == Fault::SpeaksNextTime {
            self.kept.push(work);
        } else if self.fault != Fault::LooksIntoOutbox || out.is_empty() {
            let times = if self.fault == Fault::SaysTooMuch { 100 } else { 1 };
            (0..times).for_each(|_| out.push(work.clone()));
        }
    }
}

impl Machine for Worker {
    type Input = Input;
    type Action = Action;
    type Error = Dead;

    fn handle_input(&mut self, now: Instant, input: Input, out: &mut Outbox<Action>) -> Result<(), Dead> {
        self.check_dead()?;
        let now = self.advance(now);
        match input {
            Input::Letters(letters) => {
                let all = if self.fault == Fault::ReadsByChunk { 1 } else { letters.len() };
                letters.iter().take(all).try_for_each(|letter| self.read(now, *letter, out))?;
            }
            Input::Done(work) => {
                let known = self.waiting.iter().position(|waiting| *waiting == work);
                if let Some(place) = known {
                    self.waiting.remove(place);
                }
                if known.is_some() || self.fault == Fault::TakesRepeats {
                    out.push(Action::Finished(work, now));
                }
            }
        }
        if self.fault == Fault::QueuesInside {
            self.rest = Some(now);
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Action>) -> Result<(), Dead> {
        self.check_dead()?;
        let now = self.advance(now);
        self.kept.drain(..).for_each(|action| out.push(action));
        self.early += 1;
        if self.rest.is_none_or(|at| at > now) {
            return Ok(());
        }
        let again = |after| Some(now + Duration::from_micros(after));
        self.rest = match (self.fault, self.early) {
            (Fault::ForgetsDeadline, _) => self.rest,
            (Fault::TicksTooFast, _) => again(1),
            (Fault::CountsEarlyCalls, 6..) => again(2_000_000),
            (_, _) => None,
        };
        out.push(Action::Rested);
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.rest.map(|at| Deadline { at, why: "rest" })
    }
}

struct Boss {
    fault: Fault,
    done: Vec<u32>,
    open: Vec<u32>,
}

impl Boss {
    fn of(fault: Fault) -> Self {
        Self { fault, done: Vec::new(), open: Vec::new() }
    }
}

impl Subject for Boss {
    type Machine = Worker;
    type Config = Fault;

    fn config(&mut self, _: &mut Dice) -> Fault {
        self.fault
    }

    fn build(&self, config: &Fault, _: Seed) -> Worker {
        Worker::new(*config)
    }

    fn bounds(&self) -> Bounds {
        Bounds { actions_per_call: 32, bytes_per_call: 0, memory: 40, timeouts_per_s: 2 }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        if dice.chance(1, 3)
            && let Some(work) = self.open.pop()
        {
            self.done.push(work);
            return Input::Done(work);
        }
        let letters =
            (0..dice.below(6)).map(|_| if dice.chance(1, 200) { b'q' } else { b'v' + dice.below(2) as u8 });
        Input::Letters(letters.collect::<Vec<u8>>().as_slice().into())
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        self.open.extend(step.outcome.actions.iter().filter_map(|action| match action {
            Action::Work(work) => Some(*work),
            Action::Finished(..) | Action::Rested => None,
        }));
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        dice.pick(&self.done).copied().map(Input::Done)
    }

    fn memory(&self, machine: &Worker) -> usize {
        machine.waiting.len() * size_of::<u32>()
    }
}

impl StreamSubject for Boss {
    fn received(input: &Input) -> Option<&[u8]> {
        match input {
            Input::Letters(letters) => Some(letters),
            Input::Done(_) => None,
        }
    }

    fn receive(bytes: BytesMut) -> Input {
        Input::Letters(bytes)
    }
}

/// The laws that are found broken over many lives.
fn broken(fault: Fault) -> Vec<u8> {
    let mut laws: Vec<u8> = (0..60)
        .filter_map(|seed| find_breach(Boss::of(fault), Dice::seeded(seed), 100))
        .map(|breach| breach.law)
        .collect();
    laws.sort_unstable();
    laws.dedup();
    laws
}

#[test]
fn a_lawful_machine_passes() {
    for seed in 0..100 {
        check_laws(Boss::of(Fault::None), Dice::seeded(seed), 100);
        check_chunking(Boss::of(Fault::None), Dice::seeded(seed), 100);
    }
}

#[test]
fn law_1_catches_who_trusts_time() {
    assert_eq!(broken(Fault::TrustsTime), [1]);
}

#[test]
fn law_2_catches_a_deadline_that_stays() {
    assert_eq!(broken(Fault::ForgetsDeadline), [2]);
}

#[test]
fn law_2_catches_early_calls_that_count() {
    assert_eq!(broken(Fault::CountsEarlyCalls), [2]);
}

#[test]
fn law_2_catches_a_tight_loop() {
    assert_eq!(broken(Fault::TicksTooFast), [2]);
}

#[test]
fn law_3_catches_actions_that_wait_for_another_call() {
    assert_eq!(broken(Fault::SpeaksNextTime), [3]);
}

#[test]
fn law_3_catches_a_deadline_that_is_due_at_once() {
    assert_eq!(broken(Fault::QueuesInside), [3]);
}

#[test]
fn law_4_catches_who_looks_into_the_outbox() {
    assert!(broken(Fault::LooksIntoOutbox).contains(&4));
}

#[test]
fn law_5_catches_a_deadline_after_death() {
    assert_eq!(broken(Fault::LivesOn), [5]);
}

#[test]
fn law_5_catches_another_error_after_death() {
    assert_eq!(broken(Fault::ChangesItsMind), [5]);
}

#[test]
fn law_7_catches_too_many_actions_and_too_much_memory() {
    assert_eq!(broken(Fault::SaysTooMuch), [7]);
    assert_eq!(broken(Fault::Hoards), [7]);
}

#[test]
fn law_8_catches_state_that_machines_share() {
    assert_eq!(broken(Fault::SharesState), [8]);
}

#[test]
fn law_9_catches_completions_taken_twice() {
    assert_eq!(broken(Fault::TakesRepeats), [9]);
}

#[test]
fn law_11_catches_who_reads_by_chunk() {
    let breach =
        (0..60).find_map(|seed| find_chunking_breach(Boss::of(Fault::ReadsByChunk), Dice::seeded(seed), 100));
    assert_eq!(breach.map(|breach| breach.law), Some(11));
    assert_eq!(broken(Fault::ReadsByChunk), [0_u8; 0]);
}

#[test]
#[should_panic(expected = "law 2 is broken: after handle_timeout")]
fn a_breach_panics_with_the_law_and_the_transcript() {
    for seed in 0..60 {
        check_laws(Boss::of(Fault::ForgetsDeadline), Dice::seeded(seed), 100);
    }
}

#[test]
fn a_fuzzers_bytes_live_a_short_life() {
    let bytes: Vec<u8> = (0..4000_u32).map(|byte| (byte * 31 % 251) as u8).collect();
    check_laws(Boss::of(Fault::None), Dice::from_bytes(&bytes), 1000);
    check_laws(Boss::of(Fault::None), Dice::from_bytes(&[]), 1000);
}

#[test]
fn a_replay_names_the_step_that_differs() {
    let mut worker = Recorder::new(Worker::new(Fault::None), Fault::None, Seed::default());
    let mut out = Outbox::new();
    let call = |at| (Instant::from_micros(at), Input::Letters(BytesMut::from("w")));
    for (at, input) in [call(1), call(2)] {
        assert_eq!(worker.handle_input(at, input, &mut out), Ok(()));
    }
    assert_eq!(out.len(), 2, "the recorder passes actions on");
    let transcript = worker.into_transcript();
    assert_eq!(replay(&transcript, |fault, _| Worker::new(*fault)), Ok(()));
    let difference = replay(&transcript, |_, _| Worker::new(Fault::SpeaksNextTime)).unwrap_err();
    assert_eq!(difference.index, 0);
    assert!(difference.to_string().contains("expected [Work(1)]"), "{difference}");
}

#[test]
fn a_transcript_shows_calls_and_hides_long_values() {
    let mut worker = Recorder::new(Worker::new(Fault::None), Fault::None, Seed::default());
    let letters = Input::Letters(BytesMut::from(&[b'v'; 1000][..]));
    assert_eq!(worker.handle_input(Instant::ZERO, letters, &mut Outbox::new()), Ok(()));
    let shown = format!("{}", worker.transcript());
    assert!(shown.contains("next 1.000000s (rest)"), "{shown}");
    assert!(shown.len() < 800, "{shown}");
}
