//! Streams: ordered and whole, held back by a window, half-open when a host dies.
//!
//! A stream is two ends. What an end sends waits in its queue until it is delivered; the front of the
//! queue is on its way, and *how many* bytes of it is all that the events carry. So bytes cannot change
//! places, and none is copied before it arrives.
//!
//! Acknowledgements are no events. Bytes count as on their way until they arrive, not until the sender
//! hears of it: half a round trip less. So half of the window may be on its way.

use super::{ConnId, HostId, NetEventKind, Network, Reach, link::SMALL};
use bytes::{Buf, Bytes, BytesMut};
use convoy_core::{Instant, engine::StreamError};
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

/// Bytes of a full segment.
const SEGMENT: usize = 1448;
/// Ten segments (RFC 6928).
const FIRST_WINDOW: usize = 10 * SEGMENT;
/// What the receiver's buffer allows.
const WINDOW_AT_MOST: usize = 4 << 20;
/// The least an end sends at once, if it has as much: two blocks with their headers, and some.
const CHUNK: u64 = 33 * 1024;
const CHUNK_AT_MOST: u64 = 128 * 1024;
/// A loss that later segments do not tell of is found by a time-out, no earlier than this.
const TIMEOUT_AT_LEAST: Duration = Duration::from_millis(200);
/// Tries to get through a cut begin so far apart, and double up to a minute.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const RETRY_AT_MOST: Duration = Duration::from_secs(60);
/// An end that gets nothing through for so long gives up.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(900);
/// A dial is given up after so many tries: 1 + 2 + 4 + … + 64 s.
const DIALS: u32 = 7;
/// A dial whose listener died before it answered.
const UNANSWERED_AFTER: Duration = Duration::from_secs(127);
/// An address that is nobody's.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(3);
/// A small chunk that finds a free downlink is through it at once, give or take this.
const TICK: Duration = Duration::from_millis(1);
/// Ephemeral ports.
const FIRST_PORT: u16 = 32_768;

/// Which end: the lowest bit of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Dialler,
    Listener,
}

/// What is due for a stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A dial reaches its target, if it does.
    Dial(ConnId),
    /// The answer reaches the dialler.
    Connected(ConnId),
    /// So many bytes of this end reach the other's downlink.
    Arrives(ConnId, u32),
    /// And are through it.
    Delivered(ConnId, u32),
    /// Time to try again to get through.
    Retry(ConnId),
    /// This end hears that the stream is over.
    Over(ConnId, OverBy),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OverBy {
    Refused,
    Reset,
    TimedOut,
    Unreachable,
}

/// All streams, in slots that are used again; a name never is.
#[derive(Debug, Default)]
pub(super) struct Streams {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    stream: Option<Stream>,
}

#[derive(Debug)]
struct Stream {
    state: State,
    /// Where the dialler dials, and where it seems to dial from.
    to: SocketAddr,
    from: SocketAddr,
    dialler: End,
    listener: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Dialled so many times.
    Dialling(u32),
    /// The listener was asked.
    Asked,
    Open,
}

#[derive(Debug)]
struct End {
    host: HostId,
    /// What is not delivered yet; the first `flying` bytes are on their way.
    queue: VecDeque<Bytes>,
    queued: usize,
    flying: usize,
    /// How many of them wait for a cut to end.
    stalled: usize,
    /// Since when nothing gets through, and how long the next try waits.
    retrying: Option<(Instant, Duration)>,
    window: usize,
    threshold: usize,
    /// Nothing arrives before this: what was lost holds up what comes after it.
    not_before: Instant,
    is_waiting: bool,
    close: Close,
    /// Its host forgot it.
    is_gone: bool,
}

/// How far an end has come with closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    Open,
    Wanted,
    OnItsWay,
}

impl End {
    const fn new(host: HostId) -> Self {
        Self {
            host,
            queue: VecDeque::new(),
            queued: 0,
            flying: 0,
            stalled: 0,
            retrying: None,
            window: FIRST_WINDOW,
            threshold: WINDOW_AT_MOST,
            not_before: Instant::ZERO,
            is_waiting: false,
            close: Close::Open,
            is_gone: false,
        }
    }

    /// How much may be sent now; 0 may be a last word.
    fn sendable(&self) -> Option<usize> {
        let unsent = self.queued - self.flying;
        if self.is_gone || self.retrying.is_some() {
            None
        } else if unsent == 0 {
            (self.close == Close::Wanted).then_some(0)
        } else {
            let room = (self.window / 2).max(SEGMENT).saturating_sub(self.flying);
            Some(unsent.min(room)).filter(|bytes| *bytes > 0)
        }
    }

    fn take(&mut self, mut bytes: usize) -> BytesMut {
        let mut taken = BytesMut::with_capacity(bytes);
        self.flying -= bytes;
        self.queued -= bytes;
        while let Some(front) = self.queue.front_mut() {
            if front.len() > bytes {
                taken.extend_from_slice(&front[..bytes]);
                front.advance(bytes);
                break;
            }
            taken.extend_from_slice(front);
            bytes -= front.len();
            self.queue.pop_front();
        }
        taken
    }

    fn forget(&mut self) {
        self.is_gone = true;
        self.queue = VecDeque::new();
        (self.queued, self.flying, self.stalled) = (0, 0, 0);
    }
}

impl Stream {
    const fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Dialler => &mut self.dialler,
            Side::Listener => &mut self.listener,
        }
    }
}

impl ConnId {
    const fn new(slot: u32, generation: u32) -> Self {
        Self((generation as u64) << 33 | (slot as u64) << 1)
    }

    const fn slot(self) -> usize {
        (self.0 >> 1) as u32 as usize
    }

    const fn generation(self) -> u32 {
        (self.0 >> 33) as u32
    }

    const fn side(self) -> Side {
        if self.0 & 1 == 0 { Side::Dialler } else { Side::Listener }
    }

    /// What the other end is called.
    pub(super) const fn other(self) -> Self {
        Self(self.0 ^ 1)
    }
}

impl Streams {
    fn insert(&mut self, stream: Stream) -> ConnId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let place = &mut self.slots[slot as usize];
        place.stream = Some(stream);
        ConnId::new(slot, place.generation)
    }

    fn get(&mut self, conn: ConnId) -> Option<&mut Stream> {
        let place = self.slots.get_mut(conn.slot())?;
        place.stream.as_mut().filter(|_| place.generation == conn.generation())
    }

    fn end(&mut self, conn: ConnId) -> Option<&mut End> {
        self.get(conn).map(|stream| stream.end(conn.side()))
    }

    fn remove(&mut self, conn: ConnId) {
        if self.get(conn).is_some() {
            let place = &mut self.slots[conn.slot()];
            place.stream = None;
            place.generation += 1;
            self.free.push(conn.slot() as u32);
        }
    }

    fn names(&self) -> impl Iterator<Item = ConnId> + use<> {
        let names = self.slots.iter().enumerate().filter(|(_, slot)| slot.stream.is_some());
        let names: Vec<_> = names.map(|(at, slot)| ConnId::new(at as u32, slot.generation)).collect();
        names.into_iter()
    }
}

impl Network {
    /// Dials. Comes to [`NetEventKind::Connected`] or [`NetEventKind::Closed`], or to nothing for two minutes.
    pub fn connect(&mut self, now: Instant, host: HostId, remote: SocketAddr) -> ConnId {
        self.advance(now);
        let target = self.by_address.get(&remote.ip()).copied();
        let dialling = self.host_mut(host);
        dialling.last_port = dialling.last_port.wrapping_add(1) % FIRST_PORT;
        let from = SocketAddr::new(dialling.address, FIRST_PORT + dialling.last_port);
        let conn = self.streams.insert(Stream {
            state: State::Dialling(1),
            to: remote,
            from,
            dialler: End::new(host),
            listener: End::new(target.unwrap_or(host)),
        });
        match target {
            Some(target) => {
                let arrives = self.distance(host, target) + self.jitter(host, target);
                self.later(arrives, super::Due::Stream(Due::Dial(conn)));
            }
            None => self.over_after(UNREACHABLE_AFTER, conn, OverBy::Unreachable),
        }
        conn
    }

    /// Takes in who dialled.
    pub fn accept(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        let Some((host, dialler)) = self.hosts_of(conn) else { return };
        let at = now + self.distance(host, dialler) + self.jitter(host, dialler);
        let Some(stream) = self.streams.get(conn).filter(|stream| stream.state == State::Asked) else {
            return;
        };
        stream.state = State::Open;
        // What the listener sends does not overtake its answer.
        stream.listener.not_before = at;
        self.at(at, super::Due::Stream(Due::Connected(conn.other())));
    }

    /// Sends who dialled away.
    pub fn refuse(&mut self, now: Instant, conn: ConnId) {
        self.reset(now, conn);
    }

    /// Sends bytes, behind those given before. They are reported [`NetEventKind::Sent`] as they leave.
    pub fn send(&mut self, now: Instant, conn: ConnId, data: Bytes) {
        self.advance(now);
        let Some(end) = self.streams.end(conn) else { return };
        if data.is_empty() || end.is_gone || end.close != Close::Open {
            return;
        }
        end.queued += data.len();
        end.queue.push_back(data);
        self.wait_for_uplink(conn);
    }

    /// Closes an end when all that was given is delivered. Nothing more is said of it here.
    pub fn close(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        match self.streams.get(conn).map(|stream| stream.state) {
            Some(State::Dialling(_)) => self.streams.remove(conn),
            Some(State::Asked) => self.reset(now, conn),
            Some(State::Open) => {
                let Some(end) = self.streams.end(conn).filter(|end| end.close == Close::Open) else { return };
                end.close = Close::Wanted;
                self.wait_for_uplink(conn);
            }
            None => {}
        }
    }

    /// Drops an end, and what it had to send. The other hears of it, now or when it sends.
    pub fn reset(&mut self, now: Instant, conn: ConnId) {
        self.advance(now);
        let Some((host, other)) = self.hosts_of(conn) else { return };
        if let Some(end) = self.streams.end(conn) {
            end.forget();
        }
        if !self.is_cut(host, other) {
            self.over_after(self.distance(host, other), conn.other(), OverBy::Reset);
        }
    }

    /// A host forgets all its streams.
    pub(super) fn streams_vanish(&mut self, host: HostId) {
        for dialler in self.streams.names() {
            let Some(stream) = self.streams.get(dialler) else { continue };
            let state = stream.state;
            if stream.dialler.host == host {
                stream.dialler.forget();
            }
            if stream.listener.host == host && !matches!(state, State::Dialling(_)) {
                stream.listener.forget();
            }
            match (stream.dialler.is_gone, stream.listener.is_gone, state) {
                (true, _, State::Dialling(_)) | (true, true, _) => self.streams.remove(dialler),
                // Nobody answers any more.
                (false, true, State::Asked) => self.over_after(UNANSWERED_AFTER, dialler, OverBy::TimedOut),
                _ => {}
            }
        }
    }

    pub(super) fn stream_due(&mut self, due: Due) {
        match due {
            Due::Dial(conn) => self.dial_arrives(conn),
            Due::Connected(conn) => {
                let Some((host, other)) = self.hosts_of(conn) else { return };
                if self.is_cut(host, other) {
                    return self.later(FIRST_RETRY, super::Due::Stream(Due::Connected(conn)));
                }
                if self.streams.end(conn).is_some_and(|end| !end.is_gone && end.close == Close::Open) {
                    self.tell(host, NetEventKind::Connected { conn });
                }
            }
            Due::Arrives(end, bytes) => self.chunk_arrives(end, bytes as usize),
            Due::Delivered(end, bytes) => self.chunk_delivered(end, bytes as usize),
            Due::Retry(end) => self.retry(end),
            Due::Over(end, by) => self.over(end, by),
        }
    }

    fn dial_arrives(&mut self, conn: ConnId) {
        let Some(stream) = self.streams.get(conn) else { return };
        let State::Dialling(tries) = stream.state else { return };
        let (dialler, target, port, remote) =
            (stream.dialler.host, stream.listener.host, stream.to.port(), stream.from);
        let on = self.host(target);
        let answers = on.is_up && on.reach == Reach::Public && !self.is_cut(dialler, target);
        let loss = self.loss(dialler, target, 1);
        if !answers || self.chance(loss) {
            let wait = Duration::from_secs(1) * (1 << (tries - 1));
            if tries >= DIALS {
                return self.over_after(wait, conn, OverBy::TimedOut);
            }
            if let Some(stream) = self.streams.get(conn) {
                stream.state = State::Dialling(tries + 1);
            }
            self.later(wait, super::Due::Stream(Due::Dial(conn)));
        } else if self.host(target).listening.contains(&port) {
            if let Some(stream) = self.streams.get(conn) {
                stream.state = State::Asked;
            }
            self.tell(target, NetEventKind::Incoming { conn: conn.other(), remote });
        } else {
            let back = self.distance(target, dialler);
            self.over_after(back, conn, OverBy::Refused);
        }
    }

    /// Puts an end in the queue of its host's uplink, if it has something to send and may.
    fn wait_for_uplink(&mut self, id: ConnId) {
        let Some(stream) = self.streams.get(id) else { return };
        let is_open = stream.state == State::Open;
        let end = stream.end(id.side());
        if is_open && !end.is_waiting && end.sendable().is_some() {
            end.is_waiting = true;
            let host = end.host;
            self.host_mut(host).uplink.streams.push_back(id);
            self.has_work(host);
        }
    }

    /// The next bytes that an end sends, for its uplink: how many.
    pub(super) fn next_chunk(&mut self, id: ConnId) -> Option<usize> {
        let host = self.streams.end(id)?.host;
        let at_once = (self.host(host).link.up_bytes_per_s / 500).clamp(CHUNK, CHUNK_AT_MOST);
        let end = self.streams.end(id)?;
        end.is_waiting = false;
        let bytes = end.sendable()?.min(at_once as usize);
        if bytes == 0 {
            end.close = Close::OnItsWay;
        }
        end.flying += bytes;
        Some(bytes)
    }

    pub(super) fn chunk_leaves(&mut self, id: ConnId, bytes: usize) {
        let Some(end) = self.streams.end(id).filter(|end| !end.is_gone) else { return };
        if bytes > 0 && end.close == Close::Open {
            let host = end.host;
            self.tell(host, NetEventKind::Sent { conn: id, bytes });
        }
        self.travel(id, bytes);
        self.wait_for_uplink(id);
    }

    /// Sends bytes over the distance.
    fn travel(&mut self, id: ConnId, bytes: usize) {
        let Some((from, to)) = self.hosts_of(id) else { return };
        if self.is_cut(from, to) || !self.host(to).is_up {
            return self.stall(id, bytes);
        }
        let mut delay = self.distance(from, to) + self.jitter(from, to);
        let loss = self.loss(from, to, bytes.div_ceil(SEGMENT).max(1));
        let is_lost = self.chance(loss);
        if is_lost {
            let round_trip = self.distance(from, to) * 2;
            delay += if bytes < 4 * SEGMENT { TIMEOUT_AT_LEAST.max(round_trip * 2) } else { round_trip };
        }
        let at = self.now + delay;
        let Some(end) = self.streams.end(id) else { return };
        if is_lost {
            end.window = (end.window / 2).max(2 * SEGMENT);
            end.threshold = end.window;
        }
        end.not_before = end.not_before.max(at);
        let at = end.not_before;
        self.at(at, super::Due::Stream(Due::Arrives(id, bytes as u32)));
    }

    fn chunk_arrives(&mut self, id: ConnId, bytes: usize) {
        let Some((from, to)) = self.hosts_of(id) else { return };
        if !self.host(to).is_up {
            return self.stall(id, bytes);
        }
        if self.streams.end(id.other()).is_none_or(|end| end.is_gone) {
            // RFC 9293 3.5.2: who knows nothing of a connection resets it.
            let back = self.distance(to, from);
            return self.over_after(back, id, OverBy::Reset);
        }
        let at = self.through_downlink(to, bytes);
        if bytes <= SMALL && at <= self.now + TICK {
            self.chunk_delivered(id, bytes);
        } else {
            self.at(at, super::Due::Stream(Due::Delivered(id, bytes as u32)));
        }
    }

    fn chunk_delivered(&mut self, id: ConnId, bytes: usize) {
        let Some((_, to)) = self.hosts_of(id) else { return };
        if !self.host(to).is_up {
            return self.stall(id, bytes);
        }
        let Some(stream) = self.streams.get(id) else { return };
        let listens =
            !stream.end(id.other().side()).is_gone && stream.end(id.other().side()).close == Close::Open;
        let end = stream.end(id.side());
        // A host that forgot the stream since has nothing to deliver.
        if end.is_gone {
            return;
        }
        let data = end.take(bytes);
        let growth = if end.window < end.threshold { bytes } else { SEGMENT * bytes / end.window.max(1) };
        end.window = (end.window + growth).min(WINDOW_AT_MOST);
        let is_over = end.close == Close::OnItsWay && end.queued == 0 && end.retrying.is_none();
        if listens && !data.is_empty() {
            self.tell(to, NetEventKind::Received { conn: id.other(), data });
        }
        if is_over {
            if listens {
                self.tell(to, NetEventKind::Closed { conn: id.other(), error: None });
            }
            self.streams.remove(id);
        } else {
            self.wait_for_uplink(id);
        }
    }

    /// Bytes that do not get through: they are tried again, all that wait at once.
    fn stall(&mut self, id: ConnId, bytes: usize) {
        let now = self.now;
        let Some(end) = self.streams.end(id).filter(|end| !end.is_gone) else { return };
        end.stalled += bytes;
        if end.retrying.is_none() {
            end.retrying = Some((now, FIRST_RETRY));
            end.window = FIRST_WINDOW;
            self.later(FIRST_RETRY, super::Due::Stream(Due::Retry(id)));
        }
    }

    fn retry(&mut self, id: ConnId) {
        let Some((from, to)) = self.hosts_of(id) else { return };
        let (now, is_through) = (self.now, !self.is_cut(from, to) && self.host(to).is_up);
        let Some(end) = self.streams.end(id).filter(|end| !end.is_gone) else { return };
        let Some((since, wait)) = end.retrying else { return };
        if is_through {
            end.retrying = None;
            end.flying -= std::mem::take(&mut end.stalled);
            if end.close == Close::OnItsWay {
                end.close = Close::Wanted;
            }
            self.wait_for_uplink(id);
        } else if now - since >= GIVEN_UP_AFTER {
            self.over(id, OverBy::TimedOut);
        } else {
            let wait = (wait * 2).min(RETRY_AT_MOST);
            end.retrying = Some((since, wait));
            self.later(wait, super::Due::Stream(Due::Retry(id)));
        }
    }

    fn over_after(&mut self, after: Duration, end: ConnId, by: OverBy) {
        self.later(after, super::Due::Stream(Due::Over(end, by)));
    }

    /// Ends a stream for one end. The other, if it knows of it still, finds out when it sends.
    fn over(&mut self, id: ConnId, by: OverBy) {
        let Some(stream) = self.streams.get(id) else { return };
        let was_dialling = stream.state != State::Open;
        let other_is_gone = stream.end(id.other().side()).is_gone;
        let end = stream.end(id.side());
        if !end.is_gone && end.close == Close::Open {
            let (host, error) = (end.host, Some(by.error()));
            self.tell(host, NetEventKind::Closed { conn: id, error });
        }
        if let Some(end) = self.streams.end(id) {
            end.forget();
        }
        if was_dialling || other_is_gone || by == OverBy::Reset {
            self.streams.remove(id);
        }
    }

    /// Who sends at this end, and to whom.
    fn hosts_of(&mut self, id: ConnId) -> Option<(HostId, HostId)> {
        let stream = self.streams.get(id)?;
        Some((stream.end(id.side()).host, stream.end(id.other().side()).host))
    }

    /// A stream needs the way there and the way back.
    fn is_cut(&self, one: HostId, other: HostId) -> bool {
        self.is_blocked(one, other) || self.is_blocked(other, one)
    }

    /// How many times in a million one of so many segments is lost.
    fn loss(&self, from: HostId, to: HostId, segments: usize) -> u32 {
        let each = u64::from(self.host(from).link.loss_ppm) + u64::from(self.host(to).link.loss_ppm);
        (each * segments as u64).min(1_000_000) as u32
    }
}

impl OverBy {
    const fn error(self) -> StreamError {
        match self {
            Self::Refused => StreamError::Refused,
            Self::Reset => StreamError::Reset,
            Self::TimedOut => StreamError::TimedOut,
            Self::Unreachable => StreamError::Unreachable,
        }
    }
}
