//! Sockets that share an address: one for each worker.

use socket2::{Domain, Socket, Type};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    time::Duration,
};

/// How many datagrams may wait, in bytes: half a second of a busy tracker. The system may allow less.
const DATAGRAMS_WAITING: usize = 4 << 20;

/// How many streams may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long a thread waits for a datagram before it looks whether it should end.
const LOOK_UP: Duration = Duration::from_millis(250);

/// `count` sockets for datagrams at `addr`, which block.
///
/// # Errors
/// The address is taken, or not ours.
pub(super) fn datagrams(addr: SocketAddr, count: usize) -> io::Result<Vec<UdpSocket>> {
    let sockets = bind(addr, count, Type::DGRAM)?;
    for socket in &sockets {
        // As much as the system gives.
        let _ = socket.set_recv_buffer_size(DATAGRAMS_WAITING);
        socket.set_read_timeout(Some(LOOK_UP))?;
        socket.set_write_timeout(Some(LOOK_UP))?;
    }
    Ok(sockets.into_iter().map(UdpSocket::from).collect())
}

/// `count` listeners at `addr`, which do not block.
///
/// # Errors
/// The address is taken, or not ours.
pub(super) fn listeners(addr: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let sockets = bind(addr, count, Type::STREAM)?;
    for socket in &sockets {
        socket.set_nonblocking(true)?;
        socket.listen(BACKLOG)?;
    }
    Ok(sockets.into_iter().map(TcpListener::from).collect())
}

/// Binds `count` sockets to one address; to a free port for all of them where it is 0.
fn bind(addr: SocketAddr, count: usize, kind: Type) -> io::Result<Vec<Socket>> {
    let alone = match open(addr, kind) {
        // Everywhere, on a system without IPv6, is everywhere in IPv4.
        Err(_) if addr.is_ipv6() && addr.ip().is_unspecified() => {
            return bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, addr.port())), count, kind);
        }
        socket => socket?,
    };
    alone.bind(&addr.into())?;
    if count <= 1 {
        return Ok(vec![alone]);
    }
    // Only now is it sure that nobody else is there: sockets that may share an address would share it with
    // another tracker just as well, and each would get half of the packets.
    let addr = alone.local_addr()?;
    drop(alone);
    let shared = |_| {
        let socket = open(addr.as_socket().ok_or(io::ErrorKind::InvalidInput)?, kind)?;
        socket.set_reuse_port(true)?;
        socket.bind(&addr)?;
        Ok(socket)
    };
    (0..count).map(shared).collect()
}

/// A socket for that kind of address; for both kinds where it is the unspecified IPv6 address.
fn open(addr: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), kind, None)?;
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    if kind == Type::STREAM {
        // What lingers of connections that an earlier run had is no reason to wait.
        socket.set_reuse_address(true)?;
    }
    Ok(socket)
}
