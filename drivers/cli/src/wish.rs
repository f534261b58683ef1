//! What is wanted of a torrent, as people say it: which files, how urgently, and how much is given back.

use crate::{
    config::Config,
    failure::Failure,
    output::printable,
    units::{Ratio, Span},
};
use clap::ValueEnum;
use convoy_core::{
    engine::{Plan, SeedGoal, Tier},
    id::FileIndex,
    metainfo::Info,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr};

/// Files by their numbers, which count from 0 as `--list` and the `so` of magnet links do: `0,2-4`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Selection(Vec<RangeInclusive<u32>>);

impl Selection {
    /// What a magnet link selects; `None` if that is everything.
    pub(crate) fn of_link(ranges: &[RangeInclusive<FileIndex>]) -> Option<Self> {
        let range = |range: &RangeInclusive<FileIndex>| range.start().0..=range.end().0;
        (!ranges.is_empty()).then(|| Self(ranges.iter().map(range).collect()))
    }

    fn contains(&self, FileIndex(file): FileIndex) -> bool {
        self.0.iter().any(|range| range.contains(&file))
    }

    /// The highest number in it.
    fn last(&self) -> u32 {
        self.0.iter().map(|range| *range.end()).max().unwrap_or(0)
    }
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some(first..=last)
        };
        let ranges: Option<_> = text.split(',').map(range).collect();
        ranges.map(Self).ok_or_else(|| {
            "files are chosen by their numbers, such as 0,2-4; `convoy download SOURCE --list` shows them"
                .into()
        })
    }
}

impl TryFrom<String> for Selection {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Selection> for String {
    fn from(selection: Selection) -> Self {
        selection.to_string()
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, range) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{separator}{first}")?,
                (first, last) => write!(f, "{separator}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// How urgently something is wanted, beside other torrents that a rate limit holds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Priority {
    /// People in a lobby wait for it.
    Lobby,
    /// Somebody wants it.
    #[default]
    User,
    /// When nothing else is held up, and a little all the time.
    Background,
}

impl From<Priority> for Tier {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Lobby => Self::LobbyUrgent,
            Priority::User => Self::UserRequested,
            Priority::Background => Self::Background,
        }
    }
}

/// What is wanted of each torrent of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// Which files; `None` is all, or those that a magnet link selects.
    pub(crate) selection: Option<Selection>,
    /// A file that is read while it comes.
    pub(crate) stream: Option<FileIndex>,
    pub(crate) priority: Priority,
    pub(crate) sequential: bool,
    pub(crate) seed_goal: SeedGoal,
}

impl Wish {
    /// What the settings say.
    pub(crate) fn new(config: &Config) -> Self {
        let seed_goal = SeedGoal {
            ratio_permille: config.seed_ratio.map(|Ratio(permille)| permille),
            time: config.seed_time.map(|Span(time)| time),
        };
        let (selection, priority) = (config.select.clone(), config.priority);
        Self { selection, stream: None, priority, sequential: config.sequential, seed_goal }
    }

    /// What the settings say of sharing; nothing is to be fetched.
    pub(crate) fn to_share(config: &Config) -> Self {
        Self { seed_goal: Self::new(config).seed_goal, ..Self::default() }
    }

    /// Whether sharing is to end by itself.
    pub(crate) const fn has_seed_goal(&self) -> bool {
        self.seed_goal.ratio_permille.is_some() || self.seed_goal.time.is_some()
    }

    /// The same of one torrent, whose link may select files.
    ///
    /// # Errors
    /// It has no file of a number that was typed.
    pub(crate) fn plan(&self, info: &Info, of_link: Option<&Selection>) -> Result<Plan, Failure> {
        let is_none = |file: u32| info.files.get(file as usize).is_none_or(|file| file.padding);
        if let Some(FileIndex(file)) = self.stream.filter(|file| is_none(file.0)) {
            return Err(no_such_file(info, file));
        }
        if let Some(last) =
            self.selection.as_ref().map(Selection::last).filter(|last| *last as usize >= info.files.len())
        {
            return Err(no_such_file(info, last));
        }
        let wanted = Tier::from(self.priority);
        let plan = Plan { sequential: self.sequential, seed_goal: self.seed_goal, ..Plan::default() };
        let of_stream = self.stream.map(|FileIndex(file)| Selection(vec![file..=file]));
        let Some(selection) = self.selection.as_ref().or(of_stream.as_ref()).or(of_link) else {
            return Ok(Plan { tier: wanted, ..plan });
        };
        let numbers = (0..info.files.len() as u32).map(FileIndex);
        let selected = numbers.filter(|file| selection.contains(*file) || self.stream == Some(*file));
        let files: BTreeMap<_, _> = selected.map(|file| (file, wanted)).collect();
        if files.is_empty() {
            return Err(no_such_file(info, selection.last()));
        }
        Ok(Plan { tier: Tier::Skip, files, ..plan })
    }
}

fn no_such_file(info: &Info, file: u32) -> Failure {
    let (name, last) = (printable(&info.name), info.files.len().saturating_sub(1));
    Failure::usage(format!("{name} has no file {file}: its files are 0 to {last}"))
        .advise("`convoy download SOURCE --list` shows them with their numbers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use convoy_core::metainfo::{Builder, SourceFile};

    fn selection(text: &str) -> Selection {
        text.parse().expect("valid")
    }

    /// A folder of four files.
    fn info() -> Info {
        let file = |name: &str| SourceFile { path: vec![name.into()], length: 10_000, executable: false };
        let plan = Builder::folder("top", ["a", "b", "c", "d"].map(file)).plan().expect("valid");
        let mut hasher = plan.hasher();
        hasher.update(&[0; 40_000]);
        plan.finish(&hasher.finish().expect("whole")).expect("valid").info
    }

    #[test]
    fn files_are_chosen_by_numbers_and_runs_of_numbers() {
        let chosen = selection("0, 2-4,9");
        let files: Vec<u32> = (0..12).filter(|file| chosen.contains(FileIndex(*file))).collect();
        assert_eq!(files, [0, 2, 3, 4, 9]);
        assert_eq!(chosen.to_string(), "0,2-4,9");
        for text in ["", ",", "1,", "a", "-1", "1-", "4-2", "1;2", "99999999999"] {
            assert!(text.parse::<Selection>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn everything_is_wanted_unless_something_is_chosen() {
        let plan = Wish::default().plan(&info(), None).expect("a plan");
        assert_eq!((plan.tier, plan.files), (Tier::UserRequested, BTreeMap::new()));
    }

    #[test]
    fn all_that_is_wanted_is_as_urgent_as_was_typed() {
        for (typed, tier) in
            [("lobby", Tier::LobbyUrgent), ("user", Tier::UserRequested), ("background", Tier::Background)]
        {
            let priority = Priority::from_str(typed, false).expect("a priority");
            let whole = Wish { priority, ..Wish::default() };
            assert_eq!(whole.plan(&info(), None).expect("a plan").tier, tier);
            let part = Wish { selection: Some(selection("1-2")), ..whole };
            let plan = part.plan(&info(), None).expect("a plan");
            assert_eq!((plan.tier, plan.files.into_values().collect()), (Tier::Skip, vec![tier; 2]));
        }
    }

    #[test]
    fn what_is_typed_outranks_the_stream_and_the_stream_the_link() {
        let chosen = |wish: &Wish, of_link: Option<&Selection>| {
            let plan = wish.plan(&info(), of_link).expect("a plan");
            assert_eq!(plan.tier, Tier::Skip);
            plan.files.into_keys().map(|file| file.0).collect::<Vec<_>>()
        };
        let of_link = selection("1-2,7");
        assert_eq!(chosen(&Wish::default(), Some(&of_link)), [1, 2]);
        let stream = Wish { stream: Some(FileIndex(3)), ..Wish::default() };
        assert_eq!(chosen(&stream, Some(&of_link)), [3]);
        let both = Wish { selection: Some(selection("0")), ..stream };
        assert_eq!(chosen(&both, Some(&of_link)), [0, 3], "what is streamed is wanted");
    }

    #[test]
    fn a_number_that_no_file_has_is_refused() {
        for wish in [
            Wish { selection: Some(selection("0,2-4")), ..Wish::default() },
            Wish { stream: Some(FileIndex(4)), ..Wish::default() },
        ] {
            let failure = wish.plan(&info(), None).expect_err("refused");
            assert_eq!(failure.message(), "top has no file 4: its files are 0 to 3");
        }
        let failure = Wish::default().plan(&info(), Some(&selection("7-9"))).expect_err("refused");
        assert_eq!(failure.message(), "top has no file 9: its files are 0 to 3");
    }
}
