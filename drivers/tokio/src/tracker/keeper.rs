//! What has to be done now and then, whether anybody asks or not.

use super::Shared;
use crate::lock;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{error, warn};

/// How often each store is looked after.
const ROUND: Duration = Duration::from_secs(1);

/// How many peers and swarms of each store are looked at in a round: microseconds under its lock, and all of
/// two million in a quarter of an hour.
const BUDGET: u32 = 1024;

/// How often the state is saved besides at the end: what a crash may cost.
const SAVE_EVERY: Duration = Duration::from_secs(3 * 60);

/// Forgets who has not been seen for long, and saves the rest, until the tracker stops.
pub(super) fn run(shared: &Arc<Shared>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    match runtime {
        Ok(runtime) => runtime.block_on(keep(shared)),
        Err(error) => error!(%error, "nothing is saved, nor forgotten but at announces"),
    }
}

async fn keep(shared: &Shared) {
    let mut stop = shared.stop.subscribe();
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut saved = Instant::now();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = rounds.tick() => {}
        }
        for store in shared.swarms.stores() {
            lock(store).expire(shared.clock.now(), BUDGET);
        }
        if saved.elapsed() >= SAVE_EVERY {
            if let Err(error) = shared.save() {
                warn!(%error, "cannot save the state");
            }
            saved = Instant::now();
        }
    }
}
