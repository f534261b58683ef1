//! Finding a marker behind padding of unknown length.

use super::message::PAD_MAX;
use bytes::{Buf, BytesMut};

/// Looks for `marker` in a stream, reading every byte once: the automaton of Knuth, Morris and Pratt.
///
/// The marker must begin within [`PAD_MAX`] bytes, so it ends within `PAD_MAX + N`. Padding may come in
/// any number of parts, before and after we sent something: all of it counts.
#[derive(Debug)]
pub(super) struct Scan<const N: usize> {
    marker: [u8; N],
    /// At i: how much of the marker's beginning is also the end of its first i + 1 bytes.
    borders: [u8; N],
    /// How much of the marker's beginning the stream ends with.
    matched: usize,
    /// Bytes that may still be read.
    left: usize,
}

/// The limit was reached without a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotFound;

impl<const N: usize> Scan<N> {
    pub(super) fn new(marker: [u8; N]) -> Self {
        let mut scan = Self { marker, borders: [0; N], matched: 0, left: PAD_MAX + N };
        for place in 1..N {
            if let Some(byte) = marker.get(place) {
                scan.step(*byte);
            }
            if let Some(border) = scan.borders.get_mut(place) {
                *border = scan.matched as u8;
            }
        }
        scan.matched = 0;
        scan
    }

    /// Takes bytes off the front of `fresh`, up to the marker's end if it is there. Says whether it is.
    pub(super) fn read(&mut self, fresh: &mut BytesMut) -> Result<bool, NotFound> {
        let mut read = 0;
        for byte in fresh.iter().take(self.left) {
            self.step(*byte);
            read += 1;
            if self.matched == N {
                break;
            }
        }
        fresh.advance(read);
        self.left -= read;
        if self.matched < N && self.left == 0 { Err(NotFound) } else { Ok(self.matched == N) }
    }

    fn step(&mut self, byte: u8) {
        while self.matched > 0 && self.marker.get(self.matched) != Some(&byte) {
            self.matched = self.borders.get(self.matched - 1).copied().map_or(0, usize::from);
        }
        if self.marker.get(self.matched) == Some(&byte) {
            self.matched += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marker_may_begin_at_512_and_no_later() {
        for (pad, found) in [(0, Ok(true)), (PAD_MAX, Ok(true)), (PAD_MAX + 1, Err(NotFound))] {
            let stream = [&[1; PAD_MAX + 1][..pad], b"marker.."].concat();
            assert_eq!(Scan::new(*b"marker..").read(&mut BytesMut::from(&stream[..])), found);
        }
    }

    proptest! {
        /// Of few letters, so that markers overlap themselves.
        #[test]
        fn finds_what_a_naive_search_finds_however_the_stream_is_cut(
            marker in proptest::collection::vec(0_u8..2, 8),
            stream in proptest::collection::vec(0_u8..2, 0..600),
            cuts in proptest::collection::vec(1_usize..200, 1..20),
        ) {
            let marker: [u8; 8] = marker.try_into().expect("8 bytes");
            let window = &stream[..stream.len().min(PAD_MAX + 8)];
            let expected = window.windows(8).position(|window| window == marker).map(|at| at + 8);

            let (mut scan, mut rest, mut read, mut found) = (Scan::new(marker), &stream[..], 0, Ok(false));
            for cut in cuts.iter().cycle() {
                if rest.is_empty() || found != Ok(false) {
                    break;
                }
                let (chunk, behind) = rest.split_at(rest.len().min(*cut));
                let mut fresh = BytesMut::from(chunk);
                found = scan.read(&mut fresh);
                read += chunk.len() - fresh.len();
                rest = behind;
            }
            match expected {
                Some(end) => prop_assert_eq!((found, read), (Ok(true), end)),
                None if stream.len() >= PAD_MAX + 8 => prop_assert_eq!(found, Err(NotFound)),
                None => prop_assert_eq!(found, Ok(false)),
            }
        }
    }
}
