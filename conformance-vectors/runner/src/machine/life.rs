//! A machine of whatever kind, called and watched in the written form.

use convoy_core::{Instant, Machine, Outbox};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{
    Result,
    value::{RawValue, to_raw_value},
};

/// What came of a call, as it is written.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) actions: Box<RawValue>,
    pub(super) error: Option<Box<RawValue>>,
    pub(super) next: Option<(u64, &'static str)>,
}

/// A machine that lives again.
pub(super) trait Life {
    /// Calls it: with an input, or with nothing but the time.
    fn call(&mut self, at: Instant, input: Option<&RawValue>) -> Result<Outcome>;
}

struct Living<M: Machine> {
    machine: M,
    out: Outbox<M::Action>,
    written: fn(&M::Error) -> Result<Box<RawValue>>,
}

/// Brings `machine` to life; `written` writes its errors.
pub(super) fn live<M>(machine: M, written: fn(&M::Error) -> Result<Box<RawValue>>) -> Box<dyn Life>
where
    M: Machine<Input: DeserializeOwned, Action: Serialize> + 'static,
{
    Box::new(Living { machine, out: Outbox::new(), written })
}

impl<M: Machine<Input: DeserializeOwned, Action: Serialize>> Life for Living<M> {
    fn call(&mut self, at: Instant, input: Option<&RawValue>) -> Result<Outcome> {
        let result = match input {
            Some(input) => {
                let input = serde_json::from_str(input.get())?;
                self.machine.handle_input(at, input, &mut self.out)
            }
            None => self.machine.handle_timeout(at, &mut self.out),
        };
        let actions = to_raw_value(self.out.as_slice())?;
        drop(self.out.drain());
        Ok(Outcome {
            actions,
            error: result.err().map(|error| (self.written)(&error)).transpose()?,
            next: self.machine.poll_timeout().map(|next| (next.at.as_micros(), next.why)),
        })
    }
}
