//! The engine under the law harness: strangers on its streams, and a driver that answers in any order, late,
//! twice, with errors, or never.
#![allow(
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "nothing but tests and fuzz targets call it: they may fail loudly"
)]

mod stranger;
mod tracker;

use super::{Action, AddTorrent, Command, Config, Engine, Event, FetchTorrent, Input, Plan, StreamError};
use crate::{
    Seed,
    id::{AcceptTicket, StorageToken, StreamId, TorrentId},
    metainfo::Info,
    mse::{Level, Method, Policy},
    slab::Key,
    storage::{
        Completion, FileStamp, Operation,
        subject::{Disk, any_error},
    },
    swarm::subject::{PIECE, content, torrent_of},
    testing::{Bounds, Dice, Step, Subject},
};
use alloc::{boxed::Box, vec, vec::Vec};
use bytes::BytesMut;
use core::{net::SocketAddr, time::Duration};
use stranger::Stranger;

/// An engine with one torrent, and the world around it.
#[derive(Debug, Default)]
pub struct AnyEngine {
    content: Vec<u8>,
    info: Option<Info>,
    started: bool,
    added: bool,
    tickets: u64,
    strangers: Vec<Stranger>,
    gone: Vec<StreamId>,
    /// Whether the content was on the disk from the start.
    holds: bool,
    disk: Disk,
    /// Operations and other work that is due, and completions that were given.
    operations: Vec<(TorrentId, Operation)>,
    work: Vec<Input>,
    done: Vec<Input>,
    /// Whether the engine said that nothing more comes.
    stopped: bool,
}

impl Subject for AnyEngine {
    type Machine = Engine;
    type Config = Config;

    fn config(&mut self, dice: &mut Dice) -> Config {
        // Three pieces: a life is long enough to get them all.
        self.content = content();
        self.content.truncate(70_000);
        self.holds = dice.chance(1, 2);
        self.disk = Disk::new(self.content.clone(), PIECE, self.holds);
        self.info = Some(torrent_of(&self.content, PIECE));
        let mut config = Config {
            listen: dice.chance(1, 2).then(|| SocketAddr::from(([0, 0, 0, 0], 6881))),
            download_rate_bytes_per_s: dice.chance(1, 4).then_some(50_000),
            upload_rate_bytes_per_s: dice.chance(1, 4).then_some(50_000),
            progress_interval: dice.chance(1, 2).then_some(Duration::from_secs(1)),
            ..Config::default()
        };
        let policies = [Policy::Enabled, Policy::Enabled, Policy::Required, Policy::Disabled];
        config.encryption.incoming = dice.pick(&policies).copied().unwrap_or_default();
        config.encryption.outgoing = dice.pick(&policies).copied().unwrap_or_default();
        config.encryption.prefer = if dice.chance(1, 2) { Method::Plaintext } else { Method::Rc4 };
        let levels = [Level::Both, Level::Both, Level::Rc4, Level::Plaintext];
        config.encryption.level = dice.pick(&levels).copied().unwrap_or_default();
        config
    }

    fn build(&self, config: &Config, seed: Seed) -> Engine {
        Engine::new(config.clone(), seed)
    }

    fn bounds(&self) -> Bounds {
        Bounds { actions_per_call: 2000, bytes_per_call: 4 << 20, memory: 32 << 20, timeouts_per_s: 40 }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        if !self.started {
            self.started = true;
            return Input::Start;
        }
        if !self.added {
            self.added = true;
            if dice.chance(1, 8) {
                let info_hash = self.info().info_hash;
                let peers = vec![SocketAddr::from(([198, 51, 100, 7], 6881))];
                let fetch = FetchTorrent { info_hash, peers, trackers: tracker::tiers() };
                return Input::Command(Command::Fetch(Box::new(fetch)));
            }
            return Input::Command(Command::Add(Box::new(self.torrent(dice))));
        }
        match dice.below(64) {
            0..=4 => {
                self.tickets += 1;
                let remote = SocketAddr::from(([192, 0, 2, dice.below(4) as u8], 1000));
                Input::Accepted { ticket: AcceptTicket(self.tickets), remote }
            }
            5..=14 if !self.operations.is_empty() => self.operate(dice),
            15..=24 if !self.work.is_empty() => self.finish(dice),
            25 | 26 => self.close(dice),
            27 | 28 => Input::Command(self.command(dice)),
            29 => Input::Listening { local: SocketAddr::from(([0, 0, 0, 0], 6881)) },
            30 if dice.chance(1, 2) => Input::Start,
            30 => Input::ListenFailed { error: StreamError::AddressInUse },
            _ => self.talk(dice),
        }
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        // A disk that fails is not flushed any more.
        let fails = |action: &Action| matches!(action, Action::Event(Event::Failed { .. }));
        let failed = step.outcome.actions.iter().any(fails);
        for action in &step.outcome.actions {
            // What is asked of it afterwards is refused.
            let is_refusal = matches!(action, Action::Refuse { .. } | Action::Event(Event::Refused { .. }));
            assert!(is_refusal || !self.stopped, "{action:?} behind the end");
            match action {
                Action::Event(Event::Stopped) => self.stopped = true,
                Action::SaveResume { have, .. } if !failed => self.disk.assert_outlast(have),
                Action::Release { torrent } => self.release(*torrent),
                Action::Adopt { stream, .. } => {
                    self.strangers.push(Stranger::dialling(*stream, self.info().info_hash));
                }
                Action::Connect { stream, .. } => {
                    self.strangers.push(Stranger::dialled(*stream, self.info().info_hash));
                    self.work.push(Input::Connected { stream: *stream });
                }
                Action::Close { stream } => self.forget(*stream),
                Action::Send { stream, data } => {
                    self.work.push(Input::Sent { stream: *stream, bytes: data.len() });
                    if let Some(stranger) = self.strangers.iter_mut().find(|other| other.stream == *stream) {
                        stranger.hear(data);
                    }
                }
                Action::Storage { torrent, operation } => {
                    self.operations.push((*torrent, operation.clone()));
                }
                Action::Event(Event::PieceVerified { piece, .. }) => {
                    self.disk.assert_holds(*piece);
                }
                Action::Compute { torrent, token, job } => {
                    let outcome = job.clone().run();
                    self.work.push(Input::Computed { torrent: *torrent, token: *token, outcome });
                }
                other => self.work.extend(tracker::answer(other)),
            }
        }
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        let stream = dice.pick(&self.gone).copied().unwrap_or_else(|| StreamId::new(7, 1 << 20));
        let torrent = TorrentId::new(3, 1 << 20);
        Some(match dice.below(5) {
            0 => Input::Received { stream, data: BytesMut::from(&b"\x13BitTorrent"[..]) },
            1 => Input::Sent { stream, bytes: 7 },
            2 => Input::Closed { stream, error: None },
            3 => dice.pick(&self.done)?.clone(),
            _ => {
                let completion = Completion::Written { token: StorageToken(7), result: Ok(()) };
                Input::Storage { torrent, completion }
            }
        })
    }

    fn memory(&self, machine: &Engine) -> usize {
        let memory = machine.memory();
        memory.connections + memory.unwritten + memory.hashing + memory.uploading + memory.checking
    }

    fn bytes(&self, action: &Action) -> usize {
        match action {
            Action::Send { data, .. } => data.len(),
            _ => 0,
        }
    }
}

impl AnyEngine {
    fn info(&self) -> &Info {
        self.info.as_ref().expect("configured")
    }

    fn torrent(&self, dice: &mut Dice) -> AddTorrent {
        let stamp = FileStamp { size: self.content.len() as u64, mtime: 1 };
        let on_disk = vec![(self.holds || dice.chance(1, 8)).then_some(stamp)];
        let paused = dice.chance(1, 8);
        let peers = vec![SocketAddr::from(([198, 51, 100, 7], 6881))];
        let (web_seeds, trackers) = if dice.chance(1, 4) {
            (vec!["http://198.51.100.8/x".into()], tracker::tiers())
        } else {
            Default::default()
        };
        let info = self.info().clone();
        AddTorrent { info, resume: None, on_disk, plan: Plan::default(), paused, peers, web_seeds, trackers }
    }

    fn command(&self, dice: &mut Dice) -> Command {
        let info_hash = self.info().info_hash;
        match dice.below(32) {
            0 => Command::Stop,
            1 => Command::Remove { info_hash },
            2 => Command::Pause { info_hash },
            3..=5 => Command::Unpause { info_hash },
            6 => Command::Add(Box::new(self.torrent(dice))),
            7 => Command::Limit {
                info_hash: dice.chance(1, 2).then_some(info_hash),
                download: None,
                upload: dice.chance(3, 4).then(|| u64::from(dice.below(100_000))),
            },
            8 => {
                Command::Fetch(Box::new(FetchTorrent { info_hash, peers: Vec::new(), trackers: Vec::new() }))
            }
            _ => match dice.below(9) {
                0 => Command::AddTracker { info_hash, url: "udp://198.51.100.12:6969".into() },
                host => {
                    let remote = SocketAddr::from(([198, 51, 100, host as u8], dice.below(3) as u16));
                    Command::AddPeer { info_hash, remote }
                }
            },
        }
    }

    /// Writes that come late would spoil what the next run of the torrent writes. Reads are nobody's now.
    fn release(&mut self, torrent: TorrentId) {
        let released = self.operations.extract_if(.., |(of, _)| *of == torrent);
        let mut writes = released.filter(|(_, operation)| matches!(operation, Operation::Write { .. }));
        assert!(writes.next().is_none(), "{torrent:?} is released while it is written");
    }

    /// One of the operations that are due happens, or fails.
    fn operate(&mut self, dice: &mut Dice) -> Input {
        let index = dice.below(self.operations.len() as u32) as usize;
        let (torrent, operation) = self.operations.swap_remove(index);
        let completion = self.disk.carry_out(&operation, any_error(dice));
        let done = Input::Storage { torrent, completion };
        self.done.push(done.clone());
        done
    }

    /// Other work that is due is done; a dial may fail.
    fn finish(&mut self, dice: &mut Dice) -> Input {
        let index = dice.below(self.work.len() as u32) as usize;
        let done = self.work.swap_remove(index);
        if let Input::Connected { stream } = done
            && dice.chance(1, 4)
        {
            self.forget(stream);
            return Input::Closed { stream, error: Some(StreamError::Refused) };
        }
        if let Input::Computed { .. } = done {
            self.done.push(done.clone());
        }
        done
    }

    fn close(&mut self, dice: &mut Dice) -> Input {
        let Some(stream) = dice.pick(&self.strangers).map(|stranger| stranger.stream) else {
            return Input::Start;
        };
        self.forget(stream);
        Input::Closed { stream, error: dice.chance(1, 2).then_some(StreamError::Reset) }
    }

    fn forget(&mut self, stream: StreamId) {
        self.strangers.retain(|stranger| stranger.stream != stream);
        self.gone.push(stream);
    }

    /// A stranger says something more; all of what it said comes through, or a part.
    fn talk(&mut self, dice: &mut Dice) -> Input {
        let index = dice.below(self.strangers.len() as u32) as usize;
        let Some(stranger) = self.strangers.get_mut(index) else { return Input::Start };
        stranger.speak(&self.content, dice);
        Input::Received { stream: stranger.stream, data: stranger.spoken(dice) }
    }
}
