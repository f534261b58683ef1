//! The pieces that are wanted by a time, the soonest first.

use crate::{bitfield::Bitfield, id::PieceIndex, time::Instant};
use alloc::vec::Vec;

/// How many there may be: a minute and more of a film. A bound on the work of a pick; the last are
/// forgotten.
const MAX_DUE: usize = 256;

#[derive(Clone, Debug)]
pub(super) struct Due {
    /// Sorted.
    soonest_first: Vec<(Instant, PieceIndex)>,
    timed: Bitfield,
}

impl Due {
    pub(super) fn new(pieces: u32) -> Self {
        Self { soonest_first: Vec::new(), timed: Bitfield::new(pieces) }
    }

    /// Whether `piece` is wanted by a time.
    pub(super) fn contains(&self, piece: PieceIndex) -> bool {
        self.timed.get(piece)
    }

    /// The soonest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = PieceIndex> {
        self.soonest_first.iter().map(|(_, piece)| *piece)
    }

    /// A piece of the torrent is wanted by this time, or by none. Returns the one that had to be forgotten
    /// for it, if any.
    pub(super) fn set(&mut self, piece: PieceIndex, at: Option<Instant>) -> Option<PieceIndex> {
        if self.timed.clear(piece) {
            self.soonest_first.retain(|(_, known)| *known != piece);
        }
        let entry = (at?, piece);
        let place = self.soonest_first.partition_point(|known| *known < entry);
        self.soonest_first.insert(place, entry);
        self.timed.set(piece);
        if self.soonest_first.len() <= MAX_DUE {
            return None;
        }
        let (_, last) = self.soonest_first.pop()?;
        self.timed.clear(last);
        Some(last)
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.soonest_first.capacity() * size_of::<(Instant, PieceIndex)>() + self.timed.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soonest_come_first_and_the_last_are_forgotten() {
        let mut due = Due::new(1000);
        let at = |micros| Some(Instant::from_micros(micros));
        for piece in 0..256 {
            assert_eq!(due.set(PieceIndex(piece), at(1000 - u64::from(piece))), None);
        }
        assert_eq!(due.set(PieceIndex(0), at(0)), None, "it is there already");
        assert_eq!(due.set(PieceIndex(500), at(1)), Some(PieceIndex(1)));
        assert!(due.iter().take(3).eq([0, 500, 255].map(PieceIndex)));
        assert_eq!(due.set(PieceIndex(500), None), None);
        assert!(!due.contains(PieceIndex(500)) && due.contains(PieceIndex(255)));
        assert_eq!(due.iter().count(), 255);
    }
}
