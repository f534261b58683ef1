//! Typed ids and indices: no bare integer crosses a module.

use crate::slab::Key;
use core::fmt;

/// The largest block anyone asks for or is served: 16 KiB (BEP 3).
pub const BLOCK_LENGTH: u32 = 16 * 1024;

/// SHA-1 of the raw bytes of a torrent's info dictionary (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct InfoHash(#[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))] pub [u8; 20]);

/// The 20 bytes by which a peer names itself (BEP 3, BEP 20).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PeerId(#[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))] pub [u8; 20]);

/// A piece of a torrent, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PieceIndex(pub u32);

/// A file of a torrent, counted from 0 in the order of the info dictionary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FileIndex(pub u32);

/// Something of a torrent that is wanted as a whole, such as a file or a bundle: named by whoever wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PackageId(pub u32);

/// A run of bytes inside one piece: what a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Block {
    /// The piece it lies in.
    pub piece: PieceIndex,
    /// Where it starts in the piece, in bytes.
    pub begin: u32,
    /// How long it is, in bytes.
    pub length: u32,
}

macro_rules! hex_id {
    ($($id:ident),*) => {$(
        impl fmt::Display for $id {
            /// Forty lower-case hex digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($id))
            }
        }
    )*};
}
hex_id!(InfoHash, PeerId);

/// Defines a key of a [`Slab`](crate::slab::Slab).
macro_rules! slab_key {
    ($(#[$doc:meta] $visibility:vis $key:ident;)*) => {$(
        #[$doc]
        ///
        /// A slot and its generation: a slot is used again, a key never is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility struct $key {
            index: u32,
            generation: u32,
        }

        impl $key {
            /// The slot. Small and dense: fit for indexing a table.
            #[must_use]
            #[allow(dead_code, reason = "not every key's slot is asked for")]
            $visibility const fn index(self) -> usize {
                self.index as usize
            }
        }

        impl $crate::slab::Key for $key {
            fn new(index: u32, generation: u32) -> Self {
                Self { index, generation }
            }

            fn parts(self) -> (u32, u32) {
                (self.index, self.generation)
            }
        }
    )*};
}
pub(crate) use slab_key;

slab_key! {
    /// A byte stream to a peer, named by the engine.
    pub StreamId;
    /// A torrent, named by the engine.
    pub TorrentId;
    /// A connected peer of one torrent, named by its swarm.
    pub PeerKey;
    /// A question to a tracker, named by whoever asks.
    pub QuestionKey;
}

/// Numbers that name one request for work, so that its completion can be told from any other (law 9).
macro_rules! token {
    ($(#[$doc:meta] $token:ident;)*) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub struct $token(pub u64);

        impl $token {
            /// The token of what lies under `key`.
            #[allow(dead_code, reason = "not every token stands for a slab's key")]
            pub(crate) fn of(key: impl Key) -> Self {
                let (index, generation) = key.parts();
                Self(u64::from(generation) << 32 | u64::from(index))
            }

            /// The key that it was made [of](Self::of).
            #[allow(dead_code, reason = "not every token stands for a slab's key")]
            pub(crate) fn key<K: Key>(self) -> K {
                K::new(self.0 as u32, (self.0 >> 32) as u32)
            }
        }
    )*};
}

token! {
    /// Names a read, a write or a flush of a torrent's storage.
    StorageToken;
    /// Names a job given to [`Compute`](crate::engine::Action::Compute).
    ComputeToken;
    /// Names a [`Fetch`](crate::engine::Action::Fetch).
    FetchToken;
    /// Names a [`Resolve`](crate::engine::Action::Resolve).
    ResolveToken;
    /// Names a [`Get`](crate::engine::Action::Get).
    GetToken;
    /// Names an accepted stream until the engine adopts or refuses it. The driver counts them.
    AcceptTicket;
}
