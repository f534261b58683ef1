//! How the choker deals out slots.

use core::time::Duration;

/// How the choker deals out slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Peers served by rank. 4: with fewer, good peers go unserved; with more, each gets less than it can
    /// take and looks elsewhere.
    pub slots: u32,
    /// Peers served by lot. 1 (BEP 3).
    pub optimistic_slots: u32,
    /// Peers served beyond the slots for as long as they ask for urgency. 4.
    pub lobby_slots: u32,
    /// Whether the number of regular slots follows the uplink, and how far. It does not; `slots` is where it
    /// begins.
    pub adaptive: Option<Adaptive>,
    /// Time between rounds. 10 s (BEP 3): long enough for TCP to show a peer's rate. At least 1 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub round: Duration,
    /// The term of an optimistic slot; it ends with the first round at or behind it. 30 s (BEP 3).
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub optimistic_round: Duration,
    /// How long a peer that wants something is left as it is once it was choked or unchoked. 10 s (BEP 3,
    /// "fibrillation").
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub min_toggle: Duration,
    /// How long a peer counts as a newcomer. 60 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub newcomer_window: Duration,
    /// How much likelier than others a newcomer is drawn. 3 (BEP 3).
    pub newcomer_weight: u32,
    /// How long a wish for urgency counts before it must be said again. 60 s.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub lobby_term: Duration,
    /// Whom a seed serves first.
    pub seed_strategy: SeedStrategy,
    /// How long a peer of a seed keeps its slot while others wait, if it does not take [`turn_pieces`] before.
    /// 60 s.
    ///
    /// [`turn_pieces`]: Self::turn_pieces
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub turn: Duration,
    /// The bytes that end a peer's turn, in pieces. 20, as libtorrent.
    pub turn_pieces: u32,
    /// How much later than the peer that a seed wants most the one that it wants least has its turn, had both
    /// waited as long. 5 min: longer than the turns of most swarms take, shorter than anyone's patience.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::micros"))]
    pub longest_delay: Duration,
    /// Pieces of the torrent. 0: not known; then all peers count as equally complete.
    pub pieces: u32,
    /// Bytes of a piece. 256 KiB.
    pub piece_length: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            slots: 4,
            optimistic_slots: 1,
            lobby_slots: 4,
            adaptive: None,
            round: Duration::from_secs(10),
            optimistic_round: Duration::from_secs(30),
            min_toggle: Duration::from_secs(10),
            newcomer_window: Duration::from_secs(60),
            newcomer_weight: 3,
            lobby_term: Duration::from_secs(60),
            seed_strategy: SeedStrategy::default(),
            turn: Duration::from_secs(60),
            turn_pieces: 20,
            longest_delay: Duration::from_secs(300),
            pieces: 0,
            piece_length: 256 * 1024,
        }
    }
}

/// How far the number of regular slots follows the uplink, as far as a driver's reports of what it sent show
/// that: what a system's socket buffers hold counts as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Adaptive {
    /// The fewest. 2: fewer would leave the uplink idle whenever one peer pauses.
    pub least: u32,
    /// The most. 50.
    pub most: u32,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { least: 2, most: 50 }
    }
}

/// Whom a seed serves first. The names are libtorrent's, but for the first.
///
/// All but [`FastestUpload`](Self::FastestUpload) serve in turns: a peer keeps its slot until its turn is
/// over (60 s, or 20 pieces), then goes to the back of the queue. So nobody waits for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum SeedStrategy {
    /// Who has least, of those that had no turn yet: newcomers soon have something to give. Then who has
    /// waited longest.
    #[default]
    LowestCompletion,
    /// Who has waited longest.
    RoundRobin,
    /// Who took most in the last two rounds: the uplink is always full. Others have the optimistic slots
    /// alone, by lot.
    FastestUpload,
    /// Who has just begun or is nearly done (Chow et al., "Improving BitTorrent: A Simple Approach"): those
    /// in the middle have each other.
    AntiLeech,
}
