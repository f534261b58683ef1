//! A node, strangers on its streams, and a driver that answers in any order.

use crate::{Reached, life};
use convoy_core::engine::{Action, Encryption, Event, subject::AnyEngine};

pub fn run(bytes: &[u8]) -> Reached {
    life::live(AnyEngine::default(), bytes, |action, reached| match action {
        Action::Event(Event::PeerConnected { peer, .. }) => {
            let way = if peer.outgoing { "dialled" } else { "accepted" };
            let encryption = match peer.encryption {
                Encryption::None => "plain",
                Encryption::Header => "obfuscated",
                Encryption::Rc4 => "encrypted",
            };
            reached.add(&format!("{way} {encryption}"));
        }
        Action::Event(
            Event::PeerGone { why, .. } | Event::DialFailed { why, .. } | Event::FellBack { why, .. },
        ) => reached.add_variant(why),
        Action::Send { data, .. } if data.len() > 10_000 => reached.add("serves a block"),
        _ => {}
    })
}
