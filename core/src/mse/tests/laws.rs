//! Both roles through the law harness, against a real peer whose bytes come late, cut, spoilt or not at all.

use super::super::subject::AnyHandshake;
use crate::testing::{Dice, check_chunking, check_laws};

const LIVES: u64 = 300;
const STEPS: usize = 60;

#[test]
fn handshakes_keep_the_laws() {
    for seed in 0..LIVES {
        check_laws(AnyHandshake::default(), Dice::seeded(seed), STEPS);
    }
}

#[test]
fn handshakes_do_not_care_how_the_stream_was_cut() {
    for seed in 0..LIVES {
        check_chunking(AnyHandshake::default(), Dice::seeded(seed), STEPS);
    }
}
