//! Why a connection ends, and whose fault it is.
/// Connection error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("wire")]
pub struct Error;
/// Handshake error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("handshake")]
pub struct HandshakeError;
