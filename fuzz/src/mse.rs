//! The encrypted handshake, either side: against an honest peer whose bytes are spoilt on the way, and
//! against an insider, who exchanges keys as one should and then says what the fuzzer likes.

use crate::{
    Reached,
    insider::{Insider, Words},
    life,
};
use arbitrary::{Arbitrary, Unstructured};
use convoy_core::mse::{Action, subject::AnyHandshake};

#[derive(Arbitrary)]
enum Peer {
    Honest,
    Insider(Words),
}

pub fn run(bytes: &[u8]) -> Reached {
    let mut bytes = Unstructured::new(bytes);
    match Peer::arbitrary(&mut bytes) {
        Ok(Peer::Honest) => life::live_on_stream(AnyHandshake::default(), bytes.take_rest(), note),
        Ok(Peer::Insider(words)) => life::live_on_stream(Insider::new(words), bytes.take_rest(), note),
        Err(_) => Reached::default(),
    }
}

fn note(action: &Action, reached: &mut Reached) {
    if let Action::Established { ciphers, ia, rest, .. } = action {
        reached.add_variant(ciphers);
        if !ia.is_empty() {
            reached.add("initial payload");
        }
        if !rest.is_empty() {
            reached.add("rest");
        }
    }
}
