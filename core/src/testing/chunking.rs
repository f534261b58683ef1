//! Law 11: the same byte stream, cut otherwise.

use super::{ActionOf, Breach, Call, Dice, InputOf, Outcome, Step, StreamSubject, TranscriptOf, laws::Twin};
use crate::time::{Clock, Instant};
use alloc::{format, vec::Vec};
use bytes::BytesMut;

/// How a stream is cut anew.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// What came at one instant, in one piece.
    Joined,
    /// Every byte alone.
    Bytes,
    /// Drawn.
    Anywhere,
}

/// Plays `transcript` to a twin for each way of cutting.
pub(super) fn check<S: StreamSubject>(
    subject: &S,
    transcript: &TranscriptOf<S>,
    dice: &mut Dice,
) -> Result<(), Breach> {
    for cut in [Cut::Joined, Cut::Bytes, Cut::Anywhere] {
        check_cut(subject, transcript, cut, dice)?;
    }
    Ok(())
}

fn check_cut<S: StreamSubject>(
    subject: &S,
    transcript: &TranscriptOf<S>,
    cut: Cut,
    dice: &mut Dice,
) -> Result<(), Breach> {
    let mut twin = Twin::new(subject, transcript);
    let mut clock = Clock::default();
    let mut steps = transcript.steps.as_slice();
    while let Some(step) = steps.first() {
        let now = clock.advance(step.at);
        let run = stretch::<S>(steps, now);
        let expected = sum(subject, run.iter().map(|step| step.outcome.clone()));
        let found = if received::<S>(step).is_some() {
            let stream: Vec<u8> = run.iter().filter_map(received::<S>).flatten().copied().collect();
            sum(subject, cut_up(&stream, cut, dice).map(|piece| twin.call(now, &receive::<S>(piece))))
        } else {
            sum(subject, core::iter::once(twin.call(now, &step.call)))
        };
        if found != expected {
            let index = transcript.steps.len() - steps.len();
            let detail = format!("{cut:?} at step {index}\n  expected {expected}\n  found    {found}");
            return Err(twin.breach(11, "a stream cut otherwise differs", &detail));
        }
        steps = steps.get(run.len()..).unwrap_or_default();
    }
    Ok(())
}

/// The steps at the front that bring bytes at `now`; else the first step alone.
fn stretch<S: StreamSubject>(
    steps: &[Step<InputOf<S>, ActionOf<S>>],
    now: Instant,
) -> &[Step<InputOf<S>, ActionOf<S>>] {
    let bringing = steps.iter().take_while(|step| step.at <= now && received::<S>(step).is_some()).count();
    steps.get(..bringing.max(1)).unwrap_or_default()
}

fn received<S: StreamSubject>(step: &Step<InputOf<S>, ActionOf<S>>) -> Option<&[u8]> {
    match &step.call {
        Call::Input(input) => S::received(input),
        Call::Timeout => None,
    }
}

fn receive<S: StreamSubject>(piece: &[u8]) -> Call<InputOf<S>> {
    Call::Input(S::receive(BytesMut::from(piece)))
}

/// The pieces of `stream`; at least one, which may be empty.
fn cut_up<'a>(stream: &'a [u8], cut: Cut, dice: &mut Dice) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let mut pieces = Vec::new();
    let mut rest = stream;
    while pieces.is_empty() || !rest.is_empty() {
        let length = match cut {
            Cut::Joined => rest.len(),
            Cut::Bytes => 1,
            Cut::Anywhere => 1 + dice.below(100) as usize,
        };
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces.into_iter()
}

/// What came of several calls, taken together.
fn sum<S: StreamSubject>(
    subject: &S,
    outcomes: impl Iterator<Item = Outcome<ActionOf<S>>>,
) -> Outcome<ActionOf<S>> {
    let mut sum = Outcome { actions: Vec::new(), error: None, next: None };
    for outcome in outcomes {
        sum.actions.extend(outcome.actions);
        sum.error = outcome.error;
        sum.next = outcome.next;
    }
    subject.normalise(&mut sum.actions);
    sum
}
