//! Machine vectors and traces: a configuration, a seed, timed calls, and the actions that must come of them.
//!
//! A *vector* is one life of one machine in a JSON object. A *trace* is JSON Lines: a header for every life,
//! and a line for every call; the lives of many machines interleave. `conformance-vectors/machines/README.md`
//! says what stands in both.
//!
//! [`TraceWriter`] writes them. [`replay`] lives them again with the machines of today and compares what they
//! do with what was recorded, in the written form: only inputs and configurations are ever read back.
//!
//! ```
//! use convoy_core::{
//!     Instant, Machine, Outbox,
//!     choker::{Choker, Config, Input},
//!     testing::Call,
//! };
//! use convoy_vectors::machine::{TraceWriter, replay};
//!
//! let (config, seed) = (Config::default(), [7; 32]);
//! let mut trace = TraceWriter::new(Vec::new());
//! trace.life(0, "choker", &config, seed)?;
//!
//! let mut choker = Choker::new(config, seed);
//! let (input, mut out) = (Input::Seeding(true), Outbox::new());
//! trace.begin(0, Instant::ZERO, Call::Input(&input))?;
//! choker.handle_input(Instant::ZERO, input, &mut out)?;
//! trace.end(out.as_slice(), choker.poll_timeout())?;
//!
//! let report = replay(&trace.finish()?[..])?;
//! assert_eq!((report.lives, report.steps, report.difference), (1, 1, None));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod difference;
mod life;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use build::{Announcer, Connection, Initiator, MACHINES, MseInitiator, MseResponder, Responder};
pub use difference::Difference;
pub use read::{Fault, Reason, Report, check_file, replay};
pub use write::TraceWriter;

use crate::report::{Mismatch, Report as Checked};

/// What the `schema` of a machine vector says.
pub(crate) const SCHEMA: &str = "machine.schema.json";

/// Checks one machine vector, which goes by `name` in the report.
pub(crate) fn check(name: &str, text: &[u8]) -> Checked {
    let mut checked = Checked::new(name);
    let found = match replay(text) {
        Ok(Report { difference: None, .. }) => {
            checked.passed = 1;
            return checked;
        }
        // The rest is for `convoy replay`.
        Ok(Report { difference: Some(difference), .. }) => first_line(&difference.to_string()),
        Err(fault) => fault.to_string(),
    };
    let expected = String::from("the life that was recorded");
    checked.failed.push(Mismatch { file: name.to_owned(), vector: String::new(), expected, found });
    checked
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
