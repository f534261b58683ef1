//! Which packages use which pieces, and what tier a piece has by that.

use super::Tier;
use crate::id::PackageId;
use alloc::vec::Vec;
use core::ops::Range;

/// What is wanted of one package.
#[derive(Clone, Debug)]
struct Package {
    id: PackageId,
    pieces: Range<u32>,
    tier: Tier,
}

/// All packages, by id.
#[derive(Clone, Debug)]
pub(super) struct Packages {
    packages: Vec<Package>,
    /// The tier of a piece that no package uses.
    rest: Tier,
}

impl Packages {
    pub(super) const fn new(rest: Tier) -> Self {
        Self { packages: Vec::new(), rest }
    }

    /// A package uses these pieces at this tier, and no others. Returns those that it used before.
    pub(super) fn set(&mut self, id: PackageId, pieces: Range<u32>, tier: Tier) -> Range<u32> {
        let place = self.packages.binary_search_by_key(&id, |package| package.id);
        let (Ok(at) | Err(at)) = place;
        let before = if place.is_ok() { self.packages.remove(at).pieces } else { 0..0 };
        if !pieces.is_empty() {
            self.packages.insert(at, Package { id, pieces, tier });
        }
        before
    }

    /// The tier of each piece of a range: the highest of the packages that use it. Work for each package,
    /// and for each piece once for each package that uses it.
    pub(super) fn tiers(&self, range: &Range<u32>) -> Vec<Tier> {
        let mut tiers: Vec<Option<Tier>> = range.clone().map(|_| None).collect();
        for Package { pieces, tier, .. } in &self.packages {
            let start = pieces.start.max(range.start);
            let end = pieces.end.min(range.end);
            let used = start.saturating_sub(range.start) as usize..end.saturating_sub(range.start) as usize;
            for known in tiers.get_mut(used).unwrap_or_default() {
                *known = (*known).max(Some(*tier));
            }
        }
        tiers.into_iter().map(|tier| tier.unwrap_or(self.rest)).collect()
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.packages.capacity() * size_of::<Package>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Tier::{Background, LobbyUrgent, Skip, UserRequested};

    #[test]
    fn a_piece_has_the_highest_tier_of_the_packages_that_use_it() {
        let mut packages = Packages::new(UserRequested);
        assert_eq!(packages.set(PackageId(1), 0..3, Skip), 0..0);
        assert_eq!(packages.set(PackageId(0), 2..5, Background), 0..0);
        assert_eq!(packages.tiers(&(1..6)), [Skip, Background, Background, Background, UserRequested]);
        assert_eq!(packages.set(PackageId(1), 4..6, LobbyUrgent), 0..3, "where it was");
        assert_eq!(
            packages.tiers(&(1..6)),
            [UserRequested, Background, Background, LobbyUrgent, LobbyUrgent]
        );
    }

    #[test]
    fn an_empty_range_removes_a_package() {
        let mut packages = Packages::new(Skip);
        packages.set(PackageId(7), 1..2, Background);
        assert_eq!(packages.set(PackageId(7), 9..9, Background), 1..2);
        assert_eq!(packages.tiers(&(0..3)), [Skip; 3]);
        assert!(packages.packages.is_empty());
    }
}
