//! Who is told of what.

use super::*;

const OURS: [u8; 32] = [1; 32];
const THEIRS: [u8; 32] = [2; 32];

const UNLISTED: InfoHash = InfoHash([0; 20]);
const PUBLIC: InfoHash = InfoHash([1; 20]);
const COMMUNITY: InfoHash = InfoHash([2; 20]);
const QUARANTINED: InfoHash = InfoHash([3; 20]);

const MEMBER: [u8; 32] = [11; 32];
const MODERATOR: [u8; 32] = [12; 32];
const THEIR_MODERATOR: [u8; 32] = [13; 32];
const STRANGER: [u8; 32] = [14; 32];

/// Nobody in particular is also who was only identified: a token of version 1 authenticates nobody.
const NOBODY: Option<&[u8; 32]> = None;

#[test]
fn who_is_told_of_what() {
    use Admission::{Unknown, Welcome};
    let open = Welcome { restricted: false, advisories: 0 };
    let public = Welcome { restricted: false, advisories: 1 };
    let community = Welcome { restricted: true, advisories: 2 };
    let quarantined = Welcome { restricted: true, advisories: 3 };
    let table = [
        (NOBODY, [open, public, Unknown, Unknown]),
        (Some(&STRANGER), [open, public, Unknown, Unknown]),
        (Some(&THEIR_MODERATOR), [open, public, Unknown, Unknown]),
        (Some(&MEMBER), [open, public, community, Unknown]),
        (Some(&MODERATOR), [open, public, community, quarantined]),
    ];
    for (who, told) in table {
        let [_, public, community, quarantined] = told;
        for (access, told) in
            [(Access::open(), told), (Access::closed(), [Unknown, public, community, quarantined])]
        {
            let access = with_rules(access);
            let swarms = [UNLISTED, PUBLIC, COMMUNITY, QUARANTINED];
            assert_eq!(swarms.map(|swarm| access.admit(&swarm, who)), told, "{who:?}");
        }
    }
}

#[test]
fn a_later_word_replaces_an_earlier() {
    let mut access = with_rules(Access::closed());
    access.insert_member(OURS, MODERATOR, Role::Member);
    assert_eq!(access.admit(&QUARANTINED, Some(&MODERATOR)), Admission::Unknown);
    access.insert_rule(QUARANTINED, Rule::default());
    assert_eq!(access.admit(&QUARANTINED, None), Admission::Welcome { restricted: false, advisories: 0 });
}

#[test]
fn an_unlisted_swarm_has_no_rule_by_which_a_token_could_be_good() {
    assert_eq!(with_rules(Access::open()).rule(&UNLISTED), None);
    assert_eq!(with_rules(Access::open()).rule(&PUBLIC).map(|rule| rule.community), Some(OURS));
}

fn with_rules(mut access: Access) -> Access {
    let rules = [
        (PUBLIC, Visibility::Public, 1),
        (COMMUNITY, Visibility::Community, 2),
        (QUARANTINED, Visibility::Quarantined, 3),
    ];
    for (info_hash, visibility, advisories) in rules {
        access.insert_rule(info_hash, Rule { visibility, community: OURS, advisories });
    }
    access.insert_member(OURS, MEMBER, Role::Member);
    access.insert_member(OURS, MODERATOR, Role::Moderator);
    access.insert_member(THEIRS, THEIR_MODERATOR, Role::Moderator);
    access
}
