//! The picker and the choker: told what happens, and done what they want.

use super::{Action, machine::Swarm};
use crate::{Instant, Machine, Outbox, choker, picker, wire::Message};
use core::mem;

impl Swarm {
    /// Tells the picker something, and does what it wants.
    pub(super) fn pick(&mut self, now: Instant, input: picker::Input, out: &mut Outbox<Action>) {
        let Ok(()) = self.picker.handle_input(now, input, &mut self.scratch.picked);
        self.do_picked(now, out);
    }

    pub(super) fn do_picked(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut picked = mem::take(&mut self.scratch.picked);
        for action in picked.drain() {
            match action {
                picker::Action::Request { peer, block } => {
                    self.download_allowance.spend(u64::from(block.length));
                    self.budget = self.budget.saturating_sub(u64::from(block.length));
                    if !self.ask_web_seed(peer, block) {
                        self.ask(now, peer, block, out);
                    }
                }
                picker::Action::Cancel { peer, block } => {
                    if !self.unask_web_seed(peer, block, out) {
                        self.tell(now, peer, Message::Cancel(block), out);
                    }
                }
                picker::Action::Interested { peer } => self.tell(now, peer, Message::Interested, out),
                picker::Action::NotInterested { peer } => {
                    self.tell(now, peer, Message::NotInterested, out);
                }
                picker::Action::Store { peer, block } => {
                    if let Some(data) = self.arriving.take() {
                        self.store(peer, block, data, out);
                    }
                }
                picker::Action::Discard { peer, block, waste } => self.discard(peer, block, waste),
                picker::Action::Pad { block } => self.pad(block),
                picker::Action::Complete { piece } => self.hash(now, piece, out),
                picker::Action::Snubbed { .. } => {}
            }
        }
        self.scratch.picked = picked;
    }

    /// Tells the choker something, and does what it wants.
    pub(super) fn choose(&mut self, now: Instant, input: choker::Input, out: &mut Outbox<Action>) {
        let Ok(()) = self.choker.handle_input(now, input, &mut self.scratch.chosen);
        self.do_chosen(now, out);
    }

    /// The choker's time has come. It hears now how much each peer claims to have, and not with every have:
    /// nothing else depends on it.
    pub(super) fn hold_round(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut slot = 0;
        while let Some(peer) = self.peers.key_from(slot) {
            let pieces = self.picker.pieces_of(peer);
            self.choose(now, choker::Input::Completion { peer, pieces }, out);
            slot = peer.index() + 1;
        }
        let Ok(()) = self.choker.handle_timeout(now, &mut self.scratch.chosen);
        self.do_chosen(now, out);
    }

    pub(super) fn do_chosen(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let mut chosen = mem::take(&mut self.scratch.chosen);
        for action in chosen.drain() {
            match action {
                choker::Action::Choke { peer } => self.set_choked(now, peer, true, out),
                choker::Action::Unchoke { peer } => self.set_choked(now, peer, false, out),
            }
        }
        self.scratch.chosen = chosen;
    }
}
