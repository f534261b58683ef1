//! Who may know of a swarm.
//!
//! A community's own swarms are for its members, and those it has put under quarantine for its moderators
//! alone. Anybody else gets what he would get for a swarm that nobody has ever heard of: no peers, counts of
//! zero, and no word of why.

/// Who may know of a swarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Visibility {
    /// Everybody.
    #[default]
    Public,
    /// The community's members and moderators.
    Community,
    /// The community's moderators.
    Quarantined,
}

/// What somebody is in a community.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Role {
    /// Sees its swarms.
    Member,
    /// Sees its quarantined swarms too.
    Moderator,
}

/// What is known of a swarm before anybody joins it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rule {
    /// Who may know of it.
    pub visibility: Visibility,
    /// Whose it is: a token is good in this community alone.
    pub community: [u8; 32],
    /// Warnings that the community has out for this torrent.
    pub advisories: u16,
}

/// What a requester is told of a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// All: it is stored, and told of others.
    Welcome {
        /// Not everybody is.
        restricted: bool,
        /// Warnings that are out for this torrent.
        advisories: u16,
    },
    /// Nothing, as for a swarm that does not exist: it is not stored either.
    Unknown,
}
