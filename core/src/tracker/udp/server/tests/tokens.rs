//! Tokens: whose they are, where they are good, and where not.

use super::*;

const GOOD: Answered = Answered::Announce(TokenUse::Verified);
const REFUSED: Answered = Answered::Announce(TokenUse::Refused);

/// What a captured token is tried on: the restricted swarm, in which somebody is.
fn captured() -> (World, ConnectionId, Token) {
    let mut world = World::of_community();
    world.join_as(&moderator(), client(99), RESTRICTED);
    let connection = world.connect(client(1));
    let token = sign(&member(), world.unix_s(), connection, TRANSACTION, RESTRICTED);
    (world, connection, token)
}

fn assert_uninvited(world: &World, (answered, reply): (Answered, Vec<u8>), expected: Answered) {
    assert_eq!(answered, expected);
    let counts = Counts { seeders: Some(0), leechers: Some(0), ..Counts::default() };
    let nothing =
        Response::Announce { interval_s: 1800, counts, peers: Vec::new(), ic: Some(IcAnswer::default()) };
    assert_eq!(read(&reply, client(1), true), nothing);
    assert_eq!(world.swarms.len(), 1, "it is not stored");
}

#[test]
fn a_member_is_told_of_others_and_that_not_everybody_is() {
    let (mut world, connection, token) = captured();
    let (answered, reply) = world.announce(client(1), connection, leecher(RESTRICTED), Some(&ic(token)));
    assert_eq!(answered, GOOD);
    let Response::Announce { peers, ic, .. } = read(&reply, client(1), true) else { panic!() };
    assert_eq!(peers, [addr("192.0.2.99:6881")]);
    assert_eq!(ic, Some(IcAnswer { auth_accepted: true, restricted: true, advisories: 3 }));
}

#[test]
fn a_signature_is_verified_once_for_a_socket_a_connection_and_a_community() {
    let (mut world, connection, token) = captured();
    world.announce(client(1), connection, leecher(RESTRICTED), Some(&ic(token)));
    // The next has a transaction of its own, so another signature: it is not looked at.
    let other = Token { signature: [0; 64], ..token };
    for info_hash in [RESTRICTED, PUBLIC] {
        let (answered, reply) = world.announce(client(1), connection, leecher(info_hash), Some(&ic(other)));
        assert_eq!(answered, Answered::Announce(TokenUse::Remembered));
        let Response::Announce { ic, .. } = read(&reply, client(1), true) else { panic!() };
        assert!(ic.is_some_and(|ic| ic.auth_accepted));
    }
    let another_session = Token { session_id: [6; 16], ..other };
    let (answered, _) = world.announce(client(1), connection, leecher(PUBLIC), Some(&ic(another_session)));
    assert_eq!(answered, REFUSED);
    let another_key = Token { player_key: moderator().verifying_key().to_bytes(), ..other };
    let (answered, _) = world.announce(client(1), connection, leecher(PUBLIC), Some(&ic(another_key)));
    assert_eq!(answered, REFUSED);
    let elsewhere = InfoHash([5; 20]);
    world.access.insert_rule(elsewhere, Rule { community: [0xee; 32], ..Rule::default() });
    let (answered, _) = world.announce(client(1), connection, leecher(elsewhere), Some(&ic(other)));
    assert_eq!(answered, REFUSED, "in another community");
    world.wait(60);
    let connection = world.connect(client(1));
    let (answered, _) = world.announce(client(1), connection, leecher(RESTRICTED), Some(&ic(other)));
    assert_eq!(answered, REFUSED, "under another connection id");
}

#[test]
fn a_member_who_is_one_no_more_is_told_nothing_at_once() {
    let (mut world, connection, token) = captured();
    world.announce(client(1), connection, leecher(RESTRICTED), Some(&ic(token)));
    world.access = Access::open();
    let rule = Rule { visibility: Visibility::Community, community: COMMUNITY, advisories: 0 };
    world.access.insert_rule(RESTRICTED, rule);
    world.swarms.peers.retain(|(_, peer), _| peer.ip() != client(1).ip());
    let again = world.announce(client(1), connection, leecher(RESTRICTED), Some(&ic(token)));
    assert_uninvited(&world, again, Answered::Announce(TokenUse::Unheeded));
}

#[test]
fn a_token_of_the_first_version_gives_no_rights_and_costs_nothing() {
    let (mut world, connection, _) = captured();
    let token = Token::sign_v1(&member(), [5; 16], world.unix_s());
    for version in [1, 2] {
        let block = IcBlock { version, ..ic(token) };
        let answer = world.announce(client(1), connection, leecher(RESTRICTED), Some(&block));
        let expected = if version == 1 { TokenUse::Unheeded } else { TokenUse::Refused };
        assert_uninvited(&world, answer, Answered::Announce(expected));
    }
}

#[test]
fn bad_input_39_a_captured_token_is_worth_nothing_at_another_address() {
    let (mut world, connection, token) = captured();
    // With the connection id of the player it is not even heard; with one of the thief's it was not signed.
    let answer = world.announce(client(2), connection, leecher(RESTRICTED), Some(&ic(token)));
    assert_eq!(answer.0, Answered::Silence(Silence::WrongConnection));
    let own = world.connect(client(2));
    let answer = world.announce(client(2), own, leecher(RESTRICTED), Some(&ic(token)));
    assert_uninvited(&world, answer, REFUSED);
}

#[test]
fn bad_input_39_a_captured_token_is_worth_nothing_at_another_port_of_the_same_address() {
    let (mut world, connection, token) = captured();
    let mut neighbour = client(1);
    neighbour.set_port(40_001);
    assert_eq!(world.connect(neighbour).0 >> 32, connection.0 >> 32, "the address's half is shared");
    for shown in [connection, world.connect(neighbour)] {
        let answer = world.announce(neighbour, shown, leecher(RESTRICTED), Some(&ic(token)));
        assert_uninvited(&world, answer, REFUSED);
    }
    world.announce(client(1), connection, leecher(PUBLIC), Some(&ic(token)));
    world.swarms.peers.retain(|(hash, _), _| *hash == RESTRICTED);
    let answer = world.announce(neighbour, connection, leecher(RESTRICTED), Some(&ic(token)));
    assert_uninvited(&world, answer, REFUSED);
}

#[test]
fn bad_input_39_a_captured_token_is_worth_nothing_at_another_tracker() {
    let (mut world, connection, token) = captured();
    world.server = Server::new(ServerConfig { unix_at_zero: EPOCH, ..ServerConfig::default() }, [2; 32]);
    let answer = world.announce(client(1), connection, leecher(RESTRICTED), Some(&ic(token)));
    assert_eq!(answer.0, Answered::Silence(Silence::WrongConnection));
    let theirs = world.connect(client(1));
    let answer = world.announce(client(1), theirs, leecher(RESTRICTED), Some(&ic(token)));
    assert_uninvited(&world, answer, REFUSED);
}

#[test]
fn bad_input_39_a_token_for_another_swarm_or_another_question_proves_nothing() {
    let (mut world, connection, _) = captured();
    let now = world.unix_s();
    for token in [
        sign(&member(), now, connection, TRANSACTION, PUBLIC),
        sign(&member(), now, connection, TransactionId(1), RESTRICTED),
        Token {
            player_key: moderator().verifying_key().to_bytes(),
            ..sign(&member(), now, connection, TRANSACTION, RESTRICTED)
        },
    ] {
        let answer = world.announce(client(1), connection, leecher(RESTRICTED), Some(&ic(token)));
        assert_uninvited(&world, answer, REFUSED);
    }
}

#[test]
fn bad_input_39_a_token_too_old_or_from_the_future_proves_nothing() {
    let (mut world, connection, _) = captured();
    let now = world.unix_s();
    for issued_at in [0, now - 24 * 60 * 60 - 1, now + 5 * 60 + 1, u64::MAX] {
        let token = sign(&member(), issued_at, connection, TRANSACTION, RESTRICTED);
        let answer = world.announce(client(1), connection, leecher(RESTRICTED), Some(&ic(token)));
        assert_uninvited(&world, answer, REFUSED);
    }
    for issued_at in [now - 24 * 60 * 60, now + 5 * 60] {
        let token = sign(&member(), issued_at, connection, TRANSACTION, RESTRICTED);
        let (answered, _) = world.announce(client(1), connection, leecher(RESTRICTED), Some(&ic(token)));
        assert!(matches!(answered, Answered::Announce(token) if token.is_good()));
    }
}

#[test]
fn bad_input_39_a_key_of_small_order_or_a_second_form_of_a_signature_proves_nothing() {
    let (mut world, connection, token) = captured();
    // The neutral element, under which a signature of zeros verifies if nobody looks; and a member, besides.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    world.access.insert_member(COMMUNITY, neutral, Role::Member);
    let mut signature = [0; 64];
    signature[0] = 1;
    let small = Token { player_key: neutral, signature, ..token };
    let answer = world.announce(client(1), connection, leecher(RESTRICTED), Some(&ic(small)));
    assert_uninvited(&world, answer, REFUSED);
    let second_form = Token { signature: add_group_order(token.signature), ..token };
    let answer = world.announce(client(1), connection, leecher(RESTRICTED), Some(&ic(second_form)));
    assert_uninvited(&world, answer, REFUSED);
}

/// `s + L`: the same number modulo the order of the group, in a form that no signer writes.
fn add_group_order(mut signature: [u8; 64]) -> [u8; 64] {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    signature
}
