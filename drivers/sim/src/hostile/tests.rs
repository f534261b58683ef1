//! Every attack against real engines: an honest pair finishes beside it, and holds no more than it may.

use super::{Action, Attack, Input};
use crate::{
    content::Content,
    disk::DiskConfig,
    host::PeerConfig,
    net::{HostId, Link, Reach},
    world::{Observer, World},
};
use convoy_core::{
    Deadline, Instant, Outbox, Seed,
    engine::{self, Config, Event},
    id::{AcceptTicket, StreamId},
    mse,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    rc::Rc,
    time::Duration,
};

const MIB: u64 = 1 << 20;
/// What a handshake may take, with what the network adds.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(31);
/// A dozen greedy streams have their turns between those of the one honest peer: it finishes, only later.
const BETWEEN_TURNS: Duration = Duration::from_secs(75);
/// How long everybody is watched.
const WATCHED: Duration = Duration::from_secs(120);

/// What came of an attack.
#[derive(Default)]
struct Outcome {
    /// Streams that attackers opened and the honest two ended.
    ended: Vec<Ended>,
    /// Pieces that did not match their hash.
    corrupt_pieces: usize,
    /// When the honest leecher was complete.
    completed: Option<Instant>,
}

/// A stream of an attacker that was thrown out.
#[derive(Clone, Copy, Debug)]
struct Ended {
    after: Duration,
    /// Bytes that it sent, and that it got.
    sent: usize,
    got: usize,
}

/// Watches the streams that attackers open.
#[derive(Clone, Default)]
struct Watch(Rc<RefCell<Seen>>);

#[derive(Default)]
struct Seen {
    attackers: BTreeSet<IpAddr>,
    asked: BTreeSet<(HostId, AcceptTicket)>,
    open: BTreeMap<(HostId, StreamId), (Instant, Ended)>,
    ended: Vec<Ended>,
}

impl Observer for Watch {
    fn life(&mut self, _: HostId, _: &Config, _: Seed) {}

    fn step(
        &mut self,
        host: HostId,
        at: Instant,
        input: Option<engine::Input>,
        actions: &[engine::Action],
        _: Option<Deadline>,
    ) {
        let seen = &mut *self.0.borrow_mut();
        match input {
            Some(engine::Input::Accepted { ticket, remote }) if seen.attackers.contains(&remote.ip()) => {
                seen.asked.insert((host, ticket));
            }
            Some(engine::Input::Received { stream, data }) => {
                if let Some((_, ended)) = seen.open.get_mut(&(host, stream)) {
                    ended.sent += data.len();
                }
            }
            _ => {}
        }
        for action in actions {
            match action {
                engine::Action::Adopt { ticket, stream } if seen.asked.remove(&(host, *ticket)) => {
                    let ended = Ended { after: Duration::ZERO, sent: 0, got: 0 };
                    seen.open.insert((host, *stream), (at, ended));
                }
                engine::Action::Send { stream, data } => {
                    if let Some((_, ended)) = seen.open.get_mut(&(host, *stream)) {
                        ended.got += data.len();
                    }
                }
                engine::Action::Close { stream } => {
                    if let Some((since, ended)) = seen.open.remove(&(host, *stream)) {
                        seen.ended.push(Ended { after: at - since, ..ended });
                    }
                }
                _ => {}
            }
        }
    }
}

/// Three attackers of a kind at a seed and a leecher.
fn under(attack: Attack) -> Outcome {
    under_many(attack, 3)
}

fn under_many(attack: Attack, attackers: u32) -> Outcome {
    let content = Rc::new(Content::new(7, &[4 * MIB + 1000], 64 << 10).expect("a torrent"));
    let mut world = World::new([9; 32]);
    let engine = Config {
        encryption: mse::Config { incoming: mse::Policy::Enabled, ..mse::Config::default() },
        ..Config::default()
    };
    let limits = engine.swarm.clone();
    let link = Link { up_bytes_per_s: MIB, ..Link::default() };
    let config = PeerConfig {
        engine,
        link,
        reach: Reach::Public,
        disk: DiskConfig::default(),
        hash_bytes_per_s: 1 << 30,
        trackers: Vec::new(),
    };
    let info_hash = content.info().info_hash;
    let honest = [world.add_peer(config.clone()), world.add_peer(config)];
    let attackers: Vec<HostId> = (0..attackers)
        .map(|_| world.add_attacker(attack, &content, Link::default(), Reach::Public))
        .collect();
    let (mut outcome, watch) = (Outcome::default(), Watch::default());
    watch.0.borrow_mut().attackers = attackers.iter().map(|host| world.address(*host).ip()).collect();
    world.observe(Box::new(watch.clone()));
    world.add_torrent(honest[0], &content, true, Vec::new());
    world.add_torrent(honest[1], &content, false, Vec::new());
    honest.into_iter().chain(attackers.iter().copied()).for_each(|host| world.start(host));
    for attacker in attackers {
        for host in honest {
            world.tell(attacker, info_hash, world.address(host));
        }
        world.tell(honest[1], info_hash, world.address(attacker));
    }
    world.tell(honest[1], info_hash, world.address(honest[0]));
    while world.now() < Instant::ZERO + WATCHED {
        world.run_until(world.now() + Duration::from_millis(500));
        for host in honest {
            let held = world.engine(host).expect("it runs").memory();
            assert!(held.requested + held.unwritten <= limits.download_memory, "{attack:?}: {held:?}");
            assert!(held.hashing <= limits.hash_memory, "{attack:?}: {held:?}");
            assert!(held.uploading <= limits.upload_memory, "{attack:?}: {held:?}");
        }
        for (at, _, event) in world.take_events() {
            match event {
                Event::PieceFailed { .. } => outcome.corrupt_pieces += 1,
                Event::Completed { .. } => outcome.completed = Some(at),
                _ => {}
            }
        }
    }
    assert_eq!(world.breaches(), &[] as &[String], "{attack:?}");
    outcome.ended = watch.0.take().ended;
    outcome
}

/// The honest leecher is complete by then: alone it takes 5 s.
#[track_caller]
fn completes_within(outcome: &Outcome, most: Duration) {
    let completed = outcome.completed.expect("the honest leecher never finished");
    assert!(completed <= Instant::ZERO + most, "only after {completed:?}");
}

/// Attackers that are thrown out again and again.
#[track_caller]
fn thrown_out(attack: Attack) -> Outcome {
    let outcome = under(attack);
    completes_within(&outcome, Duration::from_secs(40));
    assert!(outcome.ended.len() >= 6, "{attack:?}: only {:?} were thrown out", outcome.ended);
    assert!(
        outcome.ended.iter().any(|stream| stream.sent > 0) || attack == Attack::Silent,
        "{attack:?} said nothing"
    );
    outcome
}

/// Attackers that do no harm and may stay.
#[track_caller]
fn tolerated(attack: Attack) -> Outcome {
    let outcome = under(attack);
    completes_within(&outcome, Duration::from_secs(40));
    outcome
}

#[test]
fn bad_input_1_nested_lists_are_refused() {
    tolerated(Attack::NestedLists);
}

#[test]
fn bad_input_7_a_huge_length_ends_the_stream() {
    thrown_out(Attack::HugeLength);
}

#[test]
fn bad_input_8_keep_alives_have_a_rate() {
    thrown_out(Attack::KeepAliveFlood);
}

#[test]
fn bad_input_9_a_piece_that_there_is_not_ends_the_stream() {
    thrown_out(Attack::HaveOutOfRange);
}

#[test]
fn bad_input_10_haves_may_be_repeated() {
    tolerated(Attack::RepeatedHaves);
}

#[test]
fn bad_input_11_spare_bits_end_the_stream() {
    thrown_out(Attack::SpareBits);
}

#[test]
fn bad_input_13_bad_requests_get_nothing() {
    tolerated(Attack::BadRequests);
}

#[test]
fn bad_input_14_a_flood_of_requests_takes_no_more_than_its_turns() {
    completes_within(&under(Attack::RequestFlood), BETWEEN_TURNS);
}

#[test]
fn bad_input_14_leeches_take_no_more_than_their_turns() {
    completes_within(&under(Attack::Leech), BETWEEN_TURNS);
}

#[test]
fn bad_input_15_unasked_blocks_are_no_progress() {
    tolerated(Attack::UnaskedBlocks);
}

#[test]
fn poisoners_cost_time_and_nothing_else() {
    let outcome = under(Attack::Poisoner);
    assert!(outcome.corrupt_pieces > 0, "they sent nothing wrong");
    completes_within(&outcome, WATCHED);
}

#[test]
fn bad_input_17_flapping_is_no_storm() {
    tolerated(Attack::Flapping);
}

#[test]
fn bad_input_18_a_peer_that_never_sends_holds_nobody_up() {
    completes_within(&under(Attack::Snubber), WATCHED);
}

#[test]
fn bad_input_18_a_peer_that_trickles_holds_nobody_up() {
    completes_within(&under(Attack::Trickler), WATCHED);
}

#[test]
fn fast_messages_without_consent_end_the_stream() {
    thrown_out(Attack::FastUnasked);
}

#[test]
fn bad_input_20_an_odd_extended_handshake_is_ignored() {
    tolerated(Attack::OddExtended);
}

#[test]
fn bad_input_24_a_slow_handshake_has_a_deadline() {
    let outcome = thrown_out(Attack::Slowloris);
    assert!(outcome.ended.iter().all(|stream| stream.after <= HANDSHAKE_TIMEOUT), "{:?}", outcome.ended);
}

#[test]
fn bad_input_24_silence_has_a_deadline() {
    let outcome = thrown_out(Attack::Silent);
    assert!(outcome.ended.iter().all(|stream| stream.after <= HANDSHAKE_TIMEOUT), "{:?}", outcome.ended);
}

#[test]
fn bad_input_25_another_torrents_handshake_ends_the_stream() {
    thrown_out(Attack::HashSwitch);
}

#[test]
fn bad_input_26_a_key_of_zero_ends_the_stream() {
    let outcome = thrown_out(Attack::ZeroKey);
    let unanswered = |stream: &Ended| stream.got == 0 && stream.after < Duration::from_secs(1);
    assert!(outcome.ended.iter().all(unanswered), "{:?}", outcome.ended);
}

#[test]
fn bad_input_27_a_key_that_looks_plain_is_a_key() {
    let outcome = thrown_out(Attack::PlainLookingKey);
    assert!(outcome.ended.iter().all(|stream| stream.got >= 96), "no key in return: {:?}", outcome.ended);
}

#[test]
fn bad_input_28_pads_end() {
    // 100 bytes a second: the window of 532 is over long before the handshake's time is.
    let outcome = thrown_out(Attack::EndlessPad);
    assert!(outcome.ended.iter().all(|stream| stream.after < Duration::from_secs(10)), "{:?}", outcome.ended);
}

#[test]
fn an_attacker_says_no_more_than_a_megabyte_a_second_unasked() {
    let content = Rc::new(Content::new(7, &[MIB], 64 << 10).expect("a torrent"));
    for attack in Attack::ALL {
        let mut attacker = attack.attacker(Rc::clone(&content), [1; 32]);
        let mut out = Outbox::new();
        let remote = ([11, 0, 0, 1], 6881).into();
        let shake = Input::Received { stream: 1, data: (&[19; 68][..]).into() };
        for input in [Input::Start, Input::Known { remote }, Input::Connected { stream: 1 }, shake] {
            let Ok(()) = attacker.handle_input(Instant::ZERO, input, &mut out);
        }
        let mut said = 0;
        for millis in 0..1000 {
            let now = Instant::ZERO + Duration::from_millis(millis);
            let Ok(()) = attacker.handle_timeout(now, &mut out);
            said += out
                .drain()
                .map(|action| if let Action::Send { data, .. } = action { data.len() } else { 0 })
                .sum::<usize>();
        }
        assert!(said <= 1 << 20, "{attack:?} said {said} bytes");
    }
}
