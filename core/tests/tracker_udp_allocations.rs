//! A UDP tracker allocates nothing for a packet once its tables have grown, counted by the allocator.

use convoy_core::{
    Instant,
    ic::{Binding, Capabilities, Purpose, SigningKey, Token},
    id::{InfoHash, PeerId},
    tracker::{
        AnnounceRequest, Event,
        access::{Access, Role, Rule},
        store::{Config, Store},
        udp::{
            Answered, ConnectionId, IcBlock, MAX_REPLY, Request, Server, ServerConfig, TransactionId,
            announce_options,
        },
    },
};
use std::net::SocketAddr;

const UNIX_AT_ZERO: u64 = 1_740_000_000;
const COMMUNITY: [u8; 32] = [1; 32];
const INFO_HASH: InfoHash = InfoHash([2; 20]);
const TRANSACTION: TransactionId = TransactionId(7);

struct World {
    server: Server,
    store: Store,
    access: Access,
    reply: Vec<u8>,
}

impl World {
    fn answer(&mut self, from: SocketAddr, packet: &[u8]) -> Answered {
        self.reply.clear();
        self.server.answer(Instant::ZERO, from, packet, &mut self.store, &self.access, &mut self.reply)
    }
}

#[test]
fn connects_announces_with_and_without_tokens_and_scrapes_allocate_nothing() {
    let player = SigningKey::from_bytes(&[7; 32]);
    let mut access = Access::open();
    access.insert_member(COMMUNITY, player.verifying_key().to_bytes(), Role::Member);
    access.insert_rule(INFO_HASH, Rule { community: COMMUNITY, ..Rule::default() });
    let mut world = World {
        server: Server::new(ServerConfig { unix_at_zero: UNIX_AT_ZERO, ..ServerConfig::default() }, [1; 32]),
        store: Store::new(Config::default(), [2; 32]),
        access,
        reply: Vec::with_capacity(MAX_REPLY),
    };
    let packets: Vec<_> =
        (0..200).flat_map(|host| packets(&mut world, &player, ([192, 0, 2, host], 1).into())).collect();
    for (from, packet) in &packets {
        world.answer(*from, packet);
    }
    let info = allocation_counter::measure(|| {
        for (from, packet) in &packets {
            let answered = world.answer(*from, packet);
            assert!(!matches!(answered, Answered::Silence(_)), "{answered:?}");
        }
    });
    assert_eq!(info.count_total, 0);
}

/// What one client sends.
fn packets(world: &mut World, player: &SigningKey, from: SocketAddr) -> Vec<(SocketAddr, Vec<u8>)> {
    let connect = encoded(&Request::Connect { transaction: TRANSACTION });
    world.answer(from, &connect);
    let connection = ConnectionId(u64::from_be_bytes(*world.reply.last_chunk().expect("a connection id")));
    let announce = AnnounceRequest {
        info_hash: INFO_HASH,
        peer_id: PeerId([0; 20]),
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: 1,
        event: Event::None,
        key: 0,
        num_want: None,
    };
    let audience = [&connection.0.to_be_bytes()[..], &TRANSACTION.0.to_be_bytes()].concat();
    let purpose = Purpose::UdpAnnounce;
    let binding = Binding { purpose, community_id: COMMUNITY, info_hash: INFO_HASH, audience: &audience };
    let token = Some(Token::sign_v2(player, [0; 16], UNIX_AT_ZERO, &binding));
    let ic = IcBlock { version: 2, token, capabilities: Capabilities::AUTH };
    let with_token = announce_options("/announce", Some(&ic));
    let announce =
        |options| encoded(&Request::Announce { connection, transaction: TRANSACTION, announce, options });
    let scrape = Request::Scrape { connection, transaction: TRANSACTION, info_hashes: &[INFO_HASH.0; 74] };
    [connect, announce(&[]), announce(&with_token), encoded(&scrape)].map(|packet| (from, packet)).to_vec()
}

fn encoded(request: &Request<'_>) -> Vec<u8> {
    let mut packet = Vec::new();
    request.encode(&mut packet);
    packet
}
