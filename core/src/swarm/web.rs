//! Web seeds (BEP 19): servers that have the files as they are.
//!
//! To the picker a web seed is one peer more, which has everything and serves us. What it is asked for is
//! joined to runs of neighbouring blocks, and a run is fetched file by file:
//!
//! ```text
//! picker ─▶ Request, Request, … ─▶ run ─▶ Fetch(file, range) ─▶ 206, Body, Body, End ─▶ next file, next run
//!   ▲                                                                   │
//!   └──────────────────────────── Block ◀───────────────────────────────┘
//! ```
//!
//! A server that knows no ranges answers 200 and sends the whole file. Then what is missing is taken as it
//! comes, asked for or not, until nothing more of the file is missing. Such a body is longer than what the
//! rate limit and the memory for blocks were spent on, so the driver gets credit for it bit by bit.
//!
//! A seed that fails rests: ten seconds at first, twice as long each time; or as long as it asks for. One
//! that lacks a file is asked for the others, and so is one that alone sent a piece with a wrong hash; at the
//! second such file it is not asked again.

mod address;
mod end;
mod lacks;
mod run;
#[cfg(test)]
mod tests;

use super::{Action, machine::Swarm};
use crate::{
    Deadline, Instant, Outbox,
    fetch::{Fetched, Head},
    id::{Block, FetchToken, FileIndex, PeerKey, slab_key},
    picker,
    slab::Slab,
};
use alloc::{collections::VecDeque, string::String, vec, vec::Vec};
use bytes::Bytes;
use core::{mem, ops::Range};
pub use end::WebSeedEnd;
use lacks::Lacks;
use run::{Next, Run, pieces_at, strike};

/// The most web seeds that are kept of a torrent. Those beyond are left out.
const MAX_SEEDS: usize = 64;

/// The most that are asked at the same time: a few fill any line, and the others are spared.
const ACTIVE: usize = 4;

/// The most fetches under way at one seed: while one is answered, the next is on its way.
const RUNS: usize = 2;

slab_key! {
    /// A fetch under way.
    pub(super) FetchKey;
}

/// The web seeds of a torrent.
#[derive(Clone, Debug, Default)]
pub(super) struct WebSeeds {
    seeds: Vec<WebSeed>,
    /// At most [`RUNS`] of each seed that is asked.
    fetches: Slab<FetchKey, Fetch>,
    /// The files' paths as URLs have them, as soon as they are needed.
    paths: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
struct WebSeed {
    url: String,
    /// Its name at the picker.
    key: PeerKey,
    stage: Stage,
    /// Blocks that it was asked for and that no run has, in order.
    asked: VecDeque<Block>,
    /// Whether it is known to send whole files only.
    whole_files: bool,
    /// What it said that it does not have.
    lacks: Option<Lacks>,
    /// Files in a row that it lacked.
    misses: u32,
    /// Whether it alone sent a corrupt piece.
    corrupt: bool,
    /// Failures in a row.
    failures: u32,
    /// Since it was last gone.
    downloaded_bytes: u64,
}

/// A run, and the seed that it is fetched from.
#[derive(Clone, Debug)]
struct Fetch {
    seed: usize,
    run: Run,
}

/// How a seed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not to be asked before this time.
    Resting(Instant),
    /// The picker counts on it.
    Asked,
    /// As `Asked`, and it has answered as it should.
    Up,
    /// What it has is not wanted. At this time it is asked again for what it lacks.
    Spent(Instant),
    /// Not to be asked again.
    Banned,
}

impl WebSeed {
    const fn is_active(&self) -> bool {
        matches!(self.stage, Stage::Asked | Stage::Up)
    }
}

impl WebSeeds {
    fn index_of(&self, key: PeerKey) -> Option<usize> {
        self.seeds.iter().position(|seed| seed.key == key)
    }

    fn run_mut(&mut self, fetch: FetchKey) -> Option<&mut Run> {
        self.fetches.get_mut(fetch).map(|fetch| &mut fetch.run)
    }

    /// The fetches of a seed.
    fn fetches_of(&self, seed: usize) -> Vec<FetchKey> {
        self.fetches.iter().filter(|(_, fetch)| fetch.seed == seed).map(|(key, _)| key).collect()
    }

    /// Gives a run a new name, for its next fetch: what still comes of the last finds nothing.
    fn renew(&mut self, fetch: FetchKey) -> Option<FetchKey> {
        let run = self.fetches.remove(fetch)?;
        Some(self.fetches.insert(run))
    }

    /// Whether a seed may be asked for another run.
    fn has_room(&self, seed: usize, whole_files: bool) -> bool {
        let under_way = self.fetches.iter().filter(|(_, fetch)| fetch.seed == seed).count();
        under_way < if whole_files { 1 } else { RUNS }
    }

    /// Notes that a block came in.
    fn note_block(&mut self, fetch: FetchKey, block: Block) -> Option<PeerKey> {
        let Fetch { seed, run } = self.fetches.get_mut(fetch)?;
        let seed = self.seeds.get_mut(*seed)?;
        seed.downloaded_bytes += u64::from(block.length);
        if !run.strike(block) {
            strike(&mut seed.asked, block);
        }
        Some(seed.key)
    }

    /// Bytes that a seed was asked for.
    fn requested_bytes(&self, index: usize) -> u64 {
        let asked = self.seeds.get(index).into_iter().flat_map(|seed| &seed.asked);
        let of_seed = self.fetches.iter().filter(|(_, fetch)| fetch.seed == index);
        let due = of_seed.flat_map(|(_, fetch)| &fetch.run.due);
        asked.chain(due).map(|block| u64::from(block.length)).sum()
    }

    /// Bytes of whole files that drivers may hand on.
    fn lent_bytes(&self) -> u64 {
        let runs = self.fetches.iter().map(|(_, fetch)| &fetch.run);
        runs.filter(|run| run.is_whole_file()).map(Run::credit).sum()
    }

    fn active(&self) -> usize {
        self.seeds.iter().filter(|seed| seed.is_active()).count()
    }

    /// Whether a server that sends a whole file is to be lent more.
    pub(super) fn waits_for_credit(&self) -> bool {
        self.fetches.iter().any(|(_, fetch)| fetch.run.is_whole_file() && fetch.run.appetite() > 0)
    }

    /// When the next seed has rested enough.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        if self.active() >= ACTIVE {
            return None;
        }
        let rested = self.seeds.iter().filter_map(|seed| match seed.stage {
            Stage::Resting(until) | Stage::Spent(until) => Some(until),
            Stage::Asked | Stage::Up | Stage::Banned => None,
        });
        rested.min().map(|at| Deadline { at, why: "web seed" })
    }

    /// Heap bytes held.
    pub(super) fn memory(&self) -> usize {
        let seeds = self.seeds.iter().map(|seed| {
            let has = seed.lacks.as_ref().map_or(0, |lacks| lacks.has.heap_bytes());
            size_of::<WebSeed>() + seed.url.len() + seed.asked.capacity() * size_of::<Block>() + has
        });
        let runs = self.fetches.iter().map(|(_, fetch)| size_of::<Fetch>() + fetch.run.memory());
        let paths = self.paths.iter().flatten().map(|path| size_of::<String>() + path.len());
        seeds.chain(runs).chain(paths).sum()
    }
}

impl Swarm {
    /// Somebody knows of a web seed.
    pub(super) fn add_web_seed(&mut self, url: String, out: &mut Outbox<Action>) {
        if !address::is_usable(&url) {
            let why = WebSeedEnd::BadUrl;
            return out.push(Action::WebSeedGone { url, downloaded_bytes: 0, why, retry_after: None });
        }
        let seeds = &self.web.seeds;
        if seeds.len() >= MAX_SEEDS || seeds.iter().any(|seed| seed.url == url) {
            return;
        }
        self.web.seeds.push(WebSeed {
            url,
            key: self.peers.reserve(),
            stage: Stage::Resting(Instant::ZERO),
            asked: VecDeque::new(),
            whole_files: false,
            lacks: None,
            misses: 0,
            corrupt: false,
            failures: 0,
            downloaded_bytes: 0,
        });
    }

    /// Ends with seeds of which nothing is wanted, and begins with those that have rested in their place.
    pub(super) fn tend_web_seeds(&mut self, now: Instant, out: &mut Outbox<Action>) {
        for index in 0..self.web.seeds.len() {
            self.end_if_unwanted(now, index, out);
        }
        if !self.is_downloading() {
            return;
        }
        let mut room = ACTIVE.saturating_sub(self.web.active());
        for index in 0..self.web.seeds.len() {
            if room > 0 && self.begin_if_rested(now, index, out) {
                self.end_if_unwanted(now, index, out);
                room = ACTIVE.saturating_sub(self.web.active());
            }
        }
    }

    fn end_if_unwanted(&mut self, now: Instant, index: usize, out: &mut Outbox<Action>) {
        let Some(seed) = self.web.seeds.get(index) else { return };
        let (stage, peer) = (seed.stage, seed.key);
        match stage {
            Stage::Asked | Stage::Up | Stage::Spent(_) if !self.is_downloading() => {
                self.end_web_seed(now, index, WebSeedEnd::Idle, out);
            }
            Stage::Asked | Stage::Up if self.picker.wanted_from(peer) == 0 => {
                self.spend_web_seed(now, index, out);
            }
            Stage::Asked | Stage::Up | Stage::Spent(_) | Stage::Resting(_) | Stage::Banned => {}
        }
    }

    /// Whether the seed is asked from now on.
    fn begin_if_rested(&mut self, now: Instant, index: usize, out: &mut Outbox<Action>) -> bool {
        let Some(seed) = self.web.seeds.get_mut(index) else { return false };
        let peer = seed.key;
        match seed.stage {
            Stage::Resting(until) if until <= now => {
                seed.stage = Stage::Asked;
                self.pick(now, picker::Input::PeerJoined { peer, source: picker::Source::Web }, out);
                self.tell_what_web_seed_has(now, index, out);
                true
            }
            Stage::Spent(until) if until <= now => {
                (seed.stage, seed.lacks) = (Stage::Asked, None);
                self.pick(now, picker::Input::HaveAll { peer }, out);
                true
            }
            Stage::Resting(_) | Stage::Spent(_) | Stage::Asked | Stage::Up | Stage::Banned => false,
        }
    }

    /// The picker asks a web seed for a block. Whether it is one.
    pub(super) fn ask_web_seed(&mut self, key: PeerKey, block: Block) -> bool {
        let Some(seed) = self.web.index_of(key).and_then(|index| self.web.seeds.get_mut(index)) else {
            return false;
        };
        if matches!(seed.stage, Stage::Spent(_)) {
            seed.stage = Stage::Asked;
        }
        seed.asked.push_back(block);
        true
    }

    /// The picker takes a request back. A fetch of which nothing is wanted any more is cancelled.
    pub(super) fn unask_web_seed(&mut self, key: PeerKey, block: Block, out: &mut Outbox<Action>) -> bool {
        let Some(index) = self.web.index_of(key) else { return false };
        if self.web.seeds.get_mut(index).is_some_and(|seed| strike(&mut seed.asked, block)) {
            return true;
        }
        for fetch in self.web.fetches_of(index) {
            let Some(run) = self.web.run_mut(fetch) else { continue };
            if run.strike(block) && run.due.is_empty() && !run.is_whole_file() {
                self.cancel_fetch(fetch, out);
            }
        }
        true
    }

    fn cancel_fetch(&mut self, fetch: FetchKey, out: &mut Outbox<Action>) -> Option<Run> {
        let cancelled = self.web.fetches.remove(fetch)?;
        out.push(Action::CancelFetch(FetchToken::of(fetch)));
        Some(cancelled.run)
    }

    /// Cancels a fetch: what it was to bring is asked for anew.
    fn ask_anew(&mut self, index: usize, fetch: FetchKey, out: &mut Outbox<Action>) {
        if let Some(run) = self.cancel_fetch(fetch, out)
            && let Some(seed) = self.web.seeds.get_mut(index)
        {
            run.due.into_iter().rev().for_each(|block| seed.asked.push_front(block));
        }
    }

    /// Fetches what was asked for, and lends what whole files need.
    pub(super) fn fetch_from_web_seeds(&mut self, now: Instant, out: &mut Outbox<Action>) {
        for index in 0..self.web.seeds.len() {
            while let Some(seed) = self.web.seeds.get(index).filter(|seed| !seed.asked.is_empty())
                && self.web.has_room(index, seed.whole_files)
                && let Some(seed) = self.web.seeds.get_mut(index)
                && let Some(run) = Run::first_of(&mut seed.asked, self.geometry)
            {
                let fetch = self.web.fetches.insert(Fetch { seed: index, run });
                self.fetch_next(now, Some(fetch), out);
            }
            self.lend_to_web_seed(index, out);
        }
    }

    /// Goes on with a run of which nothing is being fetched.
    fn fetch_next(&mut self, now: Instant, fetch: Option<FetchKey>, out: &mut Outbox<Action>) {
        let Some(fetch) = fetch else { return };
        while let Some(run) = self.web.run_mut(fetch) {
            match run.next(&self.layout) {
                Next::Fetch(file, offset, length) => {
                    return self.begin_fetch(fetch, file, offset, length, out);
                }
                Next::Zeros(length) => {
                    self.take_blocks(now, fetch, Bytes::from(vec![0; length as usize]), out);
                }
                Next::Over => break,
            }
        }
        self.web.fetches.remove(fetch);
    }

    fn begin_fetch(
        &mut self,
        fetch: FetchKey,
        file: FileIndex,
        offset: u64,
        length: u32,
        out: &mut Outbox<Action>,
    ) {
        let range = self.layout.file_range(file).unwrap_or_default();
        let paths = self.web.paths.get_or_insert_with(|| address::paths(&self.info));
        let path = paths.get(file.0 as usize).cloned().unwrap_or_default();
        let Some(Fetch { seed, run }) = self.web.fetches.get_mut(fetch) else { return };
        let Some(seed) = self.web.seeds.get(*seed) else { return };
        let url = address::url(&seed.url, &path, self.info.multi_file);
        let request = run.begin(url, range, offset, length);
        out.push(Action::Fetch { token: FetchToken::of(fetch), request, credit: run.credit() });
    }

    /// Something of a fetch comes in.
    pub(super) fn on_fetched(
        &mut self,
        now: Instant,
        token: FetchToken,
        what: Fetched,
        out: &mut Outbox<Action>,
    ) {
        let fetch: FetchKey = token.key();
        let Some(index) = self.web.fetches.get(fetch).map(|fetch| fetch.seed) else {
            self.counters.stray_completions += 1;
            return;
        };
        let is_over = matches!(what, Fetched::End | Fetched::Failed(_));
        let result = match what {
            Fetched::Head(head) => self.on_head(index, fetch, head, out),
            Fetched::Body(data) => self.on_body(now, index, fetch, data, out),
            Fetched::End => self.on_end(now, index, fetch, out),
            Fetched::Failed(error) => Err(WebSeedEnd::Fetch(error)),
        };
        match result {
            Ok(()) => {}
            Err(why) if why.is_missing_file() => self.on_missing_file(now, index, fetch, why, out),
            Err(why) => {
                if is_over {
                    self.web.fetches.remove(fetch);
                }
                self.end_web_seed(now, index, why, out);
            }
        }
    }

    /// The server answers. One that sends whole files is asked for one at a time.
    fn on_head(
        &mut self,
        index: usize,
        fetch: FetchKey,
        head: Head,
        out: &mut Outbox<Action>,
    ) -> Result<(), WebSeedEnd> {
        let Some(run) = self.web.run_mut(fetch) else { return Ok(()) };
        run.on_head(head)?;
        let sends_whole_file = run.is_whole_file();
        let Some(seed) = self.web.seeds.get_mut(index) else { return Ok(()) };
        if seed.stage == Stage::Asked {
            seed.stage = Stage::Up;
            out.push(Action::WebSeedUp(seed.url.clone()));
        }
        if !sends_whole_file {
            return Ok(());
        }
        seed.whole_files = true;
        for other in self.web.fetches_of(index) {
            if other != fetch {
                self.ask_anew(index, other, out);
            }
        }
        Ok(())
    }

    fn on_body(
        &mut self,
        now: Instant,
        index: usize,
        fetch: FetchKey,
        data: Bytes,
        out: &mut Outbox<Action>,
    ) -> Result<(), WebSeedEnd> {
        let Some(run) = self.web.run_mut(fetch) else { return Ok(()) };
        run.on_body(data.len() as u64)?;
        self.downloaded.add(data.len() as u64);
        self.take_blocks(now, fetch, data, out);
        let Some(run) = self.web.run_mut(fetch) else { return Ok(()) };
        if run.is_whole_file() {
            let rest = run.rest();
            if !rest.is_empty() && !self.wants_any(index, rest) {
                out.push(Action::CancelFetch(FetchToken::of(fetch)));
                let fetch = self.web.renew(fetch);
                self.fetch_next(now, fetch, out);
            }
        }
        Ok(())
    }

    fn on_end(
        &mut self,
        now: Instant,
        index: usize,
        fetch: FetchKey,
        out: &mut Outbox<Action>,
    ) -> Result<(), WebSeedEnd> {
        let Some(run) = self.web.run_mut(fetch) else { return Ok(()) };
        run.on_end()?;
        if let Some(seed) = self.web.seeds.get_mut(index) {
            (seed.failures, seed.misses) = (0, 0);
        }
        let fetch = self.web.renew(fetch);
        self.fetch_next(now, fetch, out);
        Ok(())
    }

    /// Gives the picker the blocks that `data` completes.
    fn take_blocks(&mut self, now: Instant, fetch: FetchKey, mut data: Bytes, out: &mut Outbox<Action>) {
        while let Some(run) = self.web.run_mut(fetch)
            && let Some((block, data)) = run.cut(&mut data, self.geometry)
            && let Some(peer) = self.web.note_block(fetch, block)
        {
            self.arriving = Some(data);
            self.pick(now, picker::Input::Block { peer, block }, out);
            self.arriving = None;
        }
    }

    /// Whether bytes of these pieces are wanted of a seed, and not here.
    fn wants_any(&self, index: usize, bytes: Range<u64>) -> bool {
        let Some(seed) = self.web.seeds.get(index) else { return false };
        let wanted = |piece| !self.have.get(piece) && self.lacks_blocks(piece) && self.is_planned(piece);
        pieces_at(bytes, self.geometry).any(|piece| wanted(piece) && !seed.lacks(piece))
    }

    /// Lets a server that sends a whole file send more of it: as much as the memory for blocks and the rate
    /// limit have room for. What the seed was asked for has its room already.
    fn lend_to_web_seed(&mut self, index: usize, out: &mut Outbox<Action>) {
        let whole = |fetch: &Fetch| fetch.seed == index && fetch.run.is_whole_file();
        let Some((fetch, _)) = self.web.fetches.iter().find(|(_, fetch)| whole(fetch)) else { return };
        let requested = self.picker.requested_bytes().saturating_sub(self.web.requested_bytes(index));
        let used = requested + self.unwritten as u64 + self.web.lent_bytes();
        let room = (self.config.download_memory as u64).saturating_sub(used);
        let Some(run) = self.web.run_mut(fetch) else { return };
        let bytes = run.appetite().min(room).min(self.download_allowance.available());
        if bytes > 0 {
            run.lend(bytes);
            self.download_allowance.spend(bytes);
            out.push(Action::FetchMore { token: FetchToken::of(fetch), bytes });
        }
    }

    /// A web seed sent a corrupt block: that is the end of it.
    pub(super) fn ban_web_seed(&mut self, now: Instant, key: PeerKey, out: &mut Outbox<Action>) {
        if let Some(index) = self.web.index_of(key) {
            self.end_web_seed(now, index, WebSeedEnd::CorruptPiece, out);
        }
    }

    /// Asks a seed for nothing more, for a while or for good.
    fn end_web_seed(&mut self, now: Instant, index: usize, why: WebSeedEnd, out: &mut Outbox<Action>) {
        for fetch in self.web.fetches_of(index) {
            self.cancel_fetch(fetch, out);
        }
        let Some(seed) = self.web.seeds.get_mut(index) else { return };
        seed.asked.clear();
        let retry_after = why.retry_after(seed.failures);
        let stage = retry_after.map_or(Stage::Banned, |after| Stage::Resting(now + after));
        let before = mem::replace(&mut seed.stage, stage);
        if why != WebSeedEnd::Idle {
            seed.failures = seed.failures.saturating_add(1);
        }
        if why != WebSeedEnd::Idle || before == Stage::Up {
            let (url, downloaded_bytes) = (seed.url.clone(), mem::take(&mut seed.downloaded_bytes));
            out.push(Action::WebSeedGone { url, downloaded_bytes, why, retry_after });
        }
        let peer = seed.key;
        self.pick(now, picker::Input::PeerLeft { peer }, out);
    }
}
