//! The choker.

use super::{Recorder, SECOND};
use crate::machine::build::never;
use convoy_core::{
    choker::{self, Choker},
    id::{BLOCK_LENGTH, PeerKey},
    slab::Key,
};

fn peer(number: u32) -> PeerKey {
    PeerKey::new(number, 0)
}

fn choker(seed: u8, config: choker::Config) -> Recorder<Choker> {
    Recorder::new("choker", &config, [seed; 32], never, Choker::new(config, [seed; 32]))
}

#[test]
fn choker_serves_those_who_give() {
    use choker::Input;
    let mut life = choker(1, choker::Config { slots: 2, ..choker::Config::default() });
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
    let seed_strategy = choker::SeedStrategy::FastestUpload;
    let mut life = choker(2, choker::Config { slots: 1, seed_strategy, ..choker::Config::default() });
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

/// Six peers with little to all of a torrent of a hundred pieces; each takes as much as it can.
fn serve_by_turns(seed: u8, seed_strategy: choker::SeedStrategy) -> Recorder<Choker> {
    use choker::Input;
    let config = choker::Config {
        slots: 2,
        optimistic_slots: 0,
        seed_strategy,
        pieces: 100,
        piece_length: 16_384,
        ..choker::Config::default()
    };
    let mut life = choker(seed, config);
    life.input(Input::Seeding(true));
    for (number, pieces) in (0..).zip([60, 0, 95, 30, 5, 80]) {
        life.input(Input::PeerJoined { peer: peer(number) });
        life.input(Input::Completion { peer: peer(number), pieces });
        life.input(Input::Interested { peer: peer(number) });
    }
    for _ in 0..12 {
        for number in (0..6).filter(|number| number % 2 == 0) {
            if life.machine.is_unchoked(peer(number)) {
                life.input(Input::Uploaded { peer: peer(number), bytes: 20 * 16_384 });
            }
        }
        life.pass(10 * SECOND);
    }
    life
}

#[test]
fn choker_helps_newcomers_first() {
    serve_by_turns(3, choker::SeedStrategy::LowestCompletion).is_kept_in(
        "choker-lowest-completion.json",
        "a seed serves by turns: who has least first; three take twenty pieces a round, three take nothing",
    );
}

#[test]
fn choker_serves_in_turn() {
    serve_by_turns(4, choker::SeedStrategy::RoundRobin).is_kept_in(
        "choker-round-robin.json",
        "a seed serves by turns: who waited longest first; three take twenty pieces a round, three take nothing",
    );
}

#[test]
fn choker_helps_the_first_and_the_last() {
    serve_by_turns(5, choker::SeedStrategy::AntiLeech).is_kept_in(
        "choker-anti-leech.json",
        "a seed serves by turns: who begins or is nearly done first; three take twenty pieces a round, three nothing",
    );
}

#[test]
fn choker_serves_the_urgent_beyond_its_slots() {
    use choker::Input;
    let config =
        choker::Config { slots: 1, optimistic_slots: 0, lobby_slots: 2, ..choker::Config::default() };
    let mut life = choker(6, config);
    for number in 0..5 {
        life.input(Input::PeerJoined { peer: peer(number) });
        life.input(Input::Interested { peer: peer(number) });
    }
    for number in 0..4 {
        // The first has a slot and leaves it to the next; the last finds both places taken.
        life.input(Input::Lobby { peer: peer(number), wants: true });
    }
    life.pass(45 * SECOND);
    life.input(Input::Lobby { peer: peer(0), wants: true });
    life.pass(30 * SECOND);
    life.input(Input::NotInterested { peer: peer(0) });
    life.input(Input::Lobby { peer: peer(3), wants: true });
    life.input(Input::Lobby { peer: peer(3), wants: false });
    life.pass(30 * SECOND);
    life.is_kept_in(
        "choker-lobby.json",
        "two urgent peers beyond the one slot; a third is not heard; one renews, one lapses, one loses interest",
    );
}

#[test]
fn choker_follows_the_uplink() {
    use choker::Input;
    let adaptive = Some(choker::Adaptive { least: 1, most: 5 });
    let mut life = choker(7, choker::Config { slots: 2, adaptive, ..choker::Config::default() });
    for number in 0..6 {
        life.input(Input::PeerJoined { peer: peer(number) });
        life.input(Input::Interested { peer: peer(number) });
    }
    for (blocks_per_s, backlog, slots) in
        [(1, false, 3), (1, false, 4), (1, true, 1), (3, true, 2), (3, true, 3), (2, true, 3)]
    {
        for number in 0..6 {
            let bytes = if number == 0 { blocks_per_s * BLOCK_LENGTH * 10 } else { 0 };
            life.input(Input::Sent { peer: peer(number), bytes, backlog });
        }
        life.pass(10 * SECOND);
        assert_eq!(life.machine.slots(), slots);
    }
    life.is_kept_in(
        "choker-adaptive.json",
        "slots that grow while the uplink has room, and shrink to what is worth having when not",
    );
}
