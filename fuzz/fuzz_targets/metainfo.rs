//! A torrent that is read, written and read again is the same; a magnet link likewise.
#![no_main]

use bytes::Bytes;
use convoy_core::metainfo::{Magnet, Metainfo};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(metainfo) = Metainfo::parse(Bytes::copy_from_slice(input)) {
        let again = Metainfo::parse(metainfo.encode().into()).expect("what was written can be read");
        assert_eq!(again.info, metainfo.info);
    }
    if let Some(magnet) = core::str::from_utf8(input).ok().and_then(|link| Magnet::parse(link).ok()) {
        assert_eq!(Magnet::parse(&magnet.to_string()), Ok(magnet));
    }
});
