//! What a UDP tracker's answer costs: from packet to packet, with 1,000 swarms of 100 peers and clients that come
//! in no order.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use convoy_core::{
    Instant, Random,
    ic::{Binding, Capabilities, Purpose, SigningKey, Token},
    id::{InfoHash, PeerId},
    tracker::{
        AnnounceRequest, Event,
        access::{Access, Role, Rule},
        store::{Config, Store},
        udp::{
            Answered, Budget, ConnectionId, IcBlock, MAX_REPLY, Request, Server, ServerConfig, Silence,
            TokenUse, TransactionId, announce_options,
        },
    },
};
use core::{hint::black_box, net::SocketAddr};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SWARMS: u32 = 1000;
const PEERS: u32 = 100_000;
/// Players, who fit the server's table of proofs.
const PLAYERS: u32 = 1024;
const UNIX_AT_ZERO: u64 = 1_740_000_000;
const COMMUNITY: [u8; 32] = [1; 32];
const TRANSACTION: TransactionId = TransactionId(7);

/// A tracker, and the packets of its clients.
struct World {
    server: Server,
    store: Store,
    access: Access,
    random: Random,
    reply: Vec<u8>,
}

type Packet = (SocketAddr, Vec<u8>);

impl World {
    fn new(budget: Option<Budget>) -> Self {
        let mut access = Access::open();
        access.insert_member(COMMUNITY, player().verifying_key().to_bytes(), Role::Member);
        for swarm in 0..SWARMS {
            access.insert_rule(info_hash(swarm), Rule { community: COMMUNITY, ..Rule::default() });
        }
        let config = ServerConfig { unix_at_zero: UNIX_AT_ZERO, budget, ..ServerConfig::default() };
        let mut world = Self {
            server: Server::new(config, [1; 32]),
            store: Store::new(Config::default(), [2; 32]),
            access,
            random: Random::new([3; 32]),
            reply: Vec::with_capacity(MAX_REPLY),
        };
        for packet in world.announces(PEERS, |_, _| None) {
            world.answer(&packet);
        }
        world
    }

    fn answer(&mut self, (from, packet): &Packet) -> Answered {
        self.reply.clear();
        self.server.answer(Instant::ZERO, *from, packet, &mut self.store, &self.access, &mut self.reply)
    }

    fn connect(&mut self, from: SocketAddr) -> ConnectionId {
        self.answer(&(from, encoded(&Request::Connect { transaction: TRANSACTION })));
        let id = self.reply.last_chunk().expect("a connect response");
        ConnectionId(u64::from_be_bytes(*id))
    }

    /// One announce of each of so many clients, who want 30 peers.
    fn announces(
        &mut self,
        clients: u32,
        block: impl Fn(&AnnounceRequest, ConnectionId) -> Option<IcBlock>,
    ) -> Vec<Packet> {
        (0..clients)
            .map(|client| {
                let from = source(client);
                let connection = self.connect(from);
                let announce = AnnounceRequest {
                    info_hash: info_hash(self.random.below(SWARMS)),
                    peer_id: PeerId([0; 20]),
                    port: 6881,
                    uploaded: 0,
                    downloaded: 0,
                    left: 1,
                    event: Event::None,
                    key: 0,
                    num_want: Some(30),
                };
                let options = announce_options("", block(&announce, connection).as_ref());
                let request =
                    Request::Announce { connection, transaction: TRANSACTION, announce, options: &options };
                (from, encoded(&request))
            })
            .collect()
    }
}

fn player() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn info_hash(swarm: u32) -> InfoHash {
    let mut info_hash = [0; 20];
    Random::new([swarm as u8; 32]).fill_public(&mut info_hash);
    info_hash[..4].copy_from_slice(&swarm.to_be_bytes());
    InfoHash(info_hash)
}

fn source(client: u32) -> SocketAddr {
    let [_, b, c, d] = client.to_be_bytes();
    ([10, b, c, d], 6881).into()
}

fn encoded(request: &Request<'_>) -> Vec<u8> {
    let mut packet = Vec::new();
    request.encode(&mut packet);
    packet
}

fn signed(announce: &AnnounceRequest, connection: ConnectionId) -> IcBlock {
    let audience = [&connection.0.to_be_bytes()[..], &TRANSACTION.0.to_be_bytes()].concat();
    let binding = Binding {
        purpose: Purpose::UdpAnnounce,
        community_id: COMMUNITY,
        info_hash: announce.info_hash,
        audience: &audience,
    };
    let token = Token::sign_v2(&player(), [0; 16], UNIX_AT_ZERO, &binding);
    IcBlock { version: 2, token: Some(token), capabilities: Capabilities::AUTH }
}

fn forged(announce: &AnnounceRequest, connection: ConnectionId) -> IcBlock {
    let block = signed(announce, connection);
    // Good, but of another session: so it is verified to the end.
    let token = block.token.map(|token| Token { session_id: [1; 16], ..token });
    IcBlock { token, ..block }
}

/// Answers the packets over and over, and holds that each is answered so.
fn answers(criterion: &mut Criterion, name: &str, world: &mut World, packets: &[Packet], expected: Answered) {
    let mut packets = packets.iter().cycle();
    let mut group = criterion.benchmark_group("udp tracker");
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let answered = packets.next().map(|packet| world.answer(black_box(packet)));
            assert_eq!(answered, Some(expected));
        });
    });
    group.finish();
}

fn tracker(criterion: &mut Criterion) {
    let mut world = World::new(None);
    let connects: Vec<Packet> = (0..PEERS)
        .map(|client| (source(client), encoded(&Request::Connect { transaction: TRANSACTION })))
        .collect();
    answers(criterion, "connect", &mut world, &connects, Answered::Connect);

    let announces = world.announces(PEERS, |_, _| None);
    let forgotten: Vec<Packet> =
        announces.iter().map(|(_, packet)| (source(PEERS), packet.clone())).collect();
    let silence = Answered::Silence(Silence::WrongConnection);
    answers(criterion, "wrong connection id", &mut world, &forgotten, silence);
    answers(criterion, "announce", &mut world, &announces, Answered::Announce(TokenUse::None));

    let few = world.announces(PLAYERS, |_, _| None);
    answers(criterion, "announce of 1024 clients", &mut world, &few, Answered::Announce(TokenUse::None));
    let authenticated = world.announces(PLAYERS, |announce, id| Some(signed(announce, id)));
    for packet in &authenticated {
        world.answer(packet);
    }
    let remembered = Answered::Announce(TokenUse::Remembered);
    answers(criterion, "announce of 1024 clients, token cached", &mut world, &authenticated, remembered);
    let forged = world.announces(64, |announce, id| Some(forged(announce, id)));
    let refused = Answered::Announce(TokenUse::Refused);
    answers(criterion, "announce, token verified", &mut world, &forged, refused);

    for swarms in [1, 74] {
        let from = source(0);
        let connection = world.connect(from);
        let info_hashes: Vec<_> = (0..swarms).map(|swarm| info_hash(swarm).0).collect();
        let scrape = Request::Scrape { connection, transaction: TRANSACTION, info_hashes: &info_hashes };
        let packets = [(from, encoded(&scrape))];
        answers(criterion, &format!("scrape of {swarms}"), &mut world, &packets, Answered::Scrape);
    }

    let unbounded = Budget { units_per_s: u32::MAX, burst_units: u32::MAX };
    let mut world = World::new(Some(unbounded));
    let announces = world.announces(PEERS, |_, _| None);
    answers(criterion, "announce, with a budget", &mut world, &announces, Answered::Announce(TokenUse::None));
}

criterion_group!(benches, tracker);
criterion_main!(benches);
