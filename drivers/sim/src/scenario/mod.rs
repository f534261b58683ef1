//! Scenarios as data: who is there, what goes wrong, and how long it may take.
//!
//! ```text
//!   TOML ─▶ Scenario ─┬─▶ Plan ─▶ perform ─▶ Report ─▶ (it failed) ─▶ shrink ─▶ a smaller Plan that fails
//!   seed, peers ──────┘           (the world)
//! ```
//!
//! A [`Scenario`] says what may happen, in ranges; a [`Plan`] is one life of it, drawn from a seed, and plain
//! data. In its first phase faults are on and nothing may break; in the second they are off and everyone has
//! to be complete in time.

pub mod file;
mod perform;
pub mod plan;
pub mod quantity;
pub mod report;
mod run;
mod shrink;
mod slots;
mod tracker;
mod watch;
pub mod wishes;

pub use file::{Scenario, ScenarioError};
pub use perform::{Extras, perform};
pub use plan::{HostNumber, Plan};
pub use report::{Failure, Report, Sample};
pub use shrink::shrink;

/// The scenarios that are built in: name and text. `tests/scenarios` holds them and explains their keys.
pub const BUILT_IN: [(&str, &str); 21] = [
    ("flash-crowd", include_str!("../../../../tests/scenarios/flash-crowd.toml")),
    ("one-seed", include_str!("../../../../tests/scenarios/one-seed.toml")),
    ("slow-seed", include_str!("../../../../tests/scenarios/slow-seed.toml")),
    ("snub", include_str!("../../../../tests/scenarios/snub.toml")),
    ("liar", include_str!("../../../../tests/scenarios/liar.toml")),
    ("seed-leaves", include_str!("../../../../tests/scenarios/seed-leaves.toml")),
    ("churn", include_str!("../../../../tests/scenarios/churn.toml")),
    ("lobby-urgent", include_str!("../../../../tests/scenarios/lobby-urgent.toml")),
    ("spare-uplink", include_str!("../../../../tests/scenarios/spare-uplink.toml")),
    ("thin-uplink", include_str!("../../../../tests/scenarios/thin-uplink.toml")),
    ("behind-nat", include_str!("../../../../tests/scenarios/behind-nat.toml")),
    ("lossy-links", include_str!("../../../../tests/scenarios/lossy-links.toml")),
    ("mixed-encryption", include_str!("../../../../tests/scenarios/mixed-encryption.toml")),
    ("poisoners", include_str!("../../../../tests/scenarios/poisoners.toml")),
    ("poison-attribution", include_str!("../../../../tests/scenarios/poison-attribution.toml")),
    ("attackers", include_str!("../../../../tests/scenarios/attackers.toml")),
    ("slow-disks", include_str!("../../../../tests/scenarios/slow-disks.toml")),
    ("failing-disks", include_str!("../../../../tests/scenarios/failing-disks.toml")),
    ("power-loss", include_str!("../../../../tests/scenarios/power-loss.toml")),
    ("partition", include_str!("../../../../tests/scenarios/partition.toml")),
    ("clock-jumps", include_str!("../../../../tests/scenarios/clock-jumps.toml")),
];

#[cfg(test)]
mod tests;
