//! How urgent a piece is.

/// How urgent a piece is to us. Each tier outranks those before it; within one the rarest piece comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Tier {
    /// Never asked for, and no reason to be interested in a peer.
    Skip,
    /// When there is nothing else to ask for. Gives way to the tiers above, even once it is asked for.
    Background,
    /// What somebody wants.
    #[default]
    UserRequested,
    /// What somebody in a lobby waits for.
    LobbyUrgent,
    /// What must be read before the rest makes sense: asked of three peers at most, pre-empts nobody.
    Header,
}

/// How many classes there are.
pub(super) const CLASSES: usize = 5;

/// What is asked for before what: the tiers that are asked for at all, and pieces with a deadline, the most
/// urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Header,
    Deadline,
    LobbyUrgent,
    UserRequested,
    Background,
}

impl Class {
    pub(super) const ALL: [Self; CLASSES] =
        [Self::Header, Self::Deadline, Self::LobbyUrgent, Self::UserRequested, Self::Background];

    /// For whose sake requests of `Background` are taken back (protocol page 7.10: a header pre-empts
    /// nobody).
    pub(super) const PRE_EMPTING: [Self; 3] = [Self::Deadline, Self::LobbyUrgent, Self::UserRequested];

    /// The class of a piece of this tier that is not held; `None` if it is not asked for.
    pub(super) const fn of(tier: Tier, timed: bool) -> Option<Self> {
        match tier {
            Tier::Skip => None,
            Tier::Header => Some(Self::Header),
            _ if timed => Some(Self::Deadline),
            Tier::LobbyUrgent => Some(Self::LobbyUrgent),
            Tier::UserRequested => Some(Self::UserRequested),
            Tier::Background => Some(Self::Background),
        }
    }
}

/// Something for each class.
#[derive(Clone, Debug, Default)]
pub(super) struct PerClass<T>([T; CLASSES]);

impl<T> PerClass<T> {
    pub(super) fn new(make: impl Fn() -> T) -> Self {
        Self(core::array::from_fn(|_| make()))
    }

    pub(super) const fn get(&self, class: Class) -> &T {
        let [header, deadline, urgent, user, background] = &self.0;
        match class {
            Class::Header => header,
            Class::Deadline => deadline,
            Class::LobbyUrgent => urgent,
            Class::UserRequested => user,
            Class::Background => background,
        }
    }

    pub(super) const fn get_mut(&mut self, class: Class) -> &mut T {
        let [header, deadline, urgent, user, background] = &mut self.0;
        match class {
            Class::Header => header,
            Class::Deadline => deadline,
            Class::LobbyUrgent => urgent,
            Class::UserRequested => user,
            Class::Background => background,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.0.iter_mut()
    }
}
