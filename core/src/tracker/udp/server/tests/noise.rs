//! Noise.

use super::*;
use crate::{
    testing::Dice,
    tracker::{
        store::{Config, Store},
        udp::MAX_REPLY,
    },
};

#[test]
fn bad_input_34_one_million_random_and_mutated_packets_get_no_more_than_they_should() {
    let mut world = World::of_community();
    let store = Config { max_swarms: 100, max_peers: 1000, ..Config::default() };
    let (mut swarms, mut dice, mut reply) = (Store::new(store, [2; 32]), Dice::seeded(3), Vec::new());
    let memory = world.server.memory();
    let connection = world.connect(client(1));
    let (mut answered, mut unproven) = (0, 0);
    for _ in 0..1_000_000 {
        let (from, packet) = (client(dice.below(4) as u8), any_packet(&mut dice, connection));
        reply.clear();
        let server = &mut world.server;
        match server.answer(world.now, from, &packet, &mut swarms, &world.access, &mut reply) {
            Answered::Connect => {
                unproven += 1;
                assert!(reply.len() <= packet.len());
            }
            Answered::Announce(_) | Answered::Scrape | Answered::Error => {
                answered += 1;
                assert_eq!(from, client(1), "nobody else has the connection id");
                assert!(reply.len() <= MAX_REPLY);
            }
            Answered::Silence(_) => assert!(reply.is_empty()),
        }
        world.now = world.now + Duration::from_micros(100);
    }
    assert!(answered > 1000 && unproven > 1000, "{answered} and {unproven}: some come through");
    assert!(swarms.swarms() <= 100 && swarms.peers() <= 1000);
    assert_eq!(world.server.memory(), memory);
}

/// Noise, or a request with noise in it.
fn any_packet(dice: &mut Dice, connection: ConnectionId) -> Vec<u8> {
    let mut info_hash = [dice.below(8) as u8; 20];
    info_hash[0] = dice.below(256) as u8;
    let announce = AnnounceRequest { num_want: Some(dice.below(400)), ..leecher(InfoHash(info_hash)) };
    let transaction = TRANSACTION;
    let mut packet = match dice.below(4) {
        0 => return dice.filler(dice.clone().below(1500) as usize),
        1 => encoded(&Request::Connect { transaction }),
        2 => encoded(&Request::Scrape { connection, transaction, info_hashes: &[info_hash; 8] }),
        _ => {
            let token = Token::decode(&dice.filler(120)).unwrap();
            let options = announce_options("/announce", dice.chance(1, 2).then(|| ic(token)).as_ref());
            encoded(&Request::Announce { connection, transaction, announce, options: &options })
        }
    };
    for _ in 0..dice.below(3) {
        let at = dice.below(packet.len() as u32) as usize;
        packet[at] = dice.below(256) as u8;
    }
    if dice.chance(1, 8) {
        packet.truncate(dice.below(packet.len() as u32) as usize);
    }
    packet
}
