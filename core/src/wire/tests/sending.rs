//! What goes out: the window and the queue behind it (law 10).

use super::*;
use crate::wire::{IDLE, PeerMisbehaved, SEND_WINDOW_MIN};
use proptest::prelude::*;

#[test]
fn a_block_goes_out_as_a_head_and_the_very_bytes() {
    let data = Bytes::from(vec![7; 16_384]);
    let message = Message::Piece { piece: PieceIndex(1), begin: 0, data: data.clone() };
    let actions = World::new(config()).input(Input::Send(message)).expect("alive");
    let [Action::Send(head), Action::Send(payload)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((head.len(), payload.as_ptr()), (13, data.as_ptr()));
}

#[test]
fn what_does_not_fit_the_window_waits_in_order() {
    let mut world = World::new(Config { send_window: 64, ..config() });
    let first = world.input(Input::Send(piece(0, &[1; 40]))).expect("alive");
    assert_eq!((sent(&first).len(), world.connection.credit(), world.connection.in_flight()), (53, 11, 53));
    assert_eq!(world.input(Input::Send(piece(1, &[2; 10]))), Ok(vec![]));
    assert_eq!(world.input(Input::Send(Message::Choke)), Ok(vec![]), "order is kept");
    assert_eq!(world.connection.credit(), 0);
    assert_eq!(world.input(Input::Sent(1)), Ok(vec![]));
    let then = world.input(Input::Sent(52)).expect("alive");
    assert_eq!(sent(&then), wire([piece(1, &[2; 10]), Message::Choke]));
    assert_eq!(world.connection.in_flight(), 28);
}

#[test]
fn a_message_longer_than_the_window_goes_in_parts() {
    let mut world = World::new(Config { geometry: None, send_window: 100, ..config() });
    let message = bitfield(&[0xff; 1000]);
    let mut actions = world.input(Input::Send(message.clone())).expect("alive");
    world.input(Input::Send(Message::Unchoke)).expect("alive");
    let mut stream = Vec::new();
    while !actions.is_empty() {
        let part = sent(&actions);
        assert!(world.connection.in_flight() <= 100);
        stream.extend_from_slice(&part);
        actions = world.input(Input::Sent(part.len())).expect("alive");
    }
    assert_eq!(stream, wire([message, Message::Unchoke]));
    assert_eq!(world.connection.credit(), 100);
}

#[test]
fn a_peer_that_does_not_read_is_given_up() {
    let mut world = World::new(Config { send_window: 64, send_queue: 480, ..config() });
    world.input(Input::Send(piece(0, &[1; 51]))).expect("alive");
    for _ in 0..10 {
        assert_eq!(world.input(Input::Send(Message::Choke)), Ok(vec![]));
    }
    let error = Err(Error::Peer(PeerMisbehaved::NotReading));
    assert_eq!(world.input(Input::Send(Message::Choke)), error);
    assert_eq!((world.connection.memory(), world.connection.credit()), (0, 0));
    assert_eq!(world.input(Input::Sent(64)), error);
}

#[test]
fn bad_input_24_a_peer_that_takes_nothing_for_150_s_is_given_up_though_it_talks() {
    let mut world = World::new(config());
    let talk = |world: &mut World, after| {
        world.timeout(after).and_then(|_| world.receive(wire([Message::Interested])))
    };
    talk(&mut world, IDLE - SECOND).expect("nothing is on its way to it");
    world.input(Input::Send(piece(0, &[1; 16 * 1024]))).expect("alive");
    talk(&mut world, IDLE - SECOND).expect("it has a second left");
    world.input(Input::Sent(1)).expect("alive");
    talk(&mut world, IDLE - SECOND).expect("it took something");
    // What comes behind it is no news.
    world.input(Input::Send(piece(1, &[1]))).expect("alive");
    assert_eq!(talk(&mut world, SECOND), Err(Error::Peer(PeerMisbehaved::NotReading)));
}

#[test]
fn what_the_peer_would_not_understand_is_not_sent() {
    let mut world = World::new(Config { fast: false, extended: false, ..config() });
    let extended = Message::Extended { id: 1, payload: Bytes::new() };
    for message in [Message::HaveAll, extended, Message::Unknown { id: 99 }] {
        assert_eq!(world.input(Input::Send(message)), Ok(vec![]));
    }
    assert_eq!(world.counters().misuse, 3);
}

#[test]
fn more_bytes_sent_than_there_were_do_not_widen_the_window() {
    let mut world = World::new(Config { send_window: 0, ..config() });
    world.input(Input::Sent(usize::MAX)).expect("alive");
    assert_eq!((world.connection.credit(), world.counters().misuse), (SEND_WINDOW_MIN, 1));
}

#[test]
fn no_keep_alive_joins_what_the_peer_does_not_read() {
    let mut world = World::new(config());
    world.input(Input::Send(Message::Choke)).expect("alive");
    assert_eq!(world.timeout(SECOND * 110), Ok(vec![]));
    world.input(Input::Sent(5)).expect("alive");
    world.receive(wire([Message::Choke])).expect("alive");
    assert_eq!(world.timeout(SECOND * 110).map(|actions| actions.len()), Ok(1));
}

proptest! {
    #[test]
    fn the_window_holds_and_every_byte_goes_out_in_order(
        steps in proptest::collection::vec((1_usize..400, any::<bool>()), 1..60),
        window in 64_usize..500,
    ) {
        let mut world = World::new(Config { send_window: window, send_queue: usize::MAX, ..config() });
        let (mut said, mut stream) = (Vec::new(), Vec::new());
        for (index, (size, reports)) in steps.into_iter().enumerate() {
            let input = if reports {
                Input::Sent(size.min(world.connection.in_flight()))
            } else {
                said.push(piece(index as u32, &vec![index as u8; size]));
                Input::Send(said[said.len() - 1].clone())
            };
            let credit = world.connection.credit();
            let fits = matches!(&input, Input::Send(message) if message.wire_length() <= credit);
            let length = if fits { said[said.len() - 1].wire_length() } else { 0 };
            let out = sent(&world.input(input).expect("alive"));
            prop_assert!(!fits || out.len() == length, "what fits the credit goes at once");
            stream.extend(out);
            prop_assert!(world.connection.in_flight() <= window);
        }
        while world.connection.in_flight() > 0 {
            let all = world.connection.in_flight();
            stream.extend(sent(&world.input(Input::Sent(all)).expect("alive")));
        }
        prop_assert_eq!(stream, wire(said));
        prop_assert_eq!(world.connection.credit(), window);
    }
}
