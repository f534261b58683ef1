//! An extension handshake that is read, written and read again is the same; a later word counts.

use crate::{Reached, tree::Tree};
use arbitrary::{Arbitrary, Unstructured};
use convoy_core::wire::{EXTENDED_HANDSHAKE_MAX, ExtendedHandshake};

const WORDS: [&str; 20] = [
    "m",
    "ut_metadata",
    "ut_pex",
    "lt_donthave",
    "ut_holepunch",
    "upload_only",
    "ic_auth",
    "ic_priority",
    "metadata_size",
    "reqq",
    "p",
    "v",
    "yourip",
    "ipv4",
    "ipv6",
    "e",
    "ic_version",
    "ic_capabilities",
    "\u{7f}\0\0\u{1}",
    "0123456789abcdef",
];

#[derive(Arbitrary)]
enum Input<'a> {
    Raw(&'a [u8]),
    Made(Tree, Tree),
}

pub fn run(bytes: &[u8]) -> Reached {
    let mut reached = Reached::default();
    match Input::arbitrary_take_rest(Unstructured::new(bytes)) {
        Ok(Input::Raw(raw)) => drop(read(raw, &mut reached)),
        Ok(Input::Made(first, later)) => {
            let first = read(&first.encode(&WORDS), &mut reached);
            let later = read(&later.encode(&WORDS), &mut reached);
            if let (Some(mut merged), Some(later)) = (first, later) {
                merged.merge(later.clone());
                let mut again = merged.clone();
                again.merge(later);
                assert_eq!(merged, again, "the same word twice is one");
                reached.add("merged");
            }
        }
        Err(_) => {}
    }
    reached
}

fn read(raw: &[u8], reached: &mut Reached) -> Option<ExtendedHandshake> {
    let handshake = ExtendedHandshake::decode(raw)?;
    assert!(raw.len() <= EXTENDED_HANDSHAKE_MAX as usize);
    assert!(handshake.memory() <= raw.len());
    assert_eq!(ExtendedHandshake::decode(&handshake.encode()).as_ref(), Some(&handshake));
    let parts = [
        ("metadata", handshake.ut_metadata.is_some() && handshake.metadata_size.is_some()),
        ("pex", handshake.ut_pex.is_some()),
        ("reqq", handshake.reqq.is_some()),
        ("port", handshake.listen_port.is_some()),
        ("client", handshake.client.is_some()),
        ("your ip", handshake.your_ip.is_some()),
        ("ipv6", handshake.ipv6.is_some()),
        ("encryption", handshake.prefers_encryption.is_some()),
        ("ic", handshake.ic_version.is_some() && handshake.ic_auth.is_some()),
    ];
    parts.iter().filter(|(_, has)| *has).for_each(|(name, _)| reached.add(name));
    reached.add("decoded");
    Some(handshake)
}
