//! Swarms that know nothing of each other but where their tracker is.

use super::*;
use crate::{disk::DiskConfig, net::Link};
use convoy_core::tracker::udp::server::{ServerConfig, TrackerConfig};
use std::collections::BTreeMap;

const MIB: u64 = 1 << 20;

/// How often hosts are told to announce.
const INTERVAL: Duration = Duration::from_secs(120);

/// A tracker and a seed that has announced.
struct Swarm {
    world: World,
    content: Rc<Content>,
    tracker: HostId,
    link: Link,
    completed: BTreeMap<HostId, Instant>,
}

impl Swarm {
    fn new(link: Link) -> Self {
        let content = Rc::new(Content::new(7, &[4 * MIB], 64 << 10).expect("a torrent"));
        let mut world = World::new([3; 32]);
        let server = ServerConfig { interval: INTERVAL, ..ServerConfig::default() };
        let tracker = world.add_tracker(TrackerConfig { server, ..TrackerConfig::default() }, link);
        world.start(tracker);
        let mut swarm = Self { world, content, tracker, link, completed: BTreeMap::new() };
        swarm.join(true);
        swarm.run(Duration::from_secs(30));
        swarm
    }

    fn join(&mut self, seed: bool) -> HostId {
        let host = self.world.add_peer(PeerConfig {
            engine: Config::default(),
            link: self.link,
            reach: Reach::Public,
            disk: DiskConfig::default(),
            hash_bytes_per_s: 1 << 30,
            trackers: vec![vec![self.world.tracker_url(self.tracker)]],
        });
        self.world.add_torrent(host, &self.content, seed, Vec::new());
        self.world.start(host);
        host
    }

    fn run(&mut self, time: Duration) {
        self.world.run_until(self.world.now() + time);
        for (at, host, event) in self.world.take_events() {
            if let Event::Completed { .. } = event {
                self.completed.insert(host, at);
            }
        }
        assert_eq!(self.world.breaches(), &[] as &[String]);
    }
}

#[test]
fn hosts_meet_through_a_tracker() {
    let mut swarm = Swarm::new(Link::default());
    let leechers: Vec<HostId> = (0..5).map(|_| swarm.join(false)).collect();
    swarm.run(Duration::from_secs(60));
    for host in &leechers {
        assert!(swarm.completed.contains_key(host), "{host:?}: {:?}", swarm.completed);
    }
    let counters = swarm.world.tracker(swarm.tracker).expect("on").counters();
    // `started` of each of six, `completed` of each of five.
    assert!(counters.announces >= 11 && counters.wrong_connection == 0, "{counters:?}");
    swarm.world.stop(leechers[0]);
    swarm.run(Duration::from_secs(5));
    let peers = swarm.world.tracker(swarm.tracker).expect("on").store().peers();
    assert_eq!(peers, 5, "who leaves in order says so");
}

#[test]
fn a_tracker_that_loses_every_fifth_packet_brings_them_together_all_the_same() {
    let lossy = Link { loss_ppm: 100_000, ..Link::default() };
    let mut swarm = Swarm::new(lossy);
    let leechers: Vec<HostId> = (0..5).map(|_| swarm.join(false)).collect();
    swarm.run(Duration::from_secs(240));
    for host in leechers {
        assert!(swarm.completed.contains_key(&host), "{host:?}: {:?}", swarm.completed);
    }
}

#[test]
fn a_tracker_that_dies_and_returns_knows_everybody_again_within_an_interval() {
    let mut swarm = Swarm::new(Link::default());
    swarm.world.kill(swarm.tracker);
    let newcomer = swarm.join(false);
    swarm.run(Duration::from_secs(90));
    assert!(!swarm.completed.contains_key(&newcomer), "nobody could tell it of the seed");
    swarm.world.start(swarm.tracker);
    swarm.run(3 * INTERVAL);
    let peers = swarm.world.tracker(swarm.tracker).expect("on").store().peers();
    assert_eq!(peers, 2);
    assert!(swarm.completed.contains_key(&newcomer), "it met the seed when that announced again");
}
