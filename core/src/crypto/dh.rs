//! Diffie-Hellman over the 768-bit prime of MSE, with 160-bit private keys.
//!
//! In constant time: neither the time nor the memory touched depends on the private key. The base is
//! always 2, so its powers stand in a table and a public key costs 40 multiplications; a shared secret
//! costs a power with a bounded exponent.

use crate::random::Random;
use core::fmt;
use crypto_bigint::{CtAssign, CtEq, U192, U768, const_monty_params, modular::ConstMontyForm};
use zeroize::Zeroize;

/// Bytes of a public key and of a shared secret: always this many, leading zeros and all.
pub const KEY_LENGTH: usize = 96;

/// Bytes of a private key. More would cost time and give nothing: the prime is the weaker part.
const PRIVATE_LENGTH: usize = 20;

const_monty_params!(
    Prime,
    U768,
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563",
    "The prime of MSE."
);

type Element = ConstMontyForm<Prime, { U768::LIMBS }>;

/// Exponents are read four bits at a time.
const WINDOW: usize = 4;
const WINDOWS: usize = PRIVATE_LENGTH * 8 / WINDOW;
const ENTRIES: usize = 1 << WINDOW;

/// Row i, column j: 2 to the power of j × 16^i. 60 KiB.
static POWERS_OF_TWO: [[Element; ENTRIES]; WINDOWS] = powers_of_two();

#[allow(clippy::indexing_slicing, reason = "made by the compiler: what is out of bounds does not compile")]
const fn powers_of_two() -> [[Element; ENTRIES]; WINDOWS] {
    let mut table = [[Element::ONE; ENTRIES]; WINDOWS];
    let mut base = Element::new(&U768::from_u8(2));
    let mut row = 0;
    while row < WINDOWS {
        let mut column = 1;
        while column < ENTRIES {
            table[row][column] = table[row][column - 1].mul(&base);
            column += 1;
        }
        base = table[row][ENTRIES - 1].mul(&base);
        row += 1;
    }
    table
}

/// A private key. Wiped when it is dropped.
pub struct PrivateKey([u8; PRIVATE_LENGTH]);

/// A public key, checked: it lies between 2 and the prime less 2, so that it is of no small order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; KEY_LENGTH]);

/// What both sides know and nobody else. Wiped when it is dropped.
pub struct SharedSecret([u8; KEY_LENGTH]);

impl PrivateKey {
    /// Draws a key from the secret stream.
    #[must_use]
    pub fn random(random: &mut Random) -> Self {
        let mut bytes = [0; PRIVATE_LENGTH];
        random.fill_secret(&mut bytes);
        Self(bytes)
    }

    /// A key that is known already: for vectors.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; PRIVATE_LENGTH]) -> Self {
        Self(bytes)
    }

    /// The public key: 2 to the power of this one.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        #[cfg(test)]
        counted::add();
        let mut power = Element::ONE;
        let nibbles = self.0.iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
        for (row, nibble) in POWERS_OF_TWO.iter().zip(nibbles) {
            // Every entry is read: which one is meant does not show in the memory touched.
            let mut factor = Element::ONE;
            for (column, entry) in (0_u8..).zip(row) {
                factor.ct_assign(entry, column.ct_eq(&nibble));
            }
            power = power.mul(&factor);
        }
        PublicKey(bytes_of(&power))
    }

    /// The secret shared with the owner of `theirs`.
    #[must_use]
    pub fn shared(&self, theirs: &PublicKey) -> SharedSecret {
        #[cfg(test)]
        counted::add();
        let mut exponent = [0; U192::BYTES];
        exponent.iter_mut().rev().zip(self.0.iter().rev()).for_each(|(to, from)| *to = *from);
        let base = Element::new(&U768::from_be_slice(&theirs.0));
        let power = base.pow_bounded_exp(&U192::from_be_slice(&exponent), PRIVATE_LENGTH as u32 * 8);
        exponent.zeroize();
        SharedSecret(bytes_of(&power))
    }
}

impl PublicKey {
    /// Checks what a peer sent. `None` for 0, 1, the prime less 1, and the prime and all above it: with
    /// those anybody could tell the shared secret.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_LENGTH]) -> Option<Self> {
        let key = U768::from_be_slice(&bytes);
        let prime =
            <Prime as crypto_bigint::modular::ConstMontyParams<{ U768::LIMBS }>>::PARAMS.modulus().get();
        let most = prime.wrapping_sub(&U768::from_u8(2));
        (key >= U768::from_u8(2) && key <= most).then_some(Self(bytes))
    }

    /// What goes over the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }
}

impl SharedSecret {
    /// The bytes, leading zeros and all: what goes into hashes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }
}

fn bytes_of(element: &Element) -> [u8; KEY_LENGTH] {
    let mut bytes = [0; KEY_LENGTH];
    let encoded = element.retrieve().to_be_bytes();
    bytes.iter_mut().zip(AsRef::<[u8]>::as_ref(&encoded)).for_each(|(to, from)| *to = *from);
    bytes
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Drop for SharedSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// How many powers this thread has computed: what a flood of keys costs, whatever the machine.
#[cfg(test)]
pub(crate) mod counted {
    use core::cell::Cell;

    std::thread_local! {
        static POWERS: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn add() {
        POWERS.set(POWERS.get() + 1);
    }

    /// The powers that `work` costs.
    pub(crate) fn powers(work: impl FnOnce()) -> u64 {
        let before = POWERS.get();
        work();
        POWERS.get() - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use num_bigint::BigUint;
    use proptest::prelude::*;

    fn prime() -> BigUint {
        let hex = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563";
        BigUint::parse_bytes(hex.as_bytes(), 16).expect("hex")
    }

    fn padded(number: &BigUint) -> [u8; KEY_LENGTH] {
        let bytes: Vec<u8> = number.to_bytes_be();
        let mut padded = [0; KEY_LENGTH];
        padded[KEY_LENGTH - bytes.len()..].copy_from_slice(&bytes);
        padded
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn keys_and_secrets_equal_those_of_num_bigint(one: [u8; PRIVATE_LENGTH], two: [u8; PRIVATE_LENGTH]) {
            let (a, b) = (PrivateKey(one), PrivateKey(two));
            let expected = BigUint::from(2_u8).modpow(&BigUint::from_bytes_be(&one), &prime());
            prop_assert_eq!(a.public().0, padded(&expected));
            let secret = BigUint::from_bytes_be(b.public().as_bytes()).modpow(&BigUint::from_bytes_be(&one), &prime());
            prop_assert_eq!(a.shared(&b.public()).0, padded(&secret));
            prop_assert_eq!(b.shared(&a.public()).0, padded(&secret));
        }
    }

    #[test]
    fn bad_input_26_degenerate_public_keys_are_refused() {
        let one = BigUint::from(1_u8);
        let bad = [BigUint::ZERO, one.clone(), prime() - 1_u8, prime(), prime() + 1_u8, (one << 768) - 1_u8];
        for key in bad {
            assert_eq!(PublicKey::from_bytes(padded(&key)), None, "{key}");
        }
        for key in [BigUint::from(2_u8), prime() - 2_u8] {
            assert!(PublicKey::from_bytes(padded(&key)).is_some(), "{key}");
        }
    }
}
