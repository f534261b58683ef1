//! Server and store against a tracker that is as plain as it can be.

use super::*;
use crate::tracker::store::{Config, Store};
use alloc::collections::BTreeSet;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Connect(u8),
    Announce { host: u8, shows_id_of: u8, announce: AnnounceRequest, token: Option<(Player, bool)> },
    Scrape { host: u8, shows_id_of: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Player {
    Stranger,
    Member,
    Moderator,
}

impl Player {
    fn key(self) -> SigningKey {
        match self {
            Self::Stranger => stranger(),
            Self::Member => member(),
            Self::Moderator => moderator(),
        }
    }
}

const SWARMS: [InfoHash; 4] = [PUBLIC, RESTRICTED, QUARANTINED, UNLISTED];

/// Six hosts, two of them with IPv6, that share few connection ids with each other.
fn host(number: u8) -> SocketAddr {
    match number {
        0..4 => client(number),
        _ => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number)], 9).into(),
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let any_id = |host| prop_oneof![5 => Just(host), 1 => 0..6_u8];
    let any_host = (0..6_u8).prop_flat_map(move |host| (Just(host), any_id(host)));
    let player = prop_oneof![Just(Player::Stranger), Just(Player::Member), Just(Player::Moderator)];
    let event = prop_oneof![
        4 => Just(Event::None),
        1 => Just(Event::Started),
        1 => Just(Event::Completed),
        1 => Just(Event::Stopped),
        1 => Just(Event::Paused)
    ];
    let token = prop::option::of((player, prop::bool::weighted(0.7)));
    let want = prop::option::of(0..5_u32);
    let announce = (any_host.clone(), 0..4_usize, 0..8_u16, any::<bool>(), event, want, token).prop_map(
        |((host, shows_id_of), swarm, port, seeder, event, num_want, token)| {
            let left = u64::from(!seeder);
            let announce = AnnounceRequest { port, left, event, num_want, ..leecher(SWARMS[swarm]) };
            Step::Announce { host, shows_id_of, announce, token }
        },
    );
    prop_oneof![
        2 => (0..90_u64).prop_map(Step::Wait),
        3 => (0..6_u8).prop_map(Step::Connect),
        12 => announce,
        1 => any_host.prop_map(|(host, shows_id_of)| Step::Scrape { host, shows_id_of })
    ]
}

/// Remembers everything for ever, and looks through it.
#[derive(Debug, Default)]
struct Reference {
    now_s: u64,
    /// Who got which id in which minute.
    given: Vec<(u8, u64, ConnectionId)>,
    /// Who has shown a good token under which id.
    proven: BTreeSet<(u8, u64, Player)>,
    swarms: Naive,
}

impl Reference {
    fn id_of(&self, host: u8) -> ConnectionId {
        self.given.iter().rfind(|(owner, ..)| *owner == host).map_or(ConnectionId(0), |(.., id)| *id)
    }

    fn hears(&self, host: u8, shown: ConnectionId) -> bool {
        let is_good =
            |(owner, minute, id): &_| *owner == host && *id == shown && minute + 1 >= self.now_s / 60;
        self.given.iter().any(is_good)
    }

    /// Whether a swarm is told of, and whether the token counts.
    fn admits(
        &mut self,
        host: u8,
        id: ConnectionId,
        info_hash: InfoHash,
        token: Option<(Player, bool)>,
    ) -> (bool, bool) {
        let may_come = |player: Option<Player>| match info_hash {
            RESTRICTED => player >= Some(Player::Member),
            QUARANTINED => player >= Some(Player::Moderator),
            _ => true,
        };
        let Some((player, good)) =
            token.filter(|(player, _)| info_hash != UNLISTED && may_come(Some(*player)))
        else {
            return (may_come(None), false);
        };
        if good {
            self.proven.insert((host, id.0, player));
        }
        let proven = self.proven.contains(&(host, id.0, player));
        (may_come(proven.then_some(player)), proven)
    }
}

/// A tracker under test, beside the reference.
struct Pair {
    server: Server,
    store: Store,
    access: Access,
    reference: Reference,
}

impl Pair {
    fn ask(&mut self, from: u8, request: &Request<'_>) -> (Answered, Vec<u8>) {
        let now = Instant::ZERO + Duration::from_secs(self.reference.now_s);
        let mut reply = Vec::new();
        let packet = encoded(request);
        let answered =
            self.server.answer(now, host(from), &packet, &mut self.store, &self.access, &mut reply);
        (answered, reply)
    }

    fn connect(&mut self, from: u8) {
        let (_, reply) = self.ask(from, &Request::Connect { transaction: TRANSACTION });
        let Response::Connect(id) = read(&reply, host(from), false) else { panic!("a connection id") };
        self.reference.given.push((from, self.reference.now_s / 60, id));
    }

    fn announce(
        &mut self,
        from: u8,
        connection: ConnectionId,
        announce: AnnounceRequest,
        token: Option<(Player, bool)>,
    ) {
        let info_hash = announce.info_hash;
        let block = token.map(|(player, good)| {
            let signed =
                sign(&player.key(), EPOCH + self.reference.now_s, connection, TRANSACTION, info_hash);
            ic(if good { signed } else { Token { signature: [1; 64], ..signed } })
        });
        let options = announce_options("", block.as_ref());
        let request = Request::Announce { connection, transaction: TRANSACTION, announce, options: &options };
        let (answered, reply) = self.ask(from, &request);
        if !self.reference.hears(from, connection) {
            return assert_eq!(answered, Answered::Silence(Silence::WrongConnection));
        }
        if announce.port == 0 {
            return assert_eq!(answered, Answered::Error);
        }
        let (is_told, accepted) = self.reference.admits(from, connection, info_hash, token);
        let Answered::Announce(token_use) = answered else { panic!("{answered:?}") };
        assert_eq!(token_use.is_good(), accepted);
        let Response::Announce { counts, peers, ic, .. } = read(&reply, host(from), block.is_some()) else {
            panic!("peers")
        };
        assert_eq!(ic.is_some(), block.is_some());
        if !is_told {
            assert_eq!((peers.len(), ic.unwrap_or_default()), (0, IcAnswer::default()));
            return assert_eq!((counts.seeders, counts.leechers), (Some(0), Some(0)));
        }
        self.assert_told(host(from), &announce, counts, &peers);
    }

    fn assert_told(
        &mut self,
        from: SocketAddr,
        announce: &AnnounceRequest,
        counts: Counts,
        peers: &[SocketAddr],
    ) {
        let visit = Visit {
            info_hash: announce.info_hash,
            peer: SocketAddr::new(from.ip(), announce.port),
            seeder: announce.left == 0,
            event: announce.event,
            want: usize::MAX,
        };
        let mut others = Vec::new();
        self.reference.swarms.announce(Instant::ZERO, &visit, &mut others);
        let stride = if from.is_ipv4() { compact::V4 } else { compact::V6 };
        let others: BTreeSet<_> = compact::read_all(&others, stride).collect();
        let told: BTreeSet<_> = peers.iter().copied().collect();
        assert!(told.is_subset(&others) && told.len() == peers.len(), "{peers:?} of {others:?}");
        assert_eq!(told.len(), others.len().min(announce.num_want.unwrap_or(3).min(4) as usize));

        let of_swarm = self.reference.swarms.of(&announce.info_hash);
        let (seeders, leechers): (Vec<_>, Vec<_>) =
            of_swarm.filter(|(peer, _)| *peer != visit.peer).partition(|(_, seeder)| *seeder);
        let expected = [seeders, leechers].map(|others| Some(others.len() as u32));
        assert_eq!([counts.seeders, counts.leechers], expected);
    }

    fn scrape(&mut self, from: u8, connection: ConnectionId) {
        let info_hashes = &SWARMS.map(|info_hash| info_hash.0);
        let (answered, reply) =
            self.ask(from, &Request::Scrape { connection, transaction: TRANSACTION, info_hashes });
        if !self.reference.hears(from, connection) {
            return assert_eq!(answered, Answered::Silence(Silence::WrongConnection));
        }
        let hidden = Counts { seeders: Some(0), leechers: Some(0), completed: Some(0), downloaders: None };
        let expected = SWARMS.map(|info_hash| match info_hash {
            RESTRICTED | QUARANTINED => hidden,
            _ => self.reference.swarms.scrape(Instant::ZERO, &info_hash),
        });
        assert_eq!(read(&reply, host(from), false), Response::Scrape(expected.to_vec()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_answer_is_that_of_a_plain_tracker(steps in prop::collection::vec(any_step(), 1..60)) {
        let config = ServerConfig {
            unix_at_zero: EPOCH,
            default_want: 3,
            max_want: 4,
            budget: None,
            ..ServerConfig::default()
        };
        let store = Config::for_interval(Duration::from_secs(24 * 60 * 60));
        let mut pair = Pair {
            server: Server::new(config, [1; 32]),
            store: Store::new(store, [2; 32]),
            access: community(Access::open()),
            reference: Reference::default(),
        };
        for step in steps {
            match step {
                Step::Wait(seconds) => pair.reference.now_s += seconds,
                Step::Connect(host) => pair.connect(host),
                Step::Announce { host, shows_id_of, announce, token } => {
                    let id = pair.reference.id_of(shows_id_of);
                    pair.announce(host, id, announce, token);
                }
                Step::Scrape { host, shows_id_of } => {
                    let id = pair.reference.id_of(shows_id_of);
                    pair.scrape(host, id);
                }
            }
        }
    }
}
