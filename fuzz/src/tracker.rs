//! A UDP tracker, asked by clients with and without rights, and by noise.

use crate::{Reached, life};
use convoy_core::tracker::udp::{
    Asked, Response,
    server::{Action, subject::AnyTracker},
};

pub fn run(bytes: &[u8]) -> Reached {
    life::live(AnyTracker::default(), bytes, |Action::SendTo { to, data }, reached| {
        let ipv6 = to.ip().to_canonical().is_ipv6();
        let Some((_, response)) = Response::decode(data, Asked { ipv6, ic: true }) else { return };
        match response {
            Response::Connect(_) => reached.add("connects"),
            Response::Scrape(_) => reached.add("scrapes"),
            Response::Error(_) => reached.add("an error"),
            Response::Announce { peers, ic, .. } => {
                reached.add(if ipv6 { "announces over IPv6" } else { "announces" });
                if !peers.is_empty() {
                    reached.add("is told of others");
                }
                if let Some(ic) = ic {
                    reached.add("gets a trailer");
                    if ic.auth_accepted {
                        reached.add("authenticated");
                    }
                    if ic.restricted {
                        reached.add("in a restricted swarm");
                    }
                }
            }
        }
    })
}
