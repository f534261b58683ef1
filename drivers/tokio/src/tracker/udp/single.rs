//! Datagrams one by one, where the system knows no batches.

use super::{PACKET_MAX, Tally};
use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

/// A socket, and the room for a packet and its answer, which is used again and again.
pub(super) struct Datagrams {
    socket: UdpSocket,
    packet: Box<[u8; PACKET_MAX]>,
    came: Option<(SocketAddr, usize)>,
    reply: Vec<u8>,
}

impl Datagrams {
    /// Room for the datagrams of a socket that blocks.
    pub(super) fn new(socket: UdpSocket) -> Self {
        Self { socket, packet: Box::new([0; PACKET_MAX]), came: None, reply: Vec::new() }
    }

    /// Waits for a packet.
    ///
    /// # Errors
    /// None came: before the socket's time-out, or for a reason that the system gives.
    pub(super) fn receive(&mut self) -> io::Result<()> {
        self.came = None;
        let (length, from) = self.socket.recv_from(&mut *self.packet)?;
        self.came = Some((from, length));
        Ok(())
    }

    /// Lets `answer` write what goes back to its sender, if anything, and sends it.
    pub(super) fn answer(&mut self, mut answer: impl FnMut(SocketAddr, &[u8], &mut Vec<u8>)) -> Tally {
        let Some((from, length)) = self.came.take() else { return Tally::default() };
        self.reply.clear();
        answer(from, self.packet.get(..length).unwrap_or_default(), &mut self.reply);
        let sent = self.reply.is_empty() || self.socket.send_to(&self.reply, from).is_ok();
        Tally { bytes_in: length as u64, bytes_out: self.reply.len() as u64, unsent: u64::from(!sent) }
    }
}
