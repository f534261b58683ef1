//! A machine for callers who would rather pull actions than pass an outbox.

use crate::{
    machine::Machine,
    outbox::Outbox,
    time::{Deadline, Instant},
};
use alloc::vec::Vec;

/// A machine and its outbox in one: calls go in, actions are pulled out one by one, in order.
///
/// It changes nothing about the laws. Actions may be pulled at any time, after a call or after many, and
/// also after an error: those are the machine's last words. In steady state it allocates nothing.
///
/// ```
/// # use convoy_core::{Deadline, Machine, Outbox};
/// use convoy_core::{Instant, polled::Polled};
/// # use core::convert::Infallible;
/// # struct Echo;
/// # impl Machine for Echo {
/// #     type Input = u8;
/// #     type Action = u8;
/// #     type Error = Infallible;
/// #     fn handle_input(&mut self, _: Instant, input: u8, out: &mut Outbox<u8>) -> Result<(), Infallible> {
/// #         out.push(input);
/// #         Ok(())
/// #     }
/// #     fn handle_timeout(&mut self, _: Instant, _: &mut Outbox<u8>) -> Result<(), Infallible> {
/// #         Ok(())
/// #     }
/// #     fn poll_timeout(&self) -> Option<Deadline> {
/// #         None
/// #     }
/// # }
///
/// let mut echo = Polled::new(Echo);
/// echo.handle_input(Instant::ZERO, 1)?;
/// echo.handle_input(Instant::ZERO, 2)?;
/// assert_eq!(echo.poll_action(), Some(1));
/// assert_eq!(echo.poll_action(), Some(2));
/// assert_eq!(echo.poll_action(), None);
/// # Ok::<(), Infallible>(())
/// ```
#[derive(Debug)]
pub struct Polled<M: Machine> {
    machine: M,
    out: Outbox<M::Action>,
    /// What was taken out of `out`, last to first, so that the first is popped in O(1).
    ready: Vec<M::Action>,
}

impl<M: Machine> Polled<M> {
    /// Puts an empty outbox beside `machine`.
    #[must_use]
    pub fn new(machine: M) -> Self {
        Self { machine, out: Outbox::new(), ready: Vec::new() }
    }

    /// [`Machine::handle_input`].
    ///
    /// # Errors
    /// The machine's, which are fatal (law 5).
    pub fn handle_input(&mut self, now: Instant, input: M::Input) -> Result<(), M::Error> {
        self.machine.handle_input(now, input, &mut self.out)
    }

    /// [`Machine::handle_timeout`].
    ///
    /// # Errors
    /// The machine's, which are fatal (law 5).
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), M::Error> {
        self.machine.handle_timeout(now, &mut self.out)
    }

    /// [`Machine::poll_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.machine.poll_timeout()
    }

    /// The oldest action that was not yet pulled.
    pub fn poll_action(&mut self) -> Option<M::Action> {
        if self.ready.is_empty() {
            self.ready.extend(self.out.drain().rev());
        }
        self.ready.pop()
    }

    /// The machine, for its accessors.
    #[must_use]
    pub const fn machine(&self) -> &M {
        &self.machine
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt;

    /// Says every number that it hears; dies of 0, after a last word.
    struct Parrot;

    #[derive(Clone, Debug, PartialEq)]
    struct Dead;

    impl fmt::Display for Dead {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("dead")
        }
    }

    impl core::error::Error for Dead {}

    impl Machine for Parrot {
        type Input = u8;
        type Action = u8;
        type Error = Dead;

        fn handle_input(&mut self, _: Instant, input: u8, out: &mut Outbox<u8>) -> Result<(), Dead> {
            out.push(input);
            if input == 0 { Err(Dead) } else { Ok(()) }
        }

        fn handle_timeout(&mut self, _: Instant, _: &mut Outbox<u8>) -> Result<(), Dead> {
            Ok(())
        }

        fn poll_timeout(&self) -> Option<Deadline> {
            None
        }
    }

    #[test]
    fn actions_keep_their_order_over_calls_that_come_between_pulls() {
        let mut parrot = Polled::new(Parrot);
        for word in [1, 2, 3] {
            assert_eq!(parrot.handle_input(Instant::ZERO, word), Ok(()));
        }
        assert_eq!(parrot.poll_action(), Some(1));
        assert_eq!(parrot.handle_input(Instant::ZERO, 4), Ok(()));
        for word in [2, 3, 4] {
            assert_eq!(parrot.poll_action(), Some(word));
        }
        assert_eq!(parrot.poll_action(), None);
    }

    #[test]
    fn last_words_are_still_there_after_an_error() {
        let mut parrot = Polled::new(Parrot);
        assert_eq!(parrot.handle_input(Instant::ZERO, 0), Err(Dead));
        assert_eq!(parrot.poll_action(), Some(0));
    }
}
