//! When to ask which tracker, told of trackers that answer, refuse, contradict themselves and say nothing.

use crate::{Reached, life};
use convoy_core::tracker::announcer::{Action, subject::AnyAnnouncer};

pub fn run(bytes: &[u8]) -> Reached {
    life::live(AnyAnnouncer::default(), bytes, |action, reached| {
        if let Action::Ask { event, .. } = action {
            reached.add_variant(event);
        }
        if let Action::Tracker(status) = action {
            reached.add_variant(&status.state);
        }
    })
}
