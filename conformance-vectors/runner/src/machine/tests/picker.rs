//! The picker.

use super::{Recorder, SECOND};
use crate::machine::build::never;
use convoy_core::{
    Instant,
    bitfield::Bitfield,
    id::{Block, PackageId, PeerKey, PieceIndex},
    picker::{Action, Config, Input, Picker, Source, Tier},
    slab::Key,
    storage::Geometry,
};

fn peer(number: u32) -> PeerKey {
    PeerKey::new(number, 0)
}

/// Three pieces: two of two blocks, and a last one of a block and 1000 bytes.
fn picker(seed: u8) -> Recorder<Picker> {
    picker_of(seed, 80 * 1024 + 1000)
}

/// Pieces of two blocks.
fn picker_of(seed: u8, total_length: u64) -> Recorder<Picker> {
    let geometry = Geometry::new(32 * 1024, total_length).expect("lengths of a torrent");
    let config = Config::new(geometry);
    let picker = Picker::new(config.clone(), [seed; 32]);
    Recorder::new("picker", &config, [seed; 32], never, picker)
}

fn requests(actions: &[Action]) -> Vec<(PeerKey, Block)> {
    let request = |action: &Action| match action {
        Action::Request { peer, block } => Some((*peer, *block)),
        _ => None,
    };
    actions.iter().filter_map(request).collect()
}

#[test]
fn picker_downloads_rarest_first_and_races_at_the_end() {
    let mut life = picker(1);
    let mut common = Bitfield::full(3);
    common.clear(PieceIndex(1));
    for number in 0..3 {
        life.input(Input::PeerJoined { peer: peer(number), source: Source::Peer { fast: true } });
        let pieces = if number == 0 { Bitfield::full(3) } else { common.clone() };
        life.input(Input::Bitfield { peer: peer(number), pieces });
    }
    let mut asked = Vec::new();
    for number in 0..3 {
        asked.extend(requests(&life.input(Input::Unchoked { peer: peer(number) })));
    }
    assert_eq!(asked.first().map(|(_, block)| block.piece), Some(PieceIndex(1)), "it is the rarest");

    let mut failed = false;
    while !life.machine.is_complete() {
        life.pass(SECOND / 10);
        let (from, block) = asked.remove(0);
        let actions = life.input(Input::Block { peer: from, block });
        asked.extend(requests(&actions));
        for action in actions {
            let Action::Complete { piece } = action else { continue };
            let input = if failed { Input::Verified { piece } } else { Input::Failed { piece } };
            failed = true;
            asked.extend(requests(&life.input(input)));
        }
    }
    life.input(Input::PeerLeft { peer: peer(0) });
    life.is_kept_in(
        "picker-download.json",
        "three peers, one alone with piece 1: the rarest first, a piece that fails once, races at the end",
    );
}

#[test]
fn picker_gives_up_a_silent_peer() {
    let mut life = picker(2);
    for (number, fast) in [(0, true), (1, false)] {
        life.input(Input::PeerJoined { peer: peer(number), source: Source::Peer { fast } });
        life.input(Input::HaveAll { peer: peer(number) });
    }
    let asked = requests(&life.input(Input::Unchoked { peer: peer(0) }));
    let snubbed = life.pass(60 * SECOND);
    assert!(snubbed.iter().any(|action| matches!(action, Action::Snubbed { .. })), "{snubbed:?}");
    let again = requests(&life.input(Input::Unchoked { peer: peer(1) }));
    life.input(Input::Choked { peer: peer(1) });
    let (_, late) = asked[0];
    life.input(Input::Block { peer: peer(0), block: late });
    life.input(Input::Block { peer: peer(0), block: late });
    life.input(Input::Rejected { peer: peer(0), block: again[0].1 });
    life.input(Input::Have { peer: peer(7), piece: PieceIndex(0) });
    life.input(Input::DontHave { peer: peer(0), piece: PieceIndex(2) });
    life.input(Input::Budget { bytes: 0 });
    life.pass(10 * SECOND);
    life.is_kept_in(
        "picker-silence.json",
        "a peer is snubbed for its silence, its block comes late and twice; a choke without BEP 6",
    );
}

const FAST: Source = Source::Peer { fast: true };

/// A peer joins that has everything and serves us; what it is asked for.
fn seed_joins(life: &mut Recorder<Picker>, number: u32) -> Vec<(PeerKey, Block)> {
    life.input(Input::PeerJoined { peer: peer(number), source: FAST });
    life.input(Input::HaveAll { peer: peer(number) });
    requests(&life.input(Input::Unchoked { peer: peer(number) }))
}

fn cancels(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Cancel { .. })).count()
}

#[test]
fn picker_asks_by_tier_and_lets_the_background_give_way() {
    let mut life = picker_of(3, 20 * 32 * 1024);
    let package = |number| PackageId(number);
    life.input(Input::Package { package: package(0), pieces: 0..20, tier: Tier::Background });
    life.input(Input::Package { package: package(1), pieces: 18..20, tier: Tier::Skip });
    let before = seed_joins(&mut life, 0);
    let requested = life.input(Input::Package { package: package(2), pieces: 7..8, tier: Tier::LobbyUrgent });
    assert_eq!(cancels(&requested), 2, "as many as the piece has blocks");
    life.pass(SECOND / 10);
    // One that was taken back comes all the same, and is used.
    let (_, late) = before[0];
    let late = life.input(Input::Block { peer: peer(0), block: late });
    assert!(matches!(late.first(), Some(Action::Store { .. })), "{late:?}");
    for (_, block) in requests(&requested) {
        life.input(Input::Block { peer: peer(0), block });
    }
    life.input(Input::Verified { piece: PieceIndex(7) });
    assert_eq!(
        cancels(&life.input(Input::Package { package: package(3), pieces: 0..1, tier: Tier::Header })),
        0
    );
    assert!(seed_joins(&mut life, 1).iter().any(|(_, block)| block.piece == PieceIndex(0)));
    life.input(Input::Package { package: package(0), pieces: 0..0, tier: Tier::Background });
    life.input(Input::Package { package: package(4), pieces: 0..18, tier: Tier::Skip });
    life.is_kept_in(
        "picker-tiers.json",
        "a background that gives way to an urgent piece, block for block; a header; pieces that are skipped",
    );
}

#[test]
fn picker_keeps_deadlines_and_order_and_takes_hints() {
    let mut life = picker_of(4, 12 * 32 * 1024);
    for (piece, seconds) in [(5, 20), (9, 10)] {
        let at = Some(Instant::from_micros(seconds * 1_000_000));
        life.input(Input::Deadline { piece: PieceIndex(piece), at });
    }
    let first: Vec<u32> = seed_joins(&mut life, 0).iter().map(|(_, block)| block.piece.0).collect();
    assert_eq!(first, [9, 9, 5, 5], "the soonest first");
    life.input(Input::Deadline { piece: PieceIndex(5), at: None });
    life.input(Input::Sequential(true));
    let next: Vec<u32> = seed_joins(&mut life, 1).iter().map(|(_, block)| block.piece.0).collect();
    assert_eq!(next, [0, 0, 1, 1]);
    life.input(Input::Sequential(false));
    life.input(Input::PeerJoined { peer: peer(2), source: FAST });
    life.input(Input::Suggested { peer: peer(2), piece: PieceIndex(11) });
    life.input(Input::HaveAll { peer: peer(2) });
    assert!(requests(&life.input(Input::AllowedFast { peer: peer(2), piece: PieceIndex(3) })).len() == 2);
    let unchoked = requests(&life.input(Input::Unchoked { peer: peer(2) }));
    assert!(unchoked.iter().all(|(_, block)| block.piece == PieceIndex(11)), "{unchoked:?}");
    let web = life.input(Input::PeerJoined { peer: peer(3), source: Source::Web });
    assert_eq!(requests(&web).len(), 4, "two whole pieces");
    life.input(Input::Rejected { peer: peer(3), block: requests(&web)[0].1 });
    life.pass(2 * SECOND);
    life.is_kept_in(
        "picker-order.json",
        "deadlines, sequential order, a suggested and an allowed piece, a web server that rejects",
    );
}

#[test]
fn picker_copies_the_last_blocks_once_their_peer_has_stalled() {
    let mut life = picker_of(5, 32 * 1024);
    let asked = seed_joins(&mut life, 0);
    assert_eq!(asked.len(), 2);
    assert!(seed_joins(&mut life, 1).is_empty(), "only just asked for");
    life.input(Input::PeerJoined { peer: peer(2), source: FAST });
    life.input(Input::HaveAll { peer: peer(2) });
    life.input(Input::Unchoked { peer: peer(2) });
    let copies = requests(&life.pass(2 * SECOND));
    assert_eq!(copies.len(), 2, "one for each idle peer");
    let (sender, block) = copies[0];
    let actions = life.input(Input::Block { peer: sender, block });
    assert_eq!(cancels(&actions), 1);
    life.input(Input::Block { peer: asked[0].0, block });
    life.pass(SECOND);
    life.is_kept_in(
        "picker-endgame.json",
        "two blocks stand at a peer that says nothing: after a second two idle peers are asked too",
    );
}
