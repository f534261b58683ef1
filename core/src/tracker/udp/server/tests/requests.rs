//! Requests of BEP 15, right and wrong.

use super::*;

#[test]
fn two_who_announce_are_told_of_each_other_on_their_own_family() {
    for hosts in [["192.0.2.1:1", "192.0.2.2:2"], ["[2001:db8::1]:1", "[2001:db8::2]:2"]] {
        let mut world = World::new();
        let [one, other] = hosts.map(addr);
        world.join(one, leecher(UNLISTED));
        let seeder = AnnounceRequest { left: 0, port: 7000, ..leecher(UNLISTED) };
        let (answered, reply) = world.join(other, seeder);
        assert_eq!(answered, Answered::Announce(TokenUse::None));
        let Response::Announce { interval_s, peers, counts, ic } = read(&reply, other, false) else {
            panic!("{answered:?}");
        };
        assert_eq!((interval_s, ic), (1800, None));
        assert_eq!(peers, [SocketAddr::new(one.ip(), 6881)], "its port is the one that it named");
        assert_eq!(counts, Counts { seeders: Some(0), leechers: Some(1), ..Counts::default() }, "the others");
        let (_, reply) = world.join(one, leecher(UNLISTED));
        let Response::Announce { peers, .. } = read(&reply, one, false) else { panic!() };
        assert_eq!(peers, [SocketAddr::new(other.ip(), 7000)]);
    }
}

#[test]
fn ipv4_that_comes_mapped_is_ipv4() {
    let mut world = World::new();
    world.join(client(1), leecher(UNLISTED));
    let (_, reply) = world.join(addr("[::ffff:192.0.2.2]:40000"), leecher(UNLISTED));
    let Response::Announce { peers, .. } = read(&reply, client(2), false) else { panic!() };
    assert_eq!(peers, [addr("192.0.2.1:6881")]);
}

#[test]
fn a_scrape_counts_each_swarm_in_the_order_asked_for() {
    let mut world = World::new();
    let connection = world.connect(client(1));
    world.announce(client(1), connection, leecher(UNLISTED), None);
    let done = AnnounceRequest { left: 0, event: Event::Completed, ..leecher(UNLISTED) };
    world.announce(client(1), connection, done, None);
    let info_hashes = &[PUBLIC.0, UNLISTED.0];
    let scrape = Request::Scrape { connection, transaction: TRANSACTION, info_hashes };
    let (answered, reply) = world.ask(client(1), &scrape);
    assert_eq!(answered, Answered::Scrape);
    let counts = |[seeders, leechers, completed]: [u32; 3]| Counts {
        seeders: Some(seeders),
        leechers: Some(leechers),
        completed: Some(completed),
        downloaders: None,
    };
    let expected = Response::Scrape([[0, 0, 0], [1, 0, 1]].map(counts).to_vec());
    assert_eq!(read(&reply, client(1), false), expected);
}

#[test]
fn replies_fit_a_packet_whatever_is_asked_for() {
    for (hosts, most) in [("192.0.2.1:1", 200), ("[2001:db8::1]:1", 79)] {
        let mut world = World::new();
        let from = addr(hosts);
        for port in 1..=300 {
            world.swarms.peers.insert((UNLISTED, SocketAddr::new(from.ip(), port)), true);
        }
        for (num_want, told) in
            [(None, 50), (Some(0), 0), (Some(7), 7), (Some(1 << 31), 50), (Some(5000), most)]
        {
            let (_, reply) = world.join(from, AnnounceRequest { num_want, ..leecher(UNLISTED) });
            assert!(reply.len() <= super::super::MAX_REPLY);
            let Response::Announce { peers, .. } = read(&reply, from, false) else { panic!() };
            assert_eq!(peers.len(), told, "{num_want:?}");
        }
        let stopped = AnnounceRequest { event: Event::Stopped, ..leecher(UNLISTED) };
        let (_, reply) = world.join(from, stopped);
        assert_eq!(reply.len(), 20, "who leaves wants nobody");
        let connection = world.connect(from);
        let info_hashes = &[[9; 20]; 100];
        let (_, reply) =
            world.ask(from, &Request::Scrape { connection, transaction: TRANSACTION, info_hashes });
        assert_eq!(reply.len(), 8 + 74 * 12);
    }
}

#[test]
fn a_connection_id_is_good_for_one_to_two_minutes() {
    const WRONG: Answered = Answered::Silence(Silence::WrongConnection);
    const RIGHT: Answered = Answered::Announce(TokenUse::None);
    for (given_out_at, shown_after, expected) in [
        (0, 0, RIGHT),
        (0, 119, RIGHT),
        (0, 120, WRONG),
        (59, 60, RIGHT),
        (59, 61, WRONG),
        (59, 365 * 24 * 60 * 60, WRONG),
    ] {
        let mut world = World::new();
        world.wait(given_out_at);
        let connection = world.connect(client(1));
        world.wait(shown_after);
        let (answered, _) = world.announce(client(1), connection, leecher(UNLISTED), None);
        assert_eq!(answered, expected, "{shown_after} s after {given_out_at} s");
    }
}

#[test]
fn an_address_that_changes_its_port_keeps_its_connection_id() {
    let mut world = World::new();
    let connection = world.connect(addr("192.0.2.1:1"));
    let (answered, _) = world.announce(addr("192.0.2.1:2"), connection, leecher(UNLISTED), None);
    assert_eq!(answered, Answered::Announce(TokenUse::None));
}

#[test]
fn servers_with_one_seed_know_each_others_connection_ids() {
    let (mut world, mut restarted) = (World::new(), World::new());
    let connection = world.connect(client(1));
    let (answered, _) = restarted.announce(client(1), connection, leecher(UNLISTED), None);
    assert_eq!(answered, Answered::Announce(TokenUse::None));
    restarted.server = Server::new(ServerConfig { unix_at_zero: EPOCH, ..ServerConfig::default() }, [2; 32]);
    let (answered, _) = restarted.announce(client(1), connection, leecher(UNLISTED), None);
    assert_eq!(answered, Answered::Silence(Silence::WrongConnection));
}

#[test]
fn bad_input_34_a_forged_connection_id_gets_silence() {
    let mut world = World::new();
    let connection = world.connect(client(1));
    for forged in [0, u64::MAX, connection.0 ^ 1 << 32, connection.0.rotate_left(32)] {
        let (answered, _) = world.announce(client(1), ConnectionId(forged), leecher(UNLISTED), None);
        assert_eq!(answered, Answered::Silence(Silence::WrongConnection));
    }
    let (answered, _) = world.announce(client(2), connection, leecher(UNLISTED), None);
    assert_eq!(answered, Answered::Silence(Silence::WrongConnection), "another's");
    let info_hashes = &[UNLISTED.0];
    let (answered, _) =
        world.ask(client(2), &Request::Scrape { connection, transaction: TRANSACTION, info_hashes });
    assert_eq!(answered, Answered::Silence(Silence::WrongConnection));
    assert_eq!(world.swarms.len(), 0);
}

#[test]
fn bad_input_34_a_named_address_is_not_heeded() {
    let mut world = World::new();
    let connection = world.connect(client(1));
    let announce = leecher(UNLISTED);
    let request = Request::Announce { connection, transaction: TRANSACTION, announce, options: &[] };
    let mut packet = encoded(&request);
    packet[84..88].copy_from_slice(&[203, 0, 113, 9]);
    world.send(client(1), &packet);
    assert_eq!(world.swarms.peers.keys().collect::<Vec<_>>(), [&(UNLISTED, addr("192.0.2.1:6881"))]);
}

#[test]
fn bad_input_34_port_0_is_an_error_and_not_stored() {
    let mut world = World::new();
    let (answered, reply) = world.join(client(1), AnnounceRequest { port: 0, ..leecher(UNLISTED) });
    assert_eq!(answered, Answered::Error);
    assert!(
        matches!(read(&reply, client(1), false), Response::Error(reason) if reason.starts_with("port 0"))
    );
    assert_eq!(world.swarms.len(), 0);
}

#[test]
fn bad_input_34_packets_that_are_too_short_or_of_no_kind_get_silence() {
    let mut world = World::new();
    let connection = world.connect(client(1));
    let announce = leecher(UNLISTED);
    let announce =
        encoded(&Request::Announce { connection, transaction: TRANSACTION, announce, options: &[] });
    let connect = encoded(&Request::Connect { transaction: TRANSACTION });
    for (packet, whole) in [(&announce, 98), (&connect, 16)] {
        assert_eq!(packet.len(), whole);
        for length in 0..whole {
            let (answered, _) = world.send(client(1), &packet[..length]);
            assert_eq!(answered, Answered::Silence(Silence::Malformed), "{length} bytes");
        }
    }
    for action in (3..=255).chain([1 << 31, u32::MAX]) {
        let mut packet = announce.clone();
        packet[8..12].copy_from_slice(&action.to_be_bytes());
        let (answered, _) = world.send(client(1), &packet);
        assert_eq!(answered, Answered::Silence(Silence::Malformed), "action {action}");
    }
    assert_eq!(world.swarms.len(), 0);
}
