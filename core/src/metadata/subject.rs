//! The exchange under the law harness.

#![allow(clippy::expect_used, reason = "nothing but tests and fuzz targets call it: they may fail loudly")]

use super::{Action, Blame, Config, Exchange, Input, Limits};
use crate::{
    Seed,
    id::{BLOCK_LENGTH, InfoHash, PeerKey},
    slab::Slab,
    testing::{Bounds, Dice, Step, Subject},
};
use alloc::{collections::BTreeMap, vec::Vec};
use bytes::Bytes;
use sha1::{Digest, Sha1};

/// The most peers there are at a time.
const PEERS: usize = 12;

/// How a peer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    Honest,
    /// Right in length alone.
    Liar,
    /// Wrong in length too.
    Clumsy,
    Refuser,
    Silent,
}

/// An info dictionary, and peers that have it, lie about it, or want it.
#[derive(Debug, Default)]
pub struct AnyExchange {
    info: Bytes,
    keys: Slab<PeerKey, ()>,
    here: BTreeMap<PeerKey, Nature>,
    gone: Vec<PeerKey>,
    blamed: Vec<PeerKey>,
    /// What was asked for and not answered.
    asked: Vec<(PeerKey, u32)>,
    limits: Limits,
    known: bool,
}

impl Subject for AnyExchange {
    type Machine = Exchange;
    type Config = Config;

    fn config(&mut self, dice: &mut Dice) -> Config {
        let size = 1 + dice.below(5) * BLOCK_LENGTH + dice.below(200);
        self.info = dice.filler(size as usize).into();
        self.limits = Limits { queue: dice.below(5), blocks_per_s: 1 + dice.below(4), ..Limits::default() };
        self.limits.rejects = dice.below(6);
        self.known = dice.chance(1, 4);
        Config {
            info_hash: InfoHash(Sha1::digest(&self.info).into()),
            info: self.known.then(|| self.info.clone()),
            limits: self.limits,
        }
    }

    fn build(&self, config: &Config, seed: Seed) -> Exchange {
        Exchange::new(config.clone(), seed)
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            actions_per_call: PEERS * 2 + 2,
            bytes_per_call: self.info.len() + PEERS * 4 * BLOCK_LENGTH as usize,
            memory: 16 * 1024 + 6 * BLOCK_LENGTH as usize,
            timeouts_per_s: 4 * PEERS as u32,
        }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        let here: Vec<PeerKey> = self.here.keys().copied().collect();
        let Some(peer) = dice.pick(&here).copied().filter(|_| here.len() >= PEERS || dice.chance(7, 8))
        else {
            return self.join(dice);
        };
        match dice.below(16) {
            0 => {
                self.keys.remove(peer);
                self.here.remove(&peer);
                self.asked.retain(|(asked, _)| *asked != peer);
                self.gone.push(peer);
                Input::PeerLeft { peer }
            }
            1 => Input::PeerJoined { peer, metadata_size: self.claim(peer, dice) },
            2 if dice.chance(1, 8) => {
                self.known = true;
                self.asked.clear();
                Input::Known(self.info.clone())
            }
            2..=5 => Input::Request { peer, piece: dice.below(7) },
            6 => self.data(peer, dice.below(7), Nature::Honest),
            7 => Input::Reject { peer, piece: dice.below(7) },
            _ => self.answer(dice).unwrap_or(Input::Request { peer, piece: 0 }),
        }
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        for action in &step.outcome.actions {
            match action {
                Action::Request { peer, piece } => {
                    self.asked.push((*peer, *piece));
                    assert!(!self.known, "what is known is not asked for");
                    self.assert_talks_to(*peer);
                }
                Action::Data { peer, piece, total_size, data } => {
                    assert!(self.known && *total_size as usize == self.info.len());
                    assert!(!data.is_empty() && self.part(*piece) == data);
                    self.assert_talks_to(*peer);
                }
                Action::Reject { peer, .. } => self.assert_talks_to(*peer),
                Action::Complete(info) => {
                    assert!(!self.known && *info == self.info);
                    self.known = true;
                    self.asked.clear();
                }
                Action::Blame { peer, why } => {
                    self.assert_talks_to(*peer);
                    let honest = self.here.get(peer) == Some(&Nature::Honest);
                    assert!(*why == Blame::TooManyRequests || !honest, "{peer:?} did nothing wrong");
                    self.blamed.push(*peer);
                    self.asked.retain(|(asked, _)| asked != peer);
                }
            }
        }
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        let peer = *dice.pick(&self.gone)?;
        let strays = [
            Input::PeerLeft { peer },
            Input::Request { peer, piece: 0 },
            Input::Reject { peer, piece: 0 },
            self.data(peer, 0, Nature::Honest),
        ];
        dice.pick(&strays).cloned()
    }

    fn memory(&self, machine: &Exchange) -> usize {
        machine.memory()
    }

    fn bytes(&self, action: &Action) -> usize {
        match action {
            Action::Data { data, .. } | Action::Complete(data) => data.len(),
            Action::Request { .. } | Action::Reject { .. } | Action::Blame { .. } => 0,
        }
    }
}

impl AnyExchange {
    fn join(&mut self, dice: &mut Dice) -> Input {
        let natures =
            [Nature::Honest, Nature::Honest, Nature::Liar, Nature::Clumsy, Nature::Refuser, Nature::Silent];
        let nature = dice.pick(&natures).copied().unwrap_or(Nature::Honest);
        let peer = self.keys.insert(());
        self.here.insert(peer, nature);
        Input::PeerJoined { peer, metadata_size: self.claim(peer, dice) }
    }

    /// How long a peer says that the dictionary is.
    fn claim(&self, peer: PeerKey, dice: &mut Dice) -> Option<u32> {
        let size = self.info.len() as u32;
        if self.here.get(&peer) == Some(&Nature::Honest) {
            return Some(size);
        }
        let claims = [None, Some(0), Some(u32::MAX), Some(40_000)];
        claims.get(dice.below(8) as usize).copied().unwrap_or(Some(size))
    }

    /// What a peer says to what it was asked for, in any order.
    fn answer(&mut self, dice: &mut Dice) -> Option<Input> {
        let place = dice.below(self.asked.len() as u32) as usize;
        let (peer, piece) = *self.asked.get(place)?;
        let nature = *self.here.get(&peer)?;
        if nature == Nature::Silent {
            return None;
        }
        self.asked.remove(place);
        Some(match nature {
            Nature::Refuser => Input::Reject { peer, piece },
            Nature::Honest | Nature::Liar | Nature::Clumsy | Nature::Silent => self.data(peer, piece, nature),
        })
    }

    fn data(&self, peer: PeerKey, piece: u32, nature: Nature) -> Input {
        let total_size = self.info.len() as u32;
        let data = match nature {
            Nature::Liar => Bytes::from(alloc::vec![0x20; self.part(piece).len()]),
            Nature::Clumsy => Bytes::from_static(b"short"),
            Nature::Honest | Nature::Refuser | Nature::Silent => Bytes::copy_from_slice(self.part(piece)),
        };
        Input::Data { peer, piece, total_size, data }
    }

    /// A block of the dictionary; empty behind its end.
    fn part(&self, piece: u32) -> &[u8] {
        self.info.chunks(BLOCK_LENGTH as usize).nth(piece as usize).unwrap_or_default()
    }

    fn assert_talks_to(&self, peer: PeerKey) {
        assert!(self.here.contains_key(&peer) && !self.blamed.contains(&peer), "{peer:?}");
    }
}
