//! How hosts learn of each other.

use super::plan::HostNumber;
use convoy_core::{Random, random::Seed};

/// Knows who is there, and tells each that asks of some others.
#[derive(Debug)]
pub(super) struct Tracker {
    present: Vec<HostNumber>,
    peers_known: usize,
    random: Random,
}

impl Tracker {
    pub(super) fn new(peers_known: usize, seed: Seed) -> Self {
        Self { present: Vec::new(), peers_known, random: Random::new(seed) }
    }

    /// `host` is there, and asks for others: some of them, each as likely as any other.
    pub(super) fn announce(&mut self, host: HostNumber) -> Vec<HostNumber> {
        // The first places are dealt to others; the asker is put out of the way at the end.
        let mut end = self.present.len();
        match self.present.iter().position(|present| *present == host) {
            Some(place) => {
                end -= 1;
                self.present.swap(place, end);
            }
            None => self.present.push(host),
        }
        let told = end.min(self.peers_known);
        for place in 0..told {
            let other = self.random.between(place as u32..end as u32) as usize;
            self.present.swap(place, other);
        }
        self.present.iter().take(told).copied().collect()
    }

    /// `host` left in order. Who dies says nothing, and is told of as before.
    pub(super) fn left(&mut self, host: HostNumber) {
        self.present.retain(|present| *present != host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn tracker(peers_known: usize) -> Tracker {
        Tracker::new(peers_known, [1; 32])
    }

    fn announce(tracker: &mut Tracker, host: u32) -> Vec<u32> {
        tracker.announce(HostNumber(host)).into_iter().map(|number| number.0).collect()
    }

    #[test]
    fn a_host_is_told_of_those_that_came_before_and_are_still_there() {
        let mut tracker = tracker(30);
        assert_eq!(announce(&mut tracker, 0), []);
        assert_eq!(announce(&mut tracker, 1), [0]);
        assert_eq!(announce(&mut tracker, 0), [1]);
        tracker.left(HostNumber(0));
        assert_eq!(announce(&mut tracker, 2), [1]);
    }

    #[test]
    fn it_is_told_of_so_many_and_in_time_of_all() {
        let mut tracker = tracker(3);
        (0..10).for_each(|host| drop(announce(&mut tracker, host)));
        let mut all = BTreeSet::new();
        for _ in 0..50 {
            let told: BTreeSet<_> = announce(&mut tracker, 4).into_iter().collect();
            assert!(told.len() == 3 && !told.contains(&4), "{told:?}");
            all.extend(told);
        }
        assert_eq!(all.len(), 9);
    }
}
