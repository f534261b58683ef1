//! Looks at every call of every engine: counts slots, and writes transcripts for people.

use super::plan::HostNumber;
use crate::{net::HostId, world::Observer};
use convoy_core::{
    Deadline, Instant, Seed,
    engine::{Action, Config, Input},
    id::StreamId,
    storage::{Completion, Operation},
};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    fmt::{self, Arguments},
    rc::Rc,
};

/// Takes the lines of a transcript.
pub type Sink = Box<dyn FnMut(Arguments<'_>)>;

/// Longer sends carry block data: no other message of a swarm of ordinary size is as long.
const BLOCK_DATA: usize = 4096;

/// Sees every call. Clones see the same.
#[derive(Clone)]
pub(super) struct Lens(Rc<RefCell<Seen>>);

struct Seen {
    /// In the order of their ids in the world.
    numbers: Vec<HostNumber>,
    /// Who sent block data where since the last sample.
    slots: BTreeSet<(HostId, StreamId)>,
    transcript: Option<Sink>,
}

impl Lens {
    pub(super) fn new(transcript: Option<Sink>) -> Self {
        Self(Rc::new(RefCell::new(Seen { numbers: Vec::new(), slots: BTreeSet::new(), transcript })))
    }

    /// The next host of the world has this number.
    pub(super) fn named(&self, number: HostNumber) {
        self.0.borrow_mut().numbers.push(number);
    }

    /// How many streams carried block data since this was last asked.
    pub(super) fn take_slots(&self) -> u32 {
        std::mem::take(&mut self.0.borrow_mut().slots).len() as u32
    }
}

impl Seen {
    fn write(&mut self, host: HostId, line: Arguments<'_>) {
        if let (Some(sink), Some(number)) = (&mut self.transcript, self.numbers.get(host.0 as usize)) {
            sink(format_args!("{number}: {line}"));
        }
    }
}

impl Observer for Lens {
    fn life(&mut self, host: HostId, _: &Config, _: Seed) {
        self.0.borrow_mut().write(host, format_args!("starts"));
    }

    fn step(
        &mut self,
        host: HostId,
        at: Instant,
        input: Option<Input>,
        actions: &[Action],
        _: Option<Deadline>,
    ) {
        let mut seen = self.0.borrow_mut();
        for action in actions {
            if let Action::Send { stream, data } = action
                && data.len() >= BLOCK_DATA
            {
                seen.slots.insert((host, *stream));
            }
        }
        if seen.transcript.is_some() {
            match &input {
                Some(input) => seen.write(host, format_args!("{at:?} {}", ShortInput(input))),
                None => seen.write(host, format_args!("{at:?} time is up")),
            }
            actions.iter().for_each(|action| seen.write(host, format_args!("  {}", ShortAction(action))));
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
    use convoy_core::slab::Key;

    fn send(stream: u32, length: usize) -> Action {
        Action::Send { stream: StreamId::new(stream, 0), data: Bytes::from(vec![7; length]) }
    }

    #[test]
    fn a_stream_is_a_slot_in_every_second_in_which_it_carries_block_data() {
        let lens = Lens::new(None);
        let actions = [send(1, 16_397), send(1, 16_397), send(2, 68), send(3, 16_384)];
        for host in [HostId(0), HostId(1)] {
            lens.clone().step(host, Instant::ZERO, None, &actions, None);
        }
        assert_eq!([lens.take_slots(), lens.take_slots()], [4, 0]);
    }

    #[test]
    fn a_transcript_says_who_did_what_and_how_many_bytes() {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let written = Rc::clone(&lines);
        let mut lens = Lens::new(Some(Box::new(move |line| written.borrow_mut().push(line.to_string()))));
        lens.named(HostNumber(4));
        lens.life(HostId(0), &Config::default(), [0; 32]);
        let received = Input::Received { stream: StreamId::new(1, 0), data: BytesMut::zeroed(1000) };
        lens.step(HostId(0), Instant::ZERO, Some(received), &[send(1, 20)], None);
        let [starts, received, sent] = &lines.take()[..] else { panic!("three lines") };
        assert_eq!(starts, "host 4: starts");
        assert!(received.starts_with("host 4: 0.000000s Received") && received.contains("1000 bytes"));
        assert!(sent.contains("Send") && sent.contains("20 bytes"), "{sent}");
    }
}
