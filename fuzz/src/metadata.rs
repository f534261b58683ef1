//! The exchange of an info dictionary, with peers that lie, refuse and are silent.

use crate::{Reached, life};
use convoy_core::metadata::{Action, subject::AnyExchange};

pub fn run(bytes: &[u8]) -> Reached {
    life::live(AnyExchange::default(), bytes, |action, reached| {
        if let Action::Blame { why, .. } = action {
            reached.add_variant(why);
        }
    })
}
