//! A tracker under the law harness.

use super::{Action, Budget, Input, MAX_REPLY, ServerConfig, Tracker, TrackerConfig};
use crate::{
    Seed,
    ic::{Binding, Capabilities, Purpose, SigningKey, Token},
    id::{InfoHash, PeerId},
    testing::{Bounds, Call, Dice, Step, Subject},
    tracker::{
        AnnounceRequest, Event,
        access::{Access, Role, Rule, Visibility},
        store,
        udp::{Asked, ConnectionId, IcBlock, Request, Response, TransactionId, announce_options},
    },
};
use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// The most swarms and peers.
const SWARMS: usize = 4;
const PEERS: usize = 16;

/// Connection ids that are remembered.
const CONNECTIONS: usize = 8;

const UNIX_AT_ZERO: u64 = 1_740_000_000;
const COMMUNITY: [u8; 32] = [0xc0; 32];

/// Clients that announce and scrape, some with tokens, some with what was never theirs, and noise.
#[derive(Debug, Default)]
pub struct AnyTracker {
    /// Who got which connection id, the last ones.
    connections: Vec<(SocketAddr, ConnectionId)>,
    /// Which halves of ids, that are the address's, any address ever got.
    given: BTreeSet<(IpAddr, u64)>,
}

impl Subject for AnyTracker {
    type Machine = Tracker;
    type Config = TrackerConfig;

    fn config(&mut self, dice: &mut Dice) -> TrackerConfig {
        let budget =
            dice.chance(1, 2).then(|| Budget { units_per_s: dice.below(40), burst_units: dice.below(100) });
        let server = ServerConfig {
            unix_at_zero: UNIX_AT_ZERO,
            default_want: dice.below(10),
            max_want: dice.below(300),
            budget,
            ..ServerConfig::default()
        };
        let expiry = Duration::from_secs(u64::from(dice.below(1000)));
        let store = store::Config {
            expiry,
            max_swarms: dice.between(1..SWARMS as u32) as usize,
            max_peers: dice.between(1..PEERS as u32) as usize,
        };
        TrackerConfig { server, store, access: any_access(dice) }
    }

    fn build(&self, config: &TrackerConfig, seed: Seed) -> Tracker {
        Tracker::new(config.clone(), seed)
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            actions_per_call: 1,
            bytes_per_call: MAX_REPLY,
            // Two tables of the server; the store is held to its limits besides.
            memory: (512 + 256 + 4) * 1024,
            timeouts_per_s: 1,
        }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        if dice.chance(1, 32) {
            return Input::Access(Box::new(any_access(dice)));
        }
        let known = dice.pick(&self.connections).copied();
        let (mut from, connection) =
            known.unwrap_or_else(|| (any_source(dice), ConnectionId(u64::from(dice.below(4)))));
        if dice.chance(1, 8) {
            from = any_source(dice);
        }
        let mut packet = match dice.below(8) {
            0 | 1 => encoded(&Request::Connect { transaction: any_transaction(dice) }),
            2 => {
                let info_hashes: Vec<_> = (0..dice.below(4)).map(|_| any_info_hash(dice).0).collect();
                let transaction = any_transaction(dice);
                encoded(&Request::Scrape { connection, transaction, info_hashes: &info_hashes })
            }
            _ => announce(dice, connection),
        };
        if dice.chance(1, 8) {
            spoil(&mut packet, dice);
        }
        Input::Datagram { from, data: packet.into() }
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        let Call::Input(Input::Datagram { from, data: packet }) = &step.call else {
            return assert!(step.outcome.actions.is_empty());
        };
        for Action::SendTo { to, data } in &step.outcome.actions {
            assert_eq!(to, from, "an answer goes to who asked");
            let address = to.ip().to_canonical();
            // Told of others or not, with a trailer or not.
            let response = Response::decode(data, Asked { ipv6: address.is_ipv6(), ic: true });
            assert!(response.is_some(), "clients understand it");
            if let Some((_, Response::Connect(connection))) = response {
                assert!(data.len() <= packet.len(), "no more to the unproven than they sent");
                self.connections.truncate(CONNECTIONS - 1);
                self.connections.insert(0, (*to, connection));
                self.given.insert((address, connection.0 >> 32));
            } else {
                let shown = packet.first_chunk().map_or(0, |id| u64::from_be_bytes(*id));
                assert!(self.given.contains(&(address, shown >> 32)), "nothing for who has no connection id");
            }
        }
    }

    fn memory(&self, machine: &Tracker) -> usize {
        let store = machine.store();
        assert!(store.swarms() <= SWARMS && store.peers() <= PEERS);
        machine.memory()
    }

    fn bytes(&self, action: &Action) -> usize {
        let Action::SendTo { data, .. } = action;
        data.len()
    }
}

/// A community with a member and a moderator, and swarms that are everybody's, theirs, and unlisted.
fn any_access(dice: &mut Dice) -> Access {
    let mut access = if dice.chance(1, 2) { Access::open() } else { Access::closed() };
    for visibility in [Visibility::Public, Visibility::Community, Visibility::Quarantined] {
        let rule = Rule { visibility, community: COMMUNITY, advisories: 3 };
        access.insert_rule(any_info_hash(dice), rule);
    }
    for role in [Role::Member, Role::Moderator] {
        access.insert_member(COMMUNITY, any_player(dice).verifying_key().to_bytes(), role);
    }
    access
}

/// An announce, with or without a token that was signed for it or for something else.
fn announce(dice: &mut Dice, connection: ConnectionId) -> Vec<u8> {
    let events = [Event::None, Event::Completed, Event::Started, Event::Stopped, Event::Paused];
    let announce = AnnounceRequest {
        info_hash: any_info_hash(dice),
        peer_id: PeerId([0; 20]),
        port: dice.below(3) as u16,
        uploaded: 0,
        downloaded: 0,
        left: u64::from(dice.below(2)),
        event: dice.pick(&events).copied().unwrap_or_default(),
        key: 0,
        num_want: dice.chance(1, 2).then(|| dice.below(400)),
    };
    let transaction = any_transaction(dice);
    let ic = dice.chance(1, 2).then(|| IcBlock {
        version: 1 + dice.below(2) as u8,
        token: dice.chance(3, 4).then(|| any_token(dice, connection, transaction, announce.info_hash)),
        capabilities: Capabilities::AUTH,
    });
    let options = announce_options(if dice.chance(1, 2) { "/announce" } else { "" }, ic.as_ref());
    encoded(&Request::Announce { connection, transaction, announce, options: &options })
}

fn any_token(
    dice: &mut Dice,
    connection: ConnectionId,
    transaction: TransactionId,
    info_hash: InfoHash,
) -> Token {
    let for_another = dice.chance(1, 4);
    let info_hash = if for_another { any_info_hash(dice) } else { info_hash };
    let issued_at = UNIX_AT_ZERO.saturating_add_signed(i64::from(dice.below(7)) * 600 - 1800);
    let audience = [&connection.0.to_be_bytes()[..], &transaction.0.to_be_bytes()].concat();
    let purpose = Purpose::UdpAnnounce;
    let binding = Binding { purpose, community_id: COMMUNITY, info_hash, audience: &audience };
    Token::sign_v2(&any_player(dice), [dice.below(2) as u8; 16], issued_at, &binding)
}

/// Other bytes in some places, or another length.
fn spoil(packet: &mut Vec<u8>, dice: &mut Dice) {
    match dice.below(3) {
        0 => packet.truncate(dice.below(packet.len() as u32) as usize),
        1 => packet.extend_from_slice(&dice.filler(8)),
        _ => {
            let at = dice.below(packet.len() as u32) as usize;
            if let Some(byte) = packet.get_mut(at) {
                *byte = dice.below(256) as u8;
            }
        }
    }
}

fn any_player(dice: &mut Dice) -> SigningKey {
    SigningKey::from_bytes(&[dice.below(3) as u8; 32])
}

fn any_info_hash(dice: &mut Dice) -> InfoHash {
    InfoHash([dice.below(6) as u8; 20])
}

fn any_transaction(dice: &mut Dice) -> TransactionId {
    TransactionId(dice.below(4))
}

/// Few of each kind, so that they meet.
fn any_source(dice: &mut Dice) -> SocketAddr {
    let (host, port) = (dice.below(4) as u8, dice.below(3) as u16);
    match dice.below(4) {
        0 => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host)], port).into(),
        1 => ([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0200 | u16::from(host)], port).into(),
        _ => ([192, 0, 2, host], port).into(),
    }
}

fn encoded(request: &Request<'_>) -> Vec<u8> {
    let mut packet = Vec::new();
    request.encode(&mut packet);
    packet
}
