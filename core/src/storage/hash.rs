//! Hashing pieces: work that a driver may do on another thread.

use crate::id::BLOCK_LENGTH;
use alloc::{vec, vec::Vec};
use bytes::Bytes;
use core::fmt;
#[cfg(feature = "serde")]
use sha1::digest::common::hazmat::SerializedState;
use sha1::{Digest, Sha1, digest::common::hazmat::SerializableState};

/// Bytes of a piece to hash. Pure and `Send`: it may run on any thread, at any time, and its outcome depends
/// on nothing else.
///
/// The blocks are held as they came off the wire or the disk, without a copy. A piece that is too large to hold
/// at once is hashed by several jobs, each going on from the state that the one before left.
///
/// ```
/// use convoy_core::storage::{HashJob, HashOutcome};
/// use bytes::Bytes;
///
/// let blocks = vec![Bytes::from_static(b"a"), Bytes::from_static(b"bc")];
/// let HashOutcome::Digest(digest) = HashJob::whole(blocks).run() else { unreachable!() };
/// assert_eq!(digest[..4], [0xa9, 0x99, 0x3e, 0x36]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(untagged))]
pub enum HashJob {
    /// The hash of a piece is wanted.
    Piece {
        /// What was hashed before; the default at the start of a piece.
        state: HashState,
        /// The bytes that follow, in order.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::hex_list"))]
        data: Vec<Bytes>,
        /// Whether the piece ends with `data`.
        last: bool,
    },
    /// The hash of each block is wanted, to compare copies of a piece.
    Blocks {
        /// The blocks, in order, however they are cut. Only the last may be shorter than 16 KiB.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::hex_list"))]
        blocks: Vec<Bytes>,
    },
}

/// What a [`HashJob`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum HashOutcome {
    /// The piece goes on: the state for the next job.
    Partial(HashState),
    /// The SHA-1 of the piece.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    Digest([u8; 20]),
    /// The SHA-1 of each block, 20 bytes each, in order.
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    Blocks(Bytes),
}

impl HashJob {
    /// The only job of a piece whose blocks are all at hand.
    #[must_use]
    pub fn whole(data: Vec<Bytes>) -> Self {
        Self::Piece { state: HashState::default(), data, last: true }
    }

    /// The bytes to hash, in order.
    #[must_use]
    pub fn data(&self) -> &[Bytes] {
        match self {
            Self::Piece { data, .. } | Self::Blocks { blocks: data } => data,
        }
    }

    /// Does the work: about half a nanosecond a byte where the CPU has instructions for it.
    #[must_use]
    pub fn run(self) -> HashOutcome {
        match self {
            Self::Piece { state: HashState(mut sha), data, last } => {
                data.iter().for_each(|bytes| sha.update(bytes));
                if last {
                    HashOutcome::Digest(sha.finalize().into())
                } else {
                    HashOutcome::Partial(HashState(sha))
                }
            }
            Self::Blocks { blocks } => HashOutcome::Blocks(hash_blocks(&blocks)),
        }
    }
}

fn hash_blocks(blocks: &[Bytes]) -> Bytes {
    let mut hashes = Vec::new();
    let (mut sha, mut missing) = (Sha1::new(), BLOCK_LENGTH as usize);
    for mut bytes in blocks.iter().map(|bytes| &**bytes) {
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(missing.min(bytes.len()));
            sha.update(part);
            (bytes, missing) = (rest, missing - part.len());
            if missing == 0 {
                hashes.extend_from_slice(&sha.finalize_reset());
                missing = BLOCK_LENGTH as usize;
            }
        }
    }
    if missing < BLOCK_LENGTH as usize {
        hashes.extend_from_slice(&sha.finalize());
    }
    hashes.into()
}

impl From<Bytes> for HashJob {
    /// The only job of a piece whose bytes lie together.
    fn from(piece: Bytes) -> Self {
        Self::whole(vec![piece])
    }
}

/// SHA-1 in the middle of a piece.
#[derive(Clone, Default)]
pub struct HashState(Sha1);

impl PartialEq for HashState {
    fn eq(&self, other: &Self) -> bool {
        self.0.serialize() == other.0.serialize()
    }
}

impl Eq for HashState {}

#[cfg(feature = "serde")]
impl serde::Serialize for HashState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::serial::hex::serialize(&SerializableState::serialize(&self.0), serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for HashState {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Bytes = crate::serial::hex::deserialize(deserializer)?;
        let state = SerializedState::<Sha1>::try_from(&bytes[..]).ok();
        let sha = state.and_then(|state| <Sha1 as SerializableState>::deserialize(&state).ok());
        sha.map(Self).ok_or_else(|| serde::de::Error::custom("not the state of a SHA-1"))
    }
}

impl fmt::Debug for HashState {
    /// The chaining value, length and unhashed tail, in hex.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashState(")?;
        self.0.serialize().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    const ABC: [u8; 20] = [
        0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c,
        0xd0, 0xd8, 0x9d,
    ];

    #[test]
    fn the_digest_is_sha1() {
        assert_eq!(HashJob::from(Bytes::from_static(b"abc")).run(), HashOutcome::Digest(ABC));
    }

    #[test]
    fn states_are_equal_when_the_same_bytes_went_in() {
        let state = |data: &[&'static [u8]]| {
            let data = data.iter().map(|bytes| Bytes::from_static(bytes)).collect();
            HashJob::Piece { state: HashState::default(), data, last: false }.run()
        };
        assert_eq!(state(&[b"ab", b"c"]), state(&[b"abc"]));
        assert_eq!(state(&[&[7; 100], &[7; 5]]), state(&[&[7; 5], &[7; 100]]));
        assert_ne!(state(&[b"abc"]), state(&[b"abd"]));
        assert_ne!(format!("{:?}", state(&[b"abc"])), format!("{:?}", state(&[])));
    }

    #[test]
    fn a_job_may_run_on_another_thread() {
        fn is_send<T: Send + 'static>() {}
        is_send::<HashJob>();
        is_send::<HashOutcome>();
    }

    proptest! {
        #[test]
        fn how_a_piece_was_cut_into_jobs_and_blocks_does_not_matter(
            jobs in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..150), 0..4), 0..4)
        ) {
            let whole: Vec<u8> = jobs.iter().flatten().flatten().copied().collect();
            let mut state = HashState::default();
            for blocks in jobs {
                let data = blocks.into_iter().map(Bytes::from).collect();
                let job = HashJob::Piece { state, data, last: false };
                let HashOutcome::Partial(next) = job.run() else { panic!("not the last") };
                state = next;
            }
            let digest = HashJob::Piece { state, data: Vec::new(), last: true }.run();
            prop_assert_eq!(digest, HashJob::from(Bytes::from(whole)).run());
        }

        #[test]
        fn blocks_are_hashed_one_by_one_however_they_are_cut(
            length in 0..3 * BLOCK_LENGTH as usize,
            cuts in prop::collection::vec(0..3 * BLOCK_LENGTH as usize, 0..4),
        ) {
            let whole: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(length)).collect();
            cuts.extend([0, length]);
            cuts.sort_unstable();
            let blocks = cuts.windows(2).map(|cut| Bytes::copy_from_slice(&whole[cut[0]..cut[1]])).collect();
            let each: Vec<u8> = whole.chunks(BLOCK_LENGTH as usize).flat_map(Sha1::digest).collect();
            prop_assert_eq!(HashJob::Blocks { blocks }.run(), HashOutcome::Blocks(each.into()));
        }
    }
}
