//! A fingerprint of everything that happened.

use convoy_core::{Instant, engine::Action, storage::Operation};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write};

use crate::net::HostId;

/// Longer byte strings count by their length and both ends: block data would cost more than all the rest.
const WHOLE_BYTES: usize = 128;

/// A hash over every action of every host, in order: two runs that differ in anything that left a machine
/// differ in it. It is the same on every platform.
#[derive(Clone, Debug, Default)]
pub struct TraceHash(Sha256);

impl TraceHash {
    /// What `host` did at `now`.
    pub fn action(&mut self, now: Instant, host: HostId, action: &Action) {
        self.number(now.as_micros()).number(u64::from(host.0));
        match action {
            Action::Listen { local } => self.kind(0).shown(local),
            Action::Connect { stream, remote } => self.kind(1).index(stream.index()).shown(remote),
            Action::Adopt { ticket, stream } => self.kind(2).number(ticket.0).index(stream.index()),
            Action::Refuse { ticket } => self.kind(3).number(ticket.0),
            Action::Send { stream, data } => self.kind(4).index(stream.index()).bytes(data),
            Action::Close { stream } => self.kind(5).index(stream.index()),
            Action::Open { torrent, info_hash } => self.kind(6).index(torrent.index()).bytes(info_hash.0),
            Action::Release { torrent } => self.kind(7).index(torrent.index()),
            Action::Storage { torrent, operation } => {
                self.kind(8).index(torrent.index()).operation(operation)
            }
            Action::Compute { torrent, token, job } => {
                self.kind(9).index(torrent.index()).number(token.0);
                job.data().iter().fold(self, |hash, data| hash.bytes(data))
            }
            Action::SaveResume { torrent, have, clean } => {
                self.kind(10).index(torrent.index()).bytes(have.to_bytes()).number(u64::from(*clean))
            }
            Action::Fetch { torrent, token, request, credit } => {
                let hash = self.kind(12).index(torrent.index()).number(token.0).number(*credit);
                hash.shown(&request.url).number(request.first).number(request.last)
            }
            Action::FetchMore { torrent, token, bytes } => {
                self.kind(13).index(torrent.index()).number(token.0).number(*bytes)
            }
            Action::CancelFetch { torrent, token } => self.kind(14).index(torrent.index()).number(token.0),
            Action::Get { token, url, limit } => self.kind(15).number(token.0).shown(url).index(*limit),
            Action::CancelGet { token } => self.kind(16).number(token.0),
            Action::Resolve { token, host, port } => {
                self.kind(17).number(token.0).shown(host).number(u64::from(*port))
            }
            Action::SendTo { to, data } => self.kind(18).shown(to).bytes(data),
            Action::Event(event) => self.kind(11).shown(&format_args!("{event:?}")),
        };
    }

    /// The fingerprint up to here, in 32 hex digits.
    #[must_use]
    pub fn finish(&self) -> String {
        let mut hex = String::new();
        for byte in self.0.clone().finalize().iter().take(16) {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    fn operation(&mut self, operation: &Operation) -> &mut Self {
        match operation {
            Operation::Read { token, file, offset, length } => {
                self.kind(0).number(token.0).index(file.0 as usize).number(*offset).index(*length as usize)
            }
            Operation::Write { token, file, offset, data } => {
                self.kind(1).number(token.0).index(file.0 as usize).number(*offset).bytes(data)
            }
            Operation::Flush { token } => self.kind(2).number(token.0),
        }
    }

    fn kind(&mut self, kind: u8) -> &mut Self {
        self.0.update([kind]);
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.0.update(number.to_le_bytes());
        self
    }

    fn index(&mut self, index: usize) -> &mut Self {
        self.number(index as u64)
    }

    fn bytes(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.index(bytes.len());
        if bytes.len() <= WHOLE_BYTES {
            self.0.update(bytes);
        } else {
            let end = WHOLE_BYTES / 2;
            self.0.update(&bytes[..end]);
            self.0.update(&bytes[bytes.len() - end..]);
        }
        self
    }

    fn shown(&mut self, value: &impl fmt::Display) -> &mut Self {
        // Writing to a hash cannot fail.
        let _ = write!(self, "{value}");
        self
    }
}

impl Write for TraceHash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convoy_core::{engine::Event, id::AcceptTicket};

    fn hash_of(actions: &[(u64, u32, Action)]) -> String {
        let mut hash = TraceHash::default();
        for (at, host, action) in actions {
            hash.action(Instant::from_micros(*at), HostId(*host), action);
        }
        hash.finish()
    }

    fn refuse(ticket: u64) -> Action {
        Action::Refuse { ticket: AcceptTicket(ticket) }
    }

    #[test]
    fn who_did_what_and_when_is_told_apart() {
        let one = hash_of(&[(1, 2, refuse(3))]);
        assert_eq!(one, hash_of(&[(1, 2, refuse(3))]));
        for other in
            [(2, 2, refuse(3)), (1, 3, refuse(3)), (1, 2, refuse(4)), (1, 2, Action::Event(Event::Stopped))]
        {
            assert_ne!(one, hash_of(&[other]));
        }
    }
}
