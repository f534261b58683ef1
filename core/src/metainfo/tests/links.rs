//! Magnet links: the limits, and that what is written is read again.

use crate::{
    id::{FileIndex, InfoHash},
    metainfo::{BadInfoHash, MAX_MAGNET_BYTES, MAX_MAGNET_HINTS, Magnet, MagnetError},
};
use alloc::{
    format,
    string::{String, ToString},
};
use proptest::prelude::*;

const LINK: &str = "magnet:?xt=urn:btih:3211423340ea3ced1dbea08b1f2db228db87b663";

#[test]
fn a_link_of_more_than_64_kib_is_refused() {
    let fits = format!("{LINK}&x={}", "a".repeat(MAX_MAGNET_BYTES - LINK.len() - 3));
    assert_eq!(fits.len(), MAX_MAGNET_BYTES);
    assert!(Magnet::parse(&fits).is_ok());
    assert_eq!(Magnet::parse(&(fits + "a")), Err(MagnetError::TooLong));
}

#[test]
fn hints_beyond_the_cap_are_left_out() {
    let link = format!("{LINK}{}", "&tr=u://t&ws=u://w&x.pe=h:1&dht=h:1".repeat(MAX_MAGNET_HINTS + 1));
    let magnet = Magnet::parse(&link).expect("a link");
    assert_eq!([magnet.trackers.len(), magnet.web_seeds.len()], [MAX_MAGNET_HINTS; 2]);
    assert_eq!([magnet.peers.len(), magnet.nodes.len()], [MAX_MAGNET_HINTS; 2]);
}

#[test]
fn without_a_selection_all_files_are_selected() {
    let select = |link: &str| {
        Magnet::parse(link).map(|magnet| [0, 1, 4, 6, 7].map(|file| magnet.selects(FileIndex(file))))
    };
    assert_eq!(select(LINK), Ok([true; 5]));
    assert_eq!(select(&format!("{LINK}&so=0,4-6")), Ok([true, false, true, true, false]));
}

#[test]
fn an_info_hash_by_itself_makes_a_link() {
    let info_hash: InfoHash = "GIIUEM2A5I6O2HN6UCFR6LNSFDNYPNTD".parse().expect("an info-hash");
    assert_eq!(Magnet::from(info_hash).to_string(), LINK);
    assert_eq!("GIIUEM2A".parse::<InfoHash>(), Err(BadInfoHash));
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(parameters in prop::collection::vec(parameter(), 0..12)) {
        let magnet = Magnet::parse(&format!("{LINK}{}", parameters.concat()));
        let Ok(magnet) = magnet else { return Ok(()) };
        prop_assert_eq!(Magnet::parse(&magnet.to_string()), Ok(magnet));
    }

    #[test]
    fn no_text_panics(text in ".{0,200}", at in 0..200_usize) {
        let _ = Magnet::parse(&text);
        let mut link = format!("{LINK}&dn=a&so=1&x.pe=[::1]:1");
        if link.is_char_boundary(at) {
            link.insert_str(at, &text);
        }
        let _ = Magnet::parse(&link);
    }
}

fn parameter() -> impl Strategy<Value = String> {
    let key = prop::sample::select(["xt", "dn", "tr", "ws", "x.pe", "so", "dht", "tr.7", "xl"].to_vec());
    let value = prop_oneof![
        "[a-z0-9:/%+.,\\[\\]-]{0,24}",
        "([0-9]{1,3}(-[0-9]{1,4})?,){0,6}",
        "(\\[::[0-9a-f]{1,4}\\]|[a-z]{1,9}\\.[a-z]{2}):[0-9]{1,5}",
        "(%[0-9A-F]{2}|[äß ]){0,24}",
    ];
    (key, value).prop_map(|(key, value)| format!("&{key}={value}"))
}
