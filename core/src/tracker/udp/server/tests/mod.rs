//! A server, the swarms behind it in the plainest form, and clients that speak to it.

mod budgets;
mod hidden;
mod laws;
mod noise;
mod reference;
mod requests;
mod tokens;
mod vectors;

use super::{
    super::{
        Asked, CONNECT_LENGTH, ConnectionId, IcBlock, Request, Response, TransactionId, announce_options,
    },
    Answered, Server, ServerConfig, Silence, TokenUse,
};
use crate::{
    compact,
    ic::{Binding, Capabilities, Purpose, SigningKey, Token},
    id::{InfoHash, PeerId},
    time::Instant,
    tracker::{
        AnnounceRequest, Counts, Event, IcAnswer,
        access::{Access, Role, Rule, Visibility},
        store::{Swarms, Visit},
    },
};
use alloc::{collections::BTreeMap, vec::Vec};
use core::{net::SocketAddr, time::Duration};

const EPOCH: u64 = 1_740_000_000;
const COMMUNITY: [u8; 32] = [0xc0; 32];
const TRANSACTION: TransactionId = TransactionId(0x0a0b_0c0d);

/// A swarm of everybody, of members, of moderators, and one that nobody has heard of.
const PUBLIC: InfoHash = InfoHash([1; 20]);
const RESTRICTED: InfoHash = InfoHash([2; 20]);
const QUARANTINED: InfoHash = InfoHash([3; 20]);
const UNLISTED: InfoHash = InfoHash([4; 20]);

fn member() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn moderator() -> SigningKey {
    SigningKey::from_bytes(&[8; 32])
}

fn stranger() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// Three swarms of one community, its member and its moderator.
fn community(mut access: Access) -> Access {
    let rule = |visibility| Rule { visibility, community: COMMUNITY, advisories: 3 };
    access.insert_rule(PUBLIC, rule(Visibility::Public));
    access.insert_rule(RESTRICTED, rule(Visibility::Community));
    access.insert_rule(QUARANTINED, rule(Visibility::Quarantined));
    access.insert_member(COMMUNITY, member().verifying_key().to_bytes(), Role::Member);
    access.insert_member(COMMUNITY, moderator().verifying_key().to_bytes(), Role::Moderator);
    access
}

struct World {
    server: Server,
    swarms: Naive,
    access: Access,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self::with(ServerConfig::default(), Access::open())
    }

    /// With a community and its swarms.
    fn of_community() -> Self {
        Self::with(ServerConfig::default(), community(Access::open()))
    }

    fn with(config: ServerConfig, access: Access) -> Self {
        let server = Server::new(ServerConfig { unix_at_zero: EPOCH, ..config }, [1; 32]);
        Self { server, swarms: Naive::default(), access, now: Instant::ZERO }
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    fn unix_s(&self) -> u64 {
        EPOCH + self.now.as_micros() / 1_000_000
    }

    fn send(&mut self, from: SocketAddr, packet: &[u8]) -> (Answered, Vec<u8>) {
        let mut reply = Vec::new();
        let answered = self.server.answer(self.now, from, packet, &mut self.swarms, &self.access, &mut reply);
        assert_eq!(reply.is_empty(), matches!(answered, Answered::Silence(_)));
        (answered, reply)
    }

    fn ask(&mut self, from: SocketAddr, request: &Request<'_>) -> (Answered, Vec<u8>) {
        self.send(from, &encoded(request))
    }

    fn connect(&mut self, from: SocketAddr) -> ConnectionId {
        let (answered, reply) = self.ask(from, &Request::Connect { transaction: TRANSACTION });
        assert_eq!(answered, Answered::Connect);
        assert_eq!(reply.len(), CONNECT_LENGTH);
        let Response::Connect(connection) = read(&reply, from, false) else { panic!("a connection id") };
        connection
    }

    fn announce(
        &mut self,
        from: SocketAddr,
        connection: ConnectionId,
        announce: AnnounceRequest,
        ic: Option<&IcBlock>,
    ) -> (Answered, Vec<u8>) {
        let options = announce_options("/announce", ic);
        let request = Request::Announce { connection, transaction: TRANSACTION, announce, options: &options };
        self.ask(from, &request)
    }

    /// Connects, and announces with a token that is right.
    fn join_as(&mut self, player: &SigningKey, from: SocketAddr, info_hash: InfoHash) -> (Answered, Vec<u8>) {
        let connection = self.connect(from);
        let block = ic(sign(player, self.unix_s(), connection, TRANSACTION, info_hash));
        self.announce(from, connection, leecher(info_hash), Some(&block))
    }

    /// Connects and announces without a token.
    fn join(&mut self, from: SocketAddr, announce: AnnounceRequest) -> (Answered, Vec<u8>) {
        let connection = self.connect(from);
        self.announce(from, connection, announce, None)
    }
}

/// The plainest swarms that do what [`Swarms`] says, of which the first are told.
#[derive(Clone, Debug, Default)]
struct Naive {
    /// Who has all.
    peers: BTreeMap<(InfoHash, SocketAddr), bool>,
    completed: BTreeMap<InfoHash, u32>,
}

impl Naive {
    fn of<'a>(&'a self, info_hash: &'a InfoHash) -> impl Iterator<Item = (SocketAddr, bool)> + 'a {
        self.peers
            .iter()
            .filter(move |((hash, _), _)| hash == info_hash)
            .map(|((_, peer), seeder)| (*peer, *seeder))
    }

    fn len(&self) -> usize {
        self.peers.len()
    }
}

impl Swarms for Naive {
    fn announce(&mut self, now: Instant, visit: &Visit, peers: &mut Vec<u8>) -> Counts {
        let key = (visit.info_hash, visit.peer);
        if visit.event == Event::Stopped {
            self.peers.remove(&key);
            return self.scrape(now, &visit.info_hash);
        }
        let before = self.peers.insert(key, visit.seeder);
        if visit.event == Event::Completed && visit.seeder && before == Some(false) {
            *self.completed.entry(visit.info_hash).or_default() += 1;
        }
        let is_told = |peer: &SocketAddr| peer.is_ipv4() == visit.peer.is_ipv4() && *peer != visit.peer;
        let wants_seeders = !visit.seeder && visit.event != Event::Paused;
        self.of(&visit.info_hash)
            .filter(|(peer, seeder)| is_told(peer) && (wants_seeders || !seeder))
            .take(visit.want)
            .for_each(|(peer, _)| compact::write(peer, peers));
        self.scrape(now, &visit.info_hash).without(visit)
    }

    fn scrape(&mut self, _: Instant, info_hash: &InfoHash) -> Counts {
        let count = |seeds| self.of(info_hash).filter(|(_, seeder)| *seeder == seeds).count() as u32;
        let completed = self.completed.get(info_hash).copied().unwrap_or_default();
        Counts {
            seeders: Some(count(true)),
            leechers: Some(count(false)),
            completed: Some(completed),
            downloaders: None,
        }
    }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The `host`th of some clients with addresses of their own.
fn client(host: u8) -> SocketAddr {
    ([192, 0, 2, host], 40_000).into()
}

fn encoded(request: &Request<'_>) -> Vec<u8> {
    let mut packet = Vec::new();
    request.encode(&mut packet);
    packet
}

fn read(reply: &[u8], from: SocketAddr, ic: bool) -> Response {
    let (transaction, response) = Response::decode(reply, Asked { ipv6: from.is_ipv6(), ic }).unwrap();
    assert_eq!(transaction, TRANSACTION);
    response
}

fn leecher(info_hash: InfoHash) -> AnnounceRequest {
    AnnounceRequest {
        info_hash,
        peer_id: PeerId(*b"-IC0100-abcdefghijkl"),
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: 1,
        event: Event::Started,
        key: 0,
        num_want: None,
    }
}

fn ic(token: Token) -> IcBlock {
    IcBlock { version: 2, token: Some(token), capabilities: Capabilities::AUTH }
}

fn sign(
    player: &SigningKey,
    issued_at: u64,
    connection: ConnectionId,
    transaction: TransactionId,
    info_hash: InfoHash,
) -> Token {
    let audience = [&connection.0.to_be_bytes()[..], &transaction.0.to_be_bytes()].concat();
    let purpose = Purpose::UdpAnnounce;
    let binding = Binding { purpose, community_id: COMMUNITY, info_hash, audience: &audience };
    Token::sign_v2(player, [5; 16], issued_at, &binding)
}
