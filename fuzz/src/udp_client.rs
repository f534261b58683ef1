//! A client of a UDP tracker that answers, refuses, answers something else, or says nothing.

use crate::{Reached, life};
use convoy_core::tracker::{
    Reply,
    udp::{
        Request,
        client::{Action, subject::AnyClient},
    },
};

pub fn run(bytes: &[u8]) -> Reached {
    life::live(AnyClient::default(), bytes, |action, reached| match action {
        Action::Send { data } => match Request::decode(data) {
            Some(Request::Connect { .. }) => reached.add("connects"),
            Some(Request::Announce { .. }) => reached.add("announces"),
            Some(Request::Scrape { .. }) => reached.add("scrapes"),
            None => panic!("no tracker can read {data:?}"),
        },
        Action::Answer { result, .. } => {
            reached.add_variant(result);
            if matches!(result, Ok(Reply::Announce(response)) if !response.peers.is_empty()) {
                reached.add("is told of others");
            }
        }
    })
}
