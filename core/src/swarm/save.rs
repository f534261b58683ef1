//! Saving what is known for the next run.

use super::{
    Action,
    gather::Pending,
    machine::{Phase, Swarm},
};
use crate::{
    Deadline, Instant, Outbox,
    bitfield::Bitfield,
    id::StorageToken,
    storage::{Operation, StorageError},
};

/// Saving what is known: flush first, so that only what is durable is written down.
#[derive(Clone, Debug, Default)]
pub(super) struct Saves {
    /// Whether a piece was verified since the last save.
    pub(super) unsaved: bool,
    /// Whether the files may have changed since the last save for good: the next run would check them.
    pub(super) unclean: bool,
    /// What the flush under way will make durable, and whether it is for good.
    flushing: Option<(Bitfield, bool)>,
    /// Whether to save again, and how, as soon as that is done.
    again: Option<bool>,
    next: Instant,
}

impl Saves {
    /// Whether something is not saved for good yet.
    pub(super) const fn is_pending(&self) -> bool {
        self.unsaved || self.unclean || self.is_flushing()
    }

    /// Whether a save is under way.
    pub(super) const fn is_flushing(&self) -> bool {
        self.flushing.is_some()
    }
}

impl Swarm {
    /// Something is known that the saved state does not say.
    pub(super) fn note_unsaved(&mut self, now: Instant) {
        if !self.saves.unsaved {
            self.saves.unsaved = true;
            self.saves.next = now + self.config.save_interval;
        }
    }

    /// Makes everything durable, then saves what is known; `clean` if nothing more will be written.
    pub(super) fn save(&mut self, clean: bool, out: &mut Outbox<Action>) {
        self.saves.unsaved = false;
        self.saves.unclean = !clean;
        if self.saves.flushing.is_some() {
            self.saves.again = Some(clean);
            return;
        }
        self.saves.flushing = Some((self.have.clone(), clean));
        let token = StorageToken::of(self.operations.insert(Pending::Flush));
        out.push(Action::Storage(Operation::Flush { token }));
    }

    pub(super) fn on_flushed(&mut self, result: Result<(), StorageError>, out: &mut Outbox<Action>) {
        let Some((have, clean)) = self.saves.flushing.take() else { return };
        if self.phase == Phase::Failed {
            return;
        }
        match result {
            // A piece whose hash was under way when we stopped may be verified and told by now: what is
            // saved for good must not call it missing.
            Ok(()) if self.phase == Phase::Stopping && (self.saves.unsaved || self.saves.again.is_some()) => {
                self.saves.again = None;
                return self.save(true, out);
            }
            Ok(()) => out.push(Action::SaveResume { have, clean }),
            Err(error) => self.fail(None, error, out),
        }
        if let Some(clean) = self.saves.again.take() {
            self.save(clean, out);
        }
    }

    /// When what is known is saved next, if there is anything new.
    pub(super) fn save_deadline(&self) -> Option<Deadline> {
        let due = self.saves.unsaved && self.phase == Phase::Running;
        due.then_some(Deadline { at: self.saves.next, why: "save resume state" })
    }
}
