//! Requests that wait for room are served as soon as there is some, and one after the other.

use super::{INTERESTED, Table, request, setup_of};
use crate::{
    bitfield::Bitfield,
    choker,
    id::BLOCK_LENGTH,
    metainfo::File,
    storage::{Completion, Verdict},
    swarm::{
        Input, PeerEnd, Torrent,
        subject::{PIECE, torrent_of},
    },
};
use alloc::vec;
use bytes::Bytes;

/// A seed of a piece of data and one of padding.
fn padded() -> Table {
    let content = vec![0; 2 * PIECE as usize];
    let (mut setup, _) = setup_of(true);
    let Torrent::Content(known) = &mut setup.torrent else { panic!("not a magnet") };
    known.info = torrent_of(&content, PIECE);
    let data = File { length: u64::from(PIECE), ..known.info.files[0].clone() };
    known.info.files = vec![data.clone(), File { path: vec![".pad".into()], padding: true, ..data }];
    known.verdict = Verdict { trusted: Bitfield::full(2), check: Bitfield::new(2) };
    Table::of(setup, content)
}

#[test]
fn bad_input_14_a_queue_full_of_padding_takes_no_stack() {
    let mut table = padded();
    table.swarm.config.request_queue = PIECE / 2;
    let peer = table.join(1, true);
    table.hear(peer, INTERESTED);
    table.sent(peer);
    table.tell(Input::Allowance { download: None, upload: Some(0) });
    for number in 0..PIECE / 2 {
        assert!(table.hear(peer, &request(6, 1, 2 * number, 1)).is_empty(), "it waits");
    }
    let said = table.tell(Input::Allowance { download: None, upload: None });
    assert_eq!(said.iter().filter(|message| message.get(4) == Some(&7)).count() as u32, PIECE / 2);
}

#[test]
fn memory_that_a_peer_leaves_behind_goes_to_those_in_line() {
    let mut table = Table::new(true);
    table.swarm.config.upload_memory = BLOCK_LENGTH as usize;
    let [one, other] = [1, 2].map(|number| {
        let peer = table.join(number, true);
        table.hear(peer, INTERESTED);
        table.sent(peer);
        peer
    });
    table.hear(one, &request(6, 0, 0, BLOCK_LENGTH));
    let token = table.reads.pop().expect("a read");
    let data = Bytes::from_static(&[7; BLOCK_LENGTH as usize]);
    table.tell(Input::Storage(Completion::Read { token, result: Ok(data) }));
    table.hear(other, &request(6, 0, 0, BLOCK_LENGTH));
    assert!(table.reads.is_empty(), "one has taken nothing yet");
    table.tell(Input::Left { peer: one, why: PeerEnd::ClosedByPeer });
    assert_eq!(table.reads.len(), 1);
}

#[test]
fn of_those_who_wait_for_a_seed_it_serves_who_has_least_by_its_own_haves() {
    let (mut setup, content) = setup_of(true);
    setup.config.choker = choker::Config { slots: 1, optimistic_slots: 0, ..choker::Config::default() };
    let mut table = Table::of(setup, content);
    let [first, rich, poor] = [(1, 0), (2, 6), (3, 1)].map(|(number, has)| {
        let peer = table.join(number, true);
        table.hear(peer, INTERESTED);
        table.sent(peer);
        for piece in 0..has {
            table.hear(peer, &[0, 0, 0, 5, 4, 0, 0, 0, piece]);
        }
        peer
    });
    let served = |table: &Table| [first, rich, poor].map(|peer| table.swarm.choker.is_unchoked(peer));
    assert_eq!(served(&table), [true, false, false]);
    (0..7).for_each(|_| {
        table.pass(10);
    });
    assert_eq!(served(&table), [false, false, true], "its turn is over, and who waits longest has most");
}
