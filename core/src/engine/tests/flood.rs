//! Garbage handshakes: what they cost, and whom they keep out.

use super::{host_with, torrent, world::World};
use crate::{
    crypto::dh::counted::powers,
    engine::{Config, Input, streams::Stage},
    id::{AcceptTicket, StreamId},
    mse::{self, Policy},
};
use alloc::vec::Vec;
use bytes::BytesMut;
use core::{net::SocketAddr, time::Duration};

const PEERS: u64 = 200;
/// What a responder computes for a key, good or not: its own public key and the secret.
const POWERS_A_KEY: u64 = 2;

/// A seed, and two hundred connections from one address, of which it takes as many as it wants.
fn flooded() -> (World, usize, usize) {
    let encryption = mse::Config { incoming: Policy::Required, ..mse::Config::default() };
    let config = Config { encryption, ..Config::default() };
    let (info, content) = torrent(100_000);
    let mut world = World::new();
    let seed = host_with(&mut world, config, &info, &content);
    world.run(Duration::from_secs(1), |_| false);
    connect(&mut world, seed);
    let honest = world.host(Config::default());
    world.add(honest, &info, &[seed]);
    (world, seed, honest)
}

fn connect(world: &mut World, seed: usize) {
    let remote = SocketAddr::from(([192, 0, 2, 66], 1000));
    for number in 0..PEERS {
        world.input(seed, Input::Accepted { ticket: AcceptTicket(1_000_000 + number), remote });
    }
}

/// Each of them says the same.
fn say(world: &mut World, seed: usize, streams: &[StreamId], bytes: &[u8]) {
    for stream in streams {
        world.input(seed, Input::Received { stream: *stream, data: BytesMut::from(bytes) });
    }
}

fn handshake_bytes(world: &World, seed: usize) -> usize {
    let streams = world.hosts[seed].engine.streams.slab.iter();
    streams
        .map(|(_, stream)| match &stream.stage {
            Stage::Securing { handshake, .. } => handshake.memory(),
            _ => 0,
        })
        .sum()
}

#[test]
fn bad_input_31_two_hundred_garbage_handshakes_of_one_address_cost_ten_times_two_powers() {
    let (mut world, seed, honest) = flooded();
    let limit = Config::default().limits.inbound_handshakes_per_address;
    let streams: Vec<StreamId> = world.strangers.drain(..).collect();
    assert_eq!(streams.len(), limit, "the others are refused");
    assert_eq!(powers(|| say(&mut world, seed, &streams, &[9; 95])), 0, "of less than a key");
    assert_eq!(powers(|| say(&mut world, seed, &streams, &[9])), limit as u64 * POWERS_A_KEY);
    let all_but_the_last = powers(|| {
        (0..531).for_each(|_| say(&mut world, seed, &streams, &[9]));
        let held = handshake_bytes(&world, seed);
        assert!(held <= limit * 1024, "{held} bytes");
    });
    assert_eq!(all_but_the_last, 0, "whatever is said next");

    assert!(world.run(Duration::from_secs(5), |world| world.hosts[honest].is_complete()), "beside the flood");
    let last = powers(|| say(&mut world, seed, &streams, &[9]));
    let failures = world.hosts[seed].engine.statistics().failures.values().sum::<u64>();
    assert_eq!((last, failures), (0, limit as u64), "all of them end at the byte where the mark must end");
    assert_eq!((handshake_bytes(&world, seed), world.hosts[seed].engine.streams.inbound), (0, 0));
}

#[test]
fn bad_input_31_a_flood_of_degenerate_keys_costs_no_power() {
    let (mut world, seed, _) = flooded();
    let streams: Vec<StreamId> = world.strangers.drain(..).collect();
    let cost = powers(|| say(&mut world, seed, &streams, &[0xff; 700]));
    assert_eq!(cost, 0);
    assert_eq!(world.hosts[seed].engine.streams.inbound, 0, "they are closed at once");
}
