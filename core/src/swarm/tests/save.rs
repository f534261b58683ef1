//! What is saved says what is on disk, and no more.

use super::{Table, setup_of};
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
