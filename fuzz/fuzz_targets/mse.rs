//! A responder of MSE that is fed anything, in pieces of any size, neither panics nor grows.
#![no_main]

use bytes::BytesMut;
use convoy_core::{
    Instant, Machine, Outbox,
    mse::{Action, Config, Handshake, Input},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (chunk, stream) = input;
    let mut handshake = Handshake::responder(&Config::default(), [1; 32], Instant::ZERO);
    let mut out = Outbox::new();
    for bytes in stream.chunks(usize::from(chunk) + 1) {
        let received = Input::Received(BytesMut::from(bytes));
        let _ = handshake.handle_input(Instant::ZERO, received, &mut out);
        if out.drain().any(|action| matches!(action, Action::Identify { .. })) {
            let _ = handshake.handle_input(Instant::ZERO, Input::Unknown, &mut out);
        }
        assert!(handshake.memory() <= stream.len() + 2048);
    }
});
