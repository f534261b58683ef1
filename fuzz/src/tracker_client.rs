//! A client of trackers of all kinds, at one address and at two, by name and by number.

use crate::{Reached, life};
use convoy_core::tracker::{
    Reply,
    client::{Action, subject::AnyClient},
};

pub fn run(bytes: &[u8]) -> Reached {
    life::live(AnyClient::default(), bytes, |action, reached| match action {
        Action::SendTo { to, .. } => {
            reached.add(if to.is_ipv6() { "asks over IPv6" } else { "asks over IPv4" })
        }
        Action::Answer { result, last, .. } => {
            reached.add_variant(result);
            if matches!(result, Ok(Reply::Announce(response)) if !response.peers.is_empty()) {
                reached.add("is told of others");
            }
            if !last {
                reached.add("more to come");
            }
        }
        Action::Resolve { .. } | Action::Get { .. } | Action::CancelGet { .. } => {}
    })
}
