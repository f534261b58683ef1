//! Rate limits, over all torrents and of each.
//!
//! A limit is a bucket that fills at its rate and holds [`BURST`] of it at most. Ten times a second what the
//! torrents have not spent goes back into it, and what there is is dealt anew:
//!
//! 1. A torrent that is held up may have any part of it, another one as much as it spent since the last
//!    deal. Higher tiers come first; within a tier all get the same, unless they want less, or their own
//!    limit allows less.
//! 2. What nobody claimed is spread over those that spend: what they want next needs not wait for a deal.
//!
//! Nobody gets less than a block. Where there are not enough blocks for all, those come first that were
//! served longest ago. One deal of [`TURNS`] begins with the lower tiers, so that they get on too.
//!
//! As a torrent never spends what it was not dealt, in any time no more passes than the rate times the time,
//! one bucket, and what comes in between two deals.

use super::{
    Action,
    machine::{Engine, Torrent},
};
use crate::{
    Deadline, Instant, Outbox,
    id::{BLOCK_LENGTH, InfoHash},
    picker::Tier,
    swarm::{self, Appetite},
};
use alloc::vec::Vec;
use core::{mem, time::Duration};

/// How often is dealt. Short enough that a limited transfer looks even, long enough that an idle engine with
/// a limit wakes up rarely.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// How much a limit may save up. A few ticks: a driver that is late loses nothing of the rate.
pub(super) const BURST: Duration = Duration::from_millis(500);

/// The least that a torrent can do anything with, in bytes. A bucket holds two at any rate: while one is
/// waited for, nothing overflows.
const BLOCK: u64 = BLOCK_LENGTH as u64;

/// Of so many deals one begins with the tiers below the highest, which count alike then: a tenth of the rate
/// is enough for a download to go on, and hardly felt by those before it.
const TURNS: u64 = 10;

/// Limits in bytes a second; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) download: Option<u64>,
    pub(super) upload: Option<u64>,
}

/// The limits over all torrents, and the clock that all limits share.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateLimits {
    pub(super) download: Limit,
    pub(super) upload: Limit,
    /// How many torrents have limits of their own.
    pub(super) limited_torrents: usize,
    last: Instant,
}

impl RateLimits {
    pub(super) fn new(rates: Rates) -> Self {
        let (download, upload) = (Limit::new(rates.download), Limit::new(rates.upload));
        Self { download, upload, limited_torrents: 0, last: Instant::ZERO }
    }

    pub(super) const fn set(&mut self, rates: Rates) {
        self.download.bucket.rate = rates.download;
        self.upload.bucket.rate = rates.upload;
    }

    /// What a torrent may spend before the next deal: nothing, where there is a limit.
    pub(super) fn nothing(&self) -> Rates {
        Rates { download: self.download.bucket.nothing(), upload: self.upload.bucket.nothing() }
    }

    /// The first torrent is there: time counts from now on.
    pub(super) const fn begin(&mut self, now: Instant) {
        self.last = now;
    }

    /// How much time is to be dealt for, if it is time again.
    /// `anew`: at once, because the limits changed; without a limit too, to lift it.
    pub(super) fn tick(&mut self, now: Instant, anew: bool) -> Option<Duration> {
        let elapsed = now - self.last;
        if !anew && (!self.is_limited() || elapsed < TICK) {
            return None;
        }
        self.last = now;
        Some(elapsed)
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.is_limited().then(|| Deadline { at: self.last + TICK, why: "rate limit" })
    }

    const fn is_limited(&self) -> bool {
        self.download.bucket.is_limited() || self.upload.bucket.is_limited() || self.limited_torrents > 0
    }
}

impl Engine {
    /// Shares what the rate limits give among the torrents.
    pub(super) fn share_out(&mut self, now: Instant, anew: bool, out: &mut Outbox<Action>) {
        let Some(elapsed) = self.limits.tick(now, anew) else { return };
        let torrents = self.torrents.iter_mut();
        let claims = torrents.map(|(_, Torrent { swarm, download, .. })| {
            Claim::new(download, swarm.tier(), swarm.download_appetite())
        });
        self.limits.download.deal(elapsed, claims.collect());
        let torrents = self.torrents.iter_mut();
        let claims = torrents.map(|(_, Torrent { swarm, upload, .. })| {
            Claim::new(upload, swarm.tier(), swarm.upload_appetite())
        });
        self.limits.upload.deal(elapsed, claims.collect());
        let mut slot = 0;
        while let Some(id) = self.torrents.key_from(slot) {
            slot = id.index() + 1;
            let Some(torrent) = self.torrents.get(id) else { continue };
            let (download, upload) = (torrent.download.granted, torrent.upload.granted);
            self.tell_swarm(now, id, swarm::Input::Allowance { download, upload }, out);
        }
    }

    /// Sets the limits of one torrent, or those over all.
    pub(super) fn limit(
        &mut self,
        now: Instant,
        info_hash: Option<InfoHash>,
        rates: Rates,
        out: &mut Outbox<Action>,
    ) {
        match info_hash {
            None => self.limits.set(rates),
            Some(info_hash) => {
                let Some((_, torrent)) = self.find(info_hash) else { return };
                let before = torrent.is_limited();
                torrent.download.limit(rates.download);
                torrent.upload.limit(rates.upload);
                let after = torrent.is_limited();
                self.limits.limited_torrents += usize::from(after);
                self.limits.limited_torrents -= usize::from(before);
            }
        }
        self.share_out(now, true, out);
    }
}

impl Torrent {
    /// Whether it has a rate limit of its own.
    pub(super) const fn is_limited(&self) -> bool {
        self.download.is_limited() || self.upload.is_limited()
    }
}

/// The limit over all torrents, one way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    bucket: Bucket,
    /// How often something was dealt, and how often somebody was served.
    deals: u64,
    serves: u64,
}

impl Limit {
    fn new(rate: Option<u64>) -> Self {
        Self { bucket: Bucket { rate, bytes: 0 }, deals: 1, serves: 0 }
    }

    /// Deals out what the limits give, [`Share::granted`] to each. O(n log n) in those that want something.
    pub(super) fn deal(&mut self, elapsed: Duration, mut claims: Vec<Claim<'_>>) {
        self.bucket.fill(claims.iter().map(|claim| claim.unspent).fold(0, u64::saturating_add), elapsed);
        for Claim { share, unspent, .. } in &mut claims {
            share.own.fill(mem::take(unspent), elapsed);
            share.granted = self.bucket.nothing().or(share.own.nothing());
        }
        claims.retain(|claim| claim.share.granted.is_some() && claim.wanted > 0);
        let highest = claims.iter().map(|claim| claim.tier).max();
        let lower_first = self.deals.is_multiple_of(TURNS);
        let rank = |claim: &Claim<'_>| match claim.tier {
            tier if lower_first => u8::from(Some(tier) == highest),
            tier => Tier::Header as u8 - tier as u8,
        };
        claims.sort_by_key(|claim| (rank(claim), claim.share.served_at));
        for equals in claims.chunk_by_mut(|one, other| rank(one) == rank(other)) {
            self.pour(equals);
        }
        if claims.iter().any(|claim| claim.share.granted > Some(0)) {
            claims.iter_mut().for_each(|claim| claim.wanted = u64::MAX);
            self.pour(&mut claims);
            self.deals += 1;
        }
    }

    /// Gives all the same, unless they want less: then the others get more. With less than a block for each,
    /// only the first get something.
    fn pour(&mut self, claims: &mut [Claim<'_>]) {
        let at_most = usize::try_from(self.bucket.room() / BLOCK).unwrap_or(usize::MAX);
        let able = claims.iter_mut().filter(|claim| claim.room() >= BLOCK);
        let mut served: Vec<_> = able.take(at_most).collect();
        for claim in &mut served {
            self.serves += 1;
            claim.share.served_at = self.serves;
        }
        served.sort_by_key(|claim| claim.room());
        for (others, claim) in (0..served.len() as u64).rev().zip(served) {
            let bytes = claim.room().min(self.bucket.room() / (others + 1));
            self.bucket.take(bytes);
            claim.wanted -= bytes;
            claim.share.grant(bytes);
        }
    }
}

/// What a torrent wants of a limit, one way.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    share: &'a mut Share,
    tier: Tier,
    /// What it was dealt and has not spent.
    unspent: u64,
    /// What it can do with before the next deal.
    wanted: u64,
}

impl<'a> Claim<'a> {
    pub(super) fn new(share: &'a mut Share, tier: Tier, appetite: Appetite) -> Self {
        let wanted = match appetite {
            Appetite { waits: true, .. } => u64::MAX,
            Appetite { spent: 0, .. } => 0,
            Appetite { spent, .. } => spent.max(BLOCK),
        };
        Self { share, tier, unspent: appetite.left.unwrap_or(0), wanted }
    }

    /// What it may still get, in bytes.
    fn room(&self) -> u64 {
        self.wanted.min(self.share.own.room())
    }
}

/// A torrent's own limit, and its share of the limit over all, one way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    own: Bucket,
    /// What it may spend until the next deal.
    pub(super) granted: Option<u64>,
    /// When it was last served, by the count of all that were.
    served_at: u64,
}

impl Share {
    /// Sets its own limit.
    pub(super) const fn limit(&mut self, rate: Option<u64>) {
        self.own.rate = rate;
    }

    /// Whether it has a limit of its own.
    pub(super) const fn is_limited(&self) -> bool {
        self.own.is_limited()
    }

    const fn grant(&mut self, bytes: u64) {
        self.own.take(bytes);
        if let Some(granted) = &mut self.granted {
            *granted += bytes;
        }
    }
}

/// Bytes that may be spent: they come in at a rate.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Bytes a second; `None` is no limit.
    rate: Option<u64>,
    bytes: u64,
}

impl Bucket {
    const fn is_limited(&self) -> bool {
        self.rate.is_some()
    }

    /// Nothing to spend, if there is a limit.
    fn nothing(&self) -> Option<u64> {
        self.rate.map(|_| 0)
    }

    /// Takes in what came back and what time brought.
    fn fill(&mut self, unspent: u64, elapsed: Duration) {
        let over = |time: Duration| {
            let bytes = u128::from(self.rate.unwrap_or(0)) * time.as_micros() / 1_000_000;
            u64::try_from(bytes).unwrap_or(u64::MAX)
        };
        let bytes = self.bytes.saturating_add(unspent).saturating_add(over(elapsed));
        self.bytes = bytes.min(over(BURST).max(2 * BLOCK));
    }

    /// How much may be taken out.
    const fn room(&self) -> u64 {
        if self.is_limited() { self.bytes } else { u64::MAX }
    }

    const fn take(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    const HELD_UP: Appetite = Appetite { left: None, spent: 0, waits: true };
    const IDLE: Appetite = Appetite { left: None, spent: 0, waits: false };
    const USER: Tier = Tier::UserRequested;

    /// Torrents at a limit.
    struct Table {
        limit: Limit,
        shares: Vec<Share>,
    }

    impl Table {
        fn new(rate: u64, torrents: usize) -> Self {
            Self { limit: Limit::new(Some(rate)), shares: vec![Share::default(); torrents] }
        }

        /// What each is dealt, in bytes.
        fn deal(&mut self, elapsed: Duration, wants: &[(Tier, Appetite)]) -> Vec<u64> {
            let claims = self.shares.iter_mut().zip(wants);
            let claims = claims.map(|(share, (tier, appetite))| Claim::new(share, *tier, *appetite));
            self.limit.deal(elapsed, claims.collect());
            self.shares.iter().map(|share| share.granted.expect("limited")).collect()
        }
    }

    fn spent(spent: u64) -> Appetite {
        Appetite { spent, ..IDLE }
    }

    #[test]
    fn who_wants_less_leaves_the_rest_to_the_others_and_idle_ones_get_nothing() {
        let mut table = Table::new(1_000_000, 4);
        let wants = [HELD_UP, spent(20_000), IDLE, HELD_UP].map(|appetite| (USER, appetite));
        assert_eq!(table.deal(TICK, &wants), [40_000, 20_000, 0, 40_000]);
    }

    #[test]
    fn what_nobody_claimed_is_spread_over_those_that_spend() {
        let mut table = Table::new(1_000_000, 3);
        let wants = [spent(20_000), IDLE, spent(30_000)].map(|appetite| (USER, appetite));
        assert_eq!(table.deal(TICK, &wants), [45_000, 0, 55_000]);
    }

    #[test]
    fn what_a_torrents_own_limit_does_not_allow_it_goes_to_the_others() {
        let mut table = Table::new(1_000_000, 3);
        table.shares[1].limit(Some(200_000));
        table.shares[2].limit(Some(0));
        assert_eq!(table.deal(TICK, &[(USER, HELD_UP); 3]), [80_000, 20_000, 0]);
        let back = Appetite { left: Some(20_000), ..HELD_UP };
        assert_eq!(table.deal(TICK, &[(USER, back); 3])[1], 40_000, "what it did not spend is not lost");
    }

    #[test]
    fn a_limit_of_one_torrent_holds_where_there_is_none_over_all() {
        let mut limit = Limit::new(None);
        let mut shares = [Share::default(); 2];
        shares[0].limit(Some(300_000));
        limit.deal(TICK, shares.iter_mut().map(|share| Claim::new(share, USER, HELD_UP)).collect());
        assert_eq!(shares.map(|share| share.granted), [Some(30_000), None]);
    }

    #[test]
    fn with_less_than_a_block_for_each_all_take_turns() {
        let mut table = Table::new(BLOCK * 10, 3);
        let served: Vec<Vec<u64>> = (0..4).map(|_| table.deal(TICK, &[(USER, HELD_UP); 3])).collect();
        assert_eq!(served, [[BLOCK, 0, 0], [0, BLOCK, 0], [0, 0, BLOCK], [BLOCK, 0, 0]]);
    }

    #[test]
    fn higher_tiers_come_first_and_leave_a_tenth_to_all_below() {
        let tiers = [Tier::Background, Tier::LobbyUrgent, Tier::UserRequested];
        // More than a block for each; less.
        for rate in [1_000_000, 100_000] {
            let mut table = Table::new(rate, 3);
            let mut sums = [0; 3];
            for _ in 0..2000 {
                let dealt = table.deal(TICK, &tiers.map(|tier| (tier, HELD_UP)));
                sums.iter_mut().zip(dealt).for_each(|(sum, bytes)| *sum += bytes);
            }
            let percent = sums.map(|sum| (sum + rate) / (rate * 2));
            assert_eq!(percent, [5, 90, 5], "at {rate}");
        }
    }

    #[test]
    fn what_higher_tiers_do_not_want_goes_to_the_lower() {
        let mut table = Table::new(1_000_000, 2);
        let wants = [(Tier::Background, HELD_UP), (Tier::LobbyUrgent, spent(30_000))];
        assert_eq!(table.deal(TICK, &wants), [70_000, 30_000]);
    }

    #[test]
    fn bad_input_42_a_jump_of_a_year_fills_the_bucket_and_no_more() {
        let mut table = Table::new(1_000_000, 1);
        let year = Duration::from_secs(31_536_000);
        assert_eq!(table.deal(year, &[(USER, HELD_UP)]), [500_000]);
        let mut limits = RateLimits::new(Rates { download: None, upload: Some(5000) });
        assert_eq!(limits.tick(Instant::ZERO + year, false), Some(year));
        assert_eq!(limits.tick(Instant::ZERO + year, false), None);
        assert!(limits.deadline().is_some_and(|deadline| deadline.at > Instant::ZERO + year));
    }

    #[test]
    fn limits_that_are_none_in_all_but_name_are_dealt_like_others() {
        let mut limit = Limit::new(None);
        let mut shares = [Share::default(); 3];
        shares.iter_mut().for_each(|share| share.limit(Some(u64::MAX)));
        for _ in 0..9 {
            let claims = shares.iter_mut().map(|share| {
                let appetite = Appetite { left: share.granted, ..HELD_UP };
                Claim::new(share, USER, appetite)
            });
            limit.deal(TICK, claims.collect());
        }
        assert_eq!(shares.map(|share| share.granted), [Some(u64::MAX / 2); 3]);
    }

    #[test]
    fn without_a_limit_there_is_nothing_to_wake_up_for() {
        let mut limits = RateLimits::new(Rates::default());
        assert_eq!(limits.tick(Instant::MAX, false), None);
        assert_eq!(limits.deadline(), None);
        limits.limited_torrents = 1;
        assert!(limits.deadline().is_some(), "a torrent's own limit counts");
    }

    proptest! {
        /// Torrents that spend any part of what they are dealt, and want any more.
        #[test]
        fn no_more_is_spent_than_came_in(
            rate in 0_u64..1_000_000,
            deals in proptest::collection::vec(
                (0_u64..700, proptest::collection::vec((0_u64..101, any::<bool>()), 4)), 1..60,
            ),
        ) {
            let mut table = Table::new(rate, 4);
            let mut wants = [(USER, HELD_UP); 4];
            let (mut came, mut sum) = (0, 0);
            for (millis, behaviour) in deals {
                came += rate * millis / 1000;
                let dealt = table.deal(Duration::from_millis(millis), &wants);
                let size = (rate / 2).max(2 * BLOCK);
                prop_assert!(dealt.iter().sum::<u64>() <= size, "{dealt:?} of {size}");
                for ((want, bytes), (percent, waits)) in wants.iter_mut().zip(dealt).zip(behaviour) {
                    let spent = bytes * percent / 100;
                    sum += spent;
                    want.1 = Appetite { left: Some(bytes - spent), spent, waits };
                }
                prop_assert!(sum <= came, "{sum} of {came}");
            }
        }
    }
}
