//! How values are written where they leave the program: transcripts and conformance vectors.
//!
//! Byte strings are lowercase hex, times and durations whole microseconds, ids bare numbers, enums
//! externally tagged in `snake_case`. What is read back is taken as it stands: a torrent that contradicts
//! itself is misjudged, nothing worse.

#[cfg(test)]
mod tests;

use crate::{
    bitfield::Bitfield,
    id::{PeerKey, QuestionKey, StreamId, TorrentId},
    slab::Key,
    storage::{Geometry, StorageError},
};
use bytes::{Bytes, BytesMut};
use core::{fmt, marker::PhantomData, time::Duration};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes, written as hex.
///
/// ```
/// use bytes::Bytes;
/// use convoy_core::serial::Hex;
///
/// assert_eq!(serde_json::to_string(&Hex([1, 0xab]))?, r#""01ab""#);
/// assert_eq!(serde_json::from_str::<Hex<Bytes>>(r#""01AB""#)?.0, &[1, 0xab][..]);
/// assert!(serde_json::from_str::<Hex<[u8; 3]>>(r#""01ab""#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hex<T>(pub T);

/// What can be made of bytes, if they are as many as it wants.
pub trait FromBytes: Sized {
    /// Makes it.
    fn from_bytes(bytes: Bytes) -> Option<Self>;
}

impl FromBytes for Bytes {
    fn from_bytes(bytes: Bytes) -> Option<Self> {
        Some(bytes)
    }
}

impl FromBytes for BytesMut {
    fn from_bytes(bytes: Bytes) -> Option<Self> {
        Some(bytes.into())
    }
}

impl<const N: usize> FromBytes for [u8; N] {
    fn from_bytes(bytes: Bytes) -> Option<Self> {
        bytes.as_ref().try_into().ok()
    }
}

impl<T: AsRef<[u8]>> Serialize for Hex<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER_PERMISSIVE.encode(self.0.as_ref()))
    }
}

impl<'de, T: FromBytes> Deserialize<'de> for Hex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HexVisitor(PhantomData))
    }
}

struct HexVisitor<T>(PhantomData<T>);

impl<T: FromBytes> de::Visitor<'_> for HexVisitor<T> {
    type Value = Hex<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the right number of bytes in hex")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Hex<T>, E> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(E::custom)?;
        let length = bytes.len();
        T::from_bytes(bytes.into()).map(Hex).ok_or_else(|| E::invalid_length(length, &self))
    }
}

/// For fields: bytes as hex.
pub(crate) mod hex {
    use super::{Deserialize, Deserializer, FromBytes, Hex, Serialize, Serializer};

    pub(crate) fn serialize<T: AsRef<[u8]>, S: Serializer>(bytes: &T, to: S) -> Result<S::Ok, S::Error> {
        Hex(bytes).serialize(to)
    }

    pub(crate) fn deserialize<'de, T: FromBytes, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        Hex::deserialize(from).map(|Hex(bytes)| bytes)
    }
}

/// For fields: bytes as hex, or null.
pub(crate) mod optional_hex {
    use super::{Deserialize, Deserializer, FromBytes, Hex, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde gives the field")]
    pub(crate) fn serialize<T: AsRef<[u8]>, S: Serializer>(
        bytes: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(Hex).serialize(to)
    }

    pub(crate) fn deserialize<'de, T: FromBytes, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        Ok(Option::<Hex<T>>::deserialize(from)?.map(|Hex(bytes)| bytes))
    }
}

/// For fields: blocks as a list of hex.
pub(crate) fn hex_list<S: Serializer>(list: &[Bytes], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(list.iter().map(Hex))
}

/// A duration in microseconds; longer ones than 584,000 years are cut to that.
#[derive(Clone, Copy)]
struct Micros(Duration);

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        u64::deserialize(from).map(|micros| Self(Duration::from_micros(micros)))
    }
}

/// For fields: a duration.
/// In words: for what is only ever read by people.
pub(crate) fn text<T: core::fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub(crate) mod micros {
    use super::{Deserialize, Deserializer, Duration, Micros, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        Micros(*duration).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Micros::deserialize(from).map(|Micros(duration)| duration)
    }
}

/// For fields: a duration, or null.
pub(crate) mod optional_micros {
    use super::{Deserialize, Deserializer, Duration, Micros, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        duration.map(Micros).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Micros>::deserialize(from)?.map(|Micros(duration)| duration))
    }
}

/// How an operation ended: `{"ok": …}` or `{"error": …}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ended<T, E = StorageError> {
    Ok(T),
    Error(E),
}

impl<T, E> From<Result<T, E>> for Ended<T, E> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Ok(value),
            Err(error) => Self::Error(error),
        }
    }
}

impl<T, E> From<Ended<T, E>> for Result<T, E> {
    fn from(ended: Ended<T, E>) -> Self {
        match ended {
            Ended::Ok(value) => Ok(value),
            Ended::Error(error) => Err(error),
        }
    }
}

/// For fields: what came of an operation.
pub(crate) mod result {
    use super::{Deserialize, Deserializer, Ended, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, E: Serialize, S: Serializer>(
        result: &Result<T, E>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        Ended::from(result.as_ref()).serialize(to)
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, E: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Result<T, E>, D::Error> {
        Ended::deserialize(from).map(Into::into)
    }
}

/// For fields: what came of reading.
pub(crate) mod read_result {
    use super::{Bytes, Deserialize, Deserializer, Ended, Hex, Serialize, Serializer, StorageError};

    pub(crate) fn serialize<S: Serializer>(
        result: &Result<Bytes, StorageError>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        Ended::from(result.as_ref().map(Hex).map_err(|error| *error)).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Result<Bytes, StorageError>, D::Error> {
        let ended = Ended::<Hex<Bytes>>::deserialize(from)?;
        Ok(Result::from(ended).map(|Hex(bytes)| bytes))
    }
}

/// A [`Bitfield`] as it is written: the first piece is the highest bit of the first byte.
#[derive(Serialize, Deserialize)]
pub(crate) struct Bits {
    pieces: u32,
    bits: Hex<Bytes>,
}

impl From<Bitfield> for Bits {
    fn from(set: Bitfield) -> Self {
        Self { pieces: set.len(), bits: Hex(set.to_bytes().into()) }
    }
}

impl TryFrom<Bits> for Bitfield {
    type Error = &'static str;

    fn try_from(Bits { pieces, bits: Hex(bytes) }: Bits) -> Result<Self, Self::Error> {
        Self::from_bytes(&bytes, pieces).ok_or("not as many bits as pieces")
    }
}

/// A [`Geometry`] as it is written.
#[derive(Serialize, Deserialize)]
pub(crate) struct Lengths {
    piece_length: u32,
    total_length: u64,
}

impl From<Geometry> for Lengths {
    fn from(geometry: Geometry) -> Self {
        Self { piece_length: geometry.piece_length(), total_length: geometry.total_length() }
    }
}

impl TryFrom<Lengths> for Geometry {
    type Error = &'static str;

    fn try_from(Lengths { piece_length, total_length }: Lengths) -> Result<Self, Self::Error> {
        Self::new(piece_length, total_length).ok_or("no torrent has these lengths")
    }
}

/// Keys of slabs are numbers: the generation above, the slot in the lower 32 bits.
macro_rules! keys {
    ($($key:ident),*) => {$(
        impl Serialize for $key {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let (slot, generation) = self.parts();
                (u64::from(generation) << 32 | u64::from(slot)).serialize(to)
            }
        }

        impl<'de> Deserialize<'de> for $key {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                u64::deserialize(from).map(|number| Self::new(number as u32, (number >> 32) as u32))
            }
        }
    )*};
}
keys!(StreamId, TorrentId, PeerKey, QuestionKey);
