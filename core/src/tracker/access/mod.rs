//! Who may know of a swarm.
//!
//! A community's own swarms are for its members, and those it has put under quarantine for its moderators
//! alone. Anybody else gets what he would get for a swarm that nobody has ever heard of: no peers, counts of
//! zero, and no word of why.
//!
//! Where unlisted swarms are open to everybody, whoever comes to one twice from two addresses meets himself,
//! and in a hidden swarm does not: to hide that a swarm exists takes a [closed](Access::closed) tracker.

#[cfg(test)]
mod tests;

use crate::id::InfoHash;
use alloc::collections::BTreeMap;

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

/// The rules of a tracker, and who is in its communities. As large as its owner makes it: nothing that anybody
/// asks adds to it.
///
/// ```
/// use convoy_core::{id::InfoHash, tracker::access::{Access, Admission, Role, Rule, Visibility}};
///
/// let (community, player, info_hash) = ([1; 32], [2; 32], InfoHash([3; 20]));
/// let mut access = Access::open();
/// access.insert_rule(info_hash, Rule { visibility: Visibility::Community, community, advisories: 0 });
/// access.insert_member(community, player, Role::Member);
///
/// assert_eq!(access.admit(&info_hash, None), Admission::Unknown);
/// let welcome = Admission::Welcome { restricted: true, advisories: 0 };
/// assert_eq!(access.admit(&info_hash, Some(&player)), welcome);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Everybody may know of swarms without a rule.
    open: bool,
    rules: BTreeMap<InfoHash, Rule>,
    /// Roles by community and player.
    members: BTreeMap<([u8; 32], [u8; 32]), Role>,
}

impl Access {
    /// Everybody may know of every swarm that has no rule.
    #[must_use]
    pub const fn open() -> Self {
        Self { open: true, rules: BTreeMap::new(), members: BTreeMap::new() }
    }

    /// Nobody may know of a swarm that has no rule.
    #[must_use]
    pub const fn closed() -> Self {
        Self { open: false, rules: BTreeMap::new(), members: BTreeMap::new() }
    }

    /// Sets the rule of a swarm.
    pub fn insert_rule(&mut self, info_hash: InfoHash, rule: Rule) {
        self.rules.insert(info_hash, rule);
    }

    /// Sets what a player, known by an Ed25519 public key, is in a community.
    pub fn insert_member(&mut self, community: [u8; 32], player_key: [u8; 32], role: Role) {
        self.members.insert((community, player_key), role);
    }

    /// The rule of a swarm that has one. One that has none is no community's, so that no token is good for it.
    #[must_use]
    pub fn rule(&self, info_hash: &InfoHash) -> Option<&Rule> {
        self.rules.get(info_hash)
    }

    /// What a requester is told of a swarm. `player` is who has shown to be that player by a token of version 2
    /// for the community of the swarm's rule: one of version 1 shows nothing, as anybody can repeat it.
    #[must_use]
    pub fn admit(&self, info_hash: &InfoHash, player: Option<&[u8; 32]>) -> Admission {
        let Some(rule) = self.rule(info_hash) else {
            let welcome = Admission::Welcome { restricted: false, advisories: 0 };
            return if self.open { welcome } else { Admission::Unknown };
        };
        let role = player.and_then(|player| self.members.get(&(rule.community, *player)));
        let admitted = match rule.visibility {
            Visibility::Public => true,
            Visibility::Community => role.is_some(),
            Visibility::Quarantined => role == Some(&Role::Moderator),
        };
        if !admitted {
            return Admission::Unknown;
        }
        let restricted = rule.visibility != Visibility::Public;
        Admission::Welcome { restricted, advisories: rule.advisories }
    }
}
