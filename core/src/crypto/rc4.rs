//! RC4, as MSE uses it.
//!
//! It is nearly the whole cost of an encrypted transfer. The state is kept as bytes, indices wrap by
//! their type so that no access needs a check, eight bytes of keystream are made before they meet the
//! data in one operation, and the entry that the next byte begins with is read before this byte's swap is
//! written, so that it need not wait for it.
#![allow(clippy::indexing_slicing, reason = "a byte is always inside 256 entries")]

use zeroize::Zeroize;

/// How much of a keystream MSE throws away: its first bytes tell something of the key.
const DROP: usize = 1024;

/// A keystream and where it stands. Encrypting and decrypting are the same.
///
/// ```
/// use convoy_core::crypto::Rc4;
///
/// let mut text = *b"convoy";
/// Rc4::new(b"a key").apply(&mut text);
/// assert_ne!(&text, b"convoy");
/// Rc4::new(b"a key").apply(&mut text);
/// assert_eq!(&text, b"convoy");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Rc4 {
    #[cfg_attr(feature = "serde", serde(with = "crate::serial::hex"))]
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    /// The keystream of `key`, from its very first byte. An empty key counts as one zero byte.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        let mut state = [0; 256];
        (0_u8..=255).zip(&mut state).for_each(|(number, place)| *place = number);
        let key = if key.is_empty() { &[0] } else { key };
        let mut j = 0_u8;
        for (i, letter) in (0_u8..=255).zip(key.iter().cycle()) {
            j = j.wrapping_add(state[usize::from(i)]).wrapping_add(*letter);
            state.swap(usize::from(i), usize::from(j));
        }
        Self { state, i: 0, j: 0 }
    }

    /// The keystream of `key` as MSE uses it: from byte 1024 on.
    #[must_use]
    pub fn new_dropped(key: &[u8]) -> Self {
        let mut rc4 = Self::new(key);
        rc4.apply(&mut [0; DROP]);
        rc4
    }

    /// Combines `data` with the next bytes of the keystream.
    pub fn apply(&mut self, data: &mut [u8]) {
        let (mut i, mut j) = (self.i.wrapping_add(1), self.j);
        let state = &mut self.state;
        let mut x = state[usize::from(i)];
        let mut next = || {
            j = j.wrapping_add(x);
            let y = state[usize::from(j)];
            let after = i.wrapping_add(1);
            let ahead = state[usize::from(after)];
            state[usize::from(i)] = y;
            state[usize::from(j)] = x;
            let byte = state[usize::from(x.wrapping_add(y))];
            // Unless the swap changed it after all.
            x = if j == after { x } else { ahead };
            i = after;
            byte
        };
        let (chunks, rest) = data.as_chunks_mut::<8>();
        for chunk in chunks {
            let stream = [next(), next(), next(), next(), next(), next(), next(), next()];
            *chunk = (u64::from_ne_bytes(*chunk) ^ u64::from_ne_bytes(stream)).to_ne_bytes();
        }
        rest.iter_mut().for_each(|byte| *byte ^= next());
        (self.i, self.j) = (i.wrapping_sub(1), j);
    }
}

impl Drop for Rc4 {
    fn drop(&mut self) {
        self.state.zeroize();
    }
}

impl core::fmt::Debug for Rc4 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Rc4(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};
    use proptest::prelude::*;
    use rc4::{KeyInit, StreamCipher};

    fn keystream(key: &[u8], offset: usize) -> [u8; 16] {
        let mut bytes = vec![0; offset + 16];
        Rc4::new(key).apply(&mut bytes);
        bytes[offset..].try_into().expect("16 bytes")
    }

    #[test]
    fn rfc_6229_keystreams() {
        let short: Vec<u8> = (1..=5).collect();
        let long: Vec<u8> = (1..=16).collect();
        let hex = |bytes: [u8; 16]| u128::from_be_bytes(bytes);
        assert_eq!(hex(keystream(&short, 0)), 0xb239_6305_f03d_c027_ccc3_524a_0a11_18a8);
        assert_eq!(hex(keystream(&short, 1024)), 0x30ab_bcc7_c20b_0160_9f23_ee2d_5f6b_b7df);
        assert_eq!(hex(keystream(&long, 0)), 0x9ac7_cc9a_609d_1ef7_b293_2899_cde4_1b97);
        assert_eq!(hex(keystream(&long, 1024)), 0xbdf0_324e_6083_dcc6_d3ce_dd3c_a8c5_3c16);
    }

    proptest! {
        #[test]
        fn equals_the_rc4_crate_however_the_data_is_cut(
            key: [u8; 20],
            data in proptest::collection::vec(any::<u8>(), 0..200),
            cut in 0_usize..200,
        ) {
            let mut expected = data.clone();
            rc4::Rc4::new_from_slice(&key).expect("20 bytes").apply_keystream(&mut expected);
            let mut ours = data;
            let (head, tail) = ours.split_at_mut(cut.min(expected.len()));
            let mut rc4 = Rc4::new(&key);
            rc4.apply(head);
            rc4.apply(tail);
            prop_assert_eq!(ours, expected);
        }
    }
}
