//! Every scenario of the simulated world holds, whatever the dice say; and a run can be repeated.

use convoy_tests::{Convoy, Scratch};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

/// How many lives of each scenario are tried.
const SEEDS: u64 = 20;

/// Runs a scenario, to a good end.
fn simulate(scratch: &Scratch, scenario: &str, seed: u64, args: &[&str]) -> Value {
    let sim = Convoy::new(scratch, "sim").args(&["--scenario", scenario, "--seed", &seed.to_string()]);
    let outcome = sim.args(args).run();
    let shown = |line: &Value| line["plan"].as_str().map_or_else(|| line.to_string(), str::to_owned);
    let said = || outcome.lines.iter().map(shown).collect::<Vec<_>>().join("\n");
    assert_eq!(outcome.code, Some(0), "{scenario}, seed {seed}:\n{}\n{}", said(), outcome.stderr);
    outcome.lines.iter().find(|line| line["event"] == "sim_summary").expect("a summary").clone()
}

/// All lives of a scenario.
fn holds(scenario: &str) {
    let scratch = Scratch::new();
    let mut hashes = BTreeSet::new();
    for seed in 1..=SEEDS {
        let summary = simulate(&scratch, scenario, seed, &[]);
        assert_eq!(summary["complete"], summary["leechers"], "{summary}");
        hashes.insert(summary["trace_hash"].to_string());
    }
    assert_eq!(hashes.len() as u64, SEEDS, "{scenario}: each seed is a life of its own");
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            holds($name);
        })*

        const HELD: &[&str] = &[$($name),*];
    };
}

scenarios! {
    a_flash_crowd_is_served: "flash-crowd",
    one_thin_seed_is_enough: "one-seed",
    a_slow_seed_sends_little_twice: "slow-seed",
    liars_starve_nobody: "liar",
    who_never_sends_holds_nobody_up: "snub",
    a_seed_may_leave_and_come_back: "seed-leaves",
    churn_is_survived: "churn",
    what_a_lobby_waits_for_comes_first: "lobby-urgent",
    slots_follow_an_uplink_that_has_room: "spare-uplink",
    slots_follow_an_uplink_that_has_none: "thin-uplink",
    hosts_behind_nat_are_served: "behind-nat",
    lossy_long_links_deliver: "lossy-links",
    all_encryption_policies_mix: "mixed-encryption",
    poisoners_do_no_harm: "poisoners",
    poisoners_are_found_and_nobody_else_is_banned: "poison-attribution",
    strangers_of_every_kind_do_no_harm: "attackers",
    slow_disks_are_not_overrun: "slow-disks",
    failing_disks_cost_time_and_nothing_else: "failing-disks",
    power_loss_costs_nothing_verified: "power-loss",
    a_partition_heals: "partition",
    clocks_may_jump: "clock-jumps",
}

#[test]
fn every_scenario_is_held_and_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files =
        fs::read_dir(&folder).expect("a folder of scenarios").map(|entry| entry.expect("an entry").path());
    let named = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let files: BTreeSet<String> = files
        .filter(|path| path.extension().is_some_and(|kind| kind == "toml"))
        .map(|path| named(&path))
        .collect();
    assert_eq!(files, HELD.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn who_never_sends_costs_less_than_a_twentieth_of_the_time() {
    let scratch = Scratch::new();
    let snub = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/snub.toml");
    let with = fs::read_to_string(snub).expect("a scenario");
    let (without, snubbers) = with.rsplit_once("[[group]]").expect("groups");
    assert!(snubbers.contains("snubber") && with.contains("peers = 17"), "{with}");
    let file = scratch.path("without.toml");
    fs::write(&file, without.replace("peers = 17", "peers = 13")).expect("written");
    let file = file.to_str().expect("text");
    let time = |scenario: &str| -> f64 {
        let lives = (1..=SEEDS / 2).map(|seed| simulate(&scratch, scenario, seed, &[]));
        lives.map(|summary| summary["last_s"].as_f64().expect("seconds")).sum()
    };
    let (with, without) = (time("snub"), time(file));
    assert!(with <= 1.05 * without, "{with} s with them, {without} s without, until the last is done");
}

#[test]
fn the_same_seed_is_the_same_life_with_and_without_a_plot_and_a_trace() {
    let scratch = Scratch::new();
    let first = simulate(&scratch, "power-loss", 5, &["--peers", "4"]);
    let (plot, trace) = (scratch.path("plot.svg"), scratch.path("trace"));
    let paths = [plot.to_str().expect("text"), trace.to_str().expect("text")];
    let watched = ["--peers", "4", "--plot", paths[0], "--trace", paths[1]];
    let second = simulate(&scratch, "power-loss", 5, &watched);
    for same in ["trace_hash", "events", "median_s", "last_s"] {
        assert_eq!(first[same], second[same], "{same}");
    }
    assert!(fs::read_to_string(plot).expect("a plot").starts_with("<svg"));

    let replayed = Convoy::new(&scratch, "replay").arg(&trace).run();
    assert_eq!(replayed.code, Some(0), "{}", replayed.stderr);
    let line = replayed.lines.iter().find(|line| line["event"] == "replayed").expect("an outcome");
    assert!(line["lives"].as_u64() > Some(4), "a host that lost power begins anew: {line}");
    assert_eq!(line["steps"], first["events"]);

    let told = fs::read_to_string(&trace).expect("a trace");
    fs::write(&trace, told.replacen("\"unchoke", "\"choke", 1).replacen("\"connect\":", "\"conect\":", 1))
        .expect("written");
    let replayed = Convoy::new(&scratch, "replay").arg(&trace).run();
    assert_eq!(replayed.code, Some(1), "a trace that was tampered with: {}", replayed.stderr);
}

#[test]
fn a_scenario_that_nobody_can_finish_fails_with_its_seed_and_is_shrunk() {
    let scratch = Scratch::new();
    let file = scratch.path("hopeless.toml");
    let hopeless = r#"
about = "Half of them insist on encryption that the seed refuses, and cannot reach the others."
peers = 12
finish_within = "20 s"
group = [
    { name = "seed", role = "seed", count = 1, encryption = ["disabled"] },
    { name = "open", role = "leecher", encryption = ["disabled"] },
    { name = "secret", role = "leecher", encryption = ["required"] },
]
"#;
    fs::write(&file, hopeless).expect("written");
    let sim = Convoy::new(&scratch, "sim").arg("--scenario").arg(&file).args(&["--seed", "3"]).run();
    assert_eq!(sim.code, Some(1), "{}", sim.stderr);
    assert!(sim.stderr.contains("seed 3"), "{}", sim.stderr);
    let shrunk = sim.lines.iter().find(|line| line["event"] == "sim_shrunk").expect("a smaller case");
    assert_eq!(shrunk["hosts"], 2, "the seed and one of those that it refuses: {shrunk}");
}
