//! What a transfer and an idle peer cost in memory, counted by the allocator.

use bytes::{BufMut, Bytes, BytesMut};
use convoy_core::{
    Instant, Machine, Outbox,
    engine::{Action, AddTorrent, Command, Config, Engine, Input, Plan},
    id::{BLOCK_LENGTH, InfoHash, StreamId},
    metainfo::{File, Info},
    mse::{self, Ciphers, Handshake, Level},
    storage::{Completion, FileStamp, Geometry, HashJob, HashOutcome, Operation},
};
use std::{mem, net::SocketAddr, time::Duration};

const PIECE: u32 = 1 << 20;
const PIECES: u32 = 64;

#[test]
fn a_block_that_comes_in_allocates_nothing() {
    let mut host = Host::new(false);
    host.join(1);
    take_in_everything(host);
}

#[test]
fn an_encrypted_block_that_comes_in_allocates_nothing() {
    let mut host = Host::new(false);
    host.join_encrypted(1);
    take_in_everything(host);
}

fn take_in_everything(mut host: Host) {
    host.hear(&[0, 0, 0, 1, 14, 0, 0, 0, 1, 1]); // have all, unchoke
    let (mut blocks, mut quiet, mut noisy) = (0, 0, 0);
    while let Some(request) = host.requests.pop() {
        let data = host.piece(request);
        let allocations = host.receive(data);
        blocks += 1;
        // A piece that is opened, or completed, may allocate; so may the tables while they grow.
        let warm = blocks > 512;
        let piece_edge = host.pieces_done > 0 || request.1 == 0 || request.1 + BLOCK_LENGTH == PIECE;
        host.pieces_done = 0;
        match allocations {
            0 => quiet += 1,
            _ if warm && !piece_edge => noisy += 1,
            _ => {}
        }
        host.settle();
    }
    assert_eq!(blocks, PIECES * PIECE / BLOCK_LENGTH, "the transfer is whole");
    assert!(noisy * 50 <= blocks, "{noisy} of {blocks} blocks allocated; {quiet} did not");
}

#[test]
fn a_block_that_is_served_allocates_next_to_nothing() {
    let mut host = Host::new(true);
    host.join(1);
    let (allocations, blocks) = serve_everything(host);
    assert!(allocations * 20 <= blocks, "{allocations} allocations for {blocks} blocks");
}

#[test]
fn an_encrypted_block_that_is_served_allocates_its_copy_and_next_to_nothing_else() {
    let mut host = Host::new(true);
    host.join_encrypted(1);
    let (allocations, blocks) = serve_everything(host);
    let besides = allocations.checked_sub(blocks).expect("storage keeps the block: it must be copied");
    assert!(besides * 20 <= blocks, "{besides} allocations besides the copies of {blocks} blocks");
}

/// Serves every block once; how many allocations the warm part of them cost, and how many those are.
fn serve_everything(mut host: Host) -> (u64, u64) {
    const COLD: u32 = 512;
    host.hear(&[0, 0, 0, 1, 2]); // interested
    let mut allocations = 0;
    let blocks = PIECES * PIECE / BLOCK_LENGTH;
    for number in 0..blocks {
        let place = (number * BLOCK_LENGTH / PIECE, number * BLOCK_LENGTH % PIECE);
        let data = host.request(place);
        let count = host.receive(data) + host.settle();
        allocations += if number >= COLD { count } else { 0 };
    }
    assert_eq!(host.served, u64::from(blocks) * u64::from(BLOCK_LENGTH));
    (allocations, u64::from(blocks - COLD))
}

#[test]
fn an_idle_connection_costs_at_most_two_and_a_half_kibibytes() {
    const PEERS: u32 = 90;
    let mut host = Host::new(true);
    host.join(0);
    let info = allocation_counter::measure(|| (1..=PEERS).for_each(|number| host.join(number)));
    let each = info.bytes_current / i64::from(PEERS);
    assert!(each <= 2560, "{each} bytes a peer");
}

/// An engine with one torrent of zeros, and a driver that counts what the engine allocates.
struct Host {
    engine: Engine,
    out: Outbox<Action>,
    now: Instant,
    streams: Vec<StreamId>,
    requests: Vec<(u32, u32)>,
    pending: Vec<Input>,
    buffer: BytesMut,
    zeros: Bytes,
    served: u64,
    pieces_done: u32,
    /// The peer's, if it encrypts.
    ciphers: Option<Ciphers>,
    /// What the engine sent to a peer that is in its handshake.
    heard: BytesMut,
}

impl Host {
    fn new(complete: bool) -> Self {
        let mut config = Config { progress_interval: None, ..Config::default() };
        config.limits.inbound_handshakes_per_address = 1000;
        config.limits.connections_per_address = 1000;
        let mut host = Self {
            engine: Engine::new(config, [3; 32]),
            out: Outbox::new(),
            now: Instant::ZERO,
            streams: Vec::new(),
            requests: Vec::new(),
            pending: Vec::new(),
            buffer: BytesMut::new(),
            zeros: Bytes::from(vec![0; PIECE as usize]),
            served: 0,
            pieces_done: 0,
            ciphers: None,
            heard: BytesMut::new(),
        };
        let info = info();
        let size = info.geometry.total_length();
        let on_disk = vec![complete.then_some(FileStamp { size, mtime: 1 })];
        let add = AddTorrent {
            info,
            resume: None,
            on_disk,
            plan: Plan::default(),
            paused: false,
            peers: Vec::new(),
            web_seeds: Vec::new(),
            trackers: Vec::new(),
        };
        host.tell(Input::Start);
        host.tell(Input::Command(Command::Add(Box::new(add))));
        host.settle();
        host
    }

    /// A peer dials in and shakes hands.
    fn join(&mut self, number: u32) {
        self.accept(number);
        self.hear(&hello(number));
    }

    /// A peer dials in, and both encrypt all that follows.
    fn join_encrypted(&mut self, number: u32) {
        self.accept(number);
        let (config, hello) = (mse::Config::default(), hello(number).into());
        let mut peer = Handshake::initiator(&config, Level::Rc4, InfoHash([7; 20]), hello, [1; 32], self.now);
        let mut out = Outbox::new();
        peer.handle_timeout(self.now, &mut out).expect("alive");
        while self.ciphers.is_none() {
            for action in out.drain().collect::<Vec<_>>() {
                match action {
                    mse::Action::Send(bytes) => self.hear(&bytes),
                    mse::Action::Established { ciphers, .. } => self.ciphers = Some(ciphers),
                    other => panic!("{other:?}"),
                }
            }
            let heard = mse::Input::Received(mem::take(&mut self.heard));
            peer.handle_input(self.now, heard, &mut out).expect("alive");
        }
        assert!(self.ciphers.as_ref().is_some_and(Ciphers::is_encrypted));
    }

    fn accept(&mut self, number: u32) {
        let remote = SocketAddr::from(([192, 0, 2, 1], 1000 + number as u16));
        let ticket = convoy_core::id::AcceptTicket(u64::from(number));
        self.tell(Input::Accepted { ticket, remote });
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.receive(BytesMut::from(bytes));
        self.settle();
    }

    fn receive(&mut self, mut data: BytesMut) -> u64 {
        if let Some(ciphers) = &mut self.ciphers {
            ciphers.encrypt_in_place(&mut data);
        }
        let stream = *self.streams.last().expect("a stream");
        self.tell(Input::Received { stream, data })
    }

    /// Answers everything that the engine waits for; how many allocations that cost it.
    fn settle(&mut self) -> u64 {
        let mut allocations = 0;
        while let Some(input) = self.pending.pop() {
            allocations += self.tell(input);
        }
        allocations
    }

    /// Tells the engine something; how many allocations that cost it.
    fn tell(&mut self, input: Input) -> u64 {
        self.now = self.now + Duration::from_micros(100);
        let (now, engine, out) = (self.now, &mut self.engine, &mut self.out);
        let mut input = Some(input);
        let info = allocation_counter::measure(|| {
            let Ok(()) = engine.handle_input(now, input.take().expect("once"), out);
        });
        let actions: Vec<Action> = self.out.drain().collect();
        actions.into_iter().for_each(|action| self.carry(action));
        info.count_total
    }

    fn piece(&mut self, (index, begin): (u32, u32)) -> BytesMut {
        self.read(|message| {
            message.put_u32(9 + BLOCK_LENGTH);
            message.put_u8(7);
            message.put_u32(index);
            message.put_u32(begin);
            message.put_bytes(0, BLOCK_LENGTH as usize);
        })
    }

    fn request(&mut self, (index, begin): (u32, u32)) -> BytesMut {
        self.read(|message| {
            message.put_u32(13);
            message.put_u8(6);
            message.put_u32(index);
            message.put_u32(begin);
            message.put_u32(BLOCK_LENGTH);
        })
    }

    /// Reads as a driver does: into a large buffer, of which each read is split off.
    fn read(&mut self, write: impl FnOnce(&mut BytesMut)) -> BytesMut {
        if self.buffer.capacity() < 2 * BLOCK_LENGTH as usize {
            self.buffer = BytesMut::with_capacity(1 << 20);
        }
        write(&mut self.buffer);
        self.buffer.split()
    }

    fn carry(&mut self, action: Action) {
        match action {
            Action::Adopt { stream, .. } => self.streams.push(stream),
            Action::Send { stream, data } => {
                self.pending.push(Input::Sent { stream, bytes: data.len() });
                let mut data = BytesMut::from(&data[..]);
                match &mut self.ciphers {
                    Some(ciphers) => ciphers.decrypt(&mut data),
                    None => self.heard.extend_from_slice(&data),
                }
                if data.len() == 17 && data[4] == 6 {
                    let number =
                        |at: usize| u32::from_be_bytes(data[at..at + 4].try_into().expect("4 bytes"));
                    self.requests.push((number(5), number(9)));
                }
                self.served += if data.len() % BLOCK_LENGTH as usize == 0 { data.len() as u64 } else { 0 };
            }
            Action::Storage { torrent, operation } => {
                let completion = match operation {
                    Operation::Read { token, length, .. } => {
                        Completion::Read { token, result: Ok(self.zeros.slice(..length as usize)) }
                    }
                    Operation::Write { token, .. } => Completion::Written { token, result: Ok(()) },
                    Operation::Flush { token } => Completion::Flushed { token, result: Ok(()) },
                };
                self.pending.push(Input::Storage { torrent, completion });
            }
            Action::Compute { torrent, token, job } => {
                self.pieces_done += 1;
                self.pending.push(Input::Computed { torrent, token, outcome: job.run() });
            }
            _ => {}
        }
    }
}

fn hello(number: u32) -> Vec<u8> {
    let name = format!("-XX0000-{number:012}");
    let bits = [0, 0, 0, 0, 0, 0, 0, 4];
    [&b"\x13BitTorrent protocol"[..], &bits, &[7; 20], name.as_bytes()].concat()
}

fn info() -> Info {
    let data = vec![Bytes::from(vec![0; PIECE as usize])];
    let HashOutcome::Digest(digest) = HashJob::whole(data).run() else { unreachable!("it was the last") };
    let length = u64::from(PIECE) * u64::from(PIECES);
    Info {
        info_hash: InfoHash([7; 20]),
        info_hash_v2: None,
        raw: Bytes::new(),
        non_canonical: false,
        name: "zeros".into(),
        multi_file: false,
        files: vec![File { path: vec!["zeros".into()], length, padding: false, executable: false }],
        geometry: Geometry::new(PIECE, length).expect("valid"),
        piece_hashes: digest.repeat(PIECES as usize).into(),
        private: false,
        source: None,
    }
}
