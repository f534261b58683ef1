//! A stream inside message stream encryption: for any protocol, with or without the rest of Convoy.

use bytes::{Buf, Bytes, BytesMut};
use convoy_core::{
    Machine, Outbox, Seed,
    id::InfoHash,
    mse::{Action, Ciphers, Config, Handshake, Input, Level, Skeys},
};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};

/// The most bytes that are read, or encrypted, at once.
const CHUNK: usize = 64 << 10;

/// A stream whose handshake of MSE is done: what is written is encrypted as was agreed, what is read is
/// decrypted.
///
/// ```
/// use convoy_core::{id::InfoHash, mse::{Config, Level, Skeys}};
/// use convoy_tokio::{Accepted, MseStream};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let (ours, theirs) = tokio::io::duplex(4096);
/// let (config, shared) = (Config::default(), InfoHash([7; 20]));
/// let mut skeys = Skeys::default();
/// skeys.add(shared);
/// let (dialled, accepted) = tokio::join!(
///     MseStream::connect(ours, &config, Level::Rc4, shared, b"hello"),
///     MseStream::accept(theirs, &config, &skeys),
/// );
/// let Accepted::Encrypted { stream: mut bob, info_hash } = accepted? else { panic!("it was encrypted") };
/// assert_eq!(info_hash, shared);
/// let mut heard = [0; 5];
/// bob.read_exact(&mut heard).await?;
/// assert_eq!(&heard, b"hello");
/// bob.write_all(b"hi").await?;
/// let mut heard = [0; 2];
/// dialled?.read_exact(&mut heard).await?;
/// assert_eq!(&heard, b"hi");
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct MseStream<S> {
    stream: S,
    ciphers: Ciphers,
    /// Decrypted, and not read yet.
    ready: BytesMut,
    /// Encrypted, and not taken by the stream yet.
    unsent: BytesMut,
}

/// What an accepted stream turned out to be.
#[derive(Debug)]
pub enum Accepted<S> {
    /// The peer encrypts.
    Encrypted {
        /// The stream, ready to use.
        stream: MseStream<S>,
        /// What the peer named.
        info_hash: InfoHash,
    },
    /// The peer speaks plain BitTorrent.
    Plain {
        /// The stream as it is.
        stream: S,
        /// What was read of it already.
        bytes: BytesMut,
    },
}

/// How a handshake ended, with what came behind it.
enum End {
    Encrypted(Ciphers, InfoHash, BytesMut),
    Plain(BytesMut),
}

impl<S: AsyncRead + AsyncWrite + Unpin> MseStream<S> {
    /// Shakes hands as the side that dialled, offering `level`. `payload` is what is said first: it travels
    /// with the offer and saves a round trip.
    ///
    /// # Errors
    /// The stream's own, or `InvalidData` with a [`convoy_core::mse::Error`] in it.
    pub async fn connect(
        mut stream: S,
        config: &Config,
        level: Level,
        info_hash: InfoHash,
        payload: &[u8],
    ) -> io::Result<Self> {
        let payload = Bytes::copy_from_slice(payload);
        let handshake =
            Handshake::initiator(config, level, info_hash, payload, seed()?, convoy_core::Instant::ZERO);
        match shake_hands(&mut stream, handshake, &Skeys::default()).await? {
            End::Encrypted(ciphers, _, ready) => Ok(Self { stream, ciphers, ready, unsent: BytesMut::new() }),
            // Only the side that was dialled tells plain BitTorrent.
            End::Plain(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Shakes hands as the side that was dialled, and shares what is in `skeys`.
    ///
    /// # Errors
    /// The stream's own, or `InvalidData` with a [`convoy_core::mse::Error`] in it.
    pub async fn accept(mut stream: S, config: &Config, skeys: &Skeys) -> io::Result<Accepted<S>> {
        let handshake = Handshake::responder(config, seed()?, convoy_core::Instant::ZERO);
        Ok(match shake_hands(&mut stream, handshake, skeys).await? {
            End::Encrypted(ciphers, info_hash, ready) => {
                let stream = Self { stream, ciphers, ready, unsent: BytesMut::new() };
                Accepted::Encrypted { stream, info_hash }
            }
            End::Plain(bytes) => Accepted::Plain { stream, bytes },
        })
    }
}

impl<S> MseStream<S> {
    /// Whether bytes change on their way, or only the handshake was obfuscated.
    pub const fn is_encrypted(&self) -> bool {
        self.ciphers.is_encrypted()
    }
}

fn seed() -> io::Result<Seed> {
    let mut seed = Seed::default();
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

/// Drives a handshake to its end.
async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    mut handshake: Handshake,
    skeys: &Skeys,
) -> io::Result<End> {
    let epoch = Instant::now();
    let now = || convoy_core::Instant::from_micros(epoch.elapsed().as_micros() as u64);
    let failed = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut out = Outbox::new();
    let mut result = handshake.handle_timeout(now(), &mut out);
    loop {
        let mut asked = None;
        let mut end = None;
        for action in out.drain() {
            match action {
                Action::Send(bytes) => stream.write_all(&bytes).await?,
                Action::Identify { req2_hash } => asked = Some(req2_hash),
                Action::PlainDetected { bytes } => end = Some(End::Plain(bytes)),
                Action::Established { ciphers, info_hash, mut ia, rest } => {
                    ia.unsplit(rest);
                    end = Some(End::Encrypted(ciphers, info_hash, ia));
                }
            }
        }
        stream.flush().await?;
        result.map_err(failed)?;
        if let Some(end) = end {
            return Ok(end);
        }
        if let Some(hash) = asked {
            let answer =
                skeys.find(&hash).map_or(Input::Unknown, |info_hash| Input::Identified { info_hash });
            result = handshake.handle_input(now(), answer, &mut out);
            continue;
        }
        let pause = handshake.poll_timeout().map_or(Duration::MAX, |deadline| deadline.at - now());
        let mut buffer = BytesMut::with_capacity(1024);
        result = match timeout(pause, stream.read_buf(&mut buffer)).await {
            Err(_) => handshake.handle_timeout(now(), &mut out),
            Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                read?;
                handshake.handle_input(now(), Input::Received(buffer), &mut out)
            }
        };
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for MseStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ready.is_empty() {
            this.ready.reserve(CHUNK);
            let mut read = std::pin::pin!(this.stream.read_buf(&mut this.ready));
            ready!(read.as_mut().poll(cx))?;
            this.ciphers.decrypt(&mut this.ready);
        }
        let length = this.ready.len().min(into.remaining());
        into.put_slice(&this.ready.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> MseStream<S> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MseStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        let length = bytes.len().min(CHUNK);
        let encrypted = this.ciphers.encrypt(Bytes::copy_from_slice(&bytes[..length]));
        this.unsent.extend_from_slice(&encrypted);
        // What the stream does not take now goes out with the next write or flush.
        match this.poll_drain(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(length)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convoy_core::mse::Policy;
    use tokio::io::{DuplexStream, duplex};

    const SHARED: InfoHash = InfoHash([7; 20]);

    async fn pair(
        level: Level,
        incoming: &Config,
    ) -> (io::Result<MseStream<DuplexStream>>, io::Result<Accepted<DuplexStream>>) {
        let (ours, theirs) = duplex(1000);
        let mut skeys = Skeys::default();
        skeys.add(SHARED);
        let config = Config::default();
        tokio::join!(
            MseStream::connect(ours, &config, level, SHARED, b"first words"),
            MseStream::accept(theirs, incoming, &skeys)
        )
    }

    #[tokio::test]
    async fn a_megabyte_goes_both_ways_whatever_was_agreed() {
        for level in [Level::Plaintext, Level::Rc4] {
            let (alice, bob) = pair(level, &Config::default()).await;
            let Ok(Accepted::Encrypted { stream: bob, info_hash }) = bob else { panic!("{bob:?}") };
            let alice = alice.expect("established");
            assert_eq!((info_hash, alice.is_encrypted()), (SHARED, level == Level::Rc4));
            let data: Vec<u8> = (0..1_000_000_u32).map(|at| ((at * 7) >> 3) as u8).collect();
            let talk = |mut stream: MseStream<DuplexStream>, skip: usize| {
                let data = data.clone();
                async move {
                    let (mut reader, mut writer) = tokio::io::split(&mut stream);
                    let mut heard = vec![0; data.len() + skip];
                    let (read, written) = tokio::join!(reader.read_exact(&mut heard), async {
                        writer.write_all(&data).await?;
                        writer.flush().await
                    });
                    read.and(written.map(|()| 0)).expect("exchanged");
                    (heard.split_off(skip) == data, heard)
                }
            };
            let ((alice_ok, _), (bob_ok, first)) = tokio::join!(talk(alice, 0), talk(bob, 11));
            assert!(alice_ok && bob_ok);
            assert_eq!(first, b"first words");
        }
    }

    #[tokio::test]
    async fn an_unknown_torrent_ends_it_for_both() {
        let (ours, theirs) = duplex(1000);
        let (config, skeys) = (Config::default(), Skeys::default());
        let (alice, bob) = tokio::join!(
            MseStream::connect(ours, &config, Level::Both, SHARED, b""),
            MseStream::accept(theirs, &config, &skeys)
        );
        assert_eq!(bob.expect_err("refused").kind(), io::ErrorKind::InvalidData);
        alice.expect_err("hung up on");
    }

    #[tokio::test]
    async fn plain_bittorrent_is_handed_on_unless_encryption_is_required() {
        let hello = b"\x13BitTorrent protocol and so on";
        for incoming in [Policy::Enabled, Policy::Required] {
            let (mut ours, theirs) = duplex(1000);
            ours.write_all(hello).await.expect("room");
            let config = Config { incoming, ..Config::default() };
            match MseStream::accept(theirs, &config, &Skeys::default()).await {
                Ok(Accepted::Plain { bytes, .. }) => {
                    assert_eq!((incoming, &bytes[..]), (Policy::Enabled, &hello[..]));
                }
                Ok(Accepted::Encrypted { .. }) => panic!("it was plain"),
                Err(_) => assert_eq!(incoming, Policy::Required),
            }
        }
    }
}
