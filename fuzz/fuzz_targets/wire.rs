//! A connection that is fed anything, in pieces of any size, neither panics nor grows.
#![no_main]

use bytes::BytesMut;
use convoy_core::{
    Instant, Machine, Outbox,
    storage::Geometry,
    wire::{Config, Connection, Input},
};
use core::time::Duration;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, bool, u8, Vec<u8>)| {
    let (fast, extended, chunk, stream) = input;
    let config = Config { geometry: Geometry::new(32 << 10, 1 << 20), fast, extended, ..Config::default() };
    let mut now = Instant::ZERO;
    let mut connection = Connection::new(config, now);
    let mut out = Outbox::new();
    for bytes in stream.chunks(usize::from(chunk) + 1) {
        now = now + Duration::from_secs(1);
        let alive = connection.handle_input(now, Input::Received(BytesMut::from(bytes)), &mut out).is_ok();
        out.drain();
        assert!(connection.memory() <= stream.len() + 2048);
        if !alive {
            assert!(connection.handle_timeout(now, &mut out).is_err() && out.is_empty());
        }
        let _ = connection.handle_timeout(now, &mut out);
        out.drain();
    }
});
