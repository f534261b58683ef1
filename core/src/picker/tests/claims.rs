//! What is put off, against a picker that puts nothing off.

use super::{
    super::{subject::AnyPicker, *},
    model::World,
};
use crate::{
    Machine, Outbox,
    storage::Geometry,
    testing::{Call, Dice, Outcome, Step, Subject},
    time::Deadline,
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::time::Duration;

/// Everything that can be asked of a picker about pieces and who has them.
fn known(picker: &Picker, peers: &BTreeSet<PeerKey>) -> (Vec<u32>, Vec<(u32, u32, bool)>, Counters) {
    let of_peer =
        |peer: &PeerKey| (picker.pieces_of(*peer), picker.wanted_from(*peer), picker.is_seed(*peer));
    let pieces = (0..picker.have().len()).map(PieceIndex);
    (
        pieces.map(|piece| picker.availability(piece)).collect(),
        peers.iter().map(of_peer).collect(),
        picker.counters(),
    )
}

/// Whether nothing but haves and dont-haves comes now, more than are put off.
const fn rushes(step: u32) -> bool {
    step % 200 >= 100
}

/// A life with many haves, of both; how many of them waited.
fn compare(seed: u64) -> usize {
    let (mut subject, mut dice) = (AnyPicker::default(), Dice::seeded(seed));
    let config = subject.config(&mut dice);
    let mut lazy = subject.build(&config, [seed as u8; 32]);
    let mut eager = lazy.clone();
    let (mut now, mut peers, mut waited) = (Instant::ZERO, BTreeSet::new(), 0);
    let (mut out, mut expected) = (Outbox::new(), Outbox::new());
    for step in 0..400 {
        now = now + Duration::from_micros(u64::from(dice.below(if rushes(step) { 100 } else { 200_000 })));
        let peer = dice.pick(&peers.iter().copied().collect::<Vec<_>>()).copied();
        let piece = PieceIndex(dice.below(config.geometry.pieces()));
        let input = match (peer, dice.below(if rushes(step) { 3 } else { 6 })) {
            (Some(peer), 0 | 1) => Input::Have { peer, piece },
            (Some(peer), 2) => Input::DontHave { peer, piece },
            _ => subject.input(&mut dice),
        };
        if let Input::PeerJoined { peer, .. } = input {
            peers.insert(peer);
        }
        let Ok(()) = lazy.handle_timeout(now, &mut out);
        let Ok(()) = eager.handle_timeout(now, &mut expected);
        let before = lazy.claims.len();
        let Ok(()) = lazy.handle_input(now, input.clone(), &mut out);
        waited += usize::from(lazy.claims.len() > before);
        eager.clock.advance(now);
        eager.act(input.clone(), &mut expected);
        assert_eq!(out.as_slice(), expected.as_slice(), "seed {seed}: {input:?}");
        assert_eq!(known(&lazy, &peers), known(&eager, &peers), "seed {seed}: {input:?}");
        let next = |picker: &Picker| picker.poll_timeout().map(|Deadline { at, .. }| at);
        assert_eq!(next(&lazy), next(&eager), "seed {seed}: {input:?}");
        let outcome = Outcome { actions: out.drain().collect(), error: None, next: None };
        expected.drain().for_each(drop);
        subject.observe(&Step { at: now, call: Call::Input(input), outcome });
    }
    waited
}

#[test]
fn what_is_put_off_cannot_be_told_from_what_is_not() {
    let waited: usize = (0..300).map(compare).sum();
    assert!(waited > 10_000, "{waited} claims waited");
}

#[test]
fn a_full_peer_is_asked_for_what_it_got_meanwhile_as_soon_as_it_has_room() {
    let geometry = Geometry::new(65_536, 65_536 * 3).expect("valid");
    let pipeline = PipelineLimits { start: 20, ..PipelineLimits::default() };
    let mut world = World::new(Config { pipeline, ..Config::new(geometry) });
    let peer = world.leecher(&[0]);
    assert_eq!(world.asked(peer).len(), 4, "all that it has");
    world.tell(Input::RequestLimit { peer, requests: 4 });
    world.tell(Input::Have { peer, piece: PieceIndex(1) });
    assert_eq!(world.picker.claims.len(), 1, "it is full");
    world.tell(Input::RequestLimit { peer, requests: 50 });
    assert_eq!(world.asked(peer).len(), 8);
}
