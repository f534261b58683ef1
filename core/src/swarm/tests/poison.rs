//! Corrupt blocks, and who is held to account for them.

use super::{
    BLOCK_LENGTH, CHOKE, HAVE_ALL, Input, PIECE, PIECES, PeerEnd, PeerKey, SocketAddr, Table, UNCHOKE,
    extensions::{extended, join_as},
    piece, place, setup_of, subject,
};
use crate::{bitfield::Bitfield, id::PieceIndex};
use alloc::vec::Vec;

/// The piece that is missing.
const MISSING: u32 = 5;
const FIRST: (u32, u32) = (MISSING, 0);
const SECOND: (u32, u32) = (MISSING, BLOCK_LENGTH);

/// One piece is missing.
fn table() -> Table {
    let (_, content) = setup_of(false);
    let mut trusted = Bitfield::full(PIECES);
    trusted.clear(PieceIndex(MISSING));
    Table::of(subject::setup(&content, trusted, Bitfield::new(PIECES)), content)
}

/// A peer comes that has everything, and queues one request.
fn join(table: &mut Table, number: u32) -> PeerKey {
    let peer = join_as(table, number);
    table.hear(peer, &extended(0, b"d4:reqqi1ee"));
    table.hear(peer, HAVE_ALL);
    peer
}

/// The blocks among what was said that somebody is asked for.
fn asked(said: &[Vec<u8>]) -> Vec<(u32, u32)> {
    let requests = said.iter().filter(|message| message.len() == 17 && message[4] == 6);
    requests.map(|message| place(message)).collect()
}

/// A peer serves us for as long as one block takes, and nobody else does. Which block.
fn give(table: &mut Table, peer: PeerKey, good: bool) -> (u32, u32) {
    // A choke before the block comes has it left alone for a second.
    table.pass(2);
    let [block] = asked(&table.hear(peer, UNCHOKE))[..] else { panic!("one request") };
    table.hear(peer, CHOKE);
    if good {
        send(table, peer, block)
    } else {
        send_bad(table, peer, block)
    };
    block
}

fn send(table: &mut Table, peer: PeerKey, at: (u32, u32)) -> Vec<Vec<u8>> {
    let block = table.block(at);
    table.hear(peer, &block)
}

fn send_bad(table: &mut Table, peer: PeerKey, (index, begin): (u32, u32)) -> Vec<Vec<u8>> {
    let start = (index * PIECE + begin) as usize;
    let mut data = table.content[start..start + BLOCK_LENGTH as usize].to_vec();
    data[77] ^= 1;
    table.hear(peer, &piece(index, begin, &data))
}

fn address(number: u32) -> SocketAddr {
    subject::joined(number, crate::wire::Reserved([0; 8])).remote
}

#[test]
fn bad_input_16_of_two_who_sent_a_corrupt_piece_the_one_whose_block_differs_is_banned() {
    let mut table = table();
    let (liar, honest) = (join(&mut table, 1), join(&mut table, 2));
    assert_eq!([give(&mut table, liar, false), give(&mut table, honest, true)], [FIRST, SECOND]);
    table.work();
    assert_eq!(table.banned, [], "nothing tells them apart yet");
    assert_eq!([give(&mut table, honest, true), give(&mut table, honest, true)], [FIRST, SECOND]);
    table.work();
    assert_eq!(table.banned, [address(1)]);
    assert_eq!(table.closed.iter().filter(|why| **why == PeerEnd::CorruptPiece).count(), 1);
    assert!(table.swarm.is_complete());
    assert_eq!(table.swarm.failed_copies.memory(), 0);
}

#[test]
fn bad_input_16_who_alone_sent_a_corrupt_piece_is_banned_at_once() {
    let mut table = table();
    let liar = join(&mut table, 1);
    give(&mut table, liar, false);
    give(&mut table, liar, true);
    table.work();
    assert_eq!(table.banned, [address(1)]);
    assert_eq!(table.closed, [PeerEnd::CorruptPiece]);
}

#[test]
fn bad_input_16_who_left_before_the_verdict_is_banned_all_the_same() {
    let mut table = table();
    let (liar, honest) = (join(&mut table, 1), join(&mut table, 2));
    give(&mut table, liar, false);
    table.tell(Input::Left { peer: liar, why: PeerEnd::ClosedByPeer });
    give(&mut table, honest, true);
    table.work();
    give(&mut table, honest, true);
    give(&mut table, honest, true);
    table.work();
    assert_eq!(table.banned, [address(1)]);
    assert!(!table.closed.contains(&PeerEnd::CorruptPiece), "it had left: {:?}", table.closed);
}

/// Two peers owe the same block: the first has stalled, and the second was asked for a copy.
fn race() -> (Table, PeerKey, PeerKey) {
    let mut table = table();
    let (liar, honest) = (join(&mut table, 1), join(&mut table, 2));
    assert_eq!(asked(&table.hear(liar, UNCHOKE)), [FIRST]);
    assert_eq!(asked(&table.hear(honest, UNCHOKE)), [SECOND]);
    let mut said = send(&mut table, honest, SECOND);
    let patience = (0..9).take_while(|_| {
        let waits = !asked(&said).contains(&FIRST);
        said = if waits { table.pass(1) } else { Vec::new() };
        waits
    });
    assert!(patience.count() < 9, "a copy is asked for in time");
    (table, liar, honest)
}

#[test]
fn bad_input_16_of_two_who_sent_the_same_block_the_one_whose_data_was_stored_answers_for_it() {
    let (mut table, liar, honest) = race();
    send(&mut table, honest, FIRST);
    send_bad(&mut table, liar, FIRST);
    table.work();
    assert!(table.swarm.is_complete(), "what the liar sent was not used");
    assert_eq!(table.banned, []);

    let (mut table, liar, honest) = race();
    send_bad(&mut table, liar, FIRST);
    send(&mut table, honest, FIRST);
    table.hear(liar, CHOKE);
    let again = table.work();
    assert_eq!(asked(&again), [FIRST], "of the honest one alone");
    assert_eq!(asked(&send(&mut table, honest, FIRST)), [SECOND]);
    send(&mut table, honest, SECOND);
    table.work();
    assert_eq!(table.banned, [address(1)]);
}

#[test]
fn bad_input_16_two_liars_who_spoiled_a_piece_together_are_both_banned() {
    let mut table = table();
    let (first, second) = (join(&mut table, 1), join(&mut table, 2));
    let honest = join(&mut table, 3);
    give(&mut table, first, false);
    give(&mut table, second, false);
    table.work();
    assert_eq!(table.banned, []);
    give(&mut table, honest, true);
    give(&mut table, honest, true);
    table.work();
    assert_eq!(table.banned, [address(1), address(2)]);
    assert!(table.swarm.is_complete());
}

#[test]
fn bad_input_16_who_spoils_every_try_of_a_piece_is_soon_asked_for_all_of_it_and_banned() {
    let mut table = table();
    let (liar, honest) = (join(&mut table, 1), join(&mut table, 2));
    for _ in 0..2 {
        give(&mut table, liar, false);
        table.pass(2);
        let mut said = asked(&table.hear(honest, UNCHOKE));
        while let [at, ..] = said[..] {
            said = asked(&send(&mut table, honest, at));
        }
        table.hear(honest, CHOKE);
        table.work();
    }
    assert_eq!(table.banned, [], "it sends a piece alone, and nobody helps");
    assert_eq!(give(&mut table, liar, true), SECOND);
    table.work();
    assert_eq!(table.banned, [address(1)]);
    assert_eq!([give(&mut table, honest, true), give(&mut table, honest, true)], [FIRST, SECOND]);
    table.work();
    assert!(table.swarm.is_complete());
}

#[test]
fn bad_input_16_who_spoils_a_piece_and_then_sits_on_it_is_banned_when_another_has_sent_it_whole() {
    let mut table = table();
    let (liar, honest) = (join(&mut table, 1), join(&mut table, 2));
    assert_eq!([give(&mut table, liar, false), give(&mut table, honest, true)], [FIRST, SECOND]);
    table.work();
    assert_eq!(give(&mut table, liar, false), FIRST);
    table.work();
    assert_eq!(asked(&table.hear(honest, UNCHOKE)), [], "the liar has a turn");
    let patience = (0..40).take_while(|_| asked(&table.pass(1)).is_empty()).count();
    assert!(patience <= 10, "{patience} s");
    assert_eq!(asked(&send(&mut table, honest, FIRST)), [SECOND]);
    send(&mut table, honest, SECOND);
    table.work();
    assert_eq!(table.banned, [address(1)]);
    assert!(table.swarm.is_complete());
}
