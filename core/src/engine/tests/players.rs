//! Players who prove who they are (`ic_auth`), and what is urgent to them (`ic_priority`).

use super::{count, host_with, torrent, world::World};
use crate::{
    engine::{AuthFailure, Community, Config, Event},
    ic::{PlayerSecret, TokenError, Verified},
    swarm,
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
pub(super) const NOW: u64 = 1_740_000_000;

fn player(number: u8) -> PlayerSecret {
    PlayerSecret::from([number; 32])
}

pub(super) fn config(community: u8, number: u8, members: &[u8], unix_epoch_s: u64) -> Config {
    let members: BTreeSet<[u8; 32]> = members.iter().map(|member| player(*member).player_key()).collect();
    let community = Some(Community { id: [community; 32], player: player(number), members });
    let swarm = swarm::Config { community, unix_epoch_s, ..swarm::Config::default() };
    Config { swarm, ..Config::default() }
}

/// What the first says of the second, who dials it.
fn judged(first: Config, second: Config) -> Vec<Result<Verified, AuthFailure>> {
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    let seed = host_with(&mut world, first, &info, &content);
    let leecher = world.host(second);
    world.add(leecher, &info, &[seed]);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()), "whatever comes of it");
    let judgements = world.hosts[seed].events.iter().filter_map(|event| match event {
        Event::Player { result, .. } => Some(*result),
        _ => None,
    });
    judgements.collect()
}

#[test]
fn a_player_proves_who_it_is() {
    let player_key = player(2).player_key();
    assert_eq!(
        judged(config(7, 1, &[], NOW), config(7, 2, &[], NOW)),
        [Ok(Verified::Authenticated { player_key })]
    );
    let members = [1, 2];
    assert_eq!(
        judged(config(7, 1, &members, NOW), config(7, 2, &members, NOW)),
        [Ok(Verified::Authenticated { player_key })]
    );
}

#[test]
fn bad_input_39_who_is_no_member_or_of_another_time_or_community_proves_nothing() {
    let ours = || config(7, 1, &[1, 2], NOW);
    for (theirs, why) in [
        (config(7, 3, &[], NOW), AuthFailure::NotMember),
        (config(8, 2, &[], NOW), AuthFailure::OtherCommunity),
        (config(7, 2, &[], NOW - 25 * 3600), AuthFailure::Token(TokenError::TooOld)),
        (config(7, 2, &[], NOW + 600), AuthFailure::Token(TokenError::FromTheFuture)),
    ] {
        assert_eq!(judged(ours(), theirs), [Err(why)]);
    }
}

#[test]
fn who_has_no_community_shows_no_token() {
    assert_eq!(judged(config(7, 1, &[], NOW), Config::default()), []);
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    let seed = host_with(&mut world, Config::default(), &info, &content);
    let leecher = world.host(config(7, 2, &[], NOW));
    world.add(leecher, &info, &[seed]);
    assert!(world.run(MINUTE, |world| world.hosts[leecher].is_complete()));
    let heard = |event: &Event| matches!(event, Event::Player { .. });
    assert_eq!(count(&world, leecher, heard), 0);
}
