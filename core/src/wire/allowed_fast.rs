//! Which pieces a peer may ask for while it is choked (BEP 6).

use crate::id::{InfoHash, PieceIndex};
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use sha1::{Digest, Sha1};

/// How many pieces a peer is allowed (BEP 6: `k`).
pub const ALLOWED_FAST: u32 = 10;

/// The set that BEP 6 computes for a peer at `ip`: `k` of the torrent's pieces, or all if it has no more.
/// Everybody in its /24 has the same, so a peer gains nothing by many addresses. What other programs compute
/// differs (libtorrent does not mask the address), so nothing that a peer says of its set can be checked.
/// There is no such set for IPv6.
///
/// ```
/// use convoy_core::{id::{InfoHash, PieceIndex}, wire::allowed_fast_set};
///
/// let set = allowed_fast_set([80, 4, 4, 200].into(), InfoHash([0xaa; 20]), 1313, 3);
/// assert_eq!(set, [PieceIndex(1059), PieceIndex(431), PieceIndex(808)]);
/// ```
#[must_use]
pub fn allowed_fast_set(ip: Ipv4Addr, info_hash: InfoHash, pieces: u32, k: u32) -> Vec<PieceIndex> {
    let [a, b, c, _] = ip.octets();
    let mut set = Vec::new();
    let mut x: [u8; 20] = Sha1::new().chain_update([a, b, c, 0]).chain_update(info_hash.0).finalize().into();
    // The loop of the BEP never ends where there are fewer pieces than that.
    let wanted = k.min(pieces) as usize;
    while set.len() < wanted {
        for word in x.as_chunks::<4>().0 {
            let piece = PieceIndex(u32::from_be_bytes(*word) % pieces);
            if set.len() < wanted && !set.contains(&piece) {
                set.push(piece);
            }
        }
        x = Sha1::digest(x).into();
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ip: [u8; 4], pieces: u32, k: u32) -> Vec<u32> {
        let set = allowed_fast_set(ip.into(), InfoHash([0xaa; 20]), pieces, k);
        set.into_iter().map(|piece| piece.0).collect()
    }

    #[test]
    fn the_vectors_of_bep_6() {
        assert_eq!(set([80, 4, 4, 200], 1313, 7), [1059, 431, 808, 1217, 287, 376, 1188]);
        assert_eq!(set([80, 4, 4, 200], 1313, 9), [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]);
        assert_eq!(set([80, 4, 4, 1], 1313, 9), set([80, 4, 4, 200], 1313, 9), "one set for each /24");
    }

    #[test]
    fn a_small_torrent_is_allowed_whole() {
        assert_eq!(set([127, 0, 0, 1], 4, 10), [2, 0, 1, 3]);
        assert_eq!(set([127, 0, 0, 1], 1, 10), [0]);
        assert!(set([127, 0, 0, 1], 0, 10).is_empty());
        assert!(set([127, 0, 0, 1], 9, 0).is_empty());
    }
}
