//! What a question to a tracker needs of the world: names, short answers over HTTP, datagrams.

use crate::{dial::canonical, http};
use bytes::{Bytes, BytesMut};
use convoy_core::fetch::{FetchError, Response};
use reqwest::Client;
use socket2::SockRef;
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};
use tokio::{
    net::{UdpSocket, lookup_host},
    time::timeout,
};
use tracing::debug;

/// How long a name may take: longer than resolvers try by themselves, as a rule.
const RESOLVE_WITHIN: Duration = Duration::from_secs(20);

/// How long a short answer may take, whole.
const GET_WITHIN: Duration = Duration::from_secs(60);

/// The longest datagram there is.
const DATAGRAM_MAX: usize = 64 * 1024;

/// What a name stands for; none if nobody knows.
pub(crate) async fn resolve(host: &str, port: u16) -> Vec<SocketAddr> {
    match timeout(RESOLVE_WITHIN, lookup_host((host, port))).await {
        Ok(Ok(addrs)) => addrs.collect(),
        Ok(Err(error)) => {
            debug!(host, %error, "name not resolved");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

/// Gets something short, whole.
pub(crate) async fn get(client: Option<Client>, url: &str, limit: usize) -> Result<Response, FetchError> {
    let client = client.ok_or(FetchError::Connect)?;
    timeout(GET_WITHIN, get_all(&client, url, limit)).await.unwrap_or(Err(FetchError::TimedOut))
}

async fn get_all(client: &Client, url: &str, limit: usize) -> Result<Response, FetchError> {
    let failed = |error: reqwest::Error| {
        // The URL of a tracker may hold what only its members know.
        debug!(error = %error.without_url(), "get failed");
    };
    let fetch_error = |error: reqwest::Error| {
        let kind = http::fetch_error(&error);
        failed(error);
        kind
    };
    let mut response = client.get(url).send().await.map_err(fetch_error)?;
    let status = response.status().as_u16();
    let mut body = BytesMut::new();
    while let Some(data) = response.chunk().await.map_err(fetch_error)? {
        if body.len() + data.len() > limit {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&data);
    }
    Ok(Response { status, body: body.freeze() })
}

/// A socket for each address family, opened when it is first needed.
#[derive(Default)]
pub(crate) struct Datagrams {
    v4: Option<Rc<UdpSocket>>,
    v6: Option<Rc<UdpSocket>>,
}

impl Datagrams {
    /// Sends a datagram. Returns the socket if this was its first, for somebody to [`receive`] from.
    pub(crate) fn send(&mut self, to: SocketAddr, data: &[u8]) -> Option<Rc<UdpSocket>> {
        let known = if to.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        let is_new = known.is_none();
        if is_new {
            *known = bind(to)
                .inspect_err(|error| debug!(%to, %error, "no socket for datagrams"))
                .ok()
                .map(Rc::new);
        }
        let socket = known.as_ref()?;
        // Not through the event loop, which would first have to hear that a new socket can be written to.
        if let Err(error) = SockRef::from(&**socket).send_to(data, &to.into()) {
            // It is lost, then: whoever sent it asks again.
            debug!(%to, %error, "datagram not sent");
        }
        is_new.then(|| Rc::clone(socket))
    }
}

fn bind(towards: SocketAddr) -> io::Result<UdpSocket> {
    let local: SocketAddr = match towards {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = std::net::UdpSocket::bind(local)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// Hands on what comes in, as long as the socket lives.
pub(crate) async fn receive(socket: Rc<UdpSocket>, mut take: impl FnMut(SocketAddr, Bytes)) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => take(canonical(from), Bytes::copy_from_slice(&buffer[..length])),
            // Somebody whom we wrote to does not listen (ICMP): that says nothing of the socket.
            Err(error) => debug!(%error, "datagram not received"),
        }
    }
}
