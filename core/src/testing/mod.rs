//! The laws of [`Machine`], checked for any machine; recording and replaying what a machine did.
//!
//! A test describes its machine once, as a [`Subject`]: how to build one, what can happen to it, and the
//! limits it promises. [`check_laws`] then lives one life with it: it draws a *script* of timed calls
//! (late, early, at the same instant, backwards, a year later), records what the machine did, and plays
//! the script again to fresh twins, each time changed in a way that a law says must not matter:
//!
//! | law | what the twin gets | what must be the same |
//! | --- | --- | --- |
//! | 1 | time that never runs backwards | everything |
//! | 2, 3 | `handle_timeout` calls that come early | everything; the early calls say nothing |
//! | 4 | an outbox that nobody drains | everything |
//! | 8 | the same calls | everything |
//! | 9 | stray completions ([`Subject::stray`]) | everything; the strays say nothing |
//! | 11 | the byte stream cut otherwise ([`check_chunking`]) | the actions |
//!
//! Laws 2 (progress, no tight loop), 3 (an input leaves no new deadline that is already due), 5 and 7 are
//! watched during the first life; law 6 is that all of this ran without a panic. "Everything" is the
//! actions, the error and the next deadline of every call. A window of bytes in flight (law 10) is the
//! subject's to keep count of.
//!
//! Each machine of this crate has its subject beside it, in a module `subject`: tests draw its lives from a
//! seed, fuzzers from their bytes.
//!
//! A breach panics with the number of the law, what was seen, and the transcript up to there. Run many
//! seeds with few steps rather than one with many: transcripts stay short.
//!
//! ```
//! use convoy_core::testing::{Bounds, Dice, Subject, check_laws};
//! # use convoy_core::{Deadline, Instant, Machine, Outbox, Seed};
//! # use core::convert::Infallible;
//! # struct Echo;
//! # impl Machine for Echo {
//! #     type Input = u32;
//! #     type Action = u32;
//! #     type Error = Infallible;
//! #     fn handle_input(&mut self, _: Instant, input: u32, out: &mut Outbox<u32>) -> Result<(), Infallible> {
//! #         out.push(input);
//! #         Ok(())
//! #     }
//! #     fn handle_timeout(&mut self, _: Instant, _: &mut Outbox<u32>) -> Result<(), Infallible> {
//! #         Ok(())
//! #     }
//! #     fn poll_timeout(&self) -> Option<Deadline> {
//! #         None
//! #     }
//! # }
//!
//! struct AnyEcho;
//!
//! impl Subject for AnyEcho {
//!     type Machine = Echo;
//!     type Config = ();
//!
//!     fn config(&mut self, _: &mut Dice) {}
//!
//!     fn build(&self, (): &(), _: Seed) -> Echo {
//!         Echo
//!     }
//!
//!     fn bounds(&self) -> Bounds {
//!         Bounds { actions_per_call: 1, bytes_per_call: 0, memory: 0, timeouts_per_s: 0 }
//!     }
//!
//!     fn input(&mut self, dice: &mut Dice) -> u32 {
//!         dice.below(6)
//!     }
//! }
//!
//! for seed in 0..8 {
//!     check_laws(AnyEcho, Dice::seeded(seed), 100);
//! }
//! ```

mod chunking;
mod dice;
mod laws;
mod script;
#[cfg(test)]
mod tests;
mod transcript;

use crate::{machine::Machine, random::Seed};
use alloc::{string::String, vec::Vec};
use bytes::BytesMut;
use core::fmt::{self, Debug};

pub use dice::Dice;
pub use transcript::{Call, Difference, Outcome, Recorder, Step, Transcript, replay};

/// The input of a subject's machine.
pub type InputOf<S> = <<S as Subject>::Machine as Machine>::Input;
/// The action of a subject's machine.
pub type ActionOf<S> = <<S as Subject>::Machine as Machine>::Action;
/// What a subject's machine was told and did.
pub type TranscriptOf<S> = Transcript<<S as Subject>::Config, InputOf<S>, ActionOf<S>>;

/// A machine under test and the world around it.
///
/// The subject is the world: it may remember what it was told of the machine's actions
/// ([`observe`](Self::observe)), so as to answer them, and must draw everything else from the dice.
pub trait Subject {
    /// The machine.
    type Machine: Machine<Input: Clone + Debug + PartialEq, Action: Clone + Debug + PartialEq>;
    /// What it is built from, besides the seed.
    type Config: Clone + Debug;

    /// Draws a configuration. Called once, before anything else.
    fn config(&mut self, dice: &mut Dice) -> Self::Config;

    /// Builds the machine. Called several times; must depend on nothing but its arguments.
    fn build(&self, config: &Self::Config, seed: Seed) -> Self::Machine;

    /// What the machine promises (law 7).
    fn bounds(&self) -> Bounds;

    /// Draws what happens next: the likely and the hostile, answers to what was observed, late, twice and
    /// unknown ones too.
    fn input(&mut self, dice: &mut Dice) -> InputOf<Self>;

    /// The machine was called. By default nobody cares.
    fn observe(&mut self, _step: &Step<InputOf<Self>, ActionOf<Self>>) {}

    /// Draws an input that the machine must ignore here and now: an unknown, late or repeated completion
    /// (law 9), a stale key. `None`, the default, where there is no such thing.
    fn stray(&mut self, _dice: &mut Dice) -> Option<InputOf<Self>> {
        None
    }

    /// Bytes of memory that the machine holds, for law 7. 0, the default, if it does not say.
    fn memory(&self, _machine: &Self::Machine) -> usize {
        0
    }

    /// Bytes that an action carries, for law 7. 0 by default.
    fn bytes(&self, _action: &ActionOf<Self>) -> usize {
        0
    }
}

/// A machine that reads a byte stream.
pub trait StreamSubject: Subject {
    /// The bytes of an input that brings some; `None` for any other input.
    fn received(input: &InputOf<Self>) -> Option<&[u8]>;

    /// The input that brings these bytes.
    fn receive(bytes: BytesMut) -> InputOf<Self>;

    /// Makes actions comparable that may differ by the cut, such as bytes of the stream that are handed
    /// back. By default they may not differ.
    fn normalise(&self, actions: &mut Vec<ActionOf<Self>>) {
        let _ = actions;
    }
}

/// What a machine promises, whatever its peers do (law 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most actions of one call.
    pub actions_per_call: usize,
    /// The most bytes that the actions of one call carry, by [`Subject::bytes`].
    pub bytes_per_call: usize,
    /// The most memory kept, in bytes, by [`Subject::memory`].
    pub memory: usize,
    /// The most calls of `handle_timeout` that it asks for within a second in which nothing else happens:
    /// more is a tight loop (law 2).
    pub timeouts_per_s: u32,
}

/// A law that was broken.
#[derive(Clone, PartialEq, Eq)]
pub struct Breach {
    /// The number of the law.
    pub law: u8,
    /// What was seen.
    pub what: String,
    /// What led to it.
    pub transcript: String,
}

impl Debug for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "law {} is broken: {}\n{}", self.law, self.what, self.transcript)
    }
}

/// Lives one life of at most `steps` calls with the subject's machine and checks laws 1 to 9.
///
/// # Panics
/// When a law is broken, naming it.
#[track_caller]
pub fn check_laws<S: Subject>(subject: S, dice: Dice, steps: usize) {
    assert_none(find_breach(subject, dice, steps));
}

/// Lives one life of at most `steps` calls with the subject's machine and checks that the actions do not
/// depend on how the byte stream was cut (law 11).
///
/// # Panics
/// When they do.
#[track_caller]
pub fn check_chunking<S: StreamSubject>(subject: S, dice: Dice, steps: usize) {
    assert_none(find_chunking_breach(subject, dice, steps));
}

/// [`check_laws`], for those who do not want a panic.
pub fn find_breach<S: Subject>(mut subject: S, mut dice: Dice, steps: usize) -> Option<Breach> {
    let script = match script::live(&mut subject, &mut dice, steps) {
        Ok(script) => script,
        Err(breach) => return Some(breach),
    };
    laws::check(&subject, &script).err()
}

/// [`check_chunking`], for those who do not want a panic.
pub fn find_chunking_breach<S: StreamSubject>(
    mut subject: S,
    mut dice: Dice,
    steps: usize,
) -> Option<Breach> {
    let script = match script::live(&mut subject, &mut dice, steps) {
        Ok(script) => script,
        Err(breach) => return Some(breach),
    };
    chunking::check(&subject, &script.transcript, &mut dice).err()
}

#[track_caller]
#[allow(clippy::panic, reason = "a test harness says no by panicking; nothing but tests calls it")]
fn assert_none(breach: Option<Breach>) {
    if let Some(breach) = breach {
        panic!("{breach:?}");
    }
}
