//! Packets: bytes to values and back (BEP 15). All numbers are big-endian.

use super::options::{self, IcBlock};
use crate::{
    compact,
    id::{InfoHash, PeerId},
    tracker::{AnnounceRequest, Counts, Event, IcAnswer, MAX_PEERS, words},
};
use alloc::{string::String, vec::Vec};
use core::net::SocketAddr;

/// What a connect request begins with, where others have a connection id.
pub const PROTOCOL_ID: u64 = 0x0417_2710_1980;

/// Bytes of a connect request, and of the answer to it.
pub const CONNECT_LENGTH: usize = 16;
/// Bytes of an announce request without options.
pub const ANNOUNCE_LENGTH: usize = 98;
/// Bytes of an announce response without peers.
pub const ANNOUNCE_RESPONSE_LENGTH: usize = 20;
/// The most info-hashes in one scrape: what a datagram of 1500 bytes holds.
pub const MAX_SCRAPE: usize = 74;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// A tracker's word that we are where we say: shown with every question for a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ConnectionId(pub u64);

/// Which request a response answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TransactionId(pub u32);

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Request<'a> {
    /// 0: a connection id.
    Connect {
        /// Comes back with it.
        transaction: TransactionId,
    },
    /// 1: the peers of a swarm.
    Announce {
        /// The tracker's own, from a connect response.
        connection: ConnectionId,
        /// Comes back with the answer.
        transaction: TransactionId,
        /// Who asks, for which swarm.
        announce: AnnounceRequest,
        /// Options of BEP 41, and what stands behind them.
        options: &'a [u8],
    },
    /// 2: how many are in some swarms.
    Scrape {
        /// The tracker's own, from a connect response.
        connection: ConnectionId,
        /// Comes back with the answer.
        transaction: TransactionId,
        /// Which swarms: 20 bytes each, at most [`MAX_SCRAPE`].
        info_hashes: &'a [[u8; 20]],
    },
}

impl<'a> Request<'a> {
    /// Reads a packet. `None` if it is no request: too short, or none of the kinds.
    ///
    /// The address that an announce may name is not read: it is the sender's, or somebody's who did not ask.
    #[must_use]
    pub fn decode(packet: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(packet);
        let connection = ConnectionId(reader.u64()?);
        let action = reader.u32()?;
        let transaction = TransactionId(reader.u32()?);
        match action {
            CONNECT => (connection.0 == PROTOCOL_ID).then_some(Self::Connect { transaction }),
            ANNOUNCE => {
                let announce = read_announce(&mut reader)?;
                Some(Self::Announce { connection, transaction, announce, options: reader.0 })
            }
            SCRAPE => {
                let (info_hashes, _) = reader.0.as_chunks();
                let info_hashes = info_hashes.get(..MAX_SCRAPE).unwrap_or(info_hashes);
                Some(Self::Scrape { connection, transaction, info_hashes })
            }
            _ => None,
        }
    }

    /// Writes the packet behind what is in `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (connection, action, transaction) = match self {
            Self::Connect { transaction } => (ConnectionId(PROTOCOL_ID), CONNECT, transaction),
            Self::Announce { connection, transaction, .. } => (*connection, ANNOUNCE, transaction),
            Self::Scrape { connection, transaction, .. } => (*connection, SCRAPE, transaction),
        };
        out.extend_from_slice(&connection.0.to_be_bytes());
        out.extend_from_slice(&action.to_be_bytes());
        out.extend_from_slice(&transaction.0.to_be_bytes());
        match self {
            Self::Connect { .. } => {}
            Self::Announce { announce, options, .. } => {
                write_announce(announce, out);
                out.extend_from_slice(options);
            }
            Self::Scrape { info_hashes, .. } => out.extend_from_slice(info_hashes.as_flattened()),
        }
    }
}

/// What a client adds to an announce, in the order in which it must stand: URL data first, then the IC block.
#[must_use]
pub fn announce_options(path_and_query: &str, ic: Option<&IcBlock>) -> Vec<u8> {
    let mut out = Vec::new();
    options::write_url_data(path_and_query.as_bytes(), &mut out);
    if let Some(ic) = ic {
        ic.encode(&mut out);
    }
    out
}

fn read_announce(reader: &mut Reader<'_>) -> Option<AnnounceRequest> {
    let (info_hash, peer_id) = (InfoHash(reader.array()?), PeerId(reader.array()?));
    let (downloaded, left, uploaded) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let event = match reader.u32()? {
        1 => Event::Completed,
        2 => Event::Started,
        3 => Event::Stopped,
        4 => Event::Paused,
        _ => Event::None,
    };
    let _ip = reader.u32()?;
    let key = reader.u32()?;
    // Negative: as many as the tracker thinks fit.
    let num_want = u32::try_from(reader.u32()?.cast_signed()).ok();
    let port = reader.u16()?;
    Some(AnnounceRequest { info_hash, peer_id, port, uploaded, downloaded, left, event, key, num_want })
}

fn write_announce(announce: &AnnounceRequest, out: &mut Vec<u8>) {
    out.extend_from_slice(&announce.info_hash.0);
    out.extend_from_slice(&announce.peer_id.0);
    for count in [announce.downloaded, announce.left, announce.uploaded] {
        out.extend_from_slice(&count.to_be_bytes());
    }
    let event: u32 = match announce.event {
        Event::None => 0,
        Event::Completed => 1,
        Event::Started => 2,
        Event::Stopped => 3,
        Event::Paused => 4,
    };
    // Our own address: the tracker sees it.
    let ip = 0_u32;
    let num_want = announce.num_want.and_then(|want| i32::try_from(want).ok()).unwrap_or(-1);
    for number in [event, ip, announce.key, num_want.cast_unsigned()] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(&announce.port.to_be_bytes());
}

/// What a tracker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Response {
    /// 0: a connection id.
    Connect(ConnectionId),
    /// 1: peers.
    Announce {
        /// When to announce again, in seconds.
        interval_s: u32,
        /// How many there are; not how often it was downloaded.
        counts: Counts,
        /// Some of them, at most [`MAX_PEERS`].
        peers: Vec<SocketAddr>,
        /// The IC trailer.
        ic: Option<IcAnswer>,
    },
    /// 2: how many are in each of the swarms, in the order of the request.
    Scrape(Vec<Counts>),
    /// 3: a refusal, fit for people.
    Error(String),
}

/// What a client knows of the question to which a response came: how its peers are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Over IPv6: peers have 18 bytes then, and 6 otherwise.
    pub ipv6: bool,
    /// With an IC block: four bytes behind the peers are a trailer then, and a fault otherwise.
    pub ic: bool,
}

impl Response {
    /// Reads a packet; `None` if it is no response.
    #[must_use]
    pub fn decode(packet: &[u8], asked: Asked) -> Option<(TransactionId, Self)> {
        let mut reader = Reader(packet);
        let action = reader.u32()?;
        let transaction = TransactionId(reader.u32()?);
        let response = match action {
            CONNECT => Self::Connect(ConnectionId(reader.u64()?)),
            ANNOUNCE => read_peers(&mut reader, asked)?,
            SCRAPE => Self::Scrape(read_counts(reader.0)?),
            ERROR => Self::Error(words(reader.0)),
            _ => return None,
        };
        Some((transaction, response))
    }

    /// The transaction that a packet says it answers: what is asked of it before anything else is.
    #[must_use]
    pub fn transaction(packet: &[u8]) -> Option<TransactionId> {
        let mut reader = Reader(packet);
        reader.u32()?;
        reader.u32().map(TransactionId)
    }

    /// Writes the packet behind what is in `out`. Counts that are not known are said to be 0.
    pub fn encode(&self, transaction: TransactionId, out: &mut Vec<u8>) {
        match self {
            Self::Connect(connection) => write_connect(transaction, *connection, out),
            Self::Announce { interval_s, counts, peers, ic } => {
                write_announce_head(transaction, *interval_s, counts, out);
                peers.iter().for_each(|peer| compact::write(*peer, out));
                if let Some(ic) = ic {
                    write_trailer(ic, out);
                }
            }
            Self::Scrape(swarms) => {
                write_scrape_head(transaction, out);
                swarms.iter().for_each(|counts| write_scrape_counts(counts, out));
            }
            Self::Error(reason) => write_error(transaction, reason, out),
        }
    }
}

fn read_peers(reader: &mut Reader<'_>, asked: Asked) -> Option<Response> {
    let interval_s = reader.u32()?;
    let (leechers, seeders) = (reader.u32()?, reader.u32()?);
    let counts = Counts { seeders: Some(seeders), leechers: Some(leechers), ..Counts::default() };
    let stride = if asked.ipv6 { compact::V6 } else { compact::V4 };
    let (peers, ic) = match reader.0.len() % stride {
        0 => (reader.0, None),
        4 if asked.ic => {
            let (peers, trailer) = reader.0.split_last_chunk::<4>()?;
            (peers, Some(read_trailer(*trailer)))
        }
        _ => return None,
    };
    let peers = compact::read_all(peers, stride).take(MAX_PEERS).collect();
    Some(Response::Announce { interval_s, counts, peers, ic })
}

fn read_trailer([flags_high, flags_low, advisories_high, advisories_low]: [u8; 4]) -> IcAnswer {
    let flags = u16::from_be_bytes([flags_high, flags_low]);
    IcAnswer {
        auth_accepted: flags & AUTH_ACCEPTED != 0,
        restricted: flags & RESTRICTED != 0,
        advisories: u16::from_be_bytes([advisories_high, advisories_low]),
    }
}

/// Bits of a trailer's flags.
const AUTH_ACCEPTED: u16 = 1 << 0;
const RESTRICTED: u16 = 1 << 1;

fn read_counts(bytes: &[u8]) -> Option<Vec<Counts>> {
    let (swarms, rest) = bytes.as_chunks::<12>();
    (rest.is_empty() && swarms.len() <= MAX_SCRAPE).then(|| swarms.iter().filter_map(read_count).collect())
}

fn read_count(bytes: &[u8; 12]) -> Option<Counts> {
    let mut reader = Reader(bytes);
    let (seeders, completed, leechers) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let (seeders, leechers, completed) = (Some(seeders), Some(leechers), Some(completed));
    Some(Counts { seeders, leechers, completed, downloaders: None })
}

/// A connect response.
pub(super) fn write_connect(transaction: TransactionId, connection: ConnectionId, out: &mut Vec<u8>) {
    write_head(CONNECT, transaction, out);
    out.extend_from_slice(&connection.0.to_be_bytes());
}

/// An announce response up to its peers.
pub(super) fn write_announce_head(
    transaction: TransactionId,
    interval_s: u32,
    counts: &Counts,
    out: &mut Vec<u8>,
) {
    write_head(ANNOUNCE, transaction, out);
    for number in [interval_s, counts.leechers.unwrap_or_default(), counts.seeders.unwrap_or_default()] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// What stands behind the peers for those who speak the IC extension.
pub(super) fn write_trailer(ic: &IcAnswer, out: &mut Vec<u8>) {
    let flags = if ic.auth_accepted { AUTH_ACCEPTED } else { 0 } | if ic.restricted { RESTRICTED } else { 0 };
    out.extend_from_slice(&flags.to_be_bytes());
    out.extend_from_slice(&ic.advisories.to_be_bytes());
}

/// A scrape response up to its counts.
pub(super) fn write_scrape_head(transaction: TransactionId, out: &mut Vec<u8>) {
    write_head(SCRAPE, transaction, out);
}

/// One swarm of a scrape response.
pub(super) fn write_scrape_counts(counts: &Counts, out: &mut Vec<u8>) {
    for count in [counts.seeders, counts.completed, counts.leechers] {
        out.extend_from_slice(&count.unwrap_or_default().to_be_bytes());
    }
}

/// A refusal.
pub(super) fn write_error(transaction: TransactionId, reason: &str, out: &mut Vec<u8>) {
    write_head(ERROR, transaction, out);
    out.extend_from_slice(reason.as_bytes());
}

fn write_head(action: u32, transaction: TransactionId, out: &mut Vec<u8>) {
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&transaction.0.to_be_bytes());
}

/// What is left of a packet.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}
