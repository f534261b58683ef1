//! What a host wants of the torrent, how urgently, and by when it must have it.

use convoy_core::{Instant, engine, id::FileIndex, picker::Tier};

/// What a host wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wishes {
    /// How urgently it wants what no package names.
    pub tier: Tier,
    /// What it wants otherwise.
    pub packages: Vec<Package>,
}

/// Files that a host wants at a tier of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// Which.
    pub files: Vec<FileIndex>,
    /// How urgently.
    pub tier: Tier,
    /// From when on.
    pub at: Instant,
    /// By when it must have all of them.
    pub by: Option<Instant>,
}

impl Wishes {
    /// What the host's engine is to do about them at `now`.
    pub(super) fn plan(&self, now: Instant) -> engine::Plan {
        let wanted = self.packages.iter().filter(|package| package.at <= now);
        let files = wanted.flat_map(|package| package.files.iter().map(|file| (*file, package.tier)));
        engine::Plan { tier: self.tier, files: files.collect(), ..engine::Plan::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_counts_from_its_time_on_and_the_later_entry_wins() {
        let second = |second: u64| Instant::from_micros(second * 1_000_000);
        let package = |files: &[u32], tier, at| {
            let files = files.iter().copied().map(FileIndex).collect();
            Package { files, tier, at: second(at), by: None }
        };
        let packages = vec![package(&[0, 1], Tier::UserRequested, 0), package(&[1], Tier::LobbyUrgent, 5)];
        let wishes = Wishes { tier: Tier::Background, packages };
        let tiers = |now| {
            let plan = wishes.plan(now);
            assert_eq!(plan.tier, Tier::Background);
            plan.files.into_values().collect::<Vec<_>>()
        };
        assert_eq!(tiers(second(4)), [Tier::UserRequested, Tier::UserRequested]);
        assert_eq!(tiers(second(5)), [Tier::UserRequested, Tier::LobbyUrgent]);
    }
}
