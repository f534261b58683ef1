//! The files that say who may know of what.
//!
//! ```toml
//! # members.toml
//! [[community]]
//! id = "64 hex digits"
//! members = ["64 hex digits: a player's key", "…"]
//! moderators = ["…"]
//!
//! # rules.toml
//! default = "public"        # what swarms are that are not listed: "public", or "unknown": nobody's
//! [[swarm]]
//! info_hash = "40 hex digits"
//! visibility = "community"  # "public", "community" or "quarantined"
//! community = "64 hex digits"
//! advisories = 1
//! ```

use crate::{failure::Failure, units::bytes_from_hex};
use convoy_core::{
    id::InfoHash,
    tracker::access::{Access, Role, Rule, Visibility},
};
use serde::{Deserialize, de::DeserializeOwned};
use std::{fs, path::Path};

/// The file of members.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Members {
    community: Vec<Community>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Community {
    id: Hex<32>,
    #[serde(default)]
    members: Vec<Hex<32>>,
    #[serde(default)]
    moderators: Vec<Hex<32>>,
}

/// The file of rules.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rules {
    default: Unlisted,
    swarm: Vec<Swarm>,
}

/// What swarms are that are not listed.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unlisted {
    #[default]
    Public,
    Unknown,
}

/// A swarm that is listed.
#[derive(Debug, Deserialize)]
#[serde(try_from = "SwarmTable")]
struct Swarm(InfoHash, Rule);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SwarmTable {
    info_hash: Hex<20>,
    visibility: Visibility,
    community: Option<Hex<32>>,
    #[serde(default)]
    advisories: u16,
}

impl TryFrom<SwarmTable> for Swarm {
    type Error = &'static str;

    fn try_from(table: SwarmTable) -> Result<Self, Self::Error> {
        let SwarmTable { info_hash: Hex(info_hash), visibility, community, advisories } = table;
        let community = match (visibility, community) {
            (_, Some(Hex(community))) => community,
            (Visibility::Public, None) => Rule::default().community,
            (Visibility::Community | Visibility::Quarantined, None) => {
                return Err("a swarm that is not public needs its `community`: 64 hex digits");
            }
        };
        Ok(Self(InfoHash(info_hash), Rule { visibility, community, advisories }))
    }
}

/// Bytes as hex digits.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Hex<const N: usize>([u8; N]);

impl<const N: usize> TryFrom<String> for Hex<N> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = bytes_from_hex(&text);
        bytes.map(Self).ok_or_else(|| format!("{} hex digits ({N} bytes) belong here", 2 * N))
    }
}

/// What the files say.
pub(super) struct Read {
    pub(super) access: Access,
    /// How many swarms have a rule.
    pub(super) swarms: usize,
    /// How many members communities have, moderators too.
    pub(super) members: usize,
}

/// What the files say; without any, everybody may know of everything.
///
/// # Errors
/// One of them cannot be read, or says what makes no sense.
pub(super) fn read(members: Option<&Path>, rules: Option<&Path>) -> Result<Read, Failure> {
    let members: Members = members.map_or_else(|| Ok(Members::default()), parse)?;
    let rules: Rules = rules.map_or_else(|| Ok(Rules::default()), parse)?;
    let mut access = match rules.default {
        Unlisted::Public => Access::open(),
        Unlisted::Unknown => Access::closed(),
    };
    let swarms = rules.swarm.len();
    for Swarm(info_hash, rule) in rules.swarm {
        access.insert_rule(info_hash, rule);
    }
    let mut count = 0;
    for Community { id: Hex(community), members, moderators } in members.community {
        count += members.len() + moderators.len();
        members.iter().for_each(|Hex(key)| access.insert_member(community, *key, Role::Member));
        moderators.iter().for_each(|Hex(key)| access.insert_member(community, *key, Role::Moderator));
    }
    Ok(Read { access, swarms, members: count })
}

fn parse<T: DeserializeOwned>(file: &Path) -> Result<T, Failure> {
    let text = fs::read_to_string(file).map_err(|error| Failure::io("cannot read", file, &error))?;
    toml::from_str(&text).map_err(|error| {
        Failure::usage(format!("{}: {}", file.display(), error.to_string().trim_end()))
            .at(file)
            .advise("`convoy tracker --help` shows what the file may say")
    })
}
