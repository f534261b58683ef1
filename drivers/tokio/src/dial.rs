//! Sockets: listening, dialling, and what the system says when it will not.

use convoy_core::engine::StreamError;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// How many streams may wait to be accepted.
const BACKLOG: i32 = 128;

/// Listens; on both kinds of address where the unspecified IPv6 address is asked for.
pub(crate) fn listen(local: SocketAddr) -> io::Result<TcpListener> {
    let socket = match Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP)) {
        // Everywhere, on a system without IPv6, is everywhere in IPv4.
        Err(_) if local.is_ipv6() && local.ip().is_unspecified() => {
            return listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, local.port())));
        }
        socket => socket?,
    };
    if local.is_ipv6() {
        socket.set_only_v6(!local.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&local.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Dials.
pub(crate) async fn connect(remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.connect(remote).await
}

/// What every stream gets: no waiting for company before a small message goes out. Buffers are left to the
/// system, which grows them with the path; a size of ours would switch that off.
pub(crate) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
}

/// An IPv4 address as such, also where it came in over a listener for both kinds.
pub(crate) fn canonical(remote: SocketAddr) -> SocketAddr {
    SocketAddr::new(remote.ip().to_canonical(), remote.port())
}

/// The engine's word for a failure.
pub(crate) fn stream_error(error: &io::Error) -> StreamError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => StreamError::Refused,
        io::ErrorKind::TimedOut => StreamError::TimedOut,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            StreamError::Reset
        }
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => StreamError::Unreachable,
        io::ErrorKind::AddrInUse => StreamError::AddressInUse,
        io::ErrorKind::PermissionDenied => StreamError::PermissionDenied,
        _ => StreamError::Io,
    }
}
