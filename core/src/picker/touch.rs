//! Waiting for memory once instead of many times.

use super::claims::{Claim, MAX_CLAIMS};
use core::hint;

/// Reads a place of each claim, so that whoever needs it next finds it at hand.
///
/// First all are looked for, then all are read with nothing in between: a processor looks ahead over few
/// instructions, and so waits for as many reads at a time as fit there.
pub(super) fn touch<'a, T: Copy + 'a>(claims: &[Claim], place: impl Fn(&Claim) -> Option<&'a T>) {
    let mut places = [None; MAX_CLAIMS];
    for (found, claim) in places.iter_mut().zip(claims) {
        *found = place(claim);
    }
    for place in places.into_iter().take(claims.len()).flatten() {
        hint::black_box(*place);
    }
}
