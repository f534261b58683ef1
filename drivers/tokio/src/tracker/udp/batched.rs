//! Datagrams a batch at a time: two calls of the system for up to [`BATCH`] questions and their answers.

use super::{PACKET_MAX, Tally};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use std::{
    array,
    io::{self, IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket},
    ops::Range,
    os::fd::AsRawFd,
};

/// The most datagrams of one call. With more the calls cost nothing any more beside the packets.
const BATCH: usize = 32;

/// A socket, and the room for a batch, which is used again and again. Belongs to one thread.
pub(super) struct Datagrams {
    socket: UdpSocket,
    headers: MultiHeaders<SockaddrStorage>,
    packets: Box<[[u8; PACKET_MAX]; BATCH]>,
    /// Who sent each packet, and how long it is.
    came: [(Option<SocketAddr>, usize); BATCH],
    received: usize,
    /// All answers of a batch in a row.
    replies: Vec<u8>,
    /// To whom each of them goes, and where in `replies` it is.
    addressed: [(SocketAddrAny, Range<usize>); BATCH],
}

impl Datagrams {
    /// Room for the datagrams of a socket that blocks.
    pub(super) fn new(socket: UdpSocket) -> Self {
        let nobody = SocketAddrAny::from(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Self {
            socket,
            headers: MultiHeaders::preallocate(BATCH, None),
            packets: Box::new([[0; PACKET_MAX]; BATCH]),
            came: [(None, 0); BATCH],
            received: 0,
            replies: Vec::new(),
            addressed: array::from_fn(|_| (nobody.clone(), 0..0)),
        }
    }

    /// Waits for a packet, and takes along what else is there.
    ///
    /// # Errors
    /// None came: before the socket's time-out, or for a reason that the system gives.
    pub(super) fn receive(&mut self) -> io::Result<()> {
        self.received = 0;
        let mut room = self.packets.each_mut().map(|packet| [IoSliceMut::new(packet)]);
        let flags = MsgFlags::MSG_WAITFORONE;
        let fd = self.socket.as_raw_fd();
        let messages = recvmmsg(fd, &mut self.headers, room.iter_mut(), flags, None)?;
        for (came, message) in self.came.iter_mut().zip(messages) {
            *came = (message.address.as_ref().and_then(socket_addr), message.bytes);
            self.received += 1;
        }
        Ok(())
    }

    /// Lets `answer` write what goes back to the sender of each packet, if anything, behind what is in its
    /// buffer, and sends it.
    pub(super) fn answer(&mut self, mut answer: impl FnMut(SocketAddr, &[u8], &mut Vec<u8>)) -> Tally {
        let mut tally = Tally::default();
        self.replies.clear();
        let mut answers = 0;
        for (&(from, length), packet) in self.came.iter().zip(self.packets.iter()).take(self.received) {
            let Some(from) = from else { continue };
            let packet = packet.get(..length).unwrap_or(packet);
            let start = self.replies.len();
            answer(from, packet, &mut self.replies);
            tally.bytes_in += packet.len() as u64;
            if let Some(addressed) = self.addressed.get_mut(answers)
                && self.replies.len() > start
            {
                *addressed = (from.into(), start..self.replies.len());
                answers += 1;
            }
        }
        tally.bytes_out = self.replies.len() as u64;
        tally.unsent = self.send(answers);
        tally
    }

    /// Sends the first `count` answers. Returns how many the system would not take.
    fn send(&self, count: usize) -> u64 {
        let letters = self
            .addressed
            .each_ref()
            .map(|(_, range)| [IoSlice::new(self.replies.get(range.clone()).unwrap_or_default())]);
        let mut nothing: [SendAncillaryBuffer<'_, '_, '_>; BATCH] = array::from_fn(|_| Default::default());
        let mut letters = self.addressed.iter().zip(&letters);
        let mut messages = nothing.each_mut().map(|control| match letters.next() {
            Some(((to, _), letter)) => MMsgHdr::new_with_addr(to, letter, control),
            None => MMsgHdr::new(&[], control),
        });
        let mut rest = messages.get_mut(..count).unwrap_or_default();
        let mut unsent = 0;
        while !rest.is_empty() {
            let done = match sendmmsg(&self.socket, rest, SendFlags::empty()) {
                Ok(sent) => sent.max(1),
                Err(rustix::io::Errno::INTR) => 0,
                // Its own fault: an address where nothing can go, a full queue. The others go on.
                Err(_) => {
                    unsent += 1;
                    1
                }
            };
            rest = rest.get_mut(done..).unwrap_or_default();
        }
        unsent
    }
}

fn socket_addr(addr: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = addr.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
    v4.or_else(|| addr.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
}
