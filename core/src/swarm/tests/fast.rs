//! To whom pieces are allowed while it is choked (BEP 6), and when they are served.

use super::{INTERESTED, Table, request, setup_of};
use crate::{
    bitfield::Bitfield,
    choker,
    id::{BLOCK_LENGTH, PeerKey},
    storage::{Completion, Verdict},
    swarm::{
        Input, Torrent,
        subject::{joined, torrent_of},
    },
    wire::Reserved,
};
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{Ipv6Addr, SocketAddr};

const FAST: Reserved = Reserved([0, 0, 0, 0, 0, 0, 0, 4]);

/// A seed of sixteen pieces of a block, that unchokes nobody.
fn seed() -> Table {
    let (mut setup, content) = setup_of(true);
    let Torrent::Content(known) = &mut setup.torrent else { panic!("not a magnet") };
    known.info = torrent_of(&content, BLOCK_LENGTH);
    known.verdict = Verdict { trusted: Bitfield::full(16), check: Bitfield::new(16) };
    setup.config.choker = choker::Config { slots: 0, optimistic_slots: 0, ..choker::Config::default() };
    Table::of(setup, content)
}

/// A peer that has the first so many pieces, and wants more; the pieces that it is allowed.
fn newcomer(table: &mut Table, number: u32, has: u32) -> (PeerKey, Vec<u32>) {
    let peer = table.join(number, true);
    let bits = (u16::MAX << (16 - has)).to_be_bytes();
    table.hear(peer, &[&[0, 0, 0, 3, 5], &bits[..]].concat());
    let said = table.hear(peer, INTERESTED);
    table.sent(peer);
    (peer, allowed(&said))
}

fn allowed(said: &[Vec<u8>]) -> Vec<u32> {
    let allowed = said.iter().filter(|message| message[4] == 17);
    allowed.map(|message| u32::from_be_bytes(message[5..].try_into().expect("4 bytes"))).collect()
}

#[test]
fn who_has_ten_pieces_is_allowed_none() {
    assert_eq!(newcomer(&mut seed(), 1, 9).1.len(), 10);
    assert!(newcomer(&mut seed(), 1, 10).1.is_empty());
}

#[test]
fn who_comes_to_have_ten_pieces_is_served_none_any_more() {
    let mut table = seed();
    let (peer, allowed) = newcomer(&mut table, 1, 9);
    let ask = |of: usize| request(6, allowed[of], 0, BLOCK_LENGTH);
    assert!(table.hear(peer, &ask(0)).is_empty());
    assert_eq!(table.reads.len(), 1);
    table.hear(peer, &[0, 0, 0, 5, 4, 0, 0, 0, 15]);
    assert_eq!(table.hear(peer, &ask(1)), [request(16, allowed[1], 0, BLOCK_LENGTH)]);
    assert_eq!(table.reads.len(), 1);
}

#[test]
fn what_is_not_allowed_is_not_served() {
    let mut table = seed();
    let (peer, allowed) = newcomer(&mut table, 1, 1);
    let other = (0..16).find(|piece| !allowed.contains(piece)).expect("ten are allowed");
    let ask = request(6, other, 0, BLOCK_LENGTH);
    assert_eq!(table.hear(peer, &ask), [request(16, other, 0, BLOCK_LENGTH)]);
}

#[test]
fn over_ipv6_nothing_is_allowed() {
    let mut table = seed();
    let remote = SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 6881));
    table.tell(Input::Joined(crate::swarm::Joined { remote, ..joined(1, FAST) }));
    let (peer, _) = table.peers[0];
    table.sent(peer);
    table.hear(peer, &[0, 0, 0, 1, 15]);
    assert!(table.hear(peer, INTERESTED).is_empty(), "BEP 6 does not say which");
}

#[test]
fn nothing_is_given_away_while_something_is_on_its_way_to_others() {
    let mut table = seed();
    let [(first, firsts), (second, seconds)] = [1, 2].map(|number| newcomer(&mut table, number, 1));
    let ask = |piece: u32| request(6, piece, 0, BLOCK_LENGTH);
    table.hear(first, &ask(firsts[0]));
    assert!(table.hear(first, &ask(firsts[1])).is_empty(), "its own does not count");
    let rejected = |piece: u32| [request(16, piece, 0, BLOCK_LENGTH)];
    assert_eq!(table.hear(second, &ask(seconds[0])), rejected(seconds[0]));
    table.sent(second);
    for token in core::mem::take(&mut table.reads) {
        let data = Bytes::from_static(&[7; BLOCK_LENGTH as usize]);
        table.tell(Input::Storage(Completion::Read { token, result: Ok(data) }));
    }
    assert_eq!(table.hear(second, &ask(seconds[0])), rejected(seconds[0]), "given out, and not sent");
    let bytes = core::mem::take(&mut table.unsent);
    table.tell(Input::Sent { peer: first, bytes });
    assert!(table.hear(second, &ask(seconds[0])).is_empty());
    assert_eq!(table.reads.len(), 1);
}
