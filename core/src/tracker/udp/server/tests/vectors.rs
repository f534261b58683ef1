//! The packets of the specification, byte for byte.

use super::*;
use crate::ic::{TOKEN_LENGTH, Verified, Version};

/// `ada00fd9…`, the swarm of the vectors, and who asks and answers there.
const INFO_HASH: InfoHash =
    InfoHash(*b"\xad\xa0\x0f\xd9\x67\x62\x76\x4a\x39\x69\xc9\x4b\x65\xc7\x0e\x88\x8d\x89\xd7\x97");
const PLAYER: &str = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
const COMMUNITY_ID: &str = "29acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c89794bc9322966dd7";
const TOKEN_V1: &str = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8404142434445464748494a4b4c4d4e4f\
    0000000067b64b001201c06a3fdec45c2d169c8da2b83690483d7f6b5d7bc4aafc0d460ddd93becaf2b460eef9fb161641030e2eaa85\
    bb3229c6bc6e8b2f0ebec3408e4a1b4d9a0d";
const TOKEN_V2_UDP: &str = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8404142434445464748494a4b4c4d4e4f\
    0000000067b64b00da041ac6f87b90080f0ec71f499f3259b9e2287ce46422f9d95bc761dbf76d1690729fcc78b23c887e2ddbe11127\
    d90a0cf05f47aa80bf3c31771a6d129a7809";
const PLAIN: &str = "1122334455667788000000010a0b0c0dada00fd96762764a3969c94b65c70e888d89d7972d4943303130302d\
    6162636465666768696a6b6c0000000000000000000000000010000000000000000000000000000200000000deadbeefffffffff4cff";

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn key(text: &str) -> [u8; 32] {
    hex(text).try_into().unwrap()
}

/// The swarm of the vectors: two seeders and three leechers.
fn world() -> World {
    let mut world = World::with(ServerConfig { default_want: 2, ..ServerConfig::default() }, Access::open());
    let rule = Rule { visibility: Visibility::Public, community: COMMUNITY, advisories: 0 };
    world.access.insert_rule(INFO_HASH, rule);
    for (peer, seeder) in [
        ("192.0.2.1:6881", true),
        ("192.0.2.2:6882", true),
        ("[2001:db8::2]:1", false),
        ("192.0.2.3:1", false),
        ("[2001:db8::1]:6881", false),
    ] {
        world.swarms.peers.insert((INFO_HASH, addr(peer)), seeder);
    }
    world
}

#[test]
fn responses_have_the_bytes_of_the_specification() {
    let mut world = world();
    let v4 = client(9);
    let (_, reply) = world.join(v4, leecher(INFO_HASH));
    assert_eq!(reply, hex("000000010a0b0c0d000007080000000300000002c00002011ae1c00002021ae2"));
    world.swarms.peers.remove(&(INFO_HASH, addr("192.0.2.9:6881")));
    let (_, reply) = world.join_as(&member(), v4, INFO_HASH);
    assert_eq!(reply, hex("000000010a0b0c0d000007080000000300000002c00002011ae1c00002021ae200010000"));
    world.swarms.peers.remove(&(INFO_HASH, addr("192.0.2.9:6881")));

    let v6 = addr("[2001:db8::9]:1");
    let connection = world.connect(v6);
    let token = sign(&member(), world.unix_s(), connection, TRANSACTION, INFO_HASH);
    let announce = AnnounceRequest { num_want: Some(1), ..leecher(INFO_HASH) };
    let (_, reply) = world.announce(v6, connection, announce, Some(&ic(token)));
    let peer = "20010db80000000000000000000000011ae1";
    assert_eq!(reply, hex(&std::format!("000000010a0b0c0d000007080000000300000002{peer}00010000")));
}

#[test]
fn requests_are_told_apart_as_the_specification_says() {
    let with = |more: &str| std::format!("{PLAIN}{more}");
    let padding = "00".repeat(16);
    for (name, packet, is_ic) in [
        ("plain (98 bytes)", with(""), false),
        ("IC v1 with token, no option", with(&std::format!("00010078{TOKEN_V1}0009")), true),
        ("IC v1 anonymous", with("000100000009"), true),
        ("BEP 41 URLData only", with("02092f616e6e6f756e6365"), false),
        (
            "BEP 41 URLData, NOP, IC v1",
            with(&std::format!("02092f616e6e6f756e63650100010078{TOKEN_V1}0009")),
            true,
        ),
        ("BEP 41 EndOfOptions only", with("00"), false),
        ("zero padding", with(&padding), false),
        ("truncated token", with(&std::format!("00010078{}", &TOKEN_V1[..112])), false),
    ] {
        let mut world = world();
        let connection = world.connect(client(9));
        let mut packet = hex(&packet);
        packet[..8].copy_from_slice(&connection.0.to_be_bytes());
        let (answered, reply) = world.send(client(9), &packet);
        assert!(matches!(answered, Answered::Announce(_)), "{name}: {answered:?}");
        let Response::Announce { ic, peers, .. } = read(&reply, client(9), is_ic) else { panic!("{name}") };
        assert_eq!((ic, peers.len()), (is_ic.then(IcAnswer::default), 2), "{name}");
    }
}

#[test]
fn a_token_is_bound_to_connection_and_transaction_as_the_specification_says() {
    let token = hex(TOKEN_V2_UDP);
    assert_eq!(token.len(), TOKEN_LENGTH);
    let audience = super::super::answer::audience(ConnectionId(0x1122_3344_5566_7788), TRANSACTION);
    let binding = Binding {
        purpose: Purpose::UdpAnnounce,
        community_id: key(COMMUNITY_ID),
        info_hash: INFO_HASH,
        audience: &audience,
    };
    let verified = Token::decode(&token).unwrap().verify(Version::V2, &binding, 1_740_000_000);
    assert_eq!(verified, Ok(Verified::Authenticated { player_key: key(PLAYER) }));
}
