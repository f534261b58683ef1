//! What is wanted of a torrent, in which order, and for how long it is shared.

use super::{
    Action,
    machine::{Phase, Swarm},
};
use crate::{
    Deadline, Instant, Outbox, choker,
    id::{FileIndex, PackageId, PieceIndex},
    picker::{self, Tier},
    storage::Layout,
};
use alloc::{collections::BTreeMap, vec::Vec};
use core::{ops::Range, time::Duration};

/// What is wanted of a torrent, and for how long it is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Plan {
    /// How urgently the files are wanted that are not in [`files`](Self::files).
    pub tier: Tier,
    /// How urgently other files are wanted; [`Tier::Skip`]: not at all. A piece that lies in several files
    /// is as urgent as the most urgent of them.
    pub files: BTreeMap<FileIndex, Tier>,
    /// Whether the first piece comes before everything else: it says what the rest is.
    pub header_first: bool,
    /// Whether pieces are asked for in their order, not the rarest first.
    pub sequential: bool,
    /// When to stop sharing what is there.
    pub seed_goal: SeedGoal,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            tier: Tier::UserRequested,
            files: BTreeMap::new(),
            header_first: false,
            sequential: false,
            seed_goal: SeedGoal::default(),
        }
    }
}

impl Plan {
    /// How urgent the most urgent of what is wanted is.
    fn highest(&self) -> Tier {
        self.files.values().copied().fold(self.tier, Tier::max)
    }

    /// Whether anything is wanted so urgently.
    pub(super) fn names(&self, tier: Tier) -> bool {
        self.tier == tier || self.files.values().any(|file| *file == tier)
    }
}

/// When sharing ends: with whichever comes first. Without either it does not end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct SeedGoal {
    /// Bytes sent in this run for a thousand bytes that are wanted.
    pub ratio_permille: Option<u32>,
    /// For so long from when everything that is wanted was there.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::optional_micros"))]
    pub time: Option<Duration>,
}

/// Where somebody reads while pieces come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reader {
    /// In which file.
    pub file: FileIndex,
    /// From where on, in bytes.
    pub offset: u64,
}

/// What became of a plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// How urgent the most urgent of what is wanted is.
    pub(super) tier: Tier,
    /// How many packages the picker was told of.
    packages: u32,
    /// The pieces that a reader waits for.
    ahead: Range<u32>,
    /// Since when everything that is wanted is there.
    finished_at: Option<Instant>,
    /// Whether the seed goal was reached and told.
    shared: bool,
}

impl Swarm {
    /// Wants other things, or the same in another order.
    pub(super) fn follow(&mut self, now: Instant, plan: Plan, out: &mut Outbox<Action>) {
        self.plan = plan;
        self.plan_progress.shared = false;
        if self.is_magnet {
            return;
        }
        self.tell_plan(now, out);
        // What was not looked at yet may be there: a check tells when it is through.
        if self.phase == Phase::Running {
            self.note_finished(now, true, out);
        }
    }

    /// Whether a piece is wanted at all.
    pub(super) fn is_planned(&self, piece: PieceIndex) -> bool {
        let tier = |file: FileIndex| self.plan.files.get(&file).copied().unwrap_or(self.plan.tier);
        let mut files = self.layout.piece_segments(piece).filter_map(|segment| segment.file);
        self.plan.header_first && piece.0 == 0 || files.any(|file| tier(file) != Tier::Skip)
    }

    /// Tells the picker what is wanted.
    pub(super) fn tell_plan(&mut self, now: Instant, out: &mut Outbox<Action>) {
        self.plan_progress.tier = self.plan.highest();
        let runs = tiers(&self.plan, &self.layout);
        // Nothing is asked for while only part of it is told.
        self.budget = 0;
        self.pick(now, picker::Input::Budget { bytes: 0 }, out);
        let known = self.plan_progress.packages;
        self.plan_progress.packages = runs.len() as u32;
        let gone = core::iter::repeat((0..0, Tier::Skip));
        let count = runs.len().max(known as usize);
        for (number, (pieces, tier)) in (0..).zip(runs.into_iter().chain(gone).take(count)) {
            self.pick(now, picker::Input::Package { package: PackageId(number), pieces, tier }, out);
        }
        self.pick(now, picker::Input::Sequential(self.plan.sequential), out);
        self.say_urgency(now, out);
    }

    /// Somebody reads: the pieces that come next are wanted soon, one after the other.
    pub(super) fn read_ahead(&mut self, now: Instant, reader: Option<Reader>, out: &mut Outbox<Action>) {
        if self.is_magnet {
            return;
        }
        let ahead = reader.and_then(|reader| self.pieces_ahead(reader)).unwrap_or(0..0);
        let before = core::mem::replace(&mut self.plan_progress.ahead, ahead.clone());
        for piece in before.filter(|piece| !ahead.contains(piece)).map(PieceIndex) {
            self.pick(now, picker::Input::Deadline { piece, at: None }, out);
        }
        for (number, piece) in (0..).zip(ahead.map(PieceIndex)) {
            let at = now + self.config.read_pace.saturating_mul(number);
            self.pick(now, picker::Input::Deadline { piece, at: Some(at) }, out);
        }
    }

    /// The pieces in the next [`read_ahead`](super::Config::read_ahead) bytes of a file, those that are
    /// held among them.
    fn pieces_ahead(&self, reader: Reader) -> Option<Range<u32>> {
        let file = self.layout.file_range(reader.file)?;
        let start = file.start.checked_add(reader.offset).filter(|start| *start < file.end)?;
        let end = file.end.min(start.saturating_add(self.config.read_ahead));
        Some(pieces_of(&(start..end), self.geometry.piece_length()))
    }

    /// Notices when everything that is wanted is there, or no longer so. Whether that is news: it is not
    /// where it was on disk from the start.
    pub(super) fn note_finished(&mut self, now: Instant, news: bool, out: &mut Outbox<Action>) {
        let finished = self.picker.is_finished();
        if finished == self.is_finished() {
            return;
        }
        self.plan_progress.finished_at = finished.then_some(now);
        self.choose(now, choker::Input::Seeding(finished), out);
        self.set_upload_only(now, finished, out);
        self.say_urgency(now, out);
        if !finished {
            return;
        }
        if !self.have.is_full() {
            out.push(Action::Finished);
        } else if news {
            out.push(Action::Completed);
        }
        if news || self.saves.unsaved {
            self.save(true, out);
        }
        self.leave_all_useless();
        self.note_shared(now, out);
    }

    /// Whether everything that is wanted is there.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.plan_progress.finished_at.is_some()
    }

    /// How urgent it is, beside other torrents: as the most urgent of what is wanted. One that only shares
    /// is as urgent as what somebody asked for.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        if self.is_finished() { Tier::UserRequested } else { self.plan_progress.tier }
    }

    /// When sharing has been long enough.
    pub(super) fn seed_deadline(&self) -> Option<Deadline> {
        let since = self.plan_progress.finished_at.filter(|_| !self.plan_progress.shared)?;
        let at = since + self.plan.seed_goal.time?;
        Some(Deadline { at, why: "seed goal" })
    }

    /// Ends sharing once the goal is reached.
    pub(super) fn note_shared(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let by_time = self.seed_deadline().is_some_and(|deadline| deadline.at <= now);
        if !self.is_finished() || self.plan_progress.shared || !(by_time || self.has_shared_enough()) {
            return;
        }
        self.plan_progress.shared = true;
        out.push(Action::SeedGoalReached);
        self.pause(out);
    }

    /// Peers that want nothing of us, and have nothing for us.
    fn leave_all_useless(&mut self) {
        let mut slot = 0;
        while let Some(key) = self.peers.key_from(slot) {
            self.leave_if_useless(key);
            slot = key.index() + 1;
        }
    }

    fn has_shared_enough(&self) -> bool {
        let Some(permille) = self.plan.seed_goal.ratio_permille else { return false };
        let wanted = u128::from(self.picker.wanted_bytes());
        u128::from(self.uploaded.total()) * 1000 >= wanted * u128::from(permille)
    }
}

/// The tiers of a plan, by runs of pieces. Nothing where all are alike: then it is the default.
fn tiers(plan: &Plan, layout: &Layout) -> Vec<(Range<u32>, Tier)> {
    let mut runs: Vec<(Range<u32>, Tier)> = Vec::new();
    if plan.header_first {
        runs.push((0..1, Tier::Header));
    }
    if plan.files.is_empty() && plan.tier == Tier::UserRequested {
        return runs;
    }
    let length = layout.geometry().piece_length();
    for file in (0..layout.file_count()).map(FileIndex).filter(|file| !layout.is_padding(*file)) {
        let Some(range) = layout.file_range(file).filter(|range| !range.is_empty()) else { continue };
        let pieces = pieces_of(&range, length);
        let tier = plan.files.get(&file).copied().unwrap_or(plan.tier);
        match runs.last_mut() {
            Some((run, same)) if *same == tier && pieces.start <= run.end => run.end = pieces.end,
            _ => runs.push((pieces, tier)),
        }
    }
    runs
}

/// The pieces that a run of bytes touches.
fn pieces_of(bytes: &Range<u64>, piece_length: u32) -> Range<u32> {
    let piece = |at: u64| (at / u64::from(piece_length)) as u32;
    piece(bytes.start)..piece(bytes.end.saturating_sub(1)) + 1
}
