//! The law harness over an engine.

use super::super::subject::AnyEngine;
use crate::testing::{Dice, check_laws};

#[test]
fn the_laws_hold_whatever_strangers_and_drivers_do() {
    for seed in 0..40 {
        check_laws(AnyEngine::default(), Dice::seeded(seed), 200);
    }
}
