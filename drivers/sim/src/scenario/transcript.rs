//! Every call of every engine as a line of text, for people who look for what went wrong.

use crate::{net::HostId, world::Observer};
use convoy_core::{
    Deadline, Instant, Seed,
    engine::{Action, Config, Input},
    storage::{Completion, Operation},
};
use std::fmt::{self, Arguments};

/// Takes the lines of a transcript.
pub type Sink = Box<dyn FnMut(Arguments<'_>)>;

/// Writes what happens to hosts: an input, or that time was up, and then each action, set in.
pub struct Transcript(pub Sink);

impl Observer for Transcript {
    fn life(&mut self, host: HostId, _: &Config, _: Seed) {
        (self.0)(format_args!("host {}: starts", host.0));
    }

    fn step(
        &mut self,
        host: HostId,
        at: Instant,
        input: Option<Input>,
        actions: &[Action],
        _: Option<Deadline>,
    ) {
        match &input {
            Some(input) => (self.0)(format_args!("host {}: {at:?} {}", host.0, ShortInput(input))),
            None => (self.0)(format_args!("host {}: {at:?} time is up", host.0)),
        }
        for action in actions {
            (self.0)(format_args!("host {}:   {}", host.0, ShortAction(action)));
        }
    }
}

/// An input, with the number of bytes in place of the bytes.
struct ShortInput<'a>(&'a Input);

impl fmt::Display for ShortInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Input::Received { stream, data } => write!(f, "Received {{ {stream:?}, {} bytes }}", data.len()),
            Input::Storage { torrent, completion: Completion::Read { token, result: Ok(data) } } => {
                write!(f, "Storage {{ {torrent:?}, Read {{ {token:?}, {} bytes }} }}", data.len())
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// An action, with the number of bytes in place of the bytes.
struct ShortAction<'a>(&'a Action);

impl fmt::Display for ShortAction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Action::Send { stream, data } => write!(f, "Send {{ {stream:?}, {} bytes }}", data.len()),
            Action::Storage { torrent, operation: Operation::Write { token, file, offset, data } } => {
                let length = data.len();
                write!(
                    f,
                    "Storage {{ {torrent:?}, Write {{ {token:?}, {file:?}, {offset}, {length} bytes }} }}"
                )
            }
            Action::Compute { torrent, token, job } => {
                let length: usize = job.data.iter().map(bytes::Bytes::len).sum();
                write!(f, "Compute {{ {torrent:?}, {token:?}, {length} bytes }}")
            }
            other => write!(f, "{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{Bytes, BytesMut};
    use convoy_core::{id::StreamId, slab::Key};
    use std::{cell::RefCell, rc::Rc};

    #[test]
    fn a_transcript_says_who_did_what_and_how_many_bytes() {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let written = Rc::clone(&lines);
        let mut transcript = Transcript(Box::new(move |line| written.borrow_mut().push(line.to_string())));
        transcript.life(HostId(4), &Config::default(), [0; 32]);
        let stream = StreamId::new(1, 0);
        let received = Input::Received { stream, data: BytesMut::zeroed(1000) };
        let sent = Action::Send { stream, data: Bytes::from_static(&[7; 20]) };
        transcript.step(HostId(4), Instant::ZERO, Some(received), &[sent], None);
        let [starts, received, sent] = &lines.take()[..] else { panic!("three lines") };
        assert_eq!(starts, "host 4: starts");
        assert!(received.starts_with("host 4: 0.000000s Received") && received.contains("1000 bytes"));
        assert!(sent.starts_with("host 4:   Send") && sent.contains("20 bytes"), "{sent}");
    }
}
