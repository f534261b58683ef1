//! Reading bencode: a torrent of many files, a torrent that is one long `pieces` string, a DHT answer.

use convoy_core::bencode::{Decoder, Tokens, Writer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bencode");
    let inputs =
        [("14000 files", many_files()), ("pieces string", long_pieces()), ("DHT answer", dht_answer())];
    for (name, input) in inputs {
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| Decoder::strict().decode(black_box(&input)).is_ok());
        });
        let mut tokens = Tokens::default();
        group.bench_function(format!("{name}, index kept"), |bencher| {
            bencher.iter(|| Decoder::strict().decode_in(&mut tokens, black_box(&input)).is_ok());
        });
    }
    group.finish();
}

/// 1.0 MB.
fn many_files() -> Vec<u8> {
    torrent(100, |info| {
        info.list(b"files", |files| {
            for file in 0..14_000_u32 {
                files.dict(|entry| {
                    entry.integer(b"length", i64::from(file) * 7919).list(b"path", |path| {
                        path.string(format!("folder of files {:03}", file / 100));
                        path.string(format!("recording {file:05}.bin"));
                    });
                });
            }
        });
    })
}

/// 1.0 MB.
fn long_pieces() -> Vec<u8> {
    torrent(50_000, |info| {
        info.integer(b"length", 50_000 << 18);
    })
}

fn torrent(pieces: usize, content: impl Fn(&mut convoy_core::bencode::DictWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).dict(|dict| {
        dict.string(b"announce", "udp://tracker.example:6969").dict(b"info", |info| {
            content(info);
            info.string(b"name", "bench").integer(b"piece length", 1 << 18);
            info.string(b"pieces", vec![0x5a; pieces * 20]);
        });
    });
    out
}

/// 304 bytes: eight nodes, a token, an address.
fn dht_answer() -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).dict(|dict| {
        dict.string(b"ip", [1; 6]).dict(b"r", |answer| {
            answer.string(b"id", [2; 20]).string(b"nodes", [3; 208]).string(b"token", [4; 8]);
        });
        dict.string(b"t", "aa").string(b"v", "CV01").string(b"y", "r");
    });
    out
}

criterion_group!(benches, decode);
criterion_main!(benches);
