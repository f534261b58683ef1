//! `convoy vectors`: whether this program does what conformance vectors say.

use crate::{
    args,
    failure::Failure,
    output::{Event, Reporter, printable},
};
use convoy_vectors::{Report, Skipped, check_folder};
use std::{collections::BTreeMap, fmt::Write};

/// Checks every file of a folder, and prints how each stands.
pub(super) fn check(args: &args::VectorsCheck, reporter: &Reporter) -> Result<(), Failure> {
    let reports = check_folder(&args.dir).map_err(|error| {
        Failure::io("cannot read the vectors in", &args.dir, &error)
            .advise("name the folder: `convoy vectors check DIR`")
    })?;
    if reports.is_empty() {
        return Err(Failure::new(format!("no vectors in {}", args.dir.display())).at(&args.dir));
    }
    for report in &reports {
        reporter.event(&Event::Vectors(report));
        reporter.result(text(report));
    }
    let count = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
    let (passed, failed) = (count(|report| report.passed), count(|report| report.failed.len()));
    let (files, skipped) = (reports.len(), count(|report| report.skipped.len()));
    reporter.event(&Event::VectorsSummary { ok: failed == 0, files, passed, failed, skipped });
    let checked = passed + failed;
    reporter.result(format_args!("{files} files: {checked} checked, {failed} failed, {skipped} skipped"));
    if failed == 0 {
        return Ok(());
    }
    let worst: Vec<&str> =
        reports.iter().filter(|report| !report.failed.is_empty()).map(|report| &*report.file).collect();
    Err(Failure::new(format!("{failed} of {checked} vectors failed, in {}", worst.join(", "))).at(&args.dir))
}

/// A line for the file, one for each vector that failed, and one for each reason to skip.
fn text(report: &Report) -> String {
    let Report { file, passed, failed, skipped } = report;
    let checked = passed + failed.len();
    let mut text = format!("{file}: {checked} checked, {} failed, {} skipped", failed.len(), skipped.len());
    for mismatch in failed {
        let _ = write!(text, "\n  FAILED {}", printable(&mismatch.to_string()));
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for Skipped { reason, .. } in skipped {
        *reasons.entry(reason).or_default() += 1;
    }
    for (reason, count) in reasons {
        let _ = write!(text, "\n  {count} skipped: {reason}");
    }
    text
}
