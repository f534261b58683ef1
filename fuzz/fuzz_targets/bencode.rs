//! Strict bencode is lenient bencode too, and its root is all of the input.
#![no_main]

use convoy_core::bencode::Decoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(document) = Decoder::strict().decode(input) {
        assert_eq!(document.root().raw(), input);
        assert!(document.root().is_canonical());
    }
    if let Ok((document, used)) = Decoder::lenient().decode_prefix(input) {
        assert_eq!(document.root().raw(), &input[..used]);
    }
});
