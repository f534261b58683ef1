//! An established connection: frames messages, keeps order, keeps the connection alive.

use super::{ExtendedHandshake, Message};
use crate::storage::Geometry;
use bytes::{Bytes, BytesMut};

/// What both sides agreed on, and what this side tolerates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How the torrent is cut; `None` until its metadata is known.
    pub geometry: Option<Geometry>,
    /// Whether both sides speak BEP 6.
    pub fast: bool,
    /// Whether both sides speak BEP 10.
    pub extended: bool,
    /// The most bytes given to the driver and not yet reported sent (law 10).
    pub send_window: usize,
    /// The most bytes that wait here for the window before the peer is given up as one that does not read.
    pub send_queue: usize,
}

/// What can happen to a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Bytes came in.
    Received(BytesMut),
    /// The driver got rid of so many bytes of [`Action::Send`].
    Sent(usize),
    /// Say this to the peer.
    Send(Message),
    /// The torrent's metadata became known.
    Geometry(Geometry),
}

/// What a connection wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send these bytes, behind those given before.
    Send(Bytes),
    /// The peer said this. It is well formed and legal here and now: lengths, indices and order are
    /// checked. Keep-alives, unknown ids and extension handshakes do not come this way.
    Message(Message),
    /// The peer's extension handshake (BEP 10), the first or a later one.
    ExtendedHandshake(ExtendedHandshake),
}

/// What a connection met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {}

/// An established connection.
#[derive(Debug)]
pub struct Connection;
