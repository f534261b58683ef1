//! A life under the law harness, watched.

use crate::Reached;
use bytes::BytesMut;
use convoy_core::{
    Seed,
    testing::{ActionOf, Bounds, Dice, InputOf, Step, StreamSubject, Subject, check_chunking, check_laws},
};

/// The most calls of one life: the bytes are used up long before.
const STEPS: usize = 10_000;

/// Lives a life with the subject's machine and checks the laws 1 to 9. `note` names what was reached by an
/// action, besides the action itself.
pub fn live<S: Subject>(subject: S, bytes: &[u8], note: impl Fn(&ActionOf<S>, &mut Reached)) -> Reached {
    let mut reached = Reached::default();
    check_laws(Watched { subject, reached: &mut reached, note }, Dice::from_bytes(bytes), STEPS);
    reached
}

/// The same of a machine that reads a stream: checks law 11, or the others.
pub fn live_on_stream<S: StreamSubject>(
    subject: S,
    bytes: &[u8],
    note: impl Fn(&ActionOf<S>, &mut Reached),
) -> Reached {
    let [chunking, bytes @ ..] = bytes else { return Reached::default() };
    if chunking % 2 == 0 {
        return live(subject, bytes, note);
    }
    let mut reached = Reached::default();
    check_chunking(Watched { subject, reached: &mut reached, note }, Dice::from_bytes(bytes), STEPS);
    reached
}

/// A subject that writes down what its machine does.
struct Watched<'a, S, N> {
    subject: S,
    reached: &'a mut Reached,
    note: N,
}

impl<S: Subject, N: Fn(&ActionOf<S>, &mut Reached)> Subject for Watched<'_, S, N> {
    type Machine = S::Machine;
    type Config = S::Config;

    fn config(&mut self, dice: &mut Dice) -> S::Config {
        self.subject.config(dice)
    }

    fn build(&self, config: &S::Config, seed: Seed) -> S::Machine {
        self.subject.build(config, seed)
    }

    fn bounds(&self) -> Bounds {
        self.subject.bounds()
    }

    fn input(&mut self, dice: &mut Dice) -> InputOf<Self> {
        self.subject.input(dice)
    }

    fn observe(&mut self, step: &Step<InputOf<Self>, ActionOf<Self>>) {
        for action in &step.outcome.actions {
            self.reached.add_variant(action);
            (self.note)(action, self.reached);
        }
        if let Some(error) = &step.outcome.error {
            self.reached.add_variant(&Died(error));
        }
        self.subject.observe(step);
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<InputOf<Self>> {
        self.subject.stray(dice)
    }

    fn memory(&self, machine: &S::Machine) -> usize {
        self.subject.memory(machine)
    }

    fn bytes(&self, action: &ActionOf<S>) -> usize {
        self.subject.bytes(action)
    }
}

impl<S: StreamSubject, N: Fn(&ActionOf<S>, &mut Reached)> StreamSubject for Watched<'_, S, N> {
    fn received(input: &InputOf<Self>) -> Option<&[u8]> {
        S::received(input)
    }

    fn receive(bytes: BytesMut) -> InputOf<Self> {
        S::receive(bytes)
    }

    fn normalise(&self, actions: &mut Vec<ActionOf<S>>) {
        self.subject.normalise(actions);
    }
}

/// An error, as its machine shows it.
struct Died<'a>(&'a str);

impl core::fmt::Debug for Died<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Died({}", self.0)
    }
}
