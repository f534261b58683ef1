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
