//! One stream: its socket, what waits to be sent, and the task that waits for the socket.

use crate::{dial, node::Shared};
use bytes::{Buf, Bytes, BytesMut};
use convoy_core::{engine::Input, id::StreamId};
use socket2::SockRef;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::{self, IoSlice},
    net::Shutdown,
    rc::Rc,
    time::Duration,
};
use tokio::{net::TcpStream, sync::Notify, time::timeout};

/// The first read buffer of a stream: enough for a handshake and small messages.
const BUFFER_MIN: usize = 16 << 10;
/// The largest. Reads of this size cost few system calls, and a message that lies across two buffers, the
/// only kind that is copied, is one in thirty.
const BUFFER_MAX: usize = 512 << 10;
/// A buffer with less room than this is given up for a new one.
const ROOM_MIN: usize = 4 << 10;
/// How many bytes are read from one stream before the others have their turn.
const TURN: usize = 1 << 20;
/// The most parts of one vectored write; the system takes 1024.
const PARTS: usize = 256;

/// For how long at most the peer is given to read what the system took for it, once the stream is closed.
const PARTING: Duration = Duration::from_secs(1);
/// How much of what the peer still says is read meanwhile; a peer that goes on beyond that reads nothing.
const PARTING_BYTES: usize = 1 << 20;

/// The driver's side of a stream.
pub(crate) struct Stream {
    socket: TcpStream,
    queue: RefCell<VecDeque<Bytes>>,
    /// Whether the system took less than all: the task waits until it takes more.
    blocked: Cell<bool>,
    closed: Cell<bool>,
    /// Wakes the task when `blocked` or `closed` changes.
    changed: Notify,
}

impl Stream {
    pub(crate) fn new(socket: TcpStream) -> Rc<Self> {
        dial::prepare(&socket);
        Rc::new(Self {
            socket,
            queue: RefCell::default(),
            blocked: Cell::new(false),
            closed: Cell::new(false),
            changed: Notify::new(),
        })
    }

    /// Puts bytes behind those that wait.
    pub(crate) fn push(&self, data: Bytes) {
        self.queue.borrow_mut().push_back(data);
    }

    /// Sends what the system takes at once; how many bytes that was.
    pub(crate) fn flush(&self) -> io::Result<usize> {
        let mut queue = self.queue.borrow_mut();
        let mut sent = 0;
        while !queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); PARTS];
            let count =
                queue.iter().zip(&mut slices).map(|(data, slice)| *slice = IoSlice::new(data)).count();
            let offered: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            match self.socket.try_write_vectored(&slices[..count]) {
                Ok(written) => {
                    sent += written;
                    take(&mut queue, written);
                    if written < offered {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let blocked = !queue.is_empty();
        if blocked && !self.blocked.replace(true) {
            self.changed.notify_one();
        }
        self.blocked.set(blocked);
        Ok(sent)
    }

    /// Sends what the system takes at once, then nothing more; the task ends, and soon the socket.
    pub(crate) fn close(&self) {
        let _ = self.flush();
        self.queue.borrow_mut().clear();
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Write);
        self.closed.set(true);
        self.changed.notify_one();
    }

    /// Drops what the peer still says until it has closed as well. A socket that goes with something unread in
    /// it, or that is told something more, resets the connection: what is on its way to the peer would be lost.
    async fn part(&self) {
        let mut unread = [0; 4096];
        let until_closed = async {
            let mut total = 0;
            while total < PARTING_BYTES && self.socket.readable().await.is_ok() {
                match self.socket.try_read(&mut unread) {
                    Ok(0) => return,
                    Ok(read) => total += read,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        };
        let _ = timeout(PARTING, until_closed).await;
    }

    /// Waits for the socket and tells the engine, until either side closes.
    pub(crate) async fn run(self: Rc<Self>, id: StreamId, shared: Rc<Shared>) {
        let mut reader = Reader::default();
        let end = loop {
            if self.closed.get() {
                if shared.may_part() {
                    self.part().await;
                    shared.parted();
                }
                return;
            }
            tokio::select! {
                ready = self.socket.readable() => {
                    let end = ready.and_then(|()| reader.turn(&self, id, &shared)).transpose();
                    if let Some(end) = end {
                        break end.err();
                    }
                    if reader.read >= TURN {
                        tokio::task::yield_now().await;
                    }
                }
                ready = self.socket.writable(), if self.blocked.get() => {
                    match ready.and_then(|()| self.flush()) {
                        Ok(bytes) => shared.input(Input::Sent { stream: id, bytes }),
                        Err(error) => break Some(error),
                    }
                }
                () = self.changed.notified() => {}
            }
        };
        shared.closed(id, end.as_ref().map(dial::stream_error));
    }
}

/// The read buffer of a stream.
#[derive(Default)]
struct Reader {
    buffer: BytesMut,
    size: usize,
    /// Bytes of this turn.
    read: usize,
}

impl Reader {
    /// Reads what is there, within a turn. `Some` when the peer has closed.
    fn turn(&mut self, stream: &Stream, id: StreamId, shared: &Rc<Shared>) -> io::Result<Option<()>> {
        self.read = 0;
        while self.read < TURN && !stream.closed.get() {
            if self.buffer.capacity() < ROOM_MIN {
                self.size = self.size.clamp(BUFFER_MIN, BUFFER_MAX);
                self.buffer = BytesMut::with_capacity(self.size);
            }
            let room = self.buffer.capacity();
            let read = match stream.socket.try_read_buf(&mut self.buffer) {
                Ok(0) => return Ok(Some(())),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            self.read += read;
            // A read that fills the buffer wants a larger one.
            if read == room {
                self.size = (self.size * 2).min(BUFFER_MAX);
            }
            shared.input(Input::Received { stream: id, data: self.buffer.split() });
            if read < room {
                break;
            }
        }
        if self.read < BUFFER_MIN / 4 {
            // Quiet: the next buffer is small again, and this one is not held for it.
            self.size = BUFFER_MIN;
            self.buffer = BytesMut::new();
        }
        Ok(None)
    }
}

/// Takes `written` bytes off the front.
fn take(queue: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(front) = queue.front_mut() {
        if front.len() > written {
            front.advance(written);
            return;
        }
        written -= front.len();
        queue.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// A stream and its peer.
    fn pair() -> (Rc<Stream>, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let peer = std::net::TcpStream::connect(listener.local_addr().expect("its name")).expect("connected");
        let (socket, _) = listener.accept().expect("accepted");
        socket.set_nonblocking(true).expect("a socket");
        (Stream::new(TcpStream::from_std(socket).expect("a socket")), peer)
    }

    #[tokio::test]
    async fn a_peer_that_floods_a_closed_stream_is_not_listened_to_for_long() {
        let (stream, mut peer) = pair();
        let writes = std::thread::spawn(move || {
            let (mut written, flood) = (0, [0; 1 << 16]);
            while peer.write_all(&flood).is_ok() {
                written += flood.len();
            }
            written
        });
        stream.close();
        stream.part().await;
        drop(stream);
        let written = writes.join().expect("it ends");
        // Beside what was read: what the system keeps for both.
        assert!(written < 32 << 20, "{written}");
    }

    #[tokio::test]
    async fn what_the_system_took_arrives_though_the_peer_says_something_to_the_last() {
        let (stream, mut peer) = pair();
        stream.push(Bytes::from(vec![7; 64 << 20]));
        stream.socket.writable().await.expect("a socket");
        let taken = stream.flush().expect("sent");
        assert!(0 < taken && taken < 64 << 20, "as much as the system takes at once");
        peer.write_all(b"nobody reads this").expect("sent");
        let reads = std::thread::spawn(move || {
            let (mut read, mut buffer) = (0, vec![0; 1 << 16]);
            loop {
                match peer.read(&mut buffer).expect("no reset") {
                    0 => return read,
                    more => read += more,
                }
                peer.write_all(b"nor this").expect("no reset");
            }
        });
        stream.close();
        stream.part().await;
        drop(stream);
        assert!(reads.join().expect("no reset") >= taken);
    }
}
