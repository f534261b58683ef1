//! What is wanted comes in the order in which it is wanted, and peers hear when nothing is.

use super::{
    HAVE_ALL, Table, UNCHOKE,
    extensions::{extended, extensions, join},
    setup_of,
};
use crate::{
    bitfield::Bitfield,
    id::BLOCK_LENGTH,
    picker::Tier,
    storage::Verdict,
    swarm::{Input, Plan, Torrent, subject::torrent_of},
};
use alloc::{boxed::Box, collections::BTreeMap, vec, vec::Vec};

const BLOCKS: u32 = 6;

/// A leecher of three pieces, the first two of six blocks.
fn following(plan: Plan) -> Table {
    let (mut setup, content) = setup_of(false);
    let Torrent::Content(known) = &mut setup.torrent else { panic!("not a magnet") };
    known.info = torrent_of(&content, BLOCKS * BLOCK_LENGTH);
    known.verdict = Verdict { trusted: Bitfield::new(3), check: Bitfield::new(3) };
    known.plan = plan;
    Table::of(setup, content)
}

/// Four peers come that have everything and serve us; the pieces that each is asked for, block by block.
fn asked_of_four(table: &mut Table) -> Vec<Vec<u32>> {
    for number in 1..=4 {
        let peer = table.join(number, true);
        table.hear(peer, HAVE_ALL);
        table.hear(peer, UNCHOKE);
    }
    let mut asked = BTreeMap::new();
    for (stream, (piece, _)) in &table.requests {
        asked.entry(*stream).or_insert_with(Vec::new).push(*piece);
    }
    asked.into_values().collect()
}

#[test]
fn a_header_comes_before_all_else_from_three_peers() {
    let mut table = following(Plan { header_first: true, ..Plan::default() });
    let asked = asked_of_four(&mut table);
    let of_header = |pieces: &Vec<u32>| pieces.iter().filter(|piece| **piece == 0).count();
    assert_eq!(asked.iter().map(of_header).collect::<Vec<_>>(), [2, 2, 2, 0], "each its share");
    assert!(asked[..3].iter().all(|pieces| pieces[..2] == [0, 0] && pieces.len() == 4), "and then the rest");

    let asked = asked_of_four(&mut following(Plan { sequential: true, ..Plan::default() }));
    assert_eq!(asked[..2], [vec![0; 4], vec![0, 0, 1, 1]], "without a header there are no shares");
}

#[test]
fn a_header_is_wanted_even_where_nothing_else_is() {
    let mut table = following(Plan { header_first: true, tier: Tier::Skip, ..Plan::default() });
    let asked = asked_of_four(&mut table);
    assert_eq!(asked, vec![vec![0, 0]; 3]);
    assert!(!table.swarm.is_finished());
}

#[test]
fn peers_hear_when_nothing_is_wanted_and_when_something_is_after_all() {
    let mut table = Table::new(false);
    let peer = join(&mut table);
    table.hear(peer, &extended(0, b"d1:md11:upload_onlyi9eee"));
    table.sent(peer);
    let nothing = Box::new(Plan { tier: Tier::Skip, ..Plan::default() });
    let said = table.tell(Input::Follow(nothing));
    assert_eq!(extensions(&said), [(9, vec![1])], "BEP 21");
    table.sent(peer);
    let said = table.tell(Input::Follow(Box::default()));
    assert_eq!(extensions(&said), [(9, vec![0])]);
}
