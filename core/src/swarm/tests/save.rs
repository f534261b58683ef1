//! What is saved says what is on disk, and no more.

use super::{HAVE_ALL, Table, UNCHOKE, setup_of};
use crate::{
    bitfield::Bitfield,
    picker::Tier,
    storage::{Completion, Verdict},
    swarm::{Input, Plan, Torrent, subject::PIECES},
};
use alloc::boxed::Box;

/// Answers what was asked to be made durable.
fn flush(table: &mut Table) {
    while let Some(token) = table.flushes.pop() {
        table.tell(Input::Storage(Completion::Flushed { token, result: Ok(()) }));
    }
}

#[test]
fn what_is_not_looked_at_yet_is_not_saved_as_missing() {
    let (mut setup, content) = setup_of(false);
    let Torrent::Content(known) = &mut setup.torrent else { panic!("not a magnet") };
    known.verdict = Verdict { trusted: Bitfield::new(PIECES), check: Bitfield::full(PIECES) };
    let mut table = Table::of(setup, content);
    assert_eq!(table.reads.len() as u32, PIECES, "all is being looked at");
    table.tell(Input::Follow(Box::new(Plan { tier: Tier::Skip, ..Plan::default() })));
    flush(&mut table);
    table.tell(Input::Stop);
    flush(&mut table);
    assert_eq!((&table.saved[..], table.stopped), (&[][..], true));
}

#[test]
fn what_was_saved_on_the_way_is_saved_for_good_by_a_stop() {
    let mut table = Table::new(false);
    let peer = table.join(1, true);
    table.hear(peer, HAVE_ALL);
    table.hear(peer, UNCHOKE);
    let places: alloc::vec::Vec<_> = table.requests.iter().map(|(_, place)| *place).take(2).collect();
    for place in places {
        let block = table.block(place);
        table.hear(peer, &block);
    }
    table.work();
    table.pass(61);
    flush(&mut table);
    assert_eq!(table.saved, [(1, false)]);
    table.tell(Input::Stop);
    flush(&mut table);
    assert_eq!(table.saved.last(), Some(&(1, true)));
    assert!(table.stopped);
}
