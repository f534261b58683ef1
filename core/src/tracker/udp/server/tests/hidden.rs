//! Swarms that are not for everybody: a reply gives nothing away to the uninvited.

use super::*;

/// A community's swarms, with somebody in each, on a tracker that knows no others.
fn closed() -> World {
    world(Access::closed())
}

fn world(access: Access) -> World {
    let mut world = World::with(ServerConfig::default(), community(access));
    for info_hash in [PUBLIC, RESTRICTED, QUARANTINED] {
        world.join_as(&moderator(), client(99), info_hash);
    }
    assert_eq!(world.swarms.len(), 3);
    world
}

#[test]
fn the_uninvited_are_answered_as_for_a_swarm_that_does_not_exist_byte_for_byte() {
    type Who = (&'static str, Option<SigningKey>, u8);
    let who: [Who; 5] = [
        ("nobody", None, 2),
        ("a stranger", Some(stranger()), 2),
        ("a member", Some(member()), 2),
        ("a member without proof", Some(member()), 1),
        ("a moderator", Some(moderator()), 2),
    ];
    for (name, player, version) in who {
        for info_hash in [PUBLIC, RESTRICTED, QUARANTINED, UNLISTED] {
            let invited = match name {
                _ if info_hash == PUBLIC => true,
                "a member" => info_hash == RESTRICTED,
                "a moderator" => info_hash != UNLISTED,
                _ => false,
            };
            for from in ["192.0.2.1:1", "[2001:db8::1]:1"].map(addr) {
                // Where there are only the listed swarms, and where any swarm may come into being.
                for access in [Access::closed(), Access::open()] {
                    let mut told_by = world(access.clone());
                    let told = ask(&mut told_by, from, info_hash, player.as_ref(), version);
                    let unknown = ask(&mut world(access), from, UNLISTED, player.as_ref(), version);
                    assert_eq!(told != unknown, invited, "{name}, {info_hash:?}");
                    let of_swarm = told_by.swarms.of(&info_hash).count();
                    assert!(info_hash == UNLISTED || of_swarm == 1 + usize::from(invited));
                }
            }
        }
    }
}

fn ask(
    world: &mut World,
    from: SocketAddr,
    info_hash: InfoHash,
    player: Option<&SigningKey>,
    version: u8,
) -> Vec<u8> {
    let connection = world.connect(from);
    let token = player.map(|player| sign(player, world.unix_s(), connection, TRANSACTION, info_hash));
    let block = IcBlock { version, token, capabilities: Capabilities::AUTH };
    world.announce(from, connection, leecher(info_hash), Some(&block)).1
}

#[test]
fn a_token_changes_no_byte_of_an_answer_about_a_swarm_that_it_does_not_open() {
    for info_hash in [RESTRICTED, QUARANTINED, UNLISTED] {
        let [without, with] = [None, Some(stranger())]
            .map(|player| ask(&mut closed(), client(1), info_hash, player.as_ref(), 2));
        assert_eq!(without, with, "{info_hash:?}");
    }
}

#[test]
fn who_has_no_right_to_come_costs_no_signature_whatever_he_shows() {
    let mut world = closed();
    for info_hash in [RESTRICTED, QUARANTINED, UNLISTED] {
        let (answered, _) = world.join_as(&stranger(), client(1), info_hash);
        assert_eq!(answered, Answered::Announce(TokenUse::Unheeded));
    }
}

#[test]
fn a_scrape_tells_of_public_swarms_alone() {
    let mut world = closed();
    world.join_as(&moderator(), client(1), QUARANTINED);
    let connection = world.connect(client(1));
    let info_hashes = &[PUBLIC.0, RESTRICTED.0, QUARANTINED.0, UNLISTED.0];
    let (_, reply) =
        world.ask(client(1), &Request::Scrape { connection, transaction: TRANSACTION, info_hashes });
    let (swarms, _) = reply[8..].as_chunks::<12>();
    assert_eq!(swarms[0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "one who has not all");
    assert_eq!(swarms[1..], [[0; 12]; 3]);
}

#[test]
fn a_trailer_is_only_for_those_who_sent_an_ic_block() {
    let mut world = closed();
    for info_hash in [PUBLIC, RESTRICTED, UNLISTED] {
        let connection = world.connect(client(1));
        let (_, plain) = world.announce(client(1), connection, leecher(info_hash), None);
        let anonymous = IcBlock { version: 2, token: None, capabilities: Capabilities::DESKTOP };
        let (_, with_block) = world.announce(client(1), connection, leecher(info_hash), Some(&anonymous));
        assert_eq!(plain.len() + 4, with_block.len());
        assert!(matches!(read(&plain, client(1), false), Response::Announce { ic: None, .. }));
        let advisories = if info_hash == PUBLIC { 3 } else { 0 };
        let expected = IcAnswer { advisories, ..IcAnswer::default() };
        let Response::Announce { ic, .. } = read(&with_block, client(1), true) else { panic!() };
        assert_eq!(ic, Some(expected));
    }
}
