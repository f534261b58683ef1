//! BEP 6, 9, 10, 21, 52 and 54, as far as a swarm has a part in them.

use super::{CHOKE, INTERESTED, Table, UNCHOKE, request, setup_of};
use crate::{
    bitfield::Bitfield,
    choker,
    id::{BLOCK_LENGTH, InfoHash, PeerKey},
    swarm::{
        Action, Input, PeerEnd, Setup, Swarm, Torrent,
        subject::{self, PIECES, joined},
    },
    wire::{Reserved, extension::Metadata},
};
use alloc::{vec, vec::Vec};

const HAVE_NONE: &[u8] = &[0, 0, 0, 1, 15];
const EXTENDED: Reserved = Reserved([0, 0, 0, 0, 0, 0x10, 0, 4]);

/// An extension message.
pub(super) fn extended(id: u8, payload: &[u8]) -> Vec<u8> {
    let mut message = (2 + payload.len() as u32).to_be_bytes().to_vec();
    message.extend([20, id]);
    message.extend(payload);
    message
}

/// What was said, message by message: a payload goes out behind its head.
fn messages(said: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let stream = said.concat();
    let mut rest = &stream[..];
    let mut messages = Vec::new();
    while let Some((length, _)) = rest.split_first_chunk::<4>() {
        let (message, behind) = rest.split_at(4 + u32::from_be_bytes(*length) as usize);
        messages.push(message.to_vec());
        rest = behind;
    }
    messages
}

/// The extension messages among what was said: their ids and payloads.
pub(super) fn extensions(said: &[Vec<u8>]) -> Vec<(u8, Vec<u8>)> {
    let messages = messages(said).into_iter().filter(|message| message.get(4) == Some(&20));
    messages.map(|message| (message[5], message[6..].to_vec())).collect()
}

fn allowed(said: &[Vec<u8>]) -> Vec<u32> {
    let allowed = said.iter().filter(|message| message.len() == 9 && message[4] == 17);
    allowed.map(|message| u32::from_be_bytes(message[5..].try_into().expect("4 bytes"))).collect()
}

/// A swarm that knows only the name of its torrent.
pub(super) fn fetching() -> Table {
    let (setup, content) = setup_of(false);
    Table::of(Setup { torrent: Torrent::Magnet(InfoHash([7; 20])), ..setup }, content)
}

/// A seed that serves nobody.
fn without_slots() -> Table {
    let (mut setup, content) = setup_of(true);
    setup.config.choker = choker::Config { slots: 0, optimistic_slots: 0, ..choker::Config::default() };
    Table::of(setup, content)
}

fn none() -> Bitfield {
    Bitfield::new(PIECES)
}

pub(super) fn join(table: &mut Table) -> PeerKey {
    join_as(table, 1)
}

pub(super) fn join_as(table: &mut Table, number: u32) -> PeerKey {
    table.tell(Input::Joined(joined(number, EXTENDED)));
    let key = table.peers[table.peers.len() - 1].0;
    table.sent(key);
    key
}

#[test]
fn a_choked_newcomer_is_told_what_it_may_have_and_gets_it_three_times() {
    let mut table = without_slots();
    let peer = table.join(1, true);
    assert!(allowed(&table.hear(peer, HAVE_NONE)).is_empty(), "it may be served, for all we know");
    let allowed = allowed(&table.hear(peer, INTERESTED));
    assert_eq!(allowed.len(), PIECES as usize, "ten, or all there are");
    table.sent(peer);
    for copy in 0..3 {
        for begin in [0, BLOCK_LENGTH] {
            table.swarm.uploading = 0; // what was read before has gone out
            let said = table.hear(peer, &request(6, allowed[0], begin, BLOCK_LENGTH));
            assert!(said.is_empty(), "copy {copy} is on its way");
            table.hear(peer, &request(8, allowed[0], begin, BLOCK_LENGTH));
        }
    }
    table.swarm.uploading = 0;
    let refused = request(16, allowed[0], 0, BLOCK_LENGTH);
    assert_eq!(table.hear(peer, &request(6, allowed[0], 0, BLOCK_LENGTH)), [refused]);
}

#[test]
fn who_is_served_is_allowed_nothing_beyond() {
    let mut table = Table::new(true);
    let peer = table.join(1, true);
    table.hear(peer, HAVE_NONE);
    let said = table.hear(peer, INTERESTED);
    assert!(said.iter().any(|message| message == UNCHOKE) && allowed(&said).is_empty(), "{said:?}");
}

#[test]
fn a_choke_leaves_requests_for_allowed_pieces_standing() {
    let mut table = without_slots();
    table.swarm.config.upload_memory = 0; // nothing is read: requests stay in the queue
    let peer = table.join(1, true);
    table.hear(peer, HAVE_NONE);
    table.hear(peer, INTERESTED);
    let asked = request(6, 3, 0, BLOCK_LENGTH);
    assert!(table.hear(peer, &asked).is_empty());
    table.sent(peer);
    let mut said = Vec::new();
    table.swarm.set_choked(table.now, peer, true, &mut table.out);
    for action in table.out.drain() {
        if let Action::Send { data, .. } = action {
            said.push(data.to_vec());
        }
    }
    assert_eq!(said, [CHOKE], "no reject");
    let cancelled = table.hear(peer, &request(8, 3, 0, BLOCK_LENGTH));
    assert_eq!(cancelled, [request(16, 3, 0, BLOCK_LENGTH)], "it was in the queue");
}

#[test]
fn who_has_much_is_allowed_nothing_while_choked() {
    let mut table = without_slots();
    let peer = table.join(1, false);
    table.hear(peer, &[0, 0, 0, 2, 5, 0x80]);
    assert!(allowed(&table.hear(peer, INTERESTED)).is_empty(), "it does not speak BEP 6");
}

#[test]
fn hash_requests_are_rejected() {
    let mut table = Table::new(true);
    let peer = table.join(1, true);
    let mut ask = vec![0, 0, 0, 49, 21];
    ask.extend([9; 48]);
    let mut reject = vec![0, 0, 0, 49, 23];
    reject.extend([9; 48]);
    assert_eq!(messages(&table.hear(peer, &ask)), [reject]);
}

#[test]
fn bad_input_20_the_latest_id_wins_and_nothing_is_sent_to_id_0() {
    let mut table = fetching();
    let peer = join(&mut table);
    let off = table.hear(peer, &extended(0, b"d1:md11:ut_metadatai0ee13:metadata_sizei20000ee"));
    assert!(extensions(&off).is_empty(), "0 is no id");
    let same = table.hear(peer, &extended(0, b"d1:md11:ut_metadatai9e6:ut_pexi9eee"));
    let [first, second] = [0, 1].map(|piece| Metadata::Request { piece }.encode());
    assert_eq!(extensions(&same), [(9, first.clone()), (9, second)], "two names may share an id");
    table.hear(peer, &extended(0, b"d1:md11:ut_metadatai7eee"));
    // The first block is refused: the next request, a minute later, goes to the new id.
    table.hear(peer, &extended(2, b"d8:msg_typei2e5:piecei0ee"));
    table.hear(peer, &extended(2, b"d8:msg_typei2e5:piecei1ee"));
    let mut again = Vec::new();
    for _ in 0..70 {
        table.now = table.now + core::time::Duration::from_secs(1);
        table.hear(peer, &[0; 4]);
        crate::Machine::handle_timeout(&mut table.swarm, table.now, &mut table.out).expect("infallible");
        again.extend(table.tell(Input::Sent { peer, bytes: 0 }));
        for action in table.out.drain() {
            if let Action::Send { data, .. } = action {
                again.push(data.to_vec());
            }
        }
    }
    assert!(extensions(&again).contains(&(7, first)), "{again:?}");
    assert!(extensions(&again).iter().all(|(id, _)| *id == 7));
}

#[test]
fn bad_input_20_an_extended_handshake_of_nonsense_changes_nothing() {
    let mut table = Table::new(false);
    let peer = join(&mut table);
    let depth = |table: &Table| table.swarm.picker.peer_stats(peer).map(|stats| stats.depth);
    let before = depth(&table);
    assert!(before > Some(1));
    for payload in [
        &b"le"[..],
        b"",
        b"d1:mi5ee",
        b"d4:reqqi0ee",
        b"d4:reqqi-1ee",
        b"d4:reqqi9223372036854775807ee",
        b"d6:yourip3:abce",
        b"d13:metadata_sizei-1ee",
        b"d1:pi70000ee",
    ] {
        table.hear(peer, &extended(0, payload));
        assert_eq!(depth(&table), before, "requests that may stand at it");
    }
    assert!(table.closed.is_empty());
    assert!(table.swarm.is_open());
}

#[test]
fn bad_input_21_an_oversized_block_of_metadata_closes() {
    let mut table = fetching();
    let peer = join(&mut table);
    table.hear(peer, &extended(2, &vec![b'x'; 17 * 1024 + 1]));
    assert_eq!(table.closed, [PeerEnd::BadExtension]);
}

#[test]
fn what_was_said_before_the_pieces_were_known_counts_once_they_are() {
    let mut table = fetching();
    let peer = join(&mut table);
    for message in
        [HAVE_NONE, UNCHOKE, INTERESTED, &[0, 0, 0, 5, 4, 0, 0, 0, 5], &[0, 0, 0, 5, 4, 0, 0, 0, 6]]
    {
        table.hear(peer, message);
    }
    let info = crate::metainfo::Info {
        info_hash: InfoHash([7; 20]),
        ..subject::torrent_of(&table.content, subject::PIECE)
    };
    let content = crate::swarm::Content {
        info,
        verdict: crate::storage::Verdict { trusted: none(), check: none() },
        plan: crate::swarm::Plan::default(),
        paused: false,
    };
    table.tell(Input::Resolve(alloc::boxed::Box::new(content)));
    let mut asked = table.asked.clone();
    asked.sort_unstable();
    assert_eq!(asked, [5, 6], "what it has, at once: it unchoked us long ago");
}

#[test]
fn a_peer_that_loses_a_piece_is_not_asked_for_it() {
    let mut table = Table::new(false);
    let peer = join(&mut table);
    table.hear(peer, &[0, 0, 0, 2, 5, 0xc0]);
    table.hear(peer, &extended(7, &[0, 0, 0, 1]));
    table.hear(peer, UNCHOKE);
    assert_eq!(table.asked, [0]);
}

#[test]
fn two_that_want_nothing_part() {
    let mut table = Table::new(true);
    let peer = join(&mut table);
    table.hear(peer, &[0, 0, 0, 2, 5, 0x80]);
    table.hear(peer, &extended(3, &[1]));
    assert_eq!(table.closed, [PeerEnd::BothSeeds], "a partial seed wants nothing of a seed (BEP 21)");
}

#[test]
fn nobody_is_asked_for_the_metadata_of_a_private_torrent() {
    let mut table = Table::new(true);
    let (mut setup, _) = super::setup_of(true);
    if let Torrent::Content(content) = &mut setup.torrent {
        content.info.private = true;
    }
    table.swarm = Swarm::new(setup, [1; 32]);
    table.tell(Input::Start);
    let peer = join(&mut table);
    let said = table.hear(peer, &extended(0, b"d1:md11:ut_metadatai9ee13:metadata_sizei100ee"));
    let told: Vec<u8> = extensions(&said).into_iter().map(|(id, _)| id).collect();
    assert!(told.is_empty(), "it is known, and not shown to anybody: {told:?}");
}

#[test]
fn who_asks_for_the_peers_or_the_metadata_of_a_private_torrent_gets_nothing() {
    for private in [false, true] {
        let mut table = Table::new(true);
        let (mut setup, _) = super::setup_of(true);
        if let Torrent::Content(content) = &mut setup.torrent {
            content.info.private = private;
        }
        table.swarm = Swarm::new(setup, [1; 32]);
        table.tell(Input::Start);
        let first = join(&mut table);
        table.hear(first, &extended(0, b"d1:pi6881ee"));
        let curious = join_as(&mut table, 2);
        let mut said = table.hear(curious, &extended(0, b"d1:md11:ut_metadatai9e6:ut_pexi8eee"));
        table.sent(curious);
        said.extend(table.hear(curious, &extended(2, &Metadata::Request { piece: 0 }.encode())));
        let told: Vec<u8> = extensions(&said).into_iter().map(|(id, _)| id).collect();
        // BEP 27. In the open it is told of the first peer; this torrent has no metadata to give: a reject.
        assert_eq!(told, if private { Vec::new() } else { vec![8, 9] });
    }
}
