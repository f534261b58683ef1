//! The clock of a tracker.

use convoy_core::Instant;
use std::time::{self, Duration, SystemTime};

/// Time since the Unix epoch as it was when the tracker began, and monotonic from then on: what machines
/// remember by it means the same to the next run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: time::Instant,
    began_after_epoch: Duration,
}

impl Clock {
    pub(super) fn new() -> Self {
        let began_after_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { began: time::Instant::now(), began_after_epoch }
    }

    pub(super) fn now(&self) -> Instant {
        Instant::ZERO + self.began_after_epoch + self.began.elapsed()
    }
}
