//! `convoy replay`: lives recorded machines again.

use crate::{
    args,
    failure::Failure,
    output::{Event, Reporter},
    units::grouped,
};
use convoy_vectors::machine::{Fault, Report, check_file, replay};
use std::{io, path::Path};

/// Replays a file and shows the first difference.
///
/// # Errors
/// The file cannot be read, or there is a difference.
pub(super) fn run(args: &args::Replay, reporter: &Reporter) -> Result<(), Failure> {
    let file = Path::new(&args.file);
    let report = if args.file == "-" { replay(io::stdin().lock()) } else { check_file(file) };
    let Report { lives, steps, difference } = report.map_err(|fault| failure(&fault, file))?;
    reporter.event(&Event::Replayed { lives, steps, difference: difference.as_deref() });
    let lived = format!("{}, {}", count(lives, "life", "lives"), count(steps, "step", "steps"));
    match difference {
        None => {
            reporter.result(format!("{lived}: no difference"));
            Ok(())
        }
        Some(difference) => {
            reporter.result(&difference);
            Err(Failure::new(format!("a machine of today went another way after {lived}")).at(file))
        }
    }
}

fn failure(fault: &Fault, file: &Path) -> Failure {
    match fault {
        Fault::Io(error) => Failure::io("cannot read", file, error),
        Fault::Line { .. } | Fault::Step { .. } => {
            Failure::new(format!("{}: {fault}", file.display())).at(file)
        }
    }
    .advise("give a trace of `convoy sim --trace`, a machine vector, or - for stdin")
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}
