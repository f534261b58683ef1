//! A torrent, peers that say anything in raw bytes, and a driver that answers in any order.

use crate::{Reached, life};
use convoy_core::swarm::{Action, subject::AnySwarm};

pub fn run(bytes: &[u8]) -> Reached {
    life::live(AnySwarm::default(), bytes, |action, reached| match action {
        Action::Close { why, .. } => reached.add_variant(why),
        Action::Send { data, .. } if data.len() > 1000 => reached.add("serves a block"),
        _ => {}
    })
}
