//! Machines by which peers tell each other what a torrent is, and who is in it.

use super::{Recorder, SECOND};
use crate::machine::build::never;
use bytes::Bytes;
use convoy_core::{
    holepunch::{self, Holepunch},
    id::{InfoHash, PeerKey},
    metadata::{self, Exchange, Limits},
    pex::{self, Pex},
    slab::Key,
    storage::{HashJob, HashOutcome},
};
use std::net::SocketAddr;

/// Two blocks: the second has 100 bytes.
const SIZE: u32 = 16 * 1024 + 100;

fn peer(number: u32) -> PeerKey {
    PeerKey::new(number, 0)
}

fn at(host: u8) -> SocketAddr {
    ([9, 9, 9, host], 6881).into()
}

/// An info dictionary, as far as anyone looks.
fn dictionary() -> Bytes {
    (0..SIZE).map(|n| (n * 7 % 251) as u8).collect()
}

fn exchange(seed: u8, info: Option<Bytes>, limits: Limits) -> Recorder<Exchange> {
    let HashOutcome::Digest(hash) = HashJob::from(dictionary()).run() else {
        unreachable!("the job is the last of its piece")
    };
    let config = metadata::Config { info_hash: InfoHash(hash), info, limits };
    let exchange = Exchange::new(config.clone(), [seed; 32]);
    Recorder::new("metadata", &config, [seed; 32], never, exchange)
}

#[test]
fn metadata_is_fetched_though_somebody_lies() {
    use metadata::{Action, Input};
    let mut life = exchange(1, None, Limits::default());
    let info = dictionary();
    let block = |piece: u32| if piece == 0 { info.slice(..16 * 1024) } else { info.slice(16 * 1024..) };
    let data = |number, piece, data| Input::Data { peer: peer(number), piece, total_size: SIZE, data };
    let (liar, honest, refuser) = (0, 1, 2);
    for number in [liar, honest, refuser] {
        life.input(Input::PeerJoined { peer: peer(number), metadata_size: Some(SIZE) });
    }
    life.input(Input::Reject { peer: peer(liar), piece: 1 });
    life.input(data(liar, 0, Bytes::from(vec![0; 16 * 1024])));
    life.input(data(honest, 1, block(1)));
    life.input(data(honest, 1, block(1)));

    for _ in 0..10 {
        for action in life.pass(10 * SECOND) {
            let Action::Request { peer: asked, piece } = action else { continue };
            if asked == peer(honest) {
                life.input(data(honest, piece, block(piece)));
            } else if asked == peer(refuser) {
                life.input(Input::Reject { peer: asked, piece });
            }
        }
    }
    assert_eq!(life.machine.info(), Some(&info));
    life.is_kept_in(
        "metadata-fetch.json",
        "two blocks of an info dictionary: a mixed lie, then one peer at a time until its hash is right",
    );
}

#[test]
fn metadata_is_served() {
    use metadata::{Action, Input};
    let limits = Limits { blocks_per_s: 1, queue: 1, rejects: 2, ..Limits::default() };
    let mut life = exchange(2, Some(dictionary()), limits);
    life.input(Input::PeerJoined { peer: peer(0), metadata_size: None });
    for piece in [0, 1, 0, 2] {
        life.input(Input::Request { peer: peer(0), piece });
    }
    let later = life.pass(SECOND);
    assert!(matches!(later[..], [Action::Data { piece: 1, .. }]), "{later:?}");
    life.input(Input::Request { peer: peer(0), piece: 7 });
    life.input(Input::Request { peer: peer(0), piece: 0 });
    life.input(Input::PeerLeft { peer: peer(0) });
    life.is_kept_in(
        "metadata-serve.json",
        "one block a second for who asks, one more in line, two rejects, and then blame",
    );
}

#[test]
fn pex_tells_and_sifts() {
    use pex::{Action, Input};
    let config = pex::Config::default();
    let mut life = Recorder::new("pex", &config, [0; 32], never, Pex::new(config));
    let join = |number: u8| Input::PeerJoined {
        peer: peer(number.into()),
        ip: at(number).ip(),
        addr: Some(at(number)),
        flags: number,
    };
    life.input(join(1));
    life.input(Input::Speaks { peer: peer(1) });
    life.input(join(2));
    life.input(join(3));
    life.input(Input::Ours(at(99)));
    life.input(Input::PeerLeft { peer: peer(2) });
    let told = life.pass(60 * SECOND);
    let expected = Action::Send { peer: peer(1), added: vec![(at(3), 3)], dropped: vec![at(2)] };
    assert_eq!(told, [expected]);
    life.input(Input::AddressKnown { peer: peer(3), addr: at(4), flags: 0xff });

    let named = ["9.9.9.50:6881", "9.9.9.99:6881", "9.9.9.1:6881", "192.168.0.1:6881", "8.8.8.8:25"];
    let more = ["8.8.4.4:51413", "8.8.4.4:51414", "[::ffff:127.0.0.1]:6881", "[2a00::7]:6881"];
    let added = named.iter().chain(&more).map(|addr| (addr.parse().expect("an address"), 0x91)).collect();
    let received = Input::Received { peer: peer(1), added, dropped: vec![at(3)] };
    let found = life.input(received.clone());
    assert!(matches!(&found[..], [Action::Found { peers, .. }] if peers.len() == 3), "{found:?}");
    life.input(received.clone());
    life.input(Input::Switch(false));
    life.pass(60 * SECOND);
    life.input(received);
    life.input(Input::Switch(true));
    life.pass(60 * SECOND);
    life.is_kept_in(
        "pex-messages.json",
        "one receiver: at once, then once a minute; what it names is sifted; nothing of it while it is off",
    );
}

#[test]
fn holepunch_relays_and_dials() {
    use holepunch::{Action, Input};
    let config = holepunch::Config { dials: 2, ..holepunch::Config::default() };
    let mut life = Recorder::new("holepunch", &config, [0; 32], never, Holepunch::new(config));
    for number in 1..=3 {
        life.input(Input::PeerJoined { peer: peer(number.into()), addr: at(number) });
    }
    life.input(Input::Rendezvous { peer: peer(1), target: at(2) });
    life.input(Input::Speaks { peer: peer(1) });
    life.input(Input::Speaks { peer: peer(2) });
    life.input(Input::Ours(at(99)));
    let met = life.input(Input::Rendezvous { peer: peer(1), target: at(2) });
    assert!(matches!(met[..], [Action::Connect { .. }, Action::Connect { .. }]), "{met:?}");
    for target in [at(1), at(3), at(4), at(99), ([10, 0, 0, 1], 6881).into()] {
        life.input(Input::Rendezvous { peer: peer(1), target });
    }
    for addr in [at(5), at(5), at(2), ([127, 0, 0, 1], 6881).into(), at(6), at(7)] {
        life.input(Input::Connect { peer: peer(2), addr });
    }
    life.pass(60 * SECOND);
    assert_eq!(life.input(Input::Connect { peer: peer(2), addr: at(7) }), [Action::Dial { addr: at(7) }]);
    life.is_kept_in(
        "holepunch-relay.json",
        "two who speak are brought together; what cannot be, and why; whom a relay may make us dial",
    );
}
