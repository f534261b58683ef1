//! A connection, its peer and its parent.

use crate::{Reached, life};
use convoy_core::wire::subject::AnyConnection;

pub fn run(bytes: &[u8]) -> Reached {
    life::live_on_stream(AnyConnection::default(), bytes, |_, _| ())
}
