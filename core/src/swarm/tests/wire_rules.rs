//! What the rules of the peer wire ask of a swarm: an answer to each request and none besides, and patience
//! with what honest peers do.

use super::{
    CHOKE, HAVE_ALL, INTERESTED, Table, UNCHOKE,
    extensions::{extended, extensions, fetching, join},
    rejected, request, setup_of,
};
use crate::{
    bitfield::Bitfield,
    ic::PlayerSecret,
    id::{BLOCK_LENGTH, InfoHash, PeerKey},
    metainfo::Info,
    picker::PipelineLimits,
    storage::{Completion, Verdict},
    swarm::{
        Community, Content, Input, PeerEnd, Plan, Setup, Torrent,
        subject::{PIECE, PIECES, torrent_of},
    },
    wire::{
        Error, PeerMisbehaved,
        extension::{Holepunch, HolepunchError, PEX_MAX, Pex, PexFlags, PexPeer},
    },
};
use alloc::{boxed::Box, collections::BTreeSet, vec, vec::Vec};
use bytes::Bytes;
use core::net::SocketAddr;

/// So many strays are forgiven.
const STRIKES: usize = 16;

/// A seed that reads nothing, so that requests stay in the queue, and a peer that it serves.
fn slow_seed(fast: bool) -> (Table, PeerKey) {
    let mut table = Table::new(true);
    table.swarm.config.upload_memory = 0;
    let peer = table.join(1, fast);
    table.hear(peer, INTERESTED);
    table.sent(peer);
    (table, peer)
}

fn reject(piece: u32) -> Vec<u8> {
    request(16, piece, 0, BLOCK_LENGTH)
}

#[test]
fn a_choke_comes_first_and_then_a_reject_for_each_request_that_stood() {
    for (fast, expected) in [(true, &[CHOKE, &reject(3), &reject(1)][..]), (false, &[CHOKE])] {
        let (mut table, peer) = slow_seed(fast);
        for piece in [3, 1] {
            let said = table.hear(peer, &request(6, piece, 0, BLOCK_LENGTH));
            assert_eq!(rejected(&said), 0, "it waits");
        }
        table.swarm.set_choked(table.now, peer, true, &mut table.out);
        assert_eq!(table.carry(), expected, "BEP 6: {fast}");
    }
}

#[test]
fn a_request_that_is_said_twice_gets_one_block_and_one_reject() {
    for (fast, rejects) in [(true, vec![reject(2)]), (false, vec![])] {
        let (mut table, peer) = slow_seed(fast);
        let ask = request(6, 2, 0, BLOCK_LENGTH);
        assert_eq!(rejected(&table.hear(peer, &ask)), 0, "it waits");
        assert_eq!(table.hear(peer, &ask), rejects, "BEP 6: {fast}");
        table.swarm.config.upload_memory = 1 << 20;
        table.tell(Input::Allowance { download: None, upload: None });
        let [token] = table.reads[..] else { panic!("{:?}", table.reads) };
        let data = Bytes::from(vec![9; BLOCK_LENGTH as usize]);
        let said = table.tell(Input::Storage(Completion::Read { token, result: Ok(data) }));
        assert_eq!(said.iter().filter(|message| message.get(4) == Some(&7)).count(), 1);
    }
}

#[test]
fn requests_before_the_pieces_are_known_are_rejected() {
    let mut table = fetching();
    let (fast, other) = (table.join(1, true), table.join(2, false));
    let ask = request(6, 0, 0, BLOCK_LENGTH);
    assert_eq!(table.hear(fast, &ask), [reject(0)], "nothing is known yet");
    assert!(table.hear(other, &ask).is_empty());
    let verdict = Verdict { trusted: Bitfield::new(PIECES), check: Bitfield::full(PIECES) };
    let info = Info { info_hash: InfoHash([7; 20]), ..torrent_of(&table.content, PIECE) };
    let content = Content { info, verdict, plan: Plan::default(), paused: false };
    table.tell(Input::Resolve(Box::new(content)));
    assert_eq!(table.hear(fast, &ask), [reject(0)], "what is on disk is being checked");
    assert!(table.hear(other, &ask).is_empty());
    assert!(table.closed.is_empty());
}

/// A leecher, and a peer that has sent as many rejects of nothing as are forgiven.
fn forgiven() -> (Table, PeerKey) {
    let (mut setup, content) = setup_of(false);
    setup.config.pipeline = PipelineLimits { start: 100, ..PipelineLimits::default() };
    let mut table = Table::of(setup, content);
    let peer = table.join(1, true);
    table.hear(peer, HAVE_ALL);
    for _ in 0..STRIKES {
        table.hear(peer, &reject(0));
    }
    assert!(table.closed.is_empty());
    (table, peer)
}

#[test]
fn a_storm_of_rejects_that_answer_nothing_closes() {
    let (mut table, peer) = forgiven();
    table.hear(peer, &reject(0));
    assert_eq!(table.closed, [PeerEnd::Unsolicited]);
}

#[test]
fn a_reject_that_crosses_our_cancel_is_no_stray_however_late_it_comes() {
    let (mut table, peer) = forgiven();
    table.hear(peer, UNCHOKE);
    let asked: Vec<(u32, u32)> = table.requests.drain(..).map(|(_, place)| place).collect();
    assert_eq!(asked.len() as u32, 2 * PIECES);
    table.sent(peer);
    let cancelled = table.pass(70).iter().filter(|message| message.get(4) == Some(&8)).count();
    assert_eq!(cancelled, asked.len(), "they timed out");
    let (first, others) = asked.split_first().expect("not empty");
    let block = table.block(*first);
    table.hear(peer, &block);
    for (at, (piece, begin)) in others.iter().enumerate() {
        table.hear(peer, &request(16, *piece, *begin, BLOCK_LENGTH));
        if at == 3 {
            table.sent(peer);
            table.pass(70);
        }
    }
    assert!(table.closed.is_empty());
    for (_, (piece, begin)) in core::mem::take(&mut table.requests) {
        table.hear(peer, &request(16, piece, begin, BLOCK_LENGTH));
    }
    assert!(table.closed.is_empty(), "what it was asked for since");
    table.requests.clear();
    table.hear(peer, &reject(0));
    assert_eq!(table.closed, [PeerEnd::Unsolicited], "all is answered");
}

#[test]
fn bad_input_15_sixteen_blocks_that_nobody_asked_for_are_forgiven_without_bep_6() {
    let mut table = Table::new(false);
    let peer = table.join(1, false);
    table.hear(peer, &[0, 0, 0, 2, 5, 0xff]);
    let block = table.block((3, BLOCK_LENGTH));
    for _ in 0..STRIKES {
        table.hear(peer, &block);
    }
    assert!(table.closed.is_empty());
    table.hear(peer, &block);
    assert_eq!(table.closed, [PeerEnd::Unsolicited]);
    assert!(table.writes.is_empty());
}

#[test]
fn bad_input_12_a_magnet_takes_bitfields_as_long_as_is_configured() {
    const LENGTH: u32 = 10_000_000 / 8;
    let mut bitfield = [&(LENGTH + 1).to_be_bytes()[..], &[5]].concat();
    bitfield.resize(5 + LENGTH as usize, 0xff);
    let too_long = PeerEnd::Wire(Error::Peer(PeerMisbehaved::TooLong { length: LENGTH + 1 }));
    for (early_bitfield_max, closed) in [(LENGTH, vec![]), (LENGTH - 1, vec![too_long])] {
        let (mut setup, content) = setup_of(false);
        setup.config.early_bitfield_max = early_bitfield_max;
        let setup = Setup { torrent: Torrent::Magnet(InfoHash([7; 20])), ..setup };
        let mut table = Table::of(setup, content);
        let peer = table.join(1, true);
        table.hear(peer, &bitfield);
        assert_eq!(table.closed, closed, "{early_bitfield_max}");
        assert_eq!(table.swarm.memory().connections > LENGTH as usize, closed.is_empty(), "it is kept");
    }
}

#[test]
fn bad_input_22_malformed_peer_exchange_is_ignored_and_oversized_closes() {
    let mut table = Table::new(false);
    let peer = join(&mut table);
    for malformed in [&b""[..], b"le", b"i5e", b"d5:added", b"d5:added3:abcee", &[0xff; 100]] {
        table.hear(peer, &extended(1, malformed));
    }
    assert!(table.closed.is_empty());
    let addr = SocketAddr::from(([9, 9, 9, 9], 6881));
    let told = Pex { added: vec![PexPeer { addr, flags: PexFlags(0) }], dropped: vec![] };
    table.hear(peer, &extended(1, &told.encode()));
    assert_eq!(table.found, [addr], "nothing was heard before");
    table.hear(peer, &extended(1, &vec![b'x'; PEX_MAX]));
    assert!(table.closed.is_empty());
    table.hear(peer, &extended(1, &vec![b'x'; PEX_MAX + 1]));
    assert_eq!(table.closed, [PeerEnd::BadExtension]);
}

#[test]
fn nobody_meets_us_through_us() {
    let mut table = Table::new(true);
    let peer = join(&mut table);
    table.hear(peer, &extended(0, b"d1:md12:ut_holepunchi22eee"));
    let ours = SocketAddr::from(([192, 0, 2, 200], 6881));
    table.tell(Input::Ours(ours));
    table.sent(peer);
    let said = table.hear(peer, &extended(4, &Holepunch::Rendezvous(ours).encode()));
    let refused = Holepunch::Failed(ours, HolepunchError::NoSelf);
    assert_eq!(extensions(&said), [(22, refused.encode())]);
    table.hear(peer, &extended(4, &Holepunch::Connect(ours).encode()));
    assert!(table.found.is_empty(), "nor do we dial ourselves");
}

#[test]
fn who_plays_here_is_said_once() {
    let (mut setup, content) = setup_of(false);
    let player = PlayerSecret::from([1; 32]);
    setup.config.community = Some(Community { id: [7; 32], player, members: BTreeSet::new() });
    let mut table = Table::of(setup, content);
    let peer = join(&mut table);
    let said = table.hear(peer, &extended(0, b"d10:ic_versioni2e1:md7:ic_authi20eee"));
    assert!(matches!(&extensions(&said)[..], [(20, _)]), "{said:?}");
    table.sent(peer);
    for ids in [&b"d1:md7:ic_authi0eee"[..], b"d1:md7:ic_authi21eee"] {
        assert!(extensions(&table.hear(peer, &extended(0, ids))).is_empty());
    }
}

#[test]
fn a_later_handshake_overrules_what_was_said_of_upload_only_only_if_it_speaks_of_it() {
    let mut table = Table::new(false);
    let peer = join(&mut table);
    for (message, expected) in [
        (extended(0, b"d11:upload_onlyi1ee"), true),
        (extended(0, b"d4:reqqi9ee"), true),
        (extended(3, &[0]), false),
        (extended(0, b"d4:reqqi8ee"), false),
        (extended(0, b"d11:upload_onlyi1ee"), true),
        (extended(0, b"d11:upload_onlyi0ee"), false),
    ] {
        table.hear(peer, &message);
        let upload_only = table.swarm.peers.get(peer).map(|peer| peer.upload_only);
        assert_eq!(upload_only, Some(expected), "after {message:?}");
    }
}
