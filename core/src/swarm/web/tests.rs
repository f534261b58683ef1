//! A swarm, and a web server in memory that does what a test wants.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for the few actions that it is about")]

mod lacks;

use super::{
    WebSeedEnd,
    end::{RETRY_FIRST, RETRY_REFUSED, RETRY_WISHED},
};
use crate::{
    Instant, Machine, Outbox,
    bitfield::Bitfield,
    fetch::{ContentRange, FetchError, Fetched, Head, Request},
    id::{BLOCK_LENGTH, Block, FetchToken, FileIndex, PeerKey, PieceIndex},
    metainfo::{File, Info},
    picker::Tier,
    storage::{Completion, Geometry, Operation},
    swarm::{
        Action, Input, PeerEnd, Plan, Setup, State, Swarm, Torrent,
        subject::{self, PIECE, PIECES, joined},
    },
    wire::Reserved,
};
use alloc::{string::String, vec, vec::Vec};
use bytes::{Bytes, BytesMut};
use core::time::Duration;

const URL: &str = "http://192.0.2.1/content";
const LENGTH: u64 = (PIECES * PIECE) as u64;

#[test]
fn a_torrent_comes_from_a_web_seed_alone() {
    let mut world = World::new();
    world.add(URL);
    world.serve();
    assert!(world.swarm.is_complete());
    assert_eq!(world.ups, 1);
    assert_eq!(world.gone, [(WebSeedEnd::Idle, Some(Duration::ZERO))]);
    let progress = world.swarm.progress(world.now);
    assert_eq!((progress.downloaded_bytes, progress.wasted_bytes), (LENGTH, 0));
    assert!(world.fetches.is_empty(), "nothing is left under way");
}

#[test]
fn whole_pieces_are_fetched_and_no_more_than_two_runs_at_once() {
    let mut world = World { cut: usize::MAX, ..World::new() };
    world.add(URL);
    while let Some(fetch) = world.fetches.first().cloned() {
        assert!(world.fetches.len() <= 2);
        let length = fetch.request.last + 1 - fetch.request.first;
        assert_eq!((length % u64::from(PIECE), fetch.credit), (0, length + 1), "whole pieces, and a byte");
        world.answer(&fetch);
    }
    world.serve();
    assert!(world.swarm.is_complete());
}

#[test]
fn bodies_may_be_cut_anywhere() {
    for cut in [1, 1000, 16_383, 16_385, 40_000] {
        let mut world = World::new();
        world.cut = cut;
        world.add(URL);
        world.serve();
        assert!(world.swarm.is_complete(), "cut by {cut}");
    }
}

#[test]
fn an_answer_of_other_bytes_ends_the_seed_and_stores_nothing() {
    let ranges: [fn(&Request) -> Option<ContentRange>; 4] = [
        |_| None,
        |_| Some(ContentRange { first: 1, last: 1, total: None }),
        |_| Some(ContentRange { first: 0, last: LENGTH - 1, total: Some(LENGTH) }),
        |asked| Some(ContentRange { first: asked.first, last: asked.last, total: Some(LENGTH + 1) }),
    ];
    for content_range in ranges {
        let mut world = World::new();
        world.add(URL);
        let fetch = world.fetches.remove(0);
        let content_range = content_range(&fetch.request);
        world.fetched(fetch.token, Fetched::Head(Head { status: 206, content_range, retry_after: None }));
        assert_eq!(world.gone, [(WebSeedEnd::WrongRange, Some(RETRY_FIRST))]);
        world.fetched(fetch.token, Fetched::Body(Bytes::from_static(b"late")));
        assert_eq!((world.writes.len(), world.swarm.progress(world.now).downloaded_bytes), (0, 0));
        assert!(world.cancelled.contains(&fetch.token));
    }
}

#[test]
fn a_status_without_content_ends_the_seed_for_a_while() {
    for (status, rest) in [
        (416, RETRY_FIRST),
        (500, RETRY_FIRST),
        (301, RETRY_FIRST),
        (403, RETRY_REFUSED),
        (404, RETRY_REFUSED),
        (410, RETRY_REFUSED),
    ] {
        let mut world = World::new();
        world.add(URL);
        let token = world.fetches[0].token;
        world.fetched(token, Fetched::Head(Head { status, content_range: None, retry_after: None }));
        assert_eq!((&world.gone[..], world.ups), (&[(WebSeedEnd::Status(status), Some(rest))][..], 0));
    }
}

#[test]
fn a_busy_seed_rests_as_long_as_it_asks_for_within_reason() {
    for (status, wish, rest) in [(503, 120, 120), (429, 7, 7), (503, 0, 1), (429, u64::MAX, 3600)] {
        let mut world = World::new();
        world.add(URL);
        let token = core::mem::take(&mut world.fetches)[0].token;
        let (retry_after, rest) = (Duration::from_secs(wish), Duration::from_secs(rest));
        let head = Head { status, content_range: None, retry_after: Some(retry_after) };
        world.fetched(token, Fetched::Head(head));
        assert_eq!(world.gone, [(WebSeedEnd::Busy { status, retry_after }, Some(rest))]);
        assert!(RETRY_WISHED.contains(&rest));
        world.pass(rest - Duration::from_millis(5));
        assert!(world.fetches.is_empty(), "not before {rest:?}");
        world.pass(Duration::from_millis(5));
        world.serve();
        assert!(world.swarm.is_complete());
    }
}

#[test]
fn only_a_busy_seed_says_how_long_it_rests() {
    for (status, rest) in [(500, RETRY_FIRST), (302, RETRY_FIRST), (404, RETRY_REFUSED)] {
        let mut world = World::new();
        world.add(URL);
        let token = world.fetches[0].token;
        let head = Head { status, content_range: None, retry_after: Some(Duration::from_secs(60)) };
        world.fetched(token, Fetched::Head(head));
        assert_eq!(world.gone, [(WebSeedEnd::Status(status), Some(rest))]);
    }
}

#[test]
fn a_server_whose_certificate_proves_nothing_rests_as_one_that_refuses() {
    let mut world = World::new();
    world.add(URL);
    let token = world.fetches[0].token;
    world.fetched(token, Fetched::Failed(FetchError::Certificate));
    assert_eq!(world.gone, [(WebSeedEnd::Fetch(FetchError::Certificate), Some(RETRY_REFUSED))]);
}

#[test]
fn a_body_that_is_too_short_or_too_long_ends_the_seed() {
    for (missing, why) in [(1, WebSeedEnd::TooShort), (-1, WebSeedEnd::TooLong)] {
        let mut world = World::new();
        world.add(URL);
        let fetch = world.fetches.remove(0);
        world.head(&fetch);
        let length = (fetch.request.last - fetch.request.first + 1).saturating_add_signed(-missing);
        let body = world.content[fetch.request.first as usize..][..length as usize].to_vec();
        world.fetched(fetch.token, Fetched::Body(body.into()));
        world.fetched(fetch.token, Fetched::End);
        assert_eq!(world.gone, [(why, Some(RETRY_FIRST))]);
    }
}

#[test]
fn a_server_without_ranges_is_heard_from_the_first_byte_and_never_twice() {
    let mut world = World::new();
    world.ranges = false;
    world.add(URL);
    world.serve();
    assert!(world.swarm.is_complete());
    assert_eq!(world.bodies, LENGTH, "every byte once");
    assert_eq!(world.swarm.progress(world.now).wasted_bytes, 0);
}

#[test]
fn a_whole_file_is_left_when_nothing_more_of_it_is_missing() {
    // All is there but the first two pieces.
    let mut have = Bitfield::full(PIECES);
    assert!(have.clear(PieceIndex(0)) && have.clear(PieceIndex(1)));
    let mut world = World { ranges: false, ..World::of(have) };
    world.add(URL);
    world.serve();
    assert!(world.swarm.is_complete());
    let missing = 2 * u64::from(PIECE);
    assert!((missing..missing + world.cut as u64).contains(&world.bodies), "{}", world.bodies);
    assert!(!world.cancelled.is_empty());
}

#[test]
fn a_whole_file_comes_no_faster_than_there_is_credit() {
    let mut world = World::new();
    world.ranges = false;
    world.tell(Input::Allowance { download: Some(u64::from(PIECE)), upload: None });
    world.add(URL);
    world.serve();
    let first = world.bodies;
    assert!(first <= 3 * u64::from(PIECE), "{first} bytes on an allowance of {PIECE}");
    assert!(world.swarm.download_appetite().waits && !world.swarm.upload_appetite().waits);
    for _ in 0..40 {
        world.tell(Input::Allowance { download: Some(u64::from(PIECE)), upload: None });
        world.serve();
    }
    assert!(world.swarm.is_complete());
}

#[test]
fn a_rate_limit_holds_for_ranges_too() {
    let mut world = World::new();
    world.tell(Input::Allowance { download: Some(u64::from(PIECE)), upload: None });
    world.add(URL);
    world.serve();
    assert!(world.bodies <= 2 * u64::from(PIECE), "{}", world.bodies);
}

#[test]
fn a_seed_that_alone_sent_a_corrupt_piece_is_never_asked_again() {
    let mut world = World::new();
    world.spoils = |_| true;
    world.add(URL);
    world.serve();
    assert_eq!(world.gone, [(WebSeedEnd::CorruptPiece, None)]);
    world.spoils = |_| false;
    world.pass(Duration::from_secs(100_000));
    assert!(world.fetches.is_empty());
    assert_eq!(world.swarm.progress(world.now).state, State::Downloading);
}

#[test]
fn a_seed_that_fails_rests_twice_as_long_each_time() {
    let mut world = World::new();
    world.add(URL);
    let mut rests = Vec::new();
    for _ in 0..9 {
        let fetches = core::mem::take(&mut world.fetches);
        assert!(!fetches.is_empty());
        world.fetched(fetches[0].token, Fetched::Failed(FetchError::Connect));
        let rest = world.gone.last().and_then(|gone| gone.1).expect("it is tried again");
        world.pass(rest - Duration::from_millis(5));
        assert!(world.fetches.is_empty(), "not before {rest:?}");
        world.pass(Duration::from_millis(5));
        rests.push(rest.as_secs());
    }
    assert_eq!(rests, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
    world.serve();
    assert!(world.swarm.is_complete(), "in the end it works");
}

#[test]
fn files_are_fetched_one_by_one_and_padding_never() {
    let mut world = World::of_files(&[
        ("a", 10_000, false),
        (".pad/6384", 6384, true),
        ("b c", 60_000, false),
        ("d", 3, false),
    ]);
    world.add("http://192.0.2.1/x");
    world.serve();
    assert!(world.swarm.is_complete());
    world.urls.sort();
    world.urls.dedup();
    let base = "http://192.0.2.1/x/content";
    assert_eq!(
        world.urls,
        [alloc::format!("{base}/a"), alloc::format!("{base}/b%20c"), alloc::format!("{base}/d")]
    );
}

#[test]
fn files_come_whole_where_a_server_has_no_ranges() {
    let mut world = World::of_files(&[("a", 10_000, false), ("b", 90_001, false), ("c", 40_000, false)]);
    world.ranges = false;
    world.add("http://192.0.2.1/x/");
    world.serve();
    assert!(world.swarm.is_complete());
}

#[test]
fn files_that_are_not_wanted_are_not_fetched() {
    let mut world = World::of_files(&[("a", 65_536, false), ("b", 65_536, false)]);
    let plan = Plan { files: [(FileIndex(0), Tier::Skip)].into(), ..Plan::default() };
    world.tell(Input::Follow(plan.into()));
    world.add("http://192.0.2.1/x/");
    world.serve();
    assert!(world.swarm.is_finished() && !world.swarm.is_complete());
    assert!(world.urls.iter().all(|url| url.ends_with("/b")), "{:?}", world.urls);
}

#[test]
fn pausing_cancels_and_unpausing_begins_again() {
    let mut world = World::new();
    world.add(URL);
    let tokens: Vec<FetchToken> = world.fetches.iter().map(|fetch| fetch.token).collect();
    world.tell(Input::Pause);
    assert_eq!((&world.cancelled, world.fetches.len()), (&tokens, 0));
    world.fetched(tokens[0], Fetched::Failed(FetchError::Broken));
    assert!(world.gone.is_empty(), "what was cancelled counts no more");
    world.tell(Input::Unpause);
    world.serve();
    assert!(world.swarm.is_complete());
}

#[test]
fn peers_and_a_web_seed_share_the_work() {
    let mut world = World::new();
    world.add(URL);
    world.tell(Input::Joined(joined(1, Reserved([0, 0, 0, 0, 0, 0, 0, 4]))));
    let peer = world.peer.expect("a peer");
    world.tell(Input::Received { peer, data: BytesMut::from(&[0, 0, 0, 1, 14, 0, 0, 0, 1, 1][..]) });
    assert!(!world.asked.is_empty(), "the peer is asked too");
    let block = world.asked.remove(0);
    let message = subject::block_of(block, &world.content, &mut crate::testing::Dice::seeded(3));
    world.tell(Input::Received { peer, data: BytesMut::from(&crate::wire::subject::encode([message])[..]) });
    world.tell(Input::Left { peer, why: PeerEnd::ClosedByPeer });
    world.serve();
    assert!(world.swarm.is_complete());
    let length = u64::from(BLOCK_LENGTH);
    assert!(world.bodies >= LENGTH - length && world.bodies <= LENGTH, "{}", world.bodies);
}

#[test]
fn a_server_that_falls_silent_is_asked_for_a_block_until_it_sends_again() {
    let mut world = World::new();
    world.add(URL);
    let silent: Vec<FetchToken> = world.fetches.iter().map(|fetch| fetch.token).collect();
    world.pass(Duration::from_secs(30));
    assert_eq!(world.cancelled, silent);
    let asked: Vec<u64> =
        world.fetches.iter().map(|fetch| fetch.request.last + 1 - fetch.request.first).collect();
    assert_eq!(asked, [u64::from(BLOCK_LENGTH)]);
    world.serve();
    assert!(world.swarm.is_complete() && world.gone == [(WebSeedEnd::Idle, Some(Duration::ZERO))]);
}

#[test]
fn addresses_that_are_no_use_are_told_of_and_repeats_are_ignored() {
    let mut world = World::new();
    world.add("ftp://192.0.2.1/content");
    assert_eq!(world.gone, [(WebSeedEnd::BadUrl, None)]);
    world.add(URL);
    let fetches = world.fetches.len();
    world.add(URL);
    assert_eq!(world.fetches.len(), fetches);
}

#[test]
fn completions_that_nobody_waits_for_are_counted() {
    let mut world = World::new();
    world.fetched(FetchToken(9), Fetched::End);
    assert_eq!(world.swarm.counters.stray_completions, 1);
}

/// A swarm, and a server that has its files.
struct World {
    swarm: Swarm,
    out: Outbox<Action>,
    now: Instant,
    content: Vec<u8>,
    /// Whether the server knows ranges.
    ranges: bool,
    /// The files that the server does not have, by their URLs.
    lacks: fn(&str) -> bool,
    /// The files that the server spoils, by their URLs.
    spoils: fn(&str) -> bool,
    /// The longest part of a body.
    cut: usize,
    fetches: Vec<Fetch>,
    cancelled: Vec<FetchToken>,
    urls: Vec<String>,
    writes: Vec<Input>,
    ups: u32,
    gone: Vec<(WebSeedEnd, Option<Duration>)>,
    /// Bytes that the server sent.
    bodies: u64,
    peer: Option<PeerKey>,
    asked: Vec<Block>,
}

/// A fetch under way, and how much of its body was sent.
#[derive(Clone, Debug)]
struct Fetch {
    token: FetchToken,
    request: Request,
    credit: u64,
    sent: Option<u64>,
}

impl World {
    fn new() -> Self {
        Self::of(Bitfield::new(PIECES))
    }

    fn of(have: Bitfield) -> Self {
        let content = subject::content();
        Self::begin(subject::setup(&content, have, Bitfield::new(PIECES)), content)
    }

    /// A torrent of files, and padding.
    fn of_files(files: &[(&str, usize, bool)]) -> Self {
        let mut content = Vec::new();
        for (number, (_, length, padding)) in (1..).zip(files) {
            content.resize(content.len() + length, if *padding { 0 } else { number });
        }
        let pieces = (content.len() as u32).div_ceil(PIECE);
        let mut setup = subject::setup(&content, Bitfield::new(pieces), Bitfield::new(pieces));
        if let Torrent::Content(it) = &mut setup.torrent {
            let file = |(name, length, padding): &(&str, usize, bool)| File {
                path: vec!["content".into(), String::from(*name)],
                length: *length as u64,
                padding: *padding,
                executable: false,
            };
            let geometry = Geometry::new(PIECE, content.len() as u64).expect("valid");
            let files = files.iter().map(file).collect();
            it.info = Info { multi_file: true, files, geometry, ..it.info.clone() };
        }
        Self::begin(setup, content)
    }

    fn begin(setup: Setup, content: Vec<u8>) -> Self {
        let mut world = Self {
            swarm: Swarm::new(setup, [1; 32]),
            out: Outbox::new(),
            now: Instant::ZERO,
            content,
            ranges: true,
            lacks: |_| false,
            spoils: |_| false,
            cut: 20_000,
            fetches: Vec::new(),
            cancelled: Vec::new(),
            urls: Vec::new(),
            writes: Vec::new(),
            ups: 0,
            gone: Vec::new(),
            bodies: 0,
            peer: None,
            asked: Vec::new(),
        };
        world.tell(Input::Start);
        world
    }

    fn add(&mut self, url: &str) {
        self.tell(Input::AddWebSeed(url.into()));
    }

    fn fetched(&mut self, token: FetchToken, what: Fetched) {
        self.tell(Input::Fetched { token, what });
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        let Ok(()) = self.swarm.handle_timeout(self.now, &mut self.out);
        self.carry();
    }

    fn tell(&mut self, input: Input) {
        self.now = self.now + Duration::from_micros(10);
        let Ok(()) = self.swarm.handle_input(self.now, input, &mut self.out);
        self.carry();
    }

    fn carry(&mut self) {
        for action in self.out.drain() {
            match action {
                Action::Fetch { token, request, credit } => {
                    self.urls.push(request.url.clone());
                    self.fetches.push(Fetch { token, request, credit, sent: None });
                }
                Action::FetchMore { token, bytes } => {
                    let fetch = self.fetches.iter_mut().find(|fetch| fetch.token == token);
                    fetch.expect("under way").credit += bytes;
                }
                Action::CancelFetch(token) => {
                    self.fetches.retain(|fetch| fetch.token != token);
                    self.cancelled.push(token);
                }
                Action::WebSeedUp(_) => self.ups += 1,
                Action::WebSeedGone { why, retry_after, .. } => self.gone.push((why, retry_after)),
                Action::Storage(Operation::Write { token, .. }) => {
                    self.writes.push(Input::Storage(Completion::Written { token, result: Ok(()) }));
                }
                Action::Compute { token, job } => {
                    self.writes.push(Input::Computed { token, outcome: job.run() });
                }
                Action::Admitted { peer, .. } => self.peer = Some(peer),
                Action::Send { data, .. } => self.asked.extend(subject::request_in(&data)),
                _ => {}
            }
        }
    }

    /// The bytes of the file that a URL names, by its last element.
    fn file(&self, url: &str) -> (usize, usize) {
        let info = self.swarm.info();
        let name = url.rsplit('/').next().unwrap_or_default().replace("%20", " ");
        let index = info.files.iter().position(|file| file.path.last() == Some(&name)).expect("a file");
        let range = info.layout().file_range(FileIndex(index as u32)).expect("a file");
        (range.start as usize, range.end as usize)
    }

    fn head(&mut self, fetch: &Fetch) {
        let Request { first, last, .. } = fetch.request;
        let (start, end) = self.file(&fetch.request.url);
        let content_range = ContentRange { first, last, total: Some((end - start) as u64) };
        let head = match self.ranges {
            _ if (self.lacks)(&fetch.request.url) => {
                Head { status: 404, content_range: None, retry_after: None }
            }
            true => Head { status: 206, content_range: Some(content_range), retry_after: None },
            false => Head { status: 200, content_range: None, retry_after: None },
        };
        self.fetched(fetch.token, Fetched::Head(head));
    }

    /// Answers one fetch, as far as there is credit. Whether anything came of it.
    fn answer(&mut self, fetch: &Fetch) -> bool {
        let (start, end) = self.file(&fetch.request.url);
        let body = match self.ranges {
            true => start + fetch.request.first as usize..start + fetch.request.last as usize + 1,
            false => start..end,
        };
        let sent = match fetch.sent {
            Some(sent) => sent as usize,
            None => {
                self.head(fetch);
                0
            }
        };
        let token = fetch.token;
        let Some(fetch) = self.fetches.iter_mut().find(|other| other.token == token) else { return true };
        let bytes = (body.len() - sent).min(self.cut).min(fetch.credit as usize);
        fetch.credit -= bytes as u64;
        let spoils = (self.spoils)(&fetch.request.url);
        let moved = bytes > 0 || fetch.sent.is_none();
        fetch.sent = Some((sent + bytes) as u64);
        self.bodies += bytes as u64;
        let mut data = self.content[body.start + sent..][..bytes].to_vec();
        if let Some(first) = data.first_mut().filter(|_| spoils) {
            *first ^= 1;
        }
        if bytes > 0 {
            self.fetched(token, Fetched::Body(data.into()));
        }
        if sent + bytes == body.len() && self.fetches.iter().any(|other| other.token == token) {
            self.fetches.retain(|other| other.token != token);
            self.fetched(token, Fetched::End);
            return true;
        }
        moved
    }

    /// Answers all fetches, writes and hashes, as long as anything moves.
    fn serve(&mut self) {
        loop {
            let mut moved = false;
            for fetch in self.fetches.clone() {
                if self.fetches.iter().any(|other| other.token == fetch.token) {
                    moved |= self.answer(&fetch);
                }
            }
            for done in core::mem::take(&mut self.writes) {
                moved = true;
                self.tell(done);
            }
            if !moved {
                return;
            }
        }
    }
}
