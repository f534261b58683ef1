//! The contract: one trait that every protocol machine in this crate keeps.

use crate::{
    outbox::Outbox,
    time::{Deadline, Instant},
};

/// A protocol machine: a Mealy machine whose output goes to an outbox that the caller owns.
///
/// What happens comes in as an [`Input`](Self::Input) with the time at which it happened; what the
/// machine wants comes out as [`Action`](Self::Action)s. Whoever calls a machine is its *driver*: a
/// tokio task, a simulator, a fuzzer, or a parent machine.
///
/// # The laws
///
/// Every machine keeps them, every driver may rely on them, and [`crate::testing`] checks them.
///
/// 1. **Time** enters only as `now`. A `now` smaller than one seen before counts as the largest seen.
///    Jumps of a year do no harm.
/// 2. **Progress**: after `handle_timeout(now)`, [`poll_timeout`](Self::poll_timeout) is `None` or later
///    than `now`. Calls that come early change nothing.
/// 3. **Nothing stays inside**: when a call returns, every consequence is in the outbox. There is no
///    drain order to know and no hidden queue.
/// 4. **Two calls in a row are legal**; the driver carries the outbox out later, in order.
/// 5. **Error is death**: actions already in the outbox are still carried out (last words); then
///    `poll_timeout` is `None`, and every later call gives the same error and no action. Peer noise that
///    does not kill is a counter.
/// 6. **No input panics.** Local misuse is unrepresentable (typed handles), or ignored and counted.
/// 7. **Bounded**: actions and bytes per call and memory kept have documented limits, whatever the peer
///    does.
/// 8. **Deterministic**: the same constructor arguments and calls give byte-identical actions.
/// 9. **Completions**: each request for work carries a typed token; unknown, late or repeated
///    completions are ignored and counted.
/// 10. **Credit**: bytes given to the driver and not yet reported sent never exceed a window.
/// 11. **Chunking**: how a byte stream was cut on its way in never changes the actions.
///
/// # Example
///
/// ```
/// use convoy_core::{Deadline, Instant, Machine, Outbox};
/// use core::{convert::Infallible, time::Duration};
///
/// /// Says "tick" a second after it was wound.
/// struct Egg(Option<Instant>);
///
/// impl Machine for Egg {
///     type Input = ();
///     type Action = &'static str;
///     type Error = Infallible;
///
///     fn handle_input(&mut self, now: Instant, (): (), _: &mut Outbox<&'static str>) -> Result<(), Infallible> {
///         self.0 = Some(now + Duration::from_secs(1));
///         Ok(())
///     }
///
///     fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<&'static str>) -> Result<(), Infallible> {
///         if self.0.is_some_and(|at| at <= now) {
///             self.0 = None;
///             out.push("tick");
///         }
///         Ok(())
///     }
///
///     fn poll_timeout(&self) -> Option<Deadline> {
///         self.0.map(|at| Deadline { at, why: "tick" })
///     }
/// }
///
/// let mut egg = Egg(None);
/// let mut out = Outbox::new();
/// egg.handle_input(Instant::ZERO, (), &mut out)?;
/// let due = egg.poll_timeout().map(|deadline| deadline.at).unwrap_or_default();
/// egg.handle_timeout(due, &mut out)?;
/// assert!(out.drain().eq(["tick"]));
/// # Ok::<(), Infallible>(())
/// ```
pub trait Machine {
    /// What can happen to the machine. Owned: `Clone + Debug + PartialEq`.
    type Input;
    /// What the machine can want. Owned: `Clone + Debug + PartialEq`.
    type Action;
    /// Why the machine died. [`Infallible`](core::convert::Infallible) where nothing is fatal.
    type Error: core::error::Error + Clone;

    /// Tells the machine what happened at `now`.
    ///
    /// # Errors
    /// Any error is fatal (law 5).
    fn handle_input(
        &mut self,
        now: Instant,
        input: Self::Input,
        out: &mut Outbox<Self::Action>,
    ) -> Result<(), Self::Error>;

    /// Tells the machine that it is `now`; does what is due.
    ///
    /// # Errors
    /// Any error is fatal (law 5).
    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Self::Action>) -> Result<(), Self::Error>;

    /// When, and why, the machine next wants [`handle_timeout`](Self::handle_timeout). Pure and O(1).
    fn poll_timeout(&self) -> Option<Deadline>;
}
