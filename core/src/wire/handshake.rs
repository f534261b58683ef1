//! The first 68 bytes each way.

use crate::id::{InfoHash, PeerId};
use bytes::{Bytes, BytesMut};

/// The eight reserved bytes of the handshake (BEP 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved(pub [u8; 8]);

/// What can happen to a handshake.
#[derive(Clone, Debug, PartialEq)]
pub enum HandshakeInput {
    /// Bytes came in.
    Received(BytesMut),
    /// Answer to [`HandshakeAction::Identify`]: we share that torrent, and go by this name in it.
    Identified {
        /// Our name.
        peer_id: PeerId,
    },
}

/// What a handshake wants.
#[derive(Clone, Debug, PartialEq)]
pub enum HandshakeAction {
    /// Send these bytes.
    Send(Bytes),
    /// A peer asks for this torrent: answer with [`HandshakeInput::Identified`], or close the connection.
    Identify {
        /// The torrent.
        info_hash: InfoHash,
    },
    /// Both sides know each other. The last action: make a [`Connection`](super::Connection).
    Established {
        /// The torrent.
        info_hash: InfoHash,
        /// The peer's name.
        peer_id: PeerId,
        /// What the peer can do.
        reserved: Reserved,
        /// What came behind the handshake: the connection's first bytes.
        rest: BytesMut,
    },
}

/// The handshake's machine.
#[derive(Debug)]
pub struct Handshake;
