//! BEP 55 and the IC extensions, message by message.

use super::{
    Table,
    extensions::{extended, extensions, join},
};
use crate::{
    ic::{Binding, PlayerSecret, Purpose, Token},
    id::{PeerId, PieceIndex},
    picker::Tier,
    swarm::{
        Community, Input, Plan, Swarm,
        subject::{self, joined},
    },
    wire::{
        Reserved,
        extension::{Auth, Holepunch, HolepunchError, Priority, PriorityLevel},
    },
};
use alloc::{boxed::Box, collections::BTreeSet, vec, vec::Vec};
use core::{net::SocketAddr, time::Duration};

const HANDSHAKE: &[u8] = b"d10:ic_versioni2e1:md7:ic_authi20e11:ic_priorityi21e12:ut_holepunchi22eee";
const EXTENDED: Reserved = Reserved([0, 0, 0, 0, 0, 0x10, 0, 4]);

/// A seed of a community, in which only who proves to be a member may hurry it.
fn restricted() -> Table {
    let mut table = Table::new(true);
    let (mut setup, _) = super::setup_of(true);
    let player = PlayerSecret::from([1; 32]);
    let members = BTreeSet::from([player.player_key()]);
    setup.config.community = Some(Community { id: [7; 32], player, members });
    table.swarm = Swarm::new(setup, [1; 32]);
    table.tell(Input::Start);
    table
}

fn lobby() -> Vec<u8> {
    let priority = Priority { pieces: vec![], priority: PriorityLevel::LobbyUrgent, reason: None };
    extended(11, &priority.encode())
}

/// What the member with that key shows to the peer with this id.
fn auth(table: &Table, key: u8, audience: PeerId) -> Vec<u8> {
    let binding = Binding {
        purpose: Purpose::PeerMessage,
        community_id: [7; 32],
        info_hash: table.swarm.info().info_hash,
        audience: &audience.0,
    };
    let token = Token::sign_v2(&PlayerSecret::from([key; 32]).signing_key(), [5; 16], 0, &binding);
    extended(10, &Auth { community_id: [7; 32], token }.encode())
}

#[test]
fn in_a_restricted_swarm_only_a_member_may_hurry_us() {
    for (key, audience, may) in
        [(1, PeerId([1; 20]), true), (2, PeerId([1; 20]), false), (1, PeerId([9; 20]), false)]
    {
        let mut table = restricted();
        let peer = join(&mut table);
        table.hear(peer, &extended(0, HANDSHAKE));
        let shown = auth(&table, key, audience);
        table.hear(peer, &shown);
        table.hear(peer, super::INTERESTED);
        table.hear(peer, &lobby());
        assert_eq!(
            table.swarm.choker.is_lobby(peer),
            may,
            "bad input 39: player {key}, shown to {audience:?}"
        );
    }
}

#[test]
fn urgency_is_believed_five_times_at_once_and_then_once_a_second() {
    let mut table = Table::new(true);
    let peer = join(&mut table);
    table.hear(peer, &extended(0, HANDSHAKE));
    table.hear(peer, super::INTERESTED);
    let calm = Priority { pieces: vec![], priority: PriorityLevel::Background, reason: None };
    for _ in 0..5 {
        table.hear(peer, &extended(11, &calm.encode()));
    }
    table.hear(peer, &lobby());
    assert!(!table.swarm.choker.is_lobby(peer), "the sixth within a second");
    table.now = table.now + Duration::from_secs(1);
    table.hear(peer, &lobby());
    assert!(table.swarm.choker.is_lobby(peer));
}

#[test]
fn what_is_urgent_to_us_is_said_and_said_again_and_taken_back() {
    let mut table = Table::new(false);
    let peer = join(&mut table);
    let plan = Box::new(Plan { tier: Tier::LobbyUrgent, ..Plan::default() });
    table.tell(Input::Follow(plan));
    let said = table.hear(peer, &extended(0, HANDSHAKE));
    let [.., (21, message)] = &extensions(&said)[..] else { panic!("{said:?}") };
    let urgent = Priority::decode(message, subject::PIECES).expect("well formed").expect("known");
    assert_eq!(urgent.priority, PriorityLevel::LobbyUrgent);
    assert_eq!(urgent.pieces, (0..subject::PIECES).map(PieceIndex).collect::<Vec<_>>());
    table.sent(peer);
    let calm = table.tell(Input::Follow(Box::default()));
    let [(21, message)] = &extensions(&calm)[..] else { panic!("{calm:?}") };
    let calm = Priority::decode(message, subject::PIECES).expect("well formed").expect("known");
    assert_eq!(calm.priority, PriorityLevel::UserRequested);
}

#[test]
fn two_peers_are_brought_together() {
    let mut table = Table::new(true);
    let first = join(&mut table);
    table.hear(first, &extended(0, HANDSHAKE));
    table.tell(Input::Joined(joined(2, EXTENDED)));
    let second = table.peers[1].0;
    table.sent(second);
    table.hear(second, &extended(0, HANDSHAKE));
    let [ann, bob] = [1, 2].map(|number| joined(number, EXTENDED).remote);
    table.sent(first);
    let said = table.hear(first, &extended(4, &Holepunch::Rendezvous(bob).encode()));
    let told: Vec<_> =
        extensions(&said).into_iter().map(|(_, payload)| Holepunch::decode(&payload)).collect();
    assert_eq!(told, [Ok(Some(Holepunch::Connect(ann))), Ok(Some(Holepunch::Connect(bob)))]);
    let nobody = SocketAddr::from(([192, 0, 2, 77], 6881));
    table.sent(first);
    let said = table.hear(first, &extended(4, &Holepunch::Rendezvous(nobody).encode()));
    let told: Vec<_> =
        extensions(&said).into_iter().map(|(_, payload)| Holepunch::decode(&payload)).collect();
    assert_eq!(told, [Ok(Some(Holepunch::Failed(nobody, HolepunchError::NotConnected)))]);
}

#[test]
fn bad_input_23_nobody_makes_us_dial_into_our_own_network() {
    let mut table = Table::new(true);
    let peer = join(&mut table);
    table.hear(peer, &extended(0, HANDSHAKE));
    for victim in ["127.0.0.1:6881", "10.0.0.1:6881", "192.168.1.1:6881", "[::1]:6881"] {
        let victim: SocketAddr = victim.parse().expect("an address");
        table.hear(peer, &extended(4, &Holepunch::Connect(victim).encode()));
    }
    assert!(table.found.is_empty());
    let stranger = SocketAddr::from(([9, 9, 9, 9], 6881));
    table.hear(peer, &extended(4, &Holepunch::Connect(stranger).encode()));
    assert_eq!(table.found, [stranger]);
}
