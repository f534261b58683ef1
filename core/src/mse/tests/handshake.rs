use super::*;
use crate::{Deadline, mse::Req2Hash};
use proptest::prelude::*;

#[test]
fn initiator_speaks_in_its_first_call_and_only_once() {
    let mut world = World::initiator(Config::default(), 1);
    assert_eq!(world.handshake.poll_timeout(), Some(Deadline { at: Instant::ZERO, why: "start" }));
    world.start();
    let hello = world.sent();
    assert!((96..=96 + PAD_MAX).contains(&hello.len()));
    world.start();
    assert_eq!(world.sent(), b"");
    let deadline = Deadline { at: Instant::ZERO + TIMEOUT, why: "handshake" };
    assert_eq!(world.handshake.poll_timeout(), Some(deadline));
    let mut other = World::initiator(Config::default(), 1);
    other.receive([1]).expect("alive");
    assert_eq!(other.sent(), hello);
}

#[test]
fn padding_is_of_any_length_up_to_512() {
    let lengths = |seed: u8| {
        let (mut initiator, mut responder) =
            (World::initiator(Config::default(), seed), World::responder(Config::default(), !seed));
        initiator.start();
        let first = initiator.sent();
        responder.receive(&first).expect("alive");
        [first.len() - 96, responder.sent().len() - 96]
    };
    let mut all: Vec<usize> = (0..128).flat_map(lengths).collect();
    all.sort_unstable();
    assert!(all[0] < 16 && all[all.len() - 1] > 496 && all[all.len() - 1] <= PAD_MAX, "{all:?}");
    assert!((206..306).contains(&all[all.len() / 2]), "the median is {}", all[all.len() / 2]);
}

#[test]
fn what_has_no_room_in_the_offer_follows_the_answer() {
    for (max_ia_sent, with_offer) in [(0, 0), (20, 20), (68, 68)] {
        for level in [Level::Plaintext, Level::Rc4] {
            let config = Config { max_ia_sent, level, ..Config::default() };
            let (mut initiator, mut responder) = (World::initiator(config, 3), World::responder(config, 4));
            assert_eq!(converse(&mut initiator, &mut responder, &[usize::MAX]), Ok(()));
            let (_, _, ia, rest) = responder.established();
            assert_eq!((&ia[..], &rest[..]), HELLO.split_at(with_offer));
        }
    }
}

#[test]
fn unknown_and_repeated_answers_are_ignored() {
    let mut world = World::responder(Config::default(), 1);
    for input in [Input::Unknown, Input::Identified { info_hash: TORRENT }] {
        assert_eq!(world.input(input.clone()), Ok(()));
        assert_eq!(World::initiator(Config::default(), 1).input(input), Ok(()));
    }
    let mut initiator = World::initiator(Config::default(), 2);
    assert_eq!(converse(&mut initiator, &mut world, &[usize::MAX]), Ok(()));
    assert_eq!(world.input(Input::Unknown), Ok(()));
    assert_eq!(world.handshake.poll_timeout(), None);
}

#[test]
fn a_hash_that_nobody_has_closes_without_a_word() {
    let mut responder = World::responder(Config::default(), 1);
    responder.skeys = Skeys::default();
    let mut initiator = World::initiator(Config::default(), 2);
    let error = Error::Incompatible(PeerIncompatible::UnknownSkey);
    assert_eq!(converse(&mut initiator, &mut responder, &[usize::MAX]), Err(("responder", error)));
    assert_eq!(responder.sent(), b"");
    assert_eq!(responder.handshake.memory(), 0);
    assert_eq!(initiator.handshake.stage(), Some(Stage::Offered));
}

#[test]
fn an_answer_in_plain_bittorrent_is_recognised_at_byte_20() {
    let mut world = World::initiator(Config::default(), 1);
    let error = Error::Incompatible(PeerIncompatible::PlainAnswer);
    assert_eq!(world.receive_cut(HELLO, 1), Err((20, error)));
    assert_eq!(world.handshake.stage(), Some(Stage::Keys));
}

#[test]
fn encryption_is_refused_at_the_first_byte_where_it_is_disabled() {
    let config = Config { incoming: Policy::Disabled, ..Config::default() };
    let error = Error::Incompatible(PeerIncompatible::EncryptionRefused);
    for wrong in 0..20 {
        let mut hello = *HELLO;
        hello[wrong] ^= 1;
        assert_eq!(World::responder(config, 1).receive_cut(&hello, 1), Err((wrong + 1, error)));
    }
    let mut world = World::responder(config, 1);
    assert_eq!(world.receive_cut(HELLO, 1), Ok(()));
    assert!(matches!(world.end, Some(Action::PlainDetected { .. })));
}

#[test]
fn what_comes_behind_the_handshake_shares_the_buffer_it_came_in() {
    let (mut initiator, mut responder) =
        (World::initiator(Config::default(), 1), World::responder(Config::default(), 2));
    initiator.start();
    responder.receive(initiator.sent()).expect("alive");
    initiator.receive(responder.sent()).expect("alive");
    let mut read = BytesMut::from(&initiator.sent()[..]);
    let offer = read.len();
    read.extend_from_slice(b"payload");
    let start = read.as_ptr();
    responder.input(Input::Received(read)).expect("alive");
    let (_, _, _, rest) = responder.established();
    assert_eq!((rest.as_ptr(), rest.len()), (start.wrapping_add(offer), 7));
}

#[test]
fn plain_peers_are_handed_on_in_the_buffer_they_came_in() {
    let read = BytesMut::from(&HELLO[..]);
    let start = read.as_ptr();
    let mut world = World::responder(Config::default(), 1);
    world.input(Input::Received(read)).expect("alive");
    let Some(Action::PlainDetected { bytes }) = world.end else { panic!("it is plain") };
    assert_eq!((bytes.as_ptr(), bytes.len()), (start, HELLO.len()));
}

#[test]
fn ciphers_encrypt_in_place_what_nobody_else_holds() {
    let ciphers = || {
        let (mut initiator, mut responder) =
            (World::initiator(Config::default(), 1), World::responder(Config::default(), 2));
        assert_eq!(converse(&mut initiator, &mut responder, &[usize::MAX]), Ok(()));
        (initiator.established().0, responder.established().0)
    };
    let (mut alice, mut bob) = ciphers();
    let alone = Bytes::from(vec![7; 1000]);
    let start = alone.as_ptr();
    let wire = alice.encrypt(alone);
    assert_eq!(wire.as_ptr(), start);

    let held = Bytes::from(vec![8; 1000]);
    let more = alice.encrypt(held.clone());
    assert_eq!(held, vec![8; 1000], "what others hold stays as it is");

    let mut read = BytesMut::from(&[wire, more].concat()[..]);
    bob.decrypt(&mut read);
    assert_eq!(read, [vec![7; 1000], vec![8; 1000]].concat());

    let clear = Bytes::from_static(b"as it is");
    assert_eq!(Ciphers::Plain.encrypt(clear.clone()).as_ptr(), clear.as_ptr());
}

#[test]
fn skeys_find_what_was_added_and_not_removed() {
    let mut skeys = Skeys::default();
    let torrent = |number: u8| InfoHash([number; 20]);
    (0..100).for_each(|number| skeys.add(torrent(number)));
    (0..100).step_by(2).for_each(|number| assert!(skeys.remove(&torrent(number))));
    for number in 0..100 {
        let expected = (number % 2 == 1).then(|| torrent(number));
        assert_eq!(skeys.find(&Req2Hash::of(&torrent(number))), expected);
    }
    assert!(!skeys.remove(&torrent(0)));
}

#[test]
fn bad_input_42_time_that_jumps_a_year_or_runs_backwards_does_no_harm() {
    let mut world = World::initiator(Config::default(), 1);
    world.now = Instant::ZERO + Duration::from_secs(29);
    world.start();
    world.now = Instant::ZERO;
    world.receive([1; 50]).expect("it is still 29 s");
    world.now = Instant::ZERO + Duration::from_secs(365 * 24 * 3600);
    assert_eq!(world.receive([1]), Err(Error::Peer(PeerMisbehaved::TooSlow)));
    world.now = Instant::ZERO;
    assert_eq!(world.receive([1]), Err(Error::Peer(PeerMisbehaved::TooSlow)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn two_sides_agree_and_lose_no_byte_however_their_streams_are_cut(
        seeds: (u8, u8),
        levels in (0_usize..3, 0_usize..3),
        prefer_rc4: bool,
        max_ia_sent in 0_u16..80,
        sizes in proptest::collection::vec(1_usize..400, 1..12),
        talk in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let level = |index: usize| [Level::Plaintext, Level::Rc4, Level::Both][index];
        let prefer = if prefer_rc4 { Method::Rc4 } else { Method::Plaintext };
        let config = Config { max_ia_sent, prefer, ..Config::default() };
        let mut initiator = World::initiator(Config { level: level(levels.0), ..config }, seeds.0);
        let mut responder = World::responder(Config { level: level(levels.1), ..config }, seeds.1);
        let result = converse(&mut initiator, &mut responder, &sizes);
        if level(levels.0).bits() & level(levels.1).bits() == 0 {
            let provide = level(levels.0).bits();
            let error = Error::Incompatible(PeerIncompatible::NoCommonCrypto { provide });
            prop_assert_eq!(result, Err(("responder", error)));
        } else {
            prop_assert_eq!(result, Ok(()));
            let (mut alice, _, _, from_bob) = initiator.established();
            let (mut bob, info_hash, mut heard, rest) = responder.established();
            heard.extend_from_slice(&rest);
            prop_assert_eq!((heard, from_bob.len(), info_hash), (BytesMut::from(&HELLO[..]), 0, TORRENT));
            for swap in [false, true] {
                let ciphers = if swap { (&mut bob, &mut alice) } else { (&mut alice, &mut bob) };
                for part in talk.chunks(sizes[0]) {
                    let mut read = BytesMut::from(ciphers.0.encrypt(Bytes::copy_from_slice(part)));
                    ciphers.1.decrypt(&mut read);
                    prop_assert_eq!(read, part);
                }
            }
        }
    }
}
