//! Finds a smaller plan that still fails.

use super::{
    file::Role,
    plan::{HostNumber, Plan},
};
use std::collections::BTreeSet;

/// Takes faults and hosts out of `plan` as long as it still `fails`, in at most `runs` tries: first many at
/// once, then fewer. Seeds stay: without them nobody could finish, which would be another failure.
pub fn shrink(plan: &Plan, mut runs: u32, mut fails: impl FnMut(&Plan) -> bool) -> Plan {
    let mut smallest = plan.clone();
    loop {
        let before = (smallest.faults.len(), smallest.hosts.len());
        let faults: Vec<usize> = (0..smallest.faults.len()).collect();
        smallest = take_out(smallest, &faults, &mut runs, &mut fails, without_faults);
        let hosts = smallest.hosts.iter().filter(|(_, host)| host.role != Role::Seed);
        let hosts: Vec<HostNumber> = hosts.map(|(number, _)| *number).collect();
        smallest = take_out(smallest, &hosts, &mut runs, &mut fails, Plan::without_hosts);
        // A host less can make a fault needless, and the other way round.
        if runs == 0 || before == (smallest.faults.len(), smallest.hosts.len()) {
            return smallest;
        }
    }
}

/// Takes out of `plan` what it fails without: all of `parts`, then halves of what is left, and so on to
/// single ones.
fn take_out<T: Copy + Ord>(
    plan: Plan,
    parts: &[T],
    runs: &mut u32,
    fails: &mut impl FnMut(&Plan) -> bool,
    without: impl Fn(&Plan, &BTreeSet<T>) -> Plan,
) -> Plan {
    let mut gone = BTreeSet::new();
    let mut chunk = parts.len();
    while chunk > 0 {
        let left: Vec<T> = parts.iter().copied().filter(|part| !gone.contains(part)).collect();
        for some in left.chunks(chunk) {
            if *runs == 0 {
                return without(&plan, &gone);
            }
            *runs -= 1;
            let more: BTreeSet<T> = gone.iter().chain(some).copied().collect();
            if fails(&without(&plan, &more)) {
                gone = more;
            }
        }
        chunk /= 2;
    }
    without(&plan, &gone)
}

fn without_faults(plan: &Plan, gone: &BTreeSet<usize>) -> Plan {
    let faults = plan.faults.iter().enumerate().filter(|(place, _)| !gone.contains(place));
    Plan { faults: faults.map(|(_, fault)| fault.clone()).collect(), ..plan.clone() }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{file::Scenario, plan::Step},
        *,
    };

    fn plan() -> Plan {
        let scenario = r#"
about = "Many crashes."
peers = 40
faults_last = "1 min"
finish_within = "1 min"
group = [
    { name = "seed", role = "seed", count = 1 },
    { name = "leechers", role = "leecher" },
]
fault = [
    { what = "crash", who = ["leechers"], at = "0 s to 1 min" },
    { what = "leave", who = ["leechers"], at = "0 s to 1 min" },
]
"#;
        Plan::draw(&Scenario::parse(scenario).unwrap(), 3, 40).unwrap()
    }

    fn crashes(plan: &Plan, host: u32) -> bool {
        let mut steps = plan.faults.iter().flat_map(|fault| &fault.steps);
        steps.any(|(_, step)| *step == Step::Crash(HostNumber(host)))
    }

    #[test]
    fn only_what_a_failure_needs_is_left() {
        let needs = |plan: &Plan| crashes(plan, 7) && plan.hosts.contains_key(&HostNumber(31));
        let smallest = shrink(&plan(), 1000, needs);
        let hosts: Vec<u32> = smallest.hosts.keys().map(|number| number.0).collect();
        assert_eq!(hosts, [0, 7, 31], "the seed and those two");
        assert_eq!(smallest.faults.len(), 1);
        assert!(crashes(&smallest, 7));
    }

    #[test]
    fn shrinking_ends_when_its_runs_are_used_up_and_keeps_a_plan_that_fails() {
        let mut tried = 0;
        let smaller = shrink(&plan(), 10, |plan| {
            tried += 1;
            crashes(plan, 7)
        });
        assert_eq!(tried, 10);
        assert!(crashes(&smaller, 7) && smaller.faults.len() < plan().faults.len());
    }

    #[test]
    fn what_never_fails_again_is_left_whole() {
        assert_eq!(shrink(&plan(), 1000, |_| false), plan());
    }
}
