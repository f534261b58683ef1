//! Counts to how many peers hosts send block data.

use crate::{net::HostId, world::Observer};
use convoy_core::{
    Deadline, Instant, Seed,
    engine::{Action, Config, Input},
    id::StreamId,
};
use std::{cell::RefCell, collections::BTreeSet, mem, rc::Rc};

/// Longer sends carry block data: no other message of a swarm of ordinary size is as long.
const BLOCK_DATA: usize = 4096;

/// The streams that carried block data since they were last counted.
#[derive(Clone, Default)]
pub(super) struct Slots(Rc<RefCell<BTreeSet<(HostId, StreamId)>>>);

impl Slots {
    /// How many they were; begins anew.
    pub(super) fn take(&self) -> u32 {
        mem::take(&mut *self.0.borrow_mut()).len() as u32
    }

    /// Counts, and lets `observer` see everything as well.
    pub(super) fn beside(&self, observer: Option<Box<dyn Observer>>) -> Box<dyn Observer> {
        Box::new(Both { slots: self.clone(), observer })
    }
}

struct Both {
    slots: Slots,
    observer: Option<Box<dyn Observer>>,
}

impl Observer for Both {
    fn life(&mut self, host: HostId, config: &Config, seed: Seed) {
        if let Some(observer) = &mut self.observer {
            observer.life(host, config, seed);
        }
    }

    fn step(
        &mut self,
        host: HostId,
        at: Instant,
        input: Option<Input>,
        actions: &[Action],
        next: Option<Deadline>,
    ) {
        let long = actions.iter().filter_map(|action| match action {
            Action::Send { stream, data } if data.len() >= BLOCK_DATA => Some((host, *stream)),
            _ => None,
        });
        self.slots.0.borrow_mut().extend(long);
        if let Some(observer) = &mut self.observer {
            observer.step(host, at, input, actions, next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use convoy_core::slab::Key;

    fn send(stream: u32, length: usize) -> Action {
        Action::Send { stream: StreamId::new(stream, 0), data: Bytes::from(vec![7; length]) }
    }

    #[test]
    fn a_stream_is_a_slot_in_every_second_in_which_it_carries_block_data() {
        let slots = Slots::default();
        let mut observer = slots.beside(None);
        let actions = [send(1, 16_397), send(1, 16_397), send(2, 68), send(3, 16_384)];
        for host in [HostId(0), HostId(1)] {
            observer.step(host, Instant::ZERO, None, &actions, None);
        }
        assert_eq!([slots.take(), slots.take()], [4, 0]);
    }
}
