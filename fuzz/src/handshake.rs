//! The handshake of BEP 3, either side.

use crate::{Reached, life};
use convoy_core::wire::subject::AnyHandshake;

pub fn run(bytes: &[u8]) -> Reached {
    life::live_on_stream(AnyHandshake::default(), bytes, |_, _| ())
}
