//! A relay, asked for what it must not do.

use crate::{Reached, life};
use convoy_core::holepunch::{Action, subject::AnyHolepunch};

pub fn run(bytes: &[u8]) -> Reached {
    life::live(AnyHolepunch::default(), bytes, |action, reached| {
        if let Action::Error { why, .. } = action {
            reached.add_variant(why);
        }
    })
}
