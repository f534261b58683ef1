//! The picker and a swarm of peers.

use crate::{Reached, life};
use convoy_core::picker::{Action, subject::AnyPicker};

pub fn run(bytes: &[u8]) -> Reached {
    life::live(AnyPicker::default(), bytes, |action, reached| {
        if let Action::Discard { waste, .. } = action {
            reached.add_variant(waste);
        }
    })
}
