//! The choker allocates nothing once its tables have grown, counted by the allocator.

use convoy_core::{
    Instant, Machine, Outbox,
    choker::{Action, Adaptive, Choker, Config, Input, SeedStrategy},
    id::PeerKey,
    slab::Slab,
};

const PEERS: usize = 1000;

#[test]
fn rounds_and_events_allocate_nothing() {
    for seed_strategy in [SeedStrategy::LowestCompletion, SeedStrategy::FastestUpload] {
        for seeding in [false, true] {
            let adaptive = Some(Adaptive::default());
            let config = Config { seed_strategy, adaptive, pieces: 100, ..Config::default() };
            let mut choker = Choker::new(config, [3; 32]);
            let mut out = Outbox::new();
            let mut keys = Slab::<PeerKey, ()>::new();
            let peers: Vec<PeerKey> = (0..PEERS).map(|_| keys.insert(())).collect();
            tell(&mut choker, Input::Seeding(seeding), &mut out);
            for peer in peers.iter().copied() {
                tell(&mut choker, Input::PeerJoined { peer }, &mut out);
                tell(&mut choker, Input::Interested { peer }, &mut out);
            }
            // Every pattern of events once, so that every table has been as full as it gets.
            (0..5).for_each(|offset| live(&mut choker, &peers, offset, &mut out));
            let info = allocation_counter::measure(|| live(&mut choker, &peers, 0, &mut out));
            assert_eq!(info.count_total, 0, "{seed_strategy:?}, seeding: {seeding}");
        }
    }
}

/// Ten rounds, and between them everything that can happen to peers that stay.
fn live(choker: &mut Choker, peers: &[PeerKey], offset: usize, out: &mut Outbox<Action>) {
    for round in 0..10 {
        for peer in peers.iter().copied().skip((round + offset) % 5).step_by(5) {
            tell(choker, Input::NotInterested { peer }, out);
            tell(choker, Input::Interested { peer }, out);
            tell(choker, Input::Uploaded { peer, bytes: 16_384 }, out);
            tell(choker, Input::Sent { peer, bytes: 16_384, backlog: round % 3 == 0 }, out);
            tell(choker, Input::Downloaded { peer, bytes: 16_384 }, out);
            tell(choker, Input::Completion { peer, pieces: round as u32 }, out);
            tell(choker, Input::Lobby { peer, wants: round % 2 == 0 }, out);
        }
        let due = choker.poll_timeout().expect("there are peers");
        let Ok(()) = choker.handle_timeout(due.at, out);
        out.drain().for_each(drop);
    }
}

fn tell(choker: &mut Choker, input: Input, out: &mut Outbox<Action>) {
    let Ok(()) = choker.handle_input(Instant::ZERO, input, out);
    out.drain().for_each(drop);
}
