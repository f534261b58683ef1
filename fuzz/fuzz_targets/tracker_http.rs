#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| drop(convoy_fuzz::tracker_http::run(input)));
