//! `convoy sim`: a simulated swarm, the same on every run with the same seed.

use crate::{
    args,
    failure::Failure,
    output::{Event, Reporter},
    source::write_whole,
    units::{ByteSize, grouped},
};
use convoy_sim::{
    plot,
    scenario::{self, BUILT_IN, Extras, Plan, Report, Scenario, Sink, Transcript, report::Sources},
    world::Observer,
};
use std::{
    cell::RefCell,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

/// How many events all runs may have together that look for a smaller plan: about half a minute.
const SHRINK_EVENTS: u64 = 30_000_000;

/// Runs the scenario and says what came of it.
///
/// # Errors
/// There is no such scenario, or it failed.
pub(super) fn run(args: &args::Sim, reporter: &Reporter) -> Result<(), Failure> {
    let (name, scenario) = find(&args.scenario)?;
    let peers = args.peers.unwrap_or(scenario.peers);
    let wrong = |error: scenario::ScenarioError| Failure::usage(format!("{name}: {error}"));
    let plan = Plan::draw(&scenario, args.seed, peers).map_err(wrong)?;
    reporter.note(format_args!("{name}: {}", scenario.about));

    let trace = args.trace.as_deref().map(TraceFile::create).transpose()?;
    let observer = trace.as_ref().map(|trace| Box::new(Transcript(trace.sink())) as Box<dyn Observer>);
    let begun = cpu_time();
    let report = scenario::perform(&plan, Extras { slots: args.plot.is_some(), observer });
    let cpu = cpu_time().saturating_sub(begun);
    trace.map_or(Ok(()), TraceFile::finish)?;
    if let Some(file) = &args.plot {
        let title = format!("{name}, {peers} hosts, seed {}", args.seed);
        let picture = plot::svg(&title, &report.samples)
            .map_err(|error| Failure::new(format!("cannot draw the plot: {error}")).at(file))?;
        write_whole(file, picture.as_bytes())?;
    }
    tell(&name, &report, cpu, reporter);
    match &report.failure {
        None => Ok(()),
        Some(failure) => {
            let again =
                format!("convoy sim --scenario {} --seed {} --peers {peers}", args.scenario, args.seed);
            tell_shrunk(&plan, &report, failure, reporter);
            Err(Failure::new(format!("{name} fails with seed {}: {failure}", args.seed))
                .advise(format!("`{again}` does the same again")))
        }
    }
}

/// Where a transcript goes: to its name at once, so that a run that hangs can be looked at.
struct TraceFile {
    path: PathBuf,
    /// Until the system took no more.
    out: Rc<RefCell<io::Result<BufWriter<File>>>>,
}

impl TraceFile {
    fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| Failure::io("cannot write", path, &error))?;
        Ok(Self { path: path.to_owned(), out: Rc::new(RefCell::new(Ok(BufWriter::new(file)))) })
    }

    fn sink(&self) -> Sink {
        let out = Rc::clone(&self.out);
        Box::new(move |line| {
            let mut out = out.borrow_mut();
            let written = out.as_mut().map_or(Ok(()), |file| writeln!(file, "{line}"));
            if let Err(error) = written {
                *out = Err(error);
            }
        })
    }

    fn finish(self) -> Result<(), Failure> {
        let failed = |error: &io::Error| Failure::io("cannot write", &self.path, error);
        match &mut *self.out.borrow_mut() {
            Ok(file) => file.flush().map_err(|error| failed(&error)),
            Err(error) => Err(failed(error)),
        }
    }
}

/// A scenario by its name, or by its file.
fn find(wanted: &str) -> Result<(String, Scenario), Failure> {
    let built_in = BUILT_IN.iter().find(|(name, _)| *name == wanted);
    let (name, text) = match built_in {
        Some((name, text)) => ((*name).to_owned(), (*text).to_owned()),
        None => {
            let file = Path::new(wanted);
            let text = fs::read_to_string(file).map_err(|error| {
                let names = BUILT_IN.map(|(name, _)| name).join(", ");
                Failure::usage(format!("there is no scenario {wanted}, and no such file: {error}"))
                    .at(file)
                    .advise(format!("the scenarios are {names}"))
            })?;
            let name = file.file_stem().unwrap_or(file.as_os_str());
            (name.to_string_lossy().into_owned(), text)
        }
    };
    let scenario = Scenario::parse(&text)
        .map_err(|error| Failure::usage(format!("{wanted}: {}", error.to_string().trim_end())))?;
    Ok((name, scenario))
}

fn tell(name: &str, report: &Report, cpu: Duration, reporter: &Reporter) {
    let seconds = |time: Duration| time.as_secs_f64();
    let events_per_s = (u128::from(report.events) * 1_000_000 / cpu.as_micros().max(1)) as u64;
    let Sources { seeds, leechers, wasted } = report.sources;
    let peak_memory = peak_memory();
    reporter.event(&Event::SimSummary {
        scenario: name,
        seed: report.seed,
        ok: report.failure.is_none(),
        failure: report.failure.as_ref().map(ToString::to_string),
        peers: report.hosts,
        leechers: report.leechers,
        complete: report.completion.len(),
        median_s: report.median().map(seconds),
        last_s: report.last().map(seconds),
        ended_s: seconds(report.ended - convoy_core::Instant::ZERO),
        from_seeds: seeds,
        from_leechers: leechers,
        wasted,
        events: report.events,
        cpu_s: seconds(cpu),
        events_per_s,
        peak_memory,
        trace_hash: &report.trace_hash,
    });

    let shown =
        |time: Option<Duration>| time.map_or("never".into(), |time| format!("{:.1} s", seconds(time)));
    reporter.result(format_args!(
        "{name}, seed {}: {} of {} leechers complete, the median after {}, the last after {}",
        report.seed,
        report.completion.len(),
        report.leechers,
        shown(report.median()),
        shown(report.last()),
    ));
    reporter.result(format_args!(
        "verified: {} from seeds, {} from leechers; {} received for nothing",
        ByteSize(seeds),
        ByteSize(leechers),
        ByteSize(wasted),
    ));
    let memory = peak_memory.map_or(String::new(), |peak| format!("; {} of memory at most", ByteSize(peak)));
    reporter.result(format_args!(
        "{} events in {:.2} s of CPU, {} a second{memory}",
        grouped(report.events),
        seconds(cpu),
        grouped(events_per_s),
    ));
    reporter.result(format_args!("trace hash {}", report.trace_hash));
}

/// Looks for a smaller plan that fails in the same way, and shows it.
fn tell_shrunk(plan: &Plan, report: &Report, failure: &scenario::Failure, reporter: &Reporter) {
    reporter.note("it failed; looking for a smaller case");
    let runs = (SHRINK_EVENTS / report.events.max(1)).clamp(3, 200) as u32;
    let mut why = failure.clone();
    let smallest = scenario::shrink(plan, runs, |smaller| {
        let other =
            scenario::perform(smaller, Extras::default()).failure.filter(|other| other.is_like(failure));
        other.map(|other| why = other).is_some()
    });
    let (text, why) = (smallest.to_string(), why.to_string());
    reporter.event(&Event::SimShrunk {
        hosts: smallest.hosts.len(),
        faults: smallest.faults.len(),
        failure: &why,
        plan: &text,
    });
    let (hosts, faults) = (smallest.hosts.len(), smallest.faults.len());
    reporter.result(format_args!("it still fails with {hosts} hosts and {faults} faults: {why}\n{text}"));
}

/// What this thread has used so far.
#[cfg(unix)]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

#[cfg(not(unix))]
fn cpu_time() -> Duration {
    // Elsewhere the time that passed has to do.
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// The most memory that this process held, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_found_by_name_and_by_file() {
        assert_eq!(find("churn").unwrap().0, "churn");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.toml");
        let text = BUILT_IN[0].1;
        fs::write(&file, text).unwrap();
        assert_eq!(find(file.to_str().unwrap()).unwrap(), ("mine".into(), Scenario::parse(text).unwrap()));

        fs::write(&file, text.replace("peers =", "pears =")).unwrap();
        let failure = find(file.to_str().unwrap()).unwrap_err();
        assert!(failure.message().contains("`pears`") && failure.message().contains("line 2"), "{failure}");
        let failure = find("no-such-thing").unwrap_err();
        assert!(failure.to_string().contains("flash-crowd, one-seed"), "{failure}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_holds_some_memory_and_uses_some_time() {
        assert!(peak_memory().is_some_and(|peak| peak > 100_000));
        assert!(cpu_time() > Duration::ZERO);
    }
}
