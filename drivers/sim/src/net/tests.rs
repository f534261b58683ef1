//! What a machine can tell of a network.

use super::*;
use proptest::prelude::*;

const MIB: u64 = 1 << 20;
const PORT: u16 = 6881;

/// A network that writes down what happens, and when.
struct Watched {
    net: Network,
    now: Instant,
    seen: Vec<(Instant, NetEvent)>,
}

impl Watched {
    fn new(links: &[Link]) -> Self {
        let mut net = Network::new([3; 32]);
        for link in links {
            let host = net.add_host(*link, Reach::Public);
            net.listen(host, PORT).expect("a free port");
        }
        Self { net, now: Instant::ZERO, seen: Vec::new() }
    }

    /// Runs for so long; whoever is dialled takes it.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.net.next_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            while let Some(event) = self.net.pop(self.now) {
                if let NetEventKind::Incoming { conn, .. } = event.kind {
                    self.net.accept(self.now, conn);
                }
                self.seen.push((self.now, event));
            }
        }
        self.now = end;
    }

    fn at(&self, host: HostId) -> SocketAddr {
        SocketAddr::new(self.net.address(host), PORT)
    }

    /// A stream from one to the other: its two ends.
    fn stream(&mut self, from: HostId, to: HostId) -> (ConnId, ConnId) {
        let conn = self.net.connect(self.now, from, self.at(to));
        self.run(Duration::from_secs(5));
        let opened = self.seen.iter().any(|(_, event)| event.kind == NetEventKind::Connected { conn });
        assert!(opened, "{:?}", self.seen);
        (conn, conn.other())
    }

    fn received(&self, conn: ConnId) -> Vec<u8> {
        let data = self.seen.iter().filter_map(|(_, event)| match &event.kind {
            NetEventKind::Received { conn: at, data } if *at == conn => Some(data.to_vec()),
            _ => None,
        });
        data.flatten().collect()
    }

    /// When an end heard that it is over, and why.
    fn closed(&self, conn: ConnId) -> Option<(Instant, Option<StreamError>)> {
        self.seen.iter().find_map(|(at, event)| match event.kind {
            NetEventKind::Closed { conn: closed, error } if closed == conn => Some((*at, error)),
            _ => None,
        })
    }

    /// When the last byte reached an end.
    fn last_byte(&self, conn: ConnId) -> Instant {
        let at =
            |event: &NetEvent| matches!(event.kind, NetEventKind::Received { conn: at, .. } if at == conn);
        self.seen.iter().filter(|(_, event)| at(event)).map(|(at, _)| *at).max().unwrap_or_default()
    }

    fn sent(&self, conn: ConnId) -> usize {
        let sent = self.seen.iter().filter_map(|(_, event)| match event.kind {
            NetEventKind::Sent { conn: at, bytes } if at == conn => Some(bytes),
            _ => None,
        });
        sent.sum()
    }

    fn datagrams(&self) -> Vec<(Instant, u16, SocketAddr, Bytes)> {
        let datagrams = self.seen.iter().filter_map(|(at, event)| match &event.kind {
            NetEventKind::Datagram { port, from, data } => Some((*at, *port, *from, data.clone())),
            _ => None,
        });
        datagrams.collect()
    }
}

const A: HostId = HostId(0);
const B: HostId = HostId(1);
const C: HostId = HostId(2);

fn link(bytes_per_s: u64, delay_ms: u64) -> Link {
    let delay = Duration::from_millis(delay_ms);
    Link { up_bytes_per_s: bytes_per_s, down_bytes_per_s: bytes_per_s, delay, ..Link::default() }
}

fn bytes(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

#[test]
fn a_dial_takes_a_round_trip_and_bytes_half_of_one() {
    let mut world = Watched::new(&[link(MIB, 10), link(MIB, 30)]);
    let (a, b) = world.stream(A, B);
    assert_eq!(world.seen[1].0, Instant::from_micros(80_000));
    let begun = world.now;
    world.net.send(begun, a, bytes(100));
    world.run(Duration::from_secs(1));
    assert_eq!(world.last_byte(b) - begun, Duration::from_micros(40_000));
    assert_eq!(world.received(b), bytes(100));
}

#[test]
fn an_uplink_and_a_downlink_keep_to_their_rates() {
    for (up, down) in [(MIB, 8 * MIB), (8 * MIB, MIB)] {
        let slow = Link { up_bytes_per_s: up, ..link(8 * MIB, 1) };
        let mut world = Watched::new(&[slow, Link { down_bytes_per_s: down, ..link(8 * MIB, 1) }]);
        let (a, b) = world.stream(A, B);
        let begun = world.now;
        world.net.send(begun, a, bytes(4 << 20));
        world.run(Duration::from_secs(20));
        let took = seconds(world.last_byte(b) - begun);
        assert!((3.9..4.5).contains(&took), "4 MiB at 1 MiB a second took {took} s");
        assert_eq!((world.received(b), world.sent(a)), (bytes(4 << 20).to_vec(), 4 << 20));
    }
}

#[test]
fn two_streams_share_an_uplink() {
    let mut world = Watched::new(&[link(MIB, 5), link(8 * MIB, 5), link(8 * MIB, 5)]);
    let (to_b, b) = world.stream(A, B);
    let (to_c, c) = world.stream(A, C);
    for conn in [to_b, to_c] {
        world.net.send(world.now, conn, bytes(1 << 20));
    }
    world.run(Duration::from_secs(1));
    let [b, c] = [world.received(b).len(), world.received(c).len()];
    assert!(b.abs_diff(c) < 100_000, "{b} and {c}");
}

#[test]
fn a_window_bounds_what_is_on_its_way() {
    // A second each way: without a window a MiB would leave within a second.
    let mut world = Watched::new(&[link(64 * MIB, 500), link(64 * MIB, 500)]);
    let (a, _) = world.stream(A, B);
    world.net.send(world.now, a, bytes(1 << 20));
    world.run(Duration::from_millis(900));
    assert!(world.sent(a) <= 7 * 1448 + 1448, "{} left within the first flight", world.sent(a));
}

#[test]
fn a_close_comes_behind_everything() {
    let mut world = Watched::new(&[link(MIB, 5), link(MIB, 5)]);
    let (a, b) = world.stream(A, B);
    world.net.send(world.now, a, bytes(500_000));
    world.net.close(world.now, a);
    world.run(Duration::from_secs(5));
    assert_eq!(world.received(b), bytes(500_000));
    let (at, error) = world.closed(b).expect("closed");
    assert!(at >= world.last_byte(b) && error.is_none());
    assert_eq!(world.closed(a), None, "who closes hears no more");
}

#[test]
fn a_reset_reaches_the_other_end() {
    let mut world = Watched::new(&[link(MIB, 5), link(MIB, 5)]);
    let (a, b) = world.stream(A, B);
    world.net.reset(world.now, b);
    world.run(Duration::from_secs(1));
    assert_eq!(world.closed(a).map(|(_, error)| error), Some(Some(StreamError::Reset)));
}

#[test]
fn dials_fail_as_they_do() {
    let mut world = Watched::new(&[link(MIB, 5), link(MIB, 5)]);
    let walled = world.net.add_host(link(MIB, 5), Reach::Firewalled);
    world.net.listen(walled, PORT).expect("free");
    let nowhere: SocketAddr = ([192, 0, 2, 1], PORT).into();
    let elsewhere = SocketAddr::new(world.net.address(B), PORT + 1);
    let [refused, silent, unreachable] =
        [elsewhere, world.at(walled), nowhere].map(|to| world.net.connect(Instant::ZERO, A, to));
    world.run(Duration::from_secs(200));
    let ended = |conn| world.closed(conn).map(|(at, error)| ((at - Instant::ZERO).as_secs(), error));
    assert_eq!(ended(refused), Some((0, Some(StreamError::Refused))));
    assert_eq!(ended(unreachable), Some((3, Some(StreamError::Unreachable))));
    assert_eq!(ended(silent), Some((127, Some(StreamError::TimedOut))));
}

#[test]
fn a_host_may_dial_itself() {
    let mut world = Watched::new(&[link(MIB, 5)]);
    let (a, b) = world.stream(A, A);
    world.net.send(world.now, a, bytes(10));
    world.net.send(world.now, b, bytes(20));
    world.run(Duration::from_secs(1));
    assert_eq!((world.received(a).len(), world.received(b).len()), (20, 10));
}

#[test]
fn a_stream_is_half_open_until_its_dead_host_is_back() {
    let mut world = Watched::new(&[link(MIB, 5), link(MIB, 5)]);
    let (a, _) = world.stream(A, B);
    world.net.set_up(world.now, B, false);
    world.net.send(world.now, a, bytes(100));
    world.run(Duration::from_secs(30));
    assert_eq!(world.closed(a), None, "nobody says that it is dead");
    world.net.set_up(world.now, B, true);
    world.run(Duration::from_secs(60));
    assert_eq!(world.closed(a).map(|(_, error)| error), Some(Some(StreamError::Reset)));
}

#[test]
fn a_listener_that_dies_before_it_answers_leaves_the_dialler_to_time_out() {
    let mut world = Watched::new(&[link(MIB, 5), link(MIB, 5)]);
    let conn = world.net.connect(Instant::ZERO, A, world.at(B));
    // Nobody accepts.
    let asked = world.net.pop(Instant::from_micros(10_000)).expect("asked");
    assert!(matches!(asked.kind, NetEventKind::Incoming { .. }));
    world.net.set_up(Instant::from_micros(10_000), B, false);
    world.run(Duration::from_secs(200));
    assert_eq!(world.closed(conn).map(|(_, error)| error), Some(Some(StreamError::TimedOut)));
}

#[test]
fn streams_outlast_a_cut_of_either_way_and_lose_nothing() {
    for (from, to) in [(A, B), (B, A)] {
        let mut world = Watched::new(&[link(MIB, 5), link(MIB, 5)]);
        let (a, b) = world.stream(A, B);
        world.net.send(world.now, a, bytes(1 << 20));
        world.net.close(world.now, a);
        world.run(Duration::from_millis(200));
        world.net.partition(&[from], &[to], true);
        world.run(Duration::from_secs(60));
        assert!(world.received(b).len() < 1 << 20);
        assert_eq!(world.closed(b), None, "a close does not pass a cut");
        world.net.partition(&[from], &[to], false);
        let healed = world.now;
        world.run(Duration::from_secs(120));
        assert_eq!(world.received(b), bytes(1 << 20));
        assert_eq!(world.closed(b).map(|(_, error)| error), Some(None));
        assert!(world.last_byte(b) - healed > Duration::from_millis(500), "faster than the line");
    }
}

#[test]
fn a_cut_of_a_quarter_of_an_hour_ends_a_stream_that_sends() {
    let mut world = Watched::new(&[link(MIB, 5), link(MIB, 5)]);
    let (a, b) = world.stream(A, B);
    world.net.partition(&[A], &[B], true);
    world.net.send(world.now, a, bytes(100));
    world.run(Duration::from_secs(2000));
    assert_eq!(world.closed(a).map(|(_, error)| error), Some(Some(StreamError::TimedOut)));
    assert_eq!(world.closed(b), None, "who does not send does not know");
}

#[test]
fn cuts_that_overlap_heal_one_by_one() {
    let mut world = Watched::new(&[link(MIB, 5); 3]);
    world.net.partition(&[A], &[B, C], true);
    world.net.partition(&[A, C], &[B], true);
    world.net.partition(&[A, C], &[B], false);
    assert!(world.net.is_blocked(A, B) && world.net.is_blocked(A, C) && !world.net.is_blocked(C, B));
    assert!(!world.net.is_blocked(B, A));
}

#[test]
fn datagrams_are_lost_doubled_held_back_and_too_large() {
    let received = |link: Link| {
        let mut world = Watched::new(&[link, Link { delay: Duration::from_millis(5), ..Link::default() }]);
        world.net.bind_datagram(B, 1);
        let to = SocketAddr::new(world.net.address(B), 1);
        for number in 0..200_u16 {
            world.net.send_datagram(world.now, A, 9, to, Bytes::copy_from_slice(&number.to_be_bytes()));
            world.run(Duration::from_millis(1));
        }
        world.net.send_datagram(world.now, A, 9, to, bytes(1400));
        world.net.send_datagram(world.now, A, 9, to, bytes(1480));
        world.run(Duration::from_secs(1));
        world.datagrams().into_iter().map(|(.., data)| data).collect::<Vec<_>>()
    };
    let clean = received(link(MIB, 5));
    assert_eq!(clean.len(), 201, "1,508 bytes with headers do not fit");
    assert!(clean[..200].is_sorted());
    let lossy = received(Link { loss_ppm: 300_000, ..link(MIB, 5) });
    assert!((100..180).contains(&lossy.len()), "{}", lossy.len());
    let doubled = received(Link { duplicate_ppm: 500_000, ..link(MIB, 5) });
    assert!((260..340).contains(&doubled.len()), "{}", doubled.len());
    let shuffled = received(Link { reorder_ppm: 300_000, ..link(MIB, 5) });
    assert!(shuffled.len() == 201 && !shuffled[..200].is_sorted());
}

/// Who gets in to a host that spoke to `B` at port 1: that very port, another port of `B`, `C`.
fn let_in(reach: Reach) -> [bool; 3] {
    let mut world = Watched::new(&[]);
    let inside = world.net.add_host(link(MIB, 1), reach);
    let [b, c] = [(); 2].map(|()| world.net.add_host(link(MIB, 1), Reach::Public));
    world.net.bind_datagram(inside, 5);
    world.net.bind_datagram(b, 1);
    let to_b = SocketAddr::new(world.net.address(b), 1);
    world.net.send_datagram(world.now, inside, 5, to_b, bytes(1));
    world.run(Duration::from_secs(1));
    let back = world.datagrams()[0].2;
    [(b, 1), (b, 2), (c, 1)].map(|(host, port)| {
        world.seen.clear();
        world.net.send_datagram(world.now, host, port, back, bytes(2));
        world.run(Duration::from_secs(1));
        world.datagrams().len() == 1
    })
}

#[test]
fn each_kind_of_nat_lets_in_whom_it_lets_in() {
    let table = [
        (Reach::Public, [true, true, true]),
        (Reach::Firewalled, [true, false, false]),
        (Reach::Nat(NatKind::FullCone), [true, true, true]),
        (Reach::Nat(NatKind::AddressRestricted), [true, true, false]),
        (Reach::Nat(NatKind::PortRestricted), [true, false, false]),
        (Reach::Nat(NatKind::Symmetric), [true, false, false]),
    ];
    for (reach, expected) in table {
        assert_eq!(let_in(reach), expected, "{reach:?}");
    }
}

#[test]
fn only_a_symmetric_nat_shows_another_port_to_everyone() {
    for (kind, same) in [(NatKind::PortRestricted, true), (NatKind::Symmetric, false)] {
        let mut nat = Nat::default();
        let reach = Reach::Nat(kind);
        let [one, other] = [1, 2].map(|last| nat.outwards(reach, 5, ([11, 0, 0, last], 1).into()));
        assert_eq!((one == other, nat.outwards(reach, 5, ([11, 0, 0, 1], 1).into())), (same, one));
        for last in 0..100_000_u32 {
            nat.outwards(reach, 5, SocketAddr::new(Ipv4Addr::from(last).into(), 1));
        }
    }
}

/// Sends `cuts` of bytes both ways over bad lines; what came out, in full.
fn life(link: Link, cuts: &[usize], seed: u8) -> (Watched, ConnId, ConnId) {
    let mut world = Watched::new(&[link, link]);
    world.net.random = Random::new([seed; 32]);
    let (a, b) = world.stream(A, B);
    let mut at = 0;
    for cut in cuts {
        let all = bytes(1 << 20);
        world.net.send(world.now, a, all.slice(at..at + cut));
        world.net.send(world.now, b, all.slice(at..at + cut));
        at += cut;
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_secs(600));
    (world, a, b)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_arrive_whole_and_in_order_whatever_the_line(
        rate in 10_000_u64..10_000_000,
        delay in 0_u64..300,
        jitter in 0_u64..100,
        loss_ppm in 0_u32..100_000,
        cuts in prop::collection::vec(0_usize..50_000, 1..15),
        seed in any::<u8>(),
    ) {
        let link = Link { jitter: Duration::from_millis(jitter), loss_ppm, ..link(rate, delay) };
        let (world, a, b) = life(link, &cuts, seed);
        let sent = bytes(cuts.iter().sum());
        prop_assert!(world.received(a) == sent && world.received(b) == sent);
        prop_assert_eq!((world.sent(a), world.sent(b)), (sent.len(), sent.len()));
    }

    #[test]
    fn the_same_seed_and_calls_give_the_same_life(seed in any::<u8>()) {
        let link = Link { jitter: Duration::from_millis(30), loss_ppm: 20_000, ..link(MIB, 20) };
        let [one, two] = [(); 2].map(|()| life(link, &[30_000, 5, 20_000], seed).0.seen);
        prop_assert_eq!(one, two);
    }
}
