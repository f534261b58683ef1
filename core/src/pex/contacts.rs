//! Who may be told of, who may no longer, and how far each receiver has read.

use crate::id::PeerKey;
use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::net::SocketAddr;

/// Contacts in the order in which they came, and those that went in theirs. Every change has a number.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    /// The number of the last change.
    last: u64,
    /// By the number of their coming.
    here: BTreeMap<u64, Contact>,
    /// When who is at an address came: each address stands for the first who came with it.
    by_addr: BTreeMap<SocketAddr, u64>,
    /// By the number of their going; the oldest are forgotten.
    gone: VecDeque<Gone>,
    /// How many of those are remembered.
    gone_max: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Contact {
    pub(super) peer: PeerKey,
    pub(super) addr: SocketAddr,
    pub(super) flags: u8,
}

#[derive(Clone, Copy, Debug)]
struct Gone {
    at: u64,
    came: u64,
    contact: Contact,
}

/// How far a receiver has read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bookmark {
    /// The contacts that came up to here: those that were there then, it was told of.
    came: u64,
    /// The contacts that went up to here.
    gone: u64,
}

/// What there is to tell.
pub(super) type News = (Vec<(SocketAddr, u8)>, Vec<SocketAddr>);

impl Contacts {
    pub(super) fn new(gone_max: usize) -> Self {
        Self { gone_max, ..Self::default() }
    }

    /// A contact came. The number of its coming; `None` if somebody is at its address already.
    pub(super) fn add(&mut self, contact: Contact) -> Option<u64> {
        if self.by_addr.contains_key(&contact.addr) {
            return None;
        }
        self.last += 1;
        self.here.insert(self.last, contact);
        self.by_addr.insert(contact.addr, self.last);
        Some(self.last)
    }

    /// The contact that came with this number is gone.
    pub(super) fn remove(&mut self, came: u64) {
        let Some(contact) = self.here.remove(&came) else { return };
        self.by_addr.remove(&contact.addr);
        self.last += 1;
        self.gone.push_back(Gone { at: self.last, came, contact });
        if self.gone.len() > self.gone_max {
            self.gone.pop_front();
        }
    }

    pub(super) fn get_mut(&mut self, came: u64) -> Option<&mut Contact> {
        self.here.get_mut(&came)
    }

    pub(super) fn is_at(&self, addr: SocketAddr) -> bool {
        self.by_addr.contains_key(&addr)
    }

    /// Reads on from the bookmark: up to `most` that came and `most` that went of those that `concerns` the
    /// receiver.
    pub(super) fn read(
        &self,
        bookmark: &mut Bookmark,
        most: usize,
        concerns: impl Fn(&Contact) -> bool,
    ) -> News {
        let (mut added, mut dropped) = (Vec::new(), Vec::new());
        let known = bookmark.came;
        let start = self.gone.partition_point(|gone| gone.at <= bookmark.gone);
        for gone in self.gone.range(start..) {
            let was_told = gone.came <= known && concerns(&gone.contact);
            // If another is there now, it is or will be told of that one, unless that is itself.
            let heir = self.by_addr.get(&gone.contact.addr).and_then(|came| self.here.get(came));
            if was_told && !heir.is_some_and(&concerns) {
                if dropped.len() >= most {
                    // Who came is told only once it is settled who of those that came before is gone.
                    return (added, dropped);
                }
                dropped.push(gone.contact.addr);
            }
            bookmark.gone = gone.at;
        }
        for (came, contact) in self.here.range(known + 1..) {
            if concerns(contact) {
                if added.len() >= most {
                    return (added, dropped);
                }
                added.push((contact.addr, contact.flags));
            }
            bookmark.came = *came;
        }
        (added, dropped)
    }

    /// Heap bytes held.
    pub(super) fn memory(&self) -> usize {
        let contact = size_of::<(u64, Contact)>() + size_of::<(SocketAddr, u64)>();
        self.here.len() * contact + self.gone.capacity() * size_of::<Gone>()
    }
}
