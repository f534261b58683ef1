//! In which order a seed serves requests.

use super::{HAVE_ALL, Table, request, setup_of, suggest::newcomer};
use crate::{
    bitfield::Bitfield,
    choker,
    id::{BLOCK_LENGTH, Block, PeerKey, PieceIndex},
    storage::{Completion, Verdict},
    swarm::{Input, Torrent, subject::torrent_of, upload::Turn},
};
use alloc::{vec, vec::Vec};
use bytes::Bytes;

/// A seed, and two peers that it serves. Each was told of four pieces, all eight together.
struct Two {
    table: Table,
    one: PeerKey,
    other: PeerKey,
    /// What one was told of, and the other.
    ones: Vec<u32>,
    others: Vec<u32>,
}

impl Two {
    fn new() -> Self {
        let mut table = Table::new(true);
        let (one, ones) = newcomer(&mut table, 1);
        let (other, others) = newcomer(&mut table, 2);
        table.sent(one);
        Self { table, one, other, ones, others }
    }

    /// A peer asks for the first block of a piece; how many reads that begins.
    fn ask(&mut self, peer: PeerKey, piece: u32) -> usize {
        let before = self.table.reads.len();
        self.table.hear(peer, &request(6, piece, 0, BLOCK_LENGTH));
        self.table.reads.len() - before
    }

    /// The first read is done, and its block handed to whoever asked.
    fn read(&mut self) {
        let token = self.table.reads.remove(0);
        let data = Bytes::from_static(&[7; BLOCK_LENGTH as usize]);
        self.table.tell(Input::Storage(Completion::Read { token, result: Ok(data) }));
    }
}

#[test]
fn while_what_nobody_has_is_on_its_way_to_somebody_others_wait_with_the_rest() {
    let mut two = Two::new();
    assert_eq!(two.ask(two.one, two.ones[0]), 1);
    assert_eq!(two.ask(two.other, two.ones[0]), 0, "it is being sent to one");
    assert_eq!(two.ask(two.other, two.others[0]), 1, "what is its own comes first");
    two.read();
    assert_eq!(two.table.reads.len(), 1, "not before one has it");
    two.table.sent(two.one);
    assert_eq!(two.table.reads.len(), 2, "what is on its way to itself does not hold it up");
}

#[test]
fn what_is_taken_back_before_its_turn_is_never_read() {
    let mut two = Two::new();
    two.ask(two.one, two.ones[0]);
    two.ask(two.other, two.ones[0]);
    two.table.hear(two.other, &request(8, two.ones[0], 0, BLOCK_LENGTH));
    two.read();
    two.table.sent(two.one);
    assert!(two.table.reads.is_empty());
}

#[test]
fn nobody_waits_longer_than_ten_seconds_for_one_who_takes_nothing() {
    let mut two = Two::new();
    two.ask(two.one, two.ones[0]);
    two.ask(two.other, two.ones[0]);
    two.read();
    let since = two.table.now;
    two.table.pass(9);
    assert!(two.table.reads.is_empty());
    two.table.pass(1);
    assert_eq!(two.table.reads.len(), 1, "{:?} later", two.table.now - since);
}

#[test]
fn whose_turn_comes_while_the_rate_limit_allows_nothing_is_served_when_it_does() {
    let mut two = Two::new();
    two.ask(two.one, two.ones[0]);
    two.ask(two.other, two.ones[0]);
    two.read();
    two.table.tell(Input::Allowance { download: None, upload: Some(0) });
    two.table.pass(10);
    assert!(two.table.reads.is_empty());
    two.table.tell(Input::Allowance { download: None, upload: Some(u64::from(BLOCK_LENGTH)) });
    assert_eq!(two.table.reads.len(), 1, "it waits no second time");
}

#[test]
fn who_is_let_go_before_its_turn_goes_on_waiting_where_it_was() {
    let mut two = Two::new();
    two.ask(two.one, two.ones[0]);
    two.ask(two.other, two.ones[0]);
    two.read();
    two.table.pass(9);
    two.table.tell(Input::Allowance { download: None, upload: Some(0) });
    two.ask(two.one, two.ones[1]);
    two.table.sent(two.one);
    let two_blocks = u64::from(2 * BLOCK_LENGTH);
    two.table.tell(Input::Allowance { download: None, upload: Some(two_blocks) });
    assert_eq!(two.table.reads.len(), 1, "of one, which came before it");
    two.table.pass(1);
    assert_eq!(two.table.reads.len(), 2, "and ten seconds after it asked");
}

#[test]
fn who_leaves_holds_up_nobody() {
    let mut two = Two::new();
    two.ask(two.one, two.ones[0]);
    two.ask(two.other, two.ones[0]);
    two.table.hear(two.one, HAVE_ALL);
    assert_eq!(two.table.closed.len(), 1);
    assert_eq!(two.table.reads.len(), 2, "one's own, for nobody now, and the other's");
}

#[test]
fn who_takes_data_much_faster_waits_for_nobody() {
    let mut two = Two::new();
    two.ask(two.one, two.ones[0]);
    two.read();
    let slow = core::mem::take(&mut two.table.unsent);
    two.ask(two.other, two.others[0]);
    two.read();
    // The other takes a block in a millisecond; one, a tenth of one in a second.
    two.table.sent(two.other);
    two.table.pass(1);
    two.table.unsent = slow / 10;
    two.table.sent(two.one);
    assert_eq!(two.ask(two.other, two.ones[0]), 1);
}

#[test]
fn who_is_urgent_waits_for_nobody() {
    let mut two = Two::new();
    two.ask(two.one, two.ones[0]);
    let wish = choker::Input::Lobby { peer: two.other, wants: true };
    two.table.swarm.choose(two.table.now, wish, &mut two.table.out);
    assert_eq!(two.ask(two.other, two.ones[0]), 1);
}

#[test]
fn each_block_of_what_is_a_peers_own_comes_soon_once() {
    let mut two = Two::new();
    let piece = PieceIndex(two.ones[0]);
    let mut turn = |begin: u32| {
        let block = Block { piece, begin: begin * BLOCK_LENGTH, length: BLOCK_LENGTH };
        two.table.swarm.claim(two.one, block)
    };
    assert_eq!([0, 1, 0].map(&mut turn), [Turn::Soon, Turn::Soon, Turn::Later]);
}

#[test]
fn a_peer_that_passes_nothing_on_cannot_have_everything_for_its_own() {
    let content = vec![0; 64 * BLOCK_LENGTH as usize];
    let (mut setup, _) = setup_of(true);
    let Torrent::Content(known) = &mut setup.torrent else { panic!("not a magnet") };
    known.info = torrent_of(&content, BLOCK_LENGTH);
    known.verdict = Verdict { trusted: Bitfield::full(64), check: Bitfield::new(64) };
    let mut table = Table::of(setup, content);
    let (hoarder, told) = newcomer(&mut table, 1);
    let turns = (0..64)
        .map(PieceIndex)
        .map(|piece| table.swarm.claim(hoarder, Block { piece, begin: 0, length: BLOCK_LENGTH }));
    let its = turns.filter(|turn| *turn == Turn::Soon).count();
    assert!((32..=32 + told.len()).contains(&its), "{its}: what it was told of is its own in any case");
}

#[test]
fn what_somebody_has_is_nobodys_own() {
    let mut two = Two::new();
    let third = two.table.join(3, true);
    two.table.hear(third, &[0, 0, 0, 2, 5, 0xfe]);
    let piece = *two.ones.iter().find(|piece| **piece < 7).expect("four");
    assert_eq!(two.ask(two.one, piece), 1);
    assert_eq!(two.ask(two.other, piece), 1, "nobody waits for it");
}
