//! BEP 55 and the IC extensions, message by message.

use super::{
    Table,
    extensions::{extended, extensions, join, join_as},
};
use crate::{
    Machine,
    ic::{Binding, PlayerSecret, Purpose, Token, TokenError, Verified},
    id::{PeerId, PeerKey, PieceIndex},
    picker::Tier,
    swarm::{
        Action, AuthFailure, Community, Input, Plan, Swarm,
        subject::{self, joined},
    },
    wire::{
        Reserved,
        extension::{Auth, Holepunch, HolepunchError, Priority, PriorityLevel},
    },
};
use alloc::{boxed::Box, collections::BTreeSet, format, vec, vec::Vec};
use bytes::BytesMut;
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
    auth_in(table, [7; 32], key, audience)
}

fn auth_in(table: &Table, community_id: [u8; 32], key: u8, audience: PeerId) -> Vec<u8> {
    let binding = Binding {
        purpose: Purpose::PeerMessage,
        community_id,
        info_hash: table.swarm.info().info_hash,
        audience: &audience.0,
    };
    let token = Token::sign_v2(&PlayerSecret::from([key; 32]).signing_key(), [5; 16], 0, &binding);
    extended(10, &Auth { community_id, token }.encode())
}

/// What the player with that key shows to all alike.
fn auth_v1(key: u8) -> Vec<u8> {
    let token = Token::sign_v1(&PlayerSecret::from([key; 32]).signing_key(), [5; 16], 0);
    extended(10, &Auth { community_id: [7; 32], token }.encode())
}

const US: PeerId = PeerId([1; 20]);

/// A peer shows something; how it is judged.
fn show(table: &mut Table, peer: PeerKey, shown: &[u8]) -> Vec<Result<Verified, AuthFailure>> {
    let input = Input::Received { peer, data: BytesMut::from(shown) };
    let Ok(()) = table.swarm.handle_input(table.now, input, &mut table.out);
    let judged = table.out.drain().filter_map(|action| match action {
        Action::Player { result, .. } => Some(result),
        _ => None,
    });
    judged.collect()
}

/// Time goes by; what is said, each time that the swarm wants to be called.
fn wait(table: &mut Table, seconds: u64) -> Vec<Vec<u8>> {
    let end = table.now + Duration::from_secs(seconds);
    let mut said = Vec::new();
    while let Some(deadline) = table.swarm.poll_timeout().filter(|deadline| deadline.at <= end) {
        table.now = table.now.max(deadline.at);
        said.extend(table.pass(0));
    }
    table.now = end;
    said
}

#[test]
fn in_a_restricted_swarm_only_a_member_may_hurry_us() {
    for (key, audience, may) in [(1, US, true), (2, US, false), (1, PeerId([9; 20]), false)] {
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
fn the_first_version_says_who_plays_and_gives_no_rights() {
    const V1: &[u8] = b"d10:ic_versioni1e1:md7:ic_authi20e11:ic_priorityi21eee";
    let mut table = restricted();
    let peer = join(&mut table);
    table.hear(peer, &extended(0, V1));
    table.hear(peer, super::INTERESTED);
    let player_key = PlayerSecret::from([1; 32]).player_key();
    assert_eq!(show(&mut table, peer, &auth_v1(1)), [Ok(Verified::IdentifiedOnly { player_key })]);
    table.hear(peer, &lobby());
    assert!(!table.swarm.choker.is_lobby(peer), "anybody may have picked a member's token up");

    let stranger = join_as(&mut table, 2);
    table.hear(stranger, &extended(0, V1));
    assert_eq!(show(&mut table, stranger, &auth_v1(2)), [Err(AuthFailure::NotMember)]);
    let liar = join_as(&mut table, 3);
    table.hear(liar, &extended(0, HANDSHAKE));
    let forged = Err(AuthFailure::Token(TokenError::BadSignature));
    assert_eq!(show(&mut table, liar, &auth_v1(1)), [forged], "who speaks version 2 signs version 2");
}

#[test]
fn a_second_player_is_heard_a_minute_after_the_first() {
    let mut table = restricted();
    let peer = join(&mut table);
    table.hear(peer, &extended(0, HANDSHAKE));
    assert_eq!(show(&mut table, peer, &extended(10, b"de")), [], "no player yet");
    let [stranger, member] = [2, 1].map(|key| auth(&table, key, US));
    assert_eq!(show(&mut table, peer, &stranger), [Err(AuthFailure::NotMember)]);
    let first = table.now;
    table.now = first + Duration::from_millis(59_999);
    assert_eq!(show(&mut table, peer, &member), []);
    table.now = first + Duration::from_secs(60);
    let player_key = PlayerSecret::from([1; 32]).player_key();
    assert_eq!(show(&mut table, peer, &member), [Ok(Verified::Authenticated { player_key })]);
}

#[test]
fn the_community_is_looked_at_behind_time_and_signature() {
    let mut table = restricted();
    let other = auth_in(&table, [8; 32], 1, US);
    let forged = auth_in(&table, [8; 32], 1, PeerId([9; 20]));
    for (number, shown, why) in
        [(1, &other, AuthFailure::OtherCommunity), (2, &forged, AuthFailure::Token(TokenError::BadSignature))]
    {
        let peer = join_as(&mut table, number);
        table.hear(peer, &extended(0, HANDSHAKE));
        assert_eq!(show(&mut table, peer, shown), [Err(why)]);
    }
    let late = join_as(&mut table, 3);
    table.hear(late, &extended(0, HANDSHAKE));
    table.now = table.now + Duration::from_secs(86_401);
    let too_old = Err(AuthFailure::Token(TokenError::TooOld));
    assert_eq!(show(&mut table, late, &forged), [too_old], "time costs nothing to look at");
}

#[test]
fn who_proves_nothing_hurries_nobody_where_proof_is_asked_for() {
    for (asked_for, version, proves, may) in
        [(false, 2, false, true), (true, 2, false, false), (true, 2, true, true), (true, 1, true, false)]
    {
        let (mut setup, content) = super::setup_of(true);
        setup.config.require_auth_for_lobby = asked_for;
        let mut table = Table::of(setup, content);
        let peer = join(&mut table);
        let handshake = format!("d10:ic_versioni{version}e1:md7:ic_authi20eee");
        table.hear(peer, &extended(0, handshake.as_bytes()));
        table.hear(peer, super::INTERESTED);
        if proves {
            let shown = if version == 1 { auth_v1(1) } else { auth(&table, 1, US) };
            assert!(matches!(show(&mut table, peer, &shown)[..], [Ok(_)]));
        }
        table.hear(peer, &lobby());
        assert_eq!(table.swarm.choker.is_lobby(peer), may, "{asked_for} {version} {proves}");
    }
}

#[test]
fn who_we_are_is_said_once_whatever_becomes_of_its_id() {
    let mut table = restricted();
    let peer = join(&mut table);
    let mut shown = |handshake: &[u8]| {
        let said = table.hear(peer, &extended(0, handshake));
        table.sent(peer);
        extensions(&said).iter().filter(|(id, _)| *id == 20).count()
    };
    assert_eq!(shown(HANDSHAKE), 1);
    assert_eq!(shown(b"d1:md7:ic_authi0eee"), 0);
    assert_eq!(shown(HANDSHAKE), 0, "protocol page 7.3: once");
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
    assert!(wait(&mut table, 44).is_empty());
    let again = wait(&mut table, 1);
    assert_eq!(extensions(&again), [(21, message.clone())], "it is forgotten after 60 s");
    table.sent(peer);
    assert_eq!(extensions(&wait(&mut table, 45)), [(21, message.clone())]);
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
