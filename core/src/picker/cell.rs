//! One block of an open piece: 8 bytes.

/// The most peers that are asked for one block at once (endgame).
pub(super) const MAX_ASKERS: usize = 3;

/// One block: whether it is here, and who is asked for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    askers: [u16; MAX_ASKERS],
    count: u8,
    mark: Mark,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mark {
    #[default]
    Missing,
    /// Missing, and taken back once for the sake of a higher tier: that is not done to it again.
    Spared,
    Here,
}

impl Cell {
    /// A block that is here.
    pub(super) const HERE: Self = Self { askers: [0; MAX_ASKERS], count: 0, mark: Mark::Here };

    /// The slots of the peers that are asked for the block.
    pub(super) fn askers(&self) -> &[u16] {
        self.askers.get(..usize::from(self.count)).unwrap_or_default()
    }

    pub(super) fn is_here(&self) -> bool {
        self.mark == Mark::Here
    }

    /// Whether it is neither here nor asked for.
    pub(super) fn is_free(&self) -> bool {
        self.count == 0 && !self.is_here()
    }

    pub(super) fn is_spared(&self) -> bool {
        self.mark == Mark::Spared
    }

    pub(super) fn spare(&mut self) {
        if !self.is_here() {
            self.mark = Mark::Spared;
        }
    }

    pub(super) fn add(&mut self, slot: u16) {
        if let Some(asker) = self.askers.get_mut(usize::from(self.count)) {
            *asker = slot;
            self.count += 1;
        }
    }

    pub(super) fn remove(&mut self, slot: u16) -> bool {
        let Some(at) = self.askers().iter().position(|asker| *asker == slot) else { return false };
        self.count -= 1;
        self.askers.swap(at, usize::from(self.count));
        true
    }
}
