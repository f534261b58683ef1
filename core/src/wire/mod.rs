//! The peer wire protocol (BEP 3, 6, 10): a handshake, then messages.

mod connection;
mod error;
mod extended;
mod handshake;
mod message;
#[cfg(test)]
mod tests;

pub use connection::{Action, Config, Connection, Input};

pub use error::{Error, HandshakeError, PeerFault};
pub use extended::ExtendedHandshake;
pub use handshake::{Handshake, HandshakeAction, HandshakeInput, Reserved};
pub use message::Message;
