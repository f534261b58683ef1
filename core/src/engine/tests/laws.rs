//! The law harness over an engine: a driver that answers in any order, and strangers on its streams.

use super::{super::*, torrent};
use crate::{
    id::StorageToken,
    slab::Key,
    testing::{Bounds, Dice, Step, Subject, check_laws},
};
use alloc::{vec, vec::Vec};

#[test]
fn the_laws_hold_whatever_strangers_and_drivers_do() {
    for seed in 0..40 {
        check_laws(AnyEngine::default(), Dice::seeded(seed), 150);
    }
}

#[derive(Default)]
struct AnyEngine {
    content: Vec<u8>,
    info: Option<Info>,
    added: bool,
    tickets: u64,
    streams: Vec<StreamId>,
    gone: Vec<StreamId>,
    work: Vec<Input>,
}

impl Subject for AnyEngine {
    type Machine = Engine;
    type Config = Config;

    fn config(&mut self, dice: &mut Dice) -> Config {
        let (info, content) = torrent(200_000);
        (self.info, self.content) = (Some(info), content);
        Config {
            listen: (dice.below(2) == 0).then(|| SocketAddr::from(([0, 0, 0, 0], 6881))),
            download_rate_bytes_per_s: (dice.below(3) == 0).then_some(50_000),
            upload_rate_bytes_per_s: (dice.below(3) == 0).then_some(50_000),
            ..Config::default()
        }
    }

    fn build(&self, config: &Config, seed: crate::Seed) -> Engine {
        Engine::new(config.clone(), seed)
    }

    fn bounds(&self) -> Bounds {
        Bounds { actions_per_call: 2000, bytes_per_call: 4 << 20, memory: 32 << 20, timeouts_per_s: 40 }
    }

    fn input(&mut self, dice: &mut Dice) -> Input {
        if !self.added {
            self.added = true;
            return Input::Command(Command::Add(Box::new(self.torrent(dice))));
        }
        match dice.below(16) {
            0 | 1 => {
                self.tickets += 1;
                let remote = SocketAddr::from(([192, 0, 2, dice.below(4) as u8], 1000));
                Input::Accepted { ticket: AcceptTicket(self.tickets), remote }
            }
            2..=5 if !self.work.is_empty() => {
                let index = dice.below(self.work.len() as u32) as usize;
                self.work.swap_remove(index)
            }
            6 if !self.streams.is_empty() => {
                let index = dice.below(self.streams.len() as u32) as usize;
                let stream = self.streams.swap_remove(index);
                self.gone.push(stream);
                Input::Closed {
                    stream,
                    error: dice.pick(&[None, Some(StreamError::Reset)]).copied().flatten(),
                }
            }
            7 => Input::Command(self.command(dice)),
            8 if dice.below(2) == 0 => Input::Start,
            8 => Input::ListenFailed { error: StreamError::AddressInUse },
            _ => self.talk(dice),
        }
    }

    fn observe(&mut self, step: &Step<Input, Action>) {
        for action in &step.outcome.actions {
            match action {
                Action::Adopt { stream, .. } => self.streams.push(*stream),
                Action::Connect { stream, .. } => {
                    self.streams.push(*stream);
                    self.work.push(Input::Connected { stream: *stream });
                }
                Action::Close { stream } => {
                    self.streams.retain(|other| other != stream);
                    self.gone.push(*stream);
                }
                Action::Send { stream, data } => {
                    self.work.push(Input::Sent { stream: *stream, bytes: data.len() });
                }
                Action::Storage { torrent, operation } => {
                    let completion = self.operate(operation);
                    self.work.push(Input::Storage { torrent: *torrent, completion });
                }
                Action::Compute { torrent, token, job } => {
                    let outcome = job.clone().run();
                    self.work.push(Input::Computed { torrent: *torrent, token: *token, outcome });
                }
                _ => {}
            }
        }
    }

    fn stray(&mut self, dice: &mut Dice) -> Option<Input> {
        let stream = *dice.pick(&self.gone).unwrap_or(&StreamId::new(7, 1 << 20));
        let torrent = TorrentId::new(3, 1 << 20);
        Some(match dice.below(4) {
            0 => Input::Received { stream, data: BytesMut::from(&b"\x13BitTorrent"[..]) },
            1 => Input::Sent { stream, bytes: 7 },
            2 => Input::Closed { stream, error: None },
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
    fn torrent(&self, dice: &mut Dice) -> AddTorrent {
        let stamp = FileStamp { size: self.content.len() as u64, mtime: 1 };
        AddTorrent {
            info: self.info.clone().expect("configured"),
            resume: None,
            on_disk: vec![(dice.below(2) == 0).then_some(stamp)],
            paused: dice.below(8) == 0,
            peers: vec![SocketAddr::from(([198, 51, 100, 7], 6881))],
        }
    }

    fn command(&self, dice: &mut Dice) -> Command {
        let info_hash = self.info.as_ref().expect("configured").info_hash;
        match dice.below(30) {
            0 => Command::Stop,
            1 => Command::Remove { info_hash },
            2 => Command::Pause { info_hash },
            3 | 4 => Command::Unpause { info_hash },
            5 => Command::Add(Box::new(self.torrent(dice))),
            6 => Command::Limit { download: None, upload: Some(u64::from(dice.below(100_000))) },
            _ => {
                let remote = SocketAddr::from(([198, 51, 100, dice.below(9) as u8], dice.below(3) as u16));
                Command::AddPeer { info_hash, remote }
            }
        }
    }

    fn talk(&self, dice: &mut Dice) -> Input {
        let Some(stream) = dice.pick(&self.streams).copied() else {
            return Input::Listening { local: SocketAddr::from(([0, 0, 0, 0], 6881)) };
        };
        let hash = self.info.as_ref().expect("configured").info_hash;
        let name = [dice.below(6) as u8 + 1; 20];
        let whole = [&b"\x13BitTorrent protocol"[..], &[0, 0, 0, 0, 0, 0x10, 0, 4], &hash.0, &name].concat();
        let data = match dice.below(8) {
            0..=2 => whole,
            3 => whole[..dice.below(68) as usize].to_vec(),
            4 => dice.bytes(20),
            5 => vec![0, 0, 0, 1, 14, 0, 0, 0, 1, 1],
            6 => vec![0, 0, 0, 1, 2],
            _ => [&[0, 0, 0, 13, 6, 0, 0, 0][..], &[dice.below(8) as u8, 0, 0, 0, 0, 0, 0, 0x40, 0]].concat(),
        };
        Input::Received { stream, data: BytesMut::from(&data[..]) }
    }

    fn operate(&self, operation: &Operation) -> Completion {
        match operation {
            Operation::Read { token, offset, length, .. } => {
                let range = *offset as usize..*offset as usize + *length as usize;
                let bytes = self.content.get(range).map(Bytes::copy_from_slice);
                Completion::Read { token: *token, result: bytes.ok_or(StorageError::TooShort) }
            }
            Operation::Write { token, .. } => Completion::Written { token: *token, result: Ok(()) },
            Operation::Flush { token } => Completion::Flushed { token: *token, result: Ok(()) },
        }
    }
}
