//! What a seed suggests, and to whom.

use super::{HAVE_ALL, INTERESTED, NOT_INTERESTED, Table, request};
use crate::{
    id::{BLOCK_LENGTH, PeerKey},
    swarm::{PeerEnd, subject::PIECES},
};
use alloc::vec::Vec;

const HAVE_NONE: &[u8] = &[0, 0, 0, 1, 15];

/// The pieces that were suggested.
fn suggested(said: &[Vec<u8>]) -> Vec<u32> {
    let suggested = said.iter().filter(|message| message.len() == 9 && message[4] == 13);
    suggested.map(|message| u32::from_be_bytes(message[5..].try_into().expect("4 bytes"))).collect()
}

/// A newcomer that is served, and what it is told to ask for.
pub(super) fn newcomer(table: &mut Table, number: u32) -> (PeerKey, Vec<u32>) {
    let peer = table.join(number, true);
    table.hear(peer, HAVE_NONE);
    let said = table.hear(peer, INTERESTED);
    assert_eq!(said.last().map(|last| &last[..]), Some(super::UNCHOKE), "it hears of pieces before it asks");
    (peer, suggested(&said))
}

fn ask(table: &mut Table, peer: PeerKey, piece: u32) -> Vec<u32> {
    suggested(&table.hear(peer, &request(6, piece, 0, BLOCK_LENGTH)))
}

fn have(piece: u32) -> Vec<u8> {
    [&[0, 0, 0, 5, 4], &piece.to_be_bytes()[..]].concat()
}

#[test]
fn a_seed_suggests_to_each_peer_what_it_suggests_to_no_other() {
    let mut table = Table::new(true);
    let (_, mut told) = newcomer(&mut table, 1);
    assert_eq!(told.len(), 4);
    told.extend(newcomer(&mut table, 2).1);
    told.sort_unstable();
    assert!(told.into_iter().eq(0..PIECES), "each of the eight once");
    assert!(newcomer(&mut table, 3).1.is_empty(), "nothing is left");
}

#[test]
fn the_next_is_suggested_when_one_is_asked_for() {
    let mut table = Table::new(true);
    let (peer, told) = newcomer(&mut table, 1);
    let next = ask(&mut table, peer, told[0]);
    assert_eq!(next.len(), 1);
    assert!(!told.contains(&next[0]));
}

#[test]
fn what_a_peer_asks_for_unsuggested_is_suggested_to_no_other() {
    let mut table = Table::new(true);
    let (peer, told) = newcomer(&mut table, 1);
    let own = (0..PIECES).find(|piece| !told.contains(piece)).expect("four more");
    assert!(ask(&mut table, peer, own).is_empty(), "it knows of four still");
    let (_, others) = newcomer(&mut table, 2);
    assert_eq!(others.len(), 3);
    assert!(!others.contains(&own));
}

#[test]
fn what_somebody_has_is_not_suggested() {
    let mut table = Table::new(true);
    let owner = table.join(1, true);
    table.hear(owner, &[0, 0, 0, 2, 5, 0b1111_1110]);
    assert_eq!(newcomer(&mut table, 2).1, [7]);
}

#[test]
fn what_a_peer_did_not_ask_for_is_suggested_to_others_once_it_is_choked() {
    let mut table = Table::new(true);
    let (peer, told) = newcomer(&mut table, 1);
    ask(&mut table, peer, told[0]);
    table.hear(peer, NOT_INTERESTED);
    table.swarm.set_choked(table.now, peer, true, &mut table.out);
    table.carry();
    let (_, mut others) = newcomer(&mut table, 2);
    let (_, more) = newcomer(&mut table, 3);
    others.extend(more);
    others.sort_unstable();
    assert!(others.into_iter().eq((0..PIECES).filter(|piece| *piece != told[0])), "that one is on its way");
}

#[test]
fn what_a_peer_has_not_got_when_it_leaves_is_suggested_to_others() {
    let mut table = Table::new(true);
    let (peer, told) = newcomer(&mut table, 1);
    ask(&mut table, peer, told[0]);
    ask(&mut table, peer, told[1]);
    table.hear(peer, &have(told[1]));
    table.swarm.leave(peer, PeerEnd::Stopped);
    table.pass(0);
    let mut others = newcomer(&mut table, 2).1;
    others.extend(newcomer(&mut table, 3).1);
    others.sort_unstable();
    assert!(others.into_iter().eq(0..PIECES), "and what it alone had is gone with it");
}

#[test]
fn who_has_not_everything_suggests_nothing_nor_does_anyone_to_a_peer_without_bep_6() {
    let mut seed = Table::new(true);
    let old = seed.join(1, false);
    assert!(suggested(&seed.hear(old, INTERESTED)).is_empty());
    let mut leecher = Table::new(false);
    let peer = leecher.join(1, true);
    leecher.hear(peer, HAVE_ALL);
    assert!(suggested(&leecher.hear(peer, INTERESTED)).is_empty());
}
