//! Peers that mean harm: the attacks of a stranger, as raw bytes.

use bytes::{Bytes, BytesMut};
use convoy_core::Machine;
use std::{convert::Infallible, net::SocketAddr};

/// What can happen to an attacker.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Begin.
    Start,
    /// An [`Action::Listen`] worked.
    Listening,
    /// An [`Action::Connect`] worked.
    Connected {
        /// Which.
        stream: u32,
    },
    /// Somebody dialled.
    Accepted {
        /// A name for it, [`FIRST_ACCEPTED`] or above.
        stream: u32,
        /// Who.
        remote: SocketAddr,
    },
    /// Bytes came in.
    Received {
        /// Where.
        stream: u32,
        /// What.
        data: BytesMut,
    },
    /// A stream is over, or a dial failed.
    Closed {
        /// Which.
        stream: u32,
    },
}

/// What an attacker wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Take streams in.
    Listen {
        /// At this port.
        port: u16,
    },
    /// Dial.
    Connect {
        /// A name for it, below [`FIRST_ACCEPTED`].
        stream: u32,
        /// Whom.
        remote: SocketAddr,
    },
    /// Send bytes.
    Send {
        /// Where.
        stream: u32,
        /// What.
        data: Bytes,
    },
    /// Close a stream.
    Close {
        /// Which.
        stream: u32,
    },
}

/// Streams that an attacker takes in are named from here on; those that it dials, below.
pub const FIRST_ACCEPTED: u32 = 1 << 31;

/// Any attacker.
pub type Attacker = Box<dyn Machine<Input = Input, Action = Action, Error = Infallible>>;
