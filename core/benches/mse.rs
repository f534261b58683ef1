//! MSE: one side's handshake, the two powers in it, and RC4, each beside what others have.

use bytes::{Bytes, BytesMut};
use convoy_core::{
    Instant, Machine, Outbox,
    crypto::{PrivateKey, PublicKey, Rc4},
    id::InfoHash,
    mse::{Action, Config, Error, Handshake, Input, Level},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crypto_bigint::{U192, U768, const_monty_params, modular::ConstMontyForm};
use num_bigint::BigUint;
use rc4::{KeyInit, StreamCipher};
use std::hint::black_box;

const TORRENT: InfoHash = InfoHash([7; 20]);
const PRIVATE: [u8; 20] = *b"\xa7a private key, 160b";
const PRIME: &str = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563";

const_monty_params!(
    Prime,
    U768,
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563",
    "The prime of MSE."
);

type Element = ConstMontyForm<Prime, { U768::LIMBS }>;

fn handshakes(criterion: &mut Criterion) {
    let (inputs_of_initiator, inputs_of_responder) = record();
    let mut group = criterion.benchmark_group("mse/handshake");
    group.throughput(Throughput::Elements(1));
    group.bench_function("initiator", |bencher| {
        bencher.iter(|| play(&mut initiator(), black_box(&inputs_of_initiator)));
    });
    group.bench_function("responder", |bencher| {
        bencher.iter(|| play(&mut responder(), black_box(&inputs_of_responder)));
    });
    group.finish();
}

fn powers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mse/power");
    let ours = PrivateKey::from_bytes(PRIVATE);
    let theirs = PrivateKey::from_bytes([0x5a; 20]).public();
    group.bench_function("of 2", |bencher| bencher.iter(|| black_box(&ours).public()));
    group.bench_function("of a key", |bencher| bencher.iter(|| black_box(&ours).shared(&theirs)));
    group.bench_function("check of a key", |bencher| {
        bencher.iter(|| PublicKey::from_bytes(black_box(*theirs.as_bytes())));
    });
    let (bounded, bits) = (U192::from_be_slice(&[&[0; 4], &PRIVATE[..]].concat()), PRIVATE.len() as u32 * 8);
    for (name, base) in [("of 2", U768::from_u8(2)), ("of a key", U768::from_be_slice(theirs.as_bytes()))] {
        group.bench_function(format!("{name}, crypto-bigint"), |bencher| {
            bencher.iter(|| Element::new(black_box(&base)).pow_bounded_exp(&bounded, bits).retrieve());
        });
    }
    let prime = BigUint::parse_bytes(PRIME.as_bytes(), 16).expect("hex");
    let (exponent, base) = (BigUint::from_bytes_be(&PRIVATE), BigUint::from_bytes_be(theirs.as_bytes()));
    let two = BigUint::from(2_u8);
    group.bench_function("of 2, num-bigint", |bencher| {
        bencher.iter(|| black_box(&two).modpow(&exponent, &prime));
    });
    group.bench_function("of a key, num-bigint", |bencher| {
        bencher.iter(|| black_box(&base).modpow(&exponent, &prime));
    });
    group.finish();
}

fn keystreams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mse/rc4");
    group.bench_function("new", |bencher| bencher.iter(|| Rc4::new_dropped(black_box(&PRIVATE))));
    group.bench_function("new, crate rc4", |bencher| {
        bencher.iter(|| {
            let mut rc4 = rc4::Rc4::new_from_slice(black_box(&PRIVATE)).expect("20 bytes");
            rc4.apply_keystream(&mut [0; 1024]);
            rc4
        });
    });
    let mut data = vec![0; 16 * 1024];
    group.throughput(Throughput::Bytes(data.len() as u64));
    let mut ours = Rc4::new_dropped(&PRIVATE);
    group.bench_function("16 KiB", |bencher| bencher.iter(|| ours.apply(black_box(&mut data))));
    let mut theirs = rc4::Rc4::new_from_slice(&PRIVATE).expect("20 bytes");
    group.bench_function("16 KiB, crate rc4", |bencher| {
        bencher.iter(|| theirs.apply_keystream(black_box(&mut data)));
    });
    group.finish();
}

fn initiator() -> Handshake {
    let payload = Bytes::from_static(&[9; 68]);
    Handshake::initiator(&Config::default(), Level::Both, TORRENT, payload, [1; 32], Instant::ZERO)
}

fn responder() -> Handshake {
    Handshake::responder(&Config::default(), [2; 32], Instant::ZERO)
}

/// What each side is told in the handshake of the two above, which is the same every time.
fn record() -> ([Input; 2], [Input; 3]) {
    let (mut alice, mut bob) = (initiator(), responder());
    let identified = Input::Identified { info_hash: TORRENT };
    let one = said(|out| alice.handle_timeout(Instant::ZERO, out));
    let two = said(|out| bob.handle_input(Instant::ZERO, one.clone(), out));
    let three = said(|out| alice.handle_input(Instant::ZERO, two.clone(), out));
    let four = said(|out| {
        bob.handle_input(Instant::ZERO, three.clone(), out)?;
        bob.handle_input(Instant::ZERO, identified.clone(), out)
    });
    ([two, four], [one, three, identified])
}

/// What a machine sent, as the other gets it.
fn said(call: impl FnOnce(&mut Outbox<Action>) -> Result<(), Error>) -> Input {
    let mut out = Outbox::new();
    call(&mut out).expect("alive");
    let mut bytes = BytesMut::new();
    for action in out.drain() {
        if let Action::Send(sent) = action {
            bytes.extend_from_slice(&sent);
        }
    }
    Input::Received(bytes)
}

fn play(machine: &mut Handshake, inputs: &[Input]) -> usize {
    let mut out = Outbox::new();
    machine.handle_timeout(Instant::ZERO, &mut out).expect("alive");
    for input in inputs {
        machine.handle_input(Instant::ZERO, input.clone(), &mut out).expect("alive");
    }
    assert!(matches!(out.as_slice().last(), Some(Action::Established { .. })));
    out.len()
}

criterion_group!(benches, handshakes, powers, keystreams);
criterion_main!(benches);
