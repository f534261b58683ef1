//! The peer wire protocol (BEP 3, 6, 10): a handshake, then messages.
//!
//! [`Handshake`] brings two peers together: 68 bytes each way, which name the torrent and the peers and say
//! what each can do ([`Reserved`]). [`Connection`] takes over with the first byte behind them. It cuts the
//! stream into [`Message`]s and gives on what is well formed and legal at that point, parses the extension
//! handshake ([`ExtendedHandshake`]), keeps the connection alive, and holds what goes out to a window. What
//! the messages *mean* (who is choked, which blocks are due) is the torrent's business.
//!
//! Everything that can be judged by a message's first five bytes is judged there; what is let in is bounded
//! by its kind (see the constants). A block's bytes are those that the driver read, and a block
//! that is sent is a head of 13 bytes and the very bytes that the storage gave.
//!
//! ```text
//!  initiator                               responder
//!  ── protocol, reserved, hash, name ──▶   Identify ──▶ parent
//!                                          Identified ◀──
//!  ◀── protocol, reserved, hash, name ──
//!  Established                             Established
//!  ══ messages ═════════════════════════ messages ══
//! ```
//!
//! Two peers meet, and one greets the other:
//!
//! ```
//! use bytes::BytesMut;
//! use convoy_core::{
//!     Instant, Machine, Outbox,
//!     id::{InfoHash, PeerId},
//!     wire::{
//!         Action, Config, Connection, Handshake, HandshakeAction, HandshakeConfig, HandshakeInput, Input,
//!         Message, Reserved,
//!     },
//! };
//!
//! let (now, config) = (Instant::ZERO, HandshakeConfig::default());
//! let (hash, ours) = (InfoHash([1; 20]), Reserved::ours(true, false));
//! let mut alice = Handshake::initiator(hash, PeerId([b'A'; 20]), ours, config, now);
//! let mut bob = Handshake::responder(ours, config, now);
//! let mut out = Outbox::new();
//!
//! alice.handle_timeout(now, &mut out)?;
//! let Some(HandshakeAction::Send(hello)) = out.drain().next() else { panic!("the initiator speaks") };
//! bob.handle_input(now, HandshakeInput::Received(BytesMut::from(hello)), &mut out)?;
//! assert!(out.drain().eq([HandshakeAction::Identify { info_hash: hash }]));
//! bob.handle_input(now, HandshakeInput::Identified { peer_id: PeerId([b'B'; 20]) }, &mut out)?;
//! let actions: Vec<HandshakeAction> = out.drain().collect();
//! let [HandshakeAction::Send(answer), HandshakeAction::Established { .. }] = &actions[..] else {
//!     panic!("the responder answers")
//! };
//! alice.handle_input(now, HandshakeInput::Received(BytesMut::from(&answer[..])), &mut out)?;
//! let Some(HandshakeAction::Established { reserved, .. }) = out.drain().next() else { panic!("done") };
//!
//! let agreed = ours.both(reserved);
//! let config = Config { fast: agreed.fast(), extended: agreed.extended(), ..Config::default() };
//! let mut alice = Connection::new(config.clone(), now);
//! let mut bob = Connection::new(config, now);
//! let mut out = Outbox::new();
//! alice.handle_input(now, Input::Send(Message::Interested), &mut out)?;
//! let Some(Action::Send(bytes)) = out.drain().next() else { panic!("there is room in the window") };
//! alice.handle_input(now, Input::Sent(bytes.len()), &mut out)?;
//! bob.handle_input(now, Input::Received(BytesMut::from(bytes)), &mut out)?;
//! assert!(out.drain().eq([Action::Message(Message::Interested)]));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod allowed_fast;
mod canonical_priority;
mod connection;
mod early;
mod error;
mod extended;
pub mod extension;
mod frames;
mod handshake;
mod limits;
mod message;
mod outgoing;
#[cfg(feature = "testing")]
pub mod subject;
#[cfg(test)]
mod tests;

pub use allowed_fast::{ALLOWED_FAST, allowed_fast_set};
pub use canonical_priority::canonical_priority;
pub use connection::{Action, Config, Connection, Counters, Input};
pub use error::{
    Error, HandshakeError, HandshakeIncompatible, HandshakeLocal, HandshakeMisbehaved, PeerIncompatible,
    PeerMisbehaved,
};
pub use extended::ExtendedHandshake;
pub use handshake::{
    HANDSHAKE_LENGTH, Handshake, HandshakeAction, HandshakeConfig, HandshakeInput, REST_MAX, Reserved,
};
pub use limits::{
    CLIENT_MAX, EARLY_PIECES_MAX, EXTENDED_HANDSHAKE_MAX, EXTENDED_MAX, HASHES_MAX, IDLE, KEEP_ALIVE,
    KEEP_ALIVES_PER_MINUTE, LATE_BITFIELDS_PER_MINUTE, METADATA_MAX, REQUEST_MAX, SEND_WINDOW_MIN, SETTLE,
};
pub use message::Message;
