//! From a packet to its answer.

use super::{
    super::{
        ANNOUNCE_RESPONSE_LENGTH, ConnectionId, IcBlock, Request, TransactionId,
        message::{
            write_announce_head, write_connect, write_error, write_scrape_counts, write_scrape_head,
            write_trailer,
        },
    },
    Answered, MAX_REPLY, ServerConfig, Silence, TokenUse,
    budgets::{Budgets, SWARMS_PER_UNIT, VERIFICATION_UNITS},
    connections::{Connections, Minute},
    proofs::{Proof, Proofs},
};
use crate::{
    compact,
    ic::{Binding, Purpose, Token, Version},
    id::InfoHash,
    random::{Random, Seed},
    time::{Clock, Instant},
    tracker::{
        AnnounceRequest, Counts, Event, IcAnswer,
        access::{Access, Admission},
        store::{Swarms, Visit},
    },
};
use alloc::vec::Vec;
use core::{
    net::{IpAddr, SocketAddr},
    ops::Range,
};
use siphasher::sip::{SipHasher13, SipHasher24};

/// Bytes of the IC trailer.
const TRAILER_LENGTH: usize = 4;

/// Where an announce response has its leechers and seeders.
const COUNTS: Range<usize> = 12..ANNOUNCE_RESPONSE_LENGTH;

/// A UDP tracker's protocol, without the sockets and without the swarms.
///
/// It remembers no client but in two tables of fixed size. Servers with the same seed know each other's
/// connection ids: those of several threads, or one before and after a restart.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    clock: Clock,
    connections: Connections,
    budgets: Option<Budgets>,
    proofs: Proofs,
}

/// Who sent a request, and is where it says it comes from.
#[derive(Clone, Copy, Debug)]
struct Asker {
    now: Instant,
    source: SocketAddr,
    connection: ConnectionId,
    issued: Minute,
    transaction: TransactionId,
}

impl Server {
    /// A server whose secrets come from `seed`.
    #[must_use]
    pub fn new(config: ServerConfig, seed: Seed) -> Self {
        let mut random = Random::new(seed);
        let mut key = || {
            let mut key = [0; 16];
            random.fill_secret(&mut key);
            key
        };
        Self {
            config,
            clock: Clock::default(),
            connections: Connections::new(SipHasher24::new_with_key(&key())),
            proofs: Proofs::new(SipHasher13::new_with_key(&key())),
            budgets: config.budget.map(|budget| Budgets::new(budget, SipHasher13::new_with_key(&key()))),
        }
    }

    /// Answers one packet: writes the reply behind what is in `reply`, or nothing. At most [`MAX_REPLY`] bytes;
    /// allocates nothing if there is room for these, but to verify a signature.
    pub fn answer<S: Swarms>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        packet: &[u8],
        swarms: &mut S,
        access: &Access,
        reply: &mut Vec<u8>,
    ) -> Answered {
        let now = self.clock.advance(now);
        let source = SocketAddr::new(from.ip().to_canonical(), from.port());
        self.respond(now, source, packet, swarms, access, reply).unwrap_or_else(Answered::Silence)
    }

    /// Bytes of memory held, whatever comes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.proofs.memory() + self.budgets.as_ref().map_or(0, Budgets::memory)
    }

    fn respond<S: Swarms>(
        &mut self,
        now: Instant,
        source: SocketAddr,
        packet: &[u8],
        swarms: &mut S,
        access: &Access,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, Silence> {
        match Request::decode(packet).ok_or(Silence::Malformed)? {
            Request::Connect { transaction } => {
                write_connect(transaction, self.connections.issue(self.unix_s(now), source), reply);
                Ok(Answered::Connect)
            }
            Request::Announce { connection, transaction, announce, options } => {
                let asker = self.hear(now, source, connection, transaction, 1)?;
                let ic = IcBlock::decode(options);
                self.announce(&asker, &announce, ic.as_ref(), swarms, access, reply)
            }
            Request::Scrape { connection, transaction, info_hashes } => {
                let units = 1 + info_hashes.len() as u32 / SWARMS_PER_UNIT;
                let asker = self.hear(now, source, connection, transaction, units)?;
                Ok(scrape(&asker, info_hashes, swarms, access, reply))
            }
        }
    }

    fn unix_s(&self, now: Instant) -> u64 {
        self.config.unix_at_zero.saturating_add(now.as_micros() / 1_000_000)
    }

    /// Hears a request out, if it comes from where it says and there is budget left for it.
    fn hear(
        &mut self,
        now: Instant,
        source: SocketAddr,
        connection: ConnectionId,
        transaction: TransactionId,
        units: u32,
    ) -> Result<Asker, Silence> {
        let issued = self.connections.issued(self.unix_s(now), source.ip(), connection);
        let issued = issued.ok_or(Silence::WrongConnection)?;
        self.spend(now, source.ip(), units)?;
        Ok(Asker { now, source, connection, issued, transaction })
    }

    fn spend(&mut self, now: Instant, source: IpAddr, units: u32) -> Result<(), Silence> {
        let affordable = self.budgets.as_mut().is_none_or(|budgets| budgets.spend(now, source, units));
        affordable.then_some(()).ok_or(Silence::OverBudget)
    }
}

/// Announces.
impl Server {
    fn announce<S: Swarms>(
        &mut self,
        asker: &Asker,
        announce: &AnnounceRequest,
        ic: Option<&IcBlock>,
        swarms: &mut S,
        access: &Access,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, Silence> {
        if announce.port == 0 {
            write_error(asker.transaction, "port 0: nobody can connect to you there", reply);
            return Ok(Answered::Error);
        }
        let shown = ic.and_then(|ic| Some((Version::of(ic.version.into())?, ic.token.as_ref()?)));
        let token_use = match shown {
            Some((version, token)) => self.judge(asker, &announce.info_hash, version, token, access)?,
            None => TokenUse::None,
        };
        let player = shown.filter(|_| token_use.is_good()).map(|(_, token)| &token.player_key);

        let from = reply.len();
        write_announce_head(asker.transaction, self.interval_s(), &Counts::default(), reply);
        let answer = match access.admit(&announce.info_hash, player) {
            Admission::Unknown => IcAnswer::default(),
            Admission::Welcome { restricted, advisories } => {
                let visit = self.visit(asker, announce);
                let counts = swarms.announce(asker.now, &visit, reply);
                write_others(&counts, &visit, reply.get_mut(from..).unwrap_or_default());
                IcAnswer { auth_accepted: token_use.is_good(), restricted, advisories }
            }
        };
        if ic.is_some() {
            write_trailer(&answer, reply);
        }
        Ok(Answered::Announce(token_use))
    }

    /// Finds out whether a token is its player's, at this socket.
    fn judge(
        &mut self,
        asker: &Asker,
        info_hash: &InfoHash,
        version: Version,
        token: &Token,
        access: &Access,
    ) -> Result<TokenUse, Silence> {
        // A token of the first version says who somebody claims to be. That is no authentication.
        let (Version::V2, Some(rule)) = (version, access.rule(info_hash)) else {
            return Ok(TokenUse::Unheeded);
        };
        if access.admit(info_hash, Some(&token.player_key)) == Admission::Unknown {
            return Ok(TokenUse::Unheeded);
        }
        let &Asker { now, source, connection, issued, transaction } = asker;
        if !self.connections.is_of_socket(issued, source, connection) {
            return Ok(TokenUse::Refused);
        }
        let proof = Proof { source, connection, community: &rule.community, token };
        if self.proofs.contains(&proof) {
            return Ok(TokenUse::Remembered);
        }
        self.spend(now, source.ip(), VERIFICATION_UNITS)?;
        let binding = Binding {
            purpose: Purpose::UdpAnnounce,
            community_id: rule.community,
            info_hash: *info_hash,
            audience: &audience(connection, transaction),
        };
        let unix_s = self.unix_s(now);
        if token.verify(Version::V2, &binding, unix_s).is_err() {
            return Ok(TokenUse::Refused);
        }
        self.proofs.insert(unix_s, &proof);
        Ok(TokenUse::Verified)
    }

    fn visit(&self, asker: &Asker, announce: &AnnounceRequest) -> Visit {
        let address = asker.source.ip();
        let stride = if address.is_ipv4() { compact::V4 } else { compact::V6 };
        let room = (MAX_REPLY - ANNOUNCE_RESPONSE_LENGTH - TRAILER_LENGTH) / stride;
        let want = match announce.event {
            Event::Stopped => 0,
            Event::None | Event::Completed | Event::Started | Event::Paused => {
                announce.num_want.unwrap_or(self.config.default_want).min(self.config.max_want) as usize
            }
        };
        Visit {
            info_hash: announce.info_hash,
            peer: SocketAddr::new(address, announce.port),
            seeder: announce.left == 0,
            event: announce.event,
            want: want.min(room),
        }
    }

    fn interval_s(&self) -> u32 {
        u32::try_from(self.config.interval.as_secs()).unwrap_or(u32::MAX)
    }
}

/// What a token of an announce is bound to: `connection_id ‖ transaction_id`.
pub(super) fn audience(connection: ConnectionId, transaction: TransactionId) -> [u8; 12] {
    let both = u128::from(connection.0) << 32 | u128::from(transaction.0);
    let [_, _, _, _, audience @ ..] = both.to_be_bytes();
    audience
}

/// Writes into a response's head how many others are in the swarm: so who is the first in one is told what he
/// would be told of one that is hidden from him.
fn write_others(counts: &Counts, visit: &Visit, response: &mut [u8]) {
    let visitor = u32::from(visit.event != Event::Stopped);
    let (seeder, leecher) = if visit.seeder { (visitor, 0) } else { (0, visitor) };
    let seeders = counts.seeders.unwrap_or_default().saturating_sub(seeder);
    let leechers = counts.leechers.unwrap_or_default().saturating_sub(leecher);
    if let Some(place) = response.get_mut(COUNTS) {
        place.copy_from_slice(&(u64::from(leechers) << 32 | u64::from(seeders)).to_be_bytes());
    }
}

fn scrape<S: Swarms>(
    asker: &Asker,
    info_hashes: &[[u8; 20]],
    swarms: &mut S,
    access: &Access,
    reply: &mut Vec<u8>,
) -> Answered {
    write_scrape_head(asker.transaction, reply);
    for info_hash in info_hashes.iter().copied().map(InfoHash) {
        let counts = match access.admit(&info_hash, None) {
            Admission::Welcome { .. } => swarms.scrape(asker.now, &info_hash),
            Admission::Unknown => Counts::default(),
        };
        write_scrape_counts(&counts, reply);
    }
    Answered::Scrape
}
