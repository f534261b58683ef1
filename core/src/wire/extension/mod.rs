//! Extension messages (BEP 10): bytes to values and back.
//!
//! Each is the payload of [`Message::Extended`](super::Message::Extended), behind the id. What is optional
//! and wrong is left out; what makes a message worthless is an [`Error`], and so is one that is longer than
//! honest peers send: then the connection is not worth keeping.
//!
//! ```
//! use convoy_core::wire::extension::Metadata;
//!
//! let ask = Metadata::Request { piece: 3 };
//! assert_eq!(ask.encode(), b"d8:msg_typei0e5:piecei3ee");
//! assert_eq!(Metadata::decode(&ask.encode().into())?, Some(ask));
//! # Ok::<(), convoy_core::wire::extension::Error>(())
//! ```

mod auth;
mod holepunch;
mod metadata;
mod notices;
mod pex;
mod priority;
#[cfg(test)]
mod tests;

pub use auth::{AUTH_MAX, Auth};
pub use holepunch::{Holepunch, HolepunchError};
pub use metadata::{METADATA_BLOCK, Metadata};
pub use notices::{
    HASH_REQUEST_LENGTH, HashRequest, decode_dont_have, decode_upload_only, encode_dont_have,
    encode_upload_only,
};
pub use pex::{PEX_MAX, Pex, PexFlags, PexPeer};
pub use priority::{PRIORITY_MAX, PRIORITY_PIECES_MAX, PRIORITY_REASON_MAX, Priority, PriorityLevel};

/// Why an extension message is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Error {
    /// Not a dictionary, or a field that must be there is not, or makes no sense.
    #[error("malformed extension message")]
    Malformed,
    /// Longer than any honest peer sends.
    #[error("oversized extension message of {length} bytes")]
    TooLong {
        /// Its length, in bytes.
        length: usize,
    },
}
