//! What a UDP tracker pays for an answer: Convoy beside opentracker and aquatic_udp, in turns, in one run.
//!
//! ```text
//! tests/run install && cargo install aquatic_udp --version 0.9.0 --no-default-features --locked
//! cargo build --release -p convoy && cargo bench -p convoy-tests --bench tracker
//! cargo bench -p convoy-tests --bench tracker -- --seconds 1 --reps 1 --swarms 2000 convoy opentracker
//! ```
//!
//! Every tracker has one worker, on loopback, and is filled first: 31 peers in each of 100,000 swarms. Then it
//! is asked by four sockets, each with 64 questions under way, for three seconds at a time, one tracker after
//! the other, three times. The figure is CPU of the tracker's process, all its threads, by the number of its
//! answers, in µs: min/median. Every announce is told of 30 peers, by all of them. Whoever speaks with a
//! token is a member, and a socket's token has been seen before.
//!
//! Compare ratios of one run, never numbers of two; on a machine that is busy with something else, answers a
//! second say nothing.

mod load;
mod servers;

use load::{Answers, Question};
use servers::{NAMES, Server};
use std::{
    collections::BTreeMap,
    env,
    fmt::Display,
    ops::Range,
    process::exit,
    str::FromStr,
    time::{Duration, Instant},
};

/// Swarms of the smaller announce, and of those for members alone.
const FEW: u32 = 1000;

const MIB: u64 = 1 << 20;

/// What is measured.
struct Case {
    name: String,
    question: Question,
    swarms: Range<u32>,
}

/// What one case cost one tracker, once.
struct Sample {
    micros: f64,
    answers_per_s: f64,
    peers: f64,
    lost: u64,
}

/// By case and tracker, in the order of repetitions.
type Samples = BTreeMap<(usize, &'static str), Vec<Sample>>;

struct Plan {
    seconds: f64,
    reps: u32,
    swarms: u32,
    trackers: Vec<String>,
}

fn main() {
    let plan = Plan::from_args();
    // The last ones are for members alone.
    let (public, members) = (0..plan.swarms, plan.swarms..plan.swarms + FEW);
    let all = 0..members.end;
    let mut servers: Vec<Server> =
        plan.trackers.iter().filter_map(|name| servers::start(name, all.clone(), members.clone())).collect();
    for server in &servers {
        fill(server, public.clone(), Question::Announce);
        if server.has_members {
            fill(server, members.clone(), Question::SignedAnnounce);
        }
    }
    let cases = cases(public, members);
    let mut samples = Samples::new();
    for _ in 0..plan.reps {
        for (number, case) in cases.iter().enumerate() {
            for server in &servers {
                if case.question != Question::SignedAnnounce || server.has_members {
                    let sample = measure(server, case, Duration::from_secs_f64(plan.seconds));
                    samples.entry((number, server.name)).or_default().push(sample);
                }
            }
            servers.rotate_left(1);
        }
    }
    report(&cases, &servers, &samples);
}

fn cases(public: Range<u32>, members: Range<u32>) -> Vec<Case> {
    let few = 0..FEW.min(public.end);
    let case = |name: &str, question, swarms| Case { name: name.to_owned(), question, swarms };
    vec![
        case("connect", Question::Connect, few.clone()),
        case("scrape", Question::Scrape, public.clone()),
        case(&format!("announce, {} swarms", few.end), Question::Announce, few),
        case(&format!("announce, {} swarms", public.end), Question::Announce, public),
        case(&format!("with a token, {FEW} swarms"), Question::SignedAnnounce, members),
    ]
}

fn fill(server: &Server, swarms: Range<u32>, question: Question) {
    let begin = Instant::now();
    let answers = load::fill(server.addr, swarms, question);
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!("{}: {} peers in {seconds:.1} s, {} lost", server.name, answers.answered, answers.lost);
}

fn measure(server: &Server, case: &Case, time: Duration) -> Sample {
    let (begin, before) = (Instant::now(), server.process.cpu());
    let Answers { answered, peers, lost } = load::ask(server.addr, case.swarms.clone(), case.question, time);
    let (cpu, elapsed) = (server.process.cpu() - before, begin.elapsed());
    let sample = Sample {
        micros: cpu.as_secs_f64() * 1e6 / answered as f64,
        answers_per_s: answered as f64 / elapsed.as_secs_f64(),
        peers: peers as f64 / answered as f64,
        lost,
    };
    eprintln!(
        "{}, {}: {:.2} µs, {:.0} answers a second, {:.1} peers back, {lost} lost",
        server.name, case.name, sample.micros, sample.answers_per_s, sample.peers
    );
    sample
}

fn report(cases: &[Case], servers: &[Server], samples: &Samples) {
    println!("| µs of CPU per answer |{} peak RSS |", columns(cases, |case| case.name.clone()));
    println!("|---|{}---|", columns(cases, |_| "---".to_owned()).replace(' ', ""));
    for server in NAMES.iter().filter_map(|name| servers.iter().find(|server| server.name == *name)) {
        let row = columns(&numbers(cases), |case| {
            samples.get(&(*case, server.name)).map_or(String::new(), |samples| {
                min_median(samples.iter().map(|sample| sample.micros).collect())
            })
        });
        println!("| {} |{row} {} MiB |", server.name, server.process.peak_memory() / MIB);
    }
    for other in &NAMES[1..] {
        let row = columns(&numbers(cases), |case| ratio(samples, (*case, NAMES[0]), (*case, other)));
        if row.contains('/') {
            println!("| convoy by {other} |{row} |");
        }
    }
    let (plain, signed) = (2, 4);
    let row = ratio(samples, (signed, NAMES[0]), (plain, NAMES[0]));
    if !row.is_empty() {
        println!("\nWith a token by without, {FEW} swarms: {row}");
    }
    let least = samples.iter().filter(|((case, _), _)| *case >= plain).flat_map(|(_, samples)| samples);
    let peers = least.map(|sample| sample.peers).fold(f64::INFINITY, f64::min);
    println!("Peers back, on average, where they were fewest: {peers:.1}");
    let lost: u64 = samples.values().flatten().map(|sample| sample.lost).sum();
    println!("Lost on the way: {lost}");
}

fn numbers(cases: &[Case]) -> Vec<usize> {
    (0..cases.len()).collect()
}

fn columns<T>(cells: &[T], text: impl Fn(&T) -> String) -> String {
    cells.iter().map(|cell| format!(" {} |", text(cell))).collect()
}

/// Of pairs of the same repetition; empty if there are none.
fn ratio(samples: &Samples, one: (usize, &'static str), other: (usize, &'static str)) -> String {
    let (Some(one), Some(other)) = (samples.get(&one), samples.get(&other)) else { return String::new() };
    min_median(one.iter().zip(other).map(|(one, other)| one.micros / other.micros).collect())
}

fn min_median(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    format!("{:.2}/{:.2}", values[0], values[values.len() / 2])
}

impl Plan {
    fn from_args() -> Self {
        let mut plan = Self { seconds: 3.0, reps: 3, swarms: 100_000, trackers: Vec::new() };
        // Cargo adds `--bench`.
        let mut args = env::args().skip(1).filter(|arg| arg != "--bench");
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--seconds" => plan.seconds = value(&arg, args.next()),
                "--reps" => plan.reps = value(&arg, args.next()),
                "--swarms" => plan.swarms = value(&arg, args.next()),
                name if NAMES.contains(&name) => plan.trackers.push(arg),
                _ => wrong_usage(format!("{arg} is none of the options, and no tracker")),
            }
        }
        if plan.trackers.is_empty() {
            plan.trackers = NAMES.map(str::to_owned).to_vec();
        }
        plan
    }
}

fn value<T: FromStr>(option: &str, text: Option<String>) -> T {
    let value = text.and_then(|text| text.parse().ok());
    value.unwrap_or_else(|| wrong_usage(format!("{option} wants a number")))
}

fn wrong_usage(why: impl Display) -> ! {
    eprintln!("{why}\nusage: [--seconds S] [--reps N] [--swarms N] [{}]…", NAMES.join("|"));
    exit(2)
}
