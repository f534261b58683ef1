//! The peers of an exchange.

use super::{Limits, serve::SECOND};
use crate::time::{Deadline, Instant};
use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

/// How many requests that timed out are remembered, should the block come after all.
const LATE_MAX: usize = 2;

#[derive(Debug)]
pub(super) struct Peer {
    /// How long it says the dictionary is, if it has it.
    pub(super) claim: Option<u32>,
    /// Requests without an answer, the oldest first.
    asked: Vec<Asked>,
    /// Until when it is asked for nothing.
    rests_until: Option<Instant>,
    /// How often its turn to give everything alone was cut short.
    pub(super) lost_turns: u32,
    /// It did wrong: it is not talked to, nor listened to.
    pub(super) blamed: bool,
    /// Its requests that wait.
    pub(super) queue: VecDeque<u32>,
    /// How many blocks it was given.
    pub(super) given: u32,
    /// How many rejects it was given.
    pub(super) rejected: u32,
    /// When the second began in which it got the last block, and how many in that second.
    pub(super) second: (Instant, u32),
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    piece: u32,
    at: Instant,
    /// It timed out.
    late: bool,
}

impl Peer {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            claim: None,
            asked: Vec::new(),
            rests_until: None,
            lost_turns: 0,
            blamed: false,
            queue: VecDeque::new(),
            given: 0,
            rejected: 0,
            second: (now, 0),
        }
    }

    /// Whether it has the dictionary, as it says, and may be asked for it.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        !self.blamed && self.claim.is_some() && self.rests_until.is_none_or(|until| until <= now)
    }

    /// How many requests it has to answer.
    pub(super) fn pending(&self) -> usize {
        self.asked.iter().filter(|asked| !asked.late).count()
    }

    pub(super) fn ask(&mut self, piece: u32, now: Instant) {
        self.asked.push(Asked { piece, at: now, late: false });
    }

    /// It answered a request. `None` if there was none; else whether it was in time.
    pub(super) fn answer(&mut self, piece: u32) -> Option<bool> {
        let place = self.asked.iter().position(|asked| asked.piece == piece)?;
        Some(!self.asked.remove(place).late)
    }

    /// It is to be asked for nothing until then.
    pub(super) fn rest(&mut self, until: Option<Instant>) {
        self.rests_until = self.rests_until.max(until);
    }

    /// Ends a rest that is over; whether it does.
    pub(super) fn wake(&mut self, now: Instant) -> bool {
        self.rests_until.take_if(|until| *until <= now).is_some()
    }

    /// Forgets what it was asked for and gives those requests that it had to answer.
    pub(super) fn forget(&mut self) -> impl Iterator<Item = u32> {
        let asked = core::mem::take(&mut self.asked);
        asked.into_iter().filter(|asked| !asked.late).map(|asked| asked.piece)
    }

    /// Its oldest request, if it had its time. It is late from now on.
    pub(super) fn time_out(&mut self, now: Instant, timeout: Duration) -> Option<u32> {
        let expired =
            |asked: &&mut Asked| !asked.late && after(asked.at, timeout).is_some_and(|due| due <= now);
        let asked = self.asked.iter_mut().find(expired)?;
        asked.late = true;
        let piece = asked.piece;
        if self.asked.iter().filter(|asked| asked.late).count() > LATE_MAX {
            let oldest = self.asked.iter().position(|asked| asked.late);
            oldest.map(|oldest| self.asked.remove(oldest));
        }
        Some(piece)
    }

    /// When it is to be looked at next.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Deadline> {
        if self.blamed {
            return None;
        }
        let first = self.asked.iter().find(|asked| !asked.late);
        let answer = first.and_then(|asked| after(asked.at, limits.request_timeout));
        let upload = after(self.second.0, SECOND).filter(|_| !self.queue.is_empty());
        let due = |at: Option<Instant>, why| at.map(|at| Deadline { at, why });
        let asked =
            Deadline::earlier(due(answer, "metadata request"), due(self.rests_until, "metadata retry"));
        Deadline::earlier(asked, due(upload, "metadata upload"))
    }

    /// Heap bytes held.
    pub(super) fn memory(&self) -> usize {
        self.asked.capacity() * size_of::<Asked>() + self.queue.capacity() * size_of::<u32>()
    }
}

/// The time `wait` after `at`; `None` where there is no such time.
pub(super) fn after(at: Instant, wait: Duration) -> Option<Instant> {
    Some(at + wait).filter(|then| *then > at)
}
