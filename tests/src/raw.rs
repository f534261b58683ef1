//! A peer that says what the test wants, to the byte.

use crate::process::PATIENCE;
use socket2::{Domain, SockRef, Socket, Type};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

/// The first twenty bytes of a handshake.
const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// A connection on which the test speaks for the peer.
#[derive(Debug)]
pub struct RawPeer(TcpStream);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The other side closed it.
    Closed,
    /// It did not, for as long as we waited.
    Open,
}

impl RawPeer {
    /// Connects and says nothing.
    ///
    /// # Panics
    /// If nobody listens.
    #[must_use]
    pub fn connect(addr: SocketAddr) -> Self {
        Self::new(TcpStream::connect(addr).expect("somebody listens"))
    }

    /// Connects from an address of its own, such as 127.0.0.2, and says nothing.
    ///
    /// # Panics
    /// If nobody listens, or the address is not ours.
    #[must_use]
    pub fn connect_from(from: [u8; 4], addr: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address on loopback");
        socket.connect(&addr.into()).expect("somebody listens");
        Self::new(socket.into())
    }

    /// Waits for somebody to connect.
    ///
    /// # Panics
    /// If the listener fails.
    #[must_use]
    pub fn accept(listener: &TcpListener) -> Self {
        Self::new(listener.accept().expect("a connection").0)
    }

    /// Sends a handshake without any extension and reads the answer; gives the other's peer id.
    ///
    /// # Panics
    /// If there is no handshake in the answer.
    pub fn shake_hands(&mut self, info_hash: &str, peer_id: [u8; 20]) -> [u8; 20] {
        self.send(&handshake(info_hash, peer_id));
        let answer = self.read_exact(68);
        assert_eq!(&answer[..20], PROTOCOL, "the answer to a handshake");
        answer[48..].try_into().expect("20 bytes")
    }

    /// Sends bytes. That the other side closed meanwhile is no fault: ask [`end`](Self::end).
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Sends bytes again and again, reading nothing, until the other side closes, takes no more, or
    /// `limit` bytes were sent; gives how many.
    pub fn flood(&mut self, bytes: &[u8], limit: usize) -> usize {
        let mut sent = 0;
        while sent < limit && self.0.write_all(bytes).is_ok() {
            sent += bytes.len();
        }
        sent
    }

    /// Reads so many bytes.
    ///
    /// # Panics
    /// If the other side closes first, or takes too long.
    pub fn read_exact(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        self.0.read_exact(&mut bytes).expect("an answer");
        bytes
    }

    /// Reads messages until one has this id; gives its payload.
    ///
    /// # Panics
    /// If the other side closes first, or takes too long.
    pub fn wait_message(&mut self, id: u8) -> Vec<u8> {
        loop {
            let prefix = self.read_exact(4).try_into().expect("4 bytes");
            let length = usize::try_from(u32::from_be_bytes(prefix)).expect("a length");
            let message = self.read_exact(length);
            if message.first() == Some(&id) {
                return message[1..].to_vec();
            }
        }
    }

    /// Reads on for so long; says whether the other side closed, and what came before.
    #[must_use]
    pub fn end(&mut self, patience: Duration) -> (End, usize) {
        let deadline = Instant::now() + patience;
        let mut buffer = vec![0; 1 << 16];
        let mut received = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.0.set_read_timeout(Some(left)).is_err() {
                return (End::Open, received);
            }
            match self.0.read(&mut buffer) {
                Ok(0) => return (End::Closed, received),
                Ok(length) => received += length,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return (End::Open, received),
                    ErrorKind::Interrupted => {}
                    _ => return (End::Closed, received),
                },
            }
        }
    }

    /// Asserts that the other side closes within `patience`.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn assert_closed(&mut self, patience: Duration, after: &str) {
        assert_eq!(self.end(patience).0, End::Closed, "{patience:?} after {after}");
    }

    /// Closes the connection as a firewall does that wants it gone: by a reset.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn reset(self) {
        SockRef::from(&self.0).set_linger(Some(Duration::ZERO)).expect("a socket option");
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket option");
        stream.set_write_timeout(Some(Duration::from_secs(5))).expect("a time limit");
        Self(stream)
    }
}

/// A handshake without any extension.
///
/// # Panics
/// If the info-hash is no hex.
#[must_use]
pub fn handshake(info_hash: &str, peer_id: [u8; 20]) -> Vec<u8> {
    let digits = (0..40).step_by(2).map(|at| u8::from_str_radix(&info_hash[at..at + 2], 16).expect("hex"));
    let info_hash: Vec<u8> = digits.collect();
    [PROTOCOL, &[0; 8][..], &info_hash, &peer_id].concat()
}

/// A message with its length in front.
///
/// # Panics
/// If it is longer than 4 GiB.
#[must_use]
pub fn message(id: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 1).expect("a short message");
    [&length.to_be_bytes()[..], &[id], payload].concat()
}

/// `request` (6) or `cancel` (8).
#[must_use]
pub fn request(id: u8, piece: u32, begin: u32, length: u32) -> Vec<u8> {
    message(id, &[piece, begin, length].map(u32::to_be_bytes).concat())
}

/// A peer id that no program uses.
#[must_use]
pub fn peer_id(number: u8) -> [u8; 20] {
    let mut id = *b"-XX0001-raw peer....";
    id[19] = number;
    id
}
