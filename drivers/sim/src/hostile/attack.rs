//! The attacks: what each says first, from time to time, and when it is asked.

use super::{Attacker, peer::Peer};
use crate::content::Content;
use bytes::{BufMut, BytesMut};
use convoy_core::{
    Seed,
    id::{FileIndex, PeerId},
};
use serde::Deserialize;
use std::{rc::Rc, time::Duration};

/// What an attacker does. The numbers are those of the list of hostile inputs; scenarios write the names in
/// kebab-case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// 1: an extended handshake with 20,000 lists in one another.
    NestedLists,
    /// 7: a message of 2 GiB is announced, and trickles in.
    HugeLength,
    /// 8: a thousand keep-alives a second.
    KeepAliveFlood,
    /// 9: `have` of pieces that there are not.
    HaveOutOfRange,
    /// 10: every `have` twice, and a bitfield behind them.
    RepeatedHaves,
    /// 11: a bitfield with spare bits set, or too long where there are none.
    SpareBits,
    /// 13: requests that overflow, are empty, too long, or come while choked.
    BadRequests,
    /// 14: ten thousand requests a second, many for the same block, and half as many cancels.
    RequestFlood,
    /// 14: claims to have nothing, for ever, and asks for all that it is let.
    Leech,
    /// 15: blocks that nobody asked for.
    UnaskedBlocks,
    /// 16: has everything, and sends every other block with a wrong byte.
    Poisoner,
    /// 17: choke, unchoke, interested and not interested, two hundred times a second each.
    Flapping,
    /// 18: has everything, unchokes, and never sends a block.
    Snubber,
    /// 18: sends its blocks at a byte a second.
    Trickler,
    /// 19: messages of the fast extension, without having agreed to it.
    FastUnasked,
    /// 20: an extended handshake in which everything is of the wrong type or size.
    OddExtended,
    /// 24: a handshake at a byte every nine seconds.
    Slowloris,
    /// 24: streams that never say a word.
    Silent,
    /// 25: another torrent's handshake, and then this one's.
    HashSwitch,
    /// 26: a key that makes every shared secret 0.
    ZeroKey,
    /// 27: a key of which the first byte is that of a plain handshake.
    PlainLookingKey,
    /// 28: a key, and pads without end.
    EndlessPad,
}

const BLOCK: u32 = 16 * 1024;
/// How many blocks a leech keeps asked for, and how many it asks for again each second: some were not to be had.
const LEECHED: u32 = 64;
const LEECHED_AGAIN: u32 = 8;
const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const NOT_INTERESTED: u8 = 3;
const HAVE: u8 = 4;
const BITFIELD: u8 = 5;
pub(super) const REQUEST: u8 = 6;
pub(super) const PIECE: u8 = 7;
const CANCEL: u8 = 8;
const EXTENDED: u8 = 20;
/// Lengths of a key and of a handshake.
const KEY: usize = 96;
pub(super) const HANDSHAKE: usize = 68;

/// What an attacker knows when it speaks.
pub(super) struct Scene<'a> {
    pub(super) content: &'a Content,
    pub(super) peer_id: PeerId,
    /// How often it spoke from time to time on this stream.
    pub(super) turn: u32,
    /// How many requests it had on this stream before.
    pub(super) asked: u32,
    /// How many blocks it got on this stream before.
    pub(super) got: u32,
    pub(super) out: &'a mut BytesMut,
}

impl Attack {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::NestedLists,
        Self::HugeLength,
        Self::KeepAliveFlood,
        Self::HaveOutOfRange,
        Self::RepeatedHaves,
        Self::SpareBits,
        Self::BadRequests,
        Self::RequestFlood,
        Self::Leech,
        Self::UnaskedBlocks,
        Self::Poisoner,
        Self::Flapping,
        Self::Snubber,
        Self::Trickler,
        Self::FastUnasked,
        Self::OddExtended,
        Self::Slowloris,
        Self::Silent,
        Self::HashSwitch,
        Self::ZeroKey,
        Self::PlainLookingKey,
        Self::EndlessPad,
    ];

    /// An attacker of whoever has to do with this torrent.
    #[must_use]
    pub fn attacker(self, content: Rc<Content>, seed: Seed) -> Attacker {
        Box::new(Peer::new(self, content, seed))
    }

    /// Whether it waits for the other's handshake before it says more.
    pub(super) const fn shakes_hands(self) -> bool {
        !matches!(
            self,
            Self::Slowloris
                | Self::Silent
                | Self::HashSwitch
                | Self::ZeroKey
                | Self::PlainLookingKey
                | Self::EndlessPad
        )
    }

    /// How often it speaks unasked.
    pub(super) const fn pause(self) -> Duration {
        match self {
            Self::KeepAliveFlood | Self::Flapping | Self::RequestFlood => Duration::from_millis(100),
            Self::Slowloris => Duration::from_secs(9),
            _ => Duration::from_secs(1),
        }
    }

    /// The first words on a stream.
    pub(super) fn open(self, scene: &mut Scene<'_>) {
        let out = &mut *scene.out;
        match self {
            Self::Slowloris | Self::Silent => {}
            Self::HashSwitch => {
                handshake(out, &[0x55; 20], scene.peer_id);
                handshake(out, &scene.content.info().info_hash.0, scene.peer_id);
            }
            Self::ZeroKey => out.put_bytes(0, KEY),
            Self::PlainLookingKey => {
                out.put_u8(19);
                out.put_bytes(0x77, KEY - 1);
            }
            Self::EndlessPad => out.put_bytes(0x77, KEY),
            _ => handshake(out, &scene.content.info().info_hash.0, scene.peer_id),
        }
    }

    /// What it says once hands are shaken.
    pub(super) fn greet(self, scene: &mut Scene<'_>) {
        let pieces = scene.content.info().geometry.pieces();
        let out = &mut *scene.out;
        match self {
            Self::NestedLists => {
                let mut payload = b"\0d1:x".to_vec();
                payload.extend([b'l'; 20_000]);
                payload.extend([b'e'; 20_001]);
                message(out, EXTENDED, &payload);
            }
            Self::HugeLength => {
                out.put_u32(0x7fff_ffff);
                out.put_u8(PIECE);
            }
            Self::HaveOutOfRange => message(out, HAVE, &0x8000_0001_u32.to_be_bytes()),
            Self::RepeatedHaves => {
                for piece in (0..pieces).flat_map(|piece| [piece, piece]) {
                    message(out, HAVE, &piece.to_be_bytes());
                }
                message(out, BITFIELD, &everything(pieces));
            }
            Self::SpareBits => {
                let mut bits = everything(pieces);
                match bits.last_mut().filter(|_| !pieces.is_multiple_of(8)) {
                    Some(last) => *last |= 1,
                    None => bits.push(0xff),
                }
                message(out, BITFIELD, &bits);
            }
            Self::Poisoner | Self::Snubber | Self::Trickler => {
                message(out, BITFIELD, &everything(pieces));
                message(out, UNCHOKE, &[]);
            }
            Self::OddExtended => {
                let mut payload = b"\0d1:m4:none12:metadata_sizei-1e4:reqqi9223372036854775807e1:v".to_vec();
                payload.extend(b"9000:");
                payload.extend([b'v'; 9000]);
                payload.extend(b"6:yourip3:abce");
                message(out, EXTENDED, &payload);
            }
            Self::RequestFlood | Self::Leech => message(out, INTERESTED, &[]),
            _ => {}
        }
    }

    /// What it says from time to time.
    pub(super) fn speak(self, scene: &mut Scene<'_>) {
        let Scene { content, turn, asked, out, .. } = scene;
        let asked = *asked;
        let (turn, pieces) = (*turn, content.info().geometry.pieces());
        match self {
            Self::KeepAliveFlood => out.put_bytes(0, 400),
            Self::HugeLength => out.put_u8(0),
            Self::Trickler if asked > 0 => out.put_u8(0),
            Self::BadRequests => {
                request(out, REQUEST, u32::MAX, u32::MAX, u32::MAX);
                request(out, REQUEST, 0, 0, 0);
                request(out, REQUEST, 0, u32::MAX - 5, BLOCK);
                request(out, REQUEST, 0, 0, 128 * 1024 + 1);
                request(out, REQUEST, turn % pieces, 0, BLOCK);
            }
            Self::RequestFlood => {
                // Half of them are taken back, and half of the rest ask again for what is asked for.
                for number in 0..1000 {
                    let piece = number / 2 % pieces;
                    request(out, REQUEST, piece, 0, BLOCK);
                    if number % 2 == 0 {
                        request(out, CANCEL, piece, 0, BLOCK);
                    }
                }
            }
            Self::Leech => {
                let from = turn * LEECHED_AGAIN;
                (from..from + LEECHED_AGAIN).for_each(|number| request_block(out, content, number));
            }
            Self::UnaskedBlocks => {
                let data = content.read(FileIndex(0), 0, BLOCK);
                block(out, 0, 0, &data);
                block(out, pieces, 7, &data[..100]);
            }
            Self::Flapping => {
                for _ in 0..20 {
                    for id in [UNCHOKE, CHOKE, INTERESTED, NOT_INTERESTED] {
                        message(out, id, &[]);
                    }
                }
            }
            Self::FastUnasked => {
                // BEP 6: suggest, have all, have none, reject, allowed fast.
                message(out, 13, &turn.to_be_bytes());
                message(out, 14, &[]);
                request(out, 16, 0, 0, BLOCK);
                message(out, 17, &turn.to_be_bytes());
            }
            Self::Slowloris => {
                let mut whole = BytesMut::new();
                handshake(&mut whole, &content.info().info_hash.0, scene.peer_id);
                out.extend(whole.get(turn as usize).copied());
            }
            Self::EndlessPad => out.put_bytes(0x33, 100),
            _ => {}
        }
    }

    /// What it says to a message.
    pub(super) fn answer(self, scene: &mut Scene<'_>, id: u8, payload: &[u8]) {
        if self == Self::Leech {
            return leech(scene, id);
        }
        let Some(([piece, begin], length)) = asked(id, payload) else { return };
        let content = scene.content;
        let at = u64::from(piece) * u64::from(content.info().geometry.piece_length()) + u64::from(begin);
        match self {
            Self::Poisoner => {
                let mut data = read(content, at, length);
                if ((begin / BLOCK) ^ piece).is_multiple_of(2)
                    && let Some(first) = data.first_mut()
                {
                    *first ^= 1;
                }
                block(scene.out, piece, begin, &data);
            }
            // One block is enough for a day.
            Self::Trickler if scene.asked == 0 => {
                scene.out.put_u32(length.saturating_add(9));
                scene.out.put_u8(PIECE);
                scene.out.put_u32(piece);
                scene.out.put_u32(begin);
            }
            _ => {}
        }
    }
}

/// Asks for as much as a leech keeps asked for: all of it when it is let, one more for each that came.
fn leech(scene: &mut Scene<'_>, id: u8) {
    let from = match id {
        UNCHOKE => scene.got,
        PIECE => scene.got + LEECHED,
        _ => return,
    };
    (from..scene.got + LEECHED + 1).for_each(|number| request_block(scene.out, scene.content, number));
}

/// Asks for the block of this number; behind the last comes the first.
fn request_block(out: &mut BytesMut, content: &Content, number: u32) {
    let geometry = content.info().geometry;
    let in_each = geometry.piece_length() / BLOCK;
    request(out, REQUEST, number / in_each % geometry.pieces(), number % in_each * BLOCK, BLOCK);
}

/// A request's fields.
fn asked(id: u8, payload: &[u8]) -> Option<([u32; 2], u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(payload.get(at..at + 4)?.try_into().ok()?));
    let fields = ([number(0)?, number(4)?], number(8)?);
    (id == REQUEST && payload.len() == 12).then_some(fields)
}

/// Bytes of the torrent, over the borders of files.
fn read(content: &Content, mut at: u64, length: u32) -> Vec<u8> {
    let mut data = Vec::new();
    let mut missing = u64::from(length);
    for (index, file) in content.info().files.iter().enumerate() {
        if at >= file.length {
            at -= file.length;
            continue;
        }
        let here = missing.min(file.length - at);
        data.extend_from_slice(&content.read(FileIndex(index as u32), at, here as u32));
        (at, missing) = (0, missing - here);
        if missing == 0 {
            break;
        }
    }
    data
}

fn everything(pieces: u32) -> Vec<u8> {
    let mut bits = vec![0xff; pieces.div_ceil(8) as usize];
    if let Some(last) = bits.last_mut().filter(|_| !pieces.is_multiple_of(8)) {
        *last = 0xff << (8 - pieces % 8);
    }
    bits
}

fn handshake(out: &mut BytesMut, info_hash: &[u8; 20], peer_id: PeerId) {
    out.put_slice(b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\0");
    out.put_slice(info_hash);
    out.put_slice(&peer_id.0);
}

fn message(out: &mut BytesMut, id: u8, payload: &[u8]) {
    out.put_u32(payload.len() as u32 + 1);
    out.put_u8(id);
    out.put_slice(payload);
}

fn request(out: &mut BytesMut, id: u8, piece: u32, begin: u32, length: u32) {
    let fields: Vec<u8> = [piece, begin, length].iter().flat_map(|field| field.to_be_bytes()).collect();
    message(out, id, &fields);
}

fn block(out: &mut BytesMut, piece: u32, begin: u32, data: &[u8]) {
    let fields = [piece.to_be_bytes(), begin.to_be_bytes()].concat();
    message(out, PIECE, &[&fields, data].concat());
}
