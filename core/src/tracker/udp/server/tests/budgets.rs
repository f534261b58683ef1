//! What sources may cost, and that nobody pays for another.

use super::*;
use crate::tracker::udp::{Budget, VERIFICATION_UNITS};

fn with_budget(units_per_s: u32, burst_units: u32) -> World {
    let config =
        ServerConfig { budget: Some(Budget { units_per_s, burst_units }), ..ServerConfig::default() };
    World::with(config, community(Access::open()))
}

#[test]
fn a_source_that_asks_too_much_gets_silence_until_it_has_earned_more() {
    let mut world = with_budget(2, 10);
    let connection = world.connect(client(1));
    let answers = |world: &mut World, from| {
        (0..100)
            .take_while(|_| {
                let (answered, _) = world.announce(from, connection, leecher(UNLISTED), None);
                answered != Answered::Silence(Silence::OverBudget)
            })
            .count()
    };
    assert_eq!(answers(&mut world, client(1)), 10);
    world.wait(3);
    assert_eq!(answers(&mut world, client(1)), 6);
    world.wait(50);
    assert_eq!(answers(&mut world, addr("192.0.2.1:9")), 10, "the address pays, not the port");
}

#[test]
fn what_comes_in_anothers_name_is_not_charged_to_him() {
    let mut world = with_budget(1, 1);
    let connection = world.connect(client(1));
    for forged in 0..1000 {
        world.connect(client(1));
        world.announce(client(1), ConnectionId(forged), leecher(UNLISTED), None);
    }
    let (answered, _) = world.announce(client(1), connection, leecher(UNLISTED), None);
    assert_eq!(answered, Answered::Announce(TokenUse::None));
}

#[test]
fn a_network_of_ipv6_addresses_is_one_source() {
    let mut world = with_budget(1, 10);
    let mut answered = 0;
    for host in 0..100_u16 {
        let from = SocketAddr::from(([0x2001, 0xdb8, 0, 1, 0, 0, 0, host], 1));
        let (answer, _) = world.join(from, leecher(UNLISTED));
        answered += u32::from(answer == Answered::Announce(TokenUse::None));
    }
    assert_eq!(answered, 10);
    let (answer, _) = world.join(addr("[2001:db8:0:2::1]:1"), leecher(UNLISTED));
    assert_eq!(answer, Answered::Announce(TokenUse::None), "a neighbour has a budget of its own");
}

#[test]
fn a_scrape_of_many_swarms_costs_more_than_one_of_few() {
    let mut world = with_budget(1, 10);
    let connection = world.connect(client(1));
    let scrape = |world: &mut World, swarms| {
        let info_hashes = &[[9; 20]; 74][..swarms];
        world.ask(client(1), &Request::Scrape { connection, transaction: TRANSACTION, info_hashes }).0
    };
    assert_eq!(scrape(&mut world, 74), Answered::Scrape);
    assert_eq!(scrape(&mut world, 1), Answered::Silence(Silence::OverBudget));
    world.wait(1);
    assert_eq!(scrape(&mut world, 7), Answered::Scrape);
}

#[test]
fn a_hundred_sources_that_send_garbage_tokens_cost_no_more_than_their_budgets() {
    const SECONDS: u32 = 20;
    let budget = Budget::default();
    let mut world = World::of_community();
    let garbage = ic(Token { signature: [3; 64], ..Token::sign_v1(&member(), [5; 16], EPOCH) });
    let mut verifications = 0;
    let mut answers = 0;
    for _ in 0..SECONDS {
        for host in 0..100 {
            let connection = world.connect(client(host));
            for _ in 0..100 {
                let (answered, _) =
                    world.announce(client(host), connection, leecher(RESTRICTED), Some(&garbage));
                verifications += u32::from(answered == Answered::Announce(TokenUse::Refused));
                answers += u32::from(!matches!(answered, Answered::Silence(_)));
            }
        }
        world.wait(1);
    }
    let most = 100 * (budget.burst_units + SECONDS * budget.units_per_s);
    assert!(verifications * VERIFICATION_UNITS + answers <= most);
    assert!(verifications * VERIFICATION_UNITS * 4 > most, "{verifications}: they do spend it");
    let (answered, _) = world.join_as(&member(), client(200), RESTRICTED);
    assert_eq!(answered, Answered::Announce(TokenUse::Verified), "an honest one does not notice");
}
