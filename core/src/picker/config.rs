//! What a picker is built from, and what it tells about itself.

use super::Tier;
use crate::{bitfield::Bitfield, storage::Geometry};
use alloc::vec::Vec;
use core::{ops::Range, time::Duration};

/// What a picker is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Config {
    /// How the torrent is cut.
    pub geometry: Geometry,
    /// The pieces that are held already. Counts as none if it is not as long as the torrent.
    pub have: Bitfield,
    /// Runs of bytes of the torrent that are zeros and need no peer (BEP 47), in order.
    pub padding: Vec<Range<u64>>,
    /// The tier of a piece that no [package](super::Input::Package) uses. Default: `UserRequested`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub tier: Tier,
    /// How many requests stand at a peer.
    pub pipeline: PipelineLimits,
    /// The longest that a peer may stay silent while requests stand at it; less than a second counts as
    /// one. Default: 30 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub request_timeout: Duration,
    /// With this many blocks missing or fewer, blocks are asked for twice. Default: 5.
    pub endgame_threshold: u32,
    /// The most peers that are asked for one block at once; 1 to 3. Default: 3.
    pub endgame_peers: u32,
}

impl Config {
    /// The defaults, with nothing held and no padding.
    #[must_use]
    pub fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            have: Bitfield::new(geometry.pieces()),
            padding: Vec::new(),
            tier: Tier::default(),
            pipeline: PipelineLimits::default(),
            request_timeout: Duration::from_secs(30),
            endgame_threshold: 5,
            endgame_peers: 3,
        }
    }
}

/// How many requests stand at a peer: what it sends in [`horizon`](Self::horizon), between
/// [`min`](Self::min) and [`max`](Self::max), and never more than the peer queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct PipelineLimits {
    /// The fewest, unless the peer is snubbed (then 1) or queues fewer; 0 counts as 1. Default: 2.
    pub min: u32,
    /// The most; more than 500 counts as 500: at 16 KiB each that is 8 MiB on its way. Default: 500.
    pub max: u32,
    /// How many at the start; each block that comes in adds one until the rate decides. Default: 4.
    pub start: u32,
    /// How much time of the peer's rate is asked for ahead. Default: 3 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub horizon: Duration,
    /// Of how many pieces blocks are asked of one peer at once; 0 counts as 1. Default: no limit.
    pub open_pieces_per_peer: u32,
    /// How many pieces are begun and not yet verified, in the whole torrent; 0 counts as 1. Default: no
    /// limit but that of their bookkeeping.
    pub open_pieces: u32,
}

impl PipelineLimits {
    /// For hosts short of memory: 3 open pieces a peer and 5 in all (48 and 80 blocks of a piece of
    /// 256 KiB).
    pub const WORKSHOP: Self = Self { open_pieces_per_peer: 3, open_pieces: 5, ..Self::DEFAULT };

    pub(super) const DEFAULT: Self = Self {
        min: 2,
        max: 500,
        start: 4,
        horizon: Duration::from_secs(3),
        open_pieces_per_peer: u32::MAX,
        open_pieces: u32::MAX,
    };
}

impl Default for PipelineLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What the picker knows of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStats {
    /// How fast it sends, averaged over about a second of asking.
    pub rate_bytes_per_s: u64,
    /// How many requests stand at it.
    pub queue: u32,
    /// How many may.
    pub depth: u32,
    /// Whether it let its time pass and has not sent a block since.
    pub snubbed: bool,
}

/// Inputs that had no effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Of peers that are not there, or joined twice, or would be one too many.
    pub strays: u64,
    /// Pieces that the torrent does not have, bitfields of another length.
    pub out_of_range: u64,
    /// What was known already.
    pub repeats: u64,
    /// Hints that were not kept: of a peer without BEP 6, or more than a hundred.
    pub hints_dropped: u64,
    /// Rejects of what was not asked for.
    pub stray_rejects: u64,
}
