//! Asks a tracker as fast as it answers: four sockets, each with 64 questions under way.

use convoy_core::{
    ic::{Binding, Capabilities, Purpose, SigningKey, Token},
    id::{InfoHash, PeerId},
    tracker::{
        AnnounceRequest, Event,
        udp::{Asked, ConnectionId, IcBlock, Request, Response, TransactionId, announce_options},
    },
};
use convoy_tests::scratch::xorshift;
use std::{
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    ops::Range,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Peers in every swarm: one asks, and 30 are told of.
pub(crate) const PEERS: u32 = 31;

/// Whose swarms are not for everybody.
pub(crate) const COMMUNITY: [u8; 32] = [0xc0; 32];

const SOCKETS: u32 = 4;
const UNDER_WAY: u32 = 64;

/// When nothing came for this long, what is under way is lost.
const LOST_AFTER: Duration = Duration::from_millis(100);

/// How often a question is asked before its tracker counts as dead.
const TRIES: u32 = 50;

/// Signed announces of each slot of a socket, made before the clock starts.
const SIGNED_PER_SLOT: u32 = 16;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// For a connection id.
    Connect,
    /// For the peers of a swarm.
    Announce,
    /// The same, with a token, which a socket shows again and again.
    SignedAnnounce,
    /// How many are in a swarm.
    Scrape,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answers {
    /// Questions that were answered.
    pub(crate) answered: u64,
    /// Peers in the answers, all together.
    pub(crate) peers: u64,
    /// Questions or answers that were lost on the way.
    pub(crate) lost: u64,
}

/// The info-hash of a swarm.
pub(crate) fn info_hash(swarm: u32) -> InfoHash {
    let mut state = u64::from(swarm) + 1;
    let words = [(); 3].map(|()| xorshift(&mut state).to_be_bytes());
    let mut hash = [0; 20];
    hash.copy_from_slice(&words.as_flattened()[..20]);
    InfoHash(hash)
}

/// The key of who plays at a socket.
pub(crate) fn players() -> impl Iterator<Item = SigningKey> {
    (1..=SOCKETS).map(|number| SigningKey::from_bytes(&[number as u8; 32]))
}

/// Lets every peer of these swarms announce itself once.
pub(crate) fn fill(tracker: SocketAddr, swarms: Range<u32>, question: Question) -> Answers {
    on_every_socket(tracker, |socket, asker| {
        let peers = swarms.clone().flat_map(|swarm| (0..PEERS).map(move |peer| (swarm, peer)));
        let mut own = peers.skip(socket as usize).step_by(SOCKETS as usize);
        asker.run(question, |asker, slot, out| {
            let Some((swarm, peer)) = own.next() else { return false };
            let signed = (question == Question::SignedAnnounce).then(|| asker.sign(slot, swarm));
            asker.write_announce(slot, swarm, peer, &signed.unwrap_or_default(), out);
            true
        })
    })
}

/// Asks about these swarms for so long.
pub(crate) fn ask(tracker: SocketAddr, swarms: Range<u32>, question: Question, time: Duration) -> Answers {
    on_every_socket(tracker, |socket, asker| {
        let mut dice = Dice(u64::from(socket) + 1);
        let signed = if question == Question::SignedAnnounce {
            asker.sign_some(&swarms, &mut dice)
        } else {
            Vec::new()
        };
        let end = Instant::now() + time;
        asker.run(question, |asker, slot, out| {
            match question {
                Question::Connect => Request::Connect { transaction: TransactionId(slot) }.encode(out),
                Question::Announce => {
                    let swarm = dice.within(&swarms);
                    asker.write_announce(slot, swarm, dice.within(&(0..PEERS)), &[], out);
                }
                Question::SignedAnnounce => {
                    let at = slot * SIGNED_PER_SLOT + dice.within(&(0..SIGNED_PER_SLOT));
                    let (swarm, options) = &signed[at as usize];
                    asker.write_announce(slot, *swarm, dice.within(&(0..PEERS)), options, out);
                }
                Question::Scrape => {
                    let info_hashes = &[info_hash(dice.within(&swarms)).0];
                    let transaction = TransactionId(slot);
                    Request::Scrape { connection: asker.connection, transaction, info_hashes }.encode(out);
                }
            }
            Instant::now() < end
        })
    })
}

fn on_every_socket(tracker: SocketAddr, ask: impl Fn(u32, &mut Asker) -> Answers + Sync) -> Answers {
    let ask = &ask;
    thread::scope(|scope| {
        let threads: Vec<_> = players()
            .zip(0..)
            .map(|(player, socket)| scope.spawn(move || ask(socket, &mut Asker::new(tracker, player))))
            .collect();
        threads.into_iter().fold(Answers::default(), |sum, thread| {
            let own = thread.join().expect("a socket that was answered");
            Answers {
                answered: sum.answered + own.answered,
                peers: sum.peers + own.peers,
                lost: sum.lost + own.lost,
            }
        })
    })
}

/// One socket. The transaction id of a question is the number of its slot.
struct Asker {
    socket: UdpSocket,
    player: SigningKey,
    connection: ConnectionId,
}

impl Asker {
    fn new(tracker: SocketAddr, player: SigningKey) -> Self {
        let socket = UdpSocket::bind((tracker.ip(), 0)).expect("a free port");
        socket.connect(tracker).expect("a way to the tracker");
        socket.set_read_timeout(Some(LOST_AFTER)).expect("a time");
        let mut asker = Self { socket, player, connection: ConnectionId(0) };
        let mut asked = false;
        asker.run(Question::Connect, |_, slot, out| {
            Request::Connect { transaction: TransactionId(slot) }.encode(out);
            !std::mem::replace(&mut asked, true)
        });
        asker
    }

    /// Asks what `next` writes for a slot until that says there is nothing more, and waits for the answers.
    fn run(&mut self, question: Question, mut next: impl FnMut(&Self, u32, &mut Vec<u8>) -> bool) -> Answers {
        let mut slots: Vec<Vec<u8>> = vec![Vec::new(); UNDER_WAY as usize];
        let mut sum = Answers::default();
        let (mut under_way, mut silences) = (0, 0);
        for slot in 0..UNDER_WAY {
            under_way += u64::from(self.send_next(slot, &mut slots[slot as usize], &mut next));
        }
        let mut packet = [0; 2048];
        while under_way > 0 {
            let length = match self.socket.recv(&mut packet) {
                Ok(length) => length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    silences += 1;
                    assert!(silences < TRIES, "the tracker is silent");
                    sum.lost += under_way;
                    slots
                        .iter()
                        .filter(|question| !question.is_empty())
                        .for_each(|question| self.send(question));
                    continue;
                }
                Err(error) => panic!("the tracker is gone: {error}"),
            };
            let (slot, peers) = self.judge(question, &packet[..length]);
            let under = &mut slots[slot as usize];
            if under.is_empty() {
                // Asked again too early: this is the second answer.
                continue;
            }
            sum.answered += 1;
            sum.peers += peers;
            silences = 0;
            under_way -= u64::from(!self.send_next(slot, under, &mut next));
        }
        sum
    }

    fn send_next(
        &self,
        slot: u32,
        question: &mut Vec<u8>,
        next: &mut impl FnMut(&Self, u32, &mut Vec<u8>) -> bool,
    ) -> bool {
        question.clear();
        let asked = next(self, slot, question);
        if asked {
            self.send(question);
        } else {
            question.clear();
        }
        asked
    }

    fn send(&self, question: &[u8]) {
        self.socket.send(question).expect("a way to the tracker");
    }

    /// Which slot is answered, and with how many peers.
    fn judge(&mut self, question: Question, packet: &[u8]) -> (u32, u64) {
        let asked = Asked { ipv6: false, ic: question == Question::SignedAnnounce };
        let (transaction, response) = Response::decode(packet, asked).expect("an answer that makes sense");
        let peers = match (question, response) {
            (Question::Connect, Response::Connect(connection)) => {
                self.connection = connection;
                0
            }
            (Question::Announce, Response::Announce { peers, .. }) => peers.len(),
            (Question::SignedAnnounce, Response::Announce { peers, ic, .. }) => {
                assert!(ic.is_some_and(|ic| ic.auth_accepted), "the token was not accepted: {ic:?}");
                peers.len()
            }
            (Question::Scrape, Response::Scrape(_)) => 0,
            (question, response) => panic!("no answer to {question:?}: {response:?}"),
        };
        (transaction.0, peers as u64)
    }

    /// A peer that still lacks something, so that it is told of all the others.
    fn write_announce(&self, slot: u32, swarm: u32, peer: u32, options: &[u8], out: &mut Vec<u8>) {
        let mut peer_id = *b"-XX0000-000000000000";
        peer_id[16..].copy_from_slice(&peer.to_be_bytes());
        let announce = AnnounceRequest {
            info_hash: info_hash(swarm),
            peer_id: PeerId(peer_id),
            port: 10_000 + peer as u16,
            uploaded: 0,
            downloaded: 0,
            left: 1 << 20,
            event: Event::None,
            key: peer,
            num_want: Some(PEERS - 1),
        };
        let (connection, transaction) = (self.connection, TransactionId(slot));
        Request::Announce { connection, transaction, announce, options }.encode(out);
    }

    /// A few signed announces for each slot: a swarm, and what stands behind the announce.
    fn sign_some(&self, swarms: &Range<u32>, dice: &mut Dice) -> Vec<(u32, Vec<u8>)> {
        let sign = |slot| {
            let swarm = dice.within(swarms);
            (swarm, self.sign(slot, swarm))
        };
        (0..UNDER_WAY * SIGNED_PER_SLOT).map(|number| number / SIGNED_PER_SLOT).map(sign).collect()
    }

    fn sign(&self, slot: u32, swarm: u32) -> Vec<u8> {
        let audience = [&self.connection.0.to_be_bytes()[..], &slot.to_be_bytes()].concat();
        let binding = Binding {
            purpose: Purpose::UdpAnnounce,
            community_id: COMMUNITY,
            info_hash: info_hash(swarm),
            audience: &audience,
        };
        let now_unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        let token = Token::sign_v2(&self.player, [0x5e; 16], now_unix, &binding);
        let block = IcBlock { version: 2, token: Some(token), capabilities: Capabilities::default() };
        announce_options("/announce", Some(&block))
    }
}

/// The same throws for the same seed.
struct Dice(u64);

impl Dice {
    fn within(&mut self, range: &Range<u32>) -> u32 {
        range.start + (xorshift(&mut self.0) >> 32) as u32 % (range.end - range.start)
    }
}
