//! Partial seeds (BEP 21).

use super::*;

#[test]
fn a_partial_seed_says_so_until_it_wants_more() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    assert_eq!(world.input(Input::Finished), []);
    world.answer("udp://a");
    for _ in 0..2 {
        assert_eq!(world.pass(30 * MINUTE), ["udp://a paused"], "in its turn, every time");
        world.answer("udp://a");
    }
    world.input(Input::Unfinished);
    assert_eq!(world.pass(30 * MINUTE), ["udp://a"]);
    world.answer("udp://a");
    world.input(Input::Finished);
    assert_eq!(asks(&world.input(Input::Stop)), ["udp://a stopped"]);
}

#[test]
fn a_partial_seed_that_gets_the_rest_is_complete() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    world.answer("udp://a");
    world.input(Input::Finished);
    assert_eq!(asks(&world.input(Input::Completed)), ["udp://a completed"]);
    world.answer("udp://a");
    assert_eq!(world.pass(30 * MINUTE), ["udp://a"]);

    let mut seed = World::new(&["udp://a"]);
    seed.input(Input::Start { complete: true });
    seed.input(Input::Finished);
    seed.answer("udp://a");
    assert_eq!(seed.pass(30 * MINUTE), ["udp://a"]);
}

#[test]
fn a_tracker_that_refuses_partial_seeds_hears_no_more_of_it() {
    let mut world = World::new(&["http://a"]);
    world.start();
    world.input(Input::Finished);
    world.answer("http://a");
    for failure in [Failure::TimedOut, refused(Retry::Unsaid)] {
        assert_eq!(world.pass(30 * MINUTE), ["http://a paused"]);
        world.fail_with("http://a", failure);
    }
    assert_eq!(world.pass(MINUTE), ["http://a"]);
    world.answer("http://a");
    assert_eq!(world.pass(30 * MINUTE), ["http://a"]);
}

#[test]
fn a_new_start_knows_nothing_of_what_was() {
    let mut world = World::new(&["udp://a"]);
    world.start();
    world.answer("udp://a");
    world.input(Input::PeersLow);
    world.input(Input::Finished);
    world.input(Input::Stop);
    world.pass(MINUTE);
    world.start();
    world.answer("udp://a");
    assert_eq!(world.wait(), 30 * MINUTE);
    assert_eq!(world.pass(30 * MINUTE), ["udp://a"]);
}
