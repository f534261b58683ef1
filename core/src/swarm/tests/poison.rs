//! Corrupt blocks, and who is held to account for them.

use super::{
    BLOCK_LENGTH, HAVE_ALL, Input, PIECE, PIECES, PeerEnd, PeerKey, SocketAddr, Table, UNCHOKE, piece, place,
    setup_of, subject,
};
use crate::{bitfield::Bitfield, id::PieceIndex};
use alloc::vec::Vec;

/// The piece that is missing.
const MISSING: u32 = 5;
const FIRST: (u32, u32) = (MISSING, 0);
const SECOND: (u32, u32) = (MISSING, BLOCK_LENGTH);

/// One piece is missing; each peer that comes is asked for both of its blocks.
fn table() -> Table {
    let (_, content) = setup_of(false);
    let mut trusted = Bitfield::full(PIECES);
    trusted.clear(PieceIndex(MISSING));
    Table::of(subject::setup(&content, trusted, Bitfield::new(PIECES)), content)
}

fn join(table: &mut Table, number: u32) -> PeerKey {
    let peer = table.join(number, true);
    table.hear(peer, HAVE_ALL);
    let asked: Vec<_> = table.hear(peer, UNCHOKE).iter().map(|message| place(message)).collect();
    assert!(asked.contains(&FIRST) || asked.contains(&SECOND));
    peer
}

fn send(table: &mut Table, peer: PeerKey, blocks: &[(u32, u32)]) {
    for at in blocks {
        let block = table.block(*at);
        table.hear(peer, &block);
    }
}

fn send_bad(table: &mut Table, peer: PeerKey, (index, begin): (u32, u32)) {
    let start = (index * PIECE + begin) as usize;
    let mut data = table.content[start..start + BLOCK_LENGTH as usize].to_vec();
    data[77] ^= 1;
    table.hear(peer, &piece(index, begin, &data));
}

fn address(number: u32) -> SocketAddr {
    subject::joined(number, crate::wire::Reserved([0; 8])).remote
}

#[test]
fn bad_input_16_of_two_who_sent_a_corrupt_piece_the_one_whose_block_differs_is_banned() {
    let mut table = table();
    let (liar, honest) = (join(&mut table, 1), join(&mut table, 2));
    send_bad(&mut table, liar, FIRST);
    send(&mut table, honest, &[SECOND]);
    table.work();
    assert_eq!(table.banned, [], "nothing tells them apart yet");
    send(&mut table, honest, &[FIRST, SECOND]);
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
    send_bad(&mut table, liar, FIRST);
    send(&mut table, liar, &[SECOND]);
    table.work();
    assert_eq!(table.banned, [address(1)]);
    assert_eq!(table.closed, [PeerEnd::CorruptPiece]);
}

#[test]
fn bad_input_16_who_left_before_the_verdict_is_banned_all_the_same() {
    let mut table = table();
    let (liar, honest) = (join(&mut table, 1), join(&mut table, 2));
    send_bad(&mut table, liar, FIRST);
    table.tell(Input::Left { peer: liar, why: PeerEnd::ClosedByPeer });
    send(&mut table, honest, &[SECOND]);
    table.work();
    send(&mut table, honest, &[FIRST, SECOND]);
    table.work();
    assert_eq!(table.banned, [address(1)]);
    assert!(!table.closed.contains(&PeerEnd::CorruptPiece), "it had left: {:?}", table.closed);
}

#[test]
fn bad_input_16_of_two_who_sent_the_same_block_the_one_whose_data_was_stored_answers_for_it() {
    let mut table = table();
    let (liar, honest) = (join(&mut table, 1), join(&mut table, 2));
    send(&mut table, honest, &[FIRST]);
    send_bad(&mut table, liar, FIRST);
    send(&mut table, honest, &[SECOND]);
    table.work();
    assert!(table.swarm.is_complete(), "what the liar sent was not used");
    assert_eq!(table.banned, []);

    let mut table = self::table();
    let (liar, honest) = (join(&mut table, 1), join(&mut table, 2));
    send_bad(&mut table, liar, FIRST);
    send(&mut table, honest, &[FIRST, SECOND]);
    table.work();
    send(&mut table, honest, &[FIRST, SECOND]);
    table.work();
    assert_eq!(table.banned, [address(1)]);
}

#[test]
fn bad_input_16_two_liars_are_told_apart_from_whom_they_mixed_with() {
    let mut table = table();
    let (first, second) = (join(&mut table, 1), join(&mut table, 2));
    let honest = join(&mut table, 3);
    send_bad(&mut table, first, FIRST);
    send(&mut table, honest, &[SECOND]);
    table.work();
    send(&mut table, honest, &[FIRST]);
    send_bad(&mut table, second, SECOND);
    table.work();
    assert_eq!(table.banned, []);
    send(&mut table, honest, &[FIRST, SECOND]);
    table.work();
    assert_eq!(table.banned, [address(1), address(2)]);
    assert!(table.swarm.is_complete());
}
