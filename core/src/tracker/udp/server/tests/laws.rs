//! The tracker as a machine.

use super::{
    super::{Action, Input, Tracker, TrackerConfig, subject::AnyTracker},
    *,
};
use crate::{
    machine::Machine,
    outbox::Outbox,
    testing::{Dice, check_laws},
};

#[test]
fn a_tracker_keeps_the_laws() {
    for seed in 0..32 {
        check_laws(AnyTracker::default(), Dice::seeded(seed), 200);
    }
}

fn tell(tracker: &mut Tracker, out: &mut Outbox<Action>, now: Instant, packet: Vec<u8>) -> Vec<u8> {
    tracker.handle_input(now, Input::Datagram { from: client(1), data: packet.into() }, out).unwrap();
    let Some(Action::SendTo { to, data }) = out.drain().next() else { panic!("an answer") };
    assert_eq!(to, client(1));
    data.to_vec()
}

#[test]
fn peers_that_go_silent_are_forgotten_though_nobody_asks_any_more() {
    let (mut tracker, mut out) = (Tracker::new(TrackerConfig::default(), [1; 32]), Outbox::new());
    assert_eq!(tracker.poll_timeout(), None);
    let connect = encoded(&Request::Connect { transaction: TRANSACTION });
    let reply = tell(&mut tracker, &mut out, Instant::ZERO, connect);
    let Response::Connect(connection) = read(&reply, client(1), false) else { panic!() };
    let announce = leecher(PUBLIC);
    let request = Request::Announce { connection, transaction: TRANSACTION, announce, options: &[] };
    tell(&mut tracker, &mut out, Instant::ZERO, encoded(&request));
    assert_eq!((tracker.store().peers(), tracker.counters().announces), (1, 1));

    let mut sweeps = 0;
    while let Some(deadline) = tracker.poll_timeout() {
        tracker.handle_timeout(deadline.at, &mut out).unwrap();
        sweeps += 1;
    }
    assert_eq!((tracker.store().swarms(), tracker.store().peers()), (0, 0));
    assert!((30..100).contains(&sweeps), "{sweeps}: an hour, about");
}
