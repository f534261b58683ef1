//! The last blocks: copies where they help, and little waste.

use super::{super::*, SECOND, model::World};
use crate::{Instant, Machine, Outbox, Random, id::BLOCK_LENGTH, slab::Key, storage::Geometry};
use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

#[test]
fn three_peers_at_most_are_asked_for_a_block_and_the_rest_are_cancelled() {
    let geometry = Geometry::new(16_384, 16_384).expect("valid");
    let mut world = World::new(Config::new(geometry));
    let peers: Vec<PeerKey> = (0..5).map(|_| world.seed(true)).collect();
    assert!(world.picker.is_endgame());
    let block = world.asked(peers[0])[0];
    world.wait(SECOND * 3);
    let askers = |world: &mut World| peers.iter().filter(|peer| !world.asked(**peer).is_empty()).count();
    assert_eq!(askers(&mut world), 3);
    let actions = world.tell(Input::Block { peer: peers[0], block });
    assert_eq!(actions.iter().filter(|action| matches!(action, Action::Cancel { .. })).count(), 2);
    assert_eq!(askers(&mut world), 0);
    world.finish();
}

#[test]
fn five_missing_blocks_are_the_end_even_if_one_of_them_is_free() {
    for (pieces, copies) in [(5, true), (6, false)] {
        let geometry = Geometry::new(16_384, 16_384 * pieces).expect("valid");
        let mut world = World::new(Config::new(geometry));
        let silent = world.leecher(&[0, 1, 2, 3]);
        let idle = world.leecher(&[0, 1, 2, 3]);
        assert_eq!((world.asked(silent).len(), world.asked(idle).len()), (4, 0), "nobody has the rest");
        world.wait(SECOND * 3);
        assert_eq!(!world.asked(idle).is_empty(), copies, "{pieces} missing");
    }
}

#[test]
fn peers_that_never_answer_do_not_keep_the_last_block_from_one_that_comes() {
    let geometry = Geometry::new(16_384, 16_384).expect("valid");
    let mut world = World::new(Config::new(geometry));
    let silent: Vec<PeerKey> = (0..4).map(|_| world.seed(true)).collect();
    world.wait(SECOND * 25);
    for peer in silent {
        assert!(world.picker.peer_stats(peer).is_some_and(|stats| stats.snubbed));
    }
    let honest = world.seed(true);
    world.wait(SECOND * 2);
    assert!(world.answer(honest), "it was asked");
    world.finish();
}

#[test]
fn an_idle_peer_takes_over_the_back_of_a_long_queue() {
    let geometry = Geometry::new(65_536 * 4, 65_536 * 4).expect("valid");
    let mut world = World::new(Config::new(geometry));
    let slow = world.seed(true);
    for _ in 0..4 {
        world.wait(SECOND / 2);
        world.answer(slow);
    }
    let last = *world.asked(slow).last().expect("asked ahead");
    world.tell(Input::Budget { bytes: 0 });
    let fast = world.seed(true);
    world.tell(Input::Budget { bytes: u64::MAX });
    while !world.asked(fast).contains(&last) {
        assert!(world.asked(slow).contains(&last), "never asked for");
        world.wait(SECOND / 100);
        assert!(world.answer(fast), "a copy at a time, as fast as it answers");
    }
}

/// A download from peers that answer in order at a rate, over a line with a delay, and that stop what they
/// are told to in time.
struct Race {
    picker: Picker,
    now_us: u64,
    delay_us: u64,
    lines: Vec<Line>,
    /// What happens when, and at whom.
    events: BTreeMap<(u64, u64), (usize, Event)>,
    out: Outbox<Action>,
    stored: u64,
    wasted: u64,
    /// Whether peers falter: now and then a block takes eight times as long, and the others less.
    falters: bool,
    random: Random,
}

struct Line {
    interval_us: u64,
    free_at_us: u64,
    queue: VecDeque<Block>,
}

enum Event {
    /// A request reaches the peer.
    Asked(Block),
    /// A cancel reaches it.
    Cancelled(Block),
    /// It can send another block.
    Free,
    /// A block reaches us.
    Came(Block),
}

impl Race {
    fn new(geometry: Geometry, intervals_us: &[u64], delay_us: u64, falters: bool) -> Self {
        let line = |interval: &u64| Line { interval_us: *interval, free_at_us: 0, queue: VecDeque::new() };
        let mut race = Self {
            picker: Picker::new(Config::new(geometry), [5; 32]),
            now_us: 0,
            delay_us,
            lines: intervals_us.iter().map(line).collect(),
            events: BTreeMap::new(),
            out: Outbox::new(),
            stored: 0,
            wasted: 0,
            falters,
            random: Random::new([6; 32]),
        };
        for slot in 0..intervals_us.len() as u32 {
            let peer = PeerKey::new(slot, 0);
            race.tell(Input::PeerJoined { peer, source: Source::Peer { fast: true } });
            race.tell(Input::HaveAll { peer });
            race.tell(Input::Unchoked { peer });
        }
        race
    }

    fn tell(&mut self, input: Input) {
        let Ok(()) = self.picker.handle_input(Instant::from_micros(self.now_us), input, &mut self.out);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        let mut verified = Vec::new();
        for action in self.out.drain().collect::<Vec<_>>() {
            match action {
                Action::Request { peer, block } => {
                    self.later(self.delay_us, peer.index(), Event::Asked(block))
                }
                Action::Cancel { peer, block } => {
                    self.later(self.delay_us, peer.index(), Event::Cancelled(block))
                }
                Action::Store { .. } => self.stored += 1,
                Action::Discard { .. } => self.wasted += 1,
                Action::Complete { piece } => verified.push(piece),
                Action::Interested { .. }
                | Action::NotInterested { .. }
                | Action::Pad { .. }
                | Action::Snubbed { .. } => {}
            }
        }
        verified.into_iter().for_each(|piece| self.tell(Input::Verified { piece }));
    }

    fn later(&mut self, after_us: u64, slot: usize, event: Event) {
        let mut key = (self.now_us + after_us, 0);
        while self.events.contains_key(&key) {
            key.1 += 1;
        }
        self.events.insert(key, (slot, event));
    }

    fn run(&mut self) {
        while !self.picker.is_complete() {
            let timer = self.picker.poll_timeout().map_or(u64::MAX, |deadline| deadline.at.as_micros());
            let next = self.events.first_key_value().map_or(u64::MAX, |((at, _), _)| *at);
            self.now_us = timer.min(next);
            assert!(self.now_us < 600_000_000, "it hangs");
            if timer <= next {
                let now = Instant::from_micros(timer);
                let Ok(()) = self.picker.handle_timeout(now, &mut self.out);
                self.carry_out();
            } else if let Some((_, (slot, event))) = self.events.pop_first() {
                self.happen(slot, event);
            }
        }
    }

    fn happen(&mut self, slot: usize, event: Event) {
        let line = &mut self.lines[slot];
        match event {
            Event::Asked(block) => line.queue.push_back(block),
            Event::Cancelled(block) => line.queue.retain(|known| *known != block),
            Event::Free => {}
            Event::Came(block) => {
                return self.tell(Input::Block { peer: PeerKey::new(slot as u32, 0), block });
            }
        }
        if self.now_us < line.free_at_us {
            return;
        }
        if let Some(block) = line.queue.pop_front() {
            let interval_us = match self.random.below(16) {
                0 if self.falters => line.interval_us * 8,
                share if self.falters => line.interval_us * u64::from(share) / 16,
                _ => line.interval_us,
            };
            line.free_at_us = self.now_us + interval_us;
            self.later(interval_us, slot, Event::Free);
            self.later(interval_us + self.delay_us, slot, Event::Came(block));
        }
    }
}

/// Downloads 40 MiB; blocks that came in vain in a thousand, and how many thousandths of the time that it
/// takes at least it took.
fn race(intervals_us: &[u64], delay_us: u64, falters: bool) -> (u64, u64) {
    let geometry = Geometry::new(256 * 1024, 40 << 20).expect("valid");
    let blocks = geometry.total_length() / u64::from(BLOCK_LENGTH);
    let mut race = Race::new(geometry, intervals_us, delay_us, falters);
    race.run();
    assert_eq!(race.stored, blocks, "each once");
    let per_s: u64 = intervals_us.iter().map(|interval| 1_000_000 / interval).sum();
    (race.wasted * 1000 / blocks, race.now_us * per_s / (blocks * 1000))
}

#[test]
fn steady_peers_waste_hardly_a_block_at_the_end_and_lose_little_time() {
    // Microseconds a block: 1000 are 16 MB/s.
    for (intervals_us, delay_us) in [
        (&[1000; 8][..], 500),
        (&[4000; 40], 5000),
        (&[1000, 1100, 1300, 1700, 2500, 4000, 6000, 8000], 20_000),
        (&[1000, 8000, 8000, 8000], 50_000),
        (&[1000, 200_000, 400_000], 20_000),
    ] {
        let (waste, time) = race(intervals_us, delay_us, false);
        assert!(waste <= 5 && time <= 1600, "{waste} and {time} in a thousand, {intervals_us:?}");
    }
}

#[test]
fn peers_that_falter_waste_less_than_five_blocks_in_a_hundred() {
    let uneven: Vec<u64> = (1..40).map(|step| step * 1000).collect();
    for (intervals_us, delay_us) in [(&[4000; 30][..], 5000), (&uneven, 5000), (&[20_000; 60], 20_000)] {
        let (waste, time) = race(intervals_us, delay_us, true);
        assert!(waste < 50 && time <= 1600, "{waste} and {time} in a thousand, {intervals_us:?}");
    }
}
