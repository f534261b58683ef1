//! Trackers that an engine meets: they answer what they are asked.

use super::super::{Action, Input};
use crate::{
    fetch::Response,
    tracker::{
        Counts,
        udp::{self, ConnectionId, Request},
    },
};
use alloc::{string::String, vec, vec::Vec};
use bytes::Bytes;

/// Trackers of a torrent: one of each kind, and one that nobody speaks to.
pub(super) fn tiers() -> Vec<Vec<String>> {
    let urls = ["udp://tracker.example:6969/announce", "http://198.51.100.9/announce", "wss://198.51.100.9"];
    vec![urls.map(String::from).to_vec(), vec![String::from("udp://198.51.100.10:6969")]]
}

/// What a tracker, or the world between, answers to an action, if that is one of theirs.
pub(super) fn answer(action: &Action) -> Option<Input> {
    match action {
        Action::Resolve { token, port, .. } => {
            Some(Input::Resolved { token: *token, addrs: vec![([198, 51, 100, 11], *port).into()] })
        }
        Action::Get { token, .. } => {
            let body = Bytes::from_static(b"d8:intervali60e5:peers6:\xc6\x33\x64\x08\x1a\xe1e");
            Some(Input::Got { token: *token, result: Ok(Response { status: 200, body }) })
        }
        Action::SendTo { to, data } => {
            let (transaction, response) = match Request::decode(data)? {
                Request::Connect { transaction } => (transaction, udp::Response::Connect(ConnectionId(3))),
                Request::Announce { transaction, .. } => {
                    let peers = vec![([198, 51, 100, 7], 6881).into()];
                    let counts = Counts::default();
                    (transaction, udp::Response::Announce { interval_s: 60, counts, peers, ic: None })
                }
                Request::Scrape { .. } => return None,
            };
            let mut data = Vec::new();
            response.encode(transaction, &mut data);
            Some(Input::Datagram { from: *to, data: data.into() })
        }
        _ => None,
    }
}
