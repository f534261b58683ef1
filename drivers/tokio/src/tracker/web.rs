//! HTTP/1.1 for short answers: GET, keep-alive, and no room for those who only hold connections open.

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    cell::RefCell,
    collections::HashMap,
    convert::Infallible,
    io,
    net::{IpAddr, Ipv6Addr},
    rc::Rc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{LocalSet, spawn_local},
    time::{sleep, timeout},
};
use tracing::{debug, warn};

/// Bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The most connections at a time; a further one is closed at once.
    pub(super) connections: usize,
    /// The most of one source: an IPv4 address, or the 64 bits of an IPv6 one that a site has for itself.
    pub(super) connections_per_source: usize,
    /// How long a request's head may take, from when the one before it was answered.
    pub(super) head: Duration,
    /// How long a connection lives at most, whatever is asked over it.
    pub(super) connection: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_source: 64,
            head: Duration::from_secs(10),
            connection: Duration::from_secs(5 * 60),
        }
    }
}

/// The most bytes of a request's head: one with 74 info-hashes has 5 KiB.
const HEAD_BYTES: usize = 16 << 10;

/// How long to wait after the system would not accept a connection: it lacks descriptors, and asking again
/// at once does not make any.
const PAUSE: Duration = Duration::from_millis(100);

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// HTTP status.
    pub(super) status: u16,
    /// Kind of the body.
    pub(super) content_type: &'static str,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// Answers each GET with what `answer` makes of its source, its path and its query, until `stop` says so. Runs
/// on the calling thread.
///
/// # Errors
/// The system would not begin.
pub(super) fn serve(
    listener: std::net::TcpListener,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
    answer: impl FnMut(IpAddr, &str) -> Page + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = Rc::new(RefCell::new(answer));
    LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::from_std(listener)?;
        tokio::select! {
            () = accept(listener, limits, answer) => {}
            // An error: nobody is left who could stop us.
            _ = stop.wait_for(|stop| *stop) => {}
        }
        Ok(())
    })
}

async fn accept(
    listener: TcpListener,
    limits: Limits,
    answer: Rc<RefCell<impl FnMut(IpAddr, &str) -> Page + 'static>>,
) {
    let door = Rc::new(Door { limits, inside: RefCell::default() });
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                let source = remote.ip().to_canonical();
                let Some(guest) = Door::enter(&door, source) else { continue };
                let answer = Rc::clone(&answer);
                spawn_local(async move {
                    converse(stream, limits, source, answer).await;
                    drop(guest);
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                sleep(PAUSE).await;
            }
        }
    }
}

/// One connection, from its first request to its last.
async fn converse(
    stream: TcpStream,
    limits: Limits,
    source: IpAddr,
    answer: Rc<RefCell<impl FnMut(IpAddr, &str) -> Page + 'static>>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let page = match request.uri().path_and_query() {
            Some(asked) if request.method() == Method::GET => answer.borrow_mut()(source, asked.as_str()),
            _ => Page {
                status: 405,
                content_type: "text/plain",
                body: b"only GET is understood here\n".to_vec(),
            },
        };
        async move { Ok::<_, Infallible>(response(page)) }
    });
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES);
    let connection = protocol.serve_connection(TokioIo::new(stream), service);
    match timeout(limits.connection, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%source, %error, "a connection broke"),
        Err(_) => debug!(%source, "a connection has lived long enough"),
    }
}

fn response(page: Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page.body)));
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    response
}

/// Lets connections in while there is room.
struct Door {
    limits: Limits,
    /// How many are inside, from where.
    inside: RefCell<HashMap<IpAddr, usize>>,
}

/// A connection that is inside, until this is dropped.
struct Guest {
    door: Rc<Door>,
    source: IpAddr,
}

impl Door {
    fn enter(this: &Rc<Self>, source: IpAddr) -> Option<Guest> {
        let source = site(source);
        let mut inside = this.inside.borrow_mut();
        let (all, of_source) = (inside.values().sum::<usize>(), inside.get(&source).copied().unwrap_or(0));
        let room = all < this.limits.connections && of_source < this.limits.connections_per_source;
        room.then(|| {
            inside.insert(source, of_source + 1);
            Guest { door: Rc::clone(this), source }
        })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut inside = self.door.inside.borrow_mut();
        if let Some(count) = inside.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.source);
            }
        }
    }
}

/// Whom a limit counts as one.
fn site(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::{Ipv4Addr, SocketAddr},
        thread::{self, JoinHandle},
    };

    const SHORT: Duration = Duration::from_millis(300);

    /// One that tells its visitors what they asked for, until the sender is dropped.
    fn serve_short(limits: Limits) -> (SocketAddr, watch::Sender<bool>, JoinHandle<io::Result<()>>) {
        let listener = crate::tracker::socket::listeners((Ipv4Addr::LOCALHOST, 0).into(), 1);
        let listener = listener.expect("loopback").remove(0);
        let addr = listener.local_addr().expect("bound");
        let (stop, stopped) = watch::channel(false);
        let answer = |_, asked: &str| Page { status: 200, content_type: "text/plain", body: asked.into() };
        (addr, stop, thread::spawn(move || serve(listener, limits, stopped, answer)))
    }

    fn connect(addr: SocketAddr) -> std::net::TcpStream {
        let stream = std::net::TcpStream::connect(addr).expect("a listener");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        stream
    }

    /// Asks, and reads some of the answer; nothing if the connection is closed.
    fn ask(stream: &mut std::net::TcpStream, request: &str) -> String {
        let _ = stream.write_all(request.as_bytes());
        let mut answer = [0; 1024];
        let length = stream.read(&mut answer).unwrap_or(0);
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    const GET: &str = "GET /x?y=%00 HTTP/1.1\r\nHost: x\r\n\r\n";

    #[test]
    fn who_asks_slowly_or_nothing_is_sent_away() {
        let (addr, _stop, _thread) = serve_short(Limits { head: SHORT, ..Limits::default() });
        for head in ["", "GET / HTTP/1.1\r\nHost"] {
            assert_eq!(ask(&mut connect(addr), head), "");
        }
        let mut stream = connect(addr);
        assert!(ask(&mut stream, GET).ends_with("\r\n\r\n/x?y=%00"));
        assert_eq!(ask(&mut stream, ""), "", "nor may one that has asked wait for ever");
    }

    #[test]
    fn a_connection_has_its_day() {
        let (addr, _stop, _thread) = serve_short(Limits { connection: SHORT, ..Limits::default() });
        let mut stream = connect(addr);
        while ask(&mut stream, GET).ends_with("/x?y=%00") {
            thread::sleep(SHORT / 10);
        }
    }

    #[test]
    fn one_source_takes_only_its_share_of_connections() {
        let (addr, _stop, _thread) = serve_short(Limits { connections_per_source: 2, ..Limits::default() });
        let mut inside = [connect(addr), connect(addr)];
        inside.iter_mut().for_each(|stream| assert!(ask(stream, GET).starts_with("HTTP/1.1 200")));
        assert_eq!(ask(&mut connect(addr), GET), "");
        drop(inside);
        let again = (0..100).any(|_| {
            thread::sleep(SHORT / 10);
            ask(&mut connect(addr), GET).starts_with("HTTP/1.1 200")
        });
        assert!(again, "who left makes room");
    }

    #[test]
    fn heads_are_short_and_only_get_is_understood() {
        let (addr, stop, thread) = serve_short(Limits::default());
        assert!(ask(&mut connect(addr), "POST / HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 405"));
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(HEAD_BYTES));
        let refused = ask(&mut connect(addr), &long);
        assert!(!refused.contains(" 200 "), "{refused}");
        stop.send_replace(true);
        thread.join().expect("no panic").expect("served");
    }
}
