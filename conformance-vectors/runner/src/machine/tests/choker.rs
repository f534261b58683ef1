//! The choker.

use super::{Recorder, SECOND};
use crate::machine::build::never;
use convoy_core::{
    choker::{self, Choker},
    id::PeerKey,
    slab::Key,
};

fn peer(number: u32) -> PeerKey {
    PeerKey::new(number, 0)
}

fn choker(seed: u8, slots: u32) -> Recorder<Choker> {
    let config = choker::Config { slots, ..choker::Config::default() };
    Recorder::new("choker", &config, [seed; 32], never, Choker::new(config, [seed; 32]))
}

#[test]
fn choker_serves_those_who_give() {
    use choker::Input;
    let mut life = choker(1, 2);
    for number in 0..6 {
        life.input(Input::PeerJoined { peer: peer(number) });
        life.input(Input::Interested { peer: peer(number) });
    }
    for round in 0..4 {
        for number in 0..6 {
            let bytes = (number + 1) * 10_000 * (round + 1);
            life.input(Input::Downloaded { peer: peer(number), bytes });
        }
        life.pass(10 * SECOND);
    }
    assert!(life.machine.is_unchoked(peer(5)), "it gives most");
    life.input(Input::NotInterested { peer: peer(5) });
    life.input(Input::PeerLeft { peer: peer(4) });
    life.pass(20 * SECOND);
    life.is_kept_in(
        "choker-leeching.json",
        "six peers for two slots and an optimistic one: ranked by what they give in four rounds",
    );
}

#[test]
fn choker_serves_those_who_take_once_it_seeds() {
    use choker::Input;
    let mut life = choker(2, 1);
    life.input(Input::Seeding(true));
    for number in 0..4 {
        life.input(Input::PeerJoined { peer: peer(number) });
        life.input(Input::Interested { peer: peer(number) });
    }
    for _ in 0..4 {
        for number in 0..4 {
            if life.machine.is_unchoked(peer(number)) {
                life.input(Input::Uploaded { peer: peer(number), bytes: (4 - number) * 20_000 });
            }
        }
        life.pass(10 * SECOND);
    }
    // Flapping costs nothing within ten seconds.
    for _ in 0..3 {
        life.input(Input::NotInterested { peer: peer(0) });
        life.input(Input::Interested { peer: peer(0) });
    }
    life.input(Input::Uploaded { peer: peer(9), bytes: 1 });
    life.pass(30 * SECOND);
    life.is_kept_in(
        "choker-seeding.json",
        "a seed with one slot and an optimistic one: ranked by what they take; one whose interest flaps",
    );
}
